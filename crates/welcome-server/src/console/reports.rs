//! What happened, network by network and offer by offer, and the same as a file.

use super::frame::{Frame, Page, Place};
use super::overview::{Counts, by_day, by_hour, charts};
use super::parts::{Action, Empty, Section, Table, number, text};

/// What one network or one offer had in a span of time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) router: String,
    pub(crate) counts: Counts,
}

/// What the page shows.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    pub(crate) networks: Vec<Row>,
    /// Each with how often it was shown.
    pub(crate) offers: Vec<(String, u64)>,
    pub(crate) hours: Vec<(u64, Counts)>,
}

/// The page.
pub(crate) fn page(frame: &Frame, view: &Reports) -> Page {
    let w = frame.words;
    let export = |kind: &str| frame.to(&format!("reports.{kind}"));
    let networks = Table::new(w.networks, vec![w.network, w.router, w.arrived, w.greeted, w.acknowledged])
        .rows(view.networks.iter().map(|row| {
            let Counts { arrived, greeted, acknowledged } = row.counts;
            vec![text(&row.name), text(&row.router), number(arrived), number(greeted), number(acknowledged)]
        }))
        .empty(Empty { title: w.nobody_yet, text: w.nobody_yet_text, action: None });
    let offers = Table::new(w.offers, vec![w.offer, w.shown])
        .rows(view.offers.iter().map(|(name, shown)| vec![text(name), number(*shown)]))
        .empty(Empty { title: w.nothing_shown, text: w.nothing_shown_text, action: None });
    let hours = by_hour(&frame.zone, frame.now, &view.hours);
    let days = by_day(&frame.zone, frame.now, &view.hours);
    Page::new(Place::Reports, w.reports)
        .lead(w.reports_lead)
        .action(true, Action::other(export("csv"), w.csv))
        .action(true, Action::other(export("json"), w.json))
        .piece(Section::new("", vec![charts(frame, hours, days)]).html())
        .piece(Section::new(w.networks, vec![networks.html()]).html())
        .piece(Section::new(w.offers, vec![offers.html()]).html())
}
