//! Lists: search and filters above, rows that become cards on a phone, pages below.

use askama::Template;

use super::{Empty, Html, html};
use crate::console::words::Words;

/// Rows under heads.
#[derive(Debug, Template)]
#[template(path = "console/parts/table.html")]
pub(crate) struct Table {
    /// What it lists, for those who hear it.
    pub(crate) caption: String,
    pub(crate) heads: Vec<&'static str>,
    /// As many cells as heads; the first names the row.
    pub(crate) rows: Vec<Vec<Html>>,
    pub(crate) empty: Option<Empty>,
    /// A line for each row even on a phone: for short cells.
    pub(crate) compact: bool,
}

impl Table {
    /// Without rows.
    pub(crate) fn new(caption: impl Into<String>, heads: Vec<&'static str>) -> Self {
        Self { caption: caption.into(), heads, rows: Vec::new(), empty: None, compact: false }
    }

    /// With these rows.
    pub(crate) fn rows(mut self, rows: impl IntoIterator<Item = Vec<Html>>) -> Self {
        self.rows = rows.into_iter().collect();
        self
    }

    /// What to say where there are none.
    pub(crate) fn empty(mut self, empty: Empty) -> Self {
        self.empty = Some(empty);
        self
    }

    /// A line for each row even on a phone.
    pub(crate) fn compact(mut self) -> Self {
        self.compact = true;
        self
    }

    /// Renders it.
    pub(crate) fn html(&self) -> Html {
        match &self.empty {
            Some(empty) if self.rows.is_empty() => empty.html(),
            _ => html(self),
        }
    }
}

/// Search and filters, by GET.
#[derive(Debug, Template)]
#[template(path = "console/parts/filter.html")]
pub(crate) struct Filter {
    pub(crate) action: String,
    pub(crate) label: &'static str,
    pub(crate) find: &'static str,
    pub(crate) clear: &'static str,
    pub(crate) query: String,
    /// Name, label, and the choices.
    pub(crate) selects: Vec<(&'static str, &'static str, Vec<super::Choice>)>,
}

impl Filter {
    /// A search field alone.
    pub(crate) fn new(words: &Words, action: impl Into<String>, query: &str) -> Self {
        Self {
            action: action.into(),
            label: words.search,
            find: words.find,
            clear: words.clear,
            query: query.to_owned(),
            selects: Vec::new(),
        }
    }

    /// With a list of choices.
    pub(crate) fn select(mut self, name: &'static str, label: &'static str, choices: Vec<super::Choice>) -> Self {
        self.selects.push((name, label, choices));
        self
    }

    /// Whether anything is left out.
    fn is_used(&self) -> bool {
        !self.query.is_empty()
            || self.selects.iter().any(|(_, _, choices)| choices.iter().any(|c| c.chosen && !c.value.is_empty()))
    }

    /// Renders it.
    pub(crate) fn html(&self) -> Html {
        html(self)
    }
}

/// The way to the other pages of a list.
#[derive(Debug, Template)]
#[template(path = "console/parts/pager.html")]
pub(crate) struct Pager {
    pub(crate) label: &'static str,
    pub(crate) first: Option<(&'static str, String)>,
    pub(crate) next: Option<(&'static str, String)>,
}

impl Pager {
    /// `path` with its query, the cursor of this page and that of the next.
    pub(crate) fn new(
        words: &Words,
        path: &str,
        query: &[(&str, &str)],
        here: Option<&str>,
        next: Option<&str>,
    ) -> Self {
        let to = |after: Option<&str>| {
            let mut pairs = form_urlencoded::Serializer::new(String::new());
            pairs.extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
            pairs.extend_pairs(after.map(|after| ("after", after)));
            let pairs = pairs.finish();
            if pairs.is_empty() { path.to_owned() } else { format!("{path}?{pairs}") }
        };
        Self {
            label: words.pages,
            first: here.map(|_| (words.first_page, to(None))),
            next: next.map(|next| (words.next_page, to(Some(next)))),
        }
    }

    /// Renders it; nothing where there is one page only.
    pub(crate) fn html(&self) -> Html {
        if self.first.is_none() && self.next.is_none() { Html::default() } else { html(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;
    use crate::console::words::ENGLISH;

    #[test]
    fn every_cell_names_its_head_and_hostile_names_stay_text() {
        let rows = [vec![text("<img src=x onerror=alert(1)>"), text("\u{202e}b")]];
        let html = Table::new("Networks", vec!["Name", "State"]).rows(rows).html().into_string();
        assert!(html.contains("data-label=\"State\"") && html.contains("<bdi>"), "{html}");
        assert!(!html.contains("<img"), "{html}");
    }

    #[test]
    fn an_empty_list_says_what_to_do() {
        let empty = Empty { title: "No routers", text: "Add one.", action: None };
        let html = Table::new("Routers", vec!["Name"]).empty(empty).html().into_string();
        assert!(html.contains("Add one.") && !html.contains("<table"), "{html}");
    }

    #[test]
    fn the_pages_keep_what_was_searched() {
        let html = Pager::new(&ENGLISH, "/r", &[("q", "a&b"), ("state", "")], None, Some("x y")).html().into_string();
        assert!(html.contains("/r?q=a%26b&#38;after=x+y"), "{html}");
        assert!(Pager::new(&ENGLISH, "/r", &[], None, None).html().is_empty());
    }
}
