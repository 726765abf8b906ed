//! The settings, and what is made of them once.

use switchyard_sdk::prelude::*;

use crate::field::{Field, FieldSettings, fields};
use crate::properties::clean_name;
use crate::rules::{BASE, COMPANY, CONTACT, EVENT_NAME_CHARACTERS_MAX, RECORD_NAME_CHARACTERS_MAX, TOKEN_PATH};

/// The version of the API before versions were dates.
const LEGACY: &str = "v3";

/// The settings, as the operator writes them; plugin.toml says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default)]
    auth: AuthBy,
    access_token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    hub_id: Option<String>,
    endpoint: Option<String>,
    api_version: Option<String>,
    #[serde(default)]
    events: Vec<EventSettings>,
    #[serde(default)]
    unlisted_events: Unlisted,
    #[serde(default)]
    unlisted_properties: Unlisted,
    #[serde(default = "yes")]
    default_event_properties: bool,
    contact_id_property: Option<String>,
    #[serde(default)]
    contact_writes: ContactWrites,
    user_id_property: Option<String>,
    #[serde(default)]
    contact_properties: Vec<FieldSettings>,
    #[serde(default)]
    unlisted_traits: Unlisted,
    #[serde(default)]
    clear_empty_traits: bool,
    #[serde(default)]
    lifecycle_stage: Stages,
    legal_basis: Option<String>,
    #[serde(default)]
    company_lookup: CompanyLookup,
    company_id_property: Option<String>,
    #[serde(default)]
    company_properties: Vec<FieldSettings>,
    #[serde(default)]
    unlisted_group_traits: Unlisted,
}

fn yes() -> bool {
    true
}

/// How requests show who sends them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AuthBy {
    #[default]
    PrivateApp,
    Oauth2,
}

/// How requests show who sends them, with what it takes.
#[derive(Clone, Debug, PartialEq)]
enum Credential {
    /// The token of a private app.
    Token(String),
    /// A scheme of the host that fetches tokens, with its parameters.
    Scheme(String),
}

/// What becomes of that which the settings do not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unlisted {
    #[default]
    Skip,
    Send,
}

/// How contacts are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactWrites {
    #[default]
    Batch,
    Single,
}

/// Which way the stage of a contact may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stages {
    #[default]
    Forward,
    Any,
}

/// How the company of a group is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CompanyLookup {
    #[default]
    Domain,
    Property,
    None,
}

/// One of the events that are sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventSettings {
    #[serde(default)]
    kind: EventKind,
    event: Option<String>,
    name: String,
    user_id_property: Option<String>,
    #[serde(default)]
    properties: Vec<FieldSettings>,
}

/// What calls become events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    #[default]
    Track,
    Page,
    Screen,
}

/// An event that the settings list.
#[derive(Clone, Debug)]
pub struct Listed {
    pub kind: EventKind,
    /// None: any page or screen.
    pub event: Option<String>,
    /// `pe1234567_name`.
    pub name: String,
    /// The property of the event that the userId is written to: the vendor finds the record by it.
    pub user_id_property: Option<String>,
    pub fields: Vec<Field>,
}

/// What a contact is known by.
#[derive(Clone, Debug, PartialEq)]
pub enum ContactId {
    Email,
    /// A property with unique values that holds the userId.
    Property(String),
}

impl ContactId {
    /// The vendor's name of the property.
    pub fn property(&self) -> &str {
        match self {
            ContactId::Email => "email",
            ContactId::Property(name) => name,
        }
    }
}

/// How the company of a group is found.
#[derive(Clone, Debug, PartialEq)]
pub enum Companies {
    /// Groups are not sent.
    None,
    /// By its domain: it is searched first.
    Domain,
    /// By a property with unique values that holds the groupId.
    Property(String),
}

