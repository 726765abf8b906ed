//! Fetches one thing over HTTP, redirects followed, in the way that `[egress]` says: for what the
//! operator names himself, such as a plugin's file. The address is checked as a destination's is.

use bytes::Bytes;
use hyper::Uri;

use super::client::{Client, Outgoing, SendError};
use super::egress::{Grants, host_of};
use crate::config::{AddressRange, Egress};

/// Redirects that are followed. Registries and code hosts send to their storage once or twice.
const REDIRECTS_MAX: usize = 5;

/// Time for each exchange, in milliseconds: a file of 20 MB over a slow line.
const TIMEOUT_MS: u64 = 120_000;

/// How things are fetched.
pub struct Downloading<'a> {
    /// Proxy and certificates.
    pub egress: &'a Egress,
    /// Addresses that are not public and may be fetched from.
    pub addresses: &'a [AddressRange],
    /// Bytes of one thing; a larger one is an error.
    pub bytes_max: usize,
}

/// What came.
#[derive(Debug)]
pub struct Downloaded {
    /// The status.
    pub status: u16,
    /// Headers, by lower-case name and value.
    pub headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Bytes,
}

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The exchange failed.
    #[error("{url}: {error}")]
    Send {
        /// What was fetched.
        url: String,
        /// Why not.
        error: SendError,
    },
    /// It is larger than it may be.
    #[error("{url} has more than {bytes_max} bytes")]
    TooLarge {
        /// What was fetched.
        url: String,
        /// The bound.
        bytes_max: usize,
    },
    /// It leads from place to place, or nowhere.
    #[error("{url} leads to {to}, which is not followed: {why}")]
    Redirect {
        /// What was fetched.
        url: String,
        /// Where it leads.
        to: String,
        /// Why not.
        why: &'static str,
    },
}

impl Downloading<'_> {
    /// Fetches a URL. Headers go to its own host alone.
    pub async fn get(&self, url: &str, headers: &[(String, String)]) -> Result<Downloaded, DownloadError> {
        let mut place = url.to_string();
        let mut headers = headers.to_vec();
        for _ in 0..=REDIRECTS_MAX {
            let downloaded = self.get_once(&place, headers.clone()).await?;
            let Some(to) = target(&downloaded) else { return Ok(downloaded) };
            let next = joined(&place, to);
            let refused = |why| DownloadError::Redirect { url: place.clone(), to: next.clone(), why };
            if place.starts_with("https:") && !next.starts_with("https:") {
                return Err(refused("it is no longer encrypted"));
            }
            if origin(&next) != origin(&place) {
                headers.retain(|(name, _)| name != "authorization");
            }
            place = next;
        }
        let why = "there were too many redirects before";
        Err(DownloadError::Redirect { url: url.to_string(), to: place, why })
    }

    async fn get_once(&self, url: &str, headers: Vec<(String, String)>) -> Result<Downloaded, DownloadError> {
        let grants = Grants { hosts: host_of(url).into_iter().collect(), addresses: self.addresses.to_vec() };
        let client = Client::plain(grants, self.egress, TIMEOUT_MS).with_answer_bytes_max(self.bytes_max + 1);
        let outgoing =
            Outgoing { method: "GET".to_string(), url: url.to_string(), headers, body: Bytes::new(), token: None };
        let answer =
            client.send(outgoing).await.map_err(|error| DownloadError::Send { url: url.to_string(), error })?;
        if answer.body.len() > self.bytes_max {
            return Err(DownloadError::TooLarge { url: url.to_string(), bytes_max: self.bytes_max });
        }
        Ok(Downloaded { status: answer.status, headers: answer.headers, body: answer.body })
    }
}

impl Downloaded {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Where a redirect leads.
fn target(downloaded: &Downloaded) -> Option<&str> {
    matches!(downloaded.status, 301 | 302 | 303 | 307 | 308).then(|| downloaded.header("location"))?
}

/// Scheme, host and port.
fn origin(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    Some((uri.scheme_str()?.to_string(), uri.authority()?.to_string()))
}

/// A location as seen from a URL: whole, or a path on the same host.
fn joined(from: &str, location: &str) -> String {
    match origin(from) {
        Some((scheme, authority)) if location.starts_with('/') && !location.starts_with("//") => {
            format!("{scheme}://{authority}{location}")
        }
        _ => location.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn a_location_is_a_path_or_a_whole_url() {
        let from = "https://registry.example:5000/v2/x?y=z";
        assert_eq!(joined(from, "/blob/1"), "https://registry.example:5000/blob/1");
        assert_eq!(joined(from, "https://storage.example/1"), "https://storage.example/1");
        assert_eq!(joined(from, "//storage.example/1"), "//storage.example/1");
    }
}
