//! TikTok's Events API 2.0: it answers 200 to nearly everything, says in `code` what it means, and
//! refuses a whole request for one field of one event.
//!
//! Some ids stand for what only time could show: tokens that begin with `wrong` and `slow` are answered
//! as revoked and as too fast, event sources that begin with `foreign` as not permitted, and test codes
//! that begin with `partial` and `broken` as partial success and as the vendor's own trouble.

use serde_json::{Map, Value, json};

use super::{VendorAnswer, header_is};
use crate::stand_in::{Recorded, now_ms};

const EVENTS_MAX: usize = 1_000;
const BODY_BYTES_MAX: usize = 1_000_000;
/// The widest window that forwarders keep to.
const AGE_S_MAX: i64 = 28 * 86_400;
const NAME_CHARACTERS_MAX: usize = 50;
const CURRENCIES: &str = "AED ARS AUD BDT BHD BIF BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DZD EGP EUR GBP GTQ HKD \
    HNL HUF IDR ILS INR ISK JPY KES KHR KRW KWD KZT MAD MOP MXN MYR NGN NIO NOK NZD OMR PEN PHP PKR PLN PYG QAR RON \
    RUB SAR SEK SGD THB TRY TWD UAH USD VES VND ZAR";

/// Names that the vendor counts as another event of its own.
const RESERVED: &str = "AddBilling Browse ClickForm ClickInDownloadPage ClickToDownload Consult ConsultByPhone \
    StartCheckout ViewConsultationPage ViewDownloadPage ViewForm";

/// What a field must be.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Number,
    Whole,
    Bool,
    /// A SHA-256 in lower-case digits.
    Hash,
    /// One or several of these.
    Hashes,
    Texts,
    /// Letters and digits in lower case, without spaces.
    Plain,
    OneOf(&'static str),
}

const USER: &[(&str, Type)] = &[
    ("external_id", Type::Hashes),
    ("email", Type::Hashes),
    ("phone", Type::Hashes),
    ("first_name", Type::Hash),
    ("last_name", Type::Hash),
    ("zip_code", Type::Hash),
    ("city", Type::Plain),
    ("state", Type::Plain),
    ("country", Type::Plain),
    ("ttclid", Type::Text),
    ("ttp", Type::Text),
    ("ip", Type::Text),
    ("user_agent", Type::Text),
    ("locale", Type::Text),
    ("idfa", Type::Text),
    ("idfv", Type::Text),
    ("gaid", Type::Text),
    ("att_status", Type::OneOf("AUTHORIZED DENIED NOT_DETERMINED RESTRICTED NOT_APPLICABLE")),
];

const PROPERTIES: &[(&str, Type)] = &[
    ("currency", Type::OneOf(CURRENCIES)),
    ("value", Type::Number),
    ("content_type", Type::OneOf("product product_group")),
    ("content_ids", Type::Texts),
    ("order_id", Type::Text),
    ("shop_id", Type::Text),
    ("query", Type::Text),
    ("search_string", Type::Text),
    ("description", Type::Text),
    ("status", Type::Text),
    ("num_items", Type::Whole),
    ("predicted_ltv", Type::Number),
    ("delivery_category", Type::OneOf("in_store curbside home_delivery")),
];

const CONTENT: &[(&str, Type)] = &[
    ("content_id", Type::Text),
    ("content_name", Type::Text),
    ("content_category", Type::Text),
    ("brand", Type::Text),
    ("price", Type::Number),
    ("quantity", Type::Whole),
];

const APP: &[(&str, Type)] = &[("app_id", Type::Text), ("app_name", Type::Text), ("app_version", Type::Text)];

const AD: &[(&str, Type)] = &[
    ("callback", Type::Text),
    ("campaign_id", Type::Text),
    ("ad_id", Type::Text),
    ("creative_id", Type::Text),
    ("is_retargeting", Type::Bool),
    ("attributed", Type::Bool),
    ("attribution_type", Type::Text),
    ("attribution_provider", Type::Text),
];

const PAGE: &[(&str, Type)] = &[("url", Type::Text), ("referrer", Type::Text)];
const LEAD: &[(&str, Type)] = &[("lead_id", Type::Text), ("lead_event_source", Type::Text)];

