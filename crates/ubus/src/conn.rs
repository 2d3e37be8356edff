//! A connection: frames off a stream, and frames onto it.
//!
//! In: a stream, and what waits to be written. Out: messages, each with the descriptor that came with its first byte.
//! Knows nothing of what messages mean. Reads exactly one frame at a time: only so is it certain to which frame a
//! descriptor belongs.

use crate::Malformed;
use crate::fd;
use crate::frame::{self, HEADER};
use crate::message::Message;
use crate::out::Frame;
use bytes::BytesMut;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, ReadHalf, WriteHalf};
use tokio::net::UnixStream;

/// Why there is no connection any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("the other end closed it")]
    Eof,
    #[error(transparent)]
    System(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the other end did not greet us as ubusd does")]
    NoHello,
    #[error("the other end reads nothing")]
    Stuck,
}

/// Where bytes come from. Cancelled, it has taken none.
pub(crate) trait Source: Send {
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, Option<OwnedFd>)>> + Send;
}

/// Where bytes go. Cancelled, it has written none.
pub(crate) trait Sink: Send {
    fn write(&mut self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> impl Future<Output = io::Result<usize>> + Send;

    fn flush(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

pub(crate) struct Reader<S> {
    source: S,
    /// As long as is to be read next: the header, or the whole frame.
    frame: BytesMut,
    have: usize,
    fd: Option<OwnedFd>,
}

impl<S: Source> Reader<S> {
    pub(crate) fn new(source: S) -> Self {
        Self { source, frame: BytesMut::zeroed(HEADER), have: 0, fd: None }
    }

    /// The next message. Cancelled, nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<(Message, Option<OwnedFd>), Lost> {
        loop {
            if self.have == self.frame.len() {
                let header = self.frame.first_chunk().expect("never shorter than a header");
                let length = frame::length(header)?;
                if self.have == length {
                    self.have = 0;
                    let mut frame = std::mem::replace(&mut self.frame, BytesMut::zeroed(HEADER));
                    let message = frame::decode(&mut frame)?.expect("all of it is there");
                    return Ok((message, self.fd.take()));
                }
                self.frame.resize(length, 0);
            }
            let (count, fd) = self.source.read(&mut self.frame[self.have..]).await?;
            if count == 0 {
                return Err(Lost::Eof);
            }
            // ubusd sends it with the first byte. Any other is closed here.
            if self.have == 0 {
                self.fd = fd;
            }
            self.have += count;
        }
    }
}

pub(crate) struct Writer<S> {
    sink: S,
    frame: Option<Frame>,
    written: usize,
}

impl<S: Sink> Writer<S> {
    pub(crate) fn new(sink: S) -> Self {
        Self { sink, frame: None, written: 0 }
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.frame.is_some()
    }

    /// Writes one frame, the one it has begun or `next`, and returns it. Cancelled, it goes on with it another time.
    pub(crate) async fn write(&mut self, next: impl FnOnce() -> Option<Frame>) -> Result<Option<Frame>, Lost> {
        if self.frame.is_none() {
            self.frame = next();
        }
        let Some(frame) = &mut self.frame else { return Ok(None) };
        while self.written < frame.bytes.len() {
            let fd = frame.fd.as_ref().map(AsFd::as_fd);
            let count = self.sink.write(&frame.bytes[self.written..], fd).await?;
            if count == 0 {
                return Err(Lost::System(io::ErrorKind::WriteZero.into()));
            }
            frame.fd = None;
            self.written += count;
        }
        self.sink.flush().await?;
        self.written = 0;
        Ok(self.frame.take())
    }

    /// The frame that will not be finished.
    pub(crate) fn abandon(self) -> Option<Frame> {
        self.frame
    }
}

impl Source for &UnixStream {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
        loop {
            self.readable().await?;
            match self.try_io(Interest::READABLE, || fd::receive(self.as_fd(), buffer)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }
}

impl Sink for &UnixStream {
    async fn write(&mut self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<usize> {
        loop {
            self.writable().await?;
            match self.try_io(Interest::WRITABLE, || fd::send(self.as_fd(), bytes, fd)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: AsyncRead + Send> Source for ReadHalf<S> {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
        Ok((AsyncReadExt::read(self, buffer).await?, None))
    }
}

/// Descriptors are closed: there is no way for them.
impl<S: AsyncWrite + Send> Sink for WriteHalf<S> {
    async fn write(&mut self, bytes: &[u8], _fd: Option<BorrowedFd<'_>>) -> io::Result<usize> {
        AsyncWriteExt::write(self, bytes).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        AsyncWriteExt::flush(self).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::message::{Attribute, Kind};
    use crate::state::encode;
    use std::io::Read;

    #[tokio::test]
    async fn a_frame_in_pieces_is_the_same_frame() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut reader = Reader::new(&theirs);
        let frame = status(5);
        for length in 1..frame.len() {
            let (first, second) = frame.split_at(length);
            send_all(&ours, first, None).await;
            tokio::select! {
                biased;
                _ = reader.next() => panic!("it is not complete"),
                () = tokio::task::yield_now() => {}
            }
            send_all(&ours, second, None).await;
            assert_eq!(reader.next().await.unwrap().0.seq, 5);
        }
        drop(ours);
        assert!(matches!(reader.next().await, Err(Lost::Eof)));
    }

    #[tokio::test]
    async fn a_descriptor_belongs_to_the_frame_whose_first_byte_it_came_with() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (held, mut other_end) = std::os::unix::net::UnixStream::pair().unwrap();
        send_all(&ours, &status(1), None).await;
        send_all(&ours, &status(2), Some(held.into())).await;
        send_all(&ours, &status(3), None).await;
        let mut reader = Reader::new(&theirs);
        let mut fds = Vec::new();
        for seq in 1..=3 {
            let (message, fd) = reader.next().await.unwrap();
            assert_eq!(message.seq, seq);
            fds.push(fd);
        }
        assert!(fds[0].is_none() && fds[1].is_some() && fds[2].is_none());
        drop(fds);
        assert_eq!(other_end.read(&mut [0]).unwrap(), 0, "it is open somewhere");
    }

    #[tokio::test]
    async fn a_descriptor_in_the_middle_of_a_frame_is_closed() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (held, mut other_end) = std::os::unix::net::UnixStream::pair().unwrap();
        let frame = status(1);
        send_all(&ours, &frame[..14], None).await;
        send_all(&ours, &frame[14..], Some(held.into())).await;
        assert!(Reader::new(&theirs).next().await.unwrap().1.is_none());
        assert_eq!(other_end.read(&mut [0]).unwrap(), 0, "it is open somewhere");
    }

    #[tokio::test]
    async fn a_frame_longer_than_the_socket_takes_is_written_in_turns_and_its_descriptor_once() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (held, mut other_end) = std::os::unix::net::UnixStream::pair().unwrap();
        let data = vec![0; 1 << 19];
        let bytes = encode(Kind::Data, 1, 1, [Attribute::Data(&data)]).unwrap();
        let mut writer = Writer::new(&ours);
        let mut frame = Some(Frame { bytes, fd: Some(held.into()), then: None });
        let mut reader = Reader::new(&theirs);
        let (written, received) = tokio::join!(writer.write(|| frame.take()), reader.next());
        assert!(written.unwrap().is_some());
        let (message, fd) = received.unwrap();
        assert_eq!(message.body().len(), data.len() + 4);
        drop(fd.unwrap());
        assert_eq!(other_end.read(&mut [0]).unwrap(), 0, "it is open somewhere");
    }

    fn status(seq: u16) -> Vec<u8> {
        encode(Kind::Status, seq, 1, [Attribute::Status(0)]).unwrap()
    }

    async fn send_all(mut socket: &UnixStream, bytes: &[u8], fd: Option<OwnedFd>) {
        let count = socket.write(bytes, fd.as_ref().map(AsFd::as_fd)).await.unwrap();
        assert_eq!(count, bytes.len());
    }
}
