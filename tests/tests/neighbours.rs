//! Bad neighbours: ten destinations of one pipeline, five of them broken for good, each in a way of
//! its own. The five healthy ones get everything, and every destination's counters balance.
//!
//! The same load goes to the healthy ones alone, right before; a table shows both, with the processor time that
//! the daemon took for it, which says more than time does where the machine has other work. `cargo xtask
//! soak` runs it at its stated size. The figures are a measurement, never an assertion.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{assert_balanced, eventually, message_id};
use switchyard_tests::http::{Kept, Request};
use switchyard_tests::paths;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop;
use switchyard_tests::stand_in::{Answer, Recorded, StandIn, now_ms};

/// Destinations that work.
const HEALTHY: usize = 5;

/// Events of one batch of the steady load, which comes once a beat: less than two cores can do, so that
/// the lag says how long an event waits for others.
const STEADY_BATCH: u64 = 4;
const BEAT: Duration = Duration::from_millis(50);

/// Events of one batch of the burst, which comes as fast as it is taken.
const BURST_BATCH: u64 = 50;

/// For the backlog of the burst, on a loaded machine.
const CATCH_UP: Duration = Duration::from_secs(300);

/// What one run came to.
struct Figures {
    neighbours: String,
    /// Of the burst: events a second at the slowest healthy destination.
    per_second: f64,
    /// Of the steady part: from the sender to the vendor, over all healthy destinations.
    lag_ms_p99: u64,
    /// Of the daemon, in milliseconds, by thread: in the steady part, and in the burst.
    steady_cpu_ms: BTreeMap<String, u64>,
    burst_cpu_ms: BTreeMap<String, u64>,
}

/// How the fifth of the broken destinations, a guest, behaves.
const MODES: [&str; 3] = ["always-spin", "always-trap", "always-grow"];

#[test]
fn healthy_destinations_get_everything_whatever_their_neighbours_do() {
    let mut pairs = Vec::new();
    for _ in 0..paths::size(1, 3) {
        // The healthy ones alone right before each: a machine is not the same for minutes.
        pairs.extend(MODES.map(|mode| [run(None), run(Some(mode))]));
    }
    print_table(&pairs);
}

/// One daemon through a steady load and a burst; with `mode`, beside five more destinations: four whose
/// vendors are broken, and one with a guest that behaves so.
fn run(mode: Option<&str>) -> Figures {
    let vendors = StandIn::start();
    let mut destinations: Vec<Destination> =
        (0..HEALTHY).map(|number| webhook(&format!("healthy-{number}"), &vendors)).collect();
    if let Some(mode) = mode {
        break_vendors(&vendors);
        let names = ["hangs", "fails", "trickles", "redirects"];
        destinations.extend(names.map(|name| webhook(name, &vendors)));
        destinations.push(Destination::hostile("guest", &vendors.url(), mode));
    }
    let names = destinations.len();
    let daemon = Daemon::start(Setup::shop(destinations));
    let at_first = daemon.cpu_ms();
    let steady = send_steadily(&daemon, paths::size(60, 400));
    delivered(&daemon, &vendors, steady.len());
    let after_steady = daemon.cpu_ms();
    let burst = send_burst(&daemon, paths::size(6, 600));
    delivered(&daemon, &vendors, steady.len() + burst.len());
    let after_burst = daemon.cpu_ms();

    let requests = vendors.requests();
    let healthy: Vec<BTreeMap<String, u64>> =
        (0..HEALTHY).map(|number| first_arrivals(&requests, &format!("/webhook-healthy-{number}"))).collect();
    for (number, arrivals) in healthy.iter().enumerate() {
        let missing: Vec<&String> =
            steady.keys().chain(burst.keys()).filter(|id| !arrivals.contains_key(*id)).collect();
        assert!(missing.is_empty(), "{mode:?}: healthy-{number} lacks {missing:?}");
    }
    let status = daemon.admin_get("/api/v1/status").json();
    let all = status["destinations"].as_array().expect("a list");
    assert_eq!(all.len(), names);
    all.iter().for_each(assert_balanced);
    // The four vendors may come back, and the events are not to blame.
    assert!(
        mode.is_none()
            || ["hangs", "fails", "trickles", "redirects"]
                .iter()
                .all(|name| { daemon.counter(&format!("shop/{name}"), "dead") == 0 })
    );
    let (steady_cpu_ms, burst_cpu_ms) = (between(&at_first, &after_steady), between(&after_steady, &after_burst));
    let figures = figures(mode.unwrap_or("none"), &healthy, &steady, &burst);
    Figures { steady_cpu_ms, burst_cpu_ms, ..figures }
}

fn between(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let used = |(name, ms): (&String, &u64)| (name.clone(), ms.saturating_sub(before.get(name).copied().unwrap_or(0)));
    after.iter().map(used).collect()
}

fn webhook(name: &str, vendors: &StandIn) -> Destination {
    Destination::webhook(name, &vendors.url())
        .setting("url", format!("{}/webhook-{name}", vendors.url()))
        .delivery("attempts_max", 1_000)
}

fn break_vendors(vendors: &StandIn) {
    let redirect = Answer::Status {
        status: 302,
        headers: vec![("location".to_string(), format!("{}/webhook-redirects", vendors.url()))],
        body: String::new(),
    };
    let answers = [
        ("/webhook-hangs", Answer::Hang),
        ("/webhook-fails", Answer::status(500)),
        ("/webhook-trickles", Answer::SlowBody),
        ("/webhook-redirects", redirect),
    ];
    for (path, answer) in answers {
        vendors.program(u64::MAX, answer, move |request| request.path == path);
    }
}

