//! A certificate authority for one run, and the server's certificate from it.

use std::fs;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// The authority's certificate: what agent, client and operator trust.
pub(crate) const AUTHORITY_FILE: &str = "/tmp/authority.pem";

/// The server's certificate chain.
pub(crate) const CERTIFICATE_FILE: &str = "/tmp/server.pem";

/// The key of the server's certificate.
pub(crate) const KEY_FILE: &str = "/tmp/server-key.pem";

/// Makes all three files, for a server of that name.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn issue(server_name: &str) -> Result<()> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "authority of the lab");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?).context("make an authority")?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([server_name.to_owned()])?.signed_by(&key, &authority)?;
    for (file, text) in
        [(AUTHORITY_FILE, authority.pem()), (CERTIFICATE_FILE, certificate.pem()), (KEY_FILE, key.serialize_pem())]
    {
        fs::write(file, text).with_context(|| format!("write {file}"))?;
    }
    Ok(())
}
