//! What only events of apps have: the device, the app and the ad. Source: tiktok-app-events, utils.ts
//! and common_fields.ts.

use switchyard_sdk::hash::already_hashed;
use switchyard_sdk::prelude::*;

use crate::members::{Ad, Context, Own};
use crate::rules::ASKING_IOS_VERSION;
use crate::settings::TikTok;
use crate::tables::ATT_STATUSES;
use crate::values::{boolean, is_said, object, text};

#[derive(Clone, Copy, PartialEq)]
enum System {
    Apple,
    Android,
    Other,
}

/// What an event says of the device.
pub struct Device<'a> {
    system: System,
    id: Option<Value<'a>>,
    advertising_id: Option<Value<'a>>,
    /// Whether the user lets apps track what she does. None: unknown.
    may_track: Option<bool>,
    att_status: &'static str,
}

impl<'a> Device<'a> {
    /// Reads `context.os` and `context.device`.
    pub fn of(own: &Own<'a>, properties: Value<'a>, context: &Context<'a>) -> Device<'a> {
        let member = |object: Option<Value<'a>>, keys: &[&str]| {
            object.and_then(|object| keys.iter().map(|key| object.child(key)).find(is_said))
        };
        let name = member(context.os, &["name"]).or_else(|| member(context.device, &["type"]));
        let system = system(&name.and_then(|name| name.as_str()).unwrap_or_default());
        let may_track = context.device.and_then(|device| device.child("adTrackingEnabled").as_bool());
        let keys = ["att_status", "attStatus"];
        let said = own.att_status.or_else(|| member(Some(properties), &keys)).or_else(|| member(context.device, &keys));
        let said = said.and_then(|status| status.as_str()).unwrap_or_default();
        let known = ATT_STATUSES.iter().find(|status| status.eq_ignore_ascii_case(said.trim()));
        let version = member(context.os, &["version"]).and_then(|version| version.as_text()).unwrap_or_default();
        Device {
            system,
            id: member(context.device, &["id"]),
            advertising_id: member(context.device, &["advertisingId"]),
            may_track,
            att_status: known.copied().unwrap_or_else(|| att_status(system, &version, may_track)),
        }
    }

    /// Writes `idfa`, `idfv` or `gaid`, and `att_status`. Whether there is an id.
    pub fn write(&self, tiktok: &TikTok, json: &mut JsonWriter) -> bool {
        let is_denied = matches!(self.att_status, "DENIED" | "RESTRICTED") || self.may_track == Some(false);
        let advertising_id = self.advertising_id.filter(|_| tiktok.send_advertising_id && !is_denied);
        let advertising_id = advertising_id.and_then(|id| Some(id.as_str()?.trim().to_string()));
        let before = json.len();
        match (self.system, advertising_id) {
            (System::Apple, Some(id)) if already_hashed(&id).is_none() => {
                json.member(key!("idfa"), &id.to_uppercase());
            }
            (System::Apple, Some(id)) => json.member(key!("idfa"), &id.to_lowercase()),
            (System::Android, Some(id)) => json.member(key!("gaid"), &id.to_lowercase()),
            _ => {}
        }
        text(key!("idfv"), self.id.filter(|_| self.system == System::Apple), json);
        let has_id = json.len() > before;
        json.member(key!("att_status"), self.att_status);
        has_id
    }
}

fn system(name: &str) -> System {
    match name.trim().to_ascii_lowercase().as_str() {
        "ios" | "ipados" | "tvos" | "watchos" | "visionos" => System::Apple,
        "android" => System::Android,
        _ => System::Other,
    }
}

/// What follows from the device: whether its system asks at all, and what the user answered.
fn att_status(system: System, version: &str, may_track: Option<bool>) -> &'static str {
    let version: Option<u64> = version.split('.').next().and_then(|first| first.trim().parse().ok());
    let asks = system == System::Apple && version.is_none_or(|version| version >= ASKING_IOS_VERSION);
    match may_track {
        _ if !asks => "NOT_APPLICABLE",
        Some(true) => "AUTHORIZED",
        Some(false) => "DENIED",
        None => "NOT_DETERMINED",
    }
}

/// Writes `app`.
///
/// # Errors
/// When the app has no id, which the vendor requires.
pub fn write(tiktok: &TikTok, context: &Context<'_>, json: &mut JsonWriter) -> Result<(), &'static str> {
    let member = |key: &str| context.app.map(|app| app.child(key)).filter(is_said);
    let namespace = member("namespace");
    if tiktok.store_app_id.is_none() && namespace.is_none() {
        return Err("context.app.namespace: is missing, and so is the setting store_app_id");
    }
    object(key!("app"), json, |json| {
        match &tiktok.store_app_id {
            Some(id) => json.member(key!("app_id"), id),
            None => text(key!("app_id"), namespace, json),
        }
        text(key!("app_name"), member("name"), json);
        text(key!("app_version"), member("version"), json);
    });
    Ok(())
}

/// Writes `ad`, when there is something to it.
pub fn write_ad(ad: Value<'_>, json: &mut JsonWriter) {
    let ad = Ad::of(ad);
    object(key!("ad"), json, |json| {
        text(key!("callback"), ad.callback, json);
        text(key!("campaign_id"), ad.campaign_id, json);
        text(key!("ad_id"), ad.ad_id, json);
        text(key!("creative_id"), ad.creative_id, json);
        boolean(key!("is_retargeting"), ad.is_retargeting, json);
        boolean(key!("attributed"), ad.attributed, json);
        text(key!("attribution_type"), ad.attribution_type, json);
        text(key!("attribution_provider"), ad.attribution_provider, json);
    });
}
