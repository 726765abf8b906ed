//! What is made of the settings once, and checked.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use switchyard_sdk::judge::Response;

use crate::hashing::Hashing;
use crate::settings::{
    AuthKind, Batching, ConsentUnknown, ContentType, FormNested, Method, Ordering, Settings, Signing,
};
use crate::template::Template;
use crate::{header, scheme, url};

/// How a request shows who sends it.
#[derive(Clone, Debug)]
pub enum Credential {
    Basic(String, String),
    Bearer(String),
    Header(String, String),
    Query(String, String),
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
    pub(crate) is_url_secret: bool,
    pub(crate) content_type: ContentType,
    /// What the header content-type says.
    pub(crate) media_type: String,
    pub(crate) mapping: Option<Mapping>,
    pub(crate) null_for_missing: bool,
    pub(crate) form_nested: FormNested,
    pub(crate) xml_root: String,
    pub(crate) batching: Batching,
    pub(crate) events_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) wrapper_key: String,
    pub(crate) wrapper_sent_at: bool,
    pub(crate) signature: Option<Signature>,
    /// A scheme of the host that shows who sends it, with all its parameters.
    pub(crate) scheme: Option<String>,
    pub(crate) message_id_header: Option<String>,
    pub(crate) hashing: Hashing,
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
        check_batching(&settings)?;
        check_header_names(&settings)?;
        let single = settings.batching == Batching::None;
        let (media_type, headers) = headers(&settings)?;
        Ok(Webhook {
            url: url(&settings)?,
            method: settings.method,
            query: templates("query", &settings.query)?,
            headers,
            credentials: credentials(&settings)?,
            is_url_secret: settings.secret_url.is_some(),
            content_type: settings.content_type,
            media_type,
            mapping: settings.body.as_ref().map(mapping).transpose().map_err(|error| format!("body: {error}"))?,
            null_for_missing: settings.null_for_missing,
            form_nested: settings.form_nested,
            xml_root: settings.xml_root.clone().unwrap_or("event".to_string()),
            batching: settings.batching,
            events_max: if single { 1 } else { settings.batch_events_max.unwrap_or(100).max(1) as usize },
            bytes_max: settings.batch_bytes_max.unwrap_or(1_000_000),
            wrapper_key: settings.wrapper_key.clone().unwrap_or("batch".to_string()),
            wrapper_sent_at: settings.wrapper_sent_at,
            signature: signature(&settings)?,
            scheme: scheme::of_settings(&settings)?,
            success: success(&settings)?,
            hashing: hashing(&settings)?,
            message_id_header: settings.message_id_header,
            required_consent: settings.required_consent,
            consent_unknown: settings.consent_unknown,
            retry_statuses: settings.retry_statuses,
            ordering: settings.ordering,
        })
    }

    /// Whether a request carries one event, as it stands.
    pub fn passes_events_on(&self) -> bool {
        self.content_type == ContentType::Json
            && self.media_type == ContentType::Json.media_type()
            && self.mapping.is_none()
            && self.hashing.names.is_empty()
    }

    /// Whether a request shows who sends it, so that a receiver can refuse it for that.
    pub fn has_credential(&self) -> bool {
        !self.credentials.is_empty() || self.signature.is_some() || self.scheme.is_some() || self.is_url_secret
    }

    /// Whether an answer's body says that the receiver took it.
    pub fn says_success(&self, response: &Response) -> bool {
        let Some((pointer, wanted)) = &self.success else { return true };
        response.json().and_then(|answer| answer.pointer(pointer).cloned()).as_ref() == Some(wanted)
    }
}

fn check_batching(settings: &Settings) -> Result<(), String> {
    if settings.batching == Batching::None {
        return Ok(());
    }
    if settings.content_type != ContentType::Json {
        return Err("batching: only JSON bodies hold several events; set content_type = \"json\"".to_string());
    }
    if !settings.method.has_body() {
        return Err("batching: this method has no body; set method = \"POST\"".to_string());
    }
    if settings.wrapper_sent_at && settings.wrapper_key.as_deref() == Some("sentAt") {
        return Err("wrapper_key: sentAt has its own value; set wrapper_sent_at = false or another key".to_string());
    }
    Ok(())
}

