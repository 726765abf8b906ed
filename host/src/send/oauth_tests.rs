//! How a token is asked for, byte by byte, and what answers are made of.

use serde_json::json;

use super::super::auth::AuthError;
use super::{TokenRequest, granted, words};
use crate::plugin::handles::{HandleKey, Handles, Held, Secret};
use crate::plugin::manifest::SecretUse;

const NOW_MS: u64 = 1_700_000_000_000;
const ENDPOINT: &str = "token-url=https://auth.example/token";

/// A key made for this test: it opens nothing.
const KEY: &str = include_str!("../../../tests/fixtures/rsa-test-key.pem");

/// What openssl makes of the same text with the same key.
const SIGNATURE: &str = "S9-WM4YDcVKydptjA1cb-1K7uANNZAoskD529CVhzJF2sJhObsMBYg3Er7n9wNQHQlvPuwjVoy3pJZyebU3EO5EHjNXwYp05uybes-in4mjnash73jOdXg6rcTFJIw1nd4kavJFrb0MraER8C1tZ5oEWJt9DQHaYRNTJcuQ7kXS-baMEQr2yeclNeA8ivBZfM84PuUUquoDpbemoylLqGhHudO0rfbowJtkunYsKYBUcTEkwV3b4vGQ1pBVZuifI4HRyv0iE9ckMMmaA2s1n5vt66-u76Z7b7dxGIa_xir-jbhJPkwWt1oh7WSveWk4h0cERMP5Gb8E46bY1FSge9w";

fn holding(value: &str) -> (Handles, String) {
    let handle = HandleKey::fixed().handle("d", "secret");
    let mut handles = Handles::default();
    let value = Secret::new(value.to_string());
    handles.hold(handle.clone(), Held { setting: "secret".to_string(), value, used: SecretUse::default() });
    (handles, handle)
}

fn read(scheme: &str, text: &str, handles: &Handles) -> Result<TokenRequest, AuthError> {
    TokenRequest::read(scheme, text, handles, NOW_MS)
}

/// The body and the header Authorization of the request to the endpoint.
fn asked(scheme: &str, text: &str, handles: &Handles, refresh_token: Option<&str>) -> (String, String) {
    let request = read(scheme, text, handles).unwrap_or_else(|error| panic!("{error}"));
    let refresh_token = refresh_token.map(|token| Secret::new(token.to_string()));
    let outgoing = request.outgoing(refresh_token.as_ref()).expect("a request");
    assert_eq!((outgoing.method.as_str(), outgoing.url.as_str()), ("POST", "https://auth.example/token"));
    let authorization = outgoing.headers.iter().find(|(name, _)| name == "authorization");
    let body = String::from_utf8(outgoing.body.to_vec()).expect("a text");
    (body, authorization.map(|(_, value)| value.clone()).unwrap_or_default())
}

#[test]
fn client_credentials_and_refresh_tokens() {
    let (handles, handle) = holding("s3/cret");
    let check = |scheme: &str, text: &str, body: &str, authorization: &str| {
        let found = asked(scheme, &format!("{ENDPOINT} {}", text.replace("{}", &handle)), &handles, None);
        assert_eq!(found, (body.to_string(), authorization.to_string()), "{scheme} {text}");
    };
    let own = "grant_type=client_credentials";
    let scheme = "oauth2-client-credentials";
    // Of `id` and `s3%2Fcret`, as RFC 6749, section 2.3.1, wants it.
    check(scheme, "client-id=id client-secret={}", own, "Basic aWQ6czMlMkZjcmV0");
    check(
        scheme,
        "client-id=id client-secret={} client-auth=body",
        &format!("{own}&client_id=id&client_secret=s3%2Fcret"),
        "",
    );
    check(
        scheme,
        "client-id=id client-secret={} scope=a.read scope=b audience=https://api.example",
        &format!("{own}&scope=a.read%20b&audience=https%3A%2F%2Fapi.example"),
        "Basic aWQ6czMlMkZjcmV0",
    );
    let scheme = "oauth2-refresh-token";
    check(
        scheme,
        "client-id=id client-secret=x client-auth=body refresh-token={}",
        "grant_type=refresh_token&refresh_token=s3%2Fcret&client_id=id&client_secret=x",
        "",
    );
    check(scheme, "client-id=id refresh-token={}", "grant_type=refresh_token&refresh_token=s3%2Fcret&client_id=id", "");
    let text = format!("{ENDPOINT} client-id=id refresh-token={handle}");
    let (body, _) = asked(scheme, &text, &handles, Some("another"));
    assert_eq!(body, "grant_type=refresh_token&refresh_token=another&client_id=id");
}

