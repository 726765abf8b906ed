//! The daemon's memory: with connections that do nothing, and when four times as many clients send as
//! it can serve at once.

use std::time::{Duration, Instant};

use anyhow::Context;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::runtime;
use switchyard_tests::setup::Setup;

use crate::clients::{CONNECTIONS, Client, flood_on};
use crate::daemons;
use crate::table::{Aim, Row};
use crate::templates::Template;

const IDLE: usize = 2_000;
const OVERLOAD: Duration = Duration::from_secs(5);
const BATCH: u64 = 100;
const EVENT_BYTES: usize = 1024;

/// Two rows.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    Ok(vec![idle()?, overload()?])
}

fn idle() -> anyhow::Result<Row> {
    let daemon = Daemon::start(Setup::shop([]));
    let template = Template::padded(EVENT_BYTES);
    let address = daemons::address(&daemon);
    let before = memory_kib(&daemon, "VmRSS")?;
    // Each has sent something once, as an SDK's has.
    let clients = runtime().block_on(async {
        let mut clients = Vec::new();
        for number in 0..IDLE as u64 {
            let mut client = Client::connect(&address, "wk_test").await?;
            let status = client.post("/v1/batch", None, template.batch(number..number + 1)).await?;
            anyhow::ensure!(status == 200, "a batch was answered with {status}");
            clients.push(client);
        }
        anyhow::Ok(clients)
    })?;
    let with = memory_kib(&daemon, "VmRSS")?;
    drop(clients);
    Ok(Row {
        figure: format!("memory of a connection that does nothing ({IDLE} of them)"),
        value: (with - before) / IDLE as f64,
        unit: "KiB",
        aim: Aim::None,
        detail: format!("the daemon has {:.0} MiB with none, {:.0} MiB with all", before / 1024.0, with / 1024.0),
    })
}

fn overload() -> anyhow::Result<Row> {
    let daemon = Daemon::start(Setup::shop([]));
    let template = Template::padded(EVENT_BYTES);
    let end = Instant::now() + OVERLOAD;
    let (took, answers) = flood_on(4 * CONNECTIONS, &daemons::address(&daemon), "wk_test", None, move |number| {
        let first = number * BATCH;
        (Instant::now() < end).then(|| template.batch(first..first + BATCH))
    })?;
    let peak = memory_kib(&daemon, "VmHWM")?;
    Ok(Row {
        figure: format!("peak memory with {} clients that send batches of {BATCH} all the time", 4 * CONNECTIONS),
        value: peak / 1024.0,
        unit: "MiB",
        aim: Aim::None,
        detail: format!(
            "{:.0} events/s; {} answered with 200, {} with 429, {} otherwise",
            answers.taken as f64 * BATCH as f64 / took.as_secs_f64(),
            answers.taken,
            answers.refused,
            answers.other
        ),
    })
}

/// A line of the process's status, in KiB.
fn memory_kib(daemon: &Daemon, name: &str) -> anyhow::Result<f64> {
    let path = format!("/proc/{}/status", daemon.process_id());
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    number.with_context(|| format!("{path} has no {name}"))
}
