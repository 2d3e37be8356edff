//! Proofs of ownership under way: a challenge is made, carried, heard, and spent.

use sqlx::{Any, AssertSqlSafe, Transaction};
use welcome_proto::challenge::{ChallengeName, ChallengeState, LIFETIME, Outcome, Verdict};
use welcome_proto::{Bssid, ChallengeId, NetworkId, RouterId, Ssid};

use super::audit::note;
use super::registrations::{How, read_bssid, register};
use super::{By, Result, Store, StoreError, int, read_id, read_json, read_u64, write_json};
use crate::ids::OrgId;
use crate::place;
use crate::token::Hash;

/// A challenge that is to be made.
#[derive(Debug, Clone)]
pub(crate) struct NewChallenge<'a> {
    pub(crate) id: ChallengeId,
    pub(crate) org: &'a OrgId,
    pub(crate) router: &'a RouterId,
    pub(crate) network: &'a NetworkId,
    pub(crate) ssid: ChallengeName,
    /// Of the code that lets a witness speak.
    pub(crate) code: Hash,
}

/// What became of asking for a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChallengeStart {
    /// Good until then (Unix time).
    Open(u64),
    /// The organisation has no such network.
    NotFound,
    /// The network is on no BSSID.
    NoBss,
}

/// A challenge as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChallengeRow {
    pub(crate) id: ChallengeId,
    pub(crate) org: OrgId,
    pub(crate) router: RouterId,
    pub(crate) network: NetworkId,
    pub(crate) ssid: ChallengeName,
    pub(crate) bssids: Vec<Bssid>,
    /// Seconds of Unix time.
    pub(crate) created: u64,
    pub(crate) until: u64,
    /// `open`, `on-air`, `refused`, `verified`, `failed`, `over`.
    pub(crate) state: String,
    /// For people.
    pub(crate) why: String,
}

impl ChallengeRow {
    /// Whether a witness may still be heard.
    pub(crate) fn is_open(&self, now: u64) -> bool {
        matches!(self.state.as_str(), "open" | "on-air") && now < self.until
    }
}

/// What a witness has heard, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    /// Whose network it is; `None` if there is no such challenge.
    pub(crate) router: Option<RouterId>,
    /// Whether another organisation has proved one of these BSSIDs, too.
    pub(crate) conflict: bool,
}

impl Store {
    /// Opens a challenge for a network; one that is open already is over by that.
    pub(crate) async fn challenge(&self, new: &NewChallenge<'_>, by: By<'_>) -> Result<ChallengeStart> {
        let mut tx = self.begin().await?;
        let known = sqlx::query(
            "UPDATE networks SET security = security WHERE router = $1 AND id = $2
             AND EXISTS (SELECT 1 FROM routers r WHERE r.id = $1 AND r.org = $3)",
        )
        .bind(new.router.as_str())
        .bind(new.network.as_str())
        .bind(new.org.as_str())
        .execute(&mut *tx)
        .await?;
        if known.rows_affected() == 0 {
            return Ok(ChallengeStart::NotFound);
        }
        let bssids: Vec<(i64,)> =
            sqlx::query_as("SELECT bssid FROM bss WHERE router = $1 AND network = $2 ORDER BY bssid")
                .bind(new.router.as_str())
                .bind(new.network.as_str())
                .fetch_all(&mut *tx)
                .await?;
        if bssids.is_empty() {
            return Ok(ChallengeStart::NoBss);
        }
        sqlx::query(
            "UPDATE challenges SET state = 'over', why = 'another one was asked for'
             WHERE router = $1 AND network = $2 AND state IN ('open', 'on-air')",
        )
        .bind(new.router.as_str())
        .bind(new.network.as_str())
        .execute(&mut *tx)
        .await?;
        let bssids: Vec<i64> = bssids.into_iter().map(|(bssid,)| bssid).collect();
        let until = by.at + LIFETIME;
        sqlx::query(
            "INSERT INTO challenges (id, org, router, network, ssid, bssids, code, asked_by, created, until, state)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'open')",
        )
        .bind(new.id.as_str())
        .bind(new.org.as_str())
        .bind(new.router.as_str())
        .bind(new.network.as_str())
        .bind(new.ssid.to_string())
        .bind(write_json(&bssids, "BSSIDs")?)
        .bind(&new.code[..])
        .bind(by.who)
        .bind(int(by.at))
        .bind(int(until))
        .execute(&mut *tx)
        .await?;
        let subject = format!("{} {}", new.router, new.network);
        note(&mut tx, Some(new.org), by, "network.challenge", &subject, new.id.as_str()).await?;
        tx.commit().await?;
        Ok(ChallengeStart::Open(until))
    }