/// POST /open_api/v1.3/event/track/.
pub(super) fn track(request: &Recorded) -> VendorAnswer {
    if request.method != "POST" || !request.path.ends_with("/open_api/v1.3/event/track/") {
        return refused(40400, &format!("nothing here answers {} {}", request.method, request.path));
    }
    match request.header("access-token") {
        None | Some("") => return refused(40104, "Access token is empty."),
        Some(token) if token.starts_with("wrong") => {
            return refused(40105, "Access token is incorrect or has been revoked.");
        }
        Some(token) if token.starts_with("slow") => {
            let throttled = answered(40100, "Too many requests. Please retry in some time.", Vec::new());
            return VendorAnswer { status: 429, ..throttled };
        }
        Some(_) => {}
    }
    if !header_is(request, "content-type", "application/json") {
        return refused(40002, "Content-Type: must be application/json.");
    }
    if request.content().len() > BODY_BYTES_MAX {
        return VendorAnswer { status: 413, ..refused(40000, "Request entity too large") };
    }
    let body = request.json();
    if let Some((code, message)) = body_error(&body) {
        return refused(code, &message);
    }
    let events = body["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (place, event) in events.iter().enumerate() {
        if let Some((code, message)) = event_error(&body, event) {
            return refused(code, &format!("data.{place}.{message}"));
        }
    }
    let violations = events.iter().filter_map(|event| objection(&body, event)).collect();
    match body["test_event_code"].as_str() {
        Some(code) if code.starts_with("partial") => answered(20001, "Partial success", violations),
        Some(code) if code.starts_with("broken") => answered(50000, "Internal error", violations),
        _ => answered(0, "OK", violations),
    }
}

fn answered(code: u64, message: &str, violations: Vec<String>) -> VendorAnswer {
    let body = json!({"code": code, "message": message, "request_id": "stand-in", "data": {}});
    VendorAnswer {
        status: 200,
        headers: vec![("content-type".to_string(), "application/json".to_string())],
        body: body.to_string(),
        violations,
    }
}

fn refused(code: u64, message: &str) -> VendorAnswer {
    answered(code, message, vec![format!("{code}: {message}")])
}

/// What is wrong with what all events share.
fn body_error(body: &Value) -> Option<(u64, String)> {
    let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty());
    let Some(source) = text("event_source").filter(|source| ["web", "app", "offline", "crm"].contains(source)) else {
        return Some((40002, "event_source: Must be one of: web, app, offline, crm.".to_string()));
    };
    let Some(id) = text("event_source_id") else {
        return Some((40002, "Invalid value for event_source_id: not a valid string.".to_string()));
    };
    if id.starts_with("foreign") {
        return Some((40001, format!("No permission to operate {source} {id}.")));
    }
    if body.get("test_event_code").is_some_and(|code| !code.is_string()) {
        return Some((40002, "test_event_code: Not a valid string.".to_string()));
    }
    if body.get("partner_name").is_some_and(|name| name.as_str() != Some("Partner")) {
        return Some((40063, "Invalid partner name.".to_string()));
    }
    match body["data"].as_array() {
        Some(events) if (1..=EVENTS_MAX).contains(&events.len()) => None,
        Some(events) => {
            Some((40061, format!("data: Length must be between 1 and {EVENTS_MAX}, not {}.", events.len())))
        }
        None => Some((40002, "data: Not a valid list.".to_string())),
    }
}

