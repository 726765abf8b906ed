//! A plan laid out by field, so that two can be compared and each field named: the requests by key,
//! the body as JSON or form where it is one, secrets by the name of their setting. Nothing of a secret
//! is in it.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::handles::Handles;
use super::plan::{Auth, Fate, Plan, Request};

/// The fields of a plan: `{"requests": {"<key>": {"method", "url", "query", "headers", "auth",
/// "body", "lanes"}}, "fate": "..."}`; what a request does not have is left out, and so is `fate` when
/// there is none.
pub fn sheet(plan: &Plan, handles: &Handles) -> Value {
    let mut requests = Map::new();
    for request in &plan.requests {
        let name = if request.key.is_empty() { "request" } else { &request.key };
        let same = requests.keys().filter(|known| known.split('#').next() == Some(name)).count();
        let name = if same == 0 { name.to_string() } else { format!("{name}#{}", same + 1) };
        requests.insert(name, fields(request, handles));
    }
    let mut sheet = json!({"requests": requests});
    if let Some((_, fate)) = plan.fates.first() {
        sheet["fate"] = match fate {
            Fate::Skip(reason) => json!(format!("skipped: {reason}")),
            Fate::Reject(reason) => json!(format!("rejected: {reason}")),
            Fate::DeferUntilMs(until_ms) => json!(format!("deferred until {until_ms}")),
        };
    }
    sheet
}

fn fields(request: &Request, handles: &Handles) -> Value {
    let shown = |text: &str| without_handles(text, handles);
    let (url, query) = match request.url.split_once('?') {
        Some((url, query)) => (url, form(query)),
        None => (&request.url[..], Map::new()),
    };
    let mut fields = json!({"method": request.method, "url": shown(url)});
    let mut headers = Map::new();
    for (name, value) in &request.headers {
        headers.insert(name.to_ascii_lowercase(), shown(value).into());
    }
    let content_type = headers.get("content-type").and_then(Value::as_str).unwrap_or_default().to_string();
    let parts = [
        ("query", Value::Object(query)),
        ("headers", Value::Object(headers)),
        ("auth", Value::Array(request.auth.iter().map(|auth| auth_field(auth, &shown)).collect())),
        ("body", body(&request.body, &content_type)),
        ("lanes", json!(request.lanes)),
    ];
    for (name, mut part) in parts {
        let is_empty = match &part {
            Value::Object(members) => members.is_empty(),
            Value::Array(items) => items.is_empty(),
            other => other.is_null(),
        };
        if !is_empty {
            replace_texts(&mut part, &shown);
            fields[name] = part;
        }
    }
    if let Some(quota) = &request.quota {
        fields["quota"] = shown(quota).into();
    }
    if let Some(not_after_ms) = request.not_after_ms {
        fields["not_after_ms"] = not_after_ms.into();
    }
    fields
}

fn auth_field(auth: &Auth, shown: &impl Fn(&str) -> String) -> Value {
    match auth {
        Auth::Bearer(token) => json!({"bearer": shown(token)}),
        Auth::Basic(user, password) => json!({"basic": [shown(user), shown(password)]}),
        Auth::Header(name, value) => json!({"header": {name: shown(value)}}),
        Auth::Query(name, value) => json!({"query": {name: shown(value)}}),
        Auth::Named(scheme) => json!({"scheme": shown(scheme)}),
    }
}

fn body(body: &Bytes, content_type: &str) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    if let Ok(json) = serde_json::from_slice(body) {
        return json;
    }
    let text = String::from_utf8_lossy(body);
    if content_type.starts_with("application/x-www-form-urlencoded") {
        return Value::Object(form(&text));
    }
    let lines: Option<Vec<Value>> = text.lines().map(|line| serde_json::from_str(line).ok()).collect();
    match lines {
        Some(lines) if lines.len() > 1 => Value::Array(lines),
        _ => Value::String(text.into_owned()),
    }
}

/// The fields of a form, or of a query; one that is there twice is a list.
fn form(text: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = Value::String(decoded(value));
        match fields.get_mut(&decoded(name)) {
            None => {
                fields.insert(decoded(name), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    fields
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
                continue;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What stands in the place of a secret.
fn without_handles(text: &str, handles: &Handles) -> String {
    let name = |held: &super::handles::Held, _| Ok::<_, std::convert::Infallible>(secret(&held.setting));
    handles.replace(text, name).map_or_else(|never| match never {}, |text| text.into_owned())
}

/// How a secret is shown.
pub fn secret(setting: &str) -> String {
    format!("(secret {setting})")
}

fn replace_texts(value: &mut Value, shown: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = shown(text),
        Value::Array(items) => items.iter_mut().for_each(|item| replace_texts(item, shown)),
        Value::Object(members) => members.values_mut().for_each(|member| replace_texts(member, shown)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::handles::{Held, Secret};
    use super::super::manifest::SecretUse;
    use super::*;

    fn request(content_type: &str, body: &'static str) -> Request {
        Request {
            key: "event".to_string(),
            method: "POST".to_string(),
            url: "https://vendor.example/in?v=2&tag=a&tag=b%20c".to_string(),
            headers: vec![("Content-Type".to_string(), content_type.to_string())],
            body: Bytes::from_static(body.as_bytes()),
            auth: Vec::new(),
            covers: vec![0],
            lanes: Vec::new(),
            quota: None,
            not_after_ms: None,
            tag: Bytes::new(),
        }
    }

    fn body_of(content_type: &str, text: &'static str) -> Value {
        let plan = Plan { requests: vec![request(content_type, text)], fates: Vec::new() };
        sheet(&plan, &Handles::default())["requests"]["event"]["body"].clone()
    }

    #[test]
    fn bodies_are_read_by_what_they_are() {
        assert_eq!(body_of("application/json", r#"{"a":[1]}"#), json!({"a": [1]}));
        assert_eq!(body_of("application/x-www-form-urlencoded", "a=1&b=x+y"), json!({"a": "1", "b": "x y"}));
        assert_eq!(body_of("application/x-ndjson", "{\"a\":1}\n{\"a\":2}\n"), json!([{"a": 1}, {"a": 2}]));
        assert_eq!(body_of("text/plain", "hello"), json!("hello"));
        assert_eq!(body_of("text/plain", ""), Value::Null);
    }

    #[test]
    fn requests_of_one_key_are_told_apart_and_secrets_are_named() {
        let handle = format!("sw_{}", "a".repeat(40));
        let mut handles = Handles::default();
        let value = Secret::new("hush-hush".to_string());
        handles.hold(handle.clone(), Held { setting: "api_key".to_string(), value, used: SecretUse::default() });
        let mut first = request("application/json", "{}");
        first.auth = vec![Auth::Bearer(handle)];
        let plan = Plan { requests: vec![first, request("application/json", "{}")], fates: Vec::new() };
        let sheet = sheet(&plan, &handles);
        assert_eq!(sheet["requests"]["event"]["auth"], json!([{"bearer": "(secret api_key)"}]));
        assert_eq!(sheet["requests"]["event#2"]["query"], json!({"v": "2", "tag": ["a", "b c"]}));
        let rejected = Plan { requests: Vec::new(), fates: vec![(0, Fate::Reject("no user".to_string()))] };
        assert_eq!(super::sheet(&rejected, &handles), json!({"requests": {}, "fate": "rejected: no user"}));
    }
}
