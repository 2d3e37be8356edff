//! How staged changes come into force: `commit`, and for sessions `apply`, which must be confirmed in time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_ubus::Status;

use super::{Config, NO_SESSION, Uci};

/// Changes that wait for being confirmed.
pub(super) struct Applied {
    session: String,
    before: BTreeMap<String, Config>,
    until: Instant,
}

impl Uci {
    pub(super) fn commit(&mut self, key: &(String, String)) {
        if let Some((staged, _)) = self.staged.remove(key) {
            self.committed.insert(key.1.clone(), staged);
            self.write(&key.1);
        }
        self.commits.push(key.1.clone());
    }

    pub(super) fn apply(&mut self, session: &str, arguments: &Value) -> Result<(), Status> {
        if session == NO_SESSION || self.awaits_confirmation || self.applied.is_some() {
            return Err(Status::PermissionDenied);
        }
        let own: Vec<_> = self.staged.keys().filter(|(of, _)| of == session).cloned().collect();
        if own.is_empty() {
            return Err(Status::NoData);
        }
        let before = own.iter().map(|(_, config)| (config.clone(), self.committed[config].clone())).collect();
        own.iter().for_each(|key| self.commit(key));
        if arguments["rollback"] == json!(true) {
            let until = Instant::now() + Duration::from_secs(arguments["timeout"].as_u64().unwrap_or(60));
            self.applied = Some(Applied { session: session.to_owned(), before, until });
        }
        Ok(())
    }

    /// Confirms what was applied, or undoes it.
    pub(super) fn end(&mut self, session: &str, is_confirmed: bool) -> Result<(), Status> {
        match &self.applied {
            None => Err(Status::NoData),
            Some(applied) if applied.session != session => Err(Status::PermissionDenied),
            Some(_) => {
                let applied = self.applied.take().filter(|_| !is_confirmed);
                applied.into_iter().for_each(|applied| self.undo(applied));
                Ok(())
            }
        }
    }

    /// Undoes what was not confirmed in time; which configurations that are.
    pub(super) fn roll_back_late(&mut self) -> Vec<String> {
        let begin = self.commits.len();
        let late = self.applied.take_if(|applied| applied.until <= Instant::now());
        late.into_iter().for_each(|applied| self.undo(applied));
        self.commits[begin..].to_vec()
    }

    fn undo(&mut self, applied: Applied) {
        for (config, before) in applied.before {
            self.committed.insert(config.clone(), before);
            self.write(&config);
            self.commits.push(config);
        }
    }
}
