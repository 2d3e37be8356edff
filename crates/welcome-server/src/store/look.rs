//! What `welcome-server check` wants to know of a database that it must not change.

use std::path::Path;

use anyhow::Context as _;
use sqlx::AnyPool;
use welcome_proto::Secret;

use super::db::{DATABASE, look_pool};
use super::{migrate, read_id};
use crate::ids::OrgId;

/// What was found.
#[derive(Debug)]
pub(crate) struct Looked {
    /// How many steps a start will take to bring the tables up to this version.
    pub(crate) missing: usize,
    /// The key of each organisation, as it is sealed.
    pub(crate) sealed: Vec<(OrgId, Vec<u8>)>,
}

/// Looks at the SQLite database of this directory, or at the PostgreSQL one at `url`; `None` if the former is not there.
///
/// # Errors
/// If it cannot be read, or a newer version has written it.
pub(crate) async fn look(directory: &Path, url: Option<&Secret>) -> anyhow::Result<Option<Looked>> {
    if url.is_none() && !directory.join(DATABASE).exists() {
        return Ok(None);
    }
    let pool = look_pool(directory, url).await?;
    let looked = look_at(&pool).await;
    pool.close().await;
    looked.map(Some)
}

async fn look_at(pool: &AnyPool) -> anyhow::Result<Looked> {
    // Reads at all, and tells a damaged file from an empty one.
    let (_,): (i64,) = sqlx::query_as("SELECT CAST(1 AS BIGINT)").fetch_one(pool).await.context("cannot be read")?;
    let done: Result<(i64,), _> = sqlx::query_as("SELECT count(*) FROM _sqlx_migrations").fetch_one(pool).await;
    let done = match done {
        Ok((done,)) => usize::try_from(done).unwrap_or_default(),
        Err(sqlx::Error::Database(error)) if error.message().contains("_sqlx_migrations") => 0,
        Err(error) => return Err(error).context("cannot be read"),
    };
    let missing = migrate::steps().checked_sub(done).context("a newer version of welcome-server has written it")?;
    if done == 0 {
        return Ok(Looked { missing, sealed: Vec::new() });
    }
    let rows: Vec<(String, Vec<u8>)> =
        sqlx::query_as("SELECT id, sealed_key FROM orgs").fetch_all(pool).await.context("cannot be read")?;
    let sealed = rows.into_iter().map(|(id, key)| Ok((read_id(&id, "organisation")?, key)));
    Ok(Looked { missing, sealed: sealed.collect::<super::Result<_>>()? })
}
