//! What NetworkManager says unasked about one device.
//!
//! In: signals of the device, and of the bus when NetworkManager leaves it. Out: [`Signal`]s. A task does nothing but
//! take them from the bus: a signal that nobody takes holds up the answers behind it.

use super::bus::{Bus, DEVICE, Error, NM, PROPERTIES, WIRELESS};
use futures_util::StreamExt as _;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use zbus::message::{Message, Type};
use zbus::{MatchRule, MessageStream, OwnedObjectPath};

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// The device is in another state (`NM_DEVICE_STATE_…`), for a reason (`NM_DEVICE_STATE_REASON_…`).
    State {
        /// The new state.
        new: u32,
        /// Why.
        reason: u32,
    },
    /// A scan has ended.
    Scanned,
    /// Some were dropped since nobody took them: look.
    Lagged,
    /// NetworkManager or the bus is gone.
    Gone,
}

/// A subscription to one device. Dropping it ends it.
pub(super) struct Signals {
    queue: mpsc::Receiver<Signal>,
    has_dropped: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Signals {
    /// Subscribes.
    pub(super) async fn open(bus: &Bus, device: &OwnedObjectPath) -> Result<Self, Error> {
        let rule = MatchRule::builder().msg_type(Type::Signal).sender(NM).path(device.as_str()).build()?;
        let mut of_device = MessageStream::for_match_rule(rule, bus.connection(), NonZeroUsize::new(QUEUE)).await?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .add_arg(NM)
            .build()?;
        let mut of_bus = MessageStream::for_match_rule(rule, bus.connection(), None).await?;
        let (sender, queue) = mpsc::channel(QUEUE);
        let has_dropped = Arc::new(AtomicBool::new(false));
        let dropped = Arc::clone(&has_dropped);
        let listen = async move {
            loop {
                let signal = tokio::select! {
                    message = of_device.next() => match message {
                        Some(Ok(message)) => meaning(&message),
                        Some(Err(_)) => None,
                        None => Some(Signal::Gone),
                    },
                    _ = of_bus.next() => Some(Signal::Gone),
                };
                let Some(signal) = signal else { continue };
                if signal == Signal::Gone {
                    // Closing the queue says it.
                    return;
                }
                if sender.try_send(signal).is_err() {
                    dropped.store(true, Ordering::Relaxed);
                }
            }
        };
        let task = tokio::spawn(listen).abort_handle();
        Ok(Self { queue, has_dropped, task })
    }

    /// The next one; [`Signal::Gone`] again and again once that has been said.
    ///
    /// # Cancel safety
    /// None is lost.
    pub(super) async fn next(&mut self) -> Signal {
        if self.has_dropped.swap(false, Ordering::Relaxed) {
            return Signal::Lagged;
        }
        self.queue.recv().await.unwrap_or(Signal::Gone)
    }

    /// Passes over what has happened so far.
    pub(super) fn skip(&mut self) {
        while self.queue.try_recv().is_ok() {}
        self.has_dropped.store(false, Ordering::Relaxed);
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn meaning(message: &Message) -> Option<Signal> {
    let header = message.header();
    let (interface, member) = (header.interface()?.as_str(), header.member()?.as_str());
    let body = message.body();
    match (interface, member) {
        (DEVICE, "StateChanged") => {
            let (new, _old, reason): (u32, u32, u32) = body.deserialize().ok()?;
            Some(Signal::State { new, reason })
        }
        (PROPERTIES, "PropertiesChanged") => {
            let (of, changed, _): (String, super::bus::Properties, Vec<String>) = body.deserialize().ok()?;
            (of == WIRELESS && changed.contains_key("LastScan")).then_some(Signal::Scanned)
        }
        _ => None,
    }
}

/// A join gives some thirty.
const QUEUE: usize = 128;
