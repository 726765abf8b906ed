//! One day of simulated time: events come, the vendor fails in changing ways, the store is closed or
//! cut off in between. The balance is checked at each step; in the end all is delivered, in order where
//! order is kept. The faults follow from one seed, which a failure prints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use switchyard::clock::Clock;
use switchyard::config::{Config, Destination as Configured};
use switchyard::delivery::active::{Active, ActiveGuest};
use switchyard::delivery::guest::Guests;
use switchyard::delivery::live::Live;
use switchyard::delivery::runtime::{Runtime, RuntimeStatus, Shared};
use switchyard::event::{Event, EventKind, MessageId, scan};
use switchyard::meter::GuestMeter;
use switchyard::plugin::handles::HandleKey;
use switchyard::plugin::host::{Limits, PluginHost};
use switchyard::plugin::revision::Revision;
use switchyard::queue::{EventStore, NewEvent, PipelineId, RedbStore, Start, StoreOptions};
use switchyard_tests::paths;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, Recorded, StandIn};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Simulated milliseconds in one of the machine's: a day takes half a minute.
const SPEED: u32 = 2_880;

const MINUTES: u64 = 24 * 60;
const EVENTS_A_MINUTE: u64 = 6;
const USERS: u64 = 20;
const RESTART_EVERY_MINUTES: u64 = 170;

/// Numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// How the vendor is in a quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Weather {
    Fine,
    Shaky,
    Down,
    Throttling,
}

/// The vendor's weather by quarters of an hour; the last hours are fine.
fn weather(seed: u64) -> Vec<Weather> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    while all.len() < 92 {
        let kind = [Weather::Fine, Weather::Shaky, Weather::Down, Weather::Throttling][random.below(4) as usize];
        all.extend(std::iter::repeat_n(kind, 1 + random.below(6) as usize));
    }
    all.truncate(92);
    all.extend([Weather::Fine; 8]);
    all
}

fn clock() -> Clock {
    let began = Instant::now();
    Arc::new(move || 1_767_225_600_000 + (began.elapsed().as_micros() * u128::from(SPEED) / 1_000) as u64)
}

/// A vendor with that weather.
fn vendor(seed: u64, now: &Clock) -> StandIn {
    let vendor = StandIn::start();
    let (weather, began_ms) = (weather(seed), now());
    let rule = |answer: Answer, kind: Weather, percent: u64| {
        let (weather, now, random) = (weather.clone(), now.clone(), Mutex::new(Random(seed ^ percent)));
        vendor.program(u64::MAX, answer, move |_| {
            let quarter = ((now() - began_ms) / (15 * 60_000)) as usize;
            let is_so = weather.get(quarter).copied().unwrap_or(Weather::Fine) == kind;
            is_so && random.lock().expect("nobody panics while holding it").below(100) < percent
        });
    };
    rule(Answer::status(503), Weather::Down, 100);
    rule(Answer::status(500), Weather::Shaky, 30);
    rule(Answer::Close, Weather::Shaky, 10);
    rule(Answer::retry_after(20), Weather::Throttling, 60);
    vendor
}

fn event(number: u64, now_ms: u64) -> NewEvent {
    let event = json!({"type": "track", "event": "Tick", "messageId": format!("m-{number}"), "userId":
        format!("u-{}", number % USERS), "properties": {"number": number}});
    let json = Bytes::from(event.to_string());
    let index = scan::index_canonical(&json).expect("it is canonical");
    let message_id = MessageId::from(format!("m-{number}").as_str());
    let event = Event { kind: EventKind::Track, message_id, received_ms: now_ms, json, index };
    NewEvent { pipeline: PipelineId::from("shop"), event }
}

/// What works while the store is open.
struct Day {
    store: Arc<dyn EventStore>,
    stop: watch::Sender<bool>,
    runtimes: Vec<JoinHandle<()>>,
}

/// What outlives the store.
struct World {
    shared: Shared,
    host: PluginHost,
    revision: Arc<Revision>,
    destinations: Vec<Arc<Configured>>,
}

impl World {
    async fn open(&self, path: &Path) -> Day {
        let options = StoreOptions { now: self.shared.now.clone(), ..StoreOptions::default() };
        let store: Arc<dyn EventStore> = Arc::new(RedbStore::open(path, options).expect("the store opens"));
        let (stop, stopped) = watch::channel(false);
        let mut runtimes = Vec::new();
        for destination in &self.destinations {
            let pipeline = PipelineId::from("shop");
            let feed = store.open(&destination.id, &pipeline, Start::Earliest).await.expect("the feed opens");
            let (_, active) = watch::channel(Arc::new(self.active(destination)));
            let status = Arc::new(Mutex::new(RuntimeStatus::default()));
            let runtime = Runtime::new(self.shared.clone(), feed, active, stopped.clone(), status);
            runtimes.push(tokio::spawn(async move {
                // An error: the store was closed under it, as it is when the day is cut off.
                let _ = runtime.run(Duration::from_secs(5)).await;
            }));
        }
        Day { store, stop, runtimes }
    }

