//! Which offers a visit sees: plain functions of the offer, the moment and the visit.

use sorted::{SortedMap, SortedSet};
use std::cmp::Reverse;

use welcome_proto::offer::{Audience, Offer, Sender};
use welcome_proto::{Digest, NetworkId, OfferId};

use crate::calendar::{Calendar, Wait};
use crate::event::Given;
use crate::view::{HeldOffer, OfferView};

/// What the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// Where the station is.
    pub network: &'a NetworkId,
    /// Whether the station came just now, so that it is the moment to speak. One that was on the air before the
    /// agent can read its offers on the page, but is not disturbed.
    pub fresh: bool,
    /// Whether it is its first visit of the day, as far as anybody can tell.
    pub first: bool,
    /// Whether somebody said at it that no messages are wanted.
    pub declined: bool,
    /// How often each offer was shown in this visit.
    pub shown: &'a SortedMap<(Sender, OfferId), u8>,
    /// How often each offer was shown to this station on this day.
    pub today: &'a SortedMap<(Sender, OfferId), u8>,
    /// What was said to this guest at this visit, in this order.
    pub said: &'a [Given],
}

/// Why an offer is shown to nobody at this moment, if so.
#[must_use]
pub fn waits(offer: &Offer, calendar: Option<Calendar>, contents: &SortedSet<Digest>) -> Option<Wait> {
    let in_time = match calendar {
        _ if offer.when.is_always() => Ok(()),
        Some(calendar) => calendar.holds(&offer.when),
        None => Err(Wait::Clock),
    };
    let is_here = offer.files().all(|file| contents.contains(&file.digest));
    in_time.err().or((!is_here).then_some(Wait::Content))
}

/// The offers of a visit: what was said last, and then by priority, the highest first, then the router's own, then the
/// sharer's, then by id.
#[must_use]
pub fn decide(visit: Visit<'_>, held: &[HeldOffer]) -> Vec<OfferView> {
    let ready = held.iter().filter(|h| h.waits.is_none()).map(|h| &h.given);
    let mut chosen: Vec<_> = ready
        .filter(|given| is_for(&given.offer, visit.network) && visit.is_among(given.offer.audience))
        .filter(|given| !visit.had_enough(given))
        .map(|given| visit.sees(given, visit.fresh))
        .collect();
    chosen.sort_by(|a, b| {
        let key = |o: &OfferView| (Reverse(o.offer.priority), o.sender);
        key(a).cmp(&key(b)).then_with(|| a.offer.id.cmp(&b.offer.id))
    });
    // Whoever says something now means those who are here now, however long they have been.
    let said = visit.said.iter().rev().map(|given| visit.sees(given, true));
    said.chain(chosen).collect()
}

impl Visit<'_> {
    fn sees(&self, Given { sender, offer, signed }: &Given, is_the_moment: bool) -> OfferView {
        let (shown, today) = self.counts(*sender, offer);
        let has_room = shown < offer.cap_per_visit && offer.cap_per_day.is_none_or(|cap| today < cap);
        let due = is_the_moment && has_room && !self.declined;
        OfferView { sender: *sender, offer: offer.clone(), signed: signed.clone(), shown, due }
    }

    /// Whether an earlier visit has used up the day's cap. What was shown in this one stays to be read.
    fn had_enough(&self, Given { sender, offer, .. }: &Given) -> bool {
        let (shown, today) = self.counts(*sender, offer);
        shown == 0 && offer.cap_per_day.is_some_and(|cap| today >= cap)
    }

    /// In this visit, and on this day.
    fn counts(&self, sender: Sender, offer: &Offer) -> (u8, u8) {
        let name = (sender, offer.id.clone());
        let [shown, today] = [self.shown, self.today].map(|counts| counts.get(&name).copied().unwrap_or(0));
        (shown, today)
    }

    fn is_among(&self, audience: Audience) -> bool {
        match audience {
            Audience::Everybody => true,
            Audience::First => self.first,
            Audience::Returning => !self.first,
        }
    }
}

