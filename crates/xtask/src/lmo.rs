//! Translations: from gettext's `.po` to the `.lmo` that LuCI reads. Text comes in, bytes go out.
//!
//! An `.lmo` has the translations one behind the other, each padded to four bytes; then an index, sorted by the hash of the
//! original; then where the index begins. Numbers are big-endian.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};

/// Makes the `.lmo` of a `.po`. What is not translated is left out, and shown in English.
///
/// # Errors
/// For a line it does not understand, and for two originals that LuCI could not tell apart.
pub fn from_po(po: &str) -> anyhow::Result<Vec<u8>> {
    let mut values = Vec::new();
    let mut index = BTreeMap::new();
    for message in read(po)? {
        for (key, value, forms) in message.entries() {
            let offset = u32::try_from(values.len())?;
            let length = u32::try_from(value.len())?;
            ensure!(index.insert(key, [forms, offset, length]).is_none(), "two messages have one hash: {value}");
            values.extend_from_slice(value.as_bytes());
            values.resize(values.len().next_multiple_of(4), 0);
        }
    }
    ensure!(!index.is_empty(), "nothing is translated");
    let offset = u32::try_from(values.len())?;
    let index = index.into_iter().flat_map(|(key, rest)| std::iter::once(key).chain(rest));
    let words = index.chain(std::iter::once(offset)).flat_map(u32::to_be_bytes);
    Ok(values.into_iter().chain(words).collect())
}

/// One message of a `.po`, with backslashes left in front of all but quotes and backslashes, as LuCI hashes it.
#[derive(Debug, Default)]
struct Message {
    context: Option<String>,
    id: Option<String>,
    plural: Option<String>,
    translations: BTreeMap<u32, String>,
}

impl Message {
    /// Hash, translation, and how many forms there are; the header gives the rule for plurals alone, at hash 0.
    fn entries(&self) -> Vec<(u32, &str, u32)> {
        let id = self.id.as_deref().unwrap_or_default();
        if id.is_empty() {
            let header = self.translations.get(&0).map_or("", String::as_str);
            let rule = header.split("\\n").find_map(|line| line.strip_prefix("Plural-Forms: "));
            return rule.map(|rule| (0, rule, 0)).into_iter().collect();
        }
        let context = self.context.as_ref().map(|context| format!("{context}\u{1}")).unwrap_or_default();
        let forms = self.translations.keys().max().map_or(0, |last| last + 1);
        let entries = self.translations.iter().filter(|(_, value)| !value.is_empty()).map(|(form, value)| {
            let form = if self.plural.is_some() { format!("\u{2}{form}") } else { String::new() };
            (hash(format!("{context}{id}{form}").as_bytes()), value.as_str(), forms)
        });
        entries.filter(|(key, value, _)| *key != hash(value.as_bytes())).collect()
    }
}

fn read(po: &str) -> anyhow::Result<Vec<Message>> {
    let mut messages = vec![Message::default()];
    let mut part = None;
    for (line, number) in po.lines().map(str::trim).zip(1..) {
        let wrong = || format!("line {number}: not understood: {line}");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (keyword, text) = line.split_at(line.find('"').with_context(wrong)?);
        let text = unquote(text).with_context(wrong)?;
        let keyword = keyword.trim();
        let last = messages.last().context("there is always one")?;
        if ["msgctxt", "msgid"].contains(&keyword) && last.id.is_some() {
            messages.push(Message::default());
        }
        let message = messages.last_mut().context("there is always one")?;
        if keyword.is_empty() {
            part_of(message, part.as_deref().with_context(wrong)?).with_context(wrong)?.push_str(&text);
        } else {
            *part_of(message, keyword).with_context(wrong)? = text;
            part = Some(keyword.to_owned());
        }
    }
    for message in &messages {
        ensure!(message.id.is_some() || message.translations.is_empty(), "a translation of nothing");
    }
    Ok(messages)
}

