//! What a plugin costs in one destination: processor time, calls, instances, memory, faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::thread_time;
use crate::queue::DestinationId;

/// Which function of a plugin is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Events become a plan.
    Plan,
    /// An answer becomes a judgement.
    Judge,
}

/// How a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An instruction that ends it.
    Trap,
    /// It took too long.
    Deadline,
    /// It wanted too much memory.
    Memory,
    /// Its answer is too large, or cannot be read.
    Output,
    /// Its plan breaks a rule.
    BadPlan,
    /// Its judgement breaks a rule.
    BadJudgement,
    /// It does not take its settings.
    ConfigureRefused,
    /// It answered that it cannot plan.
    PlanRefused,
    /// The host failed.
    Host,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [FaultKind; 9] = [
        FaultKind::Trap,
        FaultKind::Deadline,
        FaultKind::Memory,
        FaultKind::Output,
        FaultKind::BadPlan,
        FaultKind::BadJudgement,
        FaultKind::ConfigureRefused,
        FaultKind::PlanRefused,
        FaultKind::Host,
    ];

    /// As `/metrics` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultKind::Trap => "trap",
            FaultKind::Deadline => "deadline",
            FaultKind::Memory => "memory",
            FaultKind::Output => "output",
            FaultKind::BadPlan => "bad_plan",
            FaultKind::BadJudgement => "bad_judgement",
            FaultKind::ConfigureRefused => "configure_refused",
            FaultKind::PlanRefused => "plan_refused",
            FaultKind::Host => "host",
        }
    }
}

/// Counts what a plugin costs in one destination.
#[derive(Debug)]
pub struct GuestMeter {
    destination: DestinationId,
    plugin: String,
    cpu_ns: AtomicU64,
    plan_calls: AtomicU64,
    judge_calls: AtomicU64,
    instances: AtomicU64,
    instances_live: AtomicU64,
    memory_peak_bytes: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    faults: [AtomicU64; FaultKind::ALL.len()],
}

/// What a [`GuestMeter`] has counted.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestCounts {
    /// Whose calls.
    pub destination: DestinationId,
    /// Of which plugin.
    pub plugin: String,
    /// Processor time of the calls, the host's share of them included.
    pub cpu_seconds: f64,
    /// Calls that plan.
    pub plan_calls: u64,
    /// Calls that judge.
    pub judge_calls: u64,
    /// Instances made.
    pub instances: u64,
    /// Instances that live now.
    pub instances_live: u64,
    /// The most memory that one instance has had.
    pub memory_peak_bytes: u64,
    /// Bytes of events, indexes and answers that it was handed.
    pub bytes_in: u64,
    /// Bytes of its plans and judgements.
    pub bytes_out: u64,
    /// Faults by kind, each kind once.
    pub faults: Vec<(FaultKind, u64)>,
}

impl GuestMeter {
    /// Of a destination and its plugin.
    pub fn new(destination: &DestinationId, plugin: &str) -> GuestMeter {
        let zero = || AtomicU64::new(0);
        GuestMeter {
            destination: destination.clone(),
            plugin: plugin.to_string(),
            cpu_ns: zero(),
            plan_calls: zero(),
            judge_calls: zero(),
            instances: zero(),
            instances_live: zero(),
            memory_peak_bytes: zero(),
            bytes_in: zero(),
            bytes_out: zero(),
            faults: std::array::from_fn(|_| zero()),
        }
    }

    /// Whose calls it counts.
    pub fn destination(&self) -> &DestinationId {
        &self.destination
    }

    /// The plugin that is called.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Runs a call on this thread and counts it with its processor time.
    pub fn timed<T>(&self, call: Call, work: impl FnOnce() -> T) -> T {
        let before = thread_time();
        let result = work();
        let used = thread_time().saturating_sub(before);
        self.cpu_ns.fetch_add(used.as_nanos() as u64, Ordering::Relaxed);
        let calls = match call {
            Call::Plan => &self.plan_calls,
            Call::Judge => &self.judge_calls,
        };
        calls.fetch_add(1, Ordering::Relaxed);
        result
    }

    /// Counts a fault.
    pub fn fault(&self, kind: FaultKind) {
        self.faults[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// An instance is made; it lives until the answer is dropped.
    pub fn instance(self: &Arc<GuestMeter>) -> LiveInstance {
        self.instances.fetch_add(1, Ordering::Relaxed);
        self.instances_live.fetch_add(1, Ordering::Relaxed);
        LiveInstance(self.clone())
    }

    /// An instance has so much memory now.
    pub fn memory(&self, bytes: usize) {
        self.memory_peak_bytes.fetch_max(bytes as u64, Ordering::Relaxed);
    }

    /// A call was handed so many bytes and answered with so many.
    pub fn bytes(&self, bytes_in: usize, bytes_out: usize) {
        self.bytes_in.fetch_add(bytes_in as u64, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes_out as u64, Ordering::Relaxed);
    }

    /// What it has counted.
    pub fn counts(&self) -> GuestCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        GuestCounts {
            destination: self.destination.clone(),
            plugin: self.plugin.clone(),
            cpu_seconds: load(&self.cpu_ns) as f64 / 1e9,
            plan_calls: load(&self.plan_calls),
            judge_calls: load(&self.judge_calls),
            instances: load(&self.instances),
            instances_live: load(&self.instances_live),
            memory_peak_bytes: load(&self.memory_peak_bytes),
            bytes_in: load(&self.bytes_in),
            bytes_out: load(&self.bytes_out),
            faults: FaultKind::ALL.into_iter().zip(self.faults.iter().map(load)).collect(),
        }
    }
}

/// A live instance's place in the count.
#[derive(Debug)]
pub struct LiveInstance(Arc<GuestMeter>);

impl Drop for LiveInstance {
    fn drop(&mut self) {
        self.0.instances_live.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_instances_memory_and_faults_are_counted() {
        let meter = Arc::new(GuestMeter::new(&DestinationId("shop/ga4".to_string()), "ga4"));
        let spun = meter.timed(Call::Plan, || (0..1_000_000_u64).fold(7, |sum, each| std::hint::black_box(sum ^ each)));
        assert_ne!(spun, 1);
        meter.timed(Call::Judge, || ());
        let first = meter.instance();
        drop(meter.instance());
        meter.memory(2_000);
        meter.memory(1_000);
        meter.bytes(30, 4);
        meter.bytes(3, 0);
        FaultKind::ALL.into_iter().for_each(|kind| meter.fault(kind));
        let counts = meter.counts();
        assert!(counts.cpu_seconds > 0.0);
        assert_eq!((counts.plan_calls, counts.judge_calls), (1, 1));
        assert_eq!((counts.instances, counts.instances_live, counts.memory_peak_bytes), (2, 1, 2_000));
        assert_eq!((counts.bytes_in, counts.bytes_out), (33, 4));
        assert_eq!(counts.faults, FaultKind::ALL.map(|kind| (kind, 1)));
        drop(first);
        assert_eq!(meter.counts().instances_live, 0);
    }
}
