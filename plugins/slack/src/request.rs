//! The messages of a batch, webhook by webhook, and the fates of the events that get none.

use switchyard_sdk::prelude::*;

use crate::choice::{Refusal, choose};
use crate::message::Message;
use crate::slack::Slack;

/// Plans a batch.
pub fn plan(slack: &Slack, batch: &Batch, plan: &mut Plan) {
    let mut chosen = Vec::with_capacity(batch.len());
    for event in batch.iter() {
        match choose(slack, &event, batch.now_ms()) {
            Ok(one) => chosen.push(one),
            Err(Refusal::Skip(reason)) => plan.skip(&event, reason),
            Err(Refusal::Reject(reason)) => plan.reject(&event, reason),
        }
    }
    // One message grows at a time.
    for (number, target) in slack.targets.iter().enumerate() {
        let mut message = Message::new(slack, target);
        for one in chosen.iter().filter(|one| one.target == number) {
            let event = batch.event(one.position);
            if let Err(reason) = message.add(&event, one.text, plan) {
                plan.reject(&event, reason);
            }
        }
        message.finish(plan);
    }
}
