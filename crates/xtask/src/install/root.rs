//! The directory that is installed into: files in it, and scripts that run in it. Never writes through a link.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use super::{apk, opkg};
use crate::sums::sha256;
use crate::tree::{Entry, check_path};

/// A router's root.
#[derive(Debug, Clone)]
pub struct Root {
    path: PathBuf,
    scripts: bool,
}

impl Root {
    /// The root in a directory; whether scripts are to run.
    ///
    /// # Errors
    /// If it is none, or has not what scripts need.
    pub fn new(path: &Path, scripts: bool) -> anyhow::Result<Self> {
        ensure!(path.is_dir(), "{} is no directory", path.display());
        for needed in ["bin/sh", "dev/null", "lib/functions.sh"] {
            // None is followed if it is a link: it would be on this machine, not in the root.
            let is_there = path.join(needed).symlink_metadata().is_ok();
            ensure!(!scripts || is_there, "scripts need {}", path.join(needed).display());
        }
        Ok(Self { path: path.to_owned(), scripts })
    }

    /// Installs a package, or replaces its other version. Says what was done.
    ///
    /// # Errors
    /// If it is no package, something is in the way, or a script fails.
    pub fn install(&self, file: &Path) -> anyhow::Result<String> {
        let bytes = fs::read(file)?;
        match bytes.get(..3) {
            Some([0x1f, 0x8b, _]) => opkg::install(self, &bytes),
            Some(b"ADB") => apk::install(self, &bytes),
            _ => bail!("neither a package of opkg nor one of apk"),
        }
    }

    /// Removes a package.
    ///
    /// # Errors
    /// If it is not there, or a script fails.
    pub fn remove(&self, name: &str) -> anyhow::Result<()> {
        check_path(name)?;
        if opkg::knows(self, name) {
            opkg::remove(self, name)
        } else if apk::knows(self, name) {
            apk::remove(self, name)
        } else {
            bail!("it is not installed")
        }
    }

    /// Puts something at a path, in place of what is there; its directory is made.
    pub(super) fn put(&self, path: &str, entry: &Entry) -> anyhow::Result<()> {
        let full = self.inside(path)?;
        let put = || -> anyhow::Result<()> {
            full.parent().map_or(Ok(()), fs::create_dir_all)?;
            match entry {
                Entry::Directory => fs::create_dir_all(&full)?,
                Entry::File { mode, bytes } => {
                    // Another file, not other bytes in the same one: a program may be running from it.
                    self.take(path)?;
                    fs::write(&full, bytes)?;
                    fs::set_permissions(&full, Permissions::from_mode(*mode))?;
                }
                Entry::Link(target) => {
                    self.take(path)?;
                    symlink(target, &full)?;
                }
            }
            Ok(())
        };
        put().with_context(|| format!("write /{path}"))
    }

    /// Takes away a file or a link; there may be none.
    pub(super) fn take(&self, path: &str) -> anyhow::Result<()> {
        match fs::remove_file(self.inside(path)?) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(|| format!("remove /{path}")),
            _ => Ok(()),
        }
    }

    /// Takes away the directories that a file was the last in.
    pub(super) fn take_empty_parents(&self, path: &str) {
        let mut path = path;
        while let Some((parent, _)) = path.rsplit_once('/') {
            // One that is not empty stays.
            if fs::remove_dir(self.path.join(parent)).is_err() {
                return;
            }
            path = parent;
        }
    }

    /// The bytes of a file, if there is one.
    pub(super) fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let full = self.inside(path)?;
        let is_file = full.symlink_metadata().is_ok_and(|data| data.is_file());
        if is_file { Ok(Some(fs::read(full)?)) } else { Ok(None) }
    }

    /// The text of a file; without one it is empty.
    pub(super) fn text(&self, path: &str) -> anyhow::Result<String> {
        String::from_utf8(self.read(path)?.unwrap_or_default()).with_context(|| format!("/{path} is not UTF-8"))
    }

    /// SHA-256 of a file, if there is one.
    pub(super) fn hash(&self, path: &str) -> anyhow::Result<Option<String>> {
        Ok(self.read(path)?.map(|bytes| sha256(&bytes)))
    }

    /// Runs a script of the root in it.
    pub(super) fn run(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<()> {
        if !self.scripts || self.read(script)?.is_none() {
            return Ok(());
        }
        let mut command = Command::new("chroot");
        command.arg(&self.path).args(["/bin/sh", &format!("/{script}")]).args(arguments);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(variables.iter().copied());
        let status = command.status().with_context(|| format!("run /{script} by chroot"))?;
        ensure!(status.success(), "/{script} ended with {status}; chroot takes root");
        Ok(())
    }

    /// The path on this machine, if no link lies on the way.
    fn inside(&self, path: &str) -> anyhow::Result<PathBuf> {
        check_path(path)?;
        for (at, _) in path.match_indices('/') {
            let parent = self.path.join(&path[..at]);
            let is_link = parent.symlink_metadata().is_ok_and(|data| data.is_symlink());
            ensure!(!is_link, "/{}: a link could lead out of the root", &path[..at]);
        }
        Ok(self.path.join(path))
    }
}
