//! Asks the firewall to let a caught station's HTTP through to one destination; shared by the parts of the agent.
//!
//! The portal asks and answers its station only after the rule is in: the station's next connection comes at once.

use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use welcome_proto::Mac;

/// What asks.
#[derive(Debug, Clone)]
pub struct Passes(mpsc::Sender<Pass>);

/// One question, for the firewall.
#[derive(Debug)]
pub struct Pass {
    /// Who.
    pub mac: Mac,
    /// Where to.
    pub ip: IpAddr,
    /// Whether nothing is in its way any more.
    pub done: oneshot::Sender<bool>,
}

/// A way to ask, and where the questions arrive.
#[must_use]
pub fn channel() -> (Passes, mpsc::Receiver<Pass>) {
    let (ask, asked) = mpsc::channel(WAITING);
    (Passes(ask), asked)
}

impl Passes {
    /// Lets `mac` through to port 80 of `ip` for some minutes. Whether that is so now; false if the station is held, has
    /// too many passes, or the firewall does not answer in time.
    pub async fn add(&self, mac: Mac, ip: IpAddr) -> bool {
        let (done, answer) = oneshot::channel();
        // A dual-stack socket names IPv4 so.
        let pass = Pass { mac, ip: ip.to_canonical(), done };
        // Full: more stations ask than the firewall can help.
        self.0.try_send(pass).is_ok() && matches!(timeout(PATIENCE, answer).await, Ok(Ok(true)))
    }
}

/// Questions that may wait; they are answered together.
const WAITING: usize = 64;
/// A phone's probe waits for as long.
const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 1, 0]);

    #[tokio::test]
    async fn the_answer_is_the_firewalls() {
        let (passes, mut asked) = channel();
        for expected in [true, false] {
            let answer = async {
                let pass = asked.recv().await.unwrap();
                assert_eq!(pass.ip, IpAddr::from([192, 0, 2, 1]));
                pass.done.send(expected).unwrap();
            };
            let (is, ()) = tokio::join!(passes.add(MAC, "::ffff:192.0.2.1".parse().unwrap()), answer);
            assert_eq!(is, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_firewall_that_does_not_answer_is_a_no() {
        let (passes, asked) = channel();
        assert!(!passes.add(MAC, [192, 0, 2, 1].into()).await);
        drop(asked);
        assert!(!passes.add(MAC, [192, 0, 2, 1].into()).await);
    }
}