/// Batches at a steady beat. When each event was sent, by its messageId.
fn send_steadily(daemon: &Daemon, batches: u64) -> BTreeMap<String, u64> {
    let began = Instant::now();
    let client = Kept::new();
    let mut sent = BTreeMap::new();
    for batch in 0..batches {
        std::thread::park_timeout((BEAT * batch as u32).saturating_sub(began.elapsed()));
        send(daemon, &client, "steady", batch * STEADY_BATCH..(batch + 1) * STEADY_BATCH, &mut sent);
    }
    sent
}

/// Batches one after the other. When each event was sent, by its messageId.
fn send_burst(daemon: &Daemon, batches: u64) -> BTreeMap<String, u64> {
    let client = Kept::new();
    let mut sent = BTreeMap::new();
    for batch in 0..batches {
        send(daemon, &client, "burst", batch * BURST_BATCH..(batch + 1) * BURST_BATCH, &mut sent);
    }
    sent
}

fn send(daemon: &Daemon, client: &Kept, name: &str, numbers: std::ops::Range<u64>, sent: &mut BTreeMap<String, u64>) {
    let batch: Vec<Value> = numbers.map(|number| shop::padded(&format!("{name}-{number}"), 600)).collect();
    let body = json!({"batch": batch}).to_string();
    let at_ms = now_ms();
    let response = client.send(Request::post(daemon.url("/v1/batch"), body).write_key("wk_test"));
    let response = response.unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
    assert_eq!(response.status, 200, "{}", response.text());
    sent.extend(batch.iter().map(|event| (message_id(event).to_string(), at_ms)));
}

/// Waits until so many events are delivered to each healthy destination. The vendors are looked at
/// first, since that costs the daemon nothing.
fn delivered(daemon: &Daemon, vendors: &StandIn, events: usize) {
    eventually("the healthy vendors have everything", CATCH_UP, || {
        vendors.count(|request| request.path.starts_with("/webhook-healthy")) >= events * HEALTHY
    });
    for number in 0..HEALTHY {
        eventually("all is settled", CATCH_UP, || {
            daemon.counter(&format!("shop/healthy-{number}"), "delivered") == events as u64
        });
    }
}

/// When each event came first, by its messageId.
fn first_arrivals(requests: &[Recorded], path: &str) -> BTreeMap<String, u64> {
    let mut arrivals = BTreeMap::new();
    for request in requests.iter().filter(|request| request.path == path && request.accepted()) {
        for event in request.objects() {
            arrivals.entry(message_id(&event).to_string()).or_insert(request.at_ms);
        }
    }
    arrivals
}

fn figures(
    neighbours: &str,
    healthy: &[BTreeMap<String, u64>],
    steady: &BTreeMap<String, u64>,
    burst: &BTreeMap<String, u64>,
) -> Figures {
    let mut lags_ms: Vec<u64> = healthy
        .iter()
        .flat_map(|arrivals| steady.iter().map(|(id, sent_ms)| arrivals[id].saturating_sub(*sent_ms)))
        .collect();
    lags_ms.sort_unstable();
    let began_ms = burst.values().min().copied().unwrap_or_default();
    let ended_ms = healthy.iter().flat_map(|arrivals| burst.keys().map(|id| arrivals[id])).max().unwrap_or_default();
    let seconds = ended_ms.saturating_sub(began_ms).max(1) as f64 / 1_000.0;
    Figures {
        neighbours: neighbours.to_string(),
        per_second: burst.len() as f64 / seconds,
        lag_ms_p99: lags_ms[(lags_ms.len() - 1) * 99 / 100],
        steady_cpu_ms: BTreeMap::new(),
        burst_cpu_ms: BTreeMap::new(),
    }
}

/// For each way in which the guest behaves the middle one of its pairs, by throughput and by lag.
fn print_table(pairs: &[[Figures; 2]]) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("healthy destinations beside broken ones (load average {})", load.trim());
    println!("{:<14} {:>20} {:>6} {:>14} {:>6}   of each pair", "neighbours", "events/s", "ratio", "p99 ms", "ratio");
    for mode in MODES {
        let own = || pairs.iter().filter(|[_, beside]| beside.neighbours == mode);
        let (speed, speeds) = middle(own(), |figures| figures.per_second);
        let (lag, lags) = middle(own(), |figures| figures.lag_ms_p99 as f64);
        println!(
            "{mode:<14} {:>9.0} of {:>7.0} {:>6.2} {:>6.0} of {:>4.0} {:>6.2}   {speeds:.2?} {lags:.2?}",
            speed[1],
            speed[0],
            speed[1] / speed[0],
            lag[1],
            lag[0],
            lag[1] / lag[0]
        );
    }
    for figures in pairs.iter().flatten() {
        for (part, used) in [("steady", &figures.steady_cpu_ms), ("burst", &figures.burst_cpu_ms)] {
            let threads: Vec<String> =
                used.iter().filter(|(_, ms)| **ms > 0).map(|(name, ms)| format!("{name} {ms}")).collect();
            let all: u64 = used.values().sum();
            println!("{:<14} {part:<6} processor ms {all:>6}: {}", figures.neighbours, threads.join(", "));
        }
    }
}

/// A figure of the pair whose ratio is the middle one, and all ratios in their order.
fn middle<'f>(pairs: impl Iterator<Item = &'f [Figures; 2]>, of: impl Fn(&Figures) -> f64) -> ([f64; 2], Vec<f64>) {
    let mut figures: Vec<[f64; 2]> = pairs.map(|pair| pair.each_ref().map(|figures| of(figures).max(1.0))).collect();
    let ratio = |pair: &[f64; 2]| pair[1] / pair[0];
    figures.sort_by(|one, other| ratio(one).total_cmp(&ratio(other)));
    (figures[figures.len() / 2], figures.iter().map(ratio).collect())
}
