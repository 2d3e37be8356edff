//! Stands before every route of the table: finds out who asks, and turns away who lacks the right.
//!
//! What it found out goes to the handler as an extension of the request: [`Signed`], [`Program`], [`Reader`], [`Visitor`].

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, Method, header};

use super::auth::{bearer, signed_by};
use super::error::Error;
use super::session::{self, Visitor};
use super::{App, read_body};
use crate::app::unix_now;
use crate::caller::Caller;
use crate::ids::OrgId;
use crate::rights::{Right, Role, Scope};
use crate::store::{ApiToken, KeysFor};

pub(super) use super::auth::Signed;

/// What stands before one route.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) app: Arc<App>,
    pub(crate) right: Right,
}

/// A program with an API token of an organisation.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) org: OrgId,
    /// For the audit.
    pub(crate) who: String,
}

/// Somebody who looks something up, and whose keys they get.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) keys: KeysFor,
}

pub(crate) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match admit(&guard, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn admit(Guard { app, right }: &Guard, mut request: Request) -> Result<Request, Error> {
    match *right {
        Right::Public => Ok(request),
        Right::Router => {
            let (mut parts, body) = request.into_parts();
            let body = read_body(Request::from_parts(parts.clone(), body), app).await?;
            let signed = signed_by(app, &mut parts, body).await?;
            parts.extensions.insert(signed);
            Ok(Request::from_parts(parts, Body::empty()))
        }
        Right::Token(Scope::ReadKeys) => {
            let token = token(app, request.headers()).await?.ok_or(Error::NoToken)?;
            let keys = need(&token, Scope::ReadKeys)?.org.clone().map_or(KeysFor::Server, KeysFor::Org);
            request.extensions_mut().insert(Reader { keys });
            Ok(request)
        }
        Right::Token(scope) => {
            let token = token(app, request.headers()).await?.ok_or(Error::NoToken)?;
            let org =
                need(&token, scope)?.org.clone().ok_or(Error::Forbidden("this takes a token of an organisation"))?;
            request.extensions_mut().insert(Program { org, who: format!("token {}", token.name) });
            Ok(request)
        }
        Right::Directory => {
            let keys = match token(app, request.headers()).await? {
                None if app.open_directory => {
                    let caller = request.extensions().get::<Caller>().ok_or(Error::Forbidden("nobody asks"))?;
                    app.lookups.take(caller.addr).map_err(Error::SlowDown)?;
                    KeysFor::Nobody
                }
                None => return Err(Error::NoToken),
                Some(token) if !token.scopes.has(Scope::ReadKeys) => {
                    if !app.open_directory {
                        need(&token, Scope::ReadAreas)?;
                    }
                    KeysFor::Nobody
                }
                Some(ApiToken { org, .. }) => org.map_or(KeysFor::Server, KeysFor::Org),
            };
            request.extensions_mut().insert(Reader { keys });
            Ok(request)
        }
        Right::Person => person(app, request, |_| true).await,
        Right::Member(role) => person(app, request, |v| v.role().is_some_and(|has| has >= role)).await,
        Right::Admin => person(app, request, |v| v.session.admin).await,
    }
}

async fn token(app: &App, headers: &HeaderMap) -> Result<Option<ApiToken>, Error> {
    let Some(hash) = bearer(headers)? else { return Ok(None) };
    app.store.api_token(hash, unix_now()).await?.map(Some).ok_or(Error::NoToken)
}

fn need(token: &ApiToken, scope: Scope) -> Result<&ApiToken, Error> {
    token.scopes.has(scope).then_some(token).ok_or(Error::Scope(scope))
}

async fn person(app: &Arc<App>, request: Request, may: impl Fn(&Visitor) -> bool + Send) -> Result<Request, Error> {
    let visitor = session::visitor(app, request.headers()).await?.ok_or(Error::NotLoggedIn)?;
    if !may(&visitor) {
        return Err(Error::Forbidden("your role does not allow this"));
    }
    let mut request = if matches!(*request.method(), Method::GET | Method::HEAD) {
        request
    } else {
        // Whoever cannot read our pages cannot know the token, wherever in the body it stands.
        let (parts, body) = request.into_parts();
        let body = read_body(Request::from_parts(parts.clone(), body), app).await?;
        if !session::is_same_origin(&parts.headers) || !contains(&body, visitor.csrf.as_bytes()) {
            return Err(Error::Forbidden("the form is too old, or not of this site: load the page again"));
        }
        Request::from_parts(parts, Body::from(body))
    };
    request.extensions_mut().insert(visitor);
    Ok(request)
}

fn contains(body: &[u8], token: &[u8]) -> bool {
    body.windows(token.len()).any(|window| window == token)
}

/// What the guard left for a handler.
macro_rules! left_by_the_guard {
    ($($what:ident)*) => {$(
        impl<S: Send + Sync> FromRequestParts<S> for $what {
            type Rejection = Error;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
                // Absent only if a route of the table names another right than its handler needs.
                parts.extensions.get::<Self>().cloned().ok_or(Error::Forbidden("the route names another right"))
            }
        }
    )*};
}

left_by_the_guard!(Signed Program Reader Visitor);

/// Kept from caches on the way.
pub(crate) const PRIVATE: (header::HeaderName, &str) = (header::CACHE_CONTROL, "private, no-store");

impl Visitor {
    /// What they are in the organisation they look at.
    pub(crate) fn role(&self) -> Option<Role> {
        self.session.org.as_ref().map(|(_, _, role)| *role)
    }
}
