//! The feeds: what their indexes say of the packages, signatures, and that the same sources give the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use xtask::adb::container::Container;
use xtask::adb::schema::{Package, read_index};
use xtask::adb::sign::verify;
use xtask::ipk;
use xtask::keys::OpkgPublicKey;
use xtask::packages::build;
use xtask::sums::sha256;
use xtask::targets::TARGETS;

use crate::fixture::{Dist, options, versions};

/// All files below a directory, by their paths.
fn all(dir: &Path, below: &str) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir.join(below)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if dir.join(&path).is_dir() {
            found.extend(all(dir, &path));
        } else {
            found.insert(path.clone(), fs::read(dir.join(path)).unwrap());
        }
    }
    found
}

#[test]
fn there_is_a_feed_for_every_architecture_that_a_target_serves() {
    let dist = Dist::new();
    for (release, archs) in [("24.10", TARGETS.map(|t| t.archs_24_10)), ("25.12", TARGETS.map(|t| t.archs_25_12))] {
        let dirs = fs::read_dir(dist.out.join(release)).unwrap();
        let mut dirs: Vec<_> = dirs.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        dirs.sort();
        let mut archs: Vec<_> = archs.concat();
        archs.sort_unstable();
        assert_eq!(dirs, archs);
    }
    assert_eq!(dist.built.targets.len(), TARGETS.len());
}

#[test]
fn the_index_of_opkg_says_what_the_packages_are_and_is_signed() {
    let dist = Dist::new();
    let key = OpkgPublicKey::parse(&dist.text("welcomed.pub")).unwrap();
    assert_eq!(dist.built.fingerprint, key.fingerprint());
    for arch in TARGETS.iter().flat_map(|t| t.archs_24_10) {
        let index = dist.text(&format!("24.10/{arch}/Packages"));
        let signature = dist.text(&format!("24.10/{arch}/Packages.sig"));
        key.verify(index.as_bytes(), &signature).unwrap();
        assert!(key.verify(index.replace("libc", "libd").as_bytes(), &signature).is_err());
        let mut unpacked = Vec::new();
        let packed = dist.read(&format!("24.10/{arch}/Packages.gz"));
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut unpacked).unwrap();
        assert_eq!(unpacked, index.as_bytes());
        let stanzas: Vec<_> = index.split_terminator("\n\n").filter(|stanza| !stanza.is_empty()).collect();
        assert_eq!(stanzas.len(), 3);
        for stanza in stanzas {
            let field = |name: &str| {
                let line = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                line.unwrap_or_else(|| panic!("{arch}: {name} in {stanza}"))
            };
            let file = dist.read(&format!("24.10/{arch}/{}", field("Filename")));
            assert_eq!(field("Size"), file.len().to_string());
            assert_eq!(field("SHA256sum"), sha256(&file));
            let package = ipk::read(&file).unwrap();
            for name in ["Package", "Version", "Depends", "Architecture"] {
                assert_eq!(field(name), package.field(name));
            }
            assert!([arch, "all"].contains(&field("Architecture")));
            let names: Vec<_> = stanza.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
            assert_eq!(names[names.len() - 4..], ["Filename", "Size", "SHA256sum", "Description"]);
            assert!(!stanza.contains("Source"));
        }
    }
}

#[test]
fn the_index_of_apk_says_what_the_packages_are_and_is_signed() {
    let dist = Dist::new();
    let key = dist.text("welcomed.pem").parse().unwrap();
    for arch in TARGETS.iter().flat_map(|t| t.archs_25_12) {
        let container = Container::decode(&dist.read(&format!("25.12/{arch}/packages.adb"))).unwrap();
        verify(&container, &key).unwrap();
        let (_, packages) = read_index(&container).unwrap();
        let names: Vec<_> = packages.iter().map(|info| info.name.as_str()).collect();
        assert_eq!(names, ["luci-app-welcomed", "luci-i18n-welcomed-zh-cn", "welcomed"]);
        for info in packages {
            let file = dist.read(&format!("25.12/{arch}/{}-{}.apk", info.name, info.version));
            assert_eq!(Package::entry(&file).unwrap(), info);
            assert_eq!(info.version, versions()[0]);
            assert!([arch, "noarch"].contains(&info.arch.as_str()));
            verify(&Container::decode(&file).unwrap(), &key).unwrap();
        }
        let mut forged = container;
        forged.payload[20] ^= 1;
        assert!(verify(&forged, &key).is_err());
    }
}

#[test]
fn the_sums_are_those_of_all_files() {
    let dist = Dist::new();
    let mut files = all(&dist.out, "");
    let sums = String::from_utf8(files.remove("SHA256SUMS").unwrap()).unwrap();
    let expected: String = files.iter().map(|(path, bytes)| format!("{}  {path}\n", sha256(bytes))).collect();
    assert_eq!(sums, expected);
}

#[test]
fn two_runs_with_the_same_keys_give_the_same_bytes_wherever_they_are() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, two] = dirs.each_ref().map(|dir| options(dir.path(), 1_700_000_000));
    build(&one).unwrap();
    fs::create_dir(&two.keys).unwrap();
    for name in ["welcomed.sec", "welcomed-private.pem"] {
        fs::copy(one.keys.join(name), two.keys.join(name)).unwrap();
    }
    // Neither who checked the repository out nor when shows.
    let configuration = two.repository.join("files/etc/config/welcomed");
    fs::set_permissions(configuration, fs::Permissions::from_mode(0o666)).unwrap();
    build(&two).unwrap();
    // Left over from an older version.
    fs::write(two.out.join("24.10/x86_64/welcomed_0_x86_64.ipk"), "").unwrap();
    build(&two).unwrap();
    let [one, two] = [one, two].map(|options| all(&options.out, ""));
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    let different: Vec<_> = one.iter().filter(|(path, bytes)| two[*path] != **bytes).map(|(path, _)| path).collect();
    assert!(different.is_empty(), "{different:?}");
}

#[test]
fn secrets_stay_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 0);
    build(&options).unwrap();
    let secret = fs::read_to_string(options.keys.join("welcomed.sec")).unwrap();
    let secret = secret.lines().nth(1).unwrap().as_bytes();
    for (path, bytes) in all(&options.out, "") {
        assert!(
            !bytes.windows(11).any(|w| w == b"PRIVATE KEY") && !bytes.windows(secret.len()).any(|w| w == secret),
            "{path}"
        );
    }
}
