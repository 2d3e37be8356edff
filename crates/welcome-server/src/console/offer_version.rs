//! One version of an offer: what stood in it, and the way back to it.

use super::frame::{Frame, Page, Place};
use super::offers::{OfferLine, audience, phone, split, when};
use super::parts::{Facts, Form, Note, Section, Tone, join, text};
use super::words::fill;
use crate::store::OfferVersion;

/// A version and the offer that it is of.
#[derive(Debug)]
pub(crate) struct VersionView {
    /// The offer as it is.
    pub(crate) line: OfferLine,
    pub(crate) version: OfferVersion,
    /// For whom this version is, in words.
    pub(crate) target: String,
    /// The name of a network where it is shown.
    pub(crate) ssid: String,
    /// Whether routers have this one.
    pub(crate) is_published: bool,
    /// Why it could not be published a moment ago.
    pub(crate) problem: Option<&'static str>,
}

/// The page with it.
pub(crate) fn page(frame: &Frame, view: &VersionView) -> Page {
    let w = frame.words;
    let VersionView { line, version, target, ssid, is_published, problem } = view;
    let path = frame.to(&format!("offers/{}", line.id));
    let title = fill(w.version_n, &[("n", &version.version)]);
    let mut page = Page::new(Place::Offers, title).back(&path, line.title.clone());
    if let Some(problem) = problem {
        page = page.piece(Note::new(Tone::Bad, *problem).html());
    }
    let offer = &version.offer;
    let facts = Facts(vec![
        (w.changed, frame.time(Some(version.at))),
        (w.by, text(&version.author)),
        (w.for_whom, text(target)),
        (w.when, text(&when(frame, offer))),
        (w.audience, text(audience(frame, offer.audience.as_str()))),
    ]);
    let mut left = vec![Section::new("", vec![facts.html()]).html()];
    if *is_published {
        left.push(Section::new("", vec![Note::new(Tone::Good, w.is_published_version).html()]).html());
    } else if frame.can_edit {
        let action = format!("{path}/versions/{}/publish", version.version);
        let form = Form::new(action, &frame.csrf, w.publish_again).cancel(w.cancel, &path);
        left.push(Section::new(w.publish_again, vec![form.html()]).hint(w.publish_again_text).html());
    }
    page.piece(split(join(left), phone(frame, offer, ssid, false)))
}
