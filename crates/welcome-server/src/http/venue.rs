//! The captive portal API (RFC 8908) for routers without a certificate of their own, and the page it names.
//!
//! Phones ask here because DHCP told them to; a router never holds anybody here, so nobody is ever captive. The page is
//! for anybody who knows its address, and shows what was given to this server; what a router has of its own stays there.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use welcome_proto::captive::{Captive, MEDIA_TYPE, is_browser};
use welcome_proto::language::Preferred;
use welcome_proto::offer::Content;
use welcome_proto::{Language, NetworkId, RouterId};

use super::auth::authority;
use super::error::Error;
use super::{App, Named, Shared};
use crate::app::unix_now;
use crate::caller::Caller;
use crate::message::Colors;
use crate::store::{OfferRow, StoreError};
use crate::token;

/// `GET /v1/captive/{router}/{network}`.
pub(crate) async fn captive(
    State(app): Shared,
    Named((router, network)): Named<(RouterId, NetworkId)>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let offers = app.store.network_offers(&router, &network).await?.ok_or(Error::NotFound)?.offers;
    let venue = format!("{}/v1/venue/{router}/{network}", base(&app, caller, &headers)?);
    // What a person has to do with is a page, what a phone has to do with is the document.
    let common = [(VARY, "accept"), (CACHE_CONTROL, "private")];
    let accepts: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    if is_browser(&accepts.join(",")) {
        return Ok((StatusCode::FOUND, common, [(LOCATION, venue)]).into_response());
    }
    let something = offers.iter().any(|row| row.is_in_force(unix_now()));
    let answer = Captive { venue_info_url: something.then_some(venue), ..Captive::default() };
    let body = serde_json::to_string(&answer).map_err(|_| StoreError::Unreadable("captive portal"))?;
    Ok((common, [(CONTENT_TYPE, MEDIA_TYPE)], body).into_response())
}

/// `GET /v1/venue/{router}/{network}`.
pub(crate) async fn venue(
    State(app): Shared,
    Named((router, network)): Named<(RouterId, NetworkId)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let network = app.store.network_offers(&router, &network).await?.ok_or(Error::NotFound)?;
    let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
    let wanted = wanted.map(Preferred::parse).unwrap_or_default();
    let mut offers: Vec<_> = network.offers.iter().filter(|row| row.is_in_force(unix_now())).collect();
    offers.sort_by_key(|row| std::cmp::Reverse(row.offer.priority));
    let page = Page {
        ssid: network.ssid.to_string(),
        words: Words::of(&wanted),
        nonce: token::random_hex::<16>(),
        shown: offers.into_iter().map(|row| Shown::of(row, &wanted)).collect(),
        files: "../../content/",
    };
    let html = page.render().map_err(|_| StoreError::Unreadable("page"))?;
    let policy = format!(
        "default-src 'none'; img-src 'self'; style-src 'nonce-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        page.nonce
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, policy.as_str()),
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept-language"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (ROBOTS, "noindex"),
    ];
    Ok((headers, html).into_response())
}

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
/// The longest name in the DNS, and a port.
const MAX_AUTHORITY: usize = 253 + 6;

/// RFC 8908 section 5.
#[derive(Template)]
#[template(path = "venue.html")]
struct Page<'a> {
    ssid: String,
    words: &'static Words,
    nonce: String,
    shown: Vec<Shown<'a>>,
    files: &'static str,
}

struct Shown<'a> {
    content: &'a Content,
    /// Empty for the content of those who read none of its languages.
    language: &'a str,
    colors: Option<Colors>,
}

impl<'a> Shown<'a> {
    fn of(row: &'a OfferRow, wanted: &Preferred) -> Self {
        let (content, language) = wanted.content(&row.offer);
        Self { content, language: language.map_or("", Language::as_str), colors: content.color.map(Colors::of) }
    }
}

/// What the page itself says.
struct Words {
    language: &'static str,
    welcome_to: &'static str,
    open: &'static str,
    read_on: &'static str,
    nothing: &'static str,
}

impl Words {
    fn of(wanted: &Preferred) -> &'static Self {
        let all = [&ENGLISH, &CHINESE].into_iter().filter_map(|words| Some((words.language.parse().ok()?, words)));
        wanted.choose(&all.collect()).map_or(&ENGLISH, |(_, words)| words)
    }
}

const ENGLISH: Words = Words {
    language: "en",
    welcome_to: "Welcome to",
    open: "Open",
    read_on: "Read on",
    nothing: "There is no message at the moment.",
};
const CHINESE: Words =
    Words {
        language: "zh", welcome_to: "欢迎来到", open: "打开", read_on: "了解更多", nothing: "目前没有消息。"
    };

/// Where people reach this server: as the operator says, else as whoever asks has reached it. A lie in `Host` reaches the
/// liar alone, since no answer of ours may be kept for others.
pub(crate) fn base(app: &App, caller: Caller, headers: &HeaderMap) -> Result<String, Error> {
    if let Some(url) = &app.public_url {
        return Ok(url.to_string());
    }
    let scheme = if caller.tls { "https" } else { "http" };
    let authority = authority(headers, scheme == "https").filter(|a| a.len() <= MAX_AUTHORITY);
    let authority = authority.filter(|a| a.parse::<http::uri::Authority>().is_ok_and(|a| !a.as_str().contains('@')));
    let authority = authority.ok_or_else(|| Error::BadRequest("Host: a name or an address".to_owned()))?;
    Ok(format!("{scheme}://{authority}"))
}
