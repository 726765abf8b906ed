//! The schema of the settings that a Rust plugin's types say. The SDK puts it into a section of the module;
//! from there it goes into the manifest, and the section goes.

use std::borrow::Cow;

use wasm_encoder::{RawSection, Section};
use wasmparser::{Parser, Payload};

use crate::plugin::fault::PluginError;

/// The name of the section.
const SECTION: &str = "switchyard:settings";

/// Bytes before the first section: the magic number and the version.
const HEADER_BYTES: usize = 8;

/// A module without the section, and the settings that it describes, in the form of plugin.toml. A
/// component has none.
pub fn take(wasm: &[u8]) -> Result<(Cow<'_, [u8]>, Option<toml::Table>), PluginError> {
    let Some((header, _)) = wasm.split_at_checked(HEADER_BYTES).filter(|_| Parser::is_core_wasm(wasm)) else {
        return Ok((Cow::Borrowed(wasm), None));
    };
    let (mut without, mut json) = (header.to_vec(), None);
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|error| PluginError::Malformed(error.to_string()))?;
        if let Payload::CustomSection(section) = &payload
            && section.name() == SECTION
        {
            json = Some(section.data());
        } else if let Some((id, range)) = payload.as_section() {
            let data = &wasm[range.start as usize..range.end as usize];
            RawSection { id, data }.append_to(&mut without);
        }
    }
    let Some(json) = json else { return Ok((Cow::Borrowed(wasm), None)) };
    // It is there and empty where the settings' type describes nothing.
    let settings = (!json.is_empty()).then(|| serde_json::from_slice(json)).transpose();
    let settings = settings.map_err(|error| {
        PluginError::Manifest(format!("the settings that the code describes cannot be read: {error}"))
    })?;
    Ok((Cow::Owned(without), settings))
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{CustomSection, Module};

    use super::*;

    #[test]
    fn the_section_is_read_and_goes() {
        let module = |sections: &[(&str, &str)]| {
            let mut module = Module::new();
            for (name, text) in sections {
                module.section(&CustomSection { name: (*name).into(), data: text.as_bytes().into() });
            }
            module.finish()
        };
        let plain = module(&[("other", "x"), ("name", "")]);
        let check = |text: &str| {
            let (without, settings) = take(&module(&[("other", "x"), (SECTION, text), ("name", "")]))
                .map(|(without, settings)| (without.into_owned(), settings))
                .unwrap();
            assert_eq!(without, plain);
            settings
        };
        assert_eq!(check(""), None);
        let settings = check(r#"{"b":{"type":"string","required":true},"a":{"minimum":1}}"#).unwrap();
        assert_eq!(settings.keys().collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(take(&plain).unwrap(), (Cow::Borrowed(&plain[..]), None));
        let broken = take(&module(&[(SECTION, "{")])).unwrap_err().to_string();
        assert!(broken.contains("the code describes"), "{broken}");
    }
}
