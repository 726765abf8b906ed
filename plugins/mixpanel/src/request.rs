//! The requests of a batch: one to each address, and the fates of the events that get none.

use switchyard_sdk::prelude::*;

use crate::call::{Call, Target};
use crate::settings::{IdentityMode, Mixpanel};
use crate::{groups, import, merge, profile};

/// Plans a batch.
pub fn plan(mixpanel: &Mixpanel, batch: &Batch, plan: &mut Plan) {
    let mut orders = Vec::new();
    let mut others = Vec::new();
    // One list grows at a time: that of the events first.
    let mut call = Call::new(mixpanel, Target::Import);
    for event in batch.iter() {
        match event.kind() {
            Kind::Track | Kind::Page | Kind::Screen => {
                let added = call.add(&event, plan, |records| import::write(mixpanel, &event, batch.now_ms(), records));
                match added {
                    Err(reason) => plan.reject(&event, reason),
                    Ok(_) if mixpanel.product_event.is_some() && import::is_order(&event) => {
                        orders.push(event.position());
                    }
                    Ok(_) => {}
                }
            }
            Kind::Identify | Kind::Group | Kind::Alias => {
                let mut other = Other::new(&event);
                if let Some(name) = extra_event(mixpanel, &event) {
                    other.note(call.add(&event, plan, |records| {
                        import::write_extra(mixpanel, &event, name, batch.now_ms(), records)
                    }));
                }
                others.push(other);
            }
            Kind::Other => plan.skip(&event, "type: the vendor has nothing for it"),
        }
    }
    call.finish(plan);
    products(mixpanel, batch, &orders, plan);
    for target in [Target::Merge, Target::Engage, Target::Groups] {
        records(mixpanel, batch, target, &mut others, plan);
    }
    for other in others {
        other.into_fate(batch, plan);
    }
}

/// The event that the settings ask for beside an identify or a group. Nobody's would say nothing.
fn extra_event<'m>(mixpanel: &'m Mixpanel, event: &Event<'_>) -> Option<&'m str> {
    let name = match event.kind() {
        Kind::Identify => &mixpanel.identify_event,
        Kind::Group => &mixpanel.group_event,
        _ => &None,
    };
    let is_nobody = crate::identity::Identity::of(event).is_nobody();
    name.as_deref().filter(|_| !is_nobody)
}

/// The orders' products. An order itself is on its way already, so it has its request.
fn products(mixpanel: &Mixpanel, batch: &Batch, orders: &[u32], plan: &mut Plan) {
    let Some(name) = &mixpanel.product_event else { return };
    let mut call = Call::new(mixpanel, Target::Products);
    for position in orders {
        let event = batch.event(*position);
        let added =
            call.add(&event, plan, |records| import::write_products(mixpanel, &event, name, batch.now_ms(), records));
        debug_assert!(added.is_ok(), "an order's products are smaller than the order");
    }
    call.finish(plan);
}

/// The request of identifies, groups and aliases to one address.
fn records(mixpanel: &Mixpanel, batch: &Batch, target: Target, others: &mut [Other], plan: &mut Plan) {
    let mut call = Call::new(mixpanel, target);
    for other in others {
        let event = batch.event(other.position);
        let added = match (target, event.kind(), mixpanel.identity_mode) {
            (Target::Merge, Kind::Identify, IdentityMode::Original) => call.add(&event, plan, |records| {
                merge::write_identify(mixpanel, &event, batch.now_ms(), records);
                Ok(())
            }),
            (Target::Merge, Kind::Alias, IdentityMode::Original) => {
                call.add(&event, plan, |records| merge::write_alias(mixpanel, &event, batch.now_ms(), records))
            }
            (Target::Engage, Kind::Identify, _) => {
                call.add(&event, plan, |records| profile::write(mixpanel, &event, records))
            }
            (Target::Engage, Kind::Group, _) if mixpanel.group_on_profile => call.add(&event, plan, |records| {
                profile::write_groups(mixpanel, &event, &groups::of(mixpanel, &event), records);
                Ok(())
            }),
            (Target::Groups, Kind::Group, _) => call.add(&event, plan, |records| {
                let groups = groups::of(mixpanel, &event);
                groups::write(mixpanel, &event, &groups, records);
                if groups.is_empty() { Err("groupId: is missing") } else { Ok(()) }
            }),
            _ => Ok(0),
        };
        other.note(added);
    }
    call.finish(plan);
}

/// An event that may have several requests, or none.
struct Other {
    position: u32,
    is_covered: bool,
    /// Why one of its requests is not sent.
    reason: Option<&'static str>,
}

impl Other {
    fn new(event: &Event<'_>) -> Other {
        Other { position: event.position(), is_covered: false, reason: None }
    }

    /// Takes how many records the event has in a request, or why it has none.
    fn note(&mut self, added: Result<usize, &'static str>) {
        match added {
            Ok(records) => self.is_covered |= records > 0,
            Err(reason) => self.reason = self.reason.or(Some(reason)),
        }
    }

    /// An event that some request carries has no fate.
    fn into_fate(self, batch: &Batch, plan: &mut Plan) {
        if self.is_covered {
            return;
        }
        let event = batch.event(self.position);
        match (self.reason, event.kind()) {
            (Some(reason), _) => plan.reject(&event, reason),
            (None, Kind::Alias) => plan.skip(&event, "type: in the simplified identity mode an alias does nothing"),
            (None, _) => plan.skip(&event, "traits: hold nothing to write on the profile"),
        }
    }
}
