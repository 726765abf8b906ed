//! `app_data`: the app and the device of an event in an app. Source:
//! developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/app-data.

use switchyard_sdk::prelude::*;

use crate::origin::System;
use crate::said::{Said, Term};

/// Whether the user lets herself be tracked in apps. What is unknown is not allowed.
pub fn may_track(event: &Event<'_>, said: &Said<'_>) -> bool {
    let device = event.context().child("device").child("adTrackingEnabled").as_bool();
    said.is_on(Term::AdvertiserTracking).or(device).unwrap_or(false)
}

/// Writes it.
pub fn write(event: &Event<'_>, said: &Said<'_>, system: System, json: &mut JsonWriter) {
    let advertiser = may_track(event, said);
    let application = said.is_on(Term::ApplicationTracking).unwrap_or(advertiser);
    json.member_key(key!("app_data"));
    json.begin_object();
    json.member(key!("advertiser_tracking_enabled"), u64::from(advertiser));
    json.member(key!("application_tracking_enabled"), u64::from(application));
    json.member_key(key!("extinfo"));
    json.begin_array();
    write_extended(event.context(), system, json);
    json.end_array();
    json.end_object();
}

/// Writes the sixteen values, in the vendor's order, each as a text; what is unknown is empty.
fn write_extended(context: Value<'_>, system: System, json: &mut JsonWriter) {
    let [app, device, screen] = ["app", "device", "screen"].map(|part| context.child(part));
    json.value(match system {
        System::Android => "a2",
        System::Ios => "i2",
    });
    let mut known = |value: Value<'_>| json.value(value.as_filled_text().unwrap_or_default());
    known(app.child("namespace"));
    known(app.child("version"));
    known(app.child("build"));
    known(context.child("os").child("version"));
    known(device.child("model"));
    json.value(context.child("locale").as_filled_text().unwrap_or_default().replace('-', "_").as_str());
    // The time zone's abbreviation.
    json.value("");
    let mut known = |value: Value<'_>| json.value(value.as_filled_text().unwrap_or_default());
    known(context.child("network").child("carrier"));
    known(screen.child("width"));
    known(screen.child("height"));
    known(screen.child("density"));
    // Cores, storage and free storage.
    (0..3).for_each(|_| json.value(""));
    json.value(context.child("timezone").as_filled_text().unwrap_or_default());
}
