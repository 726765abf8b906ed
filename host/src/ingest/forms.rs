//! What a path takes, and the requests that carry an event in another form: they are rewritten to the
//! usual one, as JSON, before anything checks them. Pure.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value, json};

use crate::event::EventKind;
use crate::event::index::{Kind, Value as IndexValue, View};
use crate::event::scan::{Bounds, canonical};
use crate::validate::Form;

/// What a path of the ingest listener takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Route<'p> {
    /// POST with a body of this form.
    Events(Form),
    /// POST of any JSON object, with what makes it an event beside it: MetaRouter's custom events.
    Custom,
    /// GET of an image, the event in the query: RudderStack's pixel.
    QueryPixel(EventKind),
    /// GET of an image, the event as Base64 in `data`: Segment's pixel.
    DataPixel(EventKind),
    /// GET of what a browser's SDK is to do, for this write key.
    Settings(&'p str),
}

/// What a path takes. Trailing slashes are served, never redirected: SDKs follow with an empty GET.
pub fn route(path: &str) -> Option<Route<'_>> {
    let path = path.trim_end_matches('/');
    // Who gives its SDK an address with a slash at the end may send to `//v1/batch`.
    let doubled = path.bytes().take_while(|byte| *byte == b'/').count().saturating_sub(1);
    let path = &path[doubled..];
    if let Some(kind) = path.strip_prefix("/v1/pixel/") {
        return kind_of(kind).map(Route::DataPixel);
    }
    if let Some(kind) = path.strip_prefix("/pixel/v1/") {
        return kind_of(kind).filter(|kind| matches!(kind, EventKind::Track | EventKind::Page)).map(Route::QueryPixel);
    }
    if let Some(key) = path.strip_prefix("/v1/projects/").and_then(|rest| rest.strip_suffix("/settings")) {
        return (!key.is_empty() && !key.contains('/')).then_some(Route::Settings(key));
    }
    // Jitsu: `s2s` is its path for servers.
    if let Some(name) = path.strip_prefix("/api/s/") {
        let name = name.strip_prefix("s2s/").unwrap_or(name);
        return match (kind_of(name), name) {
            (Some(kind), _) => Some(Route::Events(Form::Single(kind))),
            (None, "batch") => Some(Route::Events(Form::Batch)),
            (None, "event") => Some(Route::Events(Form::Typed)),
            (None, _) => None,
        };
    }
    match path {
        "/v1/batch" | "/v1/import" | "/v1/b" | "/beacon/v1/batch" => Some(Route::Events(Form::Batch)),
        "/v1/custom/event" => Some(Route::Custom),
        _ => kind_of(path.strip_prefix("/v1/")?).map(|kind| Route::Events(Form::Single(kind))),
    }
}

/// A kind by its name or by its letter.
fn kind_of(name: &str) -> Option<EventKind> {
    match name {
        "t" => Some(EventKind::Track),
        "i" => Some(EventKind::Identify),
        "p" => Some(EventKind::Page),
        "s" => Some(EventKind::Screen),
        "g" => Some(EventKind::Group),
        "a" => Some(EventKind::Alias),
        _ => EventKind::from_name(name),
    }
}

/// The event of RudderStack's pixel: each parameter of the query is a member, and a dot in its name
/// goes one object deeper.
pub fn of_query(kind: EventKind, query: &str) -> Vec<u8> {
    let mut event = Map::new();
    for (name, value) in pairs(query) {
        if name != "writeKey" {
            put(&mut event, &name, value);
        }
    }
    event.insert("type".to_string(), json!(kind.as_str()));
    Value::Object(event).to_string().into_bytes()
}

/// Parts of a parameter's name: real events have no deeper members.
const PARTS_MAX: usize = 16;

fn put(object: &mut Map<String, Value>, path: &str, value: String) {
    let mut object = object;
    let mut parts = path.splitn(PARTS_MAX, '.').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            object.insert(part.to_string(), Value::String(value));
            return;
        }
        let inner = object.entry(part).or_insert_with(|| json!({}));
        if !inner.is_object() {
            *inner = json!({});
        }
        object = inner.as_object_mut().expect("it was just made one");
    }
}

/// The event of Segment's pixel; None where `data` is not there or is no Base64.
pub fn of_data(query: &str) -> Option<Vec<u8>> {
    const ANY_PADDING: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let (_, data) = pairs(query).find(|(name, _)| name == "data")?;
    // Who does not encode the query for a URL has spaces for `+`, or the alphabet for URLs.
    let data = data.trim().replace([' ', '-'], "+").replace('_', "/");
    GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING).decode(data).ok()
}

/// Where a custom event's body says what it is. What the query says holds over it, and over both what
/// the header `X-Event-Metadata` says.
const METADATA_MEMBERS: [&str; 2] = ["_metarouter", "_mrSchema"];

