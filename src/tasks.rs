//! The long-lived tasks of the agent, by name.
//!
//! Each is meant to run until it is told to stop. The first that ends before, by return, error or panic, is reported
//! with its name, and the agent stops: a panic in a task does not end the process by itself. Never restarts a task;
//! procd restarts the whole.

use sorted::SortedMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

/// All tasks.
#[derive(Debug)]
pub struct Tasks {
    set: JoinSet<anyhow::Result<()>>,
    names: SortedMap<Id, &'static str>,
    stop: watch::Sender<bool>,
}

impl Tasks {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { set: JoinSet::new(), names: SortedMap::new(), stop: watch::Sender::new(false) }
    }

    /// What a task waits for to know that it should end.
    #[must_use]
    pub fn stop_signal(&self) -> Stop {
        Stop(self.stop.subscribe())
    }

    /// Starts a task that should end only after [`Self::stop_signal`] fired.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        // Boxed: each type of future that is spawned by itself costs 2 kB of tokio's own code, and there are thirty.
        let task: Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> = Box::pin(task);
        let handle = self.set.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// Waits until a task ends that nobody asked to end; for ever if there is none.
    ///
    /// # Cancel safety
    /// Nothing is lost if this is dropped and called again.
    pub async fn unasked_end(&mut self) -> Ended {
        match self.set.join_next_with_id().await {
            Some(outcome) => self.describe(outcome),
            None => std::future::pending().await,
        }
    }

    /// Tells all tasks to stop and waits for them, at most `deadline`. Returns how those ended that did not end well;
    /// those that did not end at all are cancelled.
    pub async fn stop(mut self, deadline: Duration) -> Vec<Ended> {
        self.stop.send_replace(true);
        let mut unwell = Vec::new();
        let all = async {
            while let Some(outcome) = self.set.join_next_with_id().await {
                let ended = self.describe(outcome);
                if !matches!(ended.how, How::Returned) {
                    unwell.push(ended);
                }
            }
        };
        if tokio::time::timeout(deadline, all).await.is_err() {
            self.set.abort_all();
            unwell.extend(self.names.values().map(|task| Ended { task, how: How::Stuck }));
        }
        unwell
    }

    fn describe(&mut self, outcome: Result<(Id, anyhow::Result<()>), JoinError>) -> Ended {
        let (id, how) = match outcome {
            Ok((id, Ok(()))) => (id, How::Returned),
            Ok((id, Err(error))) => (id, How::Failed(error)),
            Err(error) => (error.id(), How::Panicked),
        };
        Ended { task: self.names.remove(&id).unwrap_or("?"), how }
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

/// Fires when the tasks should end; also when the [`Tasks`] it came from are gone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits until it is time to end.
    ///
    /// # Cancel safety
    /// Nothing is lost if this is dropped and called again.
    pub async fn stopped(&mut self) {
        // An error means that the sender is gone, which is a stop as well.
        let _ended = self.0.wait_for(|stop| *stop).await.is_err();
    }
}

/// How a task ended.
#[derive(Debug)]
pub struct Ended {
    /// Its name.
    pub task: &'static str,
    /// How.
    pub how: How,
}

/// The ways to end.
#[derive(Debug)]
pub enum How {
    /// By itself, without an error.
    Returned,
    /// With an error.
    Failed(anyhow::Error),
    /// It panicked; the panic itself is on stderr.
    Panicked,
    /// Not within the deadline; it was cancelled.
    Stuck,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.task;
        match &self.how {
            How::Returned => write!(f, "task `{task}` ended"),
            How::Failed(error) => write!(f, "task `{task}` failed: {error:#}"),
            How::Panicked => write!(f, "task `{task}` panicked"),
            How::Stuck => write!(f, "task `{task}` did not stop in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn until_stopped(mut stop: Stop) -> anyhow::Result<()> {
        stop.stopped().await;
        Ok(())
    }

    #[tokio::test]
    async fn the_first_unasked_end_is_told_by_name() {
        for (how, expected) in [
            ("return", "task `odd` ended"),
            ("error", "task `odd` failed: read x: broken"),
            ("panic", "task `odd` panicked"),
        ] {
            let mut tasks = Tasks::new();
            tasks.spawn("even", until_stopped(tasks.stop_signal()));
            tasks.spawn("odd", async move {
                match how {
                    "return" => Ok(()),
                    "error" => Err(anyhow::anyhow!("broken").context("read x")),
                    _ => panic!("on purpose"),
                }
            });
            assert_eq!(tasks.unasked_end().await.to_string(), expected);
            assert!(tasks.stop(Duration::from_secs(1)).await.is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_all_and_names_those_that_stay() {
        let mut tasks = Tasks::new();
        tasks.spawn("good", until_stopped(tasks.stop_signal()));
        tasks.spawn("deaf", std::future::pending());
        let unwell = tasks.stop(Duration::from_secs(4)).await;
        let unwell: Vec<_> = unwell.iter().map(ToString::to_string).collect();
        assert_eq!(unwell, ["task `deaf` did not stop in time"]);
    }

    #[tokio::test]
    async fn a_stop_signal_without_its_tasks_fires() {
        let mut stop = Tasks::new().stop_signal();
        stop.stopped().await;
    }
}
