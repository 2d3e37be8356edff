//! What does the work: connects, reads and writes, and connects again.
//!
//! In: a socket's path, or a stream. Out: messages to [`State`](crate::state::State), and its frames onto the stream.
//! Reading never waits for writing, nor for any user of a handle.

use crate::conn::{Lost, Reader, Sink, Source, Writer};
use crate::message::{Kind, Message};
use crate::state::{Shared, Todo};
use crate::{Client, Request, Status};
use std::fmt;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{self, sleep, timeout};

/// Where ubusd listens: OpenWrt today, and 19.07 and before.
pub const SOCKETS: [&str; 2] = ["/var/run/ubus/ubus.sock", "/var/run/ubus.sock"];

/// A client of the ubusd at `socket`. Whenever the connection is lost it is made again, and everything registered
/// again. Nothing happens before [`Driver::run`] is polled, inside a tokio runtime with IO and time.
pub fn connect(socket: impl Into<PathBuf>) -> (Client, Driver) {
    let shared = Shared::new(true);
    let socket = socket.into();
    let client = Client::new(&shared);
    let end = End(Arc::clone(&shared));
    let work = async move {
        keep_connected(&socket, &end.0).await;
    };
    (client, Driver { work: Box::pin(work) })
}

/// A client over any stream to ubusd, as long as the stream lasts. It carries no descriptors.
pub fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S) -> (Client, Driver) {
    let shared = Shared::new(false);
    let client = Client::new(&shared);
    let end = End(Arc::clone(&shared));
    let work = async move {
        let (source, sink) = tokio::io::split(stream);
        if let Err(lost) = serve(Reader::new(source), Writer::new(sink), &end.0).await {
            tracing::info!(%lost, "lost ubusd");
        }
    };
    (client, Driver { work: Box::pin(work) })
}

