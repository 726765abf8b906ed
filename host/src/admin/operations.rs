//! Every call of `/api/v1`: its method and path, who may, and what it is. Routing and the OpenAPI
//! document read this one table.

use hyper::Method;

use crate::config::Role;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `GET me`.
    Me,
    /// `GET status`.
    Status,
    /// `GET overview`.
    Overview,
    /// `GET rejected`.
    Rejected,
    /// `GET events`.
    Events,
    /// `GET events/live`.
    LiveEvents,
    /// `GET trace/{message_id}`.
    Trace,
    /// `GET destinations`.
    Destinations,
    /// `POST destinations/{pipeline}`.
    AddDestination,
    /// `GET destinations/{pipeline}/{name}`.
    Destination,
    /// `PATCH destinations/{pipeline}/{name}`.
    ChangeDestination,
    /// `DELETE destinations/{pipeline}/{name}`.
    RemoveDestination,
    /// `POST destinations/{pipeline}/{name}/pause`.
    Pause,
    /// `POST destinations/{pipeline}/{name}/resume`.
    Resume,
    /// `GET destinations/{pipeline}/{name}/transformations`.
    Transformations,
    /// `PUT destinations/{pipeline}/{name}/transformations`.
    PutTransformations,
    /// `POST destinations/{pipeline}/{name}/transformations/preview`.
    PreviewTransformations,
    /// `POST destinations/{pipeline}/{name}/transformations/review`.
    ReviewTransformations,
    /// `GET dead-letters`.
    DeadLetters,
    /// `GET dead-letters/groups`.
    DeadLetterGroups,
    /// `GET dead-letters/export`.
    ExportDeadLetters,
    /// `GET dead-letters/{id}`.
    DeadLetter,
    /// `POST dead-letters/replay`.
    ReplayDeadLetters,
    /// `POST dead-letters/discard`.
    DiscardDeadLetters,
    /// `POST replay`.
    Replay,
    /// `GET sources`.
    Sources,
    /// `POST sources/{pipeline}/write-keys`.
    AddWriteKey,
    /// `PATCH sources/{pipeline}/write-keys/{number}`.
    ChangeWriteKey,
    /// `DELETE sources/{pipeline}/write-keys/{number}`.
    RemoveWriteKey,
    /// `POST sources/{pipeline}/test-event`.
    TestEvent,
    /// `GET pipelines/{pipeline}/events`.
    KeptEvents,
    /// `GET plugins`.
    Plugins,
    /// `GET plugins/{id}`.
    Plugin,
    /// `POST plugins`.
    InstallPlugin,
    /// `POST plugins/shadow`.
    ShadowPlugin,
    /// `GET plugins/{id}/history`.
    PluginHistory,
    /// `POST plugins/{id}/grant`.
    GrantPlugin,
    /// `POST plugins/{id}/promote`.
    PromotePlugin,
    /// `POST plugins/{id}/rollback`.
    RollBackPlugin,
    /// `GET configuration`.
    Configuration,
    /// `PUT configuration`.
    PutConfiguration,
    /// `GET configuration/history`.
    History,
    /// `GET configuration/history/{number}`.
    HistoryEntry,
    /// `POST configuration/history/{number}/rollback`.
    RollBack,
    /// `GET audit`.
    Audit,
    /// `POST erase`.
    Erase,
    /// `GET backup`.
    Backup,
    /// `GET openapi.json`.
    OpenApi,
}

