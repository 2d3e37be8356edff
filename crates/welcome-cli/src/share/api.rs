//! What a sharer asks of the server: `/v1/share/…` with an API token, and `/v1/witness` without one.
//!
//! In: where the server is. Out: answers of limited size, or a [`Failure`] in the server's own words. TLS and its limits
//! are those of [`crate::directory`].

use crate::cli::Common;
use crate::directory::{body, client, reason};
use crate::exit::Failure;
use anyhow::{Context as _, anyhow};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use welcome_proto::announce::{AnnouncedBss, AnnouncedNetwork, Security};
use welcome_proto::arrival::ToServe;
use welcome_proto::challenge::{ChallengeName, HeardName, Step, Testimony, Verdict};
use welcome_proto::lookup::{BssidQuery, Listing};
use welcome_proto::offer::Offer;
use welcome_proto::problem::Problem;
use welcome_proto::{Bssid, ChallengeId, NetworkId, OfferId, RouterId, Secret, Ssid};

/// A server, as a sharer or a witness speaks to it.
pub(super) struct Api {
    client: Client,
    server: Url,
}

/// One of the sharer's networks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SharedNetwork {
    pub(super) router: RouterId,
    #[serde(default)]
    pub(super) router_name: String,
    pub(super) network: NetworkId,
    pub(super) ssid: Ssid,
    pub(super) security: Security,
    /// Whether its router has no agent.
    #[serde(default)]
    pub(super) by_hand: bool,
    pub(super) state: Step,
    /// Until when that is proved, in seconds of Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<u64>,
    pub(super) bss: Vec<SharedBss>,
}

/// One radio of such a network.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SharedBss {
    pub(super) bssid: Bssid,
    /// Whether clients find it.
    pub(super) listed: bool,
}

/// A challenge that was just made.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    pub(super) challenge: ChallengeId,
    /// What is to be on the air.
    pub(super) ssid: ChallengeName,
    pub(super) code: Secret,
    pub(super) until: u64,
    /// Whether a person has to rename the network.
    pub(super) by_hand: bool,
    /// How many verified routers nearby listen, too.
    pub(super) witnesses: u64,
}

/// How a challenge stands.
#[derive(Debug, Deserialize)]
pub(super) struct ChallengeStanding {
    /// The BSSIDs that the network was on when it was asked for.
    pub(super) bssids: Vec<Bssid>,
    /// `open`, `on-air`, `verified`, `refused`, `over`.
    pub(super) state: String,
    #[serde(default)]
    pub(super) why: String,
}

impl Api {
    /// For a witness: no token is needed.
    pub(super) fn of_witness(common: &Common) -> Result<Self, Failure> {
        let server = common.server.clone().ok_or_else(|| Failure::Usage("share needs --server URL".into()))?;
        let client = client(&server, common.ca_file.as_deref(), common.token_file.as_deref())?;
        Ok(Self { client, server })
    }

    /// For a sharer.
    pub(super) fn of_sharer(common: &Common) -> Result<Self, Failure> {
        if common.token_file.is_none() {
            let why = "share needs --token-file FILE: an API token with the scope share";
            return Err(Failure::Usage(why.into()));
        }
        Self::of_witness(common)
    }

    pub(super) async fn networks(&self) -> Result<Vec<SharedNetwork>, Failure> {
        let Networks { networks } = self.get(&["share", "networks"]).await?;
        Ok(networks)
    }

    pub(super) async fn add(&self, network: &AnnouncedNetwork) -> Result<(RouterId, NetworkId), Failure> {
        let body = json!({ "network": network });
        let Added { router, network } = self.ask(Method::POST, &["share", "networks"], Some(&body)).await?;
        Ok((router, network))
    }

    pub(super) async fn change_bss(&self, of: &SharedNetwork, bss: &[AnnouncedBss]) -> Result<(), Failure> {
        let body = json!({ "bss": bss });
        self.send(Method::PUT, &self.path(of, &["bss"]), Some(&body)).await?;
        Ok(())
    }

    /// Takes a network of a router without an agent away; `false` if there was none.
    pub(super) async fn remove(&self, router: &RouterId, network: &NetworkId) -> Result<bool, Failure> {
        self.delete(&["share", "networks", router.as_str(), network.as_str()]).await
    }

    pub(super) async fn challenge(&self, of: &SharedNetwork) -> Result<Asked, Failure> {
        self.ask(Method::POST, &self.path(of, &["challenge"]), None::<&()>).await
    }

    pub(super) async fn standing(&self, challenge: &ChallengeId) -> Result<ChallengeStanding, Failure> {
        self.get(&["share", "challenges", challenge.as_str()]).await
    }

