//! What comes before a person's eyes: each message once, and none that is not of whom it says.
//!
//! In: offers as they came. Out: messages to [`Output`] and to the [`Desktop`]; and for the router, which of its own were
//! shown. What a [`Judge`] refuses is named, once.

use crate::calendar;
use crate::kept::now;
use crate::notify::Desktop;
use crate::output::Output;
use crate::shown::{Hash, ShownBefore};
use crate::verify::{From, Judge, Message, Refused, Signer};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Instant;
use welcome_proto::lan::{LanOffer, ShownOffer};
use welcome_proto::lookup::ListEntry;
use welcome_proto::offer::Audience;
use welcome_proto::signed::Signed;

/// Shows the messages of one visit.
pub struct Screen {
    output: Output,
    judge: Judge,
    desktop: Option<Desktop>,
    /// What the place is called where messages are remembered.
    place: String,
    before: Option<ShownBefore>,
    /// Whether somebody was at this place earlier today.
    is_returning: bool,
    /// Whether what was shown before is not shown again.
    once_a_day: bool,
    seen: BTreeSet<Hash>,
    /// What was said of those that are not shown.
    refused: BTreeSet<String>,
}

impl Screen {
    /// For a network of which the list says nothing.
    #[must_use]
    pub fn new(output: &Output) -> Self {
        Self {
            output: output.clone(),
            judge: Judge { signer: Signer::Unknown, preferred: crate::language::preferred() },
            desktop: None,
            place: String::new(),
            before: None,
            is_returning: false,
            once_a_day: false,
            seen: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    /// The network is this one.
    pub fn at(&mut self, entry: &ListEntry) {
        self.judge.signer = Signer::of(entry);
        entry.area.as_str().clone_into(&mut self.place);
    }

    /// What was shown before, and whether it is not to be shown again.
    pub fn remember(&mut self, before: ShownBefore, once_a_day: bool) {
        self.is_returning = before.has(&Hash::of_place(&self.place));
        (self.before, self.once_a_day) = (Some(before), once_a_day);
    }

    /// Messages are shown there, too.
    pub fn on(&mut self, desktop: Desktop) {
        self.desktop = Some(desktop);
    }

    /// What the person reads, as `Accept-Language`.
    pub(super) fn languages(&self) -> String {
        self.judge.preferred.to_string()
    }

    /// Whether there was a message.
    #[must_use]
    pub fn has_shown(&self) -> bool {
        !self.seen.is_empty()
    }

    /// The router's offers; returns which of them have been before a person's eyes in this visit.
    pub(super) async fn show_offers(&mut self, at: Instant, offers: Vec<LanOffer>) -> Vec<ShownOffer> {
        let mut shown = Vec::new();
        for offer in offers {
            let name = ShownOffer { sender: offer.sender, id: offer.id.clone() };
            match self.judge.of_router(offer, now()) {
                Ok(message) => {
                    if self.show(at, message).await {
                        shown.push(name);
                    }
                }
                Err(why) => self.refuse(Some(name), From::Router, why),
            }
        }
        self.save();
        shown
    }

    /// Whether the list says who signs here.
    pub(super) fn knows_signer(&self) -> bool {
        matches!(self.judge.signer, Signer::Key(_))
    }

    /// The server's, or those of a computer in the network.
    pub(super) async fn show_statements(&mut self, at: Instant, from: From, statements: Vec<Signed>) {
        for signed in statements {
            match self.judge.of_statement(signed, from, now()) {
                Ok(message) => {
                    self.show(at, message).await;
                }
                // Its name stands in what cannot be believed.
                Err(why) => self.refuse(None, from, why),
            }
        }
        self.save();
    }

    /// Whether it was shown in this visit, by this or earlier.
    async fn show(&mut self, at: Instant, message: Message) -> bool {
        let hash = Hash::of(&self.place, &message);
        if self.seen.contains(&hash) {
            return true;
        }
        let was_shown = self.once_a_day && self.before.as_ref().is_some_and(|before| before.has(&hash));
        if was_shown || !self.is_due(&message) || self.seen.len() >= MAX_SEEN {
            return false;
        }
        self.output.offer(at, &message);
        if let Some(desktop) = &self.desktop
            && let Err(error) = desktop.show(&message).await
        {
            self.output.note(&format!("failed to show a notification: {error:#}"));
        }
        if let Some(before) = &mut self.before {
            before.add(hash.clone(), now());
        }
        self.seen.insert(hash)
    }

    /// Whether it is for this hour, and for who is here: the server knows neither, and the sharer's computer not who.
    fn is_due(&self, message: &Message) -> bool {
        let audience = match message.audience {
            Audience::Everybody => true,
            Audience::First => !self.is_returning,
            Audience::Returning => self.is_returning,
        };
        audience && calendar::holds(&message.when)
    }

    fn refuse(&mut self, name: Option<ShownOffer>, from: From, why: Refused) {
        let (sender, id) = name.map(|name| (name.sender, name.id)).unzip();
        let fields = json!({ "sender": sender, "id": id, "from": from, "why": why.to_string() });
        if self.refused.len() < MAX_SEEN && self.refused.insert(fields.to_string()) {
            self.output.event("offer-refused", fields, &format!("a message is not shown: {why}"));
        }
    }

    fn save(&mut self) {
        let Some(before) = &mut self.before else { return };
        before.add(Hash::of_place(&self.place), now());
        // The worst is that something is shown again.
        if let Err(error) = before.save() {
            tracing::debug!("{error:#}");
        }
    }
}

/// More than any network has; a hostile router could fill the screen otherwise.
const MAX_SEEN: usize = 256;
