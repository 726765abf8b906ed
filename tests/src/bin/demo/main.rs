//! `cargo xtask demo`: the daemon with examples/quickstart, vendors that stand in for the real ones,
//! and a shop's events on their way through, shown live. With `--once` it ends when every event has
//! reached its final outcome in every destination, and fails naming what is missing when not. With
//! `--example NAME` the configuration is that of examples/pipelines/NAME.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{eventually, message_id, message_ids};
use switchyard_tests::http::Request;
use switchyard_tests::stand_in::{Answer, StandIn, now_ms};
use switchyard_tests::{paths, runtime, shop};

mod live;

/// What gets every event whole, where the example has it.
const WEBHOOK: &str = "shop/webhook";
/// Whose requests one of which fails at first: one in each example.
const STUMBLES: [&str; 3] = ["/mixpanel/import", "/klaviyo/event", "/customerio/"];
const OUTCOMES: [&str; 4] = ["delivered", "filtered", "dead", "expired"];
const VISITORS: u64 = 6;
/// How long events may take to their outcomes, with one retry among them.
const DEADLINE: Duration = Duration::from_secs(60);

/// The demonstration.
#[derive(Parser)]
#[command(name = "cargo xtask demo")]
struct Arguments {
    /// End when every event has its final outcome.
    #[arg(long)]
    once: bool,
    /// A folder of examples/pipelines, instead of examples/quickstart.
    #[arg(long, value_name = "NAME")]
    example: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let (stand_in, daemon) = start(arguments.example.as_deref())?;
    let lines = live::follow(&daemon);
    let events = shop::stream(1, VISITORS, now_ms() - 60_000);
    send(&daemon, &events)?;
    let destinations = destinations(&daemon);
    let missing = wait_for_outcomes(&daemon, &destinations, &events);
    lines.settle();
    print_counters(&daemon, &destinations);
    if arguments.once {
        return Ok(conclude(&destinations, &events, &missing, &stand_in));
    }
    report(&missing);
    invite(&daemon);
    runtime().block_on(tokio::signal::ctrl_c()).context("waiting for Ctrl-C")?;
    println!("\nEnding: what is in flight is finished first.");
    end(daemon);
    Ok(ExitCode::SUCCESS)
}

fn start(example: Option<&str>) -> anyhow::Result<(StandIn, Daemon)> {
    let example = example.map_or("quickstart".to_string(), |name| format!("pipelines/{name}"));
    let folder = paths::root().join("examples").join(&example);
    if !folder.join("switchyard.toml").is_file() {
        bail!("--example: there is no {}", folder.join("switchyard.toml").display());
    }
    let sink = usual_or_free(8099);
    let stand_in = StandIn::start_on(sink).with_context(|| format!("listening on {sink}"))?;
    // One vendor stumbles once, so that a retry is to be seen.
    stand_in.program(1, Answer::status(503), |request| STUMBLES.iter().any(|path| request.path.starts_with(path)));
    let directory = fresh_directory()?;
    let mut daemon =
        Daemon::example(&example, usual_or_free(8080), usual_or_free(8081), &stand_in.url(), Some(directory));
    daemon.restart();
    println!("The daemon takes events at {}, operators at {}.", daemon.url(""), daemon.admin_url(""));
    println!(
        "The vendors' stand-in is at {}. The daemon's log: {}\n",
        stand_in.url(),
        daemon.directory().join("log").display()
    );
    Ok((stand_in, daemon))
}

fn usual_or_free(port: u16) -> SocketAddr {
    let usual = SocketAddr::from(([127, 0, 0, 1], port));
    if TcpListener::bind(usual).is_ok() { usual } else { paths::free_address() }
}

fn fresh_directory() -> anyhow::Result<PathBuf> {
    let directory = paths::target().join("demo");
    if directory.exists() {
        std::fs::remove_dir_all(&directory).with_context(|| format!("emptying {}", directory.display()))?;
    }
    std::fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    Ok(directory)
}

/// As the SDKs do: batches, one after another.
fn send(daemon: &Daemon, events: &[Value]) -> anyhow::Result<()> {
    for batch in events.chunks(15) {
        let request = Request::post(daemon.url("/v1/batch"), json!({"batch": batch}).to_string());
        let response = request.write_key("wk_demo").send().map_err(anyhow::Error::msg)?;
        if response.status != 200 || response.json()["rejected"] != json!([]) {
            bail!("the daemon answered {} to a batch: {}", response.status, response.text());
        }
    }
    Ok(())
}

/// The destinations of the example, as the daemon names them.
fn destinations(daemon: &Daemon) -> Vec<String> {
    let status = daemon.admin_get("/api/v1/status").json();
    let all = status["destinations"].as_array().into_iter().flatten();
    all.filter_map(|each| Some(each["destination"].as_str()?.to_string())).collect()
}

