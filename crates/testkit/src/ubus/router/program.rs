//! One program on the bus: a connection of its own, its objects, and what is asked of them.
//!
//! Made of blocking calls and two threads, with the codec alone, and so a second reading of the protocol beside the
//! client that the agent has. What it sends is built value by value, because the recordings fix each type. One thread
//! reads; what is asked of the program waits for the other one, so that an answer is heard while it is busy.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio_ubus::message::{Attribute, Kind, Message};
use tokio_ubus::{Blobmsg, Builder, Ref, Status, Type};

use super::connection::{LIMIT, Life, Object, Shared, State, is_answered};

/// What a method is answered with: a table, nothing, or a refusal.
pub(super) type Outcome = Result<Option<Blobmsg>, Status>;

/// Answers a method.
pub(super) type Handler = Arc<dyn Fn(&str, &Blobmsg) -> Outcome + Send + Sync>;

/// A program. Ends when dropped.
pub(super) struct Program {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts it; it connects again whenever ubusd went away.
    pub(super) fn start(socket: &Path) -> Self {
        let state =
            State { life: Life::Runs, stream: None, is_ready: false, objects: Vec::new(), asked: Vec::new(), seq: 0 };
        let shared = Arc::new(Shared { socket: socket.to_owned(), state: Mutex::new(state), changed: Condvar::new() });
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.live()
        });
        Self { shared, thread: Some(thread) }
    }

    /// Adds an object, and waits until it is registered if ubusd is there.
    ///
    /// Its methods: one a line, after each its arguments with the first letter of their types, as in
    /// `set config:s values:t`.
    pub(super) fn publish(&self, path: &str, methods: &str, handler: Handler) {
        let (path, signature) = (path.to_owned(), signature(methods));
        let mut state = self.shared.lock();
        state.objects.push(Object { path: path.clone(), signature, handler, id: None, has_subscribers: false });
        if !state.is_ready {
            drop(state);
            return self.settle();
        }
        let index = state.objects.len() - 1;
        let seq = state.add(index);
        drop(state);
        let answer = self.shared.answers(seq, LIMIT, is_answered);
        let status = answer.last().and_then(Message::status);
        assert!(status.is_none_or(|status| status == 0), "there is somebody at {path} already");
    }

    /// Removes the object and waits until it is gone.
    pub(super) fn withdraw(&self, path: &str) {
        let mut state = self.shared.lock();
        let Some(index) = state.objects.iter().position(|object| object.path == path) else { return };
        let object = state.objects.remove(index);
        if let Some(id) = object.id {
            let seq = state.ask(Kind::RemoveObject, 0, [Attribute::Object(id)]);
            drop(state);
            self.shared.answers(seq, LIMIT, is_answered);
        }
    }

    /// Waits until everything is heard that ubusd has said so far, above all who subscribes, and until ubusd has heard
    /// everything of this program.
    pub(super) fn catch_up(&self) {
        let mut state = self.shared.lock();
        if state.is_ready {
            let seq = state.ask(Kind::Ping, 0, []);
            drop(state);
            self.shared.answers(seq, LIMIT, is_answered);
        }
    }

    /// Notifies whoever subscribes, wants no answer, and waits until ubusd has it.
    pub(super) fn tell(&self, path: &str, kind: &str, data: &Blobmsg) {
        self.catch_up();
        self.notify(path, kind, data);
        self.catch_up();
    }

    /// Notifies who is known to subscribe, and wants no answer.
    pub(super) fn notify(&self, path: &str, kind: &str, data: &Blobmsg) {
        let mut state = self.shared.lock();
        let Some(id) = state.subscribed(path) else { return };
        let seq = state.next_seq();
        let attributes =
            [Attribute::Object(id), Attribute::Method(kind), Attribute::Data(data.as_bytes()), Attribute::NoReply(1)];
        state.send(Kind::Notify, seq, id, attributes);
    }

    /// Notifies whoever subscribes, would like answers, and does not wait for them.
    pub(super) fn notify_asking(&self, path: &str, kind: &str, data: &Blobmsg) {
        let mut state = self.shared.lock();
        let Some(id) = state.subscribed(path) else { return };
        let seq = state.next_seq();
        let attributes = [Attribute::Object(id), Attribute::Method(kind), Attribute::Data(data.as_bytes())];
        state.send(Kind::Notify, seq, id, attributes);
    }

    /// Notifies whoever subscribes and waits for the answers of all, at most so long. Nothing when nobody
    /// subscribes.
    pub(super) fn notify_wait(&self, path: &str, kind: &str, data: &Blobmsg, limit: Duration) -> Option<Answers> {
        let mut state = self.shared.lock();
        let id = state.subscribed(path)?;
        let attributes = [Attribute::Object(id), Attribute::Method(kind), Attribute::Data(data.as_bytes())];
        let began = Instant::now();
        let seq = state.ask(Kind::Notify, id, attributes);
        drop(state);
        let parts = self.shared.answers(seq, limit, all_answered);
        Some(Answers::new(&parts, began.elapsed()))
    }

    /// Whether anybody is known to subscribe.
    pub(super) fn has_subscribers(&self, path: &str) -> bool {
        self.shared.lock().subscribed(path).is_some()
    }

    /// As on SIGKILL: everything of it is gone when this returns, until [`Self::start_again`].
    pub(super) fn kill(&self) {
        let mut state = self.shared.lock();
        state.life = Life::IsDead;
        state.hang_up();
        self.shared.wait(state, |state| state.stream.is_none());
        self.shared.await_departure();
    }

    /// Starts after [`Self::kill`], with the objects it had, and waits until they are registered if ubusd is there.
    pub(super) fn start_again(&self) {
        self.shared.lock().life = Life::Runs;
        self.shared.changed.notify_all();
        self.settle();
    }

    /// Forgets an object while it is dead.
    pub(super) fn forget(&self, path: &str) {
        self.shared.lock().objects.retain(|object| object.path != path);
    }

    /// Waits until everything is registered, unless ubusd is away.
    fn settle(&self) {
        let Shared { socket, .. } = &*self.shared;
        self.shared.wait(self.shared.lock(), |state| state.is_ready || state.life != Life::Runs || !socket.exists());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.life = Life::IsOver;
        state.hang_up();
        drop(state);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a program's thread does not panic");
        }
    }
}

