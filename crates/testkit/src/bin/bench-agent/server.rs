//! What the link to a server costs in memory: an agent that is connected over verified TLS and has nothing else to do.
//!
//! It trusts the system's certificates beside the server's own, as a router does.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::program::{Agent, free_address};
use crate::{guests, row};

/// Measures with this server, the real one.
pub(crate) fn measure(program: &Path, server: &Path) {
    row("agent.rss.tls_idle", &tls_idle(program, server), "kB");
}

fn tls_idle(program: &Path, server: &Path) -> u32 {
    let dir = tempfile::tempdir().unwrap();
    let trusted = make_certificate(dir.path());
    let address = free_address();
    let server = Server::start(server, dir.path(), &address.to_string());
    let section = format!(
        "config server 'server'\n\toption url 'https://localhost:{}'\n\toption token '{}'\n\toption ca_file '{trusted}'",
        address.port(),
        server.token
    );
    let hostapd = guests::access_point(dir.path());
    let agent = Agent::start(program, dir.path(), "", &format!("{}\n{section}", guests::NETWORK));
    agent.wait("the agent listens to hostapd", || hostapd.attached() == 1);
    agent.wait("the agent is connected", || agent.try_status().is_some_and(|s| s["server"]["link"] == "connected"));
    std::thread::sleep(SETTLE);
    agent.resident()
}

/// For `localhost`, by openssl. Returns the file with all certificates to trust.
fn make_certificate(dir: &Path) -> String {
    let (cert, key, trusted) = (dir.join("cert.pem"), dir.join("key.pem"), dir.join("trusted.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-out"]).arg(&cert).arg("-keyout").arg(&key);
    let made = openssl.stderr(Stdio::null()).status().unwrap_or_else(|e| panic!("run openssl: {e}"));
    assert!(made.success(), "openssl made no certificate");
    let all = [SYSTEM.as_ref(), cert.as_path()].map(|file| std::fs::read(file).unwrap_or_default());
    std::fs::write(&trusted, all.concat()).unwrap();
    trusted.to_str().unwrap().to_owned()
}

/// The real server. Ends when dropped.
struct Server {
    process: Child,
    token: String,
}

impl Server {
    fn start(program: &Path, dir: &Path, listen: &str) -> Self {
        let mut serve = Command::new(program);
        serve.args(["serve", "--listen", listen, "--data"]).arg(dir.join("data"));
        serve.arg("--tls-cert").arg(dir.join("cert.pem")).arg("--tls-key").arg(dir.join("key.pem"));
        let mut process = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        said.find(|line| line.starts_with("listening on ")).expect("the server starts");
        let made = Command::new(program).args(["token", "--data"]).arg(dir.join("data")).output().unwrap();
        let made = String::from_utf8(made.stdout).unwrap();
        let token = made.strip_prefix("enrolment token: ").map(|token| token.trim_end().to_owned());
        Self { process, token: token.expect("the server makes a token") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the agent will have noticed.
        let _killed = self.process.kill().and_then(|()| self.process.wait()).is_ok();
    }
}

const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The first announcement, and whatever else comes of a new connection.
const SETTLE: Duration = Duration::from_secs(3);
