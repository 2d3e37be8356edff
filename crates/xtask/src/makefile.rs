//! Reads the makefiles of the feed packages: the small part of their language that ours use. Text comes in; variables, and
//! `define` blocks as lines, go out. What it does not understand it refuses: a package that was built from half a recipe would
//! be worse than none.

use std::collections::BTreeMap;

/// A makefile, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Makefile {
    variables: BTreeMap<String, String>,
    defines: BTreeMap<String, Vec<String>>,
    includes: Vec<String>,
}

/// Which line is not understood, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Error {
    /// Counted from 1.
    pub line: usize,
    /// In words.
    pub problem: String,
}

impl Makefile {
    /// Reads the text of a makefile.
    ///
    /// # Errors
    /// For the first line that is outside the language.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut made = Self::default();
        let mut block: Option<(String, Vec<String>, usize)> = None;
        for (line, text) in (1..).zip(text.lines()) {
            if let Some((name, mut lines, begun)) = block.take() {
                if text == "endef" {
                    if made.defines.insert(name.clone(), lines).is_some() {
                        return Err(Error { line, problem: format!("{name} is defined twice") });
                    }
                } else {
                    lines.push(text.to_owned());
                    block = Some((name, lines, begun));
                }
                continue;
            }
            block = made.read_line(text).map_err(|problem| Error { line, problem })?.map(|name| (name, vec![], line));
        }
        match block {
            Some((name, _, line)) => Err(Error { line, problem: format!("define {name} has no endef") }),
            None => Ok(made),
        }
    }

    /// What a variable holds; nothing is the same as an empty one.
    #[must_use]
    pub fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    /// Whether it includes the file; its name as written.
    #[must_use]
    pub fn includes(&self, file: &str) -> bool {
        self.includes.iter().any(|i| i == file)
    }

    /// The names of the packages it defines.
    #[must_use]
    pub fn packages(&self) -> Vec<&str> {
        self.defines.keys().filter_map(|d| d.strip_prefix("Package/")).filter(|d| !d.contains('/')).collect()
    }

    /// The lines of a `define`, as written.
    #[must_use]
    pub fn block(&self, name: &str) -> Option<&[String]> {
        self.defines.get(name).map(Vec::as_slice)
    }

    /// A `define` as text that `make` would hand to a shell or a file: `$$` is `$`.
    ///
    /// # Errors
    /// If it names a variable: our texts have none.
    pub fn text(&self, name: &str) -> Result<Option<String>, String> {
        let Some(lines) = self.block(name) else { return Ok(None) };
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        if text.replace("$$", "").contains('$') {
            return Err(format!("{name}: a single $ is a variable of make; the shell's are written $$"));
        }
        Ok(Some(text.replace("$$", "$")))
    }

    /// The `KEY:=VALUE` lines of a `define`.
    ///
    /// # Errors
    /// For a line that is something else.
    pub fn fields(&self, name: &str) -> Result<BTreeMap<String, String>, String> {
        let lines = self.block(name).ok_or_else(|| format!("there is no define {name}"))?;
        let fields = lines.iter().map(|line| {
            let (key, value) = assignment(line.trim()).ok_or_else(|| format!("{name}: not KEY:=VALUE: {line}"))?;
            Ok((key.to_owned(), self.expand(value)?))
        });
        fields.collect()
    }

    /// Reads a line outside of blocks; a block that begins with it is handed back by name.
    fn read_line(&mut self, text: &str) -> Result<Option<String>, String> {
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        if text.ends_with('\\') {
            return Err("a line that goes on in the next".to_owned());
        }
        if let Some(name) = text.strip_prefix("define ") {
            return is_block(name).then(|| Some(name.to_owned())).ok_or_else(|| format!("an unknown define: {name}"));
        }
        if let Some(file) = text.strip_prefix("include ") {
            self.includes.push(file.to_owned());
            return INCLUDES.contains(&file).then_some(None).ok_or_else(|| format!("an unknown include: {file}"));
        }
        if let Some(call) = text.strip_prefix("$(eval $(call ").and_then(|t| t.strip_suffix("))")) {
            let known = call.split_once(',').is_some_and(|(macro_name, package)| {
                ["RustBinPackage", "BuildPackage"].contains(&macro_name) && is_name(package)
            });
            return known.then_some(None).ok_or_else(|| format!("an unknown call: {call}"));
        }
        let (name, value) = assignment(text).ok_or_else(|| format!("not understood: {text}"))?;
        let value = self.expand(value)?;
        match self.variables.insert(name.to_owned(), value) {
            Some(_) => Err(format!("{name} is set twice")),
            None => Ok(None),
        }
    }

    /// Puts in the variables that were set before.
    fn expand(&self, value: &str) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            let (name, after) = after
                .strip_prefix('(')
                .and_then(|a| a.split_once(')'))
                .ok_or_else(|| format!("a $ that is no variable: {value}"))?;
            let known = self.variables.get(name).map(String::as_str);
            // For which processors Rust can build; whether to build for them is not our builder's to ask.
            let known = known.or_else(|| (name == "RUST_ARCH_DEPENDS").then_some(""));
            expanded.push_str(known.ok_or_else(|| format!("{name} is not set"))?);
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

