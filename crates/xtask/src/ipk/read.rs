//! An `.ipk` taken apart: its members in their order, what opkg must know, and its files with permissions and owners. The file
//! may come from anybody; nothing in it panics or makes us allocate more than [`LIMIT`].

use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::{Context as _, bail, ensure};
use flate2::read::GzDecoder;
use tar::{Archive, EntryType};

use super::MEMBERS;
use crate::tree::{Entry, Tree};

/// A package that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipk {
    /// The fields, in their order.
    pub fields: Vec<(String, String)>,
    /// The files that opkg keeps of it: `control`, `conffiles` and scripts.
    pub control: Tree,
    /// The files of the package.
    pub data: Tree,
    /// How long the archive with its files is, not compressed.
    pub data_size: u64,
    /// When all in it was changed; the greatest, in seconds since 1970.
    pub mtime: u64,
}

impl Ipk {
    /// The value of a field; one that is not there is empty.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// The files it names as configuration.
    #[must_use]
    pub fn conffiles(&self) -> Vec<String> {
        let text = self.control.file("conffiles").unwrap_or_default();
        String::from_utf8_lossy(text).lines().map(ToOwned::to_owned).collect()
    }
}

/// Reads a file.
///
/// # Errors
/// If it is no package, or not one as OpenWrt's build system makes them: members out of order, files that are not root's, paths
/// that lead elsewhere.
pub fn read(file: &[u8]) -> anyhow::Result<Ipk> {
    let outer = gunzip(file).context("the file")?;
    let mut archive = Archive::new(&outer[..]);
    let mut members = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        ensure!(entry.header().entry_type() == EntryType::Regular, "{name}: no file");
        members.push((name, bytes));
        ensure!(members.len() <= MEMBERS.len(), "more than {} members", MEMBERS.len());
    }
    let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
    ensure!(names == MEMBERS, "its members are {names:?}");
    ensure!(members[0].1 == b"2.0\n", "a format of another version");
    let data = gunzip(&members[1].1).context("data.tar.gz")?;
    let control = gunzip(&members[2].1).context("control.tar.gz")?;
    let mut mtime = 0;
    let control = unpack(&control, &mut mtime).context("control.tar.gz")?;
    let text = std::str::from_utf8(control.file("control").context("no control")?).context("control")?;
    Ok(Ipk {
        fields: fields(text)?,
        data: unpack(&data, &mut mtime).context("data.tar.gz")?,
        data_size: data.len() as u64,
        control,
        mtime,
    })
}

fn unpack(archive: &[u8], mtime: &mut u64) -> anyhow::Result<Tree> {
    let mut tree = Tree::default();
    for (number, entry) in Archive::new(archive).entries()?.enumerate() {
        let mut entry = entry?;
        let name = String::from_utf8(entry.path_bytes().into_owned()).context("a name that is not UTF-8")?;
        let header = entry.header().clone();
        let whose = (header.uid()?, header.gid()?);
        ensure!(whose == (0, 0), "{name}: not root's but {whose:?}");
        ensure!(header.as_gnu().is_some(), "{name}: not GNU's format");
        *mtime = header.mtime()?.max(*mtime);
        let path = name.strip_prefix("./").with_context(|| format!("{name}: does not begin with ./"))?;
        if number == 0 {
            ensure!(path.is_empty(), "{name} where the root belongs");
            continue;
        }
        let mode = header.mode()?;
        ensure!(mode <= 0o7777, "{name}: permissions {mode:o}");
        let found = match header.entry_type() {
            EntryType::Directory if mode == 0o755 => Entry::Directory,
            EntryType::Directory => bail!("{name}: a directory with permissions {mode:o}"),
            EntryType::Symlink => {
                let target = entry.link_name_bytes().context("a link to nothing")?.into_owned();
                Entry::Link(String::from_utf8(target).context("a link to what is not UTF-8")?)
            }
            EntryType::Regular => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                Entry::File { mode, bytes }
            }
            other => bail!("{name}: {other:?}"),
        };
        let path =
            if found == Entry::Directory { path.strip_suffix('/').context("a directory without /")? } else { path };
        let parent = path.rsplit_once('/').map(|(parent, _)| parent);
        ensure!(parent.is_none_or(|p| tree.get(p) == Some(&Entry::Directory)), "{name}: its directory is not listed");
        tree.put(path, found)?;
    }
    Ok(tree)
}

/// `Name: value`; lines that begin with a space go on.
fn fields(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix(' '), fields.last_mut()) {
            (Some(more), Some((_, value))) => *value = format!("{value}\n{more}"),
            (Some(_), None) => bail!("control begins in the middle of a field"),
            (None, _) => {
                let (name, value) =
                    line.split_once(": ").with_context(|| format!("control: not understood: {line}"))?;
                fields.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    let names: BTreeMap<_, _> = fields.iter().map(|(name, value)| (name, value)).collect();
    ensure!(names.len() == fields.len(), "a field stands in control twice");
    Ok(fields)
}

fn gunzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let mut decoder = GzDecoder::new(bytes);
    decoder.by_ref().take(LIMIT + 1).read_to_end(&mut plain)?;
    ensure!(plain.len() as u64 <= LIMIT, "longer than {LIMIT} bytes");
    ensure!(decoder.into_inner().is_empty(), "something behind the end");
    Ok(plain)
}

/// How long what is read may be.
const LIMIT: u64 = 64 << 20;
