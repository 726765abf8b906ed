//! A daemon's configuration, as the text that an operator would write.

use std::fmt::Write;

use serde_json::Value;

/// One `[[pipeline.destination]]`.
#[derive(Clone, Debug)]
pub struct Destination {
    name: String,
    plugin: String,
    settings: Vec<(String, Value)>,
    delivery: Vec<(String, Value)>,
    extra: Vec<(String, Value)>,
    tables: String,
}

impl Destination {
    /// A destination with short waits, so that retries do not make a test long.
    pub fn new(name: &str, plugin: &str) -> Destination {
        Destination {
            name: name.to_string(),
            plugin: plugin.to_string(),
            settings: Vec::new(),
            delivery: vec![
                ("backoff_ms_min".to_string(), Value::from(50)),
                ("backoff_ms_max".to_string(), Value::from(400)),
            ],
            extra: vec![("allowed_addresses".to_string(), Value::from(vec!["127.0.0.0/8", "::1/128"]))],
            tables: String::new(),
        }
    }

    /// The webhook plugin, to `<base>/webhook`, with the whole of every event.
    pub fn webhook(name: &str, base: &str) -> Destination {
        Destination::new(name, "webhook").setting("url", format!("{base}/webhook")).key("ignore_integrations", true)
    }

    /// The ga4 plugin, to the stand-in.
    pub fn ga4(name: &str, base: &str) -> Destination {
        Destination::new(name, "ga4")
            .setting("measurement_id", "G-TEST")
            .setting("api_secret", "ga4-secret")
            .setting("endpoint", format!("{base}/ga4"))
    }

    /// The mixpanel plugin, to the stand-in.
    pub fn mixpanel(name: &str, base: &str) -> Destination {
        Destination::new(name, "mixpanel")
            .setting("project_token", "mixpanel-token")
            .setting("endpoint", format!("{base}/mixpanel"))
    }

    /// The hostile guest of tests/guests: its `mode` says what it does with the events it is for.
    pub fn hostile(name: &str, base: &str, mode: &str) -> Destination {
        Destination::new(name, "hostile")
            .setting("mode", mode)
            .setting("secret", "planted-hostile-secret")
            .setting("endpoint", format!("{base}/webhook-{name}"))
    }

    /// The obedient guest of tests/guests, to `<base>/webhook`: events and answers say what it does.
    pub fn obedient(name: &str, base: &str) -> Destination {
        Destination::new(name, "obedient").setting("endpoint", format!("{base}/webhook"))
    }

    /// One setting of the plugin.
    pub fn setting(mut self, key: &str, value: impl Into<Value>) -> Destination {
        set(&mut self.settings, key, value.into());
        self
    }

    /// One key of `[pipeline.destination.delivery]`.
    pub fn delivery(mut self, key: &str, value: impl Into<Value>) -> Destination {
        set(&mut self.delivery, key, value.into());
        self
    }

    /// One key of the destination itself.
    pub fn key(mut self, key: &str, value: impl Into<Value>) -> Destination {
        set(&mut self.extra, key, value.into());
        self
    }

    /// Further tables of the destination, as TOML: `[[pipeline.destination.rule]]` and the like.
    pub fn tables(mut self, toml: &str) -> Destination {
        self.tables.push_str(toml);
        self.tables.push('\n');
        self
    }

    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "  [[pipeline.destination]]");
        let _ = writeln!(text, "  name = {:?}\n  plugin = {:?}", self.name, self.plugin);
        write_pairs(text, &self.extra);
        let _ = writeln!(text, "  [pipeline.destination.settings]");
        write_pairs(text, &self.settings);
        let _ = writeln!(text, "  [pipeline.destination.delivery]");
        write_pairs(text, &self.delivery);
        text.push_str(&self.tables);
    }
}

fn set(pairs: &mut Vec<(String, Value)>, key: &str, value: Value) {
    pairs.retain(|(known, _)| known != key);
    pairs.push((key.to_string(), value));
}

/// JSON's texts, numbers, truths and arrays of them are written alike in TOML.
fn write_pairs(text: &mut String, pairs: &[(String, Value)]) {
    for (key, value) in pairs {
        let _ = writeln!(text, "  {key} = {value}");
    }
}

/// A whole configuration: pipelines, and sections given as text.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    pipelines: Vec<(String, String, Vec<Destination>)>,
    sections: String,
    top: String,
    of_pipelines: String,
    more_write_keys: String,
}

impl Setup {
    /// A pipeline `shop` with the write key `wk_test`.
    pub fn shop(destinations: impl IntoIterator<Item = Destination>) -> Setup {
        Setup::default().pipeline("shop", "wk_test", destinations)
    }

    /// One more pipeline.
    pub fn pipeline(
        mut self,
        name: &str,
        write_key: &str,
        destinations: impl IntoIterator<Item = Destination>,
    ) -> Setup {
        self.pipelines.push((name.to_string(), write_key.to_string(), destinations.into_iter().collect()));
        self
    }

    /// Further sections, as TOML: `[ingest]` and the like.
    pub fn section(mut self, toml: &str) -> Setup {
        self.sections.push_str(toml);
        self.sections.push('\n');
        self
    }

    /// Further keys and tables of every pipeline, as TOML.
    pub fn of_pipelines(mut self, toml: &str) -> Setup {
        self.of_pipelines.push_str(toml);
        self.of_pipelines.push('\n');
        self
    }

    /// One more write key of every pipeline, as TOML.
    pub fn write_key(mut self, toml: &str) -> Setup {
        self.more_write_keys.push_str(", ");
        self.more_write_keys.push_str(toml);
        self
    }

    /// A key before the first section.
    pub fn top(mut self, toml: &str) -> Setup {
        self.top.push_str(toml);
        self.top.push('\n');
        self
    }

    /// The configuration's text. Directories are beside the file.
    pub fn to_toml(&self, ingest: &str, admin: &str) -> String {
        let mut text = self.top.clone();
        let _ = writeln!(text, "[listen]\ningest = {ingest:?}\nadmin = {admin:?}");
        let _ = writeln!(text, "[data]\ndirectory = \"data\"\n[plugins]\ndirectory = \"plugins\"");
        text.push_str(&self.sections);
        for (name, write_key, destinations) in &self.pipelines {
            let more = &self.more_write_keys;
            let _ = writeln!(text, "[[pipeline]]\nname = {name:?}\nwrite_keys = [{write_key:?}{more}]");
            text.push_str(&self.of_pipelines);
            destinations.iter().for_each(|destination| destination.write(&mut text));
        }
        text
    }

    /// The plugins that its destinations name, each once.
    pub fn plugins(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .pipelines
            .iter()
            .flat_map(|(_, _, destinations)| destinations)
            .map(|each| each.plugin.clone())
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }
}
