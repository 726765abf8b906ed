//! `switchyard plugin dev`, as an author leaves it running beside her editor.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::paths;
use crate::project::Project;

/// A running `plugin dev`; it ends with the test.
pub struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    /// Watches a project; with a daemon's configuration, what passes its fixtures is loaded there.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(project: &Project, daemon: Option<&Path>) -> Watching {
        let mut command = Command::new(paths::daemon());
        command.args(["plugin", "dev", &project.folder().display().to_string()]);
        if let Some(config) = daemon {
            command.arg("--daemon").arg("--config").arg(config);
        }
        let mut child = command
            .envs(project.environment().iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .expect("switchyard can be started");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Watching { child, lines }
    }

    /// What it prints until it waits for the next save.
    ///
    /// # Panics
    /// When it ends.
    pub fn round(&mut self) -> String {
        let mut printed = String::new();
        for line in self.lines.by_ref() {
            let line = line.expect("it prints text");
            printed.push_str(&line);
            printed.push('\n');
            if line.starts_with("-- ") {
                return printed;
            }
        }
        panic!("it ended: {printed}");
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
