//! The operator's interface from outside: who may do what, what a browser is told, changes that go into
//! the configuration file, and the document that describes it all.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, eventually};
use switchyard_tests::http::{Request, Response};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::StandIn;
use switchyard_tests::{paths, shop, wasm};

const TOKENS: [(&str, &str); 3] = [("vera", "viewer"), ("edda", "editor"), ("ada", "admin")];

/// `[admin]` with a token for each role; the token of a name is `token-of-<name>`.
fn tokens() -> String {
    let mut text = String::from("[admin]\nhosts = [\"console.example\"]\n");
    for (name, role) in TOKENS {
        let sha256: String = Sha256::digest(token(name)).iter().map(|byte| format!("{byte:02x}")).collect();
        text.push_str(&format!("[[admin.token]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{sha256}\"\n"));
    }
    text
}

fn token(name: &str) -> String {
    format!("token-of-{name}")
}

fn daemon(vendors: &StandIn) -> Daemon {
    let hook = Destination::webhook("hook", &vendors.url());
    Daemon::start(Setup::shop([hook, Destination::ga4("ga4", &vendors.url())]).section(&tokens()))
}

fn call(daemon: &Daemon, method: &'static str, path: &str, who: &str, body: Value) -> Response {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = Request::post(daemon.admin_url(&format!("/api/v1/{path}")), body).method(method);
    request.header("authorization", format!("Bearer {}", token(who))).answer()
}

fn config(daemon: &Daemon) -> String {
    std::fs::read_to_string(daemon.config()).expect("the configuration is there")
}

/// Signs in; answers the cookie.
fn sign_in(daemon: &Daemon, token: &str) -> Response {
    let form = Request::post(daemon.admin_url("/sign-in"), format!("token={token}"));
    form.header("content-type", "application/x-www-form-urlencoded").answer()
}

