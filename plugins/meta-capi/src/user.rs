//! `user_data`: what the vendor matches an event to a person by. Source:
//! developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/customer-information-parameters.

use std::borrow::Cow;
use std::net::IpAddr;

use switchyard_sdk::prelude::*;
use switchyard_sdk::url::query_value;

use crate::origin::Origin;
use crate::rules::{ActionSource, TOO_BROAD};
use crate::said::{Said, Term};
use crate::settings::Meta;
use crate::{app, person};

/// Characters of a click's id, ours: longer ones are none.
const CLICK_ID_CHARACTERS_MAX: usize = 500;

/// Ids that the vendor or the sender's systems made: not hashed.
const IDS: &[(Term, Key, Form)] = &[
    (Term::SubscriptionId, key!("subscription_id"), Form::Text),
    (Term::FbLoginId, key!("fb_login_id"), Form::Integer),
    (Term::LeadId, key!("lead_id"), Form::Integer),
    (Term::PageId, key!("page_id"), Form::Text),
    (Term::PageScopedUserId, key!("page_scoped_user_id"), Form::Text),
    (Term::CtwaClid, key!("ctwa_clid"), Form::Text),
    (Term::IgAccountId, key!("ig_account_id"), Form::Text),
    (Term::IgSid, key!("ig_sid"), Form::Text),
    (Term::WhatsappAccountId, key!("whatsapp_business_account_id"), Form::Text),
    (Term::PartnerId, key!("partner_id"), Form::Text),
    (Term::PartnerName, key!("partner_name"), Form::Text),
];

/// How an id is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Text,
    Integer,
}

/// Whether what was written is enough for the vendor to match a person.
pub struct Match {
    /// Of each combination that is too broad: whether nothing else was written.
    is_broad: [bool; TOO_BROAD.len()],
}

impl Match {
    fn new() -> Match {
        Match { is_broad: [true; TOO_BROAD.len()] }
    }

    /// Notes that a field was written.
    pub fn note(&mut self, field: &str) {
        for (is_broad, combination) in self.is_broad.iter_mut().zip(TOO_BROAD) {
            *is_broad = *is_broad && combination.contains(&field);
        }
    }

    fn is_enough(&self) -> bool {
        !self.is_broad.contains(&true)
    }
}

/// Writes it.
///
/// # Errors
/// That it is too little.
pub fn write(
    meta: &Meta,
    event: &Event<'_>,
    origin: &Origin<'_>,
    said: &Said<'_>,
    json: &mut JsonWriter,
) -> Result<(), &'static str> {
    let mut matched = Match::new();
    json.member_key(key!("user_data"));
    json.begin_object();
    person::write(meta, event, &mut matched, json);
    person::write_external_ids(meta, event, &mut matched, json);
    write_browser(meta, event, origin, said, &mut matched, json);
    for (term, key, form) in IDS {
        write_id(said.get(*term), *key, *form, &mut matched, json);
    }
    if origin.source == ActionSource::App {
        write_device(meta, event, said, &mut matched, json);
    }
    json.end_object();
    if matched.is_enough() {
        return Ok(());
    }
    Err("userId: is missing, and so is what else the vendor could match a person by, such as anonymousId, \
         context.ip or an e-mail address")
}

/// Address, browser, and the vendor's two cookies.
fn write_browser(
    meta: &Meta,
    event: &Event<'_>,
    origin: &Origin<'_>,
    said: &Said<'_>,
    matched: &mut Match,
    json: &mut JsonWriter,
) {
    let ip = event.context().child("ip");
    if meta.send_ip && ip.as_str().is_some_and(|ip| ip.parse::<IpAddr>().is_ok()) {
        json.member(key!("client_ip_address"), ip);
        matched.note("client_ip_address");
    }
    if let Some(agent) = origin.user_agent {
        json.member(key!("client_user_agent"), agent);
        matched.note("client_user_agent");
    }
    if let Some(click) = click(event, origin, said) {
        json.member(key!("fbc"), click);
        matched.note("fbc");
    }
    if let Some(browser) = said.get(Term::Fbp).filter(|browser| is_cookie(*browser)) {
        json.member(key!("fbp"), browser);
        matched.note("fbp");
    }
}

/// The click's cookie, else one made of the click's id as the vendor's pixel makes it, with the time of
/// the event as that of the click. Source:
/// developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/fbp-and-fbc.
fn click<'a>(event: &Event<'a>, origin: &Origin<'a>, said: &Said<'a>) -> Option<Cow<'a, str>> {
    if let Some(cookie) = said.get(Term::Fbc).filter(|cookie| is_cookie(*cookie)) {
        return cookie.as_str();
    }
    let id = match said.get(Term::Fbclid).and_then(|id| id.as_filled_str()) {
        Some(id) => id.into_owned(),
        None => query_value(&origin.url?.as_str()?, "fbclid")?.into_owned(),
    };
    let is_id = !id.is_empty() && id.len() <= CLICK_ID_CHARACTERS_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
    is_id.then(|| Cow::Owned(format!("fb.1.{}.{id}", event.timestamp_ms().min(event.received_ms() as i64))))
}

/// Whether it is `fb.1.1554763741205.AbCdEf`.
fn is_cookie(value: Value<'_>) -> bool {
    let mut parts = value.quoted().unwrap_or_default().splitn(4, |byte| *byte == b'.');
    let mut next = || parts.next().unwrap_or_default();
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    next() == b"fb" && is_number(next()) && is_number(next()) && {
        let id = next();
        !id.is_empty() && id.iter().all(u8::is_ascii_graphic)
    }
}

fn write_id(value: Option<Value<'_>>, key: Key, form: Form, matched: &mut Match, json: &mut JsonWriter) {
    let Some(text) = value.and_then(|value| value.as_filled_text()) else { return };
    let text = text.trim();
    match form {
        Form::Text => json.member(key, text),
        Form::Integer if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') => {
            json.member_key(key);
            json.raw(text.as_bytes());
        }
        Form::Integer => return,
    }
    // These two name nobody.
    if !matches!(key.name(), "partner_id" | "partner_name") {
        matched.note(key.name());
    }
}

/// The app's installation and the device's advertising id, which is not sent of users who do not want
/// to be tracked; nor is one of zeros, which says the same.
fn write_device(meta: &Meta, event: &Event<'_>, said: &Said<'_>, matched: &mut Match, json: &mut JsonWriter) {
    write_id(said.get(Term::AnonId), key!("anon_id"), Form::Text, matched, json);
    let device = Some(event.context().child("device").child("advertisingId"));
    let id = said.get(Term::Madid).or(device).filter(|id| id.quoted().is_some_and(|id| !is_zeros(id)));
    if meta.send_advertising_id && app::may_track(event, said) {
        write_id(id, key!("madid"), Form::Text, matched, json);
    }
}

fn is_zeros(id: &[u8]) -> bool {
    id.iter().all(|byte| matches!(byte, b'0' | b'-'))
}
