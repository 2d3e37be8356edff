//! Our own end of a control socket: a bound and connected datagram socket with a file of its own.
//!
//! In: the program's socket path and a directory. Out: a [`Local`] whose file goes when it goes. It
//! never leaves a file behind, also when a task is cancelled, and never takes another's.

use crate::{Error, GoneReason};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Only the owner and group may write to our end: whoever writes to it could forge answers.
const MODE: u32 = 0o660;

/// How many taken names are passed over before giving up.
const ATTEMPTS: usize = 100;

/// The file of our end; removed on drop.
#[derive(Debug)]
pub(crate) struct Local {
    file: PathBuf,
}

impl Local {
    /// Binds a new socket in `dir` and connects it to `peer`.
    ///
    /// Connected, because the kernel then limits what waits for us by the sender's buffer (hundreds
    /// of events). On an unconnected one about ten may wait before the sender is held up.
    pub(crate) fn connect(peer: &Path, dir: &Path) -> Result<(Self, UnixDatagram), Error> {
        let (local, socket) = Self::bind(dir)?;
        let system = |doing| move |source| Error::System { doing, source };
        fs::set_permissions(&local.file, fs::Permissions::from_mode(MODE))
            .map_err(system("set the mode of our socket"))?;
        local.give_to_owner_of(peer)?;
        socket.connect(peer).map_err(|source| Error::from_peer("connect to the control socket", source))?;
        Ok((local, socket))
    }

    fn bind(dir: &Path) -> Result<(Self, UnixDatagram), Error> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let mut attempts = ATTEMPTS;
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let file = dir.join(format!("wpa-ctrl-{}-{number}", std::process::id()));
            match UnixDatagram::bind(&file) {
                Ok(socket) => return Ok((Self { file }, socket)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {
                    attempts -= 1;
                    remove_if_abandoned(&file);
                }
                Err(source) => return Err(Error::System { doing: "bind our socket", source }),
            }
        }
    }

    /// The program may run as another user, and must be able to write to our end.
    fn give_to_owner_of(&self, peer: &Path) -> Result<(), Error> {
        let theirs = fs::metadata(peer).map_err(|source| Error::from_peer("look at the control socket", source))?;
        let ours = fs::metadata(&self.file).map_err(|source| Error::System { doing: "look at our socket", source })?;
        if (theirs.uid(), theirs.gid()) != (ours.uid(), ours.gid())
            && chown(&self.file, Some(theirs.uid()), Some(theirs.gid())).is_err()
            // Only root gives files away; but who is in the program's group can share one with it.
            && let Err(error) = chown(&self.file, None, Some(theirs.gid()))
        {
            // Not fatal: the program may run as root, which may write to it all the same.
            tracing::debug!(%error, "our socket could not be given to the program's user");
        }
        Ok(())
    }
}

impl Local {
    /// Removes the file now; once more does no harm, since no name is used twice.
    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.file)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(%error, "our socket file could not be removed");
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A file of an earlier process with our number (containers give every run the same) is in the way.
fn remove_if_abandoned(file: &Path) {
    let abandoned = UnixDatagram::unbound()
        .and_then(|probe| probe.connect(file))
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if abandoned && let Err(error) = fs::remove_file(file) {
        tracing::debug!(%error, "an abandoned socket file could not be removed");
    }
}

/// Which socket stands at a path; changes when the program makes it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    // Some file systems give a freed inode number to the next file.
    changed: (i64, i64),
}

impl Identity {
    pub(crate) fn of(peer: &Path) -> Result<Self, GoneReason> {
        let meta = fs::metadata(peer).map_err(|_| GoneReason::Missing)?;
        Ok(Self { device: meta.dev(), inode: meta.ino(), changed: (meta.ctime(), meta.ctime_nsec()) })
    }
}
