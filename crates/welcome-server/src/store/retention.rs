//! Deletes what is old, a little at a time, so that nobody waits long for the database.

use sqlx::AssertSqlSafe;

use super::db::Dialect;
use super::{Result, Store, int, length};
use crate::config::Retention;

/// One kind of thing that gets old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Old {
    /// Its table, which is also what it is called in the log.
    pub(crate) table: &'static str,
    key: &'static str,
    /// What of it is old; `$1` is a number that [`Limit`] gives.
    condition: &'static str,
    limit: Limit,
}

/// Before when something is old, in seconds of Unix time or, for hours, in hours of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Now,
    /// Before now.
    Seconds(u64),
    ReportDays,
    ReportHours,
    AuditDays,
    SessionDays,
}

/// Everything that gets old.
pub(crate) const OLD: &[Old] = &[
    old("sessions", "hash", "expires <= $1", Limit::Now),
    old("sessions", "hash", "created < $1", Limit::SessionDays),
    old("invitations", "hash", "expires <= $1", Limit::Now),
    old("enrolment_tokens", "hash", "expires <= $1", Limit::Now),
    // As they are shown to people who ask what became of it.
    old("api_tokens", "id", "expires < $1", Limit::Seconds(30 * DAY)),
    old("challenges", "id", "until < $1", Limit::Seconds(30 * DAY)),
    // The longest pause is over by far.
    old("failures", "subject", "not_before < $1", Limit::Seconds(DAY)),
    // Read by then, or nobody was there.
    old("live", "id", "at < $1", Limit::Seconds(3600)),
    // For so long a batch that comes again is known, as docs/protocol.md says.
    old("batches", "router, batch", "taken < $1", Limit::Seconds(90 * DAY)),
    old("report_hours", "org, hour, router, network, what", "hour < $1", Limit::ReportHours),
    old("last_reports", "id", "received < $1", Limit::ReportDays),
    old("audit", "id", "at < $1", Limit::AuditDays),
    // Put there for an offer that nobody has written, or said once and over.
    old(
        "content",
        "digest",
        "added < $1 AND NOT EXISTS (SELECT 1 FROM offer_files f WHERE f.digest = content.digest)",
        Limit::Seconds(DAY),
    ),
];

const DAY: u64 = 86_400;

const fn old(table: &'static str, key: &'static str, condition: &'static str, limit: Limit) -> Old {
    Old { table, key, condition, limit }
}

impl Store {
    /// Deletes at most so many; how many it were. `None` if another process is at it.
    pub(crate) async fn delete_old(
        &self,
        old: Old,
        retention: Retention,
        now: u64,
        most: usize,
    ) -> Result<Option<u64>> {
        let mut tx = self.begin().await?;
        if self.dialect() == Dialect::Postgres {
            let (ours,): (bool,) =
                sqlx::query_as("SELECT pg_try_advisory_xact_lock($1)").bind(LOCK).fetch_one(&mut *tx).await?;
            if !ours {
                return Ok(None);
            }
        }
        let Old { table, key, condition, .. } = old;
        let sql =
            format!("DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {condition} LIMIT $2)");
        let limit = int(old.limit.at(retention, now));
        // Its parts are constants of this file.
        let gone = sqlx::query(AssertSqlSafe(sql)).bind(limit).bind(length(most)).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(Some(gone.rows_affected()))
    }
}

/// Any number that nobody else of this database uses: `welcome` in ASCII.
const LOCK: i64 = 0x0077_656c_636f_6d65;