/// What subscribers answered.
#[derive(Debug)]
pub(super) struct Answers {
    /// The tables of each who answered in time.
    pub(super) given: Vec<Vec<Blobmsg>>,
    /// Whether everybody did.
    pub(super) is_complete: bool,
    pub(super) took: Duration,
}

impl Answers {
    fn new(parts: &[Message], took: Duration) -> Self {
        let asked = subscribers(parts);
        let given: Vec<_> = asked.iter().filter_map(|subscriber| answer_of(*subscriber, parts)).collect();
        Self { is_complete: given.len() == asked.len(), given, took }
    }
}

fn answer_of(subscriber: u32, parts: &[Message]) -> Option<Vec<Blobmsg>> {
    let mut parts = parts.iter().filter(|part| part.peer == subscriber);
    let mut tables = Vec::new();
    let ended = parts.any(|part| {
        tables.extend(part.data().and_then(Result::ok));
        part.kind == Kind::Status
    });
    ended.then_some(tables)
}

/// The first part is ubusd's and says who was asked.
fn subscribers(parts: &[Message]) -> Vec<u32> {
    parts.first().and_then(Message::subscribers).unwrap_or_default()
}

fn all_answered(parts: &[Message]) -> bool {
    !parts.is_empty() && Answers::new(parts, Duration::ZERO).is_complete
}

fn signature(methods: &str) -> Blobmsg {
    let mut signature = Builder::new();
    for method in methods.lines() {
        let mut words = method.split_whitespace();
        signature.table(words.next().expect("every line has a method"), |table| {
            for (name, kind) in words.filter_map(|word| word.split_once(':')) {
                table.push(name, Ref::Int32(kind_of(kind) as i32));
            }
        });
    }
    signature.finish().expect("a few short names make a message")
}

fn kind_of(letter: &str) -> Type {
    match letter {
        "a" => Type::Array,
        "b" => Type::BOOL,
        "i" => Type::Int32,
        "s" => Type::String,
        "t" => Type::Table,
        _ => panic!("no type begins with {letter}"),
    }
}
