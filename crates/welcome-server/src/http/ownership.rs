//! Proving a network: challenges are asked for, carried by routers, heard by witnesses.
//!
//! A network is proved by the name that the server chose, heard on the BSSIDs that were announced, by somebody who is not the
//! router: a laptop that has the challenge's code, or a verified router nearby that was asked.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::Serialize;
use welcome_proto::challenge::{ChallengeName, ChallengeState, MAX_HEARD, MAX_WHY, Testimony, Verdict, WitnessReport};
use welcome_proto::{Bssid, ChallengeId, NetworkId, RouterId, Secret};

use super::error::Error;
use super::guard::{Program, Signed};
use super::{App, Body, Named, Shared, parse};
use crate::app::unix_now;
use crate::ids::OrgId;
use crate::signal::Signal;
use crate::store::{By, ChallengeRow, ChallengeStart, Finding, NewChallenge, StoreError, Witness};
use crate::token;

/// `POST /v1/share/networks/{router}/{network}/challenge`.
pub(crate) async fn ask(
    State(app): Shared,
    program: Program,
    Named((router, network)): Named<(RouterId, NetworkId)>,
) -> Result<impl IntoResponse, Error> {
    let asked = app.ask_challenge(&program.org, &router, &network, program.by(unix_now())).await?;
    Ok((StatusCode::CREATED, Json(asked)))
}

/// `GET /v1/share/challenges/{challenge}`.
pub(crate) async fn look(
    State(app): Shared,
    program: Program,
    Named(id): Named<ChallengeId>,
) -> Result<impl IntoResponse, Error> {
    let row = app.store.challenge_row(&program.org, &id).await?.ok_or(Error::NotFound)?;
    let witnesses = app.store.witnesses_of(&id).await?.len();
    Ok(Json(Standing::of(row, witnesses, unix_now())))
}

