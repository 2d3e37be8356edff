//! What is shared, put at a command's disposal.
//!
//! In: which directory, where we are, and what is kept. Out: a [`List`], fresh when the directory can be reached in time.
//!
//! Snapshots come first: they are signed, good without the directory, and tell it only roughly where we are. Looked up is
//! what no snapshot has: everything, of a directory without snapshots, and networks without a place. With `--ask` the
//! directory is also told what is heard, if nothing of that is in a list.

use crate::cli::Fetch;
use crate::directory::Directory;
use crate::download::{Download, Scope};
use crate::exit::Failure;
use crate::kept::{Kept, MAX_ENTRIES, now};
use crate::lookup::{self, Fetched};
use crate::pin::Pin;
use crate::place::regions_around;
use crate::run::Run;
use crate::snapshots::Snapshots;
use anyhow::{anyhow, bail};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;
use welcome_client::{List, Sighting};
use welcome_proto::announce::Place;
use welcome_proto::lookup::ListEntry;

/// What is kept, as far as it counts.
#[derive(Default)]
struct Held {
    entries: Vec<ListEntry>,
    regions: usize,
    /// When the newest of it was confirmed.
    fetched: Option<u64>,
}

impl Run<'_> {
    pub(crate) async fn fetch(&self, how: &Fetch) -> Result<(), Failure> {
        let directory = self.directory()?.ok_or_else(|| Failure::Usage("fetch needs --server URL".into()))?;
        self.output.doing("asking the directory");
        self.refresh(&directory, Some(how)).await.map_err(no_list)?;
        let Held { entries, regions, .. } = self.held();
        let entries = List::new(entries).len();
        let text = format!("{entries} networks, of {regions} regions, are kept in {}", self.state.display());
        self.output.event("list", json!({ "entries": entries, "regions": regions }), &text);
        Ok(())
    }

    /// What is shared: fresh when the server is reachable, else as it is kept.
    pub(crate) async fn list(&self) -> Result<List, Failure> {
        let Some(directory) = self.directory()? else {
            let none = || Failure::NoList("none is kept; give --server URL, or `welcome fetch` first".into());
            let Held { entries, fetched, .. } = self.held();
            return fetched.map(|_| List::new(entries)).ok_or_else(none);
        };
        if !self.has_any() {
            self.refresh(&directory, None).await.map_err(no_list)?;
            return Ok(self.kept_list());
        }
        let fresh = timeout(REFRESH_WITHIN, self.refresh(&directory, None)).await;
        let Err(error) = fresh.unwrap_or_else(|_| Err(anyhow!("the directory did not answer in time"))) else {
            return Ok(self.kept_list());
        };
        let Held { entries, fetched, .. } = self.held();
        let age = now().saturating_sub(fetched.ok_or_else(|| Failure::NoList(format!("{error:#}")))?);
        let list = List::new(entries);
        let text = format!("{error:#}; using the list of {} minutes ago", age / 60);
        self.output.event("list", json!({ "entries": list.len(), "age_s": age }), &text);
        Ok(list)
    }

    /// The list, and what the directory knows of what is heard, if nothing of that is in the list and a person has
    /// allowed the question.
    pub(crate) async fn ask_about(&self, heard: &[Sighting], list: List) -> Result<List, Failure> {
        let is_known = heard.iter().any(|sighting| list.get(sighting.bssid).is_some());
        let Some(directory) = self.directory()?.filter(|_| self.common.ask && !is_known && !heard.is_empty()) else {
            return Ok(list);
        };
        self.output.doing("asking the directory about what is heard");
        let mut loudest: Vec<&Sighting> = heard.iter().collect();
        loudest.sort_by_key(|sighting| -i64::from(sighting.signal));
        let asked = lookup::ask(&directory, loudest.iter().map(|sighting| sighting.bssid));
        match timeout(REFRESH_WITHIN, asked)
            .await
            .unwrap_or_else(|_| Err(anyhow!("the directory did not answer in time")))
        {
            Ok(entries) => Ok(List::new(entries)),
            Err(error) => {
                self.output.note(&format!("{error:#}"));
                Ok(list)
            }
        }
    }

    /// What is kept, whoever is away.
    pub(crate) fn kept_list(&self) -> List {
        List::new(self.held().entries)
    }

    pub(crate) fn directory(&self) -> Result<Option<Directory>, Failure> {
        let (ca_file, token_file) = (self.common.ca_file.as_deref(), self.common.token_file.as_deref());
        let made = self.common.server.as_ref().map(|server| Directory::new(server, ca_file, token_file));
        made.transpose().map_err(no_list)
    }

    /// Brings up to date what is kept. `how` is of a person who wants it: then everything is fetched where no place is
    /// given, and else only what is kept already.
    async fn refresh(&self, directory: &Directory, how: Option<&Fetch>) -> anyhow::Result<()> {
        let place = self.place().await?;
        let mut snapshots = self.snapshots();
        let trust_new_key = how.is_some_and(|how| how.trust_new_key);
        let Some(pin) = self.meet(directory, &mut snapshots, trust_new_key).await? else {
            if !self.look_up(directory, place, MAX_ENTRIES).await? {
                bail!("the directory lists more than {MAX_ENTRIES} networks: ask for a place (--place LAT,LON)");
            }
            return Ok(());
        };
        let kept = snapshots.cells();
        let scope = match place {
            Some(place) => Scope::Cells(regions_around(place)),
            None if how.is_none() && !kept.is_empty() && !snapshots.are_all() => Scope::Cells(kept),
            None => Scope::All,
        };
        let all = scope == Scope::All;
        Download { directory, pin: &pin, snapshots: &mut snapshots, output: self.output }.run(scope).await?;
        if all && !self.look_up(directory, None, MAX_PLACELESS).await? {
            self.output.note("networks without a place are left out: the directory is too large to look for them");
        }
        Ok(())
    }

    /// Who the directory is; `None` if it has no snapshots.
    async fn meet(
        &self,
        directory: &Directory,
        snapshots: &mut Snapshots,
        trust_new_key: bool,
    ) -> anyhow::Result<Option<Pin>> {
        let known = match Pin::load(&self.state) {
            Err(error) if !trust_new_key => return Err(error),
            known => known.unwrap_or_default(),
        };
        if let Some(pin) = known.as_ref().filter(|pin| pin.url == directory.server().as_str() && !trust_new_key) {
            return Ok(Some(pin.clone()));
        }
        let Some(met) = Pin::ask(directory).await? else { return Ok(None) };
        if known.is_some_and(|known| known.public_key != met.public_key) {
            self.output
                .note("this is another directory, or another key, than before: what was kept of the former goes");
            snapshots.clear()?;
        }
        met.save(&self.state)?;
        Ok(Some(met))
    }

    /// Looks up what is around a place, or all there is, and keeps it; whether that is not more than `most`.
    async fn look_up(&self, directory: &Directory, place: Option<Place>, most: usize) -> anyhow::Result<bool> {
        let kept = self.looked_up();
        match lookup::fetch(directory, place, kept.as_ref(), most).await? {
            Fetched::TooMuch => return Ok(false),
            Fetched::New(new) => new.save(&self.state)?,
            Fetched::Unchanged => {
                if let Some(kept) = kept {
                    Kept { fetched: now(), ..kept }.save(&self.state)?;
                }
            }
        }
        Ok(true)
    }

    /// Whether something is kept that may count.
    fn has_any(&self) -> bool {
        let now = now();
        self.snapshots().parts().iter().any(|part| part.expires > now)
            || self.looked_up().is_some_and(|kept| kept.is_good(now))
    }

    /// What is kept and counts; what does not is named.
    fn held(&self) -> Held {
        let mut held = Held::default();
        let now = now();
        if let Some(Kept { fetched, entries, .. }) = self.looked_up().filter(|kept| kept.is_good(now)) {
            (held.entries, held.fetched) = (entries, Some(fetched));
        }
        let snapshots = self.snapshots();
        if snapshots.parts().is_empty() {
            return held;
        }
        let pin = match Pin::load(&self.state) {
            Ok(Some(pin)) => pin,
            Ok(None) => {
                self.output.note("the snapshots do not count: the key of their directory is not known");
                return held;
            }
            Err(error) => {
                self.output.note(&format!("the snapshots do not count: {error:#}"));
                return held;
            }
        };
        for part in snapshots.parts() {
            match snapshots.read(part, pin.public_key, now) {
                // They come after what was looked up, and so prevail.
                Ok(snapshot) => {
                    held.entries.extend(snapshot.entries());
                    held.regions += usize::from(part.number == 0);
                    held.fetched = held.fetched.max(Some(part.fetched));
                }
                Err(why) => {
                    let fields = json!({ "cell": part.cell, "part": part.number, "why": why.to_string() });
                    let text = format!("region {}, part {}: {why}", part.cell, part.number);
                    self.output.event("snapshot-refused", fields, &text);
                }
            }
        }
        held
    }

    fn looked_up(&self) -> Option<Kept> {
        Kept::load(&self.state).unwrap_or_else(|error| {
            self.output.note(&format!("{error:#}"));
            None
        })
    }

    fn snapshots(&self) -> Snapshots {
        Snapshots::open(&self.state).unwrap_or_else(|error| {
            self.output.note(&format!("{error:#}"));
            Snapshots::none(&self.state)
        })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "as `map_err` wants it")]
fn no_list(error: anyhow::Error) -> Failure {
    Failure::NoList(format!("{error:#}"))
}

/// How long a kept list may wait for a fresh one.
const REFRESH_WITHIN: Duration = Duration::from_secs(3);
/// Networks without a place are looked for in a list of at most so many.
const MAX_PLACELESS: usize = 10_000;
