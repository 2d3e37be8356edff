//! Listening to hostapd about one BSS, whichever way it is reached.
//!
//! In: what one way to hostapd hears, and its answers. Out: [`Heard`]. Events make it fast, snapshots make it true: one
//! at the beginning, one whenever something may have been missed, and one each minute. An answer that is slow holds no
//! event up.

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};
use welcome_core::{Bss, Event, Present};
use welcome_proto::Mac;

use super::Heard;
use super::roster::Roster;
use crate::clock::Clock;

/// Snapshots make true what events make fast.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);
/// However often something may have been missed.
const SNAPSHOT_AT_MOST_EVERY: Duration = Duration::from_millis(250);

/// What one way to hostapd hears by itself.
pub trait Ears {
    /// The next thing. Nothing is lost when it is dropped.
    fn next(&mut self) -> impl Future<Output = Said> + Send;
}

/// What one way to hostapd can be asked.
pub trait Questions {
    /// The BSS itself.
    fn bss(&mut self) -> impl Future<Output = Result<OnAir, Unanswered>> + Send;
    /// Everybody who is on it; the handshake of each is complete.
    fn stations(&mut self) -> impl Future<Output = Result<Vec<Present>, Unanswered>> + Send;
}

/// What hostapd said, or did.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// A station is through.
    Joined {
        /// When that was read.
        at: std::time::Instant,
        /// Who.
        mac: Mac,
        /// The `keyid` of its passphrase, if hostapd told one.
        key: Option<String>,
    },
    /// A station left.
    Left {
        /// When that was read.
        at: std::time::Instant,
        /// Who.
        mac: Mac,
    },
    /// The BSS is there, or is another than before, or something about it is not known any more.
    Up,
    /// It is off the air, or cannot be heard, until [`Self::Up`].
    Down,
    /// So many events were dropped because the agent was late.
    Lagged(u64),
    /// Nothing more will come this way, and why.
    Ended(String),
}

/// Whether a BSS is on the air.
#[derive(Debug, PartialEq)]
pub enum OnAir {
    /// It is.
    Yes(Bss),
    /// It may be, but it is not one that can be shared, or not enough of it is known.
    Unknown,
    /// It is not.
    No,
}

/// Why there is no answer.
#[derive(Debug, PartialEq)]
pub enum Unanswered {
    /// Nobody is there any more; the ears will hear of it.
    Gone,
    /// Something went wrong: "failed to" this.
    Failed(String),
}

/// Tells the agent of one BSS, and remembers what it told.
#[derive(Debug)]
pub struct Teller {
    ifname: String,
    clock: Clock,
    to: mpsc::Sender<Heard>,
    roster: Roster,
    up: bool,
}

impl Teller {
    /// Of the BSS on `ifname`.
    #[must_use]
    pub fn new(ifname: &str, clock: Clock, to: mpsc::Sender<Heard>) -> Self {
        Self { ifname: ifname.to_owned(), clock, to, roster: Roster::default(), up: false }
    }

    /// Nobody can hear the BSS any more.
    pub async fn down(&mut self) {
        self.up = false;
        Heard::now(Event::BssDown { ifname: self.ifname.clone() }).tell(&self.to).await;
    }

