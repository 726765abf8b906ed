//! Puts secrets in and signs: from a request as a plugin planned it to one as it is sent. Pure.
//!
//! A secret goes only where the plugin's manifest says ([`Place`]). In URL, headers and auth a handle
//! of a secret that may not go there is an error. In a body it stays as it is: bodies carry what
//! senders of events wrote, and none of them shall be able to spoil a request.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderValue;
use sha1::Sha1;
use sha2::Sha256;

use super::oauth::{self, TokenRequest};
use super::sigv4;
use crate::plugin::handles::{HANDLE_BYTES, Handles, Held, PREFIX, percent_encoded};
use crate::plugin::manifest::Place;
use crate::plugin::plan::{Auth, Request};

/// A request with its secrets. Not for logs, so it has no Debug.
pub struct Signed {
    /// The whole URL.
    pub url: String,
    /// Headers, by name and value.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// The access token that it needs, which is fetched when it is sent.
    pub token: Option<TokenRequest>,
}

/// Why a request cannot be signed. The messages hold no secret.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AuthError {
    /// The manifest does not allow the secret there.
    #[error("the plugin puts the secret `{setting}` into the {place}, and its manifest does not say so")]
    NotGranted {
        /// The setting.
        setting: String,
        /// The part of the request.
        place: &'static str,
    },
    /// The secret cannot be used as it is.
    #[error("the secret `{setting}` {what}")]
    Unusable {
        /// The setting.
        setting: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A header that results is none.
    #[error("the header `{0}` would hold a character that no header may have")]
    Header(String),
    /// A scheme that this host does not know, or its parameters are wrong.
    #[error("the auth scheme `{scheme}` {what}")]
    Scheme {
        /// Its name.
        scheme: String,
        /// What is wrong with it.
        what: String,
    },
}

/// Puts the secrets of `handles` into a request and signs it. `now_ms`: milliseconds since 1970.
pub fn apply(request: &Request, handles: &Handles, now_ms: u64) -> Result<Signed, AuthError> {
    let body = body(request, handles);
    let mut signed = Signed {
        url: url(&request.url, handles)?,
        headers: Vec::with_capacity(request.headers.len() + 3),
        body,
        token: None,
    };
    for (name, value) in &request.headers {
        let value = handles.replace(value, |held, _| Err(not_granted(held, "headers")))?;
        signed.headers.push((name.clone(), value.into_owned()));
    }
    for auth in &request.auth {
        authenticate(auth, &request.method, handles, now_ms, &mut signed)?;
    }
    Ok(signed)
}

fn not_granted(held: &Held, place: &'static str) -> AuthError {
    AuthError::NotGranted { setting: held.setting.clone(), place }
}

fn authenticate(
    auth: &Auth,
    method: &str,
    handles: &Handles,
    now_ms: u64,
    signed: &mut Signed,
) -> Result<(), AuthError> {
    match auth {
        Auth::Bearer(token) => {
            let token = in_auth(token, handles)?;
            push_header(signed, "authorization", format!("Bearer {token}"))
        }
        Auth::Basic(user, password) => {
            let pair = format!("{}:{}", in_auth(user, handles)?, in_auth(password, handles)?);
            push_header(signed, "authorization", format!("Basic {}", STANDARD.encode(pair)))
        }
        Auth::Header(name, value) => {
            let value = in_auth(value, handles)?.into_owned();
            push_header(signed, name, value)
        }
        Auth::Query(name, value) => {
            let value = handles.replace(value, |held, _| {
                let granted = held.may_be_in(Place::Query) || held.may_be_in(Place::Auth);
                if granted { Ok(held.value.reveal().to_string()) } else { Err(not_granted(held, "query")) }
            })?;
            let separator = match signed.url.find('?') {
                None => "?",
                Some(at) if at + 1 == signed.url.len() || signed.url.ends_with('&') => "",
                Some(_) => "&",
            };
            let parameter = format!("{separator}{}={}", percent_encoded(name), percent_encoded(&value));
            signed.url.push_str(&parameter);
            Ok(())
        }
        Auth::Named(scheme) => named(scheme, method, handles, now_ms, signed),
    }
}

