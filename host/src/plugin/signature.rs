//! Signatures of plugin files, as minisign makes them: whose are good is the operator's to say.

use std::fmt;
use std::str::FromStr;

use super::fault::PluginError;

/// What is added to the name of a file for that of its signature.
pub const SUFFIX: &str = "minisig";

/// A key whose signatures are good, as `minisign -G` shows it.
#[derive(Clone, PartialEq)]
pub struct PublicKey {
    text: String,
    key: minisign_verify::PublicKey,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.text)
    }
}

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<PublicKey, String> {
        let key = minisign_verify::PublicKey::from_base64(text.trim())
            .map_err(|_| format!("`{text}` is no public key of minisign: it is the last line of minisign.pub"))?;
        Ok(PublicKey { text: text.trim().to_string(), key })
    }
}

/// Checks the signature of a file against the keys. Without keys nothing can be said of it.
///
/// # Errors
/// When it is no signature, or none of the keys made it of these bytes.
pub fn verify(wasm: &[u8], signature: &str, keys: &[PublicKey]) -> Result<(), PluginError> {
    if keys.is_empty() {
        return Ok(());
    }
    let refused = |what: &str| PluginError::Signature(what.to_string());
    let signature = minisign_verify::Signature::decode(signature)
        .map_err(|_| refused("the signature is none that minisign makes"))?;
    if keys.iter().any(|key| key.key.verify(wasm, &signature, false).is_ok()) {
        return Ok(());
    }
    Err(refused("the signature is not of this file by one of plugins.public_keys"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two public keys, and the first one's signature of the bytes `test`.
    const SIGNED: &str = include_str!("tests/signed.txt");

    #[test]
    fn only_the_bytes_that_one_of_the_keys_signed_are_good() {
        let (keys, signature) = SIGNED.split_once("\n\n").unwrap();
        let keys: Vec<PublicKey> = keys.lines().map(|line| line.parse().unwrap()).collect();
        let [own, other] = &keys[..] else { panic!("two keys") };
        assert!(verify(b"test", signature, &[other.clone(), own.clone()]).is_ok());
        assert!(verify(b"tesT", signature, std::slice::from_ref(own)).is_err());
        assert!(verify(b"test", signature, std::slice::from_ref(other)).is_err());
        assert!(verify(b"test", "nonsense", &keys).is_err());
        assert!(verify(b"test", "nonsense", &[]).is_ok());
        assert!("nonsense".parse::<PublicKey>().is_err());
    }
}
