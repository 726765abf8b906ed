//! Meta Conversions API: `/v25.0/<dataset>/events` takes a request whole or not at all, and answers with
//! the Graph API's errors.
//!
//! Some texts stand for what only time could show: a token that begins with `expired` or `forbidden`,
//! a dataset of zeros, and events whose id begins with `throttled` or `broken`.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{VendorAnswer, header_is, query};
use crate::stand_in::{Recorded, now_ms};

const EVENTS_MAX: usize = 1_000;
const AGE_S_MAX: i64 = 7 * 86_400;
const STORE_AGE_S_MAX: i64 = 62 * 86_400;
const NAME_CHARACTERS_MAX: usize = 50;
const EXTENDED_VALUES: usize = 16;

const ACTION_SOURCES: [&str; 9] = [
    "email",
    "website",
    "app",
    "phone_call",
    "chat",
    "physical_store",
    "system_generated",
    "business_messaging",
    "other",
];

/// Fields of a user that must be hashed.
const HASHED: [&str; 10] = ["em", "ph", "fn", "ln", "db", "ge", "ct", "st", "zp", "country"];

/// Combinations that are too broad to match anybody.
const TOO_BROAD: [&[&str]; 4] = [
    &["ct", "country", "st", "zp", "ge", "client_user_agent"],
    &["db", "client_user_agent"],
    &["fn", "ge"],
    &["ln", "ge"],
];

/// Subcodes of code 100.
const NO_DATASET: u32 = 33;
const TOO_OLD: u32 = 2_804_003;
const TOO_LITTLE_OF_THE_USER: u32 = 2_804_050;

/// POST /v25.0/<dataset>/events.
pub(super) fn events(request: &Recorded) -> VendorAnswer {
    let parts: Vec<&str> = request.path.trim_start_matches("/meta-capi/").split('/').collect();
    let [version, dataset, "events"] = parts[..] else {
        return refused(400, &json!({"code": 2500, "message": "Unknown path components"}));
    };
    let is_version = version.strip_prefix('v').and_then(|number| number.split_once('.')).is_some();
    if !is_version || request.method != "POST" || !dataset.bytes().all(|byte| byte.is_ascii_digit()) {
        return refused(400, &json!({"code": 2500, "message": "Unknown path components"}));
    }
    if let Some(answer) = token_error(request) {
        return answer;
    }
    if dataset.bytes().all(|byte| byte == b'0') {
        return refused(400, &invalid(Some(NO_DATASET), "Unsupported post request. Object does not exist"));
    }
    let body = request.json();
    let Some(data) = body["data"].as_array().filter(|_| header_is(request, "content-type", "application/json")) else {
        return refused(400, &invalid(None, "(#100) The parameter data is required"));
    };
    if data.is_empty() || data.len() > EVENTS_MAX {
        return refused(400, &invalid(None, &format!("(#100) {} events of {EVENTS_MAX}", data.len())));
    }
    if let Some(answer) = data.iter().find_map(told_by_id) {
        return answer;
    }
    if let Some((subcode, why)) = data.iter().find_map(|event| event_error(event).err()) {
        return refused(400, &invalid(subcode, &why));
    }
    let summary = json!({"events_received": data.len(), "messages": [], "fbtrace_id": "A1"});
    VendorAnswer { violations: data.iter().filter_map(objection).collect(), ..answered(200, &summary, 12) }
}

fn answered(status: u16, body: &Value, usage_percent: u32) -> VendorAnswer {
    let usage = json!({"call_count": usage_percent, "total_cputime": 1, "total_time": 1});
    VendorAnswer {
        status,
        headers: vec![
            ("content-type".to_string(), "application/json".to_string()),
            ("x-app-usage".to_string(), usage.to_string()),
        ],
        body: body.to_string(),
        violations: Vec::new(),
    }
}

