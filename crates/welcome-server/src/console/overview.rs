//! What happens now, what happened lately, and what somebody should look at.

use askama::Template;
use welcome_proto::report::What;

use super::frame::{Frame, Page, Place};
use super::parts::{Action, Bucket, Chart, Empty, Html, Note, Section, Table, Tile, Tiles, Tone, html, link, text};
use super::words::{Words, fill};
use super::zone::Zone;

/// What the overview shows.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    pub(crate) routers: u64,
    pub(crate) online: u64,
    pub(crate) networks: u64,
    pub(crate) verified: u64,
    pub(crate) published: u64,
    /// Since midnight: arrived, greeted, acknowledged.
    pub(crate) today: Counts,
    pub(crate) live: Vec<Arrival>,
    pub(crate) attention: Vec<Attention>,
    /// Per hour, each with the hour's first second; hours without visits may be missing.
    pub(crate) hours: Vec<(u64, Counts)>,
}

/// How often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) arrived: u64,
    pub(crate) greeted: u64,
    pub(crate) acknowledged: u64,
}

impl Counts {
    /// Of both.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            arrived: self.arrived + other.arrived,
            greeted: self.greeted + other.greeted,
            acknowledged: self.acknowledged + other.acknowledged,
        }
    }
}

/// Somebody joined, was greeted, pressed the button or left.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) at: u64,
    pub(crate) network: String,
    pub(crate) router: String,
    pub(crate) router_href: String,
    /// In words.
    pub(crate) what: String,
}

/// Something that wants a person.
#[derive(Debug, Clone)]
pub(crate) struct Attention {
    pub(crate) tone: Tone,
    pub(crate) text: String,
    pub(crate) href: String,
}

/// The page.
pub(crate) fn page(frame: &Frame, view: &Overview) -> Page {
    let w = frame.words;
    let page = Page::new(Place::Overview, w.overview);
    if view.routers == 0 {
        let action = frame.can_edit.then(|| Action::main(frame.to("routers/add"), w.add_router));
        let empty = Empty { title: w.first_router, text: w.first_router_text, action };
        return page.piece(empty.html());
    }
    let hours = by_hour(&frame.zone, frame.now, &view.hours);
    let days = by_day(&frame.zone, frame.now, &view.hours);
    page.piece(live(frame, view)).piece(Section::new(w.visits, vec![charts(frame, hours, days)]).html())
}

/// The part that the server sends anew as people come.
pub(crate) fn live_part(frame: &Frame, view: &Overview) -> Html {
    let w = frame.words;
    let mut pieces = Vec::new();
    let (away, unverified) = (view.routers.saturating_sub(view.online), view.networks.saturating_sub(view.verified));
    let tone = |missing| if missing == 0 { Tone::Good } else { Tone::Warn };
    pieces.push(
        Tiles(vec![
            Tile { label: w.arrived_today, value: view.today.arrived, more: String::new(), tone: Tone::Info },
            Tile { label: w.greeted_today, value: view.today.greeted, more: String::new(), tone: Tone::Info },
            Tile { label: w.acknowledged_today, value: view.today.acknowledged, more: String::new(), tone: Tone::Info },
            Tile::of(w, w.routers_online, view.online, view.routers, tone(away)),
            Tile::of(w, w.networks_verified, view.verified, view.networks, tone(unverified)),
            Tile { label: w.offers_published, value: view.published, more: String::new(), tone: Tone::Info },
        ])
        .html(),
    );
    if !view.attention.is_empty() {
        let notes = view.attention.iter().map(|a| Note::new(a.tone, a.text.clone()).link(a.href.clone(), w.look));
        pieces.push(Section::new(w.attention, notes.map(|note| note.html()).collect()).html());
    }
    let rows = view.live.iter().map(|arrival| {
        vec![
            text(&arrival.what),
            text(&arrival.network),
            link(&arrival.router_href, &arrival.router),
            frame.time(Some(arrival.at)),
        ]
    });
    let table = Table::new(w.live, vec![w.what, w.network, w.router, w.time]).compact().rows(rows).empty(Empty {
        title: w.nobody_yet,
        text: w.nobody_yet_text,
        action: None,
    });
    pieces.push(Section::new(w.live, vec![table.html()]).hint(w.live_hint).html());
    super::parts::join(pieces)
}

fn live(frame: &Frame, view: &Overview) -> Html {
    #[derive(Template)]
    #[template(source = "<div data-live=\"{{ url }}\">{{ part }}</div>", ext = "html")]
    struct Live {
        url: String,
        part: Html,
    }
    html(&Live { url: frame.to("live"), part: live_part(frame, view) })
}

