//! Changes of the configuration file's text: what stands there stays as it is written, with its
//! comments and in its order, and only what is meant changes. Pure: text in, text out. The result is
//! not checked here; whoever saves it has it checked whole.

use serde_json::Value as Json;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Key, RawString, Table, Value};

/// Why a text cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file is not TOML.
    #[error("the configuration file is not written well: {0}")]
    NotToml(String),
    /// There is no such thing in it.
    #[error("the configuration has no {0}")]
    Unknown(String),
    /// It is there already.
    #[error("there is already {0}: choose another name")]
    Exists(String),
    /// It is written in a form that is not changed here.
    #[error("{0} is written in a form that the console does not change: change it in the file")]
    Form(String),
    /// Secrets are kept nowhere but in the file, and it no longer has these.
    #[error("no secret is kept, and the file no longer has the one of {}: write it there first", .0.join(", "))]
    SecretGone(Vec<String>),
}

/// A value to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// As it is: `${` in its texts means nothing.
    Literal(Json),
    /// As an operator would write it: `${env:NAME}` stands for a variable, and a table may name a file or
    /// a command.
    Expression(Json),
    /// The content of this file.
    File(String),
}

/// A destination to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDestination {
    /// Its name.
    pub name: String,
    /// The plugin's id.
    pub plugin: String,
    /// Hosts that it may reach.
    pub allowed_hosts: Vec<String>,
    /// Whether nothing is delivered until it is resumed.
    pub paused: bool,
}

/// A rule to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleEdit {
    /// Its place among the rules that stand there; None: it is new.
    pub from: Option<usize>,
    /// What it says; a `secret` that stands there stays.
    pub rule: serde_json::Map<String, Json>,
}

/// A configuration's text, to be changed.
pub struct Editor {
    pub(super) document: DocumentMut,
}

impl Editor {
    /// Reads a text.
    ///
    /// # Errors
    /// `NotToml`.
    pub fn new(text: &str) -> Result<Editor, EditError> {
        // The parser's message may show the line, and so a secret: its place alone is told.
        let document = text.parse::<DocumentMut>().map_err(|error| {
            let offset = error.span().unwrap_or_default().start;
            EditError::NotToml(format!("line {}", super::line_at(text, offset)))
        })?;
        Ok(Editor { document })
    }

    /// The text with its changes.
    pub fn text(&self) -> String {
        self.document.to_string()
    }

    /// Adds a destination behind the others of its pipeline.
    ///
    /// # Errors
    /// `Unknown` pipeline, `Exists`, `Form`.
    pub fn add_destination(&mut self, pipeline: &str, new: &NewDestination) -> Result<(), EditError> {
        let indent = self.destination_indent(pipeline);
        let destinations = self.destinations(pipeline)?;
        if destinations.iter().any(|each| is_named(each, &new.name)) {
            return Err(EditError::Exists(format!("a destination `{}` in `{pipeline}`", new.name)));
        }
        let mut table = Table::new();
        table.decor_mut().set_prefix(format!("\n{indent}"));
        put(&mut table, "name", new.name.as_str().into());
        put(&mut table, "plugin", new.plugin.as_str().into());
        if !new.allowed_hosts.is_empty() {
            put(&mut table, "allowed_hosts", texts(&new.allowed_hosts));
        }
        if new.paused {
            put(&mut table, "paused", true.into());
        }
        destinations.push(table);
        Ok(())
    }

    /// Removes a destination with all that belongs to it.
    ///
    /// # Errors
    /// `Unknown`, `Form`.
    pub fn remove_destination(&mut self, pipeline: &str, name: &str) -> Result<(), EditError> {
        let destinations = self.destinations(pipeline)?;
        let at = destinations.iter().position(|each| is_named(each, name)).ok_or_else(|| unknown(pipeline, name))?;
        destinations.remove(at);
        if destinations.is_empty() {
            self.pipeline(pipeline)?.remove("destination");
        }
        Ok(())
    }

