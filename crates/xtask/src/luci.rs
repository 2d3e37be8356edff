//! The LuCI application and its translations, as LuCI's own makefile (`luci.mk`) lays them out: `htdocs` is `/www`, `root` is
//! the root, and each language below `po` is a package of its own.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::lmo;
use crate::makefile::Makefile;
use crate::package::{Package, depends_of, full_version, source_of};
use crate::tree::{Entry, Tree};

/// The packages of an application: itself, then its translations.
///
/// # Errors
/// If something is missing that LuCI would need.
pub fn packages(makefile: &Makefile, dir: &Path) -> anyhow::Result<Vec<Package>> {
    let name = makefile.variable("PKG_NAME").to_owned();
    ensure!(makefile.includes("$(TOPDIR)/feeds/luci/luci.mk"), "{name} does not include luci.mk");
    ensure!(makefile.variable("LUCI_PKGARCH") == "all", "{name}: LUCI_PKGARCH is not all");
    let mut tree = Tree::default();
    for (from, below) in [("htdocs", "www"), ("root", "")] {
        let from = dir.join(from);
        ensure!(from.is_dir(), "{} is not there", from.display());
        tree.copy_directory(&from, below)?;
    }
    let application = Package {
        version: full_version(makefile)?,
        arch: None,
        depends: depends_of(makefile.variable("LUCI_DEPENDS"))?,
        source: source_of(&name),
        license: makefile.variable("PKG_LICENSE").to_owned(),
        license_files: String::new(),
        section: "luci".to_owned(),
        user: String::new(),
        description: vec![makefile.variable("LUCI_DESCRIPTION").to_owned()],
        conffiles: Vec::new(),
        postinst: Some(POSTINST.to_owned()),
        prerm: None,
        tree,
        name,
    };
    ensure!(makefile.variable("PKG_PO_VERSION") == application.version, "PKG_PO_VERSION is not the package's version");
    let mut packages = vec![application];
    for language in LANGUAGES {
        let dir = dir.join("po").join(language.directory);
        if dir.is_dir() {
            packages.push(language.package(&packages[0], &dir)?);
        }
    }
    Ok(packages)
}

/// One that LuCI knows.
struct Language {
    /// Its directory below `po`.
    directory: &'static str,
    /// LuCI's code for it.
    code: &'static str,
    /// As people choose it.
    title: &'static str,
}

impl Language {
    fn package(&self, application: &Package, dir: &Path) -> anyhow::Result<Package> {
        let code = self.code;
        let basename = application.name.strip_prefix("luci-app-").context("the name does not begin with luci-app-")?;
        let name = format!("luci-i18n-{basename}-{code}");
        let mut tree = Tree::default();
        // LuCI offers the languages that this list names.
        let enable = format!("uci set luci.languages.{}='{}'; uci commit luci\n", code.replace('-', "_"), self.title)
            .into_bytes();
        tree.put(&format!("etc/uci-defaults/{name}"), Entry::File { mode: 0o644, bytes: enable })?;
        let mut files: Vec<_> = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "po"));
        files.sort();
        ensure!(!files.is_empty(), "{} has no translation", dir.display());
        for file in files {
            let domain = file.file_stem().and_then(|stem| stem.to_str()).context("a name that is not UTF-8")?;
            let po = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
            let bytes = lmo::from_po(&po).with_context(|| format!("understand {}", file.display()))?;
            tree.put(&format!("usr/lib/lua/luci/i18n/{domain}.{code}.lmo"), Entry::File { mode: 0o644, bytes })?;
        }
        Ok(Package {
            depends: depends_of(&format!("+{}", application.name))?,
            description: vec![format!("Translation for {} - {}", application.name, self.title)],
            tree,
            name,
            ..application.clone()
        })
    }
}

/// Another language takes another line.
const LANGUAGES: [Language; 1] =
    [Language { directory: "zh_Hans", code: "zh-cn", title: "简体中文 (Simplified Chinese)" }];

/// LuCI keeps menus and pages, and rpcd rights, until they are told.
const POSTINST: &str = r#"#!/bin/sh
[ -z "${IPKG_INSTROOT}" ] || exit 0
rm -rf /tmp/luci-indexcache.* /tmp/luci-modulecache
/etc/init.d/rpcd reload 2>/dev/null
exit 0
"#;
