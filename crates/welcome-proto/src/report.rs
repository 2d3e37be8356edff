//! Router to server: what happened, without saying to whom.

use serde::{Deserialize, Serialize};

use crate::offer::Sender;
use crate::{BatchId, NetworkId, OfferId};

/// The most reports one batch may hold.
pub const MAX_REPORTS: usize = 100;

/// `POST /v1/routers/{router}/reports`. A batch that is sent again under its id is counted once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportBatch {
    /// The idempotency key.
    pub batch: BatchId,
    /// At most [`MAX_REPORTS`].
    pub reports: Vec<Report>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Where.
    pub network: NetworkId,
    /// What.
    #[serde(flatten)]
    pub what: What,
    /// When, in seconds of Unix time; absent while the router's clock cannot be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

/// What happened; in JSON the member `what` names the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// A guest's visit began.
    Arrived,
    /// A guest has seen an offer.
    Shown {
        /// Whose offer.
        sender: Sender,
        /// Which.
        offer: OfferId,
    },
    /// A guest has pressed the button of the page that opens the network.
    Acknowledged,
    /// An offer came whose signature is not the operator's; it is not shown.
    Refused {
        /// Whose offer it said it was.
        sender: Sender,
        /// Which.
        offer: OfferId,
    },
    /// A guest's visit ended.
    Left,
    /// The router had to drop reports while the server was away.
    Dropped {
        /// How many.
        count: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_flat_object() {
        let report = Report {
            network: "cafe".parse().unwrap(),
            what: What::Shown { sender: Sender::Server, offer: "hello".parse().unwrap() },
            at: Some(1_795_400_000),
        };
        let json = r#"{"network":"cafe","what":"shown","sender":"server","offer":"hello","at":1795400000}"#;
        assert_eq!(serde_json::to_string(&report).unwrap(), json);
        assert_eq!(serde_json::from_str::<Report>(json).unwrap(), report);
    }
}
