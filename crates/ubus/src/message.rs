//! Messages: what one frame says.
//!
//! In: a frame's header and body, or attributes. Out: the attributes in their order and by name. An attribute that is
//! not as it should be counts as absent, and what follows a broken one is not read: so ubusd does it. That a peer's
//! attributes are broken does not break the connection, as ubusd passes on much of what others sent.

use bytes::Bytes;

use crate::blob::{self, Attr, Attrs, Malformed};
use crate::blobmsg::Blobmsg;
use crate::builder::EncodeError;
use crate::frame::MAX_BODY;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// ubusd's first word.
    Hello,
    /// The end of a request.
    Status,
    /// A part of an answer.
    Data,
    /// Asks for an echo.
    Ping,
    /// Asks for objects.
    Lookup,
    /// Calls a method; brings notifications and events as well.
    Invoke,
    /// Publishes an object.
    AddObject,
    /// Withdraws it.
    RemoveObject,
    /// Asks for an object's notifications.
    Subscribe,
    /// Asks for them no more; from ubusd: the object is gone.
    Unsubscribe,
    /// Notifies subscribers; from ubusd: whether there are any.
    Notify,
    /// A copy of somebody's message.
    Monitor,
    /// What ubus does not know.
    Other(u8),
}

impl From<u8> for Kind {
    fn from(number: u8) -> Self {
        KINDS.get(usize::from(number)).copied().unwrap_or(Self::Other(number))
    }
}

impl From<Kind> for u8 {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Hello => 0,
            Kind::Status => 1,
            Kind::Data => 2,
            Kind::Ping => 3,
            Kind::Lookup => 4,
            Kind::Invoke => 5,
            Kind::AddObject => 6,
            Kind::RemoveObject => 7,
            Kind::Subscribe => 8,
            Kind::Unsubscribe => 9,
            Kind::Notify => 10,
            Kind::Monitor => 11,
            Kind::Other(number) => number,
        }
    }
}

