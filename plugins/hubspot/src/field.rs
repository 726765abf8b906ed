//! Properties that the settings name: what they are made of, and what they are called in HubSpot.

use switchyard_sdk::prelude::Deserialize;

use crate::properties::clean_name;
use crate::rules::Mapping;
use crate::value::Type;

/// One property.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSettings {
    from: String,
    to: Option<String>,
    #[serde(default, rename = "type")]
    is: Type,
}

/// A property that the settings name.
#[derive(Clone, Debug)]
pub struct Field {
    /// Where its value is: keys with dots between them.
    pub from: String,
    pub to: String,
    pub is: Type,
}

impl Field {
    /// The member that its path begins with.
    pub fn head(&self) -> &str {
        self.from.split('.').next().unwrap_or_default()
    }
}

/// Checks the properties that a setting names. A name is written as HubSpot writes it.
///
/// # Errors
/// Names the setting, and the property that is none or is there twice.
pub fn fields(setting: &str, fields: Vec<FieldSettings>, characters_max: usize) -> Result<Vec<Field>, String> {
    let mut all: Vec<Field> = Vec::with_capacity(fields.len());
    for FieldSettings { from, to, is } in fields {
        let from = from.trim().to_string();
        let to = to.as_deref().map(str::trim).filter(|to| !to.is_empty()).unwrap_or(&from);
        let Some(clean) = clean_name(to, characters_max).filter(|_| !from.is_empty()) else {
            return Err(format!("{setting}: `{to}` is no name of a property in HubSpot"));
        };
        let to = clean.into_owned();
        if all.iter().any(|field| field.to == to) {
            return Err(format!("{setting}: two properties are written to `{to}`"));
        }
        all.push(Field { from, to, is });
    }
    Ok(all)
}

/// Whether a member of the traits has its own place: in the table, or by the settings.
pub fn is_placed(name: &str, table: &[Mapping], fields: &[Field]) -> bool {
    let in_table = |mapping: &Mapping| mapping.from.iter().any(|path| path.split('.').next() == Some(name));
    table.iter().any(in_table) || fields.iter().any(|field| field.head() == name)
}
