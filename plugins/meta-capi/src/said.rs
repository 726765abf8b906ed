//! What a sender says for this vendor: in `integrations` under one of its names, in the properties, in
//! the context or in `context.clientIds`. The first place that has it holds.

use switchyard_sdk::prelude::*;

use crate::rules::INTEGRATIONS;

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Term {
    EventId,
    ActionSource,
    OptOut,
    DataProcessingOptions,
    DataProcessingCountry,
    DataProcessingState,
    MessagingChannel,
    OriginalEvent,
    AdvertiserTracking,
    ApplicationTracking,
    Fbc,
    Fbp,
    Fbclid,
    SubscriptionId,
    FbLoginId,
    LeadId,
    AnonId,
    Madid,
    PageId,
    PageScopedUserId,
    CtwaClid,
    IgAccountId,
    IgSid,
    WhatsappAccountId,
    PartnerId,
    PartnerName,
}

/// How many terms there are.
const TERMS: usize = Term::PartnerName as usize + 1;

/// The term of a key. Source: parameters/server-event, parameters/customer-information-parameters and
/// business-messaging under developers.facebook.com/documentation/ads-commerce/conversions-api; with an
/// underscore in front they are the vendor's cookies.
pub fn term(key: &[u8]) -> Option<Term> {
    Some(match key {
        b"event_id" => Term::EventId,
        b"action_source" => Term::ActionSource,
        b"opt_out" => Term::OptOut,
        b"data_processing_options" => Term::DataProcessingOptions,
        b"data_processing_options_country" => Term::DataProcessingCountry,
        b"data_processing_options_state" => Term::DataProcessingState,
        b"messaging_channel" => Term::MessagingChannel,
        b"original_event_data" => Term::OriginalEvent,
        b"advertiser_tracking_enabled" => Term::AdvertiserTracking,
        b"application_tracking_enabled" => Term::ApplicationTracking,
        b"fbc" | b"_fbc" => Term::Fbc,
        b"fbp" | b"_fbp" => Term::Fbp,
        b"fbclid" => Term::Fbclid,
        b"subscription_id" => Term::SubscriptionId,
        b"fb_login_id" => Term::FbLoginId,
        b"lead_id" => Term::LeadId,
        b"anon_id" => Term::AnonId,
        b"madid" => Term::Madid,
        b"page_id" => Term::PageId,
        b"page_scoped_user_id" => Term::PageScopedUserId,
        b"ctwa_clid" => Term::CtwaClid,
        b"ig_account_id" => Term::IgAccountId,
        b"ig_sid" => Term::IgSid,
        b"whatsapp_business_account_id" => Term::WhatsappAccountId,
        b"partner_id" => Term::PartnerId,
        b"partner_name" => Term::PartnerName,
        _ => return None,
    })
}

/// What the sender of one event says.
pub struct Said<'a> {
    values: [Option<Value<'a>>; TERMS],
}

impl<'a> Said<'a> {
    /// Reads an event.
    pub fn of(event: &Event<'a>) -> Said<'a> {
        let mut said = Said { values: [None; TERMS] };
        for own in event.integrations().children() {
            if own.is_object() && INTEGRATIONS.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(own.raw_key())) {
                said.read(own);
            }
        }
        said.read(event.properties());
        said.read(event.context());
        said.read(event.context().child("clientIds"));
        said
    }

    fn read(&mut self, place: Value<'a>) {
        for value in place.children() {
            let is_said = !value.is_null() && value.quoted().is_none_or(|quoted| !quoted.trim_ascii().is_empty());
            if is_said && let Some(term) = term(value.raw_key()) {
                self.values[term as usize].get_or_insert(value);
            }
        }
    }

    /// What is said of a term.
    pub fn get(&self, term: Term) -> Option<Value<'a>> {
        self.values[term as usize]
    }

    /// Whether a switch is on: true, 1 or their texts. None where nothing is said.
    pub fn is_on(&self, term: Term) -> Option<bool> {
        match self.get(term)?.as_text()?.trim() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }
}
