//! A stock Debian kernel with the modules for simulated radios. The package is fetched and unpacked, never
//! installed: the host's boot directory stays as it is.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use crate::cache::Cache;
use crate::command::{command, output};

/// A kernel that QEMU can start, and its modules.
pub(crate) struct Kernel {
    pub(crate) file: PathBuf,
    /// A tree with `lib/modules/<version>`, holding [`MODULES`] and what they need, indexed for `modprobe`.
    pub(crate) modules: PathBuf,
}

/// Takes the kernel from the cache, or fetches it.
///
/// # Errors
/// When apt knows no kernel, the download fails or the package is not as expected.
pub(crate) fn prepare(cache: &Cache) -> Result<Kernel> {
    let kernel = Kernel { file: cache.join("vmlinux"), modules: cache.join("modules") };
    // The kernel file is put in place last, so it vouches for the modules; the list, that they are those of today.
    let list = cache.join("modules.list");
    if kernel.file.exists() && fs::read_to_string(&list).is_ok_and(|kept| kept == MODULES.join(" ")) {
        return Ok(kernel);
    }
    let scratch = cache.scratch()?;
    let tree = scratch.path();
    fetch(tree)?;
    let version = only_entry(&tree.join("lib/modules"))?;
    let picked = tree.join("picked");
    pick_modules(tree, &version, &picked)?;
    let vmlinuz = fs::read(tree.join("boot").join(format!("vmlinuz-{version}"))).context("read the kernel")?;
    fs::write(tree.join("vmlinux"), unpacked(&vmlinuz)?)?;
    if kernel.modules.exists() {
        fs::remove_dir_all(&kernel.modules)?;
    }
    fs::rename(picked, &kernel.modules).context("keep the modules")?;
    fs::rename(tree.join("vmlinux"), &kernel.file).context("keep the kernel")?;
    fs::write(list, MODULES.join(" ")).context("keep the list of modules")?;
    Ok(kernel)
}

/// Downloads and unpacks; with apt's lists refreshed when they name no kernel, or one that the mirror has no more.
fn fetch(tree: &Path) -> Result<()> {
    if let Err(error) = download(tree) {
        eprintln!("lab: refreshing apt's lists: {error:#}");
        output(&mut command(&["apt-get", "update", "-qq"])).context("refresh apt's lists")?;
        download(tree)?;
    }
    for entry in fs::read_dir(tree)? {
        let deb = entry?.path();
        if deb.extension().is_some_and(|extension| extension == "deb") {
            unpack(&deb, tree).with_context(|| format!("unpack {}", deb.display()))?;
        }
    }
    // Newer packages ship their modules below /usr.
    let merged = tree.join("usr/lib/modules");
    if merged.exists() {
        fs::create_dir_all(tree.join("lib"))?;
        fs::rename(merged, tree.join("lib/modules"))?;
    }
    Ok(())
}

fn download(tree: &Path) -> Result<()> {
    let packages = kernel_packages().with_context(|| format!("apt knows none of {META_PACKAGES:?}"))?;
    eprintln!("lab: fetching {}", packages.join(" "));
    // apt's own unprivileged user could not write into our directory.
    let words = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root"];
    output(command(&words).args(&packages).current_dir(tree)).context("download the kernel package").map(drop)
}

/// Debian has one package for kernel and modules, Ubuntu three.
fn kernel_packages() -> Option<Vec<String>> {
    let image = META_PACKAGES.iter().find_map(|meta| {
        let depends = output(&mut command(&["apt-cache", "depends", meta])).ok()?;
        depends
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: ").filter(|name| is_image(name)).map(String::from))
    })?;
    let version = image.strip_prefix("linux-image-")?.to_owned();
    let extra = ["linux-modules-", "linux-modules-extra-"].map(|prefix| format!("{prefix}{version}"));
    let known = |package: &String| output(&mut command(&["apt-cache", "show", package])).is_ok();
    Some(std::iter::once(image).chain(extra.into_iter().filter(known)).collect())
}

