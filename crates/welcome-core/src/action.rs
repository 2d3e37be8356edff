//! What may be done.

use std::net::IpAddr;

use welcome_proto::announce::Announce;
use welcome_proto::report::Report;

/// One thing to do. Performed in order by who called [`crate::Agent::handle`].
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// [`crate::Agent::view`] gives another picture than before.
    Publish,
    /// Tell the server what is shared; replaces any announce that was not sent yet. The generation is the sender's
    /// affair and 0 here.
    Announce(Announce),
    /// Tell the server what happened.
    Report(Report),
    /// Find out whose address this is; the answer comes as [`crate::Event::AddressLearned`].
    ResolveAddress(IpAddr),
}
