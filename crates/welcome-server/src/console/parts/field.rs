//! Forms: labels, hints, what was typed, and what is wrong with it beside each field.

use std::borrow::Cow;

use askama::Template;

use super::{Html, html};

/// A form that is sent by POST.
#[derive(Debug, Template)]
#[template(path = "console/parts/form.html")]
pub(crate) struct Form {
    pub(crate) action: String,
    /// Against requests that others make in the person's name; empty before anybody is known.
    pub(crate) csrf: String,
    pub(crate) fields: Vec<Html>,
    pub(crate) submit: &'static str,
    /// A second button that sends the same form elsewhere: label and address.
    pub(crate) second: Option<(&'static str, String)>,
    pub(crate) cancel: Option<(&'static str, String)>,
    /// What the button does cannot be undone.
    pub(crate) danger: bool,
    /// Whether a file goes with it.
    pub(crate) files: bool,
    /// Where the server renders the preview of what is typed.
    pub(crate) preview: Option<String>,
    /// In one line.
    pub(crate) inline: bool,
}

impl Form {
    /// With one button.
    pub(crate) fn new(action: impl Into<String>, csrf: &str, submit: &'static str) -> Self {
        Self {
            action: action.into(),
            csrf: csrf.to_owned(),
            fields: Vec::new(),
            submit,
            second: None,
            cancel: None,
            danger: false,
            files: false,
            preview: None,
            inline: false,
        }
    }

    /// Adds a field.
    pub(crate) fn field(mut self, field: Field) -> Self {
        self.fields.push(html(&field));
        self
    }

    /// Adds fields that most leave alone: folded up, unless something is in them.
    pub(crate) fn group(mut self, title: &'static str, hint: &'static str, fields: Vec<Field>) -> Self {
        let open = fields.iter().any(Field::is_used);
        self.fields.push(html(&Group { title, hint, open, fields: fields.iter().map(html).collect() }));
        self
    }

    /// A way out.
    pub(crate) fn cancel(mut self, label: &'static str, href: impl Into<String>) -> Self {
        self.cancel = Some((label, href.into()));
        self
    }

    /// What the button does cannot be undone.
    pub(crate) fn danger(mut self) -> Self {
        self.danger = true;
        self
    }

    /// In one line.
    pub(crate) fn inline(mut self) -> Self {
        self.inline = true;
        self
    }

    /// Renders it.
    pub(crate) fn html(&self) -> Html {
        html(self)
    }
}

/// Fields under a heading.
#[derive(Template)]
#[template(path = "console/parts/group.html")]
struct Group {
    title: &'static str,
    hint: &'static str,
    open: bool,
    fields: Vec<Html>,
}

/// One field.
#[derive(Debug, Template)]
#[template(path = "console/parts/field.html")]
pub(crate) struct Field {
    pub(crate) name: Cow<'static, str>,
    pub(crate) label: &'static str,
    pub(crate) hint: String,
    pub(crate) kind: Kind,
    pub(crate) value: String,
    pub(crate) error: Option<String>,
    pub(crate) required: bool,
    /// The longest text in characters; 0 says nothing.
    pub(crate) max: usize,
    /// What browsers may fill in; empty says nothing.
    pub(crate) autocomplete: &'static str,
    /// What stands in it by itself.
    default: &'static str,
}

/// What is typed or chosen.
#[derive(Debug)]
pub(crate) enum Kind {
    /// One line, of this `type`.
    Line(&'static str),
    /// Several lines.
    Area(u8),
    /// A number.
    Number(i64, i64),
    /// One of several.
    Select(Vec<Choice>),
    /// One of several, with room to explain them.
    Radios(Vec<Choice>),
    /// Any of several.
    Checks(Vec<Choice>),
    /// Yes or no.
    Check,
    /// A picture.
    File(&'static str),
    /// Travels along.
    Hidden,
}

/// What can be chosen.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) hint: String,
    pub(crate) chosen: bool,
}

impl Choice {
    /// Without explanation.
    pub(crate) fn new(value: impl Into<String>, label: impl Into<String>, chosen: bool) -> Self {
        Self { value: value.into(), label: label.into(), hint: String::new(), chosen }
    }

    /// Explains it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl Field {
    /// One line of text.
    pub(crate) fn line(name: impl Into<Cow<'static, str>>, label: &'static str, value: impl Into<String>) -> Self {
        Self::new(name, label, Kind::Line("text"), value)
    }

    /// Of any kind.
    pub(crate) fn new(
        name: impl Into<Cow<'static, str>>,
        label: &'static str,
        kind: Kind,
        value: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            label,
            hint: String::new(),
            kind,
            value: value.into(),
            error: None,
            required: false,
            max: 0,
            autocomplete: "",
            default: "",
        }
    }

    /// What stands in it by itself.
    pub(crate) fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// Explains it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Says what is wrong with it.
    pub(crate) fn error(mut self, error: Option<&str>) -> Self {
        self.error = error.map(str::to_owned);
        self
    }

    /// It must not be empty.
    pub(crate) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Its longest text.
    pub(crate) fn max(mut self, max: usize) -> Self {
        self.max = max;
        self
    }

    /// What browsers may fill in.
    pub(crate) fn autocomplete(mut self, autocomplete: &'static str) -> Self {
        self.autocomplete = autocomplete;
        self
    }

    /// Whether something is in it that is not there by itself.
    fn is_used(&self) -> bool {
        let chosen = match &self.kind {
            Kind::Select(choices) | Kind::Radios(choices) => choices.iter().skip(1).any(|c| c.chosen),
            Kind::Checks(choices) => choices.iter().any(|c| c.chosen),
            _ => !self.value.is_empty() && self.value != self.default,
        };
        chosen || self.error.is_some()
    }

    /// The `id`s of what describes it.
    fn described(&self) -> String {
        let hint = (!self.hint.is_empty()).then(|| format!("{}-hint", self.name));
        let error = self.error.as_ref().map(|_| format!("{}-error", self.name));
        hint.into_iter().chain(error).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_and_what_is_wrong_with_it_stand_in_the_field() {
        let field = Field::line("name", "Name", r#""><script>x"#).hint("Short").error(Some("Too <long>")).required();
        let html = html(&field).into_string();
        assert!(!html.contains("<script>") && !html.contains("<long>"), "{html}");
        for part in
            ["for=\"name\"", "id=\"name\"", "aria-invalid=\"true\"", "aria-describedby=\"name-hint name-error\""]
        {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn a_choice_that_was_made_is_still_made() {
        let choices = || vec![Choice::new("a", "A", false), Choice::new("b", "B", true)];
        for (kind, mark) in [
            (Kind::Select(choices()), "value=\"b\" selected"),
            (Kind::Radios(choices()), "value=\"b\" checked"),
            (Kind::Checks(choices()), "value=\"b\" checked"),
        ] {
            let html = html(&Field::new("x", "X", kind, "")).into_string();
            assert!(html.contains(mark), "{html}");
            assert_eq!(html.matches(" checked").count() + html.matches(" selected").count(), 1, "{html}");
        }
    }

    #[test]
    fn a_form_carries_its_token() {
        let form = Form::new("/x", "token-1", "Save").field(Field::line("a", "A", ""));
        assert!(form.html().into_string().contains("<input type=\"hidden\" name=\"csrf\" value=\"token-1\">"));
        assert!(!Form::new("/x", "", "Save").html().into_string().contains("csrf"));
    }
}
