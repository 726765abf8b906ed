//! host/docs/sdks.md: the programs that it shows for Node and Python are run, and so are its lines of
//! curl.

use std::process::Command;

use switchyard_tests::clients::Sdk;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::SOON;
use switchyard_tests::paths;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Recorded, StandIn};

fn page() -> String {
    let path = paths::root().join("host/docs/sdks.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of that language under a heading.
fn blocks(heading: &str, language: &str) -> Vec<String> {
    let page = page();
    let (_, after) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let section = after.split("\n## ").next().unwrap_or_default();
    let fence = format!("```{language}\n");
    let fences = section.split(&fence).skip(1);
    fences.filter_map(|rest| Some(rest.split_once("\n```")?.0.to_string())).collect()
}

/// Runs a program of the page against a daemon, and waits for an event of it at the vendor.
fn check(heading: &str, language: &str, number: usize, run: impl Fn(&str)) {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    let program = blocks(heading, language).into_iter().nth(number).expect("the page shows a program");
    assert!(program.contains("wk_demo") && program.contains("http://localhost:8080"), "{program}");
    run(&program.replace("wk_demo", "wk_test").replace("http://localhost:8080", &daemon.url("")));
    vendors.wait_until("the event", SOON, |requests| {
        requests.iter().flat_map(Recorded::objects).any(|event| {
            event["userId"] == "u1" && event["event"] == "Signed Up" && event["properties"]["plan"] == "pro"
        })
    });
}

#[test]
fn node() {
    check("Node", "js", 0, |program| Sdk::Node.run(program));
}

#[test]
fn rudder_node() {
    check("Node", "js", 1, |program| Sdk::RudderNode.run(program));
}

#[test]
fn python() {
    check("Python", "python", 0, |program| Sdk::Python.run(program));
}

#[test]
fn rudder_python() {
    check("Python", "python", 1, |program| Sdk::RudderPython.run(program));
}

#[test]
fn plain_http() {
    check("Plain HTTP", "sh", 0, |lines| {
        for line in lines.lines() {
            let output = Command::new("sh").args(["-c", &line.replace("curl", "curl -sS --noproxy '*'")]).output();
            let output = output.expect("sh is there");
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!told.contains("not found"), "curl is missing: `apt-get install curl`, then run this again");
            assert!(output.status.success() && answer.contains("\"accepted\":1"), "{line}: {answer}{told}");
        }
    });
}

#[test]
fn the_page_names_the_versions_that_are_tested() {
    let (page, clients) = (page(), paths::root().join("tests/sdk-clients"));
    let read = |path: &str| std::fs::read_to_string(clients.join(path)).expect("a client has its lock file");
    let check = |file: &str, before: &str, after: &str, package: &str| {
        let text = read(file);
        let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{file} has no {before}"));
        let version = rest.split(after).next().unwrap_or_default();
        let row = page.lines().find(|line| line.contains(&format!("`{package}` |"))).expect("the page has a row");
        assert!(row.contains(&format!("SDK tested, {version}")), "{package} {version}: {row}");
    };
    for (client, package) in [
        ("node", "@segment/analytics-node"),
        ("rudder-node", "@rudderstack/rudder-sdk-node"),
        ("browser", "@segment/analytics-next"),
    ] {
        check(&format!("{client}/package.json"), &format!("\"{package}\": \""), "\"", package);
    }
    for (client, package) in [("python", "segment-analytics-python"), ("rudder-python", "rudder-sdk-python")] {
        check(&format!("{client}/requirements.txt"), &format!("{package}=="), "\n", package);
    }
    check("rust/Cargo.toml", "segment = { version = \"=", "\"", "segment");
}
