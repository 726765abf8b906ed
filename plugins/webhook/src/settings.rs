//! The settings, and what is made of them once.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use switchyard_sdk::judge::Response;
use switchyard_sdk::prelude::Deserialize;

use crate::template::Template;

/// The settings, as the operator writes them; plugin.toml says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    url: Option<String>,
    secret_url: Option<String>,
    #[serde(default)]
    method: Method,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    secret_headers: BTreeMap<String, String>,
    #[serde(default)]
    auth: AuthKind,
    username: Option<String>,
    password: Option<String>,
    token: Option<String>,
    auth_header: Option<String>,
    auth_value: Option<String>,
    #[serde(default)]
    content_type: ContentType,
    body: Option<Json>,
    #[serde(default)]
    null_for_missing: bool,
    #[serde(default)]
    form_nested: FormNested,
    #[serde(default)]
    batching: Batching,
    batch_events_max: Option<u32>,
    batch_bytes_max: Option<usize>,
    wrapper_key: Option<String>,
    #[serde(default)]
    wrapper_sent_at: bool,
    #[serde(default)]
    signing: Signing,
    signing_secret: Option<String>,
    signing_secret_old: Option<String>,
    signature_header: Option<String>,
    message_id_header: Option<String>,
    #[serde(default)]
    hash_traits: Vec<String>,
    default_country_code: Option<String>,
    #[serde(default)]
    required_consent: Vec<String>,
    #[serde(default)]
    consent_unknown: ConsentUnknown,
    #[serde(default)]
    retry_statuses: Vec<u16>,
    success_pointer: Option<String>,
    success_value: Option<Json>,
    #[serde(default)]
    ordering: Ordering,
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AuthKind {
    #[default]
    None,
    Basic,
    Bearer,
    Header,
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

/// What becomes of objects and arrays in a form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormNested {
    #[default]
    Json,
    Dotted,
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Signing {
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

/// How a request shows who sends it.
#[derive(Clone, Debug)]
pub enum Credential {
    Basic(String, String),
    Bearer(String),
    Header(String, String),
}

/// How the body is signed; the host does it, over the bytes that it sends.
#[derive(Clone, Debug)]
pub enum Signature {
    /// Keys, the newest first.
    StandardWebhooks(Vec<String>),
    /// A scheme of the host, with all its parameters.
    Fixed(String),
}

/// A body that is mapped field by field.
#[derive(Clone, Debug)]
pub enum Mapping {
    Text(Template),
    Constant(String),
    Array(Vec<Mapping>),
    Object(Vec<(String, Mapping)>),
}

/// Everything that a plan needs, checked and read once.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub(crate) url: Template,
    pub(crate) method: Method,
    pub(crate) query: Vec<(String, Template)>,
    pub(crate) headers: Vec<(String, Template)>,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) content_type: ContentType,
    pub(crate) mapping: Option<Mapping>,
    pub(crate) null_for_missing: bool,
    pub(crate) form_nested: FormNested,
    pub(crate) batching: Batching,
    pub(crate) events_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) wrapper_key: String,
    pub(crate) wrapper_sent_at: bool,
    pub(crate) signature: Option<Signature>,
    pub(crate) message_id_header: Option<String>,
    pub(crate) hash_traits: Vec<String>,
    pub(crate) default_country_code: Option<String>,
    pub(crate) required_consent: Vec<String>,
    pub(crate) consent_unknown: ConsentUnknown,
    pub(crate) retry_statuses: Vec<u16>,
    pub(crate) success: Option<(String, Json)>,
    pub(crate) ordering: Ordering,
}

