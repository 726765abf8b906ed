//! Evaluates an expression over one event.

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::rc::Rc;

use crate::event::index::{Kind, Value, View};

use super::super::path;
use super::super::steps::{Exhausted, Steps};
use super::functions::{self, is_map, list, made};
use super::{Cel, Each, Macro, Node, Operator};

/// What an expression sees.
pub struct Scope<'v> {
    pub view: View<'v>,
    pub steps: &'v Steps,
    /// Variables, by their place.
    pub locals: RefCell<Vec<Cel<'v>>>,
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// The event has nothing there; which of the expression's names.
    Missing(usize),
    /// A value is of another type than is needed.
    Type(&'static str),
    /// As `Type`: what is needed, and what there is.
    Expected(&'static str, &'static str),
    /// A whole number is out of range.
    Overflow,
    /// Divided by 0.
    DividedByZero,
    /// A text or list became too large.
    TooLarge,
    /// The event took too many steps.
    Exhausted,
}

impl Trouble {
    pub fn expected(what: &'static str, found: &Cel<'_>) -> Trouble {
        Trouble::Expected(what, found.type_name())
    }
}

impl From<Exhausted> for Trouble {
    fn from(_: Exhausted) -> Trouble {
        Trouble::Exhausted
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Missing(_) => formatter.write_str("the event has nothing there"),
            Trouble::Type(what) => formatter.write_str(what),
            Trouble::Expected(what, found) => write!(formatter, "expected {what}, found {found}"),
            Trouble::Overflow => formatter.write_str("a whole number is out of range"),
            Trouble::DividedByZero => formatter.write_str("divided by 0"),
            Trouble::TooLarge => formatter.write_str("a text or list became too large"),
            Trouble::Exhausted => formatter.write_str("too much work for one event"),
        }
    }
}

