//! Every page with values that hurt, held to what all pages promise; and the same pages as files, to be looked at:
//! `WELCOMED_PAGES=DIR cargo test -p welcome-server samples`.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use welcome_proto::Color;
use welcome_proto::offer::{Content, Offer};

use super::areas::{self, AreaLine};
use super::assets::{SCRIPT, STYLE};
use super::door;
use super::frame::{Frame, Page, Place};
use super::input::Input;
use super::networks::{self, Challenge, LeftOutLine, NetworkLine, NetworkView};
use super::offer_version::{self, VersionView};
use super::offers::{self, OfferLine, OfferView};
use super::overview::{self, Arrival, Counts, Overview};
use super::parts::{Note, Tone};
use super::people::{self, AuditLine, ConflictLine, PersonLine, TokenLine};
use super::reports::{self, Reports};
use super::routers::{self, RouterLine, RouterView};
use super::words::{CHINESE, ENGLISH, Words};
use super::zone::Zone;
use crate::store::{OfferVersion, Targets};

const NOW: u64 = 1_795_780_800;
const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'&\u{202e}";

fn frame(words: &'static Words) -> Frame {
    Frame {
        words,
        zone: Zone::named(Some("Europe/Berlin")),
        now: NOW,
        csrf: "token-1".to_owned(),
        nonce: "abc".to_owned(),
        person: "Mara Lindqvist".to_owned(),
        org: "Café Morgenrot".to_owned(),
        base: "/console".to_owned(),
        others: vec![("o2".to_owned(), "Hafenkiosk".to_owned())],
        can_edit: true,
        is_owner: true,
        is_admin: true,
        here: "/console".to_owned(),
        flash: None,
    }
}

