//! What events say of consent, and what destinations require.

use super::*;

fn filtered(source: &ConsentSource, requires: &[&str], when_absent: Option<Absent>, members: &str) -> Option<String> {
    let consent = ConsentRequirement { requires: requires.iter().map(ToString::to_string).collect(), when_absent };
    let written = Written { consent_source: source.clone(), consent, ..Written::default() };
    match applied(&transformation(written), &event(members)).0 {
        Routing::Filtered(rule) => Some(rule.into_owned()),
        Routing::Goes(_) => None,
        Routing::Refused(why) => panic!("{why}"),
    }
}

#[test]
fn segments_preferences() {
    let check = |requires: &[&str], when_absent, preferences: &str, expected: Option<&str>| {
        let members = format!("{{\"context\":{{\"consent\":{{\"categoryPreferences\":{preferences}}}}}}}");
        assert_eq!(
            filtered(&ConsentSource::default(), requires, when_absent, &members).as_deref(),
            expected,
            "{preferences}"
        );
    };
    check(&["ads"], None, r#"{"ads":true}"#, None);
    check(&["ads"], None, r#"{"ads":false}"#, Some("consent: ads"));
    check(&["ads", "stats"], None, r#"{"ads":true,"stats":false}"#, Some("consent: stats"));
    check(&["ads"], None, r#"{"stats":false}"#, None);
    check(&["ads"], Some(Absent::Denied), r#"{"stats":true}"#, Some("consent: ads"));
    check(&["ads"], Some(Absent::Denied), r#"{"ads":"granted"}"#, None);
    check(&["ads"], Some(Absent::Denied), r#"{"ads":"perhaps"}"#, Some("consent: ads"));
    check(&[], Some(Absent::Denied), r#"{"ads":false}"#, None);
    assert_eq!(filtered(&ConsentSource::default(), &["ads"], None, "{}"), None);
    assert_eq!(filtered(&ConsentSource::default(), &["ads"], Some(Absent::Denied), "{}"), Some("consent: ads".into()));
    // The destination's word comes before the pipeline's.
    let denied = ConsentSource { when_absent: Some(Absent::Denied), ..ConsentSource::default() };
    assert_eq!(filtered(&denied, &["ads"], None, "{}"), Some("consent: ads".into()));
    assert_eq!(filtered(&denied, &["ads"], Some(Absent::Granted), "{}"), None);
}

#[test]
fn a_path_of_the_operators() {
    let source = ConsentSource { path: Some("properties.consent".into()), ..ConsentSource::default() };
    for (said, expected) in [
        (r#"{"ads":true}"#, None),
        (r#"{"ads":"denied"}"#, Some("consent: ads")),
        (r#"["stats","ads"]"#, None),
        (r#"["stats"]"#, Some("consent: ads")),
        ("[]", Some("consent: ads")),
        (r#""stats, ads""#, None),
        (r#""stats""#, Some("consent: ads")),
        ("5", None),
    ] {
        let members = format!("{{\"properties\":{{\"consent\":{said}}}}}");
        assert_eq!(filtered(&source, &["ads"], None, &members).as_deref(), expected, "{said}");
    }
}

#[test]
fn plugins_are_told_in_segments_way() {
    let source = ConsentSource { path: Some("properties.consent".into()), ..ConsentSource::default() };
    let transformation = transformation(Written { consent_source: source, ..Written::default() });
    let told = |members: &str| match applied(&transformation, &event(members)).0 {
        Routing::Goes(event) => event.view().consent(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        told(r#"{"properties":{"consent":{"ads":"no","\"x":true}}}"#),
        Some(vec![("ads".into(), false), ("\"x".into(), true)])
    );
    assert_eq!(
        told(r#"{"properties":{"consent":["ads"]},"context":{"consent":{}}}"#),
        Some(vec![("ads".into(), true)])
    );
    // What the event says itself stays.
    let both = r#"{"properties":{"consent":["ads"]},"context":{"consent":{"categoryPreferences":{"ads":false}}}}"#;
    assert_eq!(told(both), Some(vec![("ads".into(), false)]));
    assert_eq!(told("{}"), None);
    // Nothing is put into what is no object.
    assert_eq!(told(r#"{"properties":{"consent":["ads"]},"context":"x"}"#), None);
}

#[test]
fn a_tcf_string() {
    let source = ConsentSource { tcf: Some("context.tcf".into()), ..ConsentSource::default() };
    // IAB's own example: purposes 1, 2 and 3 of 24, vendors 2, 6 and 8.
    let members = r#"{"context":{"tcf":"COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA.YAAAAAAAAAA"}}"#;
    let tcf = tcf::Tcf::parse("COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA").expect("a string");
    for purpose in 1..=24 {
        let lacks = filtered(&source, &[&format!("tcf:{purpose}")], None, members).is_some();
        assert_eq!(lacks, !tcf.purpose(purpose), "{purpose}");
    }
    for vendor in [1, 2, 6, 8, 9] {
        let lacks = filtered(&source, &[&format!("tcf:vendor:{vendor}")], None, members).is_some();
        assert_eq!(lacks, !tcf.vendor(vendor), "{vendor}");
    }
    assert_eq!(
        filtered(&source, &["tcf:1"], Some(Absent::Denied), r#"{"context":{"tcf":"nonsense"}}"#),
        Some("consent: tcf:1".into())
    );
    assert_eq!(filtered(&source, &["tcf:1"], None, "{}"), None);
}

#[test]
fn what_is_required_is_checked() {
    let check = |source: ConsentSource, requires: Vec<String>, key: &str| {
        let consent = ConsentRequirement { requires, when_absent: None };
        let error = Transformation::new(Written { consent_source: source, consent, ..Written::default() });
        assert_eq!(error.expect_err("wrong").key, key);
    };
    let with_tcf = ConsentSource { tcf: Some("context.tcf".into()), ..ConsentSource::default() };
    check(ConsentSource { path: Some("a..b".into()), ..ConsentSource::default() }, Vec::new(), "consent.path");
    check(with_tcf.clone(), vec!["tcf:25".into()], "consent.requires");
    check(with_tcf.clone(), vec!["tcf:vendor:0".into()], "consent.requires");
    check(ConsentSource::default(), vec!["tcf:1".into()], "consent.requires");
    check(with_tcf.clone(), vec!["a".into(); PURPOSES_MAX + 1], "consent.requires");
    let within = ConsentRequirement { requires: vec!["a".into(); PURPOSES_MAX], when_absent: None };
    assert!(Transformation::new(Written { consent_source: with_tcf, consent: within, ..Written::default() }).is_ok());
}