    /// Sets a key of a destination, or takes it away.
    ///
    /// # Errors
    /// `Unknown`, `Form`.
    pub fn set_key(&mut self, pipeline: &str, name: &str, key: &str, to: Option<Setting>) -> Result<(), EditError> {
        set(self.destination(pipeline, name)?, key, to);
        Ok(())
    }

    /// Sets a key of a table of a destination (`settings`, `delivery`), or takes it away.
    ///
    /// # Errors
    /// `Unknown`, `Form`.
    pub fn set_in(
        &mut self,
        (pipeline, name): (&str, &str),
        table: &str,
        key: &str,
        to: Option<Setting>,
    ) -> Result<(), EditError> {
        let indent = self.destination_indent(pipeline);
        let destination = self.destination(pipeline, name)?;
        if to.is_none() && !destination.contains_key(table) {
            return Ok(());
        }
        let form = || EditError::Form(format!("`{table}` of `{pipeline}/{name}`"));
        let item = destination.entry(table).or_insert_with(|| {
            let mut table = Table::new();
            table.decor_mut().set_prefix(format!("\n{indent}{}", if indent.is_empty() { "" } else { "  " }));
            Item::Table(table)
        });
        match item {
            Item::Table(table) => set(table, key, to),
            Item::Value(Value::InlineTable(table)) => match to {
                Some(to) => drop(table.insert(key, to.into_value())),
                None => drop(table.remove(key)),
            },
            _ => return Err(form()),
        }
        Ok(())
    }

    /// Writes the rules of a pipeline, or of one of its destinations, in this order. A rule that stands there
    /// keeps its comments and its secret, and what it says already stays as it is written.
    ///
    /// # Errors
    /// `Unknown`, `Form`.
    pub fn set_rules(
        &mut self,
        pipeline: &str,
        destination: Option<&str>,
        rules: &[RuleEdit],
    ) -> Result<(), EditError> {
        let indent = self.destination_indent(pipeline);
        let owner = match destination {
            Some(name) => self.destination(pipeline, name)?,
            None => self.pipeline(pipeline)?,
        };
        let form = || EditError::Form("`rule`".to_string());
        let known: Vec<Table> = match owner.get("rule") {
            None => Vec::new(),
            Some(item) => item.as_array_of_tables().ok_or_else(form)?.iter().cloned().collect(),
        };
        let is_same = known.len() == rules.len()
            && rules.iter().enumerate().all(|(at, rule)| rule.from == Some(at) && says(&known[at], &rule.rule));
        if is_same {
            return Ok(());
        }
        let positions: Vec<isize> = known.iter().filter_map(Table::position).collect();
        let mut list = ArrayOfTables::new();
        for (at, edit) in rules.iter().enumerate() {
            let mut table = edit.from.and_then(|from| known.get(from).cloned()).unwrap_or_else(|| {
                let mut table = Table::new();
                let deeper = if destination.is_some() && !indent.is_empty() { "  " } else { "" };
                table.decor_mut().set_prefix(format!("\n{indent}{deeper}"));
                table
            });
            // In this order, whatever the order was; new ones stand behind those that were there.
            table.set_position(positions.get(at).or(positions.last()).copied());
            let gone: Vec<String> = table
                .iter()
                .map(|(key, _)| key.to_string())
                .filter(|key| key != "secret" && !edit.rule.contains_key(key))
                .collect();
            gone.iter().for_each(|key| drop(table.remove(key)));
            for (key, value) in edit.rule.iter().filter(|(_, value)| !value.is_null()) {
                if table.get(key).and_then(json_of).as_ref() != Some(value) {
                    // Rules take their texts as they are.
                    put(&mut table, key, value_of(value, &str::to_string));
                }
            }
            list.push(table);
        }
        match list.is_empty() {
            true => drop(owner.remove("rule")),
            false => drop(owner.insert("rule", Item::ArrayOfTables(list))),
        }
        Ok(())
    }

