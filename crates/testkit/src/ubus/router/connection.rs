//! The connection of a [`Program`](super::program::Program): what its threads do.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio_ubus::message::{Attribute, Kind, Message};
use tokio_ubus::{Blobmsg, Status, frame};

use super::program::Handler;

pub(super) struct Shared {
    pub(super) socket: PathBuf,
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
}

pub(super) struct State {
    pub(super) life: Life,
    /// While it is connected.
    pub(super) stream: Option<UnixStream>,
    /// Whether everything is registered besides.
    pub(super) is_ready: bool,
    pub(super) objects: Vec<Object>,
    /// What was asked of ubusd or of subscribers, by number, and what was answered so far.
    pub(super) asked: Vec<(u16, Vec<Message>)>,
    pub(super) seq: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Runs,
    IsDead,
    IsOver,
}

pub(super) struct Object {
    pub(super) path: String,
    pub(super) signature: Blobmsg,
    pub(super) handler: Handler,
    pub(super) id: Option<u32>,
    pub(super) has_subscribers: bool,
}

impl Shared {
    pub(super) fn live(self: Arc<Self>) {
        let (calls, waiting) = mpsc::channel();
        let own = Arc::clone(&self);
        let worker = thread::spawn(move || waiting.iter().for_each(|call| own.call(&call)));
        self.run(&calls);
        drop(calls);
        worker.join().expect("a program's thread does not panic");
    }

    fn run(&self, calls: &mpsc::Sender<Message>) {
        loop {
            let state = self.lock();
            if state.life == Life::IsOver {
                return;
            }
            if state.life == Life::IsDead {
                drop(self.changed.wait(state));
                continue;
            }
            drop(state);
            if let Ok(stream) = UnixStream::connect(&self.socket) {
                // It ends when either side ends it.
                drop(self.serve(stream, calls));
                self.lock().forget();
            }
            self.changed.notify_all();
            let state = self.lock();
            if state.life == Life::Runs {
                drop(self.changed.wait_timeout(state, RETRY));
            }
        }
    }

    /// One connection, from its beginning to its end.
    fn serve(&self, mut stream: UnixStream, calls: &mpsc::Sender<Message>) -> io::Result<()> {
        receive(&mut stream)?;
        let mut state = self.lock();
        if state.life != Life::Runs {
            return Ok(());
        }
        state.stream = Some(stream.try_clone()?);
        while let Some(index) = state.objects.iter().position(|object| object.id.is_none()) {
            let seq = state.add(index);
            drop(state);
            while !self.is_done(seq) {
                let message = receive(&mut stream)?;
                self.handle(message, calls);
            }
            state = self.lock();
            if state.objects.get(index).is_some_and(|object| object.id.is_none()) {
                // Whoever was there before is perhaps not gone yet.
                return Err(io::ErrorKind::AddrInUse.into());
            }
        }
        state.is_ready = true;
        drop(state);
        self.changed.notify_all();
        loop {
            let message = receive(&mut stream)?;
            self.handle(message, calls);
        }
    }

    fn is_done(&self, seq: u16) -> bool {
        let mut state = self.lock();
        let Some(index) = state.asked.iter().position(|(other, parts)| *other == seq && is_answered(parts)) else {
            return false;
        };
        state.asked.remove(index);
        true
    }

    fn handle(&self, message: Message, calls: &mpsc::Sender<Message>) {
        match message.kind {
            Kind::Invoke => calls.send(message).expect("a program's thread does not panic"),
            Kind::Notify => {
                let mut state = self.lock();
                let id = message.object();
                if let Some(object) = state.objects.iter_mut().find(|object| object.id == id) {
                    object.has_subscribers = message.active().unwrap_or(false);
                }
            }
            Kind::Data | Kind::Status => {
                let mut state = self.lock();
                state.learn_id(&message);
                if let Some((_, parts)) = state.asked.iter_mut().find(|(seq, _)| *seq == message.seq) {
                    parts.push(message);
                }
            }
            _ => {}
        }
        self.changed.notify_all();
    }

    fn call(&self, request: &Message) {
        let found = {
            let state = self.lock();
            let object = state.objects.iter().find(|object| object.id == request.object());
            object.map(|object| (Arc::clone(&object.handler), object.signature.clone()))
        };
        let outcome = match (found, request.method(), request.data()) {
            (None, ..) => Err(Status::NotFound),
            (Some((_, signature)), Some(method), _) if signature.get(method).is_none() => Err(Status::MethodNotFound),
            (Some((handler, _)), Some(method), Some(Ok(arguments))) => handler(method, &arguments),
            _ => Err(Status::InvalidArgument),
        };
        let mut state = self.lock();
        let object = Attribute::Object(request.object().unwrap_or_default());
        if let Ok(Some(data)) = &outcome {
            state.send(Kind::Data, request.seq, request.peer, [object, Attribute::Data(data.as_bytes())]);
        }
        let status = Attribute::Status(outcome.err().unwrap_or(Status::Ok).code());
        state.send(Kind::Status, request.seq, request.peer, [status, object]);
    }

