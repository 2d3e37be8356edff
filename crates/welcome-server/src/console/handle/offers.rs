//! Offers: the list, one, its editor with the preview, publishing and archiving.

use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use serde::Deserialize;
use welcome_proto::offer::{File, Image, Offer, Sender};
use welcome_proto::{Digest, OfferId};

use super::super::desk::{Desk, Typed};
use super::super::door::{Confirm, confirm};
use super::super::frame::{Frame, Place};
use super::super::input::Input;
use super::super::offers::{self, OfferLine, OfferView, State, target_name};
use super::super::picture::{Picture, picture};
use super::super::words::{Words, fill};
use super::super::{offer_form, picture as pictures};
use super::PAGE;
use super::fleet::called;
use crate::http::error::Error;
use crate::signal::Signal;
use crate::store::{FleetFilter, OfferChange, OrgOffer, Targets};
use crate::token;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
}

/// `GET /console/offers`.
pub(super) async fn list(desk: Desk, Query(Asked { q, state }): Query<Asked>) -> Result<Response, Error> {
    let (org, store) = (desk.org()?, &desk.app.store);
    let text = q.trim().to_lowercase();
    let reach = store.offer_reach(org).await?;
    let mut lines = Vec::new();
    for offer in store.org_offers(org, None).await? {
        let now = state_of(&offer);
        let is_asked = match state.as_str() {
            "draft" => now == State::Draft,
            "published" => matches!(now, State::Published | State::Changed),
            "archived" => now == State::Archived,
            _ => true,
        };
        if !is_asked || !offer.offer.contents().any(|c| c.title.to_lowercase().contains(&text)) {
            continue;
        }
        let reach = reach.get(&(offer.sender, offer.offer.id.clone())).copied().unwrap_or_default();
        lines.push(line_of(&desk.frame, &offer, reach));
    }
    Ok(desk.frame.ok(&offers::list(&desk.frame, q.trim(), &state, &lines)))
}

/// `GET /console/offers/{sender}/{offer}`.
pub(super) async fn one(desk: Desk, Path(path): Path<(Sender, OfferId)>) -> Result<Response, Error> {
    let (org, store) = (desk.org()?, &desk.app.store);
    let offer = find(&desk, &path).await?;
    let mut routers = store.routers_of_offer(org, path.0, &path.1).await?;
    let has = routers.iter().filter(|(_, _, has, _)| *has).count();
    let reach = (routers.len() as u64, has as u64);
    let shown = routers.iter().map(|(.., shown)| shown).sum();
    routers.sort_by_key(|(_, _, has, _)| *has);
    routers.truncate(PAGE);
    let versions = store.offer_versions(org, path.0, &path.1).await?;
    let view = OfferView {
        line: line_of(&desk.frame, &offer, reach),
        ssid: ssid(&desk, &offer.offer).await?,
        shown,
        more: reach.0 - routers.len() as u64,
        published: offer.published,
        offer: offer.offer,
        versions: versions.into_iter().map(|v| (v.version, v.at, v.author)).collect(),
        routers: routers
            .into_iter()
            .map(|(id, name, has, _)| (called(&name, &id).to_owned(), format!("/console/routers/{id}"), has))
            .collect(),
    };
    Ok(desk.frame.ok(&offers::page(&desk.frame, &view)))
}

/// `GET /console/offers/new`.
pub(super) async fn new_page(desk: Desk) -> Result<Response, Error> {
    let offer = blank();
    let input = offer_form::fields(&offer, &everywhere(), &desk.frame.zone);
    editor(&desk, None, &input, &offer, StatusCode::OK).await
}

/// `GET /console/offers/{sender}/{offer}/edit`.
pub(super) async fn edit_page(desk: Desk, Path(path): Path<(Sender, OfferId)>) -> Result<Response, Error> {
    let OrgOffer { offer, targets, .. } = find(&desk, &path).await?;
    let input = offer_form::fields(&offer, &targets, &desk.frame.zone);
    editor(&desk, Some(&path), &input, &offer, StatusCode::OK).await
}

/// `POST /console/offers/new`.
pub(super) async fn write_new(desk: Desk, query: Query<Show>, Typed(input): Typed) -> Result<Response, Error> {
    save(&desk, None, blank(), input, query.0.show == "preview").await
}

/// `POST /console/offers/{sender}/{offer}/edit`.
pub(super) async fn write(
    desk: Desk,
    Path(path): Path<(Sender, OfferId)>,
    query: Query<Show>,
    Typed(input): Typed,
) -> Result<Response, Error> {
    let stored = find(&desk, &path).await?.offer;
    save(&desk, Some(&path), stored, input, query.0.show == "preview").await
}

