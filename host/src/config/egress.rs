//! `[egress]`: how requests leave, for all destinations.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::ConfigError;
use super::check::Checker;
use super::raw::RawEgress;

/// Never through a proxy of the environment: it has no way back to this machine.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// How requests leave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Egress {
    /// The way out, when it is not the direct one.
    pub proxy: Option<Proxy>,
    /// Certificate authorities that are trusted beside the system's, as DER.
    pub authorities: Vec<Vec<u8>>,
}

/// A proxy. Debug prints no password.
#[derive(Clone, Debug, PartialEq)]
pub struct Proxy {
    /// For http URLs; empty: none.
    pub http: ProxyUrl,
    /// For https URLs; empty: none.
    pub https: ProxyUrl,
    /// Hosts that are reached directly, with commas between: names (with all below them) and ranges.
    pub none_for: String,
    /// Where it is configured.
    pub source: &'static str,
}

/// `http://user:password@host:port`, or nothing. Debug and Display leave user and password out.
#[derive(Clone, Default, PartialEq)]
pub struct ProxyUrl(String);

impl ProxyUrl {
    /// Checks a URL.
    ///
    /// # Errors
    /// What would be right, without the URL, which may hold a password.
    pub fn new(text: &str) -> Result<ProxyUrl, String> {
        let wrong = || "is not http://host:port or http://user:password@host:port".to_string();
        let uri: hyper::Uri = text.parse().map_err(|_| wrong())?;
        let scheme = uri.scheme_str().unwrap_or("http");
        if scheme != "http" || uri.host().is_none_or(str::is_empty) || !matches!(uri.path(), "" | "/") {
            return Err(wrong());
        }
        Ok(ProxyUrl(text.to_string()))
    }

    /// The whole of it, for the connection.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ProxyUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let uri: Option<hyper::Uri> = self.0.parse().ok();
        let authority = uri.as_ref().and_then(hyper::Uri::authority).map_or("", |authority| authority.as_str());
        let place = authority.rsplit('@').next().unwrap_or_default();
        if place.is_empty() { Ok(()) } else { write!(formatter, "http://{place}") }
    }
}

impl std::fmt::Debug for ProxyUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ProxyUrl({self})")
    }
}

impl Egress {
    /// What `status` shows.
    pub fn shown(&self) -> serde_json::Value {
        match &self.proxy {
            None => serde_json::json!({"proxy": null, "addresses_checked_by": "this daemon"}),
            Some(proxy) => serde_json::json!({
                "proxy": {
                    "http": proxy.http.to_string(), "https": proxy.https.to_string(),
                    "none_for": proxy.none_for, "source": proxy.source,
                },
                "addresses_checked_by": "the proxy",
            }),
        }
    }
}

impl Checker<'_> {
    /// How requests leave. A proxy that is configured, be it as none, comes before the environment's.
    pub(super) fn egress(&self, raw: RawEgress) -> Result<Egress, ConfigError> {
        let proxy = match &raw.proxy {
            None => of_environment(self.environment).map_err(|message| self.wrong(0, message))?,
            Some(spanned) => {
                let offset = spanned.span().start;
                match self.value(spanned.get_ref(), offset)? {
                    serde_json::Value::String(text) if text.is_empty() => None,
                    serde_json::Value::String(text) => {
                        let url = ProxyUrl::new(&text)
                            .map_err(|what| self.wrong(offset, format!("egress.proxy {what}; \"\" is none at all")))?;
                        let none_for = self.texts(&raw.no_proxy)?.join(",");
                        Some(Proxy { http: url.clone(), https: url, none_for, source: "egress.proxy" })
                    }
                    _ => {
                        return Err(self.wrong(
                            offset,
                            "egress.proxy is a text, { file = \"..\" } or { command = [..] }".to_string(),
                        ));
                    }
                }
            }
        };
        let Some(file) = &raw.ca_file else { return Ok(Egress { proxy, ..Egress::default() }) };
        let path = self.beside_the_file(&self.text(file)?);
        self.sources.borrow_mut().add_file(&path);
        let authorities = authorities(&path)
            .map_err(|message| self.wrong(file.span().start, format!("egress.ca_file: {message}")))?;
        Ok(Egress { proxy, authorities })
    }
}

