//! What a file must be, how settings are handled, and what is kept of compiled code.

use serde_json::{Value, json};
use wasm_encoder::{ComponentSection, CustomSection};

use super::guest::{Guest, manifest, manifest_with};
use super::{HOST, NOW_MS, events};
use crate::plugin::build::{component_bytes, with_manifest};
use crate::plugin::fault::PluginError;
use crate::plugin::handles::{HandleKey, starts_with_handle};
use crate::plugin::host::{Limits, PluginHost};
use crate::plugin::manifest::{SECTION, read_manifest};

fn refused(file: &[u8]) -> PluginError {
    HOST.load(file).err().expect("the file is refused")
}

#[test]
fn a_plugin_is_a_component_or_a_core_module() {
    let guest = Guest::honest(1);
    let built = HOST.load(&guest.file()).expect("a component");
    assert!(!built.has_judge() && !built.is_indexed());
    assert_eq!((built.digest().len(), built.short_digest().len()), (64, 12));
    let mut module = guest.core_module();
    let json = serde_json::to_vec(&manifest()).unwrap();
    CustomSection { name: SECTION.into(), data: json.into() }.append_to_component(&mut module);
    assert_eq!(module[4..8], [1, 0, 0, 0]);
    let revision = HOST.load(&module).expect("a core module");
    assert!(revision.plan("{}", NOW_MS, &events(&["a"])).is_ok());
}

#[test]
fn building_twice_gives_the_same_bytes() {
    assert_eq!(Guest::honest(1).file(), Guest::honest(1).file());
}

#[test]
fn the_manifest_is_read_without_running() {
    assert_eq!(read_manifest(&Guest::honest(1).file()).unwrap(), manifest());
}

#[test]
fn a_file_that_is_cut_off_is_refused_wherever_it_ends() {
    let file = Guest::honest(1).file();
    for length in [0, 3, 4, 8, 100, file.len() / 2, file.len() - 1] {
        let error = refused(&file[..length]);
        let named = matches!(error, PluginError::Malformed(_) | PluginError::NoManifest);
        assert!(named, "{length} of {}: {error}", file.len());
    }
    assert!(matches!(refused(b"no wasm at all"), PluginError::Malformed(_)));
}

#[test]
fn a_file_without_a_manifest_is_refused() {
    let component = component_bytes(&Guest::honest(1).core_module()).unwrap().into_owned();
    assert!(matches!(refused(&component), PluginError::NoManifest));
}

#[test]
fn another_version_of_the_contract_is_refused() {
    let text = manifest_with(json!({"contract": "7.1.0"}));
    let mut component = component_bytes(&Guest::honest(1).core_module()).unwrap().into_owned();
    let json = serde_json::to_vec(&text).unwrap();
    CustomSection { name: SECTION.into(), data: json.into() }.append_to_component(&mut component);
    assert!(matches!(refused(&component), PluginError::Contract { found } if found == "7.1.0"));
    let mut patched = Guest::honest(1).file();
    let mut at = 0;
    while let Some(found) = patched[at..].windows(6).position(|window| window == b"@1.0.0") {
        patched[at + found + 1] = b'7';
        at += found + 1;
    }
    assert!(matches!(refused(&patched), PluginError::Contract { found } if found == "7.0.0"));
}