/// Every page by name; `name` stands wherever others choose the words.
fn pages(frame: &Frame, name: &str) -> Vec<(&'static str, Page)> {
    let line = |i: u64| RouterLine {
        id: format!("r-{i}a7f3c09"),
        name: if i % 3 == 2 { String::new() } else { format!("{name} {i}") },
        online: i % 4 != 1,
        seen: (i != 5).then(|| NOW - i * i * 900),
        version: "0.1.0".to_owned(),
        networks: i % 3 + 1,
        tags: if i.is_multiple_of(2) { vec!["ground floor".to_owned(), name.to_owned()] } else { Vec::new() },
    };
    let lines: Vec<_> = (0..8).map(line).collect();
    let network = |i: usize| NetworkLine {
        href: format!("/console/networks/n{i}"),
        ssid: if i == 0 { name.to_owned() } else { format!("{name} {i}") },
        router: format!("{name} bar"),
        router_href: "/console/routers/r-0".to_owned(),
        security: "WPA3 (SAE)".to_owned(),
        bssids: vec!["02:00:00:00:01:00".to_owned(), "02:00:00:00:01:01".to_owned()],
        state: networks::State::ALL[i % 5].1,
        area: i.is_multiple_of(2).then(|| name.to_owned()),
        shares_key: i.is_multiple_of(2),
    };
    let all: Vec<_> = (0..6).map(network).collect();
    let left_out = [LeftOutLine {
        id: name.to_owned(),
        mark: "_nomap".to_owned(),
        router: format!("{name} bar"),
        router_href: "/console/routers/r-0".to_owned(),
    }];
    let view = |i: usize| NetworkView {
        line: network(i),
        challenge: (i == 1).then(|| Challenge {
            ssid: "welcome-7f3a90c2b8".to_owned(),
            expires: NOW + 540,
            on_air: true,
            command: Some(
                "welcome share verify --server https://directory.example --challenge c-1 --code 7f3a".to_owned(),
            ),
            id: "c-1".to_owned(),
            by_hand: false,
            witnesses: 2,
        }),
        verified_at: Some(NOW - 40 * 86_400),
        verified_until: Some(NOW + 325 * 86_400),
        why: if i == 4 { name.to_owned() } else { String::new() },
    };
    let mut offer = Offer::new("breakfast".parse().unwrap(), name);
    offer.content = Content {
        title: if name == HOSTILE { name.to_owned() } else { "Breakfast until noon".to_owned() },
        text: "Rolls, jam and a large coffee for 6.50.\nAsk for the table in the garden.".to_owned(),
        link: Some("https://cafe.example/breakfast".to_owned()),
        color: Some(Color([0xb4, 0x44, 0x1f])),
        ..Content::default()
    };
    let targets = Targets { tags: vec!["ground floor".to_owned()], ..Targets::default() };
    let offer_line = |i: u64, state| OfferLine {
        id: format!("offer{i}"),
        title: if i == 0 { offer.content.title.clone() } else { format!("{name} {i}") },
        state,
        target: offers::target_name(frame, &targets),
        languages: vec!["en".to_owned(), "zh".to_owned()],
        changed: NOW - i * 90_000 - 300,
        has: 3,
        shall: 5,
    };
    let offer_lines = vec![
        offer_line(0, offers::State::Published),
        offer_line(1, offers::State::Changed),
        offer_line(2, offers::State::Draft),
        offer_line(3, offers::State::Archived),
    ];
    let hours = |at: u64| {
        let wave = [0, 0, 0, 0, 0, 1, 4, 11, 17, 14, 9, 12, 21, 18, 10, 8, 9, 13, 16, 12, 6, 3, 1, 0][at as usize % 24];
        let arrived = wave * (3 + at * 7 % 5) / 4;
        (NOW - at * 3600, Counts { arrived, greeted: arrived * 9 / 10, acknowledged: arrived * 2 / 5 })
    };
    let hours: Vec<_> = (0..720).map(hours).collect();
    let arrival = |i: u64| Arrival {
        at: NOW - i * 70,
        network: name.to_owned(),
        router: format!("{name} bar"),
        router_href: "/console/routers/r-0".to_owned(),
        what: [frame.words.did_arrive, frame.words.did_see, frame.words.did_acknowledge][i as usize % 3].to_owned(),
    };
    let overview_view = Overview {
        routers: 12,
        online: 10,
        networks: 15,
        verified: 13,
        published: 3,
        today: Counts { arrived: 184, greeted: 171, acknowledged: 66 },
        live: (0..6).map(arrival).collect(),
        attention: overview::attention_counts(frame, 2, 1, 1, 1),
        hours: hours.clone(),
    };
    let mut wrong = Input::of([("organisation", ""), ("name", name), ("login", name)]);
    wrong.problem("organisation", frame.words.is_required);
    wrong.problem("password", frame.words.password_short);
    let mut editor_input = super::offer_form::fields(&offer, &targets, &frame.zone);
    editor_input.problem("hours", frame.words.bad_hours);
    let tags = vec!["ground floor".to_owned(), name.to_owned()];
    let person = |role, is_me| PersonLine {
        id: "p1".to_owned(),
        name: name.to_owned(),
        login: format!("{name}@example.org"),
        role,
        is_me,
    };
    let persons = [person("owner", true), person("editor", false), person("viewer", false)];
    let token = TokenLine {
        id: "t1".to_owned(),
        name: name.to_owned(),
        scopes: vec!["read:areas".to_owned(), "read:keys".to_owned()],
        created: NOW - 90_000,
        used: Some(NOW - 60),
        expires: None,
    };
    let audit = |i: u64| AuditLine {
        at: NOW - i * 4000,
        who: "mara@example.org".to_owned(),
        action: "offer.publish".to_owned(),
        subject: name.to_owned(),
        detail: name.to_owned(),
    };
    let audits: Vec<_> = (0..5).map(audit).collect();
    let conflict = ConflictLine {
        bssid: "02:00:00:00:01:00".to_owned(),
        claims: vec![
            ("o1".to_owned(), name.to_owned(), NOW - 900_000),
            ("o2".to_owned(), format!("{name} 2"), NOW - 9000),
        ],
    };
    let report_view = Reports {
        networks: vec![reports::Row { name: name.to_owned(), router: name.to_owned(), counts: overview_view.today }],
        offers: vec![(name.to_owned(), 412)],
        hours,
    };
    let router_view = RouterView {
        line: lines[0].clone(),
        enrolled: NOW - 5_000_000,
        networks: all[..2].to_vec(),
        left_out: left_out.to_vec(),
        offers: vec![
            (name.to_owned(), "/console/offers/o".to_owned(), true),
            (name.to_owned(), "/console/offers/p".to_owned(), false),
        ],
        reports: vec![(NOW - 60, name.to_owned(), frame.words.did_arrive.to_owned())],
    };
    let offer_view = OfferView {
        line: offer_lines[1].clone(),
        offer: offer.clone(),
        ssid: name.to_owned(),
        published: Some(1),
        versions: vec![(2, NOW - 300, name.to_owned()), (1, NOW - 90_000, name.to_owned())],
        routers: vec![(name.to_owned(), "/console/routers/r".to_owned(), true)],
        more: 950,
        shown: 412,
    };
    let version = |version, problem| VersionView {
        line: offer_lines[1].clone(),
        version: OfferVersion {
            version,
            offer: offer.clone(),
            targets: targets.clone(),
            author: name.to_owned(),
            at: NOW - 90_000,
        },
        target: offers::target_name(frame, &targets),
        ssid: name.to_owned(),
        is_published: version == 1,
        problem,
    };
    let areas_all = [AreaLine { id: "a1".to_owned(), name: name.to_owned(), needed: 2, routers: 3, bssids: 7 }];
    let area_input = Input::of([("name", name), ("needed", "2")]);
    let rs = [("r-1".to_owned(), name.to_owned())];
    let query = routers::Query { q: name.to_owned(), ..routers::Query::default() };
    let ask = door::Confirm {
        title: super::words::fill(frame.words.revoke_router, &[]),
        text: super::words::fill(frame.words.revoke_router_text, &[("name", &name)]),
        action: "/console/routers/r/revoke".to_owned(),
        button: frame.words.revoke,
        danger: true,
        back: "/console/routers/r",
        fields: Vec::new(),
    };
    vec![
        ("set-up", door::set_up(frame, "/set-up/x", &wrong)),
        (
            "login",
            door::log_in(frame, &Input::of([("login", name)]), Some(Note::new(Tone::Bad, frame.words.login_wrong))),
        ),
        ("invitation", door::invitation(frame, "/join/x", name, frame.words.editor, &Input::default())),
        ("join", door::join(frame, "/join/x", name, frame.words.editor)),
        ("me", door::me(frame, name, &Input::default())),
        ("not-found", door::notice(frame.words.not_found, frame.words.not_found_text, None)),
        ("confirm", door::confirm(frame, Place::Routers, ask)),
        ("overview", overview::page(frame, &overview_view)),
        ("overview-first", overview::page(frame, &Overview::default())),
        ("routers", routers::list(frame, &query, &tags, &lines, Some("r-8"))),
        ("routers-first", routers::list(frame, &routers::Query::default(), &[], &[], None)),
        ("router", routers::page(frame, &router_view, &Input::default())),
        ("router-add", routers::add(frame, &Input::default())),
        ("router-added", routers::added(frame, "https://directory.example", "K7F390C2B811", NOW + 86_400)),
        ("networks", networks::list(frame, networks::Query::default(), &all, &left_out, Some("x"))),
        ("network-announced", networks::page(frame, &view(0))),
        ("network-challenged", networks::page(frame, &view(1))),
        ("network-verified", networks::page(frame, &view(2))),
        ("network-conflict", networks::page(frame, &view(3))),
        ("network-expired", networks::page(frame, &view(4))),
        ("areas", areas::list(frame, &areas_all)),
        ("area", areas::page(frame, Some("a1"), &area_input, &rs, &rs)),
        ("offers", offers::list(frame, "", "", &offer_lines)),
        ("offers-first", offers::list(frame, "", "", &[])),
        ("offer", offers::page(frame, &offer_view)),
        ("offer-version", offer_version::page(frame, &version(2, Some(frame.words.offer_no_router)))),
        ("offer-version-out", offer_version::page(frame, &version(1, None))),
        ("offer-edit", offers::editor(frame, Some("o1"), &editor_input, &offer, &tags, name)),
        ("say", offers::say(frame, "/console/networks/n", name, &Input::default())),
        (
            "people",
            people::people(frame, &persons, &Input::default(), Some("https://directory.example/join/k7f390c2b811")),
        ),
        ("person", people::person(frame, &persons[1], &Input::default())),
        ("tokens", people::tokens(frame, &[token], &Input::default(), None)),
        ("audit", people::audit(frame, &audits, None, Some("7"))),
        ("settings", people::settings(frame, &Input::of([("name", name)]), "k7f3")),
        (
            "server",
            people::server(frame, &[("o1".to_owned(), name.to_owned(), NOW)], &[conflict], &audits, &Input::default()),
        ),
        ("reports", reports::page(frame, &report_view)),
    ]
}

