//! Which BSSIDs are proved to be whose.
//!
//! Two organisations that have proved the same BSSID are in conflict: neither has it listed until a person has decided. An
//! announce alone proves nothing, so nobody takes another's network off the list by naming it.

use std::collections::BTreeSet;

use sqlx::{Any, AssertSqlSafe, Transaction};
use welcome_proto::Bssid;

use super::audit::note;
use super::db::Dialect;
use super::{By, Result, Store, bssid_from_number, bssid_number, int, many, read_id, read_u64};
use crate::ids::OrgId;

/// How a BSSID was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Somebody has heard the challenge from it.
    Witnessed,
    /// The server's administrator vouches for the router that announces it.
    Vouched,
}

impl How {
    /// As it is kept.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Witnessed => "witnessed",
            Self::Vouched => "vouched",
        }
    }
}

/// How long a proof is good.
pub(crate) const GOOD_FOR: u64 = 365 * 86_400;

/// A BSSID that several organisations have proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) bssid: Bssid,
    /// Each with its name and when it proved it.
    pub(crate) claims: Vec<(OrgId, String, u64)>,
}

impl Store {
    /// What is in conflict, for whoever decides.
    pub(crate) async fn conflicts(&self) -> Result<Vec<Conflict>> {
        let rows: Vec<(i64, String, String, i64)> = sqlx::query_as(
            "SELECT g.bssid, g.org, o.name, g.registered FROM registrations g JOIN orgs o ON o.id = g.org
             WHERE g.conflict = 1 ORDER BY g.bssid, g.registered",
        )
        .fetch_all(&self.read)
        .await?;
        let mut conflicts: Vec<Conflict> = Vec::new();
        for (bssid, org, name, at) in rows {
            let bssid = read_bssid(bssid)?;
            let claim = (read_id(&org, "organisation")?, name, read_u64(at, "time")?);
            match conflicts.last_mut().filter(|c| c.bssid == bssid) {
                Some(conflict) => conflict.claims.push(claim),
                None => conflicts.push(Conflict { bssid, claims: vec![claim] }),
            }
        }
        Ok(conflicts)
    }

    /// Decides a conflict: this organisation has the BSSID, the others' proofs are gone. `false` if there is none.
    pub(crate) async fn resolve_conflict(&self, bssid: Bssid, org: &OrgId, by: By<'_>) -> Result<bool> {
        let mut tx = self.begin().await?;
        let kept = sqlx::query("UPDATE registrations SET conflict = 0 WHERE bssid = $1 AND org = $2 AND conflict = 1")
            .bind(bssid_number(bssid))
            .bind(org.as_str())
            .execute(&mut *tx)
            .await?;
        if kept.rows_affected() == 0 {
            return Ok(false);
        }
        let others: Vec<(String,)> =
            sqlx::query_as("DELETE FROM registrations WHERE bssid = $1 AND org <> $2 RETURNING org")
                .bind(bssid_number(bssid))
                .bind(org.as_str())
                .fetch_all(&mut *tx)
                .await?;
        let subject = bssid.to_string();
        note(&mut tx, None, by, "conflict.resolve", &subject, org.as_str()).await?;
        note(&mut tx, Some(org), by, "conflict.won", &subject, "").await?;
        for (other,) in others {
            note(&mut tx, Some(&read_id(&other, "organisation")?), by, "conflict.lost", &subject, "").await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// Notes that an organisation has proved these BSSIDs; `true` if another has proved one of them, too.
pub(super) async fn register(
    tx: &mut Transaction<'_, Any>,
    dialect: Dialect,
    org: &OrgId,
    bssids: &BTreeSet<Bssid>,
    how: How,
    now: u64,
) -> Result<bool> {
    if bssids.is_empty() {
        return Ok(false);
    }
    // What was witnessed stays so: a router's every announce must not take that away.
    let sql = format!(
        "INSERT INTO registrations (org, how, registered, expires, bssid) VALUES {}
         ON CONFLICT (bssid, org) DO UPDATE SET
             how = CASE WHEN registrations.how = 'witnessed' AND registrations.expires > $3 THEN 'witnessed' ELSE $2 END,
             registered = CASE WHEN $2 = 'vouched' AND registrations.expires > $3 THEN registrations.registered ELSE $3 END,
             expires = CASE WHEN $2 = 'vouched' AND registrations.how = 'witnessed' AND registrations.expires > $3
                 THEN registrations.expires ELSE $4 END",
        many(bssids.len(), 4, 1)
    );
    let mut query =
        sqlx::query(AssertSqlSafe(sql)).bind(org.as_str()).bind(how.as_str()).bind(int(now)).bind(int(now + GOOD_FOR));
    let numbers: Vec<_> = bssids.iter().copied().map(bssid_number).collect();
    for number in &numbers {
        query = query.bind(*number);
    }
    query.execute(&mut **tx).await?;
    let others = format!(
        "SELECT DISTINCT bssid FROM registrations WHERE {} AND org <> $2 AND expires > $3",
        dialect.is_one_of("bssid", 1)
    );
    let others: Vec<(i64,)> = sqlx::query_as(AssertSqlSafe(others))
        .bind(dialect.numbers(&numbers))
        .bind(org.as_str())
        .bind(int(now))
        .fetch_all(&mut **tx)
        .await?;
    for (number,) in &others {
        sqlx::query("UPDATE registrations SET conflict = 1 WHERE bssid = $1 AND expires > $2")
            .bind(*number)
            .bind(int(now))
            .execute(&mut **tx)
            .await?;
    }
    Ok(!others.is_empty())
}

pub(super) fn read_bssid(number: i64) -> Result<Bssid> {
    bssid_from_number(read_u64(number, "BSSID")?).map_err(|_| super::StoreError::Unreadable("BSSID"))
}
