//! The status: one JSON document on a local socket, and the command that reads it.
//!
//! In: the [`View`] and the counters of others; nothing is counted here. Out: the document, to whoever connects. It names
//! stations, so the socket is for root and its group alone.

pub mod document;

use std::fmt;
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};
use welcome_core::{NetworkView, SessionView, View};
use welcome_proto::NetworkId;
use welcome_proto::offer::{Offer, Sender};

pub use self::document::Backlog;
use self::document::{BssStatus, Document, HeldOffer, NetworkStatus, OfferStatus, SessionStatus};
use crate::clock::Clock;
use crate::meter::Meter;
use crate::tasks::Stop;

/// What there is to tell.
pub struct Source {
    /// What the agent knows.
    pub view: watch::Receiver<Arc<View>>,
    /// How long joins took.
    pub meter: Arc<Meter>,
    /// The agent's clock; it began when the agent did.
    pub clock: Clock,
    /// What waits for the server.
    pub backlog: Box<dyn Fn() -> Backlog + Send + Sync>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

/// The bound socket.
#[derive(Debug)]
pub struct Status {
    listener: UnixListener,
    path: PathBuf,
}

impl Status {
    /// Binds the socket, in place of one that a dead agent left.
    ///
    /// # Errors
    /// If that cannot be done, or another agent answers there.
    pub fn bind(path: &Path) -> anyhow::Result<Self> {
        let what = || format!("listen on {}", path.display());
        if let Some(dir) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o750).create(dir).with_context(what)?;
        }
        remove_stale(path).with_context(what)?;
        let listener = UnixListener::bind(path).with_context(what)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).with_context(what)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers until told to stop, one after the other.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn run(self, source: Source, mut stop: Stop) -> anyhow::Result<()> {
        tokio::select! {
            () = self.answer_all(&source) => {}
            () = stop.stopped() => {}
        }
        // Whoever asks finds that there is no agent either way.
        let _gone = std::fs::remove_file(&self.path).is_ok();
        Ok(())
    }

    async fn answer_all(&self, source: &Source) {
        loop {
            let mut stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "a request for the status could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(text) = serde_json::to_vec(&source.document()) else { continue };
            let written = timeout(WRITE_TIME, stream.write_all(&text)).await;
            if !matches!(written, Ok(Ok(()))) {
                debug!("whoever asked for the status does not read it");
            }
        }
    }
}

impl Source {
    /// The document of this moment.
    #[must_use]
    pub fn document(&self) -> Document {
        let view = Arc::clone(&self.view.borrow());
        let sessions: Vec<_> = view.sessions.values().map(|s| self.session(s)).collect();
        let network = |(id, network): (&NetworkId, &NetworkView)| {
            let here = sessions.iter().filter(|s| s.on_air && s.network == *id);
            let bss = network.bss.iter().map(|b| BssStatus {
                ifname: b.ifname.clone(),
                bssid: b.bssid,
                ssid: b.ssid.clone(),
                freq: b.freq,
            });
            let NetworkView { announced, arrived, shown, .. } = *network;
            let (guests, stations) = (here.clone().filter(|s| s.guest).count(), here.count());
            (id.clone(), NetworkStatus { bss: bss.collect(), announced, stations, guests, arrived, shown })
        };
        Document {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: unix_seconds(self.clock.unix_at(Duration::ZERO)),
            uptime_s: self.clock.now().mono.as_secs(),
            server: (&view.server).into(),
            latency: self.meter.summary(),
            reports: (self.backlog)(),
            networks: view.networks.iter().map(network).collect(),
            offers: view.offers.iter().map(held).collect(),
            sessions,
        }
    }

    fn session(&self, session: &SessionView) -> SessionStatus {
        let offers = session.offers.iter().map(|o| OfferStatus {
            sender: o.sender,
            id: o.offer.id.clone(),
            title: o.offer.content.title.clone(),
            shown: o.shown,
            due: o.due,
        });
        SessionStatus {
            id: session.id.to_string(),
            mac: session.mac,
            addresses: session.addresses.clone(),
            network: session.network.clone(),
            ifname: session.ifname.clone(),
            credential: session.credential.as_str().to_owned(),
            guest: session.guest,
            on_air: session.on_air,
            heard_at: unix_seconds(self.clock.unix_at(session.since)),
            ready_us: self.meter.of(session.id),
            offers: offers.collect(),
        }
    }
}

fn held((sender, offer): &(Sender, Arc<Offer>)) -> HeldOffer {
    HeldOffer { sender: *sender, id: offer.id.clone(), title: offer.content.title.clone() }
}

/// Asks the agent at `socket` and makes its answer ready to print: as it is, or for a person.
///
/// # Errors
/// If no agent answers.
pub fn ask(socket: &Path, json: bool) -> anyhow::Result<String> {
    let stream = match std::os::unix::net::UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            bail!("find a running agent: nothing answers at {}; start it, or name its --socket", socket.display())
        }
        Err(error) => return Err(error).with_context(|| format!("ask the agent at {}", socket.display())),
    };
    let mut text = String::new();
    let read =
        stream.set_read_timeout(Some(READ_TIME)).and_then(|()| stream.take(MAX_DOCUMENT).read_to_string(&mut text));
    read.with_context(|| format!("get an answer from the agent at {}", socket.display()))?;
    let document: Document = serde_json::from_str(&text).context("understand the agent's answer")?;
    Ok(if json { text + "\n" } else { document.to_string() })
}

