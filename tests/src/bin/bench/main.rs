//! `cargo xtask bench`: one table. Every figure is a ratio to something measured in the same run, so
//! that a slow machine or a busy disk changes both sides. Written to target/bench.json as well.
//!
//! With words as arguments only the figures of those names are measured: scan, transform, plan, ingest, batches,
//! console, memory, destinations, end-to-end, latency, swaps, languages, authors. The last two are measured
//! only when they are named: they need the tools of all languages, which `cargo xtask clients` installs.

mod authors;
mod batches;
mod clients;
mod console;
mod daemons;
mod destinations;
mod end_to_end;
mod forwarder;
mod ingest;
mod languages;
mod latency;
mod memory;
mod parser;
mod plan;
mod processor;
mod scan;
mod sink;
mod swaps;
mod table;
mod templates;
mod transform;
mod yardstick;

use table::Row;

/// Measured only when they are named.
const NAMED_ONLY: [&str; 2] = ["languages", "authors"];

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [command, listen, sink] = &words[..]
        && command == "forwarder"
    {
        return forwarder::run(listen, sink);
    }
    if let [command, listen] = &words[..]
        && command == "parser"
    {
        return parser::run(listen);
    }
    let wanted = |name: &str| {
        let is_named = words.iter().any(|word| word == name);
        is_named || words.is_empty() && !NAMED_ONLY.contains(&name)
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut measure = |name: &str, of: &dyn Fn() -> anyhow::Result<Vec<Row>>| -> anyhow::Result<()> {
        if wanted(name) {
            eprintln!("measuring {name} ...");
            rows.extend(of()?);
        }
        Ok(())
    };
    measure("scan", &scan::rows)?;
    measure("transform", &transform::rows)?;
    measure("plan", &plan::rows)?;
    measure("ingest", &ingest::rows)?;
    measure("batches", &batches::rows)?;
    measure("console", &console::rows)?;
    measure("memory", &memory::rows)?;
    measure("destinations", &destinations::rows)?;
    measure("end-to-end", &end_to_end::rows)?;
    measure("latency", &latency::rows)?;
    measure("swaps", &swaps::rows)?;
    measure("languages", &languages::rows)?;
    measure("authors", &authors::rows)?;
    table::print(&rows);
    table::write(&rows)
}
