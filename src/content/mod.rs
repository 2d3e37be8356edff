//! Images and pages, by digest: the router's own files, and what was fetched from the server.
//!
//! In: which files the server's offers want, best first, and the bytes that `upstream` has fetched. Out: the bytes for
//! whoever shows them ([`Store::get`]), what is missing (for `upstream`), and what is here (for the core, which shows no
//! offer before its files are here). Nothing leaves that is not what its digest says. Knows no network.

pub mod cache;
#[cfg(test)]
mod tests;

use sorted::{SortedMap, SortedSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tracing::{info, warn};
use welcome_core::Event;
use welcome_proto::Digest;

use self::cache::{Cache, choose, read_whole};
use crate::config::Config;
use crate::file::{replace, sha256};
use crate::tasks::Stop;

/// Files by digest and length, best first.
pub type Files = Vec<(Digest, u32)>;

/// All content. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// Where the content's task gets its input from, and where its output goes.
#[derive(Debug)]
pub struct Ends {
    /// What the server's offers want.
    pub wanted: watch::Receiver<Files>,
    /// What was fetched.
    pub fetched: mpsc::Receiver<(Digest, Bytes)>,
    /// For the router's own files.
    pub configs: watch::Receiver<Arc<Config>>,
    /// To the app.
    pub events: mpsc::Sender<Event>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    missing: watch::Sender<Files>,
    contents: watch::Sender<SortedSet<Digest>>,
}

#[derive(Debug)]
struct State {
    cache: Cache,
    /// The router's own; nothing of them is ever written.
    own: SortedMap<Digest, PathBuf>,
    wanted: Files,
    chosen: SortedSet<Digest>,
    left_out: SortedSet<Digest>,
    /// Could not be written; not tried again before something else is wanted.
    set_aside: SortedSet<Digest>,
}

impl Store {
    /// With the router's `own` files, and a cache of at most `limit` bytes in `dir`.
    #[must_use]
    pub fn open(dir: &Path, limit: u64, own: SortedMap<Digest, PathBuf>) -> Self {
        let state = State {
            cache: Cache::open(dir, limit),
            own,
            wanted: Files::new(),
            chosen: SortedSet::new(),
            left_out: SortedSet::new(),
            set_aside: SortedSet::new(),
        };
        let shared =
            Shared { state: Mutex::new(state), missing: watch::Sender::default(), contents: watch::Sender::default() };
        let store = Self { shared: Arc::new(shared) };
        store.publish(&store.state());
        store
    }

    /// The bytes of this digest, each time held against it. A damaged file is gone from then on, and fetched again if
    /// it is wanted.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<Bytes> {
        let mut state = self.state();
        if let Some(path) = state.own.get(digest) {
            match read_whole(path, digest) {
                Ok(bytes) => return Some(bytes.into()),
                Err(error) => {
                    warn!(path = %path.display(), %error, "a file of an offer has changed; reload to take it as it is");
                    state.own.remove(digest);
                    self.publish(&state);
                }
            }
        }
        if !state.cache.has(digest) {
            return None;
        }
        let bytes = state.cache.read(digest);
        if bytes.is_none() {
            self.publish(&state);
        }
        bytes.map(Into::into)
    }

    /// What is here, always the latest.
    #[must_use]
    pub fn contents(&self) -> watch::Receiver<SortedSet<Digest>> {
        self.shared.contents.subscribe()
    }

    /// What is to be fetched, always the latest.
    #[must_use]
    pub fn missing(&self) -> watch::Receiver<Files> {
        self.shared.missing.subscribe()
    }

    /// Takes what comes until told to stop.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn run(self, ends: Ends, mut stop: Stop) -> anyhow::Result<()> {
        let Ends { mut wanted, mut fetched, mut configs, events } = ends;
        let mut contents = self.contents();
        contents.mark_changed();
        wanted.mark_changed();
        // Whoever is gone has nothing to say any more; the others go on.
        loop {
            tokio::select! {
                () = stop.stopped() => return Ok(()),
                Ok(()) = wanted.changed() => {
                    let files = wanted.borrow_and_update().clone();
                    self.want(files);
                }
                Some((digest, bytes)) = fetched.recv() => self.keep(digest, bytes).await,
                Ok(()) = configs.changed() => {
                    let own = configs.borrow_and_update().files.clone();
                    self.own(own);
                }
                Ok(()) = contents.changed() => {
                    let here = contents.borrow_and_update().clone();
                    if events.send(Event::Contents(here)).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// These are wanted from here on, and no others. What is not wanted stays while there is room.
    pub fn want(&self, files: Files) {
        let mut state = self.state();
        let State { own, cache, .. } = &mut *state;
        let to_keep: Files = files.iter().filter(|(d, _)| !own.contains_key(d)).copied().collect();
        let (chosen, left_out) = choose(&to_keep, cache.limit());
        if left_out.difference(&state.left_out).next().is_some() {
            let limit_kib = state.cache.limit() / 1024;
            warn!(
                files = left_out.len(),
                limit_kib, "not all images and pages of the offers fit; raise main.cache_kib"
            );
        }
        // Also if the limit is another than when these were kept.
        let _has_room = state.cache.make_room(0, &chosen);
        (state.wanted, state.chosen, state.left_out) = (files, chosen, left_out);
        state.set_aside = SortedSet::new();
        self.publish(&state);
    }

    /// These are the router's own files from here on.
    pub fn own(&self, files: SortedMap<Digest, PathBuf>) {
        let mut state = self.state();
        state.own = files;
        let wanted = std::mem::take(&mut state.wanted);
        drop(state);
        self.want(wanted);
    }

    /// Keeps bytes that were fetched, if they are still wanted and what they should be.
    pub async fn keep(&self, digest: Digest, bytes: Bytes) {
        let store = self.clone();
        // Flash may take a second for a large file; nobody else waits for that.
        let kept = spawn_blocking(move || store.write(&digest, &bytes)).await;
        match kept.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(true) => info!(%digest, "an image or page is here"),
            Ok(false) => {}
            Err(error) => {
                warn!(%digest, %error, "cannot keep an image or page");
                let mut state = self.state();
                state.set_aside.insert(digest);
                self.publish(&state);
            }
        }
    }

    /// Whether the file is kept.
    fn write(&self, digest: &Digest, bytes: &[u8]) -> io::Result<bool> {
        let length = bytes.len() as u64;
        let path = {
            let mut state = self.state();
            let State { cache, chosen, .. } = &mut *state;
            if !chosen.contains(digest) || cache.has(digest) || sha256(bytes) != *digest {
                return Ok(false);
            }
            if !cache.make_room(length, chosen) {
                return Err(io::Error::other("there is no room for it"));
            }
            cache.path(digest)
        };
        // Nobody waits for the lock meanwhile. There is one writer, so what was made room for is still free.
        replace(&path, bytes)?;
        let mut state = self.state();
        state.cache.insert(*digest, length);
        self.publish(&state);
        Ok(true)
    }

    /// Tells what is here and what is missing, if that is another than before.
    fn publish(&self, state: &State) {
        let here: SortedSet<Digest> = state.cache.digests().chain(state.own.keys()).copied().collect();
        let is_missing = |d: &Digest| state.chosen.contains(d) && !here.contains(d) && !state.set_aside.contains(d);
        let mut missing: Files = state.wanted.iter().filter(|(d, _)| is_missing(d)).copied().collect();
        let mut seen = SortedSet::new();
        missing.retain(|(d, _)| seen.insert(*d));
        let replace_if_other = |old: &mut _, new| {
            *old != new && {
                *old = new;
                true
            }
        };
        self.shared.missing.send_if_modified(|old| replace_if_other(old, missing));
        self.shared.contents.send_if_modified(|old| {
            *old != here && {
                *old = here;
                true
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked while holding it left files that are looked at before they are believed.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