    /// A challenge of an organisation.
    pub(crate) async fn challenge_row(&self, org: &OrgId, id: &ChallengeId) -> Result<Option<ChallengeRow>> {
        let row: Option<Row> =
            sqlx::query_as(AssertSqlSafe(format!("SELECT {COLUMNS} FROM challenges WHERE id = $1 AND org = $2")))
                .bind(id.as_str())
                .bind(org.as_str())
                .fetch_optional(&self.read)
                .await?;
        row.map(read_row).transpose()
    }

    /// The newest challenge of each of a router's networks, open or not.
    pub(crate) async fn challenges_of(&self, router: &RouterId) -> Result<Vec<ChallengeRow>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM challenges WHERE router = $1 AND created = (SELECT max(d.created) FROM challenges d
                 WHERE d.router = challenges.router AND d.network = challenges.network) ORDER BY network, id"
        );
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(sql)).bind(router.as_str()).fetch_all(&self.read).await?;
        rows.into_iter().map(read_row).collect()
    }

    /// Ends a challenge before its time. `false` if the organisation has no open one of that name.
    pub(crate) async fn end_challenge(&self, org: &OrgId, id: &ChallengeId, by: By<'_>) -> Result<Option<RouterId>> {
        let mut tx = self.begin().await?;
        let ended: Option<(String,)> = sqlx::query_as(
            "UPDATE challenges SET state = 'over', why = 'taken back' WHERE id = $1 AND org = $2
             AND state IN ('open', 'on-air') RETURNING router",
        )
        .bind(id.as_str())
        .bind(org.as_str())
        .fetch_optional(&mut *tx)
        .await?;
        let Some((router,)) = ended else { return Ok(None) };
        note(&mut tx, Some(org), by, "network.challenge.end", id.as_str(), "").await?;
        tx.commit().await?;
        read_id(&router, "router id").map(Some)
    }

    /// What the router says of a challenge. `false` if it has none of that name.
    pub(crate) async fn challenge_state(
        &self,
        router: &RouterId,
        id: &ChallengeId,
        state: &ChallengeState,
    ) -> Result<bool> {
        let (to, why, from) = match state {
            ChallengeState::OnAir { .. } => ("on-air", "", "('open', 'on-air')"),
            // That it is off the air before a witness spoke says that the router has given up.
            ChallengeState::OffAir => ("over", "", "('on-air')"),
            ChallengeState::Refused { why } => ("refused", why.as_str(), "('open', 'on-air')"),
        };
        let sql = format!(
            "UPDATE challenges SET state = CASE WHEN state IN {from} THEN $3 ELSE state END,
                 why = CASE WHEN state IN {from} THEN $4 ELSE why END
             WHERE id = $1 AND router = $2"
        );
        let mut tx = self.begin().await?;
        let known = sqlx::query(AssertSqlSafe(sql))
            .bind(id.as_str())
            .bind(router.as_str())
            .bind(to)
            .bind(why)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(known.rows_affected() > 0)
    }

    /// Compares what a witness heard with a challenge, and registers what agrees. `code` is the witness's; a router that was
    /// asked needs none.
    pub(crate) async fn testify(
        &self,
        id: &ChallengeId,
        witness: Witness<'_>,
        heard: &[(Bssid, Ssid)],
        by: By<'_>,
    ) -> Result<Finding> {
        let mut tx = self.begin().await?;
        let row: Option<Row> = sqlx::query_as(AssertSqlSafe(format!(
            "UPDATE challenges SET state = state WHERE id = $1 AND ($2 = '' OR EXISTS (
                 SELECT 1 FROM witnesses w WHERE w.challenge = $1 AND w.router = $2)) RETURNING {COLUMNS}"
        )))
        .bind(id.as_str())
        .bind(witness.router().map_or("", RouterId::as_str))
        .fetch_optional(&mut *tx)
        .await?;
        let over = Verdict { result: Outcome::Over, registered: Vec::new() };
        let Some(challenge) = row.map(read_row).transpose()? else {
            return Ok(Finding { verdict: over, router: None, conflict: false });
        };
        if !witness.may_speak(&mut tx, id).await? {
            return Ok(Finding { verdict: over, router: None, conflict: false });
        }
        let router = Some(challenge.router.clone());
        if !challenge.is_open(by.at) {
            return Ok(Finding { verdict: over, router, conflict: false });
        }
        let carriers: Vec<_> = heard.iter().filter(|(_, ssid)| ssid == challenge.ssid.ssid()).collect();
        let mut registered: Vec<_> =
            carriers.iter().map(|(b, _)| *b).filter(|b| challenge.bssids.contains(b)).collect();
        registered.sort_unstable();
        registered.dedup();
        if registered.is_empty() {
            let result = if carriers.is_empty() { Outcome::NotHeard } else { Outcome::WrongBssid };
            if let Witness::Router(witness) = witness {
                answered(&mut tx, id, witness).await?;
            }
            tx.commit().await?;
            return Ok(Finding { verdict: Verdict { result, registered }, router, conflict: false });
        }
        let proved = registered.iter().copied().collect();
        let conflict = register(&mut tx, self.dialect(), &challenge.org, &proved, How::Witnessed, by.at).await?;
        sqlx::query("UPDATE challenges SET state = 'verified', why = $2 WHERE id = $1")
            .bind(id.as_str())
            .bind(by.who)
            .execute(&mut *tx)
            .await?;
        let subject = format!("{} {}", challenge.router, challenge.network);
        let detail = format!("{} of {} BSSIDs", registered.len(), challenge.bssids.len());
        note(&mut tx, Some(&challenge.org), by, "network.verified", &subject, &detail).await?;
        if conflict {
            note(&mut tx, Some(&challenge.org), by, "network.conflict", &subject, "").await?;
            note(&mut tx, None, by, "network.conflict", &subject, challenge.org.as_str()).await?;
        }
        tx.commit().await?;
        Ok(Finding { verdict: Verdict { result: Outcome::Verified, registered }, router, conflict })
    }

    /// Asks verified routers near a network to listen for its challenge: at most `most`, those of others first, for they are
    /// the better witnesses. Gives them.
    pub(crate) async fn ask_witnesses(&self, challenge: &ChallengeRow, most: usize, now: u64) -> Result<Vec<RouterId>> {
        let mut tx = self.begin().await?;
        let place: Option<(Option<f64>, Option<f64>, String)> = sqlx::query_as(
            "SELECT n.lat, n.lon, r.area FROM networks n JOIN routers r ON r.id = n.router WHERE n.router = $1 AND n.id = $2",
        )
        .bind(challenge.router.as_str())
        .bind(challenge.network.as_str())
        .fetch_optional(&mut *tx)
        .await?;
        let Some((lat, lon, area)) = place else { return Ok(Vec::new()) };
        let near = lat.zip(lon).and_then(|(lat, lon)| welcome_proto::announce::Place::new(lat, lon).ok());
        let cells = near.map(place::around).unwrap_or_default();
        let sql = format!(
            "SELECT DISTINCT r.id, CASE WHEN r.org = $3 THEN 1 ELSE 0 END AS own FROM (
                 SELECT m.router AS id FROM networks m WHERE {} UNION SELECT h.id FROM routers h WHERE h.area = $2) AS near
             JOIN routers r ON r.id = near.id
             JOIN networks n ON n.router = r.id JOIN bss b ON b.router = n.router AND b.network = n.id
             JOIN registrations g ON g.bssid = b.bssid AND g.org = r.org AND g.conflict = 0 AND g.expires > $4
             WHERE r.id <> $5 AND r.kind = 'agent' AND r.seen > $4 - {PRESENT}
             ORDER BY own, r.id LIMIT $6",
            self.dialect().is_one_of("m.cell9", 1)
        );
        let routers: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(self.dialect().numbers(&cells))
            .bind(area)
            .bind(challenge.org.as_str())
            .bind(int(now))
            .bind(challenge.router.as_str())
            .bind(super::length(most))
            .fetch_all(&mut *tx)
            .await?;
        for (router, _) in &routers {
            sqlx::query("INSERT INTO witnesses (challenge, router) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(challenge.id.as_str())
                .bind(router)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        routers.iter().map(|(router, _)| read_id(router, "router id")).collect()
    }

    /// What a router is asked to listen for at this moment: while it is on the air, and until it has answered.
    pub(crate) async fn questions_to(&self, router: &RouterId, now: u64) -> Result<Vec<ChallengeRow>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM challenges WHERE state = 'on-air' AND until > $2
             AND id IN (SELECT challenge FROM witnesses WHERE router = $1 AND answered = 0) ORDER BY id"
        );
        let rows: Vec<Row> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(router.as_str()).bind(int(now)).fetch_all(&self.read).await?;
        rows.into_iter().map(read_row).collect()
    }

    /// The routers that were asked about a challenge.
    pub(crate) async fn witnesses_of(&self, id: &ChallengeId) -> Result<Vec<RouterId>> {
        let rows: Vec<(String,)> = sqlx::query_as("SELECT router FROM witnesses WHERE challenge = $1 ORDER BY router")
            .bind(id.as_str())
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(|(router,)| read_id(router, "router id")).collect()
    }
}

