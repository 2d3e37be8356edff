//! What is registered: objects, their types, who subscribes to whom.
//!
//! Only data, and the rules that need nothing else; who may do what, and who is told, is the business of [`super::bus`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::ops::Bound;

use tokio_ubus::{Attr, Attrs};

/// All objects of all clients. ubusd's own are not among them.
#[derive(Debug, Default)]
pub(super) struct Objects {
    by_id: BTreeMap<u32, Object>,
    paths: BTreeMap<String, u32>,
    types: BTreeMap<u32, Type>,
    /// The oldest first; the same one may be there twice.
    subscriptions: Vec<Subscription>,
    /// Objects so far.
    count: u64,
}

#[derive(Debug)]
pub(super) struct Object {
    pub(super) owner: u32,
    pub(super) path: Option<String>,
    kind: Option<u32>,
    /// Which one it is of all there ever were.
    number: u64,
    /// Counts what ubusd tells the owner about this object.
    told: u16,
}

/// Names of methods, each with its entry in the signature as it is.
pub(super) type Methods = Vec<(String, Vec<u8>)>;

#[derive(Debug)]
struct Type {
    methods: Methods,
    users: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Subscription {
    subscriber: u32,
    target: u32,
}

/// What a removed object leaves to be told.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) object: Object,
    /// Its subscribers, the newest first.
    pub(super) subscribers: Vec<u32>,
    /// Objects that it was the last subscriber of.
    pub(super) deserted: Vec<u32>,
}

impl Objects {
    pub(super) fn get(&self, id: u32) -> Option<&Object> {
        self.by_id.get(&id)
    }

    pub(super) fn at(&self, path: &str) -> Option<u32> {
        self.paths.get(path).copied()
    }

    /// Those whose path comes after this one, in its order.
    pub(super) fn listed(&self, after: Bound<&str>) -> impl Iterator<Item = (&str, u32)> {
        self.paths.range::<str, _>((after, Bound::Unbounded)).map(|(path, id)| (path.as_str(), *id))
    }

    /// A client's objects, the newest first.
    pub(super) fn owned_by(&self, client: u32) -> Vec<u32> {
        let mut owned: Vec<_> = self.by_id.iter().filter(|(_, object)| object.owner == client).collect();
        owned.sort_by_key(|(_, object)| std::cmp::Reverse(object.number));
        owned.into_iter().map(|(id, _)| *id).collect()
    }

    /// Number and methods of an object's type.
    pub(super) fn kind_of(&self, id: u32) -> Option<(u32, &Methods)> {
        let kind = self.by_id.get(&id)?.kind?;
        Some((kind, &self.types.get(&kind)?.methods))
    }

    /// The object's type, when nobody else has it.
    pub(super) fn last_of_kind(&self, id: u32) -> Option<u32> {
        let kind = self.by_id.get(&id)?.kind?;
        self.types.get(&kind).filter(|kind| kind.users == 1).map(|_| kind)
    }

    pub(super) fn is_kind(&self, kind: u32) -> bool {
        self.types.contains_key(&kind)
    }

    pub(super) fn add_kind(&mut self, methods: Methods) -> u32 {
        let kind = unused(|id| self.types.contains_key(&id));
        self.types.insert(kind, Type { methods, users: 0 });
        kind
    }

    /// Adds an object at a path that is free; its id.
    pub(super) fn add(&mut self, owner: u32, path: Option<&str>, kind: Option<u32>) -> u32 {
        let id = unused(|id| self.by_id.contains_key(&id));
        if let Some(path) = path {
            self.paths.insert(path.to_owned(), id);
        }
        if let Some(kind) = kind.and_then(|kind| self.types.get_mut(&kind)) {
            kind.users += 1;
        }
        self.count += 1;
        let path = path.map(str::to_owned);
        self.by_id.insert(id, Object { owner, path, kind, number: self.count, told: 0 });
        id
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Removed> {
        let object = self.by_id.remove(&id)?;
        if let Some(path) = &object.path {
            self.paths.remove(path);
        }
        self.release(object.kind);
        let subscribers = self.subscribers(id);
        self.subscriptions.retain(|subscription| subscription.target != id);
        let mut deserted = Vec::new();
        while let Some(newest) = self.subscriptions.iter().rposition(|subscription| subscription.subscriber == id) {
            let Subscription { target, .. } = self.subscriptions.remove(newest);
            if !self.has_subscribers(target) {
                deserted.push(target);
            }
        }
        Some(Removed { object, subscribers, deserted })
    }

    /// Subscribers, the newest subscription first.
    pub(super) fn subscribers(&self, id: u32) -> Vec<u32> {
        let newest_first = self.subscriptions.iter().rev();
        newest_first.filter(|subscription| subscription.target == id).map(|s| s.subscriber).collect()
    }

    pub(super) fn has_subscribers(&self, id: u32) -> bool {
        self.subscriptions.iter().any(|subscription| subscription.target == id)
    }

    pub(super) fn subscribe(&mut self, target: u32, subscriber: u32) {
        self.subscriptions.push(Subscription { subscriber, target });
    }

    /// Ends one subscription; whether there was one.
    pub(super) fn unsubscribe(&mut self, target: u32, subscriber: u32) -> bool {
        let wanted = Subscription { subscriber, target };
        let newest = self.subscriptions.iter().rposition(|subscription| *subscription == wanted);
        newest.map(|index| self.subscriptions.remove(index)).is_some()
    }

    /// The number of the next message about this object.
    pub(super) fn next_told(&mut self, id: u32) -> u16 {
        self.by_id.get_mut(&id).map(Object::next_told).unwrap_or_default()
    }

    /// One user of the type less.
    fn release(&mut self, kind: Option<u32>) {
        let Some(kind) = kind else { return };
        if let Some(entry) = self.types.get_mut(&kind) {
            entry.users -= 1;
            if entry.users == 0 {
                self.types.remove(&kind);
            }
        }
    }
}

impl Object {
    pub(super) fn next_told(&mut self) -> u16 {
        self.told = self.told.wrapping_add(1);
        self.told
    }
}

/// The methods of a signature, as far as it can be read. Nothing when one has no name: such an object has no type.
pub(super) fn methods(signature: &[u8]) -> Option<Methods> {
    Attrs::new(signature).map_while(Result::ok).map(|method| Some((name(method)?, encode(method)))).collect()
}

fn name(Attr { extended, payload, .. }: Attr<'_>) -> Option<String> {
    let (length, rest) = payload.split_first_chunk().filter(|_| extended)?;
    let (name, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let is_name = !name.is_empty() && rest.first() == Some(&0);
    String::from_utf8(name.to_vec()).ok().filter(|_| is_name)
}

/// A method's entry as it stood in the signature.
fn encode(Attr { id, payload, .. }: Attr<'_>) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 4).expect("it came in a message");
    let header = 1 << 31 | u32::from(id) << 24 | length;
    let mut entry = [&header.to_be_bytes(), payload].concat();
    entry.resize(entry.len().next_multiple_of(4), 0);
    entry
}

/// An id that nobody has. ubusd gives out random ones, from 1024 on.
pub(super) fn unused(is_taken: impl Fn(u32) -> bool) -> u32 {
    loop {
        let mut bytes = [0; 4];
        let read = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
        read.expect("read random bytes");
        let id = u32::from_be_bytes(bytes);
        if id >= FIRST_ID && !is_taken(id) {
            return id;
        }
    }
}

/// Smaller ones are ubusd's own.
pub(super) const FIRST_ID: u32 = 1024;
