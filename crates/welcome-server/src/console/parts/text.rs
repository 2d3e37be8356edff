//! The small pieces: names, links, states, times, facts, notes, steps.

use askama::Template;

use super::{Html, Tone, html};
use crate::console::words::{Words, fill};
use crate::console::zone::Zone;

/// A text that somebody else chose.
pub(crate) fn text(value: &str) -> Html {
    #[derive(Template)]
    #[template(source = "<bdi>{{ value }}</bdi>", ext = "html")]
    struct Text<'a> {
        value: &'a str,
    }
    html(&Text { value })
}

/// A text of less importance.
pub(crate) fn muted(value: &str) -> Html {
    #[derive(Template)]
    #[template(source = "<span class=\"muted\">{{ value }}</span>", ext = "html")]
    struct Muted<'a> {
        value: &'a str,
    }
    html(&Muted { value })
}

/// An identifier or address, to be read letter by letter.
pub(crate) fn code(value: &str) -> Html {
    #[derive(Template)]
    #[template(source = "<code>{{ value }}</code>", ext = "html")]
    struct Code<'a> {
        value: &'a str,
    }
    html(&Code { value })
}

/// A number.
pub(crate) fn number(value: u64) -> Html {
    #[derive(Template)]
    #[template(source = "<span class=\"number\">{{ value }}</span>", ext = "html")]
    struct Number {
        value: u64,
    }
    html(&Number { value })
}

/// A link of the console.
pub(crate) fn link(href: &str, value: &str) -> Html {
    #[derive(Template)]
    #[template(source = "<a href=\"{{ href }}\"><bdi>{{ value }}</bdi></a>", ext = "html")]
    struct Link<'a> {
        href: &'a str,
        value: &'a str,
    }
    html(&Link { href, value })
}

/// A state in a word.
pub(crate) fn chip(tone: Tone, value: &str) -> Html {
    #[derive(Template)]
    #[template(source = "<span class=\"chip {{ tone.class() }}\"><bdi>{{ value }}</bdi></span>", ext = "html")]
    struct Chip<'a> {
        tone: Tone,
        value: &'a str,
    }
    html(&Chip { tone, value })
}

/// Several states or tags.
pub(crate) fn chips<'a>(tone: Tone, values: impl IntoIterator<Item = &'a str>) -> Html {
    join(values.into_iter().map(|value| chip(tone, value)))
}

/// Pieces with a space between.
pub(crate) fn join(pieces: impl IntoIterator<Item = Html>) -> Html {
    #[derive(Template)]
    #[template(
        source = "{% for piece in pieces %}{% if !loop.first %} {% endif %}{{ piece }}{% endfor %}",
        ext = "html"
    )]
    struct Join {
        pieces: Vec<Html>,
    }
    html(&Join { pieces: pieces.into_iter().filter(|p| !p.is_empty()).collect() })
}

/// How long ago something was, with the moment itself beside; a word if it never was.
pub(crate) fn time(words: &Words, zone: &Zone, now: u64, at: Option<u64>) -> Html {
    #[derive(Template)]
    #[template(source = "<time datetime=\"{{ iso }}\" title=\"{{ exact }}\">{{ shown }}</time>", ext = "html")]
    struct Time {
        iso: String,
        exact: String,
        shown: String,
    }
    let Some(at) = at else { return muted(words.never) };
    html(&Time { iso: Zone::iso(at), exact: zone.moment(at), shown: zone.near(words, now, at) })
}

/// What can be done on a page: a link that looks like a button.
#[derive(Debug, Clone)]
pub(crate) struct Action {
    pub(crate) href: String,
    pub(crate) label: &'static str,
    /// The one that most come for.
    pub(crate) main: bool,
}

impl Action {
    /// What most come for.
    pub(crate) fn main(href: impl Into<String>, label: &'static str) -> Self {
        Self { href: href.into(), label, main: true }
    }

