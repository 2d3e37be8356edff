//! A package as `.ipk`, byte by byte the same for the same package and time.

use std::cmp::Ordering;
use std::fmt::Write as _;

use anyhow::ensure;
use tar::{Builder, EntryType, Header};

use super::MEMBERS;
use crate::deflate::gzip;
use crate::package::Package;
use crate::tree::{Entry, Tree};

/// The file; all in it was changed at `mtime`, in seconds since 1970.
///
/// # Errors
/// If the package has what the format cannot carry.
pub fn write(package: &Package, mtime: u64) -> anyhow::Result<Vec<u8>> {
    let data = archive(&package.tree, mtime)?;
    let control = archive(&control_files(package, data.len())?, mtime)?;
    let members = [b"2.0\n".to_vec(), gzip(&data), gzip(&control)];
    let mut outer = Builder::new(Vec::new());
    for (name, bytes) in MEMBERS.into_iter().zip(members) {
        outer.append(&header(name, EntryType::Regular, 0o644, bytes.len(), mtime)?, &bytes[..])?;
    }
    Ok(gzip(&outer.into_inner()?))
}

/// What the file is called.
#[must_use]
pub fn file_name(package: &Package) -> String {
    format!("{}_{}_{}.ipk", package.name, package.version, arch(package))
}

fn arch(package: &Package) -> &str {
    package.arch.as_deref().unwrap_or("all")
}

/// What opkg must know: fields, conffiles, and scripts that hand over to OpenWrt's own.
fn control_files(package: &Package, installed_size: usize) -> anyhow::Result<Tree> {
    let mut tree = Tree::default();
    let mut put = |path: &str, mode, text: String| tree.put(path, Entry::File { mode, bytes: text.into_bytes() });
    put("control", 0o644, control(package, installed_size))?;
    let mut conffiles: Vec<_> = package.shipped_conffiles().map(|path| format!("{path}\n")).collect();
    conffiles.sort();
    if !conffiles.is_empty() {
        put("conffiles", 0o644, conffiles.concat())?;
    }
    put(
        "postinst",
        0o755,
        format!("#!/bin/sh\n[ \"${{IPKG_NO_SCRIPT}}\" = \"1\" ] && exit 0\n{}", hand_over("postinst")),
    )?;
    put("prerm", 0o755, format!("#!/bin/sh\n{}", hand_over("prerm")))?;
    for (name, script) in [("postinst-pkg", &package.postinst), ("prerm-pkg", &package.prerm)] {
        if let Some(text) = script {
            put(name, 0o755, text.clone())?;
        }
    }
    Ok(tree)
}

fn hand_over(script: &str) -> String {
    format!(
        "[ -s \"${{IPKG_INSTROOT}}/lib/functions.sh\" ] || exit 0\n\
        . \"${{IPKG_INSTROOT}}/lib/functions.sh\"\n\
        default_{script} $0 $@\n"
    )
}

/// The fields, in the order in which OpenWrt writes them; empty ones are left out.
fn control(package: &Package, installed_size: usize) -> String {
    let fields = [
        ("Package", package.name.clone()),
        ("Version", package.version.clone()),
        ("Depends", package.depends.join(", ")),
        ("Source", package.source.clone()),
        ("SourceName", package.name.clone()),
        ("License", package.license.clone()),
        ("LicenseFiles", package.license_files.clone()),
        ("Section", package.section.clone()),
        ("Require-User", package.user.clone()),
        ("Architecture", arch(package).to_owned()),
        ("Installed-Size", installed_size.to_string()),
        ("Description", package.description.join("\n ")),
    ];
    let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
    fields.fold(String::new(), |mut text, (name, value)| {
        writeln!(text, "{name}: {value}").expect("a string takes all that is written");
        text
    })
}

/// A tar as GNU's makes it with `--format=gnu --numeric-owner --sort=name`, run by root.
fn archive(tree: &Tree, mtime: u64) -> anyhow::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    builder.append(&header("./", EntryType::Directory, 0o755, 0, mtime)?, &[][..])?;
    let mut entries: Vec<_> = tree.iter().collect();
    entries.sort_by(|a, b| by_parts(a.0, b.0));
    for (path, entry) in entries {
        match entry {
            Entry::Directory => {
                builder.append(&header(&format!("./{path}/"), EntryType::Directory, 0o755, 0, mtime)?, &[][..])?;
            }
            Entry::File { mode, bytes } => {
                let header = header(&format!("./{path}"), EntryType::Regular, *mode, bytes.len(), mtime)?;
                builder.append(&header, &bytes[..])?;
            }
            Entry::Link(target) => {
                let mut header = header(&format!("./{path}"), EntryType::Symlink, 0o777, 0, mtime)?;
                header.set_link_name_literal(target)?;
                header.set_cksum();
                builder.append(&header, &[][..])?;
            }
        }
    }
    Ok(builder.into_inner()?)
}

/// A directory's content follows it at once, whatever its neighbours are called.
fn by_parts(a: &str, b: &str) -> Ordering {
    a.split('/').cmp(b.split('/'))
}

fn header(name: &str, kind: EntryType, mode: u32, size: usize, mtime: u64) -> anyhow::Result<Header> {
    let mut header = Header::new_gnu();
    let field = &mut header.as_old_mut().name;
    ensure!(name.len() < field.len(), "{name}: longer than a plain tar can name");
    // `set_path` would take away the `./` in front.
    field[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size as u64);
    header.set_mtime(mtime);
    header.set_cksum();
    Ok(header)
}
