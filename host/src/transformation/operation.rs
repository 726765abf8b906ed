//! What a rule does to an event.

use crate::event::index::{Kind, Value, View};

use super::arena::Fragment;
use super::change::{Change, Changed};
use super::constant::Constant;
use super::draft::{Draft, Edits};
use super::expression::{Cel, Expression, Scope, Trouble};
use super::path::{self, Path, Place, Segment};
use super::rule::Drops;
use super::select::{is_sampled, name_key};
use super::steps::{Exhausted, Steps};
use super::template::Template;

/// What a rule does.
#[derive(Debug)]
pub(super) enum Operation {
    Set { to: Path, source: Source, only_missing: bool },
    RenameEvent(Template),
    Copy { from: Path, to: Path, pairing: Pairing, moves: bool },
    Remove(Vec<Path>),
    Keep { under: Option<Path>, kept: Kept },
    Change { paths: Vec<Path>, change: Change },
    ChangeTo { from: Path, to: Path, pairing: Pairing, change: Change },
    Drop(Drops),
    Sample { share: f64, by: Option<Path> },
}

/// Where the value of `set` and `default` comes from.
#[derive(Debug)]
pub(super) enum Source {
    Constant(Constant),
    Path(Path, Pairing),
    Template(Template),
    Expression(Expression),
}

/// How the values of one path go to the places of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pairing {
    /// The one value to all places.
    One,
    /// Within each item of the same array, this many segments on.
    PerItem(usize),
    /// All values into one list.
    Gather,
}

/// What `keep` leaves.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Everything from here on.
    pub all: bool,
    pub members: Vec<(Segment, Kept)>,
}

/// What came of a rule.
#[derive(Debug)]
pub(super) enum Effect {
    /// It noted edits.
    Changed,
    /// It did nothing; why.
    Nothing(Why),
    /// The event does not go.
    Dropped,
}

/// Why a rule did nothing.
#[derive(Debug)]
pub(super) enum Why {
    Because(&'static str),
    Trouble(Trouble),
}

impl Operation {
    /// Notes its edits. Only called for an event that the rule is for.
    pub fn apply(&self, draft: &mut Draft<'_>, steps: &Steps) -> Result<Effect, Exhausted> {
        let event = draft.event();
        let (view, edits) = draft.parts();
        let before = edits.len();
        let why = match self {
            Operation::Set { to, source, only_missing } => set(to, source, *only_missing, view, edits, steps)?,
            Operation::RenameEvent(template) => match (name_key(event.kind), template.render(view, steps)?) {
                (Some(key), Some(name)) => {
                    let name = edits.arena.text(&name)?;
                    put(view.root(), &[Segment::Key(key.to_string())], name, false, edits, steps)?
                }
                (None, _) => Why::Because("events of this kind have no name"),
                (_, None) => Why::Because("the event has none of the values of the new name"),
            },
            Operation::Copy { from, to, pairing, moves } => copy(
                from,
                to,
                *pairing,
                *moves,
                &mut |value, edits| Ok(Some(edits.arena.copy(value)?)),
                view,
                edits,
                steps,
            )?,
            Operation::ChangeTo { from, to, pairing, change } => {
                let mut make =
                    |value: &Value<'_>, edits: &mut Edits| match change.apply(value, &mut edits.arena, steps)? {
                        Changed::To(made) => Ok(Some(made)),
                        Changed::Gone | Changed::Same(_) => Ok(None),
                    };
                copy(from, to, *pairing, false, &mut make, view, edits, steps)?
            }
            Operation::Remove(paths) => {
                for path in paths {
                    path.each(view, steps, &mut |place| {
                        if let Place::There(value) = place {
                            edits.remove(&value);
                        }
                        Ok::<(), Exhausted>(())
                    })?;
                }
                Why::Because("the event has nothing there")
            }
            Operation::Keep { under, kept } => {
                match under {
                    None => keep(&view.root(), kept, edits, steps)?,
                    Some(under) => under.each(view, steps, &mut |place| match place {
                        Place::There(value) => keep(&value, kept, edits, steps),
                        Place::Missing(..) => Ok(()),
                    })?,
                }
                Why::Because("there is nothing else")
            }
            Operation::Change { paths, change } => {
                let mut why = "the event has nothing there";
                for path in paths {
                    path.each(view, steps, &mut |place| {
                        let Place::There(value) = place else { return Ok(()) };
                        match change.apply(&value, &mut edits.arena, steps)? {
                            Changed::To(made) => edits.replace(&value, made),
                            Changed::Gone => edits.remove(&value),
                            Changed::Same(because) => why = because,
                        }
                        Ok::<(), Exhausted>(())
                    })?;
                }
                Why::Because(why)
            }
            // Those it is not for are dropped by the engine.
            Operation::Drop(Drops::Matching) => return Ok(Effect::Dropped),
            Operation::Drop(Drops::Others) => Why::Because("the event is one of those that go"),
            Operation::Sample { share, by } => match is_sampled(*share, by.as_ref(), event, view, steps)? {
                true => Why::Because("the user is in the sample"),
                false => return Ok(Effect::Dropped),
            },
        };
        Ok(if edits.len() > before { Effect::Changed } else { Effect::Nothing(why) })
    }

