//! What is in the packages: files, permissions, scripts, lists, fields.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use xtask::adb::container::Container;
use xtask::adb::schema::{Content, Package, Script};
use xtask::adb::sign::{key_id, verify};
use xtask::ipk::{self, Ipk};
use xtask::package::{Package as Made, read_makefile};
use xtask::packages::build;
use xtask::recipe::Sources;
use xtask::targets::TARGETS;
use xtask::tree::Entry;
use xtask::version::is_apk;

use crate::fixture::{Dist, agent, options, program, root, versions};

const ARCH: &str = "mipsel_24kc";

fn ipk(dist: &Dist) -> Ipk {
    ipk::read(&dist.read(&format!("24.10/{ARCH}/{}", agent("ipk", ARCH)))).unwrap()
}

fn apk(dist: &Dist) -> (Container, Package) {
    let container = Container::decode(&dist.read(&format!("25.12/{ARCH}/{}", agent("apk", ARCH)))).unwrap();
    let package = Package::read(&container).unwrap();
    (container, package)
}

/// Path, permissions, bytes or target.
fn files(package: &Package) -> Vec<(String, u32, Vec<u8>)> {
    let files = package.directories.iter().flat_map(|directory| {
        directory.files.iter().map(|file| {
            let bytes = match &file.content {
                Content::Bytes(bytes) => bytes.clone(),
                Content::Link(target) => target.clone().into_bytes(),
            };
            (format!("/{}/{}", directory.path, file.name), file.mode, bytes)
        })
    });
    files.collect()
}

fn text(package: &Package, path: &str) -> String {
    let file = files(package).into_iter().find(|(there, _, _)| there == path);
    String::from_utf8(file.unwrap_or_else(|| panic!("{path}")).2).unwrap()
}

#[test]
fn every_file_that_the_recipes_name_is_in_the_repository() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("welcomed"), "").unwrap();
    let makefile = read_makefile(&root().join("openwrt-package/welcomed/Makefile")).unwrap();
    Made::from_makefile(&makefile, ARCH, Sources { repository: &root(), binaries: dir.path() }).unwrap();
    let luci = root().join("openwrt-package/luci-app-welcomed");
    let packages = xtask::luci::packages(&read_makefile(&luci.join("Makefile")).unwrap(), &luci).unwrap();
    let names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["luci-app-welcomed", "luci-i18n-welcomed-zh-cn"]);
}

