//! What stands at a type, a field or a variant: the attributes of serde that change how settings are read,
//! those of `setting`, and the documentation.

use syn::meta::ParseNestedMeta;
use syn::parse::ParseStream;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token};

use crate::case::Case;
use crate::value;

/// What serde does with it.
#[derive(Default)]
pub struct Serde {
    pub rename: Option<String>,
    pub rename_all: Option<Case>,
    /// It may be left out.
    pub has_default: bool,
    pub is_skipped: bool,
}

/// Forms of serde that a schema by fields cannot say.
const BEYOND: [&str; 10] =
    ["flatten", "with", "deserialize_with", "from", "try_from", "remote", "transparent", "tag", "content", "untagged"];

impl Serde {
    /// Reads them.
    pub fn of(attributes: &[Attribute]) -> syn::Result<Serde> {
        let mut serde = Serde::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| serde.take(&meta))?;
        }
        Ok(serde)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match name.as_str() {
            "rename" => self.rename = name_for_reading(meta)?.or(self.rename.take()),
            "rename_all" => {
                if let Some(case) = name_for_reading(meta)? {
                    self.rename_all =
                        Some(Case::named(&case).ok_or_else(|| meta.error(format!("`{case}` is no case of serde's")))?);
                }
            }
            "default" => {
                self.has_default = true;
                passed_over(meta)?;
            }
            "skip" | "skip_deserializing" => self.is_skipped = true,
            _ if BEYOND.contains(&name.as_str()) => {
                return Err(meta.error(format!(
                    "a schema cannot be derived where serde has `{name}`: write [settings] in plugin.toml instead"
                )));
            }
            _ => passed_over(meta)?,
        }
        Ok(())
    }
}

/// `= "name"`, or the one of `(serialize = "..", deserialize = "..")` that holds for reading.
fn name_for_reading(meta: &ParseNestedMeta<'_>) -> syn::Result<Option<String>> {
    if meta.input.peek(Token![=]) {
        return Ok(Some(meta.value()?.parse::<LitStr>()?.value()));
    }
    let mut name = None;
    meta.parse_nested_meta(|inner| {
        let text: LitStr = inner.value()?.parse()?;
        if inner.path.is_ident("deserialize") {
            name = Some(text.value());
        }
        Ok(())
    })?;
    Ok(name)
}

fn passed_over(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|inner| passed_over(&inner))?;
    }
    Ok(())
}

/// Reads a keyword's value, as JSON.
type Read = fn(ParseStream<'_>) -> syn::Result<String>;

/// What `#[setting(...)]` takes, the keyword of the schema, and how its value is read; without that it has
/// none and is true.
const KEYWORDS: [(&str, &str, Option<Read>); 20] = [
    ("title", "title", Some(value::text)),
    ("description", "description", Some(value::text)),
    ("secret", "secret", None),
    ("deprecated", "deprecated", None),
    ("default", "default", Some(value::any)),
    ("example", "examples", Some(value::any)),
    ("examples", "examples", Some(value::any)),
    ("minimum", "minimum", Some(value::number)),
    ("maximum", "maximum", Some(value::number)),
    ("exclusive_minimum", "exclusiveMinimum", Some(value::number)),
    ("exclusive_maximum", "exclusiveMaximum", Some(value::number)),
    ("multiple_of", "multipleOf", Some(value::number)),
    ("min_length", "minLength", Some(value::count)),
    ("max_length", "maxLength", Some(value::count)),
    ("pattern", "pattern", Some(value::text)),
    ("format", "format", Some(value::text)),
    ("min_items", "minItems", Some(value::count)),
    ("max_items", "maxItems", Some(value::count)),
    ("unique_items", "uniqueItems", None),
    ("max_properties", "maxProperties", Some(value::count)),
];

/// What `#[setting(...)]` says, and the documentation.
#[derive(Default)]
pub struct Setting {
    /// Keywords with their values as JSON. A later one goes before an earlier one.
    pub keywords: Vec<(&'static str, String)>,
}

impl Setting {
    /// Reads them. The first paragraph of the documentation is the title, the rest the description.
    pub fn of(attributes: &[Attribute]) -> syn::Result<Setting> {
        let mut setting = Setting::default();
        let (title, description) = documentation(attributes);
        for (keyword, text) in [("title", title), ("description", description)] {
            if !text.is_empty() {
                setting.keywords.push((keyword, value::quoted(&text)));
            }
        }
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("setting")) {
            attribute.parse_nested_meta(|meta| setting.take(&meta))?;
        }
        Ok(setting)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let Some((name, keyword, read)) = KEYWORDS.iter().find(|(name, ..)| meta.path.is_ident(name)) else {
            let known = KEYWORDS.map(|(name, ..)| name).join(", ");
            return Err(meta.error(format!("there is no such attribute of a setting; there are {known}")));
        };
        let json = match read {
            Some(read) if meta.input.peek(Token![=]) => read(meta.value()?)?,
            Some(_) => return Err(meta.error(format!("`{name}` needs a value: {name} = ..."))),
            None if meta.input.peek(Token![=]) => {
                return Err(meta.error(format!("`{name}` has no value: leave it out where it does not hold")));
            }
            None => "true".to_string(),
        };
        let json = if *name == "example" { format!("[{json}]") } else { json };
        self.keywords.retain(|(known, _)| known != keyword);
        self.keywords.push((keyword, json));
        Ok(())
    }

    /// Whether the host fills in a value.
    pub fn has_default(&self) -> bool {
        self.keywords.iter().any(|(keyword, _)| *keyword == "default")
    }
}

/// The first line, without a full stop, and the other lines in one.
fn documentation(attributes: &[Attribute]) -> (String, String) {
    let lines: Vec<String> = attributes.iter().filter_map(line).flat_map(|text| lines(&text)).collect();
    let mut lines = lines.iter().map(String::as_str).skip_while(|line| line.is_empty());
    let title = lines.next().unwrap_or_default().trim_end_matches('.').to_string();
    let rest: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    (title, rest.join(" "))
}

fn lines(text: &str) -> Vec<String> {
    if text.is_empty() { vec![String::new()] } else { text.lines().map(|line| line.trim().to_string()).collect() }
}

/// The text of a line of documentation.
fn line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
