//! `ubus [-t SECONDS] call OBJECT METHOD [JSON]`. As with the real one, what is answered is printed also before a refusal, and
//! the exit code is ubus' status.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use bytes::BytesMut;
use serde_json::{Map, Value};
use tokio_ubus::message::{Attribute, Kind, Message};
use tokio_ubus::{Blobmsg, frame};

/// Where the stand-in of ubusd takes programs for root's.
pub(crate) const SOCKET: &str = "/var/run/ubus/ubus.sock";

/// The status of what nobody has published.
const NOT_FOUND: u32 = 4;

pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (limit, words) = match words.as_slice() {
        ["-t", seconds, rest @ ..] => (seconds.parse().unwrap_or(30), rest),
        rest => (30, rest),
    };
    let (object, method, text) = match words {
        ["call", object, method] => (object, method, "{}"),
        ["call", object, method, text] => (object, method, *text),
        _ => {
            eprintln!("a stand-in for ubus: it knows `call` alone");
            return ExitCode::from(64);
        }
    };
    let Ok(arguments) = serde_json::from_str::<Map<String, Value>>(text) else {
        eprintln!("Failed to parse message data");
        return ExitCode::FAILURE;
    };
    match call(object, method, &arguments, Duration::from_secs(limit)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(status) => {
            eprintln!("Command failed: status {status}");
            ExitCode::from(u8::try_from(status).unwrap_or(1))
        }
        Err(error) => {
            eprintln!("Failed to connect to ubus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn call(object: &str, method: &str, arguments: &Map<String, Value>, limit: Duration) -> std::io::Result<u32> {
    let mut stream = UnixStream::connect(SOCKET)?;
    stream.set_read_timeout(Some(limit))?;
    let mut input = BytesMut::new();
    read(&mut stream, &mut input)?; // ubusd says hello.
    send(&mut stream, Kind::Lookup, 1, 0, &[Attribute::Path(object)])?;
    let mut id = None;
    let status = loop {
        let answer = read(&mut stream, &mut input)?;
        id = answer.object().filter(|_| answer.kind == Kind::Data).or(id);
        if answer.kind == Kind::Status {
            break answer.status().unwrap_or_default();
        }
    };
    let Some(id) = id else { return Ok(if status == 0 { NOT_FOUND } else { status }) };
    let data = Blobmsg::from_json(arguments).map_err(std::io::Error::other)?;
    let attributes = [Attribute::Object(id), Attribute::Method(method), Attribute::Data(data.as_bytes())];
    send(&mut stream, Kind::Invoke, 2, id, &attributes)?;
    loop {
        let answer = read(&mut stream, &mut input)?;
        match answer.kind {
            Kind::Data => {
                if let Some(Ok(table)) = answer.data() {
                    println!("{}", table.to_json());
                }
            }
            Kind::Status => return Ok(answer.status().unwrap_or_default()),
            _ => {}
        }
    }
}

fn send(stream: &mut UnixStream, kind: Kind, seq: u16, peer: u32, attributes: &[Attribute<'_>]) -> std::io::Result<()> {
    let message = Message::new(kind, seq, peer, attributes.iter().copied()).map_err(std::io::Error::other)?;
    let mut out = Vec::new();
    frame::encode(&message, &mut out);
    stream.write_all(&out)
}

fn read(stream: &mut UnixStream, input: &mut BytesMut) -> std::io::Result<Message> {
    loop {
        if let Some(message) = frame::decode(input).map_err(std::io::Error::other)? {
            return Ok(message);
        }
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        input.extend_from_slice(&piece[..length]);
    }
}
