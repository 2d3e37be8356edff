//! Areas: the networks of one place, and how many of them a phone must hear to know the place.

use super::frame::{Frame, Page, Place};
use super::input::Input;
use super::parts::{Action, Choice, Empty, Field, Form, Kind, Section, Table, link, number, text};
use crate::http::MAX_NAME;

/// An area in the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct AreaLine {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) needed: u64,
    pub(crate) routers: u64,
    pub(crate) bssids: u64,
}

/// The list.
pub(crate) fn list(frame: &Frame, areas: &[AreaLine]) -> Page {
    let w = frame.words;
    let add = || Action::main(frame.to("areas/new"), w.add_area);
    let rows = areas.iter().map(|area| {
        vec![
            link(&frame.to(&format!("areas/{}", area.id)), &area.name),
            number(area.needed),
            number(area.routers),
            number(area.bssids),
        ]
    });
    let table = Table::new(w.areas, vec![w.name, w.needed, w.routers, w.bssids]).rows(rows).empty(Empty {
        title: w.no_areas,
        text: w.no_areas_text,
        action: frame.can_edit.then(add),
    });
    Page::new(Place::Areas, w.areas)
        .lead(w.areas_lead)
        .action(frame.can_edit && !areas.is_empty(), add())
        .piece(Section::new("", vec![table.html()]).html())
}

/// One of them, or a new one; `routers` are those in it, `others` what may be added: identifier and name.
pub(crate) fn page(
    frame: &Frame,
    id: Option<&str>,
    input: &Input,
    routers: &[(String, String)],
    others: &[(String, String)],
) -> Page {
    let w = frame.words;
    let action = id.map_or_else(|| frame.to("areas/new"), |id| frame.to(&format!("areas/{id}")));
    let title = if id.is_some() { input.get("name") } else { w.add_area };
    let mut page = Page::new(Place::Areas, title).back(frame.to("areas"), w.areas);
    if frame.can_edit {
        let form = Form::new(&action, &frame.csrf, w.save)
            .field(Field::line("name", w.name, input.get("name")).required().max(MAX_NAME).error(input.error("name")))
            .field(
                Field::new("needed", w.needed, Kind::Number(1, MAX_NEEDED), input.get("needed"))
                    .hint(w.needed_hint)
                    .error(input.error("needed")),
            );
        page = page.piece(Section::new("", vec![form.html()]).html());
    }
    if let Some(id) = id {
        let rows = routers
            .iter()
            .map(|(router, name)| vec![link(&frame.to(&format!("routers/{router}")), name), text(router)]);
        let table = Table::new(w.routers, vec![w.name, w.identifier]).rows(rows).empty(Empty {
            title: w.empty_area,
            text: w.empty_area_text,
            action: None,
        });
        page = page.piece(Section::new(w.routers, vec![table.html()]).html());
        if frame.can_edit && !others.is_empty() {
            let choices = others.iter().map(|(router, name)| Choice::new(router, name, false)).collect();
            let form = Form::new(frame.to(&format!("areas/{id}/routers")), &frame.csrf, w.move_here)
                .field(Field::new("router", w.router, Kind::Select(choices), ""))
                .inline();
            page = page.piece(Section::new(w.move_router, vec![form.html()]).html());
        }
    }
    page
}

/// Nobody hears more.
pub(crate) const MAX_NEEDED: i64 = 32;
