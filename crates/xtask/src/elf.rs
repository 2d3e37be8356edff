//! What of a program a router needs: the part that is loaded.
//!
//! In: an ELF file. Out: the same without its table of sections and what stands behind the last segment. Linkers strip symbols
//! and debugging information; on MIPS they leave `.pdr`, a tenth of the file, which nothing reads but a debugger.

use anyhow::{Context as _, bail, ensure};

/// The bytes that are loaded, with a header that says that there are no sections.
///
/// # Errors
/// If it is no ELF file, or one that is cut.
pub fn without_sections(program: &[u8]) -> anyhow::Result<Vec<u8>> {
    let ident = program.get(..6).context("too short")?;
    ensure!(ident.starts_with(b"\x7fELF"), "no ELF file");
    let is_big = match ident[5] {
        1 => false,
        2 => true,
        _ => bail!("of unknown byte order"),
    };
    let layout = match ident[4] {
        1 => &NARROW,
        2 => &WIDE,
        _ => bail!("of unknown word size"),
    };
    let number = |at: usize, size: usize| {
        let bytes = at.checked_add(size).and_then(|end| program.get(at..end)).context("cut")?;
        let add = |n: u64, b: &u8| n << 8 | u64::from(*b);
        let n = if is_big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) };
        usize::try_from(n).context("too long")
    };
    let first = number(layout.segments, layout.word)?;
    let (each, count) = (number(layout.segment_size, 2)?, number(layout.segment_size + 2, 2)?);
    let mut end = first.checked_add(each * count).context("too long")?;
    for n in 0..count {
        let segment = first + n * each;
        let offset = number(segment + layout.offset, layout.word)?;
        let length = number(segment + layout.length, layout.word)?;
        end = end.max(offset.checked_add(length).context("too long")?);
    }
    let mut loaded = program.get(..end).context("cut")?.to_vec();
    loaded[layout.sections..layout.sections + layout.word].fill(0);
    // Number of sections, and which of them has their names; their size stays, as it does where there are none.
    loaded[layout.section_count..layout.section_count + 4].fill(0);
    Ok(loaded)
}

/// Where things are, in the file's header and in that of a segment: the specification of ELF, figures 4-3 and 5-1.
struct Layout {
    word: usize,
    segments: usize,
    sections: usize,
    segment_size: usize,
    section_count: usize,
    offset: usize,
    length: usize,
}

const NARROW: Layout =
    Layout { word: 4, segments: 28, sections: 32, segment_size: 42, section_count: 48, offset: 4, length: 16 };
const WIDE: Layout =
    Layout { word: 8, segments: 32, sections: 40, segment_size: 54, section_count: 60, offset: 8, length: 32 };

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_program_without_sections_runs() {
        let whole = std::fs::read("/bin/true").unwrap();
        let loaded = without_sections(&whole).unwrap();
        assert!(loaded.len() < whole.len());
        assert_eq!(without_sections(&loaded).unwrap(), loaded);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("true");
        std::fs::write(&path, loaded).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Command::new(path).status().unwrap().success());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, class in 0u8..4, order in 0u8..4) {
            let mut file = [b"\x7fELF", &[class, order][..], &bytes].concat();
            let _read = without_sections(&file).is_ok();
            file.resize(80, 0xff);
            let _read = without_sections(&file).is_ok();
        }
    }
}
