//! Shows messages as notifications of the desktop.
//!
//! In: a message. Out: `Notify` of org.freedesktop.Notifications, on the session bus. There is no button: nothing can be run
//! by a message, and its link is text. A desktop that reads markup gets the text escaped.

use crate::output::printable;
use crate::verify::{Message, Proof};
use anyhow::{Context as _, anyhow};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;
use zbus::{Connection, Proxy, Variant};

/// The desktop of this session.
#[derive(Debug)]
pub struct Desktop {
    proxy: Proxy<'static>,
    reads_markup: bool,
}

impl Desktop {
    /// Finds it.
    ///
    /// # Errors
    /// When there is no session, or nobody in it shows notifications.
    pub async fn open() -> anyhow::Result<Self> {
        let open = async {
            let connection = Connection::session().await.context("there is no session bus")?;
            let proxy = Proxy::new_owned(connection, SERVICE, PATH, SERVICE).await?;
            let can: Vec<String> = proxy.call("GetCapabilities", &()).await.context("nobody shows notifications")?;
            Ok(Self { proxy, reads_markup: can.iter().any(|can| can == "body-markup") })
        };
        timeout(WITHIN, open).await.unwrap_or_else(|_| Err(anyhow!("the desktop does not answer")))
    }

    /// Shows a message.
    ///
    /// # Errors
    /// When the desktop does not take it.
    pub async fn show(&self, message: &Message) -> anyhow::Result<()> {
        let (title, body) = (printable(&message.content.title), body(message, self.reads_markup));
        let (actions, hints) = (Vec::<&str>::new(), BTreeMap::<&str, Variant<'_>>::new());
        let arguments = ("welcome", 0_u32, "", title.as_str(), body.as_str(), actions, hints, DESKTOPS_OWN);
        let notify = self.proxy.call::<_, _, u32>("Notify", &arguments);
        timeout(WITHIN, notify)
            .await
            .map_err(|_| anyhow!("the desktop does not answer"))?
            .context("it is not shown")?;
        Ok(())
    }
}

fn body(message: &Message, as_markup: bool) -> String {
    let mut lines: Vec<String> = message.content.text.lines().map(printable).collect();
    lines.extend(message.content.link.as_deref().map(printable));
    if message.proof == Proof::None {
        lines.push(format!("({})", message.proof.as_text()));
    }
    let text = lines.join("\n");
    if !as_markup {
        return text;
    }
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const SERVICE: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// How long it stays is the desktop's choice.
const DESKTOPS_OWN: i32 = -1;
const WITHIN: Duration = Duration::from_secs(2);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::verify::{Judge, Signer};
    use proptest::prelude::*;
    use welcome_proto::language::Preferred;

    fn message(text: &str) -> Message {
        let offer = serde_json::json!({
            "id": "a", "sender": "sharer", "title": "t", "text": text, "link": "https://a.example/?a=1&b=2"
        });
        let judge = Judge { signer: Signer::Unknown, preferred: Preferred::default() };
        judge.of_router(serde_json::from_value(offer).unwrap(), 0).unwrap()
    }

    #[test]
    fn a_link_is_text_and_what_nobody_vouches_for_is_marked() {
        assert_eq!(body(&message("one\ntwo"), false), "one\ntwo\nhttps://a.example/?a=1&b=2\n(not verified)");
        assert_eq!(
            body(&message("<b>&</b>"), true),
            "&lt;b&gt;&amp;&lt;/b&gt;\nhttps://a.example/?a=1&amp;b=2\n(not verified)"
        );
    }

    proptest! {
        #[test]
        fn no_text_becomes_markup(text in "\\PC{0,100}") {
            let body = body(&message(&text), true);
            prop_assert!(!body.contains(['<', '>']));
            let entities = body.matches("&amp;").count() + body.matches("&lt;").count() + body.matches("&gt;").count();
            prop_assert_eq!(body.matches('&').count(), entities);
        }
    }
}