    /// What was answered until this is enough, the time is over or the connection is.
    pub(super) fn answers(&self, seq: u16, limit: Duration, is_enough: fn(&[Message]) -> bool) -> Vec<Message> {
        let end = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            let parts = state.asked.iter().find(|(other, _)| *other == seq).map(|(_, parts)| parts.as_slice());
            let left = end.saturating_duration_since(Instant::now());
            if parts.is_none_or(is_enough) || left.is_zero() {
                let index = state.asked.iter().position(|(other, _)| *other == seq);
                return index.map(|index| state.asked.remove(index).1).unwrap_or_default();
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until ubusd has noticed that the connection is gone: it has when it answers somebody who came later.
    pub(super) fn await_departure(&self) {
        let ask = || -> io::Result<()> {
            let mut later = UnixStream::connect(&self.socket)?;
            receive(&mut later)?;
            let ping = Message::new(Kind::Ping, 1, 0, []).expect("it is empty");
            later.write_all(&encode(&ping))?;
            receive(&mut later).map(drop)
        };
        // ubusd may be away, and then nobody is there.
        drop(ask());
    }

    /// Waits until it is so, or for [`LIMIT`].
    pub(super) fn wait(&self, state: MutexGuard<'_, State>, is_so: impl Fn(&State) -> bool) {
        drop(self.changed.wait_timeout_while(state, LIMIT, |state| !is_so(state)));
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Asks ubusd to register an object; the number of the request.
    pub(super) fn add(&mut self, index: usize) -> u16 {
        let object = &self.objects[index];
        let (path, signature) = (object.path.clone(), object.signature.clone());
        self.ask(Kind::AddObject, 0, [Attribute::Path(&path), Attribute::Signature(signature.as_bytes())])
    }

    /// The answer to the registration of an object: they are asked for one after the other.
    fn learn_id(&mut self, message: &Message) {
        let waits = self.asked.iter().any(|(seq, _)| *seq == message.seq);
        if message.kind == Kind::Data
            && message.peer == 0
            && message.object_type().is_some()
            && waits
            && let Some(object) = self.objects.iter_mut().find(|object| object.id.is_none())
        {
            object.id = message.object();
        }
    }

    pub(super) fn ask<'a>(
        &mut self,
        kind: Kind,
        peer: u32,
        attributes: impl IntoIterator<Item = Attribute<'a>>,
    ) -> u16 {
        let seq = self.next_seq();
        self.asked.push((seq, Vec::new()));
        self.send(kind, seq, peer, attributes);
        seq
    }

    pub(super) fn send<'a>(
        &mut self,
        kind: Kind,
        seq: u16,
        peer: u32,
        attributes: impl IntoIterator<Item = Attribute<'a>>,
    ) {
        let message = Message::new(kind, seq, peer, attributes).expect("a stand-in says nothing that is too long");
        if let Some(stream) = &mut self.stream {
            // When it fails the thread that reads hears of it, too.
            drop(stream.write_all(&encode(&message)));
        }
    }

    pub(super) fn next_seq(&mut self) -> u16 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }

    pub(super) fn subscribed(&self, path: &str) -> Option<u32> {
        self.objects.iter().find(|object| object.path == path && object.has_subscribers)?.id
    }

    pub(super) fn hang_up(&mut self) {
        if let Some(stream) = &self.stream {
            // It may have ended by itself.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// The connection is gone, and everything that was of it.
    fn forget(&mut self) {
        self.stream = None;
        self.is_ready = false;
        self.asked.clear();
        for object in &mut self.objects {
            object.id = None;
            object.has_subscribers = false;
        }
    }
}

pub(super) fn is_answered(parts: &[Message]) -> bool {
    parts.last().is_some_and(|part| part.kind == Kind::Status)
}

fn encode(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(message, &mut bytes);
    bytes
}

fn receive(stream: &mut UnixStream) -> io::Result<Message> {
    let malformed = |_| io::Error::from(io::ErrorKind::InvalidData);
    let mut header = [0; frame::HEADER];
    stream.read_exact(&mut header)?;
    let mut bytes = BytesMut::zeroed(frame::length(&header).map_err(malformed)?);
    bytes[..frame::HEADER].copy_from_slice(&header);
    stream.read_exact(&mut bytes[frame::HEADER..])?;
    let message = frame::decode(&mut bytes).map_err(malformed)?;
    Ok(message.expect("it was read as a whole"))
}

/// How long ubusd is waited for.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// A program that lost ubusd tries again after so long; the real ones wait for a second, for which a test has no time.
const RETRY: Duration = Duration::from_millis(50);
