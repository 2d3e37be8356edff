//! What must hold for any message at all.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use std::collections::BTreeMap;

use bytes::BytesMut;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tokio_ubus::message::{Attribute, Kind, Message, subscriber_list};
use tokio_ubus::{Blobmsg, Builder, Fields, Ref, frame, from_blobmsg, to_blobmsg};

proptest! {
    #[test]
    fn a_message_that_was_built_reads_as_what_went_in(members in members()) {
        let message = build(&members);
        prop_assert_eq!(read(message.fields()), members);
        prop_assert_eq!(Blobmsg::parse(message.as_bytes().to_vec()).unwrap(), message);
    }

    #[test]
    fn a_struct_comes_back_as_it_was(thing in things()) {
        let message = to_blobmsg(&thing).unwrap();
        prop_assert_eq!(from_blobmsg::<Thing>(&message).unwrap(), thing);
        prop_assert!(Blobmsg::parse(message.as_bytes().to_vec()).is_ok());
    }

    #[test]
    fn json_comes_back_as_it_was(thing in things()) {
        let json = serde_json::to_value(&thing).unwrap();
        let message = Blobmsg::from_json(json.as_object().unwrap()).unwrap();
        prop_assert_eq!(message.to_json(), json);
        prop_assert_eq!(from_blobmsg::<Thing>(&message).unwrap(), thing);
    }

    #[test]
    fn a_frame_comes_back_as_it_was(kind: u8, seq: u16, peer: u32, attributes in attributes()) {
        // Another kind's attributes have other numbers.
        prop_assume!(kind != u8::from(Kind::Monitor));
        let borrowed: Vec<_> = attributes.iter().map(Owned::borrow).collect();
        let message = Message::new(kind.into(), seq, peer, borrowed.clone()).unwrap();
        let mut bytes = Vec::new();
        frame::encode(&message, &mut bytes);
        frame::encode(&message, &mut bytes);
        let mut input = BytesMut::from(&bytes[..]);
        for _ in 0..2 {
            let again = frame::decode(&mut input).unwrap().unwrap();
            prop_assert_eq!(&again, &message);
            prop_assert_eq!(again.attributes().collect::<Result<Vec<_>, _>>().unwrap(), borrowed.clone());
        }
        prop_assert!(input.is_empty());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..300)) {
        look_at_everything(&bytes);
    }

    /// Most random bytes fall at the first hurdle; these look like a frame from afar.
    #[test]
    fn no_body_makes_the_reader_panic(id in 0_u8..14, bytes in vec(prop_oneof![Just(0), 0_u8..32, 0x80_u8..0x89], 0..300)) {
        let mut out = Vec::new();
        let attribute = Attribute::Other { id, payload: &bytes };
        frame::encode(&Message::new(Kind::Invoke, 1, 2, [attribute]).unwrap(), &mut out);
        look_at_everything(&out);
    }

    #[test]
    fn no_cut_and_no_wrong_byte_makes_the_reader_panic(members in members(), wrong in 1..=u8::MAX) {
        let mut bytes = Vec::new();
        let data = build(&members);
        let attributes = [Attribute::Object(1), Attribute::Method("m"), Attribute::Data(data.as_bytes())];
        frame::encode(&Message::new(Kind::Invoke, 1, 2, attributes).unwrap(), &mut bytes);
        for cut in 0..bytes.len() {
            look_at_everything(&bytes[..cut]);
            prop_assert_eq!(frame::decode(&mut BytesMut::from(&bytes[..cut])), Ok(None));
        }
        for at in 0..bytes.len() {
            bytes[at] ^= wrong;
            look_at_everything(&bytes);
            bytes[at] ^= wrong;
        }
    }
}

