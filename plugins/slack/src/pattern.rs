//! Texts in which `*` stands for any text, compared without case.

/// A text with stars.
#[derive(Clone, Debug)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a text; spaces around it do not count.
    pub fn new(text: &str) -> Pattern {
        Pattern(text.trim().to_string())
    }

    /// Whether all of a text fits; spaces around it do not count.
    pub fn fits(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.trim_ascii().as_bytes());
        let (mut at, mut of) = (0, 0);
        // Behind the last star: where to go on when what follows it does not fit.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match pattern.get(of) {
                Some(b'*') => {
                    of += 1;
                    star = Some((of, at));
                }
                Some(byte) if byte.eq_ignore_ascii_case(&text[at]) => {
                    of += 1;
                    at += 1;
                }
                _ => {
                    let Some((behind, from)) = star else { return false };
                    of = behind;
                    at = from + 1;
                    star = Some((behind, at));
                }
            }
        }
        pattern[of..].iter().all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn stars_stand_for_any_text() {
        let check = |pattern: &str, text: &str, wanted: bool| {
            assert_eq!(Pattern::new(pattern).fits(text), wanted, "{pattern} {text}");
        };
        check("Order Completed", " order completed ", true);
        check("Order Completed", "Order Completed!", false);
        check("Order *", "Order Cancelled", true);
        check("Order *", "Reorder started", false);
        check("*@example.com", "ana@Example.com", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-b", false);
        check("*", "", true);
        check("**x", "x", true);
        check("x", "", false);
        check("*ö*", "schön", true);
    }
}