/// A custom event, rewritten: a track whose properties are the object.
#[derive(Debug, PartialEq)]
pub struct Custom {
    /// The event as JSON.
    pub body: Vec<u8>,
    /// The write key beside it.
    pub write_key: Option<String>,
}

/// Rewrites a custom event. `message_id` is for one that has no `eventID`.
///
/// # Errors
/// Says what is missing, for the sender.
pub fn of_custom(body: &[u8], header: Option<&str>, query: &str, message_id: String) -> Result<Custom, &'static str> {
    let canonical = canonical(body, &Bounds::STORED).map_err(|_| "the body must be a JSON object")?;
    let view = View::new(&canonical.json, &canonical.index);
    if view.root().kind() != Kind::Object {
        return Err("the body must be a JSON object");
    }
    let is_metadata = |member: &IndexValue<'_>| METADATA_MEMBERS.iter().any(|name| member.key_is(name));
    let metadata = metadata(view, header, query)?;
    let text = |name: &str| match metadata.get(name) {
        Some(Value::String(text)) if !text.trim().is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let name = text("eventName")
        .ok_or("eventName is missing: give it in `_metarouter`, in the header X-Event-Metadata or in the query")?;
    let message_id = text("eventID").unwrap_or(message_id);
    let own_text = |name: &str| view.get(&[name]).and_then(|value| value.as_str()).map(String::from);
    let user_id = text("userId").or_else(|| own_text("userId"));
    // Custom events need not say of whom they are: then each is of a visitor of its own.
    let anonymous_id = text("anonymousId").or_else(|| own_text("anonymousId"));
    let anonymous_id = anonymous_id.or_else(|| user_id.is_none().then(|| message_id.clone()));
    let mut event = json!({"type": "track", "event": name, "messageId": message_id});
    for (name, text) in [("userId", user_id), ("anonymousId", anonymous_id), ("timestamp", text("timestamp"))] {
        if let Some(text) = text {
            event[name] = json!(text);
        }
    }
    if let Some(ip) = text("ip") {
        event["context"] = json!({"ip": ip});
    }
    let mut body = event.to_string().into_bytes();
    body.pop();
    body.extend_from_slice(b",\"properties\":{");
    for (number, member) in view.root().children().filter(|member| !is_metadata(member)).enumerate() {
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(member.run_to(&member).json);
    }
    body.extend_from_slice(b"}}");
    Ok(Custom { body, write_key: text("writeKey") })
}

fn metadata(view: View<'_>, header: Option<&str>, query: &str) -> Result<Map<String, Value>, &'static str> {
    let mut metadata = Map::new();
    for name in METADATA_MEMBERS {
        let own: Option<Map<String, Value>> = view.get(&[name]).and_then(|own| serde_json::from_slice(own.raw()).ok());
        metadata.extend(own.unwrap_or_default());
    }
    metadata.extend(pairs(query).map(|(name, value)| (name, Value::String(value))));
    if let Some(header) = header {
        let own: Map<String, Value> =
            serde_json::from_str(header).map_err(|_| "the header X-Event-Metadata must be a JSON object")?;
        metadata.extend(own);
    }
    Ok(metadata)
}

/// The parameters of a query, decoded.
pub fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decoded(name), decoded(value))
    })
}

/// Undoes the encoding of a form: `+` is a space, `%xx` a byte. What is no encoding stays.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match (bytes[at], digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What analytics-next is told: send everything here, and load nothing. It takes the key that stands
/// here instead of its own. `host` is what the browser calls this daemon.
pub fn settings_document(write_key: &str, scheme: &str, host: &str) -> Value {
    json!({
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "apiHost": format!("{host}/v1"),
                "protocol": scheme,
                "unbundledIntegrations": [],
                "bundledConfigIds": [],
                "unbundledConfigIds": [],
                "maybeBundledConfigIds": {},
                "addBundledMetadata": false,
            },
        },
        "plan": {"track": {"__default": {"enabled": true, "integrations": {}}}, "identify": {"__default": {"enabled": true}}, "group": {"__default": {"enabled": true}}},
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
    })
}

