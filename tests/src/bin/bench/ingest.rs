//! Durable ingest against a bare append and fdatasync of as many bytes in groups as large as the
//! daemon's commits were.

use std::io::Write;
use std::time::{Duration, Instant};

use switchyard_tests::daemon::Daemon;

use crate::clients::{BATCH, flood};
use crate::daemons;
use crate::table::{Aim, Row, median};
use crate::templates::Template;

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);
const EVENT_BYTES: usize = 1024;

/// One row.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let mut ratios = Vec::new();
    let mut detail = String::new();
    for _ in 0..ROUNDS {
        let (events_per_second, group) = durable()?;
        let raw_per_second = raw(group)?;
        ratios.push(events_per_second / raw_per_second);
        detail = format!(
            "{events_per_second:.0} / {raw_per_second:.0} events/s, {} KiB in a commit, 64 connections",
            group / 1024
        );
    }
    Ok(vec![Row {
        figure: "durable ingest / bare append+fdatasync".to_string(),
        value: median(ratios),
        unit: "",
        aim: Aim::AtLeast(0.5),
        detail,
    }])
}

/// Events a second, and the bytes of a commit.
fn durable() -> anyhow::Result<(f64, usize)> {
    let daemon = daemons::without_destinations();
    let end = Instant::now() + ROUND;
    let commits = |daemon: &Daemon| daemon.admin_get("/api/v1/status").json()["store"]["commits"].as_u64().unwrap_or(0);
    let template = Template::padded(EVENT_BYTES);
    let before = commits(&daemon);
    let (took, requests) = flood(&daemons::address(&daemon), "wk_test", move |number| {
        let first = number * BATCH as u64;
        (Instant::now() < end).then(|| template.batch(first..first + BATCH as u64))
    })?;
    let events = requests * BATCH as u64;
    let group = events as usize * EVENT_BYTES / (commits(&daemon) - before).max(1) as usize;
    Ok((events as f64 / took.as_secs_f64(), group))
}

/// Events a second that a file takes, synced after each group of so many bytes.
fn raw(group_bytes: usize) -> anyhow::Result<f64> {
    let mut file = tempfile::NamedTempFile::new()?;
    let group = vec![b'x'; group_bytes];
    let started = Instant::now();
    let mut groups = 0;
    while started.elapsed() < ROUND / 2 {
        file.write_all(&group)?;
        file.as_file().sync_data()?;
        groups += 1;
    }
    Ok((groups * group_bytes) as f64 / EVENT_BYTES as f64 / started.elapsed().as_secs_f64())
}
