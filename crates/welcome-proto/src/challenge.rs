//! Ownership: a network shows that it is its sharer's by carrying a name that the server chose, for some minutes.
//!
//! | from → to | where | what |
//! |---|---|---|
//! | server → router | event `challenge` | [`ChallengePush`] with a [`Challenge`]: carry this name, or stop carrying it |
//! | router → server | `POST /v1/routers/{router}/challenges/{id}` | [`ChallengeState`] |
//! | server → router | event `witness` | [`WitnessPush`] with a [`Witness`]: listen for this name |
//! | router → server | `POST /v1/routers/{router}/witness/{id}` | [`WitnessReport`] |
//! | laptop → server | `POST /v1/witness` | [`Testimony`], answered by [`Verdict`] |
//! | server → router | event `standing` | [`Standing`], for people to read |
//!
//! What makes a radio do something is signed ([`crate::signed`]), and all it can make a radio do is to carry a
//! [`ChallengeName`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sorted::SortedMap;

use crate::ids::{IdError, as_string};
use crate::signature::MAX_SKEW;
use crate::signed::{Signable, Signed};
use crate::{Bssid, ChallengeId, NetworkId, RouterId, Secret, Ssid};

/// Name of the event that carries a [`ChallengePush`].
pub const EVENT_CHALLENGE: &str = "challenge";
/// Name of the event that carries a [`WitnessPush`].
pub const EVENT_WITNESS: &str = "witness";
/// Name of the event that carries a [`Standing`].
pub const EVENT_STANDING: &str = "standing";
/// How long a challenge is good for, in seconds.
pub const LIFETIME: u64 = 600;
/// How far `until` may be ahead of a router's clock, in seconds: that, and what its clock may be off.
pub const MAX_AHEAD: u64 = LIFETIME + MAX_SKEW;
/// The most one may say to have heard.
pub const MAX_HEARD: usize = 64;
/// The longest reason of a refusal in characters; what is longer is cut.
pub const MAX_WHY: usize = 200;

/// A name that a network may carry for a challenge: `welcome-` and 16 to 24 lower-case letters or digits. A router
/// carries no other that somebody sends it: nobody's name can be borrowed with it, and it means nothing to a shell, a
/// configuration file or hostapd.
///
/// ```
/// use welcome_proto::challenge::ChallengeName;
/// assert!("welcome-k3j5z8q2m7x4c6v9".parse::<ChallengeName>().is_ok());
/// for bad in ["welcome-", "welcome-short", "Corner Cafe 0123456789", "welcome-k3j5z8q2m7x4c6v!", "welcome-K3J5Z8Q2M7X4C6V9"] {
///     assert!(bad.parse::<ChallengeName>().is_err(), "{bad}");
/// }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChallengeName(Ssid);

impl ChallengeName {
    /// As it is on the air.
    #[must_use]
    pub fn ssid(&self) -> &Ssid {
        &self.0
    }
}

impl TryFrom<Ssid> for ChallengeName {
    type Error = IdError;

    fn try_from(ssid: Ssid) -> Result<Self, IdError> {
        let random = ssid.as_bytes().strip_prefix(b"welcome-").unwrap_or_default();
        let is_random = random.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !is_random || !(16..=24).contains(&random.len()) {
            return Err(IdError::new("challenge", "welcome- and 16 to 24 lower-case letters or digits"));
        }
        Ok(Self(ssid))
    }
}

impl FromStr for ChallengeName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse::<Ssid>()?.try_into()
    }
}

impl fmt::Display for ChallengeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_string!(ChallengeName);

/// `event: challenge`. What is open is sent again whenever a stream begins; the same `id` again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengePush {
    /// A [`Challenge`].
    pub challenge: Signed,
}

/// What a network is to carry for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The router it is for.
    pub router: RouterId,
    /// Which.
    pub id: ChallengeId,
    /// Which network of the router.
    pub network: NetworkId,
    /// The name to carry; none means that it is over before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssid: Option<ChallengeName>,
    /// When it is over, in seconds of Unix time; at most [`MAX_AHEAD`] ahead.
    pub until: u64,
}

impl Signable for Challenge {
    const PREFIX: &'static str = "welcome challenge v1\n";
}

/// How a challenge stands, by the router's word; in JSON the member `state` names the case. Sent whenever it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ChallengeState {
    /// These carry the name.
    OnAir {
        /// Ascending.
        bssids: Vec<Bssid>,
    },
    /// Nothing carries it any more.
    OffAir,
    /// Nothing carries it, and nothing will.
    Refused {
        /// For people; at most [`MAX_WHY`] characters.
        why: String,
    },
}

/// `event: witness`, to a router whose network is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessPush {
    /// A [`Witness`].
    pub witness: Signed,
}

/// What to listen for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The router that is asked.
    pub router: RouterId,
    /// This question.
    pub id: ChallengeId,
    /// The name that is said to be on the air.
    pub ssid: ChallengeName,
    /// When it is too late to answer, in seconds of Unix time; at most [`MAX_AHEAD`] ahead.
    pub until: u64,
}

impl Signable for Witness {
    const PREFIX: &'static str = "welcome witness v1\n";
}

/// What a router heard of that name, and nothing else of its neighbourhood.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WitnessReport {
    /// At most [`MAX_HEARD`].
    pub heard: Vec<Heard>,
    /// Why it could not listen, for people; at most [`MAX_WHY`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Somebody who sends the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// From which address.
    pub bssid: Bssid,
    /// How loud, in dBm; 0 if unknown.
    #[serde(default)]
    pub signal: i16,
    /// Where, in MHz; 0 if unknown.
    #[serde(default)]
    pub freq: u16,
}

