//! An event while rules change it: the bytes it had, and the edits that were made since.
//!
//! Rules look at the bytes through their index and note edits; an edit is not seen by [`Draft::view`]
//! until [`Draft::write`] has put all of them into new bytes, in one pass, with their index: what did
//! not change is copied in one piece, its entries are moved, and nothing is scanned again. Who looks
//! where an edit was noted has to write first; [`super::engine`] knows which rules do.
//!
//! Invariants: edits never overlap but by one lying inside another, and then the outer one counts;
//! what is written is canonical as long as nobody appends a key that is there.

use bytes::Bytes;

use crate::event::Event;
use crate::event::index::{ENTRY_BYTES, Entry, FLAG_KEY_ESCAPED, FLAG_MEMBER, HEADER_BYTES, Kind, Value, View, header};
use crate::event::scan::{Bounds, canonical};

use super::arena::{Arena, Fragment, GROWTH_BYTES_MAX, moved, push_string, rekey};
use super::path::{Path, Place, Segment};
use super::steps::{Exhausted, Steps};

/// Containers inside one another after the rules. The parsers of some vendors stop at 100; events
/// that come in have at most 64.
pub const DEPTH_MAX: usize = 100;

/// An event while rules change it.
pub(super) struct Draft<'e> {
    event: &'e Event,
    written: Option<(Vec<u8>, Vec<u8>)>,
    spare: (Vec<u8>, Vec<u8>),
    edits: Edits,
    bytes_max: usize,
}

/// Edits that are not written yet.
#[derive(Default)]
pub(super) struct Edits {
    list: Vec<Edit>,
    pub arena: Arena,
    keys: Vec<u8>,
    deeper: bool,
    /// Whether another edit of the same rule may meet one of these.
    pub settle: bool,
}

#[derive(Clone, Copy)]
struct Edit {
    at: u32,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Remove,
    Replace(Fragment),
    /// The value stays, its key is replaced.
    Append {
        key: (u32, u32),
        escaped: bool,
        value: Fragment,
    },
}

impl Edits {
    /// Takes a value away.
    pub fn remove(&mut self, value: &Value<'_>) {
        self.list.push(Edit { at: value.number(), what: What::Remove });
    }

    /// Puts another value in its place.
    pub fn replace(&mut self, value: &Value<'_>, by: Fragment) {
        self.deeper |= is_container(&self.arena, by);
        self.list.push(Edit { at: value.number(), what: What::Replace(by) });
    }

    /// Gives an object a member that it does not have, inside objects for all keys but the last.
    /// Answers false where that cannot be: the container is no object, or an item is missing.
    pub fn append(&mut self, to: &Value<'_>, keys: &[Segment], value: Fragment) -> Result<bool, Exhausted> {
        let Some((Segment::Key(first), rest)) = keys.split_first() else { return Ok(false) };
        if to.kind() != Kind::Object || !rest.iter().all(|segment| matches!(segment, Segment::Key(_))) {
            return Ok(false);
        }
        let value = match rest {
            [] => value,
            _ => self.wrapped(rest, value)?,
        };
        self.deeper |= is_container(&self.arena, value);
        // Others may want the same object.
        self.settle |= !rest.is_empty();
        let from = self.keys.len() as u32;
        let escaped = push_string(&mut self.keys, first);
        self.list
            .push(Edit { at: to.number(), what: What::Append { key: (from, self.keys.len() as u32), escaped, value } });
        Ok(true)
    }

    fn wrapped(&mut self, keys: &[Segment], value: Fragment) -> Result<Fragment, Exhausted> {
        let outer = self.arena.begin(Kind::Object)?;
        let mut open = Vec::with_capacity(keys.len());
        for (at, segment) in keys.iter().enumerate() {
            let Segment::Key(key) = segment else { continue };
            let parent = open.last().unwrap_or(&outer);
            if at + 1 == keys.len() {
                self.arena.fragment_in(parent, Some(key), value)?;
            } else {
                let inner = self.arena.open_in(parent, Some(key), Kind::Object)?;
                open.push(inner);
            }
        }
        while let Some(inner) = open.pop() {
            self.arena.close(inner);
        }
        Ok(self.arena.end(outer))
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    fn clear(&mut self) {
        self.list.clear();
        self.arena.clear();
        self.keys.clear();
        (self.deeper, self.settle) = (false, false);
    }
}

fn is_container(arena: &Arena, value: Fragment) -> bool {
    matches!(arena.json.get(value.json.0 as usize), Some(b'{' | b'['))
}

impl<'e> Draft<'e> {
    pub fn new(event: &'e Event) -> Draft<'e> {
        Draft {
            event,
            written: None,
            spare: (Vec::new(), Vec::new()),
            edits: Edits::default(),
            bytes_max: event.json.len().saturating_add(GROWTH_BYTES_MAX),
        }
    }

    pub fn event(&self) -> &'e Event {
        self.event
    }