/// A part of a message. What has an id but not the form that belongs to it is [`Other`](Self::Other).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute<'a> {
    /// How a request went.
    Status(u32),
    /// The path of an object, or a pattern of paths.
    Path(&'a str),
    /// The object concerned.
    Object(u32),
    /// The method, notification or event.
    Method(&'a str),
    /// The type of an object.
    Type(u32),
    /// The methods of an object: a [`Blobmsg`]'s bytes.
    Signature(&'a [u8]),
    /// Arguments or results: a [`Blobmsg`]'s bytes.
    Data(&'a [u8]),
    /// The object to subscribe to.
    Target(u32),
    /// Whether an object has subscribers.
    Active(u8),
    /// Whether no answer is wanted.
    NoReply(u8),
    /// Who gets a notification: see [`subscriber_list`].
    Subscribers(&'a [u8]),
    /// The name of the caller's user.
    User(&'a str),
    /// The name of the caller's group.
    Group(&'a str),
    /// Anything else.
    Other {
        /// Its id, 0 to 127.
        id: u8,
        /// What it holds.
        payload: &'a [u8],
    },
}

impl<'a> Attribute<'a> {
    fn read(attr: Attr<'a>) -> Self {
        Self::known(attr.id, attr.payload).unwrap_or(Self::Other { id: attr.id, payload: attr.payload })
    }

    fn known(id: u8, payload: &'a [u8]) -> Option<Self> {
        Some(match id {
            1 => Self::Status(number(payload)?),
            2 => Self::Path(text(payload)?),
            3 => Self::Object(number(payload)?),
            4 => Self::Method(text(payload)?),
            5 => Self::Type(number(payload)?),
            6 => Self::Signature(payload),
            7 => Self::Data(payload),
            8 => Self::Target(number(payload)?),
            9 => Self::Active(byte(payload)?),
            10 => Self::NoReply(byte(payload)?),
            11 => Self::Subscribers(payload),
            12 => Self::User(text(payload)?),
            13 => Self::Group(text(payload)?),
            _ => return None,
        })
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Status(n) => blob::put(out, 1, &n.to_be_bytes()),
            Self::Path(text) => put_text(out, 2, text)?,
            Self::Object(n) => blob::put(out, 3, &n.to_be_bytes()),
            Self::Method(text) => put_text(out, 4, text)?,
            Self::Type(n) => blob::put(out, 5, &n.to_be_bytes()),
            Self::Signature(bytes) => blob::put(out, 6, bytes),
            Self::Data(bytes) => blob::put(out, 7, bytes),
            Self::Target(n) => blob::put(out, 8, &n.to_be_bytes()),
            Self::Active(n) => blob::put(out, 9, &[n]),
            Self::NoReply(n) => blob::put(out, 10, &[n]),
            Self::Subscribers(bytes) => blob::put(out, 11, bytes),
            Self::User(text) => put_text(out, 12, text)?,
            Self::Group(text) => put_text(out, 13, text)?,
            Self::Other { id, payload } => blob::put(out, id, payload),
        }
        Ok(())
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is for.
    pub kind: Kind,
    /// The number of the request it belongs to.
    pub seq: u16,
    /// The other end: a client or an object, see the protocol.
    pub peer: u32,
    /// Never longer than [`MAX_BODY`] allows.
    body: Bytes,
}

impl Message {
    /// Of these attributes, in this order.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`]; [`EncodeError::Name`] when a text has a NUL.
    pub fn new<'a>(
        kind: Kind,
        seq: u16,
        peer: u32,
        attributes: impl IntoIterator<Item = Attribute<'a>>,
    ) -> Result<Self, EncodeError> {
        let mut body = Vec::new();
        for attribute in attributes {
            attribute.write(&mut body)?;
            if body.len() > MAX_BODY - blob::HEADER {
                return Err(EncodeError::TooLong);
            }
        }
        Ok(Self { kind, seq, peer, body: body.into() })
    }

    /// As [`frame::decode`](crate::frame::decode) took it off the stream.
    pub(crate) fn received(kind: Kind, seq: u16, peer: u32, body: Bytes) -> Self {
        Self { kind, seq, peer, body }
    }

    /// The attributes in wire form.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The attributes in their order, until the first broken one. Those of a [`Kind::Monitor`] have a numbering of
    /// their own: they are all [`Attribute::Other`].
    pub fn attributes(&self) -> impl Iterator<Item = Result<Attribute<'_>, Malformed>> {
        let own = self.kind == Kind::Monitor;
        Attrs::new(&self.body).map(move |attr| {
            attr.map(|a| if own { Attribute::Other { id: a.id, payload: a.payload } } else { Attribute::read(a) })
        })
    }

    /// How the request went.
    #[must_use]
    pub fn status(&self) -> Option<u32> {
        self.last(|a| if let Attribute::Status(n) = a { Some(n) } else { None })
    }

    /// The path of an object.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.last(|a| if let Attribute::Path(text) = a { Some(text) } else { None })
    }

    /// The object concerned.
    #[must_use]
    pub fn object(&self) -> Option<u32> {
        self.last(|a| if let Attribute::Object(n) = a { Some(n) } else { None })
    }

    /// The method, notification or event.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.last(|a| if let Attribute::Method(text) = a { Some(text) } else { None })
    }

    /// The type of an object.
    #[must_use]
    pub fn object_type(&self) -> Option<u32> {
        self.last(|a| if let Attribute::Type(n) = a { Some(n) } else { None })
    }

    /// The methods of an object; they share the memory of this message.
    #[must_use]
    pub fn signature(&self) -> Option<Result<Blobmsg, Malformed>> {
        let bytes = self.last(|a| if let Attribute::Signature(bytes) = a { Some(bytes) } else { None })?;
        Some(Blobmsg::parse(self.body.slice_ref(bytes)))
    }

    /// Arguments or results; they share the memory of this message.
    #[must_use]
    pub fn data(&self) -> Option<Result<Blobmsg, Malformed>> {
        let bytes = self.last(|a| if let Attribute::Data(bytes) = a { Some(bytes) } else { None })?;
        Some(Blobmsg::parse(self.body.slice_ref(bytes)))
    }

    /// The object to subscribe to.
    #[must_use]
    pub fn target(&self) -> Option<u32> {
        self.last(|a| if let Attribute::Target(n) = a { Some(n) } else { None })
    }

    /// Whether an object has subscribers.
    #[must_use]
    pub fn active(&self) -> Option<bool> {
        self.last(|a| if let Attribute::Active(n) = a { Some(n != 0) } else { None })
    }

    /// Whether no answer is wanted: not unless it says so.
    #[must_use]
    pub fn no_reply(&self) -> bool {
        self.last(|a| if let Attribute::NoReply(n) = a { Some(n != 0) } else { None }).unwrap_or(false)
    }

    /// The subscribers' objects that get a notification.
    #[must_use]
    pub fn subscribers(&self) -> Option<Vec<u32>> {
        let bytes = self.last(|a| if let Attribute::Subscribers(bytes) = a { Some(bytes) } else { None })?;
        Some(Attrs::new(bytes).map_while(Result::ok).filter_map(|a| number(a.payload)).collect())
    }

    /// The name of the caller's user.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.last(|a| if let Attribute::User(text) = a { Some(text) } else { None })
    }

    /// The name of the caller's group.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.last(|a| if let Attribute::Group(text) = a { Some(text) } else { None })
    }

    /// When an attribute is repeated the last one counts.
    fn last<'a, T>(&'a self, pick: impl Fn(Attribute<'a>) -> Option<T>) -> Option<T> {
        self.attributes().map_while(Result::ok).filter_map(pick).last()
    }
}

