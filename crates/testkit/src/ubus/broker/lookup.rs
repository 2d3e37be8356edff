//! LOOKUP: which objects there are.
//!
//! The answer may be long. It waits while the client's socket takes no more, and goes on when that has drained: of all
//! that ubusd sends, this alone is never dropped.

use std::ops::Bound;

use tokio_ubus::Status;
use tokio_ubus::message::{Attribute, Kind, Message};

use super::acl::Pattern;
use super::bus::{Answer, Bus};

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Lookup {
    request: Message,
    pattern: Pattern,
    /// The last path that was told.
    after: Option<String>,
    found: bool,
}

impl Bus {
    pub(super) fn lookup(&mut self, from: u32, request: &Message) -> Result<Answer, Status> {
        let text = request.path().unwrap_or("*");
        if text.is_empty() {
            return Err(Status::InvalidArgument);
        }
        if self.user(from).is_some() {
            self.acls.note("lookup", text, "");
        }
        let pattern = Pattern::new(text);
        // Everything is always an answer, even when it is nothing.
        let found = request.path().is_none();
        if let Some(client) = self.clients.get_mut(&from) {
            client.lookups.push_back(Lookup { request: request.clone(), pattern, after: None, found });
        }
        self.go_on(from);
        Ok(Answer::None)
    }

    /// Writes what waits for the client, as far as its socket takes it.
    pub(super) fn go_on(&mut self, to: u32) {
        while let Some(client) = self.clients.get_mut(&to) {
            client.link.flush();
            if !client.link.is_idle() {
                return;
            }
            let Some(mut lookup) = client.lookups.pop_front() else { return };
            match self.next_found(&lookup) {
                Some((path, id)) => {
                    lookup.found = true;
                    self.tell_of(to, &lookup.request, &path, id);
                    lookup.after = Some(path);
                    if let Some(client) = self.clients.get_mut(&to) {
                        client.lookups.push_front(lookup);
                    }
                }
                None => {
                    let status = if lookup.found { Status::Ok } else { Status::NotFound };
                    self.answer(to, &lookup.request, status);
                }
            }
        }
    }

    fn next_found(&self, lookup: &Lookup) -> Option<(String, u32)> {
        let after = lookup.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut fitting = self.objects.listed(after).filter(|(path, _)| lookup.pattern.fits(path));
        fitting.next().map(|(path, id)| (path.to_owned(), id))
    }

    /// Tells of one object as far as the client may know it: an ordinary user only of what it may call.
    fn tell_of(&mut self, to: u32, request: &Message, path: &str, id: u32) {
        let Some((kind, methods)) = self.objects.kind_of(id) else { return };
        let user = self.user(to);
        let allowed = |method: &str| user.is_none_or(|user| self.acls.may_call(user, path, method));
        let entries = methods.iter().filter(|(method, _)| allowed(method)).map(|(_, entry)| entry.as_slice());
        let signature: Vec<u8> = entries.flatten().copied().collect();
        if signature.is_empty() && !methods.is_empty() {
            return;
        }
        let (seq, peer) = (request.seq, request.peer);
        let attributes =
            [Attribute::Path(path), Attribute::Object(id), Attribute::Type(kind), Attribute::Signature(&signature)];
        self.tell(to, Kind::Data, seq, peer, attributes);
    }
}