    /// Listens until that ends, and says why it did. What it hears of first is taken before a snapshot that arrives at
    /// the same time: the core knows that the snapshot is older. `again` asks for another snapshot.
    pub async fn listen<T>(
        &mut self,
        ears: &mut impl Ears,
        questions: &mut impl Questions,
        again: &mut watch::Receiver<T>,
    ) -> String {
        let mut due: Option<Instant> = None;
        let mut not_before = Instant::now();
        loop {
            let look = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                said = ears.next() => match self.hear(said).await {
                    Then::Nothing => {}
                    Then::Look => due = Some(Instant::now().max(not_before)),
                    Then::DoNotLook => due = None,
                    Then::End(why) => return why,
                },
                () = look => {
                    let began = Instant::now();
                    not_before = began + SNAPSHOT_AT_MOST_EVERY;
                    due = match self.look(ears, questions).await {
                        Then::Nothing => Some(began + SNAPSHOT_EVERY),
                        Then::Look => Some(not_before),
                        Then::DoNotLook => None,
                        Then::End(why) => return why,
                    };
                }
                Ok(()) = again.changed(), if due.is_some() => due = Some(Instant::now().max(not_before)),
            }
        }
    }

    /// Asks what the BSS is and who is on it. What cannot be learned now is learned in a minute.
    async fn look(&mut self, ears: &mut impl Ears, questions: &mut impl Questions) -> Then {
        let asked = self.clock.now().mono;
        let mut answers = pin!(async { (questions.bss().await, questions.stations().await) });
        let (mut then, mut outdated) = (Then::Nothing, false);
        let (bss, stations) = loop {
            tokio::select! {
                biased;
                said = ears.next() => {
                    outdated |= matches!(said, Said::Up | Said::Down);
                    match self.hear(said).await {
                        Then::Nothing => {}
                        end @ Then::End(_) => return end,
                        other => then = other,
                    }
                }
                answers = &mut answers => break answers,
            }
        };
        if outdated {
            return then; // they may be of the BSS that was there before
        }
        match bss {
            Ok(OnAir::Yes(bss)) => {
                self.up = true;
                Heard::now(Event::BssUp(bss)).tell(&self.to).await;
            }
            Ok(OnAir::No) if self.up => self.down().await,
            Ok(_) => debug!(ifname = %self.ifname, "the bss is not on the air, or not one that can be shared"),
            Err(error) => self.complain(error),
        }
        match stations {
            Ok(mut present) => {
                self.roster.snapshot(self.clock.instant(asked), std::time::Instant::now(), &mut present);
                let event = Event::Stations { ifname: self.ifname.clone(), asked, present };
                Heard::now(event).tell(&self.to).await;
            }
            Err(error) => self.complain(error),
        }
        then
    }

    /// Passes on what was said; what follows from it.
    async fn hear(&mut self, said: Said) -> Then {
        let ifname = self.ifname.clone();
        match said {
            Said::Joined { at, mac, key } => {
                self.roster.heard(mac, at);
                Heard { at, event: Event::StationAuthorized { ifname, mac, key } }.tell(&self.to).await;
                Then::Nothing
            }
            Said::Left { at, mac } => {
                self.roster.heard(mac, at);
                Heard { at, event: Event::StationLeft { ifname, mac } }.tell(&self.to).await;
                Then::Nothing
            }
            Said::Up => Then::Look,
            Said::Lagged(count) => {
                warn!(ifname, count, "events were dropped because the agent was late");
                Then::Look
            }
            Said::Down => {
                self.down().await;
                Then::DoNotLook
            }
            Said::Ended(why) => Then::End(why),
        }
    }

    fn complain(&self, error: Unanswered) {
        match error {
            Unanswered::Gone => debug!(ifname = %self.ifname, "nobody is there to answer"),
            Unanswered::Failed(error) => warn!(ifname = %self.ifname, "failed to {error}"),
        }
    }
}

/// What to do after something was heard.
#[derive(Debug, PartialEq)]
enum Then {
    Nothing,
    Look,
    DoNotLook,
    End(String),
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use tokio::task::JoinHandle;
    use tokio::time::sleep;
    use welcome_proto::Ssid;
    use welcome_proto::announce::Security;

    use super::*;

    const ANN: Mac = Mac([2, 0, 0, 0, 0xa, 0]);
    const SLOW: Duration = Duration::from_secs(1);

    struct Hears(mpsc::UnboundedReceiver<Said>);

    impl Ears for Hears {
        async fn next(&mut self) -> Said {
            self.0.recv().await.unwrap_or(Said::Ended("over".to_owned()))
        }
    }

    /// Answers a second after it was asked. `None` is a failure.
    #[derive(Clone, Default)]
    struct Knows(Arc<Mutex<VecDeque<Option<Vec<Mac>>>>>);

    impl Questions for Knows {
        async fn bss(&mut self) -> Result<OnAir, Unanswered> {
            Ok(OnAir::Yes(bss()))
        }

        async fn stations(&mut self) -> Result<Vec<Present>, Unanswered> {
            let answer = self.0.lock().unwrap().pop_front().expect("nobody asks more often");
            sleep(SLOW).await;
            let present = |mac: &Mac| Present { mac: *mac, key: None, connected: None };
            answer.map(|macs| macs.iter().map(present).collect()).ok_or(Unanswered::Failed("answer".to_owned()))
        }
    }

    fn bss() -> Bss {
        let (bssid, ssid) = ("02:00:00:00:00:01".parse().unwrap(), Ssid::new(b"Caf\xe9").unwrap());
        Bss { ifname: "wlan0".to_owned(), bssid, ssid, security: Security::Open, freq: None }
    }

