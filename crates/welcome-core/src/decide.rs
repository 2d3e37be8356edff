//! Which offers a visit sees: one plain function.

use std::collections::BTreeMap;
use std::sync::Arc;

use welcome_proto::offer::{Offer, Sender};
use welcome_proto::{NetworkId, OfferId};

use crate::view::OfferView;

/// What the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// Where the station is.
    pub network: &'a NetworkId,
    /// Whether the station came just now, so that it is the moment to speak. One that was on the air before the
    /// agent can read its offers on the page, but is not disturbed.
    pub fresh: bool,
    /// How often each offer was shown in this visit.
    pub shown: &'a BTreeMap<(Sender, OfferId), u8>,
    /// What was said to this guest at this visit, in this order.
    pub said: &'a [Arc<Offer>],
}

/// The offers of a visit: what was said last, and then by priority, the highest first, then the router's own, then by
/// id.
#[must_use]
pub fn decide(visit: Visit<'_>, offers: &[(Sender, Arc<Offer>)]) -> Vec<OfferView> {
    let mut chosen: Vec<_> = offers
        .iter()
        .filter(|(_, offer)| is_for(offer, visit.network))
        .map(|(sender, offer)| {
            let shown = visit.shown_of(*sender, offer);
            let due = visit.fresh && shown < offer.cap_per_visit;
            OfferView { sender: *sender, offer: Arc::clone(offer), shown, due }
        })
        .collect();
    chosen.sort_by(|a, b| {
        let key = |o: &OfferView| (std::cmp::Reverse(o.offer.priority), o.sender);
        key(a).cmp(&key(b)).then_with(|| a.offer.id.cmp(&b.offer.id))
    });
    // Whoever says something now means those who are here now, however long they have been.
    let said = visit.said.iter().rev().map(|offer| {
        let shown = visit.shown_of(Sender::Device, offer);
        OfferView { sender: Sender::Device, offer: Arc::clone(offer), shown, due: shown < offer.cap_per_visit }
    });
    said.chain(chosen).collect()
}

impl Visit<'_> {
    fn shown_of(&self, sender: Sender, offer: &Offer) -> u8 {
        self.shown.get(&(sender, offer.id.clone())).copied().unwrap_or(0)
    }
}

/// Whether an offer is shown on a network.
#[must_use]
pub fn is_for(offer: &Offer, network: &NetworkId) -> bool {
    offer.networks.is_empty() || offer.networks.contains(network)
}

#[cfg(test)]
mod tests {
    use welcome_proto::offer::Content;

    use super::*;

    fn offer(id: &str, priority: u8, cap_per_visit: u8, networks: &[&str]) -> Arc<Offer> {
        Arc::new(Offer {
            id: id.parse().unwrap(),
            networks: networks.iter().map(|n| n.parse().unwrap()).collect(),
            priority,
            cap_per_visit,
            content: Content { title: id.to_owned(), text: String::new(), link: None },
        })
    }

    #[test]
    fn what_is_said_comes_first_and_reaches_also_who_was_here_before() {
        let cafe: NetworkId = "cafe".parse().unwrap();
        let said = [offer("say-1", 50, 1, &[]), offer("say-2", 50, 1, &[])];
        let shown = [((Sender::Device, "say-1".parse().unwrap()), 1)].into();
        let visit = Visit { network: &cafe, fresh: false, shown: &shown, said: &said };
        let chosen = decide(visit, &[(Sender::Device, offer("hello", 99, 1, &[]))]);
        let got: Vec<_> = chosen.iter().map(|o| (o.offer.id.as_str(), o.due)).collect();
        assert_eq!(got, [("say-2", true), ("say-1", false), ("hello", false)]);
    }

    #[test]
    fn a_table_of_cases() {
        use Sender::{Device, Server};
        let all = [
            (Server, offer("low", 10, 1, &[])),
            (Device, offer("b", 50, 1, &["cafe"])),
            (Server, offer("a", 50, 2, &[])),
            (Device, offer("else", 99, 1, &["garden"])),
        ];
        let cafe: NetworkId = "cafe".parse().unwrap();
        type Case<'a> = (&'a str, bool, &'a [(Sender, &'a str, u8)], &'a [(&'a str, bool)]);
        let cases: &[Case<'_>] = &[
            ("best first; not those of elsewhere", true, &[], &[("b", true), ("a", true), ("low", true)]),
            ("once is once", true, &[(Device, "b", 1)], &[("b", false), ("a", true), ("low", true)]),
            ("twice is twice", true, &[(Server, "a", 1)], &[("b", true), ("a", true), ("low", true)]),
            ("the cap is reached", true, &[(Server, "a", 2)], &[("b", true), ("a", false), ("low", true)]),
            ("another sender's id is another", true, &[(Server, "b", 1)], &[("b", true), ("a", true), ("low", true)]),
            ("who was here before is not disturbed", false, &[], &[("b", false), ("a", false), ("low", false)]),
        ];
        for (name, fresh, shown, expected) in cases {
            let shown = shown.iter().map(|(s, id, n)| ((*s, id.parse().unwrap()), *n)).collect();
            let visit = Visit { network: &cafe, fresh: *fresh, shown: &shown, said: &[] };
            let got: Vec<_> = decide(visit, &all).into_iter().map(|o| (o.offer.id.to_string(), o.due)).collect();
            let expected: Vec<_> = expected.iter().map(|(id, due)| ((*id).to_owned(), *due)).collect();
            assert_eq!(got, expected, "{name}");
        }
    }
}
