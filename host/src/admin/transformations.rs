//! Transformations as they are edited: what a set of rules does to a real event, the request that the
//! vendor would get, and what it would change for the last events, before any of it is saved.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::access::Caller;
use super::destinations::{needs, record};
use super::events::is_masked;
use super::failure::Failure;
use super::masking;
use crate::config::edit::{Editor, RuleEdit};
use crate::config::{Config, Destination, Pipeline, Role};
use crate::daemon::comparison::{Comparison, Outcome};
use crate::daemon::planner::Planner;
use crate::daemon::{Change, Daemon};
use crate::event::Event;
use crate::event::index::{self, Kind};
use crate::queue::PipelineId;
use crate::transformation::{Class, Level, Mistake, Routing, Rule, STEPS_MAX, Step, Steps, compile, values_of_classes};

/// Events that a review looks at.
pub const REVIEWED: usize = 1_000;

/// A rule being edited.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditedRule {
    /// Where it stands: `pipeline` or `destination`.
    pub level: EditedLevel,
    /// Its place among those of its level in the file; None: it is new.
    #[serde(default)]
    pub from: Option<usize>,
    /// The rule, without its secret, which stays as it is in the file.
    pub rule: Map<String, Value>,
}

/// Where a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EditedLevel {
    /// With the pipeline: for all its destinations.
    Pipeline,
    /// With the destination.
    Destination,
}

/// The rules of a destination as they stand.
#[derive(Clone, Debug, Serialize)]
pub struct RulesView {
    /// The pipeline's, then the destination's.
    pub rules: Vec<EditedRule>,
    /// What names the configuration's text, for `If-Match`.
    pub etag: String,
}

/// A mistake of a rule.
#[derive(Clone, Debug, Serialize)]
pub struct RuleMistake {
    /// Its place among those that were given, from 0.
    pub rule: usize,
    /// The key; empty: the rule as a whole.
    pub field: String,
    /// Where in the key's text, in bytes.
    pub position: usize,
    /// What is wrong, and what would be right.
    pub message: String,
    /// What the key could say instead.
    pub suggestion: Option<String>,
}

/// What rules do to one event.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Preview {
    /// Mistakes; nothing else is there then.
    pub mistakes: Vec<RuleMistake>,
    /// What is wrong with the configuration as a whole.
    pub trouble: Option<String>,
    /// What each rule did.
    pub steps: Vec<Step>,
    /// The event before.
    pub before: Value,
    /// The event after; None: it does not go.
    pub after: Option<Value>,
    /// What it comes to: `requests`, or `filtered` or `dead` with the reason.
    pub outcome: Value,
    /// The same under the rules in effect.
    pub outcome_now: Value,
}

/// The rules of a destination as they stand.
///
/// # Errors
/// When there is none of that name.
pub async fn rules(daemon: &Daemon, pipeline: &str, name: &str) -> Result<RulesView, Failure> {
    let etag = daemon.configuration().await?.etag;
    let configured = daemon.configured().await;
    let (_, destination) = find(&configured.config, pipeline, name)?;
    let written = destination.transformation.written();
    let of = |level: EditedLevel, rules: &[Rule]| {
        let each = rules.iter().enumerate().map(move |(from, rule)| {
            let mut rule =
                serde_json::to_value(rule).ok().and_then(|rule| rule.as_object().cloned()).unwrap_or_default();
            rule.remove("secret");
            EditedRule { level, from: Some(from), rule }
        });
        each.collect::<Vec<_>>()
    };
    let mut rules = of(EditedLevel::Pipeline, written.pipeline_rules.written());
    rules.extend(of(EditedLevel::Destination, written.rules.written()));
    Ok(RulesView { rules, etag })
}

/// The fields of an event that hold personal data, by their paths as rules write them, with the class.
pub fn personal_fields(event: &Event) -> BTreeMap<String, Class> {
    let mut fields = BTreeMap::new();
    let found = values_of_classes(event.view(), &Steps::new(STEPS_MAX)).unwrap_or_default();
    for (path, numbers) in field_paths(event) {
        let own = found.iter().find(|(range, _)| range.start < numbers.end && numbers.start < range.end);
        own.map(|(_, class)| fields.insert(path, *class));
    }
    fields
}

/// The fields of an event as the editor lists them, each with the numbers of its values; the items of a list
/// share a path.
fn field_paths(event: &Event) -> Vec<(String, Range<u32>)> {
    fn walk(value: &index::Value<'_>, path: String, all: &mut Vec<(String, Range<u32>)>) {
        let mut children = value.children().peekable();
        match value.kind() {
            Kind::Object if children.peek().is_some() => {
                for member in children {
                    let key = escaped(&member.key().unwrap_or_default());
                    walk(&member, if path.is_empty() { key } else { format!("{path}.{key}") }, all);
                }
            }
            Kind::Array if children.peek().is_some_and(|first| first.kind() == Kind::Object) => {
                children.next().iter().for_each(|first| walk(first, format!("{path}[]"), all));
            }
            _ => all.push((path, value.number()..value.entry().next.max(value.number() + 1))),
        }
    }
    let mut all = Vec::new();
    walk(&event.view().root(), String::new(), &mut all);
    all
}