fn refused(status: u16, error: &Value) -> VendorAnswer {
    let mut body = json!({"error": {"type": "OAuthException", "is_transient": false, "fbtrace_id": "A1"}});
    if let (Some(all), Some(own)) = (body["error"].as_object_mut(), error.as_object()) {
        all.extend(own.clone());
    }
    let violations = vec![error["message"].as_str().unwrap_or("refused").to_string()];
    VendorAnswer { violations, ..answered(status, &body, 12) }
}

fn invalid(subcode: Option<u32>, message: &str) -> Value {
    let mut error = json!({"code": 100, "message": message});
    if let Some(subcode) = subcode {
        error["error_subcode"] = subcode.into();
    }
    error
}

fn token_error(request: &Recorded) -> Option<VendorAnswer> {
    let header = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    match header.or_else(|| query(request, "access_token")).unwrap_or_default() {
        "" => Some(refused(400, &json!({"code": 190, "message": "An access token is required"}))),
        token if token.starts_with("expired") => {
            let error = json!({"code": 190, "error_subcode": 463, "message": "Error validating access token"});
            Some(refused(401, &error))
        }
        token if token.starts_with("forbidden") => {
            Some(refused(403, &json!({"code": 200, "message": "(#200) Permissions error"})))
        }
        _ => None,
    }
}

fn told_by_id(event: &Value) -> Option<VendorAnswer> {
    let id = event["event_id"].as_str().unwrap_or_default();
    if id.starts_with("throttled") {
        let error = json!({"code": 80_004, "message": "There have been too many calls to this ad-account."});
        let usage = json!({"1": [{"type": "ads_management", "call_count": 100, "estimated_time_to_regain_access": 1}]});
        let mut answer = refused(400, &error);
        answer.headers.push(("x-business-use-case-usage".to_string(), usage.to_string()));
        return Some(answer);
    }
    let error = json!({"code": 2, "is_transient": true, "message": "Service temporarily unavailable"});
    id.starts_with("broken").then(|| refused(500, &error))
}

/// What makes the vendor refuse the whole request: its subcode and its words.
type Why = (Option<u32>, String);

fn need(is_good: bool, message: &str) -> Result<(), Why> {
    if is_good { Ok(()) } else { Err((None, format!("(#100) {message}"))) }
}

fn is_filled(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn event_error(event: &Value) -> Result<(), Why> {
    need(is_filled(&event["event_name"]), "event_name is missing")?;
    let source = event["action_source"].as_str().unwrap_or_default();
    need(ACTION_SOURCES.contains(&source), "action_source is none of the vendor's")?;
    let time_s = event["event_time"].as_i64().unwrap_or(-1);
    let age_s = (now_ms() / 1_000) as i64 - time_s;
    need(time_s >= 0 && age_s >= 0, "event_time is invalid, future or not in the correct unix format")?;
    if age_s > if source == "physical_store" { STORE_AGE_S_MAX } else { AGE_S_MAX } {
        return Err((Some(TOO_OLD), "Event Timestamp Too Old".to_string()));
    }
    let user = event["user_data"].as_object().ok_or((None, "(#100) user_data is missing".to_string()))?;
    user_error(user)?;
    if source == "website" {
        need(is_filled(&event["event_source_url"]), "event_source_url is missing")?;
        need(user.contains_key("client_user_agent"), "client_user_agent is missing")?;
    }
    if source == "app" {
        app_error(&event["app_data"])?;
    }
    if let Some(options) = event.get("data_processing_options") {
        let options = options.as_array().ok_or((None, "(#100) data_processing_options is no list".to_string()))?;
        need(options.iter().all(|option| option == "LDU"), "data_processing_options has another option than LDU")?;
        let has_place = |field: &str| event[field].is_u64();
        let is_placed = has_place("data_processing_options_country") && has_place("data_processing_options_state");
        need(options.is_empty() || is_placed, "data_processing_options_country or its state is missing")?;
    }
    custom_error(event["event_name"] == "Purchase", &event["custom_data"])
}

fn user_error(user: &Map<String, Value>) -> Result<(), Why> {
    for field in HASHED {
        let values = user.get(field).map(|value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]));
        let is_hash = |value: &Value| {
            let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            value.as_str().is_some_and(|text| text.len() == 64 && text.bytes().all(is_digit))
        };
        need(values.is_none_or(|values| values.iter().all(is_hash)), &format!("{field} is not hashed"))?;
    }
    if let Some(ip) = user.get("client_ip_address") {
        need(ip.as_str().is_some_and(|ip| ip.parse::<IpAddr>().is_ok()), "client_ip_address is no address")?;
    }
    for field in ["fbc", "fbp"] {
        let is_cookie =
            |value: &Value| value.as_str().is_some_and(|text| text.starts_with("fb.") && text.split('.').count() >= 4);
        need(user.get(field).is_none_or(is_cookie), &format!("{field} is not of the vendor's form"))?;
    }
    for field in ["lead_id", "fb_login_id"] {
        need(user.get(field).is_none_or(Value::is_u64), &format!("{field} is no integer"))?;
    }
    let names_nobody = |field: &String| matches!(field.as_str(), "partner_id" | "partner_name");
    let fields: Vec<&String> = user.keys().filter(|field| !names_nobody(field)).collect();
    let is_too_broad = |combination: &&[&str]| fields.iter().all(|field| combination.contains(&field.as_str()));
    if TOO_BROAD.iter().any(is_too_broad) {
        return Err((Some(TOO_LITTLE_OF_THE_USER), "This event has insufficient customer information".to_string()));
    }
    Ok(())
}

