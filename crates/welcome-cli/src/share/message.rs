//! `welcome share offer`: the message of one network, shown, written, changed, or taken away.

use super::api::{Api, SharedNetwork};
use super::args::{Offer as Options, Until};
use super::choose::choose_ours;
use crate::exit::Failure;
use crate::run::Run;
use std::time::{SystemTime, UNIX_EPOCH};
use welcome_proto::offer::Offer;

impl Run<'_> {
    pub(super) async fn share_offer(&self, options: &Options) -> Result<(), Failure> {
        let api = Api::of_sharer(&self.common)?;
        let networks = api.networks().await?;
        // The air is asked only if it has to decide.
        let is_said = options.which.network.is_some() || networks.len() == 1;
        let heard = if is_said { Vec::new() } else { self.hear().await? };
        let network = choose_ours(&options.which, &networks, &heard)?;
        if options.remove {
            return self.remove_offer(&api, network, options).await;
        }
        let offers = api.offers(network).await?;
        if !options.says_something() {
            for offer in &offers {
                self.tell_offer("offer", network, offer);
            }
            if offers.is_empty() {
                self.output.note(&format!("nothing is shown at {} alone; --title begins a message", network.ssid));
            }
            return Ok(());
        }
        let former = offers.into_iter().find(|offer| offer.id == options.id);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let offer = changed(former, options, now)?;
        api.put_offer(network, &offer).await?;
        self.tell_offer("offer", network, &offer);
        Ok(())
    }

    async fn remove_offer(&self, api: &Api, network: &SharedNetwork, options: &Options) -> Result<(), Failure> {
        if !api.remove_offer(network, &options.id).await? {
            return Err(Failure::Usage(format!("{} has no message {}", network.network, options.id)));
        }
        let fields = serde_json::json!({ "network": network.network, "id": options.id });
        self.output.event("removed", fields, &format!("{} is shown no more", options.id));
        Ok(())
    }

    fn tell_offer(&self, name: &str, network: &SharedNetwork, offer: &Offer) {
        let until = offer.when.until.map(|until| format!(", until @{until}")).unwrap_or_default();
        let text = format!("{} at {}: {}{until}", offer.id, network.ssid, offer.content.title);
        let fields = serde_json::json!({ "router": network.router, "network": network.network, "offer": offer });
        self.output.item(name, fields, &text);
    }
}

/// The message as it is to be. What is not given stays.
fn changed(former: Option<Offer>, options: &Options, now: u64) -> Result<Offer, Failure> {
    let mut offer = match (former, &options.title) {
        (Some(offer), _) => offer,
        (None, Some(title)) => Offer::new(options.id.clone(), title.clone()),
        (None, None) => return Err(Failure::Usage("a new message needs --title".into())),
    };
    if let Some(title) = &options.title {
        offer.content.title.clone_from(title);
    }
    if let Some(text) = &options.text {
        offer.content.text.clone_from(text);
    }
    if let Some(link) = &options.link {
        offer.content.link = (!link.is_empty()).then(|| link.clone());
    }
    if let Some(priority) = options.priority {
        offer.priority = priority;
    }
    match options.until {
        None => {}
        Some(Until::Never) => offer.when.until = None,
        Some(Until::In(time)) => offer.when.until = Some(now.saturating_add(time.as_secs())),
        Some(Until::At(at)) => offer.when.until = Some(at),
    }
    offer.check().map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(offer)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::share::args::Share;
    use clap::Parser as _;

    fn options(args: &[&str]) -> Options {
        let cli = Cli::parse_from([&["welcome", "share", "offer"], args].concat());
        let Command::Share(Share::Offer(options)) = cli.command else { panic!("{args:?}") };
        options
    }

    #[test]
    fn what_is_not_given_stays_as_it_is() {
        let all = options(&["--title", "Soup", "--text", "Hot.", "--link", "https://a.example/", "--until", "1h"]);
        let first = changed(None, &all, 1000).unwrap();
        assert_eq!((first.id.as_str(), first.when.until, first.priority), ("welcome", Some(4600), 50));
        let second =
            changed(Some(first), &options(&["--text", "Cold.", "--link", "", "--priority", "60"]), 2000).unwrap();
        let content = &second.content;
        assert_eq!((content.title.as_str(), content.text.as_str(), &content.link), ("Soup", "Cold.", &None));
        assert_eq!((second.when.until, second.priority), (Some(4600), 60));
        assert_eq!(changed(Some(second), &options(&["--until", "never"]), 3000).unwrap().when.until, None);
    }

    #[test]
    fn what_breaks_a_limit_goes_nowhere() {
        for bad in [&["--text", "no title"][..], &["--title", ""], &["--title", "t", "--link", "gopher://a"]] {
            assert!(matches!(changed(None, &options(bad), 0), Err(Failure::Usage(_))), "{bad:?}");
        }
    }
}
