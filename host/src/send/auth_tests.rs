//! Vectors for each way to authenticate, and what must not happen.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{AuthError, apply};
use crate::plugin::handles::{HandleKey, Handles, Held, Secret};
use crate::plugin::manifest::{Place, SecretUse};
use crate::plugin::plan::{Auth, Request};

const NOW_MS: u64 = 1_700_000_000_000;
const BODY: &str = r#"{"event":"Order Completed"}"#;

/// A request to `url` with this auth.
fn request(url: &str, auth: Vec<Auth>) -> Request {
    Request {
        key: String::new(),
        method: "POST".to_string(),
        url: url.to_string(),
        headers: vec![("content-type".to_string(), "application/json".to_string())],
        body: Bytes::from_static(BODY.as_bytes()),
        auth,
        covers: vec![0],
        lanes: Vec::new(),
        quota: None,
        not_after_ms: None,
        tag: Bytes::new(),
    }
}

/// Handles that hold one secret, and its handle.
fn holding(value: &str, places: &[Place]) -> (Handles, String) {
    let handle = HandleKey::fixed().handle("d", "secret");
    let mut handles = Handles::default();
    let used = SecretUse { places: places.to_vec(), reason: String::new() };
    handles.hold(handle.clone(), Held { setting: "secret".to_string(), value: Secret::new(value.to_string()), used });
    (handles, handle)
}

/// The headers that an auth adds.
fn added(auth: Auth, handles: &Handles) -> Vec<(String, String)> {
    let signed = apply(&request("https://a.example/", vec![auth]), handles, NOW_MS).expect("a signed request");
    signed.headers[1..].to_vec()
}

fn error(request: &Request, handles: &Handles) -> AuthError {
    apply(request, handles, NOW_MS).err().expect("an error")
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_string(), value.to_string())
}

#[test]
fn each_way_of_auth() {
    let (handles, handle) = holding("pa ss&wörd=/", &[Place::Auth]);
    let (ascii, same) = holding("t0ken", &[Place::Auth]);
    assert_eq!(handle, same);
    assert_eq!(added(Auth::Bearer(handle.clone()), &ascii), [pair("authorization", "Bearer t0ken")]);
    let basic = format!("Basic {}", STANDARD.encode("user:pa ss&wörd=/"));
    assert_eq!(added(Auth::Basic("user".to_string(), handle.clone()), &handles), [pair("authorization", &basic)]);
    let named = Auth::Header("x-key".to_string(), format!("Key {handle}"));
    assert_eq!(added(named, &ascii), [pair("x-key", "Key t0ken")]);
    let check = |url: &str, expected: &str| {
        let auth = vec![Auth::Query("api key".to_string(), handle.clone())];
        assert_eq!(apply(&request(url, auth), &handles, NOW_MS).expect("signed").url, expected);
    };
    check("https://a.example/x", "https://a.example/x?api%20key=pa%20ss%26w%C3%B6rd%3D%2F");
    check("https://a.example/x?b=1", "https://a.example/x?b=1&api%20key=pa%20ss%26w%C3%B6rd%3D%2F");
    check("https://a.example/x?", "https://a.example/x?api%20key=pa%20ss%26w%C3%B6rd%3D%2F");
}

#[test]
fn signatures_have_the_values_of_the_vectors() {
    let (handles, handle) = holding("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", &[Place::Auth]);
    let expected = [
        pair("webhook-id", "msg_1"),
        pair("webhook-timestamp", "1700000000"),
        pair("webhook-signature", "v1,DigTQkUeQeinMqLOJfMyb9KywDxHnfaM1GOsdpN3DFI="),
    ];
    assert_eq!(added(Auth::Named(format!("standard-webhooks id=msg_1 key={handle}")), &handles), expected);
    let twice = added(Auth::Named(format!("standard-webhooks id=msg_1 key={handle} key={handle}")), &handles);
    assert_eq!(twice[2].1, format!("{0} {0}", expected[2].1));
    let (handles, handle) = holding("secret", &[Place::Auth]);
    let sha1 = added(Auth::Named(format!("hmac-sha1-hex header=X-Signature key={handle}")), &handles);
    assert_eq!(sha1, [pair("X-Signature", "1966506b63d1944ab99c1d22fa25671e757ed8ff")]);
    let sha256 = added(Auth::Named(format!("hmac-sha256-hex header=x-sig key={handle}")), &handles);
    assert_eq!(sha256, [pair("x-sig", "3f663d7ea1eb6eea80ecc467a2e8854200470161438fd8214b161cede4d7b3c3")]);
}

