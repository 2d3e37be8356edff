//! The console over HTTP, on whichever database the tests are told: who comes in by the set-up link sees each page, and
//! what they change is there afterwards.

use crate::common::{Answer, Client, Server};
use http::{Request, StatusCode};
use serde_json::json;

/// A browser without script.
struct Browser {
    client: Client,
    cookie: String,
    csrf: String,
}

impl Browser {
    /// Sets the server up, and is its owner.
    async fn set_up(server: &Server) -> Self {
        let mut browser = Self { client: server.client(), cookie: String::new(), csrf: String::new() };
        let form = [
            ("organisation", "Café"),
            ("name", "Mara"),
            ("login", "Mara@example.org"),
            ("password", "rain on the roof"),
        ];
        let answer = browser.post(&server.set_up(), &form).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        browser.cookie = cookie.split(';').next().unwrap().to_owned();
        let page = browser.get("/console/me").await.1;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        browser.csrf = rest.split('"').next().unwrap().to_owned();
        browser
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).header("accept", "text/html").header("cookie", &self.cookie);
        let answer = self.client.send(request.body(String::new()).unwrap()).await;
        if answer.headers.get("content-type").is_some_and(|kind| kind == "text/html; charset=utf-8") {
            let policy = answer.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
        (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(form).append_pair("csrf", &self.csrf).finish();
        let request = Request::post(path)
            .header("accept", "text/html")
            .header("cookie", &self.cookie)
            .header("content-type", "application/x-www-form-urlencoded");
        self.client.send(request.body(body).unwrap()).await
    }

    /// Sends a form that is taken; the page it leads to.
    async fn done(&self, path: &str, form: &[(&str, &str)]) -> String {
        let answer = self.post(path, form).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}: {answer:?}");
        answer.headers["location"].to_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn each_page_of_a_fleet_is_there_and_finds_what_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path()).await;
    let browser = Browser::set_up(&server).await;
    let router = server.router(true).await;
    let bss = json!([{"bssid": "02:00:00:00:01:00"}]);
    let network = |id: &str, ssid: &str| json!({"id": id, "ssid": ssid, "security": "open", "bss": bss});
    let networks = json!([network("cafe", "Café 晨曦"), {"id": "yard", "ssid": "Yard", "security": "psk", "bss": []}]);
    assert!(router.announce(1, networks).await.status.is_success());
    let reports = json!([
        {"network": "cafe", "what": "arrived"},
        {"network": "cafe", "what": "shown", "sender": "sharer", "offer": "x"},
        {"network": "cafe", "what": "acknowledged"}
    ]);
    assert!(router.report("b-1", reports).await.status.is_success());
    let id = &router.id;
    for (path, part) in [
        ("/console".to_owned(), "A guest pressed the button"),
        ("/console/routers".to_owned(), id.as_str()),
        ("/console/routers?state=online".to_owned(), id.as_str()),
        ("/console/routers?q=nothing-like-this".to_owned(), "Nothing matches"),
        (format!("/console/routers/{id}"), "Yard"),
        ("/console/networks?state=verified&q=%E6%99%A8".to_owned(), "Café 晨曦"),
        ("/console/networks?state=announced".to_owned(), "Yard"),
        ("/console/networks?q=caf%C3%A9+nowhere".to_owned(), "Nothing matches"),
        (format!("/console/networks?after={id}.cafe"), "Yard"),
        (format!("/console/networks/{id}/cafe"), "This network is verified and listed."),
        (format!("/console/networks/{id}/yard"), "Start the verification"),
        ("/console/areas".to_owned(), "Needed"),
        ("/console/reports".to_owned(), "cafe"),
        ("/console/reports.csv".to_owned(), ",\"cafe\",\"acknowledged\",1"),
        ("/console/reports.json".to_owned(), "\"what\":\"acknowledged\""),
        ("/console/people".to_owned(), "mara@example.org"),
        ("/console/tokens".to_owned(), "operator"),
        ("/console/audit".to_owned(), "router.enrol"),
        ("/console/settings".to_owned(), "Public key"),
        ("/console/server".to_owned(), "No conflicts"),
    ] {
        let (status, page) = browser.get(&path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        assert!(page.contains(part), "{part} in {path}: {page}");
    }
    let (status, page) = browser.get("/console/networks?state=announced").await;
    assert!(status.is_success() && !page.contains("晨曦"), "{page}");
    server.stop().await;
}

#[tokio::test]
async fn what_is_changed_is_there_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path()).await;
    let browser = Browser::set_up(&server).await;
    let router = server.router(false).await;
    let mut events = router.events(None).await;
    assert_eq!(events.titles().await.1, Vec::<String>::new());
    let path = format!("/console/routers/{}", router.id);
    browser.done(&path, &[("name", "Bar"), ("tags", "city, ground floor")]).await;
    assert!(browser.get("/console/routers?tag=city").await.1.contains("Bar"));

    let area = browser.done("/console/areas/new", &[("name", "Old town"), ("needed", "2")]).await;
    let area = area.split('?').next().unwrap();
    browser.done(&format!("{area}/routers"), &[("router", router.id.as_str())]).await;
    browser.done(area, &[("name", "Harbour"), ("needed", "3")]).await;
    let (_, page) = browser.get(area).await;
    assert!(page.contains("Harbour") && page.contains("value=\"3\"") && page.contains("Bar"), "{page}");
    assert_eq!(
        browser.get("/console/areas").await.1.matches("<tr>").count(),
        2,
        "the one it left is gone: head and one"
    );

    let form =
        [("title", "Breakfast"), ("cap_per_visit", "1"), ("priority", "50"), ("target", "tags"), ("tag", "city")];
    let offer = browser.done("/console/offers/new", &form).await;
    let offer = offer.split('?').next().unwrap();
    browser.done(&format!("{offer}/publish"), &[]).await;
    while events.titles().await.1 != ["Breakfast"] {}
    browser.done(&format!("{offer}/archive"), &[]).await;
    while !events.titles().await.1.is_empty() {}

    browser.done("/console/settings", &[("name", "Harbour Café"), ("keys_to_all", "yes")]).await;
    assert!(browser.get("/console/settings").await.1.contains("value=\"yes\" checked"));
    let made = browser.post("/console/tokens", &[("name", "app"), ("scope", "read:fleet"), ("days", "7")]).await;
    let page = String::from_utf8(made.body.to_vec()).unwrap();
    let token = page.split("<code>").nth(1).unwrap().split('<').next().unwrap();
    assert!(server.ask(token, http::Method::GET, "/v1/operator/routers", None).await.status.is_success());

    browser.done(&format!("{path}/revoke"), &[]).await;
    assert_eq!(browser.get(&path).await.0, StatusCode::NOT_FOUND);
    let gone = browser.done("/console/logout", &[]).await;
    assert_eq!(gone, "/console/login");
    assert_eq!(browser.get("/console").await.0, StatusCode::SEE_OTHER);
    server.stop().await;
}

