//! hostapd's methods and their arguments, as recorded: see [`super::program::Program::publish`] for the notation.

use super::release::Release;

/// Of `hostapd.<ifname>`.
pub(super) fn bss_methods(release: Release) -> String {
    let more = if release == Release::Main { " reporting_detail:i channel_reports:a" } else { "" };
    BSS.replace("{more}", more)
}

/// Of `hostapd`.
pub(super) fn hostapd_methods(release: Release) -> &'static str {
    match release {
        Release::V23_05 => HOSTAPD_23_05,
        Release::V24_10 => HOSTAPD_24_10,
        Release::Main => HOSTAPD_MAIN,
    }
}

const BSS: &str = "reload
get_clients
get_sta_ies address:s
get_status
del_client addr:s reason:i deauth:b ban_time:i
update_airtime sta:s weight:i
list_bans
wps_start
wps_status
wps_cancel
update_beacon
get_features
switch_chan freq:i bcn_count:i center_freq1:i center_freq2:i bandwidth:i sec_channel_offset:i ht:b vht:b he:b block_tx:b force:b
set_vendor_elements vendor_elements:s
notify_response notify_response:i
bss_mgmt_enable neighbor_report:b beacon_report:b link_measurement:b bss_transition:b
rrm_nr_get_own
rrm_nr_list
rrm_nr_set list:a
rrm_beacon_req addr:s mode:i op_class:i channel:i duration:i bssid:s ssid:s{more}
link_measurement_req addr:s tx-power-used:i tx-power-max:i
bss_transition_request addr:s disassociation_imminent:b disassociation_timer:i validity_period:i neighbors:a abridged:b \
dialog_token:i mbo_reason:i cell_pref:i reassoc_delay:i";

const HOSTAPD_23_05: &str = "reload phy:s
apsta_state phy:s up:b frequency:i sec_chan_offset:i csa:b csa_count:i
config_get_macaddr_list phy:s
config_set phy:s config:s prev_config:s
config_add iface:s config:s
config_remove iface:s";

const HOSTAPD_24_10: &str = "reload phy:s radio:i
apsta_state phy:s radio:i up:b frequency:i sec_chan_offset:i csa:b csa_count:i
config_get_macaddr_list phy:s radio:i
config_set phy:s radio:i config:s prev_config:s
config_add iface:s config:s
config_remove iface:s
bss_info iface:s";

const HOSTAPD_MAIN: &str = "reload phy:s radio:i
apsta_state phy:s radio:i up:b frequency:i sec_chan_offset:i csa:b csa_count:i no_link:b
config_get_macaddr_list phy:s
switch_channel phy:s radio:i csa_count:i sec_channel:i oper_chwidth:i frequency:i center_freq1:i center_freq2:i
mld_set config:t
config_reset
config_set phy:s radio:i config:s prev_config:s
config_add iface:s config:s
config_remove iface:s
bss_info iface:s
status
dpp_channel";
