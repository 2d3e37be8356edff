//! What the plan does to one section, in a table; and what must hold for any configuration.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

const URI: &str = "https://portal.example/a";
const NEXT: &str = "https://portal.example/b";

#[test]
fn the_option_is_added_to_what_is_there_and_taken_away_again() {
    use Value::{List, One};
    let list = |entries: &[&str]| Some(List(entries.iter().map(|e| (*e).to_owned()).collect()));
    let ours = "114,https://portal.example/a";
    let cases = [
        (None, list(&[ours])),
        (list(&["3,10.0.0.1"]), list(&["3,10.0.0.1", ours])),
        (list(&["option:dns-server,10.0.0.1", "1140,x"]), list(&["option:dns-server,10.0.0.1", "1140,x", ours])),
        (Some(One("3,10.0.0.1".to_owned())), Some(One(format!("3,10.0.0.1 {ours}")))),
        (Some(One("3,10.0.0.1  6,10.0.0.1\t".to_owned())), Some(One(format!("3,10.0.0.1  6,10.0.0.1\t {ours}")))),
        (Some(One(format!("{ours}1"))), Some(One(format!("{ours}1")))), // somebody else's
    ];
    for (before, after) in cases {
        let sections = [section("cfg01", Some("guest"), [("dhcp_option", before)])];
        let (changed, record) = apply(&sections, &guest(URI), &Record::new(), false);
        assert_eq!(changed[0].options.get("dhcp_option"), after.as_ref());
        assert_eq!(apply(&changed, &SortedMap::new(), &record, false), (sections.to_vec(), Record::new()));
    }
}

#[test]
fn a_changed_uri_takes_the_place_of_the_former() {
    let others = || Some(Value::List(vec!["3,10.0.0.1".to_owned()]));
    let sections = [section("guest", Some("guest"), [("dhcp_option", others())])];
    let (first, record) = apply(&sections, &guest(URI), &Record::new(), true);
    let mut first = first;
    let Some(Value::List(entries)) = first[0].options.get_mut("dhcp_option") else { panic!() };
    entries.push("42,10.0.0.1".to_owned());
    let (second, record) = apply(&first, &guest(NEXT), &record, true);
    let entries = ["3,10.0.0.1", "114,https://portal.example/b", "42,10.0.0.1"].map(str::to_owned);
    assert_eq!(second[0].options["dhcp_option"], Value::List(entries.to_vec()));
    assert_eq!(second[0].options["captive_portal_uri"], Value::One(NEXT.to_owned()));
    let entry = &record["guest"];
    assert_eq!((&entry.dhcp_option, &entry.captive_portal_uri), (&[NEXT.to_owned()].into(), &[NEXT.to_owned()].into()));
}

#[test]
fn what_somebody_else_announces_stays_and_is_told() {
    let list = |entry: &str| Some(Value::List(vec![entry.to_owned()]));
    let one = |text: &str| Some(Value::One(text.to_owned()));
    let cases = [
        ("dhcp_option", list("114,https://other.example")),
        ("dhcp_option", list("114")), // sends none
        ("dhcp_option", list("tag:kids,114,https://other.example")),
        ("dhcp_option", list("option:captive-portal,https://other.example")),
        ("dhcp_option", one("3,10.0.0.1 114,https://other.example")),
        ("dhcp_option_force", list("114,https://other.example")),
        ("captive_portal_uri", one("https://other.example")),
    ];
    for (option, value) in cases {
        let sections = [section("cfg01", Some("guest"), [(option, value.clone())])];
        let plan = plan(&sections, &guest(URI), &Record::new(), true);
        assert_eq!((&plan.edits, &plan.record), (&vec![], &Record::new()), "{option} {value:?}");
        let foreign: Vec<_> = plan.foreign.iter().map(|f| (f.interface.as_str(), f.option)).collect();
        assert_eq!(foreign, [("guest", option)], "{value:?}");
    }
    // Who wrote what we would write has what they want.
    let sections = [section("cfg01", Some("guest"), [("dhcp_option", list("114,https://portal.example/a"))])];
    assert_eq!(plan(&sections, &guest(URI), &Record::new(), true), Plan::default());
    // And ours gives way to theirs.
    let both = Value::List(vec!["114,https://portal.example/a".to_owned(), "114,https://other.example".to_owned()]);
    let sections = [section("cfg01", Some("guest"), [("dhcp_option", Some(both))])];
    let (after, record) = apply(&sections, &guest(URI), &put(URI), false);
    assert_eq!(after[0].options.get("dhcp_option"), list("114,https://other.example").as_ref());
    assert_eq!(record, Record::new());
}

