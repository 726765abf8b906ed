//! The settings, as the operator writes them.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use switchyard_sdk::prelude::Deserialize;

/// The settings; plugin.toml says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub(crate) url: Option<String>,
    pub(crate) secret_url: Option<String>,
    #[serde(default)]
    pub(crate) method: Method,
    #[serde(default)]
    pub(crate) query: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) secret_headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) auth: AuthKind,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) auth_header: Option<String>,
    pub(crate) auth_query: Option<String>,
    pub(crate) auth_value: Option<String>,
    pub(crate) token_url: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<String>,
    #[serde(default)]
    pub(crate) client_auth: ClientAuth,
    pub(crate) refresh_token: Option<String>,
    pub(crate) jwt_key: Option<String>,
    pub(crate) jwt_issuer: Option<String>,
    pub(crate) jwt_subject: Option<String>,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    pub(crate) audience: Option<String>,
    pub(crate) aws_region: Option<String>,
    pub(crate) aws_service: Option<String>,
    pub(crate) aws_access_key: Option<String>,
    pub(crate) aws_secret_key: Option<String>,
    pub(crate) aws_session_token: Option<String>,
    #[serde(default)]
    pub(crate) content_type: ContentType,
    pub(crate) body: Option<Json>,
    #[serde(default)]
    pub(crate) null_for_missing: bool,
    #[serde(default)]
    pub(crate) form_nested: FormNested,
    pub(crate) xml_root: Option<String>,
    #[serde(default)]
    pub(crate) batching: Batching,
    pub(crate) batch_events_max: Option<u32>,
    pub(crate) batch_bytes_max: Option<usize>,
    pub(crate) wrapper_key: Option<String>,
    #[serde(default)]
    pub(crate) wrapper_sent_at: bool,
    #[serde(default)]
    pub(crate) signing: Signing,
    pub(crate) signing_secret: Option<String>,
    pub(crate) signing_secret_old: Option<String>,
    pub(crate) signature_header: Option<String>,
    pub(crate) message_id_header: Option<String>,
    #[serde(default)]
    pub(crate) hash_traits: Vec<String>,
    pub(crate) default_country_code: Option<String>,
    #[serde(default)]
    pub(crate) phone_form: PhoneForm,
    #[serde(default)]
    pub(crate) required_consent: Vec<String>,
    #[serde(default)]
    pub(crate) consent_unknown: ConsentUnknown,
    #[serde(default)]
    pub(crate) retry_statuses: Vec<u16>,
    pub(crate) success_pointer: Option<String>,
    pub(crate) success_value: Option<Json>,
    #[serde(default)]
    pub(crate) ordering: Ordering,
}

/// The method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    #[default]
    Post,
    Put,
    Patch,
    Get,
    Delete,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Get => "GET",
            Method::Delete => "DELETE",
        }
    }

    pub fn has_body(self) -> bool {
        !matches!(self, Method::Get | Method::Delete)
    }
}

/// How a request shows who sends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    #[default]
    None,
    Basic,
    Bearer,
    Header,
    Query,
    Oauth2ClientCredentials,
    Oauth2RefreshToken,
    JwtBearer,
    AwsSigv4,
}

/// Where the token endpoint finds the client's id and secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    #[default]
    Basic,
    Body,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentType {
    #[default]
    Json,
    Form,
    Xml,
}

impl ContentType {
    /// What the header content-type says.
    pub fn media_type(self) -> &'static str {
        match self {
            ContentType::Json => "application/json",
            ContentType::Form => "application/x-www-form-urlencoded",
            ContentType::Xml => "application/xml",
        }
    }
}

/// What becomes of objects and arrays in a form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormNested {
    #[default]
    Json,
    Dotted,
}

/// What is hashed of a phone number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhoneForm {
    /// With plus.
    #[default]
    E164,
    /// The same without plus.
    Digits,
}

/// How many events a request has, and in what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Batching {
    #[default]
    None,
    Array,
    Wrapper,
}

/// How a body is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signing {
    #[default]
    None,
    StandardWebhooks,
    HmacSha1,
    HmacSha256,
}

/// What becomes of events whose sender said nothing of a purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentUnknown {
    #[default]
    Send,
    Skip,
}

/// Which requests wait for each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ordering {
    #[default]
    None,
    User,
}