#[test]
fn the_recipe_takes_every_file_that_the_repository_has_for_the_router() {
    let dist = Dist::new();
    let mut there = xtask::tree::Tree::default();
    there.copy_directory(&root().join("files"), "").unwrap();
    let packed: BTreeSet<_> = ipk(&dist).data.files().collect();
    let forgotten: Vec<_> = there.files().filter(|path| !packed.contains(path)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[test]
fn both_formats_have_the_same_files_with_the_same_permissions() {
    let dist = Dist::new();
    let (_, apk) = apk(&dist);
    let of_apk: Vec<_> = files(&apk).into_iter().filter(|(path, _, _)| !path.starts_with("/lib/apk/")).collect();
    let tree = ipk(&dist).data;
    let of_ipk: Vec<_> = tree
        .iter()
        .filter_map(|(path, entry)| match entry {
            Entry::File { mode, bytes } => Some((format!("/{path}"), *mode, bytes.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(BTreeSet::from_iter(of_apk), BTreeSet::from_iter(of_ipk.clone()));
    let mode = |path: &str| of_ipk.iter().find(|(there, _, _)| there == path).unwrap().1;
    assert_eq!(mode("/usr/sbin/welcomed"), 0o755);
    assert_eq!(mode("/etc/init.d/welcomed"), 0o755);
    assert_eq!(mode("/etc/config/welcomed"), 0o600, "it may hold a token");
    assert_eq!(mode("/usr/share/acl.d/welcomed.json"), 0o644, "ubusd takes no file that others could write");
    assert!(of_ipk.iter().all(|(_, mode, _)| [0o600, 0o644, 0o755].contains(mode)));
    let binary = &of_ipk.iter().find(|(path, _, _)| path == "/usr/sbin/welcomed").unwrap().2;
    assert_eq!(*binary, program(TARGETS[2]), "the program of this very target");
}

#[test]
fn opkg_is_told_what_it_needs_in_the_order_of_openwrt() {
    let dist = Dist::new();
    let ipk = ipk(&dist);
    let names: Vec<_> = ipk.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Package",
            "Version",
            "Depends",
            "Source",
            "SourceName",
            "License",
            "LicenseFiles",
            "Section",
            "Require-User",
            "Architecture",
            "Installed-Size",
            "Description"
        ]
    );
    let field = |name| ipk.field(name);
    assert_eq!((field("Package"), field("Version"), field("Architecture")), ("welcomed", versions()[0].as_str(), ARCH));
    assert_eq!(field("Depends"), "libc, ca-bundle");
    assert_eq!(field("Require-User"), "welcomed:welcomed:network", "group network reaches hostapd's sockets");
    assert_eq!(field("Installed-Size"), ipk.data_size.to_string());
    assert_eq!(ipk.conffiles(), ["/etc/config/welcomed"]);
    assert_eq!(ipk.mtime, 1_700_000_000);
    let control: Vec<_> = ipk.control.files().collect();
    assert_eq!(control, ["/conffiles", "/control", "/postinst", "/postinst-pkg", "/prerm", "/prerm-pkg"]);
    for (path, entry) in ipk.control.iter() {
        let expected = if path.starts_with('p') { 0o755 } else { 0o644 };
        assert!(matches!(entry, Entry::File { mode, .. } if *mode == expected), "{path}");
    }
}

#[test]
fn apk_is_told_what_it_needs() {
    let dist = Dist::new();
    let (container, package) = apk(&dist);
    let info = &package.info;
    assert_eq!(
        (info.name.as_str(), info.version.as_str(), info.arch.as_str()),
        ("welcomed", versions()[0].as_str(), ARCH)
    );
    assert!(is_apk(&info.version));
    assert_eq!(info.depends, ["ca-bundle", "libc"]);
    assert_eq!(info.provides, ["welcomed-any"]);
    assert_eq!(info.tags, ["openwrt:section=net"]);
    assert!(!info.description.contains('\n'));
    assert_eq!(info.installed_size, files(&package).iter().map(|(_, _, bytes)| bytes.len() as u64).sum::<u64>());
    let key = dist.text("welcomed.pem").parse().unwrap();
    verify(&container, &key).unwrap();
    assert_eq!(container.signatures[0][2..18], key_id(&key));
    for directory in &package.directories {
        assert_eq!(directory.mode, 0o755, "{}", directory.path);
        assert!(directory.files.iter().all(|file| file.mtime == 1_700_000_000));
    }
}

#[test]
fn the_lists_in_the_apk_name_what_openwrts_scripts_look_for() {
    let dist = Dist::new();
    let (_, package) = apk(&dist);
    let list = text(&package, "/lib/apk/packages/welcomed.list");
    let listed: Vec<_> = list.lines().collect();
    assert!(listed.is_sorted());
    let expected: BTreeSet<_> = files(&package).into_iter().map(|(path, _, _)| path).collect();
    let unlisted: Vec<_> = expected.iter().filter(|path| !listed.contains(&path.as_str())).collect();
    let own = ["conffiles", "conffiles_static", "list"].map(|list| format!("/lib/apk/packages/welcomed.{list}"));
    assert_eq!(unlisted, own.iter().collect::<Vec<_>>());
    assert!(listed.iter().all(|path| expected.contains(*path)) && listed.contains(&"/etc/init.d/welcomed"));
    assert_eq!(text(&package, "/lib/apk/packages/welcomed.rusers"), "welcomed:welcomed:network\n");
    assert_eq!(text(&package, "/lib/apk/packages/welcomed.conffiles"), "/etc/config/welcomed\n");
    let configuration = text(&package, "/etc/config/welcomed");
    let hash = xtask::sums::sha256(configuration.as_bytes());
    assert_eq!(text(&package, "/lib/apk/packages/welcomed.conffiles_static"), format!("/etc/config/welcomed {hash}\n"));
}

#[test]
fn every_script_is_one_for_a_shell_and_hands_over_to_openwrts() {
    let dist = Dist::new();
    let (_, package) = apk(&dist);
    let ipk = ipk(&dist);
    let control = ipk.control.iter().filter(|(path, _)| path.starts_with('p'));
    let of_ipk = control
        .map(|(path, _)| (path.to_owned(), String::from_utf8(ipk.control.file(path).unwrap().to_vec()).unwrap()));
    let of_apk = package.scripts.iter().map(|(when, text)| (format!("{when:?}"), text.clone()));
    let mut all: Vec<_> = of_ipk.chain(of_apk).collect();
    let shipped = files(&package).into_iter().filter(|(_, _, bytes)| bytes.starts_with(b"#!/bin/sh"));
    all.extend(shipped.map(|(path, _, bytes)| (path, String::from_utf8(bytes).unwrap())));
    assert!(all.len() >= 8);
    let file = dist.scratch("scripts").join("script");
    for (name, text) in all {
        assert!(text.starts_with("#!/bin/sh"), "{name}");
        fs::write(&file, &text).unwrap();
        let said = Command::new("sh").arg("-n").arg(&file).output().unwrap();
        assert!(said.status.success(), "{name}: {}", String::from_utf8_lossy(&said.stderr));
    }
    let script = |when| &package.scripts.iter().find(|(there, _)| *there == when).unwrap().1;
    for (when, words) in [
        (Script::PostInstall, ["IPKG_NO_SCRIPT", "add_group_and_user\n", "default_postinst\n", "killall -s HUP ubusd"]),
        (
            Script::PostUpgrade,
            ["export PKG_UPGRADE=1\n", "add_group_and_user\n", "default_postinst\n", "killall -s HUP ubusd"],
        ),
        (Script::PreDeinstall, ["lib/functions.sh", "pkgname=\"welcomed\"\n", "default_prerm\n", "welcomed withdraw"]),
    ] {
        let text = script(when);
        let places: Vec<_> =
            words.iter().map(|word| text.find(word).unwrap_or_else(|| panic!("{when:?}: {word}"))).collect();
        assert!(places.is_sorted(), "{when:?}: {text}");
        assert_eq!(text.matches("#!").count(), 1, "{when:?}");
    }
}

#[test]
fn the_luci_packages_run_anywhere_and_bring_the_language() {
    let dist = Dist::new();
    let [version, _] = versions();
    let read = |name: &str| ipk::read(&dist.read(&format!("24.10/{ARCH}/{name}_{version}_all.ipk"))).unwrap();
    let (application, language) = (read("luci-app-welcomed"), read("luci-i18n-welcomed-zh-cn"));
    assert_eq!(application.field("Depends"), "libc, luci-base, welcomed");
    assert_eq!(language.field("Depends"), "libc, luci-app-welcomed");
    assert!(application.data.files().any(|path| path.starts_with("/www/")));
    assert!(application.data.files().any(|path| path.starts_with("/usr/share/luci/menu.d/")));
    let lmo: Vec<_> = language.data.files().filter(|path| path.ends_with(".zh-cn.lmo")).collect();
    assert_eq!(lmo, ["/usr/lib/lua/luci/i18n/welcomed.zh-cn.lmo"]);
    let enable = language.data.file("etc/uci-defaults/luci-i18n-welcomed-zh-cn").unwrap();
    let expected = "uci set luci.languages.zh_cn='简体中文 (Simplified Chinese)'; uci commit luci\n";
    assert_eq!(std::str::from_utf8(enable).unwrap(), expected);
    for name in ["luci-app-welcomed", "luci-i18n-welcomed-zh-cn"] {
        let container = Container::decode(&dist.read(&format!("25.12/{ARCH}/{name}-{version}.apk"))).unwrap();
        let package = Package::read(&container).unwrap();
        assert_eq!(package.info.arch, "noarch");
        assert!(text(&package, &format!("/lib/apk/packages/{name}.list")).lines().count() > 0);
    }
}

#[test]
fn a_makefile_of_another_version_or_with_a_missing_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 0);
    let refuse = |problem: &str| {
        let error = format!("{:#}", build(&options).unwrap_err());
        assert!(error.contains(problem), "{error}");
    };
    let makefile = options.repository.join("openwrt-package/welcomed/Makefile");
    let text = fs::read_to_string(&makefile).unwrap();
    fs::write(&makefile, text.replace("PKG_VERSION:=", "PKG_VERSION:=9.")).unwrap();
    refuse("PKG_VERSION is \"9.");
    fs::write(&makefile, text).unwrap();
    let program = options.binaries.join(TARGETS[0].triple).join("welcomed");
    fs::write(&program, fs::read(options.binaries.join(TARGETS[3].triple).join("welcomed")).unwrap()).unwrap();
    refuse("is no program for aarch64");
    fs::remove_dir_all(&options.binaries).unwrap();
    refuse("has nothing for any target");
    remove(&options.repository.join("files/etc/config/welcomed"));
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::write(&program, crate::fixture::program(TARGETS[0])).unwrap();
    refuse("files/etc/config/welcomed is not there");
}

fn remove(path: &Path) {
    fs::remove_file(path).unwrap();
}
