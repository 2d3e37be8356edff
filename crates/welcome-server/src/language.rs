//! Which of several languages a person reads best: `Accept-Language` (RFC 9110 section 12.5.4) in, a choice out. Pure.

use welcome_proto::Language;

/// What a header wants, best first; the wildcard and what is not understood is left out.
pub(crate) fn wanted(header: &str) -> Vec<Language> {
    let mut wanted: Vec<(f32, Language)> = header
        .split(',')
        .take(MAX_WANTED)
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let language = parts.next()?.parse().ok()?;
            let weight = parts.find_map(|p| p.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok())?;
            (weight > 0.0).then_some((weight, language))
        })
        .collect();
    wanted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    wanted.into_iter().map(|(_, language)| language).collect()
}

/// The one to use of those that are there: the longest that a wanted one begins with (RFC 4647 section 3.4), or one
/// that begins with it.
pub(crate) fn choose<'a>(
    wanted: &[Language],
    there: impl Iterator<Item = &'a Language> + Clone,
) -> Option<&'a Language> {
    wanted.iter().find_map(|wanted| {
        let (wanted, is_below) = (wanted.as_str(), |long: &str, short: &str| {
            long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        let above = there.clone().filter(|l| is_below(wanted, l.as_str())).max_by_key(|l| l.as_str().len());
        above.or_else(|| there.clone().find(|l| is_below(l.as_str(), wanted)))
    })
}

/// More than a person reads; a longer header is not read to its end.
const MAX_WANTED: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chosen(header: &str, there: &[&str]) -> Option<String> {
        let there: Vec<Language> = there.iter().map(|l| l.parse().unwrap()).collect();
        choose(&wanted(header), there.iter()).map(ToString::to_string)
    }

    #[test]
    fn the_best_of_what_is_there_is_chosen() {
        for (header, there, expected) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", &["en", "zh"][..], Some("zh")),
            ("en;q=0.1, de;q=0.5", &["en", "de"], Some("de")),
            ("zh-Hant-TW", &["zh", "zh-hant"], Some("zh-hant")),
            ("zh", &["zh-hant"], Some("zh-hant")),
            ("fr, *;q=0.5", &["en"], None),
            ("en;q=0", &["en"], None),
            ("z, zho", &["zh"], None),
            ("", &["en"], None),
        ] {
            assert_eq!(chosen(header, there).as_deref(), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header in ".{0,60}|[a-zA-Z;=,.0-9* -]{0,60}") {
            let _ = chosen(&header, &["en", "zh-hant"]);
        }
    }
}
