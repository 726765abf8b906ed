//! What was built for a released version of the contract runs for ever, and makes the same bytes.

use serde_json::Value;
use switchyard::plugin::contract;
use switchyard::plugin::manifest::read_manifest;
use switchyard_tests::corpus::entries;
use switchyard_tests::expect::difference;

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
        assert_eq!(makes.lines().count(), was_made.lines().count(), "{}", entry.name());
        for (number, (makes, was_made)) in makes.lines().zip(was_made.lines()).enumerate() {
            // Bodies are texts in it, so their bytes are compared. A later host may show more of a request.
            let [makes, was_made] = [makes, was_made].map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            let difference = difference(&was_made, &makes, "");
            assert_eq!(difference, None, "{}, line {}", entry.name(), number + 1);
        }
    }
}
