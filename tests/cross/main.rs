//! The programs that `make cross` has built, each run by QEMU as its router's processor would: version, check, a page, the
//! bus, and verified TLS to the real server.
//!
//! A target that was not built is left out, and the test says so. `WELCOMED_CROSS=mipsel,aarch64` names those that must
//! be there; `make test` does.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::print_stderr, reason = "it says what it leaves out")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::ctrl::FakeHostapd;
use testkit::ubus::Broker;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_ubus::Blobmsg;
use welcome_server::{Config, Ready, TlsFiles, add_enrolment_token, serve};
use xtask::targets::{self, Target};

#[tokio::test(flavor = "multi_thread")]
async fn aarch64_does_what_a_router_needs() {
    all("aarch64").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn armv7_does_what_a_router_needs() {
    all("armv7").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mipsel_does_what_a_router_needs() {
    all("mipsel").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mips_does_what_a_router_needs() {
    all("mips").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x86_64_does_what_a_router_needs() {
    all("x86_64").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn riscv64_does_what_a_router_needs() {
    all("riscv64").await;
}

async fn all(name: &str) {
    let target = targets::named(name).unwrap()[0];
    let program = target_dir().join("cross").join(target.triple).join("welcomed");
    if !program.exists() {
        let wanted = std::env::var("WELCOMED_CROSS").unwrap_or_default();
        assert!(!targets::named(&wanted).unwrap().contains(&target), "{} is not built", program.display());
        return eprintln!("skipped: {name} is not built; make cross TARGET={name}");
    }
    let emulated = Emulated { target, program };
    emulated.says_its_version_and_checks_configurations();
    emulated.serves_a_page_and_answers_on_the_bus().await;
    emulated.trusts_the_server_whose_certificate_it_was_given_and_no_other().await;
}

struct Emulated {
    target: Target,
    program: PathBuf,
}

impl Emulated {
    /// A command line: QEMU, unless this machine can run it.
    fn command(&self, args: &[&str]) -> Command {
        let mut words: Vec<&str> = self.target.qemu.split(' ').collect();
        if self.target.triple.starts_with(std::env::consts::ARCH) {
            words.clear();
        }
        words.push(self.program.to_str().unwrap());
        words.extend(args);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap_or_else(|e| panic!("{}: {e}", self.target.qemu))
    }

    fn says_its_version_and_checks_configurations(&self) {
        let version = self.output(&["--version"]);
        assert_eq!(String::from_utf8(version.stdout).unwrap().trim(), env!("CARGO_PKG_VERSION"));
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/files/etc/config/welcomed");
        assert!(self.output(&["check", "--config", shipped]).status.success());
        let dir = tempfile::tempdir().unwrap();
        let wrong = dir.path().join("wrong");
        std::fs::write(&wrong, "config welcomed 'main'\n\toption enabld '1'\n").unwrap();
        let checked = self.output(&["check", "--config", wrong.to_str().unwrap()]);
        let said = String::from_utf8(checked.stderr).unwrap();
        assert!(checked.status.code() == Some(78) && said.contains("did you mean enabled?"), "{said}");
    }

    async fn serves_a_page_and_answers_on_the_bus(&self) {
        let world = World::new();
        let broker = Broker::start(world.dir.path());
        let agent = self.run(&world, &format!("\toption ubus_socket '{}'\n", broker.path().display()), "");
        let page = get(agent.portal, "/");
        assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("<html"), "{page}");
        let captive = get(agent.portal, "/welcome/v1/captive");
        assert!(captive.contains("application/captive+json"), "{captive}");

        // Its object, asked as LuCI does, and its own program for a person.
        let status = ask(&broker).await;
        assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(status["networks"]["cafe"]["bss"][0]["bssid"], "02:00:00:00:00:00", "{status}");
        let socket = world.path("status.sock");
        let said = self.output(&["status", "--socket", &socket]);
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains("on the air: \"Café\" by wlan0 (02:00:00:00:00:00"), "{said}");
        agent.stop();
    }

    async fn trusts_the_server_whose_certificate_it_was_given_and_no_other(&self) {
        let server = Server::start().await;
        let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(server.dir.path().join("stranger.pem"), stranger.cert.pem()).unwrap();
        for (trusted, link) in [("stranger.pem", "away"), ("cert.pem", "connected")] {
            let world = World::new();
            let agent = self.run(&world, "", &server.section(trusted));
            let socket = world.path("status.sock");
            let (mut said, until) = (Value::Null, Instant::now() + PATIENCE);
            // The first moments it has not tried yet, or is about to.
            let early = ["not tried yet", "connecting"].map(Value::from);
            while said["server"]["link"] != link || early.contains(&said["server"]["reason"]) {
                assert!(Instant::now() < until, "with {trusted}: {said}");
                sleep(Duration::from_millis(200)).await;
                let output = self.output(&["status", "--json", "--socket", &socket]);
                said = serde_json::from_slice(&output.stdout).unwrap_or_default();
            }
            if link == "away" {
                assert!(said["server"]["reason"].as_str().unwrap().contains("certificate"), "{said}");
            }
            agent.stop();
        }
    }

    /// Starts the agent with these options of the main section, and these sections.
    fn run(&self, world: &World, options: &str, sections: &str) -> Running {
        let config = world.path("config");
        std::fs::write(&config, world.config(options, sections)).unwrap();
        let mut command = self.command(&["run", "--log", "stderr", "--config", &config]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut running = Running { child, portal: SocketAddr::from(([0, 0, 0, 0], 0)), log };
        let mut said = String::new();
        while running.portal.port() == 0 {
            let start = said.len();
            assert!(running.log.read_line(&mut said).unwrap() > 0, "it ended: {said}");
            let portal = said[start..].split("ready version=").nth(1).and_then(|l| l.split("portal=[").nth(1));
            if let Some(portal) = portal {
                running.portal = portal.split(']').next().unwrap().parse().unwrap();
            }
        }
        running
    }
}

/// A running agent; killed when dropped.
struct Running {
    child: Child,
    portal: SocketAddr,
    log: BufReader<ChildStderr>,
}

impl Running {
    /// By the signal that procd sends.
    fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _killed = self.child.kill().is_ok() && self.child.wait().is_ok();
    }
}

/// What is around an agent: a directory, and hostapd.
struct World {
    dir: tempfile::TempDir,
    _hostapd: FakeHostapd,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hostapd = FakeHostapd::start(dir.path(), "wlan0", "02:00:00:00:00:00", "Café");
        Self { dir, _hostapd: hostapd }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn config(&self, options: &str, sections: &str) -> String {
        let mut main = "config welcomed 'main'\n\toption enabled '1'\n\tlist listen '127.0.0.1:0'\n".to_owned();
        main += "\tlist catch '127.0.0.1:0'\n\toption clock 'system'\n";
        main += &format!("\toption hostapd_dir '{}'\n", self.dir.path().display());
        for (option, name) in [
            ("leases", "leases"),
            ("status_socket", "status.sock"),
            ("state_dir", "state"),
            ("cache_dir", "content"),
            ("languages", "languages"),
        ] {
            main += &format!("\toption {option} '{}'\n", self.path(name));
        }
        if !options.contains("ubus_socket") {
            main += &format!("\toption ubus_socket '{}'\n", self.path("none"));
        }
        let network = "config network 'cafe'\n\tlist ifname 'wlan0'\n\toption mode 'app'\n";
        let offer = "config offer 'hello'\n\toption title 'Coffee is half price'\n";
        format!("{main}{options}\n{network}\n{offer}\n{sections}")
    }
}

/// The real server, with a certificate of its own for `localhost`.
struct Server {
    dir: tempfile::TempDir,
    port: u16,
    token: String,
    _stop: oneshot::Sender<()>,
    _ready: Ready,
}

impl Server {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let tls = TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
        std::fs::write(&tls.cert, made.cert.pem()).unwrap();
        std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = Config { tls: Some(tls), ..Config::new(listen, dir.path().join("data")) };
        let (stop, stopped) = oneshot::channel::<()>();
        let ready = serve(config.clone(), async {
            let _asked_or_dropped = stopped.await.is_ok();
        });
        let ready = ready.await.unwrap();
        let token =
            add_enrolment_token(&config, None, true, Duration::from_secs(3600)).await.unwrap().reveal().to_owned();
        Self { dir, port: ready.addr.port(), token, _stop: stop, _ready: ready }
    }

    fn section(&self, trusted: &str) -> String {
        let (port, token, file) = (self.port, &self.token, self.dir.path().join(trusted));
        format!(
            "config server 'server'\n\toption url 'https://localhost:{port}'\n\toption token '{token}'\n\toption ca_file '{}'\n",
            file.display()
        )
    }
}

/// The answer of the agent's object, once it is published and hostapd was found.
async fn ask(broker: &Broker) -> Value {
    let (client, driver) = tokio_ubus::connect(broker.path());
    let _driver = tokio::spawn(driver.run());
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = client.call("welcomed", "status", &BTreeMap::from([("ignored", 1)]), PATIENCE).await;
        let status = answer.as_ref().ok().and_then(|a| a.data.first()).map(Blobmsg::to_json).unwrap_or_default();
        if status["networks"]["cafe"]["bss"].as_array().is_some_and(|bss| !bss.is_empty()) {
            return status;
        }
        assert!(Instant::now() < until, "{answer:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

fn get(portal: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(portal).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {portal}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn target_dir() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// An emulated processor beside a busy test run.
const PATIENCE: Duration = Duration::from_secs(40);
