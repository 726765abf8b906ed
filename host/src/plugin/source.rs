//! Where a plugin's file is installed from: a path, an https URL with its SHA-256, or an OCI registry
//! by digest. Pure: what is named, and what an artifact's manifest says.

use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::aot::hex;

/// The media type of an OCI image manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// The media type of a Wasm artifact's configuration.
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";

/// The media type of its one layer.
const LAYER_TYPE: &str = "application/wasm";

/// Where a plugin's file comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A file on this machine.
    File(PathBuf),
    /// A URL.
    Url(String),
    /// An artifact in a registry.
    Oci(OciReference),
}

/// An artifact in an OCI registry.
#[derive(Clone, Debug, PartialEq)]
pub struct OciReference {
    /// The registry's host, with its port where it has one.
    pub registry: String,
    /// The repository.
    pub repository: String,
    /// The manifest's digest: `sha256:` and 64 hexadecimal digits.
    pub digest: Sha256Hex,
}

/// A SHA-256, in lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// Checks bytes.
    ///
    /// # Errors
    /// Names both digests.
    pub fn check(&self, what: &str, bytes: &[u8]) -> Result<(), String> {
        let found = hex(&Sha256::digest(bytes));
        if found == self.0 {
            return Ok(());
        }
        Err(format!("{what} has the SHA-256 {found}, and {} is wanted: it is not what was meant", self.0))
    }

    /// As registries write it.
    pub fn as_oci(&self) -> String {
        format!("sha256:{}", self.0)
    }
}

impl FromStr for Sha256Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Sha256Hex, String> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
        match digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Sha256Hex(digits)),
            false => Err(format!("`{text}` is no SHA-256: it has 64 hexadecimal digits")),
        }
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Source, String> {
        if let Some(reference) = text.strip_prefix("oci://") {
            return oci(reference).map(Source::Oci);
        }
        if is_safe(text) {
            return Ok(Source::Url(text.to_string()));
        }
        if text.starts_with("http://") {
            return Err(format!("{text} is not encrypted: use https"));
        }
        Ok(Source::File(PathBuf::from(text)))
    }
}

fn oci(reference: &str) -> Result<OciReference, String> {
    let form = || format!("`oci://{reference}` is not of the form oci://REGISTRY/REPOSITORY@sha256:DIGEST");
    let (place, digest) = reference.split_once('@').ok_or_else(form)?;
    let (registry, repository) = place.split_once('/').ok_or_else(form)?;
    let good =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    if registry.is_empty() || repository.is_empty() || !repository.bytes().all(good) || !digest.starts_with("sha256:") {
        return Err(form());
    }
    Ok(OciReference { registry: registry.to_string(), repository: repository.to_string(), digest: digest.parse()? })
}

/// Whether a URL is of a place that can be spoken to: with encryption, or on this machine.
pub(super) fn is_safe(url: &str) -> bool {
    url.starts_with("https://") || url.strip_prefix("http://").is_some_and(is_loopback)
}

/// Whether a host is this machine: registries there are commonly spoken to without encryption.
fn is_loopback(rest: &str) -> bool {
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

impl OciReference {
    /// The URL of the manifest.
    pub fn manifest_url(&self) -> String {
        format!("{}/manifests/{}", self.base(), self.digest.as_oci())
    }

    /// The URL of a layer.
    pub fn blob_url(&self, digest: &Sha256Hex) -> String {
        format!("{}/blobs/{}", self.base(), digest.as_oci())
    }

    fn base(&self) -> String {
        let scheme = if is_loopback(&self.registry) { "http" } else { "https" };
        format!("{scheme}://{}/v2/{}", self.registry, self.repository)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
}

/// The digest of the one layer of a Wasm artifact, from its manifest.
///
/// # Errors
/// When it is the manifest of something else.
pub fn wasm_layer(manifest: &[u8]) -> Result<Sha256Hex, String> {
    let artifact: Artifact =
        serde_json::from_slice(manifest).map_err(|error| format!("the artifact's manifest cannot be read: {error}"))?;
    if artifact.config.media_type != CONFIG_TYPE {
        return Err(format!("the artifact is a {}, no Wasm artifact ({CONFIG_TYPE})", artifact.config.media_type));
    }
    match &artifact.layers[..] {
        [layer] if layer.media_type == LAYER_TYPE => layer.digest.parse(),
        layers => {
            Err(format!("a Wasm artifact has one layer, of the type {LAYER_TYPE}; this one has {}", layers.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn sources_by_their_form() {
        let parsed = |text: &str| text.parse::<Source>();
        assert_eq!(parsed("a/b.wasm"), Ok(Source::File("a/b.wasm".into())));
        assert_eq!(parsed("https://x.example/a"), Ok(Source::Url("https://x.example/a".to_string())));
        assert!(parsed("http://127.0.0.1:81/a").is_ok() && parsed("http://localhost/a").is_ok());
        for refused in ["http://x.example/a", "http://127.0.0.1.x.example/a"] {
            assert!(parsed(refused).unwrap_err().contains("https"), "{refused}");
        }
        let Ok(Source::Oci(reference)) = parsed(&format!("oci://ghcr.io/team/ga4@sha256:{DIGEST}")) else { panic!() };
        assert_eq!(reference.manifest_url(), format!("https://ghcr.io/v2/team/ga4/manifests/sha256:{DIGEST}"));
        let local = OciReference { registry: "localhost:5000".to_string(), ..reference };
        assert!(local.blob_url(&DIGEST.parse().unwrap()).starts_with("http://localhost:5000/v2/team/ga4/blobs/"));
        for wrong in ["oci://ghcr.io/team/ga4:latest", "oci://ghcr.io@sha256:00", "oci://ghcr.io/a?b@sha256:00"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn digests_are_checked() {
        let digest: Sha256Hex = DIGEST.to_ascii_uppercase().parse().unwrap();
        assert!(digest.check("it", b"test").is_ok());
        assert!(digest.check("it", b"tesT").unwrap_err().contains(DIGEST));
        for wrong in [&DIGEST[1..], "", "sha256:zz"] {
            assert!(wrong.parse::<Sha256Hex>().is_err());
        }
    }

    #[test]
    fn an_artifact_has_one_layer_of_wasm() {
        let layer = json!({"mediaType": LAYER_TYPE, "digest": format!("sha256:{DIGEST}"), "size": 4});
        let manifest = |config: &str, layers: serde_json::Value| {
            json!({"schemaVersion": 2, "config": {"mediaType": config, "digest": "x", "size": 2}, "layers": layers})
                .to_string()
        };
        let read = |config: &str, layers| wasm_layer(manifest(config, layers).as_bytes());
        assert_eq!(read(CONFIG_TYPE, json!([layer])), DIGEST.parse());
        assert!(read("application/vnd.oci.image.config.v1+json", json!([layer])).is_err());
        assert!(read(CONFIG_TYPE, json!([layer, layer])).is_err());
        assert!(read(CONFIG_TYPE, json!([])).is_err());
        assert!(wasm_layer(b"nonsense").is_err());
    }
}
