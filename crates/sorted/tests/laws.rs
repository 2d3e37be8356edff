//! Held to the ones in `std::collections`, after every step.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sorted::{SortedMap, SortedSet};

#[derive(Debug, Clone)]
enum Step {
    Insert(u8, u16),
    Remove(u8),
    Add(u8),
    KeepEven,
    Extract(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<u8>(), any::<u16>()).prop_map(|(k, v)| Step::Insert(k, v)),
        2 => any::<u8>().prop_map(Step::Remove),
        2 => any::<u8>().prop_map(Step::Add),
        1 => Just(Step::KeepEven),
        1 => any::<u8>().prop_map(Step::Extract),
    ]
}

proptest! {
    #[test]
    fn a_map_is_as_the_trees_of_std(steps in prop::collection::vec(step(), 0..200)) {
        let (mut ours, mut tree) = (SortedMap::new(), BTreeMap::new());
        for step in steps {
            match step {
                Step::Insert(k, v) => prop_assert_eq!(ours.insert(k, v), tree.insert(k, v)),
                Step::Remove(k) => prop_assert_eq!(ours.remove(&k), tree.remove(&k)),
                Step::Add(k) => {
                    let (one, other) = (ours.entry(k).or_default(), tree.entry(k).or_default());
                    (*one, *other) = (one.wrapping_add(1), other.wrapping_add(1));
                    prop_assert_eq!(one, other);
                }
                Step::KeepEven => {
                    ours.retain(|_, v| *v % 2 == 0);
                    tree.retain(|_, v| *v % 2 == 0);
                }
                Step::Extract(below) => {
                    let wanted = |k: &u8, _: &mut u16| *k < below;
                    prop_assert_eq!(ours.extract(wanted), tree.extract_if(.., wanted).collect::<Vec<_>>());
                }
            }
            prop_assert!(ours.iter().eq(tree.iter()));
            prop_assert!(ours.keys().rev().eq(tree.keys().rev()));
            prop_assert_eq!((ours.len(), ours.is_empty()), (tree.len(), tree.is_empty()));
            for key in [0, 7, 255] {
                prop_assert_eq!(ours.get(&key), tree.get(&key));
                prop_assert_eq!(ours.contains_key(&key), tree.contains_key(&key));
            }
            prop_assert_eq!(format!("{ours:?}"), format!("{tree:?}"));
        }
    }

    #[test]
    fn a_set_is_as_the_trees_of_std(one: Vec<u8>, other: Vec<u8>) {
        let (ours, tree): (SortedSet<_>, BTreeSet<_>) = (one.iter().copied().collect(), one.into_iter().collect());
        let (our_other, other): (SortedSet<_>, BTreeSet<_>) = (other.iter().copied().collect(), other.into_iter().collect());
        prop_assert!(ours.iter().eq(tree.iter()));
        prop_assert!(ours.difference(&our_other).eq(tree.difference(&other)));
        prop_assert_eq!(ours.contains(&7), tree.contains(&7));
        prop_assert_eq!(format!("{ours:?}"), format!("{tree:?}"));
    }
}

#[cfg(feature = "serde")]
proptest! {
    #[test]
    fn both_are_written_and_read_as_those_of_std(entries: Vec<(String, u8)>) {
        let (ours, tree): (SortedMap<_, _>, BTreeMap<_, _>) = (entries.iter().cloned().collect(), entries.into_iter().collect());
        let text = serde_json::to_string(&tree).unwrap();
        prop_assert_eq!(&serde_json::to_string(&ours).unwrap(), &text);
        prop_assert_eq!(serde_json::from_str::<SortedMap<String, u8>>(&text).unwrap(), ours.clone());
        let (ours, tree): (SortedSet<_>, BTreeSet<_>) = (ours.into_values().collect(), tree.into_values().collect());
        let text = serde_json::to_string(&tree).unwrap();
        prop_assert_eq!(&serde_json::to_string(&ours).unwrap(), &text);
        prop_assert_eq!(serde_json::from_str::<SortedSet<u8>>(&text).unwrap(), ours);
    }
}
