//! Builds the agent for routers without docker: Debian's compiler, its source of std and its lld, zig as C compiler and
//! for what musl adds to a program.
//!
//! In: the repository and a list of targets. Out: `DIR/TRIPLE/welcomed`, static, stripped. Says what is missing and how to
//! get it; installs nothing (`make cross` does). `cross.toml` describes the same for the tool `cross`; a test compares.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, bail, ensure};

use crate::elf;
use crate::targets::Target;

/// What to build and how.
#[derive(Debug)]
pub struct Options {
    /// The repository.
    pub repository: PathBuf,
    /// Where zig is: a virtual environment of Python's with `ziglang` in it.
    pub zig: PathBuf,
    /// Where everything goes: cargo's files, and the programs as `TRIPLE/welcomed`.
    pub out: PathBuf,
    /// For whom.
    pub targets: Vec<Target>,
    /// Say where and why before ending at a panic, at the price of 200 kB.
    pub panic_messages: bool,
}

/// Builds for all targets, two at a time: the end of a build, where everything is linked, keeps one processor busy. Returns
/// the programs.
///
/// # Errors
/// If a tool is missing or the build fails.
pub fn build(options: &Options) -> anyhow::Result<Vec<(Target, PathBuf)>> {
    let tools = Tools::find(options)?;
    let waiting = Mutex::new(options.targets.iter());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut built = Vec::new();
        while let Some(target) = next() {
            built.push((*target, build_one(options, &tools, target)?));
        }
        Ok(built)
    };
    let built = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(|w| w.join().map_err(|_| anyhow::anyhow!("a build panicked"))?);
        done.collect::<anyhow::Result<Vec<_>>>()
    })?;
    Ok(built.into_iter().flatten().collect())
}

const AT_A_TIME: usize = 2;

/// Builds the tests of the ubus codec against recordings for each target, and has QEMU run them: on a big-endian processor
/// everything on the wire is read as it lies in memory.
///
/// # Errors
/// If a tool is missing, the build fails or a test does.
pub fn test_captures(options: &Options) -> anyhow::Result<()> {
    let tools = Tools::find(options)?;
    for target in &options.targets {
        let mut cargo = tools.cargo(options, target, true)?;
        cargo
            .args(["test", "--locked", "--package", "tokio-ubus", "--test", "captures"])
            .arg("-Zbuild-std=std,panic_unwind,panic_abort,test")
            .env(format!("CARGO_TARGET_{}_RUNNER", variable(target).to_uppercase()), target.qemu);
        ensure!(cargo.status().context("run cargo")?.success(), "the captures on {} failed", target.name);
    }
    Ok(())
}

fn build_one(options: &Options, tools: &Tools, target: &Target) -> anyhow::Result<PathBuf> {
    let mut cargo = tools.cargo(options, target, options.panic_messages)?;
    cargo
        .args(["build", "--locked", "--profile", "router", "--package", "welcomed"])
        .args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
    ensure!(cargo.status().context("run cargo")?.success(), "the build for {} failed", target.name);
    let built = tools.files_of(target).join(target.triple).join("router/welcomed");
    let program = tools.out.join(target.triple).join("welcomed");
    let whole = fs::read(&built).with_context(|| format!("read {}", built.display()))?;
    let loaded = elf::without_sections(&whole).with_context(|| format!("strip {}", built.display()))?;
    fs::write(&program, loaded).with_context(|| format!("write {}", program.display()))?;
    fs::set_permissions(&program, fs::metadata(&built)?.permissions())?;
    Ok(program)
}

/// Where things are; absolute, as cargo hands paths on to programs that run elsewhere.
struct Tools {
    out: PathBuf,
    /// Our wrappers of zig.
    wrappers: PathBuf,
    /// For `PATH`: zig first.
    path: OsString,
}

impl Tools {
    fn find(options: &Options) -> anyhow::Result<Self> {
        look_for_tools(&options.zig)?;
        let wrappers = options.repository.join("cross").canonicalize().context("find the directory cross")?;
        Ok(Self { out: std::path::absolute(&options.out)?, wrappers, path: path_with(&options.zig.join("bin"))? })
    }

    /// Where cargo has its files for a target. Apart from the others', since cargo lets one build at a time into a directory.
    fn files_of(&self, target: &Target) -> PathBuf {
        self.out.join(target.triple).join("build")
    }

    /// cargo, ready for what it is to do.
    fn cargo(&self, options: &Options, target: &Target, panic_messages: bool) -> anyhow::Result<Command> {
        let links = self.out.join("bin");
        fs::create_dir_all(&links).with_context(|| format!("make {}", links.display()))?;
        let wrapper = |name: &str| {
            let link = links.join(format!("{name}-{}", target.triple));
            if !link.exists() {
                symlink(self.wrappers.join(name), &link).with_context(|| format!("link {}", link.display()))?;
            }
            anyhow::Ok(link)
        };
        let (compiler, linker) = (wrapper("zigcc")?, wrapper("ziglink")?);
        let (name, caches) = (variable(target), self.out.join("zig-cache"));
        let upper = name.to_uppercase();
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(&options.repository)
            .env("CARGO_BUILD_TARGET", target.triple)
            .env("CARGO_TARGET_DIR", self.files_of(target))
            // Whoever runs us by cargo may have set these for this machine.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("PATH", &self.path)
            .env("RUSTC", RUSTC)
            // Building std is a privilege of nightly compilers; this one was released with the source it is to build.
            .env("RUSTC_BOOTSTRAP", "1")
            // musl's times have 64 bits since 1.2: this for the libc crate in std, a flag below for the one beside it.
            .env("RUST_LIBC_UNSTABLE_MUSL_V1_2_3", "1")
            .env(format!("CARGO_TARGET_{upper}_LINKER"), linker)
            .env(format!("CC_{name}"), &compiler)
            .env(format!("AR_{name}"), self.wrappers.join("zigar"))
            .env(format!("CARGO_TARGET_{upper}_RUSTFLAGS"), rustflags(target, panic_messages))
            .envs(["ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"].map(|name| (name, &caches)));
        Ok(cargo)
    }
}

