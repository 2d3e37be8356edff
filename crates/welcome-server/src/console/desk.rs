//! What a handler of the console has: who looks, the frame around the page, and the form that was sent.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Query, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Uri};
use serde::Deserialize;

use super::frame::Frame;
use super::input::Input;
use super::parts::{Note, Tone};
use super::picture::MAX_UPLOAD;
use super::words::{Words, cookie, fill};
use super::zone::Zone;
use crate::app::unix_now;
use crate::caller::Caller;
use crate::http::error::Error;
use crate::http::session::Visitor;
use crate::http::{App, base};
use crate::ids::OrgId;
use crate::rights::Role;
use crate::store::By;
use crate::token;

/// Somebody who is logged in looks at something.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) app: Arc<App>,
    pub(crate) visitor: Visitor,
    pub(crate) frame: Frame,
    caller: Caller,
}

impl Desk {
    /// The organisation that is looked at.
    pub(crate) fn org(&self) -> Result<&OrgId, Error> {
        Ok(self.visitor.org()?.0)
    }

    /// Where people reach this server.
    pub(crate) fn base(&self, headers: &HeaderMap) -> Result<String, Error> {
        base(&self.app, self.caller, headers)
    }

    /// For the audit.
    pub(crate) fn by(&self) -> By<'_> {
        By { who: &self.visitor.session.login, at: self.frame.now }
    }

    /// Goes on to another page, and says there what was done.
    pub(crate) fn done(&self, path: &str, what: &'static str) -> Response {
        let mark = if path.contains('?') { '&' } else { '?' };
        Redirect::to(&format!("{path}{mark}done={what}")).into_response()
    }
}

impl FromRequestParts<Arc<App>> for Desk {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Error> {
        let visitor = Visitor::from_request_parts(parts, app).await?;
        let Extension(caller) = Extension::from_request_parts(parts, app).await.map_err(|_| Error::NotFound)?;
        let mut frame = outside(&parts.headers, &parts.uri);
        let session = &visitor.session;
        if let Some(words) = Words::named(&session.language) {
            frame.words = words;
        }
        frame.csrf.clone_from(&visitor.csrf);
        frame.person.clone_from(&session.name);
        frame.is_admin = session.admin;
        if let Some((org, name, role)) = &session.org {
            frame.org.clone_from(name);
            BASE.clone_into(&mut frame.base);
            (frame.can_edit, frame.is_owner) = (*role >= Role::Editor, *role >= Role::Owner);
            let all = app.store.memberships(&session.person).await?.into_iter().filter(|(other, ..)| other != org);
            frame.others = all.map(|(id, name, _)| (id.to_string(), name)).collect();
        }
        let query = Query::<Done>::try_from_uri(&parts.uri).map(|Query(done)| done).unwrap_or_default();
        frame.flash = flash(frame.words, &query);
        Ok(Self { app: Arc::clone(app), visitor, frame, caller })
    }
}

/// The frame of a page for somebody who is not known.
pub(crate) fn outside(headers: &HeaderMap, uri: &Uri) -> Frame {
    let zone = cookie(headers, "zone").map(percent_decoded);
    Frame {
        words: Words::of(headers),
        zone: Zone::named(zone.as_deref()),
        now: unix_now(),
        csrf: String::new(),
        nonce: token::random_hex::<16>(),
        person: String::new(),
        org: String::new(),
        base: String::new(),
        others: Vec::new(),
        can_edit: false,
        is_owner: false,
        is_admin: false,
        here: uri.path().to_owned(),
        flash: None,
    }
}

/// The frame of such a page, for handlers.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) app: Arc<App>,
    pub(crate) frame: Frame,
}

impl FromRequestParts<Arc<App>> for Stranger {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Error> {
        Ok(Self { app: Arc::clone(app), frame: outside(&parts.headers, &parts.uri) })
    }
}

/// What was typed, with or without a picture.
pub(crate) struct Typed(pub(crate) Input);

impl FromRequest<Arc<App>> for Typed {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Error> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("multipart/form-data") {
            return Ok(Self(Input::parse(&Bytes::from_request(request, app).await?)));
        }
        let wrong = |_| Error::BadRequest("a form that ends too early, or is too long".to_owned());
        let mut form = Multipart::from_request(request, app).await.map_err(|e| Error::BadRequest(e.body_text()))?;
        let (mut pairs, mut file) = (Vec::new(), None);
        while let Some(field) = form.next_field().await.map_err(wrong)? {
            let name = field.name().unwrap_or_default().to_owned();
            if field.file_name().is_some() {
                let bytes = field.bytes().await.map_err(wrong)?;
                file = Some(bytes).filter(|bytes| !bytes.is_empty()).or(file);
            } else if pairs.len() < MAX_FIELDS {
                pairs.push((name, field.text().await.map_err(wrong)?));
            }
        }
        let mut input = Input::of(pairs);
        input.file = file;
        Ok(Self(input))
    }
}

/// Where the pages of the organisation that is looked at begin.
pub(crate) const BASE: &str = "/console";
/// The longest body of a form with a picture.
pub(crate) const MAX_FORM: usize = MAX_UPLOAD + 128 * 1024;
const MAX_FIELDS: usize = 600;

/// What was done, as the address says it; only what stands in this file is ever shown.
#[derive(Debug, Default, Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
    #[serde(default)]
    n: u32,
}

fn flash(w: &Words, Done { done, n }: &Done) -> Option<Note> {
    let good = |text: &str| Some(Note::new(Tone::Good, text));
    match done.as_str() {
        "saved" => good(w.saved),
        "password" => good(w.password_changed),
        "router-gone" => good(w.router_gone),
        "published" => good(w.offer_published),
        "archived" => good(w.offer_archived),
        "said" if *n == 0 => Some(Note::new(Tone::Warn, w.said_to_nobody)),
        "said" => good(&fill(w.said_to, &[("n", n)])),
        "person-gone" => good(w.person_removed),
        "token-gone" => good(w.token_revoked),
        "decided" => good(w.decided),
        "org" => good(w.organisation_added),
        "stopped" => good(w.verification_stopped),
        _ => None,
    }
}

fn percent_decoded(text: &str) -> String {
    let pair = format!("z={}", text.replace('+', "%2B"));
    form_urlencoded::parse(pair.as_bytes()).next().map_or_else(String::new, |(_, value)| value.into_owned())
}

/// The state of the whole server, for handlers that need nobody.
pub(crate) type Shared = State<Arc<App>>;