async fn body(frame: &Frame, page: &Page) -> String {
    let bytes: Bytes = frame.ok(page).into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The values of an attribute.
fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let begin = format!(" {attribute}=\"");
    html.match_indices(&begin).map(|(at, _)| html[at + begin.len()..].split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn nothing_that_others_wrote_is_markup() {
    for words in [&ENGLISH, &CHINESE] {
        let mut frame = frame(words);
        frame.person = HOSTILE.to_owned();
        frame.org = HOSTILE.to_owned();
        frame.others = vec![(HOSTILE.to_owned(), HOSTILE.to_owned())];
        frame.here = HOSTILE.to_owned();
        frame.flash = Some(Note::new(Tone::Good, HOSTILE));
        for (name, page) in pages(&frame, HOSTILE) {
            let html = body(&frame, &page).await;
            assert!(!html.contains("<script>") && !html.contains("<img src=x"), "{name}");
            assert_eq!(html.matches("<script").count(), 1, "{name}: our own file");
            assert!(!html.contains(" style=") && !html.contains(" onclick"), "{name}: the policy would stop it");
        }
    }
}

#[tokio::test]
async fn every_field_has_a_label_and_every_name_of_a_part_is_its_own() {
    let frame = frame(&ENGLISH);
    for (name, page) in pages(&frame, "Bar") {
        let html = body(&frame, &page).await;
        let ids = values(&html, "id");
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len(), "{name}: {ids:?}");
        for pointed in ["for", "aria-describedby", "aria-labelledby"] {
            for id in values(&html, pointed).into_iter().flat_map(str::split_whitespace) {
                assert!(unique.contains(&id), "{name}: {pointed}={id}");
            }
        }
        assert_eq!(html.matches("<h1>").count(), 1, "{name}");
    }
}

#[tokio::test]
async fn every_form_that_changes_something_carries_the_token_of_the_session() {
    let frame = frame(&ENGLISH);
    for (name, page) in pages(&frame, "Bar") {
        let html = body(&frame, &page).await;
        for form in html.split("<form").skip(1).map(|rest| rest.split("</form>").next().unwrap()) {
            let is_open =
                ["/console/login", "/console/language", "/set-up/", "/join/"].iter().any(|p| form.contains(p));
            if form.contains("method=\"post\"") && !is_open {
                assert!(form.contains("name=\"csrf\" value=\"token-1\""), "{name}: {form}");
            }
        }
    }
}

#[test]
fn a_viewer_is_offered_nothing_that_would_be_refused() {
    let mut frame = frame(&ENGLISH);
    (frame.can_edit, frame.is_owner, frame.is_admin) = (false, false, false);
    let mine = [
        "networks",
        "network-announced",
        "network-challenged",
        "routers",
        "router",
        "offers",
        "offer",
        "offer-version",
        "areas",
        "area",
    ];
    for (name, page) in pages(&frame, "Bar").into_iter().filter(|(name, _)| mine.contains(name)) {
        assert!(page.actions.is_empty(), "{name}: {:?}", page.actions);
        assert!(page.pieces.iter().all(|piece| !piece.to_string().contains("method=\"post\"")), "{name}");
    }
}

#[tokio::test]
async fn samples_are_written_for_who_wants_to_look() {
    let Ok(dir) = std::env::var("WELCOMED_PAGES") else { return };
    let dir = Path::new(&dir);
    std::fs::create_dir_all(dir.join("static")).unwrap();
    for asset in [&STYLE, &SCRIPT] {
        std::fs::write(dir.join("static").join(asset.name()), asset.text()).unwrap();
    }
    for words in [&ENGLISH, &CHINESE] {
        let frame = frame(words);
        for (name, page) in pages(&frame, if words.language == "zh" { "晨曦咖啡" } else { "Café Morgenrot" }) {
            std::fs::write(dir.join(format!("{name}.{}.html", words.language)), body(&frame, &page).await).unwrap();
        }
    }
}
