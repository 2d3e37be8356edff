//! [`Blobmsg`] and JSON, as `ubus call` turns one into the other.
//!
//! JSON does not tell the widths of numbers apart, and takes 8 bits for a truth value: what goes to JSON and back may
//! have other types. What comes from JSON stays as it is.

use serde_json::{Map, Number, Value};

use crate::blobmsg::{Blobmsg, MAX_DEPTH};
use crate::builder::{EncodeError, Encoder};
use crate::value::{Ref, Type};

impl Blobmsg {
    /// As JSON. Text that is not UTF-8 loses what it cannot say, a number that is none becomes null, and of a repeated
    /// name the first one counts.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Ref::Table(self.fields()).to_json()
    }

    /// From the members of a JSON object: 8 bits for `true` and `false`, 32 bits for what fits, 64 bits for other
    /// integers.
    ///
    /// # Errors
    /// When a number is beyond 64 bits with sign, and when it is too long or nested too deep.
    pub fn from_json(object: &Map<String, Value>) -> Result<Self, EncodeError> {
        let mut out = Encoder::new(MAX_DEPTH);
        object.iter().try_for_each(|(name, value)| put(&mut out, name, value))?;
        Ok(Self::built(out.out.into()))
    }
}

impl Ref<'_> {
    /// As JSON, see [`Blobmsg::to_json`].
    #[must_use]
    pub fn to_json(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Array(elements) => elements.map(Ref::to_json).collect(),
            Self::Table(fields) => {
                let mut object = Map::new();
                for field in fields {
                    object.entry(String::from_utf8_lossy(field.name)).or_insert_with(|| field.value.to_json());
                }
                object.into()
            }
            Self::String(text) => String::from_utf8_lossy(text).into(),
            Self::Int64(n) => n.into(),
            Self::Int32(n) => n.into(),
            Self::Int16(n) => n.into(),
            Self::Int8(n) => (n != 0).into(),
            Self::Double(n) => Number::from_f64(n).into(),
        }
    }
}

/// Appends a value. However deep it is nested, this calls itself no oftener than the encoder allows.
fn put(out: &mut Encoder, name: &str, value: &Value) -> Result<(), EncodeError> {
    let value = match value {
        Value::Null => Ref::Null,
        Value::Bool(is) => (*is).into(),
        Value::Number(n) => number(n)?,
        Value::String(text) => text.into(),
        Value::Array(values) => {
            let start = out.open(name.as_bytes(), Type::Array)?;
            values.iter().try_for_each(|v| put(out, "", v))?;
            out.close(start);
            return Ok(());
        }
        Value::Object(object) => {
            let start = out.open(name.as_bytes(), Type::Table)?;
            object.iter().try_for_each(|(name, v)| put(out, name, v))?;
            out.close(start);
            return Ok(());
        }
    };
    out.put(name.as_bytes(), value)
}

fn number(n: &Number) -> Result<Ref<'static>, EncodeError> {
    match n.as_i64() {
        Some(n) => Ok(i32::try_from(n).map_or(Ref::Int64(n), Ref::Int32)),
        None if n.is_f64() => n.as_f64().map(Ref::Double).ok_or_else(EncodeError::number),
        None => Err(EncodeError::number()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::builder::Builder;

    fn from(json: &Value) -> Result<Blobmsg, EncodeError> {
        Blobmsg::from_json(json.as_object().unwrap())
    }

    #[test]
    fn json_becomes_the_types_that_ubus_call_sends() {
        let message = from(&json!({"t": true, "i": -1, "max": 2_147_483_647, "over": 2_147_483_648_u32,
            "d": 1.5, "n": null, "s": "é", "o": {"a": [1, {}]}}));
        let said = r#"{"d": 1.5f64, "i": -1i32, "max": 2147483647i32, "n": null, "o": {"a": [1i32, {}]}, "#;
        let said = said.to_owned() + r#""over": 2147483648i64, "s": "é", "t": 1u8}"#;
        assert_eq!(format!("{:?}", message.unwrap()), said);
    }

    #[test]
    fn what_json_cannot_say_is_said_as_ubus_says_it() {
        let mut out = Builder::new();
        out.push("bool", Ref::Int8(200)).push("twice", 1).push("twice", 2).push("i16", Ref::Int16(-2));
        out.push("ssid", &b"caf\xe9"[..]).push("nan", f64::NAN).push("infinite", f64::INFINITY);
        let json = json!({"bool": true, "twice": 1, "i16": -2, "ssid": "caf\u{fffd}", "nan": null, "infinite": null});
        assert_eq!(out.finish().unwrap().to_json(), json);
    }

    #[test]
    fn what_the_wire_cannot_say_is_refused() {
        assert!(from(&json!({"n": i64::MAX as u64})).is_ok());
        assert!(matches!(from(&json!({"n": i64::MAX as u64 + 1})), Err(EncodeError::Unsupported(_))));
        assert_eq!(from(&json!({"n\0": 1})), Err(EncodeError::Name));
        let nest = |levels| (0..levels).fold(json!({}), |inner, _| json!({"t": inner}));
        assert!(from(&nest(MAX_DEPTH)).is_ok());
        assert_eq!(from(&nest(MAX_DEPTH + 1)), Err(EncodeError::TooDeep));
    }
}