    /// The event as it was last written.
    pub fn view(&self) -> View<'_> {
        match &self.written {
            Some((json, index)) => View::new(json, index),
            None => View::new(&self.event.json, &self.event.index),
        }
    }

    /// The event as it was last written, and where to note edits.
    pub fn parts(&mut self) -> (View<'_>, &mut Edits) {
        let view = match &self.written {
            Some((json, index)) => View::new(json, index),
            None => View::new(&self.event.json, &self.event.index),
        };
        (view, &mut self.edits)
    }

    /// Writes what was edited. Does nothing where nothing was.
    pub fn write(&mut self, steps: &Steps) -> Result<(), Exhausted> {
        if self.edits.is_empty() {
            return Ok(());
        }
        // Stable: of two edits of one value, the later one counts.
        self.edits.list.sort_by_key(|edit| edit.at);
        let (mut json, mut index) = std::mem::take(&mut self.spare);
        json.clear();
        index.clear();
        let view = self.view();
        let root = view.root();
        steps.take(1 + self.edits.list.len() as u64 + (root.raw().len() / 64) as u64)?;
        // Room for all, so that nothing grows on the way.
        json.reserve(root.raw().len() + self.edits.arena.json.len() + self.edits.keys.len() + 64);
        index.reserve(HEADER_BYTES + root.entries().len() + self.edits.arena.index.len());
        index.extend_from_slice(&header(0));
        let mut writing = Writing { edits: &self.edits, next: 0, json, index };
        writing.container(&root);
        let Writing { json, mut index, .. } = writing;
        let entries = ((index.len() - HEADER_BYTES) / ENTRY_BYTES) as u32;
        index[..HEADER_BYTES].copy_from_slice(&header(entries));
        if json.len() > self.bytes_max || self.edits.deeper && depth(&json, &index) > DEPTH_MAX {
            return Err(Exhausted);
        }
        self.edits.clear();
        if let Some(old) = self.written.replace((json, index)) {
            self.spare = old;
        }
        Ok(())
    }

    /// Puts JSON to a path of keys, and writes it. Does nothing where the path leads through no object.
    pub fn set(&mut self, keys: &[&str], json: &str, steps: &Steps) -> Result<(), Exhausted> {
        let path = Path::of_keys(keys.iter().copied());
        let bounds = Bounds { depth_max: 8, values_max: 4_096, bytes_max: GROWTH_BYTES_MAX };
        let Ok(made) = canonical(json.as_bytes(), &bounds) else { return Ok(()) };
        let (view, edits) = self.parts();
        let value = edits.arena.canonical(&made.json, made.index.get(HEADER_BYTES..).unwrap_or(&[]))?;
        path.each(view, steps, &mut |place| {
            match place {
                Place::There(there) => edits.replace(&there, value),
                Place::Missing(container, keys) => {
                    edits.append(&container, keys, value)?;
                }
            }
            Ok::<(), Exhausted>(())
        })?;
        self.write(steps)
    }

    /// The changed event; None where it is as it was. What was not written is lost.
    pub fn finish(self) -> Option<(Bytes, Bytes)> {
        self.written.map(|(json, index)| (Bytes::from(json), Bytes::from(index)))
    }
}

/// Containers inside one another.
fn depth(json: &[u8], index: &[u8]) -> usize {
    let view = View::new(json, index);
    let mut open: Vec<u32> = Vec::new();
    let mut most = 0;
    let mut number = 0;
    while let Some(value) = view.value(number) {
        while open.last().is_some_and(|behind| *behind <= number) {
            open.pop();
        }
        if matches!(value.kind(), Kind::Array | Kind::Object) {
            open.push(value.entry().next);
            most = most.max(open.len());
        }
        number += 1;
    }
    most
}

/// The pass that writes edits.
struct Writing<'d> {
    edits: &'d Edits,
    /// Of the edits, in order.
    next: usize,
    json: Vec<u8>,
    index: Vec<u8>,
}

