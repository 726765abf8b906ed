//! The settings that a revision goes with: code and configuration are activated and rolled back
//! together. What is kept of them has handles in the place of secrets.
//!
//! The configuration file is the operator's. A rollback leaves it as it is and puts kept settings in
//! the place of those that the file has, until the file has others.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config::{Destination, Settings};
use crate::plugin::aot::hex;
use crate::plugin::handles::{HandleKey, Handles, starts_with_handle};
use crate::plugin::revision::Revision;

/// The settings of a plugin's destinations, by destination, with handles in the place of secrets.
pub(super) type KeptSettings = BTreeMap<String, Value>;

/// Settings that are in force instead of those that the file has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Replacement {
    /// The digest of the file's settings: it holds as long as the file has these.
    pub instead_of: String,
    /// The settings.
    pub settings: Value,
}

/// Why kept settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "the earlier settings of {destination} hold a secret that the configuration file no longer has: put it back first"
)]
pub(super) struct SecretGone {
    destination: String,
}

/// A destination's settings as they are kept.
pub(super) fn kept(destination: &Destination, revision: &Revision, key: &HandleKey) -> Value {
    hidden(destination, revision, key).0
}

/// The digest of kept settings.
pub(super) fn digest(settings: &KeptSettings) -> String {
    let text = serde_json::to_string(settings).expect("texts and numbers can be written to memory");
    hex(&Sha256::digest(text))
}

/// What is put in the place of the file's settings so that a destination has `wanted`; None when the
/// file has them anyway.
pub(super) fn replacement(
    destination: &Destination,
    revision: &Revision,
    key: &HandleKey,
    wanted: &Value,
) -> Option<Replacement> {
    let differs = kept(destination, revision, key) != *wanted;
    differs.then(|| Replacement { instead_of: of_file(destination, key), settings: wanted.clone() })
}

/// The destination as it is in force: with a replacement, as long as the file has the settings that it
/// replaces.
///
/// # Errors
/// When a secret of the replacement is gone.
pub(super) fn in_force(
    destination: &Arc<Destination>,
    revision: &Revision,
    key: &HandleKey,
    replacement: Option<&Replacement>,
) -> Result<Arc<Destination>, SecretGone> {
    let Some(replacement) = replacement.filter(|replacement| replacement.instead_of == of_file(destination, key))
    else {
        return Ok(destination.clone());
    };
    let (_, handles) = hidden(destination, revision, key);
    let mut settings = replacement.settings.clone();
    if !reveal(&mut settings, &handles) {
        return Err(SecretGone { destination: destination.id.0.clone() });
    }
    Ok(Arc::new(Destination { settings: Settings(settings), ..(**destination).clone() }))
}

fn hidden(destination: &Destination, revision: &Revision, key: &HandleKey) -> (Value, Handles) {
    revision.schema().hide_unchecked(&destination.settings.0, &destination.id.0, key)
}

/// Stands for the settings that the file has: a keyed hash, since secrets are in them.
pub(super) fn of_file(destination: &Destination, key: &HandleKey) -> String {
    key.handle(&destination.id.0, &destination.settings.0.to_string())
}

/// Puts the values of secrets in the place of their handles. Answers whether all are known.
fn reveal(value: &mut Value, handles: &Handles) -> bool {
    match value {
        Value::String(text) => match handles.get(text) {
            Some(held) => {
                *text = held.value.reveal().to_string();
                true
            }
            None => !starts_with_handle(text),
        },
        Value::Array(items) => items.iter_mut().all(|item| reveal(item, handles)),
        Value::Object(members) => members.values_mut().all(|member| reveal(member, handles)),
        _ => true,
    }
}
