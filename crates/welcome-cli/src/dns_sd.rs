//! Who in a network has messages: asked and told by DNS-SD over multicast DNS (RFC 6763, RFC 6762).
//!
//! In: an interface, and what is to be told there. Out: where others say that they are. Anybody in the network may answer
//! anything, so an answer is a place to ask and nothing more. Nothing of this computer is told: its names are made up for
//! each run, and it answers for nothing but what is told here.

use anyhow::Context as _;
use mdns_sd::{DaemonEvent, IfKind, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use std::future::pending;
use std::net::IpAddr;
use std::time::Duration;

/// A question that is being asked, until it is dropped.
pub(crate) struct Question {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
}

/// Where somebody says that they have messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Whatever they say.
    pub(crate) addresses: Vec<IpAddr>,
    /// The same.
    pub(crate) port: u16,
}

impl Question {
    /// Asks in the network of this interface.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(crate) fn ask(interface: &str) -> anyhow::Result<Self> {
        let daemon = on(interface)?;
        let events = daemon.browse(SERVICE).context("failed to ask by multicast DNS")?;
        Ok(Self { daemon, events })
    }

    /// The next answer; one that names more than before comes again. Waits for ever if there is none.
    ///
    /// # Cancel safety
    /// No answer is lost.
    pub(crate) async fn next(&mut self) -> Answer {
        loop {
            match self.events.recv_async().await {
                Ok(ServiceEvent::ServiceResolved(found)) => {
                    let mut addresses: Vec<_> = found.get_addresses().iter().map(|ip| ip.to_ip_addr()).collect();
                    addresses.sort();
                    return Answer { addresses, port: found.get_port() };
                }
                Ok(_) => {}
                // More was said than anybody could read.
                Err(_) => pending().await,
            }
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        // It fails only when it has ended already.
        drop(self.daemon.shutdown());
    }
}

/// What is told in a network, until it is dropped: then it says goodbye.
pub(crate) struct Announced {
    daemon: ServiceDaemon,
    events: Receiver<DaemonEvent>,
}

impl Announced {
    /// Tells in the network of this interface that there are messages at these addresses.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(crate) fn tell(interface: &str, addresses: &[IpAddr], port: u16) -> anyhow::Result<Self> {
        let what = "failed to tell of it by multicast DNS";
        let daemon = on(interface)?;
        let events = daemon.monitor().context(what)?;
        let name = format!("{:016x}", fastrand::u64(..));
        let mut service = ServiceInfo::new(SERVICE, &name, &format!("{name}.local."), addresses, port, NO_PROPERTIES)
            .context(what)?;
        service.set_interfaces(vec![IfKind::Name(interface.to_owned())]);
        daemon.register(service).context(what)?;
        Ok(Self { daemon, events })
    }

    /// Waits until the network has been told; for ever if that cannot be done.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn told(&self) {
        loop {
            match self.events.recv_async().await {
                Ok(DaemonEvent::Announce(..)) => return,
                Ok(DaemonEvent::Error(error)) => tracing::debug!(%error, "multicast DNS"),
                Ok(_) => {}
                Err(_) => pending().await,
            }
        }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Its last act is the goodbye. Without one others would believe in us for two minutes.
        if let Ok(done) = self.daemon.shutdown() {
            drop(done.recv_timeout(GOODBYE_WITHIN));
        }
    }
}

/// Speaks by this interface alone.
fn on(interface: &str) -> anyhow::Result<ServiceDaemon> {
    let what = "failed to begin with multicast DNS";
    let daemon = ServiceDaemon::new().context(what)?;
    // Who keeps us knows when addresses change; nobody has to look every few seconds.
    daemon.set_ip_check_interval(0).context(what)?;
    daemon.disable_interface(IfKind::All).context(what)?;
    daemon.enable_interface(IfKind::Name(interface.to_owned())).context(what)?;
    Ok(daemon)
}

/// What messages are found by.
const SERVICE: &str = "_welcome._tcp.local.";
const NO_PROPERTIES: Option<std::collections::HashMap<String, String>> = None;
const GOODBYE_WITHIN: Duration = Duration::from_millis(500);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::time::timeout;

    #[tokio::test]
    async fn what_is_told_is_found_until_it_is_taken_back() {
        let port = fastrand::u16(20_000..);
        let here = Answer { addresses: vec![Ipv4Addr::LOCALHOST.into()], port };
        let announced = Announced::tell("lo", &here.addresses, port).unwrap();
        timeout(SOON, announced.told()).await.unwrap();
        let mut question = Question::ask("lo").unwrap();
        let found = async { while question.next().await != here {} };
        timeout(SOON, found).await.expect("it is told");
        drop(announced);
        let mut question = Question::ask("lo").unwrap();
        let found = async { while question.next().await != here {} };
        timeout(Duration::from_secs(2), found).await.expect_err("it was taken back");
    }

    const SOON: Duration = Duration::from_secs(10);
}
