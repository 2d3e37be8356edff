//! Process 1: makes the machine usable, has the story told by a child, leaves its exit code and powers off.
//!
//! In: the kernel's command line. Out: the child's output on the port [`OUTPUT_PORT`], its exit code and the logs in
//! [`RESULTS_DIR`]. It must never end: the kernel would panic, which is how the host learns of a failure here.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hwsim::{BROKEN, EXIT_FILE, LIMIT_ARG, OUTPUT_PORT, RADIOS_ARG, RESULTS_DIR, RESULTS_TAG, STORY_ARG, TIMED_OUT};
use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use rustix::system::{RebootCommand, reboot};

/// Where programs in the machine leave their logs; memory, so that no program waits for the host.
pub(crate) const LOG_DIR: &str = "/tmp/log";

/// Runs the machine from its first to its last moment.
pub(crate) fn run() -> ! {
    if let Err(error) = boot_and_tell() {
        // Standard error is the console, whose end the host shows when no exit code came.
        eprintln!("guest: {error:#}");
    }
    rustix::fs::sync();
    if let Err(error) = reboot(RebootCommand::PowerOff) {
        eprintln!("guest: cannot power off: {error}");
    }
    panic!("the machine is still on");
}

fn boot_and_tell() -> Result<()> {
    mount_kernel_file_systems()?;
    let arguments = fs::read_to_string("/proc/cmdline").context("read the kernel's command line")?;
    let argument = |name: &str| arguments.split_whitespace().find_map(|word| word.strip_prefix(name));
    let story = argument(STORY_ARG).context("no story on the kernel's command line")?;
    run_to_end(Command::new("modprobe").args(["-a", "virtio_pci", "virtio_console", "9pnet_virtio", "9p"]))?;
    // Not cached: what is written is on the host when the write returns.
    let options = Some(c"trans=virtio,version=9p2000.L,msize=524288,cache=none");
    mount(RESULTS_TAG, RESULTS_DIR, "9p", MountFlags::empty(), options).context("mount the directory for results")?;
    let radios = argument(RADIOS_ARG).context("no number of radios on the command line")?;
    run_to_end(Command::new("modprobe").args(["mac80211_hwsim", &format!("radios={radios}")]))?;
    let limit = argument(LIMIT_ARG).and_then(|seconds| seconds.parse().ok()).context("no limit on the command line")?;
    let code = tell(story, Duration::from_secs(limit))?;
    keep_logs()?;
    fs::write(Path::new(RESULTS_DIR).join(EXIT_FILE), code.to_string()).context("leave the exit code")
}

fn mount_kernel_file_systems() -> Result<()> {
    for (kind, dir) in
        [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp"), ("tmpfs", "/run")]
    {
        mount(kind, dir, kind, MountFlags::empty(), None).with_context(|| format!("mount {dir}"))?;
    }
    fs::create_dir_all(LOG_DIR).context("make the directory for logs")
}

fn tell(story: &str, limit: Duration) -> Result<u8> {
    let port = output_port()?;
    let teller = Command::new("/proc/self/exe")
        .arg(story)
        .stdin(Stdio::null())
        .stdout(port.try_clone()?)
        .stderr(port)
        .env("PATH", "/bin")
        .env("HOME", "/root")
        .spawn()
        .context("start the story")?;
    let teller = Pid::from_child(&teller);
    let timed_out = Arc::new(AtomicBool::new(false));
    let flag = timed_out.clone();
    thread::spawn(move || {
        thread::sleep(limit);
        flag.store(true, Ordering::Relaxed);
        // It fails when the story has just ended: as good.
        kill_process(teller, Signal::KILL).ok();
    });
    // Whoever loses its parent in here becomes our child and has to be waited for too.
    loop {
        let Some((pid, status)) = wait(WaitOptions::empty()).context("wait for the story")? else { continue };
        if pid == teller {
            let code = status.exit_status().and_then(|code| u8::try_from(code).ok());
            let killed = if timed_out.load(Ordering::Relaxed) { TIMED_OUT } else { BROKEN };
            return Ok(code.unwrap_or(killed));
        }
    }
}

fn output_port() -> Result<File> {
    for entry in fs::read_dir("/sys/class/virtio-ports").context("look for the output port")? {
        let port: PathBuf = entry?.path();
        if fs::read_to_string(port.join("name")).is_ok_and(|name| name.trim() == OUTPUT_PORT) {
            let device = Path::new("/dev").join(port.file_name().context("a port without a name")?);
            return OpenOptions::new().write(true).open(&device).with_context(|| format!("open {}", device.display()));
        }
    }
    bail!("there is no port {OUTPUT_PORT}")
}

fn keep_logs() -> io::Result<()> {
    for entry in fs::read_dir(LOG_DIR)? {
        let log = entry?;
        fs::copy(log.path(), Path::new(RESULTS_DIR).join(log.file_name()))?;
    }
    Ok(())
}

fn run_to_end(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