/// Whether an offer is shown on a network.
#[must_use]
pub fn is_for(offer: &Offer, network: &NetworkId) -> bool {
    offer.networks.is_empty() || offer.networks.contains(network)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use welcome_proto::offer::{File, FileKind, Image};
    use welcome_proto::schedule::When;

    use super::*;

    fn offer(id: &str, priority: u8, cap_per_visit: u8, networks: &[&str]) -> Offer {
        let networks = networks.iter().map(|n| n.parse().unwrap()).collect();
        Offer { networks, priority, cap_per_visit, ..Offer::new(id.parse().unwrap(), id) }
    }

    fn given(sender: Sender, offer: Offer) -> Given {
        Given { sender, offer: Arc::new(offer), signed: None }
    }

    fn held(given: Given) -> HeldOffer {
        HeldOffer { given, waits: None }
    }

    type Counts<'a> = &'a [(Sender, &'a str, u8)];

    fn counts(counts: Counts<'_>) -> SortedMap<(Sender, OfferId), u8> {
        counts.iter().map(|(s, id, n)| ((*s, id.parse().unwrap()), *n)).collect()
    }

    fn look(visit: Visit<'_>, all: &[HeldOffer]) -> Vec<(String, bool)> {
        decide(visit, all).into_iter().map(|o| (o.offer.id.to_string(), o.due)).collect()
    }

    fn is(expected: &[(&str, bool)]) -> Vec<(String, bool)> {
        expected.iter().map(|(id, due)| ((*id).to_owned(), *due)).collect()
    }

    #[test]
    fn what_is_said_comes_first_and_reaches_also_who_was_here_before() {
        let cafe: NetworkId = "cafe".parse().unwrap();
        let said = ["say-1", "say-2"].map(|id| given(Sender::Device, offer(id, 50, 1, &[])));
        let shown = counts(&[(Sender::Device, "say-1", 1)]);
        let visit = Visit {
            network: &cafe,
            fresh: false,
            first: true,
            declined: false,
            shown: &shown,
            today: &shown,
            said: &said,
        };
        let all = [held(given(Sender::Device, offer("hello", 99, 1, &[])))];
        assert_eq!(look(visit, &all), is(&[("say-2", true), ("say-1", false), ("hello", false)]));
        let declined = Visit { declined: true, ..visit };
        assert_eq!(look(declined, &all), is(&[("say-2", false), ("say-1", false), ("hello", false)]));
    }

    #[test]
    fn a_table_of_cases() {
        use Sender::{Device, Server, Sharer};
        let daily = Offer { cap_per_day: Some(3), ..offer("a", 50, 2, &[]) };
        let to = |audience, id| Offer { audience, ..offer(id, 1, 1, &[]) };
        let mut all = vec![
            held(given(Server, offer("low", 10, 1, &[]))),
            held(given(Device, offer("b", 50, 1, &["cafe"]))),
            held(given(Sharer, daily)),
            held(given(Device, offer("else", 99, 1, &["garden"]))),
            held(given(Server, to(Audience::First, "new"))),
            held(given(Server, to(Audience::Returning, "again"))),
        ];
        all.push(HeldOffer { given: given(Device, offer("later", 100, 1, &[])), waits: Some(Wait::NotYet) });
        let cafe: NetworkId = "cafe".parse().unwrap();
        let (t, f) = (true, false);
        // name, fresh, first, declined, shown in this visit, shown today; what is offered, and whether it is due
        type Case<'a> = (&'a str, bool, bool, bool, Counts<'a>, Counts<'a>, &'a [(&'a str, bool)]);
        let cases: &[Case<'_>] = &[
            (
                "best first; none of elsewhere, none of later",
                t,
                t,
                f,
                &[],
                &[],
                &[("b", t), ("a", t), ("low", t), ("new", t)],
            ),
            ("who comes again", t, f, f, &[], &[], &[("b", t), ("a", t), ("low", t), ("again", t)]),
            ("once is once", t, t, f, &[(Device, "b", 1)], &[], &[("b", f), ("a", t), ("low", t), ("new", t)]),
            ("twice is twice", t, t, f, &[(Sharer, "a", 1)], &[], &[("b", t), ("a", t), ("low", t), ("new", t)]),
            ("the visit's cap", t, t, f, &[(Sharer, "a", 2)], &[], &[("b", t), ("a", f), ("low", t), ("new", t)]),
            (
                "not the day's cap yet",
                t,
                f,
                f,
                &[],
                &[(Sharer, "a", 2)],
                &[("b", t), ("a", t), ("low", t), ("again", t)],
            ),
            ("the day's cap", t, f, f, &[], &[(Sharer, "a", 3)], &[("b", t), ("low", t), ("again", t)]),
            (
                "in this visit",
                t,
                f,
                f,
                &[(Sharer, "a", 1)],
                &[(Sharer, "a", 3)],
                &[("b", t), ("a", f), ("low", t), ("again", t)],
            ),
            (
                "another day's count of another",
                t,
                f,
                f,
                &[],
                &[(Device, "a", 3)],
                &[("b", t), ("a", t), ("low", t), ("again", t)],
            ),
            (
                "another sender's id is another",
                t,
                t,
                f,
                &[(Server, "b", 1)],
                &[],
                &[("b", t), ("a", t), ("low", t), ("new", t)],
            ),
            ("who was here before is not disturbed", f, t, f, &[], &[], &[("b", f), ("a", f), ("low", f), ("new", f)]),
            ("no thanks", t, t, t, &[], &[], &[("b", f), ("a", f), ("low", f), ("new", f)]),
        ];
        for (name, fresh, first, declined, shown, today, expected) in cases {
            let (shown, today) = (counts(shown), counts(today));
            let (fresh, first, declined) = (*fresh, *first, *declined);
            let visit = Visit { network: &cafe, fresh, first, declined, shown: &shown, today: &today, said: &[] };
            assert_eq!(look(visit, &all), is(expected), "{name}");
        }
    }

    #[test]
    fn an_offer_waits_for_its_time_and_for_its_content() {
        let digest = Digest([7; 32]);
        let noon = Calendar { unix: 1_795_521_600, offset_s: 0 };
        let plain = offer("a", 50, 1, &[]);
        let mut dated = plain.clone();
        dated.when = When { from: Some(noon.unix + 1), ..When::default() };
        let mut pictured = plain.clone();
        let file = File { digest, length: 1, kind: FileKind::Png };
        pictured.translations.insert("zh".parse().unwrap(), plain.content.clone());
        pictured
            .translations
            .values_mut()
            .for_each(|c| c.image = Some(Image { file: file.clone(), alt: String::new() }));
        let (none, some) = (SortedSet::new(), SortedSet::from([digest]));
        let later = Calendar { unix: noon.unix + 1, ..noon };
        for (name, offer, calendar, contents, expected) in [
            ("without dates nobody needs a clock", &plain, None, &none, None),
            ("with dates somebody does", &dated, None, &none, Some(Wait::Clock)),
            ("not yet", &dated, Some(noon), &none, Some(Wait::NotYet)),
            ("now", &dated, Some(later), &none, None),
            ("its picture in any language", &pictured, None, &none, Some(Wait::Content)),
            ("the picture is here", &pictured, None, &some, None),
        ] {
            assert_eq!(waits(offer, calendar, contents), expected, "{name}");
        }
    }
}
