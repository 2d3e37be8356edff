//! What must not happen to what was acknowledged: killed in the middle, killed while it makes its tables, a full disk,
//! a database that goes away. Nothing is lost, and nothing is counted twice.
#![allow(clippy::print_stderr, reason = "who skips says so")]

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::common::program::{Program, command, run};
use crate::common::{Client, Router, SOON, exchange};
use http::{Request, StatusCode};
use serde_json::json;
use tempfile::tempdir;
use testkit::postgres::Cluster;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_reports_nothing_is_lost_and_nothing_twice() {
    let here = tempdir().unwrap();
    let listen = free_address();
    let options = ["serve", "--listen", &listen];
    let mut server = Program::start(here.path(), &options, "warn").await;
    let (router, operator) = guests(here.path(), &server, &[]).await;
    let load = Load::start(&router, 6);
    for round in 0..8 {
        // Each time at another point of whatever is under way.
        sleep(Duration::from_millis(150 + 37 * round)).await;
        server.child.kill().await.unwrap();
        let (acknowledged, begun) = load.counts();
        server = Program::start(here.path(), &options, "warn").await;
        let counted = counted(&server, &router, &operator).await;
        assert!(counted >= acknowledged, "round {round}: {acknowledged} were acknowledged, {counted} are there");
        // What came in meanwhile is by other batches than those that had begun.
        assert!(counted <= begun + load.counts().1, "round {round}: {counted} of {begun}");
    }
    let acknowledged = load.finish().await;
    assert!(acknowledged > 50, "{acknowledged} batches are no load");
    assert_eq!(counted(&server, &router, &operator).await, acknowledged);
    server.terminate().await;
}