/// A key as it stands in a rule's path.
pub fn escaped(key: &str) -> String {
    key.replace('\\', "\\\\").replace('.', "\\.").replace('[', "\\[")
}

fn find<'c>(
    config: &'c Config,
    pipeline: &str,
    name: &str,
) -> Result<(&'c Arc<Pipeline>, &'c Arc<Destination>), Failure> {
    let mut all = config.destinations().filter(|(own, each)| own.id.as_str() == pipeline && each.name == name);
    let unknown = || Failure::unknown("unknown_destination", format!("there is no destination `{pipeline}/{name}`"));
    all.next().ok_or_else(unknown)
}

/// The mistakes of rules, each at its place among those that were given.
fn mistakes(rules: &[EditedRule], secrets: &BTreeMap<(bool, usize), ()>) -> Vec<RuleMistake> {
    let mut all = Vec::new();
    for level in [EditedLevel::Pipeline, EditedLevel::Destination] {
        let places: Vec<usize> = (0..rules.len()).filter(|at| rules[*at].level == level).collect();
        let (mut good, mut good_places) = (Vec::new(), Vec::new());
        for at in &places {
            match Rule::from_json(Value::Object(rules[*at].rule.clone()), good.len()) {
                Ok(mut rule) => {
                    let key = (level == EditedLevel::Pipeline, rules[*at].from.unwrap_or(usize::MAX));
                    if secrets.contains_key(&key) {
                        rule.secret = Some(crate::transformation::Secret::Known("known".to_string()));
                    }
                    good.push(rule);
                    good_places.push(*at);
                }
                Err(mistake) => all.push(placed(mistake, *at)),
            }
        }
        if let Err(found) = compile(&good) {
            all.extend(found.into_iter().map(|mistake| {
                let at = good_places.get(mistake.rule).copied().unwrap_or_default();
                placed(mistake, at)
            }));
        }
    }
    all.sort_by_key(|mistake| mistake.rule);
    all
}

fn placed(mistake: Mistake, rule: usize) -> RuleMistake {
    let Mistake { field, position, message, suggestion, .. } = mistake;
    RuleMistake { rule, field, position, message, suggestion }
}

/// Which rules of the file have a secret, by level and place.
fn secrets_of(destination: &Destination) -> BTreeMap<(bool, usize), ()> {
    let written = destination.transformation.written();
    let of = |is_pipeline: bool, rules: &[Rule]| {
        let with = rules.iter().enumerate().filter(|(_, rule)| rule.secret.is_some());
        with.map(move |(at, _)| ((is_pipeline, at), ())).collect::<Vec<_>>()
    };
    let mut all = of(true, written.pipeline_rules.written());
    all.extend(of(false, written.rules.written()));
    all.into_iter().collect()
}

/// The text with these rules.
fn edited(
    text: &str,
    (pipeline, name): (&str, &str),
    rules: &[EditedRule],
) -> Result<String, crate::config::edit::EditError> {
    let mut editor = Editor::new(text)?;
    for level in [EditedLevel::Pipeline, EditedLevel::Destination] {
        let own: Vec<RuleEdit> = rules
            .iter()
            .filter(|rule| rule.level == level)
            .map(|rule| RuleEdit { from: rule.from, rule: rule.rule.clone() })
            .collect();
        editor.set_rules(pipeline, (level == EditedLevel::Destination).then_some(name), &own)?;
    }
    Ok(editor.text())
}

/// A configuration with these rules, checked whole.
async fn candidate(daemon: &Daemon, place: (&str, &str), rules: &[EditedRule]) -> Result<Config, String> {
    let standing = daemon.configuration().await.map_err(|error| error.to_string())?;
    let text = edited(&standing.text, place, rules).map_err(|error| error.to_string())?;
    daemon.checked(&text).await.map_err(|error| error.to_string())
}

/// What rules do to an event. Nothing is saved, and nothing is sent.
///
/// # Errors
/// When there is no such destination.
pub async fn preview(
    daemon: &Daemon,
    caller: &Caller,
    (pipeline, name): (&str, &str),
    rules: &[EditedRule],
    event: &Event,
) -> Result<Preview, Failure> {
    let configured = daemon.configured().await;
    let (_, now) = find(&configured.config, pipeline, name)?;
    let mut preview = Preview { before: serde_json::from_slice(&event.json).unwrap_or_default(), ..Preview::default() };
    preview.mistakes = mistakes(rules, &secrets_of(now));
    if preview.mistakes.is_empty() {
        match candidate(daemon, (pipeline, name), rules).await {
            Err(trouble) => preview.trouble = Some(trouble),
            Ok(config) => {
                let (_, next) = find(&config, pipeline, name)?;
                let planner = daemon.planner().await;
                (preview.steps, preview.after) = transformed(&planner, next, event);
                preview.outcome = outcome(&planner, next, event).await;
                preview.outcome_now = outcome(&planner, now, event).await;
            }
        }
    }
    if is_masked(caller) {
        masking::event(&mut preview.before);
        preview.after.iter_mut().for_each(masking::event);
        preview.steps.iter_mut().for_each(|step| step.after = None);
        [&mut preview.outcome, &mut preview.outcome_now].into_iter().for_each(|outcome| {
            for request in outcome["requests"].as_array_mut().into_iter().flatten() {
                masking::event(&mut request["body"]);
            }
            masking::texts(outcome);
        });
    }
    Ok(preview)
}

