//! Transformations from the outer edge: what vendors get, what is stored, what is counted and told, and
//! the commands that show it beforehand.

use std::path::Path;

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, assert_balanced, eventually};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, StandIn};

/// The properties that came to the webhook, by messageId.
fn arrived(vendors: &StandIn, path: &str, message_id: &str) -> Option<Value> {
    let events = vendors.requests_to(path).into_iter().flat_map(|request| request.objects());
    events.into_iter().find(|event| event["messageId"] == message_id)
}

fn track(message_id: &str, properties: Value) -> Value {
    json!({"type": "track", "event": "Order Completed", "messageId": message_id, "userId": "u-1", "properties": properties})
}

#[test]
fn rules_of_the_pipeline_and_of_the_destination_shape_what_each_vendor_gets() {
    let vendors = StandIn::start();
    let plain =
        Destination::webhook("plain", &vendors.url()).setting("url", format!("{}/webhook-plain", vendors.url()));
    let shaped = Destination::webhook("shaped", &vendors.url()).tables(
        "[[pipeline.destination.rule]]\nmove = \"properties.id\"\nto = \"properties.order.id\"\n\
         [[pipeline.destination.rule]]\nname = \"small ones\"\ndrop = \"matching\"\nwhen = \"properties.total < 10\"\n",
    );
    let of_pipelines = "[[pipeline.rule]]\nset = \"properties.cents\"\nexpression = \"properties.total * 100\"\n";
    let daemon = Daemon::start(Setup::shop([plain, shaped]).of_pipelines(of_pipelines));
    daemon.accept(&[
        track("large", json!({"id": "o-1", "total": 12.5})),
        track("small", json!({"id": "o-2", "total": 5})),
    ]);
    eventually("all have ended", SOON, || {
        daemon.counter("shop/plain", "delivered") == 2
            && daemon.counter("shop/shaped", "filtered") == 1
            && daemon.counter("shop/shaped", "delivered") == 1
    });
    let of = |path: &str, id: &str| arrived(&vendors, path, id).map(|event| event["properties"].clone());
    assert_eq!(of("/webhook-plain", "large"), Some(json!({"id": "o-1", "total": 12.5, "cents": 1250})));
    assert_eq!(of("/webhook-plain", "small"), Some(json!({"id": "o-2", "total": 5, "cents": 500})));
    let requests = vendors.requests_to("/webhook");
    let shaped: Vec<Value> =
        requests.iter().filter(|request| request.path == "/webhook").flat_map(|request| request.objects()).collect();
    assert_eq!(shaped.len(), 1, "{shaped:?}");
    assert_eq!(shaped[0]["properties"], json!({"total": 12.5, "cents": 1250, "order": {"id": "o-1"}}));
    // Counted by the rule's name, and told.
    let counters = daemon.counters("shop/shaped");
    assert_eq!(counters["filtered_by"], json!({"rule: small ones": 1}), "{counters}");
    assert_balanced(&counters);
    assert!(daemon.cli(&["trace", "small"]).contains("by the rule small ones"));
    assert!(daemon.admin_get("/metrics").text().contains("rule: small ones"));
}

#[test]
fn consent_is_enforced_before_the_plugin_and_counted_by_purpose() {
    let vendors = StandIn::start();
    let webhook = Destination::webhook("webhook", &vendors.url())
        .tables("[pipeline.destination.consent]\nrequires = [\"ads\"]\nwhen_absent = \"denied\"\n");
    let daemon = Daemon::start(Setup::shop([webhook]));
    let with = |id: &str, consent: Value| {
        let mut event = track(id, json!({}));
        event["context"] = json!({"consent": {"categoryPreferences": consent}});
        event
    };
    daemon.accept(&[with("yes", json!({"ads": true})), with("no", json!({"ads": false})), track("silent", json!({}))]);
    eventually("all have ended", SOON, || {
        daemon.counter("shop/webhook", "filtered") == 2 && daemon.counter("shop/webhook", "delivered") == 1
    });
    assert!(arrived(&vendors, "/webhook", "yes").is_some());
    assert_eq!(daemon.counters("shop/webhook")["filtered_by"], json!({"consent: ads": 2}));
    assert!(daemon.cli(&["trace", "no"]).contains("for lack of consent to ads"));
}

/// Whether any file below a directory holds a text.
fn is_held(directory: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(directory).expect("the directory is there").flatten();
    entries.map(|entry| entry.path()).any(|path| match path.is_dir() {
        true => is_held(&path, text),
        false => {
            std::fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
        }
    })
}