#[tokio::test]
async fn killed_while_it_makes_its_tables_it_goes_on_where_it_was() {
    let here = tempdir().unwrap();
    let mut unfinished = 0;
    for step in 0..30u64 {
        let data = format!("data-{}", step % 6);
        let mut child = command(here.path(), &["serve", "--listen", "127.0.0.1:0", "--data", &data])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(Duration::from_micros(1500 * step)).await;
        child.kill().await.unwrap();
        let mut said = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut child.stdout.take().unwrap(), &mut said).await.unwrap();
        let begun = here.path().join(&data).join("welcome.sqlite").exists();
        unfinished += u32::from(begun && !said.contains("listening on"));
        let checked = run(here.path(), &["check", "--listen", "127.0.0.1:0", "--data", &data]).await;
        assert!(checked.status.success(), "after {step} steps: {checked:?}");
    }
    assert!(unfinished > 0, "no kill came between the first table and the end of the start");
    for data in 0..6 {
        let data = format!("data-{data}");
        let server = Program::start(here.path(), &["serve", "--listen", "127.0.0.1:0", "--data", &data], "warn").await;
        let made = run(here.path(), &["token", "--data", &data]).await;
        let token = String::from_utf8(made.stdout).unwrap();
        let token = token.strip_prefix("enrolment token: ").unwrap().trim_end();
        Router::enrol(server.client(), token).await.unwrap();
        server.terminate().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_is_acknowledged_and_nothing_lost() {
    let here = tempdir().unwrap();
    let Some(small) = SmallDisk::mount(&here.path().join("data"), "12m").await else {
        return eprintln!("skipped: a small disk takes root");
    };
    let server = Program::start(here.path(), &["serve", "--listen", "127.0.0.1:0", "--data", "data"], "off").await;
    let (router, operator) = guests(here.path(), &server, &["--data", "data"]).await;
    let load = Load::start(&router, 2);
    load.until_more(20).await;

    let ballast = here.path().join("data/ballast");
    fill(&ballast);
    // What is free below one page is used up by what is under way.
    let full = async {
        while try_report(&router, "b-full").await != Some(StatusCode::INTERNAL_SERVER_ERROR) {
            fill(&ballast);
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, full).await.expect("a report is refused on a full disk");
    let (acknowledged, _) = load.counts();
    assert!(counted(&server, &router, &operator).await >= acknowledged, "reading works, and all is there");

    std::fs::remove_file(&ballast).unwrap();
    load.until_more(20).await;
    let mut acknowledged = load.finish().await;
    // Taken or refused before; known again in either case.
    assert_eq!(until_taken(&router, "b-full").await, StatusCode::NO_CONTENT);
    acknowledged += 1;
    assert_eq!(counted(&server, &router, &operator).await, acknowledged);
    server.terminate().await;
    small.unmount().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_may_be_restarted_and_crash_under_load() {
    let Ok(cluster) = Cluster::start() else { return eprintln!("skipped: PostgreSQL is not here") };
    let url = cluster.database().unwrap();
    let here = tempdir().unwrap();
    let watch = free_address();
    std::fs::write(here.path().join("config.toml"), format!("metrics.listen = \"{watch}\"\n")).unwrap();
    let watch = Client { addr: watch.parse().unwrap() };
    let listen = free_address();
    let options = ["serve", "--config", "config.toml", "--listen", &listen];
    let variables = [("WELCOME_DATABASE", url.as_str()), ("RUST_LOG", "off")];
    let mut server = Program::start_with(here.path(), &options, &variables).await;
    let router =
        Arc::new(Router::enrol(server.client(), &printed(here.path(), &["token"], &variables).await).await.unwrap());
    let operator = printed(here.path(), &["api-token"], &variables).await;
    let load = Load::start(&router, 4);
    for round in 0..4 {
        load.until_more(20).await;
        let cluster = &cluster;
        cluster.crash().unwrap();
        let away = async {
            while watch.get("/readyz").await.status != 503 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(SOON, away).await.expect("not ready without its database");
        assert_eq!(watch.get("/healthz").await.status, 200);
        if round == 2 {
            // Both at once.
            server.child.kill().await.unwrap();
        }
        cluster.resume().unwrap();
        if round == 2 {
            server = Program::start_with(here.path(), &options, &variables).await;
        }
        let back = async {
            while watch.get("/readyz").await.status != 200 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(SOON, back).await.expect("ready again");
        let (acknowledged, _) = load.counts();
        assert!(counted(&server, &router, &operator).await >= acknowledged);
    }
    let acknowledged = load.finish().await;
    assert_eq!(counted(&server, &router, &operator).await, acknowledged);
    server.terminate().await;
}

/// Routers' batches, one after the other from each of some tasks; each is sent until it is acknowledged.
struct Load {
    tasks: Vec<JoinHandle<()>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    acknowledged: AtomicU64,
    begun: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    fn start(router: &Arc<Router>, tasks: usize) -> Self {
        let counts = Arc::new(Counts::default());
        let tasks = (0..tasks).map(|task| {
            let (router, counts) = (Arc::clone(router), Arc::clone(&counts));
            tokio::spawn(async move {
                for n in 0.. {
                    if counts.stop.load(Ordering::SeqCst) {
                        return;
                    }
                    counts.begun.fetch_add(1, Ordering::SeqCst);
                    until_taken(&router, &format!("b-{task}-{n}")).await;
                    counts.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        Self { tasks: tasks.collect(), counts }
    }

    /// How many batches were acknowledged, and how many begun.
    fn counts(&self) -> (u64, u64) {
        (self.counts.acknowledged.load(Ordering::SeqCst), self.counts.begun.load(Ordering::SeqCst))
    }

    async fn until_more(&self, more: u64) {
        let goal = self.counts().0 + more;
        let reached = async {
            while self.counts().0 < goal {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(3 * SOON, reached).await.expect("reports are taken");
    }

    /// Lets each task end its batch; how many were acknowledged in all.
    async fn finish(self) -> u64 {
        self.counts.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            timeout(3 * SOON, task).await.expect("the last batch is taken").unwrap();
        }
        self.counts.acknowledged.load(Ordering::SeqCst)
    }
}

/// Of each batch; more than one, so that half a batch would show.
const REPORTS: u64 = 3;

async fn until_taken(router: &Router, batch: &str) -> StatusCode {
    loop {
        if let Some(StatusCode::NO_CONTENT) = try_report(router, batch).await {
            return StatusCode::NO_CONTENT;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// What the server answers, if it does.
async fn try_report(router: &Router, batch: &str) -> Option<StatusCode> {
    let reports = vec![json!({"network": "cafe", "what": "arrived"}); usize::try_from(REPORTS).unwrap()];
    let body = json!({"batch": batch, "reports": reports}).to_string();
    let request = router.sign("POST", &router.path("reports"), &body);
    let stream = TcpStream::connect(router.client.addr).await.ok()?;
    Some(exchange(stream, router.client.addr, request).await.ok()?.status())
}

/// How many batches the server has counted; each is whole.
async fn counted(server: &Program, router: &Router, operator: &str) -> u64 {
    let request = Request::get(format!("/v1/operator/routers/{}/reports", router.id));
    let request = request.header("authorization", format!("Bearer {operator}")).body(String::new()).unwrap();
    let answer = server.client().send(request).await.json();
    let count = answer["totals"].as_array().unwrap().iter().map(|total| total["count"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(count % REPORTS, 0, "half a batch was counted: {answer}");
    count / REPORTS
}

/// A router, and an API token.
async fn guests(here: &Path, server: &Program, options: &[&str]) -> (Arc<Router>, String) {
    let token = printed(here, &[&["token"], options].concat(), &[]).await;
    let router = Router::enrol(server.client(), &token).await.unwrap();
    (Arc::new(router), printed(here, &[&["api-token"], options].concat(), &[]).await)
}

/// The last word of what a command prints.
async fn printed(here: &Path, options: &[&str], variables: &[(&str, &str)]) -> String {
    let made = command(here, options).envs(variables.iter().copied()).output().await.unwrap();
    let line = String::from_utf8(made.stdout.clone()).unwrap();
    line.split_whitespace().last().unwrap_or_else(|| panic!("{made:?}")).to_owned()
}

fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Writes until there is no room.
fn fill(file: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}

/// A file system of its own, as small as it was asked for.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    async fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let options = format!("size={size},mode=700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "welcome-test"]).arg(at).stderr(Stdio::null());
        mount.status().await.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    async fn unmount(self) {
        assert!(Command::new("umount").arg(&self.0).status().await.unwrap().success());
        std::mem::forget(self);
    }
}

impl Drop for SmallDisk {
    /// A test that failed leaves nothing mounted; its server is gone by then or holds it until it is.
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