/// The triple as names of variables have it.
fn variable(target: &Target) -> String {
    target.triple.replace('-', "_")
}

/// What the compiler is told, beside the profile `router`.
#[must_use]
pub fn rustflags(target: &Target, panic_messages: bool) -> String {
    let mut flags = String::from(
        // crt1.o and libc.a come from zig. mips and riscv64 would be dynamic. Nothing unwinds. Of a type that writes itself for
        // debugging the name is enough.
        "-Clink-self-contained=no -Ctarget-feature=+crt-static \
         -Cforce-unwind-tables=no --cfg=libc_unstable_musl_v1_2 -Zunstable-options -Zfmt-debug=shallow",
    );
    // rustc asks for static programs that may lie anywhere on x86_64 alone, and in a way that zig does not know.
    flags += if target.is_pie { " -Crelocation-model=pie -Clink-arg=-pie" } else { " -Crelocation-model=static" };
    for more in target.rustflags {
        flags = format!("{flags} {more}");
    }
    for option in SMALLER {
        flags = format!("{flags} -Cllvm-args=-{option}");
    }
    if !panic_messages {
        flags += " -Cpanic=immediate-abort";
    }
    flags
}

/// What of LLVM's optimisations makes code faster and larger, even where small code is asked for; together 1 to 2 % of a program and
/// 2 to 4 % of its package. Each but the last two is the leaving out of something that no code needs.
const SMALLER: [&str; 9] = [
    // Values kept over a loop or in several places fill the registers: others are spilt to the stack.
    "disable-machine-licm",
    "disable-machine-cse",
    "disable-lsr",
    "disable-constant-hoisting",
    "disable-licm-promotion",
    "enable-pre=false",
    // What stands as it was written is found again by gzip.
    "disable-block-placement",
    "min-jump-table-entries=8",
    "split-spill-mode=size",
];

fn look_for_tools(zig: &Path) -> anyhow::Result<()> {
    if !Path::new(RUSTC).exists() || !Path::new(STD_SOURCE).exists() {
        bail!("{RUSTC} or its source is missing: sudo apt-get install rustc-web rust-web-src");
    }
    if !Path::new(LLD).exists() {
        bail!("{LLD} is missing: sudo apt-get install lld-22");
    }
    let python = zig.join("bin/python3");
    let asked = Command::new(&python).args(["-m", "ziglang", "version"]).output();
    let version = asked.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default();
    // From 0.16 on zig's musl has an allocator of zig's own, which gives nothing back: ziglang/zig#23592.
    ensure!(
        version == ZIG,
        "zig {ZIG} is missing in {0}: python3 -m venv {0} && {0}/bin/pip install ziglang=={ZIG}",
        zig.display()
    );
    Ok(())
}

fn path_with(first: &Path) -> anyhow::Result<OsString> {
    let first = std::path::absolute(first)?;
    let rest = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths([first].into_iter().chain(std::env::split_paths(&rest)))?)
}

/// The version that `cross/Dockerfile` has, too.
pub const ZIG: &str = "0.15.2";
const RUSTC: &str = "/usr/bin/rustc";
/// What `cross/ziglink` calls; `cross/Dockerfile` and the Makefile install it.
const LLD: &str = "/usr/bin/ld.lld-22";
const STD_SOURCE: &str = "/usr/lib/rustlib/src/rust/library";

#[cfg(test)]
mod tests {
    use crate::targets::TARGETS;

    use super::*;

    fn read(path: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    #[test]
    fn cross_builds_the_same_with_docker() {
        let described = read("cross.toml");
        for target in TARGETS {
            let variable = format!("CARGO_TARGET_{}_RUSTFLAGS", variable(&target).to_uppercase());
            let line = format!("passthrough = [\"{variable}={}\"]", rustflags(&target, false));
            assert!(described.contains(&line), "cross.toml lacks\n[target.{}.env]\n{line}", target.triple);
        }
        let image = read("cross/Dockerfile");
        assert!(image.contains(&format!("ziglang=={ZIG}")));
        assert!(read("Makefile").contains(&format!("ziglang=={ZIG}")));
        let lld = Path::new(LLD).file_name().and_then(|name| name.to_str()).unwrap();
        let package = lld.trim_start_matches("ld.");
        assert!(read("cross/ziglink").lines().any(|l| l.starts_with(&format!("{lld} "))));
        assert!(image.contains(&format!(" {package} ")));
        assert!(read("Makefile").contains(&format!("$(call package,{lld},{package})")));
        assert!(TARGETS.iter().all(|t| image.matches(t.triple).count() >= 2), "{image}");
    }

    #[test]
    fn zig_is_told_the_name_in_the_table() {
        let wrapper = read("cross/zigcc");
        for target in TARGETS {
            let cpu = target.triple.split('-').next().unwrap();
            let line = wrapper.lines().find(|l| l.starts_with(&format!("*-{cpu}-*)"))).unwrap();
            assert!(line.split(['"', ' ']).any(|word| word == target.zig), "{line}");
        }
    }
}
