//! Changes of the configuration that come over the admin interface. Each goes into the file: it is
//! checked whole, as a reload checks it, put into effect, and written in one step. Two that edit at
//! once do not overwrite each other: who saves names the text she began with.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::config_history::{Saved, write_whole};
use super::planner::Planner;
use super::plugins::Plugins;
use super::{Changing, Daemon};
use crate::config::Config;
use crate::config::edit::EditError;
use crate::config::marks::{self, Filled};
use crate::plugin::handles::HandleKey;

/// Why a change was not made. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// The file has changed meanwhile.
    #[error("the configuration has changed meanwhile: look at it again, then save")]
    Changed,
    /// The text cannot be changed like that.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The configuration would not be good.
    #[error("{0}")]
    Refused(String),
    /// The file cannot be written.
    #[error("the configuration file cannot be written: {0}")]
    Unwritable(String),
    /// There is no such configuration.
    #[error("no configuration r{0} is kept")]
    UnknownNumber(u64),
}

/// The configuration as it stands in the file.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The file's text.
    pub text: String,
    /// What names this text: its hash.
    pub etag: String,
}

/// Who changes it, and what she does.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The name of her token.
    pub who: &'a str,
    /// In a few words.
    pub what: &'a str,
    /// The text that she began with; None: whatever stands there now.
    pub etag: Option<&'a str>,
}

/// What names a text.
pub fn etag_of(text: &str) -> String {
    Sha256::digest(text.as_bytes())[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Daemon {
    /// The configuration file as it stands.
    ///
    /// # Errors
    /// `Unwritable` when it cannot even be read.
    pub async fn configuration(&self) -> Result<Standing, ConfigureError> {
        let path = self.changing.read().await.config.path.clone();
        standing(&path).await
    }

    /// Changes the configuration. Answers the number of the one that is in effect then.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub async fn configure(
        &self,
        change: Change<'_>,
        edit: impl FnOnce(&str) -> Result<String, EditError>,
    ) -> Result<u64, ConfigureError> {
        let mut changing = self.changing.write().await;
        let path = changing.config.path.clone();
        let standing = standing(&path).await?;
        if change.etag.is_some_and(|etag| etag != standing.etag) {
            return Err(ConfigureError::Changed);
        }
        let text = edit(&standing.text)?;
        let next = parse(&path, &text).await?;
        let before = changing.config.clone();
        if next != before {
            self.take_up(&mut changing, next).await.map_err(|error| ConfigureError::Refused(format!("{error:#}")))?;
        }
        let (to, bytes) = (path.clone(), text.clone());
        let written = tokio::task::spawn_blocking(move || write_whole(&to, bytes.as_bytes())).await;
        let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        if let Err(error) = written {
            // What stands in the file holds: else it would be another after the next start.
            if let Err(error) = self.take_up(&mut changing, before).await {
                tracing::error!("the configuration before cannot be put back into effect: {error:#}");
            }
            return Err(ConfigureError::Unwritable(error.to_string()));
        }
        *self.refused.lock().expect("nobody panics while holding it") = None;
        self.pulse.notify_one();
        Ok(self.note_configuration(&changing, &text, change.who, change.what))
    }

    /// A text as the configuration that it would be, checked as before it takes effect. Nothing changes.
    ///
    /// # Errors
    /// `Refused`.
    pub async fn checked(&self, text: &str) -> Result<Config, ConfigureError> {
        let path = self.changing.read().await.config.path.clone();
        parse(&path, text).await
    }

    /// Plans events with the active revisions, under whatever configuration.
    pub async fn planner(&self) -> Planner {
        let changing = self.changing.read().await;
        let ids = changing.plugins.ids();
        let revisions =
            ids.into_iter().filter_map(|id| Some((id.to_string(), changing.plugins.get(id)?.current().clone())));
        Planner::new(changing.plugins.host(), self.guests.clone(), revisions.collect())
    }

    /// Puts a configuration that was in effect before back into effect. Its secrets are those that the file
    /// has today.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub async fn roll_back(&self, change: Change<'_>, number: u64) -> Result<u64, ConfigureError> {
        let kept = self.history(|history| history.get(number).map(|saved| saved.text.clone()));
        let kept = kept.ok_or(ConfigureError::UnknownNumber(number))?;
        self.configure(change, |standing| Ok(self.filled(&kept, standing)?.text)).await
    }

    /// A kept text with the secrets of the file as it stands.
    ///
    /// # Errors
    /// `SecretGone`.
    pub fn filled(&self, kept: &str, standing: &str) -> Result<Filled, EditError> {
        marks::filled(kept, standing, |secret| self.mark(secret))
    }

    /// Whether two texts differ in what only an admin may change: the section on who may do what.
    pub fn differs_in_admin(one: &str, other: &str) -> bool {
        let admin = |text: &str| text.parse::<toml::Table>().ok().and_then(|mut table| table.remove("admin"));
        admin(one) != admin(other)
    }

    /// A kept text for people: each secret stands as a few signs that change with it.
    pub fn shown_configuration(&self, kept: &str) -> String {
        marks::shown(kept, |secret| self.mark(secret))
    }

    /// A text as it is kept and shown: without its secrets.
    pub async fn without_secrets(&self, text: &str) -> String {
        kept_text(text, &self.changing.read().await.plugins, &self.mark_key)
    }

    fn mark(&self, secret: &str) -> String {
        mark_of(&self.mark_key, secret)
    }

    /// Notes what is in effect.
    pub(super) fn note_configuration(&self, changing: &Changing, text: &str, who: &str, what: &str) -> u64 {
        let kept = kept_text(text, &changing.plugins, &self.mark_key);
        let mut history = self.config_history.lock().expect("nobody panics while holding the history");
        match history.note(&kept, (self.now)(), who, what) {
            Ok(number) => number,
            Err(error) => {
                tracing::error!(%error, "the configuration in effect cannot be kept for its history");
                history.current().map_or(0, |saved| saved.number)
            }
        }
    }

    /// Looks at the configurations that were in effect.
    pub fn history<T>(&self, look: impl FnOnce(&super::config_history::ConfigHistory) -> T) -> T {
        look(&self.config_history.lock().expect("nobody panics while holding the history"))
    }

    /// The number of the configuration in effect, and since when.
    pub fn configuration_number(&self) -> (u64, u64) {
        self.history(|history| history.current().map_or((0, 0), |Saved { number, at_ms, .. }| (*number, *at_ms)))
    }
}