    /// Adds a write key behind the others of a pipeline.
    ///
    /// # Errors
    /// `Unknown`, `Form`.
    pub fn add_write_key(&mut self, pipeline: &str, key: &str) -> Result<(), EditError> {
        let keys = self.write_keys(pipeline)?;
        let mut value = Value::from(literal(key));
        if let Some(last) = keys.iter().last() {
            *value.decor_mut() = last.decor().clone();
        }
        let has_lines = keys
            .iter()
            .any(|each| each.decor().prefix().and_then(RawString::as_str).is_some_and(|text| text.contains('\n')));
        if !has_lines && !keys.is_empty() {
            value.decor_mut().set_prefix(" ");
        }
        keys.push_formatted(value);
        keys.set_trailing_comma(has_lines);
        Ok(())
    }

    /// Enables or disables the write key at a place among those of its pipeline.
    ///
    /// # Errors
    /// `Unknown`, `Form`.
    pub fn enable_write_key(&mut self, pipeline: &str, at: usize, enabled: bool) -> Result<(), EditError> {
        self.change_write_key(pipeline, at, |table| match enabled {
            true => drop(table.remove("enabled")),
            false => drop(table.insert("enabled", false.into())),
        })
    }

    /// Bounds what the write key at a place may send a second; None: no bound.
    ///
    /// # Errors
    /// `Unknown`, `Form`.
    pub fn limit_write_key(
        &mut self,
        pipeline: &str,
        at: usize,
        (events, bytes): (Option<u64>, Option<u64>),
    ) -> Result<(), EditError> {
        self.change_write_key(pipeline, at, |table| {
            for (key, limit) in [("events_per_second", events), ("bytes_per_second", bytes)] {
                match limit.and_then(|limit| i64::try_from(limit).ok()) {
                    Some(limit) => drop(table.insert(key, limit.into())),
                    None => drop(table.remove(key)),
                }
            }
        })
    }

    /// Removes the write key at a place.
    ///
    /// # Errors
    /// `Unknown`, `Form`.
    pub fn remove_write_key(&mut self, pipeline: &str, at: usize) -> Result<(), EditError> {
        let keys = self.write_keys(pipeline)?;
        if at >= keys.len() {
            return Err(EditError::Unknown(format!("write key {at} of `{pipeline}`")));
        }
        keys.remove(at);
        Ok(())
    }

    fn change_write_key(
        &mut self,
        pipeline: &str,
        at: usize,
        change: impl FnOnce(&mut InlineTable),
    ) -> Result<(), EditError> {
        let keys = self.write_keys(pipeline)?;
        let unknown = || EditError::Unknown(format!("write key {at} of `{pipeline}`"));
        let value = keys.get_mut(at).ok_or_else(unknown)?;
        let is_settled = value.as_inline_table().is_some_and(|table| table.contains_key("key"));
        if !is_settled {
            let decor = value.decor().clone();
            let mut key = value.clone();
            key.decor_mut().clear();
            let mut table = InlineTable::new();
            table.insert("key", key);
            *value = Value::InlineTable(table);
            *value.decor_mut() = decor;
        }
        let table = value.as_inline_table_mut().ok_or_else(unknown)?;
        change(table);
        if let (1, Some(key)) = (table.len(), table.get("key").cloned()) {
            let decor = value.decor().clone();
            *value = key;
            *value.decor_mut() = decor;
        }
        Ok(())
    }

    /// The table of a pipeline.
    pub(crate) fn pipeline(&mut self, name: &str) -> Result<&mut Table, EditError> {
        let form = || EditError::Form("`pipeline`".to_string());
        let unknown = || EditError::Unknown(format!("pipeline `{name}`"));
        let all = self.document.get_mut("pipeline").ok_or_else(unknown)?;
        let all = all.as_array_of_tables_mut().ok_or_else(form)?;
        all.iter_mut().find(|each| is_named(each, name)).ok_or_else(unknown)
    }

