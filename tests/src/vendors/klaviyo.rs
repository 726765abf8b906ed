//! Klaviyo: jobs that are taken whole or not at all, profiles, and subscriptions; errors as JSON:API
//! has them.

use serde_json::{Value, json};

use super::{VendorAnswer, header_is};
use crate::stand_in::{Recorded, now_ms};

const EVENTS_MAX: usize = 1_000;
const PROFILES_MAX: usize = 10_000;
const SUBSCRIBED_MAX: usize = 1_000;
const UNSUBSCRIBED_MAX: usize = 100;
const BODY_BYTES_MAX: usize = 5 << 20;
const PROFILE_BYTES_MAX: usize = 100 << 10;
const TEXT_BYTES_MAX: usize = 100 << 10;
const PROPERTIES_MAX: usize = 400;
const ELEMENTS_MAX: usize = 4_000;
const DEPTH_MAX: usize = 10;
const METRIC_CHARACTERS_MAX: usize = 127;
const EXTERNAL_ID_CHARACTERS_MAX: usize = 255;
/// 1990-01-01 and a year, in milliseconds.
const TIME_MS_MIN: u64 = 631_152_000_000;
const YEAR_MS: u64 = 366 * 86_400_000;

const PROFILE_FIELDS: [&str; 12] = [
    "email",
    "phone_number",
    "external_id",
    "_kx",
    "first_name",
    "last_name",
    "organization",
    "locale",
    "title",
    "image",
    "location",
    "properties",
];
const LOCATION_FIELDS: [&str; 10] =
    ["address1", "address2", "city", "country", "latitude", "longitude", "region", "zip", "timezone", "ip"];
const EVENT_FIELDS: [&str; 8] =
    ["properties", "time", "value", "value_currency", "unique_id", "backfill", "metric", "profile"];

/// Texts in a userId or a list's id for which the stand-in has an answer of its own.
const TOO_MANY_REQUESTS: &str = "klaviyo-429";
const SHARED_NUMBER: &str = "klaviyo-409";
const UNKNOWN_LIST: &str = "klaviyo-404";

/// What is wrong, and where.
struct Wrong {
    pointer: String,
    detail: String,
}

fn wrong(pointer: &str, detail: impl Into<String>) -> Option<Wrong> {
    Some(Wrong { pointer: pointer.to_string(), detail: detail.into() })
}

