//! Gets from the server what is to be said in a network, and keeps it fresh.
//!
//! In: which network, and a server that may not be there. Out: the stock, which is on disk from then on; and, whenever it
//! has changed, what is said. A server that cannot be reached changes nothing; one that refuses ends it.

use super::http::Said;
use super::stock::Stock;
use crate::exit::Failure;
use crate::run::Run;
use crate::share::api::Api;
use crate::share::args::Which;
use crate::share::choose::choose_ours;
use serde_json::json;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

impl Run<'_> {
    /// What there is to say: by the server, or what is kept if that cannot be reached.
    pub(super) async fn first_stock(&self, api: Option<&Api>, which: &Which) -> Result<Stock, Failure> {
        let why = match api {
            None => "no --server is given".to_owned(),
            Some(api) => match self.stock_of_server(api, which).await {
                Err(Failure::Server(why)) => why,
                Err(failure) => return Err(failure),
                Ok((stock, is_listed)) => {
                    if !is_listed {
                        let why = "is not listed, so no guest will ask for it here; `welcome share verify` first";
                        self.output.note(&format!("{} {why}", stock.ssid));
                    }
                    return Ok(stock);
                }
            },
        };
        match Stock::load(&self.state)? {
            Some(stock) if stock.is_of(which) => {
                self.output.note(&format!("{why}; what is kept of {} is said", stock.ssid));
                Ok(stock)
            }
            Some(stock) => Err(Failure::Server(format!("{why}, and what is kept is of {}", stock.ssid))),
            None => Err(Failure::Server(format!("{why}, and nothing is kept"))),
        }
    }

    /// And whether it is listed.
    async fn stock_of_server(&self, api: &Api, which: &Which) -> Result<(Stock, bool), Failure> {
        let networks = api.networks().await?;
        // The air is asked only if it has to decide.
        let is_said = which.network.is_some() || networks.len() == 1;
        let heard = if is_said { Vec::new() } else { self.hear().await? };
        let network = choose_ours(which, &networks, &heard)?;
        let stock = Stock::new(network, api.to_serve(network).await?);
        stock.save(&self.state)?;
        Ok((stock, network.bss.iter().any(|bss| bss.listed)))
    }

    /// Asks the server now and then; what it refuses is no longer to be said.
    pub(super) async fn keep_fresh(
        &self,
        api: Option<&Api>,
        mut stock: Stock,
        said: &watch::Sender<Arc<Said>>,
        every: Duration,
    ) -> Result<(), Failure> {
        let Some(api) = api else { return pending().await };
        let mut is_reached = true;
        loop {
            sleep(every.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            match self.stock_of_server(api, &stock.which()).await {
                Ok((now, _)) => {
                    is_reached = true;
                    if now != stock {
                        let now = Said::of(&now);
                        self.output.event("changed", json!({ "messages": now.len() }), &now.to_string());
                        said.send_replace(Arc::new(now));
                    }
                    stock = now;
                }
                Err(Failure::Server(why)) => {
                    if std::mem::take(&mut is_reached) {
                        self.output.note(&format!("{why}; what is kept is said"));
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::stock::tests::{signed, stock};
    use super::*;
    use crate::cli::Cli;
    use crate::output::Output;
    use crate::share::Pending;
    use clap::Parser as _;
    use serde_json::Value;
    use std::cell::OnceCell;
    use std::path::Path;
    use std::sync::Mutex;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    /// A server that has these statements for the network `kiosk` of `r-1`; without any it refuses.
    async fn server(has: Arc<Mutex<Option<Value>>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let network = json!({
                "router": "r-1", "network": "kiosk", "ssid": "Kiosk", "security": "open", "state": "verified", "bss": []
            });
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                let has = has.lock().unwrap().clone();
                let (status, body) = match (&request[..length], has) {
                    (asked, Some(_)) if asked.starts_with(b"GET /v1/share/networks ") => {
                        ("200 OK", json!({ "networks": [network] }))
                    }
                    (asked, Some(statements)) if asked.starts_with(b"GET /v1/share/networks/r-1/kiosk/statements ") => {
                        ("200 OK", statements)
                    }
                    _ => ("403 Forbidden", json!({})),
                };
                let body = body.to_string();
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        url
    }

    fn statements(titles: &[&str]) -> Value {
        let offer = |title: &&str| signed(1, "r-1", &json!({ "id": title, "content": { "title": title } }));
        let mut stock = serde_json::to_value(stock(titles.iter().map(offer).collect())).unwrap();
        stock["signed"].take()
    }

    fn run<'a>(state: &Path, server: &str, output: &'a Output) -> Run<'a> {
        let token = state.join("token");
        std::fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
        let words = ["welcome", "--server", server, "--token-file", token.to_str().unwrap(), "share", "serve"];
        let common = Cli::parse_from(words).common;
        Run { common, state: state.to_owned(), output, directory: OnceCell::new(), pending: Pending::default() }
    }

    #[tokio::test]
    async fn what_changes_at_the_server_is_said_and_kept_and_what_it_refuses_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let has = Arc::new(Mutex::new(Some(statements(&["a"]))));
        let url = server(Arc::clone(&has)).await;
        let output = Output::new(true, std::io::sink(), std::io::sink());
        let run = run(dir.path(), &url, &output);
        let api = Api::of_sharer(&run.common).unwrap();
        let first = run.first_stock(Some(&api), &Which::default()).await.unwrap();
        assert_eq!(Stock::load(dir.path()).unwrap().as_ref(), Some(&first));
        let (sender, mut said) = watch::channel(Arc::new(Said::of(&first)));
        let changing = async {
            *has.lock().unwrap() = Some(statements(&["a", "b"]));
            said.changed().await.unwrap();
            assert_eq!((said.borrow().len(), Stock::load(dir.path()).unwrap().unwrap().messages().len()), (2, 2));
            *has.lock().unwrap() = None;
            pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = run.keep_fresh(Some(&api), first, &sender, Duration::from_millis(20)) => ended,
            () = changing => unreachable!(),
            () = sleep(Duration::from_secs(10)) => panic!("it goes on"),
        };
        assert!(matches!(ended, Err(Failure::Other(_))), "{ended:?}");
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_reached_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let output = Output::new(true, std::io::sink(), std::io::sink());
        let run = run(dir.path(), "http://127.0.0.1:1", &output);
        let api = Api::of_sharer(&run.common).unwrap();
        let none = run.first_stock(Some(&api), &Which::default()).await;
        assert!(matches!(none, Err(Failure::Server(_))), "{none:?}");
        let kept = stock(vec![signed(1, "r-1", &json!({ "id": "a", "content": { "title": "a" } }))]);
        kept.save(dir.path()).unwrap();
        assert_eq!(run.first_stock(Some(&api), &Which::default()).await.unwrap(), kept);
        let (sender, said) = watch::channel(Arc::new(Said::of(&kept)));
        let fresh = run.keep_fresh(Some(&api), kept, &sender, Duration::from_millis(10));
        timeout(Duration::from_millis(300), fresh).await.expect_err("it goes on");
        assert!(!said.has_changed().unwrap());
    }
}
