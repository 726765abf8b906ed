//! The configuration file, the configurations that were in effect, and the way back to one.

use hyper::StatusCode;
use serde::Serialize;

use super::access::Caller;
use super::destinations::{needs, record};
use super::diff::{Line, lines};
use super::failure::Failure;
use crate::config::Role;
use crate::daemon::{Change, Daemon, Saved};

/// A configuration that was in effect.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryRow {
    /// Its number.
    pub number: u64,
    /// Since when: milliseconds since 1970.
    pub at_ms: u64,
    /// Who saved it.
    pub who: String,
    /// What she changed.
    pub what: String,
}

/// One of them, with what it changed.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryEntry {
    /// Which.
    #[serde(flatten)]
    pub row: HistoryRow,
    /// Against the one before, secrets hidden; only what differs, with some lines around it.
    pub changes: Vec<Line>,
    /// Against the file as it stands: what a rollback would change.
    pub back: Vec<Line>,
    /// Settings with another secret then, which is kept nowhere: a rollback leaves them today's.
    pub todays_secrets: Vec<String>,
    /// Why it cannot be rolled back to, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl HistoryRow {
    fn of(saved: &Saved) -> HistoryRow {
        let (who, what) = (saved.who.clone(), saved.what.clone());
        HistoryRow { number: saved.number, at_ms: saved.at_ms, who, what }
    }
}

/// The configurations that were in effect, newest first.
pub fn history(daemon: &Daemon) -> Vec<HistoryRow> {
    daemon.history(|history| history.all().map(HistoryRow::of).collect())
}

/// Those of them that changed a destination or its pipeline as a whole, by what their line says.
pub fn history_of(daemon: &Daemon, destination: &str) -> Vec<HistoryRow> {
    let names = |saved: &&Saved| saved.what.split(' ').any(|word| word == destination);
    daemon.history(|history| history.all().filter(names).map(HistoryRow::of).collect())
}

/// One configuration, with what it changed.
///
/// # Errors
/// When it is not kept.
pub async fn history_entry(daemon: &Daemon, number: u64) -> Result<HistoryEntry, Failure> {
    let found = daemon.history(|history| {
        let before = history.before(number).map(|saved| saved.text.clone()).unwrap_or_default();
        history.get(number).cloned().map(|saved| (saved, before))
    });
    let unknown = || Failure::unknown("unknown_configuration", format!("no configuration r{number} is kept"));
    let (saved, before) = found.ok_or_else(unknown)?;
    let changes = lines(&daemon.shown_configuration(&before), &daemon.shown_configuration(&saved.text));
    let standing = daemon.configuration().await?.text;
    let today = daemon.shown_configuration(&daemon.without_secrets(&standing).await);
    let (back, todays_secrets, refused) = match daemon.filled(&saved.text, &standing) {
        Ok(filled) => {
            let text = daemon.without_secrets(&filled.text).await;
            (lines(&today, &daemon.shown_configuration(&text)), filled.todays, None)
        }
        Err(error) => (lines(&today, &daemon.shown_configuration(&saved.text)), Vec::new(), Some(error.to_string())),
    };
    Ok(HistoryEntry { row: HistoryRow::of(&saved), changes, back, todays_secrets, refused })
}

/// Puts a configuration back into effect. Answers the number that it has now.
///
/// # Errors
/// Nothing has changed then.
pub async fn roll_back(daemon: &Daemon, caller: &Caller, number: u64, etag: Option<&str>) -> Result<u64, Failure> {
    needs(caller, Role::Editor)?;
    let standing = daemon.configuration().await?;
    let text = daemon.history(|history| history.get(number).map(|saved| saved.text.clone()));
    if !caller.may(Role::Admin) && text.is_some_and(|text| Daemon::differs_in_admin(&standing.text, &text)) {
        let message = format!("r{number} differs in [admin], which only an admin may change");
        return Err(Failure::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    let what = format!("rolled back to r{number}");
    let etag = etag.unwrap_or(&standing.etag);
    let change = Change { who: &caller.person.name, what: &what, etag: Some(etag) };
    let saved = daemon.roll_back(change, number).await?;
    record(daemon, caller, "configuration rolled back", &format!("r{number}"), &format!("in effect as r{saved}")).await;
    Ok(saved)
}

/// Replaces the whole text.
///
/// # Errors
/// Nothing has changed then.
pub async fn replace(daemon: &Daemon, caller: &Caller, text: String, etag: Option<&str>) -> Result<u64, Failure> {
    needs(caller, Role::Admin)?;
    let Some(etag) = etag else {
        let message = "If-Match is missing: it names the text that this one replaces, as the ETag of GET configuration";
        return Err(Failure::new(StatusCode::PRECONDITION_REQUIRED, "if_match_missing", message));
    };
    let change = Change { who: &caller.person.name, what: "the whole file replaced", etag: Some(etag) };
    let saved = daemon.configure(change, |_| Ok(text)).await?;
    record(daemon, caller, "configuration replaced", &format!("r{saved}"), "").await;
    Ok(saved)
}