fn check_header_names(settings: &Settings) -> Result<(), String> {
    settings.headers.keys().try_for_each(|name| header::check_name("headers", name))?;
    settings.secret_headers.keys().try_for_each(|name| header::check_name("secret_headers", name))?;
    let named = [
        ("auth_header", &settings.auth_header),
        ("signature_header", &settings.signature_header),
        ("message_id_header", &settings.message_id_header),
    ];
    named.iter().try_for_each(|(setting, name)| name.iter().try_for_each(|name| header::check_name(setting, name)))
}

/// The content type, and the other headers.
fn headers(settings: &Settings) -> Result<(String, Vec<(String, Template)>), String> {
    let mut headers = templates("headers", &settings.headers)?;
    for (name, template) in &headers {
        if !template.is_made_of(header::may_be_in_value) {
            return Err(format!("headers.{name}: holds a sign that is not ASCII"));
        }
    }
    let Some(at) = headers.iter().position(|(name, _)| name.eq_ignore_ascii_case("content-type")) else {
        return Ok((settings.content_type.media_type().to_string(), headers));
    };
    let (name, template) = headers.remove(at);
    if !template.is_constant() {
        return Err(format!("headers.{name}: must not come from the event"));
    }
    Ok((template.beginning().to_string(), headers))
}

fn credentials(settings: &Settings) -> Result<Vec<Credential>, String> {
    let needed = |name: &str, value: &Option<String>| {
        value.clone().ok_or(format!("{name}: is missing, and the other settings need it"))
    };
    let own = match settings.auth {
        AuthKind::None => None,
        AuthKind::Basic => {
            let password = settings.password.clone().unwrap_or_default();
            Some(Credential::Basic(needed("username", &settings.username)?, password))
        }
        AuthKind::Bearer => Some(Credential::Bearer(needed("token", &settings.token)?)),
        AuthKind::Header => {
            let name = needed("auth_header", &settings.auth_header)?;
            Some(Credential::Header(name, needed("auth_value", &settings.auth_value)?))
        }
        AuthKind::Query => {
            let name = needed("auth_query", &settings.auth_query)?;
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte)) || name.is_empty() {
                return Err(format!(
                    "auth_query: `{name}` is no name of a parameter; letters, digits and . _ ~ - make one"
                ));
            }
            Some(Credential::Query(name, needed("auth_value", &settings.auth_value)?))
        }
        // The host makes these: see `scheme`.
        _ => None,
    };
    let secret_headers = settings.secret_headers.iter();
    let secret_headers = secret_headers.map(|(name, value)| Credential::Header(name.clone(), value.clone()));
    Ok(own.into_iter().chain(secret_headers).collect())
}

fn url(settings: &Settings) -> Result<Template, String> {
    match (&settings.url, &settings.secret_url) {
        (Some(url), None) => url::read(url),
        // The plugin has its handle only.
        (None, Some(handle)) if settings.query.is_empty() => Template::new(handle),
        (None, Some(_)) => Err("query: cannot be added to secret_url; put it into the URL".to_string()),
        (Some(_), Some(_)) => Err("url: set either url or secret_url".to_string()),
        (None, None) => Err("url: is missing".to_string()),
    }
}

fn hashing(settings: &Settings) -> Result<Hashing, String> {
    let with_path = |name: &&String| name.starts_with("traits.") || name.starts_with("context.");
    if let Some(name) = settings.hash_traits.iter().find(with_path) {
        return Err(format!("hash_traits: `{name}`: leave out traits; `email` means it wherever traits are"));
    }
    Ok(Hashing {
        names: settings.hash_traits.clone(),
        default_country_code: settings.default_country_code.clone(),
        phone_form: settings.phone_form,
    })
}

