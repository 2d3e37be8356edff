//! Programs as child processes: daemons with a log each, and commands that run to their end.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::init::LOG_DIR;

/// A program that runs beside the story. Dropping it kills it.
pub(crate) struct Daemon {
    name: String,
    child: Child,
}

impl Daemon {
    /// Starts it in a namespace; what it prints is appended to the log of that name.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(name: &str, namespace: &str, words: &[&str]) -> Result<Self> {
        let log = log_file(name)?;
        let mut command = in_namespace(namespace, words);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// # Errors
    /// When it has ended already.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).with_context(|| format!("signal {}", self.name))
    }

    /// All that it has printed.
    pub(crate) fn said(&self) -> String {
        log_text(&self.name)
    }

    /// What its threads have done since they began.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn effort(&self) -> Result<Effort> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut sum = Effort { wakeups: 0, cpu: Duration::ZERO };
        for task in fs::read_dir(&tasks).with_context(|| format!("look at the threads of {}", self.name))? {
            let task = task?.path();
            let status = fs::read_to_string(task.join("status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sum.wakeups += line.context("a thread tells its switches")?.trim().parse::<u64>()?;
            let schedstat = fs::read_to_string(task.join("schedstat"))?;
            sum.cpu += Duration::from_nanos(schedstat.split(' ').next().context("a thread tells its time")?.parse()?);
        }
        Ok(sum)
    }

    /// How it ended, if it ended.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("wait for {}", self.name))
    }

    /// Asks it to end by a signal and waits; returns how it ended and after what time.
    ///
    /// # Errors
    /// When it is still there after `limit`.
    pub(crate) fn stop(&mut self, signal: Signal, limit: Duration) -> Result<(ExitStatus, Duration)> {
        let begin = Instant::now();
        self.signal(signal)?;
        let status = await_end(&mut self.child, begin + limit)?;
        let status = status.with_context(|| format!("{} did not end within {limit:?}", self.name))?;
        Ok((status, begin.elapsed()))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a program has done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// How often its threads gave up the processor to wait for something (proc(5), `voluntary_ctxt_switches`).
    pub(crate) wakeups: u64,
    /// For how long they had a processor.
    pub(crate) cpu: Duration,
}

/// What a command that ran to its end left.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Exit code; 128 and more: ended by a signal.
    pub(crate) code: i32,
    pub(crate) stdout: String,
}

/// Runs a program under test in a namespace to its end; what it prints is appended to the log of that name.
///
/// # Errors
/// When it cannot be started or takes longer than `limit`; it is killed then.
pub(crate) fn run(name: &str, namespace: &str, words: &[&str], limit: Duration) -> Result<Outcome> {
    let mut command = in_namespace(namespace, words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file(name)?);
    let mut child = command.spawn().with_context(|| format!("start {name}"))?;
    let mut stream = child.stdout.take().context("read its output")?;
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        stream.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    let Some(status) = await_end(&mut child, Instant::now() + limit)? else {
        child.kill().context("kill it")?;
        child.wait()?;
        bail!("{name} did not end within {limit:?}");
    };
    let stdout = reader.join().map_err(|_| anyhow!("reading {name} failed"))??;
    log_file(name)?.write_all(stdout.as_bytes())?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(Outcome { code, stdout })
}

/// Runs one of the system's tools, which must succeed.
///
/// # Errors
/// When it does not exit with 0; the error tells its last words.
pub(crate) fn tool(words: &[&str]) -> Result<()> {
    let (program, arguments) = words.split_first().context("no command")?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("start {program}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}: {}", words.join(" "), output.status, complaint.trim());
    Ok(())
}

/// The first line that a program prints when asked for its version.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn version(program: &str) -> Result<String> {
    // hostapd answers on standard error.
    let output = Command::new(program).arg("-v").output().with_context(|| format!("start {program}"))?;
    let text = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned())
}

/// What a program has logged so far.
pub(crate) fn log_text(name: &str) -> String {
    let bytes = fs::read(log_path(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Prints the last lines of every log, for whoever looks into a failure.
pub(crate) fn print_ends_of_logs() {
    let Ok(logs) = fs::read_dir(LOG_DIR) else { return };
    let mut names: Vec<_> =
        logs.flatten().filter_map(|log| log.path().file_stem()?.to_str().map(String::from)).collect();
    names.sort();
    for name in names {
        let text = log_text(&name);
        let lines: Vec<_> = text.lines().collect();
        if !lines.is_empty() {
            println!("--- {name}.log, the last of {} lines", lines.len());
            lines[lines.len().saturating_sub(LINES_SHOWN)..].iter().for_each(|line| println!("{line}"));
        }
    }
}

/// The log of a program, opened for appending: a program that is started again goes on in the same one.
fn log_file(name: &str) -> Result<File> {
    let path = log_path(name);
    OpenOptions::new().create(true).append(true).open(&path).with_context(|| format!("open {}", path.display()))
}

fn log_path(name: &str) -> PathBuf {
    PathBuf::from(LOG_DIR).join(format!("{name}.log"))
}

/// `ip netns exec` becomes the program it starts, so the child's process number is the program's.
fn in_namespace(namespace: &str, words: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).args(words);
    command
}

fn await_end(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > deadline {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Of each log, after a failure.
const LINES_SHOWN: usize = 25;
