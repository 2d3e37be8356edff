//! A router becomes known to its server: `POST /v1/enrol`, once.

use serde::{Deserialize, Serialize};

use crate::{RouterId, Secret};

/// What the router sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The one-time token the operator handed out.
    pub token: Secret,
    /// The router's Ed25519 public key: 32 bytes, base64url without padding (RFC 4648 section 5).
    pub public_key: String,
    /// The agent's version, for the operator to see.
    pub version: String,
}

/// What the server answers (201).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolReply {
    /// The name under which the router signs from now on.
    pub router: RouterId,
    /// The operator's Ed25519 public key, in the form of [`EnrolRequest::public_key`]. The router pins it: what the
    /// server has it show is signed with this key ([`crate::signed`]).
    pub operator_key: String,
}