fn part_of<'a>(message: &'a mut Message, keyword: &str) -> anyhow::Result<&'a mut String> {
    Ok(match keyword {
        "msgctxt" => message.context.get_or_insert_default(),
        "msgid" => message.id.get_or_insert_default(),
        "msgid_plural" => message.plural.get_or_insert_default(),
        "msgstr" => message.translations.entry(0).or_default(),
        _ => {
            let form = keyword.strip_prefix("msgstr[").and_then(|k| k.strip_suffix(']')).context("an unknown word")?;
            let form = form.parse().ok().filter(|form| *form < MAX_FORMS).context("too many plural forms")?;
            message.translations.entry(form).or_default()
        }
    })
}

/// What stands between the quotes.
fn unquote(quoted: &str) -> anyhow::Result<String> {
    let inner = quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"')).context("no closing quote")?;
    let mut text = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => bail!("a quote in the text"),
            '\\' => match characters.next().context("a backslash at the end")? {
                plain @ ('"' | '\\') => text.push(plain),
                other => text.extend(['\\', other]),
            },
            plain => text.push(plain),
        }
    }
    Ok(text)
}

/// Paul Hsieh's SuperFastHash, by which LuCI finds a translation.
fn hash(data: &[u8]) -> u32 {
    let Ok(length) = u32::try_from(data.len()) else { return 0 };
    if length == 0 {
        return 0;
    }
    let pair = |at: usize| u32::from(u16::from_le_bytes([data[at], data[at + 1]]));
    // Single bytes count as signed.
    let signed = |at: usize| i32::from(data[at].cast_signed()).cast_unsigned();
    let mut hash = length;
    let whole = data.len() / 4 * 4;
    for at in (0..whole).step_by(4) {
        hash = hash.wrapping_add(pair(at));
        hash = (hash << 16) ^ (pair(at + 2) << 11) ^ hash;
        hash = hash.wrapping_add(hash >> 11);
    }
    match data.len() - whole {
        3 => {
            hash = hash.wrapping_add(pair(whole));
            hash ^= hash << 16;
            hash ^= signed(whole + 2) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        2 => {
            hash = hash.wrapping_add(pair(whole));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        1 => {
            hash = hash.wrapping_add(signed(whole));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}

/// As many as LuCI can hold.
const MAX_FORMS: u32 = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PO: &str = r#"msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

#: somewhere.js:1
msgid "Welcome"
msgstr "欢迎"

msgid "A \"quoted\" line\n"
"and a second"
msgstr "引\n"
"二"

msgctxt "menu"
msgid "Open"
msgstr "打开"

msgid "%d guest"
msgid_plural "%d guests"
msgstr[0] "one"
msgstr[1] "many"

msgid "not translated"
msgstr ""

msgid "same"
msgstr "same"
"#;

    /// Of the text above, by the program in LuCI's sources.
    const GOLDEN: &str = "\
        6e706c7572616c733d323b20706c7572616c3d286e20213d2031293be6aca2e8bf8e0000e5bc955c6ee4ba8ce68993e5bc80\
        00006f6e65006d616e790000000000000000000000000000001c16b50e29000000010000002c000000065c5b099e00000002\
        0000003400000003aaef2c4e000000010000001c00000006b6ac1193000000020000003800000004ec833b35000000010000\
        0024000000080000003c";

    #[test]
    fn it_is_what_lucis_own_program_makes() {
        let lmo: String = from_po(PO).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(lmo, GOLDEN);
    }

    #[test]
    fn what_is_no_po_is_refused() {
        for po in [
            "msgid Welcome",
            "msgid \"Welcome",
            "msgid \"a\"\nmsgstr \"b\\\"",
            "\"lost\"",
            "msgfoo \"a\"",
            "msgstr \"a\"",
            "msgid \"a\"\nmsgstr[10] \"b\"",
            "msgid \"a\"\nmsgstr \"b\"\nmsgid \"a\"\nmsgstr \"c\"",
            "",
        ] {
            assert!(from_po(po).is_err(), "{po}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(po in "(msgid |msgctxt |msgstr |msgstr\\[1\\] |msgid_plural |\"|a|\\PC|\n|\\\\){0,60}") {
            from_po(&po).ok();
        }
    }
}