#[test]
fn a_plugin_that_imports_something_is_refused_with_its_name() {
    let text = r#"(component (import "wasi:sockets/network@0.2.0" (instance (export "open" (func)))))"#;
    let mut component = wat::parse_str(text).unwrap();
    let json = serde_json::to_vec(&manifest()).unwrap();
    CustomSection { name: SECTION.into(), data: json.into() }.append_to_component(&mut component);
    assert!(matches!(refused(&component), PluginError::Imports(names) if names == ["wasi:sockets/network@0.2.0"]));
    let host_wants = Guest { more: r#"(import "env" "now" (func $now))"#.to_string(), ..Guest::honest(1) };
    assert!(with_manifest(&host_wants.core_module(), &manifest()).is_err());
}

#[test]
fn a_component_that_exports_nothing_is_refused() {
    let mut component = wat::parse_str("(component)").unwrap();
    let json = serde_json::to_vec(&manifest()).unwrap();
    CustomSection { name: SECTION.into(), data: json.into() }.append_to_component(&mut component);
    assert!(matches!(refused(&component), PluginError::Exports(_)));
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let file = Guest::honest(1).file();
    let host = |file_bytes_max| {
        let limits = Limits { file_bytes_max, instances_max: 1, ..Limits::default() };
        PluginHost::new(limits, None).expect("a sandbox")
    };
    assert!(host(file.len()).load(&file).is_ok());
    assert!(matches!(host(file.len() - 1).load(&file), Err(PluginError::TooLarge { .. })));
}

#[test]
fn fixtures_must_give_their_plan() {
    let fixture = |expected: Value| {
        let fixture = json!({
            "name": "one", "settings": {"token": "t0ken"}, "now_ms": NOW_MS,
            "events": [{"type": "track", "event": "x"}], "plan": expected,
        });
        let manifest = manifest_with(json!({"fixtures": [fixture]}));
        let file = with_manifest(&Guest::honest(1).core_module(), &manifest).unwrap();
        HOST.load(&file).map(|_| ())
    };
    let request =
        json!({"method": "POST", "url": "https://vendor.example/in", "body_json": {}, "covers": [0], "headers": {}});
    fixture(json!({"requests": [request], "fates": []})).expect("the plan is as expected");
    let check = |expected: Value, place: &str| match fixture(expected).expect_err("a difference") {
        PluginError::Fixture { name, what } => assert!(name == "one" && what.contains(place), "{what}"),
        other => panic!("{other}"),
    };
    check(json!({"requests": [], "fates": []}), "plan.requests");
    check(json!({"requests": [{"body_json": {"a": 1}}]}), "plan.requests[0].body_json.a");
    check(json!({"requests": [{"method": "PUT"}]}), "plan.requests[0].method");
}

#[test]
fn settings_are_checked_completed_and_hidden() {
    let revision = Guest::honest(1).load(&HOST);
    let key = HandleKey::fixed();
    let settings = |settings: Value| HOST.settings(&revision, &settings, "shop/guest", &key);
    let (text, handles) = settings(json!({"token": "se\"cret"})).expect("good settings");
    let seen: Value = serde_json::from_str(&text).unwrap();
    let handle = seen["token"].as_str().unwrap();
    assert!(starts_with_handle(handle) && handle.len() == 43 && !text.contains("cret"), "{text}");
    assert_eq!(seen["level"], 3, "the default is filled in");
    assert_eq!(handles.get(handle).unwrap().value.reveal(), "se\"cret");
    assert!(!format!("{handles:?}").contains("\"cret"), "{handles:?}");
    let hidden = handles.hide_values(r#"401 {"token":"se\"cret"} se"cret se%22cret"#.to_string());
    assert_eq!(hidden, format!(r#"401 {{"token":"{handle}"}} {handle} {handle}"#));
    let check = |wrong: Value, words: &[&str]| {
        let message = settings(wrong).expect_err("wrong settings").to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
        assert!(!message.contains("abc"), "a secret in a message: {message}");
    };
    check(json!({"token": "abc"}), &["token", "The token"]);
    check(json!({"token": ["abc"]}), &["token", "string"]);
    check(json!({"level": "high"}), &["level", "high", "integer"]);
    check(json!({"tokn": "x"}), &["tokn", "token"]);
}

#[test]
fn compiled_code_is_kept_for_the_owner_and_made_anew_when_it_is_damaged() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("compiled");
    let limits = Limits { instances_max: 1, ..Limits::default() };
    let file = Guest::honest(1).file();
    let load = || {
        let host = PluginHost::new(limits.clone(), Some(&cache)).unwrap();
        host.load(&file).unwrap().plan("{}", NOW_MS, &events(&["a"])).unwrap();
    };
    load();
    assert_eq!(std::fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    let files = || std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let [path] = &files()[..] else { panic!("one file") };
    let whole = std::fs::read(path).unwrap();
    let damaged: [Vec<u8>; 3] = [Vec::new(), whole[..whole.len() / 2].to_vec(), {
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        flipped
    }];
    for bytes in damaged {
        std::fs::write(path, bytes).unwrap();
        load();
        assert_eq!(std::fs::read(path).unwrap(), whole, "compiled anew");
    }
    load();
    assert_eq!(files().len(), 1);
}

#[test]
fn the_key_of_an_installation_is_made_once() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let first = HandleKey::read_or_make(directory.path()).unwrap();
    let second = HandleKey::read_or_make(directory.path()).unwrap();
    assert_eq!(first.handle("d", "s"), second.handle("d", "s"));
    assert_ne!(first.handle("d", "s"), HandleKey::fixed().handle("d", "s"));
    assert_ne!(first.handle("d", "s"), first.handle("e", "s"));
    let path = directory.path().join("handle-key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, b"short").unwrap();
    assert!(HandleKey::read_or_make(directory.path()).is_err());
    // Frozen: stored requests hold handles.
    assert_eq!(HandleKey::fixed().handle("shop/ga4", "api_secret"), "sw_b2tc3dkmigeiorgiosxz4vrfeutfjmcdlbtvvc4o");
}
