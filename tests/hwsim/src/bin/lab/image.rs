//! The machine's file system, as an initramfs: programs of this host with their libraries, kernel modules, and the
//! `guest` as process 1.
//!
//! It has two layers. The base is built once and kept; a layer with the `guest` and the programs under test is put on
//! top for each run (the kernel unpacks archives that follow each other into one tree). Neither is compressed: QEMU
//! copies them at the host's speed, while decompressing would be work for the emulated processor.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use hwsim::PROGRAMS_DIR;

use crate::cache::Cache;
use crate::command::{command, output, path_of_root};
use crate::kernel::Kernel;

/// A prepared base, and the kernel whose modules are in it.
pub(crate) struct Image {
    pub(crate) kernel: PathBuf,
    base: PathBuf,
}

/// Takes the base from the cache, or builds it when a program or the kernel in it has changed.
///
/// # Errors
/// When a program is missing or the archive cannot be written.
pub(crate) fn prepare(cache: &Cache, kernel: &Kernel) -> Result<Image> {
    let image = Image { kernel: kernel.file.clone(), base: cache.join("base.cpio") };
    let programs: Vec<_> = PROGRAMS.iter().map(|name| find_program(name)).collect::<Result<_>>()?;
    let libraries: BTreeSet<_> = programs.iter().flat_map(|program| libraries(program)).collect();
    let stamp = stamp(programs.iter().chain(&libraries).chain([&kernel.file]))?;
    let stamp_file = cache.join("base.stamp");
    if image.base.exists() && fs::read_to_string(&stamp_file).is_ok_and(|kept| kept == stamp) {
        return Ok(image);
    }
    let scratch = cache.scratch()?;
    let root = scratch.path().join("root");
    lay_out(&root)?;
    for program in &programs {
        copy_into(&root, program, &Path::new("/bin").join(program.file_name().context("a program without a name")?))?;
    }
    for library in &libraries {
        copy_into(&root, library, library)?;
    }
    add_links(&root)?;
    output(command(&["cp", "-r"]).arg(kernel.modules.join("lib/modules")).arg(root.join("lib")))?;
    let archive = scratch.path().join("base.cpio");
    pack(&root, &archive)?;
    fs::rename(&archive, &image.base).context("keep the file system")?;
    fs::write(&stamp_file, stamp).context("keep the file system's stamp")?;
    Ok(image)
}

impl Image {
    /// The file to boot: the base, the `guest`, the programs under test, what this story alone needs of Debian, and the
    /// libraries they ask for.
    ///
    /// # Errors
    /// When the `guest` is not beside this program, or the file cannot be written.
    pub(crate) fn with_programs(&self, programs: &[PathBuf], debian: &[PathBuf]) -> Result<File> {
        let guest = env::current_exe()?.with_file_name("guest");
        ensure!(guest.is_file(), "{} is missing: build both programs of tests/hwsim", guest.display());
        let scratch = tempfile::tempdir()?;
        let root = scratch.path().join("root");
        fs::create_dir_all(root.join("programs"))?;
        strip_into(&root, &guest, Path::new("/init"))?;
        for program in programs {
            let name = program.file_name().context("a program without a name")?;
            strip_into(&root, program, &Path::new(PROGRAMS_DIR).join(name))?;
        }
        for file in debian {
            copy_into(&root, file, &place(file))?;
            libraries(file).iter().try_for_each(|library| copy_into(&root, library, library))?;
        }
        let layer = scratch.path().join("layer.cpio");
        pack(&root, &layer)?;
        // Without a name, so that nothing can leave it behind.
        let mut boot = tempfile::tempfile()?;
        for part in [&self.base, &layer] {
            io::copy(&mut File::open(part)?, &mut boot).context("write the file system")?;
        }
        Ok(boot)
    }
}

fn find_program(name: &str) -> Result<PathBuf> {
    let path = path_of_root();
    let found = env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    found.with_context(|| format!("{name} is not installed"))
}

/// Names each file that goes in, with what changes when it is replaced.
fn stamp<'a>(files: impl Iterator<Item = &'a PathBuf>) -> Result<String> {
    let mut lines = vec![format!("layout {LAYOUT}")];
    for file in files {
        let meta = fs::metadata(file).with_context(|| format!("look at {}", file.display()))?;
        lines.push(format!("{} {} {}", file.display(), meta.size(), meta.mtime()));
    }
    Ok(lines.join("\n"))
}

