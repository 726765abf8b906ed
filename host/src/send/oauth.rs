//! Which access token a request needs, how it is asked for, and what the token endpoint answers. Pure.
//!
//! Sources: RFC 6749 (client credentials, refresh token), RFC 7523 (JWT bearer), RFC 7515 (RS256).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::auth::AuthError;
use super::client::Outgoing;
use super::scheme::Parameters;
use crate::plugin::handles::{Handles, Secret, percent_encoded};

/// The schemes that fetch a token.
pub(super) const SCHEMES: [&str; 3] = ["oauth2-client-credentials", "oauth2-refresh-token", "jwt-bearer"];

/// How long an assertion holds, in seconds. Google takes an hour at most.
const ASSERTION_SECONDS: u64 = 3_600;

/// A token whose endpoint does not say how long it holds is taken to hold so long, in seconds.
const LIFE_SECONDS: u64 = 3_600;

/// Of an endpoint's own words, in messages.
const WORDS_CHARS_MAX: usize = 200;

/// What a request needs before it can be sent. Not for logs, so it has no Debug.
pub struct TokenRequest {
    /// When it was asked for: milliseconds since 1970.
    pub now_ms: u64,
    endpoint: String,
    grant: Grant,
    client: Option<(String, String)>,
    client_auth: ClientAuth,
    scope: String,
    audience: Option<String>,
}

enum Grant {
    ClientCredentials,
    RefreshToken(String),
    JwtBearer { key: String, issuer: Option<String>, subject: Option<String>, key_id: Option<String> },
}

/// Where the client's secret goes.
#[derive(Clone, Copy, PartialEq)]
enum ClientAuth {
    Basic,
    Body,
}

/// Names a token among those of a destination: a hash of all that it is asked for with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenKey([u8; 32]);

/// A token as its endpoint gave it.
pub struct Granted {
    /// What requests carry.
    pub access_token: Secret,
    /// How long it holds, in milliseconds.
    pub life_ms: u64,
    /// Takes the place of the refresh token, when the endpoint sends another.
    pub refresh_token: Option<Secret>,
}

impl TokenRequest {
    /// Reads the parameters of one of [`SCHEMES`].
    pub(super) fn read(scheme: &str, text: &str, handles: &Handles, now_ms: u64) -> Result<TokenRequest, AuthError> {
        let known: &[&str] = match scheme {
            "oauth2-client-credentials" => &["token-url", "client-id", "client-secret", "client-auth", "audience"],
            "oauth2-refresh-token" => &["token-url", "client-id", "client-secret", "client-auth", "refresh-token"],
            _ => &["token-url", "key", "issuer", "subject", "audience", "key-id"],
        };
        let parameters = Parameters::read(scheme, text, known, &["scope"], handles)?;
        let owned = |name: &str| parameters.one(name).map(str::to_string);
        let grant = match scheme {
            "oauth2-client-credentials" => Grant::ClientCredentials,
            "oauth2-refresh-token" => Grant::RefreshToken(parameters.needed("refresh-token")?.to_string()),
            _ => Grant::JwtBearer {
                key: parameters.needed("key")?.to_string(),
                issuer: owned("issuer"),
                subject: owned("subject"),
                key_id: owned("key-id"),
            },
        };
        let client = match (&grant, owned("client-secret")) {
            (Grant::JwtBearer { .. }, _) => None,
            // A public client has an id and no secret.
            (Grant::RefreshToken(_), None) => Some((parameters.needed("client-id")?.to_string(), String::new())),
            _ => Some((parameters.needed("client-id")?.to_string(), parameters.needed("client-secret")?.to_string())),
        };
        let client_auth = match (parameters.one("client-auth"), &client) {
            (Some("body"), _) => ClientAuth::Body,
            (None, Some((_, secret))) if secret.is_empty() => ClientAuth::Body,
            (Some("basic") | None, _) => ClientAuth::Basic,
            _ => return Err(parameters.wrong("needs client-auth=basic or client-auth=body".to_string())),
        };
        Ok(TokenRequest {
            now_ms,
            endpoint: parameters.needed("token-url")?.to_string(),
            grant,
            client,
            client_auth,
            scope: parameters.all("scope").collect::<Vec<_>>().join(" "),
            audience: owned("audience"),
        })
    }

    /// The endpoint's URL.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Names the token that this asks for.
    pub fn key(&self) -> TokenKey {
        let mut hash = Sha256::new();
        let (id, secret) = self.client.clone().unwrap_or_default();
        let own = match &self.grant {
            Grant::ClientCredentials => vec!["client_credentials"],
            Grant::RefreshToken(token) => vec!["refresh_token", token],
            Grant::JwtBearer { key, issuer, subject, key_id } => {
                let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
                hash.update(format!("{}\n{}\n{}\n", text(issuer), text(subject), text(key_id)));
                vec!["jwt_bearer", key]
            }
        };
        let parts = [self.endpoint.as_str(), &id, &secret, &self.scope, self.audience.as_deref().unwrap_or_default()];
        for part in parts.into_iter().chain(own) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        TokenKey(hash.finalize().into())
    }

