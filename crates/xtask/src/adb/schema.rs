//! What a package and an index are made of, and where in the database each part stands. Only what OpenWrt's packages use: all
//! files are root's, dependencies are plain names.

mod files;

use sha2::{Digest as _, Sha256};

use super::Error;
use super::container::{Container, Schema};
use super::value::{Reader, Slots, Value, Writer, patch};
use files::{read_directory, write_directory};

/// A package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// What it is.
    pub info: Info,
    /// Directories with their files; the root first, then sorted.
    pub directories: Vec<Directory>,
    /// Its scripts, by when they run.
    pub scripts: Vec<(Script, String)>,
}

/// What a package is; also what an index says of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// A hash of its database: 20 bytes in the package itself, where they are written last, and 32 in an index.
    pub id: Vec<u8>,
    /// One line.
    pub description: String,
    /// Its architecture, or `noarch`.
    pub arch: String,
    /// SPDX.
    pub license: String,
    /// Where it is built from.
    pub origin: String,
    /// A web page.
    pub url: String,
    /// How many bytes its files hold.
    pub installed_size: u64,
    /// How long the package is; only in an index.
    pub file_size: u64,
    /// What must be there, too; sorted.
    pub depends: Vec<String>,
    /// Which other names it answers to; sorted.
    pub provides: Vec<String>,
    /// Words with a meaning for OpenWrt alone; sorted.
    pub tags: Vec<String>,
}

/// A directory and the files in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// From the root, without a slash in front; the root's is empty.
    pub path: String,
    /// Permissions.
    pub mode: u32,
    /// By name.
    pub files: Vec<File>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name alone.
    pub name: String,
    /// Permissions.
    pub mode: u32,
    /// When it was changed, in seconds since 1970.
    pub mtime: u64,
    /// What it holds.
    pub content: Content,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Bytes.
    Bytes(Vec<u8>),
    /// It is a symbolic link.
    Link(String),
}

/// When a script runs. The number is its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Script {
    /// Before the first installation.
    PreInstall = 2,
    /// After it.
    PostInstall = 3,
    /// Before the removal.
    PreDeinstall = 4,
    /// After it.
    PostDeinstall = 5,
    /// Before the change to another version.
    PreUpgrade = 6,
    /// After it.
    PostUpgrade = 7,
}

impl Package {
    /// As a file, not yet signed.
    #[must_use]
    pub fn write(&self) -> Container {
        let mut writer = Writer::default();
        let directories: Vec<_> = self.directories.iter().map(|d| write_directory(&mut writer, d)).collect();
        let (info, id) = write_fields(&mut writer, &self.info);
        let mut scripts = [Value::NULL; SCRIPT_SLOTS];
        for (script, text) in &self.scripts {
            scripts[*script as usize - 1] = writer.blob(text.as_bytes());
        }
        let scripts = writer.object(&scripts);
        let info = writer.object(&info);
        let directories = writer.object(&directories);
        let root = writer.object(&[info, directories, scripts]);
        let mut payload = writer.finish(root);
        if let Some(id) = id {
            // It is a hash of the database in which it is still all zeros.
            let hash = Sha256::digest(&payload);
            patch(&mut payload, id, &hash[..ID]);
        }
        Container { schema: Schema::Package, payload, signatures: Vec::new(), data: self.data() }
    }

    /// The bytes of each file that has any, behind the numbers of its directory and itself.
    fn data(&self) -> Vec<Vec<u8>> {
        let mut data = Vec::new();
        for (directory, at) in self.directories.iter().zip(1_u32..) {
            for (file, number) in directory.files.iter().zip(1_u32..) {
                if let Content::Bytes(bytes) = &file.content
                    && !bytes.is_empty()
                {
                    data.push([&at.to_le_bytes()[..], &number.to_le_bytes(), bytes].concat());
                }
            }
        }
        data
    }