/// What is wrong with an event: the code, the field and why.
fn event_error(body: &Value, event: &Value) -> Option<(u64, String)> {
    let invalid = |message: &str| Some((40002, message.to_string()));
    let Some(event) = event.as_object() else { return invalid("event: Not a valid object.") };
    match event.get("event").and_then(Value::as_str) {
        None | Some("") => return invalid("event: Missing data for required field."),
        Some(name) if name.chars().count() > NAME_CHARACTERS_MAX => {
            return invalid("event: Longer than 50 characters.");
        }
        Some(_) => {}
    }
    let Some(time_s) = event.get("event_time").and_then(Value::as_i64) else {
        return invalid("event_time: Not a valid integer.");
    };
    let now_s = (now_ms() / 1_000) as i64;
    if time_s > now_s + 60 || time_s < now_s - AGE_S_MAX {
        return invalid("event_time: Out of range.");
    }
    if event.get("event_id").is_some_and(|id| !id.is_string()) {
        return invalid("event_id: Not a valid string.");
    }
    if event.get("limited_data_use").is_some_and(|value| !value.is_boolean()) {
        return invalid("limited_data_use: Not a valid boolean.");
    }
    let objects =
        [("user", USER), ("page", PAGE), ("app", APP), ("ad", AD), ("lead", LEAD), ("properties", PROPERTIES)];
    for (name, fields) in objects {
        if let Some(error) = event.get(name).and_then(|object| object_error(name, object, fields)) {
            return Some(error);
        }
    }
    if let Some(contents) = event.get("properties").and_then(|properties| properties.get("contents")) {
        let Some(contents) = contents.as_array() else { return invalid("properties.contents: Not a valid list.") };
        let mut errors = contents
            .iter()
            .enumerate()
            .filter_map(|(place, content)| object_error(&format!("properties.contents.{place}"), content, CONTENT));
        if let Some(error) = errors.next() {
            return Some(error);
        }
    }
    if body["event_source"] == "app" && event.get("app").and_then(|app| app.get("app_id")).is_none() {
        return invalid("app.app_id: Missing data for required field.");
    }
    if is_known(event) { None } else { invalid("user: Missing at least one matching parameter.") }
}

fn object_error(name: &str, object: &Value, fields: &[(&str, Type)]) -> Option<(u64, String)> {
    let Some(object) = object.as_object() else { return Some((40002, format!("{name}: Not a valid object."))) };
    fields.iter().find_map(|(field, kind)| {
        let value = object.get(*field)?;
        let (code, what) = type_error(value, *kind)?;
        Some((code, format!("{name}.{field}: {what}")))
    })
}

fn type_error(value: &Value, kind: Type) -> Option<(u64, &'static str)> {
    let text = value.as_str().unwrap_or_default();
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let all = |is: &dyn Fn(&str) -> bool| match value.as_array() {
        Some(values) => !values.is_empty() && values.iter().all(|value| value.as_str().is_some_and(is)),
        None => value.as_str().is_some_and(is),
    };
    let is_plain = |text: &str| !text.chars().any(|letter| letter.is_uppercase() || letter.is_whitespace());
    let (is_right, code, what) = match kind {
        Type::Text => (!text.trim().is_empty(), 40002, "Not a valid string."),
        Type::Number => (value.is_number(), 40002, "Not a valid number."),
        Type::Whole => (value.is_i64() || value.is_u64(), 40002, "Not a valid integer."),
        Type::Bool => (value.is_boolean(), 40002, "Not a valid boolean."),
        Type::Hash => (is_hash(text), 40062, "Must be hashed with SHA-256."),
        Type::Hashes => (all(&is_hash), 40062, "Must be hashed with SHA-256."),
        Type::Texts => (all(&|text| !text.is_empty()), 40002, "Not a valid list of strings."),
        Type::Plain => (!text.is_empty() && is_plain(text), 40002, "Must be in lower case without spaces."),
        Type::OneOf(texts) => (texts.split(' ').any(|known| known == text), 40002, "Not a valid choice."),
    };
    (!is_right).then_some((code, what))
}

/// Whether there is anything by which the vendor knows people.
fn is_known(event: &Map<String, Value>) -> bool {
    const IDS: [&str; 8] = ["external_id", "email", "phone", "ttclid", "ttp", "idfa", "idfv", "gaid"];
    let user = event.get("user").and_then(Value::as_object);
    let has = |name: &str| user.is_some_and(|user| user.contains_key(name));
    let has_lead = event.get("lead").is_some_and(|lead| lead.get("lead_id").is_some());
    IDS.into_iter().any(has) || (has("ip") && has("user_agent")) || has_lead
}

