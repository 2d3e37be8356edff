//! The certificate of the portal: read from two files, and again when they change.
//!
//! In: the files. Out: an acceptor for connections. A new pair that cannot be used leaves the old one in force, and the
//! log says so. Never makes the agent fail: without a pair there is no https until there is one.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

/// A pair of files, and what was in them when it could be used last.
#[derive(Debug)]
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    usable: Option<Arc<ServerConfig>>,
    /// What the files looked like when they were read last.
    seen: [Option<Stamp>; 2],
}

/// A file that is the same in all of this has not changed.
type Stamp = (i64, i64, u64, u64);

impl Certificate {
    /// Reads both files, PEM. What is wrong is told to the log.
    #[must_use]
    pub fn load(cert: &Path, key: &Path) -> Self {
        let (cert, key) = (cert.to_owned(), key.to_owned());
        let mut this = Self { cert, key, usable: None, seen: [None; 2] };
        this.read();
        this
    }

    /// Reads the files again if they are others than before.
    pub fn look(&mut self) {
        if self.stamps() != self.seen {
            self.read();
        }
    }

    /// Takes connections with the pair in force.
    #[must_use]
    pub fn acceptor(&self) -> Option<TlsAcceptor> {
        self.usable.clone().map(TlsAcceptor::from)
    }

    fn read(&mut self) {
        // Looked at before they are read: a change in between is seen the next time.
        self.seen = self.stamps();
        match server_config(&self.cert, &self.key) {
            Ok(config) => {
                self.usable = Some(Arc::new(config));
                info!(certificate = %self.cert.display(), "https is served with this certificate");
            }
            Err(error) if self.usable.is_some() => warn!("the certificate stays the old one: failed to {error:#}"),
            Err(error) => warn!("there is no https until this is right: failed to {error:#}"),
        }
    }

    fn stamps(&self) -> [Option<Stamp>; 2] {
        [&self.cert, &self.key].map(|path| {
            let about = fs::metadata(path).ok()?;
            Some((about.mtime(), about.mtime_nsec(), about.len(), about.ino()))
        })
    }
}

fn server_config(cert: &Path, key: &Path) -> anyhow::Result<ServerConfig> {
    let chain = certificates(cert).with_context(|| format!("read the certificate {}", cert.display()))?;
    let private = PrivateKeyDer::from_pem_file(key).with_context(|| format!("read the key {}", key.display()))?;
    let provider = crate::tls::provider();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("set up TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| format!("use the certificate {} with the key {}", cert.display(), key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // What asks the API and what opens the page are two programs of a phone that share nothing; memory for sessions to
    // be resumed would be spent in vain.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() {
        bail!(io::Error::other("no certificate in it"));
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A new pair in the two files.
    fn write(dir: &TempDir, names: [&str; 2]) {
        let made = rcgen::generate_simple_self_signed(vec!["router.example".to_owned()]).unwrap();
        for (name, text) in names.into_iter().zip([made.cert.pem(), made.signing_key.serialize_pem()]) {
            fs::write(dir.path().join(name), text).unwrap();
        }
    }

    fn load(dir: &TempDir) -> Certificate {
        Certificate::load(&dir.path().join("cert"), &dir.path().join("key"))
    }

    fn same(one: &Option<Arc<ServerConfig>>, other: &Option<Arc<ServerConfig>>) -> bool {
        one.as_ref().zip(other.as_ref()).is_some_and(|(one, other)| Arc::ptr_eq(one, other))
    }

    #[test]
    fn a_new_pair_is_taken_and_a_bad_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir, ["cert", "key"]);
        let mut certificate = load(&dir);
        let first = certificate.usable.clone();
        assert!(first.is_some());
        certificate.look();
        assert!(same(&first, &certificate.usable), "nothing has changed");
        // Half of a new pair; the other half comes a moment later.
        write(&dir, ["cert", "other"]);
        certificate.look();
        assert!(same(&first, &certificate.usable), "the key is of another certificate");
        fs::rename(dir.path().join("other"), dir.path().join("key")).unwrap();
        certificate.look();
        assert!(certificate.usable.is_some() && !same(&first, &certificate.usable));
        let second = certificate.usable.clone();
        for bad in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            fs::write(dir.path().join("cert"), bad).unwrap();
            certificate.look();
            assert!(same(&second, &certificate.usable), "{bad:?}");
        }
        fs::remove_file(dir.path().join("cert")).unwrap();
        certificate.look();
        assert!(same(&second, &certificate.usable));
    }

    #[test]
    fn files_that_come_later_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut certificate = load(&dir);
        assert!(certificate.acceptor().is_none());
        write(&dir, ["cert", "key"]);
        certificate.look();
        assert!(certificate.acceptor().is_some());
    }
}
