//! Why a request was not done. The only place that chooses a status; details of our own go to the log, never to the peer.

use axum::Extension;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use welcome_proto::problem::{self, Problem};

use crate::metrics::DatabaseFailed;
use crate::rights::Scope;
use crate::store::StoreError;

/// A request that was not done.
#[derive(Debug)]
pub(crate) enum Error {
    /// The enrolment token is unknown, used or expired; which of them is not said.
    BadToken,
    /// The signature does not fit; the text is for the log.
    BadSignature(&'static str),
    /// Well signed, at another time than this one (Unix seconds).
    ClockSkew { now: u64 },
    /// There is no such router.
    UnknownRouter,
    /// An announce that is not newer than the generation the server has.
    StaleGeneration { generation: u64 },
    /// The request cannot be used; the text is for the peer.
    BadRequest(String),
    /// No API token, or one that is not good.
    NoToken,
    /// The API token has not this scope.
    Scope(Scope),
    /// Not logged in.
    NotLoggedIn,
    /// Known, but without the right; the text is for the peer.
    Forbidden(&'static str),
    /// Too many tries; seconds to wait.
    SlowDown(u64),
    /// Nothing is here.
    NotFound,
    /// Something is here, for another method.
    MethodNotAllowed,
    /// It would be more than there is room for; the text is for the peer.
    Full(&'static str),
    /// The body is too long.
    TooLong,
    /// The body came too slowly.
    TooSlow,
    /// We had too much to do to answer in time.
    Busy,
    /// Our own fault.
    Internal(StoreError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Internal(error)
    }
}

impl From<BytesRejection> for Error {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLong,
            _ => Self::BadRequest("the body did not arrive whole".to_owned()),
        }
    }
}

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Self {
        Self::BadRequest(rejection.body_text())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let problem = match self {
            Self::BadToken => named(problem::BAD_TOKEN, StatusCode::FORBIDDEN, "unknown, used or expired token")
                .detail("ask the operator for a new one"),
            Self::BadSignature(why) => {
                tracing::debug!(why, "refused a signature");
                named(problem::BAD_SIGNATURE, StatusCode::UNAUTHORIZED, "the signature does not fit the request")
            }
            Self::ClockSkew { now } => {
                let mut answer = named(problem::CLOCK_SKEW, StatusCode::UNAUTHORIZED, "signed at another time")
                    .detail("sign again with the time given here");
                answer.0.now = Some(now);
                answer
            }
            Self::UnknownRouter => {
                named(problem::UNKNOWN_ROUTER, StatusCode::UNAUTHORIZED, "no router of that name may speak here")
                    .detail("enrol it with a new token")
            }
            Self::StaleGeneration { generation } => {
                let mut answer = named(problem::STALE_GENERATION, StatusCode::CONFLICT, "not newer than what is here")
                    .detail("announce again with a generation above the one given here");
                answer.0.generation = Some(generation);
                answer
            }
            Self::BadRequest(why) => {
                named(problem::BAD_REQUEST, StatusCode::BAD_REQUEST, "the request cannot be used").detail(&why)
            }
            Self::NoToken => plain(StatusCode::UNAUTHORIZED).detail("give an API token as a bearer token"),
            Self::Scope(scope) => {
                plain(StatusCode::FORBIDDEN).detail(&format!("the API token has not the scope {}", scope.as_str()))
            }
            Self::NotLoggedIn => plain(StatusCode::UNAUTHORIZED).detail("log in"),
            Self::Forbidden(why) => plain(StatusCode::FORBIDDEN).detail(why),
            Self::SlowDown(seconds) => {
                plain(StatusCode::TOO_MANY_REQUESTS).detail(&format!("too many tries: wait {seconds} s"))
            }
            Self::NotFound => plain(StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => plain(StatusCode::METHOD_NOT_ALLOWED),
            Self::Full(what) => plain(StatusCode::CONFLICT).detail(what),
            Self::TooLong => plain(StatusCode::PAYLOAD_TOO_LARGE).detail("a body has at most 64 KiB, a file 256 KiB"),
            Self::TooSlow => plain(StatusCode::REQUEST_TIMEOUT).detail("a body has 10 s to arrive"),
            Self::Busy => plain(StatusCode::SERVICE_UNAVAILABLE).detail("try again later"),
            Self::Internal(error) => {
                tracing::error!(%error, "failed to answer a request");
                let answer = plain(StatusCode::INTERNAL_SERVER_ERROR);
                return (Extension(DatabaseFailed), answer).into_response();
            }
        };
        problem.into_response()
    }
}

struct Answer(Problem);

fn named(name: &str, status: StatusCode, title: &str) -> Answer {
    Answer(Problem::new(name, status.as_u16(), title))
}

/// A problem of which the status says it all (RFC 9457 section 4.2.1).
fn plain(status: StatusCode) -> Answer {
    let title = status.canonical_reason().unwrap_or_default();
    let mut problem = Problem::new("", status.as_u16(), title);
    "about:blank".clone_into(&mut problem.kind);
    Answer(problem)
}

impl Answer {
    fn detail(mut self, text: &str) -> Self {
        self.0.detail = Some(text.to_owned());
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self.0).unwrap_or_default();
        let mut response = (status, [(CONTENT_TYPE, problem::MEDIA_TYPE)], body).into_response();
        if status == StatusCode::UNAUTHORIZED && self.0.name().is_empty() {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
