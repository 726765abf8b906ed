//! The answers of ingest, in the forms that all SDKs survive.

use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::http::{self, Body};
use crate::queue::AppendError;
use crate::validate::{BodyError, Rejection};

/// Seconds that a client is asked to wait when there is no room. SDKs read whole seconds only.
const RETRY_AFTER_SECONDS: u64 = 2;

/// Why a whole request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// No such path.
    #[error(
        "there is nothing at {0}: events go to /v1/track, /v1/identify, /v1/page, /v1/screen, /v1/group, /v1/alias or /v1/batch"
    )]
    NotFound(String),
    /// The path takes POST.
    #[error("{0} takes POST")]
    MethodNotAllowed(String),
    /// No write key.
    #[error("no write key: give it as the user of Basic authentication, in X-Write-Key, or as writeKey in the body")]
    NoWriteKey,
    /// A write key that no pipeline has.
    #[error("the write key is not known here: look for it under write_keys in the configuration")]
    UnknownWriteKey,
    /// A write key that was switched off.
    #[error("the write key is disabled: enable it in the configuration, or use another")]
    DisabledWriteKey,
    /// The write key sends more than it may.
    #[error("the write key's limit is reached: try again in {seconds} s")]
    RateLimited {
        /// Until it may send again.
        seconds: u64,
    },
    /// A custom event that is none.
    #[error("{0}")]
    NoCustomEvent(&'static str),
    /// The path takes GET.
    #[error("{0} takes GET")]
    NeedsGet(String),
    /// More bytes than allowed, after decompression.
    #[error("the body is larger than {0} bytes after decompression: send smaller batches")]
    BodyTooLarge(usize),
    /// An encoding that is not served.
    #[error("Content-Encoding `{0}` is not served: use gzip, deflate or none")]
    UnknownEncoding(String),
    /// The compressed body is broken.
    #[error("the body cannot be decompressed: {0}")]
    BrokenEncoding(String),
    /// The client did not send its body in time.
    #[error("the body did not arrive within {0} ms")]
    BodyTimeout(u64),
    /// The client went away or sent a broken body.
    #[error("the body broke off: {0}")]
    BodyBroken(String),
    /// Too many bytes of bodies in flight.
    #[error("too much is coming in at once: try again")]
    Busy,
    /// The body is not what it should be.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body's only event is no event.
    #[error("{}", .0.message)]
    Refused(Rejection),
    /// The queue did not take the events.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl IngestError {
    /// The status and the code of the answer.
    pub fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            IngestError::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            IngestError::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            IngestError::NoWriteKey => (StatusCode::UNAUTHORIZED, "no_write_key"),
            IngestError::UnknownWriteKey => (StatusCode::UNAUTHORIZED, "unknown_write_key"),
            IngestError::DisabledWriteKey => (StatusCode::UNAUTHORIZED, "disabled_write_key"),
            IngestError::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            IngestError::NoCustomEvent(_) => (StatusCode::BAD_REQUEST, "no_custom_event"),
            IngestError::NeedsGet(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            IngestError::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            IngestError::UnknownEncoding(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unknown_encoding"),
            IngestError::BrokenEncoding(_) => (StatusCode::BAD_REQUEST, "broken_encoding"),
            IngestError::BodyTimeout(_) => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            IngestError::BodyBroken(_) => (StatusCode::BAD_REQUEST, "body_broken"),
            IngestError::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            IngestError::Body(error @ (BodyError::TooManyEvents { .. } | BodyError::Envelope { .. })) => {
                (StatusCode::PAYLOAD_TOO_LARGE, error.code())
            }
            IngestError::Body(error) => (StatusCode::BAD_REQUEST, error.code()),
            IngestError::Refused(rejection) if rejection.code == "too_large" => {
                (StatusCode::PAYLOAD_TOO_LARGE, rejection.code)
            }
            IngestError::Refused(rejection) => (StatusCode::BAD_REQUEST, rejection.code),
            IngestError::Append(AppendError::Full { .. }) => (StatusCode::TOO_MANY_REQUESTS, "queue_full"),
            IngestError::Append(AppendError::DiskReserve { .. }) => (StatusCode::TOO_MANY_REQUESTS, "disk_full"),
            IngestError::Append(AppendError::Poisoned(_)) => (StatusCode::SERVICE_UNAVAILABLE, "store_failed"),
            IngestError::Append(AppendError::Closed) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        }
    }

    /// The answer.
    pub fn response(&self) -> Response<Body> {
        let (status, code) = self.status_and_code();
        let mut response = http::json(status, &json!({"success": false, "code": code, "message": self.to_string()}));
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let seconds = if let IngestError::RateLimited { seconds } = self { *seconds } else { RETRY_AFTER_SECONDS };
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The 200, with what became of each item that was not accepted. Events that were known already are
/// among the accepted ones, since their sender need not care.
pub fn accepted(accepted: usize, duplicates: usize, rejected: &[Rejection]) -> Response<Body> {
    if rejected.is_empty() && duplicates == 0 {
        let body = format!("{{\"success\":true,\"accepted\":{accepted},\"rejected\":[]}}");
        return http::whole(StatusCode::OK, "application/json", body);
    }
    let rejected: Vec<_> = rejected
        .iter()
        .map(|item| {
            json!({"index": item.index, "messageId": item.message_id, "code": item.code, "message": item.message})
        })
        .collect();
    let mut body = json!({"success": true, "accepted": accepted, "rejected": rejected});
    if duplicates > 0 {
        body["duplicates"] = json!(duplicates);
    }
    http::json(StatusCode::OK, &body)
}
