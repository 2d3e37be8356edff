//! `welcome connect`: from the list and the air to a joined network and its message.

use crate::cli::Join;
use crate::exit::{Failure, Reason};
use crate::radio::{Joining, Link, Radio, Stay};
use crate::receive::Until;
use crate::run::Run;
use anyhow::Context as _;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::json;
use std::io::ErrorKind;
use std::process::Stdio;
use tokio::process::Child;
use welcome_client::{Candidate, List, Recognised, Sighting, recognise};
use welcome_proto::lookup::ListEntry;

impl Run<'_> {
    pub(crate) async fn connect(&self, how: &Join, radio: &mut Radio) -> Result<(), Failure> {
        self.clean_up(radio).await?;
        if !how.replace && radio.link().await? == Link::Other {
            return Err(Failure::InUse(radio.interface().to_owned()));
        }
        let (list, heard) = self.look(radio).await?;
        let entry = self.join(radio, how, Stay::UntilLeft, (&list, &heard)).await?;
        let result = self.await_message(how, radio.interface(), &entry, Until::Shown).await;
        if result.as_ref().map_or_else(|failure| !failure.undoes(), |()| true) {
            radio.settle()?;
        }
        result
    }

    /// Waits for an address at a network that was joined, and for its messages.
    pub(crate) async fn await_message(
        &self,
        how: &Join,
        interface: &str,
        entry: &ListEntry,
        until: Until,
    ) -> Result<(), Failure> {
        let mut receiver = self.receiver(&how.wait, interface);
        self.prepare(&mut receiver, &how.wait, Some(entry), until).await?;
        self.expect_lease(&mut receiver, how, interface);
        let receiving = receiver.receive(until, how.wait.wait);
        let result = match self.with_dhcp(how, interface, receiving).await {
            // A network that gives no address is of no use to anybody.
            Err(Failure::NoMessage(why)) if !receiver.has_route() => Err(Failure::join(Reason::NoAddress, why)),
            result => result,
        };
        if matches!(result, Err(Failure::Join { .. })) {
            self.tried(false);
        }
        result
    }

    /// Puts back what an earlier run could not.
    pub(crate) async fn clean_up(&self, radio: &mut Radio) -> Result<(), Failure> {
        if radio.is_left_behind() {
            self.output.doing("putting back what an earlier run left behind");
            radio.put_back().await?;
        }
        Ok(())
    }

    /// The list, and what is on the air.
    pub(crate) async fn look(&self, radio: &mut Radio) -> Result<(List, Vec<Sighting>), Failure> {
        self.output.doing("scanning");
        let (list, heard) = tokio::try_join!(self.list(), radio.scan(&self.common.freq))?;
        let list = self.ask_about(&heard, list).await?;
        Ok((list, heard))
    }

    /// From the list and the air to a joined network; returns what the list says of it.
    pub(crate) async fn join(
        &self,
        radio: &mut Radio,
        how: &Join,
        stay: Stay,
        (list, heard): (&List, &[Sighting]),
    ) -> Result<ListEntry, Failure> {
        let Recognised { mut candidates, refused } = recognise(heard, list, &self.policy());
        self.rank(&mut candidates);
        let text = format!("heard {} networks; {} are listed", heard.len(), candidates.len() + refused.len());
        let fields =
            json!({ "heard": heard.len(), "listed": candidates.len() + refused.len(), "usable": candidates.len() });
        self.output.event("scan", fields, &text);
        for (sighting, refusal) in &refused {
            self.output.event(
                "refused",
                json!({
                    "bssid": sighting.bssid, "ssid": sighting.ssid, "why": refusal.to_string(),
                    "suspicious": refusal.is_suspicious(),
                }),
                &format!("not {}: {refusal}", sighting.bssid),
            );
        }
        let Some(candidate) = candidates.first() else {
            return Err(Failure::NotHeard(match refused.first() {
                None => format!("none of the {} listed networks is on the air", list.len()),
                Some((sighting, refusal)) => format!("{} is listed, but {refusal}", sighting.bssid),
            }));
        };
        let Candidate { sighting, entry, variant } = candidate;
        let fields = json!({
            "bssid": entry.bssid, "ssid": entry.ssid, "signal": sighting.signal, "freq": sighting.freq,
            "security": entry.security, "area": entry.area, "assurance": entry.assurance, "variant": variant.number(),
        });
        let text = format!("joining {} ({}, {} dBm) …", entry.ssid, entry.bssid, sighting.signal);
        self.output.event("match", fields, &text);
        let joined = radio.join(candidate, Joining { within: how.join_wait, stay }, self.output).await;
        if matches!(joined, Ok(_) | Err(Failure::Join { .. })) {
            self.tried(joined.is_ok());
        }
        joined.map(|()| entry.clone())
    }

    /// Runs the DHCP client meanwhile. When it fails, that is the reason.
    async fn with_dhcp(
        &self,
        how: &Join,
        interface: &str,
        work: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let Some(command) = &how.dhcp else { return work.await };
        let lease = self.lease_file(interface);
        // What another network's lease said.
        if let Err(error) = std::fs::remove_file(&lease)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(anyhow::Error::new(error).context(format!("failed to remove {}", lease.display())).into());
        }
        let mut child = Group(
            tokio::process::Command::new("sh")
                .args(["-c", command])
                .env("INTERFACE", interface)
                .env("CAPTIVE_URI_FILE", &lease)
                .stdin(Stdio::null())
                // Standard output is ours.
                .stdout(std::io::stderr())
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
                .context("failed to start the command of --dhcp")?,
        );
        let failed = async {
            match child.0.wait().await {
                Ok(status) if status.success() => std::future::pending().await,
                Ok(status) => Failure::join(Reason::NoAddress, format!("the command of --dhcp ended with {status}")),
                Err(error) => Failure::Other(anyhow::Error::new(error).context("failed to wait for --dhcp")),
            }
        };
        tokio::select! {
            biased;
            result = work => result,
            failure = failed => Err(failure),
        }
    }
}

/// A child and whatever it started.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // `id` is there until the child has been waited for: the group is still ours.
        if let Some(id) = self.0.id().and_then(|id| i32::try_from(id).ok())
            && let Err(error) = killpg(Pid::from_raw(id), Signal::SIGTERM)
        {
            tracing::debug!(%error, "could not end the command of --dhcp");
        }
    }
}
