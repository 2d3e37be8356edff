//! The real hostapd, where there is one. Its driver `none` needs no radio and no rights.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that fails should say where")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wpa_ctrl::{Control, Error, Event, Events, GoneReason, Notice, hostapd};

struct Hostapd {
    program: &'static str,
    dir: TempDir,
    child: Child,
}

impl Hostapd {
    /// `None`, said aloud, where hostapd is not installed.
    fn start() -> Option<Self> {
        let program = ["/usr/sbin/hostapd", "/usr/bin/hostapd"].into_iter().find(|path| Path::new(path).exists());
        let Some(program) = program else {
            eprintln!("skipped: no hostapd here");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let sockets = dir.path().join("hostapd");
        let config = format!("interface=wlan9\ndriver=none\nctrl_interface={}\nssid=demo\n", sockets.display());
        fs::write(dir.path().join("hostapd.conf"), config).unwrap();
        let child = Self::spawn(program, dir.path());
        Some(Self { program, dir, child })
    }

    fn spawn(program: &str, dir: &Path) -> Child {
        let mut child = Command::new(program).arg(dir.join("hostapd.conf")).stdout(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        while UnixDatagram::unbound().and_then(|probe| probe.connect(dir.join("hostapd/wlan9"))).is_err() {
            assert!(child.try_wait().unwrap().is_none(), "hostapd ended");
            assert!(began.elapsed() < Duration::from_secs(10), "hostapd made no control socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        child
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("hostapd/wlan9")
    }

    fn end(&mut self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.child = Self::spawn(self.program, self.dir.path());
    }
}

impl Drop for Hostapd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn soon(events: &mut Events) -> Notice {
    tokio::time::timeout(Duration::from_secs(5), events.recv()).await.expect("a notice within 5 s")
}

#[tokio::test]
async fn the_real_hostapd_answers_and_has_no_stations() {
    let Some(real) = Hostapd::start() else { return };
    let mut control = Control::open(real.path(), real.dir.path()).unwrap();
    control.ping().await.unwrap();
    let radio = hostapd::status(&mut control).await.unwrap();
    assert_eq!(radio.state, "ENABLED");
    assert_eq!((radio.bss[0].ifname.as_str(), radio.bss[0].ssid.as_slice()), ("wlan9", b"demo".as_slice()));
    assert_eq!(hostapd::stations(&mut control).await.unwrap(), []);
    assert_eq!(hostapd::station(&mut control, &[2, 0, 0, 0, 0, 1]).await.unwrap(), None);
    let refused = control.ask("BOGUS").await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn the_real_hostapd_says_what_it_does_and_that_it_ends() {
    let Some(mut real) = Hostapd::start() else { return };
    let mut events = Events::attach(real.path(), real.dir.path(), 256).await.unwrap();
    let mut control = Control::open(real.path(), real.dir.path()).unwrap();
    control.order("DISABLE").await.unwrap();
    assert!(matches!(soon(&mut events).await, Notice::Event { event: Event::ApDisabled, .. }));
    real.end("-TERM");
    loop {
        match soon(&mut events).await {
            Notice::Event { .. } => {}
            Notice::Gone(reason) => {
                assert!(matches!(reason, GoneReason::Terminating | GoneReason::Missing), "{reason}");
                break;
            }
            lagged @ Notice::Lagged(_) => panic!("{lagged:?}"),
        }
    }
    real.start_again();
    Events::attach(real.path(), real.dir.path(), 256).await.unwrap();
}

/// As on OpenWrt, where hostapd is `network` without a right to pass over modes, and its listener in that group.
#[test]
fn the_real_hostapd_of_another_user_answers_a_member_of_its_group() {
    const AS_HOSTAPD: [&str; 4] = ["--reuid=65501", "--regid=65501", "--clear-groups", "--bounding-set=-all"];
    const AS_LISTENER: [&str; 4] = ["--reuid=65502", "--regid=65502", "--groups=65501", "--bounding-set=-all"];
    let Some(program) = ["/usr/sbin/hostapd", "/usr/bin/hostapd"].into_iter().find(|path| Path::new(path).exists())
    else {
        eprintln!("skipped: no hostapd here");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    if std::os::unix::fs::chown(dir.path(), Some(65501), None).is_err() {
        eprintln!("skipped: to be two users takes root");
        return;
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let own = dir.path().join("tmp");
    fs::create_dir(&own).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o1777)).unwrap();
    let sockets = dir.path().join("hostapd");
    let config = format!("interface=wlan9\ndriver=none\nctrl_interface={}\nssid=demo\n", sockets.display());
    fs::write(dir.path().join("hostapd.conf"), config).unwrap();
    // Where this program lies another user may not look.
    let listener = dir.path().join("listener");
    fs::copy(std::env::current_exe().unwrap(), &listener).unwrap();

    let mut hostapd = Command::new("setpriv");
    hostapd.args(AS_HOSTAPD).arg(program).arg(dir.path().join("hostapd.conf"));
    let mut hostapd = hostapd.stdout(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while !sockets.join("wlan9").exists() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut listening = Command::new("setpriv");
    listening.args(AS_LISTENER).arg(&listener).args(["--exact", "a_listener_of_another_user", "--nocapture"]);
    listening.current_dir("/").env(SOCKET, sockets.join("wlan9")).env(OWN, &own);
    let heard = listening.output().unwrap();
    hostapd.kill().unwrap();
    hostapd.wait().unwrap();
    let said = String::from_utf8_lossy(&heard.stdout).into_owned() + &String::from_utf8_lossy(&heard.stderr);
    assert!(heard.status.success() && said.contains("it answered"), "{said}");
}

/// The listener of the test above, when it is started by it.
#[tokio::test]
async fn a_listener_of_another_user() {
    let (Some(socket), Some(own)) = (std::env::var_os(SOCKET), std::env::var_os(OWN)) else { return };
    let mut events = Events::attach(&socket, Path::new(&own), 256).await.unwrap();
    let mut control = Control::open(&socket, &own).unwrap();
    control.order("DISABLE").await.unwrap();
    assert!(matches!(soon(&mut events).await, Notice::Event { event: Event::ApDisabled, .. }));
    eprintln!("it answered");
}

const SOCKET: &str = "WPA_CTRL_TEST_SOCKET";
const OWN: &str = "WPA_CTRL_TEST_OWN";

#[tokio::test]
async fn a_killed_and_restarted_real_hostapd_is_noticed() {
    let Some(mut real) = Hostapd::start() else { return };
    let mut events = Events::attach(real.path(), real.dir.path(), 256).await.unwrap();
    real.end("-KILL");
    real.start_again();
    assert!(matches!(soon(&mut events).await, Notice::Gone(GoneReason::Replaced | GoneReason::Missing)));
    let mut events = Events::attach(real.path(), real.dir.path(), 256).await.unwrap();
    let mut control = Control::open(real.path(), real.dir.path()).unwrap();
    control.order("DISABLE").await.unwrap();
    assert!(matches!(soon(&mut events).await, Notice::Event { event: Event::ApDisabled, .. }));
}

/// Enough to fill what the kernel keeps for a listener: 277 events with its usual settings.
const ROUNDS: usize = 300;

/// Off and on: two events.
async fn make_noise(control: &mut Control) -> Result<(), Error> {
    for _ in 0..ROUNDS {
        control.order("DISABLE").await?;
        control.order("ENABLE").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_never_reads_does_not_hold_the_real_hostapd_up() {
    let Some(real) = Hostapd::start() else { return };
    let mut events = Events::attach(real.path(), real.dir.path(), 16).await.unwrap();
    let mut control = Control::open(real.path(), real.dir.path()).unwrap();
    make_noise(&mut control).await.unwrap();
    let (mut heard, mut missed) = (0, 0);
    while heard + missed < 2 * ROUNDS {
        match soon(&mut events).await {
            Notice::Event { .. } => heard += 1,
            Notice::Lagged(count) => missed += count,
            Notice::Gone(reason) => panic!("{reason}"),
        }
    }
    assert!(missed > 0);
}

/// What [`Events`] is for: a listener that does nothing of the kind. When this fails, hostapd has learned better.
#[tokio::test]
async fn a_listener_that_stops_reading_freezes_the_real_hostapd() {
    let Some(real) = Hostapd::start() else { return };
    let listener = UnixDatagram::bind(real.dir.path().join("listener")).unwrap();
    listener.connect(real.path()).unwrap();
    listener.send(b"ATTACH").unwrap();
    let mut control = Control::open(real.path(), real.dir.path()).unwrap();
    let frozen = make_noise(&mut control).await;
    assert!(matches!(frozen, Err(Error::Timeout { .. })), "{frozen:?}");
    drop(listener);
    tokio::time::sleep(Duration::from_millis(200)).await;
    control.ping().await.unwrap();
}

#[tokio::test]
async fn the_real_hostapd_notices_that_a_listener_detached() {
    let Some(real) = Hostapd::start() else { return };
    let events = Events::attach(real.path(), real.dir.path(), 256).await.unwrap();
    drop(events);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let names: Vec<_> = fs::read_dir(real.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}"); // its configuration and its sockets
    Control::open(real.path(), real.dir.path()).unwrap().ping().await.unwrap();
}