/// The payload of [`Attribute::Subscribers`].
#[must_use]
pub fn subscriber_list(objects: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let mut out = Vec::new();
    for object in objects {
        blob::put(&mut out, 0, &object.to_be_bytes());
    }
    out
}

fn number(payload: &[u8]) -> Option<u32> {
    payload.try_into().ok().map(u32::from_be_bytes)
}

fn byte(payload: &[u8]) -> Option<u8> {
    payload.try_into().ok().map(u8::from_be_bytes)
}

/// A text up to its NUL, which is at its end.
fn text(payload: &[u8]) -> Option<&str> {
    let (0, text) = payload.split_last()? else { return None };
    std::str::from_utf8(text).ok().filter(|t| !t.contains('\0'))
}

fn put_text(out: &mut Vec<u8>, id: u8, text: &str) -> Result<(), EncodeError> {
    if text.contains('\0') {
        return Err(EncodeError::Name);
    }
    let start = blob::begin(out, id, false);
    out.extend_from_slice(text.as_bytes());
    out.push(0);
    blob::end(out, start);
    Ok(())
}

/// By their numbers.
const KINDS: [Kind; 12] = [
    Kind::Hello,
    Kind::Status,
    Kind::Data,
    Kind::Ping,
    Kind::Lookup,
    Kind::Invoke,
    Kind::AddObject,
    Kind::RemoveObject,
    Kind::Subscribe,
    Kind::Unsubscribe,
    Kind::Notify,
    Kind::Monitor,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn invoke(attributes: &[Attribute<'_>]) -> Message {
        Message::new(Kind::Invoke, 1, 2, attributes.iter().copied()).unwrap()
    }

    #[test]
    fn the_last_of_a_repeated_attribute_counts() {
        let message = invoke(&[Attribute::Object(1), Attribute::Method("m"), Attribute::Object(2)]);
        assert_eq!((message.object(), message.method(), message.status()), (Some(2), Some("m"), None));
    }

    #[test]
    fn what_is_not_as_it_should_be_counts_as_absent() {
        let short = Attribute::Other { id: 3, payload: &[0, 0, 7] };
        let endless = Attribute::Other { id: 4, payload: b"m" };
        let message = invoke(&[Attribute::Object(1), short, endless]);
        assert_eq!((message.object(), message.method()), (Some(1), None));
        assert_eq!(message.attributes().nth(1), Some(Ok(short)));
    }

    #[test]
    fn behind_a_broken_attribute_nothing_is_read() {
        let mut message = invoke(&[Attribute::Object(1), Attribute::Object(2), Attribute::Method("m")]);
        let mut body = message.body.to_vec();
        body[9..12].copy_from_slice(&[0, 0, 3]);
        message.body = body.into();
        assert_eq!((message.object(), message.method()), (Some(1), None));
        let broken = Malformed { what: "an attribute shorter than its header", at: 8 };
        assert_eq!(message.attributes().last(), Some(Err(broken)));
    }

    #[test]
    fn subscribers_are_listed() {
        let list = subscriber_list([1, 0xffff_ffff]);
        assert_eq!(invoke(&[Attribute::Subscribers(&list)]).subscribers(), Some(vec![1, 0xffff_ffff]));
        assert_eq!(invoke(&[Attribute::Subscribers(&[])]).subscribers(), Some(vec![]));
    }

    #[test]
    fn a_copied_message_has_numbers_of_its_own() {
        let message = Message::new(Kind::Monitor, 1, 0, [Attribute::Status(7)]).unwrap();
        assert_eq!(message.status(), None);
    }

    #[test]
    fn what_a_reader_would_refuse_cannot_be_sent() {
        let new = |attribute| Message::new(Kind::Invoke, 1, 2, [attribute]);
        let zeros = vec![0; 17 << 20];
        assert!(new(Attribute::Data(&zeros[..MAX_BODY - 8])).is_ok());
        assert_eq!(new(Attribute::Data(&zeros[..MAX_BODY - 7])), Err(EncodeError::TooLong));
        // More than its length could say.
        assert_eq!(new(Attribute::Data(&zeros)), Err(EncodeError::TooLong));
        assert_eq!(new(Attribute::Method("a\0b")), Err(EncodeError::Name));
    }
}
