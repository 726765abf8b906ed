//! A configuration's text without its secrets: a mark stands for each that is written in it as plain
//! text, and later takes its value from a text that still has it. Pure: text in, text out.
//!
//! A mark is `{ kept = "sw_..." }`, a keyed hash of what it stands for: the same secret has the same
//! mark. References (`${env:NAME}`, `{ file = ... }`, `{ command = ... }`) are no secrets, and stay.

use std::collections::HashMap;

use toml_edit::{Decor, InlineTable, Item, TableLike, Value};

use super::edit::{EditError, Editor};
use crate::plugin::handles::starts_with_handle;

/// The only key of a mark.
const MARK: &str = "kept";

/// Signs of a secret that is also looked for in comments. A shorter one comes up there by chance.
const IN_COMMENTS_MIN: usize = 8;

/// Where a value stands: the keys that lead to it; tables of a list by their name, all else of a list by
/// its number.
type Place = Vec<String>;

/// A text whose marks have their values again.
#[derive(Clone, Debug, PartialEq)]
pub struct Filled {
    /// The text.
    pub text: String,
    /// Settings that had another secret then, which is kept nowhere: they have today's.
    pub todays: Vec<String>,
}

/// The text with a mark for each secret. `is_secret` says it of a plugin and a setting, `mark` makes what
/// stands for a value.
///
/// # Errors
/// `NotToml`.
pub fn marked(
    text: &str,
    is_secret: impl Fn(&str, &str) -> bool,
    mark: impl Fn(&str) -> String,
) -> Result<String, EditError> {
    let mut editor = Editor::new(text)?;
    let plugins = plugins(&mut editor);
    let mut secrets = Vec::new();
    each_value(&mut editor, &mut |place, value| {
        if !may_be_plain(value) || !is_secret_place(place, &plugins, &is_secret) {
            return;
        }
        let plain = bare(value);
        secrets.extend(value.as_str().map(str::to_string));
        let marked = InlineTable::from_iter([(MARK, Value::from(mark(&plain)))]);
        replace(value, Value::InlineTable(marked));
    });
    Ok(without_in_comments(editor.text(), &secrets))
}

/// The text with the values of its marks: those that `standing`, the text of today, has for the same mark,
/// or else at the same place.
///
/// # Errors
/// `NotToml`, and `SecretGone` when there is neither.
pub fn filled(text: &str, standing: &str, mark: impl Fn(&str) -> String) -> Result<Filled, EditError> {
    let mut by_mark: HashMap<String, Value> = HashMap::new();
    let mut by_place: HashMap<Place, Value> = HashMap::new();
    each_value(&mut Editor::new(standing)?, &mut |place, value| {
        by_mark.insert(mark(&bare(value)), value.clone());
        by_place.insert(place.to_vec(), value.clone());
    });
    let mut editor = Editor::new(text)?;
    let (mut todays, mut gone) = (Vec::new(), Vec::new());
    each_value(&mut editor, &mut |place, value| {
        let Some(own) = mark_of(value) else { return };
        let name = place.join(".");
        if let Some(same) = by_mark.get(own) {
            replace(value, same.clone());
        } else if let Some(todays_own) = by_place.get(place).filter(|_| !is_in_list(place)) {
            replace(value, todays_own.clone());
            todays.push(name);
        } else {
            gone.push(name);
        }
    });
    match gone.is_empty() {
        true => Ok(Filled { text: editor.text(), todays }),
        false => Err(EditError::SecretGone(gone)),
    }
}

/// A marked text for people: a mark, and the hash of an admin token, as a few signs that change with it.
pub fn shown(text: &str, mark: impl Fn(&str) -> String) -> String {
    let brief = |mark: &str| format!("•••• {}", mark.get(3..7).unwrap_or_default());
    let mut editor = match Editor::new(text) {
        Ok(editor) => editor,
        Err(error) => return format!("# {error}\n"),
    };
    each_value(&mut editor, &mut |place, value| {
        let is_token =
            place.first().is_some_and(|first| first == "admin") && place.last().is_some_and(|own| own == "sha256");
        if let Some(own) = mark_of(value).map(brief) {
            replace(value, own.into());
        } else if is_token {
            replace(value, brief(&mark(&bare(value))).into());
        }
    });
    editor.text()
}