/// A transparent image of one point.
pub const GIF: &[u8] = &[
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x21, 0xf9, 4, 1, 0, 0, 0,
    0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 1, 0x44, 0, 0x3b,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_what_they_take() {
        let check = |path: &str, expected: Option<Route<'_>>| assert_eq!(route(path), expected, "{path}");
        let single = |kind| Some(Route::Events(Form::Single(kind)));
        check("/v1/track", single(EventKind::Track));
        check("/v1/alias/", single(EventKind::Alias));
        check("/v1/t", single(EventKind::Track));
        for batch in
            ["/v1/batch", "/v1/batch/", "//v1/batch", "/v1/import", "/v1/b", "/beacon/v1/batch", "/api/s/batch"]
        {
            check(batch, Some(Route::Events(Form::Batch)));
        }
        check("/api/s/s2s/identify", single(EventKind::Identify));
        check("/api/s/page", single(EventKind::Page));
        check("/api/s/s2s/event", Some(Route::Events(Form::Typed)));
        check("/pixel/v1/page", Some(Route::QueryPixel(EventKind::Page)));
        check("/pixel/v1/alias", None);
        check("/v1/pixel/track", Some(Route::DataPixel(EventKind::Track)));
        check("/v1/pixel/i", Some(Route::DataPixel(EventKind::Identify)));
        check("/v1/projects/wk/settings", Some(Route::Settings("wk")));
        check("/v1/projects/settings", None);
        check("/v1/projects//settings", None);
        check("/v1/custom/event", Some(Route::Custom));
        check("/v1/nothing", None);
        check("/v2/track", None);
        check("/", None);
    }

    #[test]
    fn a_query_becomes_an_event() {
        let made = of_query(
            EventKind::Track,
            "writeKey=wk&anonymousId=a%201&event=Seen+it&properties.sku=7&properties.a.b=c&context.page.url=https%3A%2F%2Fx",
        );
        let event: Value = serde_json::from_slice(&made).unwrap();
        assert_eq!(
            event,
            json!({"type": "track", "anonymousId": "a 1", "event": "Seen it",
                "properties": {"sku": "7", "a": {"b": "c"}}, "context": {"page": {"url": "https://x"}}})
        );
        let odd: Value = serde_json::from_slice(&of_query(EventKind::Page, "a=1&a.b=2&%zz=%&=x&&c")).unwrap();
        assert_eq!(odd, json!({"type": "page", "a": {"b": "2"}, "%zz": "%", "": "x", "c": ""}));
    }

    #[test]
    fn data_is_base64_of_any_kind() {
        for data in ["eyJhIjoiPz4ifQ==", "eyJhIjoiPz4ifQ", "eyJhIjoiPz4ifQ%3D%3D"] {
            assert_eq!(of_data(&format!("x=1&data={data}")).as_deref(), Some(&br#"{"a":"?>"}"#[..]), "{data}");
        }
        assert_eq!(of_data("data=%00"), None);
        assert_eq!(of_data("x=1"), None);
    }

    #[test]
    fn a_custom_event_says_what_it_is_in_three_places() {
        let made = |body: &str, header: Option<&str>, query: &str| {
            let custom = of_custom(body.as_bytes(), header, query, "made".to_string())?;
            let event: Value = serde_json::from_slice(&custom.body).unwrap();
            Ok::<_, &'static str>((event, custom.write_key))
        };
        let in_body =
            r#"{"total":3,"_metarouter":{"writeKey":"wk","eventName":"Bought","eventID":"m1","ip":"192.0.2.1"}}"#;
        let large = r#"{"n":1180591620717411303424,"_metarouter":{"eventName":"x"}}"#;
        let custom = of_custom(large.as_bytes(), None, "", "m".to_string()).unwrap();
        assert!(String::from_utf8(custom.body).unwrap().ends_with(r#""properties":{"n":1180591620717411303424}}"#));
        let (event, key) = made(in_body, None, "").unwrap();
        assert_eq!(key.as_deref(), Some("wk"));
        assert_eq!(
            event,
            json!({"type": "track", "event": "Bought", "messageId": "m1", "anonymousId": "m1",
                "context": {"ip": "192.0.2.1"}, "properties": {"total": 3}})
        );
        let (event, _) = made(r#"{"userId":"u","_mrSchema":{"eventName":"Old"}}"#, None, "").unwrap();
        assert_eq!(
            (&event["event"], &event["userId"], &event["messageId"]),
            (&json!("Old"), &json!("u"), &json!("made"))
        );
        assert!(event.get("anonymousId").is_none());
        let header = r#"{"writeKey":"h","eventName":"By Header"}"#;
        let (event, key) = made("{}", Some(header), "eventName=By+Query&writeKey=q").unwrap();
        assert_eq!((event["event"].as_str(), key.as_deref()), (Some("By Header"), Some("h")));
        let (event, _) = made("{}", None, "eventName=By+Query&timestamp=2026-01-01T00:00:00Z").unwrap();
        assert_eq!(
            (event["event"].as_str(), event["timestamp"].as_str()),
            (Some("By Query"), Some("2026-01-01T00:00:00Z"))
        );
        assert!(made("{}", None, "").unwrap_err().contains("eventName"));
        assert!(made("[]", None, "eventName=x").unwrap_err().contains("object"));
        assert!(made("{}", Some("no"), "eventName=x").unwrap_err().contains("X-Event-Metadata"));
    }
}
