//! What processes and threads use of the processor.

use anyhow::Context;

/// Processor time that a process has used since its start, with the system's part, in microseconds.
///
/// # Errors
/// When there is no such process.
pub fn used_us(process_id: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{process_id}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let after_name = text.rsplit_once(')').map(|(_, rest)| rest).context("the process has a name")?;
    let ticks = |at: usize| after_name.split_whitespace().nth(at).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("the system says how much")?;
    // 100 ticks a second on every Linux that the daemon runs on.
    Ok((user + system) * 10_000.0)
}

/// Processor time that this thread has used since its start, with the system's part, in microseconds.
pub fn thread_used_us() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    used.tv_sec as f64 * 1e6 + used.tv_nsec as f64 / 1e3
}