pub(super) fn push_header(signed: &mut Signed, name: &str, value: String) -> Result<(), AuthError> {
    if HeaderValue::from_str(&value).is_err() {
        return Err(AuthError::Header(name.to_string()));
    }
    signed.headers.push((name.to_string(), value));
    Ok(())
}

pub(super) fn in_auth<'t>(text: &'t str, handles: &Handles) -> Result<Cow<'t, str>, AuthError> {
    handles.replace(text, |held, _| {
        if held.may_be_in(Place::Auth) { Ok(held.value.reveal().to_string()) } else { Err(not_granted(held, "auth")) }
    })
}

/// A secret at the URL's start goes in as it is; one in path or query is percent-encoded; one in the
/// host would send the request wherever the secret says, so there is none.
fn url(url: &str, handles: &Handles) -> Result<String, AuthError> {
    let host_end =
        url.find("://").map_or(0, |at| at + 3 + url[at + 3..].find(['/', '?']).unwrap_or(url.len() - at - 3));
    let replaced = handles.replace(url, |held, at| {
        if !held.may_be_in(Place::Url) {
            return Err(not_granted(held, "URL"));
        }
        let value = held.value.reveal();
        if at == 0 {
            let slash_follows = url[HANDLE_BYTES..].starts_with('/');
            return Ok(if slash_follows { value.trim_end_matches('/') } else { value }.to_string());
        }
        if at < host_end { Err(not_granted(held, "URL's host")) } else { Ok(percent_encoded(value)) }
    })?;
    Ok(replaced.into_owned())
}

/// How a body is written, so that a secret is written in the same way.
enum BodyForm {
    Json,
    Form,
    Xml,
    Plain,
}

fn body(request: &Request, handles: &Handles) -> Bytes {
    if !handles.iter().any(|held| held.may_be_in(Place::Body))
        || memchr::memmem::find(&request.body, PREFIX.as_bytes()).is_none()
    {
        return request.body.clone();
    }
    let Ok(text) = std::str::from_utf8(&request.body) else { return request.body.clone() };
    let form = body_form(request);
    let replaced = handles.replace(text, |held, at| {
        if held.may_be_in(Place::Body) {
            Ok::<_, std::convert::Infallible>(written(held.value.reveal(), &form))
        } else {
            Ok(text[at..at + HANDLE_BYTES].to_string())
        }
    });
    match replaced {
        Ok(Cow::Owned(text)) => Bytes::from(text),
        _ => request.body.clone(),
    }
}

fn body_form(request: &Request) -> BodyForm {
    let content_type = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let content_type = content_type.map(|(_, value)| value.to_ascii_lowercase()).unwrap_or_default();
    if content_type.contains("json") {
        BodyForm::Json
    } else if content_type.contains("x-www-form-urlencoded") {
        BodyForm::Form
    } else if content_type.contains("xml") {
        BodyForm::Xml
    } else {
        BodyForm::Plain
    }
}

fn written(value: &str, form: &BodyForm) -> String {
    match form {
        BodyForm::Json => {
            let quoted = serde_json::to_string(value).expect("a text can be written to memory");
            quoted[1..quoted.len() - 1].to_string()
        }
        BodyForm::Form => percent_encoded(value),
        BodyForm::Xml => value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"),
        BodyForm::Plain => value.to_string(),
    }
}

