//! Objects of our own: the handles.
//!
//! In: what others call. Out: answers, now or later, and notifications to whoever subscribes. Nobody who calls is left
//! without an answer: what cannot be queued, or is dropped, is answered all the same.

use crate::calls::Waiter;
use crate::client::Pending;
use crate::message::{Attribute, Kind, Message};
use crate::publish::Incoming;
use crate::state::{Handle, Key, Shared, encode, status_frame};
use crate::{Blobmsg, Builder, DecodeError, EncodeError, Error, Misuse, Ref, Status, Type, from_blobmsg, to_blobmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// An object to publish: a path, and methods with the names and types of their arguments.
#[derive(Debug, Clone)]
pub struct Object {
    pub(crate) path: String,
    pub(crate) methods: Vec<(String, Vec<(String, Type)>)>,
}

/// Whether an object can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectState {
    /// There is no connection, or ubusd has not said yet.
    Waiting,
    /// It has this id.
    Registered(u32),
    /// ubusd refused: the name is taken, or not allowed. Tried again every ten seconds.
    Denied(Status),
}

/// A published object. Dropping it removes it.
#[derive(Debug)]
pub struct Published {
    handle: Arc<Handle>,
    key: Key,
    requests: mpsc::Receiver<Request>,
    state: watch::Receiver<ObjectState>,
}

/// A call of one of our methods. It may be kept and answered later; dropped, it is answered [`Status::UnknownError`].
#[derive(Debug)]
pub struct Request {
    /// The method; always one of the object's.
    pub method: String,
    /// Its arguments.
    pub args: Blobmsg,
    /// The user who calls, as ubusd says.
    pub user: Option<String>,
    /// The group of that user, as ubusd says.
    pub group: Option<String>,
    /// A descriptor that came with the call.
    pub fd: Option<OwnedFd>,
    reply: Reply,
}

/// Sends notifications in the name of a [`Published`] object.
#[derive(Clone)]
pub struct Notifier {
    shared: Arc<Shared>,
    key: Key,
}

/// What one subscriber answered to a notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The subscriber's object.
    pub subscriber: u32,
    /// How it ended; `None` when it did not within the limit.
    pub status: Option<Status>,
    /// What it said.
    pub data: Vec<Blobmsg>,
}

/// Where the answer goes.
struct Reply {
    shared: Arc<Shared>,
    epoch: u64,
    object: u32,
    seq: u16,
    peer: u32,
    fd: Option<OwnedFd>,
    ended: bool,
}

impl Object {
    /// An object without methods.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self { path: path.to_owned(), methods: Vec::new() }
    }

    /// The same with one more method. The types are told to who looks; arguments are not held to them.
    #[must_use]
    pub fn method(mut self, name: &str, args: &[(&str, Type)]) -> Self {
        let args = args.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        self.methods.push((name.to_owned(), args));
        self
    }

    pub(crate) fn signature(&self) -> Result<Blobmsg, EncodeError> {
        let mut signature = Builder::new();
        for (method, args) in &self.methods {
            signature.table(method, |table| {
                for (name, kind) in args {
                    table.push(name, Ref::Int32(*kind as i32));
                }
            });
        }
        signature.finish()
    }
}

impl Published {
    pub(crate) fn start(handle: Arc<Handle>, object: Object) -> Self {
        let (sender, requests) = mpsc::channel(CAPACITY);
        let (key, state) = handle.0.with(|state| state.publish(object, sender));
        Self { handle, key, requests, state }
    }

    /// The next request; `None` once the driver has ended. At most 64 wait; who calls then is told
    /// [`Status::NoMemory`].
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<Request> {
        self.requests.recv().await
    }

    /// What sends notifications in the object's name, as long as it is published.
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        Notifier { shared: Arc::clone(&self.handle.0), key: self.key }
    }

    /// Whether it can be called, and when that changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ObjectState> {
        self.state.clone()
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        // Those that wait are answered before ubusd forgets whose object it was.
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            drop(request);
        }
        self.handle.0.with(|state| state.unpublish(self.key));
    }
}

impl Request {
    pub(crate) fn new(shared: Arc<Shared>, incoming: Incoming) -> Self {
        let Incoming { method, args, user, group, fd, epoch, object, seq, peer } = incoming;
        let reply = Reply { shared, epoch, object, seq, peer, fd: None, ended: false };
        Self { method, args, user, group, fd, reply }
    }