/// A text with marks for its secrets, which is what is kept of it.
pub(super) fn kept_text(text: &str, plugins: &Plugins, key: &HandleKey) -> String {
    let is_secret = |plugin: &str, setting: &str| {
        let schema = plugins.get(plugin).map(|chosen| &chosen.current().manifest().settings);
        // Of a plugin that is not there nothing is known: all may be secret.
        schema.is_none_or(|schema| super::settings_view::is_secret(schema, setting))
    };
    // What is no TOML is never in effect, and nothing of it is kept.
    marks::marked(text, is_secret, |secret| mark_of(key, secret)).unwrap_or_else(|error| format!("# {error}\n"))
}

/// Differs from every handle, which names a destination.
fn mark_of(key: &HandleKey, secret: &str) -> String {
    key.handle("", secret)
}

async fn standing(path: &Path) -> Result<Standing, ConfigureError> {
    let text = tokio::fs::read_to_string(path).await.map_err(|error| ConfigureError::Unwritable(error.to_string()))?;
    Ok(Standing { etag: etag_of(&text), text })
}

/// Checks a text aside: it may name commands, which take their time.
async fn parse(path: &Path, text: &str) -> Result<Config, ConfigureError> {
    let (path, text) = (path.to_path_buf(), text.to_string());
    let check = move || Config::parse(&text, &path, &|name| std::env::var(name).ok());
    match tokio::task::spawn_blocking(check).await {
        Ok(checked) => checked.map_err(|error| ConfigureError::Refused(error.to_string())),
        Err(error) => Err(ConfigureError::Refused(error.to_string())),
    }
}
