//! What is shared: written by announces, read by look-ups.

use sqlx::{Sqlite, Transaction};
use welcome_proto::announce::{AnnouncedNetwork, Security};
use welcome_proto::lookup::{Assurance, ListEntry};
use welcome_proto::{RouterId, Secret, Ssid};

use super::{Result, Store, int, length, read_id, read_u64};
use crate::place;
use crate::store::{Announced, Cursor, StoreError, Which, bssid_from_number, bssid_number};

impl Store {
    /// Puts this list in the place of the router's former one, if it is newer.
    pub(crate) async fn announce(
        &self,
        router: &RouterId,
        generation: u64,
        networks: &[AnnouncedNetwork],
    ) -> Result<Announced> {
        let mut tx = self.begin().await?;
        let held: Option<(Option<i64>,)> = sqlx::query_as("SELECT generation FROM routers WHERE id = ?")
            .bind(router.as_str())
            .fetch_optional(&mut *tx)
            .await?;
        match held {
            None => return Ok(Announced::UnknownRouter),
            Some((Some(held),)) if held >= int(generation) => {
                return Ok(Announced::Stale(read_u64(held, "generation")?));
            }
            Some(_) => {}
        }
        sqlx::query("UPDATE routers SET generation = ? WHERE id = ?")
            .bind(int(generation))
            .bind(router.as_str())
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM networks WHERE router = ?").bind(router.as_str()).execute(&mut *tx).await?;
        for network in networks {
            insert_network(&mut tx, router, network).await?;
        }
        tx.commit().await?;
        Ok(Announced::Taken)
    }

    /// The listed networks after `after`, at most `limit` of them, in order of BSSID, each with its place in the list.
    pub(crate) async fn list(
        &self,
        which: &Which,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Vec<(Cursor, ListEntry)>> {
        type Row = (i64, String, String, Vec<u8>, String, Option<String>, bool);
        // A self-attested network's key does not leave the database.
        macro_rules! listing {
            ($condition:literal) => {
                concat!(
                    "SELECT b.bssid, b.router, b.network, n.ssid, n.security, CASE WHEN r.vouched THEN n.key END,
                         r.vouched
                     FROM bss b
                     JOIN networks n ON n.router = b.router AND n.id = b.network
                     JOIN routers r ON r.id = b.router
                     WHERE (b.bssid, b.router, b.network) > (?, ?, ?) AND ",
                    $condition,
                    " ORDER BY b.bssid, b.router, b.network LIMIT ?"
                )
            };
        }
        let (sql, argument) = match which {
            Which::All => (listing!("? = ''"), String::new()),
            Which::Region(cell) => (listing!("n.cell5 = CAST(? AS INTEGER)"), cell.to_string()),
            Which::Cells(cells) => (listing!("n.cell9 IN (SELECT value FROM json_each(?))"), json_numbers(cells)),
            Which::Bssids(bssids) => {
                let numbers: Vec<_> = bssids.iter().copied().map(bssid_number).collect();
                (listing!("b.bssid IN (SELECT value FROM json_each(?))"), json_numbers(&numbers))
            }
        };
        let rows: Vec<Row> = sqlx::query_as(sql)
            .bind(after.map_or(-1, |c| bssid_number(c.bssid)))
            .bind(after.map_or("", |c| c.router.as_str()))
            .bind(after.map_or("", |c| c.network.as_str()))
            .bind(argument)
            .bind(length(limit))
            .fetch_all(&self.read)
            .await?;
        rows.into_iter()
            .map(|(bssid, router, network, ssid, security, key, vouched)| {
                let bssid =
                    bssid_from_number(read_u64(bssid, "BSSID")?).map_err(|_| StoreError::Unreadable("BSSID"))?;
                let entry = ListEntry {
                    bssid,
                    ssid: Ssid::new(&ssid).map_err(|_| StoreError::Unreadable("SSID"))?,
                    security: read_security(&security)?,
                    key: key.map(Secret::new),
                    // All that one router announces is heard together.
                    area: read_id(&router, "router id")?,
                    assurance: if vouched { Assurance::Vouched } else { Assurance::SelfAttested },
                };
                let cursor =
                    Cursor { bssid, router: read_id(&router, "router id")?, network: read_id(&network, "network id")? };
                Ok((cursor, entry))
            })
            .collect()
    }
}

async fn insert_network(tx: &mut Transaction<'_, Sqlite>, router: &RouterId, network: &AnnouncedNetwork) -> Result<()> {
    sqlx::query("INSERT INTO networks (router, id, ssid, security, key, cell5, cell9) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(router.as_str())
        .bind(network.id.as_str())
        .bind(network.ssid.as_bytes())
        .bind(security_name(network.security))
        .bind(network.key.as_ref().map(Secret::reveal))
        .bind(network.place.map(place::region))
        .bind(network.place.map(place::fine))
        .execute(&mut **tx)
        .await?;
    for bss in &network.bss {
        sqlx::query("INSERT INTO bss (bssid, router, network, freq) VALUES (?, ?, ?, ?)")
            .bind(bssid_number(bss.bssid))
            .bind(router.as_str())
            .bind(network.id.as_str())
            .bind(bss.freq)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

fn json_numbers(numbers: &[i64]) -> String {
    let texts: Vec<_> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", texts.join(","))
}

fn security_name(security: Security) -> &'static str {
    match security {
        Security::Open => "open",
        Security::Owe => "owe",
        Security::Psk => "psk",
        Security::PskSae => "psk-sae",
        Security::Sae => "sae",
    }
}

fn read_security(name: &str) -> Result<Security> {
    [Security::Open, Security::Owe, Security::Psk, Security::PskSae, Security::Sae]
        .into_iter()
        .find(|s| security_name(*s) == name)
        .ok_or(StoreError::Unreadable("kind of security"))
}
