//! The operators' console: pages for people, rendered here, that work without script, on a phone and with a keyboard.
//!
//! A request goes: `desk` (who looks, in which language and zone) → `handle` (asks the store) → a page module (what there
//! is to see, as values) → `parts` (the same as HTML) → `frame` (what stands around it, and the headers). Forms come back
//! through `input`; whatever is wrong with one is said beside its fields. `words` has every text in both languages.

mod areas;
mod assets;
mod desk;
mod door;
mod fault;
mod frame;
mod handle;
mod input;
mod networks;
mod offer_form;
mod offer_version;
mod offers;
mod overview;
mod parts;
mod people;
mod picture;
mod reports;
mod routers;
mod words;
mod zone;

#[cfg(test)]
mod samples;

pub(crate) use self::fault::as_page;
pub(crate) use self::handle::table;
