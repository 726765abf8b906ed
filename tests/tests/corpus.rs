//! What was built for a released version of the contract runs for ever, and makes the same bytes.

use switchyard::plugin::contract;
use switchyard::plugin::manifest::read_manifest;
use switchyard_tests::corpus::entries;

#[test]
fn every_plugin_of_every_version_makes_what_it_made() {
    let entries = entries().expect("tests/corpus");
    let is_current = |version: String| version == contract::CURRENT;
    assert!(entries.iter().any(|entry| is_current(entry.version())), "no plugin of the current version");
    for entry in entries {
        let wasm = entry.wasm().expect("a plugin");
        let manifest = read_manifest(&wasm).unwrap_or_else(|error| panic!("{}: {error}", entry.name()));
        assert_eq!(manifest.contract, entry.version(), "{}", entry.name());
        let (makes, was_made) = (entry.makes(), entry.was_made().expect("what it made"));
        let makes = makes.unwrap_or_else(|error| panic!("{}: {error:#}", entry.name()));
        for (number, (makes, was_made)) in makes.lines().zip(was_made.lines()).enumerate() {
            assert_eq!(makes, was_made, "{}, line {}", entry.name(), number + 1);
        }
        assert_eq!(makes.len(), was_made.len(), "{}", entry.name());
    }
}