/// POST /events: one event.
pub(super) fn event(request: &Recorded) -> VendorAnswer {
    let body = match body(request, "event") {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let event = &body["data"]["attributes"];
    let profile = &event["profile"]["data"];
    let errors =
        [event_error("/data/attributes", event), profile_error("/data/attributes/profile/data", profile, true)];
    accepted(202, "", errors.into_iter().flatten().collect())
}

/// POST /event-bulk-create-jobs: nothing is taken where one event is wrong, or is there twice.
pub(super) fn events(request: &Recorded) -> VendorAnswer {
    let body = match body(request, "event-bulk-create-job") {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let records = items(&body["data"]["attributes"]["events-bulk-create"]["data"]);
    let mut errors = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut count = 0;
    for (number, record) in records.iter().enumerate() {
        let at = format!("/data/attributes/events-bulk-create/data/{number}");
        if record["type"] != "event-bulk-create" {
            errors.extend(wrong(&format!("{at}/type"), "is not event-bulk-create"));
        }
        let profile = &record["attributes"]["profile"]["data"];
        errors.extend(profile_error(&format!("{at}/attributes/profile/data"), profile, true));
        let list = items(&record["attributes"]["events"]["data"]);
        if list.is_empty() {
            errors.extend(wrong(&format!("{at}/attributes/events/data"), "has no events"));
        }
        for (place, event) in list.iter().enumerate() {
            let at = format!("{at}/attributes/events/data/{place}/attributes");
            let event = &event["attributes"];
            errors.extend(event_error(&at, event));
            let key = [&profile["attributes"], &event["metric"], &event["unique_id"]].map(Value::to_string);
            if !seen.insert(key) {
                errors.extend(wrong(&format!("{at}/unique_id"), "is there twice for the same profile and metric"));
            }
            count += 1;
        }
    }
    if count == 0 || count > EVENTS_MAX {
        errors.extend(wrong("/data/attributes/events-bulk-create", format!("{count} events, of 1 to 1,000")));
    }
    accepted(202, "", errors)
}

/// POST /profile-import: makes or updates one profile.
pub(super) fn profile(request: &Recorded) -> VendorAnswer {
    let body = match body(request, "profile") {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    if request.content().len() > PROFILE_BYTES_MAX {
        return refused(413, "/data", "the profile is larger than 100 KB", true);
    }
    let errors: Vec<Wrong> = profile_error("/data", &body["data"], false).into_iter().collect();
    let attributes = &body["data"]["attributes"];
    let identifiers = ["email", "phone_number", "external_id"].iter().filter(|name| attributes.get(**name).is_some());
    if errors.is_empty() && identifiers.count() > 1 && attributes.to_string().contains(SHARED_NUMBER) {
        let meta = json!({"duplicate_profile_id": "01GDDKASAP8TKDDA2GRZDSVP4H"});
        let detail = "A profile already exists with one of these identifiers.";
        let error = json!({"errors": [{"id": "e-1", "status": 409, "code": "duplicate_profile", "title": "Conflict.",
                                       "detail": detail, "source": {"pointer": "/data/attributes"}, "meta": meta}]});
        return answered(409, error.to_string(), Vec::new());
    }
    accepted(201, &json!({"data": {"type": "profile", "id": "01GDDKASAP8TKDDA2GRZDSVP4H"}}).to_string(), errors)
}

/// POST /profile-bulk-import-jobs: makes or updates many, and adds them to lists.
pub(super) fn profiles(request: &Recorded) -> VendorAnswer {
    let body = match body(request, "profile-bulk-import-job") {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let profiles = items(&body["data"]["attributes"]["profiles"]["data"]);
    let mut errors = Vec::new();
    for (number, profile) in profiles.iter().enumerate() {
        let at = format!("/data/attributes/profiles/data/{number}");
        errors.extend(profile_error(&at, profile, false));
        if profile.to_string().len() > PROFILE_BYTES_MAX {
            errors.extend(wrong(&at, "is larger than 100 KB"));
        }
    }
    if profiles.is_empty() || profiles.len() > PROFILES_MAX {
        errors.extend(wrong("/data/attributes/profiles", format!("{} profiles, of 1 to 10,000", profiles.len())));
    }
    let lists = items(&body["data"]["relationships"]["lists"]["data"]);
    if let Some(answer) = lists.iter().find_map(list_error) {
        return answer;
    }
    accepted(202, &json!({"data": {"type": "profile-bulk-import-job", "id": "job-1"}}).to_string(), errors)
}

/// POST /profile-subscription-bulk-create-jobs.
pub(super) fn subscribe(request: &Recorded) -> VendorAnswer {
    subscription(request, "profile-subscription-bulk-create-job", "SUBSCRIBED", SUBSCRIBED_MAX)
}

/// POST /profile-subscription-bulk-delete-jobs.
pub(super) fn unsubscribe(request: &Recorded) -> VendorAnswer {
    subscription(request, "profile-subscription-bulk-delete-job", "UNSUBSCRIBED", UNSUBSCRIBED_MAX)
}

fn subscription(request: &Recorded, kind: &str, consent: &str, profiles_max: usize) -> VendorAnswer {
    let body = match body(request, kind) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    if let Some(answer) = list_error(&body["data"]["relationships"]["list"]["data"]) {
        return answer;
    }
    let attributes = &body["data"]["attributes"];
    let is_historical = attributes["historical_import"] == true;
    let profiles = items(&attributes["profiles"]["data"]);
    let mut errors = Vec::new();
    if profiles.is_empty() || profiles.len() > profiles_max {
        errors.extend(wrong("/data/attributes/profiles", format!("{} profiles of {profiles_max}", profiles.len())));
    }
    for (number, profile) in profiles.iter().enumerate() {
        let at = format!("/data/attributes/profiles/data/{number}/attributes");
        let profile = &profile["attributes"];
        let channels = [("email", "email"), ("sms", "phone_number")];
        let subscriptions = profile["subscriptions"].as_object();
        let named = channels.iter().filter(|(channel, _)| subscriptions.is_some_and(|all| all.contains_key(*channel)));
        for (channel, identifier) in named.clone() {
            let marketing = &profile["subscriptions"][channel]["marketing"];
            if marketing["consent"] != consent {
                errors.extend(wrong(&format!("{at}/subscriptions/{channel}"), format!("is not {consent}")));
            }
            if marketing.get("consented_at").is_some() != is_historical {
                errors.extend(wrong(
                    &format!("{at}/subscriptions/{channel}/consented_at"),
                    "goes with historical_import",
                ));
            }
            if !profile[identifier].is_string() {
                let detail = format!("'{identifier}' must not be empty when the {channel} channel is included");
                errors.extend(wrong(&format!("{at}/{identifier}"), detail));
            }
        }
        if named.count() == 0 {
            errors.extend(wrong(&format!("{at}/subscriptions"), "names no channel"));
        }
        errors.extend(identifiers_error(&at, profile));
    }
    accepted(202, "", errors)
}

/// A list that is not there.
fn list_error(list: &Value) -> Option<VendorAnswer> {
    let id = list["id"].as_str()?;
    (id == UNKNOWN_LIST).then(|| {
        let mut answer = refused(404, "/data/relationships/list/data/id", "A list with that id does not exist.", true);
        answer.violations.clear();
        answer
    })
}

/// The body, where the request as such is in order.
fn body(request: &Recorded, kind: &str) -> Result<Value, VendorAnswer> {
    let key = request.header("authorization").and_then(|value| value.strip_prefix("Klaviyo-API-Key "));
    if key.unwrap_or_default().trim().is_empty() {
        return Err(refused(401, "/data/", "Authentication credentials were not provided.", true));
    }
    if request.header("revision").is_none_or(|revision| revision.len() < 10) {
        return Err(refused(400, "/data/", "A revision header is required.", true));
    }
    if !["application/vnd.api+json", "application/json"].iter().any(|kind| header_is(request, "content-type", kind)) {
        return Err(refused(415, "/data/", "Unsupported media type in request.", true));
    }
    let content = request.content();
    if content.len() > BODY_BYTES_MAX {
        return Err(refused(413, "/data/", "The request is larger than 5 MB.", true));
    }
    if String::from_utf8_lossy(&content).contains(TOO_MANY_REQUESTS) {
        let mut answer = refused(429, "/data/", "Request was throttled. Expected available in 1 second.", false);
        answer.headers.push(("retry-after".to_string(), "1".to_string()));
        return Err(answer);
    }
    let body = request.json();
    if body["data"]["type"] != kind || !body["data"]["attributes"].is_object() {
        return Err(refused(400, "/data/type", &format!("is not {kind}"), true));
    }
    Ok(body)
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn event_error(at: &str, event: &Value) -> Option<Wrong> {
    let name = event["metric"]["data"]["attributes"]["name"].as_str().unwrap_or_default();
    if name.is_empty() || name.chars().count() > METRIC_CHARACTERS_MAX {
        return wrong(&format!("{at}/metric/data/attributes/name"), "must have 1 to 127 characters");
    }
    let fields = event.as_object()?;
    if let Some(unknown) = fields.keys().find(|name| !EVENT_FIELDS.contains(&name.as_str())) {
        return wrong(
            &format!("{at}/{unknown}"),
            format!("'{unknown}' is not a valid field for the resource 'event'."),
        );
    }
    let Some(properties) = event["properties"].as_object() else {
        return wrong(&format!("{at}/properties"), "is required");
    };
    if properties.len() > PROPERTIES_MAX || !fits(&event["properties"], 1) {
        return wrong(&format!("{at}/properties"), "is too large");
    }
    let time_ms = event["time"].as_str().and_then(time_ms).unwrap_or_default();
    if !(TIME_MS_MIN..=now_ms() + YEAR_MS).contains(&time_ms) {
        return wrong(&format!("{at}/time"), "must be a time between 1990 and a year ahead");
    }
    let value = event.get("value");
    if value.is_some_and(|value| !value.is_number()) {
        return wrong(&format!("{at}/value"), "is not a number");
    }
    let is_code = |code: &Value| code.as_str().is_some_and(|code| code.len() == 3 && code.to_uppercase() == code);
    if event.get("value_currency").is_some_and(|code| !is_code(code)) {
        return wrong(&format!("{at}/value_currency"), "is not an ISO 4217 code");
    }
    if event["unique_id"].as_str().is_none_or(str::is_empty) {
        return wrong(&format!("{at}/unique_id"), "without it one event is kept a second");
    }
    None
}

/// Whether texts, lists and nesting keep the bounds.
fn fits(value: &Value, depth: usize) -> bool {
    match value {
        Value::String(text) => text.len() <= TEXT_BYTES_MAX,
        Value::Array(list) => {
            depth <= DEPTH_MAX && list.len() <= ELEMENTS_MAX && list.iter().all(|value| fits(value, depth + 1))
        }
        Value::Object(members) => depth <= DEPTH_MAX && members.values().all(|value| fits(value, depth + 1)),
        _ => true,
    }
}

/// Milliseconds since 1970 of `2023-11-14T22:13:20.000Z`, to the day.
fn time_ms(text: &str) -> Option<u64> {
    let mut parts = text.get(..10)?.split('-').map(str::parse::<u64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let is_time = text.as_bytes().get(10) == Some(&b'T') && text.ends_with('Z') && (20..=24).contains(&text.len());
    (is_time && year >= 1970).then(|| (((year - 1970) * 1_461 / 4) + (month - 1) * 30 + day - 1) * 86_400_000)
}

/// A profile of an event may have an anonymous_id, and its meta among the attributes.
fn profile_error(at: &str, profile: &Value, is_of_event: bool) -> Option<Wrong> {
    if profile["type"] != "profile" {
        return wrong(&format!("{at}/type"), "is not profile");
    }
    let attributes = &profile["attributes"];
    let at = format!("{at}/attributes");
    let known = |name: &str| PROFILE_FIELDS.contains(&name) || is_of_event && ["anonymous_id", "meta"].contains(&name);
    if let Some(unknown) = attributes.as_object()?.keys().find(|name| !known(name)) {
        return wrong(
            &format!("{at}/{unknown}"),
            format!("'{unknown}' is not a valid field for the resource 'profile'."),
        );
    }
    let identifiers = ["email", "phone_number", "external_id", "_kx"];
    let is_known = identifiers.iter().any(|name| attributes[*name].is_string()) || profile["id"].is_string();
    if !(is_known || is_of_event && attributes["anonymous_id"].is_string()) {
        return wrong(&at, "One of 'id', 'email', 'phone_number', 'external_id' is required.");
    }
    let texts = PROFILE_FIELDS.iter().filter(|name| !["location", "properties"].contains(*name));
    if let Some(name) = texts.copied().find(|name| !attributes[*name].is_string() && !attributes[*name].is_null()) {
        return wrong(&format!("{at}/{name}"), "is not a string");
    }
    let location = attributes["location"].as_object();
    if let Some(name) = location.and_then(|fields| fields.keys().find(|name| !LOCATION_FIELDS.contains(&name.as_str())))
    {
        return wrong(&format!("{at}/location/{name}"), "is not a valid field");
    }
    identifiers_error(&at, attributes)
}

fn identifiers_error(at: &str, attributes: &Value) -> Option<Wrong> {
    let is_email = |text: &str| {
        let parts = text.rsplit_once('@');
        parts.is_some_and(|(local, host)| !local.is_empty() && host.contains('.') && !text.contains(' '))
            && text.is_ascii()
    };
    if attributes["email"].as_str().is_some_and(|text| !is_email(text)) {
        return wrong(&format!("{at}/email"), "Invalid email address");
    }
    let is_number = |text: &str| {
        let digits = text.strip_prefix('+').unwrap_or_default();
        (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0')
    };
    if attributes["phone_number"].as_str().is_some_and(|text| !is_number(text)) {
        return wrong(
            &format!("{at}/phone_number"),
            "Invalid phone number format (Example of a valid format: +12345678901)",
        );
    }
    let id = attributes["external_id"].as_str().unwrap_or_default();
    if id.chars().count() > EXTERNAL_ID_CHARACTERS_MAX {
        return wrong(&format!("{at}/external_id"), "has more than 255 characters");
    }
    None
}

fn accepted(status: u16, body: &str, errors: Vec<Wrong>) -> VendorAnswer {
    if errors.is_empty() {
        let mut answer = answered(status, body.to_string(), Vec::new());
        for (name, value) in [("ratelimit-limit", "150"), ("ratelimit-remaining", "149"), ("ratelimit-reset", "60")] {
            answer.headers.push((name.to_string(), value.to_string()));
        }
        return answer;
    }
    let all: Vec<Value> = errors.iter().map(|error| said(400, &error.pointer, &error.detail)).collect();
    let violations = errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
    answered(400, json!({"errors": all}).to_string(), violations)
}

fn refused(status: u16, pointer: &str, detail: &str, is_violation: bool) -> VendorAnswer {
    let violations = is_violation.then(|| detail.to_string()).into_iter().collect();
    answered(status, json!({"errors": [said(status, pointer, detail)]}).to_string(), violations)
}

fn said(status: u16, pointer: &str, detail: &str) -> Value {
    let code = match status {
        401 => "not_authenticated",
        404 => "not_found",
        429 => "throttled",
        _ => "invalid",
    };
    json!({"id": "e-1", "status": status, "code": code, "title": "Invalid input.", "detail": detail,
           "source": {"pointer": pointer}, "links": {}, "meta": {}})
}

fn answered(status: u16, body: String, violations: Vec<String>) -> VendorAnswer {
    let headers = vec![("content-type".to_string(), "application/vnd.api+json".to_string())];
    VendorAnswer { status, headers, body, violations }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{events, profile, subscribe};
    use crate::stand_in::Recorded;
    use crate::vendors::{VendorAnswer, request};

    fn sent(body: &Value) -> Recorded {
        let headers = [
            ("authorization", "Klaviyo-API-Key pk_1"),
            ("revision", "2026-07-15"),
            ("content-type", "application/vnd.api+json"),
        ];
        request("/", "", &headers, &body.to_string())
    }

    fn event(unique_id: &str) -> Value {
        let metric = json!({"data": {"type": "metric", "attributes": {"name": "Viewed Product"}}});
        let event = json!({"metric": metric, "properties": {}, "time": "2023-11-14T22:13:20Z", "unique_id": unique_id});
        let profile = json!({"data": {"type": "profile", "attributes": {"email": "sarah.mason@klaviyo-demo.com"}}});
        json!({"type": "event-bulk-create", "attributes": {
            "profile": profile, "events": {"data": [{"type": "event", "attributes": event}]}}})
    }

    fn job(records: &[Value]) -> VendorAnswer {
        let list = json!({"data": records});
        events(&sent(&json!({"data": {"type": "event-bulk-create-job", "attributes": {"events-bulk-create": list}}})))
    }

    fn pointers(answer: &VendorAnswer) -> Vec<String> {
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let errors = body["errors"].as_array().unwrap();
        errors.iter().map(|error| error["source"]["pointer"].as_str().unwrap().to_string()).collect()
    }

    #[test]
    fn a_job_is_taken_whole() {
        let answer = job(&[event("m-1"), event("m-2")]);
        assert_eq!((answer.status, answer.body.as_str(), answer.violations.len()), (202, "", 0));
    }

    #[test]
    fn an_event_that_is_there_twice_costs_the_job() {
        let answer = job(&[event("m-1"), event("m-1")]);
        assert_eq!(answer.status, 400);
        let at = "/data/attributes/events-bulk-create/data/1/attributes/events/data/0/attributes/unique_id";
        assert_eq!(pointers(&answer), [at]);
    }

    #[test]
    fn an_event_at_fault_is_named_by_its_place() {
        let mut bad = event("m-2");
        bad["attributes"]["profile"]["data"]["attributes"]["phone_number"] = "0151".into();
        let answer = job(&[event("m-1"), bad]);
        let at = "/data/attributes/events-bulk-create/data/1/attributes/profile/data/attributes/phone_number";
        assert_eq!((answer.status, pointers(&answer)), (400, vec![at.to_string()]));
    }

    #[test]
    fn a_job_has_at_most_1000_events() {
        let records: Vec<Value> = (0..1_001).map(|number| event(&format!("m-{number}"))).collect();
        assert_eq!(job(&records[1..]).status, 202);
        assert_eq!(job(&records).status, 400);
    }

    #[test]
    fn without_key_or_revision_nothing_is_read() {
        assert_eq!(events(&request("/", "", &[], "{}")).status, 401);
        let headers = [("authorization", "Klaviyo-API-Key pk_1")];
        assert_eq!(events(&request("/", "", &headers, "{}")).status, 400);
    }

    #[test]
    fn a_profile_has_no_anonymous_id() {
        let answer =
            |attributes: Value| profile(&sent(&json!({"data": {"type": "profile", "attributes": attributes}})));
        assert_eq!(answer(json!({"email": "a@example.com"})).status, 201);
        assert_eq!(answer(json!({"email": "a@example.com", "anonymous_id": "a-1"})).status, 400);
        assert_eq!(answer(json!({"first_name": "Ana"})).status, 400);
        let shared = json!({"external_id": "klaviyo-409", "phone_number": "+15005550006"});
        assert_eq!(answer(shared).status, 409);
        assert_eq!(answer(json!({"external_id": "klaviyo-409"})).status, 201);
    }

    #[test]
    fn a_subscription_names_the_channel_and_what_it_reaches() {
        let answer = |profile: Value| {
            let profiles = json!({"data": [{"type": "profile", "attributes": profile}]});
            let attributes = json!({"profiles": profiles});
            let kind = "profile-subscription-bulk-create-job";
            subscribe(&sent(&json!({"data": {"type": kind, "attributes": attributes}}))).status
        };
        let sms = json!({"sms": {"marketing": {"consent": "SUBSCRIBED"}}});
        assert_eq!(answer(json!({"phone_number": "+15005550006", "subscriptions": sms})), 202);
        assert_eq!(answer(json!({"email": "a@example.com", "subscriptions": sms})), 400);
        assert_eq!(answer(json!({"email": "a@example.com"})), 400);
    }
}
