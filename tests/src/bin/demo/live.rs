//! Shows the daemon's stream of steps, one readable line each, as they happen.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use switchyard_tests::daemon::Daemon;

/// The stream that is being shown.
pub struct Lines {
    shown: Arc<AtomicU64>,
}

impl Lines {
    /// Waits until no line has come for a moment, so that what follows stands below them.
    pub fn settle(&self) {
        let end = Instant::now() + Duration::from_secs(3);
        let mut before = u64::MAX;
        while before != self.shown.load(Ordering::Relaxed) && Instant::now() < end {
            before = self.shown.load(Ordering::Relaxed);
            std::thread::park_timeout(Duration::from_millis(250));
        }
    }
}

/// Follows the stream on a thread of its own, until the daemon ends.
pub fn follow(daemon: &Daemon) -> Lines {
    let shown = Arc::new(AtomicU64::new(0));
    let reader = open(daemon);
    let counter = shown.clone();
    std::thread::spawn(move || {
        for text in reader.lines().map_while(Result::ok) {
            if let Ok(step) = serde_json::from_str::<Value>(&text) {
                show(&step);
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    Lines { shown }
}

/// HTTP/1.0, so that the answer comes without chunks and the lines can be read as they are.
fn open(daemon: &Daemon) -> BufReader<TcpStream> {
    let address = daemon.admin_url("").trim_start_matches("http://").to_string();
    let mut stream = TcpStream::connect(&address).expect("the daemon listens for operators");
    let request = format!(
        "GET /api/v1/events/live HTTP/1.0\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\r\n",
        daemon.admin_token()
    );
    stream.write_all(request.as_bytes()).expect("the daemon takes a request");
    BufReader::new(stream)
}

fn show(step: &Value) {
    let text = |key: &str| step[key].as_str().unwrap_or_default();
    let ids: Vec<&str> = step["message_ids"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut told = String::new();
    if !text("request").is_empty() {
        told.push_str(text("request"));
    }
    if let Some(status) = step["status"].as_u64().filter(|status| *status != 0) {
        told.push_str(&format!(" -> {status}"));
    }
    if !text("detail").is_empty() {
        told.push_str(&format!("  {}", text("detail")));
    }
    let destination = text("destination").rsplit('/').next().unwrap_or_default();
    line(&format!("{:<14} {:<9} {:<16} {}", subject(&ids), text("step"), destination, told.trim()));
}

/// The first event, and how many more a step is about.
fn subject(ids: &[&str]) -> String {
    match ids {
        [] => String::new(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} +{}", rest.len()),
    }
}

fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end());
}