fn is_image(package: &str) -> bool {
    package
        .strip_prefix("linux-image-")
        .is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}

fn unpack(deb: &Path, tree: &Path) -> Result<()> {
    let mut archive = command(&["dpkg-deb", "--fsys-tarfile"]).arg(deb).stdout(Stdio::piped()).spawn()?;
    let stream = archive.stdout.take().context("read the package")?;
    let words = ["tar", "-x", "--exclude=./usr/share"];
    output(
        command(&words)
            .args(DRIVERS_LEFT_OUT.map(|dir| format!("--exclude=*/drivers/{dir}")))
            .arg("-C")
            .arg(tree)
            .stdin(stream),
    )?;
    ensure!(archive.wait()?.success(), "dpkg-deb could not read the package");
    Ok(())
}

fn only_entry(dir: &Path) -> Result<String> {
    let mut names = fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))?;
    let first = names.next().with_context(|| format!("{} is empty", dir.display()))??;
    Ok(first.file_name().to_string_lossy().into_owned())
}

/// Copies the wanted modules with all they depend on into a small tree of the same shape.
fn pick_modules(tree: &Path, version: &str, picked: &Path) -> Result<()> {
    let index = |root: &Path| output(command(&["depmod", "-b"]).arg(root).arg(version)).context("index the modules");
    index(tree)?;
    for module in MODULES {
        let words = ["modprobe", "--show-depends", "-S", version, "-d"];
        let plan =
            output(command(&words).arg(tree).arg(module)).with_context(|| format!("find the module {module}"))?;
        for file in plan.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            let from = Path::new(file.trim());
            let to = picked.join(from.strip_prefix(tree).context("a module outside its tree")?);
            fs::create_dir_all(to.parent().context("a module without a directory")?)?;
            fs::copy(from, to).with_context(|| format!("copy {file}"))?;
        }
    }
    for list in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        let name = format!("lib/modules/{version}/{list}");
        fs::copy(tree.join(&name), picked.join(&name)).with_context(|| format!("copy {list}"))?;
    }
    index(picked)?;
    Ok(())
}

/// The ELF file inside a bzImage: QEMU starts it directly, which spares the emulated processor two seconds of
/// decompression. A kernel that is not packed with xz is used as it is.
fn unpacked(bzimage: &[u8]) -> Result<Vec<u8>> {
    let Some(start) = bzimage.windows(XZ_MAGIC.len()).position(|window| window == XZ_MAGIC) else {
        return Ok(bzimage.to_vec());
    };
    let words = ["xz", "--decompress", "--stdout", "--single-stream", "--ignore-check", "--quiet"];
    let mut xz = command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut stdin = xz.stdin.take().context("feed xz")?;
    let packed = bzimage[start..].to_vec();
    // xz closes its end where the stream ends; what follows in the image is not its business.
    let feeder = std::thread::spawn(move || stdin.write_all(&packed).is_ok());
    let elf = xz.wait_with_output()?.stdout;
    if feeder.join().is_err() || !elf.starts_with(b"\x7fELF") {
        bail!("the kernel image could not be unpacked");
    }
    Ok(elf)
}

const XZ_MAGIC: &[u8] = b"\xfd7zXZ\0";

const META_PACKAGES: [&str; 2] = ["linux-image-amd64", "linux-image-generic"];

/// Two thirds of the package, of no use to a machine whose only hardware is virtual.
const DRIVERS_LEFT_OUT: [&str; 8] = ["gpu", "media", "scsi", "infiniband", "iio", "staging", "usb", "net/ethernet"];

/// What the machine loads, or what the kernel asks for by itself (ciphers, link types, expressions of nftables).
const MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_console",
    "9p",
    "9pnet_virtio",
    "mac80211_hwsim",
    "ccm",
    "cmac",
    "ctr",
    "gcm",
    "veth",
    "bridge",
    "nf_tables",
    "nf_conntrack",
    "nft_chain_nat",
    "nft_ct",
    "nft_fib_inet",
    "nft_redir",
    "nft_reject_inet",
];