/// Whatever can be asked of bytes from a peer.
fn look_at_everything(bytes: &[u8]) {
    let Ok(Some(message)) = frame::decode(&mut BytesMut::from(bytes)) else { return };
    assert!(message.attributes().count() <= bytes.len() / 4);
    assert!(message.subscribers().is_none_or(|s| s.len() <= bytes.len() / 8));
    let _all = (message.path(), message.object(), message.method(), message.status(), message.user());
    for list in [message.data(), message.signature()].into_iter().flatten().flatten() {
        let json = list.to_json();
        assert!(count(&json) <= bytes.len() / 4 + 1, "more values than there is room for");
        if let Some(again) = json.as_object().and_then(|o| Blobmsg::from_json(o).ok()) {
            // A number that is none is null from then on.
            assert_eq!(again.to_json(), json);
        }
        let mut again = Builder::new();
        list.fields().for_each(|f| {
            again.push(f.name, f.value);
        });
        let again = again.finish().expect("what was read can be sent");
        assert!(again.fields().zip(list.fields()).all(|(a, b)| same(a.value, b.value) && a.name == b.name));
        // Each may or may not fit; neither may panic.
        let _fits = from_blobmsg::<Thing>(&list).is_ok() | from_blobmsg::<BTreeMap<String, Thing>>(&list).is_ok();
    }
}

