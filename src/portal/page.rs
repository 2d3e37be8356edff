//! The page for people: what a visit is offered and what it may answer, as plain HTML.
//!
//! Pure. Offers and the state of a visit come in, HTML and its policy go out. No script, nothing from elsewhere; every
//! text is escaped and stands in an element of its own direction, and the policy would stop what slipped through.

use sorted::SortedSet;
use std::fmt::Write as _;
use std::time::Duration;

use welcome_proto::offer::{Content, Sender};
use welcome_proto::{Language, lan};

use super::style::{self, Style};
use super::words::{Word, Words};

/// The most offers on one page; nobody reads more, and it keeps the page within a router's memory.
pub const MAX_ON_PAGE: usize = 20;

/// A whole page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The document.
    pub html: String,
    /// Its `Content-Security-Policy`.
    pub policy: String,
}

/// What the page of a guest is made of.
#[derive(Debug, Clone)]
pub struct Visit<'a> {
    /// The name of the network.
    pub network: &'a str,
    /// What is offered, best first.
    pub offers: Vec<Card<'a>>,
    /// What is in the way of this station.
    pub gate: Gate,
    /// Whether the router has a way to the Internet.
    pub is_online: bool,
    /// Whether it wants no messages.
    pub declined: bool,
    /// Whether it has just pressed the button.
    pub thanked: bool,
}

/// How a station stands with a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// There is none.
    None,
    /// It is closed.
    Closed,
    /// It is open for as long.
    Open(Duration),
}

/// One offer, in the language of the reader.
#[derive(Debug, Clone, Copy)]
pub struct Card<'a> {
    /// Who speaks.
    pub sender: Sender,
    /// What.
    pub content: &'a Content,
    /// Its language, where that is known.
    pub language: Option<&'a Language>,
}

/// The page of a guest.
#[must_use]
pub fn for_guest(words: &Words, visit: &Visit<'_>) -> Page {
    let offers = if visit.declined { &[][..] } else { &visit.offers[..visit.offers.len().min(MAX_ON_PAGE)] };
    let mut main = String::new();
    let welcome = format!("<small>{}</small> <bdi>{}</bdi>", Escaped(words.get(Word::Welcome)), Escaped(visit.network));
    header(&mut main, &welcome, &state(words, visit));
    if visit.declined {
        paragraph(&mut main, "note", words.get(Word::Declined));
    } else if offers.is_empty() && visit.gate == Gate::None && visit.is_online {
        paragraph(&mut main, "note", words.get(Word::Connected));
    }
    for (i, offer) in offers.iter().enumerate() {
        card(&mut main, words, offer, i == 0, visit.gate != Gate::Closed);
    }
    if visit.thanked && visit.gate != Gate::Closed {
        push(&mut main, format_args!("<p class=\"note\" role=\"status\">{}</p>", Escaped(words.get(Word::Thanks))));
    }
    match visit.gate {
        Gate::Closed => act(&mut main, words, Word::Accept, Some(Word::Gate)),
        Gate::Open(_) if !visit.thanked => form(&mut main, lan::ACKNOWLEDGE, "quiet", words.get(Word::Longer)),
        Gate::None if !visit.thanked && !offers.is_empty() => act(&mut main, words, Word::Ok, None),
        Gate::Open(_) | Gate::None => {}
    }
    let (path, word) = if visit.declined { (lan::PLEASE, Word::Please) } else { (lan::NO_THANKS, Word::NoThanks) };
    form(&mut main, path, "quiet", words.get(word));
    let colors = offers.iter().filter_map(|o| o.content.color).collect();
    document(words, words.get(Word::Title), &main, &colors)
}

/// The page of everybody else.
#[must_use]
pub fn for_others(words: &Words) -> Page {
    let (title, text) = (words.get(Word::OthersTitle), words.get(Word::Others));
    notice(words, title, text, "")
}

/// The page of a router that has too much to do.
#[must_use]
pub fn busy(words: &Words) -> Page {
    let (title, text) = (words.get(Word::BusyTitle), words.get(Word::Busy));
    let again = format!("<p class=\"note\"><a href=\"{}\">{}</a></p>", lan::PAGE, Escaped(words.get(Word::Again)));
    notice(words, title, text, &again)
}

fn notice(words: &Words, title: &str, text: &str, more: &str) -> Page {
    let mut main = String::new();
    header(&mut main, &Escaped(title).to_string(), "");
    paragraph(&mut main, "note", text);
    main.push_str(more);
    document(words, title, &main, &SortedSet::new())
}

fn header(to: &mut String, heading: &str, state: &str) {
    push(to, format_args!("<header>{MARK}<h1>{heading}</h1>{state}</header>"));
}

/// Whether the station is online, and for how long.
fn state(words: &Words, visit: &Visit<'_>) -> String {
    match (visit.gate, visit.is_online) {
        (Gate::Closed, true) => String::new(),
        (_, false) => format!("<p class=\"state bad\"><b>{}</b></p>", Escaped(words.get(Word::Offline))),
        (Gate::None, true) => format!("<p class=\"state\"><b>{}</b></p>", Escaped(words.get(Word::Online))),
        (Gate::Open(left), true) => {
            let left = words.get(Word::Left).replace("{time}", &time(words, left));
            let online = Escaped(words.get(Word::Online));
            format!("<p class=\"state\"><b>{online}</b> <span>{}</span></p>", Escaped(&left))
        }
    }
}