fn lay_out(root: &Path) -> Result<()> {
    for dir in ["bin", "lib", "etc", "proc", "sys", "dev", "run", "tmp", "root", "usr", "var/lib/misc", "results"] {
        fs::create_dir_all(root.join(dir))?;
    }
    // The kernel runs /sbin/modprobe; programs look in all the historic places.
    for (link, target) in
        [("sbin", "bin"), ("usr/bin", "../bin"), ("usr/sbin", "../bin"), ("usr/lib", "../lib"), ("var/run", "../run")]
    {
        symlink(target, root.join(link))?;
    }
    for (file, text) in CONFIGURATION {
        fs::write(root.join(file), text)?;
    }
    Ok(())
}

/// Where a file of Debian is in the machine, in which `/usr` has nothing but links.
fn place(file: &Path) -> PathBuf {
    let below = file.strip_prefix("/usr").or_else(|_| file.strip_prefix("/")).unwrap_or(file);
    Path::new("/")
        .join(below.strip_prefix("sbin").map_or_else(|_| below.to_owned(), |name| Path::new("bin").join(name)))
}

/// What the dynamic loader says the program needs; nothing for a static one, on which `ldd` fails.
fn libraries(program: &Path) -> BTreeSet<PathBuf> {
    let listing = output(command(&["ldd"]).arg(program)).unwrap_or_default();
    listing.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// Copies a program without what only a debugger reads, which is most of it, and its libraries.
fn strip_into(root: &Path, program: &Path, to: &Path) -> Result<()> {
    let target = root.join(to.strip_prefix("/").unwrap_or(to));
    let mut strip = command(&["strip", "--strip-debug", "-o"]);
    output(strip.arg(target).arg(program)).with_context(|| format!("copy {}", program.display()))?;
    libraries(program).iter().try_for_each(|library| copy_into(root, library, library))
}

fn copy_into(root: &Path, from: &Path, to: &Path) -> Result<()> {
    let target = root.join(to.strip_prefix("/").unwrap_or(to));
    if target.exists() {
        return Ok(());
    }
    fs::create_dir_all(target.parent().context("a file without a directory")?)?;
    fs::copy(from, &target).with_context(|| format!("copy {}", from.display()))?;
    fs::set_permissions(&target, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The programs that are names of others. Real programs win over busybox's small versions of them.
fn add_links(root: &Path) -> Result<()> {
    let applets = output(&mut command(&["busybox", "--list"]))?;
    let links = applets.lines().map(|applet| (applet, "busybox"));
    for (name, target) in [("modprobe", "kmod")].into_iter().chain(links) {
        let link = root.join("bin").join(name);
        if link.symlink_metadata().is_err() {
            symlink(target, link)?;
        }
    }
    Ok(())
}

fn pack(root: &Path, archive: &Path) -> Result<()> {
    let script = "find . -mindepth 1 -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc -R 0:0 --reproducible --quiet";
    let file = File::create(archive)?;
    let mut sh = command(&["sh", "-e", "-c", script]);
    let status = sh.current_dir(root).stdout(file).stderr(Stdio::inherit()).status().context("start cpio")?;
    ensure!(status.success(), "cpio failed");
    Ok(())
}

/// Counts up when the tree below changes in a way that [`stamp`] cannot see.
const LAYOUT: u32 = 2;

/// What the stories run, beside the programs under test.
const PROGRAMS: &[&str] = &["busybox", "kmod", "ip", "iw", "hostapd", "wpa_supplicant", "dnsmasq", "nft"];

const CONFIGURATION: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "hosts: files\npasswd: files\ngroup: files\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_lands_on_one_of_the_machines_links() {
        for (file, expected) in [
            ("/usr/sbin/NetworkManager", "/bin/NetworkManager"),
            ("/usr/bin/nmcli", "/bin/nmcli"),
            ("/sbin/x", "/bin/x"),
            ("/usr/lib/x86_64-linux-gnu/NetworkManager/1/p.so", "/lib/x86_64-linux-gnu/NetworkManager/1/p.so"),
        ] {
            assert_eq!(place(Path::new(file)), Path::new(expected), "{file}");
        }
    }
}
