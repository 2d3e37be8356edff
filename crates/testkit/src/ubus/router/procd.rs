//! procd: what the router is, and which configuration was changed.
//!
//! No recording shows it. `config.change` is a notification of the object `service`, as procd's sources have it: rpcd and
//! `reload_config` call its method `event`.

use std::path::Path;
use std::sync::Arc;

use tokio_ubus::{Blobmsg, Builder, Status};

use super::forms::Finished as _;
use super::program::Program;
use super::release::Release;

/// procd. Ends when dropped.
pub(super) struct Procd(Arc<Program>);

impl Procd {
    pub(super) fn start(socket: &Path, release: Release) -> Self {
        let program = Arc::new(Program::start(socket));
        let board = board(release);
        let answer = move |method: &str, _: &Blobmsg| match method {
            "board" => Ok(Some(board.clone())),
            _ => Err(Status::NotSupported),
        };
        program.publish("system", "board\ninfo", Arc::new(answer));
        let own = Arc::downgrade(&program);
        let answer = move |method: &str, arguments: &Blobmsg| match method {
            "event" => {
                let kind = arguments.get("type").and_then(|value| value.as_str()).ok_or(Status::InvalidArgument)?;
                let data = arguments.get("data").ok_or(Status::InvalidArgument)?;
                let package = data.get("package").and_then(|value| value.as_str());
                if let (Some(program), "config.change", Some(package)) = (own.upgrade(), kind, package) {
                    tell(&program, package);
                }
                Ok(None)
            }
            "validate" => Ok(Some(Blobmsg::new())),
            _ => Err(Status::NotSupported),
        };
        program.publish("service", SERVICE_METHODS, Arc::new(answer));
        Self(program)
    }

    /// A configuration was changed.
    pub(super) fn config_changed(&self, package: &str) {
        tell(&self.0, package);
    }
}

fn tell(program: &Program, package: &str) {
    let mut data = Builder::new();
    data.push("config", package);
    program.tell("service", "config.change", &data.finished());
}

fn board(release: Release) -> Blobmsg {
    let mut data = Builder::new();
    data.push("kernel", "6.6.110").push("hostname", "OpenWrt").push("system", "ARMv8 Processor rev 4");
    data.push("model", "Stand-in").push("board_name", "testkit,stand-in").push("rootfs_type", "squashfs");
    data.table("release", |table| {
        let version = release.version();
        table.push("distribution", "OpenWrt").push("version", version).push("revision", "r0-stand-in");
        table.push("target", "mediatek/filogic").push("description", &format!("OpenWrt {version} r0-stand-in"));
    });
    data.finished()
}

const SERVICE_METHODS: &str = "list name:s verbose:b
event type:s data:t
validate package:s type:s service:s";
