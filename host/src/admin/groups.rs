//! Dead letters by destination and reason, with what the vendor said.

use std::collections::BTreeMap;

use serde::Serialize;

use super::access::Caller;
use super::events::is_masked;
use super::failure::Failure;
use super::letters::{PageCall, all};
use super::masking;
use crate::daemon::Daemon;
use crate::queue::{DeadContent, DeadFilter, DeadLetter};

/// Letters that are grouped: about 10 MB of them, in a tenth of a second. Older ones are said to be more.
const GROUPED_MAX: usize = 10_000;

/// Points of the picture of when they died.
const SPARK_POINTS: usize = 24;

/// Signs of what a letter says that tell two groups apart.
const SAID_CHARS: usize = 160;

/// All groups.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Groups {
    /// The largest destination first, then the largest group.
    pub groups: Vec<Group>,
    /// Letters in them.
    pub grouped: u64,
    /// Whether there are more than were grouped.
    pub more: bool,
}

/// Letters of one destination that died of the same.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// What names it.
    pub key: String,
    /// Which destination.
    pub destination: String,
    /// The reason, as it is counted.
    pub reason: String,
    /// What was said, numbers left out.
    pub said: String,
    /// How many.
    pub count: u64,
    /// The first died then: milliseconds since 1970.
    pub first_ms: u64,
    /// The last died then.
    pub last_ms: u64,
    /// The names of their events, the most frequent first.
    pub events: Vec<String>,
    /// When they died: parts of the time from the first letter of all to now.
    pub spark: Vec<u64>,
    /// Their numbers, newest first.
    #[serde(skip)]
    pub ids: Vec<u64>,
}

/// The letters that match a query, as a filter.
///
/// # Errors
/// When the query says nothing good.
pub fn filter_of(query: &str) -> Result<DeadFilter, Failure> {
    let call = PageCall::of_query(query).map_err(|message| Failure::bad("bad_filter", message))?;
    Ok(DeadFilter { limit: 0, ..call.filter })
}

/// Groups the letters that match a query.
///
/// # Errors
/// When the query says nothing good, or the store does not answer.
pub async fn groups(daemon: &Daemon, caller: &Caller, query: &str) -> Result<Groups, Failure> {
    let filter = DeadFilter { limit: GROUPED_MAX, ..filter_of(query)? };
    let call = PageCall { filter, after: None };
    let letters = all(daemon, call, DeadContent::Head).await?;
    let mut groups = group(&letters, (daemon.now)());
    if is_masked(caller) {
        groups.groups.iter_mut().for_each(|group| group.said = masking::text(&group.said));
    }
    Ok(groups)
}

fn group(letters: &[DeadLetter], now_ms: u64) -> Groups {
    let first_ms = letters.iter().map(|letter| letter.died_ms).min().unwrap_or(now_ms);
    let part_ms = (now_ms.saturating_sub(first_ms) / SPARK_POINTS as u64).max(1);
    let mut by_key: BTreeMap<String, Vec<&DeadLetter>> = BTreeMap::new();
    for letter in letters {
        let said = said(letter);
        let key = format!("{}|{}|{said}", letter.destination, letter.death.reason);
        by_key.entry(key).or_default().push(letter);
    }
    let mut groups: Vec<Group> = by_key
        .into_iter()
        .map(|(key, own)| {
            let mut names: BTreeMap<&str, u64> = BTreeMap::new();
            own.iter().for_each(|letter| *names.entry(name_of(letter)).or_default() += 1);
            let mut names: Vec<(&str, u64)> = names.into_iter().collect();
            names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let mut spark = vec![0; SPARK_POINTS];
            for letter in &own {
                let part = (letter.died_ms.saturating_sub(first_ms) / part_ms) as usize;
                spark[part.min(SPARK_POINTS - 1)] += 1;
            }
            Group {
                key: crate::daemon::etag_of(&key),
                destination: own[0].destination.0.clone(),
                reason: own[0].death.reason.clone(),
                said: said(own[0]),
                count: own.len() as u64,
                first_ms: own.iter().map(|letter| letter.died_ms).min().unwrap_or_default(),
                last_ms: own.iter().map(|letter| letter.died_ms).max().unwrap_or_default(),
                events: names.into_iter().map(|(name, _)| name.to_string()).collect(),
                spark,
                ids: own.iter().map(|letter| letter.id).collect(),
            }
        })
        .collect();
    let mut of_destination: BTreeMap<String, u64> = BTreeMap::new();
    groups.iter().for_each(|group| *of_destination.entry(group.destination.clone()).or_default() += group.count);
    groups.sort_by(|one, other| {
        let all = |group: &Group| (of_destination[&group.destination], group.destination.clone());
        all(other).cmp(&all(one)).then(other.count.cmp(&one.count))
    });
    Groups { groups, grouped: letters.len() as u64, more: letters.len() >= GROUPED_MAX }
}