#[test]
fn an_assertion_is_signed_as_openssl_does() {
    let file = json!({"type": "service_account", "client_email": "robot@project.example", "private_key_id": "key-1",
        "private_key": KEY});
    let more = "subject=user@example.com scope=https://a.example/one scope=https://a.example/two";
    let of_file = holding(&file.to_string());
    let of_pem = holding(KEY);
    for ((handles, handle), own) in [(&of_file, ""), (&of_pem, "issuer=robot@project.example key-id=key-1 ")] {
        let (body, authorization) = asked("jwt-bearer", &format!("{ENDPOINT} key={handle} {own}{more}"), handles, None);
        let start = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
        let assertion = body.strip_prefix(start).unwrap_or_else(|| panic!("{body}"));
        assert_eq!(assertion.rsplit('.').next(), Some(SIGNATURE), "{assertion}");
        assert_eq!(authorization, "");
    }
}

#[test]
fn a_key_that_cannot_sign_is_told_without_showing_it() {
    for (key, issuer, part) in [
        ("s3cret", "issuer=a", "no RSA private key"),
        ("-----BEGIN PRIVATE KEY-----\nczNjcmV0\n-----END PRIVATE KEY-----", "issuer=a", "no RSA private key"),
        (KEY, "", "client_email"),
    ] {
        let (handles, handle) = holding(key);
        let request = read("jwt-bearer", &format!("{ENDPOINT} key={handle} {issuer}"), &handles).expect("parameters");
        let why = request.outgoing(None).err().expect("no assertion");
        assert!(why.contains(part) && !why.contains("s3cret") && !why.contains("czNj"), "{why}");
    }
}

#[test]
fn parameters_that_are_wrong() {
    let check = |scheme: &str, text: &str, part: &str| {
        let message = read(scheme, text, &Handles::default()).err().expect("an error").to_string();
        assert!(message.contains(scheme) && message.contains(part), "{message}");
    };
    let scheme = "oauth2-client-credentials";
    check(scheme, "client-id=a client-secret=b", "token-url=");
    check(scheme, &format!("{ENDPOINT} client-secret=b"), "client-id=");
    check(scheme, &format!("{ENDPOINT} client-id=a"), "client-secret=");
    check(scheme, &format!("{ENDPOINT} client-id=a client-secret=b client-auth=header"), "client-auth=");
    check(scheme, &format!("{ENDPOINT} client-id=a client-id=b client-secret=b"), "client-id= twice");
    check(scheme, &format!("{ENDPOINT} client-id= client-secret=b"), "a value for client-id=");
    check(scheme, &format!("{ENDPOINT} {ENDPOINT} client-id=a client-secret=b"), "token-url= twice");
    check(scheme, &format!("{ENDPOINT} client-id=a client-secret=b key=c"), "does not know");
    check("oauth2-refresh-token", &format!("{ENDPOINT} client-id=a"), "refresh-token=");
    check("jwt-bearer", ENDPOINT, "key=");
}

#[test]
fn a_token_is_known_by_all_that_it_is_asked_for_with() {
    let key = |scheme: &str, text: &str| read(scheme, text, &Handles::default()).expect("parameters").key();
    let base = key("oauth2-client-credentials", &format!("{ENDPOINT} client-id=a client-secret=b"));
    assert_eq!(base, key("oauth2-client-credentials", &format!("client-secret=b client-id=a {ENDPOINT}")));
    for other in ["client-id=a client-secret=c", "client-id=ab client-secret=b", "client-id=a client-secret=b scope=s"]
    {
        assert_ne!(base, key("oauth2-client-credentials", &format!("{ENDPOINT} {other}")), "{other}");
    }
    assert_ne!(
        key("oauth2-refresh-token", &format!("{ENDPOINT} client-id=a refresh-token=b")),
        key("oauth2-refresh-token", &format!("{ENDPOINT} client-id=a refresh-token=c"))
    );
}

#[test]
fn answers_of_an_endpoint() {
    let life = |body: &str| granted(body.as_bytes()).map(|granted| granted.life_ms);
    assert_eq!(life(r#"{"access_token":"a","expires_in":60}"#), Ok(60_000));
    assert_eq!(life(r#"{"access_token":"a","expires_in":"60"}"#), Ok(60_000));
    assert_eq!(life(r#"{"access_token":"a"}"#), Ok(3_600_000));
    assert!(life("<html>").is_err_and(|why| why.contains("not JSON")));
    assert!(life(r#"{"access_token":""}"#).is_err_and(|why| why.contains("access_token")));
    assert!(life(r#"{"access_token":"a\r\nx-evil: b"}"#).is_err_and(|why| why.contains("header")));
    let both = granted(br#"{"access_token":"a","refresh_token":"r"}"#).expect("a token");
    assert_eq!(both.refresh_token.expect("another").reveal(), "r");
    assert_eq!(words(br#"{"error":"invalid_grant","error_description":"gone\n"}"#), "invalid_grant gone");
    assert_eq!(words(b"<html>secret</html>"), "");
}
