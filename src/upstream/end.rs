//! Why a session with the server is over, in words that say what to do.

use welcome_proto::problem::{self, Problem};

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// It may go better soon.
    #[error("{0:#}")]
    Lost(#[from] anyhow::Error),
    /// It will not go better until somebody does something.
    #[error("{0}")]
    Refused(String),
    /// The server does not know us, which is a refusal, too.
    #[error("{0}")]
    Unknown(String),
    /// The agent has ended.
    #[error("the agent has ended")]
    NobodyListens,
}

/// What a refusal means.
pub(super) fn refused(problem: &Problem) -> End {
    let told = told(problem);
    if problem.name() == problem::UNKNOWN_ROUTER {
        let remedy = "ask its operator for a token and set server.token";
        return End::Unknown(format!("the server does not know this router ({told}): {remedy}"));
    }
    End::Refused(match problem.name() {
        problem::BAD_TOKEN => {
            format!("the server does not take the token ({told}): ask its operator for a new one and set server.token")
        }
        problem::BAD_SIGNATURE => {
            format!("the server does not take our signature ({told}): check the host name in server.url")
        }
        _ => format!("the server refuses: {told}"),
    })
}

/// What a problem says, for people.
pub(super) fn told(problem: &Problem) -> String {
    let Problem { status, title, detail, .. } = problem;
    match detail {
        Some(detail) => format!("{status} {title}: {detail}"),
        None => format!("{status} {title}"),
    }
}

/// An answer that is none.
pub(super) fn not_understood(what: &str, error: &serde_json::Error) -> End {
    End::Lost(anyhow::anyhow!("the answer to the {what} cannot be understood: {error}"))
}
