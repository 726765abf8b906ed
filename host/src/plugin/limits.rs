//! The bounds on guests. Each has a default that is safe for a daemon of any size.

/// Bounds on one guest call and on what a plugin may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Memory of one instance, in bytes. 64 MiB: a batch of 4 MiB, its index and its answer several
    /// times over.
    pub memory_bytes_max: usize,
    /// Time of one call, in milliseconds. A batch of 100 takes about one; a second is a guest that
    /// hangs, even on a machine that is busy.
    pub call_ms_max: u64,
    /// Bytes that one call may hand to the host, counted before they are copied. 16 MiB: a batch of
    /// 4 MiB, written four times.
    pub output_bytes_max: usize,
    /// Requests of one plan. The largest batch has 2,000 events, and few vendors want two calls.
    pub requests_max: usize,
    /// Headers and auth parts of one request; the HTTP client refuses more than about a hundred.
    pub headers_max: usize,
    /// Bytes of one URL, the length that common servers take.
    pub url_bytes_max: usize,
    /// Bytes of a request's key, lane and quota: names, not data.
    pub name_bytes_max: usize,
    /// Bytes of a request's tag: what a judge needs to find its way, kept with each stored request.
    pub tag_bytes_max: usize,
    /// Bytes of a reason or a message; longer ones are cut.
    pub text_bytes_max: usize,
    /// Elements of one table. A Rust guest of 140 KB has some hundreds.
    pub table_elements_max: usize,
    /// Instances that live at a time; further calls wait. Each reserves address space, not memory.
    pub instances_max: usize,
    /// Bytes of a plugin's file. 64 MiB: a Python guest has 18.
    pub file_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes_max: 64 << 20,
            call_ms_max: 1_000,
            output_bytes_max: 16 << 20,
            requests_max: 10_000,
            headers_max: 64,
            url_bytes_max: 8_000,
            name_bytes_max: 512,
            tag_bytes_max: 64 << 10,
            text_bytes_max: 1_024,
            table_elements_max: 100_000,
            instances_max: 64,
            file_bytes_max: 64 << 20,
        }
    }
}
