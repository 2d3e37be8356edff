//! The interface in the hands of NetworkManager, over D-Bus.
//!
//! In: what to scan and join. Out: what was heard and what happened, from NetworkManager's signals. Connections are
//! added as volatile ones: NetworkManager writes them nowhere and forgets them when they end; those that are for this
//! process only it ends together with this process. It asks for addresses itself.
//!
//! A connection is ours by the UUID that we gave it, which is written down before it is added.

mod bus;
mod heard;
mod settings;
mod signals;
mod state;

use super::memory::Memory;
use super::{Event, Joining, Link, SCAN_WITHIN, Stay};
use crate::exit::{Failure, Reason};
use crate::output::Output;
use anyhow::anyhow;
use bus::{ACCESS_POINT, ACTIVE, DEVICE, NM, NOTHING, PROFILE, ROOT, SETTINGS, SETTINGS_PATH, WIRELESS};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::json;
use settings::settings;
use signals::{Signal, Signals};
use state::{ACTIVATED, IP_CONFIG};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use welcome_client::{Candidate, Sighting};
use zbus::{ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

pub(super) use bus::{Bus, Device};

/// A Wi-Fi device.
pub(super) struct Nm {
    bus: Bus,
    device: Device,
    signals: Signals,
    pub(super) memory: Memory<Change>,
}

/// What was changed on the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    /// Our connection.
    uuid: String,
    /// The connection that was active before.
    former: Option<String>,
}

impl Nm {
    /// Subscribes to a device.
    ///
    /// # Errors
    /// When NetworkManager does not answer, or the memory of this interface cannot be read.
    pub(super) async fn open(bus: Bus, device: Device, state: &Path, interface: &str) -> Result<Self, Failure> {
        let signals = Signals::open(&bus, &device).await?;
        let memory = Memory::load(state, format!("added-{interface}-nm.json"))?;
        Ok(Self { bus, device, signals, memory })
    }

    /// See [`super::Radio::scan`].
    pub(super) async fn scan(&mut self) -> Result<Vec<Sighting>, Failure> {
        let deadline = Instant::now() + SCAN_WITHIN;
        let before: i64 = self.bus.get(self.device.as_str(), WIRELESS, "LastScan").await?;
        let options = HashMap::<&str, Variant<'_>>::new();
        let asked = self.bus.call::<()>(self.device.as_str(), WIRELESS, "RequestScan", &(options,)).await;
        if let Err(error) = asked {
            // Another one is under way, whose results are as good; or it is too soon after the last one.
            tracing::debug!(%error, "no scan of our own");
        }
        while self.bus.get::<i64>(self.device.as_str(), WIRELESS, "LastScan").await? == before {
            match timeout_at(deadline, timeout(LOOK, self.signals.next())).await {
                Ok(Ok(Signal::Gone)) => return Err(gone()),
                Ok(_) => {}
                Err(_) => return Err(anyhow!("failed to scan: NetworkManager ended no scan in {SCAN_WITHIN:?}").into()),
            }
        }
        self.heard().await
    }

    /// See [`super::Radio::heard`].
    pub(super) async fn heard(&self) -> Result<Vec<Sighting>, Failure> {
        let now =
            clock_gettime(ClockId::CLOCK_BOOTTIME).map_err(|errno| anyhow!("failed to ask the clock: {errno}"))?;
        let points: Vec<OwnedObjectPath> =
            self.bus.call(self.device.as_str(), WIRELESS, "GetAllAccessPoints", &()).await?;
        let mut heard = Vec::new();
        for point in points.iter().take(MAX_POINTS) {
            // One that has gone meanwhile is no longer on the air.
            if let Ok(properties) = self.bus.all(point.as_str(), ACCESS_POINT).await {
                heard.extend(heard::sighting(&properties, now.tv_sec()));
            }
        }
        Ok(heard)
    }

    /// See [`super::Radio::link`].
    pub(super) async fn link(&mut self) -> Result<Link, Failure> {
        let active = self.active().await?;
        Ok(match active {
            None => Link::Free,
            Some(uuid) if self.memory.change().is_some_and(|change| change.uuid == uuid) => Link::Ours,
            Some(_) => Link::Other,
        })
    }

