//! Frames: how messages follow one another on a stream.
//!
//! In: bytes as they came. Out: whole messages. What cannot be a frame ends the stream: nobody knows where the next one
//! would begin.

use bytes::{Buf, BytesMut};

use crate::blob::{self, Malformed};
use crate::message::Message;

/// Bytes that precede every body.
pub const HEADER: usize = 12;

/// The longest body, its own four bytes of header included; ubusd ends the connection of who sends more.
pub const MAX_BODY: usize = 0x10_0000;

/// How long the frame is that begins so. To be asked before anything is allocated for it.
///
/// # Errors
/// When no frame begins so, or one that is too long.
pub fn length(header: &[u8; HEADER]) -> Result<usize, Malformed> {
    if header[0] != VERSION {
        return Err(Malformed { what: "a frame of another version", at: 0 });
    }
    // The byte before the length is the body's id, which nobody looks at.
    let body = u32::from_be_bytes([0, header[9], header[10], header[11]]) as usize;
    if !(blob::HEADER..=MAX_BODY).contains(&body) {
        return Err(Malformed { what: "a body of an impossible length", at: 8 });
    }
    Ok(HEADER - blob::HEADER + body)
}

/// Takes the first message off `input`, sharing its memory; none when it is not there as a whole.
///
/// # Errors
/// As [`length`]. The stream cannot be read any further.
pub fn decode(input: &mut BytesMut) -> Result<Option<Message>, Malformed> {
    let Some(header) = input.first_chunk() else { return Ok(None) };
    let length = length(header)?;
    if input.len() < length {
        return Ok(None);
    }
    let mut frame = input.split_to(length).freeze();
    let (_version, kind) = (frame.get_u8(), frame.get_u8().into());
    let (seq, peer, _length) = (frame.get_u16(), frame.get_u32(), frame.get_u32());
    Ok(Some(Message::received(kind, seq, peer, frame)))
}

/// Appends the frame of `message`.
pub fn encode(message: &Message, out: &mut Vec<u8>) {
    let body = message.body();
    out.reserve(HEADER + body.len());
    out.extend_from_slice(&[VERSION, message.kind.into()]);
    out.extend_from_slice(&message.seq.to_be_bytes());
    out.extend_from_slice(&message.peer.to_be_bytes());
    // Fits: a message is never longer than `MAX_BODY`.
    out.extend_from_slice(&((blob::HEADER + body.len()) as u32).to_be_bytes());
    out.extend_from_slice(body);
}

const VERSION: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Kind;

    #[test]
    fn a_message_is_taken_when_it_is_whole() {
        let mut input = BytesMut::from(&[0, 0, 0, 7, 0x80, 0xca, 0x17, 0x0d, 0, 0, 0][..]);
        assert_eq!(decode(&mut input), Ok(None));
        input.extend_from_slice(&[4, 0]);
        let message = decode(&mut input).unwrap().unwrap();
        assert_eq!((message.kind, message.seq, message.peer), (Kind::Hello, 7, 0x80ca_170d));
        assert_eq!(input[..], [0]);
    }

    #[test]
    fn a_length_is_believed_up_to_the_limit() {
        let header = |body: u32| {
            let mut header = [0; HEADER];
            header[8..].copy_from_slice(&body.to_be_bytes());
            header
        };
        assert_eq!(length(&header(4)), Ok(12));
        // Of the body's header only the length counts; it need not be padded.
        assert_eq!(length(&header(0xff00_0005)), Ok(13));
        assert_eq!(length(&header(0x10_0000)), Ok(0x10_0008));
        for impossible in [0, 3, 0x10_0001, 0xff_ffff] {
            assert_eq!(length(&header(impossible)).unwrap_err().at, 8);
        }
    }

    #[test]
    fn another_version_is_refused() {
        assert_eq!(length(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4]).unwrap_err().at, 0);
    }
}
