//! Which of several networks is chosen: stable under noise, and following what lasts.
#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use welcome_client::{Candidate, Memory, Sighting, Variant};
use welcome_proto::announce::Security;
use welcome_proto::lookup::{Assurance, ListEntry};
use welcome_proto::{Bssid, Mac, Ssid};

const NOW: u64 = 1_795_000_000;
/// Seconds between two scans.
const SCAN: u64 = 10;
/// Up and down, in dB.
const NOISE: i32 = 2;

proptest! {
    #[test]
    fn noise_changes_no_choice(
        level in -90..-40i32,
        above in vec((0..5i32, any::<bool>()), 1..8),
        noise in vec(vec(-NOISE..=NOISE, 8), 1..8),
    ) {
        let levels: Vec<_> = above.into_iter().map(|(above, fast)| (level + above, fast)).collect();
        // Noise that stays for a while is not smoothed away.
        let noise = noise.into_iter().flat_map(|noise| std::iter::repeat_n(noise, 10));
        let mut memory = Memory::default();
        let at = |levels: &[(i32, bool)]| -> Vec<_> {
            levels.iter().enumerate().map(|(number, (level, fast))| candidate(number, *level, *fast)).collect()
        };
        let first = choose(&mut memory, at(&levels), NOW);
        for (scan, noise) in (1..).zip(noise) {
            let noisy: Vec<_> = levels.iter().zip(noise).map(|((level, fast), noise)| (level + noise, *fast)).collect();
            prop_assert_eq!(choose(&mut memory, at(&noisy), NOW + scan * SCAN), first);
        }
    }

    #[test]
    fn a_lasting_clear_advantage_changes_it(level in -90..-65i32, fast: bool, ahead in 12..20i32) {
        let mut memory = Memory::default();
        let both = |first, second| vec![candidate(0, first, fast), candidate(1, second, fast)];
        prop_assert_eq!(choose(&mut memory, both(level + 1, level), NOW), bssid(0));
        // One strong moment is none.
        prop_assert_eq!(choose(&mut memory, both(level, level + ahead), NOW + SCAN), bssid(0));
        let last = (2..20).map(|scan| choose(&mut memory, both(level, level + ahead), NOW + scan * SCAN)).last();
        prop_assert_eq!(last, Some(bssid(1)));
    }

    #[test]
    fn nothing_that_a_file_may_hold_breaks_it(
        bss in vec((0..20usize, proptest::num::f64::NORMAL, any::<u64>(), proptest::num::f64::NORMAL), 0..20),
        heard in vec((0..20usize, any::<i32>(), any::<bool>()), 0..20),
        now: u64,
    ) {
        let bss: serde_json::Map<_, _> = bss
            .into_iter()
            .map(|(number, signal, at, count)| {
                let bss = serde_json::json!({"signal": signal, "at": at, "past": {"good": count, "bad": -count}});
                (bssid(number).to_string(), bss)
            })
            .collect();
        let kept = serde_json::json!({"chosen": bssid(0), "bss": bss});
        let mut memory: Memory = serde_json::from_value(kept).unwrap();
        let mut candidates: Vec<_> = heard.into_iter().map(|(n, signal, fast)| candidate(n, signal, fast)).collect();
        let count = candidates.len();
        memory.rank(&mut candidates, now);
        memory.failed(bssid(0), now);
        memory.rank(&mut candidates, 0);
        prop_assert_eq!(candidates.len(), count);
        prop_assert!(serde_json::to_string(&memory).is_ok());
    }
}

#[test]
fn the_next_try_after_a_failure_is_with_another_network() {
    let mut memory = Memory::default();
    let both = || vec![candidate(0, -50, false), candidate(1, -60, false)];
    assert_eq!(choose(&mut memory, both(), NOW), bssid(0));
    memory.failed(bssid(0), NOW + 5);
    assert_eq!(choose(&mut memory, both(), NOW + SCAN), bssid(1));
    memory.succeeded(bssid(1), NOW + 15);
    assert_eq!(choose(&mut memory, both(), NOW + 3600), bssid(1));
    // A failure of last week is forgotten, and the better signal counts again.
    memory.failed(bssid(1), NOW + 7 * 86_400);
    assert_eq!(choose(&mut memory, both(), NOW + 7 * 86_400 + SCAN), bssid(0));
}

#[test]
fn five_gigahertz_is_taken_where_it_is_good_enough() {
    let choose = |candidates| choose(&mut Memory::default(), candidates, NOW);
    assert_eq!(choose(vec![candidate(0, -55, false), candidate(1, -60, true)]), bssid(1));
    assert_eq!(choose(vec![candidate(0, -75, false), candidate(1, -85, true)]), bssid(0));
}

#[test]
fn what_is_kept_goes_on_as_if_there_had_been_no_restart() {
    let (mut memory, both) = (Memory::default(), || vec![candidate(0, -50, false), candidate(1, -52, true)]);
    choose(&mut memory, both(), NOW);
    memory.failed(bssid(1), NOW + 1);
    let kept = serde_json::to_string(&memory).unwrap();
    let mut again: Memory = serde_json::from_str(&kept).unwrap();
    assert_eq!(again, memory);
    assert_eq!(choose(&mut again, both(), NOW + SCAN), choose(&mut memory, both(), NOW + SCAN));
}

#[test]
fn it_does_not_grow_and_keeps_what_was_heard_last() {
    let mut memory = Memory::default();
    let many: Vec<_> = (0..10_000).map(|number| candidate(number, -60, false)).collect();
    choose(&mut memory, many, NOW);
    memory.failed(bssid(20_000), NOW + 1);
    choose(&mut memory, (30_000..30_010).map(|number| candidate(number, -60, false)).collect(), NOW + 2);
    let kept = serde_json::to_value(&memory).unwrap();
    let bss = kept["bss"].as_object().unwrap();
    assert_eq!(bss.len(), Memory::MOST);
    assert!(bss.contains_key(&bssid(20_000).to_string()) && bss.contains_key(&bssid(30_009).to_string()));
    choose(&mut memory, vec![candidate(0, -60, false)], NOW + 2 + Memory::FORGOTTEN_AFTER_S);
    assert_eq!(serde_json::to_value(&memory).unwrap()["bss"].as_object().unwrap().len(), 1);
}

fn choose(memory: &mut Memory, mut candidates: Vec<Candidate>, now: u64) -> Bssid {
    memory.rank(&mut candidates, now);
    assert_eq!(memory.chosen(), Some(candidates[0].entry.bssid));
    candidates[0].entry.bssid
}

fn candidate(number: usize, signal: i32, fast: bool) -> Candidate {
    let freq = if fast { 5180 } else { 2412 };
    let (bssid, ssid, security) = (bssid(number), Ssid::new(b"Corner").unwrap(), Security::Open);
    Candidate {
        sighting: Sighting { bssid, ssid: Some(ssid.clone()), security: Some(security), signal, freq },
        entry: ListEntry {
            bssid,
            ssid,
            security,
            key: None,
            area: "here".parse().unwrap(),
            needed: 1,
            assurance: Assurance::Witnessed,
            signer: None,
        },
        variant: Variant::One,
    }
}

fn bssid(number: usize) -> Bssid {
    let [.., a, b] = number.to_be_bytes();
    Mac([2, 0, 0, 0, a, b]).try_into().unwrap()
}
