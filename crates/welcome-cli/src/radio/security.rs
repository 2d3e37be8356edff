//! How a bss may be joined, from the methods that it offers.

use std::collections::BTreeSet;
use welcome_proto::announce::Security;

/// One way to authenticate that a bss offers.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    Psk,
    Sae,
    Owe,
    /// WPA of 2003, a user name, and what else the list has no word for.
    Other,
}

/// `None` for what the list has no word for.
pub(super) fn of(mut methods: BTreeSet<Method>) -> Option<Security> {
    // WPA of 2003 beside a newer method does not take that away.
    if methods.len() > 1 {
        methods.remove(&Method::Other);
    }
    match methods.into_iter().collect::<Vec<_>>().as_slice() {
        [] => Some(Security::Open),
        [Method::Psk] => Some(Security::Psk),
        [Method::Sae] => Some(Security::Sae),
        [Method::Psk, Method::Sae] => Some(Security::PskSae),
        [Method::Owe] => Some(Security::Owe),
        _ => None,
    }
}
