//! For which routers we build: the one table of targets. A binary serves every OpenWrt architecture it runs on, whatever
//! instructions OpenWrt's own packages for it use; which these are was read in OpenWrt's target makefiles (`CPU_TYPE`,
//! `CPU_SUBTYPE`, `FEATURES`).
//!
//! Not served: MIPS32 before release 2 (`mips_mips32`, `mipsel_mips32`), and ARMv7 without a floating-point unit
//! (`arm_cortex-a7`, `arm_cortex-a9`), because our binaries use what those have not.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::sizes::{BUDGET, Limits};

/// One CPU family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// What people type.
    pub name: &'static str,
    /// Rust's name for it.
    pub triple: &'static str,
    /// The program that runs its binaries elsewhere, with its options.
    pub qemu: &'static str,
    /// zig's name for it.
    pub zig: &'static str,
    /// What the compiler is told of it beside what all are.
    pub rustflags: &'static [&'static str],
    /// Whether its programs lie at a place in memory that changes from run to run (ASLR). On MIPS every call would go by a table.
    pub is_pie: bool,
    /// How large what we ship for it may be: the budget, or what was measured in November 2026 and a little more where a program
    /// is above it. MIPS has no short instructions that are safe to use.
    pub limits: Limits,
    /// What its programs begin with: word size, byte order and machine, as ELF numbers them.
    pub elf: (u8, u8, u16),
    /// OpenWrt's names in 24.10.
    pub archs_24_10: &'static [&'static str],
    /// OpenWrt's names in 25.12.
    pub archs_25_12: &'static [&'static str],
}

impl Target {
    /// Looks whether a program was built for this target.
    ///
    /// # Errors
    /// If it was not, or cannot be read.
    pub fn check(&self, program: &Path) -> anyhow::Result<()> {
        let mut head = [0; 20];
        let read = File::open(program).and_then(|mut file| file.read_exact(&mut head));
        read.with_context(|| format!("read {}", program.display()))?;
        let due = self.head();
        // In between is the system's name for itself, which differs and says nothing.
        let fits = head[..6] == due[..6] && head[18..] == due[18..];
        ensure!(fits, "{} is no program for {}", program.display(), self.triple);
        ensure!(head[16..18] == due[16..18], "{}: ASLR is not as it is to be on {}", program.display(), self.name);
        Ok(())
    }

    /// What its programs begin with: the first fields of ELF's header.
    #[must_use]
    pub fn head(&self) -> [u8; 20] {
        let (bits, order, machine) = self.elf;
        // A program that may lie anywhere is a shared object to ELF.
        let kind: u16 = if self.is_pie { 3 } else { 2 };
        let mut head = *b"\x7fELF\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0";
        head[4..6].copy_from_slice(&[bits / 32, order]);
        for (at, number) in [(16, kind), (18, machine)] {
            let bytes = if order == BIG { number.to_be_bytes() } else { number.to_le_bytes() };
            head[at..at + 2].copy_from_slice(&bytes);
        }
        head
    }
}

const LITTLE: u8 = 1;
const BIG: u8 = 2;

/// All we build for.
pub const TARGETS: [Target; 6] = [
    Target {
        name: "aarch64",
        triple: "aarch64-unknown-linux-musl",
        qemu: "qemu-aarch64-static",
        zig: "aarch64-linux-musl",
        rustflags: &[],
        is_pie: true,
        limits: BUDGET,
        elf: (64, LITTLE, 183),
        archs_24_10: AARCH64,
        archs_25_12: AARCH64,
    },
    Target {
        name: "armv7",
        triple: "armv7-unknown-linux-musleabihf",
        qemu: "qemu-arm-static -cpu cortex-a7",
        zig: "arm-linux-musleabihf",
        // Thumb-2 is a quarter smaller. d16 to d31 are missing in the Armada 38x, and rustc uses them: rust-lang/rust#159973.
        rustflags: &["-Ctarget-feature=+thumb-mode,-d32"],
        is_pie: true,
        limits: BUDGET,
        elf: (32, LITTLE, 40),
        archs_24_10: ARMV7,
        archs_25_12: ARMV7,
    },
    Target {
        name: "mipsel",
        triple: "mipsel-unknown-linux-musl",
        qemu: "qemu-mipsel-static -cpu 24Kc",
        // Soft float.
        zig: "mipsel-linux-musleabi",
        rustflags: &[],
        is_pie: false,
        limits: Limits { binary: 2_300_000, ..BUDGET },
        elf: (32, LITTLE, 8),
        archs_24_10: MIPSEL,
        archs_25_12: MIPSEL,
    },
    Target {
        name: "mips",
        triple: "mips-unknown-linux-musl",
        qemu: "qemu-mips-static -cpu 24Kc",
        // Soft float.
        zig: "mips-linux-musleabi",
        rustflags: &[],
        is_pie: false,
        limits: Limits { binary: 2_300_000, ..BUDGET },
        elf: (32, BIG, 8),
        // The 4KEc of Realtek's RTL838x is MIPS32 release 2, too; since 25.12 it uses the packages of the 24Kc.
        archs_24_10: &["mips_24kc", "mips_4kec"],
        archs_25_12: &["mips_24kc"],
    },
    Target {
        name: "x86_64",
        triple: "x86_64-unknown-linux-musl",
        qemu: "qemu-x86_64-static",
        zig: "x86_64-linux-musl",
        rustflags: &[],
        is_pie: true,
        limits: BUDGET,
        elf: (64, LITTLE, 62),
        archs_24_10: &["x86_64"],
        archs_25_12: &["x86_64"],
    },
    Target {
        name: "riscv64",
        triple: "riscv64gc-unknown-linux-musl",
        qemu: "qemu-riscv64-static",
        zig: "riscv64-linux-musl",
        rustflags: &[],
        is_pie: true,
        limits: BUDGET,
        elf: (64, LITTLE, 243),
        archs_24_10: &["riscv64_riscv64"],
        archs_25_12: &["riscv64_generic"],
    },
];

