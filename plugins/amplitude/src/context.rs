//! The context as fields of a record: device, system, place and the like under the vendor's names.

use switchyard_sdk::prelude::*;

use crate::identity::{id, is_zeros};
use crate::rules::{APPLE, BROWSER_LIBRARIES, CONTEXT, Field, LOCALE, Of, TEXT_CHARACTERS_MAX, Type};
use crate::settings::Amplitude;

/// What of the context is no field by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rest<'a> {
    pub page: Option<Value<'a>>,
    pub campaign: Option<Value<'a>>,
    pub group_id: Option<Value<'a>>,
    pub session_id: Option<Value<'a>>,
}

/// Writes the fields that a record knows, and returns the rest.
pub fn write<'a>(amplitude: &Amplitude, event: &Event<'a>, of: Of, json: &mut JsonWriter) -> Rest<'a> {
    let mut rest = Rest::default();
    let mut device = None;
    let mut is_browser = false;
    for part in event.context().children() {
        match part.raw_key() {
            b"page" => rest.page = Some(part),
            b"campaign" => rest.campaign = Some(part),
            b"groupId" => rest.group_id = Some(part),
            b"sessionId" => rest.session_id = Some(part),
            b"locale" => write_field(&LOCALE, part, json),
            b"ip" if amplitude.send_ip && of == Of::Events => write_ip(part, json),
            b"userAgent" if amplitude.send_user_agent && of == Of::Events => write_user_agent(part, json),
            b"library" => is_browser |= is_one_of(part.child("name"), BROWSER_LIBRARIES),
            b"channel" => is_browser |= is_one_of(part, &["browser", "web"]),
            key => {
                if key == b"device" {
                    device = Some(part);
                }
                write_part(key, part, of, json);
            }
        }
    }
    write_platform(device, is_browser, json);
    if let (Some(device), Of::Events) = (device, of) {
        write_device_ids(amplitude, event, device, json);
    }
    rest
}

fn write_part(key: &[u8], part: Value<'_>, of: Of, json: &mut JsonWriter) {
    let Some((_, fields)) = CONTEXT.iter().find(|(name, _)| name.as_bytes() == key) else { return };
    if !part.is_object() {
        return;
    }
    for child in part.children() {
        let field = fields.iter().find(|field| field.from.as_bytes() == child.raw_key());
        if let Some(field) = field.filter(|field| field.of == Of::All || of == Of::Events) {
            write_field(field, child, json);
        }
    }
}

/// Writes a field where the value is what it must be.
fn write_field(field: &Field, value: Value<'_>, json: &mut JsonWriter) {
    match field.is {
        Type::Text => {
            if let Some(quoted) = value.quoted().filter(|quoted| !quoted.trim_ascii().is_empty()) {
                json.member_key(field.to);
                if quoted.len() > TEXT_CHARACTERS_MAX {
                    json.cut(value, TEXT_CHARACTERS_MAX);
                } else {
                    json.raw(value.raw());
                }
            } else if let Some(id) = value.is_number().then(|| id(value)).flatten() {
                json.member(field.to, id);
            }
        }
        Type::Degrees(max) => {
            let number = value.number_text().and_then(|text| std::str::from_utf8(text).ok());
            if let Some(text) = number.filter(|text| text.parse().is_ok_and(|degrees: f64| degrees.abs() <= max)) {
                json.member_key(field.to);
                json.raw(text.as_bytes());
            }
        }
    }
}

/// An address; `$remote` would be that of this server.
fn write_ip(ip: Value<'_>, json: &mut JsonWriter) {
    let quoted = ip.quoted().unwrap_or_default();
    if quoted.contains(&b'.') || quoted.contains(&b':') {
        json.member(key!("ip"), ip);
    }
}

/// The vendor reads system, browser and device from it, and wants it whole.
fn write_user_agent(user_agent: Value<'_>, json: &mut JsonWriter) {
    if user_agent.quoted().is_some_and(|quoted| !quoted.trim_ascii().is_empty()) {
        json.member(key!("user_agent"), user_agent);
    }
}

fn write_platform(device: Option<Value<'_>>, is_browser: bool, json: &mut JsonWriter) {
    let name = device.map(|device| device.child("type"));
    let quoted = name.and_then(|name| name.quoted()).unwrap_or_default().trim_ascii();
    match name {
        _ if quoted.eq_ignore_ascii_case(b"ios") => json.member(key!("platform"), "iOS"),
        _ if quoted.eq_ignore_ascii_case(b"android") => json.member(key!("platform"), "Android"),
        Some(name) if !quoted.is_empty() => {
            json.member_key(key!("platform"));
            json.cut(name, TEXT_CHARACTERS_MAX);
        }
        _ if is_browser => json.member(key!("platform"), "Web"),
        _ => {}
    }
}

/// The ids that a system gives to a device. Zeros stand for one that is not told.
fn write_device_ids(amplitude: &Amplitude, event: &Event<'_>, device: Value<'_>, json: &mut JsonWriter) {
    let told = |value: Value<'_>| id(value).is_some_and(|id| !is_zeros(id.bytes()));
    let (advertising, own) = (device.child("advertisingId"), device.child("id"));
    let is_told = amplitude.send_advertising_id
        && told(advertising)
        && device.child("adTrackingEnabled").as_bool() != Some(false);
    if !is_told && !told(own) {
        return;
    }
    let systems = [device.child("type"), event.context().child("os").child("name")];
    let is_apple = systems.iter().any(|system| is_one_of(*system, APPLE));
    let is_android = systems.iter().any(|system| is_one_of(*system, &["android"]));
    if let Some(id) = id(advertising).filter(|_| is_told) {
        if is_apple {
            json.member(key!("idfa"), id);
        } else if is_android {
            json.member(key!("adid"), id);
        }
    }
    if let Some(id) = id(own).filter(|_| is_apple && told(own)) {
        json.member(key!("idfv"), id);
    }
}

fn is_one_of(value: Value<'_>, names: &[&str]) -> bool {
    let quoted = value.quoted().unwrap_or_default().trim_ascii();
    names.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(quoted))
}
