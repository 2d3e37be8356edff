//! `GET /console`: the overview, and what its live part shows.

use axum::response::Response;
use welcome_proto::RouterId;

use super::super::desk::Desk;
use super::super::door;
use super::super::overview::{self, Arrival, Counts, Overview};
use super::super::parts::Action;
use crate::http::error::Error;
use crate::store::StoreError;

pub(super) async fn overview(desk: Desk) -> Result<Response, Error> {
    let w = desk.frame.words;
    if desk.visitor.session.org.is_none() {
        let way = desk.frame.is_admin.then(|| Action::main("/console/server", w.server));
        return Ok(desk.frame.ok(&door::notice(w.no_organisation, w.no_organisation_text, way)));
    }
    let mut view = live_view(&desk).await?;
    view.hours = hours(&desk).await?;
    Ok(desk.frame.ok(&overview::page(&desk.frame, &view)))
}

/// What the overview says of this moment.
pub(super) async fn live_view(desk: &Desk) -> Result<Overview, Error> {
    let (org, frame) = (desk.org()?, &desk.frame);
    let store = &desk.app.store;
    let now = crate::app::unix_now();
    let counts = store.fleet_counts(org, now.saturating_sub(ONLINE_S), now).await?;
    let today = store.hours(org, None, frame.zone.day_of(now) / 3600, u64::MAX).await?;
    let mut names = std::collections::BTreeMap::new();
    let mut live = Vec::new();
    for (_, router, at, report) in store.newest_reports(org, 0, LIVE).await? {
        let name = match names.get(&router) {
            Some(name) => String::clone(name),
            None => {
                let row = store.router(org, &router).await?;
                let name = row.map(|row| row.name).filter(|n| !n.is_empty()).unwrap_or_else(|| router.to_string());
                names.insert(router.clone(), name.clone());
                name
            }
        };
        live.push(Arrival {
            at,
            network: report.network.to_string(),
            router: name,
            router_href: frame.to(&format!("routers/{router}")),
            what: overview::said(frame.words, &report.what),
        });
    }
    Ok(Overview {
        routers: counts.routers,
        online: counts.online,
        networks: counts.networks,
        verified: counts.verified,
        published: counts.published,
        today: today.iter().fold(Counts::default(), |sum, (_, what, n)| sum.plus(counts_of(what, *n))),
        live,
        attention: overview::attention_counts(
            frame,
            counts.routers - counts.online,
            counts.conflict,
            counts.announced,
            counts.expired,
        ),
        hours: Vec::new(),
    })
}

/// The last thirty days, hour by hour.
pub(super) async fn hours(desk: &Desk) -> Result<Vec<(u64, Counts)>, StoreError> {
    let Ok(org) = desk.org() else { return Ok(Vec::new()) };
    let first = desk.frame.zone.days_before(desk.frame.now, DAYS) / 3600;
    let rows = desk.app.store.hours(org, None, first, u64::MAX).await?;
    Ok(rows.into_iter().map(|(hour, what, n)| (hour * 3600, counts_of(&what, n))).collect())
}

/// How often something happened, as one of the three things that are counted.
pub(super) fn counts_of(what: &str, n: u64) -> Counts {
    match what {
        "arrived" => Counts { arrived: n, ..Counts::default() },
        "shown" => Counts { greeted: n, ..Counts::default() },
        "acknowledged" => Counts { acknowledged: n, ..Counts::default() },
        _ => Counts::default(),
    }
}

/// Whether a router that was seen then is there: a stream counts to the minute, and a router takes some seconds to come
/// back.
pub(super) fn is_online(seen: Option<u64>, now: u64) -> bool {
    seen.is_some_and(|seen| seen + ONLINE_S >= now)
}

/// What a router is called.
pub(super) fn called<'a>(name: &'a str, router: &'a RouterId) -> &'a str {
    if name.is_empty() { router.as_str() } else { name }
}

const ONLINE_S: u64 = 150;
/// Lines of the live list.
const LIVE: usize = 10;
/// Of the chart.
const DAYS: i64 = 29;
