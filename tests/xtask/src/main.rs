//! `cargo xtask`: everything that is done with this work tree, one word each. Standard library only,
//! so that it starts at once on a fresh machine.
//!
//! Nothing is skipped silently: what is missing is installed where it can be, and named with the
//! line that installs it where it cannot, and then the command fails.

mod build;
mod checks;
mod clients;
mod command;
mod suite;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  build         the release daemon and target/plugins/<id>.wasm
  test          all checks and all tests
  soak          the storms and scale tests at their stated size
  demo          the daemon, vendors that stand in, and a shop's events, live
  demo --once   the same, ending when every event has its final outcome
  demo --example NAME   the same with examples/pipelines/NAME: shop or saas
  bench         the table of figures, also written to target/bench.json
  bench WORD..  some of them; languages (what plugins cost in each) and authors (what who writes one
                waits for) are measured only so
  catalogue     host/docs/catalogue.md, from the plugins' manifests
  corpus        the plugins of the current contract, into tests/corpus, where they are missing
  clients       the SDK packages that the tests drive, into target/clients
";

/// What went wrong, in a line for a person.
type Failure = String;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<(), Failure> {
    match words {
        ["build"] => build::all(),
        ["catalogue"] => build::host().and_then(|()| build::run_binary("catalogue", &[])),
        ["corpus"] => build::all().and_then(|()| build::run_binary("corpus", &[])),
        ["clients"] => clients::install(),
        ["test"] => checks::all(),
        ["soak"] => suite::soak(),
        ["demo", rest @ ..] => build::all().and_then(|()| build::run_binary("demo", rest)),
        ["bench", rest @ ..] if rest.iter().any(|word| matches!(*word, "languages" | "authors")) => {
            clients::install().and_then(|()| build::all()).and_then(|()| build::run_binary("bench", rest))
        }
        ["bench", rest @ ..] => build::all().and_then(|()| build::run_binary("bench", rest)),
        _ => {
            print!("{USAGE}");
            Err(format!("unknown command: {}", words.join(" ")))
        }
    }
}

/// The top of the work tree.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the work tree is there")
}

/// Where the build puts its output.
fn target() -> PathBuf {
    root().join("target")
}
