//! `${env:NAME}` and `${env:NAME:-default}` in the strings of a configuration.

/// Replaces every `${env:...}` of `text`. `$${` stands for `${`. An error says what would be right.
pub(super) fn interpolate(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at]);
            out.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let inner_and_rest = &rest[at + 2..];
        let end = inner_and_rest
            .find('}')
            .ok_or_else(|| format!("`{}` is not closed: write ${{env:NAME}} or ${{env:NAME:-default}}", &rest[at..]))?;
        out.push_str(&value_of(&inner_and_rest[..end], environment)?);
        rest = &inner_and_rest[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn value_of(reference: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let Some(variable) = reference.strip_prefix("env:") else {
        return Err(format!("`${{{reference}}}` is not known: write ${{env:NAME}} or ${{env:NAME:-default}}"));
    };
    let (name, default) = match variable.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (variable, None),
    };
    match (environment(name).filter(|value| !value.is_empty()), default) {
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_string()),
        (None, None) => Err(format!(
            "the environment variable {name} is not set: set it, or give a default as ${{env:{name}:-default}}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let environment = |name: &str| match name {
            "SET" => Some("value".to_string()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        match (interpolate(text, &environment), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(found), Err(part)) => assert!(found.contains(part), "{text}: {found}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn variables_defaults_and_mistakes() {
        check("plain", Ok("plain"));
        check("a${env:SET}b${env:SET}", Ok("avaluebvalue"));
        check("${env:UNSET:-http://127.0.0.1:8099}/webhook", Ok("http://127.0.0.1:8099/webhook"));
        check("${env:SET:-other}", Ok("value"));
        check("${env:EMPTY:-other}", Ok("other"));
        check("${env:UNSET:-}", Ok(""));
        check("$${env:SET}", Ok("${env:SET}"));
        check("${env:UNSET}", Err("UNSET is not set"));
        check("${SET}", Err("not known"));
        check("${env:SET", Err("not closed"));
    }
}