/// Both charts, one above the other.
pub(crate) fn charts(frame: &Frame, hours: Vec<Bucket>, days: Vec<Bucket>) -> Html {
    #[derive(Template)]
    #[template(source = "<div class=\"charts\">{{ hours }}{{ days }}</div>", ext = "html")]
    struct Charts {
        hours: Html,
        days: Html,
    }
    let w = frame.words;
    let hours = Chart::new(w, "hours", w.per_hour, hours).html();
    html(&Charts { hours, days: Chart::new(w, "days", w.per_day, days).html() })
}

/// The last 48 hours, one bucket each.
pub(crate) fn by_hour(zone: &Zone, now: u64, hours: &[(u64, Counts)]) -> Vec<Bucket> {
    let last = now - now % HOUR;
    let starts = (0..HOURS).rev().map(|ago| last.saturating_sub(ago * HOUR));
    let buckets = starts.map(|start| {
        let counts = sum(hours, start, start + HOUR);
        let clock = zone.clock(start);
        let tick = if clock == "00:00" { zone.date(start)[5..].to_owned() } else { String::new() };
        let tick = if clock == "12:00" { clock } else { tick };
        bucket(zone.moment(start), tick, counts)
    });
    buckets.collect()
}

/// The last 30 days of the zone, one bucket each.
pub(crate) fn by_day(zone: &Zone, now: u64, hours: &[(u64, Counts)]) -> Vec<Bucket> {
    let days = (0..DAYS).rev().map(|ago| {
        let (start, end) =
            (zone.days_before(now, ago), if ago == 0 { u64::MAX } else { zone.days_before(now, ago - 1) });
        let date = zone.date(start);
        let tick = if zone.is_monday(start) { date[5..].to_owned() } else { String::new() };
        bucket(date, tick, sum(hours, start, end))
    });
    days.collect()
}

fn bucket(label: String, tick: String, Counts { arrived, greeted, acknowledged }: Counts) -> Bucket {
    Bucket { label, tick, arrived, greeted, acknowledged }
}

fn sum(hours: &[(u64, Counts)], from: u64, until: u64) -> Counts {
    let within = hours.iter().filter(|(at, _)| (from..until).contains(at));
    within.fold(Counts::default(), |sum, (_, counts)| sum.plus(*counts))
}

/// What happened, in words.
pub(crate) fn said(w: &Words, what: &What) -> String {
    match what {
        What::Arrived => w.did_arrive,
        What::Shown { .. } => w.did_see,
        What::Acknowledged => w.did_acknowledge,
        What::Left => w.did_leave,
        What::Refused { .. } => w.did_refuse,
        What::Dropped { .. } => w.did_drop,
    }
    .to_owned()
}

/// How many things want a person: a list of so many routers unseen would hide the rest.
pub(crate) fn attention_counts(
    frame: &Frame,
    unseen: u64,
    conflicts: u64,
    unverified: u64,
    expired: u64,
) -> Vec<Attention> {
    let w = frame.words;
    let of = |n: u64, tone, words: &str, path: &str| {
        (n > 0).then(|| Attention { tone, text: fill(words, &[("n", &n)]), href: frame.to(path) })
    };
    [
        of(conflicts, Tone::Bad, w.n_conflicts, "networks?state=conflict"),
        of(unseen, Tone::Warn, w.n_unseen, "routers?state=offline"),
        of(expired, Tone::Warn, w.n_expired, "networks?state=expired"),
        of(unverified, Tone::Info, w.n_unverified, "networks?state=announced"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const HOUR: u64 = 3600;
const HOURS: u64 = 48;
const DAYS: i64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_795_780_800;

    fn counts(arrived: u64) -> Counts {
        Counts { arrived, ..Counts::default() }
    }

    #[test]
    fn each_visit_is_in_its_hour_and_its_day() {
        let zone = Zone::named(Some("Asia/Shanghai"));
        // 20:00 in Shanghai; the second one is at 23:00 of the day before.
        let hours = [(NOON, counts(3)), (NOON - 21 * HOUR, counts(2)), (NOON - 100 * 86_400, counts(9))];
        let by_hour = by_hour(&zone, NOON + 59, &hours);
        assert_eq!((by_hour.len(), by_hour[47].arrived, by_hour[26].arrived), (48, 3, 2));
        assert_eq!(by_hour[26].label, "2026-11-26 23:00");
        let by_day = by_day(&zone, NOON + 59, &hours);
        assert_eq!((by_day.len(), by_day[29].arrived, by_day[28].arrived), (30, 3, 2));
        assert_eq!(by_day.iter().map(|b| b.arrived).sum::<u64>(), 5);
        assert_eq!(by_day[29].label, "2026-11-27");
    }
}
