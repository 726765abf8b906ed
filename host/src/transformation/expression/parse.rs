//! From the text of an expression to its tree, and to the place of a mistake.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::parser::PrattParser;

use super::super::mistake::nearest;
use super::super::path::{Path, Segment};
use super::functions::{FUNCTIONS, Form};
use super::{Each, Expression, Macro, NESTING_MAX, Node, Operator, PARTS_MAX, SOURCE_BYTES_MAX, pattern};

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// Where: bytes from its start.
    pub at: usize,
    /// What, and what would be right.
    pub message: String,
    /// The whole expression as it could be.
    pub suggestion: Option<String>,
}

/// The name of the accumulator in what the parser makes of macros.
const ACCUMULATOR: &str = "@result";

/// Parts inside one another: a chain of operators is one deep for each.
const DEPTH_MAX: usize = 100;

pub(super) fn compile(source: &str, item: bool) -> Result<Expression, ExpressionError> {
    let wrong = |at: usize, message: String| ExpressionError { at, message, suggestion: None };
    if source.len() > SOURCE_BYTES_MAX {
        return Err(wrong(SOURCE_BYTES_MAX, format!("an expression has at most {SOURCE_BYTES_MAX} bytes")));
    }
    if source.trim().is_empty() {
        return Err(wrong(0, "the expression is empty".to_string()));
    }
    if let Some(at) = too_deep(source) {
        return Err(wrong(at, format!("at most {NESTING_MAX} brackets stand inside one another")));
    }
    let parser = PrattParser::new()
        .max_recursion_depth(NESTING_MAX)
        .max_expression_node_count(PARTS_MAX)
        .error_reporting_limit(8)
        .error_recovery_limit(8);
    let parsed = parser.parse(source).map_err(|errors| match errors.errors.first() {
        Some(error) => {
            let at = offset(source, error.pos);
            let message = error.msg.trim_start_matches("Syntax error: ").to_string();
            let (message, suggestion) = clearer(source, at, message);
            ExpressionError { at, message, suggestion }
        }
        None => wrong(0, "this is no expression".to_string()),
    })?;
    let mut building = Building { source, locals: Vec::new(), reads: Vec::new(), parts: 0, names: Vec::new() };
    if item {
        building.locals.push("item".to_string());
    }
    let root = building.node(&parsed, 0)?;
    Ok(Expression { root, reads: building.reads, names: building.names })
}

/// Where more brackets are open than may be: the parser goes as deep as they are. Brackets in texts do
/// not count.
fn too_deep(source: &str) -> Option<usize> {
    let (mut open, mut quote) = (0_u16, None);
    let mut bytes = source.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => {
                bytes.next();
            }
            (Some(quoted), byte) if quoted == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'(' | b'[' | b'{') => {
                open += 1;
                if open > NESTING_MAX {
                    return Some(at);
                }
            }
            (None, b')' | b']' | b'}') => open = open.saturating_sub(1),
            (None, _) => {}
        }
    }
    None
}

/// The byte offset of a line and column.
fn offset(source: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line).unwrap_or(1).max(1);
    let start: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let column = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    let rest = source.get(start..).unwrap_or_default();
    let within = rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
    (start + within).min(source.len())
}

/// What people write who think of another language.
fn clearer(source: &str, at: usize, message: String) -> (String, Option<String>) {
    let words = [
        (" and ", " && "),
        (" or ", " || "),
        (" = ", " == "),
        ("===", "=="),
        ("<>", "!="),
        (" AND ", " && "),
        (" OR ", " || "),
    ];
    for (wrong, right) in words {
        if source.contains(wrong) {
            let what = format!("CEL has no `{}`: write `{}`", wrong.trim(), right.trim());
            return (what, Some(source.replace(wrong, right)));
        }
    }
    if at >= source.trim_end().len() {
        return ("the expression ends too early: a bracket, a quote or a value is missing".to_string(), None);
    }
    (message, None)
}

