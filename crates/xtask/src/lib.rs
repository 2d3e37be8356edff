//! Packages and feeds for OpenWrt, made without its SDK, and what tests need to look into them.
//!
//! One way through it: `makefile` reads the feed makefiles below `openwrt-package`; `package` and `luci` make packages of them,
//! for which `recipe` fetches the files into a `tree` and `lmo` makes the translations; `ipk` and `apk` give them their format;
//! `packages` does it for every architecture in `targets` and signs the feeds with `keys`.
//!
//! Before that, `cross` builds the programs, of which `elf` leaves what is loaded.
//!
//! The other way: `ipk::read` and `adb` take packages apart; `install` unpacks them into a directory.

pub mod adb;
pub mod apk;
pub mod cross;
pub mod deflate;
pub mod elf;
pub mod feed;
pub mod install;
pub mod ipk;
pub mod keys;
pub mod lmo;
pub mod luci;
pub mod makefile;
pub mod package;
pub mod packages;
pub mod recipe;
pub mod sizes;
pub mod sums;
pub mod targets;
pub mod tree;
pub mod version;
