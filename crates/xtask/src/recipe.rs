//! Carries out a package's `install` recipe: the four commands that OpenWrt's makefiles use, with the permissions those give.
//! Lines of the makefile come in, a [`Tree`] goes out.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use crate::tree::{Entry, Tree};

/// Where a recipe takes from.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// `$(PKG_BUILD_DIR)`: the repository.
    pub repository: &'a Path,
    /// `$(PKG_INSTALL_DIR)/bin`: what was built for this target.
    pub binaries: &'a Path,
}

/// Does what the lines say.
///
/// # Errors
/// For a command it does not know, a source that is not there, and a directory that was not made before it is filled.
pub fn install(lines: &[String], sources: Sources<'_>) -> anyhow::Result<Tree> {
    let mut tree = Tree::default();
    for line in lines {
        let command = line.strip_prefix('\t').with_context(|| format!("no tab in front: {line}"))?;
        run(command, sources, &mut tree).with_context(|| format!("carry out {command}"))?;
    }
    Ok(tree)
}

fn run(command: &str, sources: Sources<'_>, tree: &mut Tree) -> anyhow::Result<()> {
    let mut words = command.split(' ');
    let mode = match words.next() {
        Some("$(INSTALL_DIR)") => {
            return words.try_for_each(|word| tree.put(destination(word)?, Entry::Directory));
        }
        Some("$(INSTALL_BIN)") => 0o755,
        Some("$(INSTALL_DATA)") => 0o644,
        // Configurations may hold secrets.
        Some("$(INSTALL_CONF)") => 0o600,
        _ => bail!("not one of INSTALL_DIR, INSTALL_BIN, INSTALL_DATA, INSTALL_CONF"),
    };
    let words: Vec<_> = words.collect();
    let (to, from) = words.split_last().context("nothing to install")?;
    ensure!(!from.is_empty(), "no destination");
    let from = from.iter().map(|word| found(word, sources)).collect::<anyhow::Result<Vec<_>>>()?.concat();
    let to = destination(to)?;
    ensure!(to.ends_with('/') || from.len() == 1, "several files for one path");
    let (directory, _) = to.rsplit_once('/').context("into the root itself")?;
    ensure!(tree.get(directory) == Some(&Entry::Directory), "{directory} was not made");
    for file in from {
        let bytes = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        let name =
            file.file_name().and_then(|n| n.to_str()).with_context(|| format!("{}: its name", file.display()))?;
        let path = if to.ends_with('/') { format!("{to}{name}") } else { to.to_owned() };
        tree.put(&path, Entry::File { mode, bytes })?;
    }
    Ok(())
}

/// `$(1)/etc/` is `etc/`.
fn destination(word: &str) -> anyhow::Result<&str> {
    word.strip_prefix("$(1)/").with_context(|| format!("{word} is not below $(1)"))
}

/// The files that a word names, sorted. A star may stand in the last part of a path.
fn found(word: &str, sources: Sources<'_>) -> anyhow::Result<Vec<PathBuf>> {
    let path = if let Some(below) = word.strip_prefix("$(PKG_BUILD_DIR)/") {
        sources.repository.join(below)
    } else if let Some(name) = word.strip_prefix("$(PKG_INSTALL_DIR)/bin/") {
        sources.binaries.join(name)
    } else {
        bail!("{word} is below neither $(PKG_BUILD_DIR) nor $(PKG_INSTALL_DIR)/bin");
    };
    let Some((before, after)) = word.rsplit_once('/').and_then(|(_, name)| name.split_once('*')) else {
        ensure!(path.is_file(), "{} is not there", path.display());
        return Ok(vec![path]);
    };
    let directory = path.parent().context("a star in the root")?;
    let entries = fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<anyhow::Result<Vec<_>>>()?;
    names.retain(|n| n.len() >= before.len() + after.len() && n.starts_with(before) && n.ends_with(after));
    names.sort();
    ensure!(!names.is_empty(), "{} finds nothing", path.display());
    Ok(names.into_iter().map(|name| directory.join(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carry_out(lines: &[&str]) -> anyhow::Result<Tree> {
        let dir = tempfile::tempdir().unwrap();
        for name in ["one.json", "two.json", "three.txt"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let lines: Vec<_> = lines.iter().map(|line| format!("\t{line}")).collect();
        install(&lines, Sources { repository: dir.path(), binaries: dir.path() })
    }

    #[test]
    fn each_command_gives_its_permissions() {
        let tree = carry_out(&[
            "$(INSTALL_DIR) $(1)/a $(1)/b",
            "$(INSTALL_BIN) $(PKG_INSTALL_DIR)/bin/three.txt $(1)/a/",
            "$(INSTALL_CONF) $(PKG_BUILD_DIR)/three.txt $(1)/a/renamed",
            "$(INSTALL_DATA) $(PKG_BUILD_DIR)/*.json $(1)/b/",
        ])
        .unwrap();
        let modes: Vec<_> = tree
            .iter()
            .filter_map(|(path, entry)| if let Entry::File { mode, .. } = entry { Some((path, *mode)) } else { None })
            .collect();
        assert_eq!(modes, [("a/renamed", 0o600), ("a/three.txt", 0o755), ("b/one.json", 0o644), ("b/two.json", 0o644)]);
        assert_eq!(tree.file("b/two.json"), Some(&b"two.json"[..]));
    }

    #[test]
    fn what_cannot_be_carried_out_is_named() {
        for (line, problem) in [
            ("cp $(PKG_BUILD_DIR)/one.json $(1)/a/", "not one of"),
            ("$(INSTALL_DATA) $(PKG_BUILD_DIR)/none $(1)/a/", "is not there"),
            ("$(INSTALL_DATA) $(PKG_BUILD_DIR)/*.xml $(1)/a/", "finds nothing"),
            ("$(INSTALL_DATA) $(PKG_BUILD_DIR)/one.json $(1)/b/", "was not made"),
            ("$(INSTALL_DATA) $(PKG_BUILD_DIR)/*.json $(1)/a/x", "several files"),
            ("$(INSTALL_DATA) ./one.json $(1)/a/", "is below neither"),
            ("$(INSTALL_DATA) $(PKG_BUILD_DIR)/one.json /a/", "not below"),
            ("$(INSTALL_DATA) $(1)/a/", "no destination"),
            ("$(INSTALL_DIR) $(1)/../a", "not a path"),
        ] {
            let error = carry_out(&["$(INSTALL_DIR) $(1)/a", line]).unwrap_err();
            assert!(format!("{error:#}").contains(problem), "{line}: {error:#}");
        }
    }
}
