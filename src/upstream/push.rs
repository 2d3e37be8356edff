//! What the server pushes, offer by offer: one that is wrong costs itself and not the others. Pure.

use std::collections::BTreeSet;

use serde::Deserialize;
use tracing::warn;
use welcome_proto::offer::{MAX_OFFERS, Offer};

/// The revision and the offers of a push that can be used; `None` if it is no push at all.
#[must_use]
pub fn read_offers(data: &str) -> Option<(u64, Vec<Offer>)> {
    let Push { revision, offers: raw } = match serde_json::from_str(data) {
        Ok(push) => push,
        Err(error) => {
            warn!(%error, "what the server pushed cannot be understood");
            return None;
        }
    };
    if raw.len() > MAX_OFFERS {
        warn!(offers = raw.len(), most = MAX_OFFERS, "the server pushed too many offers; taking the first");
    }
    let mut ids = BTreeSet::new();
    let mut offers = Vec::new();
    for (n, raw) in raw.into_iter().take(MAX_OFFERS).enumerate() {
        let checked = Offer::deserialize(raw).map_err(|e| e.to_string());
        match checked.and_then(|o| o.check().map(|()| o).map_err(|e| e.to_string())) {
            Ok(offer) if !ids.insert(offer.id.clone()) => warn!(offer = %offer.id, "an offer was pushed twice"),
            Ok(offer) => offers.push(offer),
            Err(error) => warn!(n, error, "an offer of the server cannot be used"),
        }
    }
    Some((revision, offers))
}

/// `OffersPush` before its offers are looked at.
#[derive(Deserialize)]
struct Push {
    revision: u64,
    offers: Vec<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(data: &str) -> Option<Vec<String>> {
        read_offers(data).map(|(_, offers)| offers.iter().map(|o| o.id.to_string()).collect())
    }

    #[test]
    fn a_wrong_offer_costs_itself_and_not_the_others() {
        let data = r#"{"revision":7,"offers":[
            {"id":"a","content":{"title":"t"}}, {"id":"a","content":{"title":"again"}}, {"id":"../b","content":{"title":"t"}},
            {"id":"c","content":{"title":""}}, {"id":"d","content":{"title":"t","link":"javascript:x"}}, 5, {},
            {"id":"e","content":{"title":"t"},"of":"the future"}]}"#;
        assert_eq!(ids(data).unwrap(), ["a", "e"]);
        assert_eq!(read_offers(data).unwrap().0, 7);
        assert_eq!(ids(r#"{"revision":8,"offers":[]}"#).unwrap(), [""; 0], "none is news as well");
    }

    #[test]
    fn what_is_no_push_changes_nothing() {
        for data in ["", "[]", "{}", r#"{"revision":-1,"offers":[]}"#, r#"{"revision":1,"offers":{}}"#] {
            assert_eq!(ids(data), None, "{data}");
        }
    }

    #[test]
    fn no_more_are_taken_than_there_may_be() {
        let offers: Vec<_> = (0..100).map(|i| format!(r#"{{"id":"o{i}","content":{{"title":"t"}}}}"#)).collect();
        let data = format!(r#"{{"revision":1,"offers":[{}]}}"#, offers.join(","));
        assert_eq!(ids(&data).unwrap().len(), MAX_OFFERS);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"a-z0-9-]{0,80}") {
            let _outcome = read_offers(&text);
        }
    }
}
