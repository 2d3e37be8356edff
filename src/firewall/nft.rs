//! Runs `nft`.
//!
//! In: a script. Out: whether it was carried out, as a whole or not at all. Never waits for longer than its limit, and
//! never keeps more than the beginning of what nft complains of.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

/// The program.
#[derive(Debug, Clone)]
pub struct Nft {
    /// Looked for in `PATH` if it is a bare name.
    pub program: PathBuf,
    /// For one script.
    pub limit: Duration,
}

/// What keeps a script from being carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such program.
    #[error("nft is missing: install nftables (on OpenWrt: nftables-json or nftables-nojson)")]
    Missing,
    /// It took too long and was killed.
    #[error("nft took longer than {0:?}")]
    Late(Duration),
    /// It, or the kernel, did not want to.
    #[error("nft says: {}", headline(.0))]
    Refused(
        /// All of it, with the lines it complains of: names stations.
        String,
    ),
    /// It could not be run.
    #[error("run nft: {0}")]
    System(#[from] io::Error),
}

impl Default for Nft {
    fn default() -> Self {
        // A full table takes a small router a fraction of a second; it may be busy otherwise.
        Self { program: "nft".into(), limit: Duration::from_secs(5) }
    }
}

impl Nft {
    /// Runs a script.
    ///
    /// # Errors
    /// See [`Error`]; nothing was changed, except perhaps after [`Error::Late`].
    ///
    /// # Cancel safety
    /// If this is dropped, nft is killed; the script was carried out or not.
    pub async fn run(&self, script: &str) -> Result<(), Error> {
        timeout(self.limit, self.feed(script)).await.unwrap_or(Err(Error::Late(self.limit)))
    }

    async fn feed(&self, script: &str) -> Result<(), Error> {
        let mut command = Command::new(&self.program);
        command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Missing,
            _ => Error::System(error),
        })?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let write = async {
            match stdin {
                // Dropped at its end, which tells nft that this was all.
                Some(mut stdin) => stdin.write_all(script.as_bytes()).await,
                None => Ok(()),
            }
        };
        let read = async {
            let mut said = Vec::new();
            if let Some(stderr) = stderr {
                stderr.take(KEEP).read_to_end(&mut said).await?;
            }
            Ok::<_, io::Error>(String::from_utf8_lossy(&said).into_owned())
        };
        let (written, said) = tokio::join!(write, read);
        if child.wait().await?.success() {
            return Ok(written?);
        }
        // nft may have ended before it had read everything; what it says is of more use than that.
        Err(Error::Refused(said?))
    }
}

/// The first line, which names no station: it has the place and the reason. The lines after it quote the script.
fn headline(said: &str) -> String {
    let line = said.lines().next().filter(|line| !line.trim().is_empty()).unwrap_or("nothing, but it failed");
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Of what nft complains of: an error for every line of a large script would be a hundred times as much.
const KEEP: u64 = 4096;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn stand_in(dir: &tempfile::TempDir, script: &str) -> Nft {
        let program = dir.path().join("nft");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Nft { program, limit: Duration::from_secs(10) }
    }

    #[tokio::test]
    async fn the_script_arrives_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("script");
        let nft = stand_in(&dir, &format!("[ \"$*\" = '-f -' ] && cat > {}", to.display()));
        // More than a pipe holds.
        let script = "add element inet welcomed x { 02:00:00:00:00:01 }\n".repeat(4000);
        nft.run(&script).await.unwrap();
        assert_eq!(std::fs::read_to_string(to).unwrap(), script);
    }

    #[tokio::test]
    async fn a_missing_nft_is_named_with_its_package() {
        let nft = Nft { program: "/nonexistent/nft".into(), limit: Duration::from_secs(10) };
        let error = nft.run("").await.unwrap_err();
        assert!(matches!(error, Error::Missing));
        assert!(error.to_string().contains("nftables-nojson"), "{error}");
    }

    #[tokio::test]
    async fn what_nft_complains_of_is_told_without_stations() {
        let dir = tempfile::tempdir().unwrap();
        let nft =
            stand_in(&dir, "printf '/dev/stdin:1:1-2: Error: \\033no\\nadd 02:00:00:00:00:01\\n^^\\n' >&2; exit 1");
        // It ends without reading.
        let error = nft.run(&"x".repeat(200_000)).await.unwrap_err();
        assert_eq!(error.to_string(), "nft says: /dev/stdin:1:1-2: Error: no");
        assert!(matches!(error, Error::Refused(all) if all.contains("02:00:00:00:00:01")));
    }

    #[tokio::test]
    async fn endless_complaints_are_cut() {
        let dir = tempfile::tempdir().unwrap();
        let nft = stand_in(&dir, "yes Error >&2 2>/dev/null; exit 1");
        assert!(matches!(nft.run("").await.unwrap_err(), Error::Refused(all) if all.len() <= 4096));
        let nft = stand_in(&dir, "exit 1");
        assert_eq!(nft.run("").await.unwrap_err().to_string(), "nft says: nothing, but it failed");
    }

    #[tokio::test]
    async fn an_nft_that_hangs_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let mut nft = stand_in(&dir, &format!("echo $$ > {}; exec sleep 60", pid.display()));
        nft.limit = Duration::from_millis(500);
        assert!(matches!(nft.run("").await.unwrap_err(), Error::Late(_)));
        let pid: u32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        let killed = async {
            while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z ")) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(5), killed).await.unwrap();
    }
}
