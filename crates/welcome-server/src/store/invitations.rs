//! Links that let somebody in, once.

use sqlx::{Any, Transaction};

use super::audit::note;
use super::people::{self, NewPerson};
use super::{By, Result, Store, int, read_id, read_u64};
use crate::ids::{OrgId, PersonId};
use crate::rights::Role;
use crate::token::Hash;

/// What a link is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invitation {
    pub(crate) org: OrgId,
    pub(crate) org_name: String,
    pub(crate) role: Role,
    /// Whether it sets the server up: whoever takes it administers the server and names the organisation.
    pub(crate) admin: bool,
    /// Seconds of Unix time.
    pub(crate) expires: u64,
}

/// What became of taking an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    Done(OrgId),
    /// Unknown, used or expired.
    NotFound,
    /// Another person logs in by that name.
    InUse,
}

impl Store {
    /// Makes the link that sets the server up, unless somebody can log in. An earlier one is good for nothing from here on.
    pub(crate) async fn add_set_up_link(&self, hash: Hash, expires: u64) -> Result<bool> {
        let mut tx = self.begin().await?;
        // Takes the lock under which others do the same.
        sqlx::query("UPDATE server SET value = value WHERE name = 'started'").execute(&mut *tx).await?;
        let (people,): (i64,) = sqlx::query_as("SELECT count(*) FROM people").fetch_one(&mut *tx).await?;
        if people > 0 {
            return Ok(false);
        }
        sqlx::query("DELETE FROM invitations WHERE admin = 1").execute(&mut *tx).await?;
        sqlx::query(
            "INSERT INTO invitations (hash, org, role, admin, expires)
             SELECT $1, id, 'owner', 1, $2 FROM orgs ORDER BY created, id LIMIT 1",
        )
        .bind(&hash[..])
        .bind(int(expires))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Makes a link into an organisation.
    pub(crate) async fn invite(&self, org: &OrgId, role: Role, hash: Hash, expires: u64, by: By<'_>) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO invitations (hash, org, role, admin, expires) VALUES ($1, $2, $3, 0, $4)")
            .bind(&hash[..])
            .bind(org.as_str())
            .bind(role.as_str())
            .bind(int(expires))
            .execute(&mut *tx)
            .await?;
        note(&mut tx, Some(org), by, "member.invite", role.as_str(), "").await?;
        tx.commit().await?;
        Ok(())
    }

    /// What a link is good for at this moment.
    pub(crate) async fn invitation(&self, hash: Hash, now: u64) -> Result<Option<Invitation>> {
        let row: Option<(String, String, String, i64, i64)> = sqlx::query_as(
            "SELECT i.org, o.name, i.role, i.admin, i.expires FROM invitations i JOIN orgs o ON o.id = i.org
             WHERE i.hash = $1 AND i.expires > $2",
        )
        .bind(&hash[..])
        .bind(int(now))
        .fetch_optional(&self.read)
        .await?;
        row.map(|(org, org_name, role, admin, expires)| {
            let expires = read_u64(expires, "time")?;
            let org = read_id(&org, "organisation")?;
            Ok(Invitation { org, org_name, role: read_id(&role, "role")?, admin: admin != 0, expires })
        })
        .transpose()
    }

    /// Somebody new takes an invitation. With the one that sets the server up the organisation gets its name, too.
    pub(crate) async fn take_invitation(
        &self,
        hash: Hash,
        new: &NewPerson<'_>,
        org_name: Option<&str>,
        now: u64,
    ) -> Result<Taken> {
        let mut tx = self.begin().await?;
        let Some((org, role, admin)) = spend(&mut tx, hash, now).await? else { return Ok(Taken::NotFound) };
        if !people::insert(&mut tx, new, admin, now).await? {
            return Ok(Taken::InUse);
        }
        people::join(&mut tx, &org, &new.id, role).await?;
        if let Some(name) = org_name.filter(|_| admin) {
            sqlx::query("UPDATE orgs SET name = $2 WHERE id = $1")
                .bind(org.as_str())
                .bind(name)
                .execute(&mut *tx)
                .await?;
        }
        let action = if admin { "server.set-up" } else { "member.join" };
        note(&mut tx, Some(&org), By { who: new.login, at: now }, action, new.id.as_str(), role.as_str()).await?;
        tx.commit().await?;
        Ok(Taken::Done(org))
    }

    /// Somebody who is logged in takes an invitation.
    pub(crate) async fn join_by_invitation(&self, hash: Hash, person: &PersonId, by: By<'_>) -> Result<Taken> {
        let mut tx = self.begin().await?;
        let Some((org, role, _)) = spend(&mut tx, hash, by.at).await? else { return Ok(Taken::NotFound) };
        people::join(&mut tx, &org, person, role).await?;
        note(&mut tx, Some(&org), by, "member.join", person.as_str(), role.as_str()).await?;
        tx.commit().await?;
        Ok(Taken::Done(org))
    }
}

async fn spend(tx: &mut Transaction<'_, Any>, hash: Hash, now: u64) -> Result<Option<(OrgId, Role, bool)>> {
    let row: Option<(String, String, i64)> =
        sqlx::query_as("DELETE FROM invitations WHERE hash = $1 AND expires > $2 RETURNING org, role, admin")
            .bind(&hash[..])
            .bind(int(now))
            .fetch_optional(&mut **tx)
            .await?;
    row.map(|(org, role, admin)| Ok((read_id(&org, "organisation")?, read_id(&role, "role")?, admin != 0))).transpose()
}
