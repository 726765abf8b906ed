//! The one engine, the clock that ends calls, and the count of live instances.
//!
//! The clock is a thread that advances the engine's epoch while any instance lives; it sleeps when
//! none has for a while, so an idle daemon uses no processor time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, ResourceLimiter};

use super::deadline::Deadline;
use super::fault::PluginError;
use super::limits::Limits;
use super::log::Log;
use crate::meter::GuestMeter;

/// Time between two epochs.
pub(super) const TICK_MS: u64 = 10;

/// Ticks without a live instance after which the clock sleeps. Waking it costs a system call, which
/// a daemon with steady work shall not pay for every batch.
const IDLE_TICKS_MAX: u32 = 20;

/// Memory of an instance that stays with its slot, zeroed instead of given back: the page faults of
/// a batch of 100 events of 2.4 KB, their index and their plan cost more than the plan.
const KEEP_RESIDENT_BYTES: usize = 4 << 20;

/// Core modules in one component: a Rust guest has one, an interpreter with its libraries some.
const CORE_INSTANCES_MAX: u32 = 64;

/// One in so many places may be taken by an instance that rests: the others are for calls.
const RESTING_SHARE: usize = 2;

/// Linear memories in one component. Each reserves 4 GiB of address space in the pool.
const MEMORIES_MAX: u32 = 1;

/// Tables in one component.
const TABLES_MAX: u32 = 4;

/// The engine with its bounds: all that a call needs beside a revision.
pub struct Sandbox {
    engine: Engine,
    limits: Limits,
    shared: Arc<Shared>,
    clock: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the clock.
    wake: Condvar,
    /// Tells that an instance has ended.
    room: Condvar,
}

#[derive(Default)]
struct State {
    live: usize,
    /// Instances that are kept for another call. They take up a place, and the clock sleeps over them.
    resting: usize,
    clock_sleeps: bool,
    stopping: bool,
}

impl Sandbox {
    /// Sets up the engine and starts its clock.
    pub fn start(limits: Limits) -> Result<Sandbox, PluginError> {
        let failed = |error: wasmtime::Error| PluginError::Sandbox(format!("{error:#}"));
        let engine = match Engine::new(&config(Some(pool(&limits)))) {
            Ok(engine) => engine,
            Err(error) => {
                // Reserving address space for the pool fails where it is limited.
                tracing::warn!("instances are not pooled, and batches cost more: {error:#}");
                Engine::new(&config(None)).map_err(failed)?
            }
        };
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), room: Condvar::new() });
        let (own_engine, own) = (engine.clone(), shared.clone());
        let clock = std::thread::Builder::new()
            .name("guest-clock".to_string())
            .spawn(move || tick(&own_engine, &own))
            .map_err(|error| PluginError::Sandbox(error.to_string()))?;
        Ok(Sandbox { engine, limits, shared, clock: Some(clock) })
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Waits until another instance may live, and counts it while the answer is kept.
    pub fn enter(&self) -> Live {
        let mut state = self.shared.lock();
        while state.live + state.resting >= self.limits.instances_max.max(1) {
            state = self.shared.room.wait(state).expect("nobody panics while holding the count");
        }
        state.begin(&self.shared.wake);
        drop(state);
        let resting_max = self.limits.instances_max / RESTING_SHARE;
        Live { shared: self.shared.clone(), is_resting: false, resting_max }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.wake.notify_one();
        if let Some(clock) = self.clock.take() {
            // It ends within a tick; a panic in it changes nothing any more.
            let _ = clock.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the count")
    }
}

impl State {
    fn begin(&mut self, wake: &Condvar) {
        self.live += 1;
        if self.clock_sleeps {
            wake.notify_one();
        }
    }
}

/// So much time in epochs, and one because the first may come at once.
pub(super) fn ticks(time: Duration) -> u64 {
    (time.as_millis() as u64).div_ceil(TICK_MS).saturating_add(1)
}

/// A live instance's place in the count.
pub struct Live {
    shared: Arc<Shared>,
    is_resting: bool,
    resting_max: usize,
}

impl Live {
    /// It is kept for another call; no, when too many are.
    pub fn rest(&mut self) -> bool {
        let mut state = self.shared.lock();
        if self.is_resting || state.resting >= self.resting_max {
            return self.is_resting;
        }
        state.live -= 1;
        state.resting += 1;
        self.is_resting = true;
        true
    }

    /// It is called again.
    pub fn wake(&mut self) {
        let mut state = self.shared.lock();
        if std::mem::take(&mut self.is_resting) {
            state.resting -= 1;
            state.begin(&self.shared.wake);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if self.is_resting {
            state.resting -= 1;
        } else {
            state.live -= 1;
        }
        drop(state);
        self.shared.room.notify_one();
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own, which waits for the time alone")]
fn tick(engine: &Engine, shared: &Shared) {
    let mut idle_ticks = 0;
    loop {
        let mut state = shared.lock();
        idle_ticks = if state.live == 0 { idle_ticks + 1 } else { 0 };
        if idle_ticks > IDLE_TICKS_MAX {
            state.clock_sleeps = true;
            while state.live == 0 && !state.stopping {
                state = shared.wake.wait(state).expect("nobody panics while holding the count");
            }
            state.clock_sleeps = false;
            idle_ticks = 0;
        }
        if state.stopping {
            return;
        }
        drop(state);
        std::thread::sleep(Duration::from_millis(TICK_MS));
        engine.increment_epoch();
    }
}

fn config(pool: Option<PoolingAllocationConfig>) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .memory_init_cow(true)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .wasm_component_model(true)
        .wasm_backtrace_max_frames(None)
        .concurrency_support(false);
    if let Some(pool) = pool {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let instances = u32::try_from(limits.instances_max).unwrap_or(u32::MAX).max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(instances.saturating_mul(MEMORIES_MAX))
        .total_tables(instances.saturating_mul(TABLES_MAX))
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memory_size(limits.memory_bytes_max)
        .table_elements(limits.table_elements_max)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES.min(limits.memory_bytes_max))
        .pagemap_scan(Enabled::Auto);
    pool
}

/// What a store knows of its guest: its bounds, and whether it ran into one.
pub struct Bounds {
    memory_bytes_max: usize,
    table_elements_max: usize,
    /// The guest was refused more memory.
    pub memory_refused: bool,
    /// Bytes that its memory has.
    pub memory_bytes: usize,
    /// What the guest says to its author.
    pub log: Log,
    /// When the call that runs ends.
    pub deadline: Deadline,
    meter: Option<Arc<GuestMeter>>,
}

impl Bounds {
    /// The bounds of a guest that has not run yet; `meter` is told of its memory.
    pub fn new(limits: &Limits, meter: Option<Arc<GuestMeter>>) -> Bounds {
        Bounds {
            memory_bytes_max: limits.memory_bytes_max,
            table_elements_max: limits.table_elements_max,
            memory_refused: false,
            memory_bytes: 0,
            log: Log::default(),
            deadline: Deadline::new(limits.call_ms_max),
            meter,
        }
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.memory_bytes_max;
        self.memory_refused |= !allowed;
        if allowed {
            self.memory_bytes = desired;
        }
        if let (true, Some(meter)) = (allowed, &self.meter) {
            meter.memory(desired);
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements_max)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }
}
