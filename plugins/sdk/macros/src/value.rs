//! Values of attributes as JSON.

use std::fmt::Write as _;

use syn::parse::ParseStream;
use syn::{Lit, LitFloat, LitInt, Token};

/// A text as a JSON string.
pub fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

/// A text, a number, a boolean, or a list of them.
pub fn any(input: ParseStream<'_>) -> syn::Result<String> {
    if input.peek(syn::token::Bracket) {
        let inside;
        syn::bracketed!(inside in input);
        let values = inside.parse_terminated(any, Token![,])?;
        return Ok(format!("[{}]", values.into_iter().collect::<Vec<String>>().join(",")));
    }
    if input.peek(Token![-]) || input.peek(LitInt) || input.peek(LitFloat) {
        return number(input);
    }
    match input.parse()? {
        Lit::Str(text) => Ok(quoted(&text.value())),
        Lit::Bool(boolean) => Ok(boolean.value.to_string()),
        other => Err(syn::Error::new_spanned(other, "write a text, a number, true, false, or a list of them")),
    }
}

/// A number.
pub fn number(input: ParseStream<'_>) -> syn::Result<String> {
    let sign = if input.parse::<Option<Token![-]>>()?.is_some() { "-" } else { "" };
    let digits = match input.parse()? {
        Lit::Int(number) => number.base10_digits().to_string(),
        Lit::Float(number) => number.base10_digits().to_string(),
        other => return Err(syn::Error::new_spanned(other, "write a number")),
    };
    Ok(format!("{sign}{digits}"))
}

/// A whole number, zero or more.
pub fn count(input: ParseStream<'_>) -> syn::Result<String> {
    Ok(input.parse::<LitInt>()?.base10_digits().to_string())
}

/// A text.
pub fn text(input: ParseStream<'_>) -> syn::Result<String> {
    Ok(quoted(&input.parse::<syn::LitStr>()?.value()))
}
