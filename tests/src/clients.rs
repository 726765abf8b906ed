//! The real SDKs: the packages that `cargo xtask clients` installs into target/clients, driven by the
//! programs of tests/sdk-clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::paths;

/// How long a client may take to its end, its retries included.
const END: Duration = Duration::from_secs(60);

/// Between two looks whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Events that a client sends for each line of its standard input, and how many it is asked for ahead.
const GROUP: usize = 10;
const AHEAD: usize = 5 * GROUP;

/// An SDK that is tested with its real package.
#[derive(Clone, Copy, Debug)]
pub enum Sdk {
    /// @segment/analytics-node.
    Node,
    /// @rudderstack/rudder-sdk-node.
    RudderNode,
    /// segment-analytics-python.
    Python,
    /// The same, compressing.
    PythonGzip,
    /// rudder-sdk-python, compressing as it does by default.
    RudderPython,
    /// The crate segment.
    Rust,
    /// @segment/analytics-next, in Chromium.
    Browser,
}

impl Sdk {
    /// Sends every call once; returns the events as the SDK says it sent them.
    ///
    /// # Panics
    /// When the SDK is not installed, or reports that an event was not taken.
    pub fn send_every_call(self, base_url: &str, write_key: &str) -> Vec<Value> {
        Running::start(self.command(base_url, write_key, &[])).end()
    }

    /// Sends so many events of all types; returns them.
    ///
    /// # Panics
    /// As [`Sdk::send_every_call`].
    pub fn send_count(self, base_url: &str, write_key: &str, count: usize) -> Vec<Value> {
        Running::start(self.command(base_url, write_key, &["--count", &count.to_string()])).end()
    }

    /// Starts it, to send events as [`Running::go_on`] asks for them.
    ///
    /// # Panics
    /// When the SDK is not installed.
    pub fn start(self, base_url: &str, write_key: &str) -> Running {
        Running::start(self.command(base_url, write_key, &["--paced"]))
    }

    /// Runs a program that uses the SDK, such as a page of the documentation shows; Node's and Python's
    /// only.
    ///
    /// # Panics
    /// When the SDK is not installed, or the program fails.
    pub fn run(self, program: &str) {
        let mut command = match self {
            Sdk::Node | Sdk::RudderNode => {
                let client = if matches!(self, Sdk::Node) { "node" } else { "rudder-node" };
                let mut command = Command::new("node");
                command.args(["--input-type=module", "--eval", program]).current_dir(installed(client));
                command
            }
            Sdk::Python | Sdk::RudderPython => {
                let client = if matches!(self, Sdk::Python) { "python" } else { "rudder-python" };
                let mut command = Command::new("python3");
                command.args(["-c", program]).env("PYTHONPATH", installed(client)).env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
            Sdk::PythonGzip | Sdk::Rust | Sdk::Browser => panic!("{self:?} runs no program"),
        };
        without_proxy(&mut command);
        Running::start(command).end();
    }

    fn command(self, base_url: &str, write_key: &str, mode: &[&str]) -> Command {
        let mut command = match self {
            Sdk::Node => node("node"),
            Sdk::RudderNode => node("rudder-node"),
            Sdk::Browser => node("browser"),
            Sdk::Python | Sdk::PythonGzip => python("python"),
            Sdk::RudderPython => python("rudder-python"),
            Sdk::Rust => Command::new(installed("rust/debug/switchyard-rust-client")),
        };
        command.args([base_url, write_key]).arg(sources().join("calls.json")).args(mode);
        if matches!(self, Sdk::PythonGzip | Sdk::RudderPython) {
            command.arg("--gzip");
        }
        without_proxy(&mut command);
        command
    }
}

/// A proxy of the machine has no way back to loopback.
fn without_proxy(command: &mut Command) {
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
}

fn node(client: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(installed(&format!("{client}/send.js")));
    command
}

fn python(client: &str) -> Command {
    let mut command = Command::new("python3");
    let found = std::env::join_paths([installed(client), sources()]).expect("the work tree's path has no colon");
    command.arg(sources().join(client).join("send.py")).env("PYTHONPATH", found).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn sources() -> PathBuf {
    paths::root().join("tests/sdk-clients")
}

fn installed(path: &str) -> PathBuf {
    let path = paths::target().join("clients").join(path);
    assert!(path.exists(), "{} is not there: run `cargo xtask clients` first", path.display());
    path
}

/// A client that runs. It is killed when dropped.
pub struct Running {
    child: Child,
    what: String,
    asked: usize,
    sent: Arc<AtomicUsize>,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    fn start(mut command: Command) -> Running {
        let what = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        let sent = Arc::new(AtomicUsize::new(0));
        let stdout = child.stdout.take().map(|stdout| collect(stdout, sent.clone()));
        let stderr = child.stderr.take().map(|stderr| collect(stderr, Arc::default()));
        Running { child, what, asked: 0, sent, stdout, stderr }
    }

    /// Keeps it busy: asks for more events when those that it was asked for are nearly all sent.
    ///
    /// # Panics
    /// When the client has ended.
    pub fn go_on(&mut self) {
        while self.asked < self.sent.load(Ordering::Relaxed) + AHEAD {
            self.asked += GROUP;
            let asked = self.child.stdin.as_mut().expect("it is open until the end").write_all(b"\n");
            if let Err(error) = asked {
                let _ = self.child.kill();
                let (stdout, stderr) = self.output();
                panic!("{} takes no more ({error}):\n{stdout}{stderr}", self.what);
            }
        }
    }

    /// Waits until it has sent all that was asked for; returns the events as the SDK says it sent them.
    ///
    /// # Panics
    /// When it fails: an event was not taken, or was given up; or when it does not end in time.
    pub fn end(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        let mut status = None;
        let end = Instant::now() + END;
        while status.is_none() && Instant::now() < end {
            std::thread::park_timeout(LOOK_AGAIN);
            status = self.child.try_wait().expect("it is our child");
        }
        let _ = self.child.kill();
        let (stdout, stderr) = self.output();
        let status = status.unwrap_or_else(|| panic!("{} did not end:\n{stdout}{stderr}", self.what));
        assert!(status.success(), "{} failed ({status}):\n{stdout}{stderr}", self.what);
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"));
        stdout.lines().map(parse).collect()
    }

    fn output(&mut self) -> (String, String) {
        let text = |reader: Option<JoinHandle<String>>| {
            reader.map(|reader| reader.join().expect("a reader does not panic")).unwrap_or_default()
        };
        (text(self.stdout.take()), text(self.stderr.take()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads all of it aside, so that neither pipe fills up; counts the lines.
fn collect(from: impl Read + Send + 'static, lines: Arc<AtomicUsize>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        let mut from = BufReader::new(from);
        while from.read_line(&mut text).is_ok_and(|read| read > 0) {
            lines.fetch_add(1, Ordering::Relaxed);
        }
        text
    })
}
