//! Calls that judge: the answers of one destination that wait together share one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Shared, Workers, conduct, unanswered};
use crate::meter::GuestMeter;
use crate::plugin::answers::{TOGETHER_MAX, ToJudge};
use crate::plugin::fair::Conduct;
use crate::plugin::fault::PluginFault;
use crate::plugin::metered;
use crate::plugin::plan::{Judgement, Response};
use crate::plugin::revision::Revision;
use crate::queue::DestinationId;

impl Workers {
    /// Has an answer judged, in one instance with those that wait with it. `patience` is how long it may wait
    /// for others, if it is the first: nothing where no others are on their way. Safe to cancel, as
    /// [`Workers::plan`] is.
    pub async fn judge(
        &self,
        revision: &Arc<Revision>,
        settings: &Arc<str>,
        now_ms: u64,
        response: Response,
        meter: &Arc<GuestMeter>,
        patience: Duration,
    ) -> Result<Judgement, PluginFault> {
        let room = self.room.clone().acquire_owned().await.expect("the room is never closed");
        let (done, mut judged) = oneshot::channel();
        let (revision, settings, meter) = (revision.clone(), settings.clone(), meter.clone());
        let comes = Comes { shared: &self.shared, destination: Some(meter.destination().clone()) };
        let waiting = self.shared.answers.add(ToJudge { revision, settings, meter, now_ms, response, done, room });
        if patience.is_zero() || waiting == TOGETHER_MAX {
            drop(comes);
        } else if waiting > 1 {
            comes.need_not();
        } else if let Ok(judged) = tokio::time::timeout(patience, &mut judged).await {
            comes.need_not();
            return judged.unwrap_or_else(|_| Err(unanswered()));
        } else {
            drop(comes);
        }
        judged.await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Answers that wait to be judged.
    #[cfg(test)]
    pub fn answers(&self) -> usize {
        self.shared.answers.waiting()
    }
}

impl Shared {
    /// Adds an answer to those that are to be judged, and a call for it where none comes yet.
    fn ask(self: &Arc<Shared>, asked: ToJudge) {
        let destination = asked.meter.destination().clone();
        if self.answers.add(asked) == 1 {
            self.push_judging(destination);
        }
    }

    fn push_judging(self: &Arc<Shared>, destination: DestinationId) {
        let (shared, own) = (self.clone(), destination.clone());
        let judging = AssertUnwindSafe(move || shared.judge(&own));
        self.push(&destination, Box::new(move || catch_unwind(judging).unwrap_or(Conduct::InTime)));
    }

    /// Judges answers that wait; those that are not reached get a call of their own.
    fn judge(self: &Arc<Shared>, destination: &DestinationId) -> Conduct {
        let (mut asked, are_left) = self.answers.take(destination);
        if are_left {
            self.push_judging(destination.clone());
        }
        let judgements = metered::judge(&self.kept, &asked);
        let conduct = judgements.last().map_or(Conduct::InTime, conduct);
        let not_reached = asked.split_off(judgements.len());
        for (asked, judged) in asked.into_iter().zip(judgements) {
            // Whoever asked may have gone.
            let _ = asked.done.send(judged);
        }
        not_reached.into_iter().for_each(|asked| self.ask(asked));
        conduct
    }
}

/// Whoever has a destination's answers judged: when it is dropped, also because its caller goes.
struct Comes<'s> {
    shared: &'s Arc<Shared>,
    /// None: nobody needs to come.
    destination: Option<DestinationId>,
}

impl Comes<'_> {
    /// Another one comes, or has come.
    fn need_not(mut self) {
        self.destination = None;
    }
}

impl Drop for Comes<'_> {
    fn drop(&mut self) {
        if let Some(destination) = self.destination.take() {
            self.shared.push_judging(destination);
        }
    }
}
