//! Walks the table of routes: none is reached without the right it names, and no organisation reaches into another.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use http::{Method, Request, StatusCode, header};
use tower::ServiceExt as _;
use welcome_proto::offer::{Offer, Sender};

use super::session;
use super::table::Route;
use super::{App, routes, table};
use crate::app::unix_now;
use crate::caller::Caller;
use crate::ids::{OrgId, PersonId, TokenId};
use crate::key::{Key, org_place};
use crate::rights::{Right, Role, Scope, Scopes};
use crate::seal::Seal;
use crate::store::{ApiToken, By, NewChallenge, NewPerson, NewToken, Store, Targets};
use crate::token;

/// In the name of everything that the first organisation has.
const MARK: &str = "zebra-quartz";

#[tokio::test]
async fn no_route_is_reached_without_the_right_it_names() {
    let house = House::build().await;
    let (_, all) = table(Arc::clone(&house.app)).finish();
    assert!(all.len() > 20, "{}", all.len());
    for route in &all {
        for who in Who::all() {
            let answer = house.ask(route, &who, &house.first).await;
            let turned_away = is_turned_away(route, &answer);
            assert_eq!(turned_away, !who.has(route.right), "{route:?} for {who:?}: {}", answer.0);
        }
    }
}

#[tokio::test]
async fn another_organisation_sees_and_changes_nothing() {
    let house = House::build().await;
    let (_, all) = table(Arc::clone(&house.app)).finish();
    let before = house.first_as_a_whole().await;
    let (mut own, mut looked) = (0, 0);
    for route in all.iter().filter(|r| matches!(r.right, Right::Token(_) | Right::Person | Right::Member(_))) {
        let who = match route.right {
            Right::Token(scope) => Who::Token(scope),
            _ => Who::Member(Role::Owner),
        };
        let (_, own_body) = if route.method == Method::GET {
            house.ask(route, &who, &house.first).await
        } else {
            (StatusCode::OK, Bytes::new())
        };
        own += usize::from(contains(&own_body, MARK));
        let (status, body) = house.ask(route, &who, &house.second).await;
        looked += 1;
        assert!(!contains(&body, MARK), "{route:?} shows what is another's: {}", String::from_utf8_lossy(&body));
        if route.path.contains('{') && route.method != Method::GET {
            assert!(!status.is_success(), "{route:?}: {status}");
        }
    }
    assert!(own >= 10 && looked > 40, "the owners do see it: {own} of {looked}");
    assert_eq!(house.first_as_a_whole().await, before);
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    /// Signed by a router that is not the path's.
    OtherRouter,
    Token(Scope),
    Member(Role),
    Admin,
}

impl Who {
    fn all() -> Vec<Self> {
        let tokens = Scope::ALL.map(Self::Token);
        let members = Role::ALL.map(Self::Member);
        [Self::Nobody, Self::OtherRouter, Self::Admin].into_iter().chain(tokens).chain(members).collect()
    }

    /// What the table's names mean, said once more and in another way than the guard says it.
    fn has(self, right: Right) -> bool {
        match (right, self) {
            (Right::Public | Right::Directory, _) => true,
            (Right::Token(needed), Self::Token(scope)) => scope == needed,
            (Right::Person, Self::Member(_) | Self::Admin) => true,
            (Right::Member(needed), Self::Member(role)) => role as u8 >= needed as u8,
            (Right::Admin | Right::Member(_), Self::Admin) => true,
            _ => false,
        }
    }
}

/// By the guard, and not by the handler.
fn is_turned_away(route: &Route, (status, body): &(StatusCode, Bytes)) -> bool {
    let guarded = !matches!(route.right, Right::Public | Right::Directory);
    match *status {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN => guarded && !contains(body, "form is too old"),
        _ => false,
    }
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|w| w == text.as_bytes())
}

/// One organisation and what is its own.
struct Family {
    org: OrgId,
    router: String,
    challenge: String,
    token: String,
    person: PersonId,
    area: String,
}

/// A server with two organisations; the paths are always of the first one's things.
struct House {
    _dir: tempfile::TempDir,
    app: Arc<App>,
    first: Family,
    second: Family,
}

