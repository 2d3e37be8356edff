//! `welcome scan`: shows what is on the air, and what of it is listed.

use crate::exit::Failure;
use crate::radio::Radio;
use crate::run::Run;
use serde_json::json;
use welcome_client::{Recognised, Sighting, recognise};

impl Run<'_> {
    pub(crate) async fn scan(&self, radio: &mut Radio) -> Result<(), Failure> {
        self.output.doing("scanning");
        let heard = radio.scan(&self.common.freq).await?;
        let list = self.ask_about(&heard, self.kept_list()).await?;
        let Recognised { candidates, refused } = recognise(&heard, &list, &self.policy());
        let mut heard: Vec<&Sighting> = heard.iter().collect();
        heard.sort_by_key(|sighting| (-i64::from(sighting.signal), sighting.bssid));
        for sighting in heard {
            let listed = if candidates.iter().any(|candidate| candidate.sighting == *sighting) {
                "listed".to_owned()
            } else {
                let why = refused.iter().find(|(other, _)| other == sighting);
                why.map_or_else(String::new, |(_, refusal)| format!("listed, but {refusal}"))
            };
            let Sighting { bssid, ssid, security, signal, freq } = sighting;
            let name = ssid.as_ref().map_or_else(|| "(hidden)".to_owned(), ToString::to_string);
            let fields = json!({
                "bssid": bssid, "ssid": ssid, "security": security, "signal": signal, "freq": freq,
                "listed": !listed.is_empty(), "usable": listed == "listed",
            });
            self.output.item("scan", fields, format!("{bssid} {signal:4} dBm {freq} MHz  {name}  {listed}").trim_end());
        }
        Ok(())
    }
}
