//! A package before it has a format: what its makefile says of it, and its files. From here [`crate::ipk`] and [`crate::apk`]
//! go their own ways.

use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};

use crate::makefile::Makefile;
use crate::recipe::{self, Sources};
use crate::tree::Tree;
use crate::version;

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// With the release of the packaging: `0.1.0-r1`.
    pub version: String,
    /// None if it runs anywhere.
    pub arch: Option<String>,
    /// What must be there, too; `libc` first.
    pub depends: Vec<String>,
    /// Where in a build tree its makefile lies.
    pub source: String,
    /// SPDX.
    pub license: String,
    /// Where in the sources it stands.
    pub license_files: String,
    /// The kind of package.
    pub section: String,
    /// `user:group:more groups`, as OpenWrt makes them at the installation; empty for none.
    pub user: String,
    /// One or more lines.
    pub description: Vec<String>,
    /// Files that belong to whoever runs the router once they are there.
    pub conffiles: Vec<String>,
    /// Its own part of what runs after the installation.
    pub postinst: Option<String>,
    /// Its own part of what runs before the removal.
    pub prerm: Option<String>,
    /// Its files.
    pub tree: Tree,
}

impl Package {
    /// The one package of a makefile that has an `install` recipe.
    ///
    /// # Errors
    /// If the makefile has another, or is not complete.
    pub fn from_makefile(makefile: &Makefile, arch: &str, sources: Sources<'_>) -> anyhow::Result<Self> {
        let name = makefile.variable("PKG_NAME").to_owned();
        ensure!(makefile.packages() == [&name], "PKG_NAME is {name:?}, the packages are {:?}", makefile.packages());
        for part in [RULES, PACKAGE] {
            ensure!(makefile.includes(part), "it does not include {part}");
        }
        let block = |part: &str| format!("Package/{name}{part}");
        let mut fields = makefile.fields(&block("")).map_err(|e| anyhow!(e))?;
        let mut field = |key| fields.remove(key).unwrap_or_default();
        let [section, depends, user, _, _, _] =
            ["SECTION", "DEPENDS", "USERID", "CATEGORY", "SUBMENU", "TITLE"].map(&mut field);
        ensure!(fields.is_empty(), "not understood in {}: {fields:?}", block(""));
        let recipe = makefile.block(&block("/install")).with_context(|| format!("no {}", block("/install")))?;
        let lines =
            |part| makefile.block(&block(part)).unwrap_or_default().iter().map(|line| line.trim().to_owned()).collect();
        let script = |part| makefile.text(&block(part)).map_err(|e| anyhow!(e));
        let mut package = Self {
            version: full_version(makefile)?,
            arch: Some(arch.to_owned()),
            depends: depends_of(&depends)?,
            source: source_of(&name),
            license: makefile.variable("PKG_LICENSE").to_owned(),
            license_files: makefile.variable("PKG_LICENSE_FILES").to_owned(),
            section,
            user,
            description: lines("/description"),
            conffiles: lines("/conffiles"),
            postinst: script("/postinst")?,
            prerm: script("/prerm")?,
            tree: recipe::install(recipe, sources)?,
            name,
        };
        package.check()?;
        package.keep_what_is_not_shipped()?;
        Ok(package)
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.license.is_empty() && !self.description.is_empty(), "{}: no licence or description", self.name);
        for script in [&self.postinst, &self.prerm].into_iter().flatten() {
            ensure!(script.starts_with("#!/bin/sh\n"), "{}: a script that does not begin with #!/bin/sh", self.name);
        }
        for path in &self.conffiles {
            ensure!(path.starts_with('/') && !path.contains(' '), "{}: {path}: no path of a conffile", self.name);
        }
        Ok(())
    }

    /// As OpenWrt's build system does it: what is named as configuration and is no file of the package is kept over a sysupgrade
    /// by a list.
    fn keep_what_is_not_shipped(&mut self) -> anyhow::Result<()> {
        let is_shipped = |path: &&String| self.tree.file(path.trim_start_matches('/')).is_some();
        let kept: Vec<_> = self.conffiles.iter().filter(|path| !is_shipped(path)).cloned().collect();
        kept.iter().try_for_each(|path| self.tree.append(&format!("lib/upgrade/keep.d/{}", self.name), path))
    }

    /// The conffiles that the package has as files.
    pub fn shipped_conffiles(&self) -> impl Iterator<Item = &str> {
        self.conffiles.iter().map(String::as_str).filter(|path| self.tree.file(path.trim_start_matches('/')).is_some())
    }
}

/// Reads a makefile and holds its version to ours.
///
/// # Errors
/// If it cannot be read, or is of another version than the programs in this repository.
pub fn read_makefile(path: &Path) -> anyhow::Result<Makefile> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let makefile = Makefile::parse(&text).with_context(|| format!("understand {}", path.display()))?;
    let ours = env!("CARGO_PKG_VERSION");
    let expected = version::from_cargo(ours).with_context(|| format!("{ours} has no form that apk accepts"))?;
    let found = makefile.variable("PKG_VERSION");
    ensure!(
        found == expected,
        "{}: PKG_VERSION is {found:?}; Cargo.toml's {ours} is {expected:?} there",
        path.display()
    );
    Ok(makefile)
}

/// `PKG_VERSION` and `PKG_RELEASE` together.
///
/// # Errors
/// If apk would not accept it.
pub fn full_version(makefile: &Makefile) -> anyhow::Result<String> {
    let version = format!("{}-r{}", makefile.variable("PKG_VERSION"), makefile.variable("PKG_RELEASE"));
    ensure!(version::is_apk(&version), "{version} is no version for apk");
    Ok(version)
}

/// The names in `DEPENDS`; every package depends on `libc`.
///
/// # Errors
/// For a dependency under a condition.
pub fn depends_of(depends: &str) -> anyhow::Result<Vec<String>> {
    let mut names = vec!["libc".to_owned()];
    for word in depends.split_whitespace().filter(|word| !word.starts_with('@')) {
        let name = word.strip_prefix('+').unwrap_or(word);
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        ensure!(!name.is_empty() && name.chars().all(is_plain), "a dependency that is no plain name: {word}");
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Where the build system finds a makefile of the feed that README.md says how to add.
#[must_use]
pub fn source_of(name: &str) -> String {
    format!("feeds/welcomed/{name}")
}

const RULES: &str = "$(TOPDIR)/rules.mk";
const PACKAGE: &str = "$(INCLUDE_DIR)/package.mk";