/// The proxy of the environment: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in upper or lower case.
///
/// # Errors
/// Names the variable that is wrong.
pub(super) fn of_environment(environment: &dyn Fn(&str) -> Option<String>) -> Result<Option<Proxy>, String> {
    let variable = |name: &str| {
        let set = environment(name).or_else(|| environment(&name.to_ascii_lowercase()));
        set.filter(|value| !value.is_empty())
    };
    let url = |name: &str| match variable(name) {
        Some(text) => ProxyUrl::new(&text).map_err(|what| format!("the environment variable {name} {what}")),
        None => Ok(ProxyUrl::default()),
    };
    let (http, https) = (url("HTTP_PROXY")?, url("HTTPS_PROXY")?);
    if http == ProxyUrl::default() && https == ProxyUrl::default() {
        return Ok(None);
    }
    let none_for = match variable("NO_PROXY") {
        Some(own) => format!("{own},{THIS_MACHINE}"),
        None => THIS_MACHINE.to_string(),
    };
    Ok(Some(Proxy { http, https, none_for, source: "the environment" }))
}

/// The certificates of a PEM file.
///
/// # Errors
/// Names the file.
pub(super) fn authorities(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let wrong = |what: String| format!("the file {} {what}", path.display());
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(format!("cannot be read as certificates in PEM: {error}")))?;
    if found.is_empty() {
        return Err(wrong("holds no certificate in PEM".to_string()));
    }
    Ok(found.into_iter().map(|certificate| certificate.as_ref().to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_of_the_environment() {
        let check = |variables: &[(&str, &str)], expected: Result<Option<(&str, &str, &str)>, &str>| {
            let environment =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
            let found = of_environment(&environment);
            match (found, expected) {
                (Ok(None), Ok(None)) => {}
                (Ok(Some(proxy)), Ok(Some((http, https, none_for)))) => {
                    let found = (proxy.http.to_string(), proxy.https.to_string(), proxy.none_for);
                    assert_eq!(found, (http.to_string(), https.to_string(), none_for.to_string()), "{variables:?}");
                }
                (Err(found), Err(part)) => assert!(found.contains(part) && !found.contains("s3cret"), "{found}"),
                (found, _) => panic!("{variables:?}: {found:?}"),
            }
        };
        check(&[], Ok(None));
        check(&[("NO_PROXY", "a.example"), ("HTTPS_PROXY", "")], Ok(None));
        check(
            &[("HTTPS_PROXY", "http://user:s3cret@proxy.example:3128"), ("NO_PROXY", "a.example")],
            Ok(Some(("", "http://proxy.example:3128", "a.example,localhost,127.0.0.0/8,::1"))),
        );
        check(&[("http_proxy", "proxy.example:80")], Ok(Some(("http://proxy.example:80", "", THIS_MACHINE))));
        check(
            &[("HTTPS_PROXY", "socks5://user:s3cret@proxy.example:1080")],
            Err("HTTPS_PROXY is not http://host:port"),
        );
        check(&[("HTTP_PROXY", "http://user:s3cret@proxy.example/path")], Err("HTTP_PROXY"));
    }

    #[test]
    fn a_password_is_not_printed() {
        let url = ProxyUrl::new("http://user:s3cret@proxy.example:3128").expect("a good URL");
        assert_eq!(format!("{url:?} {url}"), "ProxyUrl(http://proxy.example:3128) http://proxy.example:3128");
        assert_eq!(url.reveal(), "http://user:s3cret@proxy.example:3128");
    }
}
