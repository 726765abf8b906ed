//! Where plugins come from: a URL with its digest, a registry by digest, and files that are signed.

use std::io::Read;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, eventually};
use switchyard_tests::registry::{Registry, Serves, sha256};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, StandIn};
use switchyard_tests::{paths, wasm};

const LOOPBACK: &str = "allowed_addresses = [\"127.0.0.0/8\"]\n";

fn hostile(letter: char) -> Vec<u8> {
    let plugin = std::fs::read(paths::plugin("hostile")).expect("it is built");
    wasm::patched(&plugin, b"hostile-revision-A", format!("hostile-revision-{letter}").as_bytes())
}

/// A daemon whose section on plugins has these keys more.
fn daemon(keys: &str) -> Daemon {
    let mut daemon = Daemon::prepare(Setup::shop([Destination::hostile("guest", "http://127.0.0.1:1", "none")]));
    let text = std::fs::read_to_string(daemon.config()).expect("it was written");
    daemon.write_config(&text.replace("directory = \"plugins\"\n", &format!("directory = \"plugins\"\n{keys}")));
    daemon.restart();
    daemon
}

fn revision(daemon: &Daemon) -> String {
    let status = daemon.admin_get("/api/v1/status").json();
    let plugins = status["plugins"].as_array().cloned().unwrap_or_default();
    let revision = plugins.iter().find_map(|plugin| plugin["revision"].as_str());
    format!("sha256:{}", revision.unwrap_or_default())
}

#[test]
fn a_plugin_comes_from_a_url_with_its_digest() {
    let site = StandIn::start();
    let moved = Answer::Status {
        status: 302,
        headers: vec![("location".to_string(), "/files/guest.wasm".to_string())],
        body: String::new(),
    };
    site.program(u64::MAX, moved, |request| request.path == "/guest.wasm");
    site.program(u64::MAX, Answer::Bytes(Bytes::from(hostile('B'))), |request| request.path == "/files/guest.wasm");
    site.program(u64::MAX, Answer::status(404), |_| true);
    let url = format!("{}/guest.wasm", site.url());
    let daemon = daemon(LOOPBACK);
    let first = revision(&daemon);
    let (good, other) = (sha256(&hostile('B')), sha256(b"other"));
    let check = |arguments: &[&str], says: &str| {
        let output = daemon.cli_output(&[&["plugin", "install"], arguments].concat());
        assert!(!output.success && output.all().contains(says), "{arguments:?}: {}", output.all());
        assert_eq!(revision(&daemon), first);
    };
    check(&[&url], "--sha256");
    check(&[&url, "--sha256", &other], "not what was meant");
    check(&["http://vendor.example/guest.wasm", "--sha256", &good], "https");
    check(&[&format!("{}/gone.wasm", site.url()), "--sha256", &good], "404");
    daemon.cli(&["plugin", "install", &url, "--sha256", &good]);
    assert_eq!(revision(&daemon), good);
}

#[test]
fn a_plugin_is_fetched_from_this_machine_only_when_that_is_allowed() {
    let site = StandIn::start();
    let daemon = daemon("");
    let url = format!("{}/guest.wasm", site.url());
    let output = daemon.cli_output(&["plugin", "install", &url, "--sha256", &sha256(b"")]);
    assert!(!output.success && output.all().contains("not a public address"), "{}", output.all());
    assert!(site.requests().is_empty());
}

#[test]
fn a_plugin_comes_from_a_registry_by_digest() {
    let bytes = hostile('B');
    let daemon = daemon(LOOPBACK);
    let first = revision(&daemon);
    let registry = Registry::start(&bytes);
    let gone = daemon.cli_output(&["plugin", "install", &registry.of_digest(&sha256(b"gone"))]);
    assert!(!gone.success && gone.all().contains("404"), "{}", gone.all());
    let forged = Registry::serving(&bytes, &hostile('C'), Serves::Anybody);
    let output = daemon.cli_output(&["plugin", "install", &forged.reference()]);
    assert!(!output.success && output.all().contains("not what was meant"), "{}", output.all());
    assert_eq!(revision(&daemon), first);
    daemon.cli(&["plugin", "install", &registry.reference()]);
    assert_eq!(revision(&daemon), sha256(&bytes));
}

