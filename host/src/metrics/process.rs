//! The metrics of the process, under the names that Prometheus' own clients use.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::family::{Labels, counter, gauge};

/// The figures of this process. What the system does not say is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// When the daemon started, in seconds since 1970.
    pub started_seconds: f64,
    /// Processor time of all threads.
    pub cpu_seconds: f64,
    /// Memory that is resident.
    pub resident_bytes: Option<u64>,
    /// Files that are open.
    pub open_files: Option<u64>,
    /// Files that may be open.
    pub open_files_max: Option<u64>,
}

impl Process {
    /// The figures now. Reads two files of the kernel.
    pub fn now(started_ms: u64) -> Process {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Process {
            started_seconds: started_ms as f64 / 1e3,
            cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            resident_bytes: std::fs::read_to_string("/proc/self/statm").ok().and_then(|statm| resident_bytes(&statm)),
            open_files: std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64),
            open_files_max: getrlimit(Resource::Nofile).current,
        }
    }
}

/// The second number of statm counts pages.
fn resident_bytes(statm: &str) -> Option<u64> {
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let out = &mut encoder;
        let maybe = |value: Option<u64>| value.map(|value| (Labels::new(), value));
        let start = [(Labels::new(), self.started_seconds)];
        gauge(out, "start_time", "When the daemon started, since 1970", Some(Unit::Seconds), start)?;
        let cpu = [(Labels::new(), self.cpu_seconds)];
        counter(out, "cpu", "Processor time", Some(Unit::Seconds), cpu)?;
        let help = "Memory that is resident";
        gauge(out, "resident_memory", help, Some(Unit::Bytes), maybe(self.resident_bytes))?;
        gauge(out, "open_fds", "Files that are open", None, maybe(self.open_files))?;
        gauge(out, "max_fds", "Files that may be open", None, maybe(self.open_files_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_knows_its_own_figures() {
        let now = Process::now(1_500);
        assert!((now.started_seconds - 1.5).abs() < 1e-9);
        assert!(now.resident_bytes.is_some_and(|bytes| bytes > 100_000), "{now:?}");
        assert!(now.open_files.is_some_and(|files| files > 2), "{now:?}");
        assert_eq!(resident_bytes("nonsense"), None);
    }
}
