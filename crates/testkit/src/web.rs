//! A stand-in for a router's web interface: uhttpd, LuCI's dispatcher, and of rpcd what LuCI needs.
//!
//! In: HTTP on the loopback interface. Out: LuCI's client code from a directory, our views, and answers to `POST /ubus`
//! as uhttpd gives them. Who may do what stands in the real `acl.d` files of our packages, read for each session. `uci`
//! is rpcd's stand-in of [`crate::ubus`], `session`, `file`, `log` and `luci` are played here (`rpc`), everything else
//! is called on the bus, where the real agent is.
//!
//! Left out: TLS, passwords, sessions that end, `cgi-io` but for uploads, the server's part of translations, and all of
//! LuCI's other pages. `file` knows one directory. The page around a view (`page`) names what LuCI's client code looks
//! for in it and nothing more.

mod files;
mod http;
mod page;
mod rpc;
mod session;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio_ubus::Client;

use crate::ubus::FakeRouter;
use session::Session;

/// What a bridge is made of.
pub struct Parts {
    /// Directories with a `luci-static` each; who comes first has it.
    pub www: Vec<PathBuf>,
    /// `luci-app-welcomed` of the package feed.
    pub app: PathBuf,
    /// What stands for `/etc/welcomed` on the router.
    pub etc: PathBuf,
    /// The way to everything that is on ubus.
    pub bus: Client,
    /// Who has `uci`.
    pub router: Arc<FakeRouter>,
    /// Told of each call over `/ubus`.
    pub tell: Box<dyn Fn(&Value) + Send + Sync>,
}

/// The web interface.
pub struct Web {
    parts: Parts,
    sessions: Mutex<BTreeMap<String, Session>>,
    log: Mutex<Vec<Value>>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Web")
    }
}

impl Web {
    /// Ready to serve.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, sessions: Mutex::default(), log: Mutex::default() })
    }

    /// Serves until dropped. Returns where, and the work.
    ///
    /// # Errors
    /// If nothing can listen.
    pub async fn serve(self: Arc<Self>) -> std::io::Result<(SocketAddr, impl Future<Output = ()>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok((listener.local_addr()?, http::serve(self, listener)))
    }

    /// A line of the system's log, with its syslog priority.
    pub fn log(&self, priority: u64, text: &str) {
        let mut log = lock(&self.log);
        let id = log.len();
        log.push(serde_json::json!({ "msg": text, "id": id, "priority": priority, "source": 1,
                                     "time": 1_795_400_000_000_u64 + 1000 * id as u64 }));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