/// The secret settings of all but plugins, and those of plugins.
fn is_secret_place(
    place: &[String],
    plugins: &HashMap<(String, String), String>,
    is_secret: &impl Fn(&str, &str) -> bool,
) -> bool {
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    match place[..] {
        ["egress", "proxy"] | ["alerts", "url"] | ["plugins", "registry", _, "password"] => true,
        ["pipeline", _, "write_keys", _] | ["pipeline", _, "write_keys", _, "key"] => true,
        ["pipeline", _, "pii", _, "secret"] | ["pipeline", _, "rule", _, "secret"] => true,
        ["pipeline", _, "destination", _, "rule", _, "secret"] => true,
        ["pipeline", pipeline, "destination", name, "settings", setting, ..] => {
            let plugin = plugins.get(&(pipeline.to_string(), name.to_string()));
            is_secret(plugin.map(String::as_str).unwrap_or_default(), setting)
        }
        _ => false,
    }
}

/// The plugin of each destination, by pipeline and name.
fn plugins(editor: &mut Editor) -> HashMap<(String, String), String> {
    let mut plugins = HashMap::new();
    each_value(editor, &mut |place, value| {
        if let ([pipelines, pipeline, destinations, name, key], Some(plugin)) = (place, value.as_str())
            && (pipelines.as_str(), destinations.as_str(), key.as_str()) == ("pipeline", "destination", "plugin")
        {
            plugins.insert((pipeline.clone(), name.clone()), plugin.to_string());
        }
    });
    plugins
}

/// What is counted through has no place of its own: another one may stand there today.
fn is_in_list(place: &[String]) -> bool {
    place.iter().any(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Calls `visit` with each text, number, reference and mark.
fn each_value(editor: &mut Editor, visit: &mut dyn FnMut(&[String], &mut Value)) {
    let mut place = Place::new();
    each_of_table(editor.document.as_table_mut(), &mut place, visit);
}

fn each_of_table(table: &mut dyn TableLike, place: &mut Place, visit: &mut dyn FnMut(&[String], &mut Value)) {
    for (key, item) in table.iter_mut() {
        place.push(key.get().to_string());
        match item {
            Item::Table(table) if !is_reference(table) => each_of_table(table, place, visit),
            Item::ArrayOfTables(tables) => {
                for (at, table) in tables.iter_mut().enumerate() {
                    place.push(label(table, at));
                    each_of_table(table, place, visit);
                    place.pop();
                }
            }
            Item::Value(value) => each_in_value(value, place, visit),
            _ => {}
        }
        place.pop();
    }
}

fn each_in_value(value: &mut Value, place: &mut Place, visit: &mut dyn FnMut(&[String], &mut Value)) {
    match value {
        Value::InlineTable(table) if !is_reference(table) && !table.contains_key(MARK) => {
            each_of_table(table, place, visit);
        }
        Value::Array(values) => {
            for (at, value) in values.iter_mut().enumerate() {
                let own = value.as_inline_table().map_or_else(|| at.to_string(), |table| label(table, at));
                place.push(own);
                each_in_value(value, place, visit);
                place.pop();
            }
        }
        _ => visit(place, value),
    }
}

fn label(table: &dyn TableLike, at: usize) -> String {
    table.get("name").and_then(Item::as_str).map_or_else(|| at.to_string(), str::to_string)
}

/// A table that stands for a text that is kept elsewhere.
fn is_reference(table: &dyn TableLike) -> bool {
    let is_file = table.len() == 1 && table.get("file").is_some_and(Item::is_str);
    let is_command = table.get("command").is_some_and(Item::is_array)
        && table.iter().all(|(key, _)| key == "command" || key == "refresh_seconds");
    is_file || is_command
}

fn mark_of(value: &Value) -> Option<&str> {
    let table = value.as_inline_table().filter(|table| table.len() == 1)?;
    table.get(MARK).and_then(Value::as_str).filter(|mark| starts_with_handle(mark))
}

/// Whether a value may hold a secret as it stands there: a text or a number that is no reference.
fn may_be_plain(value: &Value) -> bool {
    match value {
        Value::String(text) => !is_variables(text.value()),
        Value::Integer(_) | Value::Float(_) => true,
        _ => false,
    }
}

/// Whether a text is made of `${env:NAME}` alone, without a default.
fn is_variables(text: &str) -> bool {
    let mut rest = text;
    while let Some(behind) = rest.strip_prefix("${env:") {
        match behind.split_once('}') {
            Some((name, more)) if !name.contains(":-") => rest = more,
            _ => return false,
        }
    }
    rest.is_empty()
}

/// What a value says, however it is written.
fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.value().clone(),
        other => {
            let mut own = other.clone();
            own.decor_mut().clear();
            own.to_string()
        }
    }
}