    /// Anything else.
    pub(crate) fn other(href: impl Into<String>, label: &'static str) -> Self {
        Self { href: href.into(), label, main: false }
    }
}

/// A part of a page with its heading.
#[derive(Debug, Template)]
#[template(path = "console/parts/section.html")]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) hint: &'static str,
    pub(crate) pieces: Vec<Html>,
}

impl Section {
    /// A heading and what stands below it.
    pub(crate) fn new(title: impl Into<String>, pieces: Vec<Html>) -> Self {
        Self { title: title.into(), hint: "", pieces }
    }

    /// Says below the heading what this is.
    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// Renders it.
    pub(crate) fn html(&self) -> Html {
        html(self)
    }
}

/// Names and values.
#[derive(Debug, Template)]
#[template(path = "console/parts/facts.html")]
pub(crate) struct Facts(pub(crate) Vec<(&'static str, Html)>);

impl Facts {
    /// Renders them.
    pub(crate) fn html(&self) -> Html {
        html(self)
    }
}

/// A sentence that stands out.
#[derive(Debug, Clone, Template)]
#[template(path = "console/parts/note.html")]
pub(crate) struct Note {
    pub(crate) tone: Tone,
    pub(crate) text: String,
    pub(crate) link: Option<(String, String)>,
}

impl Note {
    /// Without a link.
    pub(crate) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into(), link: None }
    }

    /// Names where to go.
    pub(crate) fn link(mut self, href: impl Into<String>, label: impl Into<String>) -> Self {
        self.link = Some((href.into(), label.into()));
        self
    }

    /// Renders it.
    pub(crate) fn html(&self) -> Html {
        html(self)
    }
}

/// Something to type or to copy.
#[derive(Debug, Template)]
#[template(path = "console/parts/code.html")]
pub(crate) struct Code {
    pub(crate) label: &'static str,
    pub(crate) copy: &'static str,
    pub(crate) copied: &'static str,
    pub(crate) text: String,
}

impl Code {
    /// With a button that copies it.
    pub(crate) fn new(words: &Words, label: &'static str, text: impl Into<String>) -> Self {
        Self { label, copy: words.copy, copied: words.copied, text: text.into() }
    }

    /// Renders it.
    pub(crate) fn html(&self) -> Html {
        html(self)
    }
}

/// There is nothing yet; what to do about that.
#[derive(Debug, Clone, Template)]
#[template(path = "console/parts/empty.html")]
pub(crate) struct Empty {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) action: Option<Action>,
}

impl Empty {
    /// Renders it.
    pub(crate) fn html(&self) -> Html {
        html(self)
    }
}

/// A way with stations, some of them behind us.
#[derive(Debug, Template)]
#[template(path = "console/parts/steps.html")]
pub(crate) struct Steps(pub(crate) Vec<Step>);

/// One station of it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) label: &'static str,
    pub(crate) text: String,
    /// `done`, `now`, `wrong` or `open`.
    pub(crate) state: &'static str,
    /// The same for those who hear the page.
    pub(crate) said: &'static str,
}

impl Steps {
    /// Renders them.
    pub(crate) fn html(&self) -> Html {
        html(self)
    }
}

/// Figures side by side.
#[derive(Debug, Template)]
#[template(path = "console/parts/tiles.html")]
pub(crate) struct Tiles(pub(crate) Vec<Tile>);

/// One figure.
#[derive(Debug)]
pub(crate) struct Tile {
    pub(crate) label: &'static str,
    pub(crate) value: u64,
    pub(crate) more: String,
    pub(crate) tone: Tone,
}

impl Tile {
    /// How many of how many.
    pub(crate) fn of(words: &Words, label: &'static str, value: u64, all: u64, tone: Tone) -> Self {
        Self { label, value, more: fill(words.of_n, &[("n", &all)]), tone }
    }
}

impl Tiles {
    /// Renders them.
    pub(crate) fn html(&self) -> Html {
        html(self)
    }
}
