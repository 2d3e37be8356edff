//! The captive portal API (RFC 8908): what an operating system is told of how a station stands.
//!
//! The router answers it under a certificate of its own, and the server for routers that have none.

use serde::Serialize;

/// The media type.
pub const MEDIA_TYPE: &str = "application/captive+json";

/// `application/captive+json`; far below the 4096 characters that Android reads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Captive {
    /// Whether something of ours is in the way.
    pub captive: bool,
    /// The page that takes it away, or keeps it away for longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_portal_url: Option<String>,
    /// The page that says something about the place; a phone shows a notification that leads there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub venue_info_url: Option<String>,
    /// Whether the time below can be made longer by the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_extend_session: Option<bool>,
    /// For how long nothing will be in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_remaining: Option<u64>,
}

/// Whether somebody who asks with this `Accept` is a browser that should see the page (RFC 8910, section 3).
#[must_use]
pub fn is_browser(accept: &str) -> bool {
    accept.contains("text/html") && !accept.contains(MEDIA_TYPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_known_by_what_it_accepts() {
        assert!(is_browser("text/html,application/xhtml+xml,*/*;q=0.8"));
        for other in ["application/captive+json", "*/*", "", "application/json", "text/html, application/captive+json"]
        {
            assert!(!is_browser(other), "{other}");
        }
    }
}
