//! Secrets and their handles. A guest gets handles; the values go in when a request is sent.
//!
//! A handle is a keyed hash of the destination and the setting: the same on this installation for
//! ever, so that plans can be repeated, and unknown to whoever sends events. It is made of `sw_` and
//! lower-case letters and digits, which no encoding changes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::fault::PluginError;
use super::hiding::Hidden;
use super::manifest::{Place, SecretUse};

/// What every handle begins with.
pub const PREFIX: &str = "sw_";

/// Letters and digits behind the prefix: 200 bits.
const DIGITS: usize = 40;

/// Bytes of a handle.
pub const HANDLE_BYTES: usize = PREFIX.len() + DIGITS;

/// Bytes of a value that is taken out of what a plugin reads. A shorter one comes up by chance, and
/// would spoil the answer for the judge; it is taken out of what is shown all the same.
const READ_BYTES_MIN: usize = 8;

/// The key's file in the data directory.
const KEY_FILE: &str = "handle-key";

/// A value that nobody may see. Debug prints nothing of it.
#[derive(Clone, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a value.
    pub fn new(value: String) -> Secret {
        Secret(value)
    }

    /// The value, for the request that is sent.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// The key of this installation that handles are made with.
#[derive(Clone)]
pub struct HandleKey([u8; 32]);

impl fmt::Debug for HandleKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HandleKey(..)")
    }
}

impl HandleKey {
    /// The key for fixtures, tests and `plugin run`: known to all, so that they repeat anywhere.
    pub fn fixed() -> HandleKey {
        HandleKey(*b"switchyard: the fixed handle key")
    }

    /// The key in the data directory; made at the first start, readable by the owner alone.
    pub fn read_or_make(data_directory: &Path) -> Result<HandleKey, PluginError> {
        let path = data_directory.join(KEY_FILE);
        let failed = |cause: std::io::Error| PluginError::File { path: path.clone(), cause };
        let mut options = std::fs::OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                let mut key = [0; 32];
                getrandom::fill(&mut key).map_err(|error| failed(std::io::Error::other(error.to_string())))?;
                file.write_all(&key).and_then(|()| file.sync_all()).map_err(failed)?;
                Ok(HandleKey(key))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let mut key = Vec::new();
                std::fs::File::open(&path).and_then(|file| file.take(64).read_to_end(&mut key)).map_err(failed)?;
                let key = key.try_into().map_err(|_| failed(std::io::Error::other("it must have 32 bytes")))?;
                Ok(HandleKey(key))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The handle of a destination's setting.
    pub fn handle(&self, destination: &str, setting: &str) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length will do");
        mac.update(destination.as_bytes());
        mac.update(&[0]);
        mac.update(setting.as_bytes());
        let hash = mac.finalize().into_bytes();
        let mut handle = String::with_capacity(HANDLE_BYTES);
        handle.push_str(PREFIX);
        // 25 bytes are 40 digits of 5 bits.
        for five_bytes in hash[..DIGITS * 5 / 8].chunks_exact(5) {
            let bits = five_bytes.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
            for digit in (0..8).rev() {
                handle.push(char::from(ALPHABET[(bits >> (digit * 5)) as usize & 31]));
            }
        }
        handle
    }
}

/// Whether a text begins with what looks like a handle.
pub fn starts_with_handle(text: &str) -> bool {
    let digits = text.strip_prefix(PREFIX).and_then(|rest| rest.as_bytes().get(..DIGITS));
    digits.is_some_and(|digits| digits.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

/// One secret of a destination.
#[derive(Clone, Debug)]
pub struct Held {
    /// The setting it came from, for messages.
    pub setting: String,
    /// The value.
    pub value: Secret,
    /// Where it may go.
    pub used: SecretUse,
}

impl Held {
    /// Whether it may go there.
    pub fn may_be_in(&self, place: Place) -> bool {
        self.used.places.contains(&place)
    }
}

/// The secrets of one destination, by handle. Debug prints none of the values.
#[derive(Clone, Default)]
pub struct Handles {
    held: HashMap<String, Held>,
    hidden: Hidden,
}

impl fmt::Debug for Handles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(&self.held).finish()
    }
}

impl Handles {
    /// Adds a secret and returns its handle.
    pub fn hold(&mut self, handle: String, held: Held) {
        let value = held.value.reveal();
        self.hidden.add(value, &handle);
        // Of a service account's file the key alone may be shown, too.
        let file: Option<serde_json::Value> = serde_json::from_str(value).ok();
        if let Some(key) = file.as_ref().and_then(|file| file.get("private_key")?.as_str()) {
            self.hidden.add(key, &handle);
        }
        // Of a secret URL the host is known, and what follows is the secret.
        let url: Option<hyper::Uri> = value.parse().ok().filter(|url: &hyper::Uri| url.scheme().is_some());
        if let Some(path) = url.as_ref().and_then(hyper::Uri::path_and_query)
            && path.as_str().len() > READ_BYTES_MIN
        {
            self.hidden.add(path.as_str().trim_start_matches('/'), &handle);
        }
        self.held.insert(handle, held);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The secret of a handle.
    pub fn get(&self, handle: &str) -> Option<&Held> {
        self.held.get(handle)
    }

    /// All secrets.
    pub fn iter(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    /// Replaces the values of secrets in a text by their handles, however they are written there.
    pub fn hide_values(&self, text: String) -> String {
        match self.hidden.hide(text.as_bytes(), 1) {
            Some(hidden) => String::from_utf8_lossy(&hidden).into_owned(),
            None => text,
        }
    }

    /// As [`Handles::hide_values`], in what a plugin will read: None when there is nothing to hide.
    pub fn hide_read(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.hidden.hide(text, READ_BYTES_MIN)
    }

    /// Replaces each handle in a text by what `value` makes of its secret. A handle that is not one
    /// of these stays.
    ///
    /// # Errors
    /// The first error of `value`.
    pub fn replace<'t, E>(
        &self,
        text: &'t str,
        mut value: impl FnMut(&Held, usize) -> Result<String, E>,
    ) -> Result<Cow<'t, str>, E> {
        let mut replaced = String::new();
        let mut copied = 0;
        if !self.is_empty() {
            for (at, _) in text.match_indices(PREFIX) {
                let Some(held) = text.get(at..at + HANDLE_BYTES).and_then(|handle| self.get(handle)) else { continue };
                replaced.push_str(&text[copied..at]);
                replaced.push_str(&value(held, at)?);
                copied = at + HANDLE_BYTES;
            }
        }
        if copied == 0 {
            return Ok(Cow::Borrowed(text));
        }
        replaced.push_str(&text[copied..]);
        Ok(Cow::Owned(replaced))
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub fn percent_encoded(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    encoded
}
