//! What stands on a page, and what never gets onto it.

use sorted::SortedMap;

use proptest::prelude::*;
use welcome_proto::Digest;
use welcome_proto::language::Preferred;
use welcome_proto::offer::{File, FileKind, Image};

use super::*;
use crate::portal::words::Languages;

fn in_language(language: &str, visit: &Visit<'_>) -> String {
    let languages = Languages::built_in();
    for_guest(languages.choose(&Preferred::parse(language)), visit).html
}

fn visit<'a>(network: &'a str, contents: &'a [Content]) -> Visit<'a> {
    let offers = contents.iter().map(|content| Card { sender: Sender::Device, content, language: None }).collect();
    Visit { network, offers, gate: Gate::None, is_online: true, declined: false, thanked: false }
}

fn content(title: &str, text: &str, link: Option<&str>) -> Content {
    Content { title: title.to_owned(), text: text.to_owned(), link: link.map(str::to_owned), ..Content::default() }
}

fn page(title: &str, text: &str, link: Option<&str>) -> String {
    in_language("", &visit("Café", &[content(title, text, link)]))
}

fn buttons(page: &str) -> Vec<(&str, &str)> {
    let forms = page.split("<form method=\"post\" action=\"").skip(1);
    forms
        .map(|form| {
            let (action, rest) = form.split_once('"').unwrap();
            let button = rest.split_once("<button").unwrap().1.split_once("</button>").unwrap().0;
            (action, button.split_once('>').unwrap().1)
        })
        .collect()
}

