//! The handle: calls, look-ups, and where everything else starts.
//!
//! In: what the user wants. Out: answers. Nothing here waits without a limit, and a future that is dropped leaves
//! nothing behind.

use crate::calls::{Collected, Waiter};
use crate::event::EVENTS;
use crate::message::{Attribute, Kind, Message};
use crate::state::{Handle, Shared};
use crate::{
    Blobmsg, Broken, Builder, Error, Events, Misuse, Object, Published, Ref, Status, Subscribe, from_blobmsg,
    to_blobmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

/// A handle to a connection. Cheap to clone; may be used from any thread and runtime.
#[derive(Debug, Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

/// What a call was answered with.
#[derive(Debug, Default)]
pub struct Reply {
    /// Mostly one table; some methods send none, or several.
    pub data: Vec<Blobmsg>,
    /// A descriptor that came with the answer.
    pub fd: Option<OwnedFd>,
}

/// What a look-up tells of an object.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// Its path.
    pub path: String,
    /// Its id, until it is removed.
    pub id: u32,
    /// Its methods, with the names of their arguments and the numbers of their types: `{"say": {"text": 3}}`.
    pub signature: Blobmsg,
}

/// What was counted since the client was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections to ubusd.
    pub connects: u64,
    /// Notifications and events that were dropped because nobody took them, or because they could not be read.
    pub lagged: u64,
    /// Notifications that [`Subscribe::only`] passed over.
    pub passed_over: u64,
    /// Answers to notifications that wanted one.
    pub answered: u64,
    /// Own notifications that were dropped because too much waited to be sent.
    pub unsent: u64,
}

impl Client {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { handle: Arc::new(Handle(Arc::clone(shared))) }
    }

    /// Whether there is a connection, and when that changes. Without one, all that asks fails with [`Error::Closed`].
    #[must_use]
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.handle.0.connected.subscribe()
    }

    /// The objects at a path, at all paths that begin with `prefix*`, or all there are: `*`. What is absent, or may not
    /// be seen, is left out.
    ///
    /// # Errors
    /// When there is no connection, when ubusd refuses the pattern, and when it does not answer within ten seconds.
    ///
    /// # Cancel safety
    /// Nothing stays behind.
    pub async fn lookup(&self, pattern: &str) -> Result<Vec<ObjectInfo>, Error> {
        match self.objects(pattern).await {
            Err(Error::Refused(Status::NotFound)) => Ok(Vec::new()),
            result => result,
        }
    }

    /// Calls a method of the object at `path`. Its id is looked up the first time, and again when it is not found.
    ///
    /// # Errors
    /// Any. An object that is absent is refused with [`Status::NotFound`], one that may not be seen with
    /// [`Status::PermissionDenied`].
    ///
    /// # Cancel safety
    /// It may or may not have been carried out. Nothing stays behind.
    pub async fn call<A: Serialize + ?Sized>(
        &self,
        path: &str,
        method: &str,
        args: &A,
        limit: Duration,
    ) -> Result<Reply, Error> {
        let args = to_blobmsg(args).map_err(Misuse::from)?;
        let call = async {
            let known = self.handle.0.lock().paths.get(path).copied();
            if let Some(object) = known {
                match self.ask(object, method, &args, None).await {
                    Err(Error::Refused(Status::NotFound)) => {}
                    result => return result,
                }
            }
            let object = self.resolve(path).await?;
            if known == Some(object) {
                // It is there; what it did not find is something else.
                return Err(Error::Refused(Status::NotFound));
            }
            self.ask(object, method, &args, None).await
        };
        timeout(limit, call).await.unwrap_or(Err(Error::Timeout))
    }

    /// Calls a method of an object by its id. The descriptor goes along, and is closed here.
    ///
    /// # Errors
    /// Any. An id that is not known is refused with [`Status::NotFound`].
    ///
    /// # Cancel safety
    /// As [`call`](Self::call).
    pub async fn invoke(
        &self,
        object: u32,
        method: &str,
        args: Blobmsg,
        fd: Option<OwnedFd>,
        limit: Duration,
    ) -> Result<Reply, Error> {
        timeout(limit, self.ask(object, method, &args, fd)).await.unwrap_or(Err(Error::Timeout))
    }

    /// Subscribes to the notifications of the object at a path, or of all whose path begins with `prefix*`, whenever
    /// they are there.
    pub fn subscribe(&self, pattern: &str) -> Subscribe {
        Subscribe::new(Arc::clone(&self.handle), pattern)
    }

    /// Listens to the events of this name, or of all names that begin with `prefix*`. Events that are sent over the
    /// same connection are not heard.
    #[must_use = "dropping it ends it"]
    pub fn listen(&self, pattern: &str) -> Events {
        Events::start(Arc::clone(&self.handle), pattern)
    }

    /// Sends an event. Whether anybody listens is not known.
    ///
    /// # Errors
    /// Any. A name that may not be sent, such as all that begin with `ubus.`, is refused with
    /// [`Status::PermissionDenied`].
    ///
    /// # Cancel safety
    /// It may or may not be sent. Nothing stays behind.
    pub async fn send<D: Serialize + ?Sized>(&self, event: &str, data: &D) -> Result<(), Error> {
        let data = to_blobmsg(data).map_err(Misuse::from)?;
        let mut args = Builder::new();
        args.push("id", event).push("data", Ref::Table(data.fields()));
        let args = args.finish().map_err(Misuse::from)?;
        self.invoke(EVENTS, "send", args, None, LIMIT).await.map(drop)
    }

    /// Publishes an object, at once and after each reconnection.
    #[must_use = "dropping it removes it"]
    pub fn publish(&self, object: Object) -> Published {
        Published::start(Arc::clone(&self.handle), object)
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.handle.0.lock().counters
    }

    async fn ask(&self, object: u32, method: &str, args: &Blobmsg, fd: Option<OwnedFd>) -> Result<Reply, Error> {
        let attributes = [Attribute::Object(object), Attribute::Method(method), Attribute::Data(args.as_bytes())];
        let mut pending = Pending::start(&self.handle.0, Kind::Invoke, object, attributes, fd, Waiter::Caller)?;
        let Collected { parts, fd } = pending.answer().await?;
        let data = parts.iter().filter_map(Message::data).collect::<Result<_, _>>().map_err(Broken::from)?;
        Ok(Reply { data, fd })
    }

    async fn objects(&self, pattern: &str) -> Result<Vec<ObjectInfo>, Error> {
        let path = Some(Attribute::Path(pattern)).filter(|_| pattern != "*");
        let mut pending = Pending::start(&self.handle.0, Kind::Lookup, 0, path, None, Waiter::Caller)?;
        let answer = timeout(LIMIT, pending.answer()).await.unwrap_or(Err(Error::Timeout))?;
        answer.parts.iter().filter_map(ObjectInfo::read).collect()
    }

    async fn resolve(&self, path: &str) -> Result<u32, Error> {
        if path.ends_with('*') {
            return Err(Misuse::Pattern.into());
        }
        // What may not be seen is not said to be absent: there is just nothing.
        let object = self.objects(path).await?.pop().ok_or(Error::Refused(Status::PermissionDenied))?;
        let paths = &mut self.handle.0.lock().paths;
        if paths.len() >= MAX_PATHS {
            paths.clear();
        }
        paths.insert(path.to_owned(), object.id);
        Ok(object.id)
    }
}

