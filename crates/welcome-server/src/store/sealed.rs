//! Everything that is sealed, for whoever seals it under another master key.

use super::audit::note;
use super::networks::key_place;
use super::{By, Result, Store, StoreError, length};
use crate::directory;
use crate::key::org_place;

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The keys of organisations.
    Orgs,
    /// The keys of shared networks.
    Networks,
    /// The key of the directory.
    Directory,
}

/// One sealed value, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedRow {
    /// The row: a name, or a router and its network.
    pub(crate) row: (String, String),
    pub(crate) sealed: Vec<u8>,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Orgs, Self::Networks, Self::Directory];

    /// Where a row's value is sealed for.
    pub(crate) fn place(self, (name, network): &(String, String)) -> Result<String> {
        Ok(match self {
            Self::Orgs => org_place(&name.parse().map_err(|_| StoreError::Unreadable("organisation"))?),
            Self::Networks => key_place(name, network),
            Self::Directory => directory::KEY.to_owned(),
        })
    }
}

impl Store {
    /// The next sealed values after this row, at most `limit` of them.
    pub(crate) async fn sealed(&self, kind: Kind, after: &(String, String), limit: usize) -> Result<Vec<SealedRow>> {
        let sql = match kind {
            Kind::Orgs => "SELECT id, '', sealed_key FROM orgs WHERE (id, '') > ($1, $2) ORDER BY id LIMIT $3",
            Kind::Networks => {
                "SELECT router, id, sealed_key FROM networks
                 WHERE (router, id) > ($1, $2) AND sealed_key IS NOT NULL ORDER BY router, id LIMIT $3"
            }
            Kind::Directory => {
                "SELECT name, '', value FROM server
                 WHERE (name, '') > ($1, $2) AND name = 'directory key' ORDER BY name LIMIT $3"
            }
        };
        let rows: Vec<(String, String, Vec<u8>)> =
            sqlx::query_as(sql).bind(&after.0).bind(&after.1).bind(length(limit)).fetch_all(&self.read).await?;
        Ok(rows.into_iter().map(|(a, b, sealed)| SealedRow { row: (a, b), sealed }).collect())
    }

    /// Puts these values in the places of the former ones, all or none.
    pub(crate) async fn reseal(&self, kind: Kind, rows: &[(SealedRow, Vec<u8>)]) -> Result<()> {
        let sql = match kind {
            Kind::Orgs => "UPDATE orgs SET sealed_key = $1 WHERE id = $2 AND $3 = '' AND sealed_key = $4",
            Kind::Networks => "UPDATE networks SET sealed_key = $1 WHERE router = $2 AND id = $3 AND sealed_key = $4",
            Kind::Directory => "UPDATE server SET value = $1 WHERE name = $2 AND $3 = '' AND value = $4",
        };
        let mut tx = self.begin().await?;
        for (SealedRow { row, sealed }, fresh) in rows {
            sqlx::query(sql).bind(&fresh[..]).bind(&row.0).bind(&row.1).bind(&sealed[..]).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Notes that everything is sealed under another master key.
    pub(crate) async fn note_rotation(&self, by: By<'_>, count: u64) -> Result<()> {
        let mut tx = self.begin().await?;
        note(&mut tx, None, by, "master-key.rotate", "", &format!("{count} values sealed anew")).await?;
        tx.commit().await?;
        Ok(())
    }
}