/// The targets that a person names: by name or triple, separated by commas or spaces; `all` is all.
///
/// # Errors
/// If one of them is none.
pub fn named(names: &str) -> anyhow::Result<Vec<Target>> {
    let mut named = Vec::new();
    for name in names.split([',', ' ']).filter(|n| !n.is_empty()) {
        let fitting = TARGETS.into_iter().filter(|t| name == "all" || [t.name, t.triple].contains(&name));
        let before = named.len();
        named.extend(fitting);
        let known = TARGETS.map(|t| t.name).join(", ");
        ensure!(named.len() > before, "there is no target {name}; there are: {known}");
    }
    Ok(named)
}

const AARCH64: &[&str] = &["aarch64_cortex-a53", "aarch64_cortex-a72", "aarch64_cortex-a76", "aarch64_generic"];

// All with VFPv3-D16 or more. NEON is not used, so that those without it (Tegra 2, Armada 38x) are served, too.
const ARMV7: &[&str] = &[
    "arm_cortex-a15_neon-vfpv4",
    "arm_cortex-a5_vfpv4",
    "arm_cortex-a7_neon-vfpv4",
    "arm_cortex-a7_vfpv4",
    "arm_cortex-a8_vfpv3",
    "arm_cortex-a9_neon",
    "arm_cortex-a9_vfpv3-d16",
];

// A static binary with soft float runs also where OpenWrt's own packages use the FPU (24Kf).
const MIPSEL: &[&str] = &["mipsel_24kc", "mipsel_24kc_24kf", "mipsel_74kc"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_architecture_is_served_by_one_target_alone() {
        for archs in [|t: &Target| t.archs_24_10, |t: &Target| t.archs_25_12] {
            let all: Vec<_> = TARGETS.iter().flat_map(archs).collect();
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
            assert!(TARGETS.iter().all(|t| !archs(t).is_empty()));
        }
    }

    #[test]
    fn a_program_for_something_else_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for built in TARGETS {
            std::fs::write(&file, built.head()).unwrap();
            for target in TARGETS {
                assert_eq!(target.check(file.path()).is_ok(), target == built, "{} as {}", built.name, target.name);
            }
            let otherwise = Target { is_pie: !built.is_pie, ..built };
            assert!(otherwise.check(file.path()).is_err(), "{}", built.name);
        }
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        assert!(TARGETS[0].check(file.path()).is_err());
    }

    #[test]
    fn targets_are_named_in_two_ways_and_together() {
        let names = |text| named(text).map(|all| all.iter().map(|t| t.name).collect::<Vec<_>>());
        assert_eq!(names("mips, x86_64-unknown-linux-musl").unwrap(), ["mips", "x86_64"]);
        assert_eq!(names("all").unwrap().len(), TARGETS.len());
        let wrong = names("mips vax").unwrap_err().to_string();
        assert_eq!(wrong, "there is no target vax; there are: aarch64, armv7, mipsel, mips, x86_64, riscv64");
    }

    #[test]
    fn what_lacks_the_instructions_is_not_served() {
        for arch in ["mips_mips32", "mipsel_mips32", "arm_cortex-a7", "arm_cortex-a9", "arm_arm1176jzf-s_vfp"] {
            assert!(TARGETS.iter().all(|t| !t.archs_24_10.contains(&arch) && !t.archs_25_12.contains(&arch)), "{arch}");
        }
    }
}
