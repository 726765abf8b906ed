//! All checks and all tests, as .ci/run runs them.

use crate::build::{GUEST_TARGET, guests, native_guests};
use crate::command::{cargo, step};
use crate::{Failure, build, clients, suite};

/// Formatting, builds, lints, tests, documentation. The tests run even when a lint complains, and
/// the last line counts what passed and what failed.
pub fn all() -> Result<(), Failure> {
    let formatted = step("formatting", &mut cargo(&["fmt", "--all", "--check"]));
    clients::install()?;
    build::all()?;
    let linted = lint_host().and(lint_guests());
    let documented = document();
    let counted = suite::run(&[]);
    for check in [formatted, linted, documented] {
        if let Err(failure) = &check {
            eprintln!("xtask: {failure}");
            check?;
        }
    }
    counted
}

fn lint_host() -> Result<(), Failure> {
    let arguments = ["clippy", "--release", "--all-targets", "--", "-D", "warnings"];
    step("lints of the host", &mut cargo(&arguments))
}

fn lint_guests() -> Result<(), Failure> {
    let guests = guests()?;
    let mut arguments = vec!["clippy", "--release", "--target", GUEST_TARGET];
    for guest in &guests {
        arguments.extend(["-p", &guest.package]);
    }
    arguments.extend(["--", "-D", "warnings"]);
    step("lints of the plugins", &mut cargo(&arguments))
}

fn document() -> Result<(), Failure> {
    let guests = native_guests()?;
    let mut of_guests = vec!["doc", "--release", "--no-deps"];
    of_guests.extend(guests.iter().map(String::as_str));
    for (name, arguments) in
        [("documentation", &["doc", "--release", "--no-deps"][..]), ("documentation of the plugins", &of_guests)]
    {
        step(name, cargo(arguments).env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}
