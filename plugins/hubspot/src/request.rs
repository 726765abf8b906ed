//! The requests of a batch, and the fates of the events that get none.

use switchyard_sdk::prelude::*;

use crate::identity::write_contact_id;
use crate::occurrence::Occurrences;
use crate::settings::HubSpot;
use crate::{company, contact};

/// Plans a batch: contacts first, then companies, then what happened.
pub fn plan(hubspot: &HubSpot, batch: &Batch, plan: &mut Plan) {
    let mut contacts = Groups::default();
    let mut companies = Groups::default();
    let mut occurrences = Occurrences::with_capacity(hubspot, batch.len());
    for event in batch.iter() {
        let position = event.position();
        let added = match event.kind() {
            Kind::Track | Kind::Page | Kind::Screen => occurrences.add(&event),
            Kind::Identify => contacts.try_add(position, |id| write_contact_id(hubspot, &event, id)),
            Kind::Group => companies.try_add(position, |id| company::write_company_id(hubspot, &event, id)),
            Kind::Alias => Err(Refusal::Skip("type: HubSpot has no aliases")),
            Kind::Other => Err(Refusal::Skip("type: HubSpot has nothing for it")),
        };
        if let Err(refusal) = added {
            refusal.into_fate(&event, plan);
        }
    }
    let has_contacts = contact::requests(hubspot, batch, &contacts, plan);
    company::requests(hubspot, batch, &companies, plan);
    occurrences.requests(has_contacts, plan);
}
