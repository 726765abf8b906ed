//! From rules as they are written to rules that are applied. Every mistake is found at once.

use std::sync::Arc;

use crate::event::EventKind;

use super::change::Change;
use super::constant::Constant;
use super::convert::{DIGITS_MAX, Type};
use super::engine::{Compiled, Rules};
use super::expression::{self, Expression};
use super::hash::{Form, Hash};
use super::keys::{OPERATIONS, SELECTORS, keys_of, operation_name};
use super::mask::{LAST_MAX, Style};
use super::mistake::{Mistake, nearest};
use super::operation::{Kept, Operation, Pairing, Source};
use super::path::{Path, Segment};
use super::rule::{Drops, Paths, Rule};
use super::select::{Kinds, NAMES_MAX, Names};
use super::template::Template;

/// Rules of one pipeline or of one destination. Whoever needs more writes a plugin.
pub const RULES_MAX: usize = 200;
/// Paths in one rule.
pub const PATHS_MAX: usize = 100;
/// Lines in the table of one `map` rule.
pub const TABLE_MAX: usize = 1_000;
/// Characters of a rule's name: it becomes the reason that filtered events are counted by.
pub const NAME_CHARS_MAX: usize = 64;
/// Bytes of a rule's text between items, and of what replaces a pattern.
const TEXT_BYTES_MAX: usize = 4_096;

/// What no rule changes: an event's identity, and what it is.
const FIXED: [&str; 2] = ["messageId", "type"];

/// Checks rules and compiles them.
///
/// # Errors
/// All mistakes.
pub fn compile(rules: &[Rule]) -> Result<Rules, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    if rules.len() > RULES_MAX {
        mistakes.push(Mistake::new(RULES_MAX, "", format!("there are at most {RULES_MAX} rules")));
    }
    let mut compiled = Vec::with_capacity(rules.len());
    for (number, rule) in rules.iter().take(RULES_MAX).enumerate() {
        let mut checking = Checking { rule: number, mistakes: &mut mistakes };
        let made = checking.compiled(rule);
        if let Some(earlier) =
            rules[..number].iter().position(|earlier| rule.name.is_some() && earlier.name == rule.name)
        {
            checking.mistake("name", format!("rule {} has this name already", earlier + 1));
        }
        compiled.extend(made.map(Arc::new));
    }
    match mistakes.is_empty() {
        true => Ok(Rules::new(compiled, rules.to_vec())),
        false => Err(mistakes),
    }
}

struct Checking<'m> {
    rule: usize,
    mistakes: &'m mut Vec<Mistake>,
}