    /// The table of a destination.
    pub(crate) fn destination(&mut self, pipeline: &str, name: &str) -> Result<&mut Table, EditError> {
        let all = self.destinations(pipeline)?;
        all.iter_mut().find(|each| is_named(each, name)).ok_or_else(|| unknown(pipeline, name))
    }

    fn destinations(&mut self, pipeline: &str) -> Result<&mut ArrayOfTables, EditError> {
        let form = || EditError::Form(format!("`destination` of `{pipeline}`"));
        let table = self.pipeline(pipeline)?;
        let item = table.entry("destination").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        item.as_array_of_tables_mut().ok_or_else(form)
    }

    fn write_keys(&mut self, pipeline: &str) -> Result<&mut Array, EditError> {
        let form = || EditError::Form(format!("`write_keys` of `{pipeline}`"));
        let keys = self.pipeline(pipeline)?.get_mut("write_keys").and_then(Item::as_array_mut);
        keys.ok_or_else(form)
    }

    /// How far the tables of a pipeline's destinations are indented, as its last one is.
    fn destination_indent(&mut self, pipeline: &str) -> String {
        let all = self.pipeline(pipeline).ok().and_then(|table| table.get("destination"));
        let last = all.and_then(Item::as_array_of_tables).and_then(|all| all.iter().last());
        let prefix = last.and_then(|last| last.decor().prefix()).and_then(RawString::as_str).unwrap_or_default();
        indent_of(prefix).to_string()
    }
}

fn unknown(pipeline: &str, name: &str) -> EditError {
    EditError::Unknown(format!("destination `{pipeline}/{name}`"))
}

fn is_named(table: &Table, name: &str) -> bool {
    table.get("name").and_then(Item::as_str) == Some(name)
}

/// The white space behind the last line's end.
fn indent_of(prefix: &str) -> &str {
    let line = prefix.rsplit('\n').next().unwrap_or_default();
    if line.chars().all(|each| each == ' ' || each == '\t') { line } else { "" }
}

/// Sets a key as it is written, or writes it at the end with the indent of the others.
fn set(table: &mut Table, key: &str, to: Option<Setting>) {
    match to {
        Some(to) => put(table, key, to.into_value()),
        None => drop(table.remove(key)),
    }
}

fn put(table: &mut Table, key: &str, mut value: Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(known) => {
            *value.decor_mut() = known.decor().clone();
            *known = value;
        }
        None => {
            let last = table.iter().filter(|(_, item)| item.is_value()).last().map(|(key, _)| key.to_string());
            let sibling = last.and_then(|last| table.key(&last).map(|key| key.leaf_decor().clone()));
            let own = table.decor().prefix().and_then(RawString::as_str).map(indent_of).unwrap_or_default();
            let prefix = sibling.as_ref().and_then(|decor| decor.prefix()).and_then(RawString::as_str).map(indent_of);
            let mut named = Key::new(key);
            named.leaf_decor_mut().set_prefix(prefix.unwrap_or(own));
            table.insert_formatted(&named, Item::Value(value));
        }
    }
}

fn texts(all: &[String]) -> Value {
    Value::Array(all.iter().map(|text| Value::from(literal(text))).collect())
}

/// A text that the configuration reads as it is.
fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// Whether a table says this and nothing else, but for its secret.
fn says(table: &Table, rule: &serde_json::Map<String, Json>) -> bool {
    let own = table.iter().filter(|(key, _)| *key != "secret").count();
    own == rule.values().filter(|value| !value.is_null()).count()
        && rule.iter().all(|(key, value)| value.is_null() || table.get(key).and_then(json_of).as_ref() == Some(value))
}

fn json_of(item: &Item) -> Option<Json> {
    match item {
        Item::Value(value) => Some(json_of_value(value)),
        Item::Table(table) => {
            Some(Json::Object(table.iter().filter_map(|(key, item)| Some((key.to_string(), json_of(item)?))).collect()))
        }
        _ => None,
    }
}

