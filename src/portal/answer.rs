//! The shapes of answers: JSON, pages, redirects, and refusals as problem documents (RFC 9457).

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{Either, Full};
use serde::Serialize;
use tracing::warn;
use welcome_proto::problem::{self, Problem};

use super::page::{Escaped, Page};
use super::stream::EventStream;

/// The body of an answer.
pub type Body = Either<Full<Bytes>, EventStream>;

/// The media type of most of what apps get.
pub const JSON: &str = "application/json";

/// A document.
pub fn json(status: StatusCode, media_type: &'static str, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(text) => typed(status, media_type, text),
        Err(error) => {
            warn!(%error, "an answer could not be written");
            typed(StatusCode::INTERNAL_SERVER_ERROR, media_type, Bytes::new())
        }
    }
}

/// A page in one of our languages.
pub fn html(status: StatusCode, Page { html, policy }: Page, language: &str) -> Response<Body> {
    let mut answer = typed(status, HTML, html);
    set(&mut answer, header::CONTENT_SECURITY_POLICY, &policy);
    set(&mut answer, header::CONTENT_LANGUAGE, language);
    set(&mut answer, header::VARY, "accept-language");
    answer
}

/// The way to another address. The body is for who does not follow it by itself; systems that probe take an answer with
/// less than 5 bytes for a broken network.
pub fn redirect(status: StatusCode, to: &str) -> Response<Body> {
    let shown = Escaped(to);
    let mut answer =
        typed(status, HTML, format!("<!DOCTYPE html><title>Wi-Fi</title><a href=\"{shown}\">{shown}</a>\n"));
    set(&mut answer, header::LOCATION, to);
    answer
}

/// Bytes of this type.
pub fn typed(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(Either::Left(Full::new(body.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

/// `204`.
pub fn nothing() -> Response<Body> {
    let mut answer = Response::new(Either::Left(Full::default()));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

/// A header whose value was checked to be one; left out if it was not.
pub fn set(answer: &mut Response<Body>, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => drop(answer.headers_mut().insert(name, value)),
        Err(error) => warn!(%name, %error, "a header could not be written"),
    }
}

/// Why a request gets no answer of its kind.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such path.
    NotFound,
    /// There is, for these methods.
    WrongMethod(&'static str),
    /// Only guests find something there.
    NotAGuest,
    /// The form was not sent by our page.
    NotOurPage,
    /// A gate is in the way.
    Held,
    /// The request makes no sense.
    BadRequest(String),
    /// Its body is too long.
    TooLarge,
    /// Its body does not come.
    TooSlow,
    /// Too much to do at this moment.
    Busy,
    /// The router has no way to the Internet, or to this place.
    NoWay,
}

impl Refusal {
    /// As a problem document.
    pub fn answer(self) -> Response<Body> {
        let (status, name, title) = match &self {
            Self::NotFound => (StatusCode::NOT_FOUND, None, "There is nothing here"),
            Self::WrongMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, None, "This path is not for that method"),
            Self::NotAGuest => (StatusCode::NOT_FOUND, Some(problem::NOT_A_GUEST), "This device is no guest here"),
            Self::NotOurPage => (StatusCode::FORBIDDEN, None, "Only the page of this router can send this form"),
            Self::Held => (StatusCode::FORBIDDEN, None, "The page of this Wi-Fi has to be opened first"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, Some(problem::BAD_REQUEST), "The request cannot be used"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, None, "The body is longer than 4 KiB"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, None, "The body did not come in time"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, None, "The router is busy; ask again in a moment"),
            Self::NoWay => (StatusCode::SERVICE_UNAVAILABLE, None, "There is no way to the Internet at this moment"),
        };
        let mut problem = Problem::new(name.unwrap_or_default(), status.as_u16(), title);
        if name.is_none() {
            "about:blank".clone_into(&mut problem.kind);
        }
        let (extra, detail) = match self {
            Self::WrongMethod(allow) => (Some((header::ALLOW, allow)), None),
            Self::Busy => (Some((header::RETRY_AFTER, "1")), None),
            Self::BadRequest(detail) => (None, Some(detail)),
            _ => (None, None),
        };
        problem.detail = detail;
        let mut answer = json(status, problem::MEDIA_TYPE, &problem);
        if let Some((name, value)) = extra {
            set(&mut answer, name, value);
        }
        answer
    }
}

const HTML: &str = "text/html; charset=utf-8";
