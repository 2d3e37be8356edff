//! Areas: the list, one, and which router is in which.

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use welcome_proto::{AreaId, RouterId};

use super::super::areas::{self, AreaLine, MAX_NEEDED};
use super::super::desk::{Desk, Typed};
use super::super::frame::Page;
use super::super::input::Input;
use super::super::words::Words;
use super::fleet::called;
use crate::http::MAX_NAME;
use crate::http::error::Error;
use crate::store::RouterFilter;
use crate::token;

/// `GET /console/areas`.
pub(super) async fn list(desk: Desk) -> Result<Response, Error> {
    let rows = desk.app.store.areas(desk.org()?).await?;
    let lines: Vec<_> = rows
        .into_iter()
        .map(|row| AreaLine {
            id: row.area.to_string(),
            name: row.name,
            needed: row.needed,
            routers: row.routers,
            bssids: row.bssids,
        })
        .collect();
    Ok(desk.frame.ok(&areas::list(&desk.frame, &lines)))
}

/// `GET /console/areas/new`.
pub(super) async fn new_page(desk: Desk) -> Response {
    desk.frame.ok(&areas::page(&desk.frame, None, &Input::of([("needed", "1")]), &[], &[]))
}

/// `POST /console/areas/new`.
pub(super) async fn add(desk: Desk, Typed(mut input): Typed) -> Result<Response, Error> {
    let Some((name, needed)) = read(desk.frame.words, &mut input) else {
        let page = areas::page(&desk.frame, None, &input, &[], &[]);
        return Ok(desk.frame.answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    };
    let area: AreaId = format!("a-{}", token::random_hex::<10>()).parse().expect("`a-` and digits are an area's id");
    desk.app.store.add_area(desk.org()?, &area, &name, needed, desk.by()).await?;
    Ok(desk.done(&format!("/console/areas/{area}"), "saved"))
}

/// `GET /console/areas/{area}`.
pub(super) async fn one(desk: Desk, Path(area): Path<AreaId>) -> Result<Response, Error> {
    let page = page(&desk, &area, None).await?;
    Ok(desk.frame.ok(&page))
}

/// `POST /console/areas/{area}`.
pub(super) async fn change(desk: Desk, Path(area): Path<AreaId>, Typed(mut input): Typed) -> Result<Response, Error> {
    let Some((name, needed)) = read(desk.frame.words, &mut input) else {
        let page = page(&desk, &area, Some(&input)).await?;
        return Ok(desk.frame.answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    };
    if !desk.app.store.change_area(desk.org()?, &area, &name, needed, desk.by()).await? {
        return Err(Error::NotFound);
    }
    Ok(desk.done(&format!("/console/areas/{area}"), "saved"))
}

/// `POST /console/areas/{area}/routers`: a router moves here.
pub(super) async fn move_router(desk: Desk, Path(area): Path<AreaId>, Typed(input): Typed) -> Result<Response, Error> {
    let router: RouterId = input.get("router").parse().map_err(|_| Error::NotFound)?;
    if !desk.app.store.move_router(desk.org()?, &router, &area, desk.by()).await? {
        return Err(Error::NotFound);
    }
    Ok(desk.done(&format!("/console/areas/{area}"), "saved"))
}

async fn page(desk: &Desk, area: &AreaId, input: Option<&Input>) -> Result<Page, Error> {
    let (org, store) = (desk.org()?, &desk.app.store);
    let row = store.areas(org).await?.into_iter().find(|row| row.area == *area).ok_or(Error::NotFound)?;
    let all = store.routers(org, &RouterFilter::default(), MOST_ROUTERS).await?;
    let (here, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|router| router.area == *area);
    let named = |rows: Vec<crate::store::RouterRow>| -> Vec<_> {
        rows.iter().map(|r| (r.router.to_string(), called(&r.name, &r.router).to_owned())).collect()
    };
    let stored = Input::of([("name", row.name), ("needed", row.needed.to_string())]);
    Ok(areas::page(&desk.frame, Some(area.as_str()), input.unwrap_or(&stored), &named(here), &named(others)))
}

fn read(w: &Words, input: &mut Input) -> Option<(String, u64)> {
    let name = input.line(w, "name", MAX_NAME);
    let needed = input.number(w, "needed", 1, MAX_NEEDED);
    if needed.is_none() {
        input.problem("needed", w.is_required);
    }
    needed.and_then(|n| u64::try_from(n).ok()).filter(|_| input.is_good()).map(|needed| (name, needed))
}

/// What a list to choose from may hold.
const MOST_ROUTERS: usize = 2000;
