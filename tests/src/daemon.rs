//! A real daemon in a directory of its own, to start, kill, end and start again.
//!
//! Invariants: it ends with the test (killed when dropped), it comes back on the same ports and
//! data, and what it logged is shown when the test fails.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::expect::eventually;
use crate::http::{Request, Response};
use crate::setup::Setup;
use crate::{cli, paths};

/// How long a start may take: opening a large store and compiling plugins on a loaded machine.
const START: Duration = Duration::from_secs(60);

/// How long an orderly end may take: longer than the default grace of the drain.
const END: Duration = Duration::from_secs(30);

/// The unit in which Linux tells processor time.
const TICK_MS: u64 = 10;

/// What would send the daemon's requests through a proxy of the machine.
const PROXY_VARIABLES: [&str; 6] = ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"];

/// Of the log, when a test fails.
const LOG_LINES_SHOWN: usize = 30;
const LOG_LINE_CHARS_SHOWN: usize = 400;

/// Where a daemon has its files.
enum Home {
    /// Gone when the daemon is dropped.
    Temporary(TempDir),
    /// Stays.
    Kept(PathBuf),
}

/// One daemon.
pub struct Daemon {
    child: Option<Child>,
    home: Home,
    config: PathBuf,
    ingest: SocketAddr,
    admin: SocketAddr,
    environment: Vec<(String, String)>,
    file_kib_max: Option<u64>,
    wrapper: Option<PathBuf>,
}