#[test]
fn only_the_sections_of_the_interface_that_serve_it_are_changed() {
    let ignored = || ("ignore", Some(Value::One("1".to_owned())));
    let sections = [
        section("lan", Some("lan"), []),
        section("cfg02", None, []),
        section("odd", None, [("interface", Some(Value::List(vec!["guest".to_owned()])))]),
        section("cfg03", Some("guest"), [ignored()]),
        section("cfg04", Some("guest"), [("ignore", Some(Value::One("0".to_owned())))]),
    ];
    let made = plan(&sections, &guest(URI), &Record::new(), false);
    assert_eq!(made.edits.iter().map(|e| e.section.as_str()).collect::<Vec<_>>(), ["cfg04"]);
    // An interface that is ignored from now on announces nothing.
    let sections = [section(
        "cfg03",
        Some("guest"),
        [ignored(), ("dhcp_option", Some(Value::List(vec!["114,https://portal.example/a".to_owned()])))],
    )];
    let (after, record) = apply(&sections, &guest(URI), &put(URI), false);
    assert_eq!((after[0].options.get("dhcp_option"), record), (None, Record::new()));
}

#[test]
fn odhcpd_is_told_only_if_it_understands() {
    let sections = [section("guest", Some("guest"), [])];
    let (with, record) = apply(&sections, &guest(URI), &Record::new(), true);
    assert_eq!(with[0].options["captive_portal_uri"], Value::One(URI.to_owned()));
    let (without, record) = apply(&with, &guest(URI), &record, false);
    assert_eq!(without[0].options.get("captive_portal_uri"), None);
    assert_eq!(record, put(URI));
}

#[test]
fn a_network_without_an_interface_keeps_what_it_has() {
    let portals = SortedMap::from([("bar", NEXT), ("cafe", URI)].map(|(n, u)| (n.parse().unwrap(), u.to_owned())));
    let on = |pairs: &[(&str, &str)]| {
        let pairs =
            pairs.iter().map(|(network, interface)| (network.parse().unwrap(), [(*interface).to_owned()].into()));
        pairs.collect::<SortedMap<NetworkId, SortedSet<String>>>()
    };
    let told_when = |settled: bool, interfaces: &[(&str, &str)], record: &Record| {
        let wishes = wishes(&portals, &on(interfaces), settled, record);
        wishes.into_iter().map(|(interface, w)| (interface, w.network.to_string(), w.uri)).collect::<Vec<_>>()
    };
    let told = |interfaces: &[(&str, &str)], record: &Record| told_when(true, interfaces, record);
    let wish = |interface: &str, network: &str, uri: &str| (interface.to_owned(), network.to_owned(), uri.to_owned());
    let record = put("https://portal.example/old");
    assert_eq!(told(&[], &Record::new()), []);
    assert_eq!(told(&[], &record), [wish("guest", "cafe", URI)]);
    assert_eq!(told(&[("cafe", "lan")], &record), [wish("lan", "cafe", URI)], "it has moved");
    let both = [wish("guest", "cafe", URI), wish("lan", "cafe", URI)];
    assert_eq!(told_when(false, &[("cafe", "lan")], &record), both, "it may still be there as well");
    assert_eq!(told(&[("bar", "guest")], &record), [wish("guest", "bar", NEXT)], "another one took its place");
    assert_eq!(told(&[("bar", "lan"), ("cafe", "lan")], &record), [wish("lan", "bar", NEXT)], "the first one speaks");
}

proptest! {
    #[test]
    fn what_was_applied_and_withdrawn_was_never_there(
        sections in sections(), first in wished(), second in wished(), odhcpd: [bool; 2],
    ) {
        let (one, record) = apply(&sections, &first, &Record::new(), odhcpd[0]);
        let (two, record) = apply(&one, &second, &record, odhcpd[1]);
        prop_assert_eq!(apply(&two, &SortedMap::new(), &record, false), (sections, Record::new()));
    }

    #[test]
    fn what_others_wrote_never_changes(sections in sections(), wishes in wished(), record in recorded(), odhcpd: bool) {
        let (after, _) = apply(&sections, &wishes, &record, odhcpd);
        let others = |sections: &[Section]| -> Vec<Section> {
            sections.iter().map(|s| without_ours(s, &wishes, &record)).collect()
        };
        prop_assert_eq!(others(&after), others(&sections));
    }

    #[test]
    fn a_second_time_nothing_is_left_to_do(sections in sections(), wishes in wished(), record in recorded(), odhcpd: bool) {
        let (after, record) = apply(&sections, &wishes, &record, odhcpd);
        let again = plan(&after, &wishes, &record, odhcpd);
        prop_assert_eq!(again.edits, vec![]);
        prop_assert_eq!(again.record, record);
    }

    #[test]
    fn an_interruption_anywhere_leads_to_the_same_end(
        sections in sections(), first in wished(), second in wished(), odhcpd: bool, done: prop::sample::Index,
    ) {
        let (sections, record) = apply(&sections, &first, &Record::new(), odhcpd);
        let made = plan(&sections, &second, &record, odhcpd);
        let written_ahead = union(&record, &made.record);
        let half = edited(&sections, &made.edits[..done.index(made.edits.len() + 1)]);
        let whole = (edited(&sections, &made.edits), made.record);
        prop_assert_eq!(apply(&half, &second, &written_ahead, odhcpd), whole);
    }
}

/// Makes the plan and carries it out.
fn apply(
    sections: &[Section],
    wishes: &SortedMap<String, Wish>,
    record: &Record,
    odhcpd: bool,
) -> (Vec<Section>, Record) {
    let plan = plan(sections, wishes, record, odhcpd);
    (edited(sections, &plan.edits), plan.record)
}