    /// The request to the token endpoint. `refresh_token` takes the place of the configured one.
    ///
    /// # Errors
    /// What is wrong with the key, without any of it.
    pub fn outgoing(&self, refresh_token: Option<&Secret>) -> Result<Outgoing, String> {
        let mut form: Vec<(&str, String)> = Vec::new();
        match &self.grant {
            Grant::ClientCredentials => form.push(("grant_type", "client_credentials".to_string())),
            Grant::RefreshToken(configured) => {
                form.push(("grant_type", "refresh_token".to_string()));
                let token = refresh_token.map_or(configured.as_str(), Secret::reveal);
                form.push(("refresh_token", token.to_string()));
            }
            Grant::JwtBearer { .. } => {
                form.push(("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_string()));
                form.push(("assertion", self.assertion()?));
            }
        }
        let is_assertion = matches!(self.grant, Grant::JwtBearer { .. });
        if !self.scope.is_empty() && !is_assertion {
            form.push(("scope", self.scope.clone()));
        }
        if let (Some(audience), false) = (&self.audience, is_assertion) {
            form.push(("audience", audience.clone()));
        }
        let mut headers = vec![
            ("content-type".to_string(), "application/x-www-form-urlencoded".to_string()),
            ("accept".to_string(), "application/json".to_string()),
        ];
        match (&self.client, self.client_auth) {
            (Some((id, secret)), ClientAuth::Basic) => {
                let pair = format!("{}:{}", percent_encoded(id), percent_encoded(secret));
                headers.push(("authorization".to_string(), format!("Basic {}", STANDARD.encode(pair))));
            }
            (Some((id, secret)), ClientAuth::Body) => {
                form.push(("client_id", id.clone()));
                if !secret.is_empty() {
                    form.push(("client_secret", secret.clone()));
                }
            }
            (None, _) => {}
        }
        let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
        Ok(Outgoing {
            method: "POST".to_string(),
            url: self.endpoint.clone(),
            headers,
            body: Bytes::from(body.join("&")),
            token: None,
        })
    }

    /// A signed assertion of who asks. The key is a PEM, or a service account's JSON file that holds one.
    fn assertion(&self) -> Result<String, String> {
        let Grant::JwtBearer { key, issuer, subject, key_id } = &self.grant else { return Err(String::new()) };
        let file: Value = serde_json::from_str(key).unwrap_or_default();
        let of_file = |name: &str| file.get(name).and_then(Value::as_str).map(str::to_string);
        let issuer = issuer.clone().or_else(|| of_file("client_email")).ok_or(
            "the key is not a service account's JSON file with a client_email, and there is no issuer=".to_string(),
        )?;
        let mut header = serde_json::json!({"alg": "RS256", "typ": "JWT"});
        if let Some(id) = key_id.clone().or_else(|| of_file("private_key_id")) {
            header["kid"] = id.into();
        }
        let now = self.now_ms / 1_000;
        let audience = self.audience.as_ref().unwrap_or(&self.endpoint);
        let mut claims =
            serde_json::json!({"iss": issuer, "aud": audience, "iat": now, "exp": now + ASSERTION_SECONDS});
        if let Some(subject) = subject {
            claims["sub"] = subject.clone().into();
        }
        if !self.scope.is_empty() {
            claims["scope"] = self.scope.clone().into();
        }
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = rs256(of_file("private_key").as_ref().unwrap_or(key), text.as_bytes())?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// RSASSA-PKCS1-v1_5 with SHA-256.
fn rs256(pem: &str, text: &[u8]) -> Result<Vec<u8>, String> {
    let none = |_| "the key holds no RSA private key in PEM (PKCS #8 or PKCS #1)".to_string();
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| none(error.to_string()))?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|error| none(error.to_string()))?;
    let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or_else(|| none(String::new()))?;
    signer.sign(text).map_err(|_| "the key cannot sign".to_string())
}

/// Reads an endpoint's answer of 2xx.
///
/// # Errors
/// What is missing.
pub fn granted(body: &[u8]) -> Result<Granted, &'static str> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| "it answered with something that is not JSON")?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let token = text("access_token").ok_or("it answered without an access_token")?;
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("its access_token holds what no header may hold");
    }
    // Some write the number as a text.
    let seconds = answer.get("expires_in").and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
    Ok(Granted {
        access_token: Secret::new(token.to_string()),
        life_ms: seconds.unwrap_or(LIFE_SECONDS).saturating_mul(1_000),
        refresh_token: text("refresh_token").map(|token| Secret::new(token.to_string())),
    })
}

/// The wait that an endpoint asks for with Retry-After, as seconds, in milliseconds.
pub fn asked_ms(headers: &[(String, String)]) -> Option<u64> {
    let (_, value) = headers.iter().find(|(name, _)| name == "retry-after")?;
    value.trim().parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1_000))
}

/// An endpoint's own words for a refusal, as far as they are of the form of RFC 6749.
pub fn words(body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let parts = ["error", "error_description"].map(|name| answer.get(name).and_then(Value::as_str).unwrap_or_default());
    parts.join(" ").trim().chars().filter(|character| !character.is_control()).take(WORDS_CHARS_MAX).collect()
}

#[cfg(test)]
#[path = "oauth_tests.rs"]
mod tests;
