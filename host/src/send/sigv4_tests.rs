//! The published vectors: the SigV4 test suite of AWS, and the examples of the S3 API reference.

use bytes::Bytes;

use super::super::auth::Signed;
use super::{encoded_once, sign};
use crate::plugin::handles::{HandleKey, Handles, Held, Secret};
use crate::plugin::manifest::SecretUse;

/// 2015-08-30T12:36:00Z.
const SUITE_MS: u64 = 1_440_938_160_000;
const SUITE_KEY: (&str, &str) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");

/// 2013-05-24T00:00:00Z.
const S3_MS: u64 = 1_369_353_600_000;
const S3_KEY: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

struct Case {
    method: &'static str,
    url: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
}

/// The header Authorization of a case.
fn authorization(case: &Case, service: &str, now_ms: u64, (access, secret): (&str, &str)) -> String {
    let handle = HandleKey::fixed().handle("d", "secret");
    let mut handles = Handles::default();
    let held =
        Held { setting: "secret".to_string(), value: Secret::new(secret.to_string()), used: SecretUse::default() };
    handles.hold(handle.clone(), held);
    let headers = case.headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let mut signed =
        Signed { url: case.url.to_string(), headers, body: Bytes::from_static(case.body.as_bytes()), token: None };
    let text = format!("region=us-east-1 service={service} access-key={access} secret-key={handle}");
    sign(&text, case.method, &handles, now_ms, &mut signed).expect("signed");
    let (name, value) = signed.headers.pop().expect("a header");
    assert_eq!(name, "authorization");
    value
}

#[test]
fn the_test_suite_of_aws() {
    let check = |method, url, headers, body, names: &str, signature: &str| {
        let found = authorization(&Case { method, url, headers, body }, "service", SUITE_MS, SUITE_KEY);
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={names}, Signature={signature}"
        );
        assert_eq!(found, expected, "{method} {url}");
    };
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let own = "host;x-amz-date";
    check("GET", "https://example.amazonaws.com/", &[], "", own, vanilla);
    check("GET", "https://example.amazonaws.com:443/", &[], "", own, vanilla);
    check("GET", "https://example.amazonaws.com/example/..", &[], "", own, vanilla);
    check("GET", "https://example.amazonaws.com/example1/example2/../..", &[], "", own, vanilla);
    check(
        "POST",
        "https://example.amazonaws.com/",
        &[],
        "",
        own,
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    );
    check(
        "GET",
        "https://example.amazonaws.com/?Param2=value2&Param1=value1",
        &[],
        "",
        own,
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    );
    check(
        "GET",
        "https://example.amazonaws.com/?%E1%88%B4=bar",
        &[],
        "",
        own,
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    );
    check(
        "POST",
        "https://example.amazonaws.com/",
        &[("My-Header1", "VALUE1")],
        "",
        "host;my-header1;x-amz-date",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    );
    check(
        "GET",
        "https://example.amazonaws.com/",
        &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
        "",
        "host;my-header1;my-header2;x-amz-date",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    );
    check(
        "POST",
        "https://example.amazonaws.com/",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        "Param1=value1",
        "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    );
}

#[test]
fn the_examples_of_s3() {
    let check = |method, url, headers, body, names: &str, signature: &str| {
        let found = authorization(&Case { method, url, headers, body }, "s3", S3_MS, S3_KEY);
        let expected = format!("SignedHeaders={names}, Signature={signature}");
        assert!(found.ends_with(&expected), "{method} {url}: {found}");
    };
    check(
        "GET",
        "https://examplebucket.s3.amazonaws.com/test.txt",
        &[("Range", "bytes=0-9")],
        "",
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    check(
        "PUT",
        "https://examplebucket.s3.amazonaws.com/test%24file.text",
        &[("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
        "Welcome to Amazon S3.",
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
    check(
        "GET",
        "https://examplebucket.s3.amazonaws.com/?lifecycle",
        &[],
        "",
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    );
}

#[test]
fn a_query_is_encoded_once() {
    for (text, expected) in [("a b", "a%20b"), ("%2f", "%2F"), ("a+b", "a%2Bb"), ("100%", "100%25"), ("ü~", "%C3%BC~")]
    {
        assert_eq!(encoded_once(text), expected);
    }
}

#[test]
fn a_session_token_is_sent_and_signed() {
    let mut signed = Signed { url: "https://a.example/".into(), headers: Vec::new(), body: Bytes::new(), token: None };
    let text = "region=r service=s access-key=a secret-key=b session-token=temporary";
    sign(text, "GET", &Handles::default(), SUITE_MS, &mut signed).expect("signed");
    assert!(signed.headers.contains(&("x-amz-security-token".to_string(), "temporary".to_string())));
    let (_, value) = signed.headers.last().expect("a header");
    assert!(value.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"), "{value}");
}
