//! The document on a local socket, for whoever has no ubus.
//!
//! In: connections; what they send is not read. Out: the document of that moment, as JSON, to each.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::Source;
use crate::tasks::Stop;

/// The bound socket.
#[derive(Debug)]
pub struct Status {
    listener: UnixListener,
    path: PathBuf,
}

impl Status {
    /// Binds the socket, in place of one that a dead agent left.
    ///
    /// # Errors
    /// If that cannot be done, or another agent answers there.
    pub fn bind(path: &Path) -> anyhow::Result<Self> {
        let what = || format!("listen on {}", path.display());
        if let Some(dir) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o750).create(dir).with_context(what)?;
        }
        remove_stale(path).with_context(what)?;
        let listener = UnixListener::bind(path).with_context(what)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).with_context(what)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers until told to stop, one after the other.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn run(self, source: Arc<Source>, mut stop: Stop) -> anyhow::Result<()> {
        tokio::select! {
            () = self.answer_all(&source) => {}
            () = stop.stopped() => {}
        }
        // Whoever asks finds that there is no agent either way.
        let _gone = std::fs::remove_file(&self.path).is_ok();
        Ok(())
    }

    async fn answer_all(&self, source: &Source) {
        loop {
            let mut stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "a request for the status could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(text) = serde_json::to_vec(&source.document()) else { continue };
            let written = timeout(WRITE_TIME, stream.write_all(&text)).await;
            if !matches!(written, Ok(Ok(()))) {
                debug!("whoever asked for the status does not read it");
            }
        }
    }
}

fn remove_stale(path: &Path) -> anyhow::Result<()> {
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !there.file_type().is_socket() {
        bail!("there is something else than a socket");
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!("another agent answers there");
    }
    Ok(std::fs::remove_file(path)?)
}

/// After an accept error, which often means that descriptors are out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For whoever asked to read the answer.
const WRITE_TIME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::super::ask;
    use super::super::tests::source;
    use super::*;
    use crate::tasks::Tasks;

    #[tokio::test]
    async fn whoever_asks_is_answered_and_a_dead_agents_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/status.sock");
        drop(Status::bind(&path).unwrap());
        let status = Status::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(Status::bind(&path).unwrap_err().to_string().contains("listen on"));

        let tasks = Tasks::new();
        let task = tokio::spawn(status.run(Arc::new(source()), tasks.stop_signal()));
        for json in [false, true] {
            let path = path.clone();
            let answer = tokio::task::spawn_blocking(move || ask(Some(&path), json)).await.unwrap().unwrap();
            let read = serde_json::from_str::<serde_json::Value>(&answer);
            assert_eq!(read.is_ok_and(|document| document["version"] == "0.1.0"), json, "{answer}");
        }
        drop(tasks);
        task.await.unwrap().unwrap();
        assert!(!path.exists());
        let error = ask(Some(&path), false).unwrap_err().to_string();
        assert!(error.starts_with("find a running agent"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("precious");
        std::fs::write(&path, "x").unwrap();
        assert!(Status::bind(&path).is_err());
        assert!(path.exists());
    }
}