struct Building<'s> {
    source: &'s str,
    locals: Vec<String>,
    reads: Vec<Path>,
    parts: usize,
    names: Vec<String>,
}

impl Building<'_> {
    fn wrong(&self, word: &str, message: impl Into<String>) -> ExpressionError {
        let at = self.source.find(word).unwrap_or_default();
        ExpressionError { at, message: message.into(), suggestion: None }
    }

    /// As `wrong`, at a text that stands in quotes.
    fn wrong_text(&self, text: &str, message: String) -> ExpressionError {
        let quoted = ['\'', '"'].iter().find_map(|quote| self.source.find(&format!("{quote}{text}")));
        let at = quoted.map_or_else(|| self.source.find(text).unwrap_or_default(), |at| at + 1);
        ExpressionError { at, message, suggestion: None }
    }

    fn misspelled(&self, word: &str, known: Option<&str>, message: String) -> ExpressionError {
        let at = self.source.find(word).unwrap_or_default();
        let suggestion = known.map(|known| {
            format!("{}{known}{}", &self.source[..at], self.source.get(at + word.len()..).unwrap_or_default())
        });
        ExpressionError { at, message, suggestion }
    }

    fn node(&mut self, of: &IdedExpr, depth: usize) -> Result<Node, ExpressionError> {
        self.parts += 1;
        if self.parts > PARTS_MAX || depth > DEPTH_MAX {
            let message = format!("an expression has at most {PARTS_MAX} parts, {DEPTH_MAX} inside one another");
            return Err(self.wrong("", message));
        }
        let depth = depth + 1;
        Ok(match &of.expr {
            Expr::Literal(literal) => self.literal(literal)?,
            Expr::Ident(name) => match self.locals.iter().rposition(|local| local == name) {
                Some(local) => Node::Local(local),
                None => self.path(vec![Segment::Key(name.clone())]),
            },
            Expr::Select(select) => {
                let operand = self.node(&select.operand, depth)?;
                match (operand, select.test) {
                    (Node::Path(path, name), true) => {
                        self.longer(path.clone(), &select.field);
                        Node::Has(Box::new(Node::Path(path, name)), select.field.as_str().into())
                    }
                    (operand, true) => Node::Has(Box::new(operand), select.field.as_str().into()),
                    (Node::Path(path, _), false) => self.longer(path, &select.field),
                    (operand, false) => {
                        let name = self.name(select.field.clone());
                        Node::Select(Box::new(operand), select.field.as_str().into(), name)
                    }
                }
            }
            Expr::List(items) => {
                Node::List(items.elements.iter().map(|item| self.node(item, depth)).collect::<Result<_, _>>()?)
            }
            Expr::Map(map) => {
                let mut members = Vec::with_capacity(map.entries.len());
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    members.push((self.node(&entry.key, depth)?, self.node(&entry.value, depth)?));
                }
                Node::Map(members)
            }
            Expr::Call(call) => self.call(call, depth)?,
            Expr::Comprehension(comprehension) => self.each(comprehension, depth)?,
            Expr::Struct(made) => {
                let message = format!("there is no type `{}`: a map is written {{\"key\": value}}", made.type_name);
                return Err(self.wrong(&made.type_name, message));
            }
            Expr::Unspecified => return Err(self.wrong("", "this is no expression")),
        })
    }

    fn path(&mut self, segments: Vec<Segment>) -> Node {
        let path = Path { segments };
        let name = self.name(path.to_string());
        self.reads.push(path.clone());
        Node::Path(path, name)
    }

    /// The member of a path that was just read: it is read in place of the path.
    fn longer(&mut self, path: Path, key: &str) -> Node {
        self.reads.pop();
        let mut segments = path.segments;
        segments.push(Segment::Key(key.to_string()));
        self.path(segments)
    }

    fn name(&mut self, name: String) -> usize {
        self.names.push(name);
        self.names.len() - 1
    }

    fn literal(&self, literal: &LiteralValue) -> Result<Node, ExpressionError> {
        Ok(match literal {
            LiteralValue::Boolean(word) => Node::Bool(*word.inner()),
            LiteralValue::Double(number) => Node::Double(*number.inner()),
            LiteralValue::Int(number) => Node::Int(*number.inner()),
            LiteralValue::Null => Node::Null,
            LiteralValue::String(text) => Node::Text(text.inner().into()),
            LiteralValue::UInt(number) => match i64::try_from(*number.inner()) {
                Ok(number) => Node::Int(number),
                Err(_) => return Err(self.wrong("", "a whole number is out of range")),
            },
            LiteralValue::Bytes(_) => return Err(self.wrong("b'", "events have no bytes: write a text")),
        })
    }

    fn call(&mut self, call: &CallExpr, depth: usize) -> Result<Node, ExpressionError> {
        let nodes = |building: &mut Self| -> Result<Vec<Node>, ExpressionError> {
            call.args.iter().map(|argument| building.node(argument, depth)).collect()
        };
        let operator = match call.func_name.as_str() {
            operators::ADD => Some(Operator::Add),
            operators::SUBSTRACT => Some(Operator::Subtract),
            operators::MULTIPLY => Some(Operator::Multiply),
            operators::DIVIDE => Some(Operator::Divide),
            operators::MODULO => Some(Operator::Remainder),
            operators::EQUALS => Some(Operator::Equal),
            operators::NOT_EQUALS => Some(Operator::NotEqual),
            operators::LESS => Some(Operator::Less),
            operators::LESS_EQUALS => Some(Operator::LessOrEqual),
            operators::GREATER => Some(Operator::Greater),
            operators::GREATER_EQUALS => Some(Operator::GreaterOrEqual),
            operators::IN => Some(Operator::In),
            _ => None,
        };
        let broken = |building: &Self| building.wrong("", "this is no expression");
        if let Some(operator) = operator {
            let [left, right] = pair(nodes(self)?).ok_or_else(|| broken(self))?;
            return Ok(Node::Operator(operator, left, right));
        }
        match call.func_name.as_str() {
            operators::LOGICAL_AND | operators::LOGICAL_OR => {
                let is_and = call.func_name == operators::LOGICAL_AND;
                let [left, right] = pair(nodes(self)?).ok_or_else(|| broken(self))?;
                Ok(if is_and { Node::And(left, right) } else { Node::Or(left, right) })
            }
            operators::LOGICAL_NOT | operators::NEGATE => {
                let one = nodes(self)?.pop().map(Box::new).ok_or_else(|| broken(self))?;
                Ok(if call.func_name == operators::NEGATE { Node::Negate(one) } else { Node::Not(one) })
            }
            operators::CONDITIONAL => {
                let mut parts = nodes(self)?.into_iter().map(Box::new);
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(condition), Some(then), Some(otherwise)) => Ok(Node::If(condition, then, otherwise)),
                    _ => Err(broken(self)),
                }
            }
            operators::INDEX => {
                let [of, at] = pair(nodes(self)?).ok_or_else(|| broken(self))?;
                match (*of, *at) {
                    (Node::Path(path, _), Node::Text(key)) => Ok(self.longer(path, &key)),
                    (of, at) => Ok(Node::Index(Box::new(of), Box::new(at))),
                }
            }
            _ => self.function(call, depth),
        }
    }

    fn function(&mut self, call: &CallExpr, depth: usize) -> Result<Node, ExpressionError> {
        let name = call.func_name.as_str();
        let is_math = matches!(&call.target, Some(target) if target.expr == Expr::Ident("math".to_string()));
        let form = match &call.target {
            _ if is_math => Form::Math,
            Some(_) => Form::Method,
            None => Form::Global,
        };
        let target = call.target.iter().filter(|_| !is_math).map(|target| &**target);
        let arguments = target.chain(&call.args).map(|each| self.node(each, depth)).collect::<Result<Vec<_>, _>>()?;
        if name == "matches" && !is_math {
            let [text, wanted] = pair(arguments).ok_or_else(|| self.wrong(name, "`matches` takes a pattern"))?;
            let Node::Text(wanted) = *wanted else {
                return Err(self.wrong(name, "the pattern of `matches` is a text that stands here, not a value"));
            };
            let found = pattern(&wanted).map_err(|message| self.wrong_text(&wanted, message))?;
            return Ok(Node::Matches(text, found));
        }
        let known = FUNCTIONS.iter().filter(|(known, known_form, ..)| *known == name && *known_form == form);
        let Some((_, _, least, most, function)) = known.clone().next() else {
            let of_form = FUNCTIONS.iter().filter(|(_, known_form, ..)| *known_form == form);
            let names: Vec<&str> =
                of_form.map(|(known, ..)| *known).chain((form != Form::Math).then_some("matches")).collect();
            let near = nearest(name, names.iter().copied());
            let kind = match form {
                Form::Global => "function",
                Form::Method => "function of a value",
                Form::Math => "function of `math`",
            };
            let message = format!("there is no {kind} `{name}`: there are {}", names.join(", "));
            return Err(self.misspelled(name, near, message));
        };
        if !(*least..=*most).contains(&arguments.len()) {
            let own = usize::from(form == Form::Method);
            let message = match least == most {
                true => format!("`{name}` takes {} arguments, not {}", least - own, arguments.len() - own),
                false => {
                    format!("`{name}` takes {} to {} arguments, not {}", least - own, most - own, arguments.len() - own)
                }
            };
            return Err(self.wrong(name, message));
        }
        Ok(Node::Call(*function, arguments))
    }

    /// A macro, as the parser spelled it out.
    fn each(&mut self, of: &ComprehensionExpr, depth: usize) -> Result<Node, ExpressionError> {
        let range = self.node(&of.iter_range, depth)?;
        let local = self.locals.len();
        self.locals.push(of.iter_var.clone());
        let what = self.macro_of(&of.loop_step, depth);
        self.locals.pop();
        Ok(Node::Each(Box::new(Each { range, local, what: what? })))
    }

    fn macro_of(&mut self, step: &IdedExpr, depth: usize) -> Result<Macro, ExpressionError> {
        let is_accumulator = |of: &IdedExpr| matches!(&of.expr, Expr::Ident(name) if name == ACCUMULATOR);
        let Expr::Call(call) = &step.expr else { return Err(self.wrong("", "this macro is not known")) };
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_OR, [accumulator, test]) if is_accumulator(accumulator) => {
                Ok(Macro::Any(self.node(test, depth)?))
            }
            (operators::LOGICAL_AND, [accumulator, test]) if is_accumulator(accumulator) => {
                Ok(Macro::All(self.node(test, depth)?))
            }
            (operators::ADD, [accumulator, made]) if is_accumulator(accumulator) => {
                Ok(Macro::Collect(None, self.collected(made, depth)?))
            }
            (operators::CONDITIONAL, [test, then, accumulator]) if is_accumulator(accumulator) => {
                let test = self.node(test, depth)?;
                match &then.expr {
                    Expr::Call(add) if matches!(add.args.get(1).map(|made| &made.expr), Some(Expr::List(_))) => {
                        let value = self.collected(&add.args[1], depth)?;
                        Ok(Macro::Collect(Some(test), value))
                    }
                    _ => Ok(Macro::One(test)),
                }
            }
            _ => Err(self.wrong("", "this macro is not known")),
        }
    }

    /// The one item of the list that a step adds.
    fn collected(&mut self, list: &IdedExpr, depth: usize) -> Result<Node, ExpressionError> {
        match &list.expr {
            Expr::List(items) if items.elements.len() == 1 => self.node(&items.elements[0], depth),
            _ => Err(self.wrong("", "this macro is not known")),
        }
    }
}

fn pair(nodes: Vec<Node>) -> Option<[Box<Node>; 2]> {
    let pair: [Node; 2] = nodes.try_into().ok()?;
    Some(pair.map(Box::new))
}
