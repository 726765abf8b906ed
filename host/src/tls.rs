//! The certificate of a listener, from files, taken up again when they change.
//!
//! A connection keeps the certificate that it began with. A file that cannot be used is refused
//! loudly, and the one before stays.

use std::path::Path;
use std::sync::{Arc, RwLock};

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// What a listener shows who it is with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Certificate {
    files: TlsFiles,
    current: Arc<Current>,
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().expect("nobody panics while holding the certificate").clone())
    }
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// Names the file that cannot be used, and why.
    pub fn load(files: &TlsFiles) -> anyhow::Result<Certificate> {
        let key = Arc::new(read(files)?);
        Ok(Certificate { files: files.clone(), current: Arc::new(Current(RwLock::new(key))) })
    }

    /// Reads the files again. Answers whether the certificate is another.
    ///
    /// # Errors
    /// As [`Certificate::load`]; the certificate stays as it was.
    pub fn reload(&self) -> anyhow::Result<bool> {
        let key = Arc::new(read(&self.files)?);
        let mut current = self.current.0.write().expect("nobody panics while holding the certificate");
        let is_another = current.cert != key.cert;
        *current = key;
        Ok(is_another)
    }

    /// The files.
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// Takes connections with it: HTTP/2 and HTTP/1.1 over TLS 1.2 and 1.3.
    pub fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_no_client_auth()
            .with_cert_resolver(self.current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

fn read(files: &TlsFiles) -> anyhow::Result<CertifiedKey> {
    let named = |path: &Path| path.display().to_string();
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("{}: no certificate in PEM can be read", named(&files.certificate)))?;
    anyhow::ensure!(!chain.is_empty(), "{}: there is no certificate in it", named(&files.certificate));
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("{}: no private key in PEM can be read", named(&files.key)))?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .with_context(|| format!("{} and {} do not go together", named(&files.certificate), named(&files.key)))
}
