//! HTTPS: who knows the certificate's authority is served, who knows another one refuses.

use std::sync::Arc;

use crate::common::{Answer, Router, Server, exchange};
use http::Request;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tempfile::tempdir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use welcome_server::TlsFiles;

#[tokio::test]
async fn https_serves_and_a_wrong_authority_is_refused() {
    let data = tempdir().unwrap();
    let (ours, other) = (authority(), authority());
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &ours).unwrap();
    let files = TlsFiles { cert: data.path().join("cert.pem"), key: data.path().join("key.pem") };
    std::fs::write(&files.cert, cert.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    let server = Server::with_tls(&data.path().join("data"), Some(files)).await;

    assert!(connect(&server, other.der()).await.is_err());
    let stream = connect(&server, ours.der()).await.unwrap();
    let health = exchange(stream, server.addr, Request::get("/healthz").body(String::new()).unwrap()).await.unwrap();
    assert_eq!(Answer::read(health).await.body, "ok");

    // A whole life over TLS; the default port is no part of what is signed.
    let keys = Router::new_key();
    let enrol = Router::enrol_request(&server.enrolment, &keys);
    let reply = exchange(connect(&server, ours.der()).await.unwrap(), server.addr, enrol).await.unwrap();
    let router = Router::enrolled(server.client(), Answer::read(reply).await, keys).unwrap();
    let body = json!({"generation": 1, "networks": []}).to_string();
    let mut announce = router.sign_for("localhost", crate::common::unix_now(), "PUT", &router.path("announce"), &body);
    announce.headers_mut().insert("host", "localhost:443".parse().unwrap());
    let reply = exchange(connect(&server, ours.der()).await.unwrap(), server.addr, announce).await.unwrap();
    assert_eq!(reply.status(), 204);

    // Plain HTTP on the same port gets no answer, and nobody else suffers.
    let plain = TcpStream::connect(server.addr).await.unwrap();
    assert!(exchange(plain, server.addr, Request::get("/healthz").body(String::new()).unwrap()).await.is_err());
    connect(&server, ours.der()).await.unwrap();
    server.stop().await;
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

async fn connect(server: &Server, root: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.addr).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}
