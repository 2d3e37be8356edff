//! One client's socket: whole frames in, whole frames out, and never a wait.
//!
//! A frame is read in two steps, twelve bytes and then the rest, so that a descriptor is known to belong to it. What the
//! socket does not take is kept, up to [`QUEUE`]; a frame that would go beyond is dropped without a word, as ubusd does.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use bytes::BytesMut;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio_ubus::frame;
use tokio_ubus::message::Message;

pub(super) struct Link {
    stream: UnixStream,
    incoming: Incoming,
    outgoing: VecDeque<Outgoing>,
    waiting: usize,
}

/// A message, and the descriptor that came with it.
pub(super) struct Received {
    pub(super) message: Message,
    pub(super) descriptor: Option<OwnedFd>,
}

/// The client is gone, or said what is no frame.
#[derive(Debug)]
pub(super) struct Ended;

/// The frame that is being read.
struct Incoming {
    bytes: Vec<u8>,
    read: usize,
    descriptor: Option<OwnedFd>,
}

struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
    descriptor: Option<OwnedFd>,
}

impl Link {
    pub(super) fn new(stream: UnixStream) -> Self {
        stream.set_nonblocking(true).expect("make the client's socket one that never waits");
        Self { stream, incoming: Incoming::default(), outgoing: VecDeque::new(), waiting: 0 }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether the socket has taken everything.
    pub(super) fn is_idle(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// The next message, if it is there as a whole.
    pub(super) fn receive(&mut self) -> Result<Option<Received>, Ended> {
        while !self.incoming.is_whole()? {
            match self.incoming.read(&self.stream) {
                Ok(0) => return Err(Ended),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(_) => return Err(Ended),
            }
        }
        self.incoming.take().map(Some)
    }

    /// Writes the message, or keeps it, or drops it.
    pub(super) fn send(&mut self, message: &Message, descriptor: Option<OwnedFd>) {
        let mut bytes = Vec::new();
        frame::encode(message, &mut bytes);
        let mut frame = Outgoing { bytes, written: 0, descriptor };
        if self.is_idle() && !frame.write(&self.stream) {
            return;
        }
        let left = frame.bytes.len() - frame.written;
        if left > 0 && self.waiting + left <= QUEUE {
            self.waiting += left;
            self.outgoing.push_back(frame);
        }
    }

    /// Writes what was kept, as far as the socket takes it.
    pub(super) fn flush(&mut self) {
        while let Some(frame) = self.outgoing.front_mut() {
            let before = frame.written;
            let alive = frame.write(&self.stream);
            self.waiting -= frame.written - before;
            if !alive {
                // Whoever reads next sees the end.
                self.outgoing.clear();
                self.waiting = 0;
            } else if frame.written < frame.bytes.len() {
                return;
            } else {
                self.outgoing.pop_front();
            }
        }
    }
}

impl Incoming {
    /// Whether nothing of this frame is still to be read. Its length is believed only within limits.
    fn is_whole(&mut self) -> Result<bool, Ended> {
        if self.read == frame::HEADER && self.bytes.len() == frame::HEADER {
            // ubusd does not look at the version.
            self.bytes[0] = 0;
            let header = self.bytes.first_chunk().expect("it was just found to have this length");
            let length = frame::length(header).map_err(|_| Ended)?;
            self.bytes.resize(length, 0);
        }
        Ok(self.read == self.bytes.len())
    }

    /// Reads no further than to the end of the header, or of the frame.
    fn read(&mut self, stream: &UnixStream) -> rustix::io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut self.bytes[self.read..])];
        let received = recvmsg(stream, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
                self.descriptor = descriptors.next().or(self.descriptor.take());
            }
        }
        self.read += received.bytes;
        Ok(received.bytes)
    }

    fn take(&mut self) -> Result<Received, Ended> {
        let Self { bytes, descriptor, .. } = std::mem::take(self);
        let message = frame::decode(&mut BytesMut::from(bytes.as_slice())).ok().flatten().ok_or(Ended)?;
        Ok(Received { message, descriptor })
    }
}

impl Default for Incoming {
    fn default() -> Self {
        Self { bytes: vec![0; frame::HEADER], read: 0, descriptor: None }
    }
}

impl Outgoing {
    /// Writes as much as the socket takes; whether it still takes anything at all.
    fn write(&mut self, stream: &UnixStream) -> bool {
        while self.written < self.bytes.len() {
            match write(stream, &self.bytes[self.written..], self.descriptor.as_ref()) {
                Ok(length) => {
                    self.written += length;
                    self.descriptor = None;
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

fn write(stream: &UnixStream, bytes: &[u8], descriptor: Option<&OwnedFd>) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.map(|descriptor| [descriptor.as_fd()]);
    if let Some(descriptors) = &descriptors {
        // There is space for exactly this.
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    sendmsg(stream, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)
}

/// How much of what a client does not read is kept for it, in bytes.
const QUEUE: usize = 0x10_0000;
