//! Passphrases of guests on a BSS that has one of its own: hostapd's object `hostapd-auth` (OpenWrt 24.10 and later).
//!
//! In: hostapd's question which passphrases a station may use, and its word on which one it used. Out: an answer at once,
//! and [`Event::KeyUsed`]. **hostapd waits**: for a second, and all its stations with it, for each question that nobody
//! answers. So the answers are made beforehand, and given by the thread that reads the connection and does nothing else.
//! The passphrases go nowhere but into these answers.

use sorted::{SortedMap, SortedSet};
use std::future::pending;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{mpsc, watch};
use tokio_ubus::{Asked, Blobmsg, Builder, Client, EncodeError, Notice, Subscription};
use tracing::{debug, error, info, warn};
use welcome_core::Event;
use welcome_proto::announce::Security;
use welcome_proto::{NetworkId, Secret};

use super::Heard;
use super::ours::{Our, Ours};
use crate::config::{Config, KEY_OWNER, KEY_SHARED};
use crate::tasks::Stop;

const OBJECT: &str = "hostapd-auth";
/// Which passphrases may this station use? Waits for the answer.
const QUESTION: &str = "sta_auth";
/// A station is through. Waits for an answer, too.
const OUTCOME: &str = "sta_connected";

/// Watches the object.
#[derive(Debug)]
pub struct Watch {
    /// Has the passphrases.
    pub config: watch::Receiver<Arc<Config>>,
    /// Has the interfaces.
    pub ours: watch::Receiver<Arc<Ours>>,
    /// The way to hostapd.
    pub bus: Client,
    /// Where events go.
    pub to: mpsc::Sender<Heard>,
}

/// An answer for each interface that has any.
type Answers = SortedMap<String, Blobmsg>;
type Passphrases = SortedMap<NetworkId, Vec<Secret>>;

impl Watch {
    /// Watches until told to stop.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn run(mut self, mut stop: Stop) -> anyhow::Result<()> {
        tokio::select! {
            () = self.watch() => Ok(()),
            () = stop.stopped() => Ok(()),
        }
    }

    async fn watch(&mut self) {
        let answers = Arc::new(RwLock::new(Answers::new()));
        let mut subscription: Option<Subscription> = None;
        let mut told = SortedSet::new();
        loop {
            let config = Arc::clone(&self.config.borrow_and_update());
            let ours = Arc::clone(&self.ours.borrow_and_update());
            let passphrases = &config.passphrases;
            *answers.write().unwrap_or_else(PoisonError::into_inner) = answers_for(passphrases, &ours);
            if passphrases.is_empty() {
                subscription = None;
            } else {
                subscription.get_or_insert_with(|| subscribe(&self.bus, Arc::clone(&answers)));
            }
            let without =
                ours.by_ifname.iter().filter(|(_, our)| our.security.is_some() && is_left_out(our, passphrases));
            without.for_each(|(ifname, _)| complain(ifname, &mut told));
            loop {
                let notice = async {
                    match &mut subscription {
                        Some(subscription) => subscription.next().await,
                        None => pending().await,
                    }
                };
                tokio::select! {
                    notice = notice => match notice {
                        Some(notice) => self.take(notice, passphrases, &ours, &mut told).await,
                        None => pending().await, // the thread of the connection has ended, and the agent does
                    },
                    Ok(()) = self.config.changed() => break,
                    Ok(()) = self.ours.changed() => break,
                }
            }
        }
    }

    async fn take(&self, notice: Notice, passphrases: &Passphrases, ours: &Ours, told: &mut SortedSet<String>) {
        match notice {
            Notice::Subscribed { .. } => info!("giving hostapd the passphrases of guests"),
            Notice::Gone { .. } => debug!("hostapd asks for no passphrases at the moment"),
            Notice::Denied { status, .. } => {
                warn!(%status, "ubus lets nobody give passphrases to hostapd; trying again each ten seconds");
            }
            Notice::Notification { at, data, .. } => {
                let Some((ifname, our)) = interface(&data, ours) else { return };
                if let Some(event) = key_used(ifname, our, &data, passphrases) {
                    Heard { at, event }.tell(&self.to).await;
                } else if is_left_out(our, passphrases) {
                    complain(ifname, told);
                }
            }
            Notice::Lagged(count) => warn!(count, "which passphrase was used was dropped because the agent was late"),
            _ => {}
        }
    }
}

