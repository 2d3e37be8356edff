//! How routers come in and go: enrolment tokens, keys, removal.

use sqlx::{Any, Transaction};
use welcome_proto::{AreaId, RouterId};

use super::audit::note;
use super::{By, Result, Store, int, read_id};
use crate::ids::OrgId;
use crate::token::Hash;

/// What a router will be that spends a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewToken<'a> {
    pub(crate) org: &'a OrgId,
    /// What it will be called; empty: by its id.
    pub(crate) name: &'a str,
    /// Where it stands; `None`: at a place of its own.
    pub(crate) area: Option<&'a AreaId>,
    /// Whether the server's administrator vouches that what it announces is its sharer's.
    pub(crate) vouch: bool,
    /// Seconds of Unix time.
    pub(crate) expires: u64,
}

/// A router that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Enrolled {
    pub(crate) router: RouterId,
    pub(crate) org: OrgId,
}

impl Store {
    /// Keeps one more enrolment token.
    pub(crate) async fn add_enrolment_token(&self, hash: Hash, token: &NewToken<'_>, by: By<'_>) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO enrolment_tokens (hash, org, name, area, vouch, created, expires)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&hash[..])
        .bind(token.org.as_str())
        .bind(token.name)
        .bind(token.area.map(AreaId::as_str))
        .bind(i64::from(token.vouch))
        .bind(int(by.at))
        .bind(int(token.expires))
        .execute(&mut *tx)
        .await?;
        let detail = if token.vouch { "vouched" } else { "" };
        note(&mut tx, Some(token.org), by, "router.token", token.name, detail).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Spends a token on a router that calls itself by this key. `None` if the token is unknown, expired, or was spent
    /// on another key; the same key gets the same name again, for its first answer may have been lost.
    pub(crate) async fn enrol(
        &self,
        token: Hash,
        key: [u8; 32],
        version: &str,
        router: RouterId,
        now: u64,
    ) -> Result<Option<Enrolled>> {
        type Row = (String, String, Option<String>, i64, Option<String>);
        let mut tx = self.begin().await?;
        let found: Option<Row> = sqlx::query_as(
            "UPDATE enrolment_tokens SET vouch = vouch WHERE hash = $1 AND expires > $2
             RETURNING org, name, area, vouch, router",
        )
        .bind(&token[..])
        .bind(int(now))
        .fetch_optional(&mut *tx)
        .await?;
        let Some((org, name, area, vouch, spent_on)) = found else { return Ok(None) };
        let org: OrgId = read_id(&org, "organisation")?;
        if let Some(before) = spent_on {
            let (same,): (i64,) = sqlx::query_as("SELECT count(*) FROM routers WHERE id = $1 AND public_key = $2")
                .bind(&before)
                .bind(&key[..])
                .fetch_one(&mut *tx)
                .await?;
            return if same == 0 {
                Ok(None)
            } else {
                Ok(Some(Enrolled { router: read_id(&before, "router id")?, org }))
            };
        }
        let area = match area {
            Some(area) => area,
            None => own_area(&mut tx, &org, if name.is_empty() { router.as_str() } else { &name }).await?,
        };
        sqlx::query(
            "INSERT INTO routers (id, org, area, name, kind, public_key, vouched, version, enrolled)
             VALUES ($1, $2, $3, $4, 'agent', $5, $6, $7, $8)",
        )
        .bind(router.as_str())
        .bind(org.as_str())
        .bind(area)
        .bind(name)
        .bind(&key[..])
        .bind(vouch)
        .bind(version)
        .bind(int(now))
        .execute(&mut *tx)
        .await?;
        sqlx::query("UPDATE enrolment_tokens SET router = $1 WHERE hash = $2")
            .bind(router.as_str())
            .bind(&token[..])
            .execute(&mut *tx)
            .await?;
        let who = format!("router {router}");
        note(&mut tx, Some(&org), By { who: &who, at: now }, "router.enrol", router.as_str(), version).await?;
        tx.commit().await?;
        Ok(Some(Enrolled { router, org }))
    }

    /// The organisation of a router, and the key its requests are verified with.
    pub(crate) async fn router_key(&self, router: &RouterId) -> Result<Option<(OrgId, Vec<u8>)>> {
        let row: Option<(String, Vec<u8>)> =
            sqlx::query_as("SELECT org, public_key FROM routers WHERE id = $1 AND public_key IS NOT NULL")
                .bind(router.as_str())
                .fetch_optional(&self.read)
                .await?;
        row.map(|(org, key)| Ok((read_id(&org, "organisation")?, key))).transpose()
    }

    /// Forgets a router and all that it announced and reported. `false` if the organisation has none of that name.
    pub(crate) async fn remove_router(&self, org: &OrgId, router: &RouterId, by: By<'_>) -> Result<bool> {
        let mut tx = self.begin().await?;
        let gone: Option<(String,)> = sqlx::query_as("DELETE FROM routers WHERE id = $1 AND org = $2 RETURNING area")
            .bind(router.as_str())
            .bind(org.as_str())
            .fetch_optional(&mut *tx)
            .await?;
        let Some((area,)) = gone else { return Ok(false) };
        sqlx::query("DELETE FROM areas WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM routers WHERE area = $1)")
            .bind(area)
            .execute(&mut *tx)
            .await?;
        note(&mut tx, Some(org), by, "router.remove", router.as_str(), "").await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// An area for what stands alone.
pub(super) async fn own_area(tx: &mut Transaction<'_, Any>, org: &OrgId, name: &str) -> Result<String> {
    let area = format!("a-{}", crate::token::random_hex::<10>());
    sqlx::query("INSERT INTO areas (id, org, name) VALUES ($1, $2, $3)")
        .bind(&area)
        .bind(org.as_str())
        .bind(name)
        .execute(&mut **tx)
        .await?;
    Ok(area)
}
