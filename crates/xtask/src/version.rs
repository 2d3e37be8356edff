//! Versions: Cargo's, and what apk accepts as one. Pure.

/// Cargo's version as OpenWrt writes it: `1.2.3-rc.1` is `1.2.3_rc1`. None if there is no such form.
#[must_use]
pub fn from_cargo(version: &str) -> Option<String> {
    let mapped = match version.split_once('-') {
        None => version.to_owned(),
        Some((release, suffix)) => {
            let (kind, number) = suffix.split_once('.').unwrap_or((suffix, ""));
            ["alpha", "beta", "rc"].contains(&kind).then(|| format!("{release}_{kind}{number}"))?
        }
    };
    is_apk(&mapped).then_some(mapped)
}

/// Whether apk accepts it: numbers with dots, a letter, suffixes such as `_rc1`, `~` and a hexadecimal hash, `-r` and a number.
///
/// Good: `0.1.0`, `0.1.0-r1`, `1.2.3_rc1`, `2026.11.23`, `1.2.3~abcdef1`. Bad: `0.1.0-rc.1`, `v1.0`, `1.0-1`.
#[must_use]
pub fn is_apk(version: &str) -> bool {
    let Some(mut rest) = digits(version) else { return false };
    while let Some(after) = rest.strip_prefix('.') {
        let Some(after) = digits(after) else { return false };
        rest = after;
    }
    rest = rest.strip_prefix(|c: char| c.is_ascii_lowercase()).unwrap_or(rest);
    while let Some(after) = rest.strip_prefix('_') {
        let letters = after.trim_start_matches(|c: char| c.is_ascii_lowercase());
        if !SUFFIXES.contains(&&after[..after.len() - letters.len()]) {
            return false;
        }
        rest = digits(letters).unwrap_or(letters);
    }
    if let Some(after) = rest.strip_prefix('~') {
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || ('a'..='f').contains(&c));
        if rest.len() == after.len() {
            return false;
        }
    }
    rest.is_empty() || rest.strip_prefix("-r").and_then(digits).is_some_and(str::is_empty)
}

/// What is after the digits it begins with; None if there are none, or more than a number of 64 bits holds.
fn digits(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &text[..text.len() - rest.len()];
    number.parse::<u64>().is_ok().then_some(rest)
}

const SUFFIXES: [&str; 9] = ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_apk_accepts_is_accepted_and_nothing_else() {
        for good in [
            "1",
            "0.1.0",
            "0.1.0-r1",
            "1.2.3_rc1",
            "1.2.3_rc1-r12",
            "2026.11.23",
            "1.2.3~abcdef1",
            "1.2b_p",
            "1_git3_p2",
        ] {
            assert!(is_apk(good), "{good}");
        }
        for bad in [
            "",
            "0.1.0-rc.1",
            "v1.0",
            "1.0-1",
            "1.",
            ".1",
            "1..2",
            "1.0-r",
            "1.0-r1x",
            "1.0_foo",
            "1.0~",
            "1.0~xyz",
            "1.0ab",
            "1 ",
            "1.0-r1-r2",
            "99999999999999999999",
        ] {
            assert!(!is_apk(bad), "{bad}");
        }
    }

    #[test]
    fn pre_releases_of_cargo_are_mapped() {
        for (cargo, openwrt) in [("0.1.0", "0.1.0"), ("0.1.0-rc.1", "0.1.0_rc1"), ("1.0.0-alpha.12", "1.0.0_alpha12")] {
            assert_eq!(from_cargo(cargo).as_deref(), Some(openwrt));
        }
        for cargo in ["0.1.0-dev", "0.1.0-rc.x", "0.1.0+build", "0.1.0-rc.1.2"] {
            assert_eq!(from_cargo(cargo), None, "{cargo}");
        }
    }

    proptest! {
        #[test]
        fn no_version_makes_it_panic(version in "\\PC{0,20}") {
            let _: (bool, Option<String>) = (is_apk(&version), from_cargo(&version));
        }
    }
}
