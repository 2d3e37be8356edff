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

/// Joins a network, and once or twice more if it is protected by OWE and gave no address: the keys of OWE can take an emulated
/// processor longer than the kernel waits until it repeats its request, and hostapd then forgets what was agreed upon. A
/// person would try again, too.
///
/// # Errors
/// When joining fails in another way.
pub(crate) fn patiently<T>(
    security: &str,
    mut join: impl FnMut() -> Result<T>,
    has_no_address: impl Fn(&T) -> bool,
) -> Result<T> {
    let mut more = if security == "owe" { 2 } else { 0 };
    loop {
        let joined = join()?;
        if more == 0 || !has_no_address(&joined) {
            return Ok(joined);
        }
        more -= 1;
    }
}

/// Short enough not to stretch a story, long enough to leave the emulated processor to others.
const PAUSE: Duration = Duration::from_millis(100);