/// Where an answer says that it succeeded, and how.
fn success(settings: &Settings) -> Result<Option<(String, Json)>, String> {
    let Some(pointer) = &settings.success_pointer else {
        return match settings.success_value {
            Some(_) => Err("success_pointer: is missing, and success_value needs it".to_string()),
            None => Ok(None),
        };
    };
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err("success_pointer: must be a JSON pointer, such as /status/ok".to_string());
    }
    Ok(Some((pointer.clone(), settings.success_value.clone().unwrap_or(Json::Bool(true)))))
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use switchyard_sdk::plugin;

    use super::*;

    fn read(settings: Json) -> Result<Webhook, String> {
        plugin::settings(&settings.to_string()).and_then(Webhook::new)
    }

    #[test]
    fn wrong_settings_are_named() {
        let check = |more: Json, wanted: &str| {
            let mut settings = json!({"url": "https://sink.example/in"});
            settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let error = read(settings).err().unwrap_or_else(|| panic!("{more} is taken"));
            assert!(error.starts_with(wanted), "{more}: {error}");
        };
        for url in ["", "ftp://a.example", "https://", "https://{{userId}}/in", "https://a.example:{{userId}}/in"] {
            check(json!({"url": url}), "url: ");
        }
        for url in ["https://me:secret@a.example/in", "https://a.example/ü", "https://a.example/a b", "https://a/{{x"]
        {
            check(json!({"url": url}), "url: ");
        }
        for place in ["{{}}", "{{ }}", "{{a..b}}", "{{.a}}", "{{a.}}"] {
            check(json!({"body": {"a": [place]}}), "body: ");
        }
        check(json!({"url": null}), "url: is missing");
        check(json!({"secret_url": "sw_x"}), "url: set either");
        check(json!({"url": null, "secret_url": "sw_x", "query": {"a": "b"}}), "query: ");
        check(json!({"headers": {"a b": "c"}}), "headers: `a b`");
        check(json!({"headers": {"": "c"}}), "headers: ``");
        check(json!({"headers": {"Host": "a.example"}}), "headers: `Host` is written by the host");
        check(json!({"headers": {"A": "ü{{userId}}"}}), "headers.A: ");
        check(json!({"headers": {"Content-Type": "{{userId}}"}}), "headers.Content-Type: ");
        check(json!({"secret_headers": {"content-length": "1"}}), "secret_headers: ");
        check(json!({"signature_header": "X:Y"}), "signature_header: ");
        check(json!({"message_id_header": "Ü"}), "message_id_header: ");
        check(json!({"auth": "basic"}), "username: is missing");
        check(json!({"auth": "bearer"}), "token: is missing");
        check(json!({"auth": "header", "auth_header": "X-Key"}), "auth_value: is missing");
        check(json!({"auth": "query", "auth_value": "sw_x"}), "auth_query: is missing");
        check(json!({"auth": "query", "auth_query": "key"}), "auth_value: is missing");
        check(json!({"auth": "query", "auth_query": "a=b&c", "auth_value": "sw_x"}), "auth_query: `a=b&c`");
        check(json!({"signing": "hmac-sha1"}), "signing_secret: is missing");
        check(json!({"auth": "oauth2_client_credentials"}), "token_url: is missing");
        let token_url = "https://auth.example/token";
        check(json!({"auth": "jwt_bearer", "token_url": token_url}), "jwt_key: is missing");
        let refresh = json!({"auth": "oauth2_refresh_token", "token_url": token_url, "client_id": "a"});
        check(refresh, "refresh_token: is missing");
        let spaced = json!({"auth": "jwt_bearer", "token_url": token_url, "jwt_key": "sw_x", "scopes": ["a b"]});
        check(spaced, "scope: must be without spaces");
        check(json!({"auth": "aws_sigv4", "aws_region": "r"}), "aws_service: is missing");
        check(json!({"batching": "array", "content_type": "xml"}), "batching: only JSON");
        check(json!({"batching": "array", "method": "GET"}), "batching: this method");
        check(json!({"batching": "wrapper", "wrapper_key": "sentAt", "wrapper_sent_at": true}), "wrapper_key: ");
        check(json!({"hash_traits": ["traits.email"]}), "hash_traits: `traits.email`");
        check(json!({"success_pointer": "ok"}), "success_pointer: must be");
        check(json!({"success_value": 1}), "success_pointer: is missing");
        check(json!({"no_setting": 1}), "settings: ");
    }

    #[test]
    fn a_url_is_as_long_as_it_may_be() {
        let url = |bytes: usize| format!("https://sink.example/{}", "p".repeat(bytes - 21));
        assert!(read(json!({"url": url(8_000)})).is_ok());
        let error = read(json!({"url": url(8_001)})).err();
        assert_eq!(error.as_deref(), Some("url: is longer than 8000 bytes"));
    }
}
