//! Plain HTTP from a namespace, one request a connection, with everything to be seen: no redirect is followed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::network::within;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// Asks from a namespace: `GET`, or `POST` with a form that says where it came from.
///
/// # Errors
/// When nobody answers.
pub(crate) fn ask(namespace: &str, to: SocketAddr, method: &str, host: &str, path: &str) -> Result<Answer> {
    let origin =
        if method == "POST" { format!("Origin: http://{host}\r\nContent-Length: 0\r\n") } else { String::new() };
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{origin}Connection: close\r\n\r\n");
    let text = within(namespace, || {
        let mut stream = connect_here(to)?;
        stream.write_all(request.as_bytes()).context("ask")?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).context("read the answer")?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    })?;
    let (head, body) = text.split_once("\r\n\r\n").context("no answer of HTTP")?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).context("an answer without a status")?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// Whether a connection to there comes about.
pub(crate) fn reaches(namespace: &str, to: SocketAddr) -> bool {
    within(namespace, || connect_here(to).map(drop)).is_ok()
}

fn connect_here(to: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, LIMIT).context("connect")?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

const LIMIT: Duration = Duration::from_secs(5);
