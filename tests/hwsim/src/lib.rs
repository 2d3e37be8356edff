//! What the two programs of the lab agree on.
//!
//! `lab` runs on the host: it prepares a kernel and a file system, boots them under QEMU and brings back what
//! happened. `guest` runs inside that machine, first as its process 1, then as the teller of one story. They meet
//! in the names below: one shared directory, one port for output, one file with the exit code.

use std::time::Duration;

/// One thing that can be told in the machine.
#[derive(Debug)]
pub struct Story {
    /// The word on the command line.
    pub name: &'static str,
    /// One line for `lab list`.
    pub about: &'static str,
    /// Simulated radios: `phy0`, `phy1`, … with the interfaces `wlan0`, `wlan1`, ….
    pub radios: u32,
    /// Programs under test that it needs from the `--bin-dir`.
    pub programs: &'static [&'static str],
    /// What it needs of Debian, beside what every story has.
    pub debian: &'static [Debian],
    /// After this time the story is killed.
    pub limit: Duration,
}

/// Files of a package of Debian.
#[derive(Debug)]
pub struct Debian {
    /// The package.
    pub package: &'static str,
    /// Names of its programs and plugins, without their directories.
    pub files: &'static [&'static str],
}

/// Every story, in the order in which `lab list` shows them.
pub const STORIES: &[Story] = &[
    Story {
        name: "demo",
        about: "a guest is greeted, the owner is left in peace: the short version for people",
        radios: 3,
        programs: PROGRAMS,
        debian: &[],
        limit: Duration::from_secs(120),
    },
    Story {
        name: "greet",
        about: "the whole promise: greeting, owner, short absence, hostapd killed, agent wedged, server away, clean stop",
        radios: 5,
        programs: PROGRAMS,
        debian: &[],
        limit: Duration::from_secs(420),
    },
    Story {
        name: "doors",
        about: "a splash and a gate, for guests, the owner, and phones without IPv4; the agent is killed",
        radios: 4,
        programs: &["welcomed"],
        debian: &[],
        limit: Duration::from_secs(420),
    },
    Story {
        name: "challenge",
        about: "a proof of ownership: the name on the air changes and comes back by itself when the agent is killed",
        radios: 3,
        programs: &["welcomed"],
        debian: &[],
        limit: Duration::from_secs(300),
    },
    Story {
        name: "ownership",
        about: "a network that nobody vouches for is proved by a second station, and again when its access point is replaced",
        radios: 4,
        programs: PROGRAMS,
        debian: &[],
        limit: Duration::from_secs(300),
    },
    Story {
        name: "sharer",
        about: "the sharer's own laptop says the message in the network; a guest without a server finds it, liars are not believed",
        radios: 4,
        programs: &["welcome-server", "welcome"],
        debian: &[],
        limit: Duration::from_secs(300),
    },
    Story {
        name: "variants",
        about: "the four ways to recognise a network, on WPA2, SAE, OWE and open ones; a decoy and evil twins are not joined",
        radios: 7,
        programs: PROGRAMS,
        debian: &[],
        limit: Duration::from_secs(420),
    },
    Story {
        name: "pace",
        about: "seven guests, one after the other: how fast they are greeted",
        radios: 9,
        programs: PROGRAMS,
        debian: &[],
        limit: Duration::from_secs(180),
    },
    Story {
        name: "rest",
        about: "a guest who stays, and how often its program wakes up meanwhile",
        radios: 3,
        programs: PROGRAMS,
        debian: &[],
        limit: Duration::from_secs(240),
    },
    Story {
        name: "networkmanager",
        about: "a laptop whose radio NetworkManager has: WPA2, SAE, both and OWE, a wrong key, a connection of one's own, kill -9, NetworkManager anew",
        radios: 2,
        programs: &["welcomed", "welcome"],
        debian: NETWORK_MANAGER,
        limit: Duration::from_secs(480),
    },
    Story {
        name: "record",
        about: "records what the real hostapd and wpa_supplicant say on their control sockets",
        radios: 3,
        programs: &[],
        debian: &[],
        limit: Duration::from_secs(180),
    },
];

/// The programs of this project: agent, server, client.
const PROGRAMS: &[&str] = &["welcomed", "welcome-server", "welcome"];

const NETWORK_MANAGER: &[Debian] = &[
    Debian { package: "network-manager", files: &["NetworkManager", "libnm-device-plugin-wifi.so", "nmcli"] },
    Debian { package: "dbus-daemon", files: &["dbus-daemon"] },
];

/// The story of that name.
#[must_use]
pub fn story(name: &str) -> Option<&'static Story> {
    STORIES.iter().find(|story| story.name == name)
}

/// Name of the virtio port on which the machine's output leaves.
pub const OUTPUT_PORT: &str = "lab.out";

/// 9p tag of the directory for results; writable, mounted at [`RESULTS_DIR`].
pub const RESULTS_TAG: &str = "results";

/// Where the machine sees the directory for results.
pub const RESULTS_DIR: &str = "/results";

/// Where the programs under test are in the machine.
pub const PROGRAMS_DIR: &str = "/programs";

/// File in the directory for results that holds the story's exit code in decimal.
/// It is missing when the machine died before the story ended.
pub const EXIT_FILE: &str = "exit";

/// File in the directory for results that holds the measured figures: a JSON object of numbers with their units.
pub const FIGURES_FILE: &str = "figures.json";

/// Word on the kernel's command line, followed by the name of the story.
pub const STORY_ARG: &str = "lab.story=";

/// Word on the kernel's command line, followed by the seconds after which the story is killed.
pub const LIMIT_ARG: &str = "lab.limit=";

/// Word on the kernel's command line, followed by the number of simulated radios.
pub const RADIOS_ARG: &str = "lab.radios=";

/// Exit code: the story did not end in time.
pub const TIMED_OUT: u8 = 124;

/// Exit code: the lab itself failed, or the machine died before the story ended.
pub const BROKEN: u8 = 125;
