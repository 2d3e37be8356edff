use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write as _;

use super::*;
use crate::package::Package;
use crate::tree::{Entry, Tree};

fn example() -> Package {
    let mut tree = Tree::default();
    tree.put("etc/config/x", Entry::File { mode: 0o600, bytes: b"config\n".to_vec() }).unwrap();
    tree.put("etc-more", Entry::File { mode: 0o755, bytes: vec![] }).unwrap();
    tree.put("usr/bin/x", Entry::Link("/usr/sbin/x".to_owned())).unwrap();
    Package {
        name: "x".to_owned(),
        version: "1.0-r1".to_owned(),
        arch: None,
        depends: vec!["libc".to_owned(), "y".to_owned()],
        source: "feeds/x/x".to_owned(),
        license: "Apache-2.0".to_owned(),
        license_files: String::new(),
        section: "net".to_owned(),
        user: "x:x".to_owned(),
        description: vec!["One".to_owned(), "two".to_owned()],
        conffiles: vec!["/etc/config/x".to_owned(), "/etc/x/".to_owned()],
        postinst: Some("#!/bin/sh\ntrue\n".to_owned()),
        prerm: None,
        tree,
    }
}

#[test]
fn what_is_written_comes_back() {
    let ipk = read(&write(&example(), 1_700_000_000).unwrap()).unwrap();
    assert_eq!(ipk.data, example().tree);
    assert_eq!(ipk.mtime, 1_700_000_000);
    assert_eq!(ipk.conffiles(), ["/etc/config/x"], "only what is there");
    let size = ipk.data_size.to_string();
    let fields: Vec<_> = ipk.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("Package", "x"),
        ("Version", "1.0-r1"),
        ("Depends", "libc, y"),
        ("Source", "feeds/x/x"),
        ("SourceName", "x"),
        ("License", "Apache-2.0"),
        ("Section", "net"),
        ("Require-User", "x:x"),
        ("Architecture", "all"),
        ("Installed-Size", &size),
        ("Description", "One\ntwo"),
    ];
    assert_eq!(fields, expected);
    let control: Vec<_> = ipk.control.files().collect();
    assert_eq!(control, ["/conffiles", "/control", "/postinst", "/postinst-pkg", "/prerm"]);
}

#[test]
fn the_same_package_and_time_give_the_same_bytes() {
    assert_eq!(write(&example(), 7).unwrap(), write(&example(), 7).unwrap());
    assert_ne!(write(&example(), 7).unwrap(), write(&example(), 8).unwrap());
}

#[test]
fn a_name_too_long_for_a_plain_tar_is_refused() {
    let mut package = example();
    package.tree.put(&"x".repeat(100), Entry::Directory).unwrap();
    assert!(write(&package, 0).is_err());
}

#[test]
fn a_bomb_is_refused() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; (64 << 20) + 1]).unwrap();
    let error = read(&encoder.finish().unwrap()).unwrap_err();
    assert!(format!("{error:#}").contains("longer than"), "{error:#}");
}

proptest! {
    #[test]
    fn cut_and_flipped_files_never_make_it_panic(at: usize, bit in 0..8, inside: bool) {
        let mut file = write(&example(), 7).unwrap();
        // Inside: behind the sums of gzip, where a stranger could have made everything anew.
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&file[..]), &mut plain).unwrap();
        if inside {
            let at = at % plain.len();
            plain[at] ^= 1_u8 << bit;
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&plain).unwrap();
            read(&encoder.finish().unwrap()).ok();
        } else {
            let at = at % file.len();
            prop_assert!(read(&file[..at]).is_err());
            file[at] ^= 1_u8 << bit;
            read(&file).ok();
        }
    }
}
