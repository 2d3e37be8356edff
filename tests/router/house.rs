//! A router in a directory: the package's files, stand-ins for what OpenWrt puts around them, and namespaces in which the one is
//! run with the other. Takes root; all processes end with it.
//!
//! The files come from `files/` and the program as it was built, or, all of them, from the directory that `WELCOMED_ROOT`
//! names, into which a package was unpacked.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use testkit::ubus::Broker;

/// Longer than anything here takes: procd waits five seconds before it starts again what has died.
const SOON: Duration = Duration::from_secs(20);
/// As OpenWrt gives it to hostapd.
pub(crate) const NETWORK: u32 = 101;
/// As the package manager might give it to the agent.
pub(crate) const WELCOMED: u32 = 32768;

pub(crate) struct House {
    dir: TempDir,
    broker: Broker,
    namespaces: Child,
    /// Of a process that is in them.
    inside: u32,
    log: Arc<Mutex<Vec<String>>>,
}

impl House {
    /// As it is right after the package was installed; none without the right to make one.
    pub(crate) fn new() -> Option<Self> {
        let may = Command::new("unshare").args(["--mount", "--net", "--pid", "--fork", "true"]).output().unwrap();
        if !may.status.success() {
            eprintln!("skipped: a router of its own takes root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
        furnish(root);
        put_package(root);
        let log = collect_log(root);
        let sockets = root.join("var/run/ubus");
        let broker = Broker::start(&sockets);
        // Programs are root's by this socket and the agent's by the other.
        let acl = fs::read_to_string(root.join("usr/share/acl.d/welcomed.json")).unwrap();
        let its = broker.listen_as("welcomed", serde_json::from_str(&acl).unwrap());
        fs::set_permissions(its, Permissions::from_mode(0o666)).unwrap();

        let enter = r#"set -e
            mount --make-rprivate /
            mount -t proc proc "$1/proc"
            for device in null urandom; do : > "$1/dev/$device"; mount --bind "/dev/$device" "$1/dev/$device"; done
            ip link set lo up
            exec chroot "$1" /sbin/procd"#;
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", enter, "sh"]).arg(root);
        let namespaces = unshare.stdin(Stdio::null()).spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", namespaces.id());
        let mut house = Self { dir, broker, namespaces, inside: 0, log };
        house.until("procd is there", |house| {
            house.inside = fs::read_to_string(&children).ok().and_then(|c| c.trim().parse().ok()).unwrap_or(0);
            house.inside != 0 && house.run("ubus call service list").status.success()
        });
        Some(house)
    }

    /// What the agent's user may on ubus: what the package says, or nothing, as before ubusd has read that.
    pub(crate) fn grant(&self, all: bool) {
        let acl = fs::read_to_string(self.path("usr/share/acl.d/welcomed.json")).unwrap();
        let acl = serde_json::from_str(&acl).unwrap();
        self.broker.set_acl(if all { acl } else { serde_json::json!({ "user": "welcomed" }) });
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a line of shell on the router.
    pub(crate) fn run(&self, line: &str) -> Output {
        self.enter(line).stdin(Stdio::null()).output().unwrap()
    }

    /// The same for what must not fail; what it says.
    pub(crate) fn sh(&self, line: &str) -> String {
        let output = self.run(line);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{line}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    pub(crate) fn init(&self, action: &str) {
        self.sh(&format!("/etc/init.d/welcomed {action}"));
    }

    /// What rpcd does after a commit.
    pub(crate) fn config_change(&self, package: &str) {
        self.sh(&format!(
            "ubus call service event '{{\"type\":\"config.change\",\"data\":{{\"package\":\"{package}\"}}}}'"
        ));
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }

    /// As uci commits: another file under the name, root's alone.
    pub(crate) fn configure(&self, text: &str) {
        let fresh = self.path("etc/config/.welcomed.uci-fresh");
        fs::write(&fresh, text).unwrap();
        fs::set_permissions(&fresh, Permissions::from_mode(0o600)).unwrap();
        fs::rename(fresh, self.path("etc/config/welcomed")).unwrap();
    }

    /// The agent's process number on the router, if it runs.
    pub(crate) fn pid(&self) -> Option<u64> {
        let list = self.json("ubus call service list '{\"name\":\"welcomed\"}'");
        list["welcomed"]["instances"]["instance1"]["pid"].as_u64()
    }

    /// The agent is up, and can be asked; its process number.
    pub(crate) fn agent(&mut self) -> u64 {
        self.until("the agent answers", |house| house.run("ubus call welcomed counters").status.success());
        self.pid().unwrap()
    }

    pub(crate) fn json(&self, line: &str) -> Value {
        let said = self.sh(line);
        serde_json::from_str(&said).unwrap_or_else(|e| panic!("{line}: {e}: {said}"))
    }

    pub(crate) fn tables(&self) -> String {
        self.sh("nft list tables")
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    pub(crate) fn forget_log(&self) {
        self.log.lock().unwrap().clear();
    }

    /// Whether somebody has said so, with this severity and facility.
    pub(crate) fn has_said(&self, priority: &str, words: &str) -> bool {
        let start = format!("<{priority}>");
        self.log.lock().unwrap().iter().any(|line| line.starts_with(&start) && line.contains(words))
    }

    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < SOON, "never: {what}; the log:\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// A stand-in for hostapd that runs as OpenWrt's does: as `network`, with no right to pass over modes.
    pub(crate) fn hostapd(&self, ifname: &str) -> Hostapd {
        let line = format!(
            "umask 007; exec /usr/bin/setpriv --reuid=network --regid=network --clear-groups --bounding-set=-all \
             fake-hostapd /var/run/hostapd {ifname} 02:00:00:00:00:01 Guests"
        );
        let mut process = self.enter(&line).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let commands = process.stdin.take().unwrap();
        Hostapd { process, commands }
    }

    fn enter(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.inside)).args(["--mount", "--net", "--pid", "--root", "--wd=/"]);
        command.args(["/bin/sh", "-c", line]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.namespaces.kill());
        drop(self.namespaces.wait());
        if thread::panicking() {
            eprintln!("the router's log:\n{}", self.log());
        }
    }
}

pub(crate) struct Hostapd {
    process: Child,
    commands: ChildStdin,
}

impl Hostapd {
    pub(crate) fn join(&mut self, mac: &str) {
        writeln!(self.commands, "join {mac}").unwrap();
    }
}

impl Drop for Hostapd {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The files of the package, as the package manager puts them there. An upgrade leaves a configuration alone.
pub(crate) fn put_package(root: &Path) {
    let config = root.join("etc/config/welcomed");
    let kept = fs::read(&config).ok();
    match std::env::var_os("WELCOMED_ROOT") {
        Some(unpacked) => copy(Path::new(&unpacked), root),
        None => {
            copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("files"), root);
            fs::set_permissions(&config, Permissions::from_mode(0o600)).unwrap();
            // A running program cannot be written to.
            drop(fs::remove_file(root.join("usr/sbin/welcomed")));
            place(Path::new(env!("CARGO_BIN_EXE_welcomed")), &root.join("usr/sbin/welcomed"));
        }
    }
    bring_libraries(root, &root.join("usr/sbin/welcomed"));
    if let Some(kept) = kept {
        fs::rename(&config, root.join("etc/config/welcomed-opkg")).unwrap();
        fs::write(&config, kept).unwrap();
        fs::set_permissions(&config, Permissions::from_mode(0o600)).unwrap();
    }
}

/// What is there before the package.
fn furnish(root: &Path) {
    let stand_ins = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/testkit/openwrt");
    for dir in ["proc", "dev", "tmp", "bin", "sbin", "usr/bin", "usr/sbin", "etc/rc.d", "etc/config", "lib/functions"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    for dir in ["var/lock", "var/state", "var/run/ubus", "var/run/hostapd"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    fs::set_permissions(root.join("tmp"), Permissions::from_mode(0o1777)).unwrap();
    chown(root.join("var/run/hostapd"), Some(NETWORK), Some(NETWORK)).unwrap();
    let passwd = format!(
        "root:x:0:0:root:/root:/bin/sh\nnetwork:x:{NETWORK}:{NETWORK}:network:/var:/bin/false\n\
         welcomed:x:{WELCOMED}:{WELCOMED}:welcomed:/var/run/welcomed:/bin/false\n"
    );
    fs::write(root.join("etc/passwd"), passwd).unwrap();
    let group = format!("root:x:0:\nnetwork:x:{NETWORK}:welcomed\nwelcomed:x:{WELCOMED}:welcomed\n");
    fs::write(root.join("etc/group"), group).unwrap();
    fs::copy(stand_ins.join("rc.common"), root.join("etc/rc.common")).unwrap();
    copy(&stand_ins.join("lib"), &root.join("lib"));
    // That it is there is all that the init script asks; what it does is in the stand-in of procd.
    fs::write(root.join("sbin/ujail"), "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(root.join("sbin/ujail"), Permissions::from_mode(0o755)).unwrap();

    let built = Path::new(env!("CARGO_BIN_EXE_welcomed")).parent().unwrap();
    let [fake, hostapd] = ["fake-openwrt", "fake-hostapd"].map(|name| built.join(name));
    assert!(fake.exists() && hostapd.exists(), "first: cargo build -p testkit --bins");
    for name in ["sbin/procd", "bin/ubus", "usr/bin/jsonfilter", "usr/bin/fake-json"] {
        place(&fake, &root.join(name));
    }
    place(&hostapd, &root.join("usr/sbin/fake-hostapd"));
    for (name, at) in [("nft", "usr/sbin/nft"), ("setpriv", "usr/bin/setpriv"), ("flock", "usr/bin/flock")] {
        place(&find(name), &root.join(at));
    }
    for at in ["sbin/procd", "usr/sbin/fake-hostapd", "usr/sbin/nft", "usr/bin/setpriv", "usr/bin/flock"] {
        bring_libraries(root, &root.join(at));
    }
    place(&find("busybox"), &root.join("bin/busybox"));
    bring_libraries(root, &root.join("bin/busybox"));
    let applets = Command::new("busybox").arg("--list").output().unwrap();
    for applet in String::from_utf8(applets.stdout).unwrap().lines() {
        if !root.join("usr/bin").join(applet).exists() && applet != "busybox" {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
    }
}

fn collect_log(root: &Path) -> Arc<Mutex<Vec<String>>> {
    let path = root.join("dev/log");
    let socket = UnixDatagram::bind(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&log);
    thread::spawn(move || {
        let mut line = [0; 4096];
        while let Ok(length) = socket.recv(&mut line) {
            lines.lock().unwrap().push(String::from_utf8_lossy(&line[..length]).into_owned());
        }
    });
    log
}

fn find(program: &str) -> PathBuf {
    let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(|dir| Path::new(dir).join(program));
    places.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{program} is not installed"))
}

fn place(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
}

/// What a dynamic program needs to start in another root; a static one needs nothing.
fn bring_libraries(root: &Path, program: &Path) {
    let said = Command::new("ldd").arg(program).output().unwrap();
    for word in String::from_utf8_lossy(&said.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
        let to = root.join(word.trim_start_matches('/'));
        if !to.exists() {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            place(Path::new(word), &to);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            drop(fs::remove_file(&to));
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}