    /// The paths that it may look at.
    pub fn reads(&self) -> Vec<Path> {
        match self {
            Operation::Set { source, to, .. } => match source {
                Source::Constant(_) => Vec::new(),
                Source::Path(path, _) => vec![path.clone()],
                Source::Template(template) => template.reads().cloned().collect(),
                Source::Expression(expression) => {
                    let mut reads = expression.reads.clone();
                    let (items, _) = to.split_at_last_each();
                    if !items.is_empty() {
                        reads.push(Path { segments: items.to_vec() });
                    }
                    reads
                }
            },
            Operation::RenameEvent(template) => template.reads().cloned().collect(),
            Operation::Copy { from, .. } | Operation::ChangeTo { from, .. } => vec![from.clone()],
            Operation::Sample { by: None, .. } => ["userId", "anonymousId"].map(|key| Path::of_keys([key])).to_vec(),
            Operation::Sample { by: Some(path), .. } => vec![path.clone()],
            Operation::Remove(_) | Operation::Keep { .. } | Operation::Change { .. } | Operation::Drop(_) => Vec::new(),
        }
    }

    /// The paths that it may change.
    pub fn writes(&self) -> Vec<Path> {
        match self {
            Operation::Set { to, .. } | Operation::ChangeTo { to, .. } => vec![to.clone()],
            Operation::Copy { from, to, moves: true, .. } => vec![from.clone(), to.clone()],
            Operation::Copy { to, .. } => vec![to.clone()],
            Operation::RenameEvent(_) => ["event", "name"].map(|key| Path::of_keys([key])).to_vec(),
            Operation::Remove(paths) | Operation::Change { paths, .. } => paths.clone(),
            Operation::Keep { under, .. } => vec![under.clone().unwrap_or(Path { segments: Vec::new() })],
            Operation::Drop(_) | Operation::Sample { .. } => Vec::new(),
        }
    }
}

fn set(
    to: &Path,
    source: &Source,
    only_missing: bool,
    view: View<'_>,
    edits: &mut Edits,
    steps: &Steps,
) -> Result<Why, Exhausted> {
    match source {
        Source::Constant(constant) => {
            let value = constant.write(&mut edits.arena)?;
            put(view.root(), &to.segments, value, only_missing, edits, steps)
        }
        Source::Template(template) => match template.render(view, steps)? {
            Some(text) => {
                let value = edits.arena.text(&text)?;
                put(view.root(), &to.segments, value, only_missing, edits, steps)
            }
            None => Ok(Why::Because("the event has none of the values of the template")),
        },
        Source::Path(from, pairing) => {
            let mut make = |value: &Value<'_>, edits: &mut Edits| Ok(Some(edits.arena.copy(value)?));
            each_pair(from, to, *pairing, view, edits, steps, &mut make, &mut |at, keys, value, edits| {
                put(at, keys, value, only_missing, edits, steps).map(|_| ())
            })?;
            Ok(Why::Because("the event has nothing at `from`, or something at `set` already"))
        }
        Source::Expression(expression) => evaluated(to, expression, only_missing, view, edits, steps),
    }
}

fn evaluated(
    to: &Path,
    expression: &Expression,
    only_missing: bool,
    view: View<'_>,
    edits: &mut Edits,
    steps: &Steps,
) -> Result<Why, Exhausted> {
    let scope = Scope::new(view, steps);
    let mut why = Why::Because("the event has no object there, or a value already");
    let mut one = |at: Value<'_>, keys: &[Segment]| -> Result<(), Exhausted> {
        match scope.evaluate(&expression.root) {
            Ok(value) => match value.write(&mut edits.arena)? {
                Some(value) => {
                    put(at, keys, value, only_missing, edits, steps)?;
                }
                None => why = Why::Because("the expression gives no number"),
            },
            Err(Trouble::Exhausted) => return Err(Exhausted),
            Err(trouble) => why = Why::Trouble(trouble),
        }
        Ok(())
    };
    match to.split_at_last_each() {
        ([], keys) => one(view.root(), keys)?,
        (items, keys) => path::each(view.root(), items, steps, &mut |place| match place {
            Place::There(item) => {
                scope.set(0, Cel::of(&item));
                one(item, keys)
            }
            Place::Missing(..) => Ok(()),
        })?,
    }
    Ok(why)
}

