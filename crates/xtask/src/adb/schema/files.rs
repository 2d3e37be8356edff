//! Directories and files in a package's database, and the bytes that belong to them.

use sha2::{Digest as _, Sha256};

use super::super::Error;
use super::super::value::{Reader, Value, Writer};
use super::{Content, Directory, File};
use crate::tree::check_path;

pub(super) fn write_directory(writer: &mut Writer, directory: &Directory) -> Value {
    let files: Vec<_> = directory.files.iter().map(|file| write_file(writer, file)).collect();
    let acl = write_acl(writer, directory.mode);
    let path = writer.blob(directory.path.as_bytes());
    let files = writer.object(&files);
    writer.object(&[path, acl, files])
}

pub(super) fn read_directory<'a>(
    reader: &Reader<'_>,
    value: Value,
    at: u32,
    data: &mut impl Iterator<Item = &'a Vec<u8>>,
) -> Result<Directory, Error> {
    let slots = reader.slots(value)?;
    let path = reader.text(slots.get(1))?.to_owned();
    if !path.is_empty() && check_path(&path).is_err() {
        return Err(Error::Malformed("a path that could lead elsewhere"));
    }
    let mut files: Vec<File> = Vec::new();
    for (value, number) in reader.slots(slots.get(3))?.iter().zip(1_u32..) {
        let file = read_file(reader, value, [at, number], data)?;
        if files.last().is_some_and(|last| last.name >= file.name) {
            return Err(Error::Malformed("files out of order"));
        }
        files.push(file);
    }
    Ok(Directory { path, mode: read_acl(reader, slots.get(2))?, files })
}

fn write_file(writer: &mut Writer, file: &File) -> Value {
    let acl = write_acl(writer, file.mode);
    let name = writer.blob(file.name.as_bytes());
    let mtime = writer.number(file.mtime);
    match &file.content {
        Content::Bytes(bytes) => {
            let hash = writer.blob(&Sha256::digest(bytes));
            let size = writer.number(bytes.len() as u64);
            writer.object(&[name, acl, size, mtime, hash])
        }
        Content::Link(target) => {
            let size = writer.number(target.len() as u64);
            let target = writer.blob(&[&SYMBOLIC_LINK.to_le_bytes(), target.as_bytes()].concat());
            writer.object(&[name, acl, size, mtime, Value::NULL, target])
        }
    }
}

fn read_file<'a>(
    reader: &Reader<'_>,
    value: Value,
    place: [u32; 2],
    data: &mut impl Iterator<Item = &'a Vec<u8>>,
) -> Result<File, Error> {
    let slots = reader.slots(value)?;
    let name = reader.text(slots.get(1))?.to_owned();
    if name.contains('/') || check_path(&name).is_err() {
        return Err(Error::Malformed("a path that could lead elsewhere"));
    }
    let (size, target) = (reader.number(slots.get(3))?, reader.blob(slots.get(6))?);
    let content = if let Some(target) = target.strip_prefix(&SYMBOLIC_LINK.to_le_bytes()) {
        let target = std::str::from_utf8(target).map_err(|_| Error::Malformed("text that is not UTF-8"))?;
        Content::Link(target.to_owned())
    } else if !target.is_empty() {
        return Err(Error::Malformed("neither a file nor a symbolic link"));
    } else {
        let bytes = if size == 0 { &[] } else { file_bytes(place, data.next())? };
        if bytes.len() as u64 != size || Sha256::digest(bytes)[..] != *reader.blob(slots.get(5))? {
            return Err(Error::Forged("a file is not what its hash says"));
        }
        Content::Bytes(bytes.to_vec())
    };
    Ok(File { name, mode: read_acl(reader, slots.get(2))?, mtime: reader.number(slots.get(4))?, content })
}

/// The bytes behind the numbers of a directory and a file, if those are the ones expected.
fn file_bytes(place: [u32; 2], block: Option<&Vec<u8>>) -> Result<&[u8], Error> {
    let (head, bytes) = block.and_then(|b| b.split_at_checked(8)).ok_or(Error::Outside("a file"))?;
    let expected = place.map(u32::to_le_bytes).concat();
    if head == expected { Ok(bytes) } else { Err(Error::Malformed("the bytes of another file")) }
}

fn write_acl(writer: &mut Writer, mode: u32) -> Value {
    let (mode, root) = (writer.number(mode.into()), writer.blob(b"root"));
    writer.object(&[mode, root, root])
}

fn read_acl(reader: &Reader<'_>, value: Value) -> Result<u32, Error> {
    let slots = reader.slots(value)?;
    let is_root = |slot| reader.blob(slots.get(slot)).is_ok_and(|name| name == b"root");
    let mode = reader.number(slots.get(1))?;
    match u32::try_from(mode) {
        Ok(mode) if mode <= 0o7777 && is_root(2) && is_root(3) && slots.len() == 3 => Ok(mode),
        _ => Err(Error::Malformed("a file that is not root's")),
    }
}

const SYMBOLIC_LINK: u16 = 0o120_000;