#[test]
fn a_role_may_what_it_may_and_the_document_says_so() {
    let vendors = StandIn::start();
    let daemon = daemon(&vendors);
    let document = call(&daemon, "GET", "openapi.json", "vera", Value::Null).json();
    let rank = |role: &str| TOKENS.iter().position(|(_, own)| *own == role).expect("a role");
    let mut checked = 0;
    for (path, operations) in document["paths"].as_object().expect("it has paths") {
        for (method, operation) in operations.as_object().expect("each has operations") {
            let method =
                ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().find(|own| own.eq_ignore_ascii_case(method));
            let method = method.expect("a method");
            let path = path.trim_start_matches("/api/v1/").replace("{pipeline}", "none").replace("{name}", "none");
            let path = path.replace("{number}", "999").replace("{id}", "999").replace("{message_id}", "none");
            let needed = rank(operation["x-role"].as_str().expect("a role"));
            let without = Request::post(daemon.admin_url(&format!("/api/v1/{path}")), "").method(method).answer();
            assert_eq!(without.status, 401, "{method} {path} without a token");
            for (name, role) in TOKENS.iter().filter(|(_, role)| rank(role) < needed) {
                let refused = call(&daemon, method, &path, name, json!({}));
                assert_eq!(refused.status, 403, "{method} {path} as {role}: {}", refused.text());
            }
            // Streams without an end are called elsewhere.
            if path != "events/live" && path != "backup" {
                let answer = call(&daemon, method, &path, "ada", json!({}));
                let status = answer.status.to_string();
                let described = &operation["responses"][&status];
                assert!(described.is_object(), "{method} {path} answers {status}: {}", answer.text());
                check_form(&document, described, &answer, &format!("{method} {path}"));
            }
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");
    let unknown = call(&daemon, "GET", "nothing", "ada", Value::Null);
    assert_eq!((unknown.status, &unknown.json()["code"]), (404, &json!("not_found")));
}

/// An answer has the members that the document promises.
fn check_form(document: &Value, described: &Value, answer: &Response, what: &str) {
    let Some(schema) = described["content"]["application/json"]["schema"]["$ref"].as_str() else { return };
    let schema = &document["components"]["schemas"][schema.rsplit('/').next().unwrap_or_default()];
    let answer = answer.json();
    match schema["type"].as_str() {
        Some("array") => assert!(answer.is_array(), "{what}: {answer}"),
        _ => {
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                assert!(answer.get(name).is_some(), "{what} has no {name}: {answer}");
            }
        }
    }
}

#[test]
fn a_browser_is_told_to_take_nothing_from_elsewhere_and_no_other_host_is_answered() {
    let vendors = StandIn::start();
    let daemon = daemon(&vendors);
    let page = Request::get(daemon.admin_url("/sign-in")).answer();
    let policy = page.header("content-security-policy").expect("a policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    for (host, status) in [("rebound.example", 421), ("console.example", 200), ("localhost:1", 200)] {
        let answer = Request::get(daemon.admin_url("/sign-in")).header("host", host).answer();
        assert_eq!(answer.status, status, "{host}");
    }
    for line in page.text().split('"').filter(|part| part.starts_with("/assets/")) {
        let asset = Request::get(daemon.admin_url(line)).answer();
        assert_eq!(asset.status, 200, "{line}");
        assert!(asset.header("cache-control").is_some_and(|caching| caching.contains("immutable")), "{line}");
    }
    let elsewhere = Request::get(daemon.admin_url("/")).answer();
    assert_eq!((elsewhere.status, elsewhere.header("location")), (303, Some("/sign-in")));
}

#[test]
fn sign_ins_are_limited_and_a_form_of_another_site_changes_nothing() {
    let vendors = StandIn::start();
    let daemon = daemon(&vendors);
    let signed_in = sign_in(&daemon, &token("edda"));
    assert_eq!(signed_in.status, 303);
    let cookie = signed_in.header("set-cookie").expect("a cookie").to_string();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap_or_default().to_string();
    let page = Request::get(daemon.admin_url("/")).header("cookie", cookie.as_str()).answer();
    assert_eq!(page.status, 200);
    let csrf =
        page.text().split("data-csrf=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token").to_string();
    let pause = |csrf: &str, header: (&str, &str)| {
        let request = Request::post(daemon.admin_url("/destinations/shop/hook/pause"), format!("csrf={csrf}"));
        request.header("cookie", cookie.as_str()).header(header.0, header.1).answer().status
    };
    assert_eq!(pause("", ("x", "")), 403, "without the session's own token");
    assert_eq!(pause(&csrf, ("sec-fetch-site", "cross-site")), 403);
    assert_eq!(pause(&csrf, ("origin", "http://evil.example")), 403);
    assert_eq!(daemon.counters("shop/hook")["paused"], false);
    let api =
        Request::post(daemon.admin_url("/api/v1/destinations/shop/hook/pause"), "").header("cookie", cookie.as_str());
    assert_eq!(api.answer().status, 403, "a call with a session needs its token, too");
    assert_eq!(pause(&csrf, ("sec-fetch-site", "same-origin")), 303);
    assert_eq!(daemon.counters("shop/hook")["paused"], true);
    for attempt in 1..=10 {
        assert_eq!(sign_in(&daemon, "wrong").status, 401, "attempt {attempt}: just within");
    }
    let limited = sign_in(&daemon, &token("edda"));
    assert_eq!(limited.status, 429, "just beyond, even with a good token");
    assert!(limited.header("retry-after").is_some());
    let log = call(&daemon, "GET", "audit", "vera", Value::Null).json();
    let entry = log
        .as_array()
        .into_iter()
        .flatten()
        .find(|entry| entry["what"] == "destination paused")
        .expect("it is in the log");
    assert_eq!(
        (&entry["who"], &entry["role"], &entry["subject"], &entry["from"]),
        (&json!("edda"), &json!("editor"), &json!("shop/hook"), &json!("127.0.0.1"))
    );
}

#[test]
fn what_is_saved_goes_into_the_file_and_two_editors_do_not_overwrite_each_other() {
    let vendors = StandIn::start();
    let mut daemon = daemon(&vendors);
    daemon.write_config(&config(&daemon).replace("[[pipeline]]", "# the shop\n[[pipeline]]"));
    eventually("the comment is in the history", SOON, || {
        call(&daemon, "GET", "configuration/history", "vera", Value::Null).json()[0]["what"] == "edited in the file"
    });
    let before = config(&daemon);
    let seen = call(&daemon, "GET", "destinations/shop/ga4", "edda", Value::Null);
    let etag = seen.header("etag").expect("an ETag").to_string();
    assert_eq!(seen.json()["settings"]["api_secret"], json!({"set": true}), "a secret is not shown");
    let change = |etag: &str, settings: Value| {
        let body = json!({"settings": settings}).to_string();
        let request = Request::post(daemon.admin_url("/api/v1/destinations/shop/ga4"), body).method("PATCH");
        request.header("authorization", format!("Bearer {}", token("edda"))).header("if-match", etag).answer()
    };
    let saved = change(&etag, json!({"measurement_id": "G-NEW", "api_secret": "planted-console-secret"}));
    assert_eq!(saved.status, 200, "{}", saved.text());
    let late = change(&etag, json!({"measurement_id": "G-LATE"}));
    assert_eq!((late.status, &late.json()["code"]), (412, &json!("configuration_changed")));
    let after = config(&daemon);
    assert!(after.contains("# the shop") && after.contains("G-NEW") && !after.contains("G-LATE"), "{after}");
    assert!(!after.contains("planted-console-secret") && after.contains("api_secret = { file = "), "{after}");
    let wrong = call(&daemon, "PATCH", "destinations/shop/ga4", "edda", json!({"settings": {"region": "moon"}}));
    assert_eq!(wrong.status, 422, "{}", wrong.text());
    assert_eq!(config(&daemon), after, "a mistake changes nothing");
    let history = call(&daemon, "GET", "configuration/history", "vera", Value::Null).json();
    assert_eq!((&history[0]["who"], &history[0]["what"]), (&json!("edda"), &json!("destination shop/ga4 changed")));
    let number = history[0]["number"].as_u64().expect("a number");
    let entry = call(&daemon, "GET", &format!("configuration/history/{number}"), "vera", Value::Null).text();
    assert!(entry.contains("G-NEW") && !entry.contains("ga4-secret"), "{entry}");
    let back = call(&daemon, "POST", &format!("configuration/history/{}/rollback", number - 1), "edda", Value::Null);
    assert_eq!(back.status, 200, "{}", back.text());
    let secret = after.lines().find(|line| line.contains("api_secret = ")).expect("it stands there");
    let as_before = before.lines().map(|line| if line.contains("api_secret = ") { secret } else { line });
    assert_eq!(
        config(&daemon).trim_end(),
        as_before.collect::<Vec<_>>().join("\n"),
        "all but the secret: today's stays"
    );
    // The history outlasts the process, and what is in effect is what stands in the file.
    daemon.kill();
    daemon.restart();
    let history = call(&daemon, "GET", "configuration/history", "vera", Value::Null).json();
    assert_eq!(history[0]["what"], json!(format!("rolled back to r{}", number - 1)));
}

#[test]
fn what_is_kept_of_a_configuration_holds_no_secret_and_a_rollback_takes_them_from_the_file() {
    let vendors = StandIn::start();
    let daemon = daemon(&vendors);
    let first = config(&daemon);
    for secret in ["ga4-secret", "wk_test"] {
        assert!(first.contains(secret), "{first}");
    }
    assert_eq!(call(&daemon, "POST", "destinations/shop/hook/pause", "edda", json!({})).status, 200);
    let kept = std::fs::read_to_string(daemon.data().join("configurations/00000001.json")).expect("it is kept");
    assert!(kept.contains("measurement_id") && !kept.contains("ga4-secret") && !kept.contains("wk_test"), "{kept}");
    let roll_back = || call(&daemon, "POST", "configuration/history/1/rollback", "edda", Value::Null);
    assert_eq!(roll_back().status, 200);
    assert_eq!(config(&daemon), first, "byte for byte, secrets and all");
    // Its secret goes with a destination: it is said which is missing, and nothing changes.
    assert_eq!(call(&daemon, "DELETE", "destinations/shop/ga4", "edda", Value::Null).status, 200);
    let without = config(&daemon);
    let entry = call(&daemon, "GET", "configuration/history/1", "vera", Value::Null).json();
    let refused = roll_back();
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("secret_gone")), "{}", refused.text());
    let place = "pipeline.shop.destination.ga4.settings.api_secret";
    for said in [&entry["refused"], &refused.json()["message"]] {
        assert!(said.as_str().is_some_and(|said| said.contains(place)), "{said}");
    }
    assert_eq!(config(&daemon), without);
}

