//! What one part of the server tells the streams of all its processes: that something is to be read anew.
//!
//! With SQLite there is one process, and a signal goes to its hub at once. With PostgreSQL it goes through NOTIFY to every
//! process, this one included. One that is lost costs a heart-beat: streams look anew at each.

use std::fmt;
use std::str::FromStr;

use welcome_proto::RouterId;

use crate::ids::OrgId;

/// Something is to be read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Offers of this organisation have changed.
    Org(OrgId),
    /// Something for this router has changed.
    Router(RouterId),
    /// Something was said live; by its number.
    Live(RouterId, i64),
    /// This router's streams shall end.
    Gone(RouterId),
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Org(org) => write!(f, "org {org}"),
            Self::Router(router) => write!(f, "router {router}"),
            Self::Live(router, id) => write!(f, "live {router} {id}"),
            Self::Gone(router) => write!(f, "gone {router}"),
        }
    }
}

impl FromStr for Signal {
    type Err = NoSignal;

    fn from_str(text: &str) -> Result<Self, NoSignal> {
        let words: Vec<_> = text.split(' ').collect();
        let router = |text: &str| text.parse().map_err(|_| NoSignal);
        Ok(match words[..] {
            ["org", org] => Self::Org(org.parse().map_err(|_| NoSignal)?),
            ["router", name] => Self::Router(router(name)?),
            ["live", name, id] => Self::Live(router(name)?, id.parse().map_err(|_| NoSignal)?),
            ["gone", name] => Self::Gone(router(name)?),
            _ => return Err(NoSignal),
        })
    }
}

/// A text that is no signal: of a newer version, perhaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signal of this version")]
pub(crate) struct NoSignal;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_signal_is_read_as_it_was_written() {
        for text in ["org o-1", "router r-1", "live r-1 17", "gone r-1"] {
            assert_eq!(text.parse::<Signal>().unwrap().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_a_signal(text in ".{0,60}|(org|live|gone) [a-z0-9-]{1,9}( [0-9]{1,20})?") {
            if let Ok(signal) = text.parse::<Signal>() {
                prop_assert_eq!(signal.to_string().parse(), Ok(signal));
            }
        }
    }
}
