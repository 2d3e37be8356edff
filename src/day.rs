//! What is remembered of the day, over a restart of the agent: a file in memory, beside the status socket.
//!
//! In: the core's [`Day`] when it changes. Out: the same after a restart. It holds hashes and no address; what is
//! damaged, too long or of another boot is thrown away, which costs nothing but the memory of one day.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{debug, warn};
use welcome_core::Day;
use welcome_core::day::{Here, Known};
use welcome_proto::offer::Sender;
use welcome_proto::{NetworkId, OfferId};

use crate::clock::Clock;
use crate::file::replace;

/// A day that begins at this moment, with a salt of its own.
#[must_use]
pub fn new(number: Option<u64>, began: Duration) -> Day {
    let mut salt = [0; 16];
    if SystemRandom::new().fill(&mut salt).is_err() {
        // Without randomness there is no TLS and no router's key either.
        warn!("no randomness; stations can be told from their hashes");
    }
    Day { number, salt, began, ..Day::default() }
}

/// Where it is kept, for an agent with this status socket.
#[must_use]
pub fn file(status_socket: &Path) -> PathBuf {
    status_socket.with_file_name("day.json")
}

/// The day as it was kept, or a new one.
#[must_use]
pub fn load(file: &Path, clock: Clock) -> Day {
    let kept = read(file).and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
    kept.and_then(|kept| kept.day(clock)).unwrap_or_else(|| new(None, clock.now().mono))
}

/// Hands the day on to be kept, some seconds after it has changed: a crowd that joins in one second is copied and written
/// once.
#[derive(Debug)]
pub struct Later {
    to: watch::Sender<Option<Day>>,
    due: Option<Instant>,
}

impl Later {
    /// To whom [`keep`] listens, and for it to hear.
    #[must_use]
    pub fn channel() -> (Self, watch::Receiver<Option<Day>>) {
        let (to, days) = watch::channel(None);
        (Self { to, due: None }, days)
    }

    /// The day has changed.
    pub fn note(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + PAUSE);
    }

    /// When to hand it on.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Hands it on, if it is time to, or `at_once`.
    pub fn hand_on(&mut self, day: &Day, at_once: bool) {
        if self.due.take_if(|due| at_once || *due <= Instant::now()).is_some() {
            self.to.send_replace(Some(day.clone()));
        }
    }
}

/// Keeps what is handed on, until nobody hands on any more: the last one comes at the agent's end.
///
/// # Errors
/// Never; the signature is that of a task.
pub async fn keep(file: PathBuf, clock: Clock, mut days: watch::Receiver<Option<Day>>) -> anyhow::Result<()> {
    while days.changed().await.is_ok() {
        let day = days.borrow_and_update().clone();
        if let Some(day) = day
            && let Err(error) = write(&file, &Kept::of(&day, clock))
        {
            warn!(%error, file = %file.display(), "what is remembered of the day cannot be kept over a restart");
        }
    }
    Ok(())
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Of the machine's run; its monotonic times mean nothing in the next one.
    boot: String,
    number: Option<u64>,
    salt: String,
    /// Seconds since the day began.
    age_s: u64,
    /// Seconds of Unix time when this was written.
    written: u64,
    stations: Vec<Station>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Station {
    hash: u64,
    networks: Vec<(NetworkId, bool, Option<u64>)>,
    shown: Vec<(Sender, OfferId, u8)>,
}

impl Kept {
    fn of(day: &Day, clock: Clock) -> Self {
        let now = clock.now().mono;
        let station = |(hash, known): (&u64, &Known)| {
            // How long a gate still stands open, in seconds.
            let left = |at: Duration| at.checked_sub(now).map(|left| left.as_secs());
            let networks = known.networks.iter();
            let networks = networks.map(|(id, here)| (id.clone(), here.declined, here.released.and_then(left)));
            let shown = known.shown.iter().map(|((sender, id), n)| (*sender, id.clone(), *n));
            Station { hash: *hash, networks: networks.collect(), shown: shown.collect() }
        };
        Self {
            boot: boot(),
            number: day.number,
            salt: STANDARD.encode(day.salt),
            age_s: now.saturating_sub(day.began).as_secs(),
            written: clock.unix_at(now).as_secs(),
            stations: day.stations.iter().map(station).collect(),
        }
    }

    fn day(self, clock: Clock) -> Option<Day> {
        let now = clock.now().mono;
        let salt = STANDARD.decode(&self.salt).ok()?.try_into().ok()?;
        let away = clock.unix_at(now).as_secs().checked_sub(self.written)?;
        if self.boot != boot() || self.age_s + away > DAY_AND_MORE {
            return None;
        }
        let station = |Station { hash, networks, shown }: Station| {
            let released = |left: u64| left.checked_sub(away).map(|left| now + Duration::from_secs(left));
            let networks = networks.into_iter();
            let networks =
                networks.map(|(id, declined, left)| (id, Here { declined, released: left.and_then(released) }));
            let shown = shown.into_iter().map(|(sender, id, n)| ((sender, id), n));
            (hash, Known { last: now, networks: networks.collect(), shown: shown.collect() })
        };
        let stations = self.stations.into_iter().map(station).collect();
        // The age is lost where the agent's own time begins with this run; a day with a date has no need of it.
        Some(Day { number: self.number, salt, began: now.saturating_sub(Duration::from_secs(self.age_s)), stations })
    }
}

fn read(file: &Path) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    std::fs::File::open(file).ok()?.take(MAX_FILE).read_to_end(&mut text).ok()?;
    Some(text)
}

