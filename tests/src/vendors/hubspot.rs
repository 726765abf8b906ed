//! HubSpot: upserts that answer 207 for the records they refuse, a search, companies one by one, links,
//! custom events of which one that is wrong spoils the batch, and access tokens.
//!
//! Nothing is kept: ids are made of what records are known by. The search finds the domains, and an
//! update the contacts, that begin with `known`.

use serde_json::{Map, Value, json};

use super::{VendorAnswer, header_is, query};
use crate::stand_in::Recorded;

/// The properties that the account has; so has it all that begin with `custom_`.
const CONTACT_PROPERTIES: &str = "email firstname lastname phone mobilephone fax address city state zip country \
    company website jobtitle lifecyclestage hs_legal_basis shop_user_id plan date_of_birth";
const COMPANY_PROPERTIES: &str = "name domain website description phone address city state zip country \
    numberofemployees lifecyclestage industry shop_group_id";
const STAGES: &str = "subscriber lead marketingqualifiedlead salesqualifiedlead opportunity customer evangelist other";

/// What the token endpoint gives.
pub const ACCESS_TOKEN: &str = "stand-in-access-token";

fn has(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|known| known == word)
}

/// The answer to any call below /hubspot.
pub(super) fn answer(request: &Recorded) -> VendorAnswer {
    if request.path == "/hubspot/oauth/2026-03/token" {
        return access_token(request);
    }
    if !header_is(request, "authorization", "Bearer ") {
        return refused(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.");
    }
    let path = request.path.strip_prefix("/hubspot").unwrap_or(&request.path);
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (request.method.as_str(), &parts[..]) {
        ("POST", ["events", "v3", "send", "batch"]) => events(request),
        ("POST", ["crm", "v3", "objects", "contacts", "batch", "upsert"]) => upsert(request, CONTACT_PROPERTIES),
        ("POST", ["crm", "v3", "objects", "companies", "batch", "upsert"]) => upsert(request, COMPANY_PROPERTIES),
        ("POST", ["crm", "v3", "objects", "companies", "search"]) => search(request),
        ("POST", ["crm", "v3", "objects", "companies"]) => company(request, None),
        ("PATCH", ["crm", "v3", "objects", "companies", id]) => company(request, Some(id)),
        ("POST", ["crm", "v3", "objects", "contacts"]) => contact(request, None),
        ("PATCH", ["crm", "v3", "objects", "contacts", id]) => contact(request, Some(id)),
        ("PUT", ["crm", "v4", "objects", "contacts", contact, "associations", "default", "companies", company]) => {
            link(contact, company)
        }
        ("POST", ["crm", "v4", "associations", "contacts", "companies", "batch", "associate", "default"]) => {
            links(request)
        }
        (method, _) => refused(404, "OBJECT_NOT_FOUND", &format!("nothing here answers {method} {path}")),
    }
}

/// POST /oauth/2026-03/token: all of it in the form, nothing in the URL or a header.
fn access_token(request: &Recorded) -> VendorAnswer {
    let form = String::from_utf8_lossy(&request.body);
    let has = |name: &str| {
        form.split('&').filter_map(|pair| pair.split_once('=')).any(|(key, value)| key == name && !value.is_empty())
    };
    let missing = ["client_id", "client_secret", "refresh_token"].into_iter().find(|name| !has(name));
    let refusal = match missing {
        _ if request.method != "POST" || !header_is(request, "content-type", "application/x-www-form-urlencoded") => {
            "no form was posted".to_string()
        }
        _ if !request.query.is_empty() || request.header("authorization").is_some() => {
            "parameters belong into the body".to_string()
        }
        _ if !form.split('&').any(|pair| pair == "grant_type=refresh_token") => "unknown grant_type".to_string(),
        Some(name) => format!("missing {name}"),
        None => {
            let body = json!({"token_use": "access_token", "token_type": "bearer", "access_token": ACCESS_TOKEN,
                "refresh_token": "stand-in-refresh", "expires_in": 1_800, "hub_id": 1_234_567});
            return answered(200, &body, Vec::new());
        }
    };
    refused(400, "VALIDATION_ERROR", &refusal)
}

fn answered(status: u16, body: &Value, violations: Vec<String>) -> VendorAnswer {
    let header = |name: &str, value: &str| (name.to_string(), value.to_string());
    VendorAnswer {
        status,
        headers: vec![
            header("content-type", "application/json"),
            header("x-hubspot-ratelimit-max", "190"),
            header("x-hubspot-ratelimit-remaining", "189"),
            header("x-hubspot-ratelimit-interval-milliseconds", "10000"),
        ],
        body: if status == 204 { String::new() } else { body.to_string() },
        violations,
    }
}

fn refused(status: u16, category: &str, message: &str) -> VendorAnswer {
    let body = json!({"status": "error", "message": message, "correlationId": "stand-in", "category": category});
    answered(status, &body, vec![message.to_string()])
}

fn invalid(message: &str) -> VendorAnswer {
    refused(400, "VALIDATION_ERROR", message)
}

/// The records of a body, where they are as many as the vendor takes.
fn inputs(request: &Recorded, inputs_max: usize) -> Result<Vec<Value>, VendorAnswer> {
    if !header_is(request, "content-type", "application/json") {
        return Err(refused(415, "VALIDATION_ERROR", "the content type is not application/json"));
    }
    let body = request.json();
    let Some(inputs) = body.get("inputs").and_then(Value::as_array) else {
        return Err(invalid("Invalid input JSON: inputs is missing"));
    };
    if inputs.is_empty() || inputs.len() > inputs_max {
        return Err(invalid(&format!("{} inputs of 1 to {inputs_max}", inputs.len())));
    }
    Ok(inputs.clone())
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// POST .../batch/upsert: with a trace id on each input those that are right are written, without one
/// none is. The answer does not keep the order.
fn upsert(request: &Recorded, known: &str) -> VendorAnswer {
    let inputs = match inputs(request, 100) {
        Ok(inputs) => inputs,
        Err(refused) => return refused,
    };
    let ids: Vec<&str> = inputs.iter().map(|input| text(input, "id")).collect();
    let repeated = |id: &&&str| ids.iter().filter(|other| other.eq_ignore_ascii_case(id)).count() > 1;
    if let Some(id) = ids.iter().find(repeated) {
        return invalid(&format!("Duplicate IDs found in batch input: [{id}]. IDs must be unique"));
    }
    let traced = inputs.iter().all(|input| !text(input, "objectWriteTraceId").is_empty());
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for input in inputs.iter().rev() {
        let trace_id = text(input, "objectWriteTraceId");
        match input_error(input, known) {
            Some(message) => errors.push(json!({
                "status": "error", "category": "VALIDATION_ERROR", "message": message,
                "context": {"objectWriteTraceId": [trace_id]},
            })),
            None => results.push(json!({
                "id": id_of(text(input, "id")), "new": false, "archived": false, "objectWriteTraceId": trace_id,
                "properties": input["properties"], "createdAt": "2024-01-01T00:00:00Z", "updatedAt": "2024-01-01T00:00:00Z",
            })),
        }
    }
    let violations: Vec<String> = errors.iter().map(|error| text(error, "message").to_string()).collect();
    match violations.first() {
        None => answered(200, &json!({"status": "COMPLETE", "results": results}), Vec::new()),
        Some(message) if !traced => invalid(message),
        Some(_) => {
            let body = json!({"status": "COMPLETE", "results": results, "numErrors": errors.len(), "errors": errors});
            answered(207, &body, violations)
        }
    }
}

/// An id as the vendor's look: digits, always the same for the same record.
fn id_of(known_by: &str) -> String {
    let hash = known_by.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    (1_000_000 + hash % 1_000_000_000).to_string()
}

fn input_error(input: &Value, known: &str) -> Option<String> {
    let (id, id_property) = (text(input, "id"), text(input, "idProperty"));
    if id.is_empty() {
        return Some("id is missing".to_string());
    }
    if id_property == "email" && !is_email(id) {
        return Some(property_error("email", "INVALID_EMAIL", &format!("Email address {id} is invalid")));
    }
    if !has("email shop_user_id shop_group_id", id_property) || !has(known, id_property) {
        return Some(format!("Unable to perform update/upsert by non-unique property {id_property}"));
    }
    properties_error(input.get("properties").and_then(Value::as_object), known)
}

/// What is wrong with the properties of a record, in the vendor's words.
fn properties_error(properties: Option<&Map<String, Value>>, known: &str) -> Option<String> {
    let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
        return Some("properties are missing".to_string());
    };
    properties.iter().find_map(|(name, value)| {
        let Some(value) = value.as_str() else {
            return Some(format!("{name} is no text"));
        };
        if !has(known, name) && !name.starts_with("custom_") {
            let message = format!("Property \"{name}\" does not exist");
            return Some(property_error(name, "PROPERTY_DOESNT_EXIST", &message));
        }
        let wrong = match name.as_str() {
            "email" if !value.is_empty() && !is_email(value) => "INVALID_EMAIL",
            "lifecyclestage" if !value.is_empty() && !has(STAGES, value) => "INVALID_OPTION",
            "numberofemployees" if !value.is_empty() && value.parse::<f64>().is_err() => "INVALID_INTEGER",
            _ if value.chars().count() > 65_536 => "INVALID_LENGTH",
            _ => return None,
        };
        Some(property_error(name, wrong, &format!("{value} was not valid")))
    })
}

/// The vendor writes what is wrong with which property as JSON into the text.
fn property_error(name: &str, error: &str, message: &str) -> String {
    let wrong = json!([{"isValid": false, "message": message, "error": error, "name": name}]);
    format!("Property values were not valid: {wrong}")
}

fn is_email(text: &str) -> bool {
    let is_lower = text.to_lowercase() == text;
    let Some((local, domain)) = text.split_once('@') else { return false };
    is_lower
        && !local.is_empty()
        && domain.contains('.')
        && !domain.contains('@')
        && !text.contains(char::is_whitespace)
}

/// POST .../companies/search: by `domain`, with EQ.
fn search(request: &Recorded) -> VendorAnswer {
    let filter = request.json().pointer("/filterGroups/0/filters/0").cloned().unwrap_or_default();
    if text(&filter, "propertyName") != "domain" || text(&filter, "operator") != "EQ" {
        return invalid("There was a problem with the request.");
    }
    let domain = text(&filter, "value");
    if domain.is_empty() || domain.contains('/') || domain.to_lowercase() != domain {
        return invalid("There was a problem with the request: no domain to search for");
    }
    let found: Vec<Value> = domain
        .starts_with("known")
        .then(|| json!({"id": id_of(domain), "properties": {"domain": domain}}))
        .into_iter()
        .collect();
    // Answers to a search tell no rates.
    let answer = answered(200, &json!({"total": found.len(), "results": found}), Vec::new());
    VendorAnswer { headers: answer.headers.into_iter().take(1).collect(), ..answer }
}

/// POST .../companies, and PATCH .../companies/{id}.
fn company(request: &Recorded, id: Option<&str>) -> VendorAnswer {
    let body = request.json();
    let properties = body.get("properties").and_then(Value::as_object);
    if let Some(message) = properties_error(properties, COMPANY_PROPERTIES) {
        return invalid(&message);
    }
    match id {
        Some(id) if !is_id(id) => refused(404, "OBJECT_NOT_FOUND", "resource not found"),
        Some(id) => answered(200, &json!({"id": id, "properties": body["properties"]}), Vec::new()),
        None => {
            let names = ["domain", "name"].map(|name| body.pointer(&format!("/properties/{name}")).is_some());
            if !names.contains(&true) {
                return invalid("a company needs name or domain");
            }
            let id = id_of(text(&body["properties"], "domain"));
            answered(201, &json!({"id": id, "properties": body["properties"]}), Vec::new())
        }
    }
}

/// POST .../contacts, and PATCH .../contacts/{id}?idProperty=...
fn contact(request: &Recorded, id: Option<&str>) -> VendorAnswer {
    let body = request.json();
    if let Some(message) = properties_error(body.get("properties").and_then(Value::as_object), CONTACT_PROPERTIES) {
        return invalid(&message);
    }
    let email = text(&body["properties"], "email");
    match id {
        Some(_) if query(request, "idProperty").is_none_or(str::is_empty) => invalid("idProperty is missing"),
        Some(id) if !id.starts_with("known") => refused(404, "OBJECT_NOT_FOUND", "resource not found"),
        Some(id) => answered(200, &json!({"id": id_of(id), "properties": body["properties"]}), Vec::new()),
        None if email.starts_with("known") => {
            refused(409, "CONFLICT", &format!("Contact already exists. Existing ID: {}", id_of(email)))
        }
        None => answered(201, &json!({"id": id_of(email), "properties": body["properties"]}), Vec::new()),
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn link(contact: &str, company: &str) -> VendorAnswer {
    if !is_id(contact) || !is_id(company) {
        return refused(404, "OBJECT_NOT_FOUND", "resource not found");
    }
    let pair = json!({"from": {"id": contact}, "to": {"id": company}});
    answered(200, &json!({"status": "COMPLETE", "results": [pair]}), Vec::new())
}

/// POST .../batch/associate/default.
fn links(request: &Recorded) -> VendorAnswer {
    let inputs = match inputs(request, 2_000) {
        Ok(inputs) => inputs,
        Err(refused) => return refused,
    };
    let ends = |input: &Value| ["from", "to"].map(|end| text(&input[end], "id").to_string());
    if let Some(wrong) = inputs.iter().find(|input| ends(input).iter().any(|id| !is_id(id))) {
        return invalid(&format!("no pair of ids: {wrong}"));
    }
    answered(200, &json!({"status": "COMPLETE", "results": inputs}), Vec::new())
}

/// POST /events/v3/send/batch: 204 and no body, or 400 for all.
fn events(request: &Recorded) -> VendorAnswer {
    let inputs = match inputs(request, 500) {
        Ok(inputs) => inputs,
        Err(refused) => return refused,
    };
    match inputs.iter().find_map(event_error) {
        Some(message) => invalid(&message),
        None => answered(204, &Value::Null, Vec::new()),
    }
}

fn event_error(event: &Value) -> Option<String> {
    let name = text(event, "eventName");
    let own = name.strip_prefix("pe").and_then(|rest| rest.split_once('_'));
    if !own.is_some_and(|(hub_id, own)| is_id(hub_id) && is_event_name(own)) || name.ends_with("_undefined") {
        return Some(format!("no event {name} is defined"));
    }
    let is_known = ["email", "objectId", "utk"].iter().any(|who| !text(event, who).is_empty());
    let Some(properties) = event.get("properties").and_then(Value::as_object) else {
        return Some(format!("{name}: properties are missing"));
    };
    if !is_known && !properties.contains_key("shop_user_id") {
        return Some(format!("{name}: neither email nor objectId nor utk"));
    }
    let email = text(event, "email");
    if !email.is_empty() && !is_email(email) {
        return Some(format!("{name}: Email address {email} is invalid"));
    }
    let occurred_at = text(event, "occurredAt");
    if occurred_at.len() < 20 || !occurred_at.ends_with('Z') || occurred_at.as_bytes()[10] != b'T' {
        return Some(format!("{name}: occurredAt is no time: {occurred_at}"));
    }
    let uuid = text(event, "uuid");
    if uuid.len() != 36 || !uuid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()) {
        return Some(format!("{name}: uuid is none: {uuid}"));
    }
    if properties.len() > 50 {
        return Some(format!("{name}: {} properties of 50", properties.len()));
    }
    properties.iter().find_map(|(property, value)| event_property_error(name, property, value))
}

fn event_property_error(event: &str, name: &str, value: &Value) -> Option<String> {
    if !is_event_name(name) {
        return Some(format!("{event}: {name} is no name of a property"));
    }
    let long = ["url", "referrer", "link"].iter().any(|part| name.contains(part));
    let characters_max = if long { 1_024 } else { 256 };
    match value.as_str() {
        None => Some(format!("{event}: {name} is no text")),
        Some(value) if value.chars().count() > characters_max => {
            Some(format!("{event}: {name} has more than {characters_max} characters"))
        }
        Some(_) => None,
    }
}

fn is_event_name(name: &str) -> bool {
    name.len() <= 50
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::answer;
    use crate::stand_in::Recorded;
    use crate::vendors::{VendorAnswer, request};

    const HEADERS: [(&str, &str); 2] = [("authorization", "Bearer pat"), ("content-type", "application/json")];

    fn sent(method: &str, path: &str, body: &Value) -> VendorAnswer {
        let recorded = request(&format!("/hubspot{path}"), "", &HEADERS, &body.to_string());
        answer(&Recorded { method: method.to_string(), ..recorded })
    }

    fn contact(id: &str, trace_id: &str, properties: Value) -> Value {
        json!({"id": id, "idProperty": "email", "objectWriteTraceId": trace_id, "properties": properties})
    }

    fn event(name: &str, properties: Value) -> Value {
        json!({"eventName": name, "email": "a@b.de", "occurredAt": "2024-01-01T00:00:00Z",
               "uuid": "7c0b3f1e-58a2-4c2b-9a4e-1f0c7b3d9e11", "properties": properties})
    }

    #[test]
    fn a_record_that_is_wrong_is_named_by_its_trace_id() {
        let path = "/crm/v3/objects/contacts/batch/upsert";
        let good = contact("a@b.de", "0", json!({"firstname": "A"}));
        let bad = contact("c@b.de", "1", json!({"missing": "1"}));
        let answer = sent("POST", path, &json!({"inputs": [good.clone(), bad]}));
        assert_eq!(answer.status, 207);
        assert!(answer.body.contains(r#""objectWriteTraceId":["1"]"#), "{}", answer.body);
        assert!(answer.body.contains("PROPERTY_DOESNT_EXIST"), "{}", answer.body);
        assert_eq!(answer.violations.len(), 1);
        let untraced = contact("c@b.de", "", json!({"missing": "1"}));
        assert_eq!(sent("POST", path, &json!({"inputs": [good.clone(), untraced]})).status, 400);
        assert_eq!(sent("POST", path, &json!({"inputs": [good.clone(), good.clone()]})).status, 400);
        assert_eq!(sent("POST", path, &json!({"inputs": [good]})).status, 200);
    }

    #[test]
    fn records_and_events_are_counted() {
        let check = |path: &str, input: &dyn Fn(usize) -> Value, inputs: usize, status: u16| {
            let inputs: Vec<Value> = (0..inputs).map(input).collect();
            assert_eq!(sent("POST", path, &json!({"inputs": inputs})).status, status, "{path} {}", inputs.len());
        };
        let contact = |number: usize| contact(&format!("u{number}@b.de"), &number.to_string(), json!({"phone": "1"}));
        let event = |_: usize| event("pe1_a", json!({}));
        check("/crm/v3/objects/contacts/batch/upsert", &contact, 100, 200);
        check("/crm/v3/objects/contacts/batch/upsert", &contact, 101, 400);
        check("/events/v3/send/batch", &event, 500, 204);
        check("/events/v3/send/batch", &event, 501, 400);
    }

    #[test]
    fn one_event_that_is_wrong_spoils_the_batch() {
        let check = |wrong: Value, status: u16| {
            let body = json!({"inputs": [event("pe1_a", json!({})), wrong]});
            assert_eq!(sent("POST", "/events/v3/send/batch", &body).status, status, "{body}");
        };
        check(event("pe1_a", json!({"x": "1"})), 204);
        check(event("order", json!({})), 400);
        check(event("pe1_undefined", json!({})), 400);
        check(event("pe1_a", json!({"x": 1})), 400);
        check(event("pe1_a", json!({"X": "1"})), 400);
        check(event("pe1_a", json!({"x": "1".repeat(256), "x_url": "1".repeat(1_024)})), 204);
        check(event("pe1_a", json!({"x": "1".repeat(257)})), 400);
        check(json!({"eventName": "pe1_a", "properties": {}}), 400);
    }

    #[test]
    fn a_company_is_found_or_made_and_linked() {
        let search = |domain: &str| {
            let filter = json!({"propertyName": "domain", "operator": "EQ", "value": domain});
            sent("POST", "/crm/v3/objects/companies/search", &json!({"filterGroups": [{"filters": [filter]}]}))
        };
        assert!(search("known.example").body.contains(r#""total":1"#));
        assert!(search("other.example").body.contains(r#""total":0"#));
        assert_eq!(search("https://x.example/").status, 400);
        let body = json!({"properties": {"domain": "other.example"}});
        assert_eq!(sent("POST", "/crm/v3/objects/companies", &body).status, 201);
        assert_eq!(sent("PATCH", "/crm/v3/objects/companies/7", &body).status, 200);
        assert_eq!(sent("PATCH", "/crm/v3/objects/companies/7", &json!({"properties": {"x": "1"}})).status, 400);
        let link = "/crm/v4/objects/contacts/1/associations/default/companies/7";
        assert_eq!(sent("PUT", link, &Value::Null).status, 200);
        let pair = json!({"inputs": [{"from": {"id": "1"}, "to": {"id": "7"}}]});
        let links = "/crm/v4/associations/contacts/companies/batch/associate/default";
        assert_eq!(sent("POST", links, &pair).status, 200);
    }

    #[test]
    fn a_contact_is_updated_or_made() {
        let check = |method: &str, path: &str, query: &str, status: u16| {
            let body = r#"{"properties":{"email":"known@b.de"}}"#;
            let recorded = request(&format!("/hubspot/crm/v3/objects/contacts{path}"), query, &HEADERS, body);
            let answer = answer(&Recorded { method: method.to_string(), ..recorded });
            assert_eq!(answer.status, status, "{path} {}", answer.body);
        };
        check("PATCH", "/known%40b.de", "idProperty=email", 200);
        check("PATCH", "/known%40b.de", "", 400);
        check("PATCH", "/other%40b.de", "idProperty=email", 404);
        check("POST", "", "", 409);
    }

    #[test]
    fn a_token_is_given_for_a_whole_form() {
        let check = |content_type: &str, query: &str, body: &str, status: u16| {
            let headers = [("content-type", content_type)];
            let answer = answer(&request("/hubspot/oauth/2026-03/token", query, &headers, body));
            assert_eq!(answer.status, status, "{body}: {}", answer.body);
        };
        let form = "application/x-www-form-urlencoded";
        check(form, "", "grant_type=refresh_token&refresh_token=r&client_id=i&client_secret=s", 200);
        check(form, "client_id=i", "grant_type=refresh_token&refresh_token=r&client_id=i&client_secret=s", 400);
        check(form, "", "grant_type=refresh_token&refresh_token=r&client_id=i", 400);
        check(form, "", "grant_type=client_credentials&refresh_token=r&client_id=i&client_secret=s", 400);
        check("application/json", "", "grant_type=refresh_token&refresh_token=r&client_id=i&client_secret=s", 400);
    }

    #[test]
    fn without_a_token_nothing_is_taken() {
        let answer = answer(&request("/hubspot/events/v3/send/batch", "", &HEADERS[1..], "{}"));
        assert_eq!(answer.status, 401);
        assert!(answer.body.contains("INVALID_AUTHENTICATION"), "{}", answer.body);
    }
}
