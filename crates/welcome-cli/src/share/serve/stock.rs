//! What is to be said in a network, as the server has signed it, and the file it is kept in.
//!
//! In: the server's answer, or the file. Out: messages, each held against the signer's key, the network and the limits
//! whenever it is read: a file that somebody changed says nothing else than what was signed.

use crate::kept::{load, save};
use crate::pin::PublicKey;
use crate::share::api::SharedNetwork;
use crate::share::args::{NetworkName, Which};
use anyhow::bail;
use serde::{Deserialize, Serialize};
use std::path::Path;
use welcome_proto::arrival::{MAX_OFFERS, ToServe};
use welcome_proto::offer::{Offer, Sender};
use welcome_proto::signed::{MAX_STATEMENT, Signed, Statement};
use welcome_proto::{NetworkId, RouterId, Ssid};

/// The stock of one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stock {
    /// 1.
    version: u32,
    router: RouterId,
    pub(super) network: NetworkId,
    pub(super) ssid: Ssid,
    signed: ToServe,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) sender: Sender,
    pub(super) offer: Offer,
    pub(super) signed: Signed,
}

impl Stock {
    /// As the server gave it.
    pub(super) fn new(of: &SharedNetwork, signed: ToServe) -> Self {
        let SharedNetwork { router, network, ssid, .. } = of;
        Self { version: 1, router: router.clone(), network: network.clone(), ssid: ssid.clone(), signed }
    }

    /// Reads what is kept; `None` when nothing is.
    ///
    /// # Errors
    /// When it cannot be read, or is of another program.
    pub(super) fn load(dir: &Path) -> anyhow::Result<Option<Self>> {
        match load::<Self>(dir, FILE, MAX_BYTES)? {
            Some(stock) if stock.version != 1 => bail!("{FILE} is not one that this program wrote"),
            stock => Ok(stock),
        }
    }

    /// Replaces what is kept.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn save(&self, dir: &Path) -> anyhow::Result<()> {
        save(dir, FILE, self)
    }

    /// Whether a person who says this may mean it.
    pub(super) fn is_of(&self, which: &Which) -> bool {
        let is_network = |name: &NetworkName| {
            name.network == self.network && name.router.as_ref().is_none_or(|router| *router == self.router)
        };
        which.network.as_ref().is_none_or(is_network) && which.ssid.as_ref().is_none_or(|ssid| *ssid == self.ssid)
    }

    /// How to name it so that no other is meant.
    pub(super) fn which(&self) -> Which {
        let name = NetworkName { router: Some(self.router.clone()), network: self.network.clone() };
        Which { network: Some(name), ssid: None }
    }

    /// What of it may be said at all, the best first. What is not good is left out.
    pub(super) fn messages(&self) -> Vec<Message> {
        let Ok(key) = self.signed.signer.parse::<PublicKey>() else { return Vec::new() };
        self.signed.offers.iter().take(MAX_OFFERS).filter_map(|signed| self.read(&key, signed)).collect()
    }

    fn read(&self, key: &PublicKey, signed: &Signed) -> Option<Message> {
        let signature = signed.signature_bytes().filter(|_| signed.statement.len() <= MAX_STATEMENT)?;
        let Statement { router, sender, offer } = serde_json::from_str(&signed.statement).ok()?;
        let is_here = offer.networks.is_empty() || offer.networks.contains(&self.network);
        let is_ours = router == self.router && sender != Sender::Device && is_here && offer.check().is_ok();
        let is_good = is_ours && key.verify(&signed.message::<Statement>(), &signature);
        is_good.then(|| Message { sender, offer, signed: signed.clone() })
    }
}

const FILE: &str = "to-serve.json";
/// In JSON a statement grows by its quotes, at most to twice its size.
const MAX_BYTES: u64 = 2 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::{Value, json};

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    pub(in crate::share::serve) fn signed(seed: u8, router: &str, offer: &Value) -> Signed {
        let statement = json!({ "router": router, "sender": "sharer", "offer": offer });
        let statement: Statement = serde_json::from_value(statement).unwrap();
        Signed::make(&statement, |message| pair(seed).sign(message).as_ref().try_into().unwrap()).unwrap()
    }

    /// Of the network `kiosk` of `r-1`, signed by 1.
    pub(in crate::share::serve) fn stock(offers: Vec<Signed>) -> Stock {
        let signer = URL_SAFE_NO_PAD.encode(pair(1).public_key());
        let network = json!({
            "router": "r-1", "network": "kiosk", "ssid": "Kiosk", "security": "open", "state": "verified", "bss": []
        });
        Stock::new(&serde_json::from_value(network).unwrap(), ToServe { signer, offers })
    }

    fn titles(stock: &Stock) -> Vec<String> {
        stock.messages().into_iter().map(|message| message.offer.content.title).collect()
    }

    #[test]
    fn only_what_was_signed_for_this_network_is_said() {
        let offer =
            |title: &str, networks: &[&str]| json!({ "id": "a", "networks": networks, "content": { "title": title } });
        let mut changed = signed(1, "r-1", &offer("Pay there", &[]));
        changed.statement = changed.statement.replace("there", "here");
        let stock = stock(vec![
            signed(1, "r-1", &offer("all of the router's", &[])),
            signed(1, "r-1", &offer("this one's", &["bar", "kiosk"])),
            signed(1, "r-1", &offer("another network's", &["bar"])),
            signed(1, "r-2", &offer("another router's", &[])),
            signed(2, "r-1", &offer("another organisation's", &[])),
            signed(1, "r-1", &offer("too long".repeat(11).as_str(), &[])),
            changed,
        ]);
        assert_eq!(titles(&stock), ["all of the router's", "this one's"]);
        let nobody = Stock { signed: ToServe { signer: "x".to_owned(), ..stock.signed.clone() }, ..stock };
        assert_eq!(titles(&nobody), [""; 0]);
    }

    #[test]
    fn what_is_kept_comes_back_and_is_known_by_its_names() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Stock::load(dir.path()).unwrap(), None);
        let stock = stock(vec![signed(1, "r-1", &json!({ "id": "a", "content": { "title": "Hi" } }))]);
        stock.save(dir.path()).unwrap();
        let kept = Stock::load(dir.path()).unwrap().unwrap();
        assert_eq!((&kept, titles(&kept)), (&stock, vec!["Hi".to_owned()]));
        let by = |network: Option<&str>, ssid: Option<&str>| Which {
            network: network.map(|name| name.parse().unwrap()),
            ssid: ssid.map(|ssid| ssid.parse().unwrap()),
        };
        for (which, expected) in [
            (by(None, None), true),
            (by(Some("kiosk"), None), true),
            (by(None, Some("Kiosk")), true),
            (kept.which(), true),
            (by(Some("r-2/kiosk"), None), false),
            (by(Some("bar"), None), false),
            (by(None, Some("kiosk")), false),
        ] {
            assert_eq!(kept.is_of(&which), expected, "{which:?}");
        }
        std::fs::write(dir.path().join(FILE), "{}").unwrap();
        assert!(Stock::load(dir.path()).is_err());
    }
}