impl Checking<'_> {
    fn mistake(&mut self, field: &str, message: impl Into<String>) {
        self.mistakes.push(Mistake::new(self.rule, field, message));
    }

    fn compiled(&mut self, rule: &Rule) -> Option<Compiled> {
        let before = self.mistakes.len();
        let set = keys_of(rule);
        for key in rule.unknown.keys() {
            let known =
                OPERATIONS.iter().flat_map(|(name, keys)| std::iter::once(name).chain(keys.iter())).chain(&SELECTORS);
            let near = nearest(key, known.copied());
            let message = match near {
                Some(near) => format!("no rule has a key `{key}`: did you mean `{near}`?"),
                None => format!("no rule has a key `{key}`"),
            };
            self.mistakes.push(Mistake::new(self.rule, key, message).suggest(near));
        }
        let operations: Vec<&str> =
            set.iter().copied().filter(|key| OPERATIONS.iter().any(|(name, _)| name == key)).collect();
        let operation = match operations[..] {
            [one] => one,
            // Perhaps it is the key that nobody knows.
            [] if !rule.unknown.is_empty() => return None,
            [] => {
                let all = OPERATIONS.map(|(name, _)| name).join(", ");
                self.mistake("", format!("the rule does nothing: it needs one of {all}"));
                return None;
            }
            [first, second, ..] => {
                self.mistake(second, format!("a rule does one thing: `{first}` and `{second}` are two rules"));
                return None;
            }
        };
        let (_, takes) = OPERATIONS.iter().find(|(name, _)| *name == operation)?;
        for key in set.iter().filter(|key| **key != operation && !takes.contains(key)) {
            let message = match takes.is_empty() {
                true => format!("`{operation}` takes no `{key}`"),
                false => format!("`{operation}` takes no `{key}`: it takes {}", takes.join(", ")),
            };
            self.mistake(key, message);
        }
        let kinds = self.kinds(rule.kinds.as_deref());
        let names = rule.events.as_ref().map(|names| self.names(names));
        let when = rule.when.as_ref().and_then(|source| self.expression("when", source, false));
        let name = self.name(rule);
        let made = self.operation(rule, operation);
        if self.mistakes.len() > before {
            return None;
        }
        Some(Compiled {
            number: self.rule,
            name,
            what: operation_name(operation),
            disabled: rule.disabled,
            kinds,
            names,
            when,
            operation: made?,
        })
    }

    fn name(&mut self, rule: &Rule) -> String {
        let Some(name) = &rule.name else { return format!("rule {}", self.rule + 1) };
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            self.mistake("name", format!("a name has 1 to {NAME_CHARS_MAX} characters, on one line"));
        }
        name.clone()
    }

    fn kinds(&mut self, kinds: Option<&[String]>) -> Kinds {
        let Some(kinds) = kinds else { return Kinds::ALL };
        let mut found = Vec::new();
        for kind in kinds {
            match EventKind::from_name(kind) {
                Some(kind) => found.push(kind),
                None => {
                    let all = EventKind::ALL.map(EventKind::as_str);
                    let near = nearest(kind, all);
                    let message = format!("`{kind}` is not a kind of event: use one of {}", all.join(", "));
                    self.mistakes.push(Mistake::new(self.rule, "kinds", message).suggest(near));
                }
            }
        }
        if kinds.is_empty() {
            self.mistake("kinds", "the list is empty: leave it out for all kinds");
        }
        Kinds::of(found)
    }

    fn names(&mut self, names: &[String]) -> Names {
        if names.is_empty() || names.len() > NAMES_MAX {
            self.mistake("events", format!("a list of names has 1 to {NAMES_MAX} of them"));
        }
        Names::new(names)
    }

    fn expression(&mut self, field: &str, source: &str, item: bool) -> Option<Expression> {
        match Expression::compile(source, item) {
            Ok(expression) => Some(expression),
            Err(error) => {
                let mistake = Mistake::new(self.rule, field, error.message).at(error.at).suggest(error.suggestion);
                self.mistakes.push(mistake);
                None
            }
        }
    }

    fn path(&mut self, field: &str, text: &str) -> Option<Path> {
        match Path::parse(text) {
            Ok(path) => Some(path),
            Err(error) => {
                let mistake = Mistake::new(self.rule, field, error.message).at(error.at).suggest(error.suggestion);
                self.mistakes.push(mistake);
                None
            }
        }
    }

    /// A path that the rule changes.
    fn changed_path(&mut self, field: &str, text: &str) -> Option<Path> {
        let path = self.path(field, text)?;
        if FIXED.contains(&path.root()) {
            let root = path.root();
            self.mistake(field, format!("no rule changes `{root}`: it says which event it is, and of what kind"));
            return None;
        }
        Some(path)
    }

    fn changed_paths(&mut self, field: &str, paths: Option<&Paths>) -> Option<Vec<Path>> {
        let texts: Vec<&str> = paths?.iter().collect();
        if texts.is_empty() || texts.len() > PATHS_MAX {
            self.mistake(field, format!("a rule has 1 to {PATHS_MAX} paths"));
            return None;
        }
        let paths: Vec<Path> = texts.iter().filter_map(|text| self.changed_path(field, text)).collect();
        (paths.len() == texts.len()).then_some(paths)
    }

    fn constant(&mut self, field: &str, value: &serde_json::Value) -> Option<Constant> {
        Constant::new(value).map_err(|message| self.mistake(field, message)).ok()
    }

    fn template(&mut self, field: &str, text: &str) -> Option<Template> {
        match Template::parse(text) {
            Ok(template) => Some(template),
            Err(error) => {
                let mistake = Mistake::new(self.rule, field, error.message).at(error.at).suggest(error.suggestion);
                self.mistakes.push(mistake);
                None
            }
        }
    }

    /// A text that a key must have.
    fn needed<'t>(&mut self, field: &str, text: Option<&'t String>, what: &str) -> Option<&'t str> {
        match text {
            Some(text) if text.len() <= TEXT_BYTES_MAX => Some(text),
            Some(_) => {
                self.mistake(field, format!("`{field}` has at most {TEXT_BYTES_MAX} bytes"));
                None
            }
            None => {
                self.mistake("", format!("the rule needs `{field}`: {what}"));
                None
            }
        }
    }

    /// One of a list of words.
    fn word<T: Copy>(&mut self, field: &str, word: &str, words: &[(&'static str, T)]) -> Option<T> {
        if let Some((_, meaning)) = words.iter().find(|(known, _)| *known == word) {
            return Some(*meaning);
        }
        let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        let message = format!("`{word}` is not known: use one of {}", known.join(", "));
        let near = nearest(word, known.iter().copied());
        self.mistakes.push(Mistake::new(self.rule, field, message).suggest(near));
        None
    }

    fn operation(&mut self, rule: &Rule, operation: &str) -> Option<Operation> {
        Some(match operation {
            "set" | "default" => self.set(rule, operation)?,
            "copy" | "move" => {
                let from = if operation == "copy" { rule.copy.as_ref() } else { rule.r#move.as_ref() };
                let from = match operation {
                    "copy" => self.path(operation, from?)?,
                    _ => self.changed_path(operation, from?)?,
                };
                let to = self.needed("to", rule.to.as_ref(), "where it goes")?;
                let to = self.changed_path("to", to)?;
                let pairing = self.pairing(operation, &from, &to)?;
                Operation::Copy { from, to, pairing, moves: operation == "move" }
            }
            "remove" => Operation::Remove(self.changed_paths("remove", rule.remove.as_ref())?),
            "keep" => self.keep(rule)?,
            "rename_event" => {
                let template = self.template("rename_event", rule.rename_event.as_ref()?)?;
                Operation::RenameEvent(template)
            }
            "split" | "join" => {
                let paths = if operation == "split" { rule.split.as_ref() } else { rule.join.as_ref() };
                let by = self.needed("by", rule.by.as_ref(), "the text between, such as \",\"")?.to_string();
                if by.is_empty() && operation == "split" {
                    self.mistake("by", "the text between is empty");
                    return None;
                }
                let change = if operation == "split" { Change::Split(by) } else { Change::Join(by) };
                self.change_to(rule, operation, paths, change)?
            }
            "drop" => {
                let drops = rule.drop?;
                if rule.kinds.is_none() && rule.events.is_none() && rule.when.is_none() {
                    self.mistake("drop", "name the events: with `kinds`, `events` or `when`");
                    return None;
                }
                Operation::Drop(drops)
            }
            "sample" => {
                let share = rule.sample?;
                if !(0.0..=1.0).contains(&share) {
                    self.mistake("sample", "a share is from 0 to 1: 0.1 is one of ten users");
                    return None;
                }
                let by = match &rule.by {
                    Some(by) => Some(self.path("by", by)?),
                    None => None,
                };
                Operation::Sample { share, by }
            }
            _ => {
                let (paths, change) = self.change(rule, operation)?;
                Operation::Change { paths, change }
            }
        })
    }

    fn set(&mut self, rule: &Rule, operation: &str) -> Option<Operation> {
        let only_missing = operation == "default";
        let to = if only_missing { rule.default.as_ref() } else { rule.set.as_ref() };
        let to = self.changed_path(operation, to?)?;
        let sources = [rule.value.is_some(), rule.from.is_some(), rule.template.is_some(), rule.expression.is_some()];
        if sources.iter().filter(|there| **there).count() != 1 {
            self.mistake(operation, format!("`{operation}` needs one of value, from, template, expression"));
            return None;
        }
        let source = if let Some(value) = &rule.value {
            Source::Constant(self.constant("value", value)?)
        } else if let Some(from) = &rule.from {
            let from = self.path("from", from)?;
            let pairing = self.pairing("from", &from, &to)?;
            Source::Path(from, pairing)
        } else if let Some(template) = &rule.template {
            Source::Template(self.template("template", template)?)
        } else {
            Source::Expression(self.expression("expression", rule.expression.as_ref()?, to.has_each())?)
        };
        Some(Operation::Set { to, source, only_missing })
    }

    /// How the values of one path go to the places of the other.
    fn pairing(&mut self, field: &str, from: &Path, to: &Path) -> Option<Pairing> {
        let (from_items, from_rest) = from.split_at_last_each();
        let (to_items, to_rest) = to.split_at_last_each();
        let inside = |left: &[Segment], right: &[Segment]| left.iter().zip(right).all(|(left, right)| left == right);
        if from == to {
            self.mistake(field, "both paths are the same");
            return None;
        }
        let pairing = match (from_items, to_items) {
            ([], _) => Pairing::One,
            (_, []) => Pairing::Gather,
            (from, to) if from == to => Pairing::PerItem(from.len()),
            _ => {
                let message = "both paths go through lists: they must go through the same one, such as \
                               `products[].id` and `products[].sku`";
                self.mistake(field, message);
                return None;
            }
        };
        let same_items = from_items == to_items || pairing == Pairing::One;
        let overlap = match pairing {
            Pairing::PerItem(_) => inside(from_rest, to_rest),
            _ => same_items && inside(&from.segments, &to.segments),
        };
        if field == "move" && overlap || pairing == Pairing::PerItem(0) {
            self.mistake(field, "one of the paths is part of the other");
            return None;
        }
        Some(pairing)
    }

    fn keep(&mut self, rule: &Rule) -> Option<Operation> {
        let paths = rule.keep.as_ref()?;
        let under = match &rule.under {
            Some(under) => Some(self.changed_path("under", under)?),
            None => None,
        };
        let mut kept = Kept::default();
        let mut count = 0;
        for text in paths.iter() {
            count += 1;
            let path = self.path("keep", text)?;
            kept.add(&path.segments);
        }
        if count > PATHS_MAX {
            self.mistake("keep", format!("a rule has at most {PATHS_MAX} paths"));
        }
        if under.is_none() {
            // An event without these is none.
            ["type", "messageId", "timestamp"].iter().for_each(|key| kept.add(&[Segment::Key(key.to_string())]));
        }
        Some(Operation::Keep { under, kept })
    }

    fn change_to(&mut self, rule: &Rule, operation: &str, paths: Option<&Paths>, change: Change) -> Option<Operation> {
        let Some(to) = &rule.to else {
            return Some(Operation::Change { paths: self.changed_paths(operation, paths)?, change });
        };
        let to = self.changed_path("to", to)?;
        let texts: Vec<&str> = paths?.iter().collect();
        let [from] = texts[..] else {
            self.mistake("to", "with `to`, name one path");
            return None;
        };
        let from = self.path(operation, from)?;
        let pairing = self.pairing(operation, &from, &to)?;
        Some(Operation::ChangeTo { from, to, pairing, change })
    }

    fn change(&mut self, rule: &Rule, operation: &str) -> Option<(Vec<Path>, Change)> {
        let (paths, change) = match operation {
            "convert" => {
                let known = Type::NAMES.map(|(name, _)| name).join(", ");
                let to = self.needed("as", rule.r#as.as_ref(), &format!("one of {known}"))?;
                let to = self.word("as", to, &Type::NAMES)?;
                let on_failure = rule.on_failure.as_deref().unwrap_or("keep");
                let or_remove = self.word("on_failure", on_failure, &[("keep", false), ("remove", true)])?;
                (&rule.convert, Change::Convert { to, or_remove })
            }
            "map" => (&rule.map, self.map(rule)?),
            "lower" => (&rule.lower, Change::Lower),
            "upper" => (&rule.upper, Change::Upper),
            "trim" => (&rule.trim, Change::Trim),
            "replace" => {
                let pattern = self.needed("pattern", rule.pattern.as_ref(), "a regular expression")?;
                let with = self.needed("with", rule.with.as_ref(), "the text in its place; may be empty")?.to_string();
                let pattern = match expression::pattern(pattern) {
                    Ok(pattern) => pattern,
                    Err(message) => {
                        self.mistake("pattern", message);
                        return None;
                    }
                };
                (&rule.replace, Change::Replace { pattern, with })
            }
            "hash" => (&rule.hash, Change::Hash(self.hash(rule)?)),
            "mask" => (&rule.mask, Change::Mask(self.style(rule)?)),
            "round" => {
                let digits = rule.digits.unwrap_or(0);
                let Some(digits) = u8::try_from(digits).ok().filter(|_| digits <= DIGITS_MAX) else {
                    self.mistake("digits", format!("a number is rounded to 0 to {DIGITS_MAX} digits"));
                    return None;
                };
                (&rule.round, Change::Round(digits))
            }
            _ => return None,
        };
        Some((self.changed_paths(operation, paths.as_ref())?, change))
    }

    fn map(&mut self, rule: &Rule) -> Option<Change> {
        let Some(table) = &rule.table else {
            self.mistake("", "the rule needs `table`: the new values by the old ones, such as { old = \"new\" }");
            return None;
        };
        if table.is_empty() || table.len() > TABLE_MAX {
            self.mistake("table", format!("a table has 1 to {TABLE_MAX} lines"));
            return None;
        }
        let mut constants = Vec::with_capacity(table.len());
        for (from, to) in table {
            constants.push((from.clone(), self.constant("table", to)?));
        }
        let otherwise = match &rule.otherwise {
            Some(otherwise) => Some(self.constant("otherwise", otherwise)?),
            None => None,
        };
        // A BTreeMap is sorted.
        Some(Change::Map { table: constants, otherwise })
    }

    fn hash(&mut self, rule: &Rule) -> Option<Hash> {
        let form = self.word("normalize", rule.normalize.as_deref().unwrap_or("none"), &Form::NAMES)?;
        let is_phone = matches!(form, Form::Phone | Form::PhoneE164);
        if let Some(code) = &rule.country_code {
            if !is_phone {
                self.mistake("country_code", "only phones have a country code: set normalize = \"phone\"");
                return None;
            }
            if code.is_empty() || code.len() > 4 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
                self.mistake("country_code", "a country code is 1 to 4 digits, such as \"49\"");
                return None;
            }
        }
        let secret = match &rule.secret {
            None => None,
            Some(secret) => match secret.key() {
                Some(key) => Some(key.to_string()),
                None => {
                    self.mistake("secret", "the secret is a text that is not empty");
                    return None;
                }
            },
        };
        Some(Hash { form, country_code: rule.country_code.clone(), secret })
    }

    fn style(&mut self, rule: &Rule) -> Option<Style> {
        let style = rule.style.as_deref().unwrap_or(if rule.last.is_some() { "last" } else { "whole" });
        let style = self.word("style", style, &Style::NAMES)?;
        match (style, rule.last) {
            (style, None) => Some(style),
            (Style::Last(_), Some(last @ 1..=LAST_MAX)) => Some(Style::Last(last as u8)),
            (Style::Last(_), Some(_)) => {
                self.mistake("last", format!("`last` is from 1 to {LAST_MAX}"));
                None
            }
            _ => {
                self.mistake("last", "only the style `last` takes `last`");
                None
            }
        }
    }
}

impl Kept {
    /// Keeps a path, and all that stands there.
    fn add(&mut self, segments: &[Segment]) {
        let Some((first, rest)) = segments.split_first() else {
            self.all = true;
            return;
        };
        let at = match self.members.iter().position(|(segment, _)| segment == first) {
            Some(at) => at,
            None => {
                self.members.push((first.clone(), Kept::default()));
                self.members.len() - 1
            }
        };
        self.members[at].1.add(rest);
    }
}

impl Drops {
    /// Whether an event that a rule is for, or is not for, is kept back.
    pub(super) fn keeps_back(self, selected: bool) -> bool {
        selected == (self == Drops::Matching)
    }
}