    /// Reads a package and holds it to its hashes.
    ///
    /// # Errors
    /// If it is none, or has in it what OpenWrt's packages have not.
    pub fn read(container: &Container) -> Result<Self, Error> {
        if container.schema != Schema::Package {
            return Err(Error::Malformed("an index, not a package"));
        }
        let (reader, root) = Reader::new(&container.payload)?;
        let root = reader.slots(root)?;
        let info = read_info(&reader, root.get(1))?;
        check_id(&container.payload, &info.id)?;
        let mut data = container.data.iter();
        let mut directories: Vec<Directory> = Vec::new();
        for (value, at) in reader.slots(root.get(2))?.iter().zip(1_u32..) {
            let directory = read_directory(&reader, value, at, &mut data)?;
            if directories.last().is_some_and(|last| last.path >= directory.path) {
                return Err(Error::Malformed("directories out of order"));
            }
            directories.push(directory);
        }
        if data.next().is_some() {
            return Err(Error::Malformed("bytes of a file that is not there"));
        }
        let slots = reader.slots(root.get(3))?;
        let mut scripts = Vec::new();
        for script in SCRIPTS {
            let text = reader.text(slots.get(script as usize))?;
            if !text.is_empty() {
                scripts.push((script, text.to_owned()));
            }
        }
        if slots.get(1) != Value::NULL || slots.len() > SCRIPT_SLOTS || root.len() > 3 {
            return Err(Error::Malformed("triggers or replacements"));
        }
        Ok(Self { info, directories, scripts })
    }

    /// What an index says of the package in this file.
    ///
    /// # Errors
    /// If it is no package.
    pub fn entry(file: &[u8]) -> Result<Info, Error> {
        let container = Container::decode(file)?;
        let info = Self::read(&container)?.info;
        Ok(Info { id: Sha256::digest(&container.payload).to_vec(), file_size: file.len() as u64, ..info })
    }
}

/// An index of packages, not yet signed.
#[must_use]
pub fn write_index(description: &str, packages: &[Info]) -> Container {
    let mut packages: Vec<_> = packages.iter().collect();
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let mut writer = Writer::default();
    let description = writer.blob(description.as_bytes());
    let packages = packages.into_iter().map(|info| {
        let (fields, _) = write_fields(&mut writer, info);
        writer.object(&fields)
    });
    let packages: Vec<_> = packages.collect();
    let packages = writer.object(&packages);
    let root = writer.object(&[description, packages]);
    Container { schema: Schema::Index, payload: writer.finish(root), signatures: Vec::new(), data: Vec::new() }
}

/// Reads an index: its description and what it says of packages.
///
/// # Errors
/// If it is none.
pub fn read_index(container: &Container) -> Result<(String, Vec<Info>), Error> {
    if container.schema != Schema::Index {
        return Err(Error::Malformed("a package, not an index"));
    }
    let (reader, root) = Reader::new(&container.payload)?;
    let root = reader.slots(root)?;
    let packages = reader.slots(root.get(2))?.iter().map(|value| read_info(&reader, value));
    Ok((reader.text(root.get(1))?.to_owned(), packages.collect::<Result<_, _>>()?))
}

/// What is in the slots of an info object, and the blob in which a package's own hash belongs.
fn write_fields(writer: &mut Writer, info: &Info) -> ([Value; INFO_SLOTS], Option<Value>) {
    let mut slots = [Value::NULL; INFO_SLOTS];
    let texts = [
        (NAME, &info.name),
        (VERSION, &info.version),
        (DESCRIPTION, &info.description),
        (ARCH, &info.arch),
        (LICENSE, &info.license),
        (ORIGIN, &info.origin),
        (URL, &info.url),
    ];
    for (slot, text) in texts {
        slots[slot - 1] = writer.blob(text.as_bytes());
    }
    slots[INSTALLED_SIZE - 1] = writer.number(info.installed_size.max(1));
    if info.file_size > 0 {
        slots[FILE_SIZE - 1] = writer.number(info.file_size);
    }
    for (slot, names) in [(DEPENDS, &info.depends), (PROVIDES, &info.provides)] {
        let names: Vec<_> = names
            .iter()
            .map(|name| {
                let name = writer.blob(name.as_bytes());
                writer.object(&[name])
            })
            .collect();
        slots[slot - 1] = writer.object(&names);
    }
    let tags: Vec<_> = info.tags.iter().map(|tag| writer.blob(tag.as_bytes())).collect();
    slots[TAGS - 1] = writer.object(&tags);
    // An index has the packages' own; a package gets its own at the end.
    let own = info.id.is_empty().then(|| writer.own_blob(&[0; ID]));
    slots[HASHES - 1] = own.unwrap_or_else(|| writer.blob(&info.id));
    (slots, own)
}