/// Everything that a plan and a judgement need, checked once.
#[derive(Clone, Debug)]
pub struct HubSpot {
    credential: Credential,
    pub(crate) base: String,
    pub(crate) api_version: String,
    pub(crate) contacts_url: String,
    pub(crate) companies_url: String,
    pub(crate) company_search_url: String,
    pub(crate) events_url: String,
    /// `pe1234567_`, where events that are not listed are sent.
    pub(crate) event_prefix: Option<String>,
    pub(crate) events: Vec<Listed>,
    pub(crate) unlisted_properties: Unlisted,
    pub(crate) default_event_properties: bool,
    pub(crate) contact_id: ContactId,
    pub(crate) contact_writes: ContactWrites,
    pub(crate) user_id_property: Option<String>,
    pub(crate) contact_fields: Vec<Field>,
    pub(crate) unlisted_traits: Unlisted,
    pub(crate) clear_empty_traits: bool,
    pub(crate) lifecycle_stage: Stages,
    pub(crate) legal_basis: Option<String>,
    pub(crate) companies: Companies,
    pub(crate) company_fields: Vec<Field>,
    pub(crate) unlisted_group_traits: Unlisted,
}

impl HubSpot {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that is wrong and what would be right.
    pub fn new(settings: Settings) -> Result<HubSpot, String> {
        let base = filled(settings.endpoint).unwrap_or(BASE.to_string()).trim_end_matches('/').to_string();
        let credential = match settings.auth {
            AuthBy::PrivateApp => Credential::Token(needed("access_token", settings.access_token, "private_app")?),
            AuthBy::Oauth2 => {
                let (id, secret) = (settings.client_id, settings.client_secret);
                oauth2(&base, id, secret, settings.refresh_token).map(Credential::Scheme)?
            }
        };
        let api_version = filled(settings.api_version).unwrap_or(LEGACY.to_string());
        let objects = objects_url(&base, &api_version);
        let hub_id = filled(settings.hub_id);
        if hub_id.as_deref().is_some_and(|id| !id.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err("hub_id: must be the number of the account, such as 1234567".to_string());
        }
        let events: Result<Vec<Listed>, String> =
            settings.events.into_iter().map(|event| listed(event, hub_id.as_deref())).collect();
        let event_prefix = match (settings.unlisted_events, &hub_id) {
            (Unlisted::Skip, _) => None,
            (Unlisted::Send, Some(hub_id)) => Some(format!("pe{hub_id}_")),
            (Unlisted::Send, None) => {
                return Err("hub_id: is needed to send events that are not listed".to_string());
            }
        };
        let contact_id = match filled(settings.contact_id_property) {
            None => ContactId::Email,
            Some(name) if name == "email" => ContactId::Email,
            Some(name) => ContactId::Property(property("contact_id_property", &name)?),
        };
        let companies = match (settings.company_lookup, filled(settings.company_id_property)) {
            (CompanyLookup::None, _) => Companies::None,
            (CompanyLookup::Domain, _) => Companies::Domain,
            (CompanyLookup::Property, Some(name)) => Companies::Property(property("company_id_property", &name)?),
            (CompanyLookup::Property, None) => {
                return Err("company_id_property: is needed where company_lookup is property".to_string());
            }
        };
        let user_id_property = filled(settings.user_id_property);
        Ok(HubSpot {
            credential,
            contacts_url: format!("{objects}/contacts/batch/upsert"),
            companies_url: format!("{objects}/companies/batch/upsert"),
            company_search_url: format!("{objects}/companies/search"),
            events_url: format!("{base}/events/{api_version}/send/batch"),
            base,
            api_version,
            event_prefix,
            events: events?,
            unlisted_properties: settings.unlisted_properties,
            default_event_properties: settings.default_event_properties,
            contact_id,
            contact_writes: settings.contact_writes,
            user_id_property: user_id_property.map(|name| property("user_id_property", &name)).transpose()?,
            contact_fields: fields("contact_properties", settings.contact_properties, RECORD_NAME_CHARACTERS_MAX)?,
            unlisted_traits: settings.unlisted_traits,
            clear_empty_traits: settings.clear_empty_traits,
            lifecycle_stage: settings.lifecycle_stage,
            legal_basis: filled(settings.legal_basis),
            companies,
            company_fields: fields("company_properties", settings.company_properties, RECORD_NAME_CHARACTERS_MAX)?,
            unlisted_group_traits: settings.unlisted_group_traits,
        })
    }

