//! `welcome-server` as a process of its own.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};
use welcome_proto::Secret;

use super::http::Server;

/// The program, and where it keeps what.
#[derive(Debug, Clone)]
pub struct Program {
    program: PathBuf,
    config: PathBuf,
    data: PathBuf,
    database: Option<String>,
}

impl Program {
    /// This program, with everything in `dir`, and configured as it comes but for its database: the PostgreSQL of this URL,
    /// or else SQLite.
    ///
    /// # Errors
    /// If the configuration cannot be written.
    pub fn new(program: PathBuf, dir: &Path, database: Option<String>) -> io::Result<Self> {
        let config = dir.join("config.toml");
        // Without one it would read what this machine's own server is told. All who look something up share an address here.
        std::fs::write(&config, "[directory]\nlookups_a_minute = 0\n")?;
        Ok(Self { program, config, data: dir.join("data"), database })
    }

    /// The file of its SQLite database.
    #[must_use]
    pub fn sqlite(&self) -> PathBuf {
        self.data.join("welcome.sqlite")
    }

    /// Starts it on a free port of the loopback interface, and waits until it listens.
    ///
    /// # Errors
    /// If it does not.
    pub fn serve(&self) -> io::Result<Running> {
        self.serve_on(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The same on this address.
    ///
    /// # Errors
    /// If it does not listen there.
    pub fn serve_on(&self, listen: SocketAddr) -> io::Result<Running> {
        let mut serve = self.command("serve");
        // Ctrl-C on a terminal is for who started this: the server is to be there to its end.
        serve.process_group(0);
        serve.args(["--listen", &listen.to_string()]).stdout(Stdio::piped());
        let mut process = serve.spawn()?;
        let output = process.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        let mut said = BufReader::new(output).lines().map_while(Result::ok);
        let listening = said.find_map(|line| line.strip_prefix("listening on http://")?.parse().ok());
        let Some(addr) = listening else {
            let ended = process.wait()?;
            return Err(io::Error::other(format!("{serve:?}: {ended} before it listened")));
        };
        let set_up = said.next().and_then(|line| line.strip_prefix("set up at ").map(str::to_owned));
        Ok(Running { process, addr, set_up })
    }

    /// A token for everything that a program may do.
    ///
    /// # Errors
    /// If it makes none.
    pub fn api_token(&self) -> io::Result<Secret> {
        self.ask("api-token", "API token: ")
    }

    /// A token for one router that the server's administrator vouches for.
    ///
    /// # Errors
    /// If it makes none.
    pub fn enrolment_token(&self) -> io::Result<Secret> {
        self.ask("token", "enrolment token: ")
    }

    fn ask(&self, command: &str, before: &str) -> io::Result<Secret> {
        let mut ask = self.command(command);
        let output = ask.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let answer = text.lines().find_map(|line| line.strip_prefix(before)).map(Secret::new);
        answer.ok_or_else(|| io::Error::other(format!("{ask:?}: {}, and no token", output.status)))
    }

    fn command(&self, command: &str) -> Command {
        let mut run = Command::new(&self.program);
        run.arg(command).arg("--config").arg(&self.config).arg("--data").arg(&self.data);
        run.env("RUST_LOG", "warn").env("WELCOME_DATABASE", self.database.as_deref().unwrap_or("sqlite"));
        run.env_remove("WELCOME_MASTER_KEY");
        run
    }
}

/// A server that listens. Ended when dropped.
#[derive(Debug)]
pub struct Running {
    process: Child,
    addr: SocketAddr,
    /// The link that sets it up, if it is its first start.
    pub set_up: Option<String>,
}

impl Running {
    /// Where it is.
    #[must_use]
    pub fn there(&self) -> Server {
        Server::at(self.addr)
    }

    /// Has it stop in its own way, and waits.
    ///
    /// # Errors
    /// If it had ended before, or ends badly.
    pub fn stop(mut self) -> io::Result<()> {
        rustix::process::kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        let ended = self.process.wait()?;
        if ended.success() { Ok(()) } else { Err(io::Error::other(format!("the server ended with {ended}"))) }
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn resident(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(Path::new("/proc").join(self.process.id().to_string()).join("status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let kb: u64 = resident.and_then(|kb| kb.parse().ok()).ok_or_else(|| io::Error::other("no VmRSS"))?;
        Ok(kb * 1024)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which whoever uses it will have seen.
        let _killed = self.process.kill().and_then(|()| self.process.wait()).is_ok();
    }
}
