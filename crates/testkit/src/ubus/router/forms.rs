//! hostapd's notifications and answers, value by value as recorded.

use tokio_ubus::{Blobmsg, Builder, Ref};

use super::air::{Bss, Cell};
use super::release::Release;

/// What every notification about a station begins with.
pub(super) fn about(release: Release, ifname: &str, mac: &str) -> Builder {
    let mut data = Builder::new();
    data.push("address", mac);
    if release >= Release::V24_10 {
        data.push("ifname", ifname);
    }
    data
}

/// `auth` and `assoc`: a frame for this access point.
pub(super) fn frame(release: Release, bss: &Bss, mac: &str) -> Blobmsg {
    heard(release, bss, mac, &bss.bssid).finished()
}

/// `probe`: a frame for all.
pub(super) fn probe(release: Release, bss: &Bss, mac: &str) -> Blobmsg {
    let mut data = heard(release, bss, mac, "ff:ff:ff:ff:ff:ff");
    data.table("ht_capabilities", |ht| {
        ht.push("ht_capabilities_info", 4222_i16).table("supported_mcs_set", |set| {
            set.push("a_mpdu_params", 27_i16).push("ht_extended_capabilities", 0_i16);
            set.push("tx_bf_capability_info", Ref::Int32(0)).push("asel_capabilities", 0_i16);
            set.array("supported_mcs_set", |rates| {
                for rate in [255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0_i16] {
                    rates.push("", rate);
                }
            });
        });
    });
    data.finished()
}

/// About an access point itself.
pub(super) fn named(ifname: &str) -> Blobmsg {
    let mut data = Builder::new();
    data.push("name", ifname);
    data.finished()
}

/// `hostapd status`.
pub(super) fn interfaces(cells: &[Cell]) -> Blobmsg {
    let mut data = Builder::new();
    data.table("interfaces", |all| {
        for Cell { bss, .. } in cells {
            all.table(&bss.ifname, |one| {
                one.push("wiphy", bss.phy()).push("macaddr", bss.bssid.as_str());
                one.push("running", true).push("pending", false);
            });
        }
    });
    data.finished()
}

/// `get_features`.
pub(super) fn features() -> Blobmsg {
    let mut data = Builder::new();
    data.push("ht_supported", true).push("vht_supported", false);
    data.finished()
}

/// `list_bans`.
pub(super) fn bans(cell: &Cell) -> Blobmsg {
    let mut data = Builder::new();
    data.array("clients", |array| {
        for mac in &cell.banned {
            array.push("", mac.as_str());
        }
    });
    data.finished()
}

/// `bss_info`: the lines of its configuration that others may want: always text.
pub(super) fn bss_info(bss: &Bss) -> Blobmsg {
    let mut data = Builder::new();
    data.push("hw_mode", if bss.band() == "2g" { "g" } else { "a" });
    data.push("channel", &bss.channel().to_string()).push("bssid", bss.bssid.as_str());
    data.push("ssid", bss.ssid.as_slice()).push("auth_algs", "1");
    let wpa_key_mgmt = match bss.encryption.split('+').next().unwrap_or_default() {
        "psk2" | "psk" | "psk-mixed" => "WPA-PSK",
        "sae" | "psk3" => "SAE",
        "sae-mixed" | "psk3-mixed" => "WPA-PSK SAE",
        "owe" => "OWE",
        _ => return data.finished(),
    };
    data.push("wpa", "2").push("wpa_pairwise", "CCMP").push("wpa_key_mgmt", wpa_key_mgmt);
    data.finished()
}

/// `get_status`.
pub(super) fn status(bss: &Bss, release: Release) -> Blobmsg {
    let mut data = Builder::new();
    if release == Release::Main {
        data.push("driver", "nl80211");
    }
    data.push("status", "ENABLED").push("bssid", bss.bssid.as_str()).push("ssid", bss.ssid.as_slice());
    data.push("freq", Ref::Int32(bss.freq.into())).push("channel", Ref::Int32(bss.channel()));
    data.push("op_class", Ref::Int32(81)).push("beacon_interval", Ref::Int32(100)).push("bss_color", Ref::Int32(-1));
    data.push("phy", bss.phy());
    data.table("rrm", |table| {
        table.push("neighbor_report_tx", 0_i64);
    });
    data.table("wnm", |table| {
        for name in ["bss_transition_query_rx", "bss_transition_request_tx", "bss_transition_response_rx"] {
            table.push(name, 0_i64);
        }
    });
    data.table("airtime", |table| {
        table.push("time", 0_i64).push("time_busy", 0_i64).push("utilization", 0_i16);
    });
    data.table("dfs", |table| {
        table.push("cac_seconds", Ref::Int32(0)).push("cac_active", false).push("cac_seconds_left", Ref::Int32(0));
    });
    data.finished()
}

/// `get_clients`.
pub(super) fn clients(cell: &Cell) -> Blobmsg {
    let mut data = Builder::new();
    data.push("freq", Ref::Int32(cell.bss.freq.into())).table("clients", |clients| {
        for (aid, (mac, is_authorized)) in (1..).zip(&cell.stations) {
            clients.table(mac, |client| describe(client, *is_authorized, aid));
        }
    });
    data.finished()
}

/// One who only authenticated has no figures yet.
fn describe(client: &mut Builder, is_authorized: bool, aid: i32) {
    for name in ["auth", "assoc", "authorized"] {
        client.push(name, is_authorized);
    }
    client.push("preauth", false).push("wds", false).push("wmm", is_authorized).push("ht", is_authorized);
    for name in ["vht", "he", "wps", "mfp", "mbo"] {
        client.push(name, false);
    }
    let bytes: &[i32] = if is_authorized { &[4, 0, 74, 2, 1, 64, 64, 64, 0, 1, 32] } else { &[] };
    for (name, bytes) in [("rrm", &[0; 5][..]), ("extended_capabilities", bytes)] {
        client.array(name, |array| {
            for byte in bytes {
                array.push("", Ref::Int32(*byte));
            }
        });
    }
    client.push("aid", Ref::Int32(if is_authorized { aid } else { 0 }));
    if is_authorized {
        let pair = |client: &mut Builder, name: &str, rx: Ref<'_>, tx: Ref<'_>| {
            client.table(name, |table| {
                table.push("rx", rx).push("tx", tx);
            });
        };
        pair(client, "bytes", Ref::Int64(1409), Ref::Int64(524));
        pair(client, "airtime", Ref::Int64(0), Ref::Int64(0));
        pair(client, "packets", Ref::Int32(14), Ref::Int32(5));
        pair(client, "rate", Ref::Int32(650_000), Ref::Int32(100_000));
        client.push("signal", Ref::Int32(SIGNAL));
    }
    client.table("capabilities", |_| {});
}

fn heard(release: Release, bss: &Bss, mac: &str, target: &str) -> Builder {
    let mut data = about(release, &bss.ifname, mac);
    data.push("target", target).push("signal", Ref::Int32(SIGNAL)).push("freq", Ref::Int32(bss.freq.into()));
    data
}

/// A message that is known to fit.
pub(super) trait Finished {
    fn finished(self) -> Blobmsg;
}

impl Finished for Builder {
    fn finished(self) -> Blobmsg {
        self.finish().expect("what a stand-in says is short")
    }
}

/// In dBm.
const SIGNAL: i32 = -30;
