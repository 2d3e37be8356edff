//! Fetches snapshots from the directory, and keeps them.
//!
//! In: which regions, and what is kept of them. Out: the same, up to date. Each document is kept as soon as it has come and
//! proved good, so that an interruption loses nothing. One that is refused is named, and the rest is fetched all the same;
//! what was kept in its place stays.

use crate::directory::{Directory, JSON, json, success};
use crate::kept::{MAX_ENTRIES, now};
use crate::output::Output;
use crate::pin::Pin;
use crate::snapshots::{MAX_PARTS, Part, Refused, Snapshots};
use anyhow::{anyhow, bail};
use reqwest::header::ETAG;
use reqwest::{StatusCode, Url};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use welcome_proto::snapshot::{self, Asked, Cell, Index, Snapshot};

/// Which regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// These.
    Cells(BTreeSet<Cell>),
    /// All in which the directory has something.
    All,
}

/// One fetch.
pub struct Download<'a> {
    /// The directory, which is the one that `pin` names.
    pub directory: &'a Directory,
    /// Its key.
    pub pin: &'a Pin,
    /// What is kept, and will be.
    pub snapshots: &'a mut Snapshots,
    /// Who is told what is refused, and how far it is.
    pub output: &'a Output,
}

/// What the list of all snapshots says: the tag of each part.
type Tags = BTreeMap<(Cell, Option<String>), String>;

enum Trouble {
    /// This document does not count.
    Refused(Refused),
    /// There is no use in going on.
    Ends(anyhow::Error),
}

impl Download<'_> {
    /// Fetches what has changed.
    ///
    /// # Errors
    /// When the directory cannot be reached, refuses, has another key than it had, or more than we take; or when nothing of
    /// what came is good.
    ///
    /// # Cancel safety
    /// What has come by then is kept.
    pub async fn run(mut self, scope: Scope) -> anyhow::Result<()> {
        let all = scope == Scope::All;
        let (cells, tags) = match scope {
            Scope::Cells(cells) => (cells, Tags::new()),
            Scope::All => self.index().await?,
        };
        let mut told = Instant::now();
        let mut refused = None;
        for (done, cell) in cells.iter().enumerate() {
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                self.output.doing(&format!("{done} of {} regions are here", cells.len()));
            }
            match self.region(cell, &tags).await {
                Ok(()) => {}
                Err(Trouble::Ends(error)) => return Err(error),
                Err(Trouble::Refused(why)) => {
                    let fields = serde_json::json!({ "cell": cell, "why": why.to_string() });
                    self.output.event("snapshot-refused", fields, &format!("region {cell}: {why}"));
                    refused = Some(why);
                }
            }
        }
        if matches!(refused, Some(Refused::Bad(snapshot::Refused::Forged))) {
            self.ask_for_its_key().await?;
        }
        self.snapshots.tidy(all, &cells, now())?;
        match refused {
            Some(why) if self.snapshots.parts().is_empty() => Err(anyhow!(why)),
            _ => Ok(()),
        }
    }

    /// The regions in which something is shared.
    async fn index(&self) -> anyhow::Result<(BTreeSet<Cell>, Tags)> {
        let first = self.directory.url("/v1/snapshots");
        let (mut tags, mut entries) = (Tags::new(), 0);
        let mut page = first.clone();
        for _ in 0..MAX_PAGES {
            let index: Index = json(self.directory.get(page, JSON, None).await?, MAX_PAGE).await?;
            for part in index.snapshots {
                entries += part.entries;
                tags.insert((part.cell, part.after), part.etag);
            }
            if entries > MAX_ENTRIES as u64 || tags.len() > MAX_PARTS {
                bail!("the directory lists more than {MAX_ENTRIES} networks: ask for a place (--place LAT,LON)");
            }
            let Some(next) = index.next else {
                return Ok((tags.keys().map(|(cell, _)| cell.clone()).collect(), tags));
            };
            page = after(first.clone(), Some(&next));
        }
        bail!("the directory's list of snapshots has no end")
    }

    async fn region(&mut self, cell: &Cell, tags: &Tags) -> Result<(), Trouble> {
        let mut next = None;
        for number in 0..MAX_PARTS_OF_REGION {
            next = self.part(cell, number, next, tags).await?.next;
            if next.is_none() {
                return self.snapshots.end(cell, number + 1).map_err(Trouble::Ends);
            }
        }
        Err(Trouble::Ends(anyhow!("region {cell} has more than {MAX_PARTS_OF_REGION} snapshots")))
    }

    async fn part(
        &mut self,
        cell: &Cell,
        number: u16,
        which: Option<String>,
        tags: &Tags,
    ) -> Result<Snapshot, Trouble> {
        // A tag is worth something only while its document counts.
        let kept = self.snapshots.part(cell, number).filter(|part| part.after == which).cloned();
        let kept = kept.and_then(|part| {
            let snapshot = self.snapshots.read(&part, self.pin.public_key, now()).ok()?;
            Some((part, snapshot))
        });
        let etag = kept.as_ref().and_then(|(part, _)| part.etag.clone());
        // The list's tags are those of documents without keys.
        let is_told_the_same =
            etag.is_some() && !self.directory.has_token() && tags.get(&(cell.clone(), which.clone())) == etag.as_ref();
        if let Some((part, snapshot)) = kept.clone().filter(|_| is_told_the_same) {
            self.snapshots.hold(Part { fetched: now(), ..part });
            return Ok(snapshot);
        }
        let keys = if self.directory.has_token() { "/keys" } else { "" };
        let url = after(self.directory.url(&format!("/v1/snapshots/{cell}{keys}")), which.as_deref());
        let response = self.directory.get(url, GZIP, etag.as_deref()).await.map_err(Trouble::Ends)?;
        if let Some((part, snapshot)) = kept.filter(|_| response.status() == StatusCode::NOT_MODIFIED) {
            self.snapshots.hold(Part { fetched: now(), ..part });
            return Ok(snapshot);
        }
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let document = success(response, MAX_GZIP).await.map_err(Trouble::Ends)?;
        let now = now();
        let asked = Asked { cell, after: which.as_deref(), now };
        let accepted = self.snapshots.accept(&document, asked, number, self.pin.public_key);
        let snapshot = accepted.map_err(Trouble::Refused)?;
        let Snapshot { issued, expires, .. } = snapshot;
        let bytes = document.len() as u64;
        let part = Part { cell: cell.clone(), number, after: which, etag, fetched: now, issued, expires, bytes };
        self.snapshots.put(part, &document).map_err(Trouble::Ends)?;
        Ok(snapshot)
    }

    /// Something is signed by another key: is it the directory's new one?
    async fn ask_for_its_key(&self) -> anyhow::Result<()> {
        match Pin::ask(self.directory).await? {
            Some(said) if said.public_key != self.pin.public_key => bail!(
                "{} signs with another key than when it was first met; if its operator says that this is right, \
                 `welcome fetch --trust-new-key` takes the new one",
                self.pin.name
            ),
            _ => Ok(()),
        }
    }
}

fn after(mut url: Url, after: Option<&str>) -> Url {
    if let Some(after) = after {
        url.query_pairs_mut().append_pair("after", after);
    }
    url
}

/// How often a person is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);
const GZIP: &str = "application/gzip";
/// As much as may come out of it.
const MAX_GZIP: usize = 16 << 20;
/// At most 32 parts of some 150 bytes.
const MAX_PAGE: usize = 64 << 10;
/// Some may be empty.
const MAX_PAGES: usize = 256;
/// 10000 BSSIDs each: more than 20 km of any city have.
const MAX_PARTS_OF_REGION: u16 = 64;
