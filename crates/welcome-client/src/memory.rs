//! What a program remembers of the networks it has heard and joined, and which of several it therefore joins.
//!
//! In: candidates, how joining ended, and the time. Out: the candidates, best first. The program keeps the value where it
//! likes between two runs: it is plain data for serde, has at most [`Memory::MOST`] entries, and says of a network that was
//! not heard for [`Memory::FORGOTTEN_AFTER_S`] nothing any more. It knows no clock.
//!
//! A choice that is as good as another one stays: signals are smoothed, and another network has to be better by a margin.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use welcome_proto::Bssid;

use crate::Candidate;
use crate::rank::{self, MARGIN, Past};

/// What was heard and joined.
///
/// ```
/// use welcome_client::Memory;
/// let kept = serde_json::to_string(&Memory::default()).unwrap();
/// assert_eq!(serde_json::from_str::<Memory>(&kept).unwrap(), Memory::default());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Which was best the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chosen: Option<Bssid>,
    #[serde(default)]
    bss: BTreeMap<Bssid, Bss>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Bss {
    /// Smoothed, in dBm; absent when only its end is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signal: Option<f64>,
    /// When it was last heard, or joining it last ended, in seconds of Unix time.
    at: u64,
    #[serde(default)]
    past: Past,
}

impl Memory {
    /// The most networks that are remembered; those that were heard last.
    pub const MOST: usize = 256;
    /// For how long, in seconds: 30 days.
    pub const FORGOTTEN_AFTER_S: u64 = 30 * 86_400;

    /// Sorts candidates of one scan, best first, and notes that they were heard. `now` is in seconds of Unix time.
    pub fn rank(&mut self, candidates: &mut [Candidate], now: u64) {
        self.hear(candidates, now);
        let score = |candidate: &Candidate| self.score(candidate, now);
        let by_score = |one: &Candidate, other: &Candidate| score(other).total_cmp(&score(one));
        candidates.sort_by(|one, other| by_score(one, other).then(one.entry.bssid.cmp(&other.entry.bssid)));
        let stays = candidates.iter().position(|candidate| Some(candidate.entry.bssid) == self.chosen);
        if let Some(stays) = stays
            && score(&candidates[0]) - score(&candidates[stays]) < MARGIN
        {
            candidates[..=stays].rotate_right(1);
        }
        if let Some(first) = candidates.first() {
            self.chosen = Some(first.entry.bssid);
        }
        self.forget(now);
    }

    /// Which was best the last time.
    #[must_use]
    pub fn chosen(&self) -> Option<Bssid> {
        self.chosen
    }

    /// Notes that joining a network went well.
    pub fn succeeded(&mut self, bssid: Bssid, now: u64) {
        self.tried(bssid, now, true);
    }

    /// Notes that joining a network failed. It loses what it has before others by having been chosen.
    pub fn failed(&mut self, bssid: Bssid, now: u64) {
        self.tried(bssid, now, false);
        self.chosen = self.chosen.filter(|chosen| *chosen != bssid);
    }

    fn tried(&mut self, bssid: Bssid, now: u64, well: bool) {
        let bss = self.bss.entry(bssid).or_insert(Bss { signal: None, at: now, past: Past::default() });
        bss.past.add(well, now.saturating_sub(bss.at));
        bss.at = now;
        self.forget(now);
    }

    fn hear(&mut self, candidates: &[Candidate], now: u64) {
        // The same address may be there several times: the strongest is what a scan says of it.
        let mut heard = BTreeMap::new();
        for candidate in candidates {
            let signal = rank::signal(candidate.sighting.signal);
            let strongest = heard.entry(candidate.entry.bssid).or_insert(signal);
            *strongest = signal.max(*strongest);
        }
        for (bssid, signal) in heard {
            let bss = self.bss.entry(bssid).or_insert(Bss { signal: None, at: now, past: Past::default() });
            let since = now.saturating_sub(bss.at);
            let before = bss.signal.filter(|_| since <= FRESH_S).map_or(signal, rank::within_reason);
            bss.signal = Some(before + (signal - before) * SMOOTHING);
            bss.past.fade(since);
            bss.at = now;
        }
    }

    fn score(&self, candidate: &Candidate, now: u64) -> f64 {
        let bss = self.bss.get(&candidate.entry.bssid);
        let past = bss.map(|bss| bss.past.faded(now.saturating_sub(bss.at))).unwrap_or_default();
        let signal = bss.and_then(|bss| bss.signal).unwrap_or_else(|| rank::signal(candidate.sighting.signal));
        rank::score(signal, candidate.sighting.freq, past)
    }

    /// What is too old, and what is too much. A value that was kept is no better than what wrote it: a time to come is now.
    fn forget(&mut self, now: u64) {
        for bss in self.bss.values_mut() {
            bss.at = bss.at.min(now);
        }
        self.bss.retain(|_, bss| now - bss.at < Self::FORGOTTEN_AFTER_S);
        let too_many = self.bss.len().saturating_sub(Self::MOST);
        if too_many > 0 {
            let chosen = self.chosen;
            let mut by_age: Vec<_> =
                self.bss.iter().map(|(bssid, bss)| (Some(*bssid) == chosen, bss.at, *bssid)).collect();
            by_age.sort_unstable();
            let oldest: BTreeSet<Bssid> = by_age.into_iter().take(too_many).map(|(_, _, bssid)| bssid).collect();
            self.bss.retain(|bssid, _| !oldest.contains(bssid));
        }
    }
}

/// The part of a new signal in the smoothed one: after four scans two thirds of a change have come through.
const SMOOTHING: f64 = 0.25;
/// After so long the old signal says nothing: one may have walked anywhere.
const FRESH_S: u64 = 120;