impl Reply {
    /// The first table as a value of `T`; an empty one when there is none.
    ///
    /// # Errors
    /// [`Error::Broken`] when it is not a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let first = self.data.first().cloned().unwrap_or_default();
        from_blobmsg(&first).map_err(|error| Broken::from(error).into())
    }
}

impl ObjectInfo {
    /// `None` when it names no object.
    fn read(message: &Message) -> Option<Result<Self, Error>> {
        let (path, id) = (message.path()?.to_owned(), message.object()?);
        let signature = message.signature().unwrap_or_else(|| Ok(Blobmsg::new()));
        Some(signature.map(|signature| Self { path, id, signature }).map_err(|error| Broken::from(error).into()))
    }
}

/// A request on its way. Dropped, it frees its number.
pub(crate) struct Pending<'a> {
    shared: &'a Shared,
    seq: u16,
    answer: oneshot::Receiver<Result<Collected, Error>>,
}

impl<'a> Pending<'a> {
    pub(crate) fn start<'m>(
        shared: &'a Shared,
        kind: Kind,
        peer: u32,
        attributes: impl IntoIterator<Item = Attribute<'m>>,
        fd: Option<OwnedFd>,
        waiter: fn(oneshot::Sender<Result<Collected, Error>>) -> Waiter,
    ) -> Result<Self, Error> {
        let (sender, answer) = oneshot::channel();
        let seq = shared.with(|state| state.call(kind, peer, attributes, fd, waiter(sender)))?;
        Ok(Self { shared, seq, answer })
    }

    /// All of the answer.
    pub(crate) async fn answer(&mut self) -> Result<Collected, Error> {
        (&mut self.answer).await.unwrap_or(Err(Error::Closed))
    }

    /// What there is of it.
    pub(crate) fn give_up(&mut self) -> Result<Collected, Error> {
        self.answer.close();
        match self.answer.try_recv() {
            Ok(result) => result,
            Err(_) => Ok(self.shared.lock().calls.give_up(self.seq).unwrap_or_default()),
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        drop(self.give_up());
    }
}

/// For what ubusd answers by itself.
const LIMIT: Duration = Duration::from_secs(10);
/// Paths whose ids are remembered; beyond it all are forgotten.
const MAX_PATHS: usize = 256;