impl Limit {
    fn at(self, retention: Retention, now: u64) -> u64 {
        let days = |days: u32| now.saturating_sub(u64::from(days) * DAY);
        match self {
            Self::Now => now,
            Self::Seconds(seconds) => now.saturating_sub(seconds),
            Self::ReportDays => days(retention.reports),
            Self::ReportHours => days(retention.reports) / 3600,
            Self::AuditDays => days(retention.audit),
            Self::SessionDays => days(retention.sessions),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use testkit::postgres::Cluster;
    use welcome_proto::Digest;
    use welcome_proto::offer::FileKind;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[tokio::test]
    async fn what_is_old_goes_and_what_is_not_stays() {
        let dir = tempfile::tempdir().unwrap();
        on(Store::open(dir.path()).await.unwrap()).await;
    }

    #[tokio::test]
    async fn what_is_old_goes_and_what_is_not_stays_on_postgres() {
        let Ok(cluster) = Cluster::start() else { return skip() };
        on(Store::open_postgres(&cluster.database().unwrap()).await.unwrap()).await;
    }

    #[tokio::test]
    async fn on_postgres_one_process_does_it() {
        let Ok(cluster) = Cluster::start() else { return skip() };
        let url = cluster.database().unwrap();
        let (one, other) = (Store::open_postgres(&url).await.unwrap(), Store::open_postgres(&url).await.unwrap());
        let mut busy = one.begin().await.unwrap();
        let _: (bool,) =
            sqlx::query_as("SELECT pg_try_advisory_xact_lock($1)").bind(LOCK).fetch_one(&mut *busy).await.unwrap();
        assert_eq!(other.delete_old(OLD[0], Retention::default(), NOW, 10).await.unwrap(), None);
        busy.rollback().await.unwrap();
        assert_eq!(other.delete_old(OLD[0], Retention::default(), NOW, 10).await.unwrap(), Some(0));
        one.close().await;
        other.close().await;
    }

    #[tokio::test]
    async fn a_picture_that_is_put_there_again_has_another_day() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let picture = Digest([7; 32]);
        let content = OLD.iter().find(|old| old.table == "content").unwrap();
        for at in [NOW - 2 * DAY, NOW - 60] {
            store.put_content(&picture, FileKind::Png, b"x", at).await.unwrap();
        }
        assert_eq!(store.delete_old(*content, Retention::default(), NOW, 9).await.unwrap(), Some(0));
        assert_eq!(store.delete_old(*content, Retention::default(), NOW + DAY, 9).await.unwrap(), Some(1));
        assert_eq!(store.content(&picture).await.unwrap(), None);
        store.close().await;
    }

    #[allow(clippy::print_stderr, reason = "who skips says so")]
    fn skip() {
        eprintln!("skipped: PostgreSQL is not here");
    }

    async fn on(store: Store) {
        fill(&store).await;
        let retention = Retention { reports: 10, audit: 20, sessions: 30 };
        let mut gone: BTreeMap<&str, u64> = BTreeMap::new();
        for old in OLD {
            let some = store.delete_old(*old, retention, NOW, 2).await.unwrap().unwrap();
            assert!(some <= 2, "{old:?}");
            let rest = store.delete_old(*old, retention, NOW, 100).await.unwrap().unwrap();
            assert_eq!(store.delete_old(*old, retention, NOW, 100).await.unwrap(), Some(0), "{old:?}");
            *gone.entry(old.table).or_default() += some + rest;
        }
        let expected = [
            ("sessions", 2),
            ("invitations", 1),
            ("enrolment_tokens", 1),
            ("api_tokens", 1),
            ("challenges", 1),
            ("failures", 1),
            ("live", 1),
            ("batches", 3),
            ("report_hours", 1),
            ("last_reports", 1),
            ("audit", 1),
            ("content", 1),
        ];
        assert_eq!(gone, expected.into());
        for table in expected.map(|(table, _)| table) {
            let sql = format!("SELECT count(*) FROM {table}");
            let (left,): (i64,) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&store.read).await.unwrap();
            let needed = if table == "content" { 1 } else { 0 };
            assert_eq!(left, 1 + needed, "{table} keeps what is young, and what an offer names");
        }
        store.close().await;
    }

