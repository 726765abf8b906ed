//! cases/: what each operation does, and what is said of mistakes.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::*;
use crate::transformation::hash::{Form, Hash};

#[derive(Deserialize)]
struct Cases {
    #[serde(default)]
    case: Vec<Case>,
    #[serde(default)]
    mistake: Vec<MistakeCase>,
}

#[derive(Deserialize)]
struct Case {
    about: String,
    rules: Vec<Value>,
    before: String,
    after: Option<String>,
    filtered: Option<String>,
    /// What the rules say that did nothing.
    #[serde(default)]
    because: Vec<String>,
    /// Texts whose SHA-256 stands in `after`, as `@name`.
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct MistakeCase {
    rule: Value,
    field: String,
    #[serde(default)]
    position: usize,
    says: String,
    suggestion: Option<String>,
}

fn cases(text: &str) -> Cases {
    toml::from_str(text).expect("the cases can be read")
}

#[test]
fn every_operation_does_what_its_cases_say() {
    for text_of_cases in [include_str!("../cases/values.toml"), include_str!("../cases/selecting.toml")] {
        for case in cases(text_of_cases).case {
            check(case);
        }
    }
}

fn check(case: Case) {
    let about = &case.about;
    let rules = rules(&case.rules).unwrap_or_else(|mistakes| panic!("{about}: {mistakes:?}"));
    // The same rules do the same on the pipeline as on the destination.
    let of_destination = transformation(Written { rules: rules.clone(), ..Written::default() });
    let of_pipeline = transformation(Written { pipeline_rules: rules, ..Written::default() });
    let before = event(&case.before);
    let (routing, steps) = applied(&of_destination, &before);
    match (routing, applied(&of_pipeline, &before).0) {
        (Routing::Goes(changed), Routing::Goes(by_pipeline)) => {
            let mut after = case.after.unwrap_or_else(|| panic!("{about}: it went: {}", text(&changed)));
            for (name, hashed) in &case.hashes {
                let hash = Hash { form: Form::AsItIs, country_code: None, secret: None };
                after = after.replace(&format!("\"@{name}\""), &format!("\"{}\"", hash.of(hashed).expect("a hash")));
            }
            assert_eq!(text(&changed), text(&event(&after)), "{about}");
            assert_eq!(changed.json, by_pipeline.json, "{about}");
            let is_shared = changed.json.as_ptr() == before.json.as_ptr();
            let is_changed = steps.iter().any(|step| step.effect == StepEffect::Changed);
            assert!(is_shared != is_changed || changed.json == before.json, "{about}: what is unchanged is shared");
        }
        (Routing::Filtered(rule), Routing::Filtered(of_pipeline)) => {
            assert_eq!(Some(&*rule), case.filtered.as_deref(), "{about}");
            assert_eq!(of_pipeline, format!("pipeline {rule}"), "{about}");
        }
        other => panic!("{about}: {other:?}"),
    }
    for because in &case.because {
        assert!(steps.iter().any(|step| step.detail == *because), "{about}: {steps:?}");
    }
}

#[test]
fn mistakes_name_their_key_and_place_and_what_would_be_right() {
    for case in cases(include_str!("../cases/mistakes.toml")).mistake {
        let rule = &case.rule;
        let mistakes = rules(std::slice::from_ref(rule)).expect_err(&format!("{rule}"));
        let [mistake, ..] = &mistakes[..] else { panic!("{rule}: no mistake") };
        assert_eq!((&mistake.field, mistake.position), (&case.field, case.position), "{rule}: {mistake}");
        assert!(mistake.message.contains(&case.says), "{rule}: {mistake}");
        assert_eq!(mistake.suggestion, case.suggestion, "{rule}: {mistake}");
        if let (Some(suggestion), Value::Object(members), true) = (&case.suggestion, rule, case.field != "lowr") {
            // What is suggested is right.
            let mut members = members.clone();
            if !members[&case.field].is_array() {
                members.insert(case.field.clone(), suggestion.clone().into());
                assert!(rules(&[Value::Object(members)]).is_ok(), "{rule}: {suggestion}");
            }
        }
    }
}

#[test]
fn all_mistakes_are_found_at_once() {
    let written = [
        serde_json::json!({"lower": "a."}),
        serde_json::json!({"upper": "a"}),
        serde_json::json!({"when": "(", "trim": ""}),
    ];
    let mistakes = rules(&written).expect_err("three mistakes");
    let places: Vec<(usize, &str)> = mistakes.iter().map(|mistake| (mistake.rule, mistake.field.as_str())).collect();
    assert_eq!(places, [(0, "lower"), (2, "when"), (2, "trim")]);
}

#[test]
fn a_rule_is_written_as_it_was_read_but_for_its_secret() {
    let text = r#"{"name":"n","kinds":["track"],"hash":["a"],"normalize":"email"}"#;
    let rule = Rule::from_json(serde_json::from_str(text).expect("JSON"), 0).expect("a rule");
    assert_eq!(serde_json::to_string(&rule).expect("JSON"), text);
    let known = Rule { secret: Some(Secret::Known("s3cret".into())), ..rule };
    let shown = format!("{known:?}{}", serde_json::to_string(&known).expect("JSON"));
    assert!(!shown.contains("s3cret") && shown.contains("[secret]"), "{shown}");
}

#[test]
fn conditions() {
    let event = event(
        r#"{"event":"E","properties":{"n":12,"f":12.5,"t":"Añb","list":[1,2,3],"products":[{"p":5,"c":"x"},{"p":7}],"nothing":null,"a.b":1,"ok":true,"time":"2026-01-05T10:00:00Z"}}"#,
    );
    for (source, expected) in [
        ("properties.n == 12 && properties.f > properties.n", true),
        ("properties.n / 5 == 2.4 && properties.n / 6 == 2 && properties.n % 5 == 2", true),
        ("properties.n + properties.f == 24.5 && -properties.n == -12", true),
        ("properties.t + '!' == 'Añb!' && size(properties.t) == 3", true),
        ("properties.t.contains('ñ') && properties.t.startsWith('A') && !properties.t.endsWith('A')", true),
        ("properties.t.matches('^A.b$')", true),
        ("matches(properties.t, 'x')", false),
        (
            "properties.list.exists(x, x > 2) && properties.list.all(x, x < 4) && properties.list.exists_one(x, x == 1)",
            true,
        ),
        ("properties.list.map(x, x * 2) == [2, 4, 6] && properties.list.filter(x, x != 2) == [1, 3]", true),
        ("properties.products.map(p, has(p.c), p.c) == ['x']", true),
        ("properties.products[1].p == 7 && properties['n'] == 12 && properties['a.b'] == 1", true),
        ("2 in properties.list && !(4 in properties.list) && 'n' in properties", true),
        ("properties.nothing == null && has(properties.nothing) && !has(properties.none)", true),
        ("properties.ok ? true : properties.none", true),
        ("properties.none == 1 || properties.ok", true),
        ("properties.none == 1 && !properties.ok", false),
        ("{'a': properties.n}.a == 12 && {'a': 1} == {'a': 1.0}", true),
        ("int('12') == properties.n && double('0.5') == 0.5 && string(12) == '12' && int(2.9) == 2", true),
        ("type(properties.list) == 'list' && type(1) == 'int'", true),
        ("'a-b'.split('-') == ['a', 'b'] && ['a', 'b'].join('+') == 'a+b' && 'abc'.substring(1) == 'bc'", true),
        ("' X '.trim().lower() == 'x' && 'aXa'.replace('a', 'b') == 'bXb' && 'abc'.indexOf('c') == 2", true),
        ("math.round(2.5) == 3 && math.floor(2.7) == 2 && math.ceil(2.1) == 3 && math.abs(-1) == 1", true),
        ("math.greatest(1, 2.5, 2) == 2.5 && math.least([3, 1]) == 1", true),
        ("unix_ms(properties.time) == 1767607200000 && iso_time(1767607200000) == '2026-01-05T10:00:00.000Z'", true),
        // What has no value is not true.
        ("properties.none > 1", false),
        ("properties.t > 1", false),
        ("properties.n / 0 == 1", false),
        ("9223372036854775807 + 1 > 0", false),
        ("properties.n", false),
        ("properties.list.exists(x, x > 2 || x.y == 1)", true),
    ] {
        let rule = serde_json::json!({"set": "properties.met", "value": 1, "when": source});
        let rules = rules(&[rule]).unwrap_or_else(|mistakes| panic!("{source}: {mistakes:?}"));
        let (routing, steps) = applied(&transformation(Written { rules, ..Written::default() }), &event);
        let Routing::Goes(changed) = routing else { panic!("{source}") };
        assert_eq!(changed.view().get(&["properties", "met"]).is_some(), expected, "{source}: {steps:?}");
    }
}

#[test]
fn a_sample_is_stable_by_user_and_a_larger_one_has_all_of_a_smaller() {
    let sampled = |share: f64, members: &str| {
        let rules = rules(&[serde_json::json!({"sample": share})]).expect("good");
        matches!(
            transformation(Written { rules, ..Written::default() }).apply(&kinds(), &event(members)),
            Routing::Goes(_)
        )
    };
    let mut count = 0;
    for user in 0..1_000 {
        let members = format!("{{\"userId\":\"user-{user}\",\"anonymousId\":\"{}\"}}", user % 7);
        let small = sampled(0.1, &members);
        count += usize::from(small);
        assert_eq!(small, sampled(0.1, &format!("{{\"event\":\"other\",\"userId\":\"user-{user}\"}}")));
        assert!(!small || sampled(0.3, &members));
    }
    assert!((70..130).contains(&count), "{count} of 1,000");
    let by = |members: &str| {
        let rules = rules(&[serde_json::json!({"sample": 0.5, "by": "properties.account"})]).expect("good");
        matches!(
            transformation(Written { rules, ..Written::default() }).apply(&kinds(), &event(members)),
            Routing::Goes(_)
        )
    };
    let members =
        |account: u32, user: u32| format!("{{\"userId\":\"{user}\",\"properties\":{{\"account\":{account}}}}}");
    assert!((0..50).all(|account| by(&members(account, 1)) == by(&members(account, 2))));
}

#[test]
fn which_events_go() {
    let check = |written: Written, json: &str, expected: Option<&str>| {
        let (routing, _) = applied(
            &transformation(Written { name: "analytics".into(), plugin: "ga4".into(), ..written }),
            &event_of(json),
        );
        match routing {
            Routing::Goes(_) => assert_eq!(None, expected, "{json}"),
            Routing::Filtered(rule) => assert_eq!(Some(&*rule), expected, "{json}"),
            Routing::Refused(why) => panic!("{json}: {why}"),
        }
    };
    // `transformation` names the destination d and its plugin p.
    let only = |names: &[&str]| Written {
        only_events: Some(names.iter().map(ToString::to_string).collect()),
        ..Written::default()
    };
    let tracks = Written { only_kinds: Some(vec![EventKind::Track]), ..Written::default() };
    check(Written::default(), r#"{"type":"track","event":"A"}"#, None);
    check(tracks, r#"{"type":"page"}"#, Some("only_kinds"));
    check(only(&["A"]), r#"{"type":"track","event":"A"}"#, None);
    check(only(&["A"]), r#"{"type":"track","event":"B"}"#, Some("only_events"));
    check(only(&["B*"]), r#"{"type":"track","event":"Bc"}"#, None);
    check(only(&["A"]), r#"{"type":"track"}"#, Some("only_events"));
    check(only(&["A"]), r#"{"type":"page"}"#, None);
    check(Written::default(), r#"{"type":"page","integrations":{"All":false}}"#, Some("integrations"));
    check(Written::default(), r#"{"type":"page","integrations":{"All":false,"D":true}}"#, None);
    check(Written::default(), r#"{"type":"page","integrations":{"All":false,"P":{"x":1}}}"#, None);
    check(Written::default(), r#"{"type":"page","integrations":{"d":false,"p":true}}"#, Some("integrations"));
    check(Written::default(), r#"{"type":"page","integrations":{"Other":false}}"#, None);
    check(Written::default(), r#"{"type":"page","integrations":"x"}"#, None);
    let ignores = Written { ignore_integrations: true, ..Written::default() };
    check(ignores, r#"{"type":"page","integrations":{"All":false}}"#, None);
    let routing = transformation(Written::default()).apply(&["page".to_string()], &event("{}"));
    assert!(matches!(routing, Routing::Filtered(rule) if rule == "plugin_kinds"));
}