#[derive(Deserialize)]
pub(super) struct Show {
    #[serde(default)]
    show: String,
}

/// `POST /console/offers/preview`: the screen of the phone alone, for the script of the editor.
pub(super) async fn preview(desk: Desk, Typed(mut input): Typed) -> Result<Response, Error> {
    let mut offer = blank();
    offer.content.image = kept_image(&desk, &input).await?;
    let (offer, _) = offer_form::read(desk.frame.words, &desk.frame.zone, &mut input, offer);
    let ssid = ssid(&desk, &offer).await?;
    let headers =
        [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, offers::screen(&desk.frame, &offer, &ssid).into_string()).into_response())
}

/// `GET /console/offers/{sender}/{offer}/publish`.
pub(super) async fn publish_page(desk: Desk, Path(path): Path<(Sender, OfferId)>) -> Result<Response, Error> {
    let offer = find(&desk, &path).await?;
    let w = desk.frame.words;
    let text = fill(w.publish_offer_text, &[("target", &target_name(&desk.frame, &offer.targets))]);
    Ok(ask(&desk, &path, (w.publish_offer, text, "publish", w.publish), false))
}

/// `POST /console/offers/{sender}/{offer}/publish`.
pub(super) async fn publish(desk: Desk, Path(path): Path<(Sender, OfferId)>) -> Result<Response, Error> {
    let version = find(&desk, &path).await?.version;
    let change = desk.app.store.publish_offer(desk.org()?, path.0, &path.1, version, desk.by()).await?;
    let w = desk.frame.words;
    if let Some(problem) = refusal(w, &change) {
        return Ok(ask(&desk, &path, (w.publish_offer, problem.to_owned(), "publish", w.publish), true));
    }
    changed(&desk, &path, change, "published").await
}

/// `GET /console/offers/{sender}/{offer}/archive`.
pub(super) async fn archive_page(desk: Desk, Path(path): Path<(Sender, OfferId)>) -> Result<Response, Error> {
    find(&desk, &path).await?;
    let w = desk.frame.words;
    Ok(ask(&desk, &path, (w.archive_offer, w.archive_offer_text.to_owned(), "archive", w.archive), true))
}

/// `POST /console/offers/{sender}/{offer}/archive`.
pub(super) async fn archive(desk: Desk, Path(path): Path<(Sender, OfferId)>) -> Result<Response, Error> {
    let change = desk.app.store.archive_offer(desk.org()?, path.0, &path.1, desk.by()).await?;
    changed(&desk, &path, change, "archived").await
}

/// The page of an offer.
pub(super) fn path_of(sender: Sender, offer: &OfferId) -> String {
    format!("/console/offers/{}/{offer}", sender.as_str())
}

/// Why routers cannot have it, where a person can do something about it.
pub(super) fn refusal(w: &Words, change: &OfferChange) -> Option<&'static str> {
    match change {
        OfferChange::TooMany => Some(w.offer_too_many),
        OfferChange::NoRouter => Some(w.offer_no_router),
        OfferChange::Changed | OfferChange::Same | OfferChange::NotFound | OfferChange::NoFile(_) => None,
    }
}

/// Tells the routers, and goes to the page of the offer.
pub(super) async fn changed(
    desk: &Desk,
    (sender, offer): &(Sender, OfferId),
    change: OfferChange,
    what: &'static str,
) -> Result<Response, Error> {
    match change {
        OfferChange::NotFound | OfferChange::NoRouter | OfferChange::TooMany | OfferChange::NoFile(_) => {
            return Err(Error::NotFound);
        }
        OfferChange::Changed => desk.app.signal(Signal::Org(desk.org()?.clone())).await,
        OfferChange::Same => {}
    }
    Ok(desk.done(&path_of(*sender, offer), what))
}

