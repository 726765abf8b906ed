//! What an answer means for each event that its request carries, and for the destination as a whole: the
//! judge's word, where it has one, else the status.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::attempt::{Attempts, Rest, Work, positions};
use super::end::End;
use super::health::{Health, Pause};
use super::retry;
use super::story::{moved, shown};
use super::verdict::{self, Reading};
use crate::plugin::plan::{Judgement, Request, Response, Verdict};
use crate::queue::{Delivery, Outcome};
use crate::send::client::Answer;

/// An answer waits no longer for others than its request took, and never longer than so many milliseconds.
const PATIENCE_MS_MAX: u32 = 20;

impl Attempts {
    /// What an answer means.
    pub(super) async fn read(
        &self,
        deliveries: &[Delivery],
        work: &Work,
        answer: Answer,
        health: &mut Health,
    ) -> (End, Rest) {
        let (judgement, exhausted) = self.judgement(work, &answer).await;
        let reading = verdict::by_status(answer.status, work.request.covers.len());
        let verdicts = verdict::by_judge(&judgement, &work.request.covers);
        let now_ms = (self.now)();
        if let Some(pause) = &judgement.pause {
            health.pause = Some(Pause::Plugin(pause.clone()));
        }
        let slow_quota_until_ms = self.slow(work, judgement.slow_quota_until_ms, now_ms);
        health.slow_until_ms = health.slow_until_ms.max(judgement.slow_until_ms).max(slow_quota_until_ms);
        let says_nothing = verdicts.iter().all(Option::is_none) && judgement.follow_ups.is_empty();
        let asks_to_split = judgement.split && work.request.covers.len() > 1;
        if asks_to_split || (reading == Reading::Split && says_nothing) {
            health.worked += 1;
            let mut end = End::default();
            let detail = format!("refused as a whole, halved: {}", shown(&answer));
            end.notes.push((positions(&work.request), self.note("halved", work, Some(&answer), detail)));
            self.tell(deliveries, positions(&work.request), "halved", work, Some(&answer), String::new());
            return (end, Rest::Halves(answer));
        }
        let is_retry = reading == Reading::Retry;
        let asked_ms = if is_retry { retry::asked_ms(&answer.headers, now_ms) } else { None };
        let slow_ms = match answer.status {
            429 => asked_ms,
            _ => retry::exhausted_ms(&answer.headers, now_ms),
        };
        match reading {
            // The vendor works, and says when it takes more.
            Reading::Retry if slow_ms.is_some() => {}
            Reading::Retry => health.failed += 1,
            Reading::AuthExpired | Reading::Moved => {}
            // The vendor works, and the plugin does not.
            _ if exhausted => health.failed += 1,
            _ => health.worked += 1,
        }
        let slow_until_ms = slow_ms.map(|slow_ms| now_ms.saturating_add(slow_ms));
        health.slow_until_ms = health.slow_until_ms.max(self.slow(work, slow_until_ms, now_ms));
        let sorted = self.sort(work, &answer, reading, verdicts, health);
        (self.ends(deliveries, work, &answer, sorted, judgement.follow_ups, asked_ms), Rest::Nothing)
    }

    /// What the judge says, and whether it used up its time or its memory over it.
    async fn judgement(&self, work: &Work, answer: &Answer) -> (Judgement, bool) {
        if !self.guest.revision.has_judge() {
            return (Judgement::default(), false);
        }
        let response = Response {
            tag: work.request.tag.clone(),
            covers: work.request.covers.clone(),
            status: answer.status,
            headers: answer.headers.clone(),
            body: answer.body.clone(),
        };
        // Others are on their way: those that come soon are judged with it.
        let patience_ms = if self.limiter.in_flight() > 0 { answer.took_ms.clamp(1, PATIENCE_MS_MAX) } else { 0 };
        let patience = Duration::from_millis(patience_ms.into());
        match Box::pin(self.guests.judge(&self.guest, (self.now)(), response, patience)).await {
            Ok(judgement) => (judgement, false),
            Err(fault) => {
                tracing::warn!(destination = %self.active.destination.id, plugin = %self.active.destination.plugin, %fault,
                    "the judge failed: the host's default holds for this answer");
                self.count_fault(&fault);
                (Judgement::default(), fault.is_exhaustion())
            }
        }
    }

