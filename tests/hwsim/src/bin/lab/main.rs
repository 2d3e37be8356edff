//! `lab`: boots a machine with simulated Wi-Fi radios and has a story told in it.
//!
//! In: the name of a story and a directory with built programs. Out: the story's output and its exit code; logs in
//! `target/lab/STORY`. Nothing stays behind on the host: no process, namespace, mount or network interface, and the
//! machine has no network card.

mod cache;
mod command;
mod image;
mod kernel;
mod machine;
mod packages;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use hwsim::{BROKEN, FIGURES_FILE, STORIES, Story, TIMED_OUT};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cache::Cache;
use crate::image::Image;
use crate::machine::{End, Machine};

/// Stories over real 802.11: simulated radios, hostapd and wpa_supplicant in a virtual machine.
#[derive(Parser)]
#[command(name = "lab", after_help = EXIT_CODES)]
struct Cli {
    /// Where kernel and file system are kept between runs; delete it to fetch them again
    /// [default: /var/cache/welcomed-lab for root, ~/.cache/welcomed-lab for others]
    #[arg(long, env = "WELCOMED_LAB_CACHE", global = true)]
    cache: Option<PathBuf>,
    #[command(subcommand)]
    job: Job,
}

#[derive(Subcommand)]
enum Job {
    /// Boot a machine, tell a story, exit with its code
    Run(Run),
    /// Show the stories
    List,
    /// Install packages, fetch the kernel, build the file system; `run` does it too
    Prepare,
}

#[derive(Args)]
struct Run {
    /// One of `lab list`
    #[arg(value_parser = parse_story)]
    story: &'static Story,
    /// Directory with the programs under test
    #[arg(long, default_value = "target/debug")]
    bin_dir: PathBuf,
    /// Directory for logs; the story's own one below it is emptied first
    #[arg(long, default_value = "target/lab")]
    results: PathBuf,
    /// Seconds until the story is killed [default: the story's own limit]
    #[arg(long)]
    timeout: Option<u64>,
    /// Virtual processors
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// Memory in MiB
    #[arg(long, default_value_t = 1024)]
    memory: u32,
    /// Print only the measured figures on stdout, as `bench<TAB>NAME<TAB>VALUE<TAB>UNIT`; the story goes to stderr
    #[arg(long)]
    bench: bool,
}

const EXIT_CODES: &str =
    "Exit codes: the story's own; 124 it took too long; 125 the machine died, or the lab could not start it.";

fn main() -> ExitCode {
    let cli = Cli::parse();
    match perform(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::from(BROKEN)
        }
    }
}

fn perform(cli: &Cli) -> Result<u8> {
    match &cli.job {
        Job::List => {
            for story in STORIES {
                println!("{:8} {}", story.name, story.about);
            }
            Ok(0)
        }
        Job::Prepare => {
            note_signals()?;
            prepare(cli.cache.as_deref())?;
            Ok(0)
        }
        Job::Run(run) => {
            check_programs(run)?;
            // From here on a signal does not end us on the spot: what was begun is undone first.
            let signal = note_signals()?;
            let image = prepare(cli.cache.as_deref())?;
            tell(run, &image, &signal)
        }
    }
}

fn parse_story(name: &str) -> Result<&'static Story, String> {
    hwsim::story(name).ok_or_else(|| {
        let names: Vec<_> = STORIES.iter().map(|story| story.name).collect();
        format!("no such story; there are: {}", names.join(", "))
    })
}

/// The number of the last signal that asked us to stop, or zero.
fn note_signals() -> Result<Arc<AtomicUsize>> {
    let signal = Arc::new(AtomicUsize::new(0));
    for number in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_usize(number, signal.clone(), usize::try_from(number)?)?;
    }
    Ok(signal)
}

fn prepare(dir: Option<&Path>) -> Result<Image> {
    ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "the lab needs an x86-64 Linux host");
    packages::install_missing()?;
    let cache = Cache::open(dir)?;
    let kernel = kernel::prepare(&cache)?;
    image::prepare(&cache, &kernel)
}

fn check_programs(run: &Run) -> Result<()> {
    for program in run.story.programs {
        let path = run.bin_dir.join(program);
        ensure!(path.is_file(), "{} is missing: build it, or name its directory with --bin-dir", path.display());
    }
    Ok(())
}

fn tell(run: &Run, image: &Image, signal: &AtomicUsize) -> Result<u8> {
    let results = empty_directory(&run.results.join(run.story.name))?;
    let programs: Vec<_> = run.story.programs.iter().map(|program| run.bin_dir.join(program)).collect();
    let boot = image.with_programs(&programs)?;
    let machine = Machine {
        kernel: &image.kernel,
        initramfs: &boot,
        story: run.story,
        results: &results,
        cpus: run.cpus,
        memory_mib: run.memory,
        limit: run.timeout.map_or(run.story.limit, Duration::from_secs),
    };
    let end = if run.bench { machine.run(signal, &mut io::stderr()) } else { machine.run(signal, &mut io::stdout()) }?;
    if let End::Died { console } = &end {
        eprintln!("lab: the machine died; the end of {}:\n{console}", results.join("console.log").display());
    }
    if end.code() == TIMED_OUT {
        eprintln!("lab: {} took too long and was killed", run.story.name);
    }
    if run.bench && matches!(end, End::Exit(0)) {
        print_figures(&results)?;
    }
    Ok(end.code())
}

fn empty_directory(dir: &Path) -> Result<PathBuf> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("empty {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    dir.canonicalize().with_context(|| format!("find {}", dir.display()))
}

fn print_figures(results: &Path) -> Result<()> {
    let text = fs::read_to_string(results.join(FIGURES_FILE)).context("read the story's figures")?;
    let figures: BTreeMap<String, (f64, String)> =
        serde_json::from_str(&text).context("understand the story's figures")?;
    for (name, (value, unit)) in figures {
        println!("bench\t{name}\t{value}\t{unit}");
    }
    Ok(())
}
