//! Every golden case: what the plugin makes of it, byte for byte twice, and as its files say.

use serde_json::Value;
use switchyard_tests::expect::difference;
use switchyard_tests::golden::{Case, cases};
use switchyard_tests::{cli, paths};

/// What a case gives the plugin, and what must come of it.
const PARTS: [(&str, &str, MadeOf); 2] =
    [("events.jsonl", "plan.json", Case::plan), ("answers.jsonl", "judgements.json", Case::judge)];

type MadeOf = fn(&Case) -> Result<Vec<Value>, String>;

/// What is wrong with a case, if anything.
fn check(case: &Case) -> Option<String> {
    let parts: Vec<_> = PARTS.iter().filter(|(input, ..)| case.has(input)).collect();
    if parts.is_empty() {
        return Some("neither events.jsonl nor answers.jsonl".to_string());
    }
    parts.into_iter().find_map(|(_, wanted, made_of)| check_part(case, wanted, *made_of))
}

fn check_part(case: &Case, file: &str, made_of: MadeOf) -> Option<String> {
    let made = match made_of(case) {
        Ok(made) => made,
        Err(error) => return Some(error),
    };
    match made_of(case) {
        Ok(again) if again == made => {}
        other => return Some(format!("the second time it is another: {other:?}")),
    }
    let made = Value::Array(made);
    let Some(text) = case.text(file) else {
        return Some(format!("no {file}; made was: {made}"));
    };
    let wanted: Value = match serde_json::from_str(&text) {
        Ok(wanted) => wanted,
        Err(error) => return Some(format!("{file}: {error}")),
    };
    let both_ways = difference(&wanted, &made, "").or_else(|| difference(&made, &wanted, ""));
    both_ways.map(|difference| format!("{file}: {difference}\nmade was: {made}"))
}

#[test]
fn every_case_comes_out_as_it_says() {
    let cases = cases();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).map(|failure| format!("{}: {failure}", case.folder.display())))
        .collect();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
    for plugin in ["webhook", "ga4", "mixpanel"] {
        assert!(cases.iter().any(|case| case.plugin == plugin), "no case for {plugin}");
    }
}

/// The benchmark compares what they cost, so they must do the same.
#[test]
fn the_sdk_makes_what_a_walk_by_hand_does() {
    let folder = tempfile::tempdir().expect("a directory");
    let (settings, events) = (folder.path().join("settings.json"), folder.path().join("events.jsonl"));
    let order = paths::fixture("order-completed.json");
    let bare = r#"{"type":"track","messageId":"m-2","event":"Order Completed","properties":{"total":null,"products":[{},{"price":1}]}}"#;
    let other = r#"{"type":"track","messageId":"m-3","event":"Signed Up"}"#;
    std::fs::write(&settings, r#"{"url":"https://sink.example/in"}"#).expect("a file");
    std::fs::write(&events, format!("{}\n{bare}\n{other}\n", order.trim())).expect("a file");
    let planned = |plugin: &str| {
        let (plugin, settings, events) =
            (paths::plugin(plugin), settings.display().to_string(), events.display().to_string());
        let plugin = plugin.display().to_string();
        let run = cli::run(&["plugin", "run", &plugin, "--settings", &settings, "--events", &events]);
        assert!(run.success, "{}", run.all());
        run.stdout
    };
    let (mapped, walked) = (planned("mapped"), planned("walked"));
    assert_eq!(mapped, walked);
    assert!(mapped.contains("P-1003") && mapped.contains("is no order"), "{mapped}");
}