fn assignment(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once(":=")?;
    let is_variable = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    // A comment after a value would become part of it.
    (is_variable && !value.contains('#')).then_some((name, value))
}

fn is_block(name: &str) -> bool {
    match name.strip_prefix("Package/").map(|n| n.split_once('/').unwrap_or((n, ""))) {
        Some((package, part)) => is_name(package) && PARTS.contains(&part),
        None => name == "Build/Prepare",
    }
}

/// Package names are written out: whoever searches for one finds it.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

const PARTS: [&str; 6] = ["", "description", "conffiles", "install", "postinst", "prerm"];

const INCLUDES: [&str; 4] = [
    "$(TOPDIR)/rules.mk",
    "$(INCLUDE_DIR)/package.mk",
    "$(TOPDIR)/feeds/packages/lang/rust/rust-package.mk",
    "$(TOPDIR)/feeds/luci/luci.mk",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn variables_blocks_and_what_they_name_are_read() {
        let text = "# comment\n\ninclude $(TOPDIR)/rules.mk\nA:=1\nB:=$(A)-r2\n\ndefine Package/x\n  TITLE:=T\n  DEPENDS:=\
            $(RUST_ARCH_DEPENDS) +y\nendef\n\ndefine Package/x/postinst\n#!/bin/sh\necho $${B}\nendef\n\n\
            $(eval $(call BuildPackage,x))\n";
        let made = Makefile::parse(text).unwrap();
        assert_eq!((made.variable("B"), made.variable("C")), ("1-r2", ""));
        assert!(made.includes("$(TOPDIR)/rules.mk"));
        assert_eq!(made.packages(), ["x"]);
        let fields = made.fields("Package/x").unwrap();
        assert_eq!((fields["TITLE"].as_str(), fields["DEPENDS"].trim()), ("T", "+y"));
        assert_eq!(made.text("Package/x/postinst").unwrap().unwrap(), "#!/bin/sh\necho ${B}\n");
        assert_eq!(made.text("Package/x/prerm"), Ok(None));
    }

    #[test]
    fn what_is_outside_the_language_is_refused_with_its_line() {
        for (text, problem) in [
            ("A=1", "not understood"),
            ("A:=1\nA:=2", "set twice"),
            ("A:=$(B)", "B is not set"),
            ("A:=$$x", "no variable"),
            ("A:=1 # why", "not understood"),
            ("A:=1 \\\n2", "goes on"),
            ("ifeq (a,b)", "not understood"),
            ("include x.mk", "unknown include"),
            ("define Package/x/preinst\nendef", "unknown define"),
            ("define Package/$(PKG_NAME)\nendef", "unknown define"),
            ("define Package/x\n", "no endef"),
            ("define Package/x\nendef\ndefine Package/x\nendef", "twice"),
            ("$(eval $(call BuildPackage,$(PKG_NAME)))", "unknown call"),
            ("$(eval $(call KernelPackage,x))", "unknown call"),
            ("all:", "not understood"),
        ] {
            let error = Makefile::parse(text).unwrap_err();
            assert!(error.problem.contains(problem) && error.line > 0, "{text}: {error}");
        }
        let made = Makefile::parse("define Package/x\n  if y\nendef\ndefine Package/x/prerm\necho $x\nendef").unwrap();
        assert!(made.fields("Package/x").is_err() && made.text("Package/x/prerm").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(define |Package/x|endef|\n|:=|[$()A-Z#\\\\ ]){0,40}") {
            if let Ok(made) = Makefile::parse(&text) {
                for name in ["Package/x", "Build/Prepare"] {
                    let (_, _) = (made.fields(name), made.text(name));
                }
            }
        }
    }
}
