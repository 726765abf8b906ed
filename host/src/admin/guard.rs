//! What every request to the admin address must be, and what every answer says to browsers.

use std::net::IpAddr;

use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::{Request, Response};

use crate::http::Body;

/// Nothing from elsewhere, nothing inline, in no frame.
const CONTENT_SECURITY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                                img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What every answer says. `same-origin` and not `no-referrer`, which would hide a form's origin.
const HEADERS: [(&str, &str); 8] = [
    ("content-security-policy", CONTENT_SECURITY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    ("x-robots-tag", "noindex"),
];

/// The host that a request names, with its port.
pub fn host_of<B>(request: &Request<B>) -> Option<&str> {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    authority.or_else(|| request.headers().get(HOST)?.to_str().ok())
}

/// Whether a request may name that host. Another site's name that resolves to this address must not
/// pass, or its pages could read answers; an address cannot be taken over like that.
pub fn is_known_host(host: Option<&str>, configured: &[String]) -> bool {
    let Some(host) = host else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.parse::<IpAddr>().is_ok() || configured.contains(&name)
}

/// Whether a browser says that another site sent it. Without a word of it the form's own token decides.
pub fn is_from_elsewhere(headers: &HeaderMap, host: Option<&str>) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(&HeaderName::from_static("sec-fetch-site")) {
        return !matches!(site, "same-origin" | "none");
    }
    match text(&ORIGIN) {
        Some(origin) => origin.split_once("://").map(|(_, own)| own) != host,
        None => false,
    }
}

/// Adds what every answer says.
pub fn secure(mut response: Response<Body>, speaks_tls: bool) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if speaks_tls {
        let value = HeaderValue::from_static("max-age=31536000");
        headers.insert(HeaderName::from_static("strict-transport-security"), value);
    }
    let caching = HeaderName::from_static("cache-control");
    headers.entry(caching).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_addresses_or_configured() {
        let configured = ["console.example".to_string()];
        for host in ["localhost:8081", "127.0.0.1", "127.0.0.1:8081", "[::1]:8081", "10.0.0.7:1", "Console.Example.:8"]
        {
            assert!(is_known_host(Some(host), &configured), "{host}");
        }
        for host in ["rebound.example", "rebound.example:8081", "127.0.0.1.rebound.example", "", "[x]:1", "localhost.a"]
        {
            assert!(!is_known_host(Some(host), &configured), "{host}");
        }
        assert!(!is_known_host(None, &configured));
    }

    #[test]
    fn a_browser_tells_who_sent_a_form() {
        let check = |pairs: &[(&'static str, &'static str)], expected: bool| {
            let header = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            let headers: HeaderMap = pairs.iter().map(header).collect();
            assert_eq!(is_from_elsewhere(&headers, Some("127.0.0.1:8081")), expected, "{pairs:?}");
        };
        check(&[], false);
        check(&[("sec-fetch-site", "same-origin")], false);
        check(&[("sec-fetch-site", "none")], false);
        check(&[("sec-fetch-site", "same-site")], true);
        check(&[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8081")], true);
        check(&[("origin", "http://127.0.0.1:8081")], false);
        check(&[("origin", "http://127.0.0.1:8082")], true);
        check(&[("origin", "null")], true);
    }
}
