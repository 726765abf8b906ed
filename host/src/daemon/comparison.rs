//! Two set-ups of one destination side by side: both plan the same stored events, nothing is sent, and
//! the requests that differ are summed up by kind of difference. Another revision, other settings or
//! other rules are all just another set-up.
//!
//! Each event is planned alone, so that a difference is that event's. Guests run under a name of their
//! own: what they do here is not held against the destination.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::delivery::active::{Active, ActiveGuest};
use crate::delivery::guest::Guests;
use crate::event::Event;
use crate::meter::{GuestMeter, RevisionMeter};
use crate::plugin::difference::{KindOfDifference, Summary, differences};
use crate::plugin::plan::Plan;
use crate::plugin::sheet::sheet;
use crate::plugin::split::Search;
use crate::queue::DestinationId;
use crate::transformation::Routing;

/// A set-up whose plugin used up its time or its memory at so many events is not asked further.
const EXHAUSTED_MAX: u64 = 4;

/// What became of the comparison of one destination.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Whose.
    pub destination: String,
    /// Events that both planned.
    pub events: u64,
    /// Those whose requests are the same.
    pub same: u64,
    /// Those of which something differs.
    pub changed: u64,
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
    /// Set when it ended before all events were planned.
    pub ended_early: Option<String>,
}

/// One of the two.
struct Side {
    active: Arc<Active>,
    guest: ActiveGuest,
    sent: u64,
    faults: u64,
    exhausted: u64,
}

/// Plans the events under both set-ups. None where either has no plugin that works.
pub async fn compare(
    guests: &Guests,
    old: &Arc<Active>,
    new: &Arc<Active>,
    events: &[Event],
    now_ms: u64,
) -> Option<Comparison> {
    let (mut old, mut new) = (Side::new(old)?, Side::new(new)?);
    let mut summary = Summary::default();
    let (mut same, mut planned) = (0, 0);
    let mut ended_early = None;
    for event in events {
        let (before, after) = (old.plan(guests, event, now_ms).await, new.plan(guests, event, now_ms).await);
        planned += 1;
        let found = differences(&before, &after);
        match found.is_empty() {
            true => same += 1,
            false => summary.add(event.message_id.as_str(), found),
        }
        if let Some((name, _)) = [("old", &old), ("new", &new)].iter().find(|(_, side)| side.exhausted >= EXHAUSTED_MAX)
        {
            ended_early = Some(format!("the {name} one used up its time or its memory at {EXHAUSTED_MAX} events"));
            break;
        }
    }
    Some(Comparison {
        destination: old.active.destination.id.0.clone(),
        events: planned,
        same,
        changed: planned - same,
        sent_by_old: old.sent,
        sent_by_new: new.sent,
        faults_of_old: old.faults,
        faults_of_new: new.faults,
        differences: summary.into_kinds(),
        ended_early,
    })
}

impl Side {
    fn new(active: &Arc<Active>) -> Option<Side> {
        let guest = active.guest.clone()?;
        let id = DestinationId(format!("{} (compared)", active.destination.id));
        let meter = Arc::new(GuestMeter::new(&id, &active.destination.plugin));
        let guest = ActiveGuest { meter, counts: Arc::new(RevisionMeter::default()), ..guest };
        Some(Side { active: active.clone(), guest, sent: 0, faults: 0, exhausted: 0 })
    }

    /// What would become of an event, by field.
    async fn plan(&mut self, guests: &Guests, event: &Event, now_ms: u64) -> Value {
        let kinds = &self.guest.revision.manifest().kinds;
        let event = match self.active.destination.transformation.apply(kinds, event) {
            Routing::Goes(event) => event,
            Routing::Filtered(rule) => {
                return json!({"requests": {}, "fate": format!("filtered by the rule {rule}")});
            }
            Routing::Refused(why) => return json!({"requests": {}, "fate": format!("refused: {why}")}),
        };
        let planned = guests.plan(Search::Full, &self.guest, now_ms, vec![event]).await;
        if let Some((_, fault)) = planned.faults.first() {
            self.faults += 1;
            self.exhausted += u64::from(fault.is_exhaustion());
            return json!({"requests": {}, "fate": format!("the plugin fails: {fault}")});
        }
        self.sent += u64::from(!planned.requests.is_empty());
        sheet(&Plan { requests: planned.requests, fates: planned.fates }, &self.guest.handles)
    }
}