    /// The records of a kind.
    pub(crate) fn objects_url(&self) -> String {
        objects_url(&self.base, &self.api_version)
    }

    /// Where contacts and companies are linked, many at once.
    pub(crate) fn links_url(&self) -> String {
        let (base, version) = (&self.base, self.api_version.as_str());
        let version = if version == LEGACY { "v4/associations".to_string() } else { format!("associations/{version}") };
        format!("{base}/crm/{version}/contacts/companies/batch/associate/default")
    }

    /// Where one contact and one company are linked.
    pub(crate) fn link_url(&self, contact: &str, company: &str) -> String {
        let (base, version) = (&self.base, self.api_version.as_str());
        let version = if version == LEGACY { "v4/objects".to_string() } else { format!("objects/{version}") };
        format!("{base}/crm/{version}/contacts/{contact}/associations/default/companies/{company}")
    }

    /// Adds to a request how it shows who sends it: the only place that does.
    pub(crate) fn sign(&self, request: &mut Request) {
        match &self.credential {
            Credential::Token(token) => request.bearer(token),
            Credential::Scheme(scheme) => request.auth(Auth::Named(scheme.clone())),
        };
    }
}

/// The host's scheme that fetches access tokens. HubSpot takes the client's id and secret in the form.
fn oauth2(
    base: &str,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
) -> Result<String, String> {
    if base.contains(char::is_whitespace) {
        return Err("endpoint: must be without spaces".to_string());
    }
    let [id, secret, token] =
        [("client_id", client_id), ("client_secret", client_secret), ("refresh_token", refresh_token)]
            .map(|(name, value)| needed(name, value, "oauth2"));
    Ok(format!(
        "oauth2-refresh-token token-url={base}{TOKEN_PATH} client-id={} client-secret={} client-auth=body refresh-token={}",
        id?, secret?, token?
    ))
}

/// The value of a setting that this way to authenticate needs.
fn needed(name: &str, value: Option<String>, auth: &str) -> Result<String, String> {
    match filled(value) {
        Some(value) if !value.contains(char::is_whitespace) => Ok(value),
        Some(_) => Err(format!("{name}: must be without spaces")),
        None => Err(format!("{name}: is missing, and auth = {auth} needs it")),
    }
}

/// Before the versions were dates, the version stood in front.
fn objects_url(base: &str, api_version: &str) -> String {
    if api_version == LEGACY { format!("{base}/crm/v3/objects") } else { format!("{base}/crm/objects/{api_version}") }
}

fn listed(event: EventSettings, hub_id: Option<&str>) -> Result<Listed, String> {
    let title = filled(event.event);
    if event.kind == EventKind::Track && title.is_none() {
        return Err("events: a track needs its `event`, the name by which the source calls it".to_string());
    }
    let given = event.name.trim();
    let is_whole = given.strip_prefix("pe").is_some_and(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && rest[digits..].starts_with('_')
    });
    let own = if is_whole { given.split_once('_').map_or("", |(_, own)| own) } else { given };
    if clean_name(own, EVENT_NAME_CHARACTERS_MAX).as_deref() != Some(own) {
        return Err(format!(
            "events: `{given}` is no name of an event in HubSpot, which begins with a letter and has at most \
             {EVENT_NAME_CHARACTERS_MAX} lower-case letters, digits and _"
        ));
    }
    let name = match hub_id {
        _ if is_whole => given.to_string(),
        Some(hub_id) => format!("pe{hub_id}_{given}"),
        None => return Err(format!("hub_id: is needed for the event `{given}`; or write pe<Hub ID>_{given}")),
    };
    let user_id_property = filled(event.user_id_property).map(|name| event_property("events", &name)).transpose()?;
    let fields = fields("events", event.properties, EVENT_NAME_CHARACTERS_MAX)?;
    Ok(Listed { kind: event.kind, event: title, name, user_id_property, fields })
}