    fn active(&self, destination: &Arc<Configured>) -> Active {
        let key = HandleKey::fixed();
        let settings = self.host.settings(&self.revision, &destination.settings.0, &destination.id.0, &key);
        let (settings, handles) = settings.expect("the settings are good");
        let meter = Arc::new(GuestMeter::new(&destination.id, &destination.plugin));
        let revision = self.revision.clone();
        let (handles, counts) = (Arc::new(handles), Arc::default());
        let guest = ActiveGuest { revision, settings: settings.into(), handles, meter, counts };
        Active::new(destination.clone(), Ok(guest), Arc::default())
    }
}

impl Day {
    /// In order, or cut off in the middle of whatever is going on.
    async fn close(self, in_order: bool) {
        if in_order {
            self.stop.send_replace(true);
        } else {
            self.runtimes.iter().for_each(JoinHandle::abort);
        }
        for runtime in self.runtimes {
            // An error: it was cut off.
            let _ = runtime.await;
        }
        self.store.close().await.expect("the store closes");
    }

    /// Checks the balance of each destination. Answers how many deliveries have not ended.
    async fn balance(&self, accepted: u64, seed: u64) -> u64 {
        let mut open = 0;
        for status in self.store.destinations().await.expect("the store answers") {
            let counters = &status.counters;
            let ended = counters.delivered + counters.filtered + counters.dead + counters.expired;
            assert_eq!(counters.accepted, accepted, "seed {seed}: {status:?}");
            assert_eq!(accepted, status.waiting + status.owed + ended, "seed {seed}: {status:?}");
            assert_eq!(counters.dead + counters.expired, 0, "seed {seed}: {status:?}");
            open += status.waiting + status.owed;
        }
        open
    }
}

/// The numbers of each user's events, in the order in which the vendor accepted each first.
fn first_arrivals(requests: &[Recorded], path: &str) -> BTreeMap<String, Vec<u64>> {
    let mut by_user: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for request in requests.iter().filter(|request| request.accepted() && request.path == path) {
        for event in request.objects() {
            let number = event["properties"]["number"].as_u64().unwrap_or(u64::MAX);
            if seen.insert(number) {
                let user = event["userId"].as_str().unwrap_or_default().to_string();
                by_user.entry(user).or_default().push(number);
            }
        }
    }
    by_user
}

fn destinations(vendor: &StandIn) -> Vec<Arc<Configured>> {
    let destination = |name: &str, order: &str| {
        let webhook =
            Destination::webhook(name, &vendor.url()).setting("url", format!("{}/webhook-{name}", vendor.url()));
        let webhook = webhook.delivery("order", order).setting("batching", "array");
        let webhook = webhook.delivery("backoff_ms_min", 1_000).delivery("backoff_ms_max", 120_000);
        webhook.delivery("attempts_max", 1_000_000).delivery("breaker_open_ms_max", 60_000)
    };
    let setup = Setup::shop([destination("any", "none"), destination("ordered", "user")]);
    let text = setup.to_toml("127.0.0.1:0", "127.0.0.1:0");
    let config = Config::parse(&text, Path::new("switchyard.toml"), &|_| None).expect("the configuration is good");
    config.destinations().map(|(_, destination)| destination.clone()).collect()
}

#[test]
fn a_day_of_random_faults_loses_nothing() {
    let seed = std::env::var("SWITCHYARD_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_260_101);
    let now = clock();
    let vendor = vendor(seed, &now);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(day(seed, &now, &vendor));
}

async fn day(seed: u64, now: &Clock, vendor: &StandIn) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.redb");
    let host = PluginHost::new(Limits::default(), Some(&paths::target().join("golden"))).expect("the sandbox");
    let revision = Arc::new(host.load_file(&paths::plugin("webhook")).expect("the plugin loads"));
    let guests = Guests::start(2).expect("the workers start");
    let shared = Shared { guests, now: now.clone(), live: Live::new(), speed: SPEED };
    let world = World { shared, host, revision, destinations: destinations(vendor) };
    let began_ms = now();
    let mut random = Random(seed);
    let mut day = world.open(&path).await;
    let mut accepted = 0;
    for minute in 0..MINUTES {
        let due_ms = began_ms + minute * 60_000;
        tokio::time::sleep(Duration::from_millis(due_ms.saturating_sub(now())) / SPEED).await;
        let events = (accepted..accepted + EVENTS_A_MINUTE).map(|number| event(number, now())).collect();
        day.store.append(events).await.expect("the store takes it");
        accepted += EVENTS_A_MINUTE;
        day.balance(accepted, seed).await;
        if minute % RESTART_EVERY_MINUTES == RESTART_EVERY_MINUTES - 1 {
            day.close(random.below(2) == 0).await;
            day = world.open(&path).await;
        }
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while day.balance(accepted, seed).await > 0 {
        assert!(Instant::now() < deadline, "seed {seed}: something is still waiting in fine weather");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let requests = vendor.requests();
    for path in ["/webhook-any", "/webhook-ordered"] {
        let arrived: usize = first_arrivals(&requests, path).values().map(Vec::len).sum();
        assert_eq!(arrived as u64, accepted, "seed {seed}: {path}");
    }
    for (user, numbers) in first_arrivals(&requests, "/webhook-ordered") {
        assert!(numbers.is_sorted(), "seed {seed}: {user}: {numbers:?}");
    }
    assert!(requests.iter().any(|request| !request.accepted()), "seed {seed}: the vendor never failed");
    day.close(true).await;
}
