//! All packages and feeds, from binaries and this repository: `xtask packages`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use crate::deflate::gzip;
use crate::keys::Keys;
use crate::makefile::Makefile;
use crate::package::{Package, read_makefile};
use crate::recipe::Sources;
use crate::sums::sha256;
use crate::targets::{TARGETS, Target};
use crate::{apk, feed, ipk, luci};

/// What to build from, and where to.
#[derive(Debug, Clone)]
pub struct Options {
    /// The repository.
    pub repository: PathBuf,
    /// Has a directory for each target, by its triple, with what was built for it.
    pub binaries: PathBuf,
    /// Where the feeds go.
    pub out: PathBuf,
    /// Where the keys are.
    pub keys: PathBuf,
    /// When all of it was changed, in seconds since 1970.
    pub mtime: u64,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// For which targets, and how long the agent's packages are: `.ipk`, then `.apk`.
    pub targets: Vec<(Target, [usize; 2])>,
    /// What the public key of the opkg feed must be called on a router.
    pub fingerprint: String,
}

/// Builds all packages for which there is a binary, and the feeds.
///
/// # Errors
/// If anything is missing or not understood; what was built before may be gone then.
pub fn build(options: &Options) -> anyhow::Result<Built> {
    let makefiles = options.repository.join("openwrt-package");
    let agent = read_makefile(&makefiles.join("welcomed/Makefile"))?;
    let application = makefiles.join("luci-app-welcomed");
    let luci = luci::packages(&read_makefile(&application.join("Makefile"))?, &application)?;
    let keys = Keys::open(&options.keys).context("open the keys")?;
    let mut feeds = Feeds { files: BTreeMap::new(), keys: &keys, mtime: options.mtime };
    let mut targets = Vec::new();
    for target in TARGETS {
        let binaries = options.binaries.join(target.triple);
        if binaries.join("welcomed").exists() {
            target.check(&binaries.join("welcomed"))?;
            targets.push((target, feeds.add_target(&agent, &options.repository, &binaries, target, &luci)?));
        }
    }
    ensure!(
        !targets.is_empty(),
        "{} has nothing for any target, such as {}",
        options.binaries.display(),
        TARGETS[0].triple
    );
    feeds.files.insert("welcomed.pub".to_owned(), keys.opkg.public().to_text().into_bytes());
    feeds.files.insert("welcomed.pem".to_owned(), keys.apk_public()?.into_bytes());
    write(&options.out, &feeds.files)?;
    Ok(Built { targets, fingerprint: keys.opkg.public().fingerprint() })
}

/// All files, by their paths below the directory for feeds.
struct Feeds<'a> {
    files: BTreeMap<String, Vec<u8>>,
    keys: &'a Keys,
    mtime: u64,
}

impl Feeds<'_> {
    /// The feeds of all architectures that a target serves.
    fn add_target(
        &mut self,
        agent: &Makefile,
        repository: &Path,
        binaries: &Path,
        target: Target,
        luci: &[Package],
    ) -> anyhow::Result<[usize; 2]> {
        let mut sizes = [0; 2];
        let build = |arch| {
            let agent = Package::from_makefile(agent, arch, Sources { repository, binaries });
            agent.with_context(|| format!("make the package welcomed for {arch}"))
        };
        for arch in target.archs_24_10 {
            sizes[0] = self.add_opkg(arch, &build(arch)?, luci)?;
        }
        for arch in target.archs_25_12 {
            sizes[1] = self.add_apk(arch, &build(arch)?, luci)?;
        }
        Ok(sizes)
    }

    fn add_opkg(&mut self, arch: &str, agent: &Package, luci: &[Package]) -> anyhow::Result<usize> {
        let packages = std::iter::once(agent).chain(luci);
        let files = packages.map(|package| Ok((ipk::file_name(package), ipk::write(package, self.mtime)?)));
        let files = files.collect::<anyhow::Result<Vec<_>>>()?;
        let size = files[0].1.len();
        let index = feed::packages(&files)?;
        let signature = self.keys.opkg.sign(index.as_bytes()).into_bytes();
        let indexes = [
            ("Packages.gz".to_owned(), gzip(index.as_bytes())),
            ("Packages.sig".to_owned(), signature),
            ("Packages".to_owned(), index.into_bytes()),
        ];
        self.add(&format!("24.10/{arch}"), files.into_iter().chain(indexes))?;
        Ok(size)
    }

    fn add_apk(&mut self, arch: &str, agent: &Package, luci: &[Package]) -> anyhow::Result<usize> {
        let key = &self.keys.apk;
        let packages: Vec<_> = std::iter::once(agent).chain(luci).collect();
        let files = packages.iter().map(|package| apk::write(package, self.mtime, key));
        let files = files.collect::<anyhow::Result<Vec<_>>>()?;
        let size = files[0].len();
        let index = apk::write_index(&files, key)?;
        let names = packages.into_iter().map(apk::file_name);
        let index = ("packages.adb".to_owned(), index);
        self.add(&format!("25.12/{arch}"), names.zip(files).chain([index]))?;
        Ok(size)
    }

    fn add(&mut self, dir: &str, files: impl Iterator<Item = (String, Vec<u8>)>) -> anyhow::Result<()> {
        for (name, bytes) in files {
            let path = format!("{dir}/{name}");
            if self.files.insert(path.clone(), bytes).is_some() {
                bail!("{path} was made twice");
            }
        }
        Ok(())
    }
}

/// Writes everything, and the sums of it; what an earlier run left is taken away first, so that no feed offers it.
fn write(out: &Path, files: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
    for release in ["24.10", "25.12"] {
        let dir = out.join(release);
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("remove {}", dir.display()))?;
        }
    }
    for (path, bytes) in files {
        let path = out.join(path);
        let dir = path.parent().context("a file in a directory")?;
        let written = fs::create_dir_all(dir).and_then(|()| fs::write(&path, bytes));
        written.with_context(|| format!("write {}", path.display()))?;
    }
    let sums: String = files.iter().map(|(path, bytes)| format!("{}  {path}\n", sha256(bytes))).collect();
    fs::write(out.join("SHA256SUMS"), sums).context("write SHA256SUMS")
}