/// What has no final outcome at the deadline: destination and messageId.
fn wait_for_outcomes(daemon: &Daemon, destinations: &[String], events: &[Value]) -> Vec<String> {
    let end = Instant::now() + DEADLINE;
    while has_more(daemon, destinations, events.len() as u64) {
        if Instant::now() >= end {
            return unsettled(daemon, destinations, events);
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    Vec::new()
}

/// Whether a destination has not ended so many events.
fn has_more(daemon: &Daemon, destinations: &[String], events: u64) -> bool {
    let status = daemon.admin_get("/api/v1/status").json();
    let ended = |destination: &str| -> u64 {
        let all = status["destinations"].as_array();
        let counters = all.and_then(|all| all.iter().find(|each| each["destination"] == destination));
        OUTCOMES.iter().map(|outcome| counters.map_or(0, |counters| counters[*outcome].as_u64().unwrap_or(0))).sum()
    };
    destinations.iter().any(|destination| ended(destination) < events)
}

/// The events without an outcome, one by one, as `trace` tells.
fn unsettled(daemon: &Daemon, destinations: &[String], events: &[Value]) -> Vec<String> {
    let mut missing = Vec::new();
    for id in message_ids(events) {
        let steps = daemon.steps(&id);
        for destination in destinations {
            let ended = steps.iter().any(|step| {
                step["destination"] == **destination && OUTCOMES.contains(&step["step"].as_str().unwrap_or_default())
            });
            if !ended {
                missing.push(format!("{id} in {destination}"));
            }
        }
    }
    missing
}

fn print_counters(daemon: &Daemon, destinations: &[String]) {
    println!(
        "\n{:<16} {:>9} {:>9} {:>9} {:>6} {:>8}",
        "destination", "accepted", "delivered", "filtered", "dead", "on way"
    );
    for destination in destinations {
        let counters = daemon.counters(destination);
        let count = |name: &str| counters[name].as_u64().unwrap_or(0);
        println!(
            "{destination:<16} {:>9} {:>9} {:>9} {:>6} {:>8}",
            count("accepted"),
            count("delivered"),
            count("filtered"),
            count("dead"),
            count("waiting") + count("owed")
        );
    }
}

fn report(missing: &[String]) {
    for each in missing {
        println!("no final outcome yet: {each}");
    }
}

/// Success needs more than outcomes: the webhook's receiver must have every event, where there is one.
fn conclude(destinations: &[String], events: &[Value], missing: &[String], stand_in: &StandIn) -> ExitCode {
    report(missing);
    let arrived: std::collections::HashSet<String> = stand_in
        .requests_to("/webhook")
        .iter()
        .filter(|request| request.accepted())
        .flat_map(|request| message_ids(&request.objects()))
        .collect();
    let is_wanted = destinations.iter().any(|destination| destination == WEBHOOK);
    let wanted = events.iter().map(message_id).filter(|_| is_wanted);
    let absent: Vec<&str> = wanted.filter(|id| !arrived.contains(*id)).collect();
    for id in &absent {
        println!("the webhook's receiver has not got: {id}");
    }
    let violations = stand_in.violations();
    for violation in &violations {
        println!("a vendor would object: {violation}");
    }
    if missing.is_empty() && absent.is_empty() && violations.is_empty() {
        println!("\nAll {} events have their final outcome in {} destinations.", events.len(), destinations.len());
        ExitCode::SUCCESS
    } else {
        println!(
            "\nNot complete: {} outcomes, {} arrivals, {} objections.",
            missing.len(),
            absent.len(),
            violations.len()
        );
        ExitCode::FAILURE
    }
}

fn invite(daemon: &Daemon) {
    let url = daemon.url("");
    println!(
        r#"
Send an event of your own:

  curl -s -u wk_demo: -H 'content-type: application/json' {url}/v1/track -d '{{"userId":"me","event":"Hello","properties":{{"greeting":"hi"}}}}'

or from Node (npm install @segment/analytics-node):

  import {{ Analytics }} from '@segment/analytics-node'
  const analytics = new Analytics({{ writeKey: 'wk_demo', host: '{url}' }})
  analytics.track({{ userId: 'me', event: 'Hello', properties: {{ greeting: 'hi' }} }})
  await analytics.closeAndFlush()

Its way is shown here. Ctrl-C ends the demonstration."#
    );
    let _ = std::io::stdout().flush();
}

fn end(mut daemon: Daemon) {
    daemon.ask_to_end();
    eventually("the daemon has ended", Duration::from_secs(30), || daemon.exited().is_some());
}