/// The schemes that run over the bytes sent. Source: the contract (wit).
fn named(text: &str, method: &str, handles: &Handles, now_ms: u64, signed: &mut Signed) -> Result<(), AuthError> {
    let (scheme, parameters) = text.split_once(' ').unwrap_or((text, ""));
    let wrong = |what: &str| AuthError::Scheme { scheme: scheme.to_string(), what: what.to_string() };
    match scheme {
        "aws-sigv4" => sigv4::sign(parameters, method, handles, now_ms, signed),
        _ if oauth::SCHEMES.contains(&scheme) => {
            if signed.token.is_some() {
                return Err(wrong("is the second one that fetches a token"));
            }
            signed.token = Some(TokenRequest::read(scheme, parameters, handles, now_ms)?);
            Ok(())
        }
        "standard-webhooks" => {
            let (before, keys) = trailing_keys(parameters, handles);
            let id = before
                .strip_prefix("id=")
                .filter(|id| !id.is_empty())
                .ok_or_else(|| wrong("needs id=<message id> first"))?;
            if keys.is_empty() {
                return Err(wrong("needs key=<handle> last"));
            }
            standard_webhooks(id, &keys, now_ms, signed)
        }
        "hmac-sha256-hex" | "hmac-sha1-hex" => {
            let (before, keys) = trailing_keys(parameters, handles);
            let header = before
                .strip_prefix("header=")
                .filter(|header| !header.is_empty())
                .ok_or_else(|| wrong("needs header=<name> first"))?;
            let [key] = keys[..] else { return Err(wrong("needs one key=<handle> last")) };
            let key = secret_key(key)?;
            let value = match scheme {
                "hmac-sha256-hex" => hex(&hmac_sha256(key.as_bytes(), &[&signed.body])),
                _ => hex(&hmac_sha1(key.as_bytes(), &signed.body)),
            };
            push_header(signed, header, value)
        }
        _ => {
            let fetching = oauth::SCHEMES.join(", ");
            Err(wrong(&format!("is none of standard-webhooks, hmac-sha256-hex, hmac-sha1-hex, aws-sigv4, {fetching}")))
        }
    }
}

/// Takes `key=<handle>` parameters off the end. What stands before them may hold spaces, and
/// whatever else the sender of an event wrote, but no handle that it does not know.
fn trailing_keys<'p, 'h>(mut parameters: &'p str, handles: &'h Handles) -> (&'p str, Vec<&'h Held>) {
    let mut keys = Vec::new();
    while let Some((before, last)) = parameters.rsplit_once(' ') {
        let Some(held) = last.strip_prefix("key=").and_then(|handle| handles.get(handle)) else { break };
        keys.insert(0, held);
        parameters = before;
    }
    (parameters, keys)
}

fn secret_key(held: &Held) -> Result<&str, AuthError> {
    if held.may_be_in(Place::Auth) { Ok(held.value.reveal()) } else { Err(not_granted(held, "auth")) }
}

/// Source: the Standard Webhooks specification. The id goes into a header, so characters that none
/// may have are percent-encoded before it is signed.
fn standard_webhooks(id: &str, keys: &[&Held], now_ms: u64, signed: &mut Signed) -> Result<(), AuthError> {
    let id: String = id
        .chars()
        .map(|character| match character {
            ' '..='~' => character.to_string(),
            other => percent_encoded(&other.to_string()),
        })
        .collect();
    let timestamp = (now_ms / 1000).to_string();
    let mut signatures = Vec::with_capacity(keys.len());
    for held in keys {
        let encoded = secret_key(held)?;
        let key =
            STANDARD.decode(encoded.strip_prefix("whsec_").unwrap_or(encoded)).map_err(|_| AuthError::Unusable {
                setting: held.setting.clone(),
                what: "must be `whsec_` and base64, as the receiver shows it",
            })?;
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &signed.body];
        signatures.push(format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &parts))));
    }
    push_header(signed, "webhook-id", id)?;
    push_header(signed, "webhook-timestamp", timestamp)?;
    push_header(signed, "webhook-signature", signatures.join(" "))
}

pub(super) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hmac_sha1(key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("a key of any length will do");
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes what is written to it");
        text
    })
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
