//! What a field of an event must be: a text with stars, or a number on one side of another.

use crate::pattern::Pattern;

/// A line's word on one field.
#[derive(Clone, Debug)]
pub enum Condition {
    Text(Pattern),
    Number(Side, f64),
}

/// Where the field's number lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Side {
    AtLeast,
    AtMost,
    Above,
    Below,
}

/// The longer signs first: `>` begins `>=`, too.
const SIDES: [(&str, Side); 4] = [(">=", Side::AtLeast), ("<=", Side::AtMost), (">", Side::Above), ("<", Side::Below)];

impl Condition {
    /// Reads `>= 500` and the like; everything else is a text.
    ///
    /// # Errors
    /// When what follows the sign is no number.
    pub fn read(text: &str) -> Result<Condition, String> {
        let found = SIDES.iter().find_map(|(sign, side)| Some((sign, *side, text.trim().strip_prefix(sign)?)));
        let Some((sign, side, rest)) = found else { return Ok(Condition::Text(Pattern::new(text))) };
        match number(rest) {
            Some(bound) => Ok(Condition::Number(side, bound)),
            None => Err(format!("`{text}`: a number follows {sign}, such as {sign} 500")),
        }
    }

    /// Whether a value, as text, is so. What is no number lies on no side of one.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Condition::Text(pattern) => pattern.fits(text),
            Condition::Number(side, bound) => number(text).is_some_and(|number| match side {
                Side::AtLeast => number >= *bound,
                Side::AtMost => number <= *bound,
                Side::Above => number > *bound,
                Side::Below => number < *bound,
            }),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::Condition;

    #[test]
    fn numbers_are_compared() {
        let check = |condition: &str, text: &str, wanted: bool| {
            assert_eq!(Condition::read(condition).unwrap().holds(text), wanted, "{condition} {text}");
        };
        check(">= 500", "500", true);
        check(">= 500", "499.99", false);
        check("> 500", "500", false);
        check(">500", "500.01", true);
        check("<= 500", "500", true);
        check("<= 500", "1000", false);
        check("< 500", "-3", true);
        check("< 500", "500", false);
        check(" >= -1.5", " 0 ", true);
        check(">= 500", "1e3", true);
        for text in ["", "many", "inf", "NaN", "1.000,50"] {
            check(">= 0", text, false);
        }
        check("500", "500.0", false);
        check("5*", "500", true);
    }

    #[test]
    fn a_number_must_follow() {
        for text in [">=", "> many", "< <b>", ">= 5 EUR", ">= inf"] {
            let error = Condition::read(text).unwrap_err();
            assert!(error.starts_with(&format!("`{text}`: a number follows ")), "{error}");
        }
    }
}