fn edited(sections: &[Section], edits: &[Edit]) -> Vec<Section> {
    let mut sections = sections.to_vec();
    for Edit { section, option, value } in edits {
        let section = sections.iter_mut().find(|s| s.name == *section).unwrap();
        match value {
            Some(value) => drop(section.options.insert((*option).to_owned(), value.clone())),
            None => assert!(section.options.remove(*option).is_some(), "rpcd refuses to delete what is not there"),
        }
    }
    sections
}

/// The section as it is without anything that we put there or may have.
fn without_ours(section: &Section, wishes: &SortedMap<String, Wish>, record: &Record) -> Section {
    let put = record.values().flat_map(|e| e.dhcp_option.iter().chain(&e.captive_portal_uri));
    let uris: SortedSet<_> = wishes.values().map(|w| &w.uri).chain(put).collect();
    let is_ours = |entry: &str| uris.iter().any(|uri| entry == format!("114,{uri}") || entry == **uri);
    let mut section = section.clone();
    section.options.retain(|name, value| {
        if name == DHCP_OPTION {
            let kept = value.entries().into_iter().filter(|e| !is_ours(e)).map(str::to_owned).collect();
            *value = Value::List(kept);
        }
        let is_nothing = value.is_empty() || (name == CAPTIVE_PORTAL_URI && is_ours(value.entries()[0]));
        !is_nothing
    });
    section
}

fn section<const N: usize>(name: &str, interface: Option<&str>, options: [(&str, Option<Value>); N]) -> Section {
    let interface = interface.map(|i| ("interface".to_owned(), Value::One(i.to_owned())));
    let options = options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Section { name: name.to_owned(), options: interface.into_iter().chain(options).collect() }
}

fn guest(uri: &str) -> SortedMap<String, Wish> {
    [("guest".to_owned(), wish(uri))].into()
}

/// What [`guest`] leaves behind where there is no odhcpd.
fn put(uri: &str) -> Record {
    let dhcp_option = [uri.to_owned()].into();
    [("guest".to_owned(), Entry { network: "cafe".parse().unwrap(), dhcp_option, captive_portal_uri: [].into() })]
        .into()
}

fn wish(uri: &str) -> Wish {
    Wish { network: "cafe".parse().unwrap(), uri: uri.to_owned() }
}

fn wished() -> impl Strategy<Value = SortedMap<String, Wish>> {
    let uri = prop_oneof![Just(URI), Just(NEXT)];
    prop::collection::btree_map(interface(), uri.prop_map(wish), 0..3).prop_map(SortedMap::from_iter)
}

fn recorded() -> impl Strategy<Value = Record> {
    let uris = || subsequence(vec![URI.to_owned(), NEXT.to_owned()], 0..=2).prop_map(SortedSet::from_iter);
    let entry = (uris(), uris()).prop_map(|(dhcp_option, captive_portal_uri)| Entry {
        network: "cafe".parse().unwrap(),
        dhcp_option,
        captive_portal_uri,
    });
    prop::collection::btree_map(interface(), entry, 0..3).prop_map(SortedMap::from_iter)
}

fn interface() -> impl Strategy<Value = String> {
    "lan|guest|iot"
}

fn sections() -> impl Strategy<Value = Vec<Section>> {
    let entry = || {
        prop_oneof![
            4 => "[0-9]{1,3},[0-9.]{1,9}",
            1 => "(tag:x,)?114,https://(portal|other).example/[ab]",
            1 => Just("114".to_owned()),
        ]
    };
    let list = prop::collection::vec(entry(), 1..4).prop_map(Value::List);
    let words = prop::collection::vec((entry(), "[ \t]{1,2}"), 1..4).prop_map(|words| {
        let text: String = words.into_iter().map(|(word, blank)| word + &blank).collect();
        // Whether or not it ends with a blank.
        Value::One(if text.len().is_multiple_of(2) { text } else { text.trim_end().to_owned() })
    });
    let dhcp_option = prop_oneof![2 => Just(None), 2 => list.prop_map(Some), 2 => words.prop_map(Some)];
    let uri = prop::option::weighted(0.2, "https://(portal|other).example/[ab]".prop_map(Value::One));
    let ignore = prop::option::weighted(0.2, "0|1|on|off".prop_map(Value::One));
    let other = prop::option::of("[a-z0-9]{1,8}".prop_map(Value::One));
    let one = (prop::option::weighted(0.9, interface()), dhcp_option, uri, ignore, other);
    let one = one.prop_map(|(interface, dhcp_option, uri, ignore, other)| {
        let options =
            [("dhcp_option", dhcp_option), ("captive_portal_uri", uri), ("ignore", ignore), ("leasetime", other)];
        section("", interface.as_deref(), options)
    });
    let named = |sections: Vec<Section>| {
        sections.into_iter().enumerate().map(|(n, s)| Section { name: format!("cfg{n:02}"), ..s }).collect()
    };
    prop::collection::vec(one, 0..5).prop_map(named)
}
