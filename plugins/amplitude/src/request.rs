//! The requests of a batch, in the order in which they must arrive, and the fates of the events that
//! get none.
//!
//! What is known of a user holds for what she does afterwards, so a request to /identify goes before
//! the one with the events. Where a user's event was added before her identify came, what was added so
//! far is planned first.

use switchyard_sdk::prelude::*;

use crate::call::{Address, Call};
use crate::identity::{Identity, user_id};
use crate::options::Options;
use crate::settings::{Amplitude, IdentifyAs};
use crate::{event, groups, user};

/// Plans a batch.
pub fn plan(amplitude: &Amplitude, batch: &Batch, plan: &mut Plan) {
    let mut calls = Calls::new(amplitude, batch.len());
    for event in batch.iter() {
        let added = match event.kind() {
            Kind::Track | Kind::Page | Kind::Screen => calls.event(&event, plan),
            Kind::Identify => calls.identify(&event, plan),
            Kind::Group => calls.group(&event, plan),
            Kind::Alias => calls.alias(&event, plan),
            Kind::Other => Err(Refusal::Skip("type: the vendor has nothing for it")),
        };
        if let Err(refusal) = added {
            refusal.into_fate(&event, plan);
        }
    }
    calls.finish(plan);
}

/// The requests that are being filled.
struct Calls<'m, 'a> {
    amplitude: &'m Amplitude,
    events: Call<'m>,
    identify: Call<'m>,
    group_identify: Call<'m>,
    user_map: Call<'m>,
    /// The ids of those whose events are in `events`.
    people: Vec<&'a [u8]>,
}

impl<'m, 'a> Calls<'m, 'a> {
    fn new(amplitude: &'m Amplitude, events_len: usize) -> Calls<'m, 'a> {
        let address = if amplitude.use_batch_endpoint { Address::Batch } else { Address::Events };
        Calls {
            amplitude,
            people: Vec::with_capacity(2 * events_len),
            identify: Call::new(amplitude, Address::Identify, 0),
            group_identify: Call::new(amplitude, Address::GroupIdentify, 0),
            user_map: Call::new(amplitude, Address::UserMap, 0),
            events: Call::new(amplitude, address, events_len),
        }
    }

    fn event(&mut self, event: &Event<'a>, plan: &mut Plan) -> Result<(), Refusal> {
        let amplitude = self.amplitude;
        let title = event::title(amplitude, event)?;
        let identity = Identity::required(amplitude, event)?;
        self.events.add(event, &identity, Some(&mut self.identify), plan, |records| {
            event::write(amplitude, event, &identity, title, records);
            Ok::<(), Refusal>(())
        })?;
        self.people.extend(identity.ids());
        Ok(())
    }

    fn identify(&mut self, event: &Event<'a>, plan: &mut Plan) -> Result<(), Refusal> {
        let amplitude = self.amplitude;
        let identity = Identity::required(amplitude, event)?;
        match self.add_user(event, &identity, plan, |json| user::write_identify(amplitude, event, &identity, json))? {
            0 => Err(Refusal::Skip("traits: hold nothing to write, and there is only one id")),
            _ => Ok(()),
        }
    }

    fn group(&mut self, event: &Event<'a>, plan: &mut Plan) -> Result<(), Refusal> {
        let amplitude = self.amplitude;
        let group = groups::of_call(amplitude, event)?;
        let identity = Identity::of(amplitude, event);
        let mut added = self.group_identify.add(event, &identity, None, plan, |records| {
            groups::write_properties(amplitude, event, &group, records);
            Ok::<(), Refusal>(())
        })?;
        // Nobody can belong to a group; its properties can be told all the same. The record is small, so
        // that there is room for it in any request.
        if identity.ids().next().is_some() {
            let record = |json: &mut JsonWriter| user::write_group(amplitude, event, &identity, &group, json);
            added += self.add_user(event, &identity, plan, record).unwrap_or(0);
        }
        if added == 0 {
            Err(Refusal::Skip("traits: hold nothing to write on the group, and nobody is in it"))
        } else {
            Ok(())
        }
    }

    /// Adds what is known of a user, in the form of the setting.
    fn add_user(
        &mut self,
        event: &Event<'a>,
        identity: &Identity<'a>,
        plan: &mut Plan,
        write: impl FnOnce(&mut JsonWriter) -> bool,
    ) -> Result<usize, Refusal> {
        let call = match self.amplitude.identify_as {
            IdentifyAs::Event => &mut self.events,
            IdentifyAs::Form => {
                if identity.ids().any(|id| self.people.contains(&id)) {
                    self.finish_users(plan);
                }
                &mut self.identify
            }
        };
        call.add(event, identity, None, plan, |records| {
            records.record(write);
            Ok(())
        })
    }

    fn alias(&mut self, event: &Event<'a>, plan: &mut Plan) -> Result<(), Refusal> {
        let amplitude = self.amplitude;
        if !amplitude.map_aliases {
            return Err(Refusal::Skip("type: the setting map_aliases is off"));
        }
        let nobody = Identity { user: None, device: None };
        if let Some(id) = Options::of(event).unmap().and_then(|value| user_id(amplitude, value)) {
            self.user_map.add(event, &nobody, None, plan, |records| {
                records.record(|json| user::write_unmapped(id, json));
                Ok::<(), Refusal>(())
            })?;
            return Ok(());
        }
        let previous = user_id(amplitude, event.get("previousId"))
            .ok_or("previousId: is missing, too short or one that the vendor refuses")?;
        let user = user_id(amplitude, event.get("userId"))
            .ok_or("userId: is missing, too short or one that the vendor refuses")?;
        if user == previous {
            return Err(Refusal::Reject("previousId: is the userId itself"));
        }
        self.user_map.add(event, &nobody, None, plan, |records| {
            records.record(|json| user::write_mapped(previous, user, json));
            Ok::<(), Refusal>(())
        })?;
        Ok(())
    }

    /// Plans what was added for users.
    fn finish_users(&mut self, plan: &mut Plan) {
        self.identify.finish(plan);
        self.events.finish(plan);
        self.people.clear();
    }

    fn finish(mut self, plan: &mut Plan) {
        self.finish_users(plan);
        self.group_identify.finish(plan);
        self.user_map.finish(plan);
    }
}
