//! Makes revisions, broken files and files of another version from a built plugin.

use wasm_encoder::{Component, CustomSection};

/// The custom section of the manifest.
const MANIFEST: &str = "switchyard:manifest";

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

/// The same plugin with another manifest.
///
/// # Panics
/// When it has none, or none that is JSON.
pub fn with_manifest(plugin: &[u8], change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut change = Some(change);
    let mut changed = Component::HEADER.to_vec();
    for (id, content) in sections(plugin) {
        let (name_len, name_at) = if id == CUSTOM { leb128(content, 0) } else { (0, 0) };
        let (name, data) = content.split_at(name_at + name_len);
        if id == CUSTOM && &name[name_at..] == MANIFEST.as_bytes() {
            let mut manifest = serde_json::from_slice(data).expect("it is JSON");
            change.take().expect("there is one manifest")(&mut manifest);
            push_section(&mut changed, id, &[name, manifest.to_string().as_bytes()].concat());
        } else {
            push_section(&mut changed, id, content);
        }
    }
    assert!(change.is_none(), "there is no manifest");
    changed
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
pub fn with_an_import(plugin: &[u8], name: &str) -> Vec<u8> {
    use wasm_encoder::{ComponentImportSection, ComponentTypeRef, ComponentTypeSection, InstanceType};
    let mut component = Component::new();
    let mut types = ComponentTypeSection::new();
    types.instance(&InstanceType::new());
    component.section(&types);
    let mut imports = ComponentImportSection::new();
    imports.import(name, ComponentTypeRef::Instance(0));
    component.section(&imports);
    let custom_sections = manifest_sections(plugin);
    [component.finish(), custom_sections].concat()
}

/// The top level's custom sections of a component, as bytes: its manifest among them.
fn manifest_sections(plugin: &[u8]) -> Vec<u8> {
    let mut custom_sections = Vec::new();
    for (id, content) in sections(plugin).into_iter().filter(|(id, _)| *id == CUSTOM) {
        push_section(&mut custom_sections, id, content);
    }
    custom_sections
}

/// A function's instructions that trap at once.
pub const TRAP: &[u8] = &[0x00];

/// A function's instructions that loop without end.
pub const SPIN: &[u8] = &[0x03, 0x40, 0x0c, 0x00, 0x0b];

/// The same plugin, which runs these instructions whenever an instance of it is made, before anything
/// else.
pub fn with_start(plugin: &[u8], instructions: &[u8]) -> Vec<u8> {
    let mut bytes = Component::HEADER.to_vec();
    let mut is_first = true;
    for (id, content) in sections(plugin) {
        if id == MODULE && std::mem::take(&mut is_first) {
            push_section(&mut bytes, id, &module_with_start(content, instructions));
        } else {
            push_section(&mut bytes, id, content);
        }
    }
    bytes
}

/// A module with one more type, a function of that type, and a start section that names the function.
fn module_with_start(module: &[u8], instructions: &[u8]) -> Vec<u8> {
    let sections = sections(module);
    assert!(!sections.iter().any(|(id, _)| [IMPORT, START].contains(id)), "a plugin's module has neither");
    let count = |wanted: u8| {
        let content = sections.iter().find(|(id, _)| *id == wanted).expect("a module with code has it").1;
        to_leb128(leb128(content, 0).0)
    };
    let (own_type, own_function) = (count(TYPE), count(FUNCTION));
    let body = [&[0], instructions, &[0x0b]].concat();
    let own_code = [to_leb128(body.len()), body].concat();
    let mut bytes = module[..Component::HEADER.len()].to_vec();
    let mut has_start = false;
    for (id, content) in sections {
        if AFTER_START.contains(&id) && !std::mem::replace(&mut has_start, true) {
            push_section(&mut bytes, START, &own_function);
        }
        match id {
            TYPE => push_section(&mut bytes, id, &with_item(content, &[0x60, 0, 0])),
            FUNCTION => push_section(&mut bytes, id, &with_item(content, &own_type)),
            CODE => push_section(&mut bytes, id, &with_item(content, &own_code)),
            _ => push_section(&mut bytes, id, content),
        }
    }
    bytes
}

/// Sections of components.
const CUSTOM: u8 = 0;
const MODULE: u8 = 1;
/// Sections of modules.
const TYPE: u8 = 1;
const IMPORT: u8 = 2;
const FUNCTION: u8 = 3;
const START: u8 = 8;
const CODE: u8 = 10;
/// Elements, the count of data, code, data.
const AFTER_START: [u8; 4] = [9, 12, CODE, 11];

/// The sections of a component or a module, by id.
fn sections(bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut sections = Vec::new();
    let mut at = Component::HEADER.len();
    while at < bytes.len() {
        let (size, after) = leb128(bytes, at + 1);
        sections.push((bytes[at], &bytes[after..after + size]));
        at = after + size;
    }
    sections
}

fn push_section(bytes: &mut Vec<u8>, id: u8, content: &[u8]) {
    bytes.push(id);
    bytes.extend(to_leb128(content.len()));
    bytes.extend_from_slice(content);
}

/// The content of a section that is a list, with one more item.
fn with_item(content: &[u8], item: &[u8]) -> Vec<u8> {
    let (count, after) = leb128(content, 0);
    [&to_leb128(count + 1), &content[after..], item].concat()
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

fn to_leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
