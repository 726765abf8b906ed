//! Which events a rule is for, and which go: kinds, names, samples.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::event::index::View;
use crate::event::{Event, EventKind};

use super::change::scalar;
use super::path::Path;
use super::steps::{Exhausted, Steps};

/// Names in one list.
pub const NAMES_MAX: usize = 1_000;

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub const ALL: Kinds = Kinds(u8::MAX);

    pub fn of(kinds: impl IntoIterator<Item = EventKind>) -> Kinds {
        Kinds(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u8))
    }

    #[inline]
    pub fn has(self, kind: EventKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }
}

/// Names of events, exact or with wildcards.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Names {
    exact: Vec<String>,
    globs: Vec<String>,
}

impl Names {
    pub fn new(names: &[String]) -> Names {
        let (globs, mut exact): (Vec<String>, Vec<String>) =
            names.iter().cloned().partition(|name| name.contains(['*', '?']));
        exact.sort();
        Names { exact, globs }
    }

    pub fn has(&self, name: &str, steps: &Steps) -> Result<bool, Exhausted> {
        // A few are compared faster than searched.
        let exact = match self.exact.len() {
            0..8 => self.exact.iter().any(|each| each == name),
            _ => self.exact.binary_search_by(|each| each.as_str().cmp(name)).is_ok(),
        };
        if exact {
            return Ok(true);
        }
        for glob in &self.globs {
            if glob_matches(glob, name, steps)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a name is of a form in which `*` stands for any text and `?` for one character. Takes
/// steps for each comparison: at most the one's length times the other's.
fn glob_matches(glob: &str, name: &str, steps: &Steps) -> Result<bool, Exhausted> {
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    let (mut at, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        steps.take(1)?;
        match glob.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => match star {
                // The last star takes one more.
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    (at, in_name) = (star_at + 1, taken + 1);
                }
                None => return Ok(false),
            },
        }
    }
    Ok(glob[at..].iter().all(|rest| *rest == '*'))
}

/// The name of an event: a track's `event`, a page's or screen's `name`.
pub(super) fn name_of<'v>(kind: EventKind, view: View<'v>) -> Option<Cow<'v, str>> {
    view.get(&[name_key(kind)?]).and_then(|value| value.as_str())
}

/// Where the name of such an event stands.
pub(super) fn name_key(kind: EventKind) -> Option<&'static str> {
    match kind {
        EventKind::Track => Some("event"),
        EventKind::Page | EventKind::Screen => Some("name"),
        EventKind::Identify | EventKind::Group | EventKind::Alias => None,
    }
}

/// Whether an event is in a sample of so large a share, from 0 to 1: always the same for a user, and
/// a larger sample has all users of a smaller one. A user is told by `by`, or by userId, else
/// anonymousId, else each event is told apart by its messageId.
pub(super) fn is_sampled(
    share: f64,
    by: Option<&Path>,
    event: &Event,
    view: View<'_>,
    steps: &Steps,
) -> Result<bool, Exhausted> {
    let told_by = match by {
        Some(path) => path.first(view, steps)?.and_then(|value| scalar(&value)),
        None => ["userId", "anonymousId"].iter().find_map(|key| scalar(&view.get(&[key])?)),
    };
    let told_by = told_by.filter(|text| !text.is_empty()).unwrap_or_else(|| event.message_id.as_str().into());
    steps.take_bytes(told_by.len())?;
    let digest = Sha256::digest(told_by.as_bytes());
    let first = digest.first_chunk::<8>().copied().unwrap_or_default();
    // 53 bits are what a float tells apart.
    let point = (u64::from_be_bytes(first) >> 11) as f64 / (1_u64 << 53) as f64;
    Ok(point < share)
}

/// What the event's `integrations` says of a destination: its own name first, then its plugin's, then
/// `All`; it goes when none is named. Source: the Segment specification, common fields.
pub(super) fn integrations_allow(view: View<'_>, name: &str, plugin: &str) -> bool {
    let Some(integrations) = view.get(&["integrations"]) else { return true };
    let mut all = true;
    let mut by_plugin = None;
    for member in integrations.children() {
        let Some(key) = member.key() else { continue };
        let allowed = member.as_bool().unwrap_or(true);
        if key.eq_ignore_ascii_case(name) {
            return allowed;
        } else if key.eq_ignore_ascii_case(plugin) {
            by_plugin = Some(allowed);
        } else if key.eq_ignore_ascii_case("All") {
            all = allowed;
        }
    }
    by_plugin.unwrap_or(all)
}