fn count(json: &serde_json::Value) -> usize {
    match json {
        serde_json::Value::Array(values) => 1 + values.iter().map(count).sum::<usize>(),
        serde_json::Value::Object(members) => 1 + members.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// Equal but for what says nothing: padding, names in arrays, and that a number is not equal to itself.
fn same(a: Ref<'_>, b: Ref<'_>) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

/// A value apart from any bytes.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Null,
    Array(Vec<Tree>),
    Table(Vec<Member>),
    String(Vec<u8>),
    Int64(i64),
    Int32(i32),
    Int16(i16),
    Int8(u8),
    Double(f64),
}

type Member = (Vec<u8>, Tree);

fn members() -> impl Strategy<Value = Vec<Member>> {
    let name = || vec(1..=u8::MAX, 0..10);
    let leaf = prop_oneof![
        Just(Tree::Null),
        vec(any::<u8>(), 0..20).prop_map(Tree::String),
        any::<i64>().prop_map(Tree::Int64),
        any::<i32>().prop_map(Tree::Int32),
        any::<i16>().prop_map(Tree::Int16),
        any::<u8>().prop_map(Tree::Int8),
        any::<f64>().prop_map(Tree::Double),
    ];
    let tree = leaf.prop_recursive(4, 30, 5, move |inner| {
        prop_oneof![vec(inner.clone(), 0..5).prop_map(Tree::Array), vec((name(), inner), 0..5).prop_map(Tree::Table),]
    });
    vec((name(), tree), 0..5)
}

fn build(members: &[Member]) -> Blobmsg {
    fn put(out: &mut Builder, name: &[u8], tree: &Tree) {
        match tree {
            Tree::Null => out.push(name, Ref::Null),
            Tree::Array(trees) => out.array(name, |array| trees.iter().for_each(|t| put(array, b"", t))),
            Tree::Table(members) => out.table(name, |table| members.iter().for_each(|(n, t)| put(table, n, t))),
            Tree::String(text) => out.push(name, &text[..]),
            Tree::Int64(n) => out.push(name, *n),
            Tree::Int32(n) => out.push(name, *n),
            Tree::Int16(n) => out.push(name, *n),
            Tree::Int8(n) => out.push(name, Ref::Int8(*n)),
            Tree::Double(n) => out.push(name, *n),
        };
    }
    let mut out = Builder::new();
    members.iter().for_each(|(name, tree)| put(&mut out, name, tree));
    out.finish().unwrap()
}

fn read(fields: Fields<'_>) -> Vec<Member> {
    fn tree(value: Ref<'_>) -> Tree {
        match value {
            Ref::Null => Tree::Null,
            Ref::Array(elements) => Tree::Array(elements.map(tree).collect()),
            Ref::Table(fields) => Tree::Table(read(fields)),
            Ref::String(text) => Tree::String(text.to_vec()),
            Ref::Int64(n) => Tree::Int64(n),
            Ref::Int32(n) => Tree::Int32(n),
            Ref::Int16(n) => Tree::Int16(n),
            Ref::Int8(n) => Tree::Int8(n),
            Ref::Double(n) => Tree::Double(n),
        }
    }
    fields.map(|f| (f.name.to_vec(), tree(f.value))).collect()
}

/// Of everything that serde knows and ubus can say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Thing {
    flag: bool,
    small: u8,
    id: u32,
    signed: i16,
    wide: i64,
    total: u64,
    fraction: f64,
    letter: char,
    text: String,
    nothing: (),
    perhaps: Option<String>,
    list: Vec<u16>,
    pair: (i8, Wrapped),
    choices: Vec<Choice>,
    map: BTreeMap<Wrapped, Vec<Option<u32>>>,
    chosen: BTreeMap<Plain, i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Wrapped(String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Choice {
    Plain,
    Wrapped(Option<u64>),
    Pair(i32, bool),
    Named { list: Vec<Plain>, deep: Box<Choice> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Plain {
    StaAuthorized,
    Probe,
}

fn things() -> impl Strategy<Value = Thing> {
    // A key is a name, which has no NUL.
    let key = "[^\\x00]{0,9}";
    let total = 0..=i64::MAX.cast_unsigned();
    let plain = prop_oneof![Just(Plain::StaAuthorized), Just(Plain::Probe)];
    let choice = prop_oneof![
        Just(Choice::Plain),
        option::of(total.clone()).prop_map(Choice::Wrapped),
        any::<(i32, bool)>().prop_map(|(a, b)| Choice::Pair(a, b)),
    ];
    let listed = plain.clone();
    let choice = choice.prop_recursive(4, 8, 1, move |inner| {
        (vec(listed.clone(), 0..3), inner).prop_map(|(list, deep)| Choice::Named { list, deep: Box::new(deep) })
    });
    let numbers = (any::<(bool, u8, u32, i16, i64)>(), total, any::<f64>());
    let texts = (any::<(char, String, Option<String>)>(), any::<(Vec<u16>, i8, String)>());
    let nested = (
        vec(choice, 0..4),
        btree_map(key.prop_map(Wrapped), any::<Vec<Option<u32>>>(), 0..4),
        btree_map(plain, any::<i64>(), 0..3),
    );
    (numbers, texts, nested).prop_map(|(numbers, texts, (choices, map, chosen))| {
        let ((flag, small, id, signed, wide), total, fraction) = numbers;
        let ((letter, text, perhaps), (list, first, second)) = texts;
        let (nothing, pair) = ((), (first, Wrapped(second)));
        Thing {
            flag,
            small,
            id,
            signed,
            wide,
            total,
            fraction,
            letter,
            text,
            nothing,
            perhaps,
            list,
            pair,
            choices,
            map,
            chosen,
        }
    })
}

/// An attribute apart from any bytes.
#[derive(Debug, Clone)]
enum Owned {
    Number(u8, u32),
    Text(u8, String),
    Message(u8, Blobmsg),
    Flag(u8, u8),
    Subscribers(Vec<u8>),
    Other(u8, Vec<u8>),
}

impl Owned {
    fn borrow(&self) -> Attribute<'_> {
        match self {
            Self::Number(0, n) => Attribute::Status(*n),
            Self::Number(1, n) => Attribute::Object(*n),
            Self::Number(2, n) => Attribute::Type(*n),
            Self::Number(_, n) => Attribute::Target(*n),
            Self::Text(0, text) => Attribute::Path(text),
            Self::Text(1, text) => Attribute::Method(text),
            Self::Text(2, text) => Attribute::User(text),
            Self::Text(_, text) => Attribute::Group(text),
            Self::Message(0, message) => Attribute::Signature(message.as_bytes()),
            Self::Message(_, message) => Attribute::Data(message.as_bytes()),
            Self::Flag(0, n) => Attribute::Active(*n),
            Self::Flag(_, n) => Attribute::NoReply(*n),
            Self::Subscribers(bytes) => Attribute::Subscribers(bytes),
            Self::Other(id, payload) => Attribute::Other { id: *id, payload },
        }
    }
}

fn attributes() -> impl Strategy<Value = Vec<Owned>> {
    let attribute = prop_oneof![
        (0_u8..4, any::<u32>()).prop_map(|(id, n)| Owned::Number(id, n)),
        (0_u8..4, "[^\\x00]{0,20}").prop_map(|(id, text)| Owned::Text(id, text)),
        (0_u8..2, members()).prop_map(|(id, members)| Owned::Message(id, build(&members))),
        (0_u8..2, any::<u8>()).prop_map(|(id, n)| Owned::Flag(id, n)),
        any::<Vec<u32>>().prop_map(|ids| Owned::Subscribers(subscriber_list(ids))),
        (14_u8..128, any::<Vec<u8>>()).prop_map(|(id, payload)| Owned::Other(id, payload)),
    ];
    vec(attribute, 0..8)
}
