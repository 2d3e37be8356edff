//! Hears what any process of this server tells by PostgreSQL's NOTIFY, and passes it to the streams of this one.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;

use crate::http::App;
use crate::signal::Signal;

/// The channel of NOTIFY.
pub(crate) const CHANNEL: &str = "welcome";

/// Listens for good. After a broken connection all streams of this process look anew: they may have missed something.
pub(crate) async fn run(app: Arc<App>, url: &str) {
    loop {
        if let Err(error) = listen(&app, url).await {
            tracing::warn!(%error, "cannot hear the other processes; trying again");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

const AGAIN: Duration = Duration::from_secs(1);

async fn listen(app: &App, url: &str) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    loop {
        app.hub.changed_for_all();
        // `None`: the connection was lost, and there is another.
        while let Some(notification) = listener.try_recv().await? {
            match notification.payload().parse::<Signal>() {
                Ok(signal) => app.hear(signal).await,
                Err(error) => tracing::warn!(%error, "did not understand another process"),
            }
        }
    }
}