fn replace(value: &mut Value, mut with: Value) {
    let decor: Decor = value.decor().clone();
    *with.decor_mut() = decor;
    *value = with;
}

/// The text without those secrets in its comments.
fn without_in_comments(mut text: String, secrets: &[String]) -> String {
    for secret in secrets.iter().filter(|secret| secret.len() >= IN_COMMENTS_MIN && !secret.contains('\n')) {
        let mut from = 0;
        while let Some(at) = text[from..].find(secret.as_str()).map(|at| from + at) {
            let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
            match text[line..at].match_indices('#').any(|(sign, _)| is_comment(&text, line + sign)) {
                true => text.replace_range(at..at + secret.len(), "••••"),
                false => from = at + secret.len(),
            }
            from = from.max(line);
        }
    }
    text
}

/// Whether nothing is lost of a text's meaning without the rest of the line from here on.
fn is_comment(text: &str, from: usize) -> bool {
    let end = text[from..].find('\n').map_or(text.len(), |end| from + end);
    let without = format!("{}{}", &text[..from], &text[end..]);
    matches!((text.parse::<toml::Table>(), without.parse::<toml::Table>()), (Ok(with), Ok(without)) if with == without)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::handles::HandleKey;

    const TEXT: &str = r#"# the shop, never with ga4-secret-1
[egress]
proxy = "http://me:p@proxy" # ours
[alerts]
url = { file = "hook" }
[[plugins.registry]]
host = "ghcr.io"
username = "robot"
password = "hush-hush"
[[admin.token]]
name = "ada"
sha256 = "aa"

[[pipeline]]
name = "shop"
write_keys = ["wk_one", "${env:KEY}", "${env:KEY:-wk_default}", { key = "wk_two", enabled = false }, { file = "k" }]
pii = { email = { action = "hash", secret = "pepper" } }

  [[pipeline.rule]]
  hash = "userId"
  secret = "salt"

  [[pipeline.destination]]
  name = "ga4"
  plugin = "ga4"
  settings = { measurement_id = "G-1", api_secret = "ga4-secret-1", pin = 4711 } # ga4-secret-1

  [[pipeline.destination]]
  name = "hook"
  plugin = "webhook"

    [pipeline.destination.settings.secret_headers]
    authorization = "Bearer plain"
    other = { command = ["vault"] }

    [[pipeline.destination.rule]]
    set = "a"
    value = "b"
"#;

    const SECRETS: [&str; 11] = [
        "me:p@",
        "hush",
        "wk_one",
        "wk_default",
        "wk_two",
        "pepper",
        "salt",
        "ga4-secret-1",
        "4711",
        "Bearer",
        "plain",
    ];

    fn mark(text: &str) -> String {
        HandleKey::fixed().handle("", text)
    }

    fn is_secret(plugin: &str, setting: &str) -> bool {
        matches!((plugin, setting), ("ga4", "api_secret" | "pin") | ("webhook", "secret_headers"))
    }

    fn kept(text: &str) -> String {
        marked(text, is_secret, mark).unwrap()
    }

    #[test]
    fn no_secret_is_left_and_all_come_back() {
        let kept = kept(TEXT);
        for secret in SECRETS {
            assert!(!kept.contains(secret), "{secret} in {kept}");
        }
        for stays in [
            "${env:KEY}\"",
            "{ file = \"k\" }",
            "{ file = \"hook\" }",
            "[\"vault\"]",
            "# ours",
            "G-1",
            "sha256 = \"aa\"",
        ] {
            assert!(kept.contains(stays), "{stays} in {kept}");
        }
        let back = filled(&kept, TEXT, mark).unwrap();
        assert_eq!(
            back.text,
            TEXT.replace("never with ga4-secret-1", "never with ••••").replace("# ga4-secret-1", "# ••••")
        );
        assert_eq!(back.todays, [""; 0]);
        assert_eq!(marked(&kept, is_secret, mark).unwrap(), kept, "a mark is no secret");
    }

    #[test]
    fn a_changed_secret_stays_as_it_is_today_and_one_that_is_gone_is_named() {
        let kept = kept(TEXT);
        let today = TEXT.replace("\"ga4-secret-1\"", "{ file = \"new\" }").replace("G-1", "G-2");
        let back = filled(&kept, &today, mark).unwrap();
        assert_eq!(back.todays, ["pipeline.shop.destination.ga4.settings.api_secret"]);
        assert!(back.text.contains("measurement_id = \"G-1\", api_secret = { file = \"new\" }"), "{}", back.text);
        let gone = |today: &str| match filled(&kept, today, mark) {
            Err(EditError::SecretGone(gone)) => gone,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            gone(&TEXT.replace(", api_secret = \"ga4-secret-1\"", "")),
            ["pipeline.shop.destination.ga4.settings.api_secret"]
        );
        // What is counted through is found by its mark, wherever it stands; another one does not take its place.
        assert_eq!(gone(&TEXT.replace("\"wk_one\", ", "")), ["pipeline.shop.write_keys.0"]);
        assert_eq!(gone(&TEXT.replace("\"salt\"", "\"other\"")), ["pipeline.shop.rule.0.secret"]);
        let moved = TEXT.replace("\"wk_one\", ", "").replace("{ file = \"k\" }", "{ file = \"k\" }, \"wk_one\"");
        assert!(filled(&kept, &moved, mark).unwrap().text.contains("[\"wk_one\","));
    }

    #[test]
    fn people_see_that_a_secret_changed_and_no_more() {
        let seen = |text: &str| shown(&kept(text), mark);
        let (one, other) = (seen(TEXT), seen(&TEXT.replace("\"pepper\"", "\"more pepper\"")));
        for secret in SECRETS {
            assert!(!one.contains(secret) && !other.contains(secret), "{secret} in {one}");
        }
        let differs = one.lines().zip(other.lines()).filter(|(one, other)| one != other).count();
        assert_eq!((one.lines().count(), differs), (TEXT.lines().count(), 1));
        assert!(!one.contains("sw_") && !one.contains("\"aa\"") && one.contains("proxy = \"•••• "), "{one}");
    }

    #[test]
    fn a_text_that_is_split_up_otherwise_hides_as_much() {
        let inline = "pipeline = [{ name = \"shop\", write_keys = [\"wk_one\"], destination = [{ name = \"g\", plugin = \"ga4\", settings = { api_secret = ['''wk_two'''], file = 'x' } }] }]\n";
        let kept = kept(inline);
        assert!(!kept.contains("wk_"), "{kept}");
        assert_eq!(filled(&kept, inline, mark).unwrap().text, inline);
        let beside = TEXT.replace("{ command = [\"vault\"] }", "{ file = \"x\", more = \"Bearer plain\" }");
        assert!(!self::kept(&beside).contains("plain"));
    }
}