fn read_info(reader: &Reader<'_>, value: Value) -> Result<Info, Error> {
    let slots = reader.slots(value)?;
    let text = |slot| reader.text(slots.get(slot)).map(ToOwned::to_owned);
    let known = [HASHES, INSTALLED_SIZE, FILE_SIZE, DEPENDS, PROVIDES, TAGS].into_iter().chain([
        NAME,
        VERSION,
        DESCRIPTION,
        ARCH,
        LICENSE,
        ORIGIN,
        URL,
    ]);
    let known: Vec<_> = known.collect();
    if (1..=slots.len()).any(|slot| !known.contains(&slot) && slots.get(slot) != Value::NULL) {
        return Err(Error::Malformed("a field that OpenWrt's packages have not"));
    }
    let tags = reader.slots(slots.get(TAGS))?.iter().map(|tag| reader.text(tag).map(ToOwned::to_owned));
    let info = Info {
        name: text(NAME)?,
        version: text(VERSION)?,
        id: reader.blob(slots.get(HASHES))?.to_vec(),
        description: text(DESCRIPTION)?,
        arch: text(ARCH)?,
        license: text(LICENSE)?,
        origin: text(ORIGIN)?,
        url: text(URL)?,
        installed_size: reader.number(slots.get(INSTALLED_SIZE))?,
        file_size: reader.number(slots.get(FILE_SIZE))?,
        depends: read_names(reader, reader.slots(slots.get(DEPENDS))?)?,
        provides: read_names(reader, reader.slots(slots.get(PROVIDES))?)?,
        tags: tags.collect::<Result<_, _>>()?,
    };
    if info.name.is_empty() || info.version.is_empty() || info.arch.is_empty() {
        return Err(Error::Malformed("a package without name, version or architecture"));
    }
    Ok(info)
}

fn read_names(reader: &Reader<'_>, slots: Slots<'_>) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for value in slots.iter() {
        let slots = reader.slots(value)?;
        let name = reader.text(slots.get(1))?.to_owned();
        if slots.len() != 1 || name.is_empty() {
            return Err(Error::Malformed("a dependency that is no plain name"));
        }
        if names.last().is_some_and(|last| *last >= name) {
            return Err(Error::Malformed("dependencies out of order"));
        }
        names.push(name);
    }
    Ok(names)
}

fn check_id(payload: &[u8], id: &[u8]) -> Result<(), Error> {
    // Where it stands is where its bytes are: whoever made the package took the hash with zeros there.
    let mut zeroed = payload.to_vec();
    let at = payload.windows(id.len().max(1)).position(|window| window == id);
    let (Some(at), ID) = (at, id.len()) else { return Err(Error::Malformed("a package without its hash")) };
    zeroed[at..at + ID].fill(0);
    if Sha256::digest(&zeroed)[..ID] == *id {
        Ok(())
    } else {
        Err(Error::Forged("the package is not what its hash says"))
    }
}

const ID: usize = 20;

const INFO_SLOTS: usize = 21;
const NAME: usize = 1;
const VERSION: usize = 2;
const HASHES: usize = 3;
const DESCRIPTION: usize = 4;
const ARCH: usize = 5;
const LICENSE: usize = 6;
const ORIGIN: usize = 7;
const URL: usize = 9;
const INSTALLED_SIZE: usize = 12;
const FILE_SIZE: usize = 13;
const DEPENDS: usize = 15;
const PROVIDES: usize = 16;
const TAGS: usize = 21;

const SCRIPT_SLOTS: usize = 7;
const SCRIPTS: [Script; 6] = [
    Script::PreInstall,
    Script::PostInstall,
    Script::PreDeinstall,
    Script::PostDeinstall,
    Script::PreUpgrade,
    Script::PostUpgrade,
];

#[cfg(test)]
mod tests;
