//! The files of one package, in memory, as they will lie on the router: all owned by root, directories 0755. Knows no archive
//! format.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

/// Files by their path from the root, without a slash in front. Whatever lies in a directory has it listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// Permissions.
        mode: u32,
        /// What it holds.
        bytes: Vec<u8>,
    },
    /// A symbolic link and where it points.
    Link(String),
}

impl Tree {
    /// All of it, in the order of whole paths: a directory comes before what lies in it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// What lies at a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The bytes of a file.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match self.get(path) {
            Some(Entry::File { bytes, .. }) => Some(bytes),
            _ => None,
        }
    }

    /// The paths of files and links, each with a slash in front.
    pub fn files(&self) -> impl Iterator<Item = String> {
        self.iter().filter(|(_, entry)| **entry != Entry::Directory).map(|(path, _)| format!("/{path}"))
    }

    /// How many bytes its files hold together.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.iter().map(|(_, entry)| if let Entry::File { bytes, .. } = entry { bytes.len() as u64 } else { 0 }).sum()
    }

    /// Puts something at a path, and the directories it lies in.
    ///
    /// # Errors
    /// For a path that could lead elsewhere, or if something else is there.
    pub fn put(&mut self, path: &str, entry: Entry) -> anyhow::Result<()> {
        check_path(path)?;
        for (at, _) in path.match_indices('/') {
            let parent = self.entries.entry(path[..at].to_owned()).or_insert(Entry::Directory);
            ensure!(*parent == Entry::Directory, "{path}: {} is no directory", &path[..at]);
        }
        match self.entries.get(path) {
            Some(Entry::Directory) if entry == Entry::Directory => {}
            Some(_) => bail!("{path}: put there twice"),
            None => {
                self.entries.insert(path.to_owned(), entry);
            }
        }
        Ok(())
    }

    /// Adds a line to a file, which is made if need be.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn append(&mut self, path: &str, line: &str) -> anyhow::Result<()> {
        let mut bytes = self.file(path).unwrap_or_default().to_vec();
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.entries.remove(path);
        self.put(path, Entry::File { mode: 0o644, bytes })
    }

    /// Copies a directory of this machine below a path. Of permissions only whether a file can be run is kept: the rest is the
    /// business of whoever checked it out.
    ///
    /// # Errors
    /// If it cannot be read, or has something in it that no package could carry.
    pub fn copy_directory(&mut self, from: &Path, below: &str) -> anyhow::Result<()> {
        let entries = fs::read_dir(from).with_context(|| format!("read {}", from.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|n| anyhow::anyhow!("{}: not UTF-8", n.display()))?;
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.put(&path, Entry::Directory)?;
                self.copy_directory(&entry.path(), &path)?;
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path())?.into_os_string().into_string();
                self.put(
                    &path,
                    Entry::Link(target.map_err(|_| anyhow::anyhow!("{path}: leads to what is not UTF-8"))?),
                )?;
            } else {
                ensure!(kind.is_file(), "{}: neither file, directory nor link", entry.path().display());
                let can_run = entry.metadata()?.permissions().mode() & 0o111 != 0;
                let mode = if can_run { 0o755 } else { 0o644 };
                self.put(&path, Entry::File { mode, bytes: fs::read(entry.path())? })?;
            }
        }
        Ok(())
    }
}

/// A path inside of a package is relative and has neither `.` nor `..` in it, nor what a list of files could not hold.
///
/// # Errors
/// If it is anything else.
pub fn check_path(path: &str) -> anyhow::Result<()> {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    ensure!(
        path.split('/').all(is_part) && path.chars().all(|c| !c.is_control() && c != ' '),
        "{path:?}: not a path for a package"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_come_with_what_lies_in_them() {
        let mut tree = Tree::default();
        tree.put("etc/config/x", Entry::File { mode: 0o600, bytes: b"ab".to_vec() }).unwrap();
        tree.append("lib/keep", "/etc/x/").unwrap();
        tree.append("lib/keep", "/etc/y").unwrap();
        assert_eq!(
            tree.iter().map(|(p, _)| p).collect::<Vec<_>>(),
            ["etc", "etc/config", "etc/config/x", "lib", "lib/keep"]
        );
        assert_eq!(tree.files().collect::<Vec<_>>(), ["/etc/config/x", "/lib/keep"]);
        assert_eq!((tree.size(), tree.file("lib/keep")), (17, Some(&b"/etc/x/\n/etc/y\n"[..])));
    }

    #[test]
    fn nothing_is_put_twice_or_outside() {
        let mut tree = Tree::default();
        tree.put("a/b", Entry::Link("c".to_owned())).unwrap();
        for path in ["a/b", "a/b/c", "/x", "x/", "../x", "x/./y", "x//y", "", "x y", "x\ny"] {
            assert!(tree.put(path, Entry::Directory).is_err(), "{path}");
        }
    }
}
