//! What pages are put together from: small pieces of HTML, each with its template.
//!
//! Pure. Values come in, [`Html`] goes out. Only a template makes [`Html`], so everything in it was escaped; names that
//! others chose (SSIDs, people, routers) stand in a `<bdi>` and cannot turn the text around them.

mod chart;
mod field;
mod preview;
mod table;
mod text;

use askama::Template;
use askama::filters::HtmlSafe;

pub(crate) use chart::{Bucket, Chart};
pub(crate) use field::{Choice, Field, Form, Kind};
pub(crate) use preview::Preview;
pub(crate) use table::{Filter, Pager, Table};
pub(crate) use text::{
    Action, Code, Empty, Facts, Note, Section, Step, Steps, Tile, Tiles, chip, chips, code, join, link, muted, number,
    text, time,
};

/// Finished HTML.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Html(String);

impl HtmlSafe for Html {}

impl std::fmt::Display for Html {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Html {
    /// Whether there is nothing to show.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, for the body of an answer.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// Renders a piece.
pub(crate) fn html(piece: &impl Template) -> Html {
    Html(piece.render().expect("writing to a string cannot fail"))
}

/// How serious something is; colours and signs follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Somebody should look.
    Warn,
    /// It does not work, or is about to be lost.
    Bad,
    /// For information.
    Info,
    /// Of no importance at the moment.
    Quiet,
}

impl Tone {
    /// The class.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Info => "info",
            Self::Quiet => "quiet",
        }
    }
}
