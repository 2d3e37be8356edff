//! Names with a rule: each is checked once, when it is made.
//!
//! Text comes in, a value that obeys its rule goes out. In JSON every one of them is a string.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A 48-bit MAC address; prints as `02:00:00:00:01:00`.
///
/// ```
/// use welcome_proto::Mac;
/// assert_eq!("02:00:00:00:AB:00".parse::<Mac>().unwrap().to_string(), "02:00:00:00:ab:00");
/// assert!("02:00:00:00:01".parse::<Mac>().is_err());
/// assert!("02-00-00-00-01-00".parse::<Mac>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl FromStr for Mac {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::new("MAC address", "six two-digit hexadecimal numbers with colons between");
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = u8::from_str_radix(part.ok_or_else(wrong)?, 16).map_err(|_| wrong())?;
        }
        match parts.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(wrong()),
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The MAC address of one BSS: a unicast address that is not all zero.
///
/// ```
/// use welcome_proto::Bssid;
/// assert!("02:00:00:00:00:01".parse::<Bssid>().is_ok());
/// assert!("ff:ff:ff:ff:ff:ff".parse::<Bssid>().is_err()); // a group address
/// assert!("00:00:00:00:00:00".parse::<Bssid>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bssid(Mac);

impl Bssid {
    /// The address as a plain MAC.
    #[must_use]
    pub fn mac(self) -> Mac {
        self.0
    }
}

impl TryFrom<Mac> for Bssid {
    type Error = IdError;

    fn try_from(mac: Mac) -> Result<Self, IdError> {
        if mac.0 == [0; 6] || mac.0[0] & 1 == 1 {
            return Err(IdError::new("BSSID", "the address of one access point: not zero, not a group address"));
        }
        Ok(Self(mac))
    }
}

impl FromStr for Bssid {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse::<Mac>()?.try_into()
    }
}

impl fmt::Display for Bssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network name: 1 to 32 bytes (IEEE 802.11-2020, 9.4.2.2), which need not be text.
///
/// The text form keeps printable UTF-8 as it is and writes the backslash and every other byte as an escape, so that it
/// never loses one. It also reads what hostapd and wpa_supplicant print (`\xe9`, `\"`, `\n`).
///
/// ```
/// use welcome_proto::Ssid;
/// let cafe = Ssid::new(b"Caf\xe9").unwrap(); // Latin-1: not UTF-8
/// assert_eq!(cafe.to_string(), r"Caf\xe9");
/// assert_eq!(r"Caf\xe9".parse::<Ssid>().unwrap(), cafe);
/// assert_eq!("咖啡".parse::<Ssid>().unwrap().to_string(), "咖啡");
/// assert!(Ssid::new(&[b'x'; 33]).is_err());
/// assert!("".parse::<Ssid>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssid(Vec<u8>);

impl Ssid {
    /// Takes the bytes as they are on the air.
    ///
    /// # Errors
    /// If there are none or more than 32.
    pub fn new(bytes: &[u8]) -> Result<Self, IdError> {
        if bytes.is_empty() || bytes.len() > 32 {
            return Err(IdError::new("SSID", "1 to 32 bytes"));
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The bytes as they are on the air.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// By what the owner asks to be in no directory: a name that ends in `_nomap` or contains `_optout`, the two marks
    /// that location services honour.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        if self.0.ends_with(b"_nomap") {
            Some(Mark::NoMap)
        } else if self.0.windows(7).any(|w| w == b"_optout") {
            Some(Mark::OptOut)
        } else {
            None
        }
    }

    /// Whether the owner asks to be in no directory.
    #[must_use]
    pub fn asks_to_be_left_out(&self) -> bool {
        self.mark().is_some()
    }
}

/// What in a network's name asks to be in no directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// At its end.
    #[serde(rename = "_nomap")]
    NoMap,
    /// Anywhere.
    #[serde(rename = "_optout")]
    OptOut,
}

impl Mark {
    /// As it stands in the name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoMap => "_nomap",
            Self::OptOut => "_optout",
        }
    }
}

impl FromStr for Ssid {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::new("SSID", r"a name of 1 to 32 bytes; escapes are \\ \' \n \r \t \e and \xNN");
        let mut bytes = Vec::with_capacity(32);
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            if bytes.len() == 32 {
                return Err(wrong());
            }
            let (byte, tail) = match (first, tail) {
                (b'\\', [b'x', high, low, tail @ ..]) => {
                    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
                    (digit(high).ok_or_else(wrong)? << 4 | digit(low).ok_or_else(wrong)?, tail)
                }
                (b'\\', [b'n', tail @ ..]) => (b'\n', tail),
                (b'\\', [b'r', tail @ ..]) => (b'\r', tail),
                (b'\\', [b't', tail @ ..]) => (b'\t', tail),
                (b'\\', [b'e', tail @ ..]) => (0x1b, tail),
                (b'\\', [mark @ (b'\\' | b'"' | b'\''), tail @ ..]) => (*mark, tail),
                (b'\\', _) => return Err(wrong()),
                (byte, tail) => (*byte, tail),
            };
            bytes.push(byte);
            rest = tail;
        }
        Self::new(&bytes)
    }
}

