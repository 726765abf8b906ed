//! Slack's incoming webhooks: one word for an answer, in plain text.
//!
//! The plugin's `endpoint` puts the webhook's URL, percent-encoded, behind `/slack/`. Where the last
//! segment of that URL is one of the vendor's errors, such as `channel_is_archived`, every message to
//! it is answered so.

use serde_json::Value;

use super::{VendorAnswer, header_is};
use crate::stand_in::Recorded;

/// What stands before the webhook's URL.
const PREFIX: &str = "/slack/";

/// The vendor's errors and their statuses.
const ERRORS: [(&str, u16); 16] = [
    ("invalid_payload", 400),
    ("invalid_blocks", 400),
    ("msg_blocks_too_long", 400),
    ("no_text", 400),
    ("too_many_attachments", 400),
    ("user_not_found", 400),
    ("action_prohibited", 403),
    ("invalid_token", 403),
    ("posting_to_general_channel_denied", 403),
    ("team_disabled", 403),
    ("channel_not_found", 404),
    ("no_active_hooks", 404),
    ("no_service", 404),
    ("no_team", 404),
    ("channel_is_archived", 410),
    ("rollup_error", 500),
];

const TEXT_CHARACTERS_MAX: usize = 40_000;
const BLOCKS_MAX: usize = 50;
const BLOCK_CHARACTERS: std::ops::RangeInclusive<usize> = 1..=3_000;
const HEADER_CHARACTERS: std::ops::RangeInclusive<usize> = 1..=150;
const ELEMENTS: std::ops::RangeInclusive<usize> = 1..=10;
/// Of all blocks together; the vendor refuses somewhat more than that and says nothing of it.
const BLOCKS_CHARACTERS_MAX: usize = 13_000;
const ATTACHMENTS_MAX: usize = 100;

/// POST of a message to a webhook.
pub(super) fn webhook(request: &Recorded) -> VendorAnswer {
    if request.method != "POST" {
        return answered(405, "method_not_allowed", vec![format!("{} instead of POST", request.method)]);
    }
    if let Err(error) = check_url(&request.path) {
        return refused(error);
    }
    let Some(message) = payload(request) else { return refused("invalid_payload") };
    match message_error(&message) {
        Some(error) => refused(error),
        None => answered(200, "ok", objections(&message)),
    }
}

fn answered(status: u16, word: &str, violations: Vec<String>) -> VendorAnswer {
    VendorAnswer {
        status,
        headers: vec![("content-type".to_string(), "text/html".to_string())],
        body: word.to_string(),
        violations,
    }
}

fn refused(error: &str) -> VendorAnswer {
    let status = ERRORS.iter().find(|(known, _)| *known == error).map_or(400, |(_, status)| *status);
    answered(status, error, vec![error.to_string()])
}

/// `https://hooks.slack.com/services/T.../B.../...`, percent-encoded.
fn check_url(path: &str) -> Result<(), &'static str> {
    let url = path.strip_prefix(PREFIX).map(percent_decoded).ok_or("no_service")?;
    let (host, path) = url.strip_prefix("https://").and_then(|rest| rest.split_once('/')).ok_or("no_service")?;
    if !(host.ends_with(".slack.com") || host.ends_with(".slack-gov.com")) {
        return Err("no_service");
    }
    let mut segments = path.split('/').skip(1);
    let (team, service, token) = (segments.next(), segments.next(), segments.next());
    if !team.is_some_and(|team| team.starts_with('T')) {
        return Err("no_team");
    }
    if !service.is_some_and(|service| service.starts_with('B')) {
        return Err("no_service");
    }
    match token {
        None | Some("") => Err("invalid_token"),
        Some(token) => ERRORS.iter().find(|(error, _)| *error == token).map_or(Ok(()), |(error, _)| Err(error)),
    }
}

/// The body as JSON, or the `payload` of a form.
fn payload(request: &Recorded) -> Option<Value> {
    let content = request.content();
    let message: Value = if header_is(request, "content-type", "application/x-www-form-urlencoded") {
        let form = String::from_utf8(content).ok()?;
        let payload = form.split('&').find_map(|pair| pair.strip_prefix("payload="))?;
        serde_json::from_str(&percent_decoded(&payload.replace('+', " "))).ok()?
    } else if header_is(request, "content-type", "application/json") {
        serde_json::from_slice(&content).ok()?
    } else {
        return None;
    };
    message.is_object().then_some(message)
}

