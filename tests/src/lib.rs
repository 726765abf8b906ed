//! What the tests, the demonstration and the benchmark share: a daemon to start and kill, vendors
//! that stand in for the real ones, a small HTTP client and a shop's events.
//!
//! Everything here works from the outer edge: HTTP in, HTTP out, files on disk, the daemon's own
//! command line. Nothing here looks into the daemon, but for [`simulated`], which has none.

pub mod catalogue;
pub mod cli;
pub mod clients;
pub mod corpus;
pub mod daemon;
pub mod dev;
pub mod expect;
pub mod golden;
pub mod http;
pub mod load;
pub mod nonsense;
pub mod paths;
pub mod project;
pub mod proxy;
pub mod registry;
pub mod scrape;
pub mod setup;
pub mod shop;
pub mod simulated;
pub mod stand_in;
pub mod tls_front;
pub mod vendors;
pub mod wasm;

use std::sync::OnceLock;

/// The one runtime that carries the clients and the stand-in vendors of this process, so that tests
/// themselves are plain functions.
pub fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be made at start-up")
    })
}
