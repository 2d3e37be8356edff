//! Server-sent events (WHATWG HTML, section 9.2): encoding, and decoding as the bytes come.
//!
//! The decoder takes what it needs and refuses what is larger than its limit; the bytes of a hostile sender never
//! make it hold more than that.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its name; `message` if the sender gave none.
    pub name: String,
    /// The last id the sender gave, which a client sends back as `Last-Event-ID`.
    pub id: Option<String>,
    /// Its data; several lines are joined by a line feed.
    pub data: String,
}

/// The event as it travels. Data of several lines becomes several `data:` lines; a name or id must be one line.
#[must_use]
pub fn encode(name: &str, id: Option<&str>, data: &str) -> String {
    debug_assert!(!name.contains(['\r', '\n']) && !id.unwrap_or_default().contains(['\r', '\n', '\0']));
    let mut out = String::with_capacity(name.len() + data.len() + 32);
    out.push_str("event: ");
    out.push_str(name);
    if let Some(id) = id {
        out.push_str("\nid: ");
        out.push_str(id);
    }
    for line in data.split('\n') {
        out.push_str("\ndata: ");
        out.push_str(line.trim_end_matches('\r'));
    }
    out.push_str("\n\n");
    out
}

/// A comment line: keeps the connection busy and means nothing.
pub const HEART_BEAT: &str = ":\n\n";

/// Turns bytes into events.
///
/// ```
/// use welcome_proto::sse::Decoder;
/// let mut decoder = Decoder::new(1024);
/// assert!(decoder.push(b"event: offer\ndata: 1").unwrap().is_empty());
/// let events = decoder.push(b"2\n\n").unwrap();
/// assert_eq!((events[0].name.as_str(), events[0].data.as_str()), ("offer", "12"));
/// ```
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    line: Vec<u8>,
    after_cr: bool,
    at_start: bool,
    name: String,
    data: Option<String>,
    last_id: Option<String>,
}

impl Decoder {
    /// `limit`: the most bytes one line, and the data of one event, may have.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            after_cr: false,
            at_start: true,
            name: String::new(),
            data: None,
            last_id: None,
        }
    }

    /// Takes the next bytes and returns the events they complete.
    ///
    /// # Errors
    /// If a line or an event grows beyond the limit; the stream is of no use after that.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        for &byte in bytes {
            // A line ends with LF, CR or CR LF.
            if byte == b'\n' && std::mem::take(&mut self.after_cr) {
                continue;
            }
            self.after_cr = byte == b'\r';
            if byte != b'\n' && byte != b'\r' {
                if self.line.len() == self.limit {
                    return Err(TooLarge { limit: self.limit });
                }
                self.line.push(byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            events.extend(self.take_line(&line)?);
            self.line = line;
            self.line.clear();
        }
        Ok(events)
    }

    fn take_line(&mut self, mut line: &[u8]) -> Result<Option<Event>, TooLarge> {
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line); // one byte order mark is allowed
        }
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "id" if !value.contains('\0') => self.last_id = Some(value.to_owned()),
            "data" => {
                let lines = self.data.get_or_insert_default();
                if lines.len() + value.len() + 1 > self.limit {
                    return Err(TooLarge { limit: self.limit });
                }
                lines.push_str(value);
                lines.push('\n');
            }
            _ => {} // a comment, `retry`, or something newer
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let mut data = self.data.take()?;
        data.pop();
        let name = if name.is_empty() { "message".to_owned() } else { name };
        Some(Event { name, id: self.last_id.clone().filter(|id| !id.is_empty()), data })
    }
}

/// More in one event than the reader is ready to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {limit} bytes")]
pub struct TooLarge {
    limit: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(bytes: &[u8]) -> Vec<Event> {
        Decoder::new(1 << 16).push(bytes).unwrap()
    }

    #[test]
    fn all_three_ends_of_line_are_read() {
        for text in ["data: a\ndata: b\n\n", "data: a\r\ndata: b\r\n\r\n", "data: a\rdata: b\r\r"] {
            let events = decode(text.as_bytes());
            assert_eq!(events.len(), 1, "{text:?}");
            assert_eq!((events[0].name.as_str(), events[0].data.as_str()), ("message", "a\nb"));
        }
    }

    #[test]
    fn comments_and_unknown_fields_mean_nothing() {
        assert_eq!(decode(b":\n\n: hello\nretry: 10\nfoo: bar\n\n"), []);
    }

    #[test]
    fn an_id_lasts_until_the_next_one() {
        let events = decode(b"id: 7\ndata: a\n\ndata: b\n\n");
        assert_eq!(events[1].id.as_deref(), Some("7"));
    }

    #[test]
    fn a_line_without_end_is_refused_at_the_limit() {
        let mut decoder = Decoder::new(100);
        assert_eq!(decoder.push(&[b'x'; 100]), Ok(vec![]));
        assert!(decoder.push(b"x").is_err());
    }

    #[test]
    fn data_without_end_is_refused_at_the_limit() {
        let mut decoder = Decoder::new(100);
        let outcome = (0..100).try_for_each(|_| decoder.push(b"data: 0123456789\n").map(|_| ()));
        assert!(outcome.is_err());
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded_however_it_is_cut(
            name in "[a-z]{1,10}", id in prop::option::of("[0-9]{1,9}"), data in "[^\r\0]{0,60}", cut in 1usize..20,
        ) {
            let text = encode(&name, id.as_deref(), &data);
            let mut decoder = Decoder::new(1 << 12);
            let mut events = Vec::new();
            for piece in text.as_bytes().chunks(cut) {
                events.extend(decoder.push(piece).unwrap());
            }
            prop_assert_eq!(events, [Event { name, id, data }]);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic_or_hold_more_than_its_limit(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut decoder = Decoder::new(64);
            if decoder.push(&bytes).is_ok() {
                prop_assert!(decoder.line.len() <= 64);
                prop_assert!(decoder.data.as_ref().is_none_or(|d| d.len() <= 64 * 3));
            }
        }
    }
}
