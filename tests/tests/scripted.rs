//! Plugins in JavaScript and Python: made, checked, built, sandboxed, and reused where they ask for it.

use std::process::Command;

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, eventually};
use switchyard_tests::paths;
use switchyard_tests::project::{Project, track};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Recorded, StandIn};

/// The one import that there is.
const LOG: &str = "switchyard:log/log@1.0.0";

/// A plugin that asks for all that a sandbox must not give, and says what it got. `calls` is what it
/// remembers of earlier calls.
const CURIOUS_JAVASCRIPT: &str = r#"
let calls = 0;

export function plan(settings, batch, plan) {
  calls += 1;
  console.log("planning", batch.length, { calls });
  for (const event of batch) {
    if (event.data.fail) throw new Error("told to fail");
    const got = { calls, now: Date.now(), today: new Date().toISOString(), chance: Math.random(), id: event.messageId };
    plan.post(settings.url).json(got).cover(event);
  }
}
"#;

const CURIOUS_PYTHON: &str = r#"
import os
import random
import secrets
import time
import uuid
from datetime import datetime, timezone

calls = 0


def plan(settings, batch, plan):
    global calls
    calls += 1
    print("planning", len(batch), {"calls": calls})
    for event in batch:
        if event.data.get("fail"):
            raise ValueError("told to fail")
        got = {"calls": calls, "now": time.time() * 1000, "today": datetime.now(timezone.utc).isoformat(),
               "chance": random.random(), "secret": secrets.token_hex(4), "os": os.urandom(2).hex(),
               "uuid": str(uuid.uuid4()), "id": event.message_id}
        plan.post(settings["url"]).json(got).cover(event)
"#;

fn settings() -> Value {
    json!({"url": "https://example.com/in"})
}

fn same(project: &Project) {
    let tested = project.plugin("test", &[]);
    assert!(tested.success, "{}", tested.all());
    assert_eq!(tested.stdout.matches("same ").count(), 2, "{}", tested.all());
}

fn bodies(planned: &Value) -> Vec<Value> {
    let requests = planned["requests"].as_array().cloned().unwrap_or_default();
    requests.iter().map(|request| request["body_json"].clone()).collect()
}

/// What is asked of the system comes from the call alone, so that another process plans the same bytes.
fn assert_closed(project: &Project) {
    let built = project.plugin("build", &[]);
    assert!(built.success, "{}", built.all());
    assert_eq!(project.imports(), json!([LOG]), "nothing else is linked");
    let events = [track("m-1"), track("m-2")];
    let first = project.plan(&settings(), &events);
    let plan = first.json();
    let got = bodies(&plan);
    assert_eq!(got.len(), 2, "{plan}");
    assert_eq!(got[0]["now"].as_f64(), Some(1_700_000_000_000.0), "the time is the call's");
    assert!(got[0]["today"].as_str().is_some_and(|today| today.starts_with("2023-11-14T22:13:20")), "{plan}");
    assert_ne!(got[0]["chance"], got[1]["chance"], "chance is not always the same");
    assert!(first.stderr.contains("planning 2"), "what it says is heard: {}", first.stderr);
    let second = project.plan(&settings(), &events);
    assert_eq!(first.stdout, second.stdout, "another process plans the same bytes");
    let other = project.plan(&settings(), &[track("m-3")]).json();
    assert_ne!(bodies(&other)[0]["chance"], got[0]["chance"], "other events have other chance");
    let mut failing = track("m-4");
    failing["fail"] = json!(true);
    let failed = project.plan(&settings(), &[failing]);
    assert!(!failed.success && failed.all().contains("told to fail"), "the error is told: {}", failed.all());
}

/// A destination of the plugin gets its events one at a time; what it said it had been called before.
fn calls_seen(project: &Project, events: &[Value]) -> Vec<Value> {
    let vendors = StandIn::start();
    let destination = Destination::new("curious", "curious").setting("url", format!("{}/webhook", vendors.url()));
    let mut daemon = Daemon::prepare(Setup::shop([]));
    daemon.put_plugin("curious", &project.bytes());
    daemon.write_config(&daemon.config_text(&Setup::shop([destination])));
    daemon.restart();
    for event in events {
        let settled = |daemon: &Daemon| {
            let counters = daemon.counters("shop/curious");
            ["delivered", "dead"].iter().filter_map(|name| counters[*name].as_u64()).sum::<u64>()
        };
        let before = settled(&daemon);
        daemon.accept(std::slice::from_ref(event));
        eventually("the event is settled", SOON, || settled(&daemon) > before);
    }
    let calls = |request: &Recorded| request.json()["calls"].clone();
    vendors.requests().iter().map(calls).collect()
}

