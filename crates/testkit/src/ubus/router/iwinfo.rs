//! rpcd's object `iwinfo`: what the radios hear.
//!
//! No recording shows it. Its answers are as rpcd's `iwinfo.c` gives them, shortened.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use tokio_ubus::{Blobmsg, Status};

use super::air::Air;
use super::program::Program;

/// rpcd-mod-iwinfo. Ends when dropped.
pub(super) struct Iwinfo {
    _program: Program,
    /// What a scan finds beside the router itself.
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Iwinfo {
    pub(super) fn start(socket: &Path, air: Air) -> Self {
        let program = Program::start(socket);
        let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
        let found = Arc::clone(&heard);
        let answer = move |method: &str, arguments: &Blobmsg| match method {
            "devices" => {
                let names: Vec<_> = air.cells().into_iter().map(|cell| cell.bss.ifname).collect();
                Ok(Some(table("devices", json!(names))))
            }
            "scan" => {
                let device = arguments.get("device").and_then(|d| d.as_str()).ok_or(Status::InvalidArgument)?;
                air.cell(device).ok_or(Status::NotFound)?;
                let found = found.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Some(table("results", json!(*found))))
            }
            _ => Err(Status::NotSupported),
        };
        program.publish("iwinfo", "devices\nscan device:s", Arc::new(answer));
        Self { _program: program, heard }
    }

    pub(super) fn hear(&self, bssid: &str, ssid: &str, signal: i16) {
        let cell = json!({"ssid": ssid, "bssid": bssid, "mode": "Master", "channel": 6, "mhz": 2437, "signal": signal});
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(cell);
    }
}

fn table(name: &str, value: Value) -> Blobmsg {
    Blobmsg::from_json(&Map::from_iter([(name.to_owned(), value)])).expect("what a stand-in says is short")
}