    /// Takes a challenge back; `false` if it was over.
    pub(super) async fn end_challenge(&self, challenge: &ChallengeId) -> Result<bool, Failure> {
        self.delete(&["share", "challenges", challenge.as_str()]).await
    }

    pub(super) async fn testify(
        &self,
        challenge: &ChallengeId,
        code: &Secret,
        heard: Vec<HeardName>,
    ) -> Result<Verdict, Failure> {
        let testimony = Testimony { challenge: challenge.clone(), code: code.clone(), heard };
        self.ask(Method::POST, &["witness"], Some(&testimony)).await
    }

    pub(super) async fn offers(&self, of: &SharedNetwork) -> Result<Vec<Offer>, Failure> {
        let Offers { offers } = self.get(&self.path(of, &["offers"])).await?;
        Ok(offers)
    }

    /// What may be said at that network, signed.
    pub(super) async fn to_serve(&self, of: &SharedNetwork) -> Result<ToServe, Failure> {
        self.get(&self.path(of, &["statements"])).await
    }

    pub(super) async fn put_offer(&self, of: &SharedNetwork, offer: &Offer) -> Result<(), Failure> {
        self.send(Method::PUT, &self.path(of, &["offers", offer.id.as_str()]), Some(offer)).await?;
        Ok(())
    }

    /// Takes a message away; `false` if there was none.
    pub(super) async fn remove_offer(&self, of: &SharedNetwork, id: &OfferId) -> Result<bool, Failure> {
        self.delete(&self.path(of, &["offers", id.as_str()])).await
    }

    /// What is listed of these.
    pub(super) async fn look_up(&self, bssids: Vec<Bssid>) -> Result<Listing, Failure> {
        self.ask(Method::POST, &["lookup", "bssids"], Some(&BssidQuery { bssids })).await
    }

    fn path<'a>(&self, of: &'a SharedNetwork, more: &[&'a str]) -> Vec<&'a str> {
        [&["share", "networks", of.router.as_str(), of.network.as_str()][..], more].concat()
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        self.ask(Method::GET, path, None::<&()>).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let answer = self.send(method, path, body).await?;
        // The parser's error could quote a code: only its place is told.
        serde_json::from_slice(&answer).map_err(|error| {
            let place = (error.line(), error.column());
            Failure::Other(anyhow!("the server's answer cannot be used: wrong at line {} column {}", place.0, place.1))
        })
    }

    async fn delete(&self, path: &[&str]) -> Result<bool, Failure> {
        let (status, answer) = self.exchange(Method::DELETE, path, None::<&()>).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        accepted(status, answer).map(|_| true)
    }

    async fn send(&self, method: Method, path: &[&str], body: Option<&impl Serialize>) -> Result<Vec<u8>, Failure> {
        let (status, answer) = self.exchange(method, path, body).await?;
        accepted(status, answer)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &[&str],
        content: Option<&impl Serialize>,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let mut url = self.server.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::Usage("--server: expected https://HOST".into()))?
            .pop_if_empty()
            .push("v1")
            .extend(path);
        let mut request = self.client.request(method, url);
        if let Some(content) = content {
            let text = serde_json::to_vec(content).context("failed to write a request")?;
            request = request.header(CONTENT_TYPE, "application/json").body(text);
        }
        let unreachable = |error: anyhow::Error| Failure::Server(format!("failed to reach the server: {error:#}"));
        let response = request.send().await.map_err(|error| unreachable(reason(error)))?;
        let status = response.status();
        Ok((status, body(response, MAX_ANSWER).await.map_err(unreachable)?))
    }
}

fn accepted(status: StatusCode, answer: Vec<u8>) -> Result<Vec<u8>, Failure> {
    if status.is_success() {
        return Ok(answer);
    }
    let problem = serde_json::from_slice::<Problem>(&answer).ok();
    let why = problem.map(|problem| format!(": {}", problem.detail.unwrap_or(problem.title)));
    let text = format!("the server answered {status}{}", why.unwrap_or_default());
    Err(match status {
        // Later it may answer.
        StatusCode::TOO_MANY_REQUESTS => Failure::Server(text),
        status if status.is_server_error() => Failure::Server(text),
        _ => Failure::Other(anyhow!(text)),
    })
}

/// A thousand networks of some kilobytes.
const MAX_ANSWER: usize = 4 << 20;

#[derive(Deserialize)]
struct Networks {
    networks: Vec<SharedNetwork>,
}

#[derive(Deserialize)]
struct Added {
    router: RouterId,
    network: NetworkId,
}

#[derive(Deserialize)]
struct Offers {
    offers: Vec<Offer>,
}
