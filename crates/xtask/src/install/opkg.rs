//! Packages as opkg installs them. What it knows of one: its control files and its list of files in `/usr/lib/opkg/info`, and
//! in `/usr/lib/opkg/status` its version and what its conffiles were like.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;

use super::root::Root;
use crate::ipk;
use crate::sums::sha256;
use crate::tree::{Entry, check_path};

pub(super) fn knows(root: &Root, name: &str) -> bool {
    root.read(&info(name, "control")).is_ok_and(|control| control.is_some())
}

pub(super) fn install(root: &Root, file: &[u8]) -> anyhow::Result<String> {
    let ipk = ipk::read(file)?;
    let (name, version) = (ipk.field("Package"), ipk.field("Version"));
    check_path(name)?;
    let was_there = knows(root, name);
    let variables = [("PKG_UPGRADE", if was_there { "1" } else { "0" })];
    let mut status = read_status(root)?;
    let old = status.remove(name).map(|stanza| conffiles(&stanza)).unwrap_or_default();
    let old_files = list(root, name)?;
    if was_there {
        root.run(&info(name, "prerm"), &["upgrade", version], &variables)?;
        for file in ["conffiles", "postinst", "prerm", "postinst-pkg", "prerm-pkg"] {
            root.take(&info(name, file))?;
        }
    }
    let named = ipk.conffiles();
    let mut recorded = BTreeMap::new();
    for (path, entry) in ipk.data.iter() {
        let mut to = path.to_owned();
        if let (true, Entry::File { bytes, .. }) = (named.contains(&format!("/{path}")), entry) {
            let new = sha256(bytes);
            // Kept, if it is neither what the old version brought nor what this one brings.
            if root.hash(path)?.is_some_and(|there| there != new && old.get(path) != Some(&there)) {
                to.push_str("-opkg");
            }
            recorded.insert(path, new);
        }
        root.put(&to, entry)?;
    }
    let files: Vec<_> = ipk.data.files().collect();
    for path in old_files.iter().filter(|path| !files.contains(&format!("/{path}"))) {
        root.take(path)?;
        root.take_empty_parents(path);
    }
    for (path, entry) in ipk.control.iter() {
        root.put(&info(name, path), entry)?;
    }
    put_text(root, &info(name, "list"), files.into_iter().map(|path| path + "\n").collect())?;
    let mut stanza = format!("Package: {name}\nVersion: {version}\nStatus: install user installed\n");
    writeln!(stanza, "Architecture: {}", ipk.field("Architecture"))?;
    if !recorded.is_empty() {
        stanza.push_str("Conffiles:\n");
        recorded.iter().try_for_each(|(path, hash)| writeln!(stanza, " /{path} {hash}"))?;
    }
    status.insert(name.to_owned(), stanza);
    write_status(root, &status)?;
    root.run(&info(name, "postinst"), &["configure"], &variables)?;
    Ok(format!("{} {name} {version}", if was_there { "upgraded" } else { "installed" }))
}

pub(super) fn remove(root: &Root, name: &str) -> anyhow::Result<()> {
    let variables = [("PKG_UPGRADE", "0")];
    root.run(&info(name, "prerm"), &["remove"], &variables)?;
    let mut status = read_status(root)?;
    let conffiles = status.remove(name).map(|stanza| conffiles(&stanza)).unwrap_or_default();
    for path in list(root, name)? {
        let was = conffiles.get(&path);
        if was.is_some() && root.hash(&path)?.as_ref() != was {
            continue;
        }
        root.take(&path)?;
        root.take_empty_parents(&path);
    }
    for file in ["control", "conffiles", "postinst", "prerm", "postinst-pkg", "prerm-pkg", "list"] {
        root.take(&info(name, file))?;
    }
    write_status(root, &status)
}

fn info(name: &str, file: &str) -> String {
    format!("usr/lib/opkg/info/{name}.{file}")
}

/// The files it brought, without a slash in front.
fn list(root: &Root, name: &str) -> anyhow::Result<Vec<String>> {
    let text = root.text(&info(name, "list"))?;
    Ok(text.lines().map(|line| line.trim_start_matches('/').to_owned()).collect())
}

/// What is known of each package, as it stands there.
fn read_status(root: &Root) -> anyhow::Result<BTreeMap<String, String>> {
    let text = root.text(STATUS)?;
    let stanzas = text.split("\n\n").filter(|stanza| !stanza.trim().is_empty()).map(|stanza| {
        let name = stanza.lines().find_map(|line| line.strip_prefix("Package: ")).context("a stanza without a name")?;
        Ok((name.to_owned(), format!("{}\n", stanza.trim_matches('\n'))))
    });
    stanzas.collect()
}

fn write_status(root: &Root, status: &BTreeMap<String, String>) -> anyhow::Result<()> {
    put_text(root, STATUS, status.values().flat_map(|stanza| [stanza, "\n"]).collect())
}

/// The hashes of the conffiles as the package brought them.
fn conffiles(stanza: &str) -> BTreeMap<String, String> {
    let lines = stanza.lines().filter_map(|line| line.strip_prefix(" /")?.split_once(' '));
    lines.map(|(path, hash)| (path.to_owned(), hash.to_owned())).collect()
}

fn put_text(root: &Root, path: &str, text: String) -> anyhow::Result<()> {
    root.put(path, &Entry::File { mode: 0o644, bytes: text.into_bytes() })
}

const STATUS: &str = "usr/lib/opkg/status";