    /// Of everything one that is young, and one or more that are old.
    async fn fill(store: &Store) {
        let day = |days: u64| NOW - days * DAY;
        let mut sql = vec![
            "INSERT INTO orgs (id, name, created, public_key, sealed_key) VALUES ('o-1', 'a', 0, CAST('' AS KEY), CAST('' AS KEY))".to_owned(),
            "INSERT INTO people (id, login, name, password, admin, created) VALUES ('p-1', 'a', 'a', '', 0, 0)".to_owned(),
            "INSERT INTO areas (id, org, name) VALUES ('a-1', 'o-1', '')".to_owned(),
            "INSERT INTO routers (id, org, area, kind, vouched, version, enrolled) VALUES ('r-1', 'o-1', 'a-1', 'plain', 0, '', 0)".to_owned(),
            "INSERT INTO networks (router, id, ssid, security) VALUES ('r-1', 'n', CAST('' AS KEY), 'open')".to_owned(),
        ];
        let mut rows = |table: &str, columns: &str, rows: &[String]| {
            sql.extend(rows.iter().map(|row| format!("INSERT INTO {table} ({columns}) VALUES ({row})")));
        };
        let session =
            |n: u64, created: u64, expires: u64| format!("CAST('{n}' AS KEY), 'p-1', {created}, 0, {expires}");
        let sessions = [session(1, NOW, NOW + 1), session(2, NOW, NOW), session(3, day(31), NOW + 1)];
        rows("sessions", "hash, person, created, seen, expires", &sessions);
        let ends = |more: &str| [NOW + 1, NOW].map(|at| format!("CAST('{at}' AS KEY), 'o-1', {more}, {at}"));
        rows("invitations", "hash, org, role, admin, expires", &ends("'viewer', 0"));
        rows("enrolment_tokens", "hash, org, vouch, created, expires", &ends("0, 0"));
        let tokens = [day(29), day(31)].map(|at| format!("'{at}', '', CAST('{at}' AS KEY), '', 0, {at}"));
        rows("api_tokens", "id, name, hash, scopes, created, expires", &tokens);
        let challenges = [day(29), day(31)]
            .map(|at| format!("'{at}', 'o-1', 'r-1', 'n', '', '', CAST('{at}' AS KEY), '', 0, {at}, 'over'"));
        rows(
            "challenges",
            "id, org, router, network, ssid, bssids, code, asked_by, created, until, state",
            &challenges,
        );
        rows(
            "failures",
            "subject, count, not_before",
            &[NOW, day(2)].map(|at| format!("CAST('{at}' AS KEY), 1, {at}")),
        );
        rows("live", "router, event, at", &[NOW, day(1)].map(|at| format!("'r-1', '', {at}")));
        let batches = [day(89), day(91), day(92), day(93)].map(|at| format!("'r-1', 'b-{at}', {at}"));
        rows("batches", "router, batch, taken", &batches);
        let hours = [day(9), day(11)].map(|at| format!("'o-1', {}, 'r-1', 'n', 'arrived', 1", at / 3600));
        rows("report_hours", "org, hour, router, network, what, count", &hours);
        rows("last_reports", "router, received, body", &[day(9), day(11)].map(|at| format!("'r-1', {at}, ''")));
        rows(
            "audit",
            "at, org, actor, action, subject",
            &[day(19), day(21)].map(|at| format!("{at}, 'o-1', '', '', ''")),
        );
        rows("offers", "org, sender, id, version, changed", &["'o-1', 'sharer', 'x', 1, 0".to_owned()]);
        let version = "'o-1', 'sharer', 'x', 1, '', '', '', 0".to_owned();
        rows("offer_versions", "org, sender, offer, version, body, targets, author, at", &[version]);
        let files = [("young", NOW), ("old", day(2)), ("named", day(2))];
        let files = files.map(|(name, at)| format!("CAST('{name}' AS KEY), 'image/png', CAST('' AS KEY), {at}"));
        rows("content", "digest, kind, bytes, added", &files);
        let named = "CAST('named' AS KEY), 'o-1', 'sharer', 'x', 1".to_owned();
        rows("offer_files", "digest, org, sender, offer, version", &[named]);
        let key = if store.dialect() == Dialect::Postgres { "BYTEA" } else { "BLOB" };
        let mut tx = store.begin().await.unwrap();
        for statement in sql {
            sqlx::query(AssertSqlSafe(statement.replace("KEY", key))).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
}