impl<'v> Scope<'v> {
    pub fn new(view: View<'v>, steps: &'v Steps) -> Scope<'v> {
        Scope { view, steps, locals: RefCell::default() }
    }

    /// Sets a variable.
    pub fn set(&self, local: usize, value: Cel<'v>) {
        let mut locals = self.locals.borrow_mut();
        if locals.len() <= local {
            locals.resize(local + 1, Cel::Null);
        }
        locals[local] = value;
    }

    fn local(&self, local: usize) -> Result<Cel<'v>, Trouble> {
        let locals = self.locals.borrow();
        let Some(value) = locals.get(local) else { return Ok(Cel::Null) };
        self.steps.take_bytes(value.owned_bytes())?;
        Ok(value.clone())
    }

    /// The items of a list, counted.
    pub(super) fn items(&self, of: &Cel<'v>) -> Result<Option<Vec<Cel<'v>>>, Trouble> {
        let items: Vec<Cel<'v>> = match of {
            Cel::List(items) => {
                let bytes = items.iter().map(Cel::owned_bytes).sum();
                self.steps.make(bytes)?;
                items.to_vec()
            }
            Cel::Event(value) if value.kind() == Kind::Array => value.children().map(|item| Cel::of(&item)).collect(),
            _ => return Ok(None),
        };
        self.steps.take(items.len() as u64)?;
        Ok(Some(items))
    }

    /// The members of a map, counted.
    fn members(&self, of: &Cel<'v>) -> Result<Option<Vec<(String, Cel<'v>)>>, Trouble> {
        let members: Vec<(String, Cel<'v>)> = match of {
            Cel::Map(members) => {
                self.steps.make(members.iter().map(|(key, value)| key.len() + value.owned_bytes()).sum())?;
                members.to_vec()
            }
            Cel::Event(value) if value.kind() == Kind::Object => {
                let member = |child: Value<'v>| (child.key().unwrap_or_default().into_owned(), Cel::of(&child));
                value.children().map(member).collect()
            }
            _ => return Ok(None),
        };
        self.steps.take(members.len() as u64)?;
        Ok(Some(members))
    }

    /// The value of an expression.
    pub fn evaluate(&self, node: &'v Node) -> Result<Cel<'v>, Trouble> {
        self.steps.take(1)?;
        Ok(match node {
            Node::Null => Cel::Null,
            Node::Bool(word) => Cel::Bool(*word),
            Node::Int(number) => Cel::Int(*number),
            Node::Double(number) => Cel::Double(*number),
            Node::Text(text) => Cel::Text(Cow::Borrowed(text)),
            Node::Path(path, name) => match path.first(self.view, self.steps)? {
                Some(value) => {
                    self.steps.take_bytes(value.raw().len().min(4_096))?;
                    Cel::of(&value)
                }
                None => return Err(Trouble::Missing(*name)),
            },
            Node::Local(local) => self.local(*local)?,
            Node::Select(of, key, name) => {
                let of = self.evaluate(of)?;
                of.member(key, self.steps)?.ok_or(Trouble::Missing(*name))?
            }
            Node::Index(of, at) => self.index(&self.evaluate(of)?, &self.evaluate(at)?)?,
            Node::Has(of, key) => match self.evaluate(of) {
                Ok(of) => Cel::Bool(of.member(key, self.steps)?.is_some()),
                // CEL has an error here; that `properties` is missing as well is no reason to stop.
                Err(Trouble::Missing(_)) => Cel::Bool(false),
                Err(trouble) => return Err(trouble),
            },
            Node::Not(of) => Cel::Bool(!self.condition(of)?),
            Node::Negate(of) => match self.evaluate(of)? {
                Cel::Int(number) => Cel::Int(number.checked_neg().ok_or(Trouble::Overflow)?),
                Cel::Double(number) => Cel::Double(-number),
                other => return Err(Trouble::expected("a number", &other)),
            },
            // As in CEL, what decides absorbs the trouble of the other side.
            Node::And(left, right) => Cel::Bool(self.either(left, right, false)?),
            Node::Or(left, right) => Cel::Bool(self.either(left, right, true)?),
            Node::If(condition, then, otherwise) => {
                self.evaluate(if self.condition(condition)? { then } else { otherwise })?
            }
            Node::Operator(operator, left, right) => {
                let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
                self.operate(*operator, left, right)?
            }
            Node::List(items) => {
                let items = items.iter().map(|item| self.evaluate(item)).collect::<Result<_, _>>()?;
                list(items, self)?
            }
            Node::Map(members) => self.map(members)?,
            Node::Call(function, arguments) => {
                let arguments = arguments.iter().map(|each| self.evaluate(each)).collect::<Result<Vec<_>, _>>()?;
                functions::call(*function, &arguments, self)?
            }
            Node::Matches(text, pattern) => match self.evaluate(text)? {
                Cel::Text(text) => {
                    // An automaton looks at each byte once, or a few times.
                    self.steps.take_bytes(text.len() * 8)?;
                    Cel::Bool(pattern.is_match(&text))
                }
                other => return Err(Trouble::expected("a text", &other)),
            },
            Node::Each(each) => self.each(each)?,
        })
    }

    /// The value of an expression that is true or false.
    pub fn condition(&self, node: &'v Node) -> Result<bool, Trouble> {
        match self.evaluate(node)? {
            Cel::Bool(word) => Ok(word),
            other => Err(Trouble::expected("true or false", &other)),
        }
    }

    fn either(&self, left: &'v Node, right: &'v Node, decides: bool) -> Result<bool, Trouble> {
        let left = self.condition(left);
        if matches!(left, Ok(left) if left == decides) || left == Err(Trouble::Exhausted) {
            return left;
        }
        match self.condition(right) {
            Ok(right) if right == decides => Ok(decides),
            Err(Trouble::Exhausted) => Err(Trouble::Exhausted),
            right => left.and(right),
        }
    }

    fn index(&self, of: &Cel<'v>, at: &Cel<'v>) -> Result<Cel<'v>, Trouble> {
        match at {
            Cel::Text(key) if is_map(of) => of.member(key, self.steps)?.ok_or(Trouble::Missing(usize::MAX)),
            Cel::Int(_) | Cel::Double(_) => {
                let number = at.as_f64().filter(|number| *number >= 0.0 && number.fract() == 0.0);
                let number = number.ok_or(Trouble::Type("an item is named by a whole number from 0 on"))?;
                let item = match of {
                    Cel::List(items) => items.get(number as usize).cloned(),
                    Cel::Event(value) => path::item_of(value, number as u32, self.steps)?.map(|item| Cel::of(&item)),
                    _ => return Err(Trouble::expected("a list", of)),
                };
                item.ok_or(Trouble::Missing(usize::MAX))
            }
            _ => Err(Trouble::expected("a key or the number of an item", at)),
        }
    }

    fn map(&self, members: &'v [(Node, Node)]) -> Result<Cel<'v>, Trouble> {
        let mut made: Vec<(String, Cel<'v>)> = Vec::with_capacity(members.len());
        for (key, value) in members {
            let Cel::Text(key) = self.evaluate(key)? else {
                return Err(Trouble::Type("the keys of a map are texts"));
            };
            self.steps.take(made.len() as u64)?;
            if made.iter().any(|(known, _)| *known == key) {
                return Err(Trouble::Type("a map has each key once"));
            }
            made.push((key.into_owned(), self.evaluate(value)?));
        }
        Ok(Cel::Map(Rc::new(made)))
    }

    fn operate(&self, operator: Operator, left: Cel<'v>, right: Cel<'v>) -> Result<Cel<'v>, Trouble> {
        match operator {
            Operator::Equal => Ok(Cel::Bool(self.equal(&left, &right)?)),
            Operator::NotEqual => Ok(Cel::Bool(!self.equal(&left, &right)?)),
            Operator::Less => self.ordered(&left, &right, Ordering::is_lt),
            Operator::LessOrEqual => self.ordered(&left, &right, Ordering::is_le),
            Operator::Greater => self.ordered(&left, &right, Ordering::is_gt),
            Operator::GreaterOrEqual => self.ordered(&left, &right, Ordering::is_ge),
            Operator::In => self.is_in(&left, &right),
            Operator::Add => match (left, right) {
                (Cel::Text(left), Cel::Text(right)) => {
                    self.steps.take_bytes(left.len() + right.len())?;
                    made(left.into_owned() + &right, self)
                }
                (left, right) => match (self.items(&left)?, self.items(&right)?) {
                    (Some(left), Some(right)) => list(left.into_iter().chain(right).collect(), self),
                    _ => arithmetic(operator, &left, &right),
                },
            },
            _ => arithmetic(operator, &left, &right),
        }
    }

    /// Values of different types are not equal; numbers are, whether they are whole or not.
    fn equal(&self, left: &Cel<'v>, right: &Cel<'v>) -> Result<bool, Trouble> {
        self.steps.take(1)?;
        Ok(match (left, right) {
            (Cel::Null, Cel::Null) => true,
            (Cel::Bool(left), Cel::Bool(right)) => left == right,
            (Cel::Int(left), Cel::Int(right)) => left == right,
            (Cel::Text(left), Cel::Text(right)) => {
                self.steps.take_bytes(left.len().min(right.len()))?;
                left == right
            }
            (Cel::Int(_) | Cel::Double(_), Cel::Int(_) | Cel::Double(_)) => left.as_f64() == right.as_f64(),
            _ => match (self.items(left)?, self.items(right)?) {
                (Some(left), Some(right)) => {
                    self.steps.take((left.len() + right.len()) as u64)?;
                    left.len() == right.len() && self.all_equal(left.iter().zip(&right))?
                }
                _ => match (self.members(left)?, self.members(right)?) {
                    (Some(left), Some(right)) if left.len() == right.len() => {
                        for (key, value) in &left {
                            self.steps.take(right.len() as u64)?;
                            match right.iter().find(|(other, _)| other == key) {
                                Some((_, other)) if self.equal(value, other)? => {}
                                _ => return Ok(false),
                            }
                        }
                        true
                    }
                    _ => false,
                },
            },
        })
    }

    fn all_equal<'c>(&self, mut pairs: impl Iterator<Item = (&'c Cel<'v>, &'c Cel<'v>)>) -> Result<bool, Trouble>
    where
        'v: 'c,
    {
        pairs.try_fold(true, |all, (left, right)| Ok(all && self.equal(left, right)?))
    }

    fn ordered(&self, left: &Cel<'v>, right: &Cel<'v>, is: fn(Ordering) -> bool) -> Result<Cel<'v>, Trouble> {
        let ordering = match (left, right) {
            (Cel::Int(left), Cel::Int(right)) => Some(left.cmp(right)),
            (Cel::Text(left), Cel::Text(right)) => Some(left.cmp(right)),
            (Cel::Bool(left), Cel::Bool(right)) => Some(left.cmp(right)),
            _ => match (left.as_f64(), right.as_f64()) {
                (Some(left), Some(right)) => left.partial_cmp(&right),
                (None, _) => return Err(Trouble::expected("two numbers or two texts", left)),
                (_, None) => return Err(Trouble::expected("two numbers or two texts", right)),
            },
        };
        Ok(Cel::Bool(ordering.is_some_and(is)))
    }

    fn is_in(&self, item: &Cel<'v>, of: &Cel<'v>) -> Result<Cel<'v>, Trouble> {
        if is_map(of) {
            return match item {
                Cel::Text(key) => Ok(Cel::Bool(of.member(key, self.steps)?.is_some())),
                _ => Ok(Cel::Bool(false)),
            };
        }
        let items = self.items(of)?.ok_or_else(|| Trouble::expected("a list or a map", of))?;
        for each in &items {
            if self.equal(item, each)? {
                return Ok(Cel::Bool(true));
            }
        }
        Ok(Cel::Bool(false))
    }

    fn each(&self, each: &'v Each) -> Result<Cel<'v>, Trouble> {
        let range = self.evaluate(&each.range)?;
        let items = match self.items(&range)? {
            Some(items) => items,
            None => match self.members(&range)? {
                Some(members) => members.into_iter().map(|(key, _)| Cel::Text(key.into())).collect(),
                None => return Err(Trouble::expected("a list or a map", &range)),
            },
        };
        self.steps.take(items.len() as u64)?;
        let mut trouble = None;
        let mut found = 0;
        let mut collected = Vec::new();
        for item in items {
            self.set(each.local, item);
            match &each.what {
                Macro::Any(test) | Macro::All(test) => {
                    let decides = matches!(each.what, Macro::Any(_));
                    match self.condition(test) {
                        Ok(word) if word == decides => return Ok(Cel::Bool(decides)),
                        Ok(_) => {}
                        Err(Trouble::Exhausted) => return Err(Trouble::Exhausted),
                        Err(other) => trouble = Some(other),
                    }
                }
                Macro::One(test) => found += usize::from(self.condition(test)?),
                Macro::Collect(test, value) => {
                    if test.as_ref().map_or(Ok(true), |test| self.condition(test))? {
                        collected.push(self.evaluate(value)?);
                    }
                }
            }
        }
        match (&each.what, trouble) {
            (_, Some(trouble)) => Err(trouble),
            (Macro::Any(_), None) => Ok(Cel::Bool(false)),
            (Macro::All(_), None) => Ok(Cel::Bool(true)),
            (Macro::One(_), None) => Ok(Cel::Bool(found == 1)),
            (Macro::Collect(..), None) => list(collected, self),
        }
    }
}

/// Whole numbers stay whole where that is exact; everything else is a float.
fn arithmetic<'v>(operator: Operator, left: &Cel<'v>, right: &Cel<'v>) -> Result<Cel<'v>, Trouble> {
    if let (Cel::Int(left), Cel::Int(right)) = (left, right) {
        let whole = match operator {
            Operator::Add => left.checked_add(*right),
            Operator::Subtract => left.checked_sub(*right),
            Operator::Multiply => left.checked_mul(*right),
            Operator::Divide | Operator::Remainder if *right == 0 => return Err(Trouble::DividedByZero),
            Operator::Remainder => left.checked_rem(*right),
            _ if left.checked_rem(*right) == Some(0) => left.checked_div(*right),
            _ => return Ok(Cel::Double(*left as f64 / *right as f64)),
        };
        return whole.map(Cel::Int).ok_or(Trouble::Overflow);
    }
    let number = |of: &Cel<'v>| of.as_f64().ok_or_else(|| Trouble::expected("a number", of));
    let (left, right) = (number(left)?, number(right)?);
    Ok(Cel::Double(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        _ if right == 0.0 => return Err(Trouble::DividedByZero),
        Operator::Remainder => left % right,
        _ => left / right,
    }))
}