/// `DELETE /v1/share/challenges/{challenge}`: takes it back.
pub(crate) async fn end(
    State(app): Shared,
    program: Program,
    Named(id): Named<ChallengeId>,
) -> Result<StatusCode, Error> {
    let router = app.store.end_challenge(&program.org, &id, program.by(unix_now())).await?.ok_or(Error::NotFound)?;
    app.signal(Signal::Router(router)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/routers/{router}/challenges/{challenge}`: the router's word on a challenge it was given.
pub(crate) async fn state(
    State(app): Shared,
    signed: Signed,
    Named((router, id)): Named<(RouterId, ChallengeId)>,
) -> Result<StatusCode, Error> {
    let mut state: ChallengeState = parse(&signed.body)?;
    if let ChallengeState::Refused { why } = &mut state {
        *why = why.chars().filter(|c| !c.is_control()).take(MAX_WHY).collect();
    }
    if !app.store.challenge_state(&router, &id, &state).await? {
        return Err(Error::NotFound);
    }
    tracing::info!(%router, challenge = %id, state = state_name(&state), "a router tells of its challenge");
    if matches!(state, ChallengeState::OnAir { .. }) {
        for witness in app.store.witnesses_of(&id).await? {
            app.signal(Signal::Router(witness)).await;
        }
    }
    app.signal(Signal::Router(router)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/routers/{router}/witness/{challenge}`: what a verified router heard that was asked to listen.
pub(crate) async fn router_witness(
    State(app): Shared,
    signed: Signed,
    Named((router, id)): Named<(RouterId, ChallengeId)>,
) -> Result<StatusCode, Error> {
    let report: WitnessReport = parse(&signed.body)?;
    if report.heard.len() > MAX_HEARD {
        return Err(Error::BadRequest("heard: at most 64".to_owned()));
    }
    let Some(name) = app.store.questions_to(&router, unix_now()).await?.into_iter().find(|q| q.id == id) else {
        return Err(Error::NotFound);
    };
    let heard: Vec<_> = report.heard.iter().map(|h| (h.bssid, name.ssid.ssid().clone())).collect();
    let who = format!("router {router}");
    app.testify(&id, Witness::Router(&router), &heard, By { who: &who, at: unix_now() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/witness`: what a laptop or phone heard.
pub(crate) async fn witness(State(app): Shared, Body(body): Body) -> Result<Json<Verdict>, Error> {
    let Testimony { challenge, code, heard } = parse(&body)?;
    if heard.len() > MAX_HEARD {
        return Err(Error::BadRequest("heard: at most 64".to_owned()));
    }
    let heard: Vec<_> = heard.into_iter().map(|h| (h.heard.bssid, h.ssid)).collect();
    let witness = Witness::Code(token::hash(code.reveal()));
    Ok(Json(app.testify(&challenge, witness, &heard, By { who: "witness with the code", at: unix_now() }).await?))
}

/// A challenge that was just made.
#[derive(Debug, Serialize)]
pub(crate) struct Asked {
    pub(crate) challenge: ChallengeId,
    /// What is to be on the air.
    pub(crate) ssid: ChallengeName,
    /// Lets one witness speak; shown once.
    pub(crate) code: Secret,
    /// Unix time.
    pub(crate) until: u64,
    /// Whether the router has no agent, and a person has to rename the network.
    pub(crate) by_hand: bool,
    /// How many verified routers nearby will be asked, too.
    pub(crate) witnesses: usize,
}

/// How a challenge stands.
#[derive(Debug, Serialize)]
struct Standing {
    challenge: ChallengeId,
    router: RouterId,
    network: NetworkId,
    ssid: ChallengeName,
    bssids: Vec<Bssid>,
    state: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
    until: u64,
    witnesses: usize,
}

impl Standing {
    fn of(row: ChallengeRow, witnesses: usize, now: u64) -> Self {
        let state = if row.is_open(now) || !matches!(row.state.as_str(), "open" | "on-air") {
            row.state
        } else {
            "over".to_owned()
        };
        let ChallengeRow { id: challenge, router, network, ssid, bssids, why, until, .. } = row;
        Self { challenge, router, network, ssid, bssids, state, why, until, witnesses }
    }
}

impl App {
    /// Makes a challenge for a network and tells its router, and those that may witness it.
    pub(crate) async fn ask_challenge(
        &self,
        org: &OrgId,
        router: &RouterId,
        network: &NetworkId,
        by: By<'_>,
    ) -> Result<Asked, Error> {
        let by_hand = self.store.is_plain(org, router, network).await?.ok_or(Error::NotFound)?;
        let code = token::new_token();
        let challenge: ChallengeId =
            format!("c-{}", token::random_hex::<10>()).parse().expect("`c-` and hexadecimal digits are a challenge id");
        let ssid: ChallengeName = format!("welcome-{}", token::random_hex::<10>())
            .parse()
            .expect("twenty hexadecimal digits are a challenge");
        let code_hash = token::hash(code.reveal());
        let new = NewChallenge { id: challenge.clone(), org, router, network, ssid: ssid.clone(), code: code_hash };
        let until = match self.store.challenge(&new, by).await? {
            ChallengeStart::Open(until) => until,
            ChallengeStart::NotFound => return Err(Error::NotFound),
            ChallengeStart::NoBss => return Err(Error::Full("the network is on no radio at this moment")),
        };
        let row = self.store.challenge_row(org, &challenge).await?.ok_or(StoreError::Unreadable("challenge"))?;
        let witnesses = self.store.ask_witnesses(&row, MAX_WITNESSES, by.at).await?.len();
        self.signal(Signal::Router(router.clone())).await;
        Ok(Asked { challenge, ssid, code, until, by_hand, witnesses })
    }

    async fn testify(
        &self,
        id: &ChallengeId,
        witness: Witness<'_>,
        heard: &[(Bssid, welcome_proto::Ssid)],
        by: By<'_>,
    ) -> Result<Verdict, Error> {
        let Finding { verdict, router, conflict } = self.store.testify(id, witness, heard, by).await?;
        tracing::info!(challenge = %id, result = ?verdict.result, conflict, "compared what a witness heard");
        if let Some(router) = router {
            self.signal(Signal::Router(router)).await;
        }
        Ok(verdict)
    }
}

/// More would not know more.
const MAX_WITNESSES: usize = 3;

fn state_name(state: &ChallengeState) -> &'static str {
    match state {
        ChallengeState::OnAir { .. } => "on-air",
        ChallengeState::OffAir => "off-air",
        ChallengeState::Refused { .. } => "refused",
    }
}
