//! Two set-ups of one destination side by side: both plan the same events, nothing is sent, and what
//! differs is counted, summed up by field, and shown. Another revision, other settings and other rules are
//! all just another set-up: for `install --shadow`, for `switchyard diff`, and for who edits rules.
//!
//! Each event is planned alone, so that a difference is that event's, and by both at the time at which it
//! came, so that time alone makes none. Guests run under a name of their own: what they do here is not
//! held against the destination.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::config::Destination;
use crate::delivery::active::{Active, ActiveGuest};
use crate::delivery::guest::Guests;
use crate::event::Event;
use crate::meter::{GuestMeter, RevisionMeter};
use crate::plugin::difference::{KindOfDifference, Summary, differences};
use crate::plugin::fault::PluginFault;
use crate::plugin::handles::Handles;
use crate::plugin::plan::{Auth, Fate, Plan, Request};
use crate::plugin::revision::Revision;
use crate::plugin::sheet::sheet;
use crate::plugin::split::Search;
use crate::queue::DestinationId;
use crate::transformation::Routing;

/// A set-up whose plugin used up its time or its memory at so many events is not asked further.
const EXHAUSTED_MAX: u64 = 4;

/// What differs between two set-ups of a destination.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// Whose.
    pub destination: String,
    /// Whether there is only one of them: `added` or `removed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<&'static str>,
    /// Why they cannot be compared, if they cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Events that both planned.
    pub events: u64,
    /// Those that come to the same.
    pub same: u64,
    /// Those of which something differs.
    pub changed: u64,
    /// Of these, those of which only the new set-up makes requests.
    pub goes_now: u64,
    /// Of these, those of which only the old set-up makes requests.
    pub goes_no_more: u64,
    /// Events of which the old set-up made requests.
    pub sent_by_old: u64,
    /// Events of which the new set-up made requests.
    pub sent_by_new: u64,
    /// Events at which the old set-up's plugin failed.
    pub faults_of_old: u64,
    /// Events at which the new set-up's plugin failed.
    pub faults_of_new: u64,
    /// What differs, the most frequent first.
    pub differences: Vec<KindOfDifference>,
    /// The first events that differ, as many as were asked for.
    pub shown: Vec<Shown>,
    /// Set when it ended before all events were planned.
    pub ended_early: Option<String>,
}

/// An event that differs, whole.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The event's identity.
    pub message_id: String,
    /// Its kind and name.
    pub title: String,
    /// What it comes to under the old set-up; None: there is none.
    pub before: Option<Value>,
    /// What it comes to under the new one.
    pub after: Option<Value>,
}

/// A set-up that can plan.
pub struct SetUp {
    destination: Arc<Destination>,
    guest: ActiveGuest,
}

/// What an event comes to under a set-up.
pub enum Outcome {
    /// A rule keeps it back.
    Filtered(String),
    /// It cannot be transformed.
    Refused(String),
    /// The plugin fails at it.
    Fails(PluginFault),
    /// The plugin plans it.
    Planned(Plan),
}

/// Plans the events under both set-ups; of those that differ the first `shown_max` are shown whole.
pub async fn compare(
    guests: &Guests,
    destination: &DestinationId,
    (old, new): (Option<&SetUp>, Option<&SetUp>),
    events: &[Event],
    shown_max: usize,
) -> Comparison {
    let only = match (old, new) {
        (None, Some(_)) => Some("added"),
        (Some(_), None) => Some("removed"),
        _ => None,
    };
    let mut comparison = Comparison { destination: destination.0.clone(), only, ..Comparison::default() };
    let mut summary = Summary::default();
    let (mut old, mut new) = (Side::new(old), Side::new(new));
    for event in events {
        let (before, after) = (old.outcome(guests, event).await, new.outcome(guests, event).await);
        comparison.events += 1;
        let found = differences(&old.sheet(before.as_ref()), &new.sheet(after.as_ref()));
        if found.is_empty() {
            comparison.same += 1;
        } else {
            comparison.count_change(before.as_ref(), after.as_ref());
            summary.add(event.message_id.as_str(), found);
            if comparison.shown.len() < shown_max {
                let [before, after] = [&before, &after].map(|each| each.as_ref().map(Outcome::shown));
                let (message_id, title) = (event.message_id.to_string(), event.title());
                comparison.shown.push(Shown { message_id, title, before, after });
            }
        }
        if let Some((name, _)) = [("old", &old), ("new", &new)].iter().find(|(_, side)| side.exhausted >= EXHAUSTED_MAX)
        {
            comparison.ended_early =
                Some(format!("the {name} one used up its time or its memory at {EXHAUSTED_MAX} events"));
            break;
        }
    }
    comparison.differences = summary.into_kinds();
    (comparison.sent_by_old, comparison.faults_of_old) = (old.sent, old.faults);
    (comparison.sent_by_new, comparison.faults_of_new) = (new.sent, new.faults);
    comparison
}

impl Comparison {
    /// One that cannot be made.
    pub fn impossible(destination: &DestinationId, trouble: String) -> Comparison {
        Comparison { destination: destination.0.clone(), trouble: Some(trouble), ..Comparison::default() }
    }

