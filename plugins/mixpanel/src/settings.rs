//! The settings, and what is made of them once.

use std::collections::BTreeMap;

use switchyard_sdk::JsonWriter;
use switchyard_sdk::name::PageName;
use switchyard_sdk::prelude::{Deserialize, key};
use switchyard_sdk::settings::filled;
use switchyard_sdk::url::push_query;

use crate::rules::{is_reserved, may_be_of_context};

/// The group key of a project that names none.
const GROUP_KEY: &str = "$group_id";

/// The settings, as the operator writes them; plugin.toml says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    project_token: String,
    service_account_user: Option<String>,
    service_account_secret: Option<String>,
    project_id: Option<String>,
    #[serde(default)]
    residency: Residency,
    endpoint: Option<String>,
    #[serde(default)]
    identity_mode: IdentityMode,
    #[serde(default)]
    merge_with: MergeWith,
    page_event: Option<String>,
    screen_event: Option<String>,
    identify_event: Option<String>,
    group_event: Option<String>,
    group_key: Option<String>,
    #[serde(default)]
    group_keys: Vec<String>,
    #[serde(default)]
    group_on_profile: bool,
    product_event: Option<String>,
    #[serde(default)]
    trait_operators: BTreeMap<String, Operator>,
    #[serde(default)]
    unset_null_traits: bool,
    #[serde(default = "yes")]
    send_ip: bool,
    #[serde(default = "yes")]
    parse_user_agent: bool,
}

fn yes() -> bool {
    true
}

/// Where the project's data is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Residency {
    #[default]
    Us,
    Eu,
    In,
}

impl Residency {
    fn base(self) -> &'static str {
        match self {
            Residency::Us => "https://api.mixpanel.com",
            Residency::Eu => "https://api-eu.mixpanel.com",
            Residency::In => "https://api-in.mixpanel.com",
        }
    }
}

/// How the project joins a visitor and a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityMode {
    #[default]
    Simplified,
    Original,
}

/// How two identities become one in the original mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MergeWith {
    #[default]
    Identify,
    Merge,
}

/// How a trait is written to the profile.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    Set,
    SetOnce,
    Add,
    Append,
    Union,
    Remove,
    Ignore,
}

/// How a request to /import shows who sends it.
#[derive(Clone, Debug, PartialEq)]
pub enum Account {
    /// By the project's token.
    Project,
    /// By a service account: its user and its secret.
    Service(String, String),
}

/// Everything that a plan needs, checked once.
#[derive(Clone, Debug)]
pub struct Mixpanel {
    pub(crate) import_url: String,
    pub(crate) engage_url: String,
    pub(crate) groups_url: String,
    pub(crate) project_token: String,
    /// `{"$token":"..."`: what each record of a profile begins with.
    pub(crate) record_beginning: Vec<u8>,
    pub(crate) account: Account,
    pub(crate) identity_mode: IdentityMode,
    pub(crate) merge_with: MergeWith,
    pub(crate) page_event: PageName,
    pub(crate) screen_event: PageName,
    pub(crate) identify_event: Option<String>,
    pub(crate) group_event: Option<String>,
    pub(crate) group_key: String,
    /// Without `group_key`, each once.
    pub(crate) group_keys: Vec<String>,
    pub(crate) group_on_profile: bool,
    pub(crate) product_event: Option<String>,
    pub(crate) trait_operators: BTreeMap<String, Operator>,
    pub(crate) unset_null_traits: bool,
    pub(crate) send_ip: bool,
    pub(crate) parse_user_agent: bool,
}

impl Mixpanel {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that is wrong and what would be right.
    pub fn new(settings: Settings) -> Result<Mixpanel, String> {
        if settings.project_token.trim().is_empty() {
            return Err("project_token: must be the project's token".to_string());
        }
        let base = match filled(settings.endpoint) {
            Some(endpoint) => endpoint.trim_end_matches('/').to_string(),
            None => settings.residency.base().to_string(),
        };
        let mut import_url = format!("{base}/import?strict=1");
        let user = filled(settings.service_account_user);
        let secret = filled(settings.service_account_secret);
        let account = match (user, secret, filled(settings.project_id)) {
            // A project's id alone does no harm, and the vendor wants none beside the token.
            (None, None, _) => Account::Project,
            (Some(user), Some(secret), Some(project_id)) => {
                if !project_id.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err("project_id: must be the number of the project, such as 1234567".to_string());
                }
                push_query(&mut import_url, "project_id", &project_id);
                Account::Service(user, secret)
            }
            _ => {
                return Err("service_account_user: a service account needs service_account_user, \
                            service_account_secret and project_id together"
                    .to_string());
            }
        };
        let group_key = filled(settings.group_key).unwrap_or(GROUP_KEY.to_string());
        check_group_key("group_key", &group_key)?;
        let mut group_keys: Vec<String> = Vec::new();
        for key in settings.group_keys.into_iter().filter_map(|key| filled(Some(key))) {
            check_group_key("group_keys", &key)?;
            if key != group_key && !group_keys.contains(&key) {
                group_keys.push(key);
            }
        }
        let mut record = JsonWriter::new();
        record.begin_object();
        record.member(key!("$token"), &settings.project_token);
        Ok(Mixpanel {
            import_url,
            engage_url: format!("{base}/engage?strict=1&verbose=1&ip=0"),
            groups_url: format!("{base}/groups?strict=1&verbose=1&ip=0"),
            project_token: settings.project_token,
            record_beginning: record.into_bytes(),
            account,
            identity_mode: settings.identity_mode,
            merge_with: settings.merge_with,
            page_event: PageName::of(settings.page_event, "Loaded a Page"),
            screen_event: PageName::of(settings.screen_event, "Loaded a Screen"),
            identify_event: filled(settings.identify_event),
            group_event: filled(settings.group_event),
            group_key,
            group_keys,
            group_on_profile: settings.group_on_profile,
            product_event: filled(settings.product_event),
            trait_operators: settings.trait_operators,
            unset_null_traits: settings.unset_null_traits,
            send_ip: settings.send_ip,
            parse_user_agent: settings.parse_user_agent,
        })
    }
}

/// A group is a property of events, and none of them has two of one name.
fn check_group_key(setting: &str, key: &str) -> Result<(), String> {
    if key != GROUP_KEY && (is_reserved(key.as_bytes()) || may_be_of_context(key.as_bytes())) {
        return Err(format!("{setting}: `{key}` is a name that events use already; take the project's group key"));
    }
    Ok(())
}