fn transformed(planner: &Planner, next: &Destination, event: &Event) -> (Vec<Step>, Option<Value>) {
    let kinds = planner.kinds(&next.plugin).map(<[String]>::to_vec).unwrap_or_default();
    let (steps, routing) = next.transformation.explain(&kinds, event);
    let after = match &routing {
        Routing::Goes(event) => serde_json::from_slice(&event.json).ok(),
        _ => None,
    };
    (steps, after)
}

async fn outcome(planner: &Planner, destination: &Arc<Destination>, event: &Event) -> Value {
    match planner.outcome(destination, event).await {
        Ok(outcome) => Outcome::shown(&outcome),
        Err(error) => json!({"dead": format!("{error:#}")}),
    }
}

/// What rules would change for the last events of a pipeline, by destination.
///
/// # Errors
/// When they are not good.
pub async fn review(
    daemon: &Daemon,
    (pipeline, name): (&str, &str),
    rules: &[EditedRule],
) -> Result<(usize, Vec<Comparison>), Failure> {
    let refused = |message: String| Failure::new(hyper::StatusCode::UNPROCESSABLE_ENTITY, "rules_refused", message);
    let new = only(candidate(daemon, (pipeline, name), rules).await.map_err(refused)?, pipeline);
    let old = only(daemon.configured().await.config, pipeline);
    let events = daemon.store.recent(&PipelineId::from(pipeline), REVIEWED).await?;
    let count = events.len();
    let planner = daemon.planner().await;
    let events = BTreeMap::from([(PipelineId::from(pipeline), events)]);
    let mut compared = planner.compare(&old, &new, &events).await;
    compared.retain(|each| each.changed > 0 || each.trouble.is_some());
    Ok((count, compared))
}

fn only(config: Config, pipeline: &str) -> Config {
    let pipelines = config.pipelines.iter().filter(|own| own.id.as_str() == pipeline).cloned().collect();
    Config { pipelines, ..config }
}

/// Saves rules. Answers the number of the configuration.
///
/// # Errors
/// Nothing has changed then.
pub async fn save(
    daemon: &Daemon,
    caller: &Caller,
    place: (&str, &str),
    rules: &[EditedRule],
    etag: Option<&str>,
) -> Result<u64, Failure> {
    needs(caller, Role::Editor)?;
    let configured = daemon.configured().await;
    let (_, now) = find(&configured.config, place.0, place.1)?;
    if let Some(mistake) = mistakes(rules, &secrets_of(now)).first() {
        let message = format!("rule {}, `{}`: {}", mistake.rule + 1, mistake.field, mistake.message);
        return Err(Failure::new(hyper::StatusCode::UNPROCESSABLE_ENTITY, "rules_refused", message));
    }
    let id = format!("{}/{}", place.0, place.1);
    let what = format!("transformations of {id} changed");
    let change = Change { who: &caller.person.name, what: &what, etag };
    let number = daemon.configure(change, |text| edited(text, place, rules)).await?;
    record(daemon, caller, "transformations changed", &id, &format!("{} rules", rules.len())).await;
    Ok(number)
}

/// The level of a step, as the editor has it.
pub fn level_of(step: &Step) -> Option<EditedLevel> {
    step.level.map(|level| match level {
        Level::Pipeline => EditedLevel::Pipeline,
        Level::Destination => EditedLevel::Destination,
    })
}

/// An event that somebody pasted, as it would be accepted.
///
/// # Errors
/// Why it would not be.
pub fn pasted(text: &str, now_ms: u64) -> Result<Event, String> {
    use crate::validate::{Facts, Form, Limits, check_body};
    let value: Value = serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))?;
    let kind = value["type"].as_str().and_then(crate::event::EventKind::from_name);
    let kind = kind.ok_or("an event has a `type`: track, identify, page, screen, group or alias")?;
    let mut make_message_id = || "pasted".to_string();
    let mut facts = Facts { received_ms: now_ms, ip: None, make_message_id: &mut make_message_id };
    let checked = check_body(value.to_string().as_bytes(), Form::Single(kind), &mut facts, &Limits::default());
    let checked = checked.map_err(|error| error.to_string())?;
    let why = checked.rejected.first().map(|rejection| rejection.message.clone());
    checked.accepted.into_iter().next().ok_or_else(|| why.unwrap_or_else(|| "this is no event".to_string()))
}
