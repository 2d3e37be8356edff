//! How a station stands, for its operating system (RFC 8908).
//!
//! Pure. A visit comes in, the document goes out. `bytes-remaining` is never there: no network of ours counts bytes.

use welcome_core::{Access, Instant, Mode, SessionView};
use welcome_proto::captive::Captive;

/// For the visit behind an address. `base` is `https://NAME[:PORT]`; without a name of the router's own there are
/// no addresses to tell, since those of this document have to be https.
///
/// Who is unknown is not captive, also where there is a gate: what holds a station is the same knowledge of it.
#[must_use]
pub fn of(visit: Option<&SessionView>, now: Instant, base: Option<&str>) -> Captive {
    let Some(visit) = visit.filter(|v| v.guest) else { return Captive::default() };
    let page = base.map(|base| format!("{base}/"));
    if visit.access == Access::Held {
        return Captive { captive: true, user_portal_url: page, ..Captive::default() };
    }
    let to_read = visit.mode >= Mode::Notify && !visit.declined && !visit.offers.is_empty();
    let venue_info_url = page.clone().filter(|_| to_read);
    match visit.until.and_then(|until| until.checked_sub(now)) {
        None => Captive { venue_info_url, ..Captive::default() },
        Some(left) => Captive {
            captive: false,
            user_portal_url: page,
            venue_info_url,
            can_extend_session: Some(true),
            seconds_remaining: Some(left.as_secs()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::portal::tests::{guest_view, offer};

    const BASE: &str = "https://router.example:8912";
    const NOW: Instant = Duration::from_secs(100);

    fn visit(change: impl FnOnce(&mut SessionView)) -> SessionView {
        let view = guest_view(vec![offer("a", "Hello", "", None)]);
        let mut visit = SessionView::clone(view.sessions.values().next().unwrap());
        change(&mut visit);
        visit
    }

    fn json(visit: Option<&SessionView>) -> String {
        serde_json::to_string(&of(visit, NOW, Some(BASE))).unwrap()
    }

    #[test]
    fn each_mode_and_state_has_its_document() {
        let venue = r#"{"captive":false,"venue-info-url":"https://router.example:8912/"}"#;
        let free = r#"{"captive":false}"#;
        let held = r#"{"captive":true,"user-portal-url":"https://router.example:8912/"}"#;
        let open = r#"{"captive":false,"user-portal-url":"https://router.example:8912/","venue-info-url":"https://router.example:8912/","can-extend-session":true,"seconds-remaining":3600}"#;
        let open_empty = r#"{"captive":false,"user-portal-url":"https://router.example:8912/","can-extend-session":true,"seconds-remaining":3600}"#;
        let until = Some(NOW + Duration::from_secs(3600));
        for (mode, access, until, guest, declined, has_offers, expected) in [
            (Mode::App, Access::Open, None, true, false, true, free),
            (Mode::Notify, Access::Open, None, true, false, true, venue),
            (Mode::Notify, Access::Open, None, true, false, false, free),
            (Mode::Notify, Access::Open, None, true, true, true, free),
            (Mode::Splash, Access::Catch, None, true, false, true, venue),
            (Mode::Splash, Access::Open, None, true, false, true, venue),
            (Mode::Gate, Access::Held, None, true, false, true, held),
            (Mode::Gate, Access::Held, None, true, true, false, held),
            (Mode::Gate, Access::Open, until, true, false, true, open),
            (Mode::Gate, Access::Open, until, true, true, true, open_empty),
            // It has closed, and the core is about to say so.
            (Mode::Gate, Access::Open, Some(Duration::ZERO), true, false, true, venue),
            (Mode::Gate, Access::Open, None, false, false, true, free),
            (Mode::Notify, Access::Open, None, false, false, true, free),
        ] {
            let visit = visit(|v| {
                (v.mode, v.access, v.until, v.guest, v.declined) = (mode, access, until, guest, declined);
                if !has_offers {
                    v.offers.clear();
                }
            });
            assert_eq!(json(Some(&visit)), expected, "{mode:?} {access:?} {guest} {declined} {has_offers}");
        }
        assert_eq!(json(None), free);
    }

    #[test]
    fn a_router_without_a_name_tells_no_addresses() {
        let held = visit(|v| v.access = Access::Held);
        let text = serde_json::to_string(&of(Some(&held), NOW, None)).unwrap();
        assert_eq!(text, r#"{"captive":true}"#);
    }

    #[test]
    fn the_longest_document_is_short() {
        let open = visit(|v| v.until = Some(Duration::MAX));
        let base = format!("https://{}:65535", "x".repeat(253));
        let text = serde_json::to_string(&of(Some(&Arc::new(open)), NOW, Some(&base))).unwrap();
        assert!(text.len() < 1024, "{}", text.len());
    }
}
