//! What waits to be written.
//!
//! In: frames, from handles and from the reader; neither ever waits. Out: one frame after the other, answers to
//! notifications first, because their sender stands still until they come. Holds no more than a limit, which its
//! callers ask about beforehand; what may not be refused, such as the end of an answer, is let in beyond it.

use crate::queue::{Notice as _, Queue};
use crate::subscription::Notice;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;

pub(crate) struct Frame {
    /// Empty for a notice that only has to wait for its turn.
    pub(crate) bytes: Vec<u8>,
    pub(crate) fd: Option<OwnedFd>,
    /// Is handed up once the frame is written.
    pub(crate) then: Option<(Arc<Queue<Notice>>, Notice)>,
}

#[derive(Default)]
pub(crate) struct Outgoing {
    urgent: VecDeque<Frame>,
    usual: VecDeque<Frame>,
    /// Of all of them, and of the one that is being written.
    size: usize,
    /// There is a notice in the frame that is being written.
    handing_up: bool,
}

impl Outgoing {
    pub(crate) fn push(&mut self, bytes: Vec<u8>, fd: Option<OwnedFd>) {
        let frame = Frame { bytes, fd, then: None };
        self.size += frame.size();
        self.usual.push_back(frame);
    }

    /// Goes before all that is not urgent.
    pub(crate) fn push_urgent(&mut self, bytes: Vec<u8>, then: Option<(Arc<Queue<Notice>>, Notice)>) {
        let frame = Frame { bytes, fd: None, then };
        self.size += frame.size();
        self.urgent.push_back(frame);
    }

    /// Whether notices still wait for an answer to be written. Others must queue behind them.
    pub(crate) fn is_handing_up(&self) -> bool {
        self.handing_up || !self.urgent.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.size < ROOM
    }

    /// Nobody reads at the other end, and even what may not be refused has become too much.
    pub(crate) fn is_stuck(&self) -> bool {
        self.size > STUCK
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.usual.is_empty()
    }

    /// The next to be written; its writer gives it back to [`written`](Self::written).
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let frame = self.urgent.pop_front().or_else(|| self.usual.pop_front())?;
        self.handing_up = frame.then.is_some();
        Some(frame)
    }

    /// What is to be handed up.
    pub(crate) fn written(&mut self, frame: Frame) -> Option<(Arc<Queue<Notice>>, Notice)> {
        self.size -= frame.size();
        self.handing_up = false;
        frame.then
    }
}

impl Frame {
    fn size(&self) -> usize {
        let notice = self.then.as_ref().map_or(0, |(_, notice)| notice.size());
        size_of::<Self>() + self.bytes.len() + notice
    }
}

/// Beyond this nothing more is taken, except what has to be.
const ROOM: usize = 1 << 20;
const STUCK: usize = 4 << 20;