impl House {
    async fn build() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let seal = Seal::parse(&"5".repeat(64)).unwrap();
        let first_org = OrgId::random();
        let key = Key::make(&seal, &org_place(&first_org));
        store.first_start(&first_org, &key, unix_now()).await.unwrap();
        let app = App::of(store, seal);
        let second_org = OrgId::random();
        let key = Key::make(&app.seal, &org_place(&second_org));
        app.store.add_org(&second_org, "Second", &key, by()).await.unwrap();
        app.store.change_org(&first_org, MARK, false, by()).await.unwrap();
        let first = furnish(&app, first_org, MARK).await;
        let second = furnish(&app, second_org, "other").await;
        Self { _dir: dir, app, first, second }
    }

    /// Asks a route about what is the first organisation's, as somebody of this one.
    async fn ask(&self, route: &Route, who: &Who, of: &Family) -> (StatusCode, Bytes) {
        let it = &self.first;
        let path = route
            .path
            .replace("{router}", &it.router)
            .replace("{network}", "cafe")
            .replace("{offer}", "hello")
            .replace("{sender}", "sharer")
            .replace("{version}", "1")
            .replace("{challenge}", &it.challenge)
            .replace("{token}", &it.token)
            .replace("{person}", it.person.as_str())
            .replace("{area}", &it.area)
            .replace("{org}", it.org.as_str())
            .replace("{bssid}", "02:00:00:00:01:00")
            .replace("{digest}", &"0".repeat(64));
        let mut request = Request::builder().method(&route.method).uri(path).header(header::HOST, "localhost");
        // As `listen` leaves it.
        request = request.extension(Caller { addr: Ipv4Addr::LOCALHOST.into(), tls: false });
        let mut csrf = String::new();
        match who {
            Who::Nobody => {}
            Who::OtherRouter => {
                let input = format!(
                    "welcome=(\"@method\" \"@authority\" \"@request-target\");created={};keyid=\"{}\";alg=\"ed25519\"",
                    unix_now(),
                    self.second.router
                );
                request = request.header("signature-input", input).header("signature", "welcome=:AAAA:");
            }
            Who::Token(scope) => {
                let bearer = api_token(&self.app, Some(&of.org), Scopes([*scope].into())).await;
                request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
            }
            Who::Member(_) | Who::Admin => {
                let cookie = self.log_in(who, of).await;
                csrf = session::csrf(&cookie);
                request = request.header(header::COOKIE, format!("welcome_session={cookie}"));
            }
        }
        let body = if route.method == Method::GET { String::new() } else { format!("csrf={csrf}") };
        let request =
            request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(Body::from(body)).unwrap();
        let answer = routes(Arc::clone(&self.app)).oneshot(request).await.unwrap();
        let status = answer.status();
        // A stream has no end; its head is enough.
        let streams = answer.headers().get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes() == b"text/event-stream");
        let body = if streams { Bytes::new() } else { to_bytes(answer.into_body(), 1 << 22).await.unwrap() };
        (status, body)
    }

    async fn log_in(&self, who: &Who, of: &Family) -> String {
        let (role, admin) = match who {
            Who::Member(role) => (*role, false),
            _ => (Role::Viewer, true),
        };
        let person = add_person(&self.app, &of.org, role, admin, "guest").await;
        let cookie = token::random_hex::<16>();
        let now = unix_now();
        self.app.store.add_session(token::hash(&cookie), &person, now + 60, now).await.unwrap();
        cookie
    }

    /// Whatever a change from outside could touch.
    async fn first_as_a_whole(&self) -> String {
        let (store, org) = (&self.app.store, &self.first.org);
        let router = self.first.router.parse().unwrap();
        format!(
            "{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
            store.router(org, &router).await.unwrap().map(|r| (r.name, r.tags, r.area, r.offers_revision)),
            store.org_offers(org, None).await.unwrap(),
            store.org(org).await.unwrap(),
            store.challenge_row(org, &self.first.challenge.parse().unwrap()).await.unwrap(),
            store.network_offers(&router, &"cafe".parse().unwrap()).await.unwrap(),
        )
    }
}

async fn furnish(app: &Arc<App>, org: OrgId, name: &str) -> Family {
    let now = unix_now();
    let enrolment = token::hash(&token::random_hex::<8>());
    let new = NewToken { org: &org, name, area: None, vouch: false, expires: now + 60 };
    app.store.add_enrolment_token(enrolment, &new, by()).await.unwrap();
    let router =
        app.store.enrol(enrolment, [7; 32], "0.1.0", token::new_router_id(), now).await.unwrap().unwrap().router;
    let network = serde_json::json!({
        "id": "cafe", "ssid": name, "security": "open", "bss": [{"bssid": "02:00:00:00:01:00"}]
    });
    let network = serde_json::from_value(network).unwrap();
    app.store.announce(&app.seal, &router, 1, &[network], &Default::default(), now).await.unwrap();
    let offer = Offer::new("hello".parse().unwrap(), name);
    let targets = Targets { all: true, ..Targets::default() };
    app.store.put_offer(&org, Sender::Sharer, &offer, &targets, true, by()).await.unwrap();
    let challenge: welcome_proto::ChallengeId = format!("c-{}", token::random_hex::<8>()).parse().unwrap();
    let new = NewChallenge {
        id: challenge.clone(),
        org: &org,
        router: &router,
        network: &"cafe".parse().unwrap(),
        ssid: "welcome-0123456789abcdef".parse().unwrap(),
        code: token::hash(&token::random_hex::<8>()),
    };
    app.store.challenge(&new, by()).await.unwrap();
    let person = add_person(app, &org, Role::Owner, false, name).await;
    api_token(app, Some(&org), Scopes::default()).await;
    let kept = app.store.api_tokens(Some(&org)).await.unwrap();
    let area = app.store.router(&org, &router).await.unwrap().unwrap().area.to_string();
    Family {
        challenge: challenge.to_string(),
        router: router.to_string(),
        token: kept[0].id.to_string(),
        person,
        area,
        org,
    }
}

async fn add_person(app: &App, org: &OrgId, role: Role, admin: bool, name: &str) -> PersonId {
    let link = token::hash(&token::random_hex::<8>());
    let now = unix_now();
    app.store.invite(org, role, link, now + 60, by()).await.unwrap();
    let id = PersonId::random();
    let login = format!("{}@example.org", id.as_str());
    let new = NewPerson { id: id.clone(), login: &login, name, password: "" };
    app.store.take_invitation(link, &new, None, now).await.unwrap();
    if admin {
        app.store.make_admin(&id, by()).await.unwrap();
    }
    id
}

async fn api_token(app: &App, org: Option<&OrgId>, scopes: Scopes) -> String {
    let bearer = token::random_hex::<16>();
    let token = ApiToken {
        id: TokenId::random(),
        org: org.cloned(),
        name: "test".to_owned(),
        scopes,
        created: unix_now(),
        expires: None,
        last_used: None,
    };
    app.store.add_api_token(&token, token::hash(&bearer), by()).await.unwrap();
    bearer
}

fn by() -> By<'static> {
    By { who: "test", at: unix_now() }
}
