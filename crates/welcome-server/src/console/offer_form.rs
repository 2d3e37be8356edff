//! An offer as fields of a form, and back.
//!
//! Pure. What is stored becomes what is typed and the other way round; nothing that the form has no field for is lost.

use welcome_proto::offer::{Audience, Content, MAX_ALT, MAX_TEXT, MAX_TITLE, MAX_TRANSLATIONS, Offer};
use welcome_proto::schedule::{Hours, MAX_HOURS, Weekday};
use welcome_proto::{Color, Language};

use super::input::Input;
use super::words::{Words, fill};
use super::zone::Zone;
use crate::store::Targets;

/// What stands in the fields of this offer.
pub(crate) fn fields(offer: &Offer, targets: &Targets, zone: &Zone) -> Input {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, value: String| pairs.push((name.to_owned(), value));
    content_fields("", &offer.content, offer.language.as_ref(), &mut put);
    put("image", offer.content.image.as_ref().map_or_else(String::new, |i| i.file.digest.to_string()));
    put("color", offer.content.color.map_or_else(String::new, |c| c.to_string()));
    for (at, (language, content)) in offer.translations.iter().enumerate() {
        content_fields(&format!("t{at}_"), content, Some(language), &mut put);
    }
    let when = &offer.when;
    put("from", when.from.map_or_else(String::new, |at| zone.local(at)));
    put("until", when.until.map_or_else(String::new, |at| zone.local(at)));
    when.weekdays.iter().for_each(|day| put("weekday", day.as_str().to_owned()));
    put("hours", when.hours.iter().map(Hours::to_string).collect::<Vec<_>>().join(", "));
    put("cap_per_visit", offer.cap_per_visit.to_string());
    put("cap_per_day", offer.cap_per_day.map_or_else(String::new, |n| n.to_string()));
    put("priority", offer.priority.to_string());
    put("audience", offer.audience.as_str().to_owned());
    put("networks", offer.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    put("target", target_kind(targets).to_owned());
    targets.tags.iter().for_each(|tag| put("tag", tag.clone()));
    put("routers", targets.routers.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    Input::of(pairs)
}

/// The offer of these fields: `offer` is what is stored, and keeps what the form has no field for. What cannot be used
/// is said in `input`.
pub(crate) fn read(words: &Words, zone: &Zone, input: &mut Input, mut offer: Offer) -> (Offer, Targets) {
    let w = words;
    let before = offer.content.clone();
    offer.content = content(w, input, "", Content { page: before.page, image: before.image, ..Content::default() });
    offer.content.color = color(w, input);
    if let Some(image) = &mut offer.content.image {
        image.alt = input.short(w, "alt", MAX_ALT);
    }
    if input.has("no_image", "yes") {
        offer.content.image = None;
    }
    offer.language = language(w, input, "language");
    let stored = std::mem::take(&mut offer.translations);
    for at in 0..MAX_TRANSLATIONS {
        let prefix = format!("t{at}_");
        let name = format!("{prefix}language");
        if input.get(&format!("{prefix}title")).is_empty() && input.get(&format!("{prefix}text")).is_empty() {
            continue;
        }
        let Some(language) = language(w, input, &name) else {
            input.problem(&name, w.is_required);
            continue;
        };
        let former = stored.get(&language).cloned().unwrap_or_default();
        let former = Content {
            image: former.image.or_else(|| offer.content.image.clone()),
            page: former.page,
            ..Content::default()
        };
        let translated = Content { color: offer.content.color, ..content(w, input, &prefix, former) };
        if offer.language.as_ref() == Some(&language) || offer.translations.insert(language, translated).is_some() {
            input.problem(&name, w.language_twice);
        }
    }
    offer.when.from = moment(w, zone, input, "from");
    offer.when.until = moment(w, zone, input, "until");
    if offer.when.from.zip(offer.when.until).is_some_and(|(from, until)| until <= from) {
        input.problem("until", w.until_later);
    }
    offer.when.weekdays = Weekday::ALL.into_iter().filter(|day| input.has("weekday", day.as_str())).collect();
    offer.when.hours = hours(w, input);
    let number = |input: &mut Input, name, least: u8| {
        input.number(w, name, least.into(), 100).and_then(|n| u8::try_from(n).ok())
    };
    offer.cap_per_visit = number(input, "cap_per_visit", 1).unwrap_or(1);
    offer.cap_per_day = number(input, "cap_per_day", 1);
    offer.priority = number(input, "priority", 0).unwrap_or(50);
    let audiences = [Audience::Everybody, Audience::First, Audience::Returning];
    offer.audience = audiences.into_iter().find(|a| a.as_str() == input.get("audience")).unwrap_or_default();
    offer.networks = names(w, input, "networks");
    let targets = targets(w, input);
    if input.is_good()
        && let Err(e) = offer.check()
    {
        // Everything the form can do wrong has its own word; this is for what a stored offer may have.
        input.problem("title", e.to_string());
    }
    (offer, targets)
}

/// The languages beside the first: how many groups of fields there are to show.
pub(crate) fn translations(input: &Input) -> usize {
    let used = (0..MAX_TRANSLATIONS)
        .rev()
        .find(|at| ["language", "title", "text"].iter().any(|field| !input.get(&format!("t{at}_{field}")).is_empty()));
    used.map_or(0, |at| at + 1)
}

/// Which choice of the form says for whom it is.
fn target_kind(targets: &Targets) -> &'static str {
    match targets {
        Targets { all: true, .. } => "all",
        Targets { tags, .. } if !tags.is_empty() => "tags",
        Targets { routers, .. } if !routers.is_empty() => "routers",
        _ => "all",
    }
}

fn content_fields(prefix: &str, content: &Content, language: Option<&Language>, put: &mut impl FnMut(&str, String)) {
    put(&format!("{prefix}title"), content.title.clone());
    put(&format!("{prefix}text"), content.text.clone());
    put(&format!("{prefix}link"), content.link.clone().unwrap_or_default());
    put(&format!("{prefix}language"), language.map_or_else(String::new, ToString::to_string));
    if prefix.is_empty() {
        put("alt", content.image.as_ref().map_or_else(String::new, |i| i.alt.clone()));
    }
}

/// The texts of a form.
pub(crate) fn content(w: &Words, input: &mut Input, prefix: &str, rest: Content) -> Content {
    let name = |field: &str| format!("{prefix}{field}");
    let title = input.line(w, &name("title"), MAX_TITLE);
    let text = input.get(&name("text")).to_owned();
    if text.chars().count() > MAX_TEXT {
        input.problem(&name("text"), fill(w.too_long, &[("n", &MAX_TEXT)]));
    }
    let link = Some(input.get(&name("link")).to_owned()).filter(|link| !link.is_empty());
    let content = Content { title, text, link, ..rest };
    // The offer's own check knows what a link is.
    let mut probe = Offer::new("probe".parse().expect("it is an identifier"), "x");
    probe.content.link.clone_from(&content.link);
    if probe.check().is_err() {
        input.problem(&name("link"), w.bad_link);
    }
    content
}

fn color(w: &Words, input: &mut Input) -> Option<Color> {
    let text = input.get("color");
    if text.is_empty() {
        return None;
    }
    let color = text.parse().ok();
    if color.is_none() {
        input.problem("color", w.bad_color);
    }
    color
}

fn language(w: &Words, input: &mut Input, name: &str) -> Option<Language> {
    let text = input.get(name);
    if text.is_empty() {
        return None;
    }
    let language = text.parse().ok();
    if language.is_none() {
        input.problem(name, w.bad_language);
    }
    language
}

fn moment(w: &Words, zone: &Zone, input: &mut Input, name: &str) -> Option<u64> {
    let text = input.get(name);
    if text.is_empty() {
        return None;
    }
    let moment = zone.parse_local(text);
    if moment.is_none() {
        input.problem(name, w.bad_moment);
    }
    moment
}

fn hours(w: &Words, input: &mut Input) -> Vec<Hours> {
    let spans = input.get("hours").split([',', ';', '，', '、']).map(str::trim).filter(|span| !span.is_empty());
    let spans: Result<Vec<Hours>, _> = spans.map(str::parse).collect();
    match spans {
        Ok(spans) if spans.len() <= MAX_HOURS => spans,
        _ => {
            input.problem("hours", w.bad_hours);
            Vec::new()
        }
    }
}

fn names<T: std::str::FromStr>(w: &Words, input: &mut Input, name: &str) -> Vec<T> {
    let all = input.get(name).split(|c: char| c == ',' || c.is_whitespace()).filter(|n| !n.is_empty());
    let all: Result<Vec<T>, _> = all.map(str::parse).collect();
    all.unwrap_or_else(|_| {
        input.problem(name, w.bad_names);
        Vec::new()
    })
}

fn targets(w: &Words, input: &mut Input) -> Targets {
    match input.get("target") {
        "tags" => {
            let tags: Vec<_> = input.all("tag").map(str::to_owned).collect();
            if tags.is_empty() {
                input.problem("target", w.choose_tags);
            }
            Targets { tags, ..Targets::default() }
        }
        "routers" => {
            let routers = names(w, input, "routers");
            if routers.is_empty() {
                input.problem("routers", w.is_required);
            }
            Targets { routers, ..Targets::default() }
        }
        _ => Targets { all: true, ..Targets::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::ENGLISH;
    use super::*;

    fn whole() -> (Offer, Targets) {
        let mut offer = Offer::new("o1".parse().unwrap(), "Breakfast");
        offer.content.text = "Rolls\nand jam".to_owned();
        offer.content.link = Some("https://cafe.example/".to_owned());
        offer.content.color = Some(Color([1, 2, 3]));
        offer.language = Some("en".parse().unwrap());
        let chinese = Content { title: "早餐".to_owned(), color: offer.content.color, ..Content::default() };
        offer.translations.insert("zh".parse().unwrap(), chinese);
        offer.when.from = Some(1_795_780_800);
        offer.when.until = Some(1_795_880_760);
        offer.when.weekdays = vec![Weekday::Mon, Weekday::Sun];
        offer.when.hours = vec!["08:00-12:00".parse().unwrap(), "22:00-02:00".parse().unwrap()];
        offer.cap_per_day = Some(3);
        offer.audience = Audience::Returning;
        offer.networks = vec!["cafe".parse().unwrap()];
        (offer, Targets { routers: vec!["r-1".parse().unwrap(), "r-2".parse().unwrap()], ..Targets::default() })
    }

    #[test]
    fn an_offer_comes_out_of_its_form_as_it_went_in() {
        let (offer, targets) = whole();
        for zone in ["Asia/Shanghai", "Europe/Berlin"].map(|z| Zone::named(Some(z))) {
            let mut input = fields(&offer, &targets, &zone);
            let empty = Offer::new(offer.id.clone(), "");
            assert_eq!(read(&ENGLISH, &zone, &mut input, empty), (offer.clone(), targets.clone()));
            assert!(input.is_good());
        }
    }

    #[test]
    fn each_mistake_is_told_at_its_field_and_nothing_typed_is_lost() {
        let (offer, targets) = whole();
        let zone = Zone::named(None);
        for (name, value) in [
            ("title", ""),
            ("link", "javascript:alert(1)"),
            ("color", "red"),
            ("language", "?"),
            ("t0_language", "en"),
            ("from", "yesterday"),
            ("until", "2020-01-01T00:00"),
            ("hours", "8-12"),
            ("cap_per_visit", "0"),
            ("priority", "101"),
            ("networks", "a b/c"),
            ("routers", ""),
        ] {
            let mut input = fields(&offer, &targets, &zone);
            input.set(name, value);
            read(&ENGLISH, &zone, &mut input, Offer::new(offer.id.clone(), ""));
            assert!(input.error(name).is_some(), "{name}");
            assert_eq!((input.get(name), input.get("text")), (value, "Rolls\nand jam"));
        }
    }
}
