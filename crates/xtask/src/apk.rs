//! A package as `.apk`: OpenWrt's conventions on top of apk's format ([`crate::adb`]). Its scripts work through OpenWrt's own,
//! which read what is in the package from lists below `/lib/apk/packages`; those lists are files of the package.

use std::fmt::Write as _;

use p256::ecdsa::SigningKey;

use crate::adb::container::Container;
use crate::adb::schema::{self, Content, Directory, File, Info, Script};
use crate::adb::sign::sign;
use crate::package::Package;
use crate::sums::sha256;
use crate::tree::{Entry, Tree};

/// The file, signed; all in it was changed at `mtime`, in seconds since 1970.
///
/// # Errors
/// If the package has files where the lists belong.
pub fn write(package: &Package, mtime: u64, key: &SigningKey) -> anyhow::Result<Vec<u8>> {
    let tree = with_lists(package)?;
    let mut depends = package.depends.clone();
    depends.sort();
    let package = schema::Package {
        info: Info {
            name: package.name.clone(),
            version: package.version.clone(),
            description: package.description.join(" "),
            arch: package.arch.clone().unwrap_or_else(|| "noarch".to_owned()),
            license: package.license.clone(),
            origin: package.source.clone(),
            installed_size: tree.size(),
            depends,
            provides: vec![format!("{}-any", package.name)],
            tags: vec![format!("openwrt:section={}", package.section)],
            ..Info::default()
        },
        directories: directories(&tree, mtime),
        scripts: scripts(package),
    };
    let mut container = package.write();
    sign(&mut container, key);
    Ok(container.compress())
}

/// What the file is called; apk finds it by that name.
#[must_use]
pub fn file_name(package: &Package) -> String {
    format!("{}-{}.apk", package.name, package.version)
}

/// The index of a directory with such files, signed.
///
/// # Errors
/// If one of them is no package.
pub fn write_index(files: &[Vec<u8>], key: &SigningKey) -> anyhow::Result<Vec<u8>> {
    let entries = files.iter().map(|file| schema::Package::entry(file)).collect::<Result<Vec<_>, _>>()?;
    let mut container: Container = schema::write_index("", &entries);
    sign(&mut container, key);
    Ok(container.compress())
}

/// The package's files, and those that tell OpenWrt's scripts of them.
fn with_lists(package: &Package) -> anyhow::Result<Tree> {
    let mut tree = package.tree.clone();
    let mut put = |list: &str, text: String| {
        tree.put(
            &format!("lib/apk/packages/{}.{list}", package.name),
            Entry::File { mode: 0o644, bytes: text.into_bytes() },
        )
    };
    if !package.user.is_empty() {
        put("rusers", format!("{}\n", package.user))?;
    }
    if !package.conffiles.is_empty() {
        put("conffiles", package.conffiles.iter().flat_map(|path| [path, "\n"]).collect())?;
        let mut hashes = String::new();
        for path in package.shipped_conffiles() {
            let bytes = package.tree.file(path.trim_start_matches('/')).unwrap_or_default();
            writeln!(hashes, "{path} {}", sha256(bytes))?;
        }
        if !hashes.is_empty() {
            put("conffiles_static", hashes)?;
        }
    }
    // As OpenWrt's build system makes it: with the list of users in it, and without the other two and itself.
    let user = (!package.user.is_empty()).then(|| format!("/lib/apk/packages/{}.rusers", package.name));
    let mut listed: Vec<_> = package.tree.files().chain(user).collect();
    listed.sort();
    put("list", listed.into_iter().map(|path| path + "\n").collect())?;
    Ok(tree)
}

fn directories(tree: &Tree, mtime: u64) -> Vec<Directory> {
    let root = Directory { path: String::new(), mode: 0o755, files: Vec::new() };
    let paths = tree.iter().filter(|(_, entry)| **entry == Entry::Directory);
    let below = paths.map(|(path, _)| Directory { path: path.to_owned(), mode: 0o755, files: Vec::new() });
    let mut directories: Vec<_> = std::iter::once(root).chain(below).collect();
    for (path, entry) in tree.iter() {
        let (mode, content) = match entry {
            Entry::Directory => continue,
            Entry::File { mode, bytes } => (*mode, Content::Bytes(bytes.clone())),
            Entry::Link(target) => (0o777, Content::Link(target.clone())),
        };
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let directory = directories.iter_mut().find(|directory| directory.path == parent);
        let directory = directory.expect("whatever lies in a directory has it listed");
        directory.files.push(File { name: name.to_owned(), mode, mtime, content });
    }
    for directory in &mut directories {
        directory.files.sort_by(|a, b| a.name.cmp(&b.name));
    }
    directories
}

fn scripts(package: &Package) -> Vec<(Script, String)> {
    let postinst = without_shebang(package.postinst.as_deref());
    let install = format!(
        "#!/bin/sh\n[ \"${{IPKG_NO_SCRIPT}}\" = \"1\" ] && exit 0\n{}add_group_and_user\ndefault_postinst\n{postinst}",
        prepare(&package.name)
    );
    let upgrade = format!("#!/bin/sh\nexport PKG_UPGRADE=1\n{}", without_shebang(Some(&install)));
    let deinstall =
        format!("#!/bin/sh\n{}default_prerm\n{}", prepare(&package.name), without_shebang(package.prerm.as_deref()));
    vec![(Script::PostInstall, install), (Script::PreDeinstall, deinstall), (Script::PostUpgrade, upgrade)]
}

/// Nothing can be done on a system that is not OpenWrt's.
fn prepare(name: &str) -> String {
    format!(
        "[ -s \"${{IPKG_INSTROOT}}/lib/functions.sh\" ] || exit 0\n\
        . \"${{IPKG_INSTROOT}}/lib/functions.sh\"\n\
        export root=\"${{IPKG_INSTROOT}}\"\n\
        export pkgname=\"{name}\"\n"
    )
}

fn without_shebang(script: Option<&str>) -> String {
    script.unwrap_or_default().lines().filter(|line| !line.starts_with("#!")).flat_map(|line| [line, "\n"]).collect()
}