fn subscribe(bus: &Client, answers: Arc<RwLock<Answers>>) -> Subscription {
    let answer = move |asked: &Asked<'_>| {
        let ifname = asked.data.get("iface").filter(|_| asked.kind == QUESTION)?.as_str()?;
        answers.read().unwrap_or_else(PoisonError::into_inner).get(ifname).cloned()
    };
    bus.subscribe(OBJECT).only(&[OUTCOME]).answer(answer).start()
}

/// What to answer for each interface.
fn answers_for(passphrases: &Passphrases, ours: &Ours) -> Answers {
    let answer = |(ifname, our): (&String, &Our)| {
        let passphrases = passphrases.get(&our.network).filter(|_| can_tell(our))?;
        match answer(passphrases) {
            Ok(answer) => Some((ifname.clone(), answer)),
            Err(error) => {
                error!(ifname, %error, "the guests' passphrases cannot be sent");
                None
            }
        }
    };
    ours.by_ifname.iter().filter_map(answer).collect()
}

/// By WPA3 hostapd takes the first of the passphrases in place of its own: the owner would be locked out.
fn can_tell(our: &Our) -> bool {
    our.security == Some(Security::Psk)
}

fn is_left_out(our: &Our, passphrases: &Passphrases) -> bool {
    passphrases.contains_key(&our.network) && !can_tell(our)
}

fn complain(ifname: &str, told: &mut SortedSet<String>) {
    if told.insert(ifname.to_owned()) {
        warn!(ifname, "guests cannot use a passphrase of their own here: netifd does not say that it is WPA2 alone");
    }
}

/// The network's own passphrase stays in force beside these: `force_psk` is not among the members.
fn answer(passphrases: &[Secret]) -> Result<Blobmsg, EncodeError> {
    let mut answer = Builder::new();
    answer.array("psk", |list| {
        for passphrase in passphrases {
            list.push("", passphrase.reveal());
        }
    });
    answer.finish()
}

fn interface<'a>(data: &'a Blobmsg, ours: &'a Ours) -> Option<(&'a str, &'a Our)> {
    let ifname = data.get("iface")?.as_str()?;
    Some((ifname, ours.by_ifname.get(ifname)?))
}

