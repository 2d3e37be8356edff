//! The audit log: who changed what, and when. Written in the transaction of the change itself.

use sqlx::{Any, Transaction};

use super::{By, Result, Store, int, length, read_u64};
use crate::ids::OrgId;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditEntry {
    pub(crate) id: i64,
    /// Seconds of Unix time.
    pub(crate) at: u64,
    pub(crate) actor: String,
    /// E.g. `offer.publish`.
    pub(crate) action: String,
    pub(crate) subject: String,
    pub(crate) detail: String,
}

impl Store {
    /// The changes of an organisation, or of the server's administration, newest first: those before `before`, if given.
    pub(crate) async fn audit(
        &self,
        org: Option<&OrgId>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>> {
        type Row = (i64, i64, String, String, String, String);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, at, actor, action, subject, detail FROM audit
             WHERE (org = $1 OR (org IS NULL AND $1 = '')) AND id < $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(org.map_or("", OrgId::as_str))
        .bind(before.unwrap_or(i64::MAX))
        .bind(length(limit))
        .fetch_all(&self.read)
        .await?;
        let read = |(id, at, actor, action, subject, detail): Row| {
            Ok(AuditEntry { id, at: read_u64(at, "time")?, actor, action, subject, detail })
        };
        rows.into_iter().map(read).collect()
    }
}

/// Notes a change.
pub(super) async fn note(
    tx: &mut Transaction<'_, Any>,
    org: Option<&OrgId>,
    by: By<'_>,
    action: &str,
    subject: &str,
    detail: &str,
) -> Result<()> {
    sqlx::query("INSERT INTO audit (at, org, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(int(by.at))
        .bind(org.map(OrgId::as_str))
        .bind(by.who)
        .bind(action)
        .bind(subject)
        .bind(detail)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