fn remove_stale(path: &Path) -> anyhow::Result<()> {
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !there.file_type().is_socket() {
        bail!("there is something else than a socket");
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!("another agent answers there");
    }
    Ok(std::fs::remove_file(path)?)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit the 53 bits of a float for 285 years")]
fn unix_seconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}

/// After an accept error, which often means that descriptors are out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For whoever asked to read the answer.
const WRITE_TIME: Duration = Duration::from_secs(2);
/// For the agent to answer; it may be busy with another one that asks.
const READ_TIME: Duration = Duration::from_secs(5);
/// 2048 visits with all their offers are far less.
const MAX_DOCUMENT: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use welcome_core::{Agent, Bss, CredentialRule, Event, NetworkRules, Now, Rules, ServerLink};
    use welcome_proto::Mac;
    use welcome_proto::announce::Security;
    use welcome_proto::offer::{Content, Offer};

    use super::*;
    use crate::tasks::Tasks;

    fn source() -> Source {
        let networks = BTreeMap::from(["cafe", "yard"].map(|id| {
            let ifnames = [format!("{id}0")].into();
            (id.parse().unwrap(), NetworkRules { ifnames, credential: CredentialRule::Bss, announce: None })
        }));
        let offer = Offer {
            id: "hello".parse().unwrap(),
            networks: vec![],
            priority: 50,
            cap_per_visit: 1,
            content: Content { title: "Hello".to_owned(), text: String::new(), link: None },
        };
        let clock = Clock::new();
        let mut agent = Agent::default();
        let now = Now { mono: clock.now().mono, wall: None };
        let bss = Bss {
            ifname: "cafe0".to_owned(),
            bssid: "02:00:00:00:00:01".parse().unwrap(),
            ssid: "Café".parse().unwrap(),
            security: Security::Open,
            freq: Some(2437),
        };
        let mac = Mac([2, 0, 0, 0, 1, 0]);
        for event in [
            Event::Rules(Rules { networks, offers: vec![offer] }),
            Event::BssUp(bss),
            Event::StationAuthorized { ifname: "cafe0".to_owned(), mac, key: None },
            Event::ServerLink(ServerLink::Away { reason: "connect to https://d: refused".to_owned() }),
        ] {
            assert!(!agent.handle(now, event).is_empty());
        }
        let view = agent.view();
        let meter = Meter::default();
        meter.note(*view.sessions.keys().next().unwrap(), Duration::from_micros(300));
        let (_, view) = watch::channel(Arc::new(view));
        Source { view, meter: Arc::new(meter), clock, backlog: Box::new(|| Backlog { waiting: 2, dropped: 1 }) }
    }

    #[test]
    fn a_person_is_told_what_matters() {
        assert_eq!(
            source().document().to_string(),
            "welcomed 0.1.0, running for 0 s\n\
             server: not connected: connect to https://d: refused\n\
             reports: 2 waiting for the server, 1 lost\n\
             offer hello (this router's): \"Hello\"\n\
             network cafe (not listed):\n\
             \x20 on the air: \"Café\" by cafe0 (02:00:00:00:00:01, 2437 MHz)\n\
             \x20 here now: 1 device, 1 of them guests\n\
             \x20 greeted since the start: 1 visit; messages shown: 0\n\
             network yard (not listed):\n\
             \x20 not on the air: hostapd has none of its interfaces\n\
             \x20 here now: 0 devices, 0 of them guests\n\
             \x20 greeted since the start: 0 visits; messages shown: 0\n\
             a guest's messages are ready in 0.3 ms, in 99 of 100 cases in 0.3 ms\n"
        );
    }

    #[test]
    fn the_document_says_when_and_how_fast_and_is_read_as_it_was_written() {
        let document = source().document();
        let session = &document.sessions[0];
        assert_eq!(session.ready_us, Some(300));
        assert!(session.heard_at >= document.since && session.heard_at - document.since < 1.0);
        assert_eq!(session.offers[0].id.as_str(), "hello");
        let text = serde_json::to_string(&document).unwrap();
        assert!(text.contains(r#""server":{"link":"away","reason":"#), "{text}");
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), document);
        assert_eq!(unix_seconds(Duration::from_micros(1_795_400_000_123_456)).to_string(), "1795400000.123456");
    }

    #[tokio::test]
    async fn whoever_asks_is_answered_and_a_dead_agents_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/status.sock");
        drop(Status::bind(&path).unwrap());
        let status = Status::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(Status::bind(&path).unwrap_err().to_string().contains("listen on"));

        let tasks = Tasks::new();
        let task = tokio::spawn(status.run(source(), tasks.stop_signal()));
        for json in [false, true] {
            let path = path.clone();
            let answer = tokio::task::spawn_blocking(move || ask(&path, json)).await.unwrap().unwrap();
            assert_eq!(answer.starts_with("{\"version\""), json, "{answer}");
        }
        drop(tasks);
        task.await.unwrap().unwrap();
        assert!(!path.exists());
        let error = ask(&path, false).unwrap_err().to_string();
        assert!(error.starts_with("find a running agent"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("precious");
        std::fs::write(&path, "x").unwrap();
        assert!(Status::bind(&path).is_err());
        assert!(path.exists());
    }
}