impl Daemon {
    /// Starts a daemon with this configuration and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(setup: Setup) -> Daemon {
        let mut daemon = Daemon::prepare(setup);
        daemon.restart();
        daemon
    }

    /// As [`Daemon::start`], with everything below this directory.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start_in(setup: Setup, parent: &Path) -> Daemon {
        let mut daemon = Daemon::prepare_in(setup, tempfile::tempdir_in(parent));
        daemon.restart();
        daemon
    }

    /// Lays out the directory, with the plugins that the configuration names; starts nothing.
    pub fn prepare(setup: Setup) -> Daemon {
        Daemon::prepare_in(setup, tempfile::tempdir())
    }

    fn prepare_in(setup: Setup, directory: std::io::Result<TempDir>) -> Daemon {
        let ids = setup.plugins();
        let daemon = Daemon::lay_out(setup, directory);
        for id in ids {
            std::fs::copy(paths::plugin(&id), daemon.plugin_file(&id)).expect("a plugin can be copied");
        }
        daemon
    }

    /// As [`Daemon::prepare`], with an empty plugin directory.
    pub fn prepare_bare(setup: Setup) -> Daemon {
        Daemon::lay_out(setup, tempfile::tempdir())
    }

    fn lay_out(setup: Setup, directory: std::io::Result<TempDir>) -> Daemon {
        let directory = directory.expect("a directory for the daemon");
        let plugins = directory.path().join("plugins");
        std::fs::create_dir(&plugins).expect("a directory for the plugins");
        let daemon = Daemon {
            child: None,
            config: directory.path().join("switchyard.toml"),
            home: Home::Temporary(directory),
            ingest: paths::free_address(),
            admin: paths::free_address(),
            environment: Vec::new(),
            file_kib_max: None,
            wrapper: None,
        };
        daemon.write_config(&daemon.config_text(&setup));
        daemon
    }

    /// examples/quickstart, through the variables that its configuration takes; starts nothing. With
    /// a directory given, the data stays there.
    pub fn quickstart(ingest: SocketAddr, admin: SocketAddr, sink: &str, directory: Option<PathBuf>) -> Daemon {
        Daemon::example("quickstart", ingest, admin, sink, directory)
    }

    /// As [`Daemon::quickstart`], with another folder of examples/ whose configuration takes the same
    /// variables.
    pub fn example(
        example: &str,
        ingest: SocketAddr,
        admin: SocketAddr,
        sink: &str,
        directory: Option<PathBuf>,
    ) -> Daemon {
        let home = match directory {
            Some(directory) => Home::Kept(directory),
            None => Home::Temporary(tempfile::tempdir().expect("a directory for the daemon")),
        };
        let mut daemon = Daemon {
            child: None,
            home,
            config: paths::root().join("examples").join(example).join("switchyard.toml"),
            ingest,
            admin,
            environment: Vec::new(),
            file_kib_max: None,
            wrapper: None,
        };
        let data = daemon.data().display().to_string();
        daemon.set_environment("SWITCHYARD_INGEST", &ingest.to_string());
        daemon.set_environment("SWITCHYARD_ADMIN", &admin.to_string());
        daemon.set_environment("SWITCHYARD_DATA", &data);
        daemon.set_environment("SWITCHYARD_PLUGINS", &paths::target().join("plugins").display().to_string());
        daemon.set_environment("SWITCHYARD_SINK", sink);
        daemon
    }

    /// From the next start on, no file of the daemon can grow beyond this: a write that would fails, as
    /// on a full disk. None lifts the bound.
    pub fn set_file_kib_max(&mut self, kib: Option<u64>) {
        self.file_kib_max = kib;
    }

    /// From the next start on, this program starts the daemon: it gets the command as its arguments.
    pub fn set_wrapper(&mut self, program: PathBuf) {
        self.wrapper = Some(program);
    }

    /// Sets a variable of the daemon's environment, for the next start.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_string(), value.to_string()));
    }

    /// The text of a configuration for this daemon's addresses.
    pub fn config_text(&self, setup: &Setup) -> String {
        setup.to_toml(&self.ingest.to_string(), &self.admin.to_string())
    }

    /// Replaces the configuration file in one step, as an editor does.
    pub fn write_config(&self, text: &str) {
        replace(&self.config, text.as_bytes());
    }

    /// Puts a plugin into the plugin directory in one step.
    pub fn put_plugin(&self, id: &str, bytes: &[u8]) {
        replace(&self.plugin_file(id), bytes);
    }

    /// Where the plugin of that id lies.
    pub fn plugin_file(&self, id: &str) -> PathBuf {
        self.directory().join("plugins").join(format!("{id}.wasm"))
    }

    /// The configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.directory().join("data")
    }

    /// The directory that holds the data and the log, and unless it is the quickstart's daemon the
    /// configuration and the plugins.
    pub fn directory(&self) -> &Path {
        match &self.home {
            Home::Temporary(directory) => directory.path(),
            Home::Kept(directory) => directory,
        }
    }

    /// Where events are taken.
    pub fn ingest(&self) -> SocketAddr {
        self.ingest
    }

    /// A URL on the listener for events.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.ingest)
    }

    /// A URL on the listener for operators.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    /// Starts it (again), and waits until it is ready.
    ///
    /// # Panics
    /// When it ends at once or does not become ready; shows its log.
    pub fn restart(&mut self) {
        self.spawn();
        let ready = self.url("/readyz");
        eventually("the daemon is ready", START, || {
            if let Some(status) = self.exited() {
                panic!("the daemon ended at its start: {status}\n{}", self.log());
            }
            Request::get(&ready).send().is_ok_and(|response| response.status == 200)
        });
    }

    /// Starts it without waiting for anything.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it already runs");
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a file for the log");
        let mut program = self.program();
        for name in PROXY_VARIABLES {
            program.env_remove(name);
        }
        let child = program
            .arg("run")
            .arg("--config")
            .arg(self.config())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file for the log"))
            .stderr(log)
            .spawn()
            .expect("the daemon can be started");
        self.child = Some(child);
    }

    fn program(&self) -> Command {
        if let Some(wrapper) = &self.wrapper {
            let mut command = Command::new(wrapper);
            command.arg(paths::daemon());
            return command;
        }
        let Some(kib) = self.file_kib_max else {
            return Command::new(paths::daemon());
        };
        // An ignored SIGXFSZ stays ignored over exec: the write fails instead. dash counts in 512 bytes.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kib * 2);
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(paths::daemon());
        command
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Memory that it holds, in KiB.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process_id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system says it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Processor time that its threads have used, in milliseconds, by their names without numbers.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn cpu_ms(&self) -> BTreeMap<String, u64> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.process_id())).expect("it runs");
        let mut used = BTreeMap::new();
        for thread in threads.flatten() {
            // Gone: it has just ended.
            let Ok(stat) = std::fs::read_to_string(thread.path().join("stat")) else { continue };
            let (name, rest) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).expect("a name");
            let ticks = rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse().unwrap_or(0));
            let name = name.trim_end_matches(|last: char| last.is_ascii_digit() || last == '-');
            *used.entry(name.to_string()).or_default() += ticks.sum::<u64>() * TICK_MS;
        }
        used
    }

    /// Whether and how it ended by itself.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().expect("it is our child")?;
        self.child = None;
        Some(status)
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, without waiting for the end.
    pub fn ask_to_end(&self) {
        self.signal("TERM");
    }

    /// A signal, by its name without SIG.
    pub fn signal(&self, name: &str) {
        let id = self.process_id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().expect("`kill` is there");
        assert!(sent.success(), "SIG{name} to {id}");
    }

    /// When the process, or its successor, started: milliseconds since 1970.
    pub fn started_ms(&self) -> u64 {
        self.admin_get("/api/v1/status").json()["started_ms"].as_u64().expect("the status says so")
    }

    /// Whether who answers operators started after that. A restart may cut one's request off: that says no.
    pub fn started_after(&self, before_ms: u64) -> bool {
        let answer = self.with_token(Request::get(self.admin_url("/api/v1/status"))).send();
        answer.is_ok_and(|answer| answer.json()["started_ms"].as_u64() > Some(before_ms))
    }

    /// Waits for the end after [`Daemon::ask_to_end`].
    ///
    /// # Panics
    /// When it takes longer than the grace allows.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the daemon has ended", END, || {
            status = self.exited();
            status.is_some()
        });
        status.expect("just seen")
    }

    /// SIGTERM, then the end.
    pub fn end(&mut self) -> ExitStatus {
        self.ask_to_end();
        self.wait_for_end()
    }

    /// POSTs JSON with the write key `wk_test`.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.post_with("wk_test", path, body)
    }

    fn post_with(&self, write_key: &str, path: &str, body: &Value) -> Response {
        let request = Request::post(self.url(path), body.to_string());
        request.write_key(write_key).header("content-type", "application/json").answer()
    }

    /// Sends events as one batch and wants them all accepted.
    ///
    /// # Panics
    /// When the answer is not 200 or rejects one.
    pub fn accept(&self, events: &[Value]) {
        self.accept_with("wk_test", events);
    }

    /// The same with this write key.
    ///
    /// # Panics
    /// As [`Daemon::accept`] does.
    pub fn accept_with(&self, write_key: &str, events: &[Value]) {
        let response = self.post_with(write_key, "/v1/batch", &json!({"batch": events}));
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.json()["rejected"], json!([]), "{}", response.text());
    }

    /// GET on the listener for operators, with the token.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn admin_get(&self, path: &str) -> Response {
        self.admin_request(Request::get(self.admin_url(path)))
    }

    /// POST on the listener for operators, with the token.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn admin_post(&self, path: &str, body: impl Into<bytes::Bytes>) -> Response {
        self.admin_request(Request::post(self.admin_url(path), body))
    }

    fn admin_request(&self, request: Request) -> Response {
        self.with_token(request).send().unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    fn with_token(&self, request: Request) -> Request {
        request.header("authorization", format!("Bearer {}", self.admin_token()))
    }

    /// The token that the daemon made at its first start.
    ///
    /// # Panics
    /// When there is none.
    pub fn admin_token(&self) -> String {
        let path = self.data().join("admin-token");
        let token = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        token.trim().to_string()
    }

    /// The counters of a destination, as the status gives them: `{"destination", "accepted", ...}`.
    ///
    /// # Panics
    /// When the status names no such destination.
    pub fn counters(&self, destination: &str) -> Value {
        let status = self.admin_get("/api/v1/status").json();
        let all = status["destinations"].as_array().cloned().unwrap_or_default();
        all.into_iter()
            .find(|each| each["destination"] == destination)
            .unwrap_or_else(|| panic!("no destination {destination} in {status}"))
    }

    /// One counter of a destination.
    pub fn counter(&self, destination: &str, name: &str) -> u64 {
        let counters = self.counters(destination);
        counters[name].as_u64().unwrap_or_else(|| panic!("no counter {name} in {counters}"))
    }

    /// The stories of an event: `[{"message_id", "steps": [..], ..}]`.
    pub fn trace(&self, message_id: &str) -> Value {
        self.admin_get(&format!("/api/v1/trace/{message_id}")).json()
    }

    /// All steps of an event, in all destinations.
    pub fn steps(&self, message_id: &str) -> Vec<Value> {
        let stories = self.trace(message_id);
        let steps = stories.as_array().into_iter().flatten().filter_map(|story| story["steps"].as_array());
        steps.flatten().cloned().collect()
    }

    /// The daemon's own command line with `--config` of this daemon: standard output when it succeeds.
    ///
    /// # Panics
    /// When it fails.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = self.cli_output(arguments);
        assert!(output.success, "switchyard {arguments:?} failed:\n{}{}", output.stdout, output.stderr);
        output.stdout
    }

    /// As [`Daemon::cli`] with `--json`.
    ///
    /// # Panics
    /// When it fails or prints no JSON.
    pub fn cli_json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        self.cli_output(&all).json()
    }

    /// As [`Daemon::cli`], also when it fails.
    pub fn cli_output(&self, arguments: &[&str]) -> cli::Output {
        let config = self.config().display().to_string();
        let mut all = arguments.to_vec();
        all.extend(["--config", &config]);
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        cli::run_with(&all, &environment)
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Waits until it has logged this.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn wait_for_log(&self, text: &str) {
        eventually(&format!("`{text}` is logged"), START, || self.log().contains(text));
    }

    fn log_file(&self) -> PathBuf {
        self.directory().join("log")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the end of the daemon's log ---");
            for line in &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..] {
                eprintln!("{}", line.chars().take(LOG_LINE_CHARS_SHOWN).collect::<String>());
            }
        }
    }
}

/// Writes beside the file and renames, so that nobody sees half of it.
pub fn replace(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes).expect("the directory takes a file");
    std::fs::rename(&beside, path).expect("a file can be renamed");
}