    /// The arguments as a value of `T`.
    ///
    /// # Errors
    /// When they are not a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        from_blobmsg(&self.args)
    }

    /// Sends a table; any number of them may precede the end of the answer.
    ///
    /// # Errors
    /// When it has no form on the wire, is too long, or too much waits to be sent.
    pub fn data<T: Serialize + ?Sized>(&self, table: &T) -> Result<(), Misuse> {
        let Reply { shared, epoch, object, seq, peer, .. } = &self.reply;
        let table = to_blobmsg(table)?;
        let attributes = [Attribute::Object(*object), Attribute::Data(table.as_bytes())];
        let frame = encode(Kind::Data, *seq, *peer, attributes)?;
        shared.with(|state| {
            if !state.out.has_room() {
                return Err(Misuse::TooMuchWaiting);
            }
            if state.is_same(*epoch) {
                state.out.push(frame, None);
            }
            Ok(())
        })
    }

    /// Gives the caller a descriptor with the end of the answer. Over a stream that carries none it is closed.
    pub fn attach(&mut self, fd: OwnedFd) {
        self.reply.fd = Some(fd);
    }

    /// Answers with one table.
    ///
    /// # Errors
    /// As [`data`](Self::data); then the caller is told [`Status::UnknownError`].
    pub fn reply<T: Serialize + ?Sized>(self, table: &T) -> Result<(), Misuse> {
        self.data(table)?;
        self.done(Ok(()));
        Ok(())
    }

    /// Ends the answer.
    pub fn done(mut self, result: Result<(), Status>) {
        self.reply.end(result.err().unwrap_or(Status::Ok));
    }
}

impl Reply {
    /// Is never refused for want of room: there is one for each request.
    fn end(&mut self, status: Status) {
        self.ended = true;
        let fd = self.fd.take();
        self.shared.with(|state| {
            if state.is_same(self.epoch) {
                state.out.push(status_frame(self.seq, self.peer, self.object, status), fd);
            }
        });
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Status::UnknownError);
        }
    }
}

impl Notifier {
    /// Notifies, and wants no answers. Nothing is built while nobody subscribes; when too much waits to be sent, it is
    /// dropped and counted.
    ///
    /// # Errors
    /// When it has no form on the wire, or is too long.
    pub fn notify<T: Serialize + ?Sized>(&self, kind: &str, data: &T) -> Result<(), EncodeError> {
        if !self.has_subscribers() {
            return Ok(());
        }
        let data = to_blobmsg(data)?;
        self.shared.with(|state| state.notify(self.key, kind, &data))
    }

    /// Notifies, and waits at most so long for the answers of all who subscribe.
    ///
    /// # Errors
    /// Any but [`Error::Timeout`]: what came within the limit is returned.
    pub async fn notify_wait<T: Serialize + ?Sized>(
        &self,
        kind: &str,
        data: &T,
        limit: Duration,
    ) -> Result<Vec<Answer>, Error> {
        let data = to_blobmsg(data).map_err(Misuse::from)?;
        let Some(object) = self.shared.lock().subscribed_object(self.key)? else { return Ok(Vec::new()) };
        let attributes = [Attribute::Object(object), Attribute::Method(kind), Attribute::Data(data.as_bytes())];
        let mut pending = Pending::start(&self.shared, Kind::Notify, object, attributes, None, Waiter::Notifier)?;
        let collected = match tokio::time::timeout(limit, pending.answer()).await {
            Ok(collected) => collected?,
            Err(_) => pending.give_up()?,
        };
        Ok(answers(&collected.parts))
    }

    /// Whether anybody subscribes.
    #[must_use]
    pub fn has_subscribers(&self) -> bool {
        matches!(self.shared.lock().subscribed_object(self.key), Ok(Some(_)))
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("key", &self.key).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, seq, peer, .. } = self;
        f.debug_struct("Reply").field("object", object).field("seq", seq).field("peer", peer).finish_non_exhaustive()
    }
}

/// By subscriber, in ubusd's order. The first part is ubusd's own and names them.
fn answers(parts: &[Message]) -> Vec<Answer> {
    let named = parts.first().and_then(Message::subscribers).unwrap_or_default();
    let mut answers: Vec<_> =
        named.into_iter().map(|subscriber| Answer { subscriber, status: None, data: Vec::new() }).collect();
    for part in parts.iter().skip(1) {
        let Some(answer) = answers.iter_mut().find(|answer| answer.subscriber == part.peer) else { continue };
        match part.kind {
            Kind::Status => answer.status = Some(part.status().map_or(Status::UnknownError, Status::from)),
            // What cannot be read is left out: the others' answers still count.
            _ => answer.data.extend(part.data().and_then(Result::ok)),
        }
    }
    answers
}

/// Requests that wait to be taken.
const CAPACITY: usize = 64;