impl Writing<'_> {
    fn next_at(&self) -> u32 {
        self.edits.list.get(self.next).map_or(u32::MAX, |edit| edit.at)
    }

    fn pass_over(&mut self, behind: u32) {
        while self.next_at() < behind {
            self.next += 1;
        }
    }

    fn count(&self) -> u32 {
        ((self.index.len() - HEADER_BYTES) / ENTRY_BYTES) as u32
    }

    /// Writes a container that has edits inside; its key, if it has one, is written.
    fn container(&mut self, value: &Value<'_>) {
        let (entry, number) = (value.entry(), value.number());
        let entry_at = self.index.len();
        let start = self.json.len() as u32;
        self.index.extend_from_slice(&Entry { start, ..entry }.to_bytes());
        let (open, close) = if entry.kind == Kind::Array { (b'[', b']') } else { (b'{', b'}') };
        self.json.push(open);
        let own = self.next;
        while self.next_at() == number {
            self.next += 1;
        }
        let own = own..self.next;
        let mut same: Option<(Value<'_>, Value<'_>)> = None;
        for child in value.children() {
            if self.next_at() >= child.entry().next {
                same = Some((same.map_or(child, |(first, _)| first), child));
                continue;
            }
            if let Some((first, last)) = same.take() {
                self.run(&first, &last);
            }
            self.child(&child);
        }
        if let Some((first, last)) = same {
            self.run(&first, &last);
        }
        for edit in own {
            let edit = self.edits.list[edit];
            if let What::Append { key, escaped, value } = edit.what {
                self.comma();
                self.json.extend_from_slice(&self.edits.keys[key.0 as usize..key.1 as usize]);
                self.json.push(b':');
                let key_len = u16::try_from(key.1 - key.0 - 2).unwrap_or(u16::MAX);
                self.fragment(value, key_len, FLAG_MEMBER | if escaped { FLAG_KEY_ESCAPED } else { 0 });
            }
        }
        self.json.push(close);
        let both = u64::from(self.json.len() as u32) | u64::from(self.count()) << 32;
        self.index[entry_at + 4..entry_at + 12].copy_from_slice(&both.to_le_bytes());
    }

    /// Writes a child that is edited, or has edits inside.
    fn child(&mut self, child: &Value<'_>) {
        let entry = child.entry();
        let mut whole = None;
        let mut at = self.next;
        while let Some(edit) = self.edits.list.get(at).filter(|edit| edit.at == child.number()) {
            // What is to be taken away goes, whatever else it was to become.
            if !matches!(edit.what, What::Append { .. }) && !matches!(whole, Some(What::Remove)) {
                whole = Some(edit.what);
            }
            at += 1;
        }
        if let Some(What::Remove) = whole {
            return self.pass_over(entry.next);
        }
        self.comma();
        if let Some(key) = child.raw_key() {
            self.json.push(b'"');
            self.json.extend_from_slice(key);
            self.json.extend_from_slice(b"\":");
        }
        match whole {
            Some(What::Replace(by)) => {
                self.pass_over(entry.next);
                self.fragment(by, entry.key_len, entry.flags & (FLAG_MEMBER | FLAG_KEY_ESCAPED));
            }
            _ => self.container(child),
        }
    }

    fn fragment(&mut self, value: Fragment, key_len: u16, key_flags: u8) {
        let (bytes, numbers) = (self.json.len() as u32, self.count());
        self.json.extend_from_slice(&self.edits.arena.json[value.json.0 as usize..value.json.1 as usize]);
        let from = self.index.len();
        self.index.extend_from_slice(&self.edits.arena.index[value.index.0 as usize..value.index.1 as usize]);
        moved(&mut self.index[from..], bytes, numbers);
        rekey(&mut self.index[from..from + ENTRY_BYTES], key_len, key_flags);
    }

    /// Copies neighbours that have no edits.
    fn run(&mut self, first: &Value<'_>, last: &Value<'_>) {
        self.comma();
        let run = first.run_to(last);
        let bytes = (self.json.len() as u32).wrapping_sub(run.start);
        let numbers = self.count().wrapping_sub(run.number);
        self.json.extend_from_slice(run.json);
        let from = self.index.len();
        self.index.extend_from_slice(run.entries);
        moved(&mut self.index[from..], bytes, numbers);
    }

    fn comma(&mut self) {
        if !matches!(self.json.last(), Some(b'{' | b'[')) {
            self.json.push(b',');
        }
    }
}
