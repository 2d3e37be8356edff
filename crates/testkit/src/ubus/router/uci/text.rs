//! A configuration as text, in the form in which libuci writes it. Pure.
//!
//! It reads what tests write and what it wrote itself: one command a line, values in quotes or bare, a newline only in
//! quotes. libuci takes more; the agent's own parser is held to that.

use serde_json::{Value, json};

use super::{Config, Section, anonymous};

/// What a text says. Lines that say nothing are left out.
pub(super) fn parse(text: &str) -> Config {
    let mut config = Config::new();
    for words in commands(text) {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        match (words.as_slice(), config.last_mut()) {
            (["config", kind], _) => {
                let name = anonymous(config.len() + 1, kind);
                config.push(Section { name, kind: (*kind).to_owned(), is_anonymous: true, options: Vec::new() });
            }
            (["config", kind, name], _) => {
                let (name, kind) = ((*name).to_owned(), (*kind).to_owned());
                config.push(Section { name, kind, is_anonymous: false, options: Vec::new() });
            }
            (["option", name, value], Some(section)) => section.options.push(((*name).to_owned(), json!(value))),
            (["list", name, value], Some(section)) => {
                match section.options.iter_mut().find(|(other, _)| other == name) {
                    Some((_, Value::Array(values))) => values.push(json!(value)),
                    _ => section.options.push(((*name).to_owned(), json!([value]))),
                }
            }
            _ => {}
        }
    }
    config
}

/// The same as text.
pub(super) fn print(config: &Config) -> String {
    let mut text = String::new();
    for section in config {
        let name = if section.is_anonymous { String::new() } else { format!(" {}", quoted(&section.name)) };
        text += &format!("\nconfig {}{name}\n", section.kind);
        for (name, value) in &section.options {
            match value {
                Value::Array(values) => {
                    let lines = values.iter().filter_map(Value::as_str);
                    text.extend(lines.map(|value| format!("\tlist {name} {}\n", quoted(value))));
                }
                value => text += &format!("\toption {name} {}\n", quoted(value.as_str().unwrap_or_default())),
            }
        }
    }
    text + "\n"
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The words of each command, as libuci takes them apart.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let (mut quote, mut is_inside) = (None, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '#') => while chars.next_if(|c| *c != '\n').is_some() {},
            (None, c) if c.is_whitespace() => {
                is_inside = false;
                if c == '\n' {
                    commands.push(Vec::new());
                }
            }
            (Some(open), c) if c == open => quote = None,
            (now, c) => {
                let words = commands.last_mut().expect("there is always one");
                if !is_inside {
                    words.push(String::new());
                    is_inside = true;
                }
                let word = words.last_mut().expect("one was pushed");
                match (now, c) {
                    (None, '\'' | '"') => quote = Some(c),
                    (None | Some('"'), '\\') => word.extend(chars.next()),
                    (_, c) => word.push(c),
                }
            }
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_as_it_was() {
        let text = "\nconfig welcomed 'main'\n\toption enabled '1'\n\tlist listen '[::]:1'\n\tlist listen 'b'\n\
                    \nconfig offer\n\toption title 'it'\\''s \"<b>\" # no \\ comment\nat all'\n\n";
        let config = parse(text);
        assert_eq!(config[0].option("listen"), Some(&json!(["[::]:1", "b"])));
        assert_eq!(config[1].option("title"), Some(&json!("it's \"<b>\" # no \\ comment\nat all")));
        assert_eq!((config[1].name.as_str(), config[1].is_anonymous), (&*anonymous(2, "offer"), true));
        assert_eq!(print(&config), text);
    }
}
