//! Images and pages by their digest. In the database and not in files, so that any server process has them.

use sqlx::{Any, Transaction};
use welcome_proto::Digest;
use welcome_proto::offer::{File, FileKind};

use super::{Result, Store, int, length, read_json, read_u64};

impl Store {
    /// Keeps these bytes: a day at least, and as long as a version of an offer names them.
    pub(crate) async fn put_content(&self, digest: &Digest, kind: FileKind, bytes: &[u8], now: u64) -> Result<()> {
        let mut tx = self.begin().await?;
        // Apart, so that bytes that are here already are not written again.
        let known = sqlx::query("UPDATE content SET added = $2 WHERE digest = $1")
            .bind(&digest.0[..])
            .bind(int(now))
            .execute(&mut *tx)
            .await?;
        if known.rows_affected() == 0 {
            sqlx::query(
                "INSERT INTO content (digest, kind, bytes, added) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            )
            .bind(&digest.0[..])
            .bind(kind_name(kind))
            .bind(bytes)
            .bind(int(now))
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// What these bytes are, and how many.
    pub(crate) async fn content(&self, digest: &Digest) -> Result<Option<(FileKind, u64)>> {
        let row: Option<(String, i64)> = sqlx::query_as("SELECT kind, length(bytes) FROM content WHERE digest = $1")
            .bind(&digest.0[..])
            .fetch_optional(&self.read)
            .await?;
        row.map(|(kind, length)| Ok((read_kind(&kind)?, read_u64(length, "length")?))).transpose()
    }

    /// A piece of these bytes; an empty one at their end.
    pub(crate) async fn content_piece(&self, digest: &Digest, from: u64, most: usize) -> Result<Option<Vec<u8>>> {
        let row: Option<(Vec<u8>,)> = sqlx::query_as(
            "SELECT substr(bytes, CAST($1 AS INTEGER), CAST($2 AS INTEGER)) FROM content WHERE digest = $3",
        )
        .bind(int(from.saturating_add(1))) // SQL counts from one
        .bind(length(most))
        .bind(&digest.0[..])
        .fetch_optional(&self.read)
        .await?;
        Ok(row.map(|(piece,)| piece))
    }
}

/// Why an offer cannot have this file, if it cannot.
pub(super) async fn look_for_file(tx: &mut Transaction<'_, Any>, file: &File) -> Result<Option<String>> {
    let row: Option<(String, i64)> = sqlx::query_as("SELECT kind, length(bytes) FROM content WHERE digest = $1")
        .bind(&file.digest.0[..])
        .fetch_optional(&mut **tx)
        .await?;
    let digest = file.digest;
    Ok(match row {
        None => Some(format!("content {digest} is not here: PUT it to /v1/operator/content first")),
        Some((kind, length)) if kind != kind_name(file.kind) || length != i64::from(file.length) => {
            Some(format!("content {digest} is {length} bytes of {kind}"))
        }
        Some(_) => None,
    })
}

/// As in JSON: the media type without its parameters.
fn kind_name(kind: FileKind) -> &'static str {
    kind.media_type().split(';').next().unwrap_or_default()
}

fn read_kind(name: &str) -> Result<FileKind> {
    read_json(&format!("\"{name}\""), "kind of content")
}
