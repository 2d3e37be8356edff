//! Who is logged in, and whose log-ins fail.

use std::net::IpAddr;

use super::{Result, Store, int, read_id};
use crate::ids::{OrgId, PersonId};
use crate::rights::Role;
use crate::token::{self, Hash};

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) person: PersonId,
    pub(crate) login: String,
    pub(crate) name: String,
    pub(crate) admin: bool,
    /// `en`, `zh`, or empty.
    pub(crate) language: String,
    /// The organisation that is looked at, its name, and what the person is there.
    pub(crate) org: Option<(OrgId, String, Role)>,
}

/// Whose tries are counted together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    hash: Hash,
    /// Tries that cost no time.
    free: u32,
}

impl Subject {
    /// A name, or whatever one password belongs to: people mistype.
    pub(crate) fn name(name: &str) -> Self {
        Self { hash: token::hash(name), free: 5 }
    }

    /// An address, behind which may be a whole house.
    pub(crate) fn address(addr: IpAddr) -> Self {
        Self { hash: token::hash(&format!("from {addr}")), free: 50 }
    }
}

impl Store {
    /// Begins a session, in the person's first organisation.
    pub(crate) async fn add_session(&self, hash: Hash, person: &PersonId, expires: u64, now: u64) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO sessions (hash, person, org, created, seen, expires) VALUES ($1, $2,
                 (SELECT m.org FROM members m JOIN orgs o ON o.id = m.org WHERE m.person = $2 ORDER BY o.name, o.id LIMIT 1),
                 $3, $3, $4)",
        )
        .bind(&hash[..])
        .bind(person.as_str())
        .bind(int(now))
        .bind(int(expires))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The session of this cookie. An administrator is an owner wherever they look.
    pub(crate) async fn session(&self, hash: Hash, now: u64) -> Result<Option<Session>> {
        type Row = (String, String, String, i64, String, Option<String>, Option<String>, Option<String>);
        let row: Option<Row> = sqlx::query_as(
            "SELECT p.id, p.login, p.name, p.admin, p.language, o.id, o.name, m.role
             FROM sessions s JOIN people p ON p.id = s.person
             LEFT JOIN orgs o ON o.id = s.org LEFT JOIN members m ON m.org = s.org AND m.person = s.person
             WHERE s.hash = $1 AND s.expires > $2",
        )
        .bind(&hash[..])
        .bind(int(now))
        .fetch_optional(&self.read)
        .await?;
        row.map(|(person, login, name, admin, language, org, org_name, role)| {
            let admin = admin != 0;
            let role = match role {
                _ if admin => Some(Role::Owner),
                Some(role) => Some(read_id(&role, "role")?),
                None => None,
            };
            let org = match (org, org_name, role) {
                (Some(org), Some(name), Some(role)) => Some((read_id(&org, "organisation")?, name, role)),
                _ => None,
            };
            Ok(Session { person: read_id(&person, "person")?, login, name, admin, language, org })
        })
        .transpose()
    }

    /// Looks at another organisation from here on. Whether the person may is for who calls.
    pub(crate) async fn look_at_org(&self, hash: Hash, org: &OrgId) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE sessions SET org = $2 WHERE hash = $1")
            .bind(&hash[..])
            .bind(org.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends a session.
    pub(crate) async fn end_session(&self, hash: Hash) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM sessions WHERE hash = $1").bind(&hash[..]).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Asks whether one of these may try to log in, and counts the try as failed until [`Self::forget_failures`]. Gives
    /// the seconds to wait, if one may not: then nothing is counted.
    pub(crate) async fn may_try(&self, subjects: &[Subject], now: u64) -> Result<Result<(), u64>> {
        let mut tx = self.begin().await?;
        let mut wait = 0;
        for Subject { hash, free } in subjects {
            let (count, not_before): (i64, i64) = sqlx::query_as(
                "INSERT INTO failures (subject, count, not_before) VALUES ($1, 0, $2)
                 ON CONFLICT (subject) DO UPDATE SET count = failures.count RETURNING count, not_before",
            )
            .bind(&hash[..])
            .bind(int(now))
            .fetch_one(&mut *tx)
            .await?;
            wait = wait.max(not_before - int(now));
            let tries = u32::try_from(count + 1).unwrap_or(u32::MAX).min(MOST_FAILURES);
            let pause = if tries <= *free { 0 } else { 1i64 << (tries - free).min(20) };
            sqlx::query("UPDATE failures SET count = $2, not_before = $3 WHERE subject = $1")
                .bind(&hash[..])
                .bind(i64::from(tries))
                .bind(int(now) + pause.min(LONGEST_PAUSE))
                .execute(&mut *tx)
                .await?;
        }
        if wait > 0 {
            // Rolled back: who waits is not made to wait longer.
            return Ok(Err(wait.unsigned_abs()));
        }
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// A log-in went well.
    pub(crate) async fn forget_failures(&self, subjects: &[Subject]) -> Result<()> {
        let mut tx = self.begin().await?;
        for Subject { hash, .. } in subjects {
            sqlx::query("DELETE FROM failures WHERE subject = $1").bind(&hash[..]).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Seconds; long enough that guessing is hopeless, short enough to wait for who forgot.
const LONGEST_PAUSE: i64 = 900;
const MOST_FAILURES: u32 = 1_000_000;
