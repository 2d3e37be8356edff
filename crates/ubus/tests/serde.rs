//! What types of Rust become on the wire, and what they are read from.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio_ubus::{Blobmsg, Builder, EncodeError, MAX_DEPTH, Ref, from_blobmsg, to_blobmsg};

#[test]
fn values_become_the_types_that_ubus_programs_expect() {
    assert_eq!(sent(true), "1u8");
    assert_eq!(sent(200_u8), "200i32");
    assert_eq!(sent(-3_i64), "-3i32");
    assert_eq!(sent(u64::from(u32::MAX)), "4294967295i64");
    assert_eq!(sent(0.5_f32), "0.5f64");
    assert_eq!(sent(('ß', "text")), r#"["ß", "text"]"#);
    assert_eq!(sent((None::<u8>, (), Some(Some(1)))), "[null, null, 1i32]");
    assert_eq!(sent(BTreeMap::from([(Kind::Join, 1)])), r#"{"join": 1i32}"#);
    let kinds = (Kind::Join, Kind::Roam("b".into()), Kind::Leave { reason: 3 }, Kind::Both(1, 2));
    assert_eq!(sent(kinds), r#"["join", {"roam": "b"}, {"leave": {"reason": 3i32}}, {"both": [1i32, 2i32]}]"#);
    assert_eq!(format!("{:?}", to_blobmsg(&Kind::Leave { reason: 3 }).unwrap()), r#"{"leave": {"reason": 3i32}}"#);
}

#[test]
fn what_the_wire_cannot_say_is_refused() {
    let why = |error: EncodeError| error.to_string();
    assert!(to_blobmsg(&BTreeMap::from([("n", i64::MAX as u64)])).is_ok());
    let beyond = "a number beyond 63 bits and a sign";
    assert_eq!(why(to_blobmsg(&BTreeMap::from([("n", i64::MAX as u64 + 1)])).unwrap_err()), beyond);
    assert_eq!(why(to_blobmsg(&BTreeMap::from([("n", 1_i128)])).unwrap_err()), "i128 is not supported");
    assert_eq!(why(to_blobmsg(&BTreeMap::from([(1, 2)])).unwrap_err()), "a key that is no text");
    assert_eq!(to_blobmsg(&BTreeMap::from([("a\0b", 2)])), Err(EncodeError::Name));
    for no_table in [to_blobmsg("text"), to_blobmsg(&[1]), to_blobmsg(&None::<u8>)] {
        assert_eq!(why(no_table.unwrap_err()), "no table: only structs and maps can be sent");
    }
    assert_eq!(to_blobmsg(&BTreeMap::from([("text", "x".repeat(1 << 20))])), Err(EncodeError::TooLong));
    assert!(to_blobmsg(&Nested::levels(MAX_DEPTH)).is_ok());
    assert_eq!(to_blobmsg(&Nested::levels(MAX_DEPTH + 1)), Err(EncodeError::TooDeep));
}

#[test]
fn a_truth_value_is_read_from_any_width() {
    for (value, is) in [(Ref::Int8(200), true), (Ref::Int8(0), false), (Ref::Int16(1), true), (Ref::Int64(0), false)] {
        assert_eq!(read(value), Ok(is));
    }
    assert_eq!(read::<bool>(Ref::Int32(2)), Err("value: integer `2` where a boolean is wanted".into()));
}

#[test]
fn an_integer_is_read_from_any_width_it_fits() {
    assert_eq!(read(Ref::Int64(7)), Ok(7_u8));
    assert_eq!(read(Ref::Int8(200)), Ok(200_i16));
    assert_eq!(read::<u8>(Ref::Int16(256)), Err("value: integer `256` where u8 is wanted".into()));
    // The wire does not say whether there is a sign.
    assert_eq!(read(Ref::Int32(-1)), Ok(-1_i8));
    assert_eq!(read(Ref::Int32(-1)), Ok(u32::MAX));
    assert_eq!(read(Ref::Int32(-1)), Ok(u64::from(u32::MAX)));
    assert_eq!(read::<u32>(Ref::Int64(-1)).ok(), None);
    assert_eq!(read(Ref::Int32(3)), Ok(3.0));
    assert_eq!(read::<i32>(Ref::Double(3.0)).ok(), None);
    assert_eq!(read::<i128>(Ref::Int64(3)), Err("value: i128 is not supported".into()));
}

#[test]
fn an_ssid_is_any_bytes() {
    let ssid = Ref::String(b"caf\xe9\0");
    assert_eq!(read(ssid), Ok(Ssid(b"caf\xe9\0".to_vec())));
    assert_eq!(read::<String>(ssid), Err("value: text that is not UTF-8 where a string is wanted".into()));
    assert_eq!(sent(Ssid(b"caf\xe9".to_vec())), "\"caf\u{fffd}\"");
}

#[test]
fn a_variant_is_a_name_or_a_table_of_one_member() {
    let mut out = Builder::new();
    out.array("value", |kinds| {
        kinds.push("", "join").table("", |t| {
            t.table("leave", |t| {
                t.push("reason", 3);
            });
        });
    });
    let message = out.finish().unwrap();
    assert_eq!(from_blobmsg(&message), Ok(Value { value: (Kind::Join, Kind::Leave { reason: 3 }) }));
    let two = to_blobmsg(&BTreeMap::from([("value", BTreeMap::from([("join", 1), ("roam", 2)]))])).unwrap();
    assert!(from_blobmsg::<Value<Kind>>(&two).is_err());
}

#[test]
fn of_a_repeated_name_the_first_one_counts() {
    let mut out = Builder::new();
    out.push("other", 1).push("value", 1).push("other", 2).push("value", "two");
    let message = out.finish().unwrap();
    assert_eq!(from_blobmsg(&message), Ok(Value { value: 1 }));
    let mut out = Builder::new();
    out.push("a", 1).push("b", 3).push("a", 2);
    let message = out.finish().unwrap();
    assert_eq!(from_blobmsg(&message), Ok(BTreeMap::from([("a", 1), ("b", 3)])));
}

#[test]
fn text_is_borrowed_from_the_message() {
    let message = to_blobmsg(&BTreeMap::from([("value", "text")])).unwrap();
    assert_eq!(from_blobmsg(&message), Ok(BTreeMap::from([("value", "text")])));
}

/// Errors go to logs, where neither passphrases nor addresses belong.
#[test]
fn an_error_says_where_but_not_what_the_peer_said() {
    let clients = BTreeMap::from([("02:00:00:00:00:01", BTreeMap::from([("signal", "secret")]))]);
    let message = to_blobmsg(&BTreeMap::from([("value", clients)])).unwrap();
    let error = from_blobmsg::<Value<BTreeMap<String, Station>>>(&message).unwrap_err();
    assert_eq!(error.to_string(), "value.*.signal: text where i32 is wanted");
    let error = from_blobmsg::<Value<Kind>>(&to_blobmsg(&BTreeMap::from([("value", "secret")])).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "value: none of join, roam, leave, both");
    assert_eq!(from_blobmsg::<Value<u8>>(&Blobmsg::new()).unwrap_err().to_string(), "missing field `value`");
}

#[test]
fn an_array_has_no_more_elements_than_are_wanted() {
    let message = to_blobmsg(&Value { value: (1, 2, 3) }).unwrap();
    let error = from_blobmsg::<Value<(u8, u8)>>(&message).unwrap_err();
    assert_eq!(error.to_string(), "value: an array with 1 elements too many");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Value<T> {
    value: T,
}

#[derive(Debug, Deserialize)]
struct Station {
    #[expect(dead_code, reason = "cannot be read")]
    signal: i32,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Join,
    Roam(String),
    Leave { reason: u16 },
    Both(u8, u8),
}

/// Tables within tables.
#[derive(Debug, Serialize)]
struct Nested {
    inner: Option<Box<Nested>>,
}

impl Nested {
    /// The message itself is none of the levels.
    fn levels(n: usize) -> Self {
        Self { inner: (n > 0).then(|| Box::new(Self::levels(n - 1))) }
    }
}

#[derive(Debug, PartialEq)]
struct Ssid(Vec<u8>);

impl Serialize for Ssid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Ssid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Ssid;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Ssid, E> {
                Ok(Ssid(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

/// How a value is sent.
fn sent(value: impl Serialize) -> String {
    format!("{:?}", to_blobmsg(&Value { value }).unwrap().get("value").unwrap())
}

fn read<T: DeserializeOwned>(value: Ref<'_>) -> Result<T, String> {
    let mut out = Builder::new();
    out.push("value", value);
    let message = out.finish().unwrap();
    from_blobmsg(&message).map(|v: Value<T>| v.value).map_err(|e| e.to_string())
}
