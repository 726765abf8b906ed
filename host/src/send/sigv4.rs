//! AWS Signature Version 4, in the header Authorization, over the exact bytes that are sent. Pure.
//!
//! Source: AWS, "Create a signed AWS API request". S3 differs from the other services: it takes the
//! path as it is sent, and wants the hash of the body as a header.

use hyper::Uri;
use sha2::{Digest, Sha256};

use super::auth::{AuthError, Signed, hex, hmac_sha256, push_header};
use super::scheme::Parameters;
use crate::plugin::handles::{Handles, percent_encoded};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The parameters of `aws-sigv4`.
const KNOWN: [&str; 5] = ["region", "service", "access-key", "secret-key", "session-token"];

/// Signs a request; nothing may be added to it afterwards.
pub(super) fn sign(
    text: &str,
    method: &str,
    handles: &Handles,
    now_ms: u64,
    signed: &mut Signed,
) -> Result<(), AuthError> {
    let parameters = Parameters::read("aws-sigv4", text, &KNOWN, &[], handles)?;
    let (region, service) = (parameters.needed("region")?, parameters.needed("service")?);
    let uri: Uri = signed.url.parse().map_err(|_| parameters.wrong("needs a URL that can be read".to_string()))?;
    let time = basic_time(now_ms);
    let body_hash = hex(&Sha256::digest(&signed.body));
    push_header(signed, "x-amz-date", time.clone())?;
    if let Some(token) = parameters.one("session-token") {
        push_header(signed, "x-amz-security-token", token.to_string())?;
    }
    if service == "s3" {
        push_header(signed, "x-amz-content-sha256", body_hash.clone())?;
    }
    let (names, lines) = canonical_headers(&uri, &signed.headers);
    let path = if service == "s3" { uri.path().to_string() } else { canonical_path(uri.path()) };
    let query = canonical_query(uri.query().unwrap_or_default());
    let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{body_hash}");
    let scope = format!("{}/{region}/{service}/aws4_request", &time[..8]);
    let text = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(&Sha256::digest(request)));
    let first = format!("AWS4{}", parameters.needed("secret-key")?).into_bytes();
    let key = [&time[..8], region, service, "aws4_request"]
        .iter()
        .fold(first, |key, part| hmac_sha256(&key, &[part.as_bytes()]));
    let signature = hex(&hmac_sha256(&key, &[text.as_bytes()]));
    let credential = format!("{}/{scope}", parameters.needed("access-key")?);
    let value = format!("{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}");
    push_header(signed, "authorization", value)
}

/// `20150830T123600Z`.
fn basic_time(now_ms: u64) -> String {
    let extended = crate::validate::time::format(i64::try_from(now_ms).unwrap_or(i64::MAX));
    let seconds: String = extended.split('.').next().unwrap_or_default().replace(['-', ':'], "");
    format!("{seconds}Z")
}

/// The names, and a line for each: all headers of the request, and the host as the client writes it.
fn canonical_headers(uri: &Uri, headers: &[(String, String)]) -> (String, String) {
    let port = match (uri.port_u16(), uri.scheme_str()) {
        (Some(80), Some("http")) | (Some(443), Some("https")) | (None, _) => String::new(),
        (Some(port), _) => format!(":{port}"),
    };
    let mut pairs: Vec<(String, String)> =
        vec![("host".to_string(), format!("{}{port}", uri.host().unwrap_or_default()))];
    for (name, value) in headers {
        let (name, value) = (name.to_ascii_lowercase(), value.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
        match pairs.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.extend([",", value.as_str()]),
            None => pairs.push((name, value)),
        }
    }
    pairs.sort();
    let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    let lines = pairs.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    (names.join(";"), lines)
}

/// The path without `.`, `..` and empty segments, each segment encoded once more than it is sent.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let encoded: Vec<String> = segments.into_iter().map(percent_encoded).collect();
    let end = if path.ends_with('/') && !encoded.is_empty() { "/" } else { "" };
    format!("/{}{end}", encoded.join("/"))
}

/// The pairs of the query, encoded in one way and sorted.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded_once(name), encoded_once(value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// What is percent-encoded stays so; the rest is encoded as AWS wants it.
fn encoded_once(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let escape = rest
            .get(..3)
            .filter(|escape| escape.starts_with('%') && escape[1..].bytes().all(|digit| digit.is_ascii_hexdigit()));
        let read = match escape {
            Some(escape) => {
                encoded.push_str(&escape.to_ascii_uppercase());
                3
            }
            None => {
                encoded.push_str(&percent_encoded(&rest[..character.len_utf8()]));
                character.len_utf8()
            }
        };
        rest = &rest[read..];
    }
    encoded
}

#[cfg(test)]
#[path = "sigv4_tests.rs"]
mod tests;
