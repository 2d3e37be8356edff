//! The routes of the console, each with its right, and what stands behind them.

mod areas;
mod door;
mod fleet;
mod live;
mod networks;
mod offer_versions;
mod offers;
mod organisation;
mod reports;
mod routers;
mod server;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path};
use axum::response::Response;
use http::Method;

use super::assets;
use super::desk::MAX_FORM;
use crate::http::App;
use crate::http::error::Error;
use crate::http::table::Table;
use crate::rights::{Right, Role};

/// The table of the console.
pub(crate) fn table(app: Arc<App>) -> Table {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PUBLIC: Right = Right::Public;
    const PERSON: Right = Right::Person;
    const VIEWER: Right = Right::Member(Role::Viewer);
    const EDITOR: Right = Right::Member(Role::Editor);
    const OWNER: Right = Right::Member(Role::Owner);
    const ADMIN: Right = Right::Admin;
    let pictures = Table::new(Arc::clone(&app))
        .route(POST, "/console/offers/new", EDITOR, offers::write_new)
        .route(POST, "/console/offers/{sender}/{offer}/edit", EDITOR, offers::write)
        .map(|router| router.layer(DefaultBodyLimit::max(MAX_FORM)));
    Table::new(app)
        .route(GET, "/", PUBLIC, door::home)
        .route(GET, "/static/{file}", PUBLIC, file)
        .route(POST, "/console/language", PUBLIC, door::language)
        .route(GET, "/set-up/{link}", PUBLIC, door::invitation)
        .route(POST, "/set-up/{link}", PUBLIC, door::accept)
        .route(GET, "/join/{link}", PUBLIC, door::invitation)
        .route(POST, "/join/{link}", PUBLIC, door::accept)
        .route(POST, "/join/{link}/as-me", PERSON, door::join)
        .route(GET, "/console/login", PUBLIC, door::login_page)
        .route(POST, "/console/login", PUBLIC, door::login)
        .route(POST, "/console/logout", PERSON, door::logout)
        .route(POST, "/console/look", PERSON, door::look)
        .route(GET, "/console/me", PERSON, door::me)
        .route(POST, "/console/me/password", PERSON, door::change_password)
        .route(GET, "/console", PERSON, fleet::overview)
        .route(GET, "/console/live", VIEWER, live::live)
        .route(GET, "/console/routers", VIEWER, routers::list)
        .route(GET, "/console/routers/add", EDITOR, routers::add_page)
        .route(POST, "/console/routers/add", EDITOR, routers::add)
        .route(GET, "/console/routers/{router}", VIEWER, routers::one)
        .route(POST, "/console/routers/{router}", EDITOR, routers::change)
        .route(GET, "/console/routers/{router}/revoke", EDITOR, routers::revoke_page)
        .route(POST, "/console/routers/{router}/revoke", EDITOR, routers::revoke)
        .route(GET, "/console/networks", VIEWER, networks::list)
        .route(GET, "/console/networks/{router}/{network}", VIEWER, networks::one)
        .route(POST, "/console/networks/{router}/{network}/verify", EDITOR, networks::verify)
        .route(POST, "/console/networks/{router}/{network}/verify/stop", EDITOR, networks::stop)
        .route(GET, "/console/networks/{router}/{network}/say", EDITOR, networks::say_page)
        .route(POST, "/console/networks/{router}/{network}/say", EDITOR, networks::say)
        .route(GET, "/console/areas", VIEWER, areas::list)
        .route(GET, "/console/areas/new", EDITOR, areas::new_page)
        .route(POST, "/console/areas/new", EDITOR, areas::add)
        .route(GET, "/console/areas/{area}", VIEWER, areas::one)
        .route(POST, "/console/areas/{area}", EDITOR, areas::change)
        .route(POST, "/console/areas/{area}/routers", EDITOR, areas::move_router)
        .route(GET, "/console/offers", VIEWER, offers::list)
        .route(GET, "/console/offers/new", EDITOR, offers::new_page)
        .route(POST, "/console/offers/preview", EDITOR, offers::preview)
        .route(GET, "/console/offers/{sender}/{offer}", VIEWER, offers::one)
        .route(GET, "/console/offers/{sender}/{offer}/edit", EDITOR, offers::edit_page)
        .route(GET, "/console/offers/{sender}/{offer}/publish", EDITOR, offers::publish_page)
        .route(POST, "/console/offers/{sender}/{offer}/publish", EDITOR, offers::publish)
        .route(GET, "/console/offers/{sender}/{offer}/archive", EDITOR, offers::archive_page)
        .route(POST, "/console/offers/{sender}/{offer}/archive", EDITOR, offers::archive)
        .route(GET, "/console/offers/{sender}/{offer}/versions/{version}", VIEWER, offer_versions::one)
        .route(POST, "/console/offers/{sender}/{offer}/versions/{version}/publish", EDITOR, offer_versions::publish)
        .merge(pictures)
        .route(GET, "/console/reports", VIEWER, reports::page)
        .route(GET, "/console/reports.csv", VIEWER, reports::csv)
        .route(GET, "/console/reports.json", VIEWER, reports::json)
        .route(GET, "/console/people", OWNER, organisation::people)
        .route(POST, "/console/people", OWNER, organisation::invite)
        .route(GET, "/console/people/{person}", OWNER, organisation::person)
        .route(POST, "/console/people/{person}", OWNER, organisation::change_person)
        .route(POST, "/console/people/{person}/remove", OWNER, organisation::remove_person)
        .route(GET, "/console/tokens", OWNER, organisation::tokens)
        .route(POST, "/console/tokens", OWNER, organisation::make_token)
        .route(GET, "/console/tokens/{token}/remove", OWNER, organisation::remove_token_page)
        .route(POST, "/console/tokens/{token}/remove", OWNER, organisation::remove_token)
        .route(GET, "/console/audit", OWNER, organisation::audit)
        .route(GET, "/console/settings", OWNER, organisation::settings)
        .route(POST, "/console/settings", OWNER, organisation::change_settings)
        .route(GET, "/console/server", ADMIN, server::page)
        .route(POST, "/console/server/orgs", ADMIN, server::add_org)
        .route(POST, "/console/server/look", ADMIN, server::look)
        .route(POST, "/console/server/conflicts", ADMIN, server::decide)
}

/// `GET /static/{file}`.
async fn file(Path(name): Path<String>) -> Result<Response, Error> {
    assets::answer(&name).ok_or(Error::NotFound)
}

/// Rows on one page of a list.
const PAGE: usize = 50;