#[test]
fn a_message_id_cannot_bring_a_key_of_its_own() {
    let (handles, handle) = holding("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", &[Place::Auth]);
    let headers = added(Auth::Named(format!("standard-webhooks id=a key=sw_b é key={handle}")), &handles);
    assert_eq!(headers[0].1, "a key=sw_b %C3%A9");
    assert!(!headers[2].1.contains(' '), "one signature");
}

#[test]
fn schemes_that_are_wrong() {
    let (handles, handle) = holding("not base64!", &[Place::Auth]);
    let check = |scheme: String, word: &str| {
        let error = error(&request("https://a.example/", vec![Auth::Named(scheme)]), &handles).to_string();
        assert!(error.contains(word) && !error.contains("base64!"), "{error}");
    };
    check(format!("standard-webhooks id=a key={handle}"), "secret");
    check(format!("standard-webhooks key={handle}"), "id=");
    check("standard-webhooks id=a".to_string(), "key=");
    check(format!("hmac-sha1-hex header=x key={handle} key={handle}"), "one key");
    check("hmac-sha1-hex header=x key=plain".to_string(), "key=");
    check("md5".to_string(), "none of");
}

#[test]
fn a_secret_goes_only_where_the_manifest_says() {
    let (handles, handle) = holding("s3cret", &[Place::Auth]);
    let not_granted = |place| AuthError::NotGranted { setting: "secret".to_string(), place };
    assert_eq!(error(&request(&format!("https://a.example/{handle}"), vec![]), &handles), not_granted("URL"));
    let mut in_header = request("https://a.example/", vec![]);
    in_header.headers.push(pair("x", &handle));
    assert_eq!(error(&in_header, &handles), not_granted("headers"));
    let mut in_body = request("https://a.example/", vec![]);
    in_body.body = Bytes::from(format!("{{\"a\":\"{handle}\"}}"));
    let signed = apply(&in_body, &handles, NOW_MS).expect("a body is never an error");
    assert_eq!(signed.body, in_body.body, "the handle stays");
    let (query_only, handle) = holding("s3cret", &[Place::Query]);
    let bearer = request("https://a.example/", vec![Auth::Bearer(handle.clone())]);
    assert_eq!(error(&bearer, &query_only), not_granted("auth"));
    let query = request("https://a.example/", vec![Auth::Query("k".to_string(), handle)]);
    assert!(apply(&query, &query_only, NOW_MS).is_ok());
}

#[test]
fn a_secret_is_written_as_its_place_is() {
    let (handles, handle) = holding("a\"<&é b", &[Place::Body]);
    let check = |content_type: &str, expected: &str| {
        let mut request = request("https://a.example/", vec![]);
        request.headers[0].1 = content_type.to_string();
        request.body = Bytes::from(format!("[{handle}|{handle}]"));
        let body = apply(&request, &handles, NOW_MS).expect("signed").body;
        assert_eq!(body, format!("[{expected}|{expected}]"));
    };
    check("application/json; charset=utf-8", "a\\\"<&é b");
    check("application/x-www-form-urlencoded", "a%22%3C%26%C3%A9%20b");
    check("application/xml", "a&quot;&lt;&amp;é b");
    check("text/plain", "a\"<&é b");
}

#[test]
fn a_secret_in_a_url() {
    let check = |value: &str, url: &str, expected: Option<&str>| {
        let (handles, handle) = holding(value, &[Place::Url]);
        let signed = apply(&request(&url.replace("{}", &handle), vec![]), &handles, NOW_MS);
        assert_eq!(signed.map(|signed| signed.url).ok().as_deref(), expected, "{url}");
    };
    check("https://hooks.example/T/B", "{}", Some("https://hooks.example/T/B"));
    check("https://hooks.example/", "{}/in?x", Some("https://hooks.example/in?x"));
    check("a/b c", "https://a.example/{}/d?k={}", Some("https://a.example/a%2Fb%20c/d?k=a%2Fb%20c"));
    check("evil.example", "https://{}/", None);
    check("evil.example", "https://{}", None);
    check("evil", "https://a.{}?x", None);
}

#[test]
fn a_secret_that_no_header_may_hold() {
    let (handles, handle) = holding("two\r\nlines", &[Place::Auth]);
    assert_eq!(
        error(&request("https://a.example/", vec![Auth::Bearer(handle)]), &handles),
        AuthError::Header("authorization".to_string())
    );
}
