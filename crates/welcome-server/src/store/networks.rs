//! What routers announce.

use std::collections::BTreeMap;

use sqlx::{Any, AssertSqlSafe, Transaction};
use welcome_proto::announce::{AnnouncedBss, AnnouncedNetwork, Security};
use welcome_proto::{Mark, NetworkId, RouterId, Secret};

use super::left_out::put_left_out;
use super::registrations::{How, register};
use super::{Result, Store, StoreError, bssid_number, int, many, read_id, read_u64};
use crate::ids::OrgId;
use crate::place;
use crate::seal::Seal;

/// What became of an announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// It is the list from now on.
    Taken,
    /// The server has a list of this generation, which is not older.
    Stale(u64),
    /// There is no such router.
    UnknownRouter,
}

impl Store {
    /// Puts this list in the place of the router's former one, if it is newer. Of what is left out the marks are kept.
    pub(crate) async fn announce(
        &self,
        seal: &Seal,
        router: &RouterId,
        generation: u64,
        networks: &[AnnouncedNetwork],
        left_out: &BTreeMap<NetworkId, Mark>,
        now: u64,
    ) -> Result<Announced> {
        let mut tx = self.begin().await?;
        let held: Option<(Option<i64>, String, i64)> =
            sqlx::query_as("UPDATE routers SET seen = $2 WHERE id = $1 RETURNING generation, org, vouched")
                .bind(router.as_str())
                .bind(int(now))
                .fetch_optional(&mut *tx)
                .await?;
        let (org, vouched): (OrgId, bool) = match held {
            None => return Ok(Announced::UnknownRouter),
            Some((Some(held), ..)) if held >= int(generation) => {
                return Ok(Announced::Stale(read_u64(held, "generation")?));
            }
            Some((_, org, vouched)) => (read_id(&org, "organisation")?, vouched != 0),
        };
        sqlx::query("UPDATE routers SET generation = $2, announced = $3 WHERE id = $1")
            .bind(router.as_str())
            .bind(int(generation))
            .bind(int(now))
            .execute(&mut *tx)
            .await?;
        put_networks(&mut tx, seal, router, networks).await?;
        put_left_out(&mut tx, router, left_out).await?;
        if vouched {
            let bssids = networks.iter().flat_map(|n| &n.bss).map(|b| b.bssid).collect();
            register(&mut tx, self.dialect(), &org, &bssids, How::Vouched, now).await?;
        }
        tx.commit().await?;
        Ok(Announced::Taken)
    }
}

/// Makes these the networks of a router. Those that stay keep their row, on which an open challenge hangs.
pub(super) async fn put_networks(
    tx: &mut Transaction<'_, Any>,
    seal: &Seal,
    router: &RouterId,
    networks: &[AnnouncedNetwork],
) -> Result<()> {
    let before: Vec<(String,)> =
        sqlx::query_as("SELECT id FROM networks WHERE router = $1").bind(router.as_str()).fetch_all(&mut **tx).await?;
    let stay: BTreeMap<_, _> = networks.iter().map(|n| (n.id.as_str(), n)).collect();
    for (gone,) in before.iter().filter(|(id,)| !stay.contains_key(id.as_str())) {
        sqlx::query("DELETE FROM networks WHERE router = $1 AND id = $2")
            .bind(router.as_str())
            .bind(gone)
            .execute(&mut **tx)
            .await?;
    }
    sqlx::query("DELETE FROM bss WHERE router = $1").bind(router.as_str()).execute(&mut **tx).await?;
    for network in networks {
        put_network(tx, seal, router, network).await?;
    }
    Ok(())
}

async fn put_network(
    tx: &mut Transaction<'_, Any>,
    seal: &Seal,
    router: &RouterId,
    network: &AnnouncedNetwork,
) -> Result<()> {
    let place_of_key = key_place(router.as_str(), network.id.as_str());
    let sealed = network.key.as_ref().map(|key| seal.seal(&place_of_key, key.reveal().as_bytes()));
    sqlx::query(
        "INSERT INTO networks (router, id, ssid, security, sealed_key, cell5, cell9, lat, lon)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (router, id) DO UPDATE SET ssid = $3, security = $4, sealed_key = $5, cell5 = $6, cell9 = $7,
             lat = $8, lon = $9",
    )
    .bind(router.as_str())
    .bind(network.id.as_str())
    .bind(network.ssid.as_bytes())
    .bind(security_name(network.security))
    .bind(sealed)
    .bind(network.place.map(place::region))
    .bind(network.place.map(place::fine))
    .bind(network.place.map(|p| p.lat))
    .bind(network.place.map(|p| p.lon))
    .execute(&mut **tx)
    .await?;
    put_bss(tx, router, &network.id, &network.bss).await
}

/// Adds radios of a network.
pub(super) async fn put_bss(
    tx: &mut Transaction<'_, Any>,
    router: &RouterId,
    network: &NetworkId,
    bss: &[AnnouncedBss],
) -> Result<()> {
    if bss.is_empty() {
        return Ok(());
    }
    let sql = format!("INSERT INTO bss (router, network, bssid, freq) VALUES {}", many(bss.len(), 2, 2));
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(router.as_str()).bind(network.as_str());
    for bss in bss {
        query = query.bind(bssid_number(bss.bssid)).bind(bss.freq.map(i64::from));
    }
    query.execute(&mut **tx).await?;
    Ok(())
}

/// Where a network's key is sealed for.
pub(super) fn key_place(router: &str, network: &str) -> String {
    format!("network {router} {network}")
}

/// Opens a network's key.
pub(super) fn open_key(seal: &Seal, router: &str, network: &str, sealed: &[u8]) -> Result<Secret> {
    let key = seal.open(&key_place(router, network), sealed)?;
    String::from_utf8(key).map(Secret::new).map_err(|_| StoreError::Unreadable("key of a network"))
}

pub(super) fn security_name(security: Security) -> &'static str {
    match security {
        Security::Open => "open",
        Security::Owe => "owe",
        Security::Psk => "psk",
        Security::PskSae => "psk-sae",
        Security::Sae => "sae",
    }
}

pub(super) fn read_security(name: &str) -> Result<Security> {
    [Security::Open, Security::Owe, Security::Psk, Security::PskSae, Security::Sae]
        .into_iter()
        .find(|s| security_name(*s) == name)
        .ok_or(StoreError::Unreadable("kind of security"))
}
