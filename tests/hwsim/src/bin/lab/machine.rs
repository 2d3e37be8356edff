//! One run of the virtual machine: start, pass its output on, wait for the end, leave nothing behind.
//!
//! The processor is emulated (TCG), so it runs where there is no virtualisation at all. Never asks for KVM: some
//! hosts offer a variant in which an unmodified kernel takes minutes to boot, and no error tells.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hwsim::{BROKEN, EXIT_FILE, LIMIT_ARG, OUTPUT_PORT, RADIOS_ARG, RESULTS_TAG, STORY_ARG, Story, TIMED_OUT};

use crate::command::{command, last_lines};

/// What to boot, and what to share with it.
pub(crate) struct Machine<'a> {
    pub(crate) kernel: &'a Path,
    /// Needs no name.
    pub(crate) initramfs: &'a File,
    pub(crate) story: &'a Story,
    /// Writable from inside; gets the logs of QEMU and of the kernel too.
    pub(crate) results: &'a Path,
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u32,
    pub(crate) limit: Duration,
}

/// How a run ended.
pub(crate) enum End {
    /// The story ended with this code.
    Exit(u8),
    TimedOut,
    /// The machine ended before the story did; the last lines of its console.
    Died {
        console: String,
    },
    /// The lab was asked to stop, by this signal.
    Interrupted(usize),
}

impl End {
    /// The exit code that tells it.
    pub(crate) fn code(&self) -> u8 {
        match self {
            End::Exit(code) => *code,
            End::TimedOut => TIMED_OUT,
            End::Died { .. } => BROKEN,
            End::Interrupted(signal) => 128 + u8::try_from(*signal).unwrap_or(0),
        }
    }
}

impl Machine<'_> {
    /// Boots, copies the story's output to `out` as it comes, and returns when the machine is gone. A number other than
    /// zero in `signal` ends it early.
    ///
    /// # Errors
    /// When QEMU cannot be started or watched.
    pub(crate) fn run(&self, signal: &AtomicUsize, out: &mut (impl Write + Send)) -> Result<End> {
        let mut qemu = Guard(self.qemu()?.spawn().context("start qemu-system-x86_64")?);
        let output = qemu.0.stdout.take().context("read the machine's output")?;
        let log = File::create(self.results.join("output.log")).context("write the output's log")?;
        let cut_short = thread::scope(|scope| {
            let copy = scope.spawn(|| copy(output, out, log));
            let cut_short = self.watch(&mut qemu.0, signal);
            // Without a machine the output ends, and with it the copying.
            qemu.end();
            if copy.join().is_err() {
                eprintln!("lab: the story's output was cut short");
            }
            cut_short
        })?;
        Ok(cut_short.unwrap_or_else(|| self.end()))
    }

    fn qemu(&self) -> Result<Command> {
        // Should this process be killed outright, the kernel ends QEMU for us.
        let mut qemu = command(&["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"]);
        qemu.args(["-accel", "tcg,thread=multi", "-M", "pc,usb=off,hpet=off", "-cpu", "Nehalem"])
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"])
            .args(["-smp", &self.cpus.to_string(), "-m", &self.memory_mib.to_string()])
            .arg("-kernel")
            .arg(self.kernel)
            .args(["-initrd", &format!("/proc/{}/fd/{}", process::id(), self.initramfs.as_raw_fd())])
            .args(["-append", &self.kernel_arguments()])
            .arg("-serial")
            .arg(option("file:", &self.results.join(CONSOLE_LOG)))
            .args(["-device", "virtio-serial-pci"])
            .args(["-chardev", "file,id=output,path=/dev/stdout"])
            .args(["-device", &format!("virtserialport,chardev=output,name={OUTPUT_PORT}")]);
        let share = format!("local,id={RESULTS_TAG},security_model=none,multidevs=remap,path=");
        qemu.arg("-fsdev").arg(option(&share, self.results));
        qemu.args(["-device", &format!("virtio-9p-pci,fsdev={RESULTS_TAG},mount_tag={RESULTS_TAG}")]);
        let log = File::create(self.results.join("qemu.log")).context("write QEMU's log")?;
        // A group of its own: Ctrl-C on the terminal reaches the lab only, which then ends QEMU in order.
        qemu.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        Ok(qemu)
    }

    fn kernel_arguments(&self) -> String {
        let Story { name, radios, .. } = self.story;
        format!("{KERNEL_ARGUMENTS} {STORY_ARG}{name} {RADIOS_ARG}{radios} {LIMIT_ARG}{}", self.limit.as_secs())
    }

    /// Waits until QEMU ends by itself, or says why it must be ended.
    fn watch(&self, qemu: &mut Child, signal: &AtomicUsize) -> Result<Option<End>> {
        let deadline = Instant::now() + self.limit + GRACE;
        loop {
            if qemu.try_wait().context("watch QEMU")?.is_some() {
                return Ok(None);
            }
            match signal.load(Ordering::Relaxed) {
                0 if Instant::now() < deadline => thread::sleep(POLL),
                0 => return Ok(Some(End::TimedOut)),
                number => return Ok(Some(End::Interrupted(number))),
            }
        }
    }

    fn end(&self) -> End {
        let code = fs::read_to_string(self.results.join(EXIT_FILE)).ok().and_then(|text| text.trim().parse().ok());
        code.map_or_else(|| End::Died { console: self.last_words() }, End::Exit)
    }

    fn last_words(&self) -> String {
        let read = |name: &str| fs::read(self.results.join(name)).unwrap_or_default();
        let text = [read("qemu.log"), read(CONSOLE_LOG)].concat();
        last_lines(&String::from_utf8_lossy(&text), 25)
    }
}

/// QEMU reads a comma as the end of a value unless it is doubled.
fn option(before: &str, path: &Path) -> String {
    format!("{before}{}", path.display().to_string().replace(',', ",,"))
}

fn copy(mut from: ChildStdout, out: &mut impl Write, mut log: File) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        log.write_all(&buffer[..count])?;
        out.write_all(&buffer[..count])?;
        out.flush()?;
    }
}

/// Ends QEMU whatever happens.
struct Guard(Child);

impl Guard {
    fn end(&mut self) {
        // Both fail only when it has ended and been waited for already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
    }
}

const CONSOLE_LOG: &str = "console.log";

/// How often the machine is looked at: short against the seconds a story takes.
const POLL: Duration = Duration::from_millis(20);

/// The machine ends a story that takes too long by itself, and keeps its logs. When it cannot even do that, it is
/// killed this much later; it needs a few seconds to boot and a few to copy logs.
const GRACE: Duration = Duration::from_secs(20);

/// After the console, all that saves time in booting: self-tests of ciphers, security modules, workarounds for real
/// processors, waiting for grace periods. A panic ends the machine (`-no-reboot` makes the reboot an exit).
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 no_timer_check tsc=reliable mitigations=off \
     cryptomgr.notests=1 apparmor=0 audit=0 rcupdate.rcu_expedited=1 random.trust_cpu=on";
