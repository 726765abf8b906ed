//! The end of an ingest request: the accepted events become durable, and everything is counted and
//! told to who watches.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answer::IngestError;
use super::gate::{Gate, Rejected, Source};
use crate::delivery::live::Step;
use crate::event::{Event, MessageId};
use crate::queue::{Appended, NewEvent, PipelineId};
use crate::transformation::Exhausted;
use crate::validate::rules::{Applied, SourceRules};
use crate::validate::{Checked, Rejection};

/// Which source each accepted event is of.
pub(super) enum Sources {
    /// All of one.
    All(Arc<Source>),
    /// Each of the one that its own key names, if any.
    Each(Vec<Option<Arc<Source>>>),
}

impl Sources {
    /// The source of the accepted event at this place.
    fn of(&self, at: usize) -> Option<&Arc<Source>> {
        match self {
            Sources::All(source) => Some(source),
            Sources::Each(each) => each.get(at)?.as_ref(),
        }
    }

    /// The rules for the accepted event at this place.
    pub fn rules(&self, at: usize) -> Option<&SourceRules> {
        self.of(at).map(|source| &*source.rules).filter(|rules| !rules.is_empty())
    }

    /// Each source pays for its events; the bytes are the first one's.
    pub fn pay(&self, checked: &Checked, bytes: usize, now_ms: u64) {
        match self {
            Sources::All(source) => {
                source.pay((checked.accepted.len() + checked.rejected.len()) as u64, bytes as u64, now_ms);
            }
            Sources::Each(each) => {
                for (at, source) in each.iter().enumerate().filter_map(|(at, source)| Some((at, source.as_ref()?))) {
                    source.pay(1, checked.accepted[at].json.len() as u64, now_ms);
                }
            }
        }
    }

    /// The pipeline that items without an event are counted for.
    fn first_pipeline(&self) -> PipelineId {
        match self {
            Sources::All(source) => source.pipeline.clone(),
            Sources::Each(each) => {
                each.iter().flatten().next().map_or(PipelineId::from(""), |source| source.pipeline.clone())
            }
        }
    }
}

/// What came of a request.
pub(super) struct Settled {
    /// Events that are durable, those that were known already among them.
    pub accepted: usize,
    /// Events that were known already.
    pub duplicates: usize,
    /// Items that were not accepted.
    pub rejected: Vec<Rejection>,
}

/// Makes the accepted events durable, counts and tells.
pub(super) async fn settle(
    gate: &Gate,
    checked: Checked,
    applied: Applied,
    sources: Sources,
) -> Result<Settled, IngestError> {
    let first = sources.first_pipeline();
    let (places, repaired) = (checked.accepted_places(), checked.repaired());
    let mut rejected = checked.rejected;
    let mut by_pipeline: BTreeMap<PipelineId, usize> = BTreeMap::new();
    let mut events = Vec::with_capacity(checked.accepted.len());
    for (at, event) in checked.accepted.into_iter().enumerate() {
        match sources.of(applied.kept[at]) {
            Some(source) => match source.storage_policy.stored(&event) {
                Ok(event) => {
                    *by_pipeline.entry(source.pipeline.clone()).or_default() += 1;
                    events.push(NewEvent { pipeline: source.pipeline.clone(), event });
                }
                Err(Exhausted) => rejected.push(Rejection {
                    index: places[at],
                    message_id: Some(event.message_id.to_string()),
                    code: "pii_policy",
                    message: "the policy on personal data takes more work than one event may be".to_string(),
                }),
            },
            None => rejected.push(Rejection {
                index: places[at],
                message_id: Some(event.message_id.to_string()),
                code: "unknown_write_key",
                message: IngestError::UnknownWriteKey.to_string(),
            }),
        }
    }
    let accepted = events.len();
    let told: Vec<(PipelineId, Event)> = match gate.live.is_watched() {
        true => events.iter().map(|new| (new.pipeline.clone(), new.event.clone())).collect(),
        false => Vec::new(),
    };
    let picked = gate.live.pickers().pick(&events);
    let appended = if accepted > 0 { gate.store.append(events).await? } else { Appended::default() };
    for (pipeline, _) in &appended.duplicates {
        if let Some(count) = by_pipeline.get_mut(pipeline) {
            *count -= 1;
        }
    }
    count(gate, &by_pipeline, &first, repaired, &rejected);
    gate.count_duplicates(&appended.duplicates);
    gate.count_violations(&first, applied.violations);
    picked.tell();
    tell(gate, told, &appended.duplicates, &first, &rejected);
    Ok(Settled { accepted, duplicates: appended.duplicates.len(), rejected })
}

fn count(
    gate: &Gate,
    accepted: &BTreeMap<PipelineId, usize>,
    first: &PipelineId,
    repaired: usize,
    rejections: &[Rejection],
) {
    for (pipeline, count) in accepted {
        gate.count(pipeline, *count, 0, Vec::new());
    }
    if repaired == 0 && rejections.is_empty() {
        return;
    }
    let rejected = rejections
        .iter()
        .map(|item| Rejected {
            at_ms: (gate.now)(),
            pipeline: first.to_string(),
            message_id: item.message_id.clone(),
            code: item.code,
            message: item.message.clone(),
        })
        .collect();
    gate.count(first, 0, repaired, rejected);
}

fn tell(
    gate: &Gate,
    accepted: Vec<(PipelineId, Event)>,
    duplicates: &[(PipelineId, MessageId)],
    first: &PipelineId,
    rejections: &[Rejection],
) {
    let step = |pipeline: &PipelineId, step, message_id: String, detail: String| Step {
        at_ms: (gate.now)(),
        destination: pipeline.to_string(),
        message_ids: vec![message_id],
        step,
        request: String::new(),
        status: 0,
        took_ms: 0,
        detail,
    };
    let is_duplicate = |event: &Event| duplicates.iter().any(|(_, message_id)| *message_id == event.message_id);
    for (pipeline, event) in accepted {
        let what = if is_duplicate(&event) { "duplicate" } else { "accepted" };
        gate.live.tell([], || step(&pipeline, what, event.message_id.to_string(), event.title()));
    }
    for item in rejections {
        gate.live.tell([], || {
            let detail = format!("{}: {}", item.code, item.message);
            step(first, "rejected", item.message_id.clone().unwrap_or_default(), detail)
        });
    }
}