#[tokio::test]
async fn an_earlier_version_is_published_again_as_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path()).await;
    let browser = Browser::set_up(&server).await;
    let router = server.router(true).await;
    let mut events = router.events(None).await;
    let form = |title: &'static str| [("title", title), ("target", "all"), ("cap_per_visit", "1"), ("priority", "50")];
    let offer = browser.done("/console/offers/new", &form("Breakfast")).await;
    let offer = offer.split('?').next().unwrap();
    browser.done(&format!("{offer}/edit"), &form("Lunch")).await;
    browser.done(&format!("{offer}/publish"), &[]).await;
    while events.titles().await.1 != ["Lunch"] {}

    let (_, page) = browser.get(offer).await;
    assert!(page.contains(&format!("href=\"{offer}/versions/1\"")), "{page}");
    let (_, page) = browser.get(&format!("{offer}/versions/2")).await;
    assert!(page.contains("Routers have this version.") && !page.contains("/versions/2/publish"), "{page}");
    let (_, page) = browser.get(&format!("{offer}/versions/1")).await;
    assert!(page.contains("<h2 dir=\"auto\">Breakfast</h2>") && page.contains("/versions/1/publish"), "{page}");
    let done = browser.done(&format!("{offer}/versions/1/publish"), &[]).await;
    assert_eq!(done, format!("{offer}?done=published"));
    while events.titles().await.1 != ["Breakfast"] {}
    let (_, page) = browser.get(offer).await;
    assert!(page.contains("/versions/3\"") && page.contains("<h1><bdi>Breakfast</bdi>"), "{page}");
    let (_, log) = browser.get("/console/audit").await;
    assert!(log.contains("offer.restore") && log.contains("version 1 again, as version 3"), "{log}");

    browser.done(&format!("{offer}/versions/3/publish"), &[]).await;
    assert!(!browser.get(offer).await.1.contains("/versions/4\""), "what is out already is no version more");
    browser.done(&format!("{offer}/archive"), &[]).await;
    while !events.titles().await.1.is_empty() {}
    browser.done(&format!("{offer}/versions/2/publish"), &[]).await;
    while events.titles().await.1 != ["Lunch"] {}
    for nothing in [
        format!("{offer}/versions/9"),
        format!("{offer}/versions/x"),
        "/console/offers/sharer/no/versions/1".to_owned(),
    ] {
        assert!(browser.get(&nothing).await.0.is_client_error(), "{nothing}");
        assert!(browser.post(&format!("{nothing}/publish"), &[]).await.status.is_client_error(), "{nothing}");
    }
    server.stop().await;
}