    fn count_change(&mut self, before: Option<&Outcome>, after: Option<&Outcome>) {
        self.changed += 1;
        let goes = |outcome: Option<&Outcome>| outcome.is_some_and(Outcome::goes);
        match (goes(before), goes(after)) {
            (false, true) => self.goes_now += 1,
            (true, false) => self.goes_no_more += 1,
            _ => {}
        }
    }
}

/// One of the two, and what is counted of it.
struct Side<'s> {
    set_up: Option<&'s SetUp>,
    sent: u64,
    faults: u64,
    exhausted: u64,
}

impl<'s> Side<'s> {
    fn new(set_up: Option<&'s SetUp>) -> Side<'s> {
        Side { set_up, sent: 0, faults: 0, exhausted: 0 }
    }

    async fn outcome(&mut self, guests: &Guests, event: &Event) -> Option<Outcome> {
        let outcome = self.set_up?.outcome(guests, event).await;
        self.sent += u64::from(outcome.goes());
        if let Outcome::Fails(fault) = &outcome {
            self.faults += 1;
            self.exhausted += u64::from(fault.is_exhaustion());
        }
        Some(outcome)
    }

    /// The outcome by field.
    fn sheet(&self, outcome: Option<&Outcome>) -> Value {
        match (self.set_up, outcome) {
            (Some(set_up), Some(outcome)) => outcome.sheet(&set_up.guest.handles),
            _ => json!({"requests": {}}),
        }
    }
}

impl SetUp {
    /// A destination as it works; None: its plugin does not.
    pub fn of(active: &Active) -> Option<SetUp> {
        let guest = active.guest.clone()?;
        Some(SetUp::new(active.destination.clone(), guest.revision, guest.settings, guest.handles))
    }

    /// A destination with a revision of its plugin, and the settings that this is called with.
    pub fn new(
        destination: Arc<Destination>,
        revision: Arc<Revision>,
        settings: Arc<str>,
        handles: Arc<Handles>,
    ) -> SetUp {
        let id = DestinationId(format!("{} (compared)", destination.id));
        let meter = Arc::new(GuestMeter::new(&id, &destination.plugin));
        let counts = Arc::new(RevisionMeter::default());
        SetUp { destination, guest: ActiveGuest { revision, settings, handles, meter, counts } }
    }

    /// What an event comes to.
    pub async fn outcome(&self, guests: &Guests, event: &Event) -> Outcome {
        let kinds = &self.guest.revision.manifest().kinds;
        let event = match self.destination.transformation.apply(kinds, event) {
            Routing::Goes(event) => event,
            Routing::Filtered(rule) => return Outcome::Filtered(rule.into_owned()),
            Routing::Refused(why) => return Outcome::Refused(why.to_string()),
        };
        let now_ms = event.received_ms;
        let mut planned = guests.plan(Search::Full, &self.guest, now_ms, vec![event]).await;
        match planned.faults.pop() {
            Some((_, fault)) => Outcome::Fails(fault),
            None => Outcome::Planned(Plan { requests: planned.requests, fates: planned.fates }),
        }
    }
}

impl Outcome {
    fn goes(&self) -> bool {
        matches!(self, Outcome::Planned(plan) if !plan.requests.is_empty())
    }

    fn sheet(&self, handles: &Handles) -> Value {
        let fate = match self {
            Outcome::Planned(plan) => return sheet(plan, handles),
            Outcome::Filtered(rule) => format!("filtered by the rule {rule}"),
            Outcome::Refused(why) => format!("refused: {why}"),
            Outcome::Fails(fault) => format!("the plugin fails: {fault}"),
        };
        json!({"requests": {}, "fate": fate})
    }

    /// The requests with handles in place of secrets, or why there are none.
    pub fn shown(&self) -> Value {
        match self {
            Outcome::Filtered(rule) => json!({"filtered": rule}),
            Outcome::Refused(why) => json!({"dead": why}),
            Outcome::Fails(fault) => json!({"dead": fault.to_string()}),
            Outcome::Planned(plan) if plan.requests.is_empty() => match plan.fates.first() {
                Some((_, Fate::Skip(reason))) => json!({"filtered": format!("plugin: {reason}")}),
                Some((_, Fate::Reject(reason))) => json!({"dead": reason}),
                Some((_, Fate::DeferUntilMs(until_ms))) => json!({"deferred_until_ms": until_ms}),
                None => json!({"filtered": "plugin"}),
            },
            Outcome::Planned(plan) => json!({"requests": plan.requests.iter().map(request).collect::<Vec<_>>()}),
        }
    }
}

fn request(request: &Request) -> Value {
    let headers: serde_json::Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let body = serde_json::from_slice(&request.body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&request.body).into_owned()));
    let auth: Vec<String> = request.auth.iter().map(way_of).collect();
    json!({"method": request.method, "url": request.url, "headers": headers, "auth": auth, "body": body})
}

/// How a request is authenticated, without the secret.
fn way_of(auth: &Auth) -> String {
    match auth {
        Auth::Bearer(_) => "bearer".to_string(),
        Auth::Basic(..) => "basic".to_string(),
        Auth::Header(name, _) => format!("header {name}"),
        Auth::Query(name, _) => format!("query {name}"),
        Auth::Named(scheme) => scheme.split(':').next().unwrap_or_default().to_string(),
    }
}
