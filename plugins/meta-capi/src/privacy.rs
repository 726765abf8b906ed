//! What the vendor may do with an event: `opt_out` and limited data use. Sources:
//! developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/server-event,
//! developers.facebook.com/docs/marketing-apis/data-processing-options.

use switchyard_sdk::prelude::*;

use crate::choices::{LimitedDataUse, WhenDenied};
use crate::rules::STATES;
use crate::said::{Said, Term};
use crate::settings::Meta;

/// Whether the user denied consent for advertising.
pub fn is_denied(meta: &Meta, event: &Event<'_>) -> bool {
    event.consent(&meta.consent_purpose) == Some(false)
}

/// Writes it.
pub fn write(meta: &Meta, event: &Event<'_>, said: &Said<'_>, json: &mut JsonWriter) {
    let denied = is_denied(meta, event);
    if said.is_on(Term::OptOut) == Some(true) || (denied && meta.when_denied == WhenDenied::OptOut) {
        json.member(key!("opt_out"), true);
    }
    let options = said.get(Term::DataProcessingOptions).filter(Value::is_array);
    let is_asked = options.is_some_and(|options| options.children().any(|option| option.quoted() == Some(b"LDU")));
    let is_limited = is_asked
        || (denied && meta.when_denied == WhenDenied::LimitedDataUse)
        || meta.limited_data_use == LimitedDataUse::Always;
    json_options(is_limited, options.is_some() || meta.limited_data_use == LimitedDataUse::Off, json);
    if is_limited {
        let (country, state) = place(meta, said);
        json.member(key!("data_processing_options_country"), country);
        json.member(key!("data_processing_options_state"), state);
    }
}

/// An empty list says that the event is not limited, which is not the same as to say nothing.
fn json_options(is_limited: bool, is_said: bool, json: &mut JsonWriter) {
    if is_limited || is_said {
        json.member_key(key!("data_processing_options"));
        json.raw(if is_limited { &b"[\"LDU\"]"[..] } else { b"[]" });
    }
}

/// Country and state: the sender's, else the setting's. Without a state the country says nothing; 0 and
/// 0 let the vendor tell the place by the IP address.
fn place(meta: &Meta, said: &Said<'_>) -> (i64, i64) {
    let number = |name| said.get(name).and_then(|value| value.as_i64());
    match (number(Term::DataProcessingCountry), number(Term::DataProcessingState)) {
        (Some(1), Some(state)) if STATES.contains(&state) => (1, state),
        (Some(0), Some(0)) => (0, 0),
        _ => match meta.limited_data_use_state as i64 {
            0 => (0, 0),
            state => (1, state),
        },
    }
}
