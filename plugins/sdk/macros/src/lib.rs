//! `#[derive(Settings)]`: the schema of a plugin's settings, from the types that they are read into.
//!
//! The schema is text that is put together when the plugin is compiled, in the form of plugin.toml's
//! `[settings]`, as JSON: `required` and `secret` stand at the setting itself. What a field's type says comes
//! from its trait, `switchyard_sdk::schema::Described`.

mod attributes;
mod case;
mod derive;
mod value;

/// Describes a type of settings: a struct with named fields, or an enum of names. See
/// `switchyard_sdk::schema`.
#[proc_macro_derive(Settings, attributes(setting))]
pub fn settings(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let derived = syn::parse(input).and_then(|input| derive::settings(&input));
    derived.unwrap_or_else(|error| error.to_compile_error()).into()
}