#[test]
fn a_page_shows_title_text_and_link() {
    let page = page("Hello", "first\nsecond", Some("https://a.example/b?c=1&d=2"));
    for part in [
        "<h2 dir=\"auto\">Hello</h2>",
        "<p dir=\"auto\">first\nsecond</p>",
        "<a href=\"https://a.example/b?c=1&amp;d=2\" rel=\"noreferrer noopener\"",
        "Read more <bdi dir=\"ltr\">a.example</bdi></a>",
        "<html lang=\"en\" dir=\"ltr\">",
        "<small>Welcome to</small> <bdi>Café</bdi>",
        "name=\"viewport\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("style=") && page.matches("<h1").count() == 1);
}

#[test]
fn a_closed_gate_shows_no_link_that_would_lead_nowhere() {
    let offers = [content("Hello", "", Some("https://a.example/"))];
    let closed = in_language("", &Visit { gate: Gate::Closed, ..visit("Café", &offers) });
    assert!(closed.contains("Hello") && !closed.contains("a.example"), "{closed}");
}

#[test]
fn images_pages_and_colours_have_their_place() {
    let file = |n, kind| File { digest: Digest([n; 32]), length: 1, kind };
    let mut offer = content("T", "in place of this", None);
    offer.image = Some(Image { file: file(1, FileKind::Png), alt: "A \"soup\"".to_owned() });
    offer.page = Some(file(2, FileKind::Html));
    offer.color = Some("#c2410c".parse().unwrap());
    let languages = Languages::built_in();
    let page = for_guest(languages.choose(&Preferred::default()), &visit("n", &[offer]));
    for part in [
        format!("<img src=\"/welcome/v1/content/{}\" alt=\"A &quot;soup&quot;\">", Digest([1; 32])),
        format!("<iframe sandbox src=\"/welcome/v1/content/{}\" title=\"T\"", Digest([2; 32])),
        "<article class=\"cc2410c\" lang=\"\">".to_owned(),
        "<style>.cc2410c{--fill:#c2410c;".to_owned(),
    ] {
        assert!(page.html.contains(&part), "{part} in {}", page.html);
    }
    assert!(!page.html.contains("in place of this"));
    assert!(page.policy.contains("frame-src 'self'") && page.policy.matches("'sha256-").count() == 2);
}

#[test]
fn each_state_has_its_words_and_buttons() {
    let contents = [content("Hello", "", None)];
    let visit = || visit("Café", &contents);
    let no_thanks = ("/no-thanks", "No thanks, no messages here");
    let left = Duration::from_secs(2 * 3600 + 60);
    for (visit, says, has) in [
        (visit(), "You are online", vec![("/acknowledge", "OK"), no_thanks]),
        (Visit { offers: vec![], ..visit() }, "There is no message", vec![no_thanks]),
        (Visit { thanked: true, ..visit() }, "You can close this page", vec![no_thanks]),
        (Visit { declined: true, ..visit() }, "You asked for no messages", vec![("/please", "Show messages again")]),
        (Visit { gate: Gate::Closed, ..visit() }, "One tap", vec![("/acknowledge", "Accept and go online"), no_thanks]),
        (
            Visit { gate: Gate::Closed, declined: true, ..visit() },
            "You asked for no messages",
            vec![("/acknowledge", "Accept and go online"), ("/please", "Show messages again")],
        ),
        (
            Visit { gate: Gate::Open(left), ..visit() },
            "<span>for another 2 h 1 min</span>",
            vec![("/acknowledge", "Stay online longer"), no_thanks],
        ),
        (Visit { gate: Gate::Open(left), thanked: true, ..visit() }, "Thank you", vec![no_thanks]),
        (Visit { is_online: false, ..visit() }, "no Internet connection", vec![("/acknowledge", "OK"), no_thanks]),
    ] {
        let page = in_language("en", &visit);
        assert!(page.contains(says), "{says} in {page}");
        assert_eq!(buttons(&page), has, "{visit:?}");
        assert_eq!(page.contains(">Hello<"), !visit.declined && !visit.offers.is_empty());
        assert_eq!(page.contains("You are online"), visit.gate != Gate::Closed && visit.is_online);
    }
}

#[test]
fn a_page_speaks_its_readers_language() {
    let page = in_language("zh-CN", &Visit { gate: Gate::Open(Duration::from_secs(59)), ..visit("咖啡", &[]) });
    for part in ["<html lang=\"zh\" dir=\"ltr\">", "<title>欢迎</title>", "剩余1分钟", "不用了"] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[test]
fn a_page_is_small_and_has_an_end() {
    let long = content(&"x".repeat(80), &"x".repeat(500), Some("https://example.org/"));
    assert!(in_language("", &visit("Café", &vec![long.clone(); 5])).len() < 15_000);
    let many = vec![long; 90];
    assert_eq!(in_language("", &visit("Café", &many)).matches("<article").count(), MAX_ON_PAGE);
}

#[test]
fn a_link_shows_where_it_leads_and_not_where_it_says() {
    for (link, shown) in [
        ("https://example.org/a/b", "example.org"),
        ("http://example.org:8080?x", "example.org:8080"),
        ("https://bank.example@evil.example/", "evil.example"),
        ("https://evil.example\\@bank.example", "evil.example"),
        ("https://evil.example#@bank.example", "evil.example"),
    ] {
        assert_eq!(host(link), shown);
    }
}

#[test]
fn hostile_names_and_titles_are_text() {
    let hostile = "</bdi><script>alert(1)</script>\u{202e}\"'onload=";
    let page = in_language("", &visit(hostile, &[content(hostile, hostile, None)]));
    assert!(!page.contains("<script") && page.matches("&lt;script&gt;").count() == 3);
    // Each of them in an element that keeps its direction to itself.
    assert!(page.contains("<bdi>&lt;/bdi&gt;") && page.contains("<h2 dir=\"auto\">&lt;/bdi&gt;"));
}

fn unescape(text: &str) -> String {
    let entities = SortedMap::from([("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'")]);
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let end = at + rest[at..].find(';').unwrap() + 1;
        out += &rest[..at];
        out += entities[&rest[at..end]];
        rest = &rest[end..];
    }
    out + rest
}

proptest! {
    #[test]
    fn what_is_escaped_means_itself_and_no_markup(text in ".{0,60}|[<>&\"'a;#39]{0,30}") {
        let escaped = Escaped(&text).to_string();
        prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        prop_assert_eq!(unescape(&escaped), text);
    }

    #[test]
    fn no_content_adds_a_tag(title in ".{1,40}|[<>/a-z\"'= ]{1,40}", text in "[<>/a-z\"'=&; ]{1,60}", link in "https://[a-z\"'<>]{1,20}") {
        let tags = |page: &str| page.matches('<').count();
        prop_assert_eq!(tags(&page(&title, &text, Some(&link))), tags(&page("t", "t", Some("https://a"))));
    }
}
