//! A repository to build from: a copy of the real makefiles and files, with programs that are none, and a stand-in for each
//! file that a recipe names and that is not there. That none is missing is a test of its own.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use xtask::packages::{Built, Options, build};
use xtask::targets::{TARGETS, Target};

/// Everything that was built, and where.
pub(crate) struct Dist {
    pub(crate) built: Built,
    pub(crate) out: PathBuf,
    dir: TempDir,
}

impl Dist {
    /// Builds for all targets.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), 1_700_000_000);
        Self { built: build(&options).unwrap(), out: options.out, dir }
    }

    /// The next version, with another configuration and other keys.
    pub(crate) fn next() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), 1_710_000_000);
        let repository = &options.repository;
        for name in ["welcomed", "luci-app-welcomed"] {
            let makefile = repository.join("openwrt-package").join(name).join("Makefile");
            let text = fs::read_to_string(&makefile).unwrap();
            fs::write(makefile, text.replace("PKG_RELEASE:=1", "PKG_RELEASE:=2")).unwrap();
        }
        let configuration = repository.join("files/etc/config/welcomed");
        let text = fs::read_to_string(&configuration).unwrap();
        fs::write(configuration, text + NEXT).unwrap();
        Self { built: build(&options).unwrap(), out: options.out, dir }
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.out.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8(self.read(path)).unwrap()
    }

    /// A place for a test to write to.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

/// The name of the agent's package in a feed.
pub(crate) fn agent(format: &str, arch: &str) -> String {
    let [version, _] = versions();
    match format {
        "ipk" => format!("welcomed_{version}_{arch}.ipk"),
        _ => format!("welcomed-{version}.apk"),
    }
}

/// Makes a repository and programs below a directory.
pub(crate) fn options(dir: &Path, mtime: u64) -> Options {
    let repository = dir.join("repository");
    for part in ["openwrt-package", "files"] {
        copy(&root().join(part), &repository.join(part));
    }
    for target in TARGETS {
        let binaries = dir.join("binaries").join(target.triple);
        fs::create_dir_all(&binaries).unwrap();
        fs::write(binaries.join("welcomed"), program(target)).unwrap();
    }
    Options { repository, binaries: dir.join("binaries"), out: dir.join("dist"), keys: dir.join("keys"), mtime }
}

/// Begins like a program for the target.
pub(crate) fn program(target: Target) -> Vec<u8> {
    [&target.head(), target.triple.as_bytes()].concat()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The real repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The packages' version, and the next one.
pub(crate) fn versions() -> [String; 2] {
    let version = xtask::version::from_cargo(env!("CARGO_PKG_VERSION")).unwrap();
    [1, 2].map(|release| format!("{version}-r{release}"))
}

/// What ends the next version's configuration.
pub(crate) const NEXT: &str = "# the next version\n";
