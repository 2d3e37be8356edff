//! How our pages look, and the policy that lets nothing else in.
//!
//! Pure. No fonts, pictures or scripts: one style in the page, named by its digest.

use sorted::SortedSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use welcome_proto::Color;
use welcome_proto::color::{on, readable};

/// The style of a page: what all have in common, and the colours of its offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// For a second `<style>`; empty where no offer has a colour.
    pub colors: String,
    /// `Content-Security-Policy`.
    pub policy: String,
}

impl Style {
    /// For offers in these colours.
    #[must_use]
    pub fn of(colors: &SortedSet<Color>) -> Self {
        let mut rules = String::new();
        for color in colors {
            let [light, dark] = [LIGHT_SHEET, DARK_SHEET].map(|sheet| readable(*color, sheet));
            let (class, on) = (class(*color), on(*color));
            // Writing to a `String` cannot fail.
            let _whole = write!(
                rules,
                ".{class}{{--fill:{color};--on:{on};--accent:{light}}}\
                 @media(prefers-color-scheme:dark){{.{class}{{--accent:{dark}}}}}"
            )
            .is_ok();
        }
        let also = if rules.is_empty() { String::new() } else { format!(" '{}'", source(&rules)) };
        let policy = format!(
            "default-src 'none'; style-src '{}'{also}; img-src 'self' data:; frame-src 'self'; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'",
            *COMMON_SOURCE
        );
        Self { colors: rules, policy }
    }
}

/// The class of what has this colour, e.g. `c0b5f6b`.
#[must_use]
pub fn class(color: Color) -> String {
    color.to_string().replacen('#', "c", 1)
}

/// A style in the words of a policy.
fn source(style: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, style.as_bytes())))
}

static COMMON_SOURCE: LazyLock<String> = LazyLock::new(|| source(COMMON));

/// `--sheet` below.
const LIGHT_SHEET: Color = Color([0xff, 0xff, 0xff]);
const DARK_SHEET: Color = Color([0x1b, 0x22, 0x21]);

