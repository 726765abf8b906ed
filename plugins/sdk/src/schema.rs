//! The schema of a plugin's settings, from the types that they are read into: what an operator may set, what
//! the console's form shows, and what the host checks before the plugin sees any of it.
//!
//! ```
//! use switchyard_sdk::prelude::*;
//!
//! #[derive(Deserialize, Settings)]
//! struct Settings {
//!     /// API key
//!     /// Made in the vendor's console.
//!     #[setting(secret)]
//!     api_key: String,
//!     /// Region
//!     #[setting(default = "eu")]
//!     region: Region,
//!     /// Events in a request
//!     #[setting(default = 50, minimum = 1, maximum = 100)]
//!     events_max: u32,
//!     /// Names of events
//!     /// Yours, and the vendor's.
//!     #[serde(default)]
//!     names: std::collections::BTreeMap<String, String>,
//! }
//!
//! #[derive(Deserialize, Settings)]
//! #[serde(rename_all = "lowercase")]
//! enum Region {
//!     Eu,
//!     Us,
//! }
//! ```
//!
//! A field is a setting: the first line of its documentation is the title, the rest the description. It is
//! required unless it is an [`Option`], or has a default, of `setting` or of serde. `rename`, `rename_all`,
//! `default` and `skip` of serde hold. `#[setting(...)]` takes `secret`, `default`, `minimum`, `maximum`,
//! `exclusive_minimum`, `exclusive_maximum`, `multiple_of`, `min_length`, `max_length`, `pattern`, `format`,
//! `min_items`, `max_items`, `unique_items`, `max_properties`, `example`, `examples`, `deprecated`, `title`
//! and `description`. A default that `setting` names is filled in by the host, so serde needs none.
//!
//! [`destination!`](crate::destination) puts the schema into the plugin's module, and
//! `switchyard plugin build` from there into the manifest, where plugin.toml has no `[settings]`.

use std::collections::{BTreeMap, HashMap};

/// A schema: JSON in pieces, which are put together when the plugin is compiled.
#[derive(Clone, Copy, Debug)]
pub enum Schema {
    /// A piece.
    Text(&'static str),
    /// One after the other.
    All(&'static [Schema]),
}

use Schema::{All, Text};

/// A type that settings may have. Derived by `#[derive(Settings)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type of a setting",
    label = "derive Settings for it, or use a text, a number, a boolean, an Option, a Vec or a map of names"
)]
pub trait Described {
    /// The members of its schema, without braces.
    const SCHEMA: Schema;
    /// Whether a setting of it may be left out.
    const IS_OPTIONAL: bool = false;
}

macro_rules! described {
    ($($type:ty = $schema:literal,)*) => {
        $(impl Described for $type { const SCHEMA: Schema = Text($schema); })*
    };
}

described! {
    String = "\"type\":\"string\"",
    bool = "\"type\":\"boolean\"",
    f32 = "\"type\":\"number\"",
    f64 = "\"type\":\"number\"",
    u8 = "\"type\":\"integer\",\"minimum\":0,\"maximum\":255",
    u16 = "\"type\":\"integer\",\"minimum\":0,\"maximum\":65535",
    u32 = "\"type\":\"integer\",\"minimum\":0,\"maximum\":4294967295",
    u64 = "\"type\":\"integer\",\"minimum\":0",
    usize = "\"type\":\"integer\",\"minimum\":0,\"maximum\":4294967295",
    i8 = "\"type\":\"integer\",\"minimum\":-128,\"maximum\":127",
    i16 = "\"type\":\"integer\",\"minimum\":-32768,\"maximum\":32767",
    i32 = "\"type\":\"integer\",\"minimum\":-2147483648,\"maximum\":2147483647",
    i64 = "\"type\":\"integer\"",
}

impl<T: Described> Described for Option<T> {
    const SCHEMA: Schema = T::SCHEMA;
    const IS_OPTIONAL: bool = true;
}

impl<T: Described> Described for Box<T> {
    const SCHEMA: Schema = T::SCHEMA;
    const IS_OPTIONAL: bool = T::IS_OPTIONAL;
}

impl<T: Described> Described for Vec<T> {
    const SCHEMA: Schema = All(&[Text("\"type\":\"array\",\"items\":{"), T::SCHEMA, Text("}")]);
}

impl<T: Described> Described for BTreeMap<String, T> {
    const SCHEMA: Schema = All(&[Text("\"type\":\"object\",\"additionalProperties\":{"), T::SCHEMA, Text("}")]);
}

impl<T: Described, S> Described for HashMap<String, T, S> {
    const SCHEMA: Schema = All(&[Text("\"type\":\"object\",\"additionalProperties\":{"), T::SCHEMA, Text("}")]);
}

impl Schema {
    /// How many bytes it has.
    pub const fn len(&self) -> usize {
        match self {
            Text(text) => text.len(),
            All(pieces) => {
                let (mut len, mut at) = (0, 0);
                while at < pieces.len() {
                    len += pieces[at].len();
                    at += 1;
                }
                len
            }
        }
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its bytes.
    ///
    /// # Panics
    /// When there are not as many, while it is compiled.
    pub const fn bytes<const LEN: usize>(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let end = self.write(&mut bytes, 0);
        assert!(end == LEN, "the schema has another length");
        bytes
    }

    const fn write(&self, out: &mut [u8], mut at: usize) -> usize {
        match self {
            Text(text) => {
                let (text, mut byte) = (text.as_bytes(), 0);
                while byte < text.len() {
                    out[at] = text[byte];
                    at += 1;
                    byte += 1;
                }
            }
            All(pieces) => {
                let mut piece = 0;
                while piece < pieces.len() {
                    at = pieces[piece].write(out, at);
                    piece += 1;
                }
            }
        }
        at
    }
}

/// What types say that have no derived schema: a derived one goes before it.
#[doc(hidden)]
pub trait Undescribed {
    /// None.
    const SETTINGS_SCHEMA: Option<Schema> = None;
}

impl<T> Undescribed for T {}

/// The bytes of the section: none without a schema.
#[doc(hidden)]
pub const fn of_section(schema: Option<Schema>) -> Schema {
    match schema {
        Some(schema) => schema,
        None => Text(""),
    }
}

#[cfg(test)]
mod tests;
