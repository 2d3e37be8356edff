//! The text form of bytes on the control socket. Pure.
//!
//! hostapd and wpa_supplicant print an SSID with the escapes of `printf`: `\\`, `\"`, `\n`, `\r`,
//! `\t`, `\e` and `\xNN`; everything outside printable ASCII is escaped. Reading is more liberal than
//! writing: a byte that is no escape stands for itself, so no input is refused.

use crate::Mac;
use std::fmt::Write as _;

/// Bytes as hostapd would print them.
///
/// ```
/// assert_eq!(wpa_ctrl::text::escape("Café \"1\"".as_bytes()), r#"Caf\xc3\xa9 \"1\""#);
/// ```
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            0x1b => text.push_str("\\e"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => push_hex(&mut text, byte),
        }
    }
    text
}

/// The bytes that an escaped text stands for.
///
/// ```
/// assert_eq!(wpa_ctrl::text::unescape(r"Caf\xc3\xa9"), "Café".as_bytes());
/// ```
#[must_use]
pub fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let (byte, used) = match (first, tail) {
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [b'e', ..]) => (0x1b, 2),
            (b'\\', [c @ (b'"' | b'\\'), ..]) => (*c, 2),
            (b'\\', [b'x', high, low, ..]) => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => (b'\\', 1),
            },
            _ => (*first, 1),
        };
        out.push(byte);
        rest = &rest[used..];
    }
    out
}

/// A MAC address written as `02:00:00:00:01:00`, in either case.
#[must_use]
pub fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let [high, low] = parts.next()?.as_bytes() else { return None };
        *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
    }
    parts.next().is_none().then_some(mac)
}

/// A MAC address as hostapd writes it.
#[must_use]
pub fn format_mac(mac: &Mac) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// Lower-case hexadecimal digits, the form in which `SET_NETWORK` takes any SSID.
#[must_use]
pub fn format_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

/// A datagram as text. Bytes that are no UTF-8 become `\xNN`, so that [`unescape`] finds them again.
pub(crate) fn from_datagram(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for &byte in chunk.invalid() {
            push_hex(&mut text, byte);
        }
    }
    text
}

fn push_hex(text: &mut String, byte: u8) {
    write!(text, "\\x{byte:02x}").expect("a String takes everything");
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_escaped_comes_back(bytes: Vec<u8>) {
            prop_assert_eq!(unescape(&escape(&bytes)), bytes);
        }

        #[test]
        fn escaped_text_is_printable(bytes: Vec<u8>) {
            prop_assert!(escape(&bytes).bytes().all(|b| (0x20..0x7f).contains(&b)));
        }

        #[test]
        fn any_text_can_be_unescaped(text: String) {
            prop_assert!(unescape(&text).len() <= text.len());
        }

        #[test]
        fn a_datagram_of_any_bytes_is_text(bytes: Vec<u8>) {
            let text = from_datagram(&bytes);
            if !bytes.contains(&b'\\') {
                prop_assert_eq!(unescape(&text), bytes);
            }
        }

        #[test]
        fn a_mac_address_survives_its_text_form(mac: Mac) {
            prop_assert_eq!(parse_mac(&format_mac(&mac)), Some(mac));
        }

        #[test]
        fn any_text_is_a_mac_address_or_is_not(text: String) {
            if let Some(mac) = parse_mac(&text) {
                prop_assert_eq!(format_mac(&mac), text.to_lowercase());
            }
        }
    }

    #[test]
    fn an_unfinished_escape_stands_for_itself() {
        assert_eq!(unescape(r"a\"), br"a\");
        assert_eq!(unescape(r"a\x4"), br"a\x4");
        assert_eq!(unescape(r"a\xzz"), br"a\xzz");
    }

    #[test]
    fn something_near_a_mac_address_is_none() {
        for text in
            ["", "02:00:00:00:01", "02:00:00:00:01:00:00", "2:0:0:0:1:0", "02-00-00-00-01-00", "+2:00:00:00:01:00"]
        {
            assert_eq!(parse_mac(text), None, "{text}");
        }
    }
}
