//! An offer as a phone shows it.

use std::borrow::Cow;

use askama::Template;
use welcome_proto::offer::Content;

use super::{Html, html};
use crate::console::words::Words;
use crate::message::Colors;

/// A phone with an offer on it.
#[derive(Debug, Template)]
#[template(path = "console/parts/preview.html")]
pub(crate) struct Preview<'a> {
    pub(crate) words: &'static Words,
    /// The name of a network.
    pub(crate) ssid: &'a str,
    pub(crate) content: &'a Content,
    /// Its language, for `lang`; empty where nobody said.
    pub(crate) language: &'a str,
    /// For the style with its colour.
    pub(crate) nonce: &'a str,
    /// Whether it follows a form.
    pub(crate) follows: bool,
}

impl Preview<'_> {
    /// The phone.
    pub(crate) fn html(&self) -> Html {
        html(self)
    }

    /// What is on its screen.
    pub(crate) fn screen(&self) -> Html {
        let Preview { words, ssid, content, language, .. } = *self;
        let mut content = Cow::Borrowed(content);
        if content.title.is_empty() {
            // A title has to be there in the end, and its place is shown until it is.
            content.to_mut().title = words.title.to_owned();
        }
        let colors = content.color.map(Colors::of);
        html(&Screen { words, ssid, content, language, colors, files: "/v1/content/", beside: true })
    }

    fn colors(&self) -> Option<Colors> {
        self.content.color.map(Colors::of)
    }
}

#[derive(Template)]
#[template(path = "console/parts/screen.html")]
struct Screen<'a> {
    words: &'static Words,
    ssid: &'a str,
    content: Cow<'a, Content>,
    language: &'a str,
    /// For the script of the editor: a style cannot come with what it asks for.
    colors: Option<Colors>,
    files: &'static str,
    beside: bool,
}

#[cfg(test)]
mod tests {
    use welcome_proto::Color;

    use super::*;
    use crate::console::words::ENGLISH;

    #[test]
    fn a_hostile_offer_stays_text() {
        let content = Content {
            title: "<script>alert(1)</script>".to_owned(),
            text: "\"><img src=x>".to_owned(),
            link: Some("https://a/\"onclick=x".to_owned()),
            color: Some(Color([255, 255, 0])),
            ..Content::default()
        };
        let preview =
            Preview { words: &ENGLISH, ssid: "</h2><b>", content: &content, language: "", nonce: "n1", follows: false };
        let html = preview.html().into_string();
        for hostile in ["<script>", "<img src=x", "<b>", "\"onclick"] {
            assert!(!html.contains(hostile), "{hostile} in {html}");
        }
        assert!(html.contains("<style nonce=\"n1\">") && html.contains("data-on=\"#000000\""), "{html}");
    }
}
