//! Rules, consent and the policy on personal data: from the file to [`Transformation`]s. A mistake
//! names its line.

use std::sync::Arc;

use serde_json::{Map, Value};
use toml::Spanned;

use super::check::Checker;
use super::{ConfigError, DestinationId};
use crate::transformation::{
    Class, ConsentSource, Mistake, Part, Policy, PolicyAsWritten, Rule, Rules, Secret, Transformation, Treatment,
    Written, compile,
};

impl Checker<'_> {
    /// What all destinations of a pipeline share.
    pub(super) fn shared_transformation(
        &self,
        pipeline: &str,
        consent_source: ConsentSource,
        pii: Option<Spanned<toml::Table>>,
        rules: Vec<Spanned<toml::Table>>,
    ) -> Result<Written, ConfigError> {
        let pipeline_rules = self.rules(&format!("pipeline `{pipeline}`"), rules)?;
        let pii = match pii {
            Some(pii) => self.policy(pipeline, pii)?,
            None => PolicyAsWritten::new(),
        };
        Ok(Written { consent_source, pipeline_rules, pii, ..Written::default() })
    }

    /// All that was designated for a destination.
    pub(super) fn transformation(
        &self,
        id: &DestinationId,
        written: Written,
        offset: usize,
    ) -> Result<Arc<Transformation>, ConfigError> {
        Transformation::new(written)
            .map(Arc::new)
            .map_err(|error| self.wrong(offset, format!("destination `{id}`: {}: {}", error.key, error.message)))
    }

    /// The rules of a pipeline or destination. All mistakes are named, each with its line.
    pub(super) fn rules(&self, owner: &str, tables: Vec<Spanned<toml::Table>>) -> Result<Rules, ConfigError> {
        let offsets: Vec<usize> = tables.iter().map(|table| table.span().start).collect();
        let mut mistakes = Vec::new();
        let mut rules = Vec::with_capacity(tables.len());
        for (number, table) in tables.into_iter().enumerate() {
            let offset = table.span().start;
            let mut members = Map::new();
            let mut secret = None;
            for (key, value) in table.into_inner() {
                if key == "secret" {
                    secret = self.secret_text(&value, offset)?;
                } else {
                    members.insert(key, plain(&value));
                }
            }
            match Rule::from_json(Value::Object(members), number) {
                Ok(rule) => rules.push(Rule { secret: secret.map(Secret::Known), ..rule }),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if mistakes.is_empty() {
            match compile(&rules) {
                Ok(rules) => return Ok(rules),
                Err(found) => mistakes = found,
            }
        }
        Err(self.mistaken(owner, &offsets, &mistakes))
    }

    fn mistaken(&self, owner: &str, offsets: &[usize], mistakes: &[Mistake]) -> ConfigError {
        let place = |mistake: &Mistake| {
            let from = offsets.get(mistake.rule).copied().unwrap_or_default();
            let behind = offsets.get(mistake.rule + 1).copied().unwrap_or(self.text.len());
            key_offset(self.text, from, behind, &mistake.field)
        };
        let text = |mistake: &Mistake| format!("{owner}: {mistake}");
        let Some((first, others)) = mistakes.split_first() else {
            return self.wrong(0, format!("{owner}: the rules are wrong"));
        };
        let mut message = text(first);
        for other in others {
            let line = self.line(place(other));
            message.push_str(&format!("\n{}:{line}: {}", self.path.display(), text(other)));
        }
        self.wrong(place(first), message)
    }

    fn secret_text(&self, value: &toml::Value, offset: usize) -> Result<Option<String>, ConfigError> {
        match self.value(value, offset)? {
            Value::String(text) if !text.is_empty() => Ok(Some(text)),
            _ => Err(self.wrong(
                offset,
                "a `secret` is a text, \"${env:NAME}\" or { file = \"...\" }, and not empty".to_string(),
            )),
        }
    }

    /// The policy on personal data, by class.
    fn policy(&self, pipeline: &str, table: Spanned<toml::Table>) -> Result<PolicyAsWritten, ConfigError> {
        let span = table.span();
        let mut policy = PolicyAsWritten::new();
        let wrong = |class: &str, message: String| {
            let offset = key_offset(self.text, span.start, self.text.len(), class);
            Err(self.wrong(offset, format!("pipeline `{pipeline}`: pii.{class}: {message}")))
        };
        for (class, value) in table.into_inner() {
            let mut secret = None;
            let mut members = plain(&value);
            if let (Value::Object(members), toml::Value::Table(table)) = (&mut members, &value)
                && let Some(value) = table.get("secret")
            {
                secret = self.secret_text(value, span.start)?;
                members.remove("secret");
            }
            match serde_json::from_value::<Treatment>(members) {
                Ok(Treatment::Long(mut long)) => {
                    long.secret = secret.map(Secret::Known);
                    policy.insert(class, Treatment::Long(long));
                }
                Ok(short) => {
                    policy.insert(class, short);
                }
                Err(_) => {
                    let message = "write allow, remove, mask or hash, or a table with it as `action` and before_storage, \
                                   paths, by_pattern, secret, country_code";
                    return wrong(&class, message.to_string());
                }
            }
        }
        match Policy::new(&policy, Part::BeforeStorage)
            .and_then(|_| Policy::new(&policy, Part::Delivery(&[] as &[Class])))
        {
            Ok(_) => Ok(policy),
            Err((class, message)) => wrong(&class, message),
        }
    }
}

/// Where a key stands at the start of a line, or inside an inline table; else the start of its table.
fn key_offset(text: &str, from: usize, behind: usize, key: &str) -> usize {
    let table = text.get(from..behind).unwrap_or_default();
    let is_key = |at: usize| {
        let before = table[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric() && before != '_');
        before && table[at + key.len()..].trim_start().starts_with('=')
    };
    if key.is_empty() {
        return from;
    }
    table.match_indices(key).map(|(at, _)| at).find(|at| is_key(*at)).map_or(from, |at| from + at)
}

/// A value as it stands, without a look at what `${...}` may mean elsewhere.
fn plain(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(word) => Value::Bool(*word),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(values) => Value::Array(values.iter().map(plain).collect()),
        toml::Value::Table(table) => {
            Value::Object(table.iter().map(|(key, value)| (key.clone(), plain(value))).collect())
        }
    }
}
