//! The index of an opkg feed: the fields of each package, and where to get it. Signed as it stands; compressed for the way.

use std::fmt::Write as _;

use crate::ipk;
use crate::sums::sha256;

/// `Packages`, for files by their names.
///
/// # Errors
/// If one of them is no package.
pub fn packages(files: &[(String, Vec<u8>)]) -> anyhow::Result<String> {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by_key(|(name, _)| name);
    let mut text = String::new();
    for (name, bytes) in files {
        for (field, value) in ipk::read(bytes)?.fields {
            if OMITTED.contains(&field.as_str()) {
                continue;
            }
            if field == "Description" {
                let hash = sha256(bytes);
                write!(text, "Filename: {name}\nSize: {}\nSHA256sum: {hash}\n", bytes.len())?;
            }
            writeln!(text, "{field}: {}", value.replace('\n', "\n "))?;
        }
        text.push('\n');
    }
    // Old versions of usign hash texts of such lengths wrongly.
    if [110, 111].contains(&((text.len() + 64) % 128)) {
        text.push_str("\n\n");
    }
    Ok(text)
}

/// Of no use before a package is there.
const OMITTED: [&str; 5] = ["Maintainer", "LicenseFiles", "Source", "SourceName", "Require-User"];