fn message_error(message: &Value) -> Option<&'static str> {
    let list = |name: &str| message.get(name).and_then(Value::as_array);
    if ["blocks", "attachments"].iter().any(|name| message.get(*name).is_some_and(|value| !value.is_array())) {
        return Some("invalid_payload");
    }
    let blocks = list("blocks").map_or(&[][..], Vec::as_slice);
    let attachments = list("attachments").map_or(0, Vec::len);
    let text = message.get("text").and_then(Value::as_str).unwrap_or_default();
    if text.trim().is_empty() && blocks.is_empty() && attachments == 0 {
        return Some("no_text");
    }
    if attachments > ATTACHMENTS_MAX {
        return Some("too_many_attachments");
    }
    if blocks.len() > BLOCKS_MAX || !blocks.iter().all(is_block) {
        return Some("invalid_blocks");
    }
    let characters: usize = blocks.iter().map(characters_shown).sum();
    (characters > BLOCKS_CHARACTERS_MAX).then_some("msg_blocks_too_long")
}

fn is_block(block: &Value) -> bool {
    match block.get("type").and_then(Value::as_str) {
        Some("section") => {
            let text = block.get("text");
            let fields = block.get("fields").and_then(Value::as_array);
            let good_fields = fields.is_none_or(|fields| {
                ELEMENTS.contains(&fields.len()) && fields.iter().all(|field| is_text(field, &(1..=2_000)))
            });
            (text.is_some() || fields.is_some())
                && text.is_none_or(|text| is_text(text, &BLOCK_CHARACTERS))
                && good_fields
        }
        Some("context") => block.get("elements").and_then(Value::as_array).is_some_and(|elements| {
            ELEMENTS.contains(&elements.len()) && elements.iter().all(|element| is_text(element, &BLOCK_CHARACTERS))
        }),
        Some("header") => block.get("text").is_some_and(|text| is_text(text, &HEADER_CHARACTERS)),
        Some("divider") => true,
        _ => false,
    }
}

fn is_text(object: &Value, characters: &std::ops::RangeInclusive<usize>) -> bool {
    let kind = object.get("type").and_then(Value::as_str);
    let text = object.get("text").and_then(Value::as_str).unwrap_or_default();
    matches!(kind, Some("mrkdwn" | "plain_text"))
        && object.get("verbatim").is_none_or(Value::is_boolean)
        && !text.trim().is_empty()
        && characters.contains(&text.chars().count())
}

/// Characters of all texts in a block.
fn characters_shown(value: &Value) -> usize {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| match member.as_str() {
                Some(text) if name == "text" => text.chars().count(),
                Some(_) => 0,
                None => characters_shown(member),
            })
            .sum(),
        Value::Array(items) => items.iter().map(characters_shown).sum(),
        _ => 0,
    }
}

/// What the vendor takes and shows otherwise than it was meant.
fn objections(message: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    let text = message.get("text").and_then(Value::as_str).unwrap_or_default();
    if text.chars().count() > TEXT_CHARACTERS_MAX {
        violations.push(format!("the text has more than {TEXT_CHARACTERS_MAX} characters and is truncated"));
    }
    if text.is_empty() {
        violations.push("notifications have no text".to_string());
    }
    markup_objections(message, &mut violations);
    violations
}

/// `&` and `<` stand for themselves only when they are escaped.
fn markup_objections(value: &Value, violations: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(text) if name == "text" => violations.extend(markup_objection(text)),
                    _ => markup_objections(member, violations),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| markup_objections(item, violations)),
        _ => {}
    }
}