/// `11 h 58 min`; never 0, which nobody would call time left.
fn time(words: &Words, time: Duration) -> String {
    let minutes = (time.as_secs() / 60).max(1);
    let part = |word, n: u64| words.get(word).replace("{n}", &n.to_string());
    match (minutes / 60, minutes % 60) {
        (0, minutes) => part(Word::Minutes, minutes),
        (hours, 0) => part(Word::Hours, hours),
        (hours, minutes) => format!("{} {}", part(Word::Hours, hours), part(Word::Minutes, minutes)),
    }
}

fn card(to: &mut String, words: &Words, card: &Card<'_>, is_first: bool, can_leave: bool) {
    let Content { title, text, link, image, color, page } = card.content;
    // The texts may be in any language and direction. An empty `lang` says that nobody knows which.
    let language = card.language.map_or("", Language::as_str);
    let class = color.map(|c| format!(" class=\"{}\"", style::class(c))).unwrap_or_default();
    push(to, format_args!("<article{class} lang=\"{language}\">"));
    if let Some(image) = image {
        let (digest, alt) = (image.file.digest, Escaped(&image.alt));
        // Those further down wait until they are scrolled to: a page does not ask for more at once than it shows.
        let lazy = if is_first { "" } else { " loading=\"lazy\"" };
        push(to, format_args!("<img src=\"{}{digest}\" alt=\"{alt}\"{lazy}>", lan::CONTENT));
    }
    to.push_str("<div>");
    if card.sender == Sender::Server {
        let (lang, dir, from) = (words.language(), words.dir(), Escaped(words.get(Word::Operator)));
        push(to, format_args!("<p class=\"from\" lang=\"{lang}\" dir=\"{dir}\">{from}</p>"));
    }
    push(to, format_args!("<h2 dir=\"auto\">{}</h2>", Escaped(title)));
    if page.is_none() && !text.is_empty() {
        push(to, format_args!("<p dir=\"auto\">{}</p>", Escaped(text)));
    }
    // While a gate is closed the link would lead nowhere.
    if let Some(link) = link.as_ref().filter(|_| can_leave) {
        let (lang, dir, more) = (words.language(), words.dir(), Escaped(words.get(Word::More)));
        let (link, host) = (Escaped(link), Escaped(host(link)));
        push(
            to,
            format_args!(
                "<p class=\"more\"><a href=\"{link}\" rel=\"noreferrer noopener\" lang=\"{lang}\" dir=\"{dir}\">\
                 {more} <bdi dir=\"ltr\">{host}</bdi></a></p>"
            ),
        );
    }
    to.push_str("</div>");
    if let Some(page) = page {
        // Sandboxed without exception: no script, no form, no window of its own.
        let (digest, title) = (page.digest, Escaped(title));
        push(
            to,
            format_args!(
                "<iframe sandbox src=\"{}{digest}\" title=\"{title}\" loading=\"lazy\"></iframe>",
                lan::CONTENT
            ),
        );
    }
    to.push_str("</article>");
}

/// Where a link leads: what a person can judge of it.
fn host(link: &str) -> &str {
    let rest = link.split_once("://").map_or(link, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

/// The button that matters, always in sight on a small screen.
fn act(to: &mut String, words: &Words, button: Word, why: Option<Word>) {
    to.push_str("<div class=\"act\">");
    if let Some(why) = why {
        push(to, format_args!("<p>{}</p>", Escaped(words.get(why))));
    }
    form(to, lan::ACKNOWLEDGE, "", words.get(button));
    to.push_str("</div>");
}

fn form(to: &mut String, path: &str, class: &str, button: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    push(
        to,
        format_args!("<form method=\"post\" action=\"{path}\"><button{class}>{}</button></form>", Escaped(button)),
    );
}

fn paragraph(to: &mut String, class: &str, text: &str) {
    push(to, format_args!("<p class=\"{class}\">{}</p>", Escaped(text)));
}

fn document(words: &Words, title: &str, main: &str, colors: &SortedSet<welcome_proto::Color>) -> Page {
    let Style { colors, policy } = Style::of(colors);
    let colors = if colors.is_empty() { colors } else { format!("<style>{colors}</style>") };
    let (lang, dir, title) = (words.language(), words.dir(), Escaped(title));
    let html = format!(
        // The empty icon spares a router the question for one.
        "<!DOCTYPE html><html lang=\"{lang}\" dir=\"{dir}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1, viewport-fit=cover\">\
         <title>{title}</title><link rel=\"icon\" href=\"data:,\"><style>{}</style>{colors}</head>\
         <body><main>{main}</main></body></html>",
        style::COMMON
    );
    Page { html, policy }
}

fn push(to: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _whole = to.write_fmt(text).is_ok();
}

/// A text between tags or in a quoted attribute.
pub(super) struct Escaped<'a>(pub(super) &'a str);

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

/// A Wi-Fi sign.
const MARK: &str = "<svg viewBox=\"0 0 24 24\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" \
    stroke-linecap=\"round\" aria-hidden=\"true\"><path d=\"M2 9a15 15 0 0 1 20 0M5.5 12.8a9.8 9.8 0 0 1 13 0M9 16.5a4.6 4.6 0 0 1 6 0M12 20h.01\"/></svg>";

#[cfg(test)]
mod tests;
