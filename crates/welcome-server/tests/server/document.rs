//! `docs/protocol.md` says what the code does: its signature verifies, and it names every route, problem and limit.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use welcome_proto::announce::{Announce, MAX_BSS, MAX_NETWORKS};
use welcome_proto::arrival::{self, Greeting};
use welcome_proto::enrol::EnrolReply;
use welcome_proto::offer::{OffersPush, SayPush};
use welcome_proto::signature::{self, Params};
use welcome_proto::signed::{self, Statement};
use welcome_proto::snapshot::{Directory, Index, Snapshot};
use welcome_proto::{lan, lookup, offer, problem, report, snapshot};

const DOCUMENT: &str = include_str!("../../../../docs/protocol.md");

#[test]
fn the_signed_request_is_signed_as_the_document_says() {
    let request = DOCUMENT.split("```\n").find(|block| block.starts_with("PUT /v1/routers/")).unwrap();
    let (head, rest) = request.split_once("\n\n").unwrap();
    let body = rest.lines().next().unwrap();
    let header = |name: &str| head.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ")).unwrap();
    assert_eq!(header("Content-Length"), body.len().to_string());
    let announce: Announce = serde_json::from_str(body).unwrap();
    assert_eq!(serde_json::to_string(&announce).unwrap(), body);

    let content_digest = signature::content_digest(digest(&SHA256, body.as_bytes()).as_ref().try_into().unwrap());
    assert_eq!(header("Content-Digest"), content_digest);
    let params: Params = signature::parse_input(header("Signature-Input"), true).unwrap();
    let request = signature::Request {
        method: "PUT",
        authority: header("Host"),
        target: head.split(' ').nth(1).unwrap(),
        content_digest: Some(&content_digest),
    };
    let base = signature::base(&request, &params);
    assert!(DOCUMENT.contains(&format!("```\n{base}\n```")), "{base}");
    let seed: Vec<u8> = (0..32).collect();
    let key = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    assert_eq!(header("Signature"), signature::signature(key.sign(base.as_bytes()).as_ref()));
}

#[test]
fn the_statements_are_signed_with_the_key_of_the_enrolment() {
    let after = |mark: &'static str| DOCUMENT.lines().filter_map(move |line| line.strip_prefix(mark));
    let reply: EnrolReply =
        serde_json::from_str(&format!("{{\"router\"{}", after("{\"router\"").next().unwrap())).unwrap();
    let key = URL_SAFE_NO_PAD.decode(reply.operator_key).unwrap();
    let greeting = DOCUMENT.lines().find(|line| line.starts_with("{\"offers\":[{\"statement\"")).unwrap();
    let mut statements = serde_json::from_str::<Greeting>(greeting).unwrap().offers;
    for data in after("data: ") {
        if let Ok(OffersPush { offers, .. }) = serde_json::from_str(data) {
            statements.extend(offers);
        } else if let Ok(SayPush { say }) = serde_json::from_str(data) {
            statements.push(say);
        }
    }
    assert_eq!(statements.len(), 3);
    for signed in statements {
        let key = UnparsedPublicKey::new(&ED25519, &key);
        key.verify(&signed.message::<Statement>(), &signed.signature_bytes().unwrap()).unwrap();
        let statement: Statement = serde_json::from_str(&signed.statement).unwrap();
        assert_eq!(serde_json::to_string(&statement).unwrap(), signed.statement);
        statement.offer.check().unwrap();
    }
}

#[test]
fn the_snapshot_is_written_as_the_code_writes_it() {
    let line = DOCUMENT.lines().find(|line| line.starts_with("{\"cell\":")).unwrap();
    let snapshot: Snapshot = serde_json::from_str(line).unwrap();
    let again = Snapshot::of(snapshot.cell.clone(), None, snapshot.issued, snapshot.entries().collect(), None);
    assert_eq!(serde_json::to_string(&again).unwrap(), line);
    let line = DOCUMENT.lines().find(|line| line.contains("\"resolutions\":")).unwrap();
    serde_json::from_str::<Directory>(line).unwrap();
    let line = DOCUMENT.lines().find(|line| line.starts_with("{\"snapshots\":")).unwrap();
    assert_eq!(serde_json::from_str::<Index>(line).unwrap().snapshots.len(), 1);
}

#[test]
fn every_route_is_in_the_document() {
    let table = include_str!("../../src/http/mod.rs");
    let routes: Vec<_> =
        table.split('"').filter(|text| text.starts_with('/') && !text.contains(char::is_whitespace)).collect();
    assert!(routes.len() > 10, "{routes:?}");
    for route in routes.into_iter().chain([lan::WELL_KNOWN, lan::OFFERS, lan::STREAM, lan::SHOWN]) {
        assert!(DOCUMENT.contains(route), "{route}");
    }
}

#[test]
fn every_problem_is_in_the_document() {
    for name in [
        problem::BAD_REQUEST,
        problem::BAD_SIGNATURE,
        problem::BAD_TOKEN,
        problem::CLOCK_SKEW,
        problem::NOT_A_GUEST,
        problem::STALE_GENERATION,
        problem::UNKNOWN_ROUTER,
    ] {
        assert!(DOCUMENT.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn the_limits_of_the_document_are_those_of_the_code() {
    for row in [
        format!("| networks of a router; BSS of a network | {MAX_NETWORKS}; {MAX_BSS} |"),
        format!("| BSSIDs of a look-up | {} |", lookup::MAX_BSSIDS),
        format!("| BSSIDs of a snapshot; parts on a page of their list | {}; 32 |", snapshot::MAX_ENTRIES),
        format!("| reports of a batch | {} |", report::MAX_REPORTS),
        format!(
            "| offers of one sender on a router | {}, and {} KiB of statements;",
            offer::MAX_OFFERS,
            signed::MAX_STATEMENT / 1024
        ),
        format!("| body; file | 64 KiB; {} KiB;", offer::MAX_FILE / 1024),
        format!(
            "| `alt`, languages of an offer beside the first | {} characters, {} |",
            offer::MAX_ALT,
            offer::MAX_TRANSLATIONS
        ),
        format!(
            "| title, text, link | {} characters, {} characters, {} bytes |",
            offer::MAX_TITLE,
            offer::MAX_TEXT,
            offer::MAX_LINK
        ),
    ] {
        assert!(DOCUMENT.contains(&row), "{row}");
    }
    let mib = snapshot::MAX_DOCUMENT / 1024 / 1024;
    assert!(
        DOCUMENT
            .contains(&format!("at most {mib} MiB of what comes out of gzip, and {} BSSIDs", snapshot::MAX_ENTRIES))
    );
    assert!(DOCUMENT.contains(&format!("at most {} entries", lookup::PAGE)));
    assert!(DOCUMENT.contains(&format!("the best first, at\nmost {}", arrival::MAX_OFFERS)));
    assert!(DOCUMENT.contains(&format!("on port {}", lan::PORT)));
    assert!(DOCUMENT.contains(&format!("may be {} s off", signature::MAX_SKEW)));
}
