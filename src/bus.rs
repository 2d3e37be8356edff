//! The connection to ubus, on a thread of its own.
//!
//! hostapd waits for whoever has subscribed to some of its notifications, up to a second for each: a thread that does
//! nothing but this answers in time whatever the rest of the agent is busy with. Without ubusd the client tries again
//! until there is one; what asks over it meanwhile is told so.

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::sync::oneshot;
use tokio_ubus::Client;

use crate::tasks::Tasks;

/// The reader's own; it recurses nowhere.
const STACK: usize = 128 * 1024;

/// What a method that needs none is called with.
#[derive(Debug, serde::Serialize)]
pub struct NoArguments {}

/// Connects to the ubusd that listens at `socket`, now or later. Ends when the last handle is gone.
///
/// # Errors
/// If the thread cannot be started.
pub fn start(socket: &Path, tasks: &mut Tasks) -> anyhow::Result<Client> {
    let (client, driver) = tokio_ubus::connect(socket);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start ubus' runtime")?;
    let (alive, ended) = oneshot::channel::<()>();
    let work = move || {
        runtime.block_on(driver.run());
        drop(alive);
    };
    std::thread::Builder::new().name("ubus".to_owned()).stack_size(STACK).spawn(work).context("start ubus' thread")?;
    let mut stop = tasks.stop_signal();
    tasks.spawn("bus", async move {
        tokio::select! {
            () = stop.stopped() => Ok(()),
            // Its sender is only ever dropped: at the thread's end, or its panic.
            _ = ended => bail!("keep the thread of ubus running"),
        }
    });
    Ok(client)
}
