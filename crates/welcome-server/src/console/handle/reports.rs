//! What happened: the page, and the same as CSV and JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Serialize;

use super::super::desk::Desk;
use super::super::overview::Counts;
use super::super::reports::{self, Reports, Row};
use super::fleet::{called, counts_of, hours};
use crate::http::error::Error;
use crate::http::guard::PRIVATE;

/// `GET /console/reports`.
pub(super) async fn page(desk: Desk) -> Result<Response, Error> {
    let mut networks: BTreeMap<(String, String), Counts> = BTreeMap::new();
    for (router, name, network, what, n) in rows(&desk).await? {
        let counts = networks.entry((called(&name, &router).to_owned(), network)).or_default();
        *counts = counts.plus(counts_of(&what, n));
    }
    let org = desk.org()?;
    let titles: BTreeMap<_, _> = desk
        .app
        .store
        .org_offers(org, None)
        .await?
        .into_iter()
        .map(|o| ((o.sender.as_str(), o.offer.id.to_string()), o.offer.content.title))
        .collect();
    let shown = desk.app.store.offers_shown(org).await?.into_iter();
    let offers = shown.map(|(sender, offer, n)| match titles.get(&(sender.as_str(), offer.clone())) {
        Some(title) => (title.clone(), n),
        None => (offer, n),
    });
    let view = Reports {
        networks: networks.into_iter().map(|((router, name), counts)| Row { name, router, counts }).collect(),
        offers: offers.collect(),
        hours: hours(&desk).await?,
    };
    Ok(desk.frame.ok(&reports::page(&desk.frame, &view)))
}

/// `GET /console/reports.json`.
pub(super) async fn json(desk: Desk) -> Result<Response, Error> {
    let rows = rows(&desk).await?.into_iter().map(|(router, name, network, what, count)| Line {
        router: router.to_string(),
        name,
        network,
        what,
        count,
    });
    let attachment = (CONTENT_DISPOSITION, "attachment; filename=\"reports.json\"");
    Ok(([attachment, PRIVATE], Json(rows.collect::<Vec<_>>())).into_response())
}

/// `GET /console/reports.csv` (RFC 4180).
pub(super) async fn csv(desk: Desk) -> Result<Response, Error> {
    let mut text = "router,name,network,what,count\r\n".to_owned();
    for (router, name, network, what, count) in rows(&desk).await? {
        // Writing to a `String` cannot fail.
        let _whole = write!(text, "{router},{},{},{},{count}\r\n", cell(&name), cell(&network), cell(&what)).is_ok();
    }
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"reports.csv\""),
        PRIVATE,
    ];
    Ok((headers, text).into_response())
}

#[derive(Serialize)]
struct Line {
    router: String,
    name: String,
    network: String,
    what: String,
    count: u64,
}

async fn rows(desk: &Desk) -> Result<Vec<crate::store::NetworkCount>, Error> {
    let from = desk.frame.zone.days_before(desk.frame.now, DAYS) / 3600;
    Ok(desk.app.store.network_counts(desk.org()?, from).await?)
}

/// A cell that holds what it holds: quoted, and never a formula of a spreadsheet.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// With today thirty.
const DAYS: i64 = 29;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_neither_a_formula_nor_two_cells() {
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("a\"b,c"), "\"a\"\"b,c\"");
        assert_eq!(cell("Café"), "\"Café\"");
    }
}
