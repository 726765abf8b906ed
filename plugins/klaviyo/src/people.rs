//! What identifies and groups become: profiles, lists and subscriptions.

use switchyard_sdk::prelude::*;

use crate::identity::Identity;
use crate::profile::{self, Told};
use crate::settings::{GroupAs, Klaviyo};
use crate::subscription;

/// Plans the requests of identifies and groups, given by their positions.
pub fn requests(klaviyo: &Klaviyo, batch: &Batch, positions: &[u32], plan: &mut Plan) {
    let mut told = Vec::new();
    for position in positions {
        let event = batch.event(*position);
        let planned = match event.kind() {
            Kind::Identify => somebody(klaviyo, &event).map(|who| told.push(Told { position: *position, who })),
            _ => group(klaviyo, &event, plan),
        };
        if let Err(refusal) = planned {
            refusal.into_fate(&event, plan);
        }
    }
    profile::requests(klaviyo, batch, &told, plan);
    for Told { position, who } in &told {
        subscription::of_consent(klaviyo, &batch.event(*position), who, plan);
    }
}

/// Whom an event is about, where the vendor can make a profile of that.
fn somebody<'a>(klaviyo: &Klaviyo, event: &Event<'a>) -> Result<Identity<'a>, Refusal> {
    let who = Identity::of(klaviyo, event)?;
    if who.is_known() {
        Ok(who)
    } else {
        Err(Refusal::Skip("anonymousId: is all that is known of the visitor, and the vendor makes no profile of it"))
    }
}

/// Plans the request of a group call: its group is a list.
fn group(klaviyo: &Klaviyo, event: &Event<'_>, plan: &mut Plan) -> Result<(), Refusal> {
    if klaviyo.group_as == GroupAs::Nothing {
        return Err(Refusal::Skip("type: groups are sent only where group_as says what they are"));
    }
    let list = Id::of(event.get("groupId")).ok_or(Refusal::Reject("groupId: is missing"))?;
    let who = somebody(klaviyo, event)?;
    match klaviyo.group_as {
        GroupAs::Subscription => subscription::of_group(klaviyo, event, &who, list, plan),
        _ => {
            profile::add_to_list(klaviyo, event, &who, list, plan);
            Ok(())
        }
    }
}
