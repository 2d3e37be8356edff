//! The client's end of a connection, byte for byte.

use std::io::{IoSlice, IoSliceMut, pipe};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use bytes::BytesMut;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio_ubus::frame;
use tokio_ubus::message::{Attribute, Kind, Message};

/// A connection that never waits.
pub(crate) struct Wire {
    stream: UnixStream,
    input: Frame,
    /// Not taken yet, the oldest first.
    pub(crate) heard: Vec<Frame>,
    pub(crate) ended: bool,
}

/// A frame, and how many descriptors came with it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: usize,
}

impl Wire {
    pub(crate) fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream, input: Frame::default(), heard: Vec::new(), ended: false }
    }

    pub(crate) fn say(&self, frame: &Frame) {
        let (descriptor, _other_end) = pipe().unwrap();
        let given = [descriptor.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if frame.descriptors > 0 {
            assert!(control.push(SendAncillaryMessage::ScmRights(&given)));
        }
        let mut rest = frame.bytes.as_slice();
        while !rest.is_empty() {
            match sendmsg(&self.stream, &[IoSlice::new(rest)], &mut control, SendFlags::NOSIGNAL) {
                Ok(length) => rest = &rest[length..],
                Err(rustix::io::Errno::AGAIN) => std::thread::yield_now(),
                // The broker ended it.
                Err(_) => return,
            }
            control.clear();
        }
    }

    pub(crate) fn tell<'a>(
        &self,
        kind: Kind,
        seq: u16,
        peer: u32,
        attributes: impl IntoIterator<Item = Attribute<'a>>,
    ) {
        let message = Message::new(kind, seq, peer, attributes).unwrap();
        self.say(&Frame { bytes: encode(&message), descriptors: 0 });
    }

    /// Reads what is there; whether there was anything.
    pub(crate) fn listen(&mut self) -> bool {
        let mut any = false;
        while !self.ended {
            let length = self.input.bytes.first_chunk().map_or(frame::HEADER, |header| frame::length(header).unwrap());
            let missing = length - self.input.bytes.len();
            if missing == 0 {
                self.heard.push(std::mem::take(&mut self.input));
            } else if self.read(missing) {
                any = true;
            } else {
                break;
            }
        }
        any
    }

    /// Reads no further than that, so that it is certain whose the descriptors are. Whether there was anything.
    fn read(&mut self, missing: usize) -> bool {
        let mut buffer = vec![0; missing];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut buffer)];
        let received = recvmsg(&self.stream, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC);
        let Ok(received) = received else {
            return false;
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.input.descriptors += descriptors.count();
            }
        }
        self.ended = received.bytes == 0;
        self.input.bytes.extend(&buffer[..received.bytes]);
        true
    }
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, descriptors: 0 }
    }
}

/// What a frame says; nothing when it is none.
pub(crate) fn decode(bytes: &[u8]) -> Option<Message> {
    let mut bytes = BytesMut::from(bytes);
    // ubusd does not look at the version.
    *bytes.first_mut()? = 0;
    frame::decode(&mut bytes).ok().flatten()
}

pub(crate) fn encode(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(message, &mut bytes);
    bytes
}

/// The content of a DATA attribute.
pub(crate) fn data(message: &Message) -> Option<&[u8]> {
    let mut attributes = message.attributes().map_while(Result::ok);
    attributes.find_map(|attribute| if let Attribute::Data(bytes) = attribute { Some(bytes) } else { None })
}
