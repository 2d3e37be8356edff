//! A server that sends challenges and notes what the agent says of them; plain HTTP on the router itself. It knows no
//! more of the protocol than that, and takes nothing from the programs under test.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::access_point::AP;
use crate::network::within;
use crate::wait::until;

/// Where the agent finds it.
pub(crate) const CHALLENGER: &str = "http://127.0.0.1:8481";

/// The server.
pub(crate) struct Challenger {
    key: Arc<Ed25519KeyPair>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    streams: Vec<TcpStream>,
    /// The last body that came for each path.
    said: HashMap<String, Value>,
}

impl Challenger {
    /// Starts it.
    ///
    /// # Errors
    /// When its port is taken.
    pub(crate) fn start() -> Result<Self> {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).map_err(|_| anyhow!("make a key"))?;
        let listener = within(AP, || TcpListener::bind("127.0.0.1:8481").context("listen"))?;
        let it = Self { key: Arc::new(key), state: Arc::default() };
        let (key, state) = (Arc::clone(&it.key), Arc::clone(&it.state));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (key, state) = (Arc::clone(&key), Arc::clone(&state));
                // A connection that breaks is the agent's affair.
                thread::spawn(move || converse(stream, &key, &state).is_ok());
            }
        });
        Ok(it)
    }

    /// Has the network carry a name for so many seconds; without a name, ends that.
    ///
    /// # Errors
    /// When the agent has no stream open.
    pub(crate) fn challenge(&self, id: &str, name: Option<&str>, left: u64) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let statement =
            json!({"router": "r-lab", "id": id, "network": "cafe", "ssid": name, "until": now + left}).to_string();
        let signature = self.key.sign(format!("welcome challenge v1\n{statement}").as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature);
        let push = json!({"challenge": {"statement": statement, "signature": signature}});
        until(Duration::from_secs(20), "the agent listens", || {
            let mut state = lock(&self.state);
            state.streams.retain_mut(|s| write!(s, "event: challenge\ndata: {push}\n\n").is_ok());
            Ok((!state.streams.is_empty()).then_some(()))
        })
    }

    /// Waits for the agent's word on a challenge.
    ///
    /// # Errors
    /// When it says something else, or nothing, for so long.
    pub(crate) fn await_state(&self, id: &str, wanted: &str, limit: Duration) -> Result<Value> {
        until(limit, &format!("challenge {id} is {wanted}"), || {
            let said = lock(&self.state).said.get(&format!("/v1/routers/r-lab/challenges/{id}")).cloned();
            Ok(said.filter(|said| said["state"] == wanted))
        })
    }
}

fn converse(mut stream: TcpStream, key: &Ed25519KeyPair, state: &Mutex<State>) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).context("a request has a path")?.to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            if header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if path == "/v1/enrol" {
            let operator_key = URL_SAFE_NO_PAD.encode(key.public_key());
            let reply = json!({"router": "r-lab", "operator_key": operator_key}).to_string();
            write!(stream, "HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{reply}", reply.len())?;
        } else if path.ends_with("/events") {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n:\n\n")?;
            let mut beat = stream.try_clone()?;
            lock(state).streams.push(stream);
            while write!(beat, ":\n\n").is_ok() {
                thread::sleep(Duration::from_secs(10));
            }
            return Ok(());
        } else {
            let said = serde_json::from_slice(&body).unwrap_or_default();
            lock(state).said.insert(path, said);
            write!(stream, "HTTP/1.1 204 No Content\r\n\r\n")?;
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
