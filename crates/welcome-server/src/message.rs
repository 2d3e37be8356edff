//! How an offer looks on a screen of ours: one template (`message.html`) and one style ([`STYLE`]), for the page that phones
//! open and for the preview in the console, so that the preview shows what guests will see.
//!
//! Whoever includes the template has `content`, `language` (empty: nobody said), `files` (what the names of files come
//! after), `words` (`open`, `read_on`), and `beside` (whether links open beside the page) in its scope.

use welcome_proto::Color;
use welcome_proto::color::{on, readable};

/// The style of what is in `message.html`, and of the screen around it.
pub(crate) const STYLE: &str = include_str!("../templates/message.css");

/// A sharer's colour, as the style wants it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Colors {
    pub(crate) fill: Color,
    pub(crate) on: Color,
    pub(crate) light: Color,
    pub(crate) dark: Color,
}

impl Colors {
    /// Those of a message in this colour.
    pub(crate) fn of(color: Color) -> Self {
        Self { fill: color, on: on(color), light: readable(color, LIGHT_SHEET), dark: readable(color, DARK_SHEET) }
    }

    /// What a rule of its own has to say.
    pub(crate) fn rule(self) -> String {
        let Self { fill, on, light, dark } = self;
        format!("--fill:{fill};--on:{on};--light:{light};--dark:{dark}")
    }
}

/// `--sheet` of the style.
const LIGHT_SHEET: Color = Color([0xff, 0xff, 0xff]);
const DARK_SHEET: Color = Color([0x1b, 0x22, 0x21]);

#[cfg(test)]
mod tests {
    use welcome_proto::color::{ENOUGH, contrast};

    use super::*;

    /// The value of a variable in the light and in the dark scheme.
    fn schemes(name: &str) -> [Color; 2] {
        let name = format!("--{name}: ");
        let found: Vec<_> = STYLE.match_indices(&name).map(|(at, _)| &STYLE[at + name.len()..][..7]).collect();
        [found[0], found[1]].map(|value| value.parse().unwrap())
    }

    #[test]
    fn every_text_stands_out_from_its_ground() {
        assert_eq!(schemes("sheet"), [LIGHT_SHEET, DARK_SHEET]);
        for (text, ground) in
            [("ink", "ground"), ("ink", "sheet"), ("soft", "ground"), ("accent", "sheet"), ("on", "fill")]
        {
            for (text, ground) in schemes(text).into_iter().zip(schemes(ground)) {
                assert!(contrast(text, ground) >= ENOUGH, "{text} on {ground}: {}", contrast(text, ground));
            }
        }
        let yellow = Colors::of(Color([255, 255, 0]));
        assert!(contrast(yellow.light, LIGHT_SHEET) >= ENOUGH && contrast(yellow.on, yellow.fill) >= ENOUGH);
    }
}