/// `POST /v1/witness`: what a laptop or phone heard that is not the router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testimony {
    /// Of which challenge.
    pub challenge: ChallengeId,
    /// What the server told with the challenge to whoever may bear witness.
    pub code: Secret,
    /// At most [`MAX_HEARD`], of networks with a [`ChallengeName`] alone.
    pub heard: Vec<HeardName>,
}

/// One network that a witness hears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardName {
    /// Its name.
    pub ssid: Ssid,
    /// The rest.
    #[serde(flatten)]
    pub heard: Heard,
}

/// What came of a testimony.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a word.
    pub result: Outcome,
    /// What the directory has of the network from here on, ascending; none unless it is verified.
    #[serde(default)]
    pub registered: Vec<Bssid>,
}

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The network is its sharer's.
    Verified,
    /// The name was not among what was heard; another scan may hear it.
    NotHeard,
    /// It was sent by somebody who is none of the router's radios.
    WrongBssid,
    /// The challenge is over or was used.
    Over,
}

/// `event: standing`: how the networks stand with the directory. Whoever reads it decides nothing by it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Standing {
    /// By the router's own names for them.
    pub networks: SortedMap<NetworkId, NetworkStanding>,
}

/// How one network stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStanding {
    /// In a word.
    pub state: Step,
    /// Until when, in seconds of Unix time, if that ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// How far the proof of ownership is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The server knows the network by the router's word.
    Announced,
    /// A challenge is open.
    Challenged,
    /// The network is its sharer's.
    Verified,
    /// Somebody else says that it is theirs; people have to find out.
    Conflict,
    /// Its name asks for it to be in no directory.
    Refused,
    /// It was verified, for longer ago than counts.
    Expired,
    /// A word of a newer server.
    #[serde(other)]
    Unknown,
}

impl Step {
    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        ["announced", "challenged", "verified", "conflict", "refused", "expired", "unknown"][self as usize]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::DeserializeOwned;

    use super::*;

    fn is_written<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: &T, json: &str) {
        assert_eq!(serde_json::to_string(value).unwrap(), json);
        assert_eq!(&serde_json::from_str::<T>(json).unwrap(), value);
    }

    fn bssid() -> Bssid {
        "02:00:00:00:01:00".parse().unwrap()
    }

    #[test]
    fn a_challenge_that_is_over_has_no_name() {
        let open = Challenge {
            router: "r-1".parse().unwrap(),
            id: "c-1".parse().unwrap(),
            network: "cafe".parse().unwrap(),
            ssid: Some("welcome-k3j5z8q2m7x4c6v9".parse().unwrap()),
            until: 1_795_406_600,
        };
        let json =
            r#"{"router":"r-1","id":"c-1","network":"cafe","ssid":"welcome-k3j5z8q2m7x4c6v9","until":1795406600}"#;
        is_written(&open, json);
        is_written(
            &Challenge { ssid: None, ..open.clone() },
            &json.replace(r#""ssid":"welcome-k3j5z8q2m7x4c6v9","#, ""),
        );
        let null = json.replace(r#""welcome-k3j5z8q2m7x4c6v9""#, "null");
        assert_eq!(serde_json::from_str::<Challenge>(&null).unwrap().ssid, None);
    }

    #[test]
    fn a_signature_of_one_kind_is_none_of_another() {
        let signed = Signed { statement: "{}".to_owned(), signature: String::new() };
        let messages =
            [signed.message::<Challenge>(), signed.message::<Witness>(), signed.message::<crate::signed::Statement>()];
        for (n, message) in messages.iter().enumerate() {
            assert!(messages[n + 1..].iter().all(|other| !other.starts_with(message) && !message.starts_with(other)));
        }
    }

    #[test]
    fn states_and_testimonies_are_flat_objects() {
        is_written(
            &ChallengeState::OnAir { bssids: vec![bssid()] },
            r#"{"state":"on-air","bssids":["02:00:00:00:01:00"]}"#,
        );
        is_written(&ChallengeState::OffAir, r#"{"state":"off-air"}"#);
        is_written(&ChallengeState::Refused { why: "off".to_owned() }, r#"{"state":"refused","why":"off"}"#);
        let heard = Heard { bssid: bssid(), signal: -40, freq: 2412 };
        is_written(
            &HeardName { ssid: "welcome-x".parse().unwrap(), heard },
            r#"{"ssid":"welcome-x","bssid":"02:00:00:00:01:00","signal":-40,"freq":2412}"#,
        );
    }

    #[test]
    fn each_step_has_the_word_of_its_json_and_a_newer_one_is_unknown() {
        for word in ["announced", "challenged", "verified", "conflict", "refused", "expired"] {
            let json = format!("{{\"networks\":{{\"cafe\":{{\"state\":\"{word}\"}}}}}}");
            let standing: Standing = serde_json::from_str(&json).unwrap();
            assert_eq!(standing.networks.values().next().unwrap().state.as_str(), word);
            is_written(&standing, &json);
        }
        let step = serde_json::from_str::<Step>("\"blessed\"").unwrap();
        assert_eq!((step, step.as_str()), (Step::Unknown, "unknown"));
    }

    proptest! {
        #[test]
        fn a_name_for_a_challenge_is_plain(text in "welcome-.{0,26}|.{0,40}") {
            if let Ok(name) = text.parse::<ChallengeName>() {
                let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
                prop_assert!(name.ssid().as_bytes().iter().all(plain));
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