#[test]
fn an_editor_reads_no_secret_of_the_machine_and_changes_no_roles() {
    let vendors = StandIn::start();
    let daemon = daemon(&vendors);
    let add = |who: &str, settings: Value| {
        let body = json!({"name": "more", "plugin": "webhook", "settings": settings});
        call(&daemon, "POST", "destinations/shop", who, body)
    };
    let added = add("edda", json!({"url": format!("{}/${{env:HOME}}", vendors.url())}));
    assert!(config(&daemon).contains("$${env:HOME}"), "{}: {}", added.text(), config(&daemon));
    let elsewhere = call(
        &daemon,
        "PATCH",
        "destinations/shop/ga4",
        "edda",
        json!({"settings": {"endpoint": "http://127.0.0.1:9/x"}}),
    );
    assert_eq!((elsewhere.status, &elsewhere.json()["code"]), (422, &json!("secrets_again")), "{}", elsewhere.text());
    let addresses = json!({"name": "x", "plugin": "webhook", "allowed_addresses": ["10.0.0.0/8"]});
    assert_eq!(call(&daemon, "POST", "destinations/shop", "edda", addresses).status, 403);
    let standing = call(&daemon, "GET", "configuration", "ada", Value::Null);
    let (text, etag) = (
        standing.json()["text"].as_str().expect("a text").to_string(),
        standing.header("etag").expect("an ETag").to_string(),
    );
    let put = |etag: Option<&str>, text: String| {
        let request =
            Request::post(daemon.admin_url("/api/v1/configuration"), json!({"text": text}).to_string()).method("PUT");
        let request = request.header("authorization", format!("Bearer {}", token("ada")));
        match etag {
            Some(etag) => request.header("if-match", etag).answer(),
            None => request.answer(),
        }
    };
    assert_eq!(put(None, text.clone()).status, 428);
    let saved = put(Some(&etag), text.replace("role = \"viewer\"", "role = \"editor\""));
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert_eq!(call(&daemon, "GET", "me", "vera", Value::Null).json()["role"], json!("editor"), "at once");
    let first = call(&daemon, "POST", "configuration/history/1/rollback", "edda", Value::Null);
    assert_eq!(first.status, 403, "[admin] differs: {}", first.text());
    assert_eq!(call(&daemon, "POST", "configuration/history/1/rollback", "ada", Value::Null).status, 200);
}