    /// Sorts the covered events by what their verdict asks for.
    fn sort(
        &self,
        work: &Work,
        answer: &Answer,
        reading: Reading,
        verdicts: Vec<Option<Verdict>>,
        health: &mut Health,
    ) -> Sorted {
        let mut sorted = Sorted::default();
        for (at, verdict) in positions(&work.request).into_iter().zip(verdicts) {
            let verdict = verdict.unwrap_or_else(|| match reading {
                Reading::Delivered => Verdict::Delivered,
                Reading::Retry => Verdict::RetryAfterMs(None),
                Reading::AuthExpired => Verdict::AuthExpired,
                Reading::Moved => {
                    health.pause.get_or_insert_with(|| Pause::UntilOneWorks(self.without_secrets(moved(answer))));
                    Verdict::RetryAfterMs(None)
                }
                Reading::Split | Reading::Refused => Verdict::Reject(shown(answer)),
            });
            match verdict {
                Verdict::Delivered => {
                    self.active.client.worked(answer);
                    self.guest.counts.delivered(1);
                    sorted.parts.push((at, Outcome::Delivered));
                }
                Verdict::Warned(warning) => {
                    self.active.client.worked(answer);
                    sorted.parts.push((at, Outcome::Delivered));
                    sorted.warnings.insert(at, format!("the vendor warns: {warning}"));
                }
                Verdict::Skip(reason) => {
                    sorted.parts.push((at, Outcome::Filtered { reason: format!("plugin: {reason}") }));
                }
                Verdict::Reject(reason) => {
                    self.guest.counts.rejected(1);
                    sorted.parts.push((at, Outcome::Dead(self.death("vendor_refused", reason, work, Some(answer)))));
                }
                Verdict::RetryAfterMs(wait_ms) => sorted.again.entry(wait_ms).or_default().push(at),
                Verdict::AuthExpired if self.active.client.refused(answer) => {
                    sorted.again.entry(None).or_default().push(at);
                }
                Verdict::AuthExpired => {
                    sorted.again.entry(None).or_default().push(at);
                    let why = format!("the vendor does not accept the credentials: {}", shown(answer));
                    health.pause = Some(Pause::UntilOneWorks(self.without_secrets(why)));
                }
            }
        }
        sorted
    }

    /// The end of a request whose events are sorted.
    fn ends(
        &self,
        deliveries: &[Delivery],
        work: &Work,
        answer: &Answer,
        sorted: Sorted,
        follow_ups: Vec<Request>,
        asked_ms: Option<u64>,
    ) -> End {
        let mut end = End::default();
        for ((step, detail), covers) in sorted.steps() {
            end.notes.push((covers.clone(), self.note(step, work, Some(answer), detail.to_string())));
            self.tell(deliveries, covers, step, work, Some(answer), detail.to_string());
        }
        end.parts = sorted.parts;
        for (wait_ms, covers) in sorted.again {
            end.join(self.again(deliveries, work, covers, wait_ms.max(asked_ms), &shown(answer), Some(answer)));
        }
        for request in follow_ups {
            end.join(self.follow_up(deliveries, work, request));
        }
        end
    }
}

/// The covered events of a request, by what becomes of them.
#[derive(Default)]
struct Sorted {
    parts: Vec<(usize, Outcome)>,
    /// What the vendor warns of, by position.
    warnings: HashMap<usize, String>,
    /// What is tried again, by the wait that the judge asks for.
    again: BTreeMap<Option<u64>, Vec<usize>>,
}

impl Sorted {
    /// The steps that end a part, each with what is said of it, and the events that it is said of.
    fn steps(&self) -> BTreeMap<(&'static str, &str), Vec<usize>> {
        let mut steps: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, outcome) in &self.parts {
            let step = match outcome {
                Outcome::Delivered => ("delivered", self.warnings.get(at).map_or("", String::as_str)),
                Outcome::Filtered { reason } => ("filtered", reason.as_str()),
                Outcome::Dead(death) => ("dead", death.detail.as_str()),
            };
            steps.entry(step).or_default().push(*at);
        }
        steps
    }
}
