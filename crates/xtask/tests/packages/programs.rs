//! The real programs on what we build, where they are: make, tar, signify-openbsd, usign, opkg (also as opkg-cl) and apk.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::package::{Package, read_makefile};
use xtask::recipe::Sources;
use xtask::targets::TARGETS;
use xtask::tree::{Entry, Tree};

use crate::fixture::{Dist, NEXT, agent, copy, options, versions};

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

/// Enough of OpenWrt's build system to carry out a recipe and to write scripts; paths come from the command line.
const RULES: &str = "INCLUDE_DIR:=$(TOPDIR)\n\
    INSTALL_DIR:=install -d -m0755\n\
    INSTALL_BIN:=install -m0755\n\
    INSTALL_DATA:=install -m0644\n\
    INSTALL_CONF:=install -m0600\n\
    define BuildPackage\n\
    export POSTINST:=$$(Package/$(1)/postinst)\n\
    export PRERM:=$$(Package/$(1)/prerm)\n\
    all:\n$(call Package/$(1)/install,$(DEST))\n\
    \tprintf '%s\\n' \"$$$$POSTINST\" > $$(DEST).postinst\n\
    \tprintf '%s\\n' \"$$$$PRERM\" > $$(DEST).prerm\n\
    endef\n";

#[test]
fn make_understands_the_makefile_as_our_reader_does() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 0);
    let rust = dir.path().join("feeds/packages/lang/rust");
    let (rules, dest) = (dir.path().join("rules.mk"), dir.path().join("root"));
    fs::create_dir_all(&rust).unwrap();
    fs::write(rules, RULES).unwrap();
    for empty in [rust.join("rust-package.mk"), dir.path().join("package.mk")] {
        fs::write(empty, "").unwrap();
    }
    let installed = dir.path().join("installed");
    let binaries = options.binaries.join(TARGETS[0].triple);
    copy(&binaries, &installed.join("bin"));
    let makefile = options.repository.join("openwrt-package/welcomed/Makefile");
    let set = |name: &str, path: &Path| format!("{name}={}", path.display());
    let mut make = Command::new("make");
    make.args(["-s", "-f"]).arg(&makefile).arg(set("TOPDIR", dir.path())).arg(set("DEST", &dest));
    make.arg(set("PKG_BUILD_DIR", &options.repository)).arg(set("PKG_INSTALL_DIR", &installed));
    run(make.env_remove("MAKEFLAGS").arg("all")).unwrap();
    let sources = Sources { repository: &options.repository, binaries: &binaries };
    let ours = Package::from_makefile(&read_makefile(&makefile).unwrap(), "x86_64", sources).unwrap();
    let mut theirs = Tree::default();
    theirs.copy_directory(&dest, "").unwrap();
    let paths = |tree: &Tree| tree.iter().map(|(path, _)| path.to_owned()).collect::<Vec<_>>();
    assert_eq!(paths(&ours.tree), paths(&theirs));
    for (path, entry) in ours.tree.iter() {
        let Entry::File { mode, bytes } = entry else { continue };
        assert_eq!(theirs.file(path), Some(&bytes[..]), "{path}");
        assert_eq!(fs::metadata(dest.join(path)).unwrap().permissions().mode() & 0o7777, *mode, "{path}");
    }
    for (script, text) in [("postinst", ours.postinst), ("prerm", ours.prerm)] {
        assert_eq!(fs::read_to_string(dest.with_extension(script)).unwrap(), text.unwrap(), "{script}");
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
fn opkg_installs_and_upgrades_from_the_feed_and_keeps_what_was_edited() {
    let Some(opkg) = program(&["opkg-cl", "opkg"]) else { return };
    let (old, new) = (Dist::new(), Dist::next());
    let [version, next] = versions();
    let root = old.scratch("root");
    for dir in ["etc/opkg", "usr/lib/opkg", "var/lock", "tmp"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    // What every image has.
    let package =
        |name: &str| format!("Package: {name}\nVersion: 1\nStatus: install ok installed\nArchitecture: all\n\n");
    fs::write(root.join("usr/lib/opkg/status"), ["libc", "ca-bundle", "luci-base"].map(package).concat()).unwrap();
    let opkg = |dist: &Dist, arguments: &[&str]| {
        let feed = format!("src/gz welcomed file://{}/24.10/{ARCH}", dist.out.display());
        let check = verifier(dist).map(|program| format!("option check_signature\noption verify_program {program}\n"));
        let feed = format!("{}{feed}", check.unwrap_or_default());
        let text = format!("dest root /\nlists_dir ext /var/lists\narch all 1\narch {ARCH} 10\n{feed}\n");
        fs::write(root.join("etc/opkg.conf"), text).unwrap();
        let mut command = Command::new(&opkg);
        command.arg("-f").arg(root.join("etc/opkg.conf")).arg("-o").arg(&root).args(arguments);
        run(command.env("IPKG_NO_SCRIPT", "1"))
    };
    let said = opkg(&old, &["update"]).unwrap();
    assert!(verifier(&old).is_none() || said.contains("Signature check passed"), "{said}");
    opkg(&old, &["install", "luci-i18n-welcomed-zh-cn"]).unwrap();
    let installed = opkg(&old, &["list-installed"]).unwrap();
    for name in ["welcomed", "luci-app-welcomed", "luci-i18n-welcomed-zh-cn"] {
        assert!(installed.contains(&format!("{name} - {version}")), "{installed}");
    }
    assert_eq!(fs::read(root.join("usr/sbin/welcomed")).unwrap(), crate::fixture::program(TARGETS[4]));
    let configuration = root.join("etc/config/welcomed");
    assert_eq!(fs::metadata(&configuration).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&configuration, "# mine\n").unwrap();
    opkg(&new, &["update"]).unwrap();
    opkg(&new, &["upgrade", "welcomed"]).unwrap();
    assert!(opkg(&new, &["list-installed"]).unwrap().contains(&format!("welcomed - {next}")), "upgraded");
    assert_eq!(fs::read_to_string(&configuration).unwrap(), "# mine\n");
    let brought = fs::read_to_string(root.join("etc/config/welcomed-opkg")).unwrap();
    assert!(brought.ends_with(NEXT), "{brought}");
}

/// What opkg-key is on a router: called with `verify SIGNATURE INDEX`.
fn verifier(dist: &Dist) -> Option<String> {
    let signify = program(&["usign", "signify-openbsd"])?;
    let [signify, key] = [signify, dist.out.join("welcomed.pub")].map(|path| path.display().to_string());
    let file = dist.scratch("verifier").join("opkg-key");
    // opkg keeps the index compressed.
    let check = format!("zcat \"$3\" | {signify} -V -q -p {key} -x \"$2\" -m -");
    fs::write(&file, format!("#!/bin/sh\n{check}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    Some(file.display().to_string())
}

#[test]
fn apk_installs_and_upgrades_from_the_signed_index_and_keeps_what_was_edited() {
    let Some(apk) = program(&["apk"]) else { return };
    let (old, new) = (Dist::new(), Dist::next());
    let [version, next] = versions();
    let [keys, none, root, empty] = ["keys", "none", "root", "empty"].map(|name| old.scratch(name));
    for (name, dist) in [("old.pem", &old), ("new.pem", &new)] {
        fs::copy(dist.out.join("welcomed.pem"), keys.join(name)).unwrap();
    }
    let in_root = |keys: &Path, arguments: &[&str]| {
        let mut command = Command::new(&apk);
        command.arg("--root").arg(&root).args(["--arch", ARCH, "--keys-dir"]).arg(keys);
        run(command.args(["--repositories-file", "/dev/null", "--no-network"]).args(arguments))
    };
    for name in ["welcomed", "luci-app-welcomed", "luci-i18n-welcomed-zh-cn"] {
        let file = old.out.join(format!("25.12/{ARCH}/{name}-{version}.apk"));
        in_root(&keys, &["verify", file.to_str().unwrap()]).unwrap();
        assert!(in_root(&none, &["verify", file.to_str().unwrap()]).is_err(), "{name}");
    }
    // What every image has.
    for name in ["libc", "ca-bundle", "luci-base"] {
        let file = empty.with_file_name(format!("{name}-1-r0.apk"));
        let file = file.to_str().unwrap();
        let [name, files] = [format!("name:{name}"), empty.display().to_string()];
        let info = ["--info", &name, "--info", "version:1-r0", "--info", "arch:noarch", "--files", &files, "-o", file];
        run(Command::new(&apk).arg("mkpkg").args(info)).unwrap();
        in_root(&keys, &["add", "--initdb", "--allow-untrusted", file]).unwrap();
    }
    let feed = |dist: &Dist| format!("file://{}/25.12/{ARCH}/packages.adb", dist.out.display());
    assert!(in_root(&none, &["--repository", &feed(&old), "add", "--no-scripts", "welcomed"]).is_err());
    in_root(&keys, &["--repository", &feed(&old), "add", "--no-scripts", "luci-i18n-welcomed-zh-cn"]).unwrap();
    let configuration = root.join("etc/config/welcomed");
    assert_eq!(fs::metadata(&configuration).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&configuration, "# mine\n").unwrap();
    in_root(&keys, &["--repository", &feed(&new), "upgrade", "--no-scripts"]).unwrap();
    assert!(in_root(&keys, &["list", "--installed"]).unwrap().contains(&format!("welcomed-{next}")), "upgraded");
    assert_eq!(fs::read_to_string(&configuration).unwrap(), "# mine\n");
    let brought = fs::read_to_string(root.join("etc/config/welcomed.apk-new")).unwrap();
    assert!(brought.ends_with(NEXT), "{brought}");
}