/// The name of a record's property that holds an id.
fn property(setting: &str, name: &str) -> Result<String, String> {
    let is_own = CONTACT.iter().chain(COMPANY).any(|mapping| mapping.to == name);
    match clean_name(name, RECORD_NAME_CHARACTERS_MAX) {
        Some(clean) if clean == name && !is_own => Ok(name.to_string()),
        _ => Err(format!("{setting}: `{name}` must be the internal name of a property made for ids")),
    }
}

fn event_property(setting: &str, name: &str) -> Result<String, String> {
    match clean_name(name, EVENT_NAME_CHARACTERS_MAX) {
        Some(clean) if clean == name => Ok(name.to_string()),
        _ => Err(format!("{setting}: `{name}` is no name of a property in HubSpot")),
    }
}

fn filled(setting: Option<String>) -> Option<String> {
    setting.map(|text| text.trim().to_string()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::HubSpot;

    #[test]
    fn settings_that_are_wrong_say_what_would_be_right() {
        let check = |more: Value, setting: &str| {
            let mut settings = json!({"access_token": "sw_token"});
            settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let error = HubSpot::new(serde_json::from_value(settings).unwrap()).err();
            assert!(error.as_deref().is_some_and(|error| error.starts_with(setting)), "{more}: {error:?}");
        };
        let event = |event: Value| json!({"hub_id": "1", "events": [event]});
        let fields = |fields: Value| event(json!({"event": "A", "name": "a", "properties": fields}));
        check(json!({"access_token": " "}), "access_token:");
        check(json!({"access_token": null}), "access_token:");
        let oauth2 = |name: &str, value: Value| {
            let mut settings =
                json!({"auth": "oauth2", "client_id": "a", "client_secret": "sw_b", "refresh_token": "sw_c"});
            settings[name] = value;
            settings
        };
        for name in ["client_id", "client_secret", "refresh_token"] {
            check(oauth2(name, Value::Null), &format!("{name}: is missing"));
        }
        check(oauth2("client_id", json!("a b=c")), "client_id: must be without spaces");
        check(oauth2("endpoint", json!("https://a.example/x scope=y")), "endpoint: must be without spaces");
        check(json!({"hub_id": "eu1"}), "hub_id:");
        check(json!({"events": [{"event": "A", "name": "a"}]}), "hub_id:");
        check(json!({"unlisted_events": "send"}), "hub_id:");
        check(event(json!({"name": "a"})), "events: a track");
        check(event(json!({"event": "A", "name": "Order Completed"})), "events: `Order Completed`");
        check(event(json!({"event": "A", "name": "a".repeat(51)})), "events: `aaa");
        check(event(json!({"event": "A", "name": format!("pe1_{}", "a".repeat(51))})), "events: `pe1_");
        check(event(json!({"event": "A", "name": "a", "user_id_property": "A b"})), "events: `A b`");
        check(fields(json!([{"from": "€"}])), "events: `€`");
        check(fields(json!([{"from": "x", "to": "y".repeat(51)}])), "events: `yyy");
        check(fields(json!([{"from": "x y"}, {"from": "z", "to": "x_y"}])), "events: two properties");
        check(json!({"contact_properties": [{"from": " "}]}), "contact_properties:");
        check(json!({"contact_id_property": "phone"}), "contact_id_property:");
        check(json!({"user_id_property": "User ID"}), "user_id_property:");
        check(json!({"company_lookup": "property"}), "company_id_property:");
        check(json!({"company_lookup": "property", "company_id_property": "name"}), "company_id_property:");
    }
}
