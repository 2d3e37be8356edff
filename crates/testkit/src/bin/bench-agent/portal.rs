//! What one core serves to a guest: offers as JSON, and the page.
//!
//! The guest is 127.0.0.1 by a lease. Its page says the same however often it was opened; of its offers none is due after
//! that, so that they come first.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::program::{Agent, TITLE};
use crate::{guests, load, row};

const OFFERS: &str = "/welcome/v1/offers";
const PAGE: &str = "/";

/// Measures, and gives the page.
pub(crate) fn measure(program: &Path, length: Duration) -> String {
    let dir = tempfile::tempdir().unwrap();
    let hostapd = guests::access_point(dir.path());
    let agent = Agent::start_pinned(program, dir.path(), guests::NETWORK);
    agent.wait("the agent listens to hostapd", || hostapd.attached() == 1);
    guests::join(&hostapd, [1]);
    guests::lease(dir.path(), [(1, Ipv4Addr::LOCALHOST)]);
    agent.wait("the guest finds the offer", || offers(&agent).is_ok_and(|json| has_offer(&json)));

    let figure = load::requests_per_second(agent.portal, OFFERS, length).unwrap();
    let json = offers(&agent).unwrap();
    assert!(has_offer(&json), "the offer was lost under load: {json}");
    row("portal.json_rps", &format_args!("{figure:.0}"), "requests/s");

    let figure = load::requests_per_second(agent.portal, PAGE, length).unwrap();
    let page = load::get(agent.portal, PAGE).unwrap();
    assert!(page.contains(TITLE), "the page lacks the offer: {page}");
    row("portal.page_rps", &format_args!("{figure:.0}"), "requests/s");
    page
}

fn offers(agent: &Agent<'_>) -> Result<Value, String> {
    let body = load::get(agent.portal, OFFERS)?;
    serde_json::from_str(&body).map_err(|e| format!("{e}: {body}"))
}

fn has_offer(json: &Value) -> bool {
    json["offers"][0]["title"] == TITLE
}
