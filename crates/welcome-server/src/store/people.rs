//! People, and what they are in which organisation.

use sqlx::{Any, Transaction};

use super::audit::note;
use super::{By, Result, Store, int, read_id};
use crate::ids::{OrgId, PersonId};
use crate::rights::Role;

/// Somebody who can log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) id: PersonId,
    pub(crate) login: String,
    pub(crate) name: String,
    /// In the organisation that was asked for.
    pub(crate) role: Role,
}

/// Somebody who is let in.
#[derive(Debug, Clone)]
pub(crate) struct NewPerson<'a> {
    pub(crate) id: PersonId,
    /// In lower case.
    pub(crate) login: &'a str,
    pub(crate) name: &'a str,
    /// Argon2id, as a PHC string.
    pub(crate) password: &'a str,
}

/// What became of a change of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberChange {
    Done,
    /// Not a member.
    NotFound,
    /// The organisation would be without an owner.
    LastOwner,
}

impl Store {
    /// Who logs in by this name, and the hash of their password.
    pub(crate) async fn password_of(&self, login: &str) -> Result<Option<(PersonId, String)>> {
        let row: Option<(String, String)> = sqlx::query_as("SELECT id, password FROM people WHERE login = $1")
            .bind(login)
            .fetch_optional(&self.read)
            .await?;
        row.map(|(id, password)| Ok((read_id(&id, "person")?, password))).transpose()
    }

    /// Makes somebody an administrator of the server.
    pub(crate) async fn make_admin(&self, person: &PersonId, by: By<'_>) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE people SET admin = 1 WHERE id = $1").bind(person.as_str()).execute(&mut *tx).await?;
        note(&mut tx, None, by, "server.admin", person.as_str(), "").await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives somebody another password; all their sessions but this one end.
    pub(crate) async fn set_password(
        &self,
        person: &PersonId,
        password: &str,
        keep: &crate::token::Hash,
        by: By<'_>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE people SET password = $2 WHERE id = $1")
            .bind(person.as_str())
            .bind(password)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM sessions WHERE person = $1 AND hash <> $2")
            .bind(person.as_str())
            .bind(&keep[..])
            .execute(&mut *tx)
            .await?;
        note(&mut tx, None, by, "password.change", person.as_str(), "").await?;
        tx.commit().await?;
        Ok(())
    }

    /// The language somebody wants the console in; empty: as the browser says.
    pub(crate) async fn set_language(&self, person: &PersonId, language: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE people SET language = $2 WHERE id = $1")
            .bind(person.as_str())
            .bind(language)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The members of an organisation, by name.
    pub(crate) async fn members(&self, org: &OrgId) -> Result<Vec<Person>> {
        let rows: Vec<(String, String, String, String)> = sqlx::query_as(
            "SELECT p.id, p.login, p.name, m.role FROM members m JOIN people p ON p.id = m.person
             WHERE m.org = $1 ORDER BY p.name, p.login",
        )
        .bind(org.as_str())
        .fetch_all(&self.read)
        .await?;
        let read = |(id, login, name, role): (String, String, String, String)| {
            Ok(Person { id: read_id(&id, "person")?, login, name, role: read_id(&role, "role")? })
        };
        rows.into_iter().map(read).collect()
    }

    /// Where somebody is a member: organisation, its name, role.
    pub(crate) async fn memberships(&self, person: &PersonId) -> Result<Vec<(OrgId, String, Role)>> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT o.id, o.name, m.role FROM members m JOIN orgs o ON o.id = m.org WHERE m.person = $1 ORDER BY o.name, o.id",
        )
        .bind(person.as_str())
        .fetch_all(&self.read)
        .await?;
        let read = |(id, name, role): (String, String, String)| {
            Ok((read_id(&id, "organisation")?, name, read_id(&role, "role")?))
        };
        rows.into_iter().map(read).collect()
    }

    /// Gives a member another role, or takes it away.
    pub(crate) async fn change_member(
        &self,
        org: &OrgId,
        person: &PersonId,
        role: Option<Role>,
        by: By<'_>,
    ) -> Result<MemberChange> {
        let mut tx = self.begin().await?;
        // Locks all of them: two owners who take each other away at once must not both succeed.
        sqlx::query("UPDATE members SET role = role WHERE org = $1").bind(org.as_str()).execute(&mut *tx).await?;
        let changed = match role {
            Some(role) => sqlx::query("UPDATE members SET role = $3 WHERE org = $1 AND person = $2")
                .bind(org.as_str())
                .bind(person.as_str())
                .bind(role.as_str()),
            None => sqlx::query("DELETE FROM members WHERE org = $1 AND person = $2")
                .bind(org.as_str())
                .bind(person.as_str()),
        };
        if changed.execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(MemberChange::NotFound);
        }
        let (owners,): (i64,) = sqlx::query_as("SELECT count(*) FROM members WHERE org = $1 AND role = 'owner'")
            .bind(org.as_str())
            .fetch_one(&mut *tx)
            .await?;
        if owners == 0 {
            return Ok(MemberChange::LastOwner);
        }
        if role.is_none() {
            sqlx::query("UPDATE sessions SET org = NULL WHERE person = $1 AND org = $2")
                .bind(person.as_str())
                .bind(org.as_str())
                .execute(&mut *tx)
                .await?;
        }
        let detail = role.map_or("none", Role::as_str);
        note(&mut tx, Some(org), by, "member.change", person.as_str(), detail).await?;
        tx.commit().await?;
        Ok(MemberChange::Done)
    }
}

/// Keeps somebody new. `false` if another logs in by that name.
pub(super) async fn insert(tx: &mut Transaction<'_, Any>, new: &NewPerson<'_>, admin: bool, now: u64) -> Result<bool> {
    let added = sqlx::query(
        "INSERT INTO people (id, login, name, password, admin, created) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT DO NOTHING",
    )
    .bind(new.id.as_str())
    .bind(new.login)
    .bind(new.name)
    .bind(new.password)
    .bind(i64::from(admin))
    .bind(int(now))
    .execute(&mut **tx)
    .await?;
    Ok(added.rows_affected() > 0)
}

/// Makes somebody a member, or changes what they are.
pub(super) async fn join(tx: &mut Transaction<'_, Any>, org: &OrgId, person: &PersonId, role: Role) -> Result<()> {
    sqlx::query(
        "INSERT INTO members (org, person, role) VALUES ($1, $2, $3) ON CONFLICT (org, person) DO UPDATE SET role = $3",
    )
    .bind(org.as_str())
    .bind(person.as_str())
    .bind(role.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