/// What the vendor takes and does not mean to get.
fn objection(body: &Value, event: &Value) -> Option<String> {
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let name = event["event"].as_str().unwrap_or_default();
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) || !name.bytes().all(is_letter) {
        return Some(format!("event name `{name}`"));
    }
    if body["event_source"] != "app" && RESERVED.split(' ').any(|reserved| reserved == name) {
        return Some(format!("`{name}` is reserved"));
    }
    if event["event_id"].as_str().is_none_or(str::is_empty) {
        return Some(format!("{name}: no event_id, so that repetitions count"));
    }
    if event["user"].to_string().contains(EMPTY) {
        return Some(format!("{name}: the hash of nothing"));
    }
    let properties = &event["properties"];
    if properties.get("value").is_some() && properties.get("currency").is_none() {
        return Some(format!("{name}: value without currency"));
    }
    (properties.get("contents").is_some() && properties.get("content_type").is_none())
        .then(|| format!("{name}: contents without content_type"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{VendorAnswer, request};
    use crate::stand_in::now_ms;

    const HASH: &str = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f";

    fn event() -> Value {
        json!({"event": "Purchase", "event_time": now_ms() / 1_000, "event_id": "m", "user": {"email": [HASH]}})
    }

    fn sent(token: &str, body: &Value) -> (VendorAnswer, u64) {
        let headers = [("content-type", "application/json"), ("access-token", token)];
        let answer = super::track(&request("/tiktok/open_api/v1.3/event/track/", "", &headers, &body.to_string()));
        let code = serde_json::from_str::<Value>(&answer.body).expect("it answers with JSON")["code"].as_u64();
        (answer, code.expect("it answers with a code"))
    }

    fn with(events: &[Value]) -> Value {
        json!({"event_source": "web", "event_source_id": "P", "data": events})
    }

    #[test]
    fn good_events_pass() {
        let (answer, code) = sent("t", &with(&[event(), event()]));
        assert_eq!((answer.status, code, answer.violations), (200, 0, Vec::new()));
    }

    #[test]
    fn one_bad_event_spoils_the_request_and_is_named() {
        let check = |name: &str, value: Value, code: u64, message: &str| {
            let mut bad = event();
            bad[name] = value;
            let (answer, found) = sent("t", &with(&[event(), bad]));
            assert_eq!((answer.status, found), (200, code), "{}", answer.body);
            assert!(answer.body.contains(&format!("data.1.{message}")), "{}", answer.body);
        };
        check("event", json!(""), 40002, "event:");
        check("event", json!("x".repeat(51)), 40002, "event:");
        check("event_id", json!(5), 40002, "event_id:");
        check("event_time", json!("now"), 40002, "event_time:");
        check("event_time", json!(1), 40002, "event_time:");
        check("user", json!({"email": ["a@b.example"]}), 40062, "user.email:");
        check("user", json!({"ip": "203.0.113.7"}), 40002, "user:");
        check("user", json!({"city": "Berlin", "ttp": "c"}), 40002, "user.city:");
        check("properties", json!({"value": "5"}), 40002, "properties.value:");
        check("properties", json!({"currency": "XOF"}), 40002, "properties.currency:");
        check("properties", json!({"contents": [{"content_id": 5}]}), 40002, "properties.contents.0.content_id:");
        check("limited_data_use", json!("yes"), 40002, "limited_data_use:");
    }

    #[test]
    fn the_rest_is_answered_by_the_body_and_the_token() {
        assert_eq!(sent("", &with(&[event()])).1, 40104);
        assert_eq!(sent("wrong-1", &with(&[event()])).1, 40105);
        let (slow, code) = sent("slow-1", &with(&[event()]));
        assert_eq!((slow.status, code), (429, 40100));
        let check = |name: &str, value: Value, code: u64| {
            let mut body = with(&[event()]);
            body[name] = value;
            assert_eq!(sent("t", &body).1, code, "{name}");
        };
        check("event_source", json!("moon"), 40002);
        check("event_source", json!("app"), 40002);
        check("event_source_id", json!(7), 40002);
        check("event_source_id", json!("foreign-1"), 40001);
        check("partner_name", json!("Nobody"), 40063);
        check("data", json!([]), 40061);
        check("data", json!(vec![event(); 1_001]), 40061);
        check("data", json!({}), 40002);
        check("test_event_code", json!("partial"), 20001);
        check("test_event_code", json!("broken"), 50000);
    }

    #[test]
    fn what_the_vendor_takes_and_does_not_mean_to_get_is_a_violation() {
        let check = |name: &str, value: Value| {
            let mut odd = event();
            odd[name] = value;
            let (answer, code) = sent("t", &with(&[odd]));
            assert_eq!((code, answer.violations.len()), (0, 1), "{name}");
        };
        check("event", json!("Order Completed"));
        check("event", json!("Browse"));
        check("event_id", json!(""));
        check("properties", json!({"value": 5}));
    }
}
