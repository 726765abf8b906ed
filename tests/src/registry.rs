//! A registry of OCI artifacts, as far as fetching one needs it: a token for anybody or for a login, a
//! manifest by its digest, and a layer that is fetched from storage after a redirect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::stand_in::{Answer, Recorded, StandIn};

/// A registry with one Wasm artifact.
pub struct Registry {
    stand_in: StandIn,
    digest: String,
}

/// Whom a registry serves.
#[derive(Clone, Copy)]
pub enum Serves {
    /// Anybody, with a token that anybody gets.
    Anybody,
    /// Who gets a token for this name and password.
    TokenFor(&'static str, &'static str),
    /// Who shows this name and password.
    Login(&'static str, &'static str),
}

impl Registry {
    /// Serves this layer as the artifact `team/guest`.
    pub fn start(wasm: &[u8]) -> Registry {
        Registry::serving(wasm, wasm, Serves::Anybody)
    }

    /// Serves some alone, and perhaps other bytes than the manifest says.
    pub fn serving(wasm: &[u8], served: &[u8], serves: Serves) -> Registry {
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
        let basic = |name: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        let (wanted, challenge) = match serves {
            Serves::Login(name, password) => (basic(name, password), "Basic realm=\"here\"".to_string()),
            Serves::Anybody | Serves::TokenFor(..) => {
                let scope = "service=\"here\",scope=\"repository:team/guest:pull\"";
                ("Bearer the-token".to_string(), format!("Bearer realm=\"{}/token\",{scope}", stand_in.url()))
            }
        };
        let unauthorized =
            |headers: Vec<(String, String)>| Answer::Status { status: 401, headers, body: String::new() };
        let challenged = unauthorized(vec![("www-authenticate".to_string(), challenge)]);
        let redirect = Answer::Status {
            status: 307,
            headers: vec![("location".to_string(), "/storage".to_string())],
            body: String::new(),
        };
        let shows = |request: &Recorded, wanted: &str| request.header("authorization") == Some(wanted);
        stand_in
            .program(u64::MAX, challenged, move |request| request.path.starts_with("/v2/") && !shows(request, &wanted));
        if let Serves::TokenFor(name, password) = serves {
            let wanted = basic(name, password);
            stand_in.program(u64::MAX, unauthorized(Vec::new()), move |request| {
                request.path == "/token" && !shows(request, &wanted)
            });
        }
        let serve = |path: String, answer: Answer| {
            stand_in.program(u64::MAX, answer, move |request| request.path == path);
        };
        serve(format!("/v2/team/guest/manifests/{digest}"), Answer::Bytes(manifest));
        serve(format!("/v2/team/guest/blobs/{layer}"), redirect);
        serve("/token".to_string(), Answer::Bytes(Bytes::from_static(b"{\"token\":\"the-token\"}")));
        serve("/storage".to_string(), Answer::Bytes(Bytes::copy_from_slice(served)));
        stand_in.program(u64::MAX, Answer::status(404), |_| true);
        Registry { stand_in, digest }
    }

    /// Its host and port, as logins name it.
    pub fn host(&self) -> String {
        self.stand_in.address().to_string()
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
