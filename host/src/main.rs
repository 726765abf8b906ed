//! The binary: reads the command line and hands over to the library.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

/// What one thread allocates another mostly frees here: an event passes several on its way.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match switchyard::cli::main(switchyard::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
