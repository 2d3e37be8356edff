//! What of ours is in a station's way: one plain function of the network's mode and of what the visit has done so far.

use std::time::Duration;

use crate::now::Instant;
use crate::rules::{Gate, Mode};

/// For how long a splash goes on after the first probe was caught. Systems send several at once, and their mini-browser
/// asks again on its own; after that they are let through, so that a person who looks away is online all the same.
pub const SPLASH: Duration = Duration::from_secs(60);
/// For how long after the join a splash waits for a probe. They come within seconds; a station that sends none is left
/// alone.
pub const SPLASH_WAITS: Duration = Duration::from_secs(600);

/// What of ours is in a station's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Nothing.
    #[default]
    Open,
    /// Its plain HTTP is caught, to answer its probes; everything else passes.
    Catch,
    /// Nothing passes but what it needs to find the page, until somebody has pressed its button.
    Held,
}

/// What the door knows of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Visitor {
    /// Whether it is a guest who is on the air.
    pub is_here: bool,
    /// Whether it came while somebody was listening.
    pub fresh: bool,
    /// When the visit began.
    pub since: Instant,
    /// Whether there is something to show.
    pub has_due: bool,
    /// Whether the page was opened.
    pub opened: bool,
    /// When the first probe was caught.
    pub caught: Option<Instant>,
    /// Until when the gate stands open.
    pub released: Option<Instant>,
}

/// The door, at this moment.
#[must_use]
pub fn access(now: Instant, mode: Mode, gate: Gate, visitor: Visitor) -> Access {
    let Visitor { is_here, fresh, has_due, opened, released, .. } = visitor;
    match mode {
        Mode::Splash if is_here && fresh && has_due && !opened && now < splash_ends(visitor) => Access::Catch,
        // Who was here before the agent may have been let in by the one before it.
        Mode::Gate if is_here && (fresh || !gate.fails_open) && released.is_none_or(|at| at <= now) => Access::Held,
        _ => Access::Open,
    }
}

/// When time alone changes the answer of [`access`], if it does.
#[must_use]
pub fn next_change(now: Instant, mode: Mode, visitor: Visitor) -> Option<Instant> {
    let at = match mode {
        Mode::Splash if visitor.is_here && visitor.fresh && !visitor.opened => Some(splash_ends(visitor)),
        Mode::Gate if visitor.is_here => visitor.released,
        _ => None,
    };
    at.filter(|at| *at > now)
}

fn splash_ends(visitor: Visitor) -> Instant {
    let waits = visitor.since + SPLASH_WAITS;
    visitor.caught.map_or(waits, |at| waits.min(at + SPLASH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_doors() {
        use Access::{Catch, Held, Open};
        let s = Duration::from_secs;
        let here = Visitor { is_here: true, fresh: true, since: s(100), has_due: true, ..Visitor::default() };
        let found = Visitor { fresh: false, ..here };
        let caught = Visitor { caught: Some(s(110)), ..here };
        let released = Visitor { released: Some(s(1000)), ..here };
        let opens = Gate::default();
        let closes = Gate { fails_open: false, ..opens };
        let cases = [
            ("app and notify never", 101, Mode::App, opens, here, Open),
            ("app and notify never", 101, Mode::Notify, opens, here, Open),
            ("a splash waits for a probe", 101, Mode::Splash, opens, here, Catch),
            ("and not for ever", 700, Mode::Splash, opens, here, Open),
            ("it goes on while the systems ask", 169, Mode::Splash, opens, caught, Catch),
            ("and then lets them pass", 170, Mode::Splash, opens, caught, Open),
            ("the page was opened", 111, Mode::Splash, opens, Visitor { opened: true, ..caught }, Open),
            ("nothing to show", 101, Mode::Splash, opens, Visitor { has_due: false, ..here }, Open),
            ("somebody from before", 101, Mode::Splash, closes, found, Open),
            ("no guest, or gone", 101, Mode::Splash, opens, Visitor { is_here: false, ..here }, Open),
            ("a gate holds", 101, Mode::Gate, opens, here, Held),
            ("also with nothing to show", 101, Mode::Gate, opens, Visitor { has_due: false, ..here }, Held),
            ("also who has opened the page", 101, Mode::Gate, opens, Visitor { opened: true, ..here }, Held),
            ("until it is released", 999, Mode::Gate, opens, released, Open),
            ("for its time", 1000, Mode::Gate, opens, released, Held),
            ("somebody from before passes", 101, Mode::Gate, opens, found, Open),
            ("unless the gate fails closed", 101, Mode::Gate, closes, found, Held),
            ("no guest, or gone", 101, Mode::Gate, closes, Visitor { is_here: false, ..here }, Open),
        ];
        for (name, now, mode, gate, visitor, expected) in cases {
            assert_eq!(access(s(now), mode, gate, visitor), expected, "{name}");
            let next = next_change(s(now), mode, visitor);
            if let Some(at) = next {
                assert!(at > s(now), "{name}");
                let before = access(at - Duration::from_millis(1), mode, gate, visitor);
                assert_eq!(before, expected, "{name}: nothing changes before it is said");
            } else {
                assert_eq!(access(s(100_000), mode, gate, visitor), expected, "{name}: nothing changes by itself");
            }
        }
    }
}
