//! What the console costs: durable ingest with both of its live streams open, against the same without.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::http::Request;

use crate::clients::{BATCH, flood};
use crate::daemons;
use crate::table::{Aim, Row, median};
use crate::templates::Template;

/// Each with and without, one after the other, on one daemon.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
const EVENT_BYTES: usize = 1024;

/// One row.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let daemon = daemons::without_destinations();
    let cookie = sign_in(&daemon)?;
    let mut ratios = Vec::new();
    let mut detail = String::new();
    let mut first = 0;
    events_per_second(&daemon, &mut first)?;
    for round in 0..ROUNDS {
        let mut figures = [0.0; 2];
        let mut bytes = 0;
        // Which comes first changes, so that a slower disk later costs both the same.
        for watched in if round % 2 == 0 { [false, true] } else { [true, false] } {
            let watching = watched.then(|| Watching::start(&daemon, &cookie)).transpose()?;
            figures[usize::from(watched)] = events_per_second(&daemon, &mut first)?;
            bytes += watching.map_or(0, |watching| watching.bytes.load(Ordering::Relaxed));
        }
        anyhow::ensure!(bytes > 0, "the streams told nothing");
        ratios.push(figures[1] / figures[0]);
        detail = format!("{:.0} / {:.0} events/s, {bytes} bytes told", figures[1], figures[0]);
    }
    Ok(vec![Row {
        figure: "ingest with the console's live streams open / without".to_string(),
        value: median(ratios),
        unit: "",
        aim: Aim::AtLeast(0.97),
        detail,
    }])
}

fn events_per_second(daemon: &Daemon, first: &mut u64) -> anyhow::Result<f64> {
    let end = Instant::now() + ROUND;
    let template = Template::padded(EVENT_BYTES);
    let from = *first;
    let (took, requests) = flood(&daemons::address(daemon), "wk_test", move |number| {
        let first = from + number * BATCH as u64;
        (Instant::now() < end).then(|| template.batch(first..first + BATCH as u64))
    })?;
    let events = requests * BATCH as u64;
    *first += events;
    Ok(events as f64 / took.as_secs_f64())
}

fn sign_in(daemon: &Daemon) -> anyhow::Result<String> {
    let form = Request::post(daemon.admin_url("/sign-in"), format!("token={}", daemon.admin_token()));
    let answer = form.answer();
    let cookie = answer.header("set-cookie").context("signing in failed")?;
    Ok(cookie.split(';').next().unwrap_or_default().to_string())
}

/// Both streams of the console, read as they come. They end when it is dropped.
struct Watching {
    streams: Vec<TcpStream>,
    bytes: Arc<AtomicU64>,
}

impl Watching {
    fn start(daemon: &Daemon, cookie: &str) -> anyhow::Result<Watching> {
        let address = daemon.admin_url("").trim_start_matches("http://").to_string();
        let bytes = Arc::<AtomicU64>::default();
        let mut streams = Vec::new();
        for path in ["/live/events", "/live/overview"] {
            let mut stream = TcpStream::connect(&address)?;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n")?;
            let (mut reader, bytes) = (stream.try_clone()?, bytes.clone());
            std::thread::spawn(move || {
                let mut piece = [0; 16 << 10];
                while let Ok(read @ 1..) = reader.read(&mut piece) {
                    bytes.fetch_add(read as u64, Ordering::Relaxed);
                }
            });
            streams.push(stream);
        }
        Ok(Watching { streams, bytes })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        for stream in &self.streams {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}
