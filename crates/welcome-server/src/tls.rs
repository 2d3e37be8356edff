//! Loads the certificate and key of the server. Two files come in, an acceptor goes out; each error names its file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use rustls::{InconsistentKeys, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Where the certificate chain and its key are, both PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate first, then those between it and the root.
    pub cert: PathBuf,
    /// Its private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

/// Makes the acceptor.
///
/// # Errors
/// If a file cannot be read, holds nothing of its kind, or the two do not belong together.
pub(crate) fn load(files: &TlsFiles) -> Result<TlsAcceptor> {
    let TlsFiles { cert, key } = files;
    let chain = certificates(cert)
        .with_context(|| format!("failed to read the certificate {}: give a PEM file", cert.display()))?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(plain)
        .with_context(|| format!("failed to read the private key {}: give a PEM file", key.display()))?;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("failed to set up TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| match e {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => anyhow::anyhow!(
                "the key {} does not belong to the certificate {}: give the pair that was made together",
                key.display(),
                cert.display()
            ),
            e => anyhow::Error::new(e).context(format!(
                "failed to use the certificate {} with the key {}",
                cert.display(),
                key.display()
            )),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path).map_err(plain)?.collect::<Result<_, _>>().map_err(plain)?;
    if chain.is_empty() {
        bail!("no certificate in it");
    }
    Ok(chain)
}

/// The reader's errors in words that read well after a file's name.
fn plain(error: pem::Error) -> anyhow::Error {
    match error {
        pem::Error::Io(e) => e.into(),
        pem::Error::NoItemsFound => anyhow::anyhow!("nothing of that kind in it"),
        e => e.into(),
    }
}