impl Webhook {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that is wrong and what would be right.
    pub fn new(settings: Settings) -> Result<Webhook, String> {
        let needed = |name: &str, value: &Option<String>| {
            value.clone().ok_or(format!("{name}: is missing, and the other settings need it"))
        };
        let mut credentials = match settings.auth {
            AuthKind::None => Vec::new(),
            AuthKind::Basic => {
                vec![Credential::Basic(
                    needed("username", &settings.username)?,
                    settings.password.clone().unwrap_or_default(),
                )]
            }
            AuthKind::Bearer => vec![Credential::Bearer(needed("token", &settings.token)?)],
            AuthKind::Header => {
                let name = needed("auth_header", &settings.auth_header)?;
                vec![Credential::Header(name, needed("auth_value", &settings.auth_value)?)]
            }
        };
        credentials.extend(
            settings.secret_headers.iter().map(|(name, value)| Credential::Header(name.clone(), value.clone())),
        );
        let single = settings.batching == Batching::None;
        if !single && settings.content_type != ContentType::Json {
            return Err("batching: only JSON bodies hold several events; set content_type = \"json\"".to_string());
        }
        if !single && !settings.method.has_body() {
            return Err("batching: this method has no body; set method = \"POST\"".to_string());
        }
        let url = url(&settings)?;
        let success = settings
            .success_pointer
            .clone()
            .map(|pointer| (pointer, settings.success_value.clone().unwrap_or(Json::Bool(true))));
        if success.as_ref().is_some_and(|(pointer, _)| !pointer.is_empty() && !pointer.starts_with('/')) {
            return Err("success_pointer: must be a JSON pointer, such as /status/ok".to_string());
        }
        Ok(Webhook {
            url,
            method: settings.method,
            query: templates("query", &settings.query)?,
            headers: templates("headers", &settings.headers)?,
            credentials,
            content_type: settings.content_type,
            mapping: settings.body.as_ref().map(mapping).transpose().map_err(|error| format!("body: {error}"))?,
            null_for_missing: settings.null_for_missing,
            form_nested: settings.form_nested,
            batching: settings.batching,
            events_max: if single { 1 } else { settings.batch_events_max.unwrap_or(100).max(1) as usize },
            bytes_max: settings.batch_bytes_max.unwrap_or(1_000_000),
            wrapper_key: settings.wrapper_key.clone().unwrap_or("batch".to_string()),
            wrapper_sent_at: settings.wrapper_sent_at,
            signature: signature(&settings)?,
            message_id_header: settings.message_id_header,
            hash_traits: settings.hash_traits,
            default_country_code: settings.default_country_code,
            required_consent: settings.required_consent,
            consent_unknown: settings.consent_unknown,
            retry_statuses: settings.retry_statuses,
            success,
            ordering: settings.ordering,
        })
    }

    /// Whether an answer's body says that the receiver took it.
    pub fn says_success(&self, response: &Response) -> bool {
        let Some((pointer, wanted)) = &self.success else { return true };
        response.json().and_then(|answer| answer.pointer(pointer).cloned()).as_ref() == Some(wanted)
    }
}

/// The URL: its host is the operator's, never the event's.
fn url(settings: &Settings) -> Result<Template, String> {
    let text = match (&settings.url, &settings.secret_url) {
        (Some(url), None) => url,
        (None, Some(url)) if settings.query.is_empty() => return Template::new(url),
        (None, Some(_)) => return Err("query: cannot be added to secret_url; put it into the URL".to_string()),
        (Some(_), Some(_)) => return Err("url: set either url or secret_url".to_string()),
        (None, None) => return Err("url: is missing".to_string()),
    };
    let template = Template::new(text).map_err(|error| format!("url: {error}"))?;
    let fixed = template.beginning();
    let Some(rest) = fixed.strip_prefix("https://").or_else(|| fixed.strip_prefix("http://")) else {
        return Err("url: must begin with https:// or http://".to_string());
    };
    let host_ends = rest.find(['/', '?']);
    if host_ends.is_none() && !template.is_constant() {
        return Err("url: the host must not come from the event; put a / before the first {{".to_string());
    }
    let host = &rest[..host_ends.unwrap_or(rest.len())];
    if host.is_empty() {
        return Err("url: has no host".to_string());
    }
    if host.contains('@') {
        return Err("url: has a user or password in it; use auth instead".to_string());
    }
    Ok(template)
}

fn templates(setting: &str, texts: &BTreeMap<String, String>) -> Result<Vec<(String, Template)>, String> {
    let read = |(name, text): (&String, &String)| match Template::new(text) {
        Ok(template) => Ok((name.clone(), template)),
        Err(error) => Err(format!("{setting}.{name}: {error}")),
    };
    texts.iter().map(read).collect()
}

fn mapping(value: &Json) -> Result<Mapping, String> {
    Ok(match value {
        Json::String(text) => Mapping::Text(Template::new(text)?),
        Json::Array(items) => Mapping::Array(items.iter().map(mapping).collect::<Result<_, _>>()?),
        Json::Object(members) => {
            let members = members.iter().map(|(key, member)| Ok((key.clone(), mapping(member)?)));
            Mapping::Object(members.collect::<Result<_, String>>()?)
        }
        constant => Mapping::Constant(constant.to_string()),
    })
}

fn signature(settings: &Settings) -> Result<Option<Signature>, String> {
    if settings.signing == Signing::None {
        return Ok(None);
    }
    let key = settings.signing_secret.clone().ok_or("signing_secret: is missing, and signing needs it")?;
    let hmac = |hash: &str| {
        let header = settings.signature_header.as_deref().unwrap_or("X-Signature");
        Some(Signature::Fixed(format!("hmac-{hash}-hex header={header} key={key}")))
    };
    Ok(match settings.signing {
        Signing::None => None,
        Signing::StandardWebhooks => Some(Signature::StandardWebhooks(
            [Some(key), settings.signing_secret_old.clone()].into_iter().flatten().collect(),
        )),
        Signing::HmacSha1 => hmac("sha1"),
        Signing::HmacSha256 => hmac("sha256"),
    })
}
