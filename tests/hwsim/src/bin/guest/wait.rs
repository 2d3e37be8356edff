//! Waiting for something to become true, with a limit.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Asks again and again until there is an answer.
///
/// # Errors
/// When there is none in time; at once when asking fails.
pub(crate) fn until<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().with_context(|| format!("waited until {what}"))? {
            return Ok(answer);
        }
        ensure!(Instant::now() < deadline, "waited {limit:?} in vain until {what}");
        thread::sleep(PAUSE);
    }
}

/// Short enough not to stretch a story, long enough to leave the emulated processor to others.
const PAUSE: Duration = Duration::from_millis(100);
