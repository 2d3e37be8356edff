use proptest::prelude::*;

use super::*;

/// A package that apk-tools 3.0.5 accepts: `t` 1-r1 with /etc/x, which holds “hello”, and a script.
const GOLDEN: &str = "\
    4144422e70636b672801000000000000140100e004726f6f7400000004000000\
    ed01001008000080080000800300000000000000100000e004000000a4010010\
    08000080080000800178202cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1f\
    a7425e73043362938b982400060000003c0000802c0000e00500001000000010\
    3e0000800365746302000000600000e00400000078000080100000e07c0000e0\
    017404312d7231066e6f6172636814fb0efd016fb0f03aa8d3ec1bc725ca1efe\
    4e99af0a23212f62696e2f73680a0000040000000000000000000000b7000080\
    0d0000009400008096000080a2000080000000009b0000800000000000000000\
    000000000000000000000000000000000500001003000000200000e0840000e0\
    04000000d40000e0080100e0c40000e011000080020000000100000068656c6c\
    6f00000000000000";

fn golden() -> Vec<u8> {
    let digits: Vec<_> = GOLDEN.bytes().collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn example() -> Package {
    let x = File { name: "x".into(), mode: 0o644, mtime: 0, content: Content::Bytes(b"hello".to_vec()) };
    Package {
        info: Info {
            name: "t".into(),
            version: "1-r1".into(),
            arch: "noarch".into(),
            installed_size: 5,
            ..Info::default()
        },
        directories: vec![
            Directory { path: String::new(), mode: 0o755, files: vec![] },
            Directory { path: "etc".into(), mode: 0o755, files: vec![x] },
        ],
        scripts: vec![(Script::PostInstall, "#!/bin/sh\n".into())],
    }
}

/// One with everything in it that the schema knows.
fn full() -> Package {
    let mut package = example();
    let link = Content::Link("../x".into());
    package.directories[1].files.push(File { name: "y".into(), mode: 0o777, mtime: 1 << 40, content: link });
    let empty = Content::Bytes(vec![]);
    package.directories[1].files.push(File { name: "z".into(), mode: 0o600, mtime: 1 << 30, content: empty });
    package.info = Info {
        description: "Ä".repeat(200),
        license: "Apache-2.0".into(),
        origin: "feeds/t/t".into(),
        url: "https://t.example".into(),
        depends: vec!["a".into(), "b".into()],
        provides: vec!["t-any".into()],
        tags: vec!["openwrt:section=net".into()],
        ..package.info
    };
    package.scripts = SCRIPTS.into_iter().map(|script| (script, format!("#!/bin/sh\n# {script:?}\n"))).collect();
    package
}

/// Without the hash, which the writer makes.
fn without_id(mut package: Package) -> Package {
    package.info.id.clear();
    package
}

#[test]
fn the_golden_package_is_read_as_what_it_is() {
    let package = Package::read(&Container::decode(&golden()).unwrap()).unwrap();
    let id: String = package.info.id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(id, "fb0efd016fb0f03aa8d3ec1bc725ca1efe4e99af");
    assert_eq!(without_id(package), example());
}

#[test]
fn the_golden_package_is_written_byte_by_byte() {
    assert_eq!(example().write().encode(), golden());
}

#[test]
fn everything_that_is_written_comes_back() {
    let container = Container::decode(&full().write().compress()).unwrap();
    assert_eq!(without_id(Package::read(&container).unwrap()), full());
}

#[test]
fn an_index_says_of_packages_what_they_say_themselves_and_their_whole_hash() {
    let file = full().write().compress();
    let entry = Package::entry(&file).unwrap();
    assert_eq!((entry.file_size, entry.id.len()), (file.len() as u64, 32));
    assert_eq!(Info { id: vec![], file_size: 0, ..entry.clone() }, full().info);
    let other = Info { name: "s".into(), ..entry.clone() };
    let container = Container::decode(&write_index("ours", &[entry.clone(), other.clone()]).compress()).unwrap();
    assert_eq!(read_index(&container), Ok(("ours".into(), vec![other, entry])));
    assert!(Package::read(&container).is_err() && read_index(&full().write()).is_err());
}

#[test]
fn what_was_tampered_with_is_found() {
    let container = full().write();
    let mut changed = container.clone();
    changed.data[0][8] ^= 1;
    assert_eq!(Package::read(&changed), Err(Error::Forged("a file is not what its hash says")));
    let mut changed = container.clone();
    let at = changed.payload.windows(9).position(|window| window == b"#!/bin/sh").unwrap();
    changed.payload[at + 2] = b'.';
    assert_eq!(Package::read(&changed), Err(Error::Forged("the package is not what its hash says")));
    let mut swapped = container.clone();
    swapped.data.push(swapped.data[0].clone());
    assert!(Package::read(&swapped).is_err());
    swapped.data.clear();
    assert!(Package::read(&swapped).is_err());
}

#[test]
fn paths_that_lead_elsewhere_and_files_of_others_are_refused() {
    for path in ["/etc", "../etc", "a/../b", "a//b", "a/"] {
        let mut package = example();
        package.directories[1].path = path.into();
        assert!(Package::read(&package.write()).is_err(), "{path}");
    }
    for name in ["", "..", "a/b", "a\nb"] {
        let mut package = example();
        package.directories[1].files[0].name = name.into();
        assert!(Package::read(&package.write()).is_err(), "{name:?}");
    }
    let mut package = example();
    package.directories.swap(0, 1);
    assert!(Package::read(&package.write()).is_err());
}

proptest! {
    #[test]
    fn a_flipped_or_cut_package_is_never_taken_for_the_real_one(at: usize, bit in 0..8, cut: bool) {
        let package = full().write().encode();
        let at = at % package.len();
        let mut changed = package[..if cut { at } else { package.len() }].to_vec();
        if !cut {
            changed[at] ^= 1_u8 << bit;
        }
        // Its hash is over all of the database, and each file's over all of the file.
        let read = Container::decode(&changed).and_then(|container| Package::read(&container));
        prop_assert!(read.is_err(), "byte {at}, bit {bit}: {read:?}");
    }

    #[test]
    fn no_database_makes_it_panic(payload in prop::collection::vec(any::<u8>(), 0..200), at: usize, word: u32) {
        let mut container = full().write();
        let length = container.payload.len();
        let at = at % (length - 4);
        container.payload[at..at + 4].copy_from_slice(&word.to_le_bytes());
        Package::read(&container).ok();
        container.schema = Schema::Index;
        read_index(&container).ok();
        container.payload = payload;
        read_index(&container).ok();
        container.schema = Schema::Package;
        Package::read(&container).ok();
    }
}