/// Who says what they heard.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Witness<'a> {
    /// Whoever holds the code of the challenge.
    Code(Hash),
    /// A router that was asked.
    Router(&'a RouterId),
}

impl Witness<'_> {
    fn router(&self) -> Option<&RouterId> {
        match self {
            Self::Router(router) => Some(router),
            Self::Code(_) => None,
        }
    }

    async fn may_speak(&self, tx: &mut Transaction<'_, Any>, id: &ChallengeId) -> Result<bool> {
        let Self::Code(code) = self else { return Ok(true) };
        let (fits,): (i64,) = sqlx::query_as("SELECT count(*) FROM challenges WHERE id = $1 AND code = $2")
            .bind(id.as_str())
            .bind(&code[..])
            .fetch_one(&mut **tx)
            .await?;
        Ok(fits > 0)
    }
}

/// Seconds since a router was there last that can be asked.
const PRESENT: u64 = 180;

const COLUMNS: &str = "id, org, router, network, ssid, bssids, created, until, state, why";

type Row = (String, String, String, String, String, String, i64, i64, String, String);

fn read_row((id, org, router, network, ssid, bssids, created, until, state, why): Row) -> Result<ChallengeRow> {
    let bssids: Vec<i64> = read_json(&bssids, "BSSIDs")?;
    Ok(ChallengeRow {
        id: read_id(&id, "challenge")?,
        org: read_id(&org, "organisation")?,
        router: read_id(&router, "router id")?,
        network: read_id(&network, "network id")?,
        ssid: ssid.parse().map_err(|_| StoreError::Unreadable("challenge"))?,
        bssids: bssids.into_iter().map(read_bssid).collect::<Result<_>>()?,
        created: read_u64(created, "time")?,
        until: read_u64(until, "time")?,
        state,
        why,
    })
}

async fn answered(tx: &mut Transaction<'_, Any>, id: &ChallengeId, router: &RouterId) -> Result<()> {
    sqlx::query("UPDATE witnesses SET answered = 1 WHERE challenge = $1 AND router = $2")
        .bind(id.as_str())
        .bind(router.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
