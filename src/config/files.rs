//! The images and pages of the router's own offers: read once, when the configuration is, to know what they are.
//!
//! In: which files are wanted where. Out: the offers with their files named by digest, and where each digest is. The
//! bytes are not kept; whoever shows a file reads it again and holds it to its digest.

use sorted::SortedMap;
use std::fs::File as Opened;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use welcome_proto::Digest;
use welcome_proto::offer::{File, FileKind, Image, MAX_FILE, Offer};

use super::Problem;
use super::offer::Wanted;
use crate::file::sha256;

/// Puts the files into the offers; returns where they are.
///
/// # Errors
/// With every file that cannot be used.
pub fn read(offers: &mut [Offer], wanted: Vec<Wanted>) -> Result<SortedMap<Digest, PathBuf>, Vec<Problem>> {
    let mut files = SortedMap::new();
    let mut problems = Vec::new();
    for Wanted { path, offer, language, alt, line, at } in wanted {
        let read = look(&path).and_then(|file| match (file.kind.is_image(), alt.is_some()) {
            (true, true) | (false, false) => Ok(file),
            (_, true) => Err("is no JPEG, PNG, WebP or GIF".to_owned()),
            (_, false) => Err("is no HTML in UTF-8".to_owned()),
        });
        let file = match read {
            Ok(file) => file,
            Err(what) => {
                problems.push(Problem { line, at, what: format!("{} {what}", path.display()) });
                continue;
            }
        };
        files.insert(file.digest, path);
        let content = match &language {
            None => Some(&mut offers[offer].content),
            Some(language) => offers[offer].translations.get_mut(language),
        };
        if let Some(content) = content {
            match alt {
                Some(alt) => content.image = Some(Image { file, alt }),
                None => content.page = Some(file),
            }
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

fn look(path: &Path) -> Result<File, String> {
    let mut bytes = Vec::new();
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    // To open a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is no file".to_owned());
    }
    let opened = Opened::open(path).map_err(unreadable)?;
    opened.take(u64::from(MAX_FILE) + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= MAX_FILE);
    let length = length.ok_or_else(|| format!("is larger than {} KiB", MAX_FILE / 1024))?;
    let kind = FileKind::of(&bytes).ok_or("is no JPEG, PNG, WebP, GIF or HTML in UTF-8")?;
    Ok(File { digest: sha256(&bytes), length, kind })
}
