//! The page for people: what the visit is offered, as plain HTML.
//!
//! Pure: offers come in, HTML goes out. No script, nothing from elsewhere; every text is escaped, and the policy in
//! [`CSP`] would stop what slipped through.

use std::fmt::Write as _;

use welcome_core::{OfferView, SessionView};

/// The most offers on one page; nobody reads more, and it keeps the page within a router's memory.
pub const MAX_ON_PAGE: usize = 20;

/// `Content-Security-Policy` of every page: our own style and nothing else. The digest is that of the style below.
pub const CSP: &str = "default-src 'none'; style-src 'sha256-AXB9td7bm0lChgPtcFLB+BDAdt26liVo2kytljlivds='; base-uri 'none'; form-action 'none'; \
                       frame-ancestors 'none'";

/// The offers that stand on the page of a visit.
pub fn on_page(session: &SessionView) -> impl Iterator<Item = &OfferView> {
    session.offers.iter().take(MAX_ON_PAGE)
}

/// The page of a guest.
#[must_use]
pub fn for_guest(session: &SessionView) -> String {
    let name = session.ssid.as_ref().map_or_else(|| session.network.to_string(), ToString::to_string);
    let mut main = format!("<h1>Welcome to <bdi>{}</bdi></h1>", Escaped(&name));
    for view in on_page(session) {
        let content = &view.offer.content;
        // The texts may be in any language and direction.
        push(&mut main, format_args!("<article dir=\"auto\"><h2>{}</h2>", Escaped(&content.title)));
        if !content.text.is_empty() {
            push(&mut main, format_args!("<p>{}</p>", Escaped(&content.text)));
        }
        if let Some(link) = &content.link {
            let shown = link.split_once("://").map_or(link.as_str(), |(_, rest)| rest);
            let (link, shown) = (Escaped(link), Escaped(shown));
            push(
                &mut main,
                format_args!("<p><a href=\"{link}\" rel=\"noreferrer noopener\" dir=\"ltr\">{shown}</a></p>"),
            );
        }
        main.push_str("</article>");
    }
    if session.offers.is_empty() {
        main.push_str("<p>You are connected. There is no message at this moment.</p>");
    }
    document("Welcome", &main)
}

/// The page of everybody else.
#[must_use]
pub fn for_others() -> String {
    document("Nothing here", "<h1>Nothing to see here</h1><p>Guests of this Wi-Fi find its messages on this page.</p>")
}

fn document(title: &str, main: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{}</title><style>{STYLE}</style></head>\
         <body><main>{main}</main></body></html>",
        Escaped(title)
    )
}

fn push(to: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _whole = to.write_fmt(text).is_ok();
}

/// A text between tags or in a quoted attribute.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

const STYLE: &str = "\
:root{--ground:#f6f4ef;--sheet:#fff;--ink:#22201c;--soft:#6b655b;--edge:#e4dfd4;--link:#0b5f6b}\
@media(prefers-color-scheme:dark){:root{--ground:#171614;--sheet:#22201d;--ink:#efece6;--soft:#a8a196;--edge:#37332d;--link:#7cc7d1}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--ground);color:var(--ink);font:1.0625rem/1.55 system-ui,sans-serif}\
main{max-width:36rem;margin:0 auto;padding:2rem 1rem 3rem}\
h1{font-size:1.1rem;font-weight:600;color:var(--soft);margin:0 0 1.25rem;overflow-wrap:anywhere}\
article{background:var(--sheet);border:1px solid var(--edge);border-radius:.75rem;padding:1.25rem 1.25rem 1rem;margin:0 0 1rem}\
h2{font-size:1.35rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}\
p{margin:0 0 .5rem;white-space:pre-line;overflow-wrap:anywhere}\
a{color:var(--link);font-weight:600;display:inline-block;padding:.35rem 0}\
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base64::Engine as _;
    use proptest::prelude::*;
    use welcome_core::View;

    use super::*;
    use crate::portal::tests::{guest_view, offer};

    fn page(title: &str, text: &str, link: Option<&str>) -> String {
        let view = guest_view(vec![offer("a", title, text, link)]);
        for_guest(view.sessions.values().next().unwrap())
    }

    #[test]
    fn the_policy_names_the_style_that_is_sent() {
        let digest = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
        let digest = base64::engine::general_purpose::STANDARD.encode(digest);
        assert!(CSP.contains(&format!("'sha256-{digest}'")), "the style's digest is {digest}");
    }

    #[test]
    fn a_page_shows_title_text_and_link() {
        let page = page("Hello", "first\nsecond", Some("https://a.example/b?c=1&d=2"));
        for part in [
            "<h2>Hello</h2>",
            "<p>first\nsecond</p>",
            r#"<a href="https://a.example/b?c=1&amp;d=2" rel="noreferrer noopener" dir="ltr">a.example/b?c=1&amp;d=2</a>"#,
            r#"<html lang="en">"#,
            r#"name="viewport""#,
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("<script"));
    }

    #[test]
    fn a_page_has_an_end() {
        let many = (0..90).map(|i| offer(&format!("o{i}"), "x", "", None)).collect();
        let view: View = guest_view(many);
        let page = for_guest(view.sessions.values().next().unwrap());
        assert_eq!(page.matches("<article").count(), MAX_ON_PAGE);
    }

    fn unescape(text: &str) -> String {
        let entities = BTreeMap::from([("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'")]);
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
}
