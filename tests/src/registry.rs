//! A registry of OCI artifacts, as far as fetching one needs it: an anonymous token, a manifest by its
//! digest, and a layer that is fetched from storage after a redirect.

use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::stand_in::{Answer, Recorded, StandIn};

/// A registry with one Wasm artifact.
pub struct Registry {
    stand_in: StandIn,
    digest: String,
}

impl Registry {
    /// Serves this layer as the artifact `team/guest`.
    pub fn start(wasm: &[u8]) -> Registry {
        Registry::serving(wasm, wasm)
    }

    /// Serves other bytes than the manifest says.
    pub fn serving(wasm: &[u8], served: &[u8]) -> Registry {
        let stand_in = StandIn::start();
        let layer = sha256(wasm);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": sha256(b"{}"), "size": 2},
            "layers": [{"mediaType": "application/wasm", "digest": layer, "size": wasm.len()}],
        });
        let manifest = Bytes::from(manifest.to_string());
        let digest = sha256(&manifest);
        let challenge =
            format!("Bearer realm=\"{}/token\",service=\"here\",scope=\"repository:team/guest:pull\"", stand_in.url());
        let unauthorized = Answer::Status {
            status: 401,
            headers: vec![("www-authenticate".to_string(), challenge)],
            body: String::new(),
        };
        let redirect = Answer::Status {
            status: 307,
            headers: vec![("location".to_string(), "/storage".to_string())],
            body: String::new(),
        };
        let has_token = |request: &Recorded| request.header("authorization") == Some("Bearer anonymous");
        let serve = |path: String, answer: Answer| {
            stand_in.program(u64::MAX, answer, move |request| request.path == path);
        };
        stand_in
            .program(u64::MAX, unauthorized, move |request| request.path.starts_with("/v2/") && !has_token(request));
        serve(format!("/v2/team/guest/manifests/{digest}"), Answer::Bytes(manifest));
        serve(format!("/v2/team/guest/blobs/{layer}"), redirect);
        serve("/token".to_string(), Answer::Bytes(Bytes::from_static(b"{\"token\":\"anonymous\"}")));
        serve("/storage".to_string(), Answer::Bytes(Bytes::copy_from_slice(served)));
        stand_in.program(u64::MAX, Answer::status(404), |_| true);
        Registry { stand_in, digest }
    }

    /// What `plugin install` takes.
    pub fn reference(&self) -> String {
        self.of_digest(&self.digest)
    }

    /// The same with another digest.
    pub fn of_digest(&self, digest: &str) -> String {
        format!("oci://{}/team/guest@{digest}", self.stand_in.address())
    }
}

/// A SHA-256 as registries write it.
pub fn sha256(bytes: &[u8]) -> String {
    let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}
