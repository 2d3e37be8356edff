//! Who is logged in: cookies, and the tokens that keep other sites from using them.

use http::header::{COOKIE, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue};
use welcome_proto::Secret;

use super::App;
use super::error::Error;
use crate::app::unix_now;
use crate::ids::OrgId;
use crate::rights::Role;
use crate::store::Session;
use crate::token::{self, Hash};

/// Somebody who is logged in, as a handler sees them.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) session: Session,
    /// By which the session is kept.
    pub(crate) hash: Hash,
    /// What a form has to hold, in a field `csrf`.
    pub(crate) csrf: String,
}

impl Visitor {
    /// The organisation they look at, and what they are there.
    ///
    /// # Errors
    /// If they look at none.
    pub(crate) fn org(&self) -> Result<(&OrgId, Role), Error> {
        let org = self.session.org.as_ref().map(|(org, _, role)| (org, *role));
        org.ok_or(Error::Forbidden("you are a member of no organisation"))
    }
}

/// Who sent this, if they are logged in.
pub(crate) async fn visitor(app: &App, headers: &HeaderMap) -> Result<Option<Visitor>, Error> {
    let Some(cookie) = cookie(headers) else { return Ok(None) };
    let hash = token::hash(cookie);
    let session = app.store.session(hash, unix_now()).await?;
    Ok(session.map(|session| Visitor { session, hash, csrf: csrf(cookie) }))
}

/// The header that begins a session, or ends it (an empty one).
pub(crate) fn set_cookie(app: &App, value: &Secret, seconds: u64) -> HeaderValue {
    let secure = if app.is_https() { "; Secure" } else { "" };
    let text = format!("{NAME}={}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", value.reveal());
    let mut header = HeaderValue::try_from(text).expect("hexadecimal digits are a cookie's value");
    header.set_sensitive(true);
    header
}

/// Whether a browser says that our own page sent this; one that says nothing is too old for that.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(ORIGIN).and_then(|o| o.to_str().ok()) else { return true };
    let host = headers.get(http::header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
}

const NAME: &str = "welcome_session";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|c| c.to_str().ok());
    cookies.flat_map(|c| c.split(';')).find_map(|c| c.trim().strip_prefix(NAME)?.strip_prefix('='))
}

/// Who knows the cookie knows this, and nobody else; from this the cookie cannot be had.
pub(super) fn csrf(cookie: &str) -> String {
    token::hex(&token::hash(&format!("csrf {cookie}"))[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_form_of_another_site_is_known() {
        assert!(is_same_origin(&headers(&[("sec-fetch-site", "same-origin")])));
        assert!(!is_same_origin(&headers(&[("sec-fetch-site", "cross-site")])));
        assert!(!is_same_origin(&headers(&[("sec-fetch-site", "same-site"), ("origin", "https://a"), ("host", "a")])));
        assert!(is_same_origin(&headers(&[("origin", "https://a.example:1"), ("host", "a.example:1")])));
        assert!(!is_same_origin(&headers(&[("origin", "https://b.example"), ("host", "a.example")])));
        assert!(!is_same_origin(&headers(&[("origin", "null"), ("host", "a.example")])));
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(cookie(&headers(&[("cookie", "a=b; welcome_session=12; c=d")])), Some("12"));
        assert_eq!(cookie(&headers(&[("cookie", "xwelcome_session=12; welcome_sessions=3")])), None);
    }
}
