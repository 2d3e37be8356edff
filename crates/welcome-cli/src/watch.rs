//! `welcome watch`: joins, stays, and joins again; sleeps between.
//!
//! In: options, and what happens on the interface. Out: visits, and each message once. Nobody is asked how things are: the
//! interface's manager tells of a lost connection and of each scan, and the kernel of each address. Only where nobody else
//! scans does this, ever more rarely.

use crate::cli::Join;
use crate::exit::Failure;
use crate::radio::{Event, Link, Radio, Stay};
use crate::receive::Until;
use crate::run::Run;
use anyhow::anyhow;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use welcome_client::{List, recognise};

impl Run<'_> {
    pub(crate) async fn watch(&self, how: &Join, radio: &mut Option<Radio>) -> Result<(), Failure> {
        let mut watch = Watch { list: List::default(), look: Look::Scan, has_joined: false };
        let mut pause = PAUSE_LEAST;
        let mut said = String::new();
        loop {
            let began = Instant::now();
            let result = self.visit(how, radio, &mut watch).await;
            // What could not be joined is not tried again at everybody's scan.
            let listens = matches!(result, Err(Failure::NotHeard(_)));
            match result {
                Ok(()) => self.output.note("the visit has ended; looking again"),
                // Waiting mends neither the arguments nor, when it never worked, the system.
                Err(failure @ (Failure::Usage(_) | Failure::NoList(_) | Failure::Other(_))) if !watch.has_joined => {
                    return Err(failure);
                }
                Err(failure) => {
                    let text = failure.to_string();
                    if text != said {
                        self.output.note(&text);
                    }
                    said = text;
                }
            }
            self.put_back(radio).await;
            pause = if began.elapsed() > VISIT_LEAST { PAUSE_LEAST } else { (pause * 2).min(PAUSE_MOST) };
            let due = Instant::now() + pause.mul_f64(0.75 + fastrand::f64() / 2.0);
            let heard = async {
                match radio.as_mut().filter(|_| listens) {
                    Some(radio) => self.until_heard(radio, &watch.list).await,
                    None => std::future::pending().await,
                }
            };
            watch.look = if timeout_at(due, heard).await.is_ok() { Look::Results } else { Look::Scan };
        }
    }

    async fn visit(&self, how: &Join, radio: &mut Option<Radio>, watch: &mut Watch) -> Result<(), Failure> {
        let radio = self.open(radio).await?;
        self.clean_up(radio).await?;
        if !how.replace {
            self.until_free(radio).await?;
        }
        let heard = match watch.look {
            Look::Results => radio.heard().await?,
            Look::Scan => {
                let (list, heard) = self.look(radio).await?;
                watch.list = list;
                heard
            }
        };
        let entry = self.join(radio, how, Stay::WhileWeRun, (&watch.list, &heard)).await?;
        watch.has_joined = true;
        let interface = radio.interface().to_owned();
        tokio::select! {
            result = self.await_message(how, &interface, &entry, Until::Bye) => result,
            result = until_lost(radio) => result,
        }
    }

    /// Waits until somebody's scan has heard a network that can be joined; for ever, if nobody scans.
    async fn until_heard(&self, radio: &mut Radio, list: &List) {
        loop {
            match radio.next().await {
                Ok(Event::Joined | Event::Lost) => {}
                Ok(Event::Results) => {
                    let heard = radio.heard().await.unwrap_or_default();
                    if !recognise(&heard, list, &self.policy()).candidates.is_empty() {
                        return;
                    }
                }
                // Our own next look says what is wrong.
                Ok(Event::Gone) | Err(_) => std::future::pending().await,
            }
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

/// What lasts from one visit to the next.
struct Watch {
    /// As of our last scan.
    list: List,
    look: Look,
    has_joined: bool,
}

/// How to learn what is on the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// By a scan of our own.
    Scan,
    /// By somebody else's.
    Results,
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

/// Between scans of our own, where nothing is found.
const PAUSE_LEAST: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(300);
/// A shorter visit is none: whoever is thrown out at once does not come back at once.
const VISIT_LEAST: Duration = Duration::from_secs(30);
/// How long the same network may take to be joined again by itself.
const MEND: Duration = Duration::from_secs(10);
