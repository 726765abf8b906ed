//! Destinations in a time that runs faster than the machine's: the delivery runtimes, the plugin and the
//! store themselves, without a daemon around them, against stand-in vendors.

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
use switchyard::delivery::health::RuntimeStatus;
use switchyard::delivery::live::Live;
use switchyard::delivery::payload::Payload;
use switchyard::delivery::runtime::{Runtime, Shared};
use switchyard::event::{Event, EventKind, MessageId, scan};
use switchyard::meter::GuestMeter;
use switchyard::plugin::handles::HandleKey;
use switchyard::plugin::host::{Limits, PluginHost};
use switchyard::plugin::revision::Revision;
use switchyard::queue::{DestinationStatus, EventStore, NewEvent, PipelineId, RedbStore, Start, StoreOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::paths;
use crate::setup::{Destination, Setup};
use crate::stand_in::{Recorded, StandIn};

/// The time at which every simulation begins: 2026-01-01, in milliseconds since 1970.
pub const BEGAN_MS: u64 = 1_767_225_600_000;

/// How long what is in flight may take at an orderly end, in the machine's time.
const GRACE: Duration = Duration::from_secs(5);

/// Numbers from a seed (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// The next one, below the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A clock of which so many milliseconds pass in one of the machine's.
pub fn clock(speed: u32) -> Clock {
    let began = Instant::now();
    Arc::new(move || BEGAN_MS + (began.elapsed().as_micros() * u128::from(speed) / 1_000) as u64)
}

/// The n-th event, of one of so many users, accepted now.
///
/// # Panics
/// Never: what it writes is canonical.
pub fn event(number: u64, users: u64, now_ms: u64) -> NewEvent {
    let user = format!("u-{}", number % users);
    let event = json!({"type": "track", "event": "Tick", "messageId": format!("m-{number}"), "userId": user,
        "properties": {"number": number}});
    let json = Bytes::from(event.to_string());
    let index = scan::index_canonical(&json).expect("it is canonical");
    let message_id = MessageId::from(format!("m-{number}").as_str());
    let event = Event { kind: EventKind::Track, message_id, received_ms: now_ms, json, index };
    NewEvent { pipeline: pipeline(), event }
}

fn pipeline() -> PipelineId {
    PipelineId::from("shop")
}

/// A destination with the webhook plugin at a path of its own, `/webhook-<name>`, in batches.
pub fn webhook(name: &str, vendor: &StandIn) -> Destination {
    let url = format!("{}/webhook-{name}", vendor.url());
    Destination::webhook(name, &vendor.url()).setting("url", url).setting("batching", "array")
}

/// What outlives the store: the time, the plugin, the destinations.
pub struct World {
    /// What the runtimes share.
    pub shared: Shared,
    host: PluginHost,
    revision: Arc<Revision>,
    destinations: Vec<Arc<Configured>>,
}

impl World {
    /// With these destinations, which all have the webhook plugin.
    ///
    /// # Panics
    /// When the plugin is not built, or the destinations are not good.
    pub fn new(now: &Clock, speed: u32, destinations: impl IntoIterator<Item = Destination>) -> World {
        let text = Setup::shop(destinations).to_toml("127.0.0.1:0", "127.0.0.1:0");
        let config = Config::parse(&text, Path::new("switchyard.toml"), &|_| None).expect("the configuration is good");
        let host = PluginHost::new(Limits::default(), Some(&paths::target().join("golden"))).expect("the sandbox");
        let revision = Arc::new(host.load_file(&paths::plugin("webhook")).expect("the plugin loads"));
        let guests = Guests::start(2).expect("the workers start");
        let shared = Shared { guests, now: now.clone(), live: Live::new(), speed };
        let destinations = config.destinations().map(|(_, destination)| destination.clone()).collect();
        World { shared, host, revision, destinations }
    }

    /// Opens the store, and lets the destinations work.
    ///
    /// # Panics
    /// When the store does not open.
    pub async fn open(&self, path: &Path) -> Working {
        let (now, replan) = (self.shared.now.clone(), Payload::replanned);
        let options = StoreOptions { now, replan, ..StoreOptions::default() };
        let store: Arc<dyn EventStore> = Arc::new(RedbStore::open(path, options).expect("the store opens"));
        let (stop, stopped) = watch::channel(false);
        let mut runtimes = Vec::new();
        for destination in &self.destinations {
            let feed = store.open(&destination.id, &pipeline(), Start::Earliest).await.expect("the feed opens");
            let (_, active) = watch::channel(Arc::new(self.active(destination)));
            let status = Arc::new(Mutex::new(RuntimeStatus::default()));
            let runtime = Runtime::new(self.shared.clone(), feed, active, stopped.clone(), status);
            runtimes.push(tokio::spawn(async move {
                // An error: the store was closed under it, as it is when it is cut off.
                let _ = runtime.run(GRACE).await;
            }));
        }
        Working { store, stop, runtimes }
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

/// The destinations at work, while the store is open.
pub struct Working {
    /// The store.
    pub store: Arc<dyn EventStore>,
    stop: watch::Sender<bool>,
    runtimes: Vec<JoinHandle<()>>,
}

impl Working {
    /// Ends in order, or cut off in the middle of whatever is going on.
    ///
    /// # Panics
    /// When the store does not close.
    pub async fn close(self, in_order: bool) {
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

    /// The destinations, of which each balances: so many events were accepted, and nothing replayed.
    ///
    /// # Panics
    /// When one does not.
    pub async fn balanced(&self, accepted: u64, seed: u64) -> Vec<DestinationStatus> {
        let all = self.store.destinations().await.expect("the store answers");
        for status in &all {
            let counters = &status.counters;
            let ended = counters.delivered + counters.filtered + counters.dead + counters.expired;
            assert_eq!(counters.accepted, accepted, "seed {seed}: {status:?}");
            assert_eq!(accepted, status.waiting + status.owed + ended, "seed {seed}: {status:?}");
        }
        all
    }

    /// Waits until no delivery is open any more.
    ///
    /// # Panics
    /// When that takes longer than the machine's `deadline`.
    pub async fn all_ended(&self, accepted: u64, seed: u64, deadline: Duration) {
        let deadline = Instant::now() + deadline;
        loop {
            let all = self.balanced(accepted, seed).await;
            if all.iter().all(|status| status.waiting + status.owed == 0) {
                return;
            }
            assert!(Instant::now() < deadline, "seed {seed}: something is still waiting: {all:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The numbers of each user's events, in the order in which the vendor accepted each first at this path.
pub fn first_arrivals(requests: &[Recorded], path: &str) -> BTreeMap<String, Vec<u64>> {
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
