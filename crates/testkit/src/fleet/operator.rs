//! What the operator of a server does by its API.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use serde::Deserialize;
use serde_json::{Value, json};
use welcome_proto::{ChallengeId, RouterId, Secret};

use super::http::{Answer, Connection, Error, Server};

/// A program of the operator's, with its API token.
#[derive(Debug)]
pub struct Operator {
    connection: Connection,
    bearer: HeaderValue,
}

impl Operator {
    /// Connects to a server, to ask with this token.
    ///
    /// # Errors
    /// If there is no connection, or the token cannot stand in a header.
    pub async fn connect(server: &Server, token: &Secret) -> Result<Self, Error> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
            .map_err(|_| std::io::Error::other("the token: letters and digits only"))?;
        bearer.set_sensitive(true);
        Ok(Self { connection: server.connect().await?, bearer })
    }

    /// A token for one router, for the next hour.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn enrolment_token(&mut self) -> Result<Secret, Error> {
        let body = json!({"name": "", "ttl_s": 3600});
        let TokenReply { token } = self.ask(Method::POST, "/v1/operator/tokens", Some(&body)).await?.read()?;
        Ok(token)
    }

    /// Has all routers of the organisation show this.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn publish(&mut self, id: &str, title: &str) -> Result<(), Error> {
        let offer = json!({"offer": {"id": id, "content": {"title": title}}});
        self.ask(Method::PUT, &format!("/v1/operator/offers/{id}"), Some(&offer)).await?.accepted().map(drop)
    }

    /// Asks for a challenge for a network: its name, and how many routers nearby are asked to listen.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn challenge(&mut self, router: &RouterId, network: &str) -> Result<(ChallengeId, usize), Error> {
        let target = format!("/v1/share/networks/{router}/{network}/challenge");
        let Asked { challenge, witnesses } = self.ask(Method::POST, &target, None).await?.read()?;
        Ok((challenge, witnesses))
    }

    /// How a challenge stands, in a word.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn challenge_state(&mut self, challenge: &ChallengeId) -> Result<String, Error> {
        let target = format!("/v1/share/challenges/{challenge}");
        let Standing { state } = self.ask(Method::GET, &target, None).await?.read()?;
        Ok(state)
    }

    /// How often a router has reported this.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn count(&mut self, router: &RouterId, what: &str) -> Result<u64, Error> {
        let target = format!("/v1/operator/routers/{router}/reports");
        let Reports { totals } = self.ask(Method::GET, &target, None).await?.read()?;
        Ok(totals.iter().filter(|total| total.what == what).map(|total| total.count).sum())
    }

    async fn ask(&mut self, method: Method, target: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let request = Request::builder().method(method).uri(target).header(AUTHORIZATION, self.bearer.clone());
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        self.connection.ask(request.expect("names are good in paths")).await
    }
}

#[derive(Deserialize)]
struct TokenReply {
    token: Secret,
}

#[derive(Deserialize)]
struct Asked {
    challenge: ChallengeId,
    witnesses: usize,
}

#[derive(Deserialize)]
struct Standing {
    state: String,
}

#[derive(Deserialize)]
struct Reports {
    totals: Vec<Total>,
}

#[derive(Deserialize)]
struct Total {
    what: String,
    count: u64,
}
