//! A private dbus-daemon, and stand-ins on it for GeoClue, for a desktop that shows notifications, and for systemd-networkd.
//! They answer what the specifications of them say, as far as the program asks.

// Each test program uses its own part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use zbus::{Connection, ObjectPath, OwnedVariant, interface};

/// A bus of one test.
pub struct Bus {
    daemon: Child,
    pub address: String,
}

impl Bus {
    pub fn start(dir: &Path) -> Self {
        let config = dir.join("bus.conf");
        let socket = dir.join("bus");
        let text = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
             <allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>",
            socket.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .args(["--nofork", "--print-address", "--config-file"])
            .arg(&config)
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon is there (Debian: dbus-daemon)");
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, address: address.trim().to_owned() }
    }

    /// Has somebody answer on it, until the test program ends.
    fn serve<F>(&self, serve: impl FnOnce(String) -> F + Send + 'static)
    where
        F: Future<Output = Connection>,
    {
        let (ready, is_ready) = std::sync::mpsc::channel();
        let address = self.address.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let _connection = serve(address).await;
                ready.send(()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        is_ready.recv().unwrap();
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}

/// What GeoClue was told by who asks.
#[derive(Debug, Default, Clone)]
pub struct Told {
    pub desktop_id: String,
    pub accuracy: u32,
    pub started: bool,
}

/// GeoClue, which knows this place; or nothing, as in a cellar.
pub fn geoclue(bus: &Bus, place: Option<(f64, f64)>) -> Arc<Mutex<Told>> {
    let told: Arc<Mutex<Told>> = Arc::default();
    let client = Client { told: Arc::clone(&told), knows: place.is_some() };
    bus.serve(async move |address| {
        let (lat, lon) = place.unwrap_or_default();
        zbus::connection::Builder::address(address.as_str())
            .serve_at("/org/freedesktop/GeoClue2/Manager", Manager)
            .serve_at("/org/freedesktop/GeoClue2/Client/1", client)
            .serve_at("/org/freedesktop/GeoClue2/Client/1/Location/0", Location { lat, lon })
            .name("org.freedesktop.GeoClue2")
            .build()
            .await
            .unwrap()
    });
    told
}

/// systemd-networkd from version 254 on, which describes each interface in these words.
pub fn networkd(bus: &Bus, description: String) {
    bus.serve(async move |address| {
        zbus::connection::Builder::address(address.as_str())
            .serve_at("/org/freedesktop/network1", Networkd { description })
            .name("org.freedesktop.network1")
            .build()
            .await
            .unwrap()
    });
}

struct Networkd {
    description: String,
}

#[interface(name = "org.freedesktop.network1.Manager")]
impl Networkd {
    fn describe_link(&self, index: i32) -> String {
        assert!(index > 0);
        self.description.clone()
    }
}

struct Manager;

#[interface(name = "org.freedesktop.GeoClue2.Manager")]
impl Manager {
    fn get_client(&self) -> ObjectPath<'static> {
        ObjectPath::try_from("/org/freedesktop/GeoClue2/Client/1").unwrap()
    }
}

struct Client {
    told: Arc<Mutex<Told>>,
    knows: bool,
}

#[interface(name = "org.freedesktop.GeoClue2.Client")]
impl Client {
    #[zbus(property)]
    fn desktop_id(&self) -> String {
        self.told.lock().unwrap().desktop_id.clone()
    }

    #[zbus(property)]
    fn set_desktop_id(&mut self, id: String) {
        self.told.lock().unwrap().desktop_id = id;
    }

    #[zbus(property)]
    fn requested_accuracy_level(&self) -> u32 {
        self.told.lock().unwrap().accuracy
    }

    #[zbus(property)]
    fn set_requested_accuracy_level(&mut self, level: u32) {
        self.told.lock().unwrap().accuracy = level;
    }

    async fn start(&self, #[zbus(connection)] connection: &Connection) {
        self.told.lock().unwrap().started = true;
        if self.knows {
            let path = |text: &'static str| ObjectPath::try_from(text).unwrap();
            let body = (path("/"), path("/org/freedesktop/GeoClue2/Client/1/Location/0"));
            let (me, interface) = ("/org/freedesktop/GeoClue2/Client/1", "org.freedesktop.GeoClue2.Client");
            connection.emit_signal(None::<&str>, me, interface, "LocationUpdated", &body).await.unwrap();
        }
    }

    fn stop(&self) {}
}

struct Location {
    lat: f64,
    lon: f64,
}

#[interface(name = "org.freedesktop.GeoClue2.Location")]
impl Location {
    #[zbus(property)]
    fn latitude(&self) -> f64 {
        self.lat
    }

    #[zbus(property)]
    fn longitude(&self) -> f64 {
        self.lon
    }
}

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    pub title: String,
    pub body: String,
    pub actions: Vec<String>,
}

/// A desktop, which reads markup.
pub fn desktop(bus: &Bus) -> Arc<Mutex<Vec<Notified>>> {
    let notified: Arc<Mutex<Vec<Notified>>> = Arc::default();
    let desktop = Notifications(Arc::clone(&notified));
    bus.serve(async move |address| {
        zbus::connection::Builder::address(address.as_str())
            .serve_at("/org/freedesktop/Notifications", desktop)
            .name("org.freedesktop.Notifications")
            .build()
            .await
            .unwrap()
    });
    notified
}

struct Notifications(Arc<Mutex<Vec<Notified>>>);

#[interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    fn get_capabilities(&self) -> Vec<String> {
        vec!["body".to_owned(), "body-markup".to_owned()]
    }

    #[allow(clippy::too_many_arguments, reason = "as the specification wants it")]
    fn notify(
        &self,
        app: String,
        replaces: u32,
        _icon: String,
        title: String,
        body: String,
        actions: Vec<String>,
        _hints: BTreeMap<String, OwnedVariant>,
        _expires: i32,
    ) -> u32 {
        assert_eq!((app.as_str(), replaces), ("welcome", 0));
        let mut notified = self.0.lock().unwrap();
        notified.push(Notified { title, body, actions });
        u32::try_from(notified.len()).unwrap()
    }
}
