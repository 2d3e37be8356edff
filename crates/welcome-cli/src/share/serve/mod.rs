//! `welcome share serve`: says the messages of a network in it, from a computer of the sharer's.
//!
//! In: which network, and the interface that is in it. Out: the messages over HTTP (`http`), told by multicast DNS until
//! this ends. What is said is the `stock`: from the server whenever that can be reached (`fetch`), and else what is kept.
//! Nothing else of this computer is told to anybody.

mod fetch;
mod http;
mod stock;

use self::http::{Places, Said};
use super::api::Api;
use super::args::Serve;
use crate::changes::Changes;
use crate::dns_sd::Announced;
use crate::exit::Failure;
use crate::on_link::OnLink;
use crate::radio;
use crate::run::Run;
use anyhow::{Context as _, anyhow};
use serde_json::json;
use std::convert::Infallible;
use std::future::pending;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

impl Run<'_> {
    pub(super) async fn share_serve(&self, how: &Serve) -> Result<(), Failure> {
        let interface = radio::interface(&self.wanted()).await?;
        let api = self.common.server.as_ref().map(|_| Api::of_sharer(&self.common)).transpose()?;
        let stock = self.first_stock(api.as_ref(), &how.which).await?;
        let (sender, said) = watch::channel(Arc::new(Said::of(&stock)));
        tokio::select! {
            result = self.serve_on(&interface, how.port, &said) => result,
            result = self.keep_fresh(api.as_ref(), stock, &sender, FRESH_EVERY) => result,
        }
    }

    /// Says it at the addresses of the interface, whatever becomes of those.
    async fn serve_on(&self, interface: &str, port: u16, said: &watch::Receiver<Arc<Said>>) -> Result<(), Failure> {
        let changes = Changes::listen()?;
        let places = Places::default();
        loop {
            let here = OnLink::of(interface)?;
            let listeners = listen(&here.sockets(port)).await?;
            let Some(at) = listeners.first().map(TcpListener::local_addr).transpose().context("failed to listen")?
            else {
                self.output.note(&format!("{interface} has no address yet; waiting for one"));
                until_changed(&changes, interface, None).await?;
                continue;
            };
            let addresses: Vec<_> = listeners.iter().filter_map(|it| Some(it.local_addr().ok()?.ip())).collect();
            // An address of IPv6 that is not one yet becomes one.
            let complete = Some(&here).filter(|here| here.sockets(port).len() == listeners.len());
            let announced = Announced::tell(interface, &addresses, at.port())?;
            let now = Arc::clone(&said.borrow());
            let fields = json!({
                "network": now.network().id, "ssid": now.network().ssid, "messages": now.len(),
                "interface": interface, "addresses": addresses, "port": at.port(),
            });
            self.output.event("serving", fields, &format!("{now}, said at {at}"));
            tokio::select! {
                never = http::serve(listeners, said.clone(), places.clone()) => match never {},
                never = self.say_when_told(&announced) => match never {},
                changed = until_changed(&changes, interface, complete) => changed?,
            }
        }
    }

    async fn say_when_told(&self, announced: &Announced) -> Infallible {
        match timeout(TOLD_WITHIN, announced.told()).await {
            Ok(()) => self.output.event("announced", json!({}), "the network has been told, by multicast DNS"),
            Err(_) => self.output.note("the network could not be told by multicast DNS: no guest will look here"),
        }
        pending().await
    }
}

/// Listens at each of these, if it is an address already; with port 0 all get the same one.
async fn listen(sockets: &[SocketAddr]) -> Result<Vec<TcpListener>, Failure> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for socket in sockets {
        let port = listeners.first().and_then(|first| first.local_addr().ok()).map_or(socket.port(), |at| at.port());
        let mut socket = *socket;
        socket.set_port(port);
        match TcpListener::bind(socket).await {
            Ok(listener) => listeners.push(listener),
            // IPv6 looks first whether somebody has it.
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {}
            Err(error) => {
                return Err(anyhow!("failed to listen at {socket}: {error}; --port names another port").into());
            }
        }
    }
    Ok(listeners)
}

/// Waits until the interface has other addresses than these; if it is not known which, until something has changed.
async fn until_changed(changes: &Changes, interface: &str, here: Option<&OnLink>) -> anyhow::Result<()> {
    loop {
        changes.next().await?;
        if here != Some(&OnLink::of(interface)?) {
            return Ok(());
        }
    }
}

/// How often to ask the server whether something has changed.
const FRESH_EVERY: Duration = Duration::from_secs(300);
/// It is made sure three times that nobody else has our name.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