fn markup_objection(text: &str) -> Option<String> {
    let is_escape = |after: &str| ["amp;", "lt;", "gt;"].iter().any(|name| after.starts_with(name));
    if text.split('&').skip(1).any(|after| !is_escape(after)) {
        return Some(format!("an & is not escaped: {text}"));
    }
    let is_closed = |after: &str| after.find('>').is_some();
    text.split('<').skip(1).any(|after| !is_closed(after)).then(|| format!("a < is not escaped: {text}"))
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hexadecimal = text.get(at + 1..at + 3).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (bytes[at], hexadecimal) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 2;
            }
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_CHARACTERS, BLOCKS_MAX, TEXT_CHARACTERS_MAX, VendorAnswer, webhook};
    use crate::vendors::request;

    fn answer(token: &str, body: &str) -> VendorAnswer {
        let path = format!("/slack/https%3A%2F%2Fhooks.slack.com%2Fservices%2FT0%2FB0%2F{token}");
        webhook(&request(&path, "", &[("content-type", "application/json")], body))
    }

    #[test]
    fn a_message_is_answered_with_ok() {
        let check = |body: &str| {
            let answer = answer("X", body);
            assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
            assert!(answer.violations.is_empty(), "{:?}", answer.violations);
        };
        check(r#"{"text":"*a* &amp; <https://x.example|b>"}"#);
        check(
            r#"{"text":"a","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"a","verbatim":true}},
               {"type":"context","elements":[{"type":"mrkdwn","text":"u1"}]},{"type":"divider"}]}"#,
        );
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let path = "/slack/https%3A%2F%2Fhooks.slack-gov.com%2Fservices%2FT0%2FB0%2FX";
        assert_eq!(webhook(&request(path, "", &headers, "payload=%7B%22text%22%3A%22a+b%22%7D")).body, "ok");
    }

    #[test]
    fn the_last_segment_of_the_url_may_be_the_answer() {
        for (error, status) in [("channel_is_archived", 410), ("invalid_token", 403), ("rollup_error", 500)] {
            let answer = answer(error, r#"{"text":"a"}"#);
            assert_eq!((answer.status, answer.body.as_str()), (status, error));
        }
        assert_eq!(answer("", r#"{"text":"a"}"#).body, "invalid_token");
        let elsewhere = "/slack/https%3A%2F%2Fevil.example%2Fservices%2FT0%2FB0%2FX";
        assert_eq!(webhook(&request(elsewhere, "", &[], "{}")).body, "no_service");
    }

    #[test]
    fn messages_are_refused_just_beyond_the_limits() {
        let section = |characters: usize| {
            let text = "a".repeat(characters);
            format!(r#"{{"type":"section","text":{{"type":"mrkdwn","text":"{text}"}}}}"#)
        };
        let check = |blocks: &[String], wanted: &str| {
            let body = format!(r#"{{"text":"a","blocks":[{}]}}"#, blocks.join(","));
            assert_eq!(answer("X", &body).body, wanted);
        };
        check(&[section(*BLOCK_CHARACTERS.end())], "ok");
        check(&[section(*BLOCK_CHARACTERS.end() + 1)], "invalid_blocks");
        check(&[section(0)], "invalid_blocks");
        check(&vec![section(1); BLOCKS_MAX], "ok");
        check(&vec![section(1); BLOCKS_MAX + 1], "invalid_blocks");
        check(&vec![section(2_600); 5], "ok");
        check(&vec![section(2_601); 5], "msg_blocks_too_long");
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (body, wanted) in [("", "invalid_payload"), ("[]", "invalid_payload"), (r#"{"text":" "}"#, "no_text")] {
            let answer = answer("X", body);
            assert_eq!((answer.status, answer.body.as_str()), (400, wanted));
        }
        assert_eq!(webhook(&request("/slack/x", "", &[], "{}")).body, "no_service");
    }

    #[test]
    fn what_is_shown_otherwise_is_objected_to() {
        for text in ["a & b", "a <b", &"a".repeat(TEXT_CHARACTERS_MAX + 1)] {
            let answer = answer("X", &format!(r#"{{"text":"{text}"}}"#));
            assert_eq!((answer.status, answer.violations.len()), (200, 1), "{:?}", answer.violations);
        }
        let blocks = r#"{"blocks":[{"type":"divider"}]}"#;
        assert_eq!(answer("X", blocks).violations, ["notifications have no text"]);
    }
}
