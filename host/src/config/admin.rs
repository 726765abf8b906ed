//! `[admin]`: who may reach the operator's interface, and how.

use std::net::SocketAddr;

use serde::Deserialize;
use toml::Spanned;

use super::check::Checker;
use super::raw::RawTls;
use super::{ConfigError, TlsFiles};

/// Who may reach the operator's interface, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdminConfig {
    /// Whether `/metrics` answers without a token.
    pub metrics_open: bool,
    /// The certificate of the admin address, if it speaks TLS.
    pub tls: Option<TlsFiles>,
    /// Whether it may listen beyond loopback without TLS.
    pub beyond_loopback: bool,
    /// Names by which browsers reach it, beside `localhost` and addresses.
    pub hosts: Vec<String>,
    /// Tokens beside the one in the data directory.
    pub tokens: Vec<AccessToken>,
}

/// What a person may do. Each may do what those before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything, personal data masked; changes nothing.
    Viewer,
    /// Changes destinations, transformations and sources, and what becomes of deliveries.
    Editor,
    /// Also plugins, the whole configuration, erasing and backups.
    Admin,
}

impl Role {
    /// Its name, as in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Editor => "editor",
            Role::Admin => "admin",
        }
    }
}

/// A token, of which only the hash is known.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessToken {
    /// Whose it is, as the audit log names it.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The SHA-256 of the token. Enough for tokens of 256 random bits, as `switchyard token` makes them.
    pub sha256: [u8; 32],
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdmin {
    #[serde(default)]
    metrics_open: bool,
    #[serde(default)]
    beyond_loopback: bool,
    #[serde(default)]
    hosts: Vec<Spanned<String>>,
    tls: Option<Spanned<RawTls>>,
    #[serde(default)]
    token: Vec<RawAccessToken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccessToken {
    name: Spanned<String>,
    role: Role,
    sha256: Spanned<String>,
}

impl Checker<'_> {
    /// Checks `[admin]` for the address that is listened on, which stands at `offset`.
    pub(super) fn admin(&self, raw: RawAdmin, address: SocketAddr, offset: usize) -> Result<AdminConfig, ConfigError> {
        let tls = raw.tls.map(|tls| self.tls(tls.into_inner())).transpose()?;
        if !address.ip().to_canonical().is_loopback() && tls.is_none() && !raw.beyond_loopback {
            let message = format!(
                "listen.admin is {address}, which others can reach, without TLS: give [admin.tls], or set \
                 admin.beyond_loopback = true where something else protects it"
            );
            return Err(self.wrong(offset, message));
        }
        let tokens = raw.token.iter().map(|token| self.access_token(token)).collect::<Result<Vec<_>, _>>()?;
        for (at, token) in tokens.iter().enumerate() {
            if tokens[..at].iter().any(|other| other.name == token.name) {
                let message = format!("there are two admin tokens of `{}`: name each apart", token.name);
                return Err(self.wrong(raw.token[at].name.span().start, message));
            }
        }
        let hosts = raw.hosts.iter().map(|host| self.host(host)).collect::<Result<_, _>>()?;
        let (metrics_open, beyond_loopback) = (raw.metrics_open, raw.beyond_loopback);
        Ok(AdminConfig { metrics_open, tls, beyond_loopback, hosts, tokens })
    }

    fn access_token(&self, raw: &RawAccessToken) -> Result<AccessToken, ConfigError> {
        let name = self.text(&raw.name)?;
        if name.trim().is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
            let message = "the name of an admin token has 1 to 64 characters".to_string();
            return Err(self.wrong(raw.name.span().start, message));
        }
        let text = self.text(&raw.sha256)?;
        let Some(sha256) = sha256_of_hex(&text) else {
            let message = format!(
                "sha256 of the admin token of `{name}` must be 64 hexadecimal digits: `switchyard token` makes a token and this line"
            );
            return Err(self.wrong(raw.sha256.span().start, message));
        };
        Ok(AccessToken { name, role: raw.role, sha256 })
    }
}

fn sha256_of_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0_u8; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| (pair[at] as char).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}
