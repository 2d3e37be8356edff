//! Colours that can be read: contrast as WCAG 2 computes it.
//!
//! Pure. A sharer's colour comes in, one of nearly its hue that stands out from a ground goes out.

use crate::Color;

/// What WCAG 2 asks for between a text and its ground (level AA).
pub const ENOUGH: f32 = 4.5;

/// How far two colours are apart, 1 to 21.
///
/// ```
/// use welcome_proto::Color;
/// use welcome_proto::color::contrast;
/// assert!((contrast(Color([0; 3]), Color([255; 3])) - 21.0).abs() < 0.001);
/// ```
#[must_use]
pub fn contrast(one: Color, other: Color) -> f32 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Black or white, whichever is easier to read on `ground`; always [`ENOUGH`].
#[must_use]
pub fn on(ground: Color) -> Color {
    let [black, white] = [Color([0; 3]), Color([255; 3])];
    if contrast(white, ground) >= contrast(black, ground) { white } else { black }
}

/// `color`, made darker or lighter until it can be read on `ground`.
#[must_use]
pub fn readable(color: Color, ground: Color) -> Color {
    let towards = on(ground);
    let mixed = (0..=STEPS).map(|step| mix(color, towards, step));
    let mut enough = mixed.filter(|mixed| contrast(*mixed, ground) >= ENOUGH);
    enough.next().unwrap_or(towards)
}

fn mix(Color(from): Color, Color(to): Color, step: u16) -> Color {
    let channel = |i: usize| {
        let mixed = (u16::from(from[i]) * (STEPS - step) + u16::from(to[i]) * step) / STEPS;
        u8::try_from(mixed).unwrap_or(u8::MAX)
    };
    Color([channel(0), channel(1), channel(2)])
}

/// Relative luminance, 0 to 1.
fn luminance(Color(channels): Color) -> f32 {
    let [r, g, b] = channels.map(|c| {
        let c = f32::from(c) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// How finely a colour is mixed.
const STEPS: u16 = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn contrast_is_that_of_wcag() {
        let grey = Color([0x76; 3]);
        assert!((contrast(grey, Color([255; 3])) - 4.54).abs() < 0.01);
        assert!((contrast(Color([255, 0, 0]), Color([255; 3])) - 4.0).abs() < 0.01);
    }

    #[test]
    fn a_colour_that_can_be_read_stays_as_it_is() {
        let teal = Color([0x0b, 0x5f, 0x6b]);
        assert_eq!(readable(teal, Color([255; 3])), teal);
        let yellow = readable(Color([255, 255, 0]), Color([255; 3]));
        assert!(yellow != Color([255, 255, 0]) && yellow.0[0] == yellow.0[1] && yellow.0[2] == 0, "{yellow:?}");
    }

    proptest! {
        #[test]
        fn every_colour_can_be_read_on_every_ground(color: [u8; 3], ground: [u8; 3]) {
            let (color, ground) = (Color(color), Color(ground));
            prop_assert!(contrast(readable(color, ground), ground) >= ENOUGH);
            prop_assert!(contrast(on(ground), ground) >= ENOUGH);
        }
    }
}
