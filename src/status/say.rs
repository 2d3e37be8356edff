//! Something to say to guests who are here: the arguments of the object's method `say`, made an offer. Pure.
//!
//! In: what the caller wrote. Out: the offer and to whom, or what is wrong with it, in words for the caller.

use std::time::Duration;

use serde::Deserialize;
use tokio_ubus::Status;
use welcome_core::{Audience, View};
use welcome_proto::offer::Offer;
use welcome_proto::{IdError, Mac, NetworkId};

/// The arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Say {
    network: Option<String>,
    station: Option<String>,
    #[serde(default)]
    title: String,
    #[serde(default)]
    text: String,
    link: Option<String>,
}

/// Why something is not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The answer's status.
    pub status: Status,
    /// For the caller.
    pub problem: String,
}

impl Say {
    /// To whom it is said, and how many guests that are.
    ///
    /// # Errors
    /// If nobody or more than one is named, or there is no such network or guest.
    pub fn audience(&self, view: &View) -> Result<(Audience, usize), Refusal> {
        let here = view.sessions.values().filter(|s| s.guest && s.on_air);
        match (&self.network, &self.station) {
            (Some(network), None) => {
                let id: NetworkId = network.parse().map_err(|error| wrong("network", &error))?;
                if !view.networks.contains_key(&id) {
                    return Err(not_found(format!("network: there is none called {id}")));
                }
                let guests = here.filter(|s| s.network == id).count();
                Ok((Audience::Network(id), guests))
            }
            (None, Some(station)) => {
                let mac: Mac = station.parse().map_err(|error| wrong("station", &error))?;
                match here.filter(|s| s.mac == mac).count() {
                    0 => Err(not_found("station: it is no guest who is here".to_owned())),
                    guests => Ok((Audience::Station(mac), guests)),
                }
            }
            _ => Err(invalid("network, station: exactly one of them is needed".to_owned())),
        }
    }

    /// What is said. The offer's name is made of the time of day and of how many things were said before.
    ///
    /// # Errors
    /// If a limit of offers is broken.
    pub fn offer(self, unix: Duration, nth: u32) -> Result<Offer, Refusal> {
        let Self { title, text, link, .. } = self;
        let id = format!("say-{:x}-{nth}", unix.as_millis()).parse();
        let mut offer = Offer::new(id.map_err(|error| wrong("say", &error))?, title);
        offer.content.text = text;
        // An empty link is how some callers leave it out.
        offer.content.link = link.filter(|l| !l.is_empty());
        offer.check().map_err(|error| invalid(error.to_string()))?;
        Ok(offer)
    }
}

fn wrong(argument: &str, error: &IdError) -> Refusal {
    invalid(format!("{argument}: {error}"))
}

fn invalid(problem: String) -> Refusal {
    Refusal { status: Status::InvalidArgument, problem }
}

fn not_found(problem: String) -> Refusal {
    Refusal { status: Status::NotFound, problem }
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::*;

    fn say(network: Option<&str>, station: Option<&str>) -> Say {
        let [network, station] = [network, station].map(|text| text.map(str::to_owned));
        Say { network, station, title: "Closing soon".to_owned(), ..Say::default() }
    }

    #[test]
    fn exactly_one_audience_must_be_there() {
        let view = source().view();
        let audience = |network, station| say(network, station).audience(&view).map_err(|refusal| refusal.status);
        assert_eq!(audience(Some("cafe"), None), Ok((Audience::Network("cafe".parse().unwrap()), 1)));
        assert_eq!(audience(Some("yard"), None).map(|(_, guests)| guests), Ok(0));
        let mac = Mac([2, 0, 0, 0, 1, 0]);
        assert_eq!(audience(None, Some("02:00:00:00:01:00")), Ok((Audience::Station(mac), 1)));
        for (network, station, status) in [
            (None, None, Status::InvalidArgument),
            (Some("cafe"), Some("02:00:00:00:01:00"), Status::InvalidArgument),
            (Some("the café"), None, Status::InvalidArgument),
            (None, Some("02-00-00-00-01-00"), Status::InvalidArgument),
            (Some("bar"), None, Status::NotFound),
            (None, Some("02:00:00:00:02:00"), Status::NotFound),
        ] {
            assert_eq!(audience(network, station), Err(status), "{network:?} {station:?}");
        }
    }

    #[test]
    fn what_is_said_keeps_to_the_limits_of_offers_and_has_a_name_of_its_own() {
        let offer = say(None, None).offer(Duration::from_millis(0x1a2b), 7).unwrap();
        assert_eq!((offer.id.as_str(), offer.cap_per_visit, &offer.content.link), ("say-1a2b-7", 1, &None));
        for (change, problem) in [
            (Say { title: String::new(), ..say(None, None) }, "title: 1 to 80 characters"),
            (Say { text: "x".repeat(2001), ..say(None, None) }, "text: at most 2000 characters"),
            (Say { link: Some("javascript:x".to_owned()), ..say(None, None) }, "link: "),
        ] {
            let refusal = change.offer(Duration::ZERO, 0).unwrap_err();
            assert!(refusal.status == Status::InvalidArgument && refusal.problem.starts_with(problem), "{refusal:?}");
        }
        let unlinked = Say { link: Some(String::new()), ..say(None, None) };
        assert_eq!(unlinked.offer(Duration::ZERO, 0).unwrap().content.link, None);
    }
}
