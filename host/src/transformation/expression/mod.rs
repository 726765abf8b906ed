//! Conditions and expressions in the Common Expression Language (CEL).
//!
//! The syntax is the `cel` crate's; what it parses is made a plain tree once, and evaluated over the
//! index of an event, without a copy of it. A top-level name is a member of the event:
//! `properties.total > 100 && event == "Order Completed"`.
//!
//! Where it differs from CEL, since JSON does not tell 12 from 12.0: whole and fractional numbers mix
//! in arithmetic, and a division that does not come out even has a fraction.
//!
//! Bounded: an expression's bytes, depth and parts when it is checked; its evaluation by the steps of
//! the event, and the size of each text and list that it makes.

mod evaluate;
mod functions;
mod parse;
mod value;

use regex::Regex;

use super::path::Path;
pub(super) use evaluate::{Scope, Trouble};
use functions::Function;
pub use parse::ExpressionError;
pub(super) use value::{Cel, number_text};

/// Bytes of one expression: a screen of text.
pub const SOURCE_BYTES_MAX: usize = 4_096;
/// Parentheses, calls and operators inside one another.
pub const NESTING_MAX: u16 = 32;
/// Parts of one expression.
pub const PARTS_MAX: usize = 1_000;
/// Bytes of a compiled regular expression. 1 MiB: a `\w` takes some 10 KB, and patterns that repeat
/// it a thousand times are refused.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Items of a list that an expression makes: as many values as an event has at most.
pub const LIST_ITEMS_MAX: usize = 16_384;

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    pub(super) root: Node,
    /// What of the event it may look at.
    pub(super) reads: Vec<Path>,
    /// What its parts look for, for messages.
    names: Vec<String>,
}

impl Expression {
    /// Checks and compiles a text. `item` says whether the variable of that name is there: the item
    /// of an array that a rule is applied to.
    pub fn compile(source: &str, item: bool) -> Result<Expression, ExpressionError> {
        parse::compile(source, item)
    }

    /// What a trouble means, for a person.
    pub(super) fn describe(&self, trouble: &Trouble) -> String {
        match trouble {
            Trouble::Missing(name) => match self.names.get(*name) {
                Some(name) => format!("the event has no {name}"),
                None => "the event has nothing there".to_string(),
            },
            trouble => trouble.to_string(),
        }
    }
}

/// A part of an expression.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    /// A value of the event, and what it is called.
    Path(Path, usize),
    /// A variable, by its place.
    Local(usize),
    Select(Box<Node>, Box<str>, usize),
    Index(Box<Node>, Box<Node>),
    Has(Box<Node>, Box<str>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    If(Box<Node>, Box<Node>, Box<Node>),
    Operator(Operator, Box<Node>, Box<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Call(Function, Vec<Node>),
    Matches(Box<Node>, Regex),
    Each(Box<Each>),
}

/// What is done with each item of a list, or each key of a map.
#[derive(Debug)]
pub(super) struct Each {
    pub range: Node,
    /// The place of its variable.
    pub local: usize,
    pub what: Macro,
}

/// Which of CEL's macros.
#[derive(Debug)]
pub(super) enum Macro {
    /// `exists`
    Any(Node),
    /// `all`
    All(Node),
    /// `exists_one`
    One(Node),
    /// `map` and `filter`: of those of which the first is true, the second.
    Collect(Option<Node>, Node),
}

/// An operator on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

/// A regular expression within bounds.
pub(super) fn pattern(source: &str) -> Result<Regex, String> {
    let built =
        regex::RegexBuilder::new(source).size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the pattern is too large: use fewer repetitions".to_string(),
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            format!("the pattern is wrong: {}", last.strip_prefix("error: ").unwrap_or(last))
        }
    })
}