#[test]
fn write_keys_are_made_and_disabled_and_a_test_event_goes_all_the_way() {
    let vendors = StandIn::start();
    let daemon = daemon(&vendors);
    let made = call(&daemon, "POST", "sources/shop/write-keys", "edda", Value::Null).json();
    let key = made["write_key"].as_str().expect("a key").to_string();
    let send = |key: &str| {
        Request::post(daemon.url("/v1/track"), r#"{"userId":"u","event":"E"}"#).write_key(key).answer().status
    };
    assert_eq!((send(&key), send("wk_test")), (200, 200), "both work");
    assert_eq!(call(&daemon, "PATCH", "sources/shop/write-keys/0", "edda", json!({"enabled": false})).status, 200);
    assert_eq!((send(&key), send("wk_test")), (200, 401), "the old one is disabled");
    let sources = call(&daemon, "GET", "sources", "vera", Value::Null).text();
    assert!(!sources.contains(&key) && !sources.contains("wk_test"), "a viewer sees no key: {sources}");
    let sent = call(&daemon, "POST", "sources/shop/test-event", "edda", Value::Null).json();
    let message_id = sent["message_id"].as_str().expect("an id").to_string();
    vendors.wait_until("the test event", SOON, |requests| {
        requests.iter().any(|request| request.json()["messageId"] == message_id.as_str())
    });
    eventually("it is among the last events", SOON, || {
        let events = call(&daemon, "GET", &format!("events?search={message_id}"), "vera", Value::Null).json();
        events[0]["outcomes"]["shop/hook"] == "delivered"
    });
    assert_eq!(call(&daemon, "DELETE", "sources/shop/write-keys/0", "edda", Value::Null).status, 200);
    assert!(!config(&daemon).contains("wk_test"));
}

#[test]
fn beyond_loopback_the_interface_needs_tls_or_a_word() {
    let vendors = StandIn::start();
    let daemon = Daemon::prepare(Setup::shop([Destination::webhook("hook", &vendors.url())]));
    let text = config(&daemon);
    let admin = daemon.admin_url("").replace("http://", "");
    let open = text.replace(&format!("admin = {admin:?}"), "admin = \"0.0.0.0:0\"");
    assert_ne!(open, text);
    daemon.write_config(&open);
    let refused = daemon.cli_output(&["check"]);
    assert!(!refused.success && refused.all().contains("admin.beyond_loopback"), "{}", refused.all());
    daemon.write_config(&format!("{open}\n[admin]\nbeyond_loopback = true\n"));
    assert!(daemon.cli_output(&["check"]).success, "{}", daemon.cli_output(&["check"]).all());
}

/// A plugin's file, chosen in a form of the console with these fields beside it.
fn multipart(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--part\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = "--part\r\ncontent-disposition: form-data; name=\"file\"; filename=\"plugin.wasm\"\r\n\r\n";
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--part--\r\n");
    body
}

#[test]
fn a_revision_is_compared_tried_on_some_users_and_taken_back_in_the_console() {
    let vendors = StandIn::start();
    let guest = Destination::hostile("guest", &vendors.url(), "honest");
    let daemon = Daemon::start(Setup::shop([guest]).section(&tokens()));
    daemon.accept(&[shop::padded("one", 400), shop::padded("two", 400)]);
    eventually("both are delivered", SOON, || daemon.counter("shop/guest", "delivered") == 2);
    let cookie_of = |name: &str| {
        let signed_in = sign_in(&daemon, &token(name));
        signed_in.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie").to_string()
    };
    let (admin, viewer) = (cookie_of("ada"), cookie_of("vera"));
    let page =
        |cookie: &str| Request::get(daemon.admin_url("/plugins/hostile")).header("cookie", cookie).answer().text();
    let first = page(&admin);
    let csrf = first.split("data-csrf=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token").to_string();
    let post = |path: &str, form: &str, body: Vec<u8>| {
        let request = Request::post(daemon.admin_url(path), body).header("cookie", &admin);
        request.header("content-type", form).header("sec-fetch-site", "same-origin").answer()
    };
    let file = std::fs::read(paths::plugin("hostile")).expect("it is built");
    let second = wasm::patched(&file, b"hostile-revision-A", b"hostile-revision-B");
    let bring = |wish: &str, canary: &str| {
        let body = multipart(&[("csrf", &csrf), ("wish", wish), ("canary", canary)], &second);
        post("/plugins", "multipart/form-data; boundary=part", body)
    };
    let decide = |what: &str| {
        let form = format!("csrf={csrf}").into_bytes();
        post(&format!("/plugins/hostile/{what}"), "application/x-www-form-urlencoded", form)
    };

    let compared = bring("compare", "100");
    assert_eq!(compared.status, 200, "{}", compared.text());
    assert!(compared.text().contains("2 events planned twice"), "{}", compared.text());
    assert_eq!(page(&admin).matches("activated").count(), 1, "comparing changes nothing");
    let wrong = bring("install", "0");
    assert!(wrong.text().contains("between 0 and 100 percent"), "{}", wrong.text());
    let tried = bring("install", "50");
    assert_eq!((tried.status, tried.header("location")), (303, Some("/plugins/hostile?done=installed")));
    assert!(page(&admin).contains("<h2>On trial</h2>"), "{}", page(&admin));
    for control in ["/promote", "/rollback", "Go back"] {
        assert!(!page(&viewer).contains(control), "a viewer has no {control}");
    }
    assert_eq!(decide("promote").status, 303);
    assert!(!page(&admin).contains("<h2>On trial</h2>"), "{}", page(&admin));
    assert_eq!(decide("rollback").status, 303);
    assert!(page(&admin).contains("rolled back"), "{}", page(&admin));
    let audit = call(&daemon, "GET", "audit", "vera", Value::Null).json();
    let what: Vec<&str> = audit.as_array().into_iter().flatten().filter_map(|entry| entry["what"].as_str()).collect();
    assert_eq!(what[..3], ["plugin rolled back", "plugin promoted", "plugin installed"], "{audit}");
    let nothing = decide("grant");
    assert!(nothing.text().contains("waits for a grant"), "{}", nothing.text());
}

/// Calls that stop the daemon from answering, or that do not end: they are called elsewhere.
const NOT_FUZZED: [&str; 2] = ["/api/v1/events/live", "/api/v1/backup"];

#[test]
fn whatever_is_asked_the_interface_answers_as_its_document_says() {
    let vendors = StandIn::start();
    let daemon = daemon(&vendors);
    daemon.accept(&[shop::padded("one", 400), shop::padded("two", 400)]);
    let installed = paths::target().join("clients/schemathesis");
    assert!(installed.join("schemathesis").exists(), "schemathesis is not there: run `cargo xtask clients` first");
    let mut run = std::process::Command::new("python3");
    // What is there is asked for, too: without it all answers would be that there is no such thing.
    let known = daemon.directory().join("schemathesis.toml");
    let parameters =
        "\"path.pipeline\" = \"shop\"\n\"path.name\" = \"hook\"\n\"path.number\" = 1\n\"path.message_id\" = \"one\"\n";
    std::fs::write(&known, format!("[parameters]\n{parameters}")).expect("a file can be written");
    run.args(["-m", "schemathesis.cli", "--config-file", &known.display().to_string()]);
    run.args(["run", &daemon.admin_url("/api/v1/openapi.json")]);
    run.args(["--header", &format!("Authorization: Bearer {}", token("ada"))]);
    run.args(["--max-examples", "4", "--seed", "1", "--workers", "1", "--request-timeout", "20", "--no-color"]);
    run.args(["--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all"]);
    run.args([
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ]);
    for path in NOT_FUZZED {
        run.args(["--exclude-path", path]);
    }
    // It keeps what it learns in the folder that it runs in.
    run.current_dir(daemon.directory()).env("PYTHONPATH", &installed).env("PYTHONDONTWRITEBYTECODE", "1");
    run.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    let output = run.output().expect("python3 can be started");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{}", daemon.log());
    assert_eq!(call(&daemon, "GET", "me", "ada", Value::Null).status, 200, "it is still there");
}