fn app_error(app: &Value) -> Result<(), Why> {
    need(matches!(app["advertiser_tracking_enabled"].as_u64(), Some(0 | 1)), "advertiser_tracking_enabled is missing")?;
    let extended = app["extinfo"].as_array().ok_or((None, "(#100) extinfo is missing".to_string()))?;
    need(extended.len() == EXTENDED_VALUES, "extinfo has not 16 values")?;
    need(matches!(extended[0].as_str(), Some("a2" | "i2")), "extinfo has no version")?;
    need(is_filled(&extended[4]), "extinfo has no version of the system")
}

fn custom_error(is_purchase: bool, custom: &Value) -> Result<(), Why> {
    let (value, currency) = (&custom["value"], &custom["currency"]);
    need(!is_purchase || (value.is_number() && currency.is_string()), "a Purchase needs value and currency")?;
    need(value.is_null() || value.as_f64().is_some_and(|value| value >= 0.0), "value is no amount")?;
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    need(currency.is_null() || currency.as_str().is_some_and(is_code), "currency is no code of ISO 4217")?;
    let contents = &custom["contents"];
    let is_content = |content: &Value| {
        let delivery = content.get("delivery_category").and_then(Value::as_str);
        is_filled(&content["id"]) && delivery.is_none_or(|way| ["in_store", "curbside", "home_delivery"].contains(&way))
    };
    let are_contents = contents.as_array().is_some_and(|contents| contents.iter().all(is_content));
    need(contents.is_null() || are_contents, "contents has an item without id")?;
    let kind = &custom["content_type"];
    need(kind.is_null() || kind == "product" || kind == "product_group", "content_type is none of the vendor's")
}

