//! The versions of an offer: one of them, and going back to it.

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use welcome_proto::OfferId;
use welcome_proto::offer::Sender;

use super::super::desk::Desk;
use super::super::offer_version::{self, VersionView};
use super::super::offers::target_name;
use super::offers::{changed, find, line_of, refusal, ssid};
use crate::http::error::Error;

/// `GET /console/offers/{sender}/{offer}/versions/{version}`.
pub(super) async fn one(desk: Desk, Path(path): Path<(Sender, OfferId, u64)>) -> Result<Response, Error> {
    let view = view(&desk, path, None).await?;
    Ok(desk.frame.ok(&offer_version::page(&desk.frame, &view)))
}

/// `POST /console/offers/{sender}/{offer}/versions/{version}/publish`: a new version with what stood in this one.
pub(super) async fn publish(
    desk: Desk,
    Path((sender, offer, version)): Path<(Sender, OfferId, u64)>,
) -> Result<Response, Error> {
    let change = desk.app.store.publish_again(desk.org()?, sender, &offer, version, desk.by()).await?;
    if let Some(problem) = refusal(desk.frame.words, &change) {
        let view = view(&desk, (sender, offer, version), Some(problem)).await?;
        return Ok(desk.frame.answer(StatusCode::CONFLICT, &offer_version::page(&desk.frame, &view)));
    }
    changed(&desk, &(sender, offer), change, "published").await
}

async fn view(
    desk: &Desk,
    (sender, id, version): (Sender, OfferId, u64),
    problem: Option<&'static str>,
) -> Result<VersionView, Error> {
    let path = (sender, id);
    let offer = find(desk, &path).await?;
    let versions = desk.app.store.offer_versions(desk.org()?, sender, &path.1).await?;
    let version = versions.into_iter().find(|v| v.version == version).ok_or(Error::NotFound)?;
    Ok(VersionView {
        line: line_of(&desk.frame, &offer, (0, 0)),
        target: target_name(&desk.frame, &version.targets),
        ssid: ssid(desk, &version.offer).await?,
        is_published: offer.published == Some(version.version),
        version,
        problem,
    })
}