/// The first `<style>` of every page.
pub const COMMON: &str = "\
:root{color-scheme:light dark;--ground:#f5f2eb;--glow:#d5e9e8;--sheet:#ffffff;--ink:#1d2422;--soft:#55605c;--edge:#e2dccf;--fill:#0b5f6b;--on:#ffffff;--accent:#0b5f6b;--good:#1c6a3b;--warn:#8a4707}\
@media(prefers-color-scheme:dark){:root{--ground:#111615;--glow:#12353a;--sheet:#1b2221;--ink:#edf2f0;--soft:#a5b0ac;--edge:#303a38;--fill:#8ad3dc;--on:#05262b;--accent:#8ad3dc;--good:#82d29f;--warn:#f1ba7b}}\
*{box-sizing:border-box}\
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}\
body{margin:0;min-height:100vh;background:radial-gradient(60rem 26rem at 50% -6rem,var(--glow),transparent) no-repeat var(--ground);color:var(--ink);font:1.0625rem/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif}\
main{max-width:35rem;margin:0 auto;padding:2.75rem 1.125rem 2.5rem}\
header{text-align:center;margin:0 0 1.75rem}\
header svg{display:block;width:min(4rem,22vw);height:min(4rem,22vw);padding:min(.9rem,5vw);margin:0 auto 1.1rem;border-radius:1.35rem;background:var(--fill);color:var(--on);box-shadow:0 .6rem 1.6rem -.7rem var(--fill)}\
h1,h2,p{overflow-wrap:anywhere}\
h1{margin:0;font-size:1.9rem;line-height:1.2;font-weight:720;letter-spacing:-.015em;text-wrap:balance}\
h1 small{display:block;margin:0 0 .15rem;font-size:1.0625rem;font-weight:450;letter-spacing:0;color:var(--soft)}\
.state{display:flex;flex-wrap:wrap;justify-content:center;gap:0 .4em;text-wrap:balance;margin:.9rem 0 0;color:var(--soft);font-size:.975rem}\
.state b{font-weight:620;color:var(--good)}\
.state.bad b{color:var(--warn)}\
.state.bad b::before{display:none}\
.state b::before{content:\"\";display:inline-block;width:.5em;height:.5em;margin-inline-end:.5em;border-radius:50%;background:currentColor;vertical-align:.08em}\
article{margin:0 0 1.125rem;background:var(--sheet);border:1px solid var(--edge);border-radius:1.25rem;overflow:hidden;box-shadow:0 1px 2px #0000000a,0 .75rem 2rem -1.25rem #00000038}\
article>div{padding:1.35rem 1.35rem 1.4rem}\
article img{display:block;width:100%;height:auto;max-height:70vh;object-fit:cover;background:var(--edge)}\
article iframe{display:block;width:100%;height:min(70vh,26rem);border:0;border-top:1px solid var(--edge);background:#fff;color-scheme:light}\
h2{margin:0;font-size:1.4rem;line-height:1.25;font-weight:680;letter-spacing:-.01em;color:var(--accent);text-wrap:balance}\
article p{margin:.6rem 0 0;white-space:pre-line}\
article .from{margin:0 0 .35rem;font-size:.875rem;color:var(--soft)}\
.more{margin-top:1.1rem}\
a,button{font:inherit;font-weight:620;border-radius:.95rem}\
a{display:inline-flex;flex-wrap:wrap;align-items:baseline;gap:0 .5em;max-width:100%;padding:.7rem 1.15rem;background:var(--fill);color:var(--on);text-decoration:none}\
a bdi{font-weight:450;font-size:.925em}\
form{margin:0}\
button{display:block;width:100%;min-height:3.25rem;padding:.7rem 1.15rem;border:0;background:var(--fill);color:var(--on);cursor:pointer;-webkit-appearance:none;appearance:none}\
button.quiet{min-height:2.75rem;background:none;color:var(--soft);font-weight:500;font-size:.975rem;text-decoration:underline;text-decoration-color:var(--edge);text-underline-offset:.25em}\
a:hover,button:hover{filter:brightness(1.06)}\
button.quiet:hover{color:var(--ink)}\
:focus-visible{outline:3px solid var(--accent);outline-offset:3px}\
.act{position:sticky;bottom:0;margin:0 -1.125rem;padding:1.1rem 1.125rem max(.9rem,env(safe-area-inset-bottom));background:linear-gradient(transparent,var(--ground) 1.1rem)}\
.act p,.note{margin:0 0 .7rem;text-align:center;color:var(--soft);text-wrap:balance}\
.note{margin:0 0 1.25rem}\
@media(max-height:32rem){.act{position:static;background:none}}\
@media(min-width:44rem){main{padding-top:4.5rem}h1{font-size:2.3rem}.act{position:static;background:none}}\
";

#[cfg(test)]
mod tests {
    use super::*;
    use welcome_proto::color::{ENOUGH, contrast};

    /// The value of a variable in the light and in the dark scheme.
    fn schemes(name: &str) -> [Color; 2] {
        let name = format!("--{name}:");
        let found: Vec<_> = COMMON.match_indices(&name).map(|(at, _)| &COMMON[at + name.len()..][..7]).collect();
        [found[0], found[1]].map(|value| value.parse().unwrap())
    }

    #[test]
    fn every_text_stands_out_from_its_ground() {
        assert_eq!(schemes("sheet"), [LIGHT_SHEET, DARK_SHEET]);
        for (text, grounds) in [
            ("ink", &["ground", "sheet", "glow"][..]),
            ("soft", &["ground", "sheet", "glow"]),
            ("accent", &["sheet", "ground"]),
            ("on", &["fill"]),
            ("good", &["ground", "glow"]),
            ("warn", &["ground", "glow"]),
        ] {
            for ground in grounds {
                for (text, ground) in schemes(text).into_iter().zip(schemes(ground)) {
                    assert!(contrast(text, ground) >= ENOUGH, "{text} on {ground}: {}", contrast(text, ground));
                }
            }
        }
    }

    #[test]
    fn the_policy_names_every_style_that_is_sent_and_allows_no_script() {
        let none = Style::of(&SortedSet::new());
        assert!(none.colors.is_empty() && none.policy.contains(&source(COMMON)));
        let two = Style::of(&SortedSet::from([Color([0; 3]), Color([255, 0, 0])]));
        assert!(two.policy.contains(&source(&two.colors)) && two.policy.contains(&source(COMMON)));
        assert!(two.colors.contains(".cff0000{--fill:#ff0000;--on:#000000;--accent:"));
        for policy in [none.policy, two.policy] {
            assert!(
                policy.starts_with("default-src 'none';") && !policy.contains("unsafe") && !policy.contains("script")
            );
        }
    }
}
