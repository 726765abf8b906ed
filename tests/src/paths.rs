//! Where things are: the work tree, the build's output, the plugins, free ports.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};

/// The top of the work tree.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the work tree is there")
}

/// Where the build puts its output.
pub fn target() -> PathBuf {
    match std::env::var_os("SWITCHYARD_TARGET") {
        Some(directory) => PathBuf::from(directory),
        None => root().join("target"),
    }
}

/// The release daemon.
///
/// # Panics
/// When it has not been built.
pub fn daemon() -> PathBuf {
    built(target().join("release/switchyard"))
}

/// The built plugin of that id, or the guest of the tests.
///
/// # Panics
/// When it has not been built.
pub fn plugin(id: &str) -> PathBuf {
    let guest = target().join("guests").join(format!("{id}.wasm"));
    if guest.is_file() { guest } else { built(target().join("plugins").join(format!("{id}.wasm"))) }
}

fn built(path: PathBuf) -> PathBuf {
    assert!(path.is_file(), "{} is not there: run `cargo xtask build` first", path.display());
    path
}

/// A file of tests/fixtures, as text.
pub fn fixture(name: &str) -> String {
    let path = root().join("tests/fixtures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The size of a storm or a scale test: small in `cargo xtask test`, as stated in `cargo xtask soak`.
pub fn size(small: u64, stated: u64) -> u64 {
    if std::env::var_os("SWITCHYARD_SOAK").is_some() { stated } else { small }
}

/// A loopback address that nothing listens on and that this process never names twice. The ports lie
/// below those which the kernel gives to clients, so that a daemon can come back on its own.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + (std::process::id() % 180) as u16 * 100;
    for _ in 0..20_000 {
        let port = 12_000 + (first - 12_000 + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port on the loopback address");
}
