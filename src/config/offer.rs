//! `config offer` and `config translation`: what the router itself has to say, and in which languages. Pure.
//!
//! Images and pages are files; which ones are wanted where comes out beside the offers, and [`super::files`] reads them.

use sorted::SortedMap;
use std::path::PathBuf;

use welcome_core::NetworkRules;
use welcome_proto::offer::{Audience, Content, MAX_ALT, Offer};
use welcome_proto::schedule::{Hours, Weekday, When};
use welcome_proto::{Language, NetworkId, OfferId};

use super::check::nearest;
use super::raw::{Raw, Setting};
use super::reader::{Reader, parse};
use super::{DEFAULT_CAP_PER_VISIT, DEFAULT_PRIORITY, Problem};
use crate::zone::Zone;

/// The most offers a router makes by itself.
pub const MAX_OFFERS: usize = 32;

/// The offers of a file.
#[derive(Debug, Default)]
pub struct Offers {
    /// Those that are switched on.
    pub offers: Vec<Offer>,
    /// The files they want.
    pub wanted: Vec<Wanted>,
}

/// An image or a page that belongs to an offer.
#[derive(Debug)]
pub struct Wanted {
    /// Where it is.
    pub path: PathBuf,
    /// Which of [`Offers::offers`].
    pub offer: usize,
    /// In which of its translations; `None`: in the content for everybody else.
    pub language: Option<Language>,
    /// The description of an image; `None`: it is a page.
    pub alt: Option<String>,
    /// Where in the configuration it is named.
    pub line: usize,
    /// The same as `section.option`.
    pub at: String,
}

/// Reads all sections of type `offer` and `translation`.
pub fn read(
    raw: &Raw,
    networks: &SortedMap<NetworkId, NetworkRules>,
    zone: &Zone,
    problems: &mut Vec<Problem>,
) -> Offers {
    let mut all = Vec::new();
    for (n, section) in raw.sections.iter().filter(|s| s.kind == "offer").enumerate() {
        let mut reader = Reader::new(section, problems);
        if n == MAX_OFFERS {
            reader.problem_of_section(format!("one offer too many; at most {MAX_OFFERS}"));
        }
        let id = reader.name::<OfferId>("an offer", "config offer 'hello'");
        let enabled = reader.bool("enabled", true);
        if let Some(id) = id {
            let (offer, wanted) = read_offer(&mut reader, id, networks, zone);
            all.push((offer, wanted, enabled));
        }
    }
    for section in raw.sections.iter().filter(|s| s.kind == "translation") {
        read_translation(&mut Reader::new(section, problems), &mut all);
    }
    let mut offers = Offers::default();
    for (offer, wanted, _) in all.into_iter().filter(|(.., enabled)| *enabled) {
        let n = offers.offers.len();
        offers.wanted.extend(wanted.into_iter().map(|w| Wanted { offer: n, ..w }));
        offers.offers.push(offer);
    }
    offers
}

fn read_offer(
    offer: &mut Reader<'_>,
    id: OfferId,
    networks: &SortedMap<NetworkId, NetworkRules>,
    zone: &Zone,
) -> (Offer, Vec<Wanted>) {
    let on = read_networks(offer, networks);
    let (content, wanted) = read_content(offer, None);
    let audience = offer.one("audience", "everybody, first or returning", |text| {
        [Audience::Everybody, Audience::First, Audience::Returning].into_iter().find(|a| a.as_str() == text)
    });
    let made = Offer {
        networks: on,
        priority: offer.one("priority", "0 to 100", parse).unwrap_or(DEFAULT_PRIORITY),
        cap_per_visit: offer.one("cap_per_visit", "1 to 100", parse).unwrap_or(DEFAULT_CAP_PER_VISIT),
        cap_per_day: offer.one("cap_per_day", "1 to 100", parse),
        when: read_when(offer, zone),
        audience: audience.unwrap_or_default(),
        content,
        language: offer.one("language", "a language tag such as de or zh-hant", parse),
        ..Offer::new(id, "")
    };
    hold_to_limits(offer, &made);
    (made, wanted)
}

/// One that breaks a limit is a problem of the option that does.
fn hold_to_limits(reader: &mut Reader<'_>, made: &Offer) {
    if reader.section.setting("title").is_none() {
        reader.problem_of_section("title is missing; set `option title` to 1 to 80 characters");
    } else if let Err(error) = made.check() {
        let error = error.to_string();
        let (option, right) = error.split_once(": ").unwrap_or(("", &error));
        let option = if option == "weekdays" { "weekday" } else { option };
        let line = reader.section.setting(option).map_or(reader.section.line, |s| s.values[0].line);
        reader.problem(line, option, format!("not within its limits; expected {right}"));
    }
}

fn read_networks(offer: &mut Reader<'_>, networks: &SortedMap<NetworkId, NetworkRules>) -> Vec<NetworkId> {
    let mut on = Vec::new();
    for (line, network) in offer.list("network", "the name of a network section", parse::<NetworkId>) {
        if !networks.contains_key(&network) {
            let near = nearest(network.as_str(), networks.keys().map(NetworkId::as_str));
            let known: Vec<_> = networks.keys().map(NetworkId::as_str).collect();
            let right = match near {
                Some(near) => format!("did you mean '{near}'?"),
                None if known.is_empty() => "there is none in this file".to_owned(),
                None => format!("there are: {}", known.join(", ")),
            };
            offer.problem(line, "network", format!("there is no network '{network}'; {right}"));
        }
        on.push(network);
    }
    on
}