/// The name of a letter's event, or its kind.
pub fn name_of(letter: &DeadLetter) -> &str {
    if letter.event.is_empty() { &letter.kind } else { &letter.event }
}

/// What was said of a letter: the vendor's message where its answer has one, else the detail. Numbers and
/// what is as good as one are left out, so that letters which differ in them alone are of one group.
fn said(letter: &DeadLetter) -> String {
    let answer = letter.death.answer.as_deref().and_then(message_of_answer);
    let text = answer.unwrap_or_else(|| letter.death.detail.clone());
    let words = text.split_whitespace().map(|word| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        if digits > 3 { "…" } else { word }
    });
    words.collect::<Vec<_>>().join(" ").chars().take(SAID_CHARS).collect()
}

/// The message in an answer: `400: {"error": {"message": "..."}}` and its like.
pub fn message_of_answer(answer: &str) -> Option<String> {
    let begin = answer.find(['{', '['])?;
    let value: serde_json::Value = serde_json::Deserializer::from_str(&answer[begin..]).into_iter().next()?.ok()?;
    fn message(value: &serde_json::Value, depth: usize) -> Option<String> {
        const KEYS: [&str; 8] =
            ["message", "error_message", "detail", "error_description", "description", "error", "title", "reason"];
        match value {
            serde_json::Value::Object(members) if depth < 5 => {
                let named = KEYS.iter().filter_map(|key| members.get(*key));
                let own = named.clone().find_map(|value| value.as_str().filter(|text| !text.is_empty()));
                own.map(str::to_string)
                    .or_else(|| named.into_iter().find_map(|value| message(value, depth + 1)))
                    .or_else(|| members.values().find_map(|value| message(value, depth + 1)))
            }
            serde_json::Value::Array(items) if depth < 5 => items.iter().find_map(|item| message(item, depth + 1)),
            _ => None,
        }
    }
    message(&value, 0)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::queue::{Death, DestinationId};

    fn letter(id: u64, destination: &str, answer: Option<&str>, detail: &str) -> DeadLetter {
        let death = Death {
            reason: "vendor_refused".to_string(),
            detail: detail.to_string(),
            attempts: 1,
            revision: String::new(),
            request: None,
            answer: answer.map(str::to_string),
        };
        DeadLetter {
            id,
            destination: DestinationId(destination.to_string()),
            died_ms: 1_000 * id,
            message_id: format!("m-{id}"),
            kind: "track".to_string(),
            event: "Order Completed".to_string(),
            death,
            json: Bytes::new(),
        }
    }

    #[test]
    fn letters_that_died_of_the_same_are_one_group() {
        let answer = r#"400: {"error":{"code":100,"message":"em must be a SHA-256 hash"}}"#;
        let letters = [
            letter(4, "shop/meta", Some(answer), "a"),
            letter(3, "shop/meta", Some(answer), "b"),
            letter(2, "shop/erp", None, "422 for order 104417"),
            letter(1, "shop/erp", None, "422 for order 104418"),
            letter(0, "shop/erp", None, "no channel"),
        ];
        let groups = group(&letters, 5_000);
        let shown: Vec<(&str, &str, u64)> =
            groups.groups.iter().map(|group| (group.destination.as_str(), group.said.as_str(), group.count)).collect();
        assert_eq!(
            shown,
            [
                ("shop/erp", "422 for order …", 2),
                ("shop/erp", "no channel", 1),
                ("shop/meta", "em must be a SHA-256 hash", 2)
            ]
        );
        assert_eq!(groups.groups[0].ids, [2, 1]);
        assert_eq!(groups.groups[0].spark.iter().sum::<u64>(), 2);
    }

    #[test]
    fn the_message_of_an_answer_is_found() {
        for (answer, message) in [
            (r#"400: {"error":{"message":"m"}}"#, Some("m")),
            (r#"{"errors":[{"detail":"d"}]}"#, Some("d")),
            (r#"{"error":"e"} cut"#, Some("e")),
            ("500: oops", None),
            ("{", None),
            (r#"{"a":1}"#, None),
        ] {
            assert_eq!(message_of_answer(answer).as_deref(), message, "{answer}");
        }
    }
}