/// The form of a body or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// None.
    Nothing,
    /// JSON of that schema of the document.
    Json(&'static str),
    /// JSON objects of that schema, one a line.
    Lines(&'static str),
    /// Bytes.
    Bytes,
}

/// One call.
#[derive(Debug)]
pub struct Operation {
    /// The method.
    pub method: Method,
    /// The path below `/api/v1/`; `{name}` stands for one part.
    pub path: &'static str,
    /// Who may.
    pub role: Role,
    /// What it does.
    pub call: Call,
    /// In a sentence.
    pub summary: &'static str,
    /// Query parameters, each with what it is.
    pub query: &'static [(&'static str, &'static str)],
    /// What it takes.
    pub takes: Form,
    /// What it answers with 200.
    pub answers: Form,
}

/// The filters of dead letters.
const LETTER_FILTER: [(&str, &str); 8] = [
    ("destination", "Of this destination, as pipeline/name"),
    ("reason", "Of this reason"),
    ("event", "Of this event name"),
    ("message_id", "Of this event"),
    ("from", "Given up at this time or later: RFC 3339, or milliseconds since 1970"),
    ("to", "Given up before this time"),
    ("limit", "At most so many, from 1 to 1000"),
    ("cursor", "`next` of the page before"),
];

const WINDOW: [(&str, &str); 1] = [("window", "15m, 1h or 24h")];

const EVENTS_QUERY: [(&str, &str); 3] = [
    ("pipeline", "Of this pipeline; of all when left out"),
    ("limit", "At most so many of each, from 1 to 200"),
    ("search", "Whose messageId, name, userId or anonymousId holds this text"),
];

const LIMIT: [(&str, &str); 1] = [("limit", "At most so many, from 1 to 1000")];

const INSTALL: [(&str, &str); 2] = [
    ("canary", "Only so many percent of the users go to it, between 0 and 100"),
    ("grant", "true: it may have what it newly asks for"),
];

const LAST: [(&str, &str); 1] = [("last", "So many, from 1 to 10000; 100 when left out")];

const fn operation(
    method: Method,
    path: &'static str,
    role: Role,
    call: Call,
    summary: &'static str,
    query: &'static [(&'static str, &'static str)],
    (takes, answers): (Form, Form),
) -> Operation {
    Operation { method, path, role, call, summary, query, takes, answers }
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

use Form::{Bytes, Json, Lines, Nothing};
use Role::{Admin, Editor, Viewer};

/// All calls. Where two fit, the first holds.
pub static OPERATIONS: [Operation; 48] = [
    operation(GET, "me", Viewer, Call::Me, "Whose token this is, and its role", &[], (Nothing, Json("Person"))),
    operation(
        GET,
        "status",
        Viewer,
        Call::Status,
        "Everything that `switchyard status` shows",
        &[],
        (Nothing, Json("Object")),
    ),
    operation(
        GET,
        "overview",
        Viewer,
        Call::Overview,
        "Pipelines with rates, lag and health, and what needs attention",
        &WINDOW,
        (Nothing, Json("Overview")),
    ),
    operation(
        GET,
        "rejected",
        Viewer,
        Call::Rejected,
        "The last items that were not accepted",
        &[],
        (Nothing, Json("List")),
    ),
    operation(
        GET,
        "events",
        Viewer,
        Call::Events,
        "The last events, newest first, with what became of them",
        &EVENTS_QUERY,
        (Nothing, Json("List")),
    ),
    operation(
        GET,
        "events/live",
        Viewer,
        Call::LiveEvents,
        "Each step as it happens, until the caller leaves",
        &[],
        (Nothing, Lines("Object")),
    ),
    operation(GET, "trace/{message_id}", Viewer, Call::Trace, "What became of an event", &[], (Nothing, Json("List"))),
    operation(GET, "destinations", Viewer, Call::Destinations, "All destinations", &[], (Nothing, Json("List"))),
    operation(
        POST,
        "destinations/{pipeline}",
        Editor,
        Call::AddDestination,
        "Adds a destination",
        &[],
        (Json("NewDestination"), Json("Saved")),
    ),
    operation(
        GET,
        "destinations/{pipeline}/{name}",
        Viewer,
        Call::Destination,
        "A destination with its settings, without secrets",
        &[],
        (Nothing, Json("Destination")),
    ),
    operation(
        PATCH,
        "destinations/{pipeline}/{name}",
        Editor,
        Call::ChangeDestination,
        "Changes a destination's settings and grants",
        &[],
        (Json("DestinationChange"), Json("Saved")),
    ),
    operation(
        DELETE,
        "destinations/{pipeline}/{name}",
        Editor,
        Call::RemoveDestination,
        "Removes a destination; what it had not delivered expires",
        &[],
        (Nothing, Json("Saved")),
    ),
    operation(
        POST,
        "destinations/{pipeline}/{name}/pause",
        Editor,
        Call::Pause,
        "Lets a destination's events wait",
        &[],
        (Nothing, Json("Paused")),
    ),
    operation(
        POST,
        "destinations/{pipeline}/{name}/resume",
        Editor,
        Call::Resume,
        "Lets a destination go on",
        &[],
        (Nothing, Json("Paused")),
    ),
    operation(
        GET,
        "destinations/{pipeline}/{name}/transformations",
        Viewer,
        Call::Transformations,
        "The rules of a pipeline and of one of its destinations",
        &[],
        (Nothing, Json("Rules")),
    ),
    operation(
        PUT,
        "destinations/{pipeline}/{name}/transformations",
        Editor,
        Call::PutTransformations,
        "Replaces them; what a rule says already keeps its comments and secret",
        &[],
        (Json("EditedRules"), Json("Saved")),
    ),
    operation(
        POST,
        "destinations/{pipeline}/{name}/transformations/preview",
        Viewer,
        Call::PreviewTransformations,
        "What rules do to an event, and the request it becomes; nothing is saved or sent",
        &[],
        (Json("PreviewCall"), Json("Preview")),
    ),
    operation(
        POST,
        "destinations/{pipeline}/{name}/transformations/review",
        Editor,
        Call::ReviewTransformations,
        "What rules would change for the last 1,000 events",
        &[],
        (Json("EditedRules"), Json("Review")),
    ),
    operation(
        GET,
        "dead-letters",
        Viewer,
        Call::DeadLetters,
        "A page of dead letters, newest first",
        &LETTER_FILTER,
        (Nothing, Json("DeadLetterPage")),
    ),
    operation(
        GET,
        "dead-letters/groups",
        Viewer,
        Call::DeadLetterGroups,
        "Dead letters by destination and reason",
        &LETTER_FILTER,
        (Nothing, Json("DeadLetterGroups")),
    ),
    operation(
        GET,
        "dead-letters/export",
        Viewer,
        Call::ExportDeadLetters,
        "All dead letters that match with their events, oldest first",
        &LETTER_FILTER,
        (Nothing, Lines("Object")),
    ),
    operation(
        POST,
        "dead-letters/replay",
        Editor,
        Call::ReplayDeadLetters,
        "Sends dead letters again, step by step",
        &[],
        (Json("DeadLetterFilter"), Lines("Progress")),
    ),
    operation(
        POST,
        "dead-letters/discard",
        Editor,
        Call::DiscardDeadLetters,
        "Removes dead letters, step by step",
        &[],
        (Json("DeadLetterFilter"), Lines("Progress")),
    ),
    operation(
        GET,
        "dead-letters/{id}",
        Viewer,
        Call::DeadLetter,
        "A dead letter with its event",
        &[],
        (Nothing, Json("List")),
    ),
    operation(
        POST,
        "replay",
        Editor,
        Call::Replay,
        "Sends events of the queue to a destination again, step by step",
        &[],
        (Json("QueueReplay"), Lines("Progress")),
    ),
    operation(
        GET,
        "sources",
        Viewer,
        Call::Sources,
        "All sources, with their write keys and counts",
        &[],
        (Nothing, Json("List")),
    ),
    operation(
        POST,
        "sources/{pipeline}/write-keys",
        Editor,
        Call::AddWriteKey,
        "Makes a write key",
        &[],
        (Nothing, Json("NewWriteKey")),
    ),
    operation(
        PATCH,
        "sources/{pipeline}/write-keys/{number}",
        Editor,
        Call::ChangeWriteKey,
        "Enables, disables or bounds a write key",
        &[],
        (Json("WriteKeyChange"), Json("Saved")),
    ),
    operation(
        DELETE,
        "sources/{pipeline}/write-keys/{number}",
        Editor,
        Call::RemoveWriteKey,
        "Removes a write key",
        &[],
        (Nothing, Json("Saved")),
    ),
    operation(
        POST,
        "sources/{pipeline}/test-event",
        Editor,
        Call::TestEvent,
        "Accepts an event made here, as if the source had sent it",
        &[],
        (Nothing, Json("TestEvent")),
    ),
    operation(
        GET,
        "pipelines/{pipeline}/events",
        Editor,
        Call::KeptEvents,
        "The last events of a pipeline as they are kept, oldest first",
        &LAST,
        (Nothing, Lines("Object")),
    ),
    operation(
        GET,
        "plugins",
        Viewer,
        Call::Plugins,
        "Installed plugins, and files that were refused",
        &[],
        (Nothing, Json("List")),
    ),
    operation(
        POST,
        "plugins",
        Admin,
        Call::InstallPlugin,
        "Checks and activates a plugin's file",
        &INSTALL,
        (Bytes, Json("Object")),
    ),
    operation(
        POST,
        "plugins/shadow",
        Admin,
        Call::ShadowPlugin,
        "What a plugin's file would change in the requests of the last events; nothing is sent",
        &LAST,
        (Bytes, Json("Object")),
    ),
    operation(
        GET,
        "plugins/{id}/history",
        Viewer,
        Call::PluginHistory,
        "What happened to a plugin's revisions",
        &[],
        (Nothing, Json("Object")),
    ),
    operation(
        POST,
        "plugins/{id}/grant",
        Admin,
        Call::GrantPlugin,
        "Lets in the revision that asks for more than the ones before",
        &[],
        (Nothing, Json("Object")),
    ),
    operation(
        POST,
        "plugins/{id}/promote",
        Admin,
        Call::PromotePlugin,
        "Ends a trial: all users go to the new revision",
        &[],
        (Nothing, Json("Object")),
    ),
    operation(
        POST,
        "plugins/{id}/rollback",
        Admin,
        Call::RollBackPlugin,
        "Goes back to the revision before, or to another one",
        &[],
        (Json("RollBackPlugin"), Json("Object")),
    ),
    operation(
        GET,
        "plugins/{id}",
        Viewer,
        Call::Plugin,
        "What a plugin says of itself",
        &[],
        (Nothing, Json("Plugin")),
    ),
    operation(
        GET,
        "configuration",
        Admin,
        Call::Configuration,
        "The configuration file; its ETag names the text",
        &[],
        (Nothing, Json("Configuration")),
    ),
    operation(
        PUT,
        "configuration",
        Admin,
        Call::PutConfiguration,
        "Replaces the configuration file, when If-Match names the text that stands there",
        &[],
        (Json("ConfigurationText"), Json("Saved")),
    ),
    operation(
        GET,
        "configuration/history",
        Viewer,
        Call::History,
        "The configurations that were in effect, newest first",
        &[],
        (Nothing, Json("List")),
    ),
    operation(
        GET,
        "configuration/history/{number}",
        Viewer,
        Call::HistoryEntry,
        "One of them: what it changed, secrets hidden",
        &[],
        (Nothing, Json("HistoryEntry")),
    ),
    operation(
        POST,
        "configuration/history/{number}/rollback",
        Editor,
        Call::RollBack,
        "Puts a configuration back into effect",
        &[],
        (Nothing, Json("Saved")),
    ),
    operation(GET, "audit", Viewer, Call::Audit, "Who changed what, newest first", &LIMIT, (Nothing, Json("List"))),
    operation(
        POST,
        "erase",
        Admin,
        Call::Erase,
        "Erases everything that is kept of a user's events",
        &[],
        (Json("Erase"), Json("Object")),
    ),
    operation(GET, "backup", Admin, Call::Backup, "A copy of the store", &[], (Nothing, Bytes)),
    operation(GET, "openapi.json", Viewer, Call::OpenApi, "This document", &[], (Nothing, Json("Object"))),
];

/// The operation that a method and the parts of a path name.
pub fn find(method: &Method, parts: &[&str]) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.method == *method && fits(operation.path, parts))
}

