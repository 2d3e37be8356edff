//! The store against a real directory.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use ring::digest::{SHA256, digest};
use tempfile::TempDir;

use super::*;

fn name(bytes: &[u8]) -> Digest {
    Digest(digest(&SHA256, bytes).as_ref().try_into().unwrap())
}

fn file(bytes: &[u8]) -> (Digest, u32) {
    (name(bytes), u32::try_from(bytes.len()).unwrap())
}

fn store(dir: &TempDir, limit: u64) -> Store {
    Store::open(&dir.path().join("content"), limit, SortedMap::new())
}

fn keep(store: &Store, bytes: &[u8]) -> io::Result<bool> {
    store.write(&name(bytes), bytes)
}

fn missing(store: &Store) -> Vec<Digest> {
    store.missing().borrow().iter().map(|(d, _)| *d).collect()
}

#[test]
fn what_is_wanted_is_missing_until_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let cache = store(&dir, 100);
    cache.want(vec![file(b"one"), file(b"two"), file(b"one")]);
    assert_eq!(missing(&cache), [name(b"one"), name(b"two")]);
    assert_eq!(cache.get(&name(b"one")), None);
    assert!(keep(&cache, b"one").unwrap());
    assert!(!keep(&cache, b"one").unwrap(), "nothing is written twice");
    assert!(!keep(&cache, b"other").unwrap(), "nobody wants it");
    assert!(!cache.write(&name(b"two"), b"oww").unwrap(), "it is not what it should be");
    assert_eq!(missing(&cache), [name(b"two")]);
    assert_eq!(cache.get(&name(b"one")).as_deref(), Some(&b"one"[..]));
    assert_eq!(*cache.contents().borrow(), [name(b"one")].into());
    let path = dir.path().join("content").join(name(b"one").to_string());
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);

    let again = store(&dir, 100);
    assert_eq!(again.get(&name(b"one")).as_deref(), Some(&b"one"[..]), "it outlives a restart");
}

#[test]
fn a_damaged_file_is_removed_and_missing_again() {
    let dir = tempfile::tempdir().unwrap();
    let cache = store(&dir, 100);
    let path = dir.path().join("content").join(name(b"one").to_string());
    for damage in [&b"onf"[..], b"", b"one more"] {
        cache.want(vec![file(b"one")]);
        assert!(keep(&cache, b"one").unwrap());
        fs::write(&path, damage).unwrap();
        assert_eq!(cache.get(&name(b"one")), None);
        assert!(!path.exists());
        assert_eq!((missing(&cache), cache.contents().borrow().len()), (vec![name(b"one")], 0));
    }
    assert!(keep(&cache, b"one").unwrap());
    fs::remove_file(&path).unwrap();
    assert_eq!((cache.get(&name(b"one")), missing(&cache)), (None, vec![name(b"one")]));
}

#[test]
fn what_an_interrupted_write_left_is_swept_and_foreign_files_stay() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("content");
    fs::create_dir(&inside).unwrap();
    let half = inside.join(format!("{}.new", name(b"one")));
    for path in [&half, &inside.join("notes.new"), &inside.join("readme")] {
        fs::write(path, "half").unwrap();
    }
    fs::create_dir(inside.join(name(b"two").to_string())).unwrap();
    let cache = store(&dir, 100);
    assert!(!half.exists() && inside.join("notes.new").exists() && inside.join("readme").exists());
    assert!(cache.contents().borrow().is_empty());
}

#[test]
fn what_is_wanted_comes_before_what_was_and_the_oldest_use_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let cache = store(&dir, 12);
    cache.want(vec![file(b"aaaa"), file(b"bbbb"), file(b"cccc")]);
    for bytes in [b"aaaa", b"bbbb", b"cccc"] {
        assert!(keep(&cache, bytes).unwrap());
    }
    assert!(cache.get(&name(b"aaaa")).is_some());
    cache.want(vec![file(b"cccc"), file(b"dddd")]);
    assert!(keep(&cache, b"dddd").unwrap());
    assert_eq!(
        *cache.contents().borrow(),
        [name(b"aaaa"), name(b"cccc"), name(b"dddd")].into(),
        "not the one used last"
    );
    // What does not fit beside what is better is left out, and is not fetched again and again.
    cache.want(vec![file(b"cccc"), file(b"dddd"), file(b"eeeeeeee"), file(b"ffff"), file(b"gggg")]);
    assert_eq!(missing(&cache), [name(b"ffff")]);
    assert!(keep(&cache, b"ffff").unwrap());
    assert_eq!(missing(&cache), []);
    // One that is larger than all room there is.
    cache.want(vec![file(b"thirteen byte")]);
    assert_eq!(missing(&cache), []);
    assert_eq!(cache.contents().borrow().len(), 3, "and nothing makes way for it");
}

#[test]
fn a_smaller_limit_holds_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let cache = store(&dir, 100);
    cache.want(vec![file(b"aaaa"), file(b"bbbb")]);
    assert!(keep(&cache, b"aaaa").unwrap() && keep(&cache, b"bbbb").unwrap());
    let cache = store(&dir, 5);
    cache.want(vec![file(b"aaaa")]);
    assert_eq!(*cache.contents().borrow(), [name(b"aaaa")].into());
    assert_eq!(fs::read_dir(dir.path().join("content")).unwrap().count(), 1);
}

