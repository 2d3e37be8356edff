//! Packages as apk installs them. What it knows of them is in `/lib/apk/db/installed`: versions, and the hash of every file as
//! the package brought it. Their scripts it keeps beside that.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::root::Root;
use crate::adb::container::Container;
use crate::adb::schema::{Content, Package, Script};
use crate::tree::{Entry, check_path};

pub(super) fn knows(root: &Root, name: &str) -> bool {
    read_database(root).is_ok_and(|database| database.contains_key(name))
}

pub(super) fn install(root: &Root, file: &[u8]) -> anyhow::Result<String> {
    let package = Package::read(&Container::decode(file)?)?;
    let (name, version) = (package.info.name.as_str(), package.info.version.as_str());
    check_path(name)?;
    check_path(version)?;
    let mut database = read_database(root)?;
    let old = database.remove(name);
    let old_files = old.as_deref().map(files).unwrap_or_default();
    let mut stanza = format!("P:{name}\nV:{version}\nA:{}\n", package.info.arch);
    let mut new_files = BTreeMap::new();
    for directory in &package.directories {
        if !directory.path.is_empty() {
            root.put(&directory.path, &Entry::Directory)?;
        }
        writeln!(stanza, "F:{}", directory.path)?;
        for file in &directory.files {
            let path = format!("{}/{}", directory.path, file.name).trim_start_matches('/').to_owned();
            let (entry, hash) = match &file.content {
                Content::Bytes(bytes) => (Entry::File { mode: file.mode, bytes: bytes.clone() }, digest(bytes)),
                Content::Link(target) => (Entry::Link(target.clone()), digest(target.as_bytes())),
            };
            let mut to = path.clone();
            if is_protected(&path)
                && let Some(there) = root.read(&path)?.map(|bytes| digest(&bytes))
                && old_files.get(&path) != Some(&there)
                && there != hash
            {
                to.push_str(".apk-new");
            }
            root.put(&to, &entry)?;
            writeln!(stanza, "R:{}\nZ:{hash}", file.name)?;
            new_files.insert(path, hash);
        }
    }
    for path in old_files.keys().filter(|path| !new_files.contains_key(*path)) {
        take(root, path, &old_files)?;
    }
    database.insert(name.to_owned(), stanza);
    write_database(root, &database)?;
    for (script, file) in KEPT {
        let text = package.scripts.iter().find(|(when, _)| *when == script).map(|(_, text)| text);
        root.take(&kept(name, file))?;
        if let Some(text) = text {
            root.put(&kept(name, file), &Entry::File { mode: 0o755, bytes: text.clone().into_bytes() })?;
        }
    }
    match old.as_deref().map(|old| field(old, "V:")) {
        None => {
            root.run(&kept(name, "post-install"), &[version], &[])?;
            Ok(format!("installed {name} {version}"))
        }
        Some(before) => {
            root.run(&kept(name, "post-upgrade"), &[version, before], &[])?;
            Ok(format!("upgraded {name} {version}"))
        }
    }
}

pub(super) fn remove(root: &Root, name: &str) -> anyhow::Result<()> {
    let mut database = read_database(root)?;
    let stanza = database.remove(name).context("it is not installed")?;
    root.run(&kept(name, "pre-deinstall"), &[field(&stanza, "V:")], &[])?;
    let files = files(&stanza);
    for path in files.keys() {
        root.take(&format!("{path}.apk-new"))?;
        take(root, path, &files)?;
    }
    KEPT.into_iter().try_for_each(|(_, file)| root.take(&kept(name, file)))?;
    write_database(root, &database)
}

/// Takes a file away, unless somebody has edited it where that counts.
fn take(root: &Root, path: &str, brought: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let there = root.read(path)?.map(|bytes| digest(&bytes));
    if is_protected(path) && there.is_some() && there.as_ref() != brought.get(path) {
        return Ok(());
    }
    root.take(path)?;
    root.take_empty_parents(path);
    Ok(())
}

/// Whether what somebody has changed there is kept.
fn is_protected(path: &str) -> bool {
    path.starts_with("etc/") && !path.starts_with("etc/apk/")
}

fn read_database(root: &Root) -> anyhow::Result<BTreeMap<String, String>> {
    let text = root.text(DATABASE)?;
    let stanzas = text.split("\n\n").filter(|stanza| !stanza.trim().is_empty());
    Ok(stanzas.map(|stanza| (field(stanza, "P:").to_owned(), format!("{}\n", stanza.trim_matches('\n')))).collect())
}

fn write_database(root: &Root, database: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let text: String = database.values().flat_map(|stanza| [stanza, "\n"]).collect();
    root.put(DATABASE, &Entry::File { mode: 0o644, bytes: text.into_bytes() })
}

fn field<'a>(stanza: &'a str, name: &str) -> &'a str {
    stanza.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default()
}

/// The files of a package and their hashes.
fn files(stanza: &str) -> BTreeMap<String, String> {
    let (mut directory, mut name) = ("", "");
    let mut files = BTreeMap::new();
    for line in stanza.lines() {
        match line.split_once(':') {
            Some(("F", path)) => directory = path,
            Some(("R", file)) => name = file,
            Some(("Z", hash)) => {
                files.insert(format!("{directory}/{name}").trim_start_matches('/').to_owned(), hash.to_owned());
            }
            _ => {}
        }
    }
    files
}

/// As apk writes the hash of a file.
fn digest(bytes: &[u8]) -> String {
    format!("Q2{}", STANDARD.encode(Sha256::digest(bytes)))
}

fn kept(name: &str, script: &str) -> String {
    format!("{SCRIPTS}/{name}.{script}")
}

const DATABASE: &str = "lib/apk/db/installed";
const SCRIPTS: &str = "lib/apk/db/scripts";
const KEPT: [(Script, &str); 3] = [
    (Script::PostInstall, "post-install"),
    (Script::PreDeinstall, "pre-deinstall"),
    (Script::PostUpgrade, "post-upgrade"),
];
