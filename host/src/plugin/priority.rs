//! How little a thread gets of a processor that others want, too.

/// What is added to the nice value of a thread aside: it gets a thirtieth of a core that the others want. Less,
/// or what nobody else wants, would be nothing on a machine that is always busy.
const NICE: i32 = 15;

/// The most that a nice value can be.
const NICE_MAX: i32 = 19;

/// Its slice of time, in nanoseconds: the longest there is. Who wakes with a shorter one, as all others have, goes
/// first at once, where it else might wait for the next tick. Kernels before 6.12 do not know it.
const SLICE_NS: u64 = 100_000_000;

/// Lets this thread get less of a processor than others, for good. Linux: it alone. A system that refuses it
/// lets spinning plugins take more.
#[expect(unsafe_code, reason = "no library says how long a thread's slice is")]
pub fn lower() {
    let nice = rustix::process::getpriority_process(None).unwrap_or(0);
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: libc::SCHED_FLAG_KEEP_POLICY as u64,
        sched_nice: (nice + NICE).min(NICE_MAX),
        sched_priority: 0,
        sched_runtime: SLICE_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    const THIS_THREAD: libc::pid_t = 0;
    const NO_FLAGS: libc::c_uint = 0;
    // SAFETY: the call reads as many bytes as the attributes say, and keeps nothing of them.
    unsafe { libc::syscall(libc::SYS_sched_setattr, THIS_THREAD, &raw const attributes, NO_FLAGS) };
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_thread_is_lowered_by_that_much_and_it_alone() {
        let nice = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux");
            let after_name = stat.rsplit_once(')').expect("a name").1;
            after_name.split_whitespace().nth(16).expect("19 fields").parse::<i32>().expect("a number")
        };
        let before = nice();
        let lowered = std::thread::spawn(move || {
            super::lower();
            nice()
        });
        assert_eq!(lowered.join().expect("no panic"), (before + super::NICE).min(super::NICE_MAX));
        assert_eq!(nice(), before);
    }
}