fn write(file: &Path, kept: &Kept) -> anyhow::Result<()> {
    replace(file, &serde_json::to_vec(kept)?)?;
    debug!(stations = kept.stations.len(), "kept the day");
    Ok(())
}

/// Names this run of the machine.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// A longer file is none of ours: 2048 stations, each with a few offers.
const MAX_FILE: u64 = 4 << 20;
/// From a change to its being kept.
const PAUSE: Duration = Duration::from_secs(5);
/// Also the longest day in a time zone that changes is over after this many seconds.
const DAY_AND_MORE: u64 = 26 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_remembered_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(&dir.path().join("status.sock"));
        let clock = Clock::new();
        let mut day = new(Some(20_000), clock.now().mono);
        let now = clock.now().mono;
        let known = day.know(now, welcome_proto::Mac([2, 0, 0, 0, 0, 1]));
        let released = Some(now + Duration::from_secs(3600));
        known.networks.insert("cafe".parse().unwrap(), Here { declined: true, released });
        known.shown.insert((Sender::Server, "hello".parse().unwrap()), 2);
        write(&file, &Kept::of(&day, clock)).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("02:00:00"), "{text}");

        let again = load(&file, Clock::new());
        assert_eq!((again.number, again.salt), (day.number, day.salt));
        let (hash, known) = again.stations.iter().next().unwrap();
        assert_eq!(*hash, day.hash(welcome_proto::Mac([2, 0, 0, 0, 0, 1])));
        let here = known.networks[&"cafe".parse().unwrap()];
        assert!(here.declined && here.released.unwrap() > Duration::from_secs(3590), "{here:?}");
        assert_eq!(known.shown[&(Sender::Server, "hello".parse().unwrap())], 2);
    }

    #[test]
    fn what_cannot_be_read_is_a_new_day_with_another_salt() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("day.json");
        let mut salts = vec![load(&file, Clock::new()).salt];
        for text in ["", "{", "{}", "[1]"] {
            std::fs::write(&file, text).unwrap();
            let day = load(&file, Clock::new());
            assert!(day.stations.is_empty() && !salts.contains(&day.salt));
            salts.push(day.salt);
        }
        let mut kept = Kept::of(&new(Some(1), Duration::ZERO), Clock::new());
        kept.boot = "another".to_owned();
        write(&file, &kept).unwrap();
        assert_eq!(load(&file, Clock::new()).number, None);
    }
}