/// Does the work of a [`Client`] and of all handles made of it.
#[must_use = "nothing happens before it runs"]
pub struct Driver {
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Driver {
    /// Runs until the last handle is gone: [`Client`], [`Subscription`](crate::Subscription), [`Events`](crate::Events),
    /// [`Published`](crate::Published); over a stream, at most until that ends. Cancelled, everything ends.
    pub async fn run(self) {
        self.work.await;
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

/// However the driver ends, nobody waits for it any more.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.lock().end();
        self.0.connected.send_replace(false);
    }
}

async fn keep_connected(socket: &Path, shared: &Arc<Shared>) {
    // One line for each outage, not one for each try.
    let mut told = false;
    loop {
        let began = time::Instant::now();
        let lost = match UnixStream::connect(socket).await {
            Ok(stream) => match serve(Reader::new(&stream), Writer::new(&stream), shared).await {
                Ok(()) => return,
                Err(lost) => lost,
            },
            Err(error) => Lost::System(error),
        };
        let lasted = began.elapsed() >= PAUSE;
        if told && !lasted {
            tracing::debug!(socket = %socket.display(), %lost, "no connection to ubusd");
        } else {
            tracing::info!(socket = %socket.display(), %lost, "no connection to ubusd; trying again every second");
        }
        told = true;
        if !lasted && timeout(PAUSE, abandoned(shared)).await.is_ok() {
            return;
        }
    }
}

/// One connection, until it is lost (an error) or no handle is left.
async fn serve<R: Source, W: Sink>(
    mut reader: Reader<R>,
    mut writer: Writer<W>,
    shared: &Arc<Shared>,
) -> Result<(), Lost> {
    let hello = tokio::select! {
        hello = timeout(HELLO_WITHIN, reader.next()) => hello,
        () = abandoned(shared) => return Ok(()),
    };
    match hello {
        Ok(Ok((message, _))) if message.kind == Kind::Hello => {}
        Ok(Err(lost)) => return Err(lost),
        _ => return Err(Lost::NoHello),
    }
    tracing::info!("connected to ubusd");
    shared.lock().begin();
    shared.connected.send_replace(true);
    let result = exchange(&mut reader, &mut writer, shared).await;
    shared.connected.send_replace(false);
    let mut state = shared.lock();
    if let Some(frame) = writer.abandon() {
        state.written(frame);
    }
    state.lose();
    result
}

async fn exchange<R: Source, W: Sink>(
    reader: &mut Reader<R>,
    writer: &mut Writer<W>,
    shared: &Arc<Shared>,
) -> Result<(), Lost> {
    let retry = sleep(RETRY);
    tokio::pin!(retry);
    let mut retrying = false;
    loop {
        let (waiting, abandoned) = {
            let state = shared.lock();
            if state.out.is_stuck() {
                return Err(Lost::Stuck);
            }
            if state.retry && !retrying {
                retrying = true;
                retry.as_mut().reset(time::Instant::now() + RETRY);
            }
            (writer.is_busy() || !state.out.is_empty(), state.abandoned)
        };
        if abandoned {
            return timeout(LINGER, take_leave(reader, writer, shared)).await.unwrap_or(Ok(()));
        }
        tokio::select! {
            received = reader.next() => {
                let at = Instant::now();
                let (message, fd) = received?;
                handle(shared, message, fd, at);
                if shared.lock().out.is_handing_up() {
                    // Before more is read, as long as the socket takes it: somebody stands still.
                    tokio::select! {
                        biased;
                        result = write_one(writer, shared) => result?,
                        () = std::future::ready(()) => {}
                    }
                }
            }
            result = write_one(writer, shared), if waiting => result?,
            () = &mut retry, if retrying => {
                retrying = false;
                shared.lock().try_again();
            }
            () = shared.wake.notified() => {}
        }
    }
}

fn handle(shared: &Arc<Shared>, message: Message, fd: Option<OwnedFd>, at: Instant) {
    let todo = shared.lock().receive(message, fd, at);
    match todo {
        None => {}
        Some(Todo::Ask(answer, notified)) => {
            let reply = notified.asked().and_then(|asked| answer(&asked));
            shared.lock().answer(notified, reply);
        }
        Some(Todo::Request(requests, incoming)) => {
            match requests.try_send(Request::new(Arc::clone(shared), incoming)) {
                Ok(()) => {}
                Err(TrySendError::Full(request)) => request.done(Err(Status::NoMemory)),
                Err(TrySendError::Closed(request)) => request.done(Err(Status::NotFound)),
            }
        }
    }
}

async fn write_one<W: Sink>(writer: &mut Writer<W>, shared: &Shared) -> Result<(), Lost> {
    if let Some(frame) = writer.write(|| shared.lock().out.next()).await? {
        shared.lock().written(frame);
    }
    Ok(())
}

/// Sees that the last words, such as the end of an answer, are heard: ubusd does not read what is left of a connection
/// that is closed.
async fn take_leave<R: Source, W: Sink>(
    reader: &mut Reader<R>,
    writer: &mut Writer<W>,
    shared: &Shared,
) -> Result<(), Lost> {
    let last = shared.lock().say(Kind::Ping, []);
    while writer.is_busy() || !shared.lock().out.is_empty() {
        write_one(writer, shared).await?;
    }
    loop {
        let (message, _) = reader.next().await?;
        if (message.kind, message.peer, Some(message.seq)) == (Kind::Status, 0, last) {
            return Ok(());
        }
    }
}

/// Until no handle is left.
async fn abandoned(shared: &Shared) {
    while !shared.lock().abandoned {
        shared.wake.notified().await;
    }
}

/// Between attempts to connect; and a connection that did not last as long is not made again at once.
const PAUSE: Duration = Duration::from_secs(1);
/// ubusd greets as soon as it has accepted.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// What ubusd refused may be allowed later: rights are read again when a package is installed.
const RETRY: Duration = Duration::from_secs(10);
/// For the last words, when no handle is left.
const LINGER: Duration = Duration::from_secs(1);
