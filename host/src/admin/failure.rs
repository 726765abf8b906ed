//! Why a call was refused: a status, a code for programs, a message for people.

use hyper::{Response, StatusCode};
use serde_json::json;

use crate::config::Role;
use crate::config::edit::EditError;
use crate::daemon::ConfigureError;
use crate::http::{self, Body};
use crate::queue::StoreError;

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// For HTTP.
    pub status: StatusCode,
    /// For programs.
    pub code: &'static str,
    /// For people: what is wrong and what would be right.
    pub message: String,
}

impl Failure {
    /// One of that kind.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Failure {
        Failure { status, code, message: message.into() }
    }

    /// 400.
    pub fn bad(code: &'static str, message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 404.
    pub fn unknown(code: &'static str, message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 403: the role does not reach.
    pub fn role(needed: Role, own: Role) -> Failure {
        let message = format!("this needs the role {}; this token is {}'s", needed.as_str(), own.as_str());
        Failure::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// As an answer.
    pub fn response(&self) -> Response<Body> {
        let told = json!({"success": false, "code": self.code, "message": self.message});
        http::json(self.status, &told)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        match &error {
            StoreError::UnknownDestination { .. } => Failure::unknown("unknown_destination", error.to_string()),
            StoreError::ReplayUnderWay { .. } => {
                Failure::new(StatusCode::CONFLICT, "replay_under_way", error.to_string())
            }
            _ => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "store_failed", error.to_string()),
        }
    }
}

impl From<ConfigureError> for Failure {
    fn from(error: ConfigureError) -> Failure {
        let (status, code) = match &error {
            ConfigureError::Changed => (StatusCode::PRECONDITION_FAILED, "configuration_changed"),
            ConfigureError::Edit(EditError::Unknown(_)) => (StatusCode::NOT_FOUND, "unknown"),
            ConfigureError::Edit(EditError::SecretGone(_)) => (StatusCode::CONFLICT, "secret_gone"),
            ConfigureError::Edit(_) => (StatusCode::CONFLICT, "not_editable"),
            ConfigureError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "configuration_refused"),
            ConfigureError::Unwritable(_) => (StatusCode::INTERNAL_SERVER_ERROR, "configuration_unwritable"),
            ConfigureError::UnknownNumber(_) => (StatusCode::NOT_FOUND, "unknown_configuration"),
        };
        Failure::new(status, code, error.to_string())
    }
}
