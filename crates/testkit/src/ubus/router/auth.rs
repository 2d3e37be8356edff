//! `hostapd-auth`: hostapd asks whoever subscribes which passphrases a station may use.
//!
//! As recorded: it waits for every subscriber, for a second at most, and meanwhile does nothing else; and what several
//! subscribers say is taken together.

use std::time::Duration;

use tokio_ubus::{Blobmsg, Builder, Ref};

use super::forms::Finished as _;
use super::hostapd::{AUTH, Hostapd};

/// What a station's authentication was answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthAnswer {
    /// Passphrases that the station may use.
    pub psk: Vec<String>,
    /// Whether it may use only these.
    pub force_psk: Option<bool>,
    /// The 802.11 status to refuse it with.
    pub status: Option<i32>,
    /// How long hostapd stood still.
    pub took: Duration,
    /// Whether somebody was asked, and everybody answered in time.
    pub answered: bool,
}

impl Hostapd {
    /// A station authenticates.
    pub(super) fn sta_auth(&self, ifname: &str, mac: &str) -> AuthAnswer {
        let _alone = self.alone();
        let Some(answers) = self.program.notify_wait(AUTH, "sta_auth", &station(ifname, mac), LIMIT) else {
            return AuthAnswer::default();
        };
        let mut answer = AuthAnswer { took: answers.took, answered: answers.is_complete, ..AuthAnswer::default() };
        for data in answers.given.iter().flatten() {
            if let Some(list) = data.get("psk") {
                answer.psk = list.elements().filter_map(|psk| psk.as_str().map(str::to_owned)).collect();
            }
            answer.force_psk = data.get("force_psk").and_then(|value| value.as_bool()).or(answer.force_psk);
            let status = data.get("status").and_then(|value| value.as_i64()?.try_into().ok());
            answer.status = status.or(answer.status);
        }
        answer
    }

    /// A station has the right passphrase: the one of this number in the list, if it is one of the list and no SAE.
    pub(super) fn sta_connected(&self, ifname: &str, mac: &str, psk_idx: Option<u32>) -> Duration {
        let _alone = self.alone();
        let mut data = Builder::new();
        data.push("iface", ifname).push("sta", mac);
        if let Some(index) = psk_idx {
            data.push("psk_idx", Ref::Int32(index.cast_signed()));
        }
        let answers = self.program.notify_wait(AUTH, "sta_connected", &data.finished(), LIMIT);
        answers.map(|answers| answers.took).unwrap_or_default()
    }
}

fn station(ifname: &str, mac: &str) -> Blobmsg {
    let mut data = Builder::new();
    data.push("iface", ifname).push("sta", mac);
    data.finished()
}

const LIMIT: Duration = Duration::from_secs(1);
