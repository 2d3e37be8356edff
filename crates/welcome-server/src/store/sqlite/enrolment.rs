//! Who may speak: the operator's token, enrolment tokens, routers.

use sqlx::{Sqlite, Transaction};
use welcome_proto::RouterId;

use super::{Result, Store, int, length, read_id, read_u64};
use crate::store::RouterRow;
use crate::token::Hash;

impl Store {
    /// On the very first start keeps both tokens and returns `true`; later it does nothing and returns `false`.
    pub(crate) async fn first_start(&self, operator: Hash, enrolment: Hash, expires: u64) -> Result<bool> {
        let mut tx = self.begin().await?;
        let (operators,): (i64,) = sqlx::query_as("SELECT count(*) FROM operator_tokens").fetch_one(&mut *tx).await?;
        if operators > 0 {
            return Ok(false);
        }
        sqlx::query("INSERT INTO operator_tokens (hash) VALUES (?)").bind(&operator[..]).execute(&mut *tx).await?;
        insert_enrolment_token(&mut tx, enrolment, true, expires).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Keeps one more enrolment token; those that have expired by `now` are forgotten.
    pub(crate) async fn add_enrolment_token(&self, token: Hash, vouch: bool, expires: u64, now: u64) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM enrolment_tokens WHERE expires <= ?").bind(int(now)).execute(&mut *tx).await?;
        insert_enrolment_token(&mut tx, token, vouch, expires).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Makes this the one token of the operator.
    pub(crate) async fn replace_operator_token(&self, token: Hash) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM operator_tokens").execute(&mut *tx).await?;
        sqlx::query("INSERT INTO operator_tokens (hash) VALUES (?)").bind(&token[..]).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whether the operator holds this token.
    pub(crate) async fn is_operator(&self, token: Hash) -> Result<bool> {
        let row: Option<(i64,)> = sqlx::query_as("SELECT 1 FROM operator_tokens WHERE hash = ?")
            .bind(token.to_vec())
            .fetch_optional(&self.read)
            .await?;
        Ok(row.is_some())
    }

    /// Spends a token on a router that calls itself by this key. `None` if the token is unknown, expired, or was spent
    /// on another key; the same key gets the same name again, for its first answer may have been lost.
    pub(crate) async fn enrol(
        &self,
        token: Hash,
        key: [u8; 32],
        version: &str,
        name: RouterId,
        now: u64,
    ) -> Result<Option<RouterId>> {
        let mut tx = self.begin().await?;
        let found: Option<(bool, Option<String>, Option<Vec<u8>>)> = sqlx::query_as(
            "SELECT t.vouch, r.id, r.public_key FROM enrolment_tokens t LEFT JOIN routers r ON r.id = t.router
             WHERE t.hash = ? AND t.expires > ?",
        )
        .bind(&token[..])
        .bind(int(now))
        .fetch_optional(&mut *tx)
        .await?;
        let vouched = match found {
            None => return Ok(None),
            Some((_, Some(router), Some(spent_on))) => {
                let same = (spent_on == key).then(|| read_id(&router, "router id"));
                return same.transpose();
            }
            Some((vouched, ..)) => vouched,
        };
        sqlx::query("INSERT INTO routers (id, public_key, vouched, version, enrolled) VALUES (?, ?, ?, ?, ?)")
            .bind(name.as_str())
            .bind(&key[..])
            .bind(vouched)
            .bind(version)
            .bind(int(now))
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE enrolment_tokens SET router = ? WHERE hash = ?")
            .bind(name.as_str())
            .bind(&token[..])
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Some(name))
    }

    /// The key a router's requests are verified with.
    pub(crate) async fn router_key(&self, router: &RouterId) -> Result<Option<Vec<u8>>> {
        let row: Option<(Vec<u8>,)> = sqlx::query_as("SELECT public_key FROM routers WHERE id = ?")
            .bind(router.as_str())
            .fetch_optional(&self.read)
            .await?;
        Ok(row.map(|(key,)| key))
    }

    /// Forgets a router and all that it announced, was offered and reported. `false` if there is none.
    pub(crate) async fn remove_router(&self, router: &RouterId) -> Result<bool> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query("DELETE FROM routers WHERE id = ?").bind(router.as_str()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(gone.rows_affected() > 0)
    }

    /// The routers after this one, in order of name.
    pub(crate) async fn routers(&self, after: Option<&RouterId>, limit: usize) -> Result<Vec<RouterRow>> {
        type Row = (String, bool, String, i64, Option<i64>, u32, u32);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, vouched, version, enrolled, generation,
                 (SELECT count(*) FROM networks n WHERE n.router = r.id),
                 (SELECT count(*) FROM offers o WHERE o.router = r.id)
             FROM routers r WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(after.map_or("", RouterId::as_str))
        .bind(length(limit))
        .fetch_all(&self.read)
        .await?;
        rows.into_iter()
            .map(|(id, vouched, version, enrolled, generation, networks, offers)| {
                Ok(RouterRow {
                    router: read_id(&id, "router id")?,
                    vouched,
                    version,
                    enrolled: read_u64(enrolled, "time")?,
                    generation: generation.map(|g| read_u64(g, "generation")).transpose()?,
                    networks,
                    offers,
                })
            })
            .collect()
    }
}

async fn insert_enrolment_token(
    tx: &mut Transaction<'_, Sqlite>,
    token: Hash,
    vouch: bool,
    expires: u64,
) -> Result<()> {
    sqlx::query("INSERT INTO enrolment_tokens (hash, vouch, expires) VALUES (?, ?, ?)")
        .bind(&token[..])
        .bind(vouch)
        .bind(int(expires))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
