//! `cargo run -p xtask -- …`: the command line. Who does the work is the library.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what was built is told on stdout, tables on stderr")]

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand};
use xtask::targets::{self, TARGETS};
use xtask::{cross, install, packages, sizes};

/// Builds the agent for routers, and the packages and feeds for OpenWrt without its SDK.
#[derive(Debug, Parser)]
#[command(name = "xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the agent for routers: static programs, by Debian's compiler and zig
    Cross(Cross),
    /// Make all packages and feeds for which there is a binary
    Packages(Packages),
    /// Say how large the programs and packages are; an error if one is above its limit
    Sizes(Sizes),
    /// Unpack packages into a directory as opkg or apk would install them
    Install(Install),
    /// Take a package out of a directory again
    Remove(Remove),
    /// List the targets: name, triple, QEMU, zig's name, OpenWrt's names in 24.10 and 25.12; separated by tabs
    Targets,
}

#[derive(Debug, Args)]
struct Cross {
    /// For whom: names or triples, separated by commas or spaces; `all`
    #[arg(long, value_name = "TARGETS", default_value = "all")]
    targets: String,
    /// Where the programs go: DIR/TRIPLE/welcomed
    #[arg(long, value_name = "DIR", default_value = "target/cross")]
    out: PathBuf,
    /// Where zig is: a virtual environment of Python's
    #[arg(long, value_name = "DIR", default_value = "target/cross/zig")]
    zig: PathBuf,
    /// Build and run the tests of the ubus codec in place of the agent
    #[arg(long)]
    captures: bool,
    /// Let the programs say where and why before they end at a panic; 200 kB more
    #[arg(long)]
    panic_messages: bool,
}

#[derive(Debug, Args)]
struct Packages {
    /// Has stripped static programs: DIR/TRIPLE/welcomed
    #[arg(long, value_name = "DIR")]
    binaries: PathBuf,
    /// Where the feeds go
    #[arg(long, value_name = "DIR", default_value = "dist")]
    out: PathBuf,
    /// Where the keys are; made if there are none
    #[arg(long, value_name = "DIR", default_value = "dist-keys")]
    key_dir: PathBuf,
}

#[derive(Debug, Args)]
struct Sizes {
    /// Has the programs: DIR/TRIPLE/welcomed
    #[arg(long, value_name = "DIR", default_value = "target/cross")]
    binaries: PathBuf,
    /// Has the packages
    #[arg(long, value_name = "DIR", default_value = "dist")]
    dist: PathBuf,
}

#[derive(Debug, Args)]
struct Install {
    /// The root to install into
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Run no scripts
    #[arg(long)]
    no_scripts: bool,
    /// The packages, all of one format
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct Remove {
    /// The root to remove from
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Run no scripts
    #[arg(long)]
    no_scripts: bool,
    /// The package
    #[arg(value_name = "NAME")]
    name: String,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Cross(options) => build(options),
        Command::Packages(options) => make_packages(options),
        Command::Sizes(options) => {
            let all = sizes::measure(&options.binaries, &options.dist)?;
            print!("{}", sizes::rows(&all));
            eprint!("{}", sizes::table(&all));
            sizes::check(&all)
        }
        Command::Install(options) => {
            let root = install::Root::new(&options.root, !options.no_scripts)?;
            options.files.iter().try_for_each(|file| {
                println!("{}", root.install(file).with_context(|| format!("install {}", file.display()))?);
                Ok(())
            })
        }
        Command::Remove(options) => {
            let root = install::Root::new(&options.root, !options.no_scripts)?;
            root.remove(&options.name).with_context(|| format!("remove {}", options.name))
        }
        Command::Targets => {
            for t in TARGETS {
                let archs = [t.archs_24_10, t.archs_25_12].map(|archs| archs.join(" "));
                println!("{}\t{}\t{}\t{}\t{}\t{}", t.name, t.triple, t.qemu, t.zig, archs[0], archs[1]);
            }
            Ok(())
        }
    }
}

fn build(options: Cross) -> anyhow::Result<()> {
    let Cross { captures, zig, out, panic_messages, .. } = options;
    let targets = targets::named(&options.targets)?;
    let options = cross::Options { repository: repository(), zig, out, targets, panic_messages };
    if captures {
        return cross::test_captures(&options);
    }
    for (target, program) in cross::build(&options)? {
        println!("{:10}{:>10}  {}", target.name, program.metadata()?.len(), program.display());
    }
    Ok(())
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn make_packages(options: Packages) -> anyhow::Result<()> {
    let built = packages::build(&packages::Options {
        repository: repository(),
        binaries: options.binaries,
        out: options.out.clone(),
        keys: options.key_dir,
        mtime: source_date()?,
    })?;
    println!("{:10}{:>10}{:>10}  architectures", "target", "ipk", "apk");
    for (target, [ipk, apk]) in built.targets {
        let mut archs = [target.archs_24_10, target.archs_25_12].concat();
        archs.sort_unstable();
        archs.dedup();
        println!("{:10}{ipk:>10}{apk:>10}  {}", target.name, archs.join(" "));
    }
    println!("feeds: {}; the opkg key is {}", options.out.display(), built.fingerprint);
    Ok(())
}

/// The moment that all files in the packages bear, so that the same sources give the same bytes:
/// <https://reproducible-builds.org/specs/source-date-epoch/>.
fn source_date() -> anyhow::Result<u64> {
    let Some(date) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(0) };
    let date = date.to_str().and_then(|date| date.parse().ok()).context("SOURCE_DATE_EPOCH is no number of seconds")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    // A router without a clock takes the newest file below /etc for the time.
    ensure!(date <= now, "SOURCE_DATE_EPOCH lies in the future");
    Ok(date)
}