#[tokio::test]
async fn of_a_large_fleet_an_offer_shows_first_who_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path()).await;
    let browser = Browser::set_up(&server).await;
    let there = server.router(false).await;
    for _ in 0..51 {
        server.router(false).await;
    }
    let form = [("title", "Hello"), ("target", "all"), ("cap_per_visit", "1"), ("priority", "50")];
    let offer = browser.done("/console/offers/new", &form).await;
    let offer = offer.split('?').next().unwrap();
    browser.done(&format!("{offer}/publish"), &[]).await;
    let mut events = there.events(None).await;
    while events.titles().await.1 != ["Hello"] {}
    let it_has_it = format!("/console/routers/{}\"", there.id);
    loop {
        let (_, page) = browser.get(offer).await;
        assert_eq!(page.matches("href=\"/console/routers/r-").count(), 50, "{page}");
        assert!(page.contains("And 2 more, "), "{page}");
        if page.contains("1 of 52") {
            assert!(!page.contains(&it_has_it), "who has it comes last");
            break;
        }
    }
    let (_, list) = browser.get("/console/offers").await;
    assert!(list.contains("1 of 52"), "{list}");
    server.stop().await;
}

#[tokio::test]
async fn a_version_for_a_router_that_is_gone_says_why_it_cannot_be_published() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path()).await;
    let browser = Browser::set_up(&server).await;
    let router = server.router(true).await;
    let form = [
        ("title", "Here"),
        ("target", "routers"),
        ("routers", router.id.as_str()),
        ("cap_per_visit", "1"),
        ("priority", "50"),
    ];
    let offer = browser.done("/console/offers/new", &form).await;
    let offer = offer.split('?').next().unwrap();
    browser.done(&format!("/console/routers/{}/revoke", router.id), &[]).await;
    let answer = browser.post(&format!("{offer}/versions/1/publish"), &[]).await;
    let page = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(
        answer.status == StatusCode::CONFLICT && page.contains("One of the routers that it is for is not there."),
        "{page}"
    );
    let answer = browser.post(&format!("{offer}/publish"), &[]).await;
    let page = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(page.contains("One of the routers that it is for is not there."), "{page}");
    server.stop().await;
}

#[tokio::test]
async fn a_network_that_asks_for_no_directory_is_shown_with_its_mark_and_nothing_else_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path()).await;
    let browser = Browser::set_up(&server).await;
    let router = server.router(true).await;
    let network = |id: &str, ssid: &str| json!({"id": id, "ssid": ssid, "security": "open", "bss": [{"bssid": "02:00:00:00:0a:bc"}]});
    let both = json!([network("home", "Quiet-Place_nomap"), network("yard", "a_optout_b")]);
    assert!(router.announce(1, both).await.status.is_success());
    for page in ["/console/networks".to_owned(), format!("/console/routers/{}", router.id)] {
        let (_, page) = browser.get(&page).await;
        for part in [
            "Left out at their own wish",
            "<bdi>home</bdi>",
            "Its name has _nomap in it.",
            "Its name has _optout in it.",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("Quiet-Place") && !page.contains("a_optout_b") && !page.contains("0a:bc"), "{page}");
    }
    assert!(router.announce(2, json!([network("home", "Quiet-Place")])).await.status.is_success());
    assert!(!browser.get("/console/networks").await.1.contains("Left out"), "it has another name");
    server.stop().await;
}

#[tokio::test]
async fn a_browser_gets_pages_for_errors_and_a_program_gets_problems() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path()).await;
    let browser = Browser::set_up(&server).await;
    let (status, page) = browser.get("/console/nothing").await;
    assert!(status == StatusCode::NOT_FOUND && page.contains("<h1>"), "{page}");
    server.client().get("/nothing").await.problem(404, "about:blank");
    let stranger = Browser { client: server.client(), cookie: String::new(), csrf: String::new() };
    let request = Request::get("/console/routers?q=a").header("accept", "text/html").body(String::new()).unwrap();
    let answer = stranger.client.send(request).await;
    assert_eq!(answer.headers["location"], "/console/login?next=%2Fconsole%2Frouters%3Fq%3Da");
    server.stop().await;
}
