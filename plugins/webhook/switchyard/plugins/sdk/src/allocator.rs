//! The allocator of a plugin: an arena that only grows, and starts over when everything was given back.
//!
//! A plugin lives for one batch, or for a bounded number of them, so giving single blocks back is
//! work for nothing. What costs is memory touched for the first time. Hence: blocks lie side by side,
//! the last block grows and shrinks in place (a body that is written at the end of the arena is never
//! copied), and memory is asked for in large steps. After [`keep`], which the SDK calls when the
//! settings are read, the arena returns to that mark as soon as no younger block is in use, which is
//! the case after every batch. Never use it where blocks outlive batches and pile up.

#![expect(unsafe_code, reason = "a global allocator is unsafe to implement")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;

/// Memory is asked for in steps of so many pages of 64 KiB: one call for most batches.
const PAGES_STEP: usize = 16;
const PAGE_BYTES: usize = 64 * 1024;

/// The arena: addresses of its free part, and what was allocated behind the mark.
pub struct Bump {
    free: Cell<usize>,
    end: Cell<usize>,
    mark: Cell<usize>,
    in_use: Cell<usize>,
}

// SAFETY: a plugin has one thread.
unsafe impl Sync for Bump {}

impl Bump {
    /// An arena without memory.
    pub const fn new() -> Bump {
        Bump { free: Cell::new(0), end: Cell::new(0), mark: Cell::new(0), in_use: Cell::new(0) }
    }

    /// From now on the arena starts over here.
    pub fn keep(&self) {
        self.mark.set(self.free.get());
        self.in_use.set(0);
    }

    /// Asks for memory that holds `bytes` from `free` on. Whether there was enough.
    #[cold]
    fn grow(&self, end_wanted: usize) -> bool {
        let missing = end_wanted.saturating_sub(self.end.get()).div_ceil(PAGE_BYTES);
        let (mut pages, mut had) = (missing.max(PAGES_STEP), memory_grow(missing.max(PAGES_STEP)));
        if had == usize::MAX {
            (pages, had) = (missing, memory_grow(missing));
        }
        if had == usize::MAX {
            return false;
        }
        self.end.set((had + pages) * PAGE_BYTES);
        true
    }
}

fn memory_grow(pages: usize) -> usize {
    core::arch::wasm32::memory_grow(0, pages)
}

/// Where the arena's memory begins: behind the module's own.
fn heap_base() -> usize {
    unsafe extern "C" {
        static __heap_base: u8;
    }
    (&raw const __heap_base).addr()
}

// SAFETY: blocks do not overlap: each begins at or behind `free`, which then lies behind it, and
// `free` goes back only over blocks that are no longer in use.
unsafe impl GlobalAlloc for Bump {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.end.get() == 0 {
            self.free.set(heap_base());
            self.mark.set(heap_base());
            self.end.set(heap_base().next_multiple_of(PAGE_BYTES));
        }
        let start = self.free.get().next_multiple_of(layout.align());
        let Some(end) = start.checked_add(layout.size()) else { return core::ptr::null_mut() };
        if end > self.end.get() && !self.grow(end) {
            return core::ptr::null_mut();
        }
        self.free.set(end);
        self.in_use.set(self.in_use.get() + 1);
        core::ptr::with_exposed_provenance_mut(start)
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let start = block.expose_provenance();
        if start < self.mark.get() {
            return;
        }
        self.in_use.set(self.in_use.get() - 1);
        if self.in_use.get() == 0 {
            self.free.set(self.mark.get());
        } else if start + layout.size() == self.free.get() {
            self.free.set(start);
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = block.expose_provenance();
        if start + layout.size() == self.free.get() && start >= self.mark.get() {
            let Some(end) = start.checked_add(size) else { return core::ptr::null_mut() };
            if end > self.end.get() && !self.grow(end) {
                return core::ptr::null_mut();
            }
            self.free.set(end);
            return block;
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: as the caller promised for this call; the new block is another one and larger.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                core::ptr::copy_nonoverlapping(block, moved, layout.size());
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[global_allocator]
static ARENA: Bump = Bump::new();

/// What is allocated so far stays; the arena starts over behind it.
pub fn keep() {
    ARENA.keep();
}
