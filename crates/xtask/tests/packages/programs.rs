//! The real programs on what we build, where they are: signify-openbsd, usign, opkg (also as opkg-cl) and apk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::{Dist, VERSION, agent};

/// A program, or None and a word that this is not tested.
fn program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).flat_map(|dir| names.iter().map(move |name| dir.join(name)));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        eprintln!("skipped: there is no {}", names.join(" or "));
    }
    found
}

fn run(command: &mut Command) -> Result<String, String> {
    let said = command.output().unwrap();
    let text = [said.stdout, said.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if said.status.success() { Ok(text) } else { Err(format!("{command:?}: {}: {text}", said.status)) }
}

const ARCH: &str = "x86_64";

#[test]
fn signify_and_usign_accept_the_feeds_signature_and_notice_a_forged_index() {
    let dist = Dist::new();
    let (key, dir) = (dist.out.join("welcomed.pub"), dist.out.join("24.10").join(ARCH));
    for names in [["signify-openbsd", "signify"], ["usign", "usign"]] {
        let Some(program) = program(&names) else { continue };
        let verify = |index: &Path| {
            let mut command = Command::new(&program);
            command.args(["-V", "-q", "-p"]).arg(&key).arg("-x").arg(dir.join("Packages.sig")).arg("-m").arg(index);
            run(&mut command)
        };
        verify(&dir.join("Packages")).unwrap();
        let forged = dist.scratch("forged").join("Packages");
        fs::write(&forged, dist.text(&format!("24.10/{ARCH}/Packages")).replace("libc", "libd")).unwrap();
        assert!(verify(&forged).is_err(), "{}", program.display());
    }
}

#[test]
fn tar_of_gnu_unpacks_an_ipk_as_it_was_meant() {
    let dist = Dist::new();
    let dir = dist.scratch("ipk");
    let file = dist.out.join("24.10").join(ARCH).join(agent("ipk", ARCH));
    let listed = run(Command::new("tar").arg("-tzf").arg(&file)).unwrap();
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["./debian-binary", "./data.tar.gz", "./control.tar.gz"]);
    run(Command::new("tar").arg("-xzf").arg(&file).arg("-C").arg(&dir)).unwrap();
    let listed = run(Command::new("tar").args(["--numeric-owner", "-tvzf"]).arg(dir.join("data.tar.gz"))).unwrap();
    let first = listed.lines().next().unwrap();
    assert!(first.starts_with("drwxr-xr-x 0/0") && first.ends_with(" ./"), "{first}");
    assert!(listed.lines().any(|line| line.starts_with("-rw------- 0/0") && line.ends_with(" ./etc/config/welcomed")));
}

#[test]
fn opkg_installs_and_upgrades_from_the_signed_feed() {
    let Some(opkg) = program(&["opkg-cl", "opkg"]) else { return };
    let dist = Dist::new();
    let root = dist.scratch("opkg");
    for dir in ["etc/opkg/keys", "usr/lib/opkg", "var/lock", "tmp"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let feed = dist.out.join("24.10").join(ARCH);
    let configuration = format!(
        "dest root /\narch all 1\narch {ARCH} 10\nlists_dir ext /var/lists\nsrc/gz welcomed file://{}\n",
        feed.display()
    );
    fs::write(root.join("etc/opkg.conf"), configuration).unwrap();
    let provided = "Package: libc\nVersion: 1\nStatus: install ok installed\nArchitecture: all\n\n";
    let provided = [provided.to_owned(), provided.replace("libc", "ca-bundle"), provided.replace("libc", "luci-base")];
    fs::write(root.join("usr/lib/opkg/status"), provided.concat()).unwrap();
    let opkg = |arguments: &[&str]| {
        let mut command = Command::new(&opkg);
        command.arg("-f").arg(root.join("etc/opkg.conf")).arg("-o").arg(&root).args(arguments);
        command.env("IPKG_NO_SCRIPT", "1");
        run(&mut command)
    };
    let said = opkg(&["install", "--force-postinstall", feed.join(agent("ipk", ARCH)).to_str().unwrap()]).unwrap();
    assert!(root.join("usr/sbin/welcomed").is_file(), "{said}");
    let listed = opkg(&["list-installed"]).unwrap();
    assert!(listed.contains(&format!("welcomed - {VERSION}")), "{listed}");
    let said = opkg(&["files", "welcomed"]).unwrap();
    assert!(said.contains("/etc/init.d/welcomed"), "{said}");
    fs::write(root.join("etc/config/welcomed"), "# mine\n").unwrap();
    opkg(&["install", "--force-reinstall", feed.join(agent("ipk", ARCH)).to_str().unwrap()]).unwrap();
    assert_eq!(fs::read_to_string(root.join("etc/config/welcomed")).unwrap(), "# mine\n");
}

#[test]
fn apk_verifies_the_packages_and_installs_from_the_signed_index() {
    let Some(apk) = program(&["apk"]) else { return };
    let dist = Dist::new();
    let feed = dist.out.join("25.12").join(ARCH);
    let keys = dist.scratch("keys");
    fs::copy(dist.out.join("welcomed.pem"), keys.join("welcomed.pem")).unwrap();
    let root = dist.scratch("apk");
    let none = dist.scratch("no-keys");
    let run_apk = |keys: &Path, arguments: &[&str]| {
        let mut command = Command::new(&apk);
        command.arg("--root").arg(&root).args(["--arch", ARCH, "--keys-dir"]).arg(keys);
        command.args(["--repositories-file", "/dev/null", "--no-network"]).args(arguments);
        run(&mut command)
    };
    let apk = |arguments: &[&str]| run_apk(&keys, arguments);
    for name in ["welcomed", "luci-app-welcomed", "luci-i18n-welcomed-zh-cn"] {
        let file = feed.join(format!("{name}-{VERSION}.apk"));
        apk(&["verify", file.to_str().unwrap()]).unwrap();
        assert!(run_apk(&none, &["verify", file.to_str().unwrap()]).is_err(), "{name}");
    }
    let index = format!("file://{}/packages.adb", feed.display());
    apk(&["add", "--initdb", "--virtual", ".image"]).unwrap();
    // What every image has; there is no feed of OpenWrt here.
    let without = ["--force-broken-world", "--repository", &index];
    let said = apk(&[&["add"][..], &without, &["welcomed"]].concat());
    assert!(said.is_err_and(|text| text.contains("ca-bundle")), "what it depends on is asked for");
}