/// Puts a value to every place of a path, from a value on.
fn put(
    at: Value<'_>,
    keys: &[Segment],
    value: Fragment,
    only_missing: bool,
    edits: &mut Edits,
    steps: &Steps,
) -> Result<Why, Exhausted> {
    let mut why = "the event has no such list";
    path::each(at, keys, steps, &mut |place| {
        match place {
            Place::There(there) if only_missing && there.kind() != Kind::Null => why = "the event has a value there",
            Place::There(there) => edits.replace(&there, value),
            Place::Missing(container, keys) => {
                if !edits.append(&container, keys, value)? {
                    why = "what the path leads through is no object, or there is no such item";
                }
            }
        }
        Ok::<(), Exhausted>(())
    })?;
    Ok(Why::Because(why))
}

type Make<'m> = dyn FnMut(&Value<'_>, &mut Edits) -> Result<Option<Fragment>, Exhausted> + 'm;
type PutIn<'m> = dyn FnMut(Value<'_>, &[Segment], Fragment, &mut Edits) -> Result<(), Exhausted> + 'm;

#[expect(clippy::too_many_arguments, reason = "what copies, where, and the event with its edits")]
fn copy(
    from: &Path,
    to: &Path,
    pairing: Pairing,
    moves: bool,
    make: &mut Make<'_>,
    view: View<'_>,
    edits: &mut Edits,
    steps: &Steps,
) -> Result<Why, Exhausted> {
    let before = edits.len();
    each_pair(from, to, pairing, view, edits, steps, make, &mut |at, keys, value, edits| {
        put(at, keys, value, false, edits, steps).map(|_| ())
    })?;
    if moves && edits.len() > before {
        from.each(view, steps, &mut |place| {
            if let Place::There(value) = place {
                edits.remove(&value);
            }
            Ok::<(), Exhausted>(())
        })?;
    }
    Ok(Why::Because("the event has nothing there, or no object for it to go to"))
}

/// Makes something of each value of `from`, and puts it where `to` leads from there.
#[expect(clippy::too_many_arguments, reason = "what copies, where, and the event with its edits")]
fn each_pair(
    from: &Path,
    to: &Path,
    pairing: Pairing,
    view: View<'_>,
    edits: &mut Edits,
    steps: &Steps,
    make: &mut Make<'_>,
    put: &mut PutIn<'_>,
) -> Result<(), Exhausted> {
    match pairing {
        Pairing::One => {
            if let Some(value) = from.first(view, steps)?
                && let Some(made) = make(&value, edits)?
            {
                put(view.root(), &to.segments, made, edits)?;
            }
        }
        Pairing::PerItem(length) => {
            let (items, from_item) = from.segments.split_at(length);
            let (_, to_item) = to.segments.split_at(length);
            path::each(view.root(), items, steps, &mut |place| {
                let Place::There(item) = place else { return Ok(()) };
                if let Some(value) = path::first(item, from_item, steps)?
                    && let Some(made) = make(&value, edits)?
                {
                    put(item, to_item, made, edits)?;
                }
                Ok::<(), Exhausted>(())
            })?;
        }
        Pairing::Gather => {
            let mut values = Vec::new();
            from.each(view, steps, &mut |place| {
                if let Place::There(value) = place {
                    values.push(value);
                }
                Ok::<(), Exhausted>(())
            })?;
            if values.is_empty() {
                return Ok(());
            }
            let made = values.iter().map(|value| make(value, edits)).collect::<Result<Vec<_>, _>>()?;
            let list = edits.arena.begin(Kind::Array)?;
            for value in made.into_iter().flatten() {
                steps.take(1)?;
                edits.arena.item();
                edits.arena.fragment_in(&list, None, value)?;
            }
            let list = edits.arena.end(list);
            put(view.root(), &to.segments, list, edits)?;
        }
    }
    Ok(())
}

fn keep(value: &Value<'_>, kept: &Kept, edits: &mut Edits, steps: &Steps) -> Result<(), Exhausted> {
    if kept.all {
        return Ok(());
    }
    for (number, child) in value.children().enumerate() {
        steps.take(1 + kept.members.len() as u64)?;
        let found = kept.members.iter().find(|(segment, _)| match segment {
            Segment::Key(key) => value.kind() == Kind::Object && child.key_is(key),
            Segment::Each => value.kind() == Kind::Array,
            Segment::Item(item) => value.kind() == Kind::Array && *item as usize == number,
        });
        match found {
            Some((_, kept)) => keep(&child, kept, edits, steps)?,
            None => edits.remove(&child),
        }
    }
    Ok(())
}
