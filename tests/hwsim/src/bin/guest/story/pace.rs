//! How fast it is: several guests, one after the other, and the middle one of what they saw.

use anyhow::Result;

use super::greeting::{Greeting, greet, greet_guest};
use crate::checks::write_figures;
use crate::scene::Scene;

/// Tells the story.
///
/// # Errors
/// When a guest is not greeted.
pub(crate) fn tell() -> Result<()> {
    let scene = Scene::set_up()?;
    let mut greetings = vec![greet_guest(&scene)?];
    for number in OTHER_GUESTS {
        greetings.push(greet(&scene, &scene.another_guest(number)?)?);
    }
    greetings.iter().for_each(Greeting::print_sum);
    let median = |figure: fn(&Greeting) -> f64| {
        let mut figures: Vec<_> = greetings.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    write_figures(&[
        ("lab.joined_to_greeted", median(|greeting| greeting.joined_to_greeted_ms), "ms"),
        ("lab.heard_to_ready", median(|greeting| greeting.agent_ms), "ms"),
    ])
}

/// Radios after the access point's, the first guest's and the owner's.
const OTHER_GUESTS: std::ops::Range<u32> = 3..9;
