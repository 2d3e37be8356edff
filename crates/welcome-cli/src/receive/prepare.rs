//! Tells a receiver what this computer knows of the network and of the person.
//!
//! In: options, the entry of the list, and what is kept. Out: a [`Receiver`] that knows who signs, whom to ask, what was
//! shown and where to show it.

use super::{Portal, Receiver, Target, Until};
use crate::cli::{Join, Wait};
use crate::exit::Failure;
use crate::kept::now;
use crate::notify::Desktop;
use crate::radio;
use crate::run::Run;
use crate::shown::ShownBefore;
use serde_json::json;
use std::path::PathBuf;
use welcome_proto::lookup::ListEntry;

impl Run<'_> {
    /// Prepares for what comes at this network; `None` if nobody knows which it is.
    pub(crate) async fn prepare(
        &self,
        receiver: &mut Receiver,
        how: &Wait,
        entry: Option<&ListEntry>,
        until: Until,
    ) -> Result<(), Failure> {
        if let Some(entry) = entry {
            receiver.screen.at(entry);
            receiver.server = self.directory()?.map(|directory| (directory, entry.bssid));
        }
        // Who asks by hand wants to see what there is; who stays does not want to see it twice.
        receiver.screen.remember(ShownBefore::load(&self.state, now()), until == Until::Bye);
        if let Some(uri) = &how.captive_uri {
            receiver.portal = Some(Portal::at(uri.clone(), self.common.ca_file.as_deref()));
        }
        if how.notify {
            match Desktop::open().await {
                Ok(desktop) => receiver.screen.on(desktop),
                Err(error) => self.output.note(&format!("failed to find the desktop: {error:#}")),
            }
        }
        Ok(())
    }

    /// Lets a receiver know what the DHCP client of `--dhcp` will learn, or else the system, unless a person knows better.
    pub(crate) fn expect_lease(&self, receiver: &mut Receiver, how: &Join, interface: &str) {
        let ca_file = self.common.ca_file.as_deref();
        let portal = || match how.dhcp {
            Some(_) => Portal::of_lease(self.lease_file(interface), ca_file),
            None => Portal::of_system(interface, ca_file),
        };
        receiver.portal.get_or_insert_with(portal);
    }

    /// Where that is written to.
    pub(crate) fn lease_file(&self, interface: &str) -> PathBuf {
        self.state.join(format!("captive-uri-{interface}"))
    }

    /// `welcome receive`.
    pub(crate) async fn receive(&self, how: &Wait) -> Result<(), Failure> {
        let interface = radio::interface(&self.wanted()).await;
        let (interface, target) = match how.gateway {
            Some(gateway) => (interface.ok(), Target::Gateway(gateway)),
            None => {
                let interface = interface?;
                (Some(interface.clone()), Target::Interface(interface))
            }
        };
        let entry = self.entry_here().await;
        let mut receiver = self.receiver_of(target);
        self.prepare(&mut receiver, how, entry.as_ref(), Until::Shown).await?;
        if let (None, Some(interface)) = (&receiver.portal, &interface) {
            receiver.portal = Some(Portal::of_system(interface, self.common.ca_file.as_deref()));
        }
        receiver.receive(Until::Shown, how.wait).await
    }

    /// What the list says of the network that this computer is in, if whoever manages the interface tells which that is.
    async fn entry_here(&self) -> Option<ListEntry> {
        let entry = match radio::bssid(&self.wanted()).await {
            Some(bssid) => self.kept_list().get(bssid),
            None => None,
        };
        match &entry {
            Some(ListEntry { bssid, ssid, .. }) => {
                let fields = json!({ "bssid": bssid, "ssid": ssid });
                self.output.event("here", fields, &format!("this is {ssid}, which is listed"));
            }
            None => {
                self.output.note("the list says nothing of this network, if it is one: its messages are not verified")
            }
        }
        entry
    }
}
