//! What one asks hostapd.
//!
//! In: a [`Control`] on a bss. Out: its radio and its stations. All are questions but [`set_ssid`].

use crate::reply::{Radio, Station};
use crate::text::{format_hex, format_mac};
use crate::{Control, Error, Mac};

/// The radio that the bss belongs to, with all its bss.
///
/// # Errors
/// As [`Control::ask`]; [`Error::Nonsense`] when the answer is no status.
pub async fn status(control: &mut Control) -> Result<Radio, Error> {
    Radio::parse(&control.ask("STATUS").await?)
        .ok_or(Error::Nonsense { command: "STATUS".into(), why: "it holds no state" })
}

/// All stations of the bss, also those that are in the middle of their handshake.
///
/// hostapd has no command that lists them: one asks for the first, and then each time for the one after
/// the last. When that one has left meanwhile, hostapd cannot say who comes after it, and the walk
/// begins again. Whoever stayed throughout is in the answer, once; whoever came or left meanwhile may be or not.
///
/// # Errors
/// As [`Control::ask`]; [`Error::Nonsense`] for an answer that is no station, for more than
/// [`MAX_STATIONS`], or when the list changed under the walk [`MAX_WALKS`] times.
pub async fn stations(control: &mut Control) -> Result<Vec<Station>, Error> {
    for _ in 0..MAX_WALKS {
        if let Some(stations) = walk(control).await? {
            return Ok(stations);
        }
    }
    Err(nonsense("stations left faster than they could be counted"))
}

/// One station; `None` when hostapd does not know it.
///
/// # Errors
/// As [`Control::ask`]; [`Error::Nonsense`] when the answer is no station.
pub async fn station(control: &mut Control, mac: &Mac) -> Result<Option<Station>, Error> {
    let answer = control.request(&format!("STA {}", format_mac(mac))).await?;
    if answer.starts_with("FAIL") {
        return Ok(None);
    }
    Station::parse(&answer).map(Some).ok_or_else(|| nonsense("it is no station"))
}

/// Gives the bss another name, until the next start or reload of hostapd: with its address, its keys and its stations
/// as they are. Whoever looks for the old name finds it no more. Keys that hostapd has derived from a passphrase and the
/// name stay those of the name it started with.
///
/// # Errors
/// As [`Control::order`].
pub async fn set_ssid(control: &mut Control, ssid: &[u8]) -> Result<(), Error> {
    // In hexadecimal every name is possible.
    control.order(&format!("SET ssid2 {}", format_hex(ssid))).await?;
    control.order("UPDATE_BEACON").await
}

/// More than any access point has.
pub const MAX_STATIONS: usize = 2048;

/// How often the walk over the stations begins again.
pub const MAX_WALKS: usize = 5;

/// `None` when the station that we stood on has left.
async fn walk(control: &mut Control) -> Result<Option<Vec<Station>>, Error> {
    let mut stations: Vec<Station> = Vec::new();
    loop {
        let answer = match stations.last() {
            None => control.ask("STA-FIRST").await?,
            Some(last) => control.request(&format!("STA-NEXT {}", format_mac(&last.mac))).await?,
        };
        if answer.is_empty() {
            return Ok(Some(stations));
        }
        if answer.starts_with("FAIL") {
            return Ok(None);
        }
        if stations.len() == MAX_STATIONS {
            return Err(nonsense("there is no end to the stations"));
        }
        stations.push(Station::parse(&answer).ok_or_else(|| nonsense("it is no station"))?);
    }
}

fn nonsense(why: &'static str) -> Error {
    Error::Nonsense { command: "STA-NEXT".into(), why }
}
