//! Events: the last ones, each one's story, and those that go by now.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::access::Caller;
use super::failure::Failure;
use super::masking;
use crate::config::Role;
use crate::daemon::Daemon;
use crate::queue::{Note, PipelineId, Story};

/// Events of one answer at most.
pub const EVENTS_MAX: usize = 200;

/// Events of each pipeline that a search looks through: a second's work at most.
const SEARCHED_MAX: usize = 5_000;

/// One event with what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct EventView {
    /// Its identity.
    pub message_id: String,
    /// Its pipeline.
    pub pipeline: String,
    /// Its kind.
    pub kind: String,
    /// Its name, or empty.
    pub name: String,
    /// Whose it is: userId, else anonymousId, else empty.
    pub user: String,
    /// When it was accepted: milliseconds since 1970.
    pub received_ms: u64,
    /// The last step in each destination: `delivered`, `filtered`, `retry`, `dead`, ...
    pub outcomes: BTreeMap<String, String>,
    /// The event.
    pub event: Value,
    /// Its steps.
    pub steps: Vec<StepView>,
}

/// A step of an event's story.
#[derive(Clone, Debug, Serialize)]
pub struct StepView {
    /// Which destination.
    pub destination: String,
    /// The step.
    #[serde(flatten)]
    pub note: Note,
}

impl EventView {
    /// What a caller sees of a story.
    pub fn of(story: &Story, caller: &Caller) -> EventView {
        let mut event: Value = serde_json::from_slice(&story.json).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let name = if story.kind == "track" { text(&event["event"]) } else { text(&event["name"]) };
        let mut user = [&event["userId"], &event["anonymousId"]]
            .into_iter()
            .map(text)
            .find(|id| !id.is_empty())
            .unwrap_or_default();
        let mut steps: Vec<StepView> = story
            .steps
            .iter()
            .map(|(destination, note)| StepView { destination: destination.0.clone(), note: note.clone() })
            .collect();
        if is_masked(caller) {
            masking::event(&mut event);
            user = masking::text(&user);
            for step in &mut steps {
                step.note.request = masking::text(&step.note.request);
                step.note.detail = masking::text(&step.note.detail);
            }
        }
        let outcomes = steps.iter().map(|step| (step.destination.clone(), step.note.step.clone())).collect();
        let (message_id, pipeline, kind) = (story.message_id.clone(), story.pipeline.clone(), story.kind.clone());
        EventView { message_id, pipeline, kind, name, user, received_ms: story.received_ms, outcomes, event, steps }
    }

    fn holds(&self, search: &str) -> bool {
        let ids = [&self.event["userId"], &self.event["anonymousId"]].map(|id| id.as_str().unwrap_or_default());
        [self.message_id.as_str(), &self.name, &self.user].into_iter().chain(ids).any(|text| text.contains(search))
    }
}

/// Whether personal data is masked for a caller.
pub fn is_masked(caller: &Caller) -> bool {
    !caller.may(Role::Editor)
}

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub struct EventsCall {
    /// Of this pipeline; None: of all.
    pub pipeline: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// Whose identity, name or user holds this text; empty: all.
    pub search: String,
    /// Of this kind.
    pub kind: Option<String>,
    /// Where this step is the last in some destination.
    pub outcome: Option<String>,
}

/// The last events, newest first.
///
/// # Errors
/// When the store does not answer.
pub async fn events(daemon: &Daemon, caller: &Caller, call: &EventsCall) -> Result<Vec<EventView>, Failure> {
    let is_filtered = !call.search.is_empty() || call.kind.is_some() || call.outcome.is_some();
    let count = if is_filtered { SEARCHED_MAX } else { call.limit };
    let config = daemon.configured().await.config;
    let mut all = Vec::new();
    for pipeline in
        config.pipelines.iter().filter(|own| call.pipeline.as_ref().is_none_or(|name| *name == own.id.as_str()))
    {
        let stories = daemon.store.recent_stories(&pipeline.id, count).await?;
        let views = stories.iter().map(|story| EventView::of(story, caller));
        all.extend(views.filter(|view| call.fits(view)).take(call.limit));
    }
    all.sort_by_key(|view: &EventView| std::cmp::Reverse(view.received_ms));
    all.truncate(call.limit);
    Ok(all)
}

impl EventsCall {
    /// Whether an event is one of them.
    pub fn fits(&self, view: &EventView) -> bool {
        (self.search.is_empty() || view.holds(&self.search))
            && self.kind.as_ref().is_none_or(|kind| *kind == view.kind)
            && self.outcome.as_ref().is_none_or(|outcome| view.outcomes.values().any(|own| own == outcome))
    }
}

/// The stories of the events of that identity, newest first.
///
/// # Errors
/// When none is kept.
pub async fn trace(daemon: &Daemon, caller: &Caller, message_id: &str) -> Result<Vec<EventView>, Failure> {
    let stories = daemon.store.trace(message_id).await?;
    if stories.is_empty() {
        let message = format!("no event `{message_id}` is kept: it never came, or its time is over");
        return Err(Failure::unknown("unknown_event", message));
    }
    Ok(stories.iter().map(|story| EventView::of(story, caller)).collect())
}

/// The last items that were not accepted, newest last.
pub fn rejected(daemon: &Daemon, caller: &Caller) -> Value {
    let mut rejected = json!(daemon.gate.rejected());
    if is_masked(caller) {
        masking::texts(&mut rejected);
    }
    rejected
}

/// The last events of a pipeline as the store has them: what a preview is made of.
///
/// # Errors
/// When the store does not answer.
pub async fn last_events(daemon: &Daemon, pipeline: &str, count: usize) -> Result<Vec<crate::event::Event>, Failure> {
    Ok(daemon.store.recent(&PipelineId::from(pipeline), count).await?)
}