fn read_when(offer: &mut Reader<'_>, zone: &Zone) -> When {
    let right = "a date, or a date and a time: 2026-12-24 or 2026-12-24 18:00";
    let from = offer.one("from", right, |text| moment(text, zone, false));
    let until = offer.one("until", right, |text| moment(text, zone, true));
    let weekdays = offer.list("weekday", "mon, tue, wed, thu, fri, sat or sun", parse::<Weekday>);
    let hours = offer.list("hours", "HH:MM-HH:MM, e.g. 08:00-12:00 or 22:00-02:00", parse::<Hours>);
    let mut weekdays: Vec<_> = weekdays.into_iter().map(|(_, day)| day).collect();
    weekdays.sort_unstable();
    weekdays.dedup();
    When { from, until, weekdays, hours: hours.into_iter().map(|(_, hours)| hours).collect() }
}

/// A date alone is its first moment or, with `to_the_end`, the first moment after it.
fn moment(text: &str, zone: &Zone, to_the_end: bool) -> Option<u64> {
    let (date, time) = text.split_once([' ', 'T']).map_or((text, None), |(date, time)| (date, Some(time)));
    let mut parts = date.split('-');
    let mut number = |digits: usize| {
        let part = parts.next().filter(|p| p.len() == digits && p.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse::<u16>().ok()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() {
        return None;
    }
    let at = |hour, minute| zone.unix(year.into(), u8::try_from(month).ok()?, u8::try_from(day).ok()?, hour, minute);
    match time {
        None if to_the_end => at(23, 59).map(|last| last + 60),
        None => at(0, 0),
        Some(time) => {
            // The same form as the beginning of a span of hours.
            let begin = format!("{time}-24:00").parse::<Hours>().ok()?.begin();
            at(u8::try_from(begin / 60).ok()?, u8::try_from(begin % 60).ok()?)
        }
    }
}

/// What a person sees. Sections of both types name it alike.
fn read_content(reader: &mut Reader<'_>, language: Option<&Language>) -> (Content, Vec<Wanted>) {
    let text = |reader: &mut Reader<'_>, option| reader.value(option).map(|v| v.text.clone());
    let alt = reader
        .one("image_alt", "at most 200 characters", |text| (text.chars().count() <= MAX_ALT).then(|| text.to_owned()));
    let image = reader.path("image").map(|path| (path, "image", Some(alt.clone().unwrap_or_default())));
    let page = reader.path("page").map(|path| (path, "page", None));
    if let (None, Some(setting)) = (&image, reader.section.setting("image_alt")) {
        reader.problem(setting.values[0].line, "image_alt", "means nothing without an image; set `option image`");
    }
    let wanted = [image, page].into_iter().flatten().map(|(path, option, alt)| Wanted {
        path,
        offer: 0,
        language: language.cloned(),
        alt,
        line: reader.section.setting(option).map_or(reader.section.line, first_line),
        at: format!("{}.{option}", reader.label),
    });
    let wanted = wanted.collect();
    let content = Content {
        title: text(reader, "title").unwrap_or_default(),
        text: text(reader, "text").unwrap_or_default(),
        link: text(reader, "link"),
        color: reader.one("color", "# and six hexadecimal digits, e.g. #0b5f6b", parse),
        image: None,
        page: None,
    };
    (content, wanted)
}

fn read_translation(reader: &mut Reader<'_>, all: &mut [(Offer, Vec<Wanted>, bool)]) {
    let language = reader.one("language", "a language tag such as de or zh-hant", parse::<Language>);
    if reader.section.setting("language").is_none() {
        reader.problem_of_section("language is missing; set `option language`, e.g. 'zh'");
    }
    let name = reader.value("offer");
    let Some(name) = name else {
        reader.problem_of_section("offer is missing; set `option offer` to the name of an offer section");
        return;
    };
    let ids: Vec<_> = all.iter().map(|(offer, ..)| offer.id.as_str().to_owned()).collect();
    let Some(n) = ids.iter().position(|id| *id == name.text) else {
        let near = nearest(&name.text, ids.iter().map(String::as_str));
        let right = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        reader.problem(name.line, "offer", format!("there is no offer '{}'{right}", name.text));
        return;
    };
    let Some(language) = language else { return };
    let (mut content, wanted) = read_content(reader, Some(&language));
    let (offer, files, _) = &mut all[n];
    // What does not depend on the language need not be said twice.
    content.link = content.link.or_else(|| offer.content.link.clone());
    content.color = content.color.or(offer.content.color);
    hold_to_limits(reader, &Offer { content: content.clone(), ..Offer::new(offer.id.clone(), "") });
    let is_second = offer.language.as_ref() == Some(&language);
    if offer.translations.insert(language.clone(), content).is_some() || is_second {
        reader.problem_of_section(format!("offer '{}' is there in {language} already", offer.id));
    }
    let inherited: Vec<_> =
        files.iter().filter(|w| w.language.is_none() && !wanted.iter().any(|o| is_same_kind(o, w))).collect();
    let inherited: Vec<_> = inherited.into_iter().map(|w| again(w, &language)).collect();
    files.extend(inherited);
    files.extend(wanted);
}

fn is_same_kind(one: &Wanted, other: &Wanted) -> bool {
    one.alt.is_some() == other.alt.is_some()
}

fn again(wanted: &Wanted, language: &Language) -> Wanted {
    let Wanted { path, offer, alt, line, at, .. } = wanted;
    let (path, alt, at) = (path.clone(), alt.clone(), at.clone());
    Wanted { path, offer: *offer, language: Some(language.clone()), alt, line: *line, at }
}

fn first_line(setting: &Setting) -> usize {
    setting.values[0].line
}
