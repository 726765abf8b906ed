//! The section on plugins: where they come from, whose signatures are good, and how new revisions are
//! watched.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::check::Checker;
use super::raw::RawDirectory;
use super::{AddressRange, ConfigError};
use crate::delivery::thresholds::Thresholds;
use crate::plugin::registry::Login;
use crate::plugin::signature::PublicKey;

/// How plugins are taken, kept and watched.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginRules {
    /// So many revisions of each plugin are kept to go back to, compiled. 5: a bad week.
    pub revisions_kept: usize,
    /// Whose signatures are good.
    pub public_keys: Vec<PublicKey>,
    /// What becomes of a file without a signature.
    pub unsigned: Unsigned,
    /// Addresses that are not public and that plugins may be fetched from.
    pub allowed_addresses: Vec<AddressRange>,
    /// Logins for the registries that plugins are fetched from, by host.
    pub logins: Vec<(String, Login)>,
    /// When a new revision is taken back.
    pub watch: Watch,
}

/// What becomes of a plugin's file without a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unsigned {
    /// It is taken.
    #[default]
    Allowed,
    /// It is refused.
    Refused,
}

/// How a new revision is watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watch {
    /// One that took over is watched for so long, in milliseconds; 0: not at all. 10 minutes: what is
    /// wrong with a revision shows with the first events.
    pub watch_ms: u64,
    /// Beyond one of these it is taken back.
    pub thresholds: Thresholds,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlugins {
    directory: Spanned<String>,
    revisions_kept: Option<Spanned<usize>>,
    #[serde(default)]
    public_keys: Vec<Spanned<String>>,
    #[serde(default)]
    unsigned: Unsigned,
    #[serde(default)]
    allowed_addresses: Vec<Spanned<String>>,
    #[serde(default)]
    registry: Vec<Spanned<RawRegistry>>,
    #[serde(default)]
    watch: RawWatch,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRegistry {
    host: Spanned<String>,
    username: Spanned<String>,
    password: Spanned<toml::Value>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWatch {
    minutes: Option<Spanned<f64>>,
    events_min: Option<u64>,
    traps: Option<Spanned<f64>>,
    faults: Option<Spanned<f64>>,
    rejects: Option<Spanned<f64>>,
    retries: Option<Spanned<f64>>,
}

impl Checker<'_> {
    /// The plugin directory, and the rest.
    pub(super) fn plugins(&self, raw: RawPlugins) -> Result<(PathBuf, PluginRules), ConfigError> {
        let revisions_kept = match &raw.revisions_kept {
            Some(kept) if *kept.get_ref() == 0 => {
                let message = "plugins.revisions_kept must be at least 1: the active revision is one of them";
                return Err(self.wrong(kept.span().start, message.to_string()));
            }
            Some(kept) => *kept.get_ref(),
            None => 5,
        };
        let key = |raw: &Spanned<String>| -> Result<PublicKey, ConfigError> {
            self.text(raw)?.parse().map_err(|message| self.wrong(raw.span().start, message))
        };
        let rules = PluginRules {
            revisions_kept,
            public_keys: raw.public_keys.iter().map(key).collect::<Result<_, _>>()?,
            unsigned: raw.unsigned,
            allowed_addresses: raw
                .allowed_addresses
                .iter()
                .map(|range| self.parsed(range))
                .collect::<Result<_, _>>()?,
            logins: raw.registry.iter().map(|login| self.login(login.get_ref())).collect::<Result<_, _>>()?,
            watch: self.watch(&raw.watch)?,
        };
        if rules.unsigned == Unsigned::Refused && rules.public_keys.is_empty() {
            let message =
                "plugins.unsigned = \"refused\" needs plugins.public_keys: without one no plugin could be loaded";
            return Err(self.wrong(raw.directory.span().start, message.to_string()));
        }
        Ok((self.directory(RawDirectory { directory: raw.directory })?, rules))
    }

    fn login(&self, raw: &RawRegistry) -> Result<(String, Login), ConfigError> {
        let host = self.text(&raw.host)?;
        if host.is_empty() || host.contains('/') {
            let message = "the host of a registry is a name with its port where it has one, such as \"ghcr.io\"";
            return Err(self.wrong(raw.host.span().start, message.to_string()));
        }
        let offset = raw.password.span().start;
        if raw.password.get_ref().get("command").is_some() {
            let message = "the password of a registry is a text, \"${env:NAME}\" or { file = \"...\" }";
            return Err(self.wrong(offset, message.to_string()));
        }
        let password = self.value(raw.password.get_ref(), offset)?;
        let login = Login::new(&self.text(&raw.username)?, password.as_str().unwrap_or_default());
        Ok((host, login.map_err(|message| self.wrong(offset, message.to_string()))?))
    }

    fn watch(&self, raw: &RawWatch) -> Result<Watch, ConfigError> {
        let defaults = Thresholds::default();
        let share = |name: &str, raw: &Option<Spanned<f64>>, default: f64| match raw {
            Some(share) if !(0.0..=1.0).contains(share.get_ref()) => {
                let message = format!("plugins.watch.{name} is a share of the events: it must lie between 0 and 1");
                Err(self.wrong(share.span().start, message))
            }
            Some(share) => Ok(*share.get_ref()),
            None => Ok(default),
        };
        let minutes = raw.minutes.as_ref().map_or(10.0, |minutes| *minutes.get_ref());
        if !(0.0..=10_080.0).contains(&minutes) {
            let at = raw.minutes.as_ref().map_or(0, |minutes| minutes.span().start);
            return Err(self.wrong(at, "plugins.watch.minutes must lie between 0 and 10080, a week".to_string()));
        }
        Ok(Watch {
            watch_ms: (minutes * 60_000.0) as u64,
            thresholds: Thresholds {
                events_min: raw.events_min.unwrap_or(defaults.events_min),
                traps: share("traps", &raw.traps, defaults.traps)?,
                faults: share("faults", &raw.faults, defaults.faults)?,
                rejects: share("rejects", &raw.rejects, defaults.rejects)?,
                retries: share("retries", &raw.retries, defaults.retries)?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(keys: &str) -> Result<PluginRules, String> {
        let text = format!("[data]\ndirectory = \"d\"\n[plugins]\ndirectory = \"p\"\n{keys}");
        let config = Config::parse(&text, Path::new("c.toml"), &|_| None);
        config.map(|config| config.plugins).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_and_bounds() {
        let rules = parse("").unwrap();
        assert_eq!((rules.revisions_kept, rules.unsigned, rules.watch.watch_ms), (5, Unsigned::Allowed, 600_000));
        assert_eq!(rules.watch.thresholds, Thresholds::default());
        let good =
            ["revisions_kept = 1", "watch = { traps = 0.0, faults = 1.0, minutes = 0 }", "watch = { minutes = 10080 }"];
        let key = include_str!("../plugin/tests/signed.txt").lines().next().unwrap();
        let signed = format!("public_keys = [\"{key}\"]\nunsigned = \"refused\"");
        for keys in good.into_iter().chain([&signed[..]]) {
            assert!(parse(keys).is_ok(), "{keys}: {:?}", parse(keys));
        }
        let registry = |keys: &str| format!("[[plugins.registry]]\nhost = \"ghcr.io\"\n{keys}");
        let login = parse(&registry("username = \"robot\"\npassword = \"hush\"")).unwrap().logins;
        assert_eq!(login, [("ghcr.io".to_string(), Login::new("robot", "hush").unwrap())]);
        let by_command = registry("username = \"robot\"\npassword = { command = [\"true\"] }");
        let nobody = registry("username = \"\"\npassword = \"hush\"");
        let bad = [
            (&by_command[..], "{ file ="),
            (&nobody[..], "username"),
            ("[[plugins.registry]]\nhost = \"a/b\"\nusername = \"u\"\npassword = \"p\"", "ghcr.io"),
            ("revisions_kept = 0", "at least 1"),
            ("watch = { traps = 1.01 }", "plugins.watch.traps"),
            ("watch = { retries = -0.01 }", "plugins.watch.retries"),
            ("watch = { minutes = 10081 }", "a week"),
            ("public_keys = [\"nonsense\"]", "minisign"),
            ("unsigned = \"refused\"", "public_keys"),
        ];
        for (keys, says) in bad {
            let error = parse(keys).unwrap_err();
            assert!(error.contains(says), "{keys}: {error}");
        }
    }
}
