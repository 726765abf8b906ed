//! Whom TLS connections to vendors trust: the system's certificate authorities, and those that the
//! operator adds. Nothing switches the verification off.

use std::sync::{Arc, LazyLock};

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::config::Egress;

/// The system's certificate authorities, read once.
static SYSTEM: LazyLock<RootCertStore> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate authority of the system cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::error!(
            "the system has no certificate authorities: https requests fail but to those of egress.ca_file"
        );
    }
    roots
});

/// Of a daemon without further authorities: shared by all destinations, not copied.
static USUAL: LazyLock<ClientConfig> = LazyLock::new(|| with_roots(SYSTEM.clone()));

/// The TLS configuration of a client.
pub(super) fn client_config(egress: &Egress) -> ClientConfig {
    if egress.authorities.is_empty() {
        return USUAL.clone();
    }
    let mut roots = SYSTEM.clone();
    roots.add_parsable_certificates(egress.authorities.iter().map(|own| CertificateDer::from(own.clone())));
    with_roots(roots)
}

fn with_roots(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