fn fits(path: &str, parts: &[&str]) -> bool {
    let mut own = path.split('/');
    parts.iter().all(|part| own.next().is_some_and(|own| own == *part || (own.starts_with('{') && !part.is_empty())))
        && own.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_one_call() {
        let check = |method: Method, path: &str, expected: Option<Call>| {
            let parts: Vec<&str> = path.split('/').collect();
            assert_eq!(find(&method, &parts).map(|operation| operation.call), expected, "{method} {path}");
        };
        check(Method::GET, "status", Some(Call::Status));
        check(Method::POST, "status", None);
        check(Method::GET, "dead-letters/groups", Some(Call::DeadLetterGroups));
        check(Method::GET, "dead-letters/7", Some(Call::DeadLetter));
        check(Method::GET, "dead-letters/", None);
        check(Method::POST, "destinations/shop/ga4/pause", Some(Call::Pause));
        check(Method::POST, "destinations/shop/ga4/other", None);
        check(Method::GET, "configuration/history/3", Some(Call::HistoryEntry));
        check(Method::GET, "", None);
    }

    #[test]
    fn every_call_can_be_reached() {
        for operation in &OPERATIONS {
            let parts: Vec<&str> = operation.path.split('/').map(|part| part.trim_matches(['{', '}'])).collect();
            let found = find(&operation.method, &parts).expect("it fits itself");
            assert_eq!(found.call, operation.call, "{}", operation.path);
        }
    }
}
