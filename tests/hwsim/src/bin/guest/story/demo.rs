//! The short version, for people.

use anyhow::Result;

use super::greeting::{greet_guest, leave_owner_in_peace};
use crate::checks::Checks;
use crate::scene::{Scene, TITLE};

/// Tells the story.
///
/// # Errors
/// When the scene cannot be set up.
pub(crate) fn tell() -> Result<bool> {
    println!("A router shares its Wi-Fi, and its owner has left a message at the directory: “{TITLE}”.");
    println!("The radios are simulated; hostapd, wpa_supplicant, dnsmasq and the kernel's Wi-Fi are real.");
    println!("Starting the access point, the directory, the router's agent and two phones …");
    let scene = Scene::set_up()?;
    let mut checks = Checks::default();

    println!("\nA guest got the list of shared networks on the way. The mobile network ends at the door:");
    let greeting = checks.check("the guest is greeted", greet_guest(&scene));
    if let Some(greeting) = &greeting {
        greeting.print();
    }
    println!("\nThe owner comes home and joins the same network with the owner's own key:");
    checks.check("the owner hears nothing", leave_owner_in_peace(&scene));

    println!();
    if let Some(greeting) = greeting {
        greeting.write_figures()?;
        greeting.print_sum();
    }
    Ok(checks.all_hold())
}
