//! API tokens: what lets programs in.

use super::audit::note;
use super::{By, Result, Store, int, read_id, read_u64};
use crate::ids::{OrgId, TokenId};
use crate::rights::Scopes;
use crate::token::Hash;

/// A token, without what lets its bearer in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiToken {
    pub(crate) id: TokenId,
    /// `None`: the whole server's.
    pub(crate) org: Option<OrgId>,
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
    /// Seconds of Unix time.
    pub(crate) created: u64,
    /// `None`: for good.
    pub(crate) expires: Option<u64>,
    /// To the minute; `None`: never.
    pub(crate) last_used: Option<u64>,
}

impl Store {
    /// Keeps a token.
    pub(crate) async fn add_api_token(&self, token: &ApiToken, hash: Hash, by: By<'_>) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO api_tokens (id, org, name, hash, scopes, created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(token.id.as_str())
        .bind(token.org.as_ref().map(OrgId::as_str))
        .bind(&token.name)
        .bind(&hash[..])
        .bind(token.scopes.to_string())
        .bind(int(token.created))
        .bind(token.expires.map(int))
        .execute(&mut *tx)
        .await?;
        let detail = format!("{:?}: {}", token.name, token.scopes);
        note(&mut tx, token.org.as_ref(), by, "token.add", token.id.as_str(), &detail).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The token of this hash, if it is good at this moment. Notes that it was used.
    pub(crate) async fn api_token(&self, hash: Hash, now: u64) -> Result<Option<ApiToken>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, org, name, scopes, created, expires, last_used FROM api_tokens
             WHERE hash = $1 AND (expires IS NULL OR expires > $2)",
        )
        .bind(&hash[..])
        .bind(int(now))
        .fetch_optional(&self.read)
        .await?;
        let Some(token) = row.map(read_token).transpose()? else { return Ok(None) };
        if token.last_used.is_none_or(|used| used + USED_EVERY <= now)
            && let Err(error) = self.used_api_token(&token, now).await
        {
            // For people to look at; a full disk shall keep nobody from reading.
            tracing::warn!(%error, "failed to note that a token was used");
        }
        Ok(Some(token))
    }

    async fn used_api_token(&self, token: &ApiToken, now: u64) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE api_tokens SET last_used = $2 WHERE id = $1")
            .bind(token.id.as_str())
            .bind(int(now))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The tokens of an organisation, or of the whole server.
    pub(crate) async fn api_tokens(&self, org: Option<&OrgId>) -> Result<Vec<ApiToken>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, org, name, scopes, created, expires, last_used FROM api_tokens
             WHERE org = $1 OR (org IS NULL AND $1 = '') ORDER BY created, id",
        )
        .bind(org.map_or("", OrgId::as_str))
        .fetch_all(&self.read)
        .await?;
        rows.into_iter().map(read_token).collect()
    }

    /// Takes a token away; `false` if the organisation has no such one.
    pub(crate) async fn remove_api_token(&self, org: Option<&OrgId>, id: &TokenId, by: By<'_>) -> Result<bool> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query("DELETE FROM api_tokens WHERE id = $1 AND (org = $2 OR (org IS NULL AND $2 = ''))")
            .bind(id.as_str())
            .bind(org.map_or("", OrgId::as_str))
            .execute(&mut *tx)
            .await?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        note(&mut tx, org, by, "token.remove", id.as_str(), "").await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Seconds between two notes of a use.
const USED_EVERY: u64 = 60;

type Row = (String, Option<String>, String, String, i64, Option<i64>, Option<i64>);

fn read_token((id, org, name, scopes, created, expires, last_used): Row) -> Result<ApiToken> {
    let time = |t: i64| read_u64(t, "time");
    Ok(ApiToken {
        id: read_id(&id, "token")?,
        org: org.map(|o| read_id(&o, "organisation")).transpose()?,
        name,
        scopes: read_id(&scopes, "scopes")?,
        created: time(created)?,
        expires: expires.map(time).transpose()?,
        last_used: last_used.map(time).transpose()?,
    })
}
