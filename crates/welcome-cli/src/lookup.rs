//! Looks up in the directory: what is shared around a place, what of this is shared, or all there is.
//!
//! In: a question. Out: entries, unsigned: they are as good as the connection they came by. For what is in no snapshot
//! (networks without a place, directories without snapshots), and for who asks about what it hears.

use crate::directory::{Directory, JSON, json};
use crate::kept::{Kept, MAX_ENTRIES, now};
use anyhow::bail;
use reqwest::header::ETAG;
use reqwest::{StatusCode, Url};
use welcome_proto::Bssid;
use welcome_proto::announce::Place;
use welcome_proto::lookup::{BssidQuery, ListEntry, Listing, MAX_BSSIDS, PAGE};

/// What the directory answered.
#[derive(Debug)]
pub enum Fetched {
    /// This is the list.
    New(Kept),
    /// The kept one still holds.
    Unchanged,
    /// There is more than `most`.
    TooMuch,
}

/// Fetches what is around a place, or all there is; at most so many entries of it.
///
/// # Errors
/// When the server cannot be reached, refuses, or answers with something else or without end.
pub async fn fetch(
    directory: &Directory,
    place: Option<Place>,
    kept: Option<&Kept>,
    most: usize,
) -> anyhow::Result<Fetched> {
    let first = first_page(directory, place);
    let known = kept.filter(|kept| kept.from == first.as_str()).and_then(|kept| kept.etag.clone());
    let most = most.min(MAX_ENTRIES);
    let mut entries: Vec<ListEntry> = Vec::new();
    let mut etag = None;
    let mut page = first.clone();
    for number in 0..=most / PAGE {
        let response = directory.get(page, JSON, known.as_deref().filter(|_| number == 0)).await?;
        if response.status() == StatusCode::NOT_MODIFIED && number == 0 && known.is_some() {
            return Ok(Fetched::Unchanged);
        }
        if number == 0 {
            etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        }
        let listing: Listing = json(response, MAX_PAGE).await?;
        if listing.entries.len() + entries.len() > most {
            return Ok(Fetched::TooMuch);
        }
        entries.extend(listing.entries);
        let Some(next) = listing.next else {
            // A tag speaks for one page.
            let etag = etag.filter(|_| number == 0);
            return Ok(Fetched::New(Kept { version: 1, fetched: now(), from: first.into(), etag, entries }));
        };
        page = first.clone();
        page.query_pairs_mut().append_pair("after", &next);
    }
    if entries.len() < most / 2 {
        bail!("the directory's list has no end");
    }
    Ok(Fetched::TooMuch)
}

/// Asks which of these are shared. It tells the server what is heard.
///
/// # Errors
/// As for [`fetch`].
pub async fn ask(directory: &Directory, bssids: impl Iterator<Item = Bssid>) -> anyhow::Result<Vec<ListEntry>> {
    let query = BssidQuery { bssids: bssids.take(MAX_BSSIDS).collect() };
    let response = directory.post(directory.url("/v1/lookup/bssids"), &query).await?;
    let mut listing: Listing = json(response, MAX_PAGE).await?;
    listing.entries.retain(|entry| query.bssids.contains(&entry.bssid));
    Ok(listing.entries)
}

fn first_page(directory: &Directory, place: Option<Place>) -> Url {
    match place {
        None => directory.url("/v1/lookup/list"),
        Some(Place { lat, lon }) => {
            let mut url = directory.url("/v1/lookup/place");
            url.query_pairs_mut().append_pair("lat", &lat.to_string()).append_pair("lon", &lon.to_string());
            url
        }
    }
}

/// A page has at most 1000 entries of some 250 bytes.
const MAX_PAGE: usize = 4 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_in_the_query() {
        let directory = Directory::new(&"https://a/b/".parse().unwrap(), None, None).unwrap();
        assert_eq!(first_page(&directory, None).as_str(), "https://a/b/v1/lookup/list");
        let place = first_page(&directory, Some("48.1,-11.5".parse().unwrap()));
        assert_eq!(place.as_str(), "https://a/b/v1/lookup/place?lat=48.1&lon=-11.5");
    }
}
