//! `welcome watch`: joins, stays, and joins again.

use crate::cli::Join;
use crate::connect::is_joined;
use crate::exit::Failure;
use crate::receive::Until;
use crate::run::Run;
use crate::scan::Wpa;
use crate::undo::Undo;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use wpa_ctrl::{Event, Notice};

impl Run<'_> {
    pub(crate) async fn watch(&self, how: &Join, undo: &mut Undo) -> Result<(), Failure> {
        let mut pause = PAUSE_LEAST;
        let mut has_joined = false;
        loop {
            let began = Instant::now();
            let visit = async {
                let mut receiver = self.receiver(&how.wait);
                let mut wpa = self.wpa().await?;
                let (id, entry) = self.join(&mut wpa, how, undo).await?;
                has_joined = true;
                self.prepare(&mut receiver, &how.wait, Some(&entry), Until::Bye).await?;
                let receiving = self.with_dhcp(how, receiver.receive(Until::Bye, how.wait.wait));
                tokio::select! {
                    result = receiving => result,
                    result = lost(&mut wpa, id) => result,
                }
            };
            match visit.await {
                Ok(()) => self.output.note("the visit has ended; looking again"),
                // Waiting mends neither the arguments nor, when it never worked, the system.
                Err(failure @ (Failure::Usage(_) | Failure::NoList(_) | Failure::Other(_))) if !has_joined => {
                    return Err(failure);
                }
                Err(failure) => self.output.note(&failure.to_string()),
            }
            self.put_back(undo).await;
            pause = if began.elapsed() > PAUSE_MOST { PAUSE_LEAST } else { (pause * 2).min(PAUSE_MOST) };
            sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        }
    }
}

/// Waits until the connection has been lost for longer than wpa_supplicant needs to mend it.
async fn lost(wpa: &mut Wpa, id: u32) -> Result<(), Failure> {
    let mut down = false;
    loop {
        let notice = if down {
            match timeout(MEND, wpa.events.recv()).await {
                Ok(notice) => notice,
                Err(_) if is_joined(wpa, id).await? => {
                    down = false;
                    continue;
                }
                Err(_) => return Ok(()),
            }
        } else {
            wpa.events.recv().await
        };
        match notice {
            Notice::Event { event: Event::Connected { .. }, .. } => down = false,
            Notice::Event { event: Event::Disconnected { .. }, .. } => down = true,
            Notice::Event { .. } => {}
            Notice::Lagged(_) => down = !is_joined(wpa, id).await?,
            Notice::Gone(reason) => return Err(wpa_ctrl::Error::Gone(reason).into()),
        }
    }
}

const PAUSE_LEAST: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(30);
/// How long wpa_supplicant may take to join again by itself.
const MEND: Duration = Duration::from_secs(10);