fn ask(
    desk: &Desk,
    (sender, offer): &(Sender, OfferId),
    (title, text, action, button): (&str, String, &str, &'static str),
    danger: bool,
) -> Response {
    let back = path_of(*sender, offer);
    let action = format!("{back}/{action}");
    let ask = Confirm { title: title.to_owned(), text, action, button, danger, back: &back, fields: Vec::new() };
    desk.frame.ok(&confirm(&desk.frame, Place::Offers, ask))
}

async fn save(
    desk: &Desk,
    path: Option<&(Sender, OfferId)>,
    mut stored: Offer,
    mut input: Input,
    only_show: bool,
) -> Result<Response, Error> {
    let w = desk.frame.words;
    if let Some(image) = kept_image(desk, &input).await? {
        stored.content.image = Some(image);
    }
    if let Some(upload) = input.file.clone() {
        match tokio::task::spawn_blocking(move || picture(&upload)).await.expect("decoding does not panic") {
            Ok(picture) => {
                let file = keep(desk, picture).await?;
                input.set("image", file.digest.to_string());
                stored.content.image = Some(Image { file, alt: String::new() });
            }
            Err(pictures::NoPicture) => input.problem("picture", w.bad_picture),
        }
    }
    let (offer, targets) = offer_form::read(w, &desk.frame.zone, &mut input, stored);
    if only_show || !input.is_good() {
        let status = if only_show { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        return editor(desk, path, &input, &offer, status).await;
    }
    let sender = path.map_or(Sender::Sharer, |(sender, _)| *sender);
    match desk.app.store.put_offer(desk.org()?, sender, &offer, &targets, false, desk.by()).await? {
        OfferChange::Changed | OfferChange::Same => {}
        OfferChange::NotFound | OfferChange::NoRouter => return Err(Error::NotFound),
        OfferChange::TooMany => return Err(Error::Full("a router takes no more offers")),
        OfferChange::NoFile(_) => {
            input.problem("picture", w.bad_picture);
            return editor(desk, path, &input, &offer, StatusCode::UNPROCESSABLE_ENTITY).await;
        }
    }
    Ok(Redirect::to(&format!("{}?done=saved", path_of(sender, &offer.id))).into_response())
}

async fn editor(
    desk: &Desk,
    path: Option<&(Sender, OfferId)>,
    input: &Input,
    offer: &Offer,
    status: StatusCode,
) -> Result<Response, Error> {
    let tags: Vec<_> = desk.app.store.tags(desk.org()?).await?.into_iter().map(|(tag, _)| tag).collect();
    let id = path.map(|(sender, offer)| format!("{}/{offer}", sender.as_str()));
    let ssid = ssid(desk, offer).await?;
    Ok(desk.frame.answer(status, &offers::editor(&desk.frame, id.as_deref(), input, offer, &tags, &ssid)))
}

/// The picture that an earlier sending of this form brought: it is here already.
async fn kept_image(desk: &Desk, input: &Input) -> Result<Option<Image>, Error> {
    let Ok(digest) = input.get("image").parse::<Digest>() else { return Ok(None) };
    let Some((kind, length)) = desk.app.store.content(&digest).await? else { return Ok(None) };
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    Ok(kind.is_image().then(|| Image { file: File { digest, length, kind }, alt: String::new() }))
}

async fn keep(desk: &Desk, Picture { kind, bytes }: Picture) -> Result<File, Error> {
    let digest = Digest(token::sha256(&bytes));
    let length = u32::try_from(bytes.len()).map_err(|_| Error::TooLong)?;
    desk.app.store.put_content(&digest, kind, &bytes, desk.frame.now).await?;
    Ok(File { digest, length, kind })
}

/// The name of a network where the offer may be shown; of any, if nothing says which.
pub(super) async fn ssid(desk: &Desk, offer: &Offer) -> Result<String, Error> {
    let filter = FleetFilter { network: offer.networks.first(), ..FleetFilter::default() };
    let found = desk.app.store.org_networks(desk.org()?, &filter, desk.frame.now, 1).await?;
    Ok(found.first().map_or_else(String::new, |row| row.ssid.to_string()))
}

pub(super) async fn find(desk: &Desk, (sender, offer): &(Sender, OfferId)) -> Result<OrgOffer, Error> {
    let found = desk.app.store.org_offers(desk.org()?, Some((*sender, offer))).await?;
    found.into_iter().next().ok_or(Error::NotFound)
}

/// With how many routers it is for, and how many have it.
pub(super) fn line_of(frame: &Frame, offer: &OrgOffer, (shall, has): (u64, u64)) -> OfferLine {
    let first = offer.offer.language.iter();
    OfferLine {
        id: format!("{}/{}", offer.sender.as_str(), offer.offer.id),
        title: offer.offer.content.title.clone(),
        state: state_of(offer),
        target: target_name(frame, &offer.targets),
        languages: first.chain(offer.offer.translations.keys()).map(ToString::to_string).collect(),
        changed: offer.changed,
        has,
        shall,
    }
}

fn state_of(offer: &OrgOffer) -> State {
    match (offer.archived, offer.published) {
        (true, _) => State::Archived,
        (_, None) => State::Draft,
        (_, Some(published)) if published == offer.version => State::Published,
        _ => State::Changed,
    }
}

fn blank() -> Offer {
    let id = format!("offer-{}", token::random_hex::<8>());
    Offer::new(id.parse().expect("`offer-` and hexadecimal digits are an offer id"), "")
}

fn everywhere() -> Targets {
    Targets { all: true, ..Targets::default() }
}