/// What hostapd's word on a station that is through says of its key.
fn key_used(ifname: &str, our: &Our, data: &Blobmsg, passphrases: &Passphrases) -> Option<Event> {
    let mac = data.get("sta")?.as_str()?.parse().ok()?;
    let count = passphrases.get(&our.network).filter(|_| can_tell(our))?.len();
    let key = match data.get("psk_idx") {
        Some(index) => usize::try_from(index.as_u32()?).ok().filter(|i| *i < count).map(|_| KEY_SHARED)?,
        None => KEY_OWNER,
    };
    Some(Event::KeyUsed { ifname: ifname.to_owned(), mac, key: key.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use welcome_proto::Mac;

    use super::*;
    use crate::config::network::MAX_PASSPHRASES;

    fn message(json: serde_json::Value) -> Blobmsg {
        Blobmsg::from_json(json.as_object().unwrap()).unwrap()
    }

    fn passphrases() -> Passphrases {
        let two = ["sesame-sesame", "another one"].map(Secret::new);
        [("cafe".parse().unwrap(), two.to_vec())].into()
    }

    fn ours(security: Option<Security>) -> Ours {
        let our = |network: &str| Our { network: network.parse().unwrap(), security };
        Ours { by_ifname: [("wlan0".to_owned(), our("cafe")), ("wlan1".to_owned(), our("bar"))].into() }
    }

    #[test]
    fn each_interface_has_the_passphrases_of_its_network() {
        let answers = answers_for(&passphrases(), &ours(Some(Security::Psk)));
        assert_eq!(answers.keys().collect::<Vec<_>>(), ["wlan0"], "the other network has none");
        assert_eq!(answers["wlan0"], message(json!({"psk": ["sesame-sesame", "another one"]})));
    }

    #[test]
    fn where_the_owner_could_be_locked_out_there_is_no_answer() {
        use Security::{Open, Owe, PskSae, Sae};
        for security in [None, Some(Open), Some(Owe), Some(PskSae), Some(Sae)] {
            let ours = ours(security);
            assert_eq!(answers_for(&passphrases(), &ours), Answers::new(), "{security:?}");
            assert!(is_left_out(&ours.by_ifname["wlan0"], &passphrases()));
            assert!(!is_left_out(&ours.by_ifname["wlan1"], &passphrases()), "nobody asked for it there");
        }
    }

    #[test]
    fn hostapds_word_tells_a_guest_from_the_owner_where_it_can() {
        let key = |told: serde_json::Value, security| {
            let (told, ours) = (message(told), ours(security));
            let (ifname, our) = interface(&told, &ours)?;
            match key_used(ifname, our, &told, &passphrases())? {
                Event::KeyUsed { ifname, mac, key } => {
                    assert_eq!((&*ifname, mac), ("wlan0", Mac([2, 0, 0, 0, 1, 0])));
                    Some(key)
                }
                other => panic!("{other:?}"),
            }
        };
        let told = |index: Option<i32>| {
            let mut told = json!({"iface": "wlan0", "sta": "02:00:00:00:01:00"});
            if let Some(index) = index {
                told["psk_idx"] = index.into();
            }
            told
        };
        let psk = Some(Security::Psk);
        assert_eq!(key(told(Some(1)), psk).as_deref(), Some(KEY_SHARED));
        assert_eq!(key(told(Some(2)), psk), None, "we gave no third");
        assert_eq!(key(told(Some(-1)), psk), None);
        assert_eq!(key(told(None), psk).as_deref(), Some(KEY_OWNER));
        assert_eq!(key(told(None), Some(Security::PskSae)), None, "it may have been by WPA3");
        assert_eq!(key(told(None), None), None);
        for odd in [
            json!({}),
            json!({"iface": "wlan0"}),
            json!({"iface": "wlan0", "sta": 1}),
            json!({"iface": "wlan9", "sta": "02:00:00:00:01:00"}),
        ] {
            assert_eq!(key(odd, psk), None);
        }
        assert_eq!(key(json!({"iface": "wlan1", "sta": "02:00:00:00:01:00"}), psk), None, "a network without");
    }

    #[test]
    fn what_the_configuration_lets_through_is_what_hostapd_can_take() {
        // hostapd writes past the end of its buffer with a passphrase of 64 characters, and misreads a list of 64.
        let config = |keys: &[String]| {
            let lines: String = keys.iter().map(|k| format!("\tlist shared_key '{k}'\n")).collect();
            let network = "config network 'cafe'\n\tlist ifname 'wlan0'\n\toption credential 'passphrase'\n";
            let text = format!("{network}{lines}");
            Config::parse(std::path::Path::new("f"), text.as_bytes()).ok()
        };
        for (length, fits) in [(7, false), (8, true), (63, true), (64, false)] {
            assert_eq!(config(&["x".repeat(length)]).is_some(), fits, "{length}");
        }
        let many = |n: usize| (0..n).map(|n| format!("passphrase {n}")).collect::<Vec<_>>();
        assert!(config(&many(MAX_PASSPHRASES)).is_some());
        assert!(config(&many(MAX_PASSPHRASES + 1)).is_none());
        const { assert!(MAX_PASSPHRASES < 64) };
    }
}
