//! The tests, counted.

use crate::command::{cargo, step_seen};
use crate::{Failure, build, clients};

/// What passed and what failed, over all test programs.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Count {
    /// Reads a line of a test program: `test result: ok. 3 passed; 0 failed; ...`.
    fn see(&mut self, line: &str) {
        let number_before = |word: &str| -> Option<u64> {
            let before = line.split(word).next()?.trim_end();
            before.rsplit(' ').next()?.parse().ok()
        };
        if line.starts_with("test result: ") {
            self.passed += number_before(" passed").unwrap_or(0);
            self.failed += number_before(" failed").unwrap_or(0);
        } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_string());
        }
    }
}

/// All tests of the host, of the outer edge, of the SDK and of the plugins' own code.
pub fn run(environment: &[(&str, &str)]) -> Result<(), Failure> {
    let guests = build::native_guests()?;
    let host = vec!["test", "--release", "--no-fail-fast"];
    let mut of_guests = host.clone();
    of_guests.extend(guests.iter().map(String::as_str));
    let mut count = Count::default();
    let mut succeeded = true;
    for (name, arguments) in [("tests of the plugins' code", of_guests), ("tests", host)] {
        let mut command = cargo(&arguments);
        succeeded &= step_seen(name, command.envs(environment.iter().copied()), |line| count.see(line))?;
    }
    for name in &count.failures {
        println!("failed: {name}");
    }
    println!("{} passed, {} failed", count.passed, count.failed);
    match (succeeded, count.passed) {
        (true, 1..) => Ok(()),
        (true, _) => Err("no test was run".to_string()),
        (false, _) => Err("a test failed, or could not be compiled".to_string()),
    }
}

/// The same tests, the storms among them at their stated size.
pub fn soak() -> Result<(), Failure> {
    clients::install()?;
    build::all()?;
    run(&[("SWITCHYARD_SOAK", "1"), ("SWITCHYARD_SOAK_INPUTS", "1000000")])
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn results_are_added_up() {
        let mut count = Count::default();
        count.see("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        count.see("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        count.see("test a_name ... FAILED");
        assert_eq!((count.passed, count.failed), (15, 2));
        assert_eq!(count.failures, ["a_name"]);
    }
}