/// What the vendor takes and does not want.
fn objection(event: &Value) -> Option<String> {
    let name = event["event_name"].as_str().unwrap_or_default();
    if name.chars().count() > NAME_CHARACTERS_MAX {
        return Some(format!("event_name has more than {NAME_CHARACTERS_MAX} characters: {name}"));
    }
    if !is_filled(&event["event_id"]) {
        return Some(format!("{name}: there is no event_id"));
    }
    let custom = event["custom_data"].as_object()?;
    if custom.contains_key("value") != custom.contains_key("currency") {
        return Some(format!("{name}: value and currency do not go together"));
    }
    let is_address = |value: &Value| {
        let parts = value.as_str().filter(|text| !text.contains(' ')).and_then(|text| text.split_once('@'));
        parts.is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
    };
    custom.iter().find(|(_, value)| is_address(value)).map(|(key, _)| format!("{name}: {key} is an e-mail address"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{VendorAnswer, request};
    use crate::stand_in::now_ms;

    const PATH: &str = "/meta-capi/v25.0/123/events";
    const HEADERS: [(&str, &str); 2] = [("authorization", "Bearer token"), ("content-type", "application/json")];

    fn good() -> Value {
        json!({
            "event_name": "Purchase", "event_time": now_ms() / 1_000 - 60, "event_id": "m-1", "action_source": "website",
            "event_source_url": "https://shop.example/",
            "user_data": {"external_id": ["a"], "client_user_agent": "UA", "em": ["62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"]},
            "custom_data": {"value": 1.5, "currency": "EUR", "contents": [{"id": "a", "quantity": 1}]},
        })
    }

    fn sent(events: &[Value]) -> (VendorAnswer, Value) {
        let answer = super::events(&request(PATH, "", &HEADERS, &json!({"data": events}).to_string()));
        let body = serde_json::from_str(&answer.body).unwrap();
        (answer, body)
    }

    fn with(change: impl Fn(&mut Value)) -> Value {
        let mut event = good();
        change(&mut event);
        event
    }

    #[test]
    fn good_events_are_taken() {
        let (answer, body) = sent(&[good(), good()]);
        assert_eq!((answer.status, &body["events_received"]), (200, &json!(2)));
        assert!(answer.violations.is_empty(), "{:?}", answer.violations);
    }

    #[test]
    fn one_bad_event_fails_the_request() {
        let check = |bad: Value, subcode: Option<u64>| {
            let (answer, body) = sent(&[good(), bad, good()]);
            assert_eq!((answer.status, body["error"]["code"].as_u64()), (400, Some(100)), "{body}");
            assert_eq!(body["error"]["error_subcode"].as_u64(), subcode, "{body}");
        };
        check(with(|event| event["event_time"] = (now_ms() / 1_000 - 8 * 86_400).into()), Some(2_804_003));
        check(with(|event| event["event_time"] = (now_ms() / 1_000 + 60).into()), None);
        check(
            with(
                |event| event["user_data"] = json!({"client_user_agent": "UA", "ct": ["0007a3d64c01e23d5075203c5977c14e4f7e01a3fc570686fcc50b5e1dd42685"]}),
            ),
            Some(2_804_050),
        );
        check(with(|event| event["user_data"]["em"] = json!("a@b.example")), None);
        check(with(|event| event["event_source_url"] = Value::Null), None);
        check(with(|event| event["custom_data"] = json!({"value": 1})), None);
        check(with(|event| event["action_source"] = json!("app")), None);
        check(with(|event| event["data_processing_options"] = json!(["LDU"])), None);
    }

    #[test]
    fn a_request_has_at_most_1000_events() {
        assert_eq!(sent(&vec![good(); 1_000]).0.status, 200);
        assert_eq!(sent(&vec![good(); 1_001]).0.status, 400);
    }

    #[test]
    fn tokens_datasets_and_time_are_told_by_texts() {
        let body = json!({"data": [good()]}).to_string();
        let answer = |path: &str, token: &str| {
            let headers = [("authorization", token), ("content-type", "application/json")];
            super::events(&request(path, "", &headers, &body))
        };
        assert_eq!(answer(PATH, "Bearer expired-1").status, 401);
        assert_eq!(answer(PATH, "Bearer forbidden-1").status, 403);
        assert!(answer("/meta-capi/v25.0/000/events", "Bearer t").body.contains("\"error_subcode\":33"));
        assert_eq!(answer("/meta-capi/events", "Bearer t").status, 400);
        let (limited, body) = sent(&[with(|event| event["event_id"] = json!("throttled-1"))]);
        assert_eq!(body["error"]["code"], 80_004);
        assert!(limited.headers.iter().any(|(name, _)| name == "x-business-use-case-usage"));
        assert_eq!(sent(&[with(|event| event["event_id"] = json!("broken-1"))]).0.status, 500);
    }
}