fn json_of_value(value: &Value) -> Json {
    match value {
        Value::String(text) => Json::from(text.value().as_str()),
        Value::Integer(number) => Json::from(*number.value()),
        Value::Float(number) => Json::from(*number.value()),
        Value::Boolean(truth) => Json::from(*truth.value()),
        Value::Datetime(time) => Json::from(time.value().to_string()),
        Value::Array(values) => values.iter().map(json_of_value).collect(),
        Value::InlineTable(table) => {
            Json::Object(table.iter().map(|(key, value)| (key.to_string(), json_of_value(value))).collect())
        }
    }
}

impl Setting {
    fn into_value(self) -> Value {
        match self {
            Setting::Literal(json) => value_of(&json, &literal),
            Setting::Expression(json) => value_of(&json, &str::to_string),
            Setting::File(path) => Value::InlineTable(InlineTable::from_iter([("file", Value::from(path))])),
        }
    }
}

/// TOML has no null: a member that is null is left out.
fn value_of(json: &Json, text: &dyn Fn(&str) -> String) -> Value {
    match json {
        Json::Null => Value::from(""),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::from(whole),
            None => Value::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(own) => Value::from(text(own)),
        Json::Array(values) => Value::Array(values.iter().map(|each| value_of(each, text)).collect()),
        Json::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            Value::InlineTable(members.map(|(key, value)| (key.as_str(), value_of(value, text))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = r#"# top
[data]
directory = "data" # here

[[pipeline]]
name = "shop"
write_keys = ["wk_one"]

  # what matters
  [[pipeline.destination]]
  name = "hook" # the only one
  plugin = "webhook"

    [pipeline.destination.settings]
    url = "http://a" # old

[[pipeline]]
name = "app"
write_keys = [
  "wk_two",
]
"#;

    fn edited(edit: impl FnOnce(&mut Editor) -> Result<(), EditError>) -> String {
        let mut editor = Editor::new(TEXT).unwrap();
        edit(&mut editor).unwrap();
        editor.text()
    }

    #[test]
    fn what_is_not_meant_stays_as_it_is() {
        assert_eq!(edited(|_| Ok(())), TEXT);
        let text = edited(|editor| {
            let to = Some(Setting::Literal(json!("http://${b}")));
            editor.set_in(("shop", "hook"), "settings", "url", to)
        });
        assert_eq!(text, TEXT.replace("url = \"http://a\"", "url = \"http://$${b}\""));
        let text = edited(|editor| editor.set_key("shop", "hook", "paused", Some(Setting::Literal(json!(true)))));
        assert_eq!(text, TEXT.replace("plugin = \"webhook\"\n", "plugin = \"webhook\"\n  paused = true\n"));
    }

    #[test]
    fn a_destination_comes_and_goes() {
        let new = NewDestination {
            name: "ga4".to_string(),
            plugin: "ga4".to_string(),
            allowed_hosts: vec!["a.example".to_string()],
            paused: true,
        };
        let add = |editor: &mut Editor| {
            editor.add_destination("shop", &new)?;
            editor.set_in(("shop", "ga4"), "settings", "key", Some(Setting::File("secrets/x".to_string())))
        };
        let text = edited(add);
        let added = "\n  [[pipeline.destination]]\n  name = \"ga4\"\n  plugin = \"ga4\"\n  allowed_hosts = [\"a.example\"]\n  paused = true\n\n    [pipeline.destination.settings]\n    key = { file = \"secrets/x\" }\n";
        assert_eq!(text, TEXT.replace("# old\n", &format!("# old\n{added}")));
        let back = {
            let mut editor = Editor::new(&text).unwrap();
            editor.remove_destination("shop", "ga4").unwrap();
            editor.text()
        };
        assert_eq!(back, TEXT);
        let mut editor = Editor::new(TEXT).unwrap();
        let taken = NewDestination { name: "hook".to_string(), ..new };
        assert!(matches!(editor.add_destination("shop", &taken), Err(EditError::Exists(_))));
        assert!(matches!(editor.add_destination("none", &taken), Err(EditError::Unknown(_))));
        editor.add_destination("app", &taken).unwrap();
        assert!(
            editor.text().ends_with(
                "]\n\n[[pipeline.destination]]\nname = \"hook\"\nplugin = \"ga4\"\nallowed_hosts = [\"a.example\"]\npaused = true\n"
            ),
            "{}",
            editor.text()
        );
    }

    #[test]
    fn write_keys_come_are_disabled_and_go() {
        let text = edited(|editor| editor.add_write_key("shop", "wk_new"));
        assert!(text.contains("write_keys = [\"wk_one\", \"wk_new\"]"), "{text}");
        let text = edited(|editor| editor.add_write_key("app", "wk_new"));
        assert!(text.contains("[\n  \"wk_two\",\n  \"wk_new\",\n]"), "{text}");
        let text = edited(|editor| editor.enable_write_key("shop", 0, false));
        assert!(text.contains("write_keys = [{ key = \"wk_one\", enabled = false }]"), "{text}");
        let text = edited(|editor| {
            editor.enable_write_key("shop", 0, false)?;
            editor.enable_write_key("shop", 0, true)
        });
        assert_eq!(text, TEXT);
        let text = edited(|editor| editor.limit_write_key("shop", 0, (Some(5), None)));
        assert!(text.contains("[{ key = \"wk_one\", events_per_second = 5 }]"), "{text}");
        assert!(matches!(Editor::new(TEXT).unwrap().remove_write_key("shop", 1), Err(EditError::Unknown(_))));
    }

    #[test]
    fn rules_are_changed_moved_and_made_and_the_rest_of_them_stays() {
        let with = TEXT.replace(
            "    url = \"http://a\" # old\n",
            "    url = \"http://a\" # old\n\n    # nobody needs it\n    [[pipeline.destination.rule]]\n    remove = \"context.ip\" # at all\n\n    [[pipeline.destination.rule]]\n    hash = \"traits.email\"\n    secret = { file = \"k\" }\n",
        );
        let rule = |from: Option<usize>, rule: Json| RuleEdit { from, rule: rule.as_object().unwrap().clone() };
        let set = |rules: &[RuleEdit]| {
            let mut editor = Editor::new(&with).unwrap();
            editor.set_rules("shop", Some("hook"), rules).unwrap();
            editor.text()
        };
        let (first, second) =
            (rule(Some(0), json!({"remove": "context.ip"})), rule(Some(1), json!({"hash": "traits.email"})));
        assert_eq!(set(&[first.clone(), second.clone()]), with);
        let text = set(&[rule(Some(0), json!({"remove": "context.ip", "when": "a == 'b'"})), second.clone()]);
        assert_eq!(text, with.replace("# at all\n", "# at all\n    when = \"a == 'b'\"\n"));
        let text = set(&[second.clone(), first.clone(), rule(None, json!({"trim": "traits.name"}))]);
        let places = ["hash =", "secret = { file", "# nobody needs it", "remove = \"context.ip\" # at all", "trim ="];
        let found: Vec<Option<usize>> = places.iter().map(|part| text.find(part)).collect();
        assert!(found.iter().all(Option::is_some) && found.is_sorted(), "{found:?} {text}");
        assert!(text.parse::<DocumentMut>().is_ok() && text.ends_with("]\n"), "{text}");
        assert_eq!(set(&[]), TEXT);
        let mut editor = Editor::new(TEXT).unwrap();
        editor.set_rules("shop", None, &[rule(None, json!({"set": "a", "value": {"b": [1, 2.5, true]}}))]).unwrap();
        let parsed: toml::Table = editor.text().parse().unwrap();
        assert_eq!(parsed["pipeline"][0]["rule"][0]["set"].as_str(), Some("a"), "{}", editor.text());
    }

    #[test]
    fn a_bad_text_is_named_by_its_line_alone() {
        let told = Editor::new("a = 1\nkey = s3cret").err().unwrap().to_string();
        assert!(told.contains("line 2") && !told.contains("s3cret"), "{told}");
    }
}
