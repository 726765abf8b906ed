//! Makes revisions, broken files and files of another version from a built plugin.

use wasm_encoder::{Component, CustomSection};

/// The same plugin with one more custom section: other bytes, so another revision, and the same code.
pub fn revision(plugin: &[u8], number: u64) -> Vec<u8> {
    let mut extra = Component::new();
    let note = number.to_le_bytes();
    extra.section(&CustomSection { name: "revision".into(), data: (&note).into() });
    let header_bytes = Component::HEADER.len();
    [plugin, &extra.finish()[header_bytes..]].concat()
}

/// Every occurrence replaced by as many bytes.
///
/// # Panics
/// When the lengths differ or there is none.
pub fn patched(plugin: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "a file keeps its offsets only when the length stays");
    let mut bytes = plugin.to_vec();
    let mut found = false;
    let mut at = 0;
    while at + from.len() <= bytes.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
            found = true;
            at += from.len();
        } else {
            at += 1;
        }
    }
    assert!(found, "nothing to replace: {}", String::from_utf8_lossy(from));
    bytes
}

/// The plugin for a version of the contract that this daemon does not know.
pub fn of_another_version(plugin: &[u8]) -> Vec<u8> {
    patched(plugin, b"@1.0.0", b"@7.1.0")
}

/// The first half of the file.
pub fn truncated(plugin: &[u8]) -> Vec<u8> {
    plugin[..plugin.len() / 2].to_vec()
}

/// A component that wants something from outside, which no plugin may.
pub fn with_an_import(plugin: &[u8]) -> Vec<u8> {
    use wasm_encoder::{ComponentImportSection, ComponentTypeRef, ComponentTypeSection, InstanceType};
    let mut component = Component::new();
    let mut types = ComponentTypeSection::new();
    types.instance(&InstanceType::new());
    component.section(&types);
    let mut imports = ComponentImportSection::new();
    imports.import("wasi:sockets/network@0.2.0", ComponentTypeRef::Instance(0));
    component.section(&imports);
    let custom_sections = manifest_sections(plugin);
    [component.finish(), custom_sections].concat()
}

/// The top level's custom sections of a component, as bytes: its manifest among them.
fn manifest_sections(plugin: &[u8]) -> Vec<u8> {
    let mut sections = Vec::new();
    let mut at = Component::HEADER.len();
    while at < plugin.len() {
        let (size, after) = leb128(plugin, at + 1);
        let end = after + size;
        if plugin[at] == 0 {
            sections.extend_from_slice(&plugin[at..end]);
        }
        at = end;
    }
    sections
}

fn leb128(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let mut value = 0;
    let mut shift = 0;
    loop {
        let byte = bytes[at];
        value |= usize::from(byte & 0x7f) << shift;
        at += 1;
        shift += 7;
        if byte & 0x80 == 0 {
            return (value, at);
        }
    }
}
