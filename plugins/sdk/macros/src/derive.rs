//! The code that a derive makes.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DataEnum, DeriveInput, Fields, FieldsNamed, Ident};

use crate::attributes::{Serde, Setting};
use crate::value::quoted;

/// Makes it.
///
/// # Errors
/// What of the type a schema cannot say, at the place in the source.
pub fn settings(input: &DeriveInput) -> syn::Result<TokenStream> {
    if !input.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(&input.generics, "settings have no parameters"));
    }
    let serde = Serde::of(&input.attrs)?;
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => structure(&input.ident, &serde, fields),
            _ => Err(syn::Error::new_spanned(
                &input.ident,
                "settings are a struct with named fields, or an enum of names",
            )),
        },
        Data::Enum(data) => enumeration(&input.ident, &serde, data),
        Data::Union(_) => Err(syn::Error::new_spanned(&input.ident, "a union is no type of settings")),
    }
}

fn structure(name: &Ident, serde: &Serde, fields: &FieldsNamed) -> syn::Result<TokenStream> {
    let mut pieces = Vec::new();
    for field in &fields.named {
        let own = Serde::of(&field.attrs)?;
        if own.is_skipped {
            continue;
        }
        let setting = Setting::of(&field.attrs)?;
        let in_code = field.ident.as_ref().map(|ident| ident.to_string()).unwrap_or_default();
        let in_code = in_code.trim_start_matches("r#");
        let named = own.rename.unwrap_or_else(|| match serde.rename_all {
            Some(case) => case.of_field(in_code),
            None => in_code.to_string(),
        });
        let comma = if pieces.is_empty() { "" } else { "," };
        let opening = format!("{comma}{}:{{", quoted(&named));
        let ty = &field.ty;
        let described = quote!(<#ty as ::switchyard_sdk::schema::Described>);
        let keywords: String =
            setting.keywords.iter().map(|(keyword, json)| format!(",\"{keyword}\":{json}")).collect();
        let may_be_left_out = own.has_default || serde.has_default || setting.has_default();
        pieces.push(quote! {
            Text(#opening), #described::SCHEMA, Text(#keywords),
            Text(if #may_be_left_out || #described::IS_OPTIONAL { "}" } else { ",\"required\":true}" }),
        });
    }
    Ok(quote! {
        impl #name {
            #[doc(hidden)]
            pub const SETTINGS_SCHEMA: ::core::option::Option<::switchyard_sdk::schema::Schema> = {
                use ::switchyard_sdk::schema::Schema::{All, Text};
                ::core::option::Option::Some(All(&[Text("{"), #(#pieces)* Text("}")]))
            };
        }
        impl ::switchyard_sdk::schema::Described for #name {
            const SCHEMA: ::switchyard_sdk::schema::Schema = {
                use ::switchyard_sdk::schema::Schema::{All, Text};
                All(&[Text("\"type\":\"object\",\"properties\":{"), #(#pieces)* Text("}")])
            };
        }
    })
}

fn enumeration(name: &Ident, serde: &Serde, data: &DataEnum) -> syn::Result<TokenStream> {
    let mut names = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(syn::Error::new_spanned(variant, "a variant of a setting is a name and nothing else"));
        }
        let own = Serde::of(&variant.attrs)?;
        if own.is_skipped {
            continue;
        }
        let in_code = variant.ident.to_string();
        names.push(quoted(&own.rename.unwrap_or_else(|| match serde.rename_all {
            Some(case) => case.of_variant(&in_code),
            None => in_code,
        })));
    }
    let schema = format!("\"type\":\"string\",\"enum\":[{}]", names.join(","));
    Ok(quote! {
        impl ::switchyard_sdk::schema::Described for #name {
            const SCHEMA: ::switchyard_sdk::schema::Schema = ::switchyard_sdk::schema::Schema::Text(#schema);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_schema_cannot_say_is_refused() {
        let check = |code: &str, words: &str| {
            let error = settings(&syn::parse_str(code).unwrap()).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(words), "{code}: {error}");
        };
        check("struct S { #[setting(secrit)] a: String }", "no such attribute of a setting; there are title, ");
        check("struct S { #[setting(default)] a: String }", "`default` needs a value");
        check("struct S { #[setting(secret = true)] a: String }", "`secret` has no value");
        check("struct S { #[setting(minimum = \"1\")] a: u8 }", "write a number");
        check("struct S { #[setting(pattern = 1)] a: u8 }", "expected string literal");
        check("struct S { #[serde(flatten)] a: T }", "where serde has `flatten`");
        check("#[serde(rename_all = \"Kebab\")] struct S { a: T }", "`Kebab` is no case");
        check("struct S<T> { a: T }", "no parameters");
        check("struct S(String);", "named fields");
        check("enum E { A(u8) }", "a name and nothing else");
    }
}
