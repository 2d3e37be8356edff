//! The list of shared networks: fetched, kept, and put at a command's disposal.
//!
//! In: which directory, and what is kept. Out: a [`List`], fresh when the directory can be reached in time.

use crate::directory::{self, Fetched, Query};
use crate::exit::Failure;
use crate::kept::Kept;
use crate::run::Run;
use anyhow::anyhow;
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::timeout;
use welcome_client::List;
use welcome_proto::lookup::ListEntry;

impl Run<'_> {
    pub(crate) async fn fetch(&self) -> Result<(), Failure> {
        let Some(query) = self.query() else {
            return Err(Failure::Usage("fetch needs --server URL".into()));
        };
        self.output.doing("asking the directory");
        let kept = self.kept();
        let list = self.ask_directory(&query, kept).await.map_err(|error| Failure::NoList(format!("{error:#}")))?;
        let text = format!("{} networks are kept in {}", list.len(), self.state.display());
        self.output.event("list", json!({ "entries": list.len() }), &text);
        Ok(())
    }

    /// The list: fresh when the server is reachable, else as it is kept.
    pub(crate) async fn list(&self) -> Result<List, Failure> {
        self.entries().await.map(List::new)
    }

    async fn entries(&self) -> Result<Vec<ListEntry>, Failure> {
        let kept = self.kept();
        let Some(query) = self.query() else {
            let none = || Failure::NoList("none is kept; give --server URL, or `welcome fetch` first".into());
            return kept.map(|kept| kept.entries).ok_or_else(none);
        };
        let Some(kept) = kept else {
            return self.ask_directory(&query, None).await.map_err(|error| Failure::NoList(format!("{error:#}")));
        };
        let fresh = timeout(REFRESH_WITHIN, self.ask_directory(&query, Some(kept.clone()))).await;
        match fresh.unwrap_or_else(|_| Err(anyhow!("the directory did not answer in time"))) {
            Ok(list) => Ok(list),
            Err(error) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let age = now.saturating_sub(kept.fetched);
                let text = format!("{error:#}; using the list of {} minutes ago", age / 60);
                self.output.event("list", json!({ "entries": kept.entries.len(), "age_s": age }), &text);
                Ok(kept.entries)
            }
        }
    }

    async fn ask_directory(&self, query: &Query, kept: Option<Kept>) -> anyhow::Result<Vec<ListEntry>> {
        let client =
            directory::client(&query.server, self.common.ca_file.as_deref(), self.common.token_file.as_deref())?;
        match directory::fetch(&client, query, kept.as_ref()).await? {
            Fetched::Unchanged => Ok(kept.map(|kept| kept.entries).unwrap_or_default()),
            Fetched::New(new) => {
                // A list that cannot be kept can still be used.
                if let Err(error) = new.save(&self.state) {
                    self.output.note(&format!("{error:#}"));
                }
                Ok(new.entries)
            }
        }
    }

    pub(crate) fn kept(&self) -> Option<Kept> {
        Kept::load(&self.state).unwrap_or_else(|error| {
            self.output.note(&format!("{error:#}"));
            None
        })
    }

    fn query(&self) -> Option<Query> {
        self.common.server.clone().map(|server| Query { server, place: self.common.place })
    }
}

/// How long a kept list may wait for a fresh one.
const REFRESH_WITHIN: Duration = Duration::from_secs(3);