/// Up to `calls_max` calls in one instance, and none after a fault.
fn assert_reused(project: &Project) {
    project.append("plugin.toml", "[instances]\ncalls_max = 3\n");
    let built = project.plugin("build", &[]);
    assert!(built.success, "{}", built.all());
    let file = project.file().display().to_string();
    let inspected = switchyard_tests::cli::run(&["plugin", "inspect", &file]);
    assert!(inspected.stdout.contains("not reproducible"), "{}", inspected.all());
    let mut events: Vec<Value> = (0..7).map(|number| track(&format!("m-{number}"))).collect();
    events[5]["fail"] = json!(true);
    let seen = calls_seen(project, &events);
    // The sixth fails in the second instance's third call, and the seventh gets a fresh one.
    assert_eq!(seen, [1, 2, 3, 1, 2, 1].map(Value::from));
}

#[test]
fn a_javascript_project_is_closed_and_may_be_reused() {
    let project = Project::new("curious", "javascript");
    same(&project);
    project.write("plugin.js", CURIOUS_JAVASCRIPT);
    std::fs::remove_dir_all(project.folder().join("fixtures")).expect("it is there");
    assert_closed(&project);
    assert_reused(&project);
}

#[test]
fn a_python_project_is_closed_and_may_be_reused() {
    let project = Project::new("curious", "python");
    same(&project);
    project.write("plugin.py", CURIOUS_PYTHON);
    std::fs::remove_dir_all(project.folder().join("fixtures")).expect("it is there");
    assert_closed(&project);
    assert_reused(&project);
}

fn assert_types_hold(command: &mut Command, project: &Project) {
    let environment = project.environment().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let checked = command.current_dir(project.folder()).envs(environment).output().expect("it can be started");
    assert!(
        checked.status.success(),
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
}

#[test]
fn the_javascript_example_holds() {
    let project = Project::example("javascript", "posthog");
    same(&project);
    let first = project.bytes();
    std::fs::remove_file(project.file()).expect("it is there");
    assert!(project.plugin("build", &[]).success);
    assert!(project.bytes() == first, "the same source gives the same bytes");
    let tsc = paths::target().join("clients/plugin-tools/javascript/node_modules/typescript/bin/tsc");
    assert_types_hold(Command::new("node").arg(tsc).args(["-p", "jsconfig.json"]), &project);
}

#[test]
fn the_python_example_holds() {
    let project = Project::example("python", "mailchimp");
    same(&project);
    let answers = project.folder().join("answers.jsonl");
    let lines = [
        json!({"status": 400, "body_json": {"title": "Member In Compliance State", "detail": "unsubscribed"}}),
        json!({"status": 429}),
    ];
    std::fs::write(&answers, lines.map(|line| format!("{line}\n")).concat()).expect("a file");
    std::fs::write(
        project.folder().join("settings.json"),
        json!({"api_key": "k", "endpoint": "https://us6.api.mailchimp.com", "audience_id": "a"}).to_string(),
    )
    .expect("a file");
    let path = |name: &str| project.folder().join(name).display().to_string();
    let judged = switchyard_tests::cli::run(&[
        "plugin",
        "judge",
        &project.file().display().to_string(),
        "--settings",
        &path("settings.json"),
        "--answers",
        &path("answers.jsonl"),
    ]);
    let judged = judged.json_lines();
    assert_eq!(judged[0]["verdicts"][0]["reason"], "Member In Compliance State: unsubscribed", "{judged:?}");
    assert_eq!(judged[1]["verdicts"], json!([]), "the status says enough");
    let files = ["-m", "mypy", "--strict", "plugin.py", "switchyard/__init__.py"];
    assert_types_hold(Command::new("python3").args(files), &project);
}

#[test]
fn a_tool_that_is_missing_is_named_with_the_line_that_installs_it() {
    for (language, said) in [("javascript", "npm install"), ("python", "pip install componentize-py")] {
        let project = Project::new("lonely", language);
        let folder = project.folder().display().to_string();
        let bare = [("NODE_PATH", ""), ("PATH", "/usr/bin:/bin"), ("PYTHONPATH", "")];
        let output = switchyard_tests::cli::run_with(&["plugin", "build", &folder], &bare);
        assert!(!output.success && output.all().contains(said), "{}", output.all());
    }
}