    /// A teller at work, and what it told in words.
    struct Kit {
        says: mpsc::UnboundedSender<Said>,
        told: mpsc::Receiver<Heard>,
        again: watch::Sender<()>,
        end: JoinHandle<String>,
    }

    fn start<const N: usize>(answers: [Option<Vec<Mac>>; N]) -> Kit {
        let (to, told) = mpsc::channel(64);
        let (says, said) = mpsc::unbounded_channel();
        let (again, mut when) = watch::channel(());
        let mut teller = Teller::new("wlan0", Clock::new(), to);
        let knows = Knows::default();
        knows.0.lock().unwrap().extend(answers);
        let end = tokio::spawn(async move { teller.listen(&mut Hears(said), &mut knows.clone(), &mut when).await });
        Kit { says, told, again, end }
    }

    impl Kit {
        fn say(&self, said: Said) {
            self.says.send(said).unwrap();
        }

        /// What was told after `wait`.
        async fn told(&mut self, wait: Duration) -> Vec<String> {
            sleep(wait).await;
            let mut told = Vec::new();
            while let Ok(heard) = self.told.try_recv() {
                told.push(match heard.event {
                    Event::BssUp(found) => {
                        assert_eq!(found, bss());
                        "up".to_owned()
                    }
                    Event::BssDown { .. } => "down".to_owned(),
                    Event::StationAuthorized { key, .. } => format!("joined {key:?}"),
                    Event::StationLeft { .. } => "left".to_owned(),
                    Event::Stations { present, .. } => {
                        format!("{:?}", present.iter().map(|p| p.connected.is_some()).collect::<Vec<_>>())
                    }
                    other => panic!("{other:?}"),
                });
            }
            told
        }
    }

    fn joined() -> Said {
        Said::Joined { at: std::time::Instant::now(), mac: ANN, key: Some("k".to_owned()) }
    }

    #[tokio::test(start_paused = true)]
    async fn it_looks_at_the_beginning_and_each_minute() {
        let mut kit = start([Some(vec![ANN]), Some(vec![ANN, Mac([2; 6])]), None]);
        assert_eq!(kit.told(SLOW * 10).await, [""; 0], "not before there is a bss");
        kit.say(Said::Up);
        assert_eq!(kit.told(SLOW * 2).await, ["up", "[false]"], "nobody knows since when she is here");
        assert_eq!(kit.told(SLOW * 50).await, [""; 0]);
        assert_eq!(kit.told(SLOW * 10).await, ["up", "[false, true]"], "but he has come since");
        assert_eq!(kit.told(SLOW * 60).await, ["up"], "a failure is no empty list");
        drop(kit.says);
        assert_eq!(kit.end.await.unwrap(), "over");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_holds_no_event_up_and_comes_after_it() {
        let mut kit = start([Some(vec![]), Some(vec![ANN])]);
        kit.say(Said::Up);
        assert_eq!(kit.told(SLOW / 2).await, [""; 0]);
        kit.say(joined());
        kit.say(Said::Left { at: std::time::Instant::now(), mac: ANN });
        assert_eq!(kit.told(SLOW / 10).await, ["joined Some(\"k\")", "left"]);
        assert_eq!(kit.told(SLOW).await, ["up", "[]"]);
        assert_eq!(kit.told(SLOW * 60).await, ["up", "[true]"], "she came back unheard, and not long ago");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_missed_is_looked_for_at_once() {
        let mut kit = start([Some(vec![]), Some(vec![ANN]), Some(vec![ANN]), Some(vec![ANN])]);
        kit.say(Said::Up);
        kit.told(SLOW * 2).await;
        kit.say(Said::Lagged(7));
        assert_eq!(kit.told(SLOW * 2).await, ["up", "[true]"]);
        kit.again.send(()).unwrap();
        assert_eq!(kit.told(SLOW * 2).await, ["up", "[true]"]);
        kit.say(Said::Up);
        assert_eq!(kit.told(SLOW * 2).await, ["up", "[true]"], "another bss, perhaps");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_a_bss_that_is_gone_counts_for_nothing() {
        let mut kit = start([Some(vec![ANN]), Some(vec![])]);
        kit.say(Said::Up);
        kit.told(SLOW / 2).await;
        kit.say(Said::Down);
        assert_eq!(kit.told(SLOW * 200).await, ["down"], "and nobody is asked");
        kit.again.send(()).unwrap();
        assert_eq!(kit.told(SLOW * 2).await, [""; 0]);
        kit.say(Said::Up);
        assert_eq!(kit.told(SLOW * 2).await, ["up", "[]"]);
    }
}
