//! Credentials, secrets and the way out: what a vendor gets, what nobody else gets to see, and where
//! requests go.

mod egress;
mod planted;
mod rotation;
mod tokens;

use serde_json::Value;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::shop;
use switchyard_tests::stand_in::Answer;

/// An event of that id.
fn event(id: &str) -> Value {
    shop::padded(id, 400)
}

/// An answer with a body.
fn answer(status: u16, body: impl Into<String>) -> Answer {
    Answer::Status { status, headers: Vec::new(), body: body.into() }
}

/// The dead letters, each as its reason and detail.
fn deaths(daemon: &Daemon) -> Vec<(String, String)> {
    let letters = daemon.cli_json(&["dead-letters", "list"]);
    let text = |letter: &Value, name: &str| letter["death"][name].as_str().unwrap_or_default().to_string();
    let letters = letters.as_array().cloned().unwrap_or_default();
    letters.iter().map(|letter| (text(letter, "reason"), text(letter, "detail"))).collect()
}
