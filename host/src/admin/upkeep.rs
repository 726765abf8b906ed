//! Erasing a user, and backups, over the admin interface.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::access::Caller;
use super::destinations::record;
use super::routes::{body, failure, store_failure};
use crate::daemon::Daemon;
use crate::http::{self, Body};
use crate::queue::{StoreError, UserId};

/// Bytes of a body that names a user.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Bytes of a backup that are read at a time.
const PIECE_BYTES: usize = 256 << 10;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct EraseCall {
    user: String,
}

/// Answers `POST /api/v1/erase`. It goes on when the caller leaves.
pub(super) async fn erase(daemon: Arc<Daemon>, caller: Caller, request: Request<Incoming>) -> Response<Body> {
    let bytes = match body(request, BODY_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(response) => return response,
    };
    let user = match serde_json::from_slice::<EraseCall>(&bytes) {
        Ok(call) if !call.user.is_empty() => call.user,
        Ok(_) => {
            return failure(StatusCode::BAD_REQUEST, "bad_user", "`user` is a userId or an anonymousId, not empty");
        }
        Err(error) => return failure(StatusCode::BAD_REQUEST, "bad_user", &error.to_string()),
    };
    let erasing = tokio::spawn(async move {
        // The log must not keep what is erased; whoever knows the user can make the same hash.
        let hash = Sha256::digest(user.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        record(&daemon, &caller, "user erased", &format!("SHA-256 {hash}"), "").await;
        let result = daemon.store.erase(UserId(user)).await;
        match &result {
            Ok(erased) => tracing::info!(target: "audit", user_sha256 = %hash, events = erased.events,
                expired = erased.expired, dead_letters = erased.dead_letters, "a user was erased"),
            Err(error) => {
                tracing::error!(target: "audit", user_sha256 = %hash, %error, "a user was not erased whole: erase again");
            }
        }
        result
    });
    match erasing.await {
        Ok(Ok(erased)) => {
            let mut answer = serde_json::to_value(&erased).unwrap_or_default();
            answer["success"] = json!(true);
            http::json(StatusCode::OK, &answer)
        }
        Ok(Err(error)) => store_failure(&error),
        Err(error) => store_failure(&StoreError::Failed(error.to_string())),
    }
}

/// Answers `GET /api/v1/backup`: the copy, as the file that it is.
pub(super) async fn backup(daemon: &Daemon) -> Response<Body> {
    let copy = match daemon.store.backup().await {
        Ok(copy) => copy,
        Err(error) => return store_failure(&error),
    };
    let bytes = match copy.metadata() {
        Ok(copy) => copy.len(),
        Err(error) => return store_failure(&StoreError::Failed(error.to_string())),
    };
    // A read that fails ends the body too early, which the length gives away.
    let pieces = stream::unfold(tokio::fs::File::from_std(copy), |mut copy| async move {
        let mut piece = bytes::BytesMut::with_capacity(PIECE_BYTES);
        match copy.read_buf(&mut piece).await {
            Ok(1..) => Some((Ok::<_, Infallible>(Frame::data(piece.freeze())), copy)),
            Ok(0) => None,
            Err(error) => {
                tracing::error!(%error, "a backup could not be read on");
                None
            }
        }
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    response
}
