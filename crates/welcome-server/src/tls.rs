//! Loads the certificate and key of the server. Two files come in, what connections are accepted with goes out; each error names its file.
//!
//! What stands in the certificate is read for people alone, to warn in time: [`Seen`].

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use rustls::{InconsistentKeys, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// Where the certificate chain and its key are, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate first, then those between it and the root.
    pub cert: PathBuf,
    /// Its private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

/// Makes what connections are accepted with.
///
/// # Errors
/// If a file cannot be read, holds nothing of its kind, or the two do not belong together.
pub(crate) fn load(files: &TlsFiles) -> Result<(Arc<ServerConfig>, Seen)> {
    let TlsFiles { cert, key } = files;
    let chain = certificates(cert)
        .with_context(|| format!("failed to read the certificate {}: give a PEM file", cert.display()))?;
    let seen = chain.first().and_then(Seen::of);
    let seen = seen.with_context(|| format!("failed to understand the certificate {}", cert.display()))?;
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
    Ok((Arc::new(config), seen))
}

/// When to say that a certificate should be renewed, in seconds: a week after those of ACME usually are.
pub(crate) const RENEW_BEFORE: i64 = 21 * 86_400;

/// What stands in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// From when it is good, in Unix time.
    pub(crate) from: i64,
    /// Until when.
    pub(crate) until: i64,
    /// For which names and addresses.
    pub(crate) names: Vec<String>,
}

impl Seen {
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, read) = X509Certificate::from_der(certificate).ok()?;
        let validity = read.validity();
        let names = read.subject_alternative_name().ok()?;
        let names = names.iter().flat_map(|extension| &extension.value.general_names);
        let names = names.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => address(octets),
            _ => None,
        });
        Some(Self {
            from: validity.not_before.timestamp(),
            until: validity.not_after.timestamp(),
            names: names.collect(),
        })
    }

    /// Whether it is good for this name or address.
    pub(crate) fn covers(&self, host: &str) -> bool {
        let wild = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host) || Some(name.to_ascii_lowercase()) == wild)
    }
}

fn address(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| IpAddr::from(octets).to_string());
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(|octets| IpAddr::from(octets).to_string())).ok()
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