#[test]
fn what_the_policy_treats_before_storage_never_touches_the_disk() {
    let vendors = StandIn::start();
    let trusted = Destination::webhook("trusted", &vendors.url())
        .setting("url", format!("{}/webhook-trusted", vendors.url()))
        .key("pii_allowed", json!(["phone"]));
    let daemon = Daemon::start(
        Setup::shop([Destination::webhook("webhook", &vendors.url()), trusted])
            .of_pipelines("[pipeline.pii]\nphone = \"remove\"\nemail = { action = \"hash\", before_storage = true }\n"),
    );
    let mut event = track("m-1", json!({"note_to": "planted@secret.example"}));
    event["context"] = json!({"traits": {"email": "Planted@Secret.example", "phone": "+49 30 777777"}});
    daemon.accept(&[event]);
    eventually("both have it", SOON, || {
        ["shop/webhook", "shop/trusted"].iter().all(|id| daemon.counter(id, "delivered") == 1)
    });
    let stored = daemon.data();
    assert!(
        !is_held(&stored, "lanted@") && is_held(&stored, "777777"),
        "only what is treated before storage is not there"
    );
    let requests = vendors.requests_to("/webhook");
    let of = |path: &str| {
        let found = requests.iter().filter(|request| request.path == path).flat_map(|request| request.objects()).next();
        found.unwrap_or_else(|| panic!("nothing came to {path}"))
    };
    // SHA-256 of planted@secret.example
    let hash = of("/webhook")["context"]["traits"]["email"].clone();
    assert_eq!(hash.as_str().map(str::len), Some(64), "{hash}");
    assert_eq!(of("/webhook")["properties"]["note_to"], hash);
    assert!(of("/webhook")["context"]["traits"]["phone"].is_null());
    assert_eq!(of("/webhook-trusted")["context"]["traits"], json!({"email": hash, "phone": "+49 30 777777"}));
}

