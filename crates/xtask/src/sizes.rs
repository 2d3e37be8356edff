//! How large what we ship is, held to a limit for each target.
//!
//! In: what `cross` and `packages` made. Out: figures, and who is above its limit.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::targets::{TARGETS, Target};

/// What a router of 16 MB flash has room for, in bytes: the program as it lies in memory, and the package.
pub const BUDGET: Limits = Limits { binary: 2_000_000, package: 1_000_000 };

/// The most that a program and its package may have, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The stripped program.
    pub binary: u64,
    /// Either kind of package.
    pub package: u64,
}

/// What one target has, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Which.
    pub target: Target,
    /// The stripped program.
    pub binary: u64,
    /// The agent's package for opkg.
    pub ipk: u64,
    /// The agent's package for apk.
    pub apk: u64,
}

/// Looks at everything that was built.
///
/// # Errors
/// If nothing was, or a program has no packages.
pub fn measure(binaries: &Path, dist: &Path) -> anyhow::Result<Vec<Sizes>> {
    let mut all = Vec::new();
    for target in TARGETS {
        let program = binaries.join(target.triple).join("welcomed");
        if let Ok(program) = fs::metadata(&program) {
            let ipk = package(&dist.join("24.10").join(target.archs_24_10[0]), "ipk")?;
            let apk = package(&dist.join("25.12").join(target.archs_25_12[0]), "apk")?;
            all.push(Sizes { target, binary: program.len(), ipk, apk });
        }
    }
    ensure!(!all.is_empty(), "{} has no program; make packages", binaries.display());
    Ok(all)
}

fn package(dir: &Path, kind: &str) -> anyhow::Result<u64> {
    let found = fs::read_dir(dir).with_context(|| format!("look into {}; make packages", dir.display()))?;
    for entry in found {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("welcomed") && name.ends_with(kind) {
            return Ok(entry.metadata()?.len());
        }
    }
    anyhow::bail!("{} has no .{kind} of the agent; make packages", dir.display())
}

/// The figures as a bench prints them: `bench`, name, value and unit, separated by tabs.
#[must_use]
pub fn rows(all: &[Sizes]) -> String {
    let mut rows = String::new();
    for Sizes { target, binary, ipk, apk } in all {
        for (what, size) in [("binary", binary), ("ipk", ipk), ("apk", apk)] {
            // Writing to a `String` cannot fail.
            let _whole = writeln!(rows, "bench\tsize.{what}.{}\t{size}\tbytes", target.name).is_ok();
        }
    }
    rows
}

/// The figures beside their limits, for a person.
#[must_use]
pub fn table(all: &[Sizes]) -> String {
    let mut table = format!("{:8}{:>10}{:>10}{:>10}  limits\n", "target", "binary", "ipk", "apk");
    for Sizes { target, binary, ipk, apk } in all {
        let Limits { binary: most, package } = target.limits;
        let above = if target.limits == BUDGET { "" } else { ", above the budget: see targets.rs" };
        let name = target.name;
        let _whole = writeln!(table, "{name:8}{binary:>10}{ipk:>10}{apk:>10}  {most}, {package}{above}").is_ok();
    }
    table
}

/// Whether all are within their limits.
///
/// # Errors
/// If not; names each that is above.
pub fn check(all: &[Sizes]) -> anyhow::Result<()> {
    let mut above = Vec::new();
    for Sizes { target, binary, ipk, apk } in all {
        let Limits { binary: most, package } = target.limits;
        for (what, size, most) in [("program", *binary, most), (".ipk", *ipk, package), (".apk", *apk, package)] {
            if size > most {
                above.push(format!("the {what} for {} has {size} bytes, {} too many", target.name, size - most));
            }
        }
    }
    ensure!(above.is_empty(), "{}", above.join("\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(binary: u64, ipk: u64) -> Sizes {
        Sizes { target: Target { limits: BUDGET, ..TARGETS[0] }, binary, ipk, apk: 7 }
    }

    #[test]
    fn who_is_above_its_limit_is_named() {
        assert!(check(&[sizes(BUDGET.binary, BUDGET.package)]).is_ok());
        let error = check(&[sizes(1, 1), sizes(BUDGET.binary + 3, BUDGET.package + 1)]).unwrap_err().to_string();
        let name = TARGETS[0].name;
        let (program, ipk) = (BUDGET.binary + 3, BUDGET.package + 1);
        assert_eq!(
            error,
            format!(
                "the program for {name} has {program} bytes, 3 too many\n\
                 the .ipk for {name} has {ipk} bytes, 1 too many"
            )
        );
    }

    #[test]
    fn figures_are_rows_of_a_bench_and_a_table() {
        let name = TARGETS[0].name;
        let rows = rows(&[sizes(5, 6)]);
        assert_eq!(rows.lines().next(), Some(&*format!("bench\tsize.binary.{name}\t5\tbytes")));
        assert_eq!(rows.lines().count(), 3);
        assert!(table(&[sizes(5, 6)]).contains("2000000, 1000000\n"));
    }

    #[test]
    fn what_was_not_built_has_no_size_and_a_program_without_packages_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert!(measure(dir.path(), dir.path()).is_err());
        let program = dir.path().join(TARGETS[2].triple);
        fs::create_dir(&program).unwrap();
        fs::write(program.join("welcomed"), "12345").unwrap();
        let error = format!("{:#}", measure(dir.path(), dir.path()).unwrap_err());
        assert!(error.contains("make packages"), "{error}");
        for (release, arch, file) in [
            ("24.10", TARGETS[2].archs_24_10[0], "welcomed_1_x.ipk"),
            ("25.12", TARGETS[2].archs_25_12[0], "welcomed-1.apk"),
        ] {
            let feed = dir.path().join(release).join(arch);
            fs::create_dir_all(&feed).unwrap();
            fs::write(feed.join("luci-app-welcomed.apk"), "longer than that").unwrap();
            fs::write(feed.join(file), "123").unwrap();
        }
        let [Sizes { binary: 5, ipk: 3, apk: 3, .. }] = measure(dir.path(), dir.path()).unwrap()[..] else { panic!() };
    }
}