#[test]
fn the_routers_own_files_are_read_where_they_are_and_never_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cake.png");
    fs::write(&path, "cake").unwrap();
    let own = SortedMap::from([(name(b"cake"), path.clone())]);
    let cache = Store::open(&dir.path().join("content"), 100, own.clone());
    cache.want(vec![file(b"cake")]);
    assert_eq!((cache.get(&name(b"cake")).as_deref(), missing(&cache)), (Some(&b"cake"[..]), vec![]));
    fs::write(&path, "fake").unwrap();
    assert_eq!(cache.get(&name(b"cake")), None, "it is not what the offer says");
    assert!(path.exists() && cache.contents().borrow().is_empty());
    fs::write(&path, "cake").unwrap();
    cache.own(own);
    assert!(cache.get(&name(b"cake")).is_some());
}

#[tokio::test]
async fn what_cannot_be_written_is_not_fetched_again_and_again() {
    let dir = tempfile::tempdir().unwrap();
    // Even root cannot make a directory below a file.
    fs::write(dir.path().join("content"), "").unwrap();
    let cache = store(&dir, 100);
    cache.want(vec![file(b"one")]);
    cache.keep(name(b"one"), Bytes::from_static(b"one")).await;
    assert_eq!((missing(&cache), cache.contents().borrow().len()), (vec![], 0));
    cache.want(vec![file(b"one"), file(b"two")]);
    assert_eq!(missing(&cache).len(), 2, "another set is another chance");
}

#[tokio::test]
async fn the_task_hands_on_what_changes() {
    let dir = tempfile::tempdir().unwrap();
    let cache = store(&dir, 100);
    let (want, wanted) = watch::channel(vec![]);
    let (fetch, fetched) = mpsc::channel(1);
    let config = Config::parse(Path::new("welcomed"), b"config welcomed 'main'\n").unwrap();
    let (configure, configs) = watch::channel(Arc::new(config));
    let (events, mut told) = mpsc::channel(8);
    let tasks = crate::tasks::Tasks::new();
    let ends = Ends { wanted, fetched, configs, events };
    let task = tokio::spawn(cache.clone().run(ends, tasks.stop_signal()));
    assert_eq!(told.recv().await, Some(Event::Contents(SortedSet::new())));
    want.send_replace(vec![file(b"one")]);
    cache.missing().wait_for(|m| !m.is_empty()).await.unwrap();
    fetch.send((name(b"one"), Bytes::from_static(b"one"))).await.unwrap();
    assert_eq!(told.recv().await, Some(Event::Contents([name(b"one")].into())));
    drop((want, fetch, configure, tasks));
    task.await.unwrap().unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    Want(Vec<u8>),
    Keep(u8),
    Get(u8),
    Damage(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop::collection::vec(0u8..12, 0..8).prop_map(Step::Want),
        (0u8..12).prop_map(Step::Keep),
        (0u8..12).prop_map(Step::Get),
        (0u8..12).prop_map(Step::Damage),
        Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_happens_it_stays_within_its_limit_and_keeps_what_is_chosen(
        steps in prop::collection::vec(step(), 0..40), limit in 0u64..60,
    ) {
        let bytes = |n: u8| vec![n; usize::from(n) + 1];
        let dir = tempfile::tempdir().unwrap();
        let mut cache = store(&dir, limit);
        let mut wanted = Vec::new();
        for step in steps {
            let before = cache.contents().borrow().clone();
            let mut damaged = None;
            match step {
                Step::Want(files) => {
                    wanted = files.iter().map(|n| file(&bytes(*n))).collect();
                    cache.want(wanted.clone());
                }
                Step::Keep(n) => {
                    let was_missing = missing(&cache).contains(&name(&bytes(n)));
                    prop_assert_eq!(keep(&cache, &bytes(n)).unwrap(), was_missing);
                }
                Step::Get(n) => {
                    let here = cache.contents().borrow().contains(&name(&bytes(n)));
                    prop_assert_eq!(cache.get(&name(&bytes(n))), here.then(|| bytes(n).into()));
                }
                Step::Damage(n) if before.contains(&name(&bytes(n))) => {
                    damaged = Some(name(&bytes(n)));
                    fs::write(dir.path().join("content").join(name(&bytes(n)).to_string()), "?").unwrap();
                    prop_assert_eq!(cache.get(&name(&bytes(n))), None);
                }
                Step::Damage(_) => {}
                Step::Restart => {
                    cache = store(&dir, limit);
                    cache.want(wanted.clone());
                }
            }
            let state = cache.state();
            let total: u64 = fs::read_dir(dir.path().join("content")).into_iter().flatten()
                .map(|f| f.unwrap().metadata().unwrap().len()).sum();
            prop_assert_eq!(total, state.cache.total());
            prop_assert!(total <= limit);
            let (chosen, _) = choose(&wanted, limit);
            let here = cache.contents().borrow().clone();
            for digest in before.iter().filter(|d| chosen.contains(*d) && Some(**d) != damaged) {
                prop_assert!(here.contains(digest), "gave up what is wanted");
            }
            let missing: SortedSet<_> = missing(&cache).into_iter().collect();
            prop_assert_eq!(missing, chosen.difference(&here).copied().collect::<SortedSet<_>>());
        }
    }
}
