//! The offers the router holds, and which of them can be shown at this moment.

use sorted::SortedSet;
use std::time::Duration;

use welcome_proto::lan::ShownOffer;
use welcome_proto::offer::Sender;
use welcome_proto::{Digest, NetworkId};

use crate::decide::{is_for, waits};
use crate::event::Given;
use crate::now::{Instant, Now};
use crate::view::HeldOffer;

/// All of them.
#[derive(Debug, Default)]
pub struct Offers {
    /// The router's own and then the server's.
    held: Vec<HeldOffer>,
    contents: SortedSet<Digest>,
    /// When to look at the calendar again; only if a schedule depends on it.
    look: Option<Instant>,
}

impl Offers {
    /// The router's own, or all others, are these. Whatever was there of them is gone.
    pub fn take(&mut self, now: Now, by_device: bool, given: Vec<Given>) {
        self.held.retain(|h| (h.given.sender == Sender::Device) != by_device);
        let given = given.into_iter().map(|given| HeldOffer { given, waits: None });
        let at = if by_device { 0 } else { self.held.len() };
        self.held.splice(at..at, given);
        self.weigh(now);
    }

    /// These images and pages are here. Whether that changes anything.
    pub fn take_contents(&mut self, now: Now, contents: SortedSet<Digest>) -> bool {
        self.contents = contents;
        self.weigh(now)
    }

    /// Looks at the calendar, if it is time to. Whether that changes anything.
    pub fn turn(&mut self, now: Now) -> bool {
        self.look.is_some_and(|at| at <= now.mono) && self.weigh(now)
    }

    /// When to call [`Self::turn`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Instant, &'static str)> {
        self.look.map(|at| (at, "look at the calendar"))
    }

    /// All of them.
    #[must_use]
    pub fn held(&self) -> &[HeldOffer] {
        &self.held
    }

    /// The one of that name, if it is for this network.
    #[must_use]
    pub fn find(&self, network: &NetworkId, ShownOffer { sender, id }: &ShownOffer) -> Option<&Given> {
        let is_it = |g: &&Given| g.sender == *sender && g.offer.id == *id && is_for(&g.offer, network);
        self.held.iter().map(|h| &h.given).find(is_it)
    }

    fn weigh(&mut self, now: Now) -> bool {
        let mut changed = false;
        let mut is_dated = false;
        for HeldOffer { given, waits: before } in &mut self.held {
            is_dated |= !given.offer.when.is_always();
            let after = waits(&given.offer, now.calendar, &self.contents);
            changed |= *before != after;
            *before = after;
        }
        // Schedules change with the minute; and the wall clock may be set at any moment.
        let pause = now.calendar.map_or(NO_CLOCK, |c| Duration::from_secs(c.until_next_minute()));
        self.look = is_dated.then_some(now.mono + pause);
        changed
    }
}

/// How often somebody without a clock asks whether there is one.
const NO_CLOCK: Duration = Duration::from_secs(10);
