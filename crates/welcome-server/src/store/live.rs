//! What is said live, on its way to the process that holds the router's stream.

use welcome_proto::RouterId;

use super::db::Dialect;
use super::{Result, Store, int};
use crate::fanout::CHANNEL;
use crate::signal::Signal;

impl Store {
    /// Keeps an event for a moment; gives its number.
    pub(crate) async fn add_live(&self, router: &RouterId, event: &str, now: u64) -> Result<i64> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM live WHERE at < $1").bind(int(now.saturating_sub(KEPT))).execute(&mut *tx).await?;
        let (id,): (i64,) = sqlx::query_as("INSERT INTO live (router, event, at) VALUES ($1, $2, $3) RETURNING id")
            .bind(router.as_str())
            .bind(event)
            .bind(int(now))
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Tells every process, if the database can do that.
    pub(crate) async fn notify(&self, signal: &Signal) -> Result<()> {
        if self.notifies() {
            let mut tx = self.begin().await?;
            sqlx::query("SELECT CAST(pg_notify($1, $2) AS TEXT)")
                .bind(CHANNEL)
                .bind(signal.to_string())
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Whether [`Self::notify`] reaches this process, too; else it reaches nobody.
    pub(crate) fn notifies(&self) -> bool {
        self.dialect() == Dialect::Postgres
    }

    /// The event of this number.
    pub(crate) async fn live(&self, id: i64) -> Result<Option<String>> {
        let row: Option<(String,)> =
            sqlx::query_as("SELECT event FROM live WHERE id = $1").bind(id).fetch_optional(&self.read).await?;
        Ok(row.map(|(event,)| event))
    }
}

/// Seconds.
const KEPT: u64 = 60;
