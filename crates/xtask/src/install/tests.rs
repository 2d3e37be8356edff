#![allow(clippy::print_stderr, reason = "what was skipped is said")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use p256::ecdsa::SigningKey;
use tempfile::TempDir;

use super::*;
use crate::package::Package;
use crate::tree::{Entry, Tree};
use crate::{apk, ipk};

/// A package with a configuration, a program, and a file of which the name is the version.
fn package(version: &str) -> Package {
    let mut tree = Tree::default();
    let mut put = |path: &str, mode, text: &str| tree.put(path, Entry::File { mode, bytes: text.into() }).unwrap();
    put("etc/config/x", 0o600, &format!("config {version}\n"));
    put("etc/init.d/x", 0o755, "#!/bin/sh /etc/rc.common\n");
    put(&format!("usr/share/x/{version}"), 0o644, "");
    tree.put("usr/bin/x", Entry::Link("/usr/sbin/x".to_owned())).unwrap();
    Package {
        name: "x".to_owned(),
        version: version.to_owned(),
        arch: None,
        depends: vec!["libc".to_owned()],
        source: "feeds/x/x".to_owned(),
        license: "Apache-2.0".to_owned(),
        license_files: String::new(),
        section: "net".to_owned(),
        user: "x:x".to_owned(),
        description: vec!["An example".to_owned()],
        conffiles: vec!["/etc/config/x".to_owned()],
        postinst: Some("#!/bin/sh\necho own postinst >> /log\n".to_owned()),
        prerm: Some("#!/bin/sh\necho own prerm ${PKG_UPGRADE} >> /log\n".to_owned()),
        tree,
    }
}

/// Both formats, and what they put behind the name of a configuration that is not taken.
const FORMATS: [&str; 2] = ["-opkg", ".apk-new"];

fn file(dir: &TempDir, format: &str, version: &str) -> std::path::PathBuf {
    let bytes = match format {
        "-opkg" => ipk::write(&package(version), 1).unwrap(),
        _ => apk::write(&package(version), 1, &SigningKey::from_slice(&[1; 32]).unwrap()).unwrap(),
    };
    let path = dir.path().join("package");
    fs::write(&path, bytes).unwrap();
    path
}

fn text(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn an_edited_configuration_is_kept_and_an_untouched_one_replaced() {
    for format in FORMATS {
        let (dir, at) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = Root::new(at.path(), false).unwrap();
        let beside = format!("etc/config/x{format}");
        assert_eq!(root.install(&file(&dir, format, "1-r1")).unwrap(), "installed x 1-r1");
        assert_eq!(root.install(&file(&dir, format, "2-r1")).unwrap(), "upgraded x 2-r1");
        assert_eq!(text(at.path(), "etc/config/x"), "config 2-r1\n", "{format}");
        assert!(!at.path().join("usr/share/x/1-r1").exists() && at.path().join("usr/share/x/2-r1").exists());
        assert_eq!(fs::metadata(at.path().join("etc/config/x")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_link(at.path().join("usr/bin/x")).unwrap(), Path::new("/usr/sbin/x"));
        fs::write(at.path().join("etc/config/x"), "mine\n").unwrap();
        root.install(&file(&dir, format, "2-r1")).unwrap();
        assert_eq!(text(at.path(), &beside), "config 2-r1\n", "{format}: also for the same version");
        root.install(&file(&dir, format, "3-r1")).unwrap();
        assert_eq!(
            (text(at.path(), "etc/config/x").as_str(), text(at.path(), &beside).as_str()),
            ("mine\n", "config 3-r1\n")
        );
        root.remove("x").unwrap();
        assert_eq!(text(at.path(), "etc/config/x"), "mine\n", "{format}: kept over the removal, too");
        assert!(!at.path().join("usr/share").exists() && !at.path().join("etc/init.d").exists(), "{format}");
        assert!(root.remove("x").is_err());
        fs::remove_file(at.path().join(&beside)).ok();
        root.install(&file(&dir, format, "1-r1")).unwrap();
        assert_eq!(text(at.path(), &beside), "config 1-r1\n", "{format}: one that was there before the package");
    }
}

#[test]
fn scripts_run_in_the_root_and_know_whether_it_is_an_upgrade() {
    let busybox = Path::new("/bin/busybox");
    let is_root = fs::metadata("/proc/self").is_ok_and(|data| std::os::unix::fs::MetadataExt::uid(&data) == 0);
    if !busybox.exists() || !is_root {
        eprintln!("skipped: scripts run in a root by root, with busybox");
        return;
    }
    let functions = "say() { echo \"$*\" >> /log; }\n\
        source_own() { n=${2##*/}; n=/usr/lib/opkg/info/${n%.*}.$1-pkg; [ ! -f $n ] || . $n; }\n\
        add_group_and_user() { say users of $pkgname: $(cat /lib/apk/packages/$pkgname.rusers); }\n\
        default_postinst() { say postinst upgrade=${PKG_UPGRADE:-0}; source_own postinst $1; }\n\
        default_prerm() { say prerm upgrade=${PKG_UPGRADE:-0}; source_own prerm $1; }\n";
    let opkg = "postinst upgrade=0\nown postinst\n\
        prerm upgrade=1\nown prerm 1\npostinst upgrade=1\nown postinst\n\
        prerm upgrade=0\nown prerm 0\n";
    let apk = "users of x: x:x\npostinst upgrade=0\nown postinst\n\
        users of x: x:x\npostinst upgrade=1\nown postinst\n\
        prerm upgrade=0\nown prerm\n";
    for (format, expected) in FORMATS.into_iter().zip([opkg, apk]) {
        let (dir, at) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert!(Root::new(at.path(), true).is_err(), "there is no shell");
        for needed in ["bin", "dev", "lib"] {
            fs::create_dir(at.path().join(needed)).unwrap();
        }
        fs::write(at.path().join("dev/null"), "").unwrap();
        fs::copy(busybox, at.path().join("bin/busybox")).unwrap();
        for name in ["sh", "cat"] {
            symlink("busybox", at.path().join("bin").join(name)).unwrap();
        }
        fs::write(at.path().join("lib/functions.sh"), functions).unwrap();
        let root = Root::new(at.path(), true).unwrap();
        root.install(&file(&dir, format, "1-r1")).unwrap();
        root.install(&file(&dir, format, "2-r1")).unwrap();
        root.remove("x").unwrap();
        assert_eq!(text(at.path(), "log"), expected, "{format}");
    }
}

#[test]
fn nothing_is_written_through_a_link_and_nonsense_is_refused() {
    for format in FORMATS {
        let (dir, at, elsewhere) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(elsewhere.path(), at.path().join("etc")).unwrap();
        let root = Root::new(at.path(), false).unwrap();
        let error = root.install(&file(&dir, format, "1-r1")).unwrap_err();
        assert!(format!("{error:#}").contains("a link"), "{error:#}");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
    let at = tempfile::tempdir().unwrap();
    let root = Root::new(at.path(), false).unwrap();
    fs::write(at.path().join("x"), "!<arch>\n").unwrap();
    assert!(root.install(&at.path().join("x")).is_err() && root.remove("../x").is_err());
    assert!(Root::new(&at.path().join("none"), false).is_err());
}
