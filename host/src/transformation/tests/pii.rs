//! The policy on personal data.

use super::*;

const EVERYTHING: &str = r#"{"userId":"ana@example.com","event":"E","traits":{"email":"Ana@Example.com","firstName":"Ana","name":"Ana N","phone":"+49 30 901820","address":{"street":"Hauptstr. 1","city":"Berlin","zip":10178},"age":30},"properties":{"name":"Trail Shoe","customer_email":"a@b.example","contact":"call +49 30 901820 or ana@example.com","latitude":52.520008,"message":"my mail is ana@example.com, ok","version":"1.2.3.4","total":5},"context":{"ip":"203.0.113.27","page":{"url":"https://a/?m=ana%40example.com&x=1"},"proxy":"2001:db8::1","app":{"name":"Shop"}}}"#;

fn all(action: Action) -> PolicyAsWritten {
    Class::ALL.into_iter().map(|class| (class.as_str().to_string(), Treatment::Short(action))).collect()
}

fn after(written: Written, members: &str) -> String {
    match applied(&transformation(written), &event(members)).0 {
        Routing::Goes(event) => text(&event),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_class_is_found_by_key_and_by_form() {
    let removed = after(Written { pii: all(Action::Remove), ..Written::default() }, EVERYTHING);
    assert_eq!(
        removed,
        r#"{"type":"track","messageId":"m","event":"E","traits":{"age":30},"properties":{"name":"Trail Shoe","contact":"call  or ","version":"1.2.3.4","total":5},"context":{"page":{"url":"https://a/?m=&x=1"},"app":{"name":"Shop"}}}"#
    );
    let masked = after(Written { pii: all(Action::Mask), ..Written::default() }, EVERYTHING);
    for part in [
        r#""userId":"a***@example.com""#,
        r#""email":"A***@Example.com""#,
        r#""firstName":"[hidden]""#,
        r#""name":"Trail Shoe""#,
        r#""street":"[hidden]","city":"[hidden]","zip":"[hidden]""#,
        r#""latitude":52.5"#,
        r#""message":"my mail is [hidden], ok""#,
        r#""ip":"203.0.113.0""#,
        r#""proxy":"2001:db8::""#,
        r#""contact":"call ***********20 or a***@example.com""#,
        "m=a***@example.com&x=1",
        r#""phone":"***********20""#,
    ] {
        assert!(masked.contains(part), "{part}: {masked}");
    }
    let hashed = after(Written { pii: all(Action::Hash), ..Written::default() }, EVERYTHING);
    let hash = hash::Hash { form: hash::Form::Email, country_code: None, secret: None };
    let hash = hash.of("ana@example.com").expect("a hash");
    assert!(
        hashed.contains(&format!("\"userId\":\"{hash}\"")) && hashed.contains(&format!("\"email\":\"{hash}\"")),
        "{hashed}"
    );
    assert!(!hashed.contains("Ana") && !hashed.contains("901820\""), "{hashed}");
}

#[test]
fn what_was_treated_is_not_found_any_more() {
    let classes = |json: &str| classes_in(event_of(json).view(), &Steps::new(STEPS_MAX)).expect("little work");
    assert_eq!(classes(&text(&event(EVERYTHING))), Class::ALL);
    for action in [Action::Remove, Action::Mask] {
        let left = classes(&after(Written { pii: all(action), ..Written::default() }, EVERYTHING));
        // Of coordinates, networks and texts a coarser form is left.
        let is_coarser = |class: &Class| matches!(class, Class::Location | Class::Ip | Class::FreeText);
        assert!(left.iter().all(is_coarser), "{action:?}: {left:?}");
    }
}

#[test]
fn a_destination_is_excepted_and_a_rule_cannot_carry_a_value_past() {
    let mut pii = all(Action::Remove);
    pii.insert("email".into(), Treatment::Short(Action::Hash));
    let members = r#"{"traits":{"email":"a@b.example","phone":"+49 30 901820"}}"#;
    let allowed = after(Written { pii: pii.clone(), pii_allowed: vec![Class::Email], ..Written::default() }, members);
    assert_eq!(allowed, r#"{"type":"track","messageId":"m","traits":{"email":"a@b.example"}}"#);
    let copies = rules(&[serde_json::json!({"copy": "traits.email", "to": "properties.x"})]).expect("good");
    let copied = after(Written { pii, rules: copies, ..Written::default() }, members);
    assert!(!copied.contains("a@b.example"), "{copied}");
}

#[test]
fn paths_and_keys_alone_and_a_secret() {
    let mut pii = PolicyAsWritten::new();
    let long = LongTreatment {
        action: Action::Hash,
        before_storage: false,
        paths: vec!["properties.users[].login".into()],
        by_pattern: false,
        secret: Some(Secret::Known("key".into())),
        country_code: None,
    };
    pii.insert("email".into(), Treatment::Long(long));
    let members =
        r#"{"properties":{"users":[{"login":"The quick brown fox jumps over the lazy dog"}],"text":"a@b.example"}}"#;
    let hashed = after(Written { pii, ..Written::default() }, members);
    let hash = hash::Hash { form: hash::Form::Email, country_code: None, secret: Some("key".into()) };
    let expected = hash.of("the quick brown fox jumps over the lazy dog").expect("a hash");
    assert!(hashed.contains(&expected) && hashed.contains("a@b.example"), "{hashed}");
}

#[test]
fn before_storage() {
    let mut written = all(Action::Remove);
    let long = LongTreatment {
        action: Action::Mask,
        before_storage: true,
        paths: Vec::new(),
        by_pattern: true,
        secret: None,
        country_code: None,
    };
    written.insert("ip".into(), Treatment::Long(long));
    let policy = Policy::new(&written, Part::BeforeStorage).expect("good");
    let stored = policy.stored(&event(EVERYTHING)).expect("little work");
    assert!(text(&stored).contains("203.0.113.0") && text(&stored).contains("Ana@Example.com"));
    assert_eq!(stored.index, index_canonical(&stored.json).expect("canonical"));
    let error = Policy::new(&written, Part::Delivery(&[Class::Ip])).expect_err("nobody can have it");
    assert_eq!(error.0, "ip");
    let nothing = event("{}");
    assert_eq!(policy.stored(&nothing).expect("no work").json.as_ptr(), nothing.json.as_ptr(), "shared");
}

#[test]
fn what_was_treated_before_storage_is_delivered_as_it_was_stored() {
    for (action, secret) in
        [(Action::Hash, None), (Action::Hash, Some("key")), (Action::Mask, None), (Action::Remove, None)]
    {
        let long = LongTreatment {
            action,
            before_storage: true,
            paths: Vec::new(),
            by_pattern: true,
            secret: secret.map(|secret| Secret::Known(secret.into())),
            country_code: None,
        };
        let pii: PolicyAsWritten =
            Class::ALL.into_iter().map(|class| (class.as_str().to_string(), Treatment::Long(long.clone()))).collect();
        let stored =
            Policy::new(&pii, Part::BeforeStorage).expect("good").stored(&event(EVERYTHING)).expect("little work");
        match applied(&transformation(Written { pii, ..Written::default() }), &stored).0 {
            Routing::Goes(delivered) => assert_eq!(text(&delivered), text(&stored), "{action:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_written_is_checked() {
    let check = |class: &str, treatment: Treatment| {
        let written = PolicyAsWritten::from([(class.to_string(), treatment)]);
        let (named, _) = Policy::new(&written, Part::Delivery(&[])).expect_err("wrong");
        assert_eq!(named, class);
    };
    let long = |paths: Vec<String>| {
        Treatment::Long(LongTreatment {
            action: Action::Mask,
            before_storage: false,
            paths,
            by_pattern: true,
            secret: None,
            country_code: None,
        })
    };
    check("emial", Treatment::Short(Action::Mask));
    check("email", long(vec!["a..b".into()]));
    check("email", long(vec!["messageId".into()]));
    check("email", long(vec!["a".into(); pii::PATHS_MAX + 1]));
    let within = PolicyAsWritten::from([("email".to_string(), long(vec!["a".into(); pii::PATHS_MAX]))]);
    assert!(Policy::new(&within, Part::Delivery(&[])).is_ok());
}