impl fmt::Display for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    c if c.is_control() => {
                        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                            write!(f, "\\x{byte:02x}")?;
                        }
                    }
                    c => write!(f, "{c}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Declares a textual identifier with its alphabet and greatest length.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $dash:literal, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || ($dash && b == b'-');
                if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
                    return Err(IdError::new($what, $rule));
                }
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A shared network of one router: the name of its UCI section.
    NetworkId, "network id", false, "1 to 64 letters, digits or underscores"
);
text_id!(
    /// A router, as the server named it when it enrolled.
    RouterId, "router id", true, "1 to 64 letters, digits, underscores or dashes"
);
text_id!(
    /// An offer; unique among the offers of one sender.
    OfferId, "offer id", true, "1 to 64 letters, digits, underscores or dashes"
);
text_id!(
    /// The networks of one place, seen together.
    AreaId, "area id", true, "1 to 64 letters, digits, underscores or dashes"
);
text_id!(
    /// The idempotency key of a batch of reports; unique for its router.
    BatchId, "batch id", true, "1 to 64 letters, digits, underscores or dashes"
);

text_id!(
    /// A challenge, or a call for a witness; chosen by the server, used once.
    ChallengeId, "challenge id", true, "1 to 64 letters, digits, underscores or dashes"
);

/// The SHA-256 that names some bytes; prints as 64 lower-case hexadecimal digits.
///
/// ```
/// use welcome_proto::Digest;
/// let text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
/// assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
/// assert!("9F86".parse::<Digest>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl FromStr for Digest {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::new("digest", "64 lower-case hexadecimal digits");
        let digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f').then(|| (b as char).to_digit(16)).flatten();
        if text.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (high, low) = (digit(pair[0]).ok_or_else(wrong)?, digit(pair[1]).ok_or_else(wrong)?);
            *byte = (high << 4 | low) as u8;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A language tag (BCP 47) in lower case, e.g. `zh` or `zh-hant`.
///
/// ```
/// use welcome_proto::Language;
/// assert_eq!("zh-Hant-TW".parse::<Language>().unwrap().as_str(), "zh-hant-tw");
/// for bad in ["", "x", "zh_cn", "-zh", "zh-", "zh--tw", "1a"] {
///     assert!(bad.parse::<Language>().is_err(), "{bad}");
/// }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(Box<str>);

impl Language {
    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Language {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::new("language tag", "e.g. en, de or zh-hant: at most 35 letters, digits and dashes");
        let mut parts = text.split('-');
        let primary = parts.next().unwrap_or_default();
        let is_part = |p: &str| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
        let is_language = (2..=8).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_alphabetic());
        if text.len() > 35 || !is_language || !parts.all(is_part) {
            return Err(wrong());
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A colour in sRGB; prints as `#0b5f6b`.
///
/// ```
/// use welcome_proto::Color;
/// assert_eq!("#0B5F6B".parse::<Color>().unwrap(), Color([0x0b, 0x5f, 0x6b]));
/// assert!("red".parse::<Color>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Color(pub [u8; 3]);

impl FromStr for Color {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()));
        let number = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
        let [_, r, g, b] = number.ok_or_else(|| IdError::new("colour", "# and six hexadecimal digits"))?.to_be_bytes();
        Ok(Self([r, g, b]))
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

/// A text that does not obey the rule of the name it should become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: expected {rule}")]
pub struct IdError {
    what: &'static str,
    rule: &'static str,
}

impl IdError {
    pub(crate) fn new(what: &'static str, rule: &'static str) -> Self {
        Self { what, rule }
    }

    /// What the text should have been, e.g. `1 to 32 bytes`.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

/// Gives a type whose text form is its rule the same form in JSON and in logs.
macro_rules! as_string {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

pub(crate) use as_string;

as_string!(Mac Bssid Ssid NetworkId RouterId OfferId AreaId BatchId ChallengeId Digest Language Color);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_ssid_reads_what_wpa_supplicant_prints() {
        let printed = r#"a\"b\\c\xff\n\e"#;
        assert_eq!(printed.parse::<Ssid>().unwrap().as_bytes(), b"a\"b\\c\xff\n\x1b");
    }

    #[test]
    fn the_marks_of_those_who_want_no_directory_are_honoured() {
        let mark = |name: &str| name.parse::<Ssid>().unwrap().mark();
        assert_eq!(mark("home_nomap"), Some(Mark::NoMap));
        assert_eq!(mark("a_optout_b"), Some(Mark::OptOut));
        assert_eq!(mark("_nomap_home"), None);
        for mark in [Mark::NoMap, Mark::OptOut] {
            assert_eq!(serde_json::to_value(mark).unwrap(), mark.as_str());
        }
    }

    #[test]
    fn an_id_refuses_what_could_mean_something_in_a_path() {
        for text in ["", "a/b", "..", "a b", "é", &"x".repeat(65)] {
            assert!(text.parse::<OfferId>().is_err(), "{text:?}");
        }
        assert!("a-b".parse::<NetworkId>().is_err());
    }

    proptest! {
        #[test]
        fn the_text_form_of_an_ssid_loses_no_byte(bytes in prop::collection::vec(any::<u8>(), 1..=32)) {
            let ssid = Ssid::new(&bytes).unwrap();
            let text = ssid.to_string();
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert_eq!(text.parse::<Ssid>().unwrap(), ssid);
        }

        #[test]
        fn a_mac_is_read_as_it_was_printed(bytes in any::<[u8; 6]>()) {
            prop_assert_eq!(Mac(bytes).to_string().parse::<Mac>().unwrap(), Mac(bytes));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in ".{0,80}") {
            let _ = (text.parse::<Mac>().is_ok(), text.parse::<Ssid>().is_ok(), text.parse::<OfferId>().is_ok());
            let _ = (text.parse::<Digest>().is_ok(), text.parse::<Language>().is_ok(), text.parse::<Color>().is_ok());
        }
    }
}