    /// The UUID of the connection that is active on the device, or is about to be.
    async fn active(&self) -> Result<Option<String>, Failure> {
        let path: OwnedObjectPath = self.bus.get(self.device.as_str(), DEVICE, "ActiveConnection").await?;
        if path.as_str() == NOTHING {
            return Ok(None);
        }
        match self.bus.get(path.as_str(), ACTIVE, "Uuid").await {
            Ok(uuid) => Ok(Some(uuid)),
            // It has ended between the two questions.
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// See [`super::Radio::join`].
    pub(super) async fn join(&mut self, to: &Candidate, how: Joining, output: &Output) -> Result<(), Failure> {
        let uuid = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid().to_string();
        let settings = settings(to, &uuid, ADDRESS_WITHIN)?;
        let former = self.make_room().await?;
        self.memory.remember(Change { uuid: uuid.clone(), former })?;
        let bind = match how.stay {
            Stay::UntilLeft => "none",
            Stay::WhileWeRun => "dbus-client",
        };
        let options: HashMap<&str, Variant<'_>> =
            HashMap::from([("persist", "volatile".into()), ("bind-activation", bind.into())]);
        // It may choose among the access points it knows: the settings name one.
        let any = ObjectPath::try_from(NOTHING).map_err(bus::Error::from)?;
        self.signals.skip();
        let _answer: (OwnedObjectPath, OwnedObjectPath, HashMap<String, OwnedVariant>) =
            self.bus.call(ROOT, NM, "AddAndActivateConnection2", &(settings, &self.device, any, options)).await?;
        self.until_activated(to, how.within, output).await
    }

    async fn until_activated(&mut self, to: &Candidate, within: Duration, output: &Output) -> Result<(), Failure> {
        let Candidate { sighting, entry, .. } = to;
        let security = sighting.security.unwrap_or(entry.security);
        let mut deadline = Instant::now() + within;
        let mut is_keyed = false;
        loop {
            let signal = match timeout_at(deadline, self.signals.next()).await {
                Ok(Signal::Lagged) => {
                    let state = self.bus.get(self.device.as_str(), DEVICE, "State").await?;
                    Signal::State { new: state, reason: 0 }
                }
                Ok(signal) => signal,
                Err(_) if is_keyed => {
                    return Err(Failure::join(Reason::NoAddress, "nobody gave this computer an address"));
                }
                Err(_) => return Err(state::failure(state::SUPPLICANT_TIMEOUT, security)),
            };
            match signal {
                Signal::State { new: ACTIVATED, .. } => return Ok(()),
                Signal::State { new: IP_CONFIG, .. } if !is_keyed => {
                    is_keyed = true;
                    // NetworkManager's own limit comes first, with its reason.
                    deadline = Instant::now() + ADDRESS_WITHIN + LOOK;
                    let fields = json!({ "bssid": entry.bssid, "ssid": entry.ssid });
                    output.event("keyed", fields, &format!("joined {}", entry.ssid));
                }
                Signal::State { reason: state::NEW_ACTIVATION, .. } => {}
                Signal::State { new, reason } if new == state::FAILED || new <= state::DISCONNECTED => {
                    return Err(state::failure(reason, security));
                }
                Signal::Gone => return Err(gone()),
                Signal::State { .. } | Signal::Scanned | Signal::Lagged => {}
            }
        }
    }

    /// Removes what an earlier `connect` joined; tells which connection is to come back in the end.
    async fn make_room(&mut self) -> Result<Option<String>, Failure> {
        let active = self.active().await?;
        let Some(change) = self.memory.change().cloned() else { return Ok(active) };
        let is_ours = active.as_ref() == Some(&change.uuid);
        self.remove(&change.uuid).await?;
        Ok(if is_ours { change.former } else { active })
    }

    /// See [`super::Radio::next`].
    pub(super) async fn next(&mut self) -> Event {
        loop {
            match self.signals.next().await {
                Signal::State { new: ACTIVATED, .. } => return Event::Joined,
                Signal::State { new, .. } if new == state::FAILED || new <= state::DISCONNECTED => return Event::Lost,
                Signal::State { .. } => {}
                Signal::Scanned => return Event::Results,
                // Whoever hears of a loss looks how it is.
                Signal::Lagged => return Event::Lost,
                Signal::Gone => return Event::Gone,
            }
        }
    }

    /// See [`super::Radio::put_back`].
    pub(super) async fn put_back(&mut self) -> Result<bool, Failure> {
        let Some(change) = self.memory.change().cloned() else { return Ok(false) };
        let is_in_use = self.link().await? == Link::Other;
        let former = match &change.former {
            // What somebody has chosen meanwhile stays.
            Some(former) if !is_in_use => self.profile(former).await?,
            _ => None,
        };
        let was_there = self.profile(&change.uuid).await?.is_some();
        if let Some(former) = former {
            let any = ObjectPath::try_from(NOTHING).map_err(bus::Error::from)?;
            let arguments = (former, &self.device, any);
            let back = self.bus.call::<OwnedObjectPath>(ROOT, NM, "ActivateConnection", &arguments).await;
            if let Err(error) = back {
                // It was refused and would be again; ours goes all the same, and NetworkManager chooses.
                tracing::debug!(%error, "the former connection does not come back");
            }
        }
        self.remove(&change.uuid).await?;
        self.memory.forget()?;
        Ok(was_there)
    }

    /// Removes one of our connections; it is left, too, if it is active.
    async fn remove(&mut self, uuid: &str) -> Result<(), Failure> {
        let Some(path) = self.profile(uuid).await? else { return Ok(()) };
        match self.bus.call(path.as_str(), PROFILE, "Delete", &()).await {
            // A volatile one goes by itself when another takes its place.
            Err(error) if error.is_absent() => {}
            result => result?,
        }
        // It is active until it has been left, which would look like somebody's choice.
        let deadline = Instant::now() + LEFT_WITHIN;
        while self.active().await?.as_deref() == Some(uuid) && Instant::now() < deadline {
            // Whatever it is, it is a reason to look again.
            drop(timeout(LEFT_WITHIN / 10, self.signals.next()).await);
        }
        Ok(())
    }

    /// The connection with that UUID.
    async fn profile(&self, uuid: &str) -> Result<Option<OwnedObjectPath>, Failure> {
        match self.bus.call(SETTINGS_PATH, SETTINGS, "GetConnectionByUuid", &(uuid,)).await {
            Ok(path) => Ok(Some(path)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn gone() -> Failure {
    anyhow!("NetworkManager has ended").into()
}

/// How long an address may take, once joined.
const ADDRESS_WITHIN: Duration = Duration::from_secs(15);
/// Leaving takes NetworkManager a moment.
const LEFT_WITHIN: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_secs(2);
/// More than can be heard in one place; each is asked for by itself.
const MAX_POINTS: usize = 500;
