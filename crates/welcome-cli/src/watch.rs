//! `welcome watch`: joins, stays, and joins again.

use crate::cli::Join;
use crate::exit::Failure;
use crate::radio::{Event, Link, Radio, Stay};
use crate::receive::Until;
use crate::run::Run;
use anyhow::anyhow;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

impl Run<'_> {
    pub(crate) async fn watch(&self, how: &Join, radio: &mut Option<Radio>) -> Result<(), Failure> {
        let mut pause = PAUSE_LEAST;
        let mut has_joined = false;
        loop {
            let began = Instant::now();
            match self.visit(how, radio, &mut has_joined).await {
                Ok(()) => self.output.note("the visit has ended; looking again"),
                // Waiting mends neither the arguments nor, when it never worked, the system.
                Err(failure @ (Failure::Usage(_) | Failure::NoList(_) | Failure::Other(_))) if !has_joined => {
                    return Err(failure);
                }
                Err(failure) => self.output.note(&failure.to_string()),
            }
            self.put_back(radio).await;
            pause = if began.elapsed() > PAUSE_MOST { PAUSE_LEAST } else { (pause * 2).min(PAUSE_MOST) };
            sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        }
    }

    async fn visit(&self, how: &Join, radio: &mut Option<Radio>, has_joined: &mut bool) -> Result<(), Failure> {
        let radio = self.open(radio).await?;
        self.clean_up(radio).await?;
        if !how.replace {
            self.until_free(radio).await?;
        }
        let mut receiver = self.receiver(&how.wait, radio);
        self.join(radio, how, Stay::WhileWeRun).await?;
        *has_joined = true;
        let interface = radio.interface().to_owned();
        let receiving = self.with_dhcp(how, &interface, receiver.receive(Until::Bye, how.wait.wait));
        tokio::select! {
            result = receiving => result,
            result = until_lost(radio) => result,
        }
    }

    /// Waits until the interface is connected to nothing that somebody else chose.
    async fn until_free(&self, radio: &mut Radio) -> Result<(), Failure> {
        while radio.link().await? == Link::Other {
            self.output.note(&format!("{}; waiting until it is free", Failure::InUse(radio.interface().to_owned())));
            until_lost(radio).await?;
        }
        Ok(())
    }
}

/// Waits until the connection has been lost for longer than it takes to mend it.
async fn until_lost(radio: &mut Radio) -> Result<(), Failure> {
    let mut down = false;
    loop {
        let event = if down {
            match timeout(MEND, radio.next()).await {
                Ok(event) => event?,
                Err(_) if radio.link().await? == Link::Free => return Ok(()),
                Err(_) => Event::Joined,
            }
        } else {
            radio.next().await?
        };
        match event {
            Event::Joined => down = false,
            Event::Lost => down = true,
            Event::Results => {}
            Event::Gone => return Err(anyhow!("whoever manages {} has ended", radio.interface()).into()),
        }
    }
}

const PAUSE_LEAST: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(30);
/// How long the same network may take to be joined again by itself.
const MEND: Duration = Duration::from_secs(10);