#[test]
fn a_retry_sends_the_same_bytes_and_a_replay_is_transformed_once() {
    let vendors = StandIn::start();
    let webhook = Destination::webhook("webhook", &vendors.url())
        .delivery("attempts_max", 3)
        .tables("[[pipeline.destination.rule]]\nset = \"properties.n\"\nexpression = \"properties.n + 1\"\n");
    let daemon = Daemon::start(Setup::shop([webhook]));
    vendors.program(2, Answer::status(503), |_| true);
    daemon.accept(&[track("retried", json!({"n": 1}))]);
    eventually("it arrives", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    let numbers = |vendors: &StandIn| -> Vec<Value> {
        vendors
            .requests_to("/webhook")
            .iter()
            .flat_map(|request| request.objects())
            .map(|event| event["properties"]["n"].clone())
            .collect()
    };
    assert_eq!(numbers(&vendors), [2, 2, 2]);
    // A dead letter keeps the event as it came, and its replay is transformed as if it came now.
    vendors.forget();
    vendors.program(1, Answer::status(400), |_| true);
    daemon.accept(&[track("dead", json!({"n": 10}))]);
    eventually("it is dead", SOON, || daemon.counter("shop/webhook", "dead") == 1);
    daemon.cli(&["dead-letters", "replay", "--destination", "shop/webhook"]);
    eventually("its replay arrives", SOON, || daemon.counter("shop/webhook", "delivered") == 2);
    assert_eq!(numbers(&vendors), [11, 11]);
    assert_balanced(&daemon.counters("shop/webhook"));
}

#[test]
fn what_is_too_much_work_is_a_dead_letter_and_never_goes_half_changed() {
    let vendors = StandIn::start();
    let cubes = "properties.list.map(a, properties.list.map(b, properties.list.exists(c, c == 2)))";
    let webhook = Destination::webhook("webhook", &vendors.url()).tables(&format!(
        "[[pipeline.destination.rule]]\nremove = \"properties.secret\"\n\
         [[pipeline.destination.rule]]\nset = \"properties.size\"\nexpression = \"size({cubes})\"\n"
    ));
    let daemon = Daemon::start(Setup::shop([webhook]));
    daemon.accept(&[
        track("heavy", json!({"secret": "s", "list": vec![1; 400]})),
        track("light", json!({"secret": "s", "list": [1]})),
    ]);
    eventually("both have ended", SOON * 4, || {
        daemon.counter("shop/webhook", "dead") == 1 && daemon.counter("shop/webhook", "delivered") == 1
    });
    assert_eq!(daemon.counters("shop/webhook")["dead_by"], json!({"transformation": 1}));
    assert_eq!(
        arrived(&vendors, "/webhook", "light").map(|event| event["properties"].clone()),
        Some(json!({"list": [1], "size": 1}))
    );
    assert!(arrived(&vendors, "/webhook", "heavy").is_none());
}

#[test]
fn a_wrong_rule_is_refused_with_its_line_and_the_running_rules_stay() {
    let vendors = StandIn::start();
    let with = |rule: &str| {
        let rule = format!("[[pipeline.destination.rule]]\nset = \"properties.by\"\n{rule}\n");
        Setup::shop([Destination::webhook("webhook", &vendors.url()).tables(&rule)])
    };
    let daemon = Daemon::start(with("value = \"first\""));
    let wrong = daemon.config_text(&with("expression = \"properties.a ===\""));
    daemon.write_config(&wrong);
    daemon.wait_for_log("the changed configuration is refused");
    let line = 1 + wrong.lines().position(|line| line.starts_with("expression")).expect("the rule is there");
    let log = daemon.log();
    assert!(log.contains(&format!(":{line}:")) && log.contains("CEL has no `===`"), "{log}");
    daemon.accept(&[track("m-1", json!({}))]);
    eventually("it arrives", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    assert_eq!(arrived(&vendors, "/webhook", "m-1").expect("it came")["properties"]["by"], "first");
    daemon.write_config(&daemon.config_text(&with("value = \"second\"")));
    eventually("the change is taken up", SOON, || {
        vendors.forget();
        daemon.accept(&[track(&format!("m-{}", switchyard_tests::stand_in::now_ms()), json!({}))]);
        eventually("it arrives", SOON, || !vendors.requests_to("/webhook").is_empty());
        vendors
            .requests_to("/webhook")
            .iter()
            .flat_map(|request| request.objects())
            .any(|event| event["properties"]["by"] == "second")
    });
}

#[test]
fn transform_diff_and_pii_show_it_beforehand() {
    let vendors = StandIn::start();
    let with = |rules: &str| {
        let tables = format!(
            "{rules}\n[[pipeline.destination.rule]]\nname = \"no tests\"\ndrop = \"matching\"\nwhen = \"properties.test == true\"\n"
        );
        Setup::shop([Destination::webhook("webhook", &vendors.url()).tables(&tables)])
            .of_pipelines("[pipeline.pii]\nemail = \"mask\"\n")
    };
    let lower = "[[pipeline.destination.rule]]\nlower = \"properties.code\"\n";
    let daemon = Daemon::start(with(lower));
    let all = [
        track("m-1", json!({"code": "AB", "mail": "ana@example.com"})),
        track("m-2", json!({"test": true})),
        track("m-3", json!({"code": "x"})),
    ];
    daemon.accept(&all);
    eventually("all have ended", SOON, || {
        daemon.counter("shop/webhook", "delivered") + daemon.counter("shop/webhook", "filtered") == 3
    });
    let lines: String = all.iter().map(|event| format!("{event}\n")).collect();
    let file = daemon.directory().join("events.jsonl");
    std::fs::write(&file, lines).expect("the directory takes a file");
    let file = file.display().to_string();

    // What is shown is what came.
    let call = ["transform", "--pipeline", "shop", "--destination", "webhook", "--events", &file];
    let shown = daemon.cli_output(&[&call[..], &["--json"]].concat()).json_lines();
    let properties = arrived(&vendors, "/webhook", "m-1").expect("it came")["properties"].clone();
    assert_eq!(shown[0]["after"]["properties"], properties);
    let effects = |event: &Value| -> Vec<(String, String)> {
        let steps = event["steps"].as_array().expect("steps");
        steps
            .iter()
            .map(|step| {
                (
                    step["name"].as_str().unwrap_or_default().to_string(),
                    step["effect"].as_str().unwrap_or_default().to_string(),
                )
            })
            .collect()
    };
    let expected = [("rule 1", "changed"), ("no tests", "skipped"), ("pii", "changed")]
        .map(|(name, effect)| (name.to_string(), effect.to_string()));
    assert_eq!(effects(&shown[0]), expected);
    assert_eq!(shown[1]["filtered"], "rule: no tests");
    let text = daemon.cli(&call);
    assert!(
        text.contains("changed   rule 1 (lower)")
            && text.contains("does not go: rule: no tests")
            && text.contains("email masked"),
        "{text}"
    );

    let pii = daemon.cli_json(&["pii", "--events", &file]);
    let email = pii.as_array().expect("rows").iter().find(|row| row["class"] == "email").expect("a row").clone();
    assert_eq!(
        (&email["receives"], &email["events_with_it"], &email["received_with_it"]),
        (&json!("masked"), &json!(1), &json!(0))
    );
    assert!(daemon.cli(&["pii"]).contains("as it is"));

    let new = daemon.directory().join("new.toml");
    let text = daemon.config_text(&with("[[pipeline.destination.rule]]\nupper = \"properties.code\"\n"));
    std::fs::write(&new, text).expect("the directory takes a file");
    let (old, new) = (daemon.config().display().to_string(), new.display().to_string());
    let output = switchyard_tests::cli::run(&["diff", &old, &new, "--last", "10", "--json"]);
    let difference = &output.json()[0];
    let counts = ["same", "changed", "goes_now", "goes_no_more"].map(|name| difference[name].as_u64().unwrap_or(99));
    assert_eq!(counts, [1, 2, 0, 0], "{difference}");
    let text = switchyard_tests::cli::run(&["diff", &old, &new, "--last", "1"]).all();
    assert!(
        text.contains("shop/webhook: 0 the same, 1 changed") && text.contains("- ") && text.contains("\"code\": \"X\""),
        "{text}"
    );
    let same = switchyard_tests::cli::run(&["diff", &old, &old, "--events", &file, "--json"]).json();
    assert_eq!((&same[0]["same"], &same[0]["shown"]), (&json!(3), &json!([])));
}