/// A registry that wants a login, by whatever scheme: without one and with a wrong one nothing is fetched,
/// with the configuration's and with docker's it is, and nobody says the password.
fn check_login(serves: Serves) {
    let bytes = hostile('B');
    let registry = Registry::serving(&bytes, &bytes, serves);
    let mut daemon = daemon(LOOPBACK);
    let docker = daemon.directory().join("docker");
    std::fs::create_dir(&docker).expect("a directory");
    daemon.set_environment("DOCKER_CONFIG", &docker.display().to_string());
    daemon.set_environment("REGISTRY_PASSWORD", "planted-password");
    let install = || daemon.cli_output(&["plugin", "install", &registry.reference()]);
    let check = |expected: Option<&str>| {
        let output = install();
        let says = |text: &str| assert!(output.all().contains(text), "{text}: {}", output.all());
        assert_eq!(output.success, expected.is_none(), "{}", output.all());
        expected.into_iter().for_each(says);
        assert!(!output.all().contains("planted-password"), "{}", output.all());
        assert!(!output.all().contains("cm9ib3Q6cGxhbnRlZ"), "nor its base64: {}", output.all());
    };
    check(Some("wants a login: [[plugins.registry]]"));
    let text = std::fs::read_to_string(daemon.config()).expect("it was written");
    let with = |name: &str| {
        let login = format!(
            "[[plugins.registry]]\nhost = {:?}\nusername = {name:?}\npassword = \"${{env:REGISTRY_PASSWORD}}\"\n",
            registry.host()
        );
        text.replace("[[pipeline]]", &format!("{login}[[pipeline]]"))
    };
    // The daemon itself has no such variable, and keeps what it had.
    std::fs::write(daemon.config(), with("nobody")).expect("it can be written");
    check(Some("nobody"));
    std::fs::write(daemon.config(), with("robot")).expect("it can be written");
    check(None);
    assert_eq!(revision(&daemon), sha256(&bytes));
    std::fs::write(daemon.config(), &text).expect("it can be written");
    let auth = STANDARD.encode("robot:planted-password");
    let file = serde_json::json!({"auths": {registry.host(): {"auth": auth}}});
    std::fs::write(docker.join("config.json"), file.to_string()).expect("it can be written");
    check(None);
    assert!(!daemon.log().contains("planted-password"), "{}", daemon.log());
}

#[test]
fn a_registry_that_gives_a_token_for_a_login() {
    check_login(Serves::TokenFor("robot", "planted-password"));
}

#[test]
fn a_registry_that_wants_the_login_itself() {
    check_login(Serves::Login("robot", "planted-password"));
}

/// A frozen plugin with its signature.
fn signed() -> (Vec<u8>, PathBuf, String) {
    let folder = paths::root().join("tests/fixtures/signed");
    let file = std::fs::File::open(folder.join("hostile.wasm.gz")).expect("it is there");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("it is whole");
    let key = std::fs::read_to_string(folder.join("minisign.pub")).expect("it is there");
    (bytes, folder.join("hostile.wasm.minisig"), key.trim().to_string())
}

#[test]
fn only_what_a_known_key_signed_is_taken_where_that_is_wanted() {
    let (bytes, signature, key) = signed();
    let daemon = daemon(&format!("public_keys = [\"{key}\"]\nunsigned = \"refused\"\n"));
    assert_eq!(revision(&daemon), "sha256:", "the unsigned file of the start is refused");
    assert!(daemon.log().contains("is not signed"), "{}", daemon.log());
    let file = daemon.directory().join("guest.wasm");
    let install = |bytes: &[u8], more: &[&str]| {
        std::fs::write(&file, bytes).expect("the directory takes a file");
        let file = file.display().to_string();
        daemon.cli_output(&[&["plugin", "install", &file[..]], more].concat())
    };
    let signature_of = signature.display().to_string();
    let unsigned = install(&bytes, &[]);
    assert!(!unsigned.success && unsigned.all().contains("is not signed"), "{}", unsigned.all());
    let changed = install(&wasm::revision(&bytes, 1), &["--signature", &signature_of]);
    assert!(!changed.success && changed.all().contains("public_keys"), "{}", changed.all());
    assert!(install(&bytes, &["--signature", &signature_of]).success);
    assert_eq!(revision(&daemon), sha256(&bytes));
}

#[test]
fn the_inbox_takes_a_file_with_its_signature_beside_it() {
    let (bytes, signature, key) = signed();
    let daemon = daemon(&format!("public_keys = [\"{key}\"]\nunsigned = \"refused\"\n"));
    let beside = daemon.plugin_file("hostile").with_extension("wasm.minisig");
    std::fs::copy(&signature, &beside).expect("the directory takes a file");
    let logged = daemon.log().len();
    daemon.put_plugin("hostile", &wasm::revision(&bytes, 1));
    eventually("what is not signed is refused", SOON, || daemon.log()[logged..].contains("public_keys"));
    daemon.put_plugin("hostile", &bytes);
    eventually("what is signed is active", SOON, || revision(&daemon) == sha256(&bytes));
}

#[test]
fn other_rules_on_signatures_take_effect_at_once() {
    let (bytes, signature, key) = signed();
    let daemon = daemon("");
    let first = revision(&daemon);
    let without = std::fs::read_to_string(daemon.config()).expect("it was written");
    let strict = format!("directory = \"plugins\"\npublic_keys = [\"{key}\"]\nunsigned = \"refused\"\n");
    let strict = without.replace("directory = \"plugins\"\n", &strict);
    let in_effect = |text: &str| {
        let logged = daemon.log().len();
        daemon.write_config(text);
        eventually("it is in effect", SOON, || daemon.log()[logged..].contains("configuration is in effect"));
    };
    in_effect(&strict);
    assert_eq!(revision(&daemon), first, "what is active stays");
    daemon.put_plugin("hostile", &hostile('B'));
    eventually("what is not signed is refused", SOON, || daemon.log().contains("is not signed"));
    assert_eq!(revision(&daemon), first);
    in_effect(&without);
    eventually("it is taken after all", SOON, || revision(&daemon) == sha256(&hostile('B')));
    in_effect(&strict);
    std::fs::copy(&signature, daemon.plugin_file("hostile").with_extension("wasm.minisig")).expect("it is there");
    daemon.put_plugin("hostile", &bytes);
    eventually("what is signed is taken", SOON, || revision(&daemon) == sha256(&bytes));
}
