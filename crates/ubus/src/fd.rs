//! Descriptors beside bytes: `recvmsg` and `sendmsg` with SCM_RIGHTS, which neither std nor tokio has.
//!
//! In: a socket that does not block. Out: bytes, and at most one descriptor, which is closed unless it is taken. The
//! only file with unsafe code.
#![expect(unsafe_code, reason = "libc's calls, and making an owner of each descriptor that the kernel hands us")]

use std::io::{self, IoSlice, IoSliceMut};
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// Reads what is there, and the first descriptor that came with it.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut control = [0; CONTROL];
    let mut bytes = IoSliceMut::new(buffer);
    let mut header = header((&raw mut bytes).cast(), &mut control);
    // SAFETY: the header points to a buffer and a control buffer that outlive the call, with their true lengths.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel filled in the header just now.
    let descriptors = unsafe { owned(&header) };
    // One belongs to a frame; the others are closed here.
    Ok((length, descriptors.into_iter().next()))
}

/// Writes what fits; the descriptor travels with the first byte.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut control = [0; CONTROL];
    let bytes = IoSlice::new(bytes);
    let mut header = header((&raw const bytes).cast_mut().cast(), &mut control);
    match fd {
        None => {
            header.msg_control = ptr::null_mut();
            header.msg_controllen = 0;
        }
        // SAFETY: the control buffer is aligned, and has room for the header and one descriptor.
        Some(fd) => unsafe {
            let size = mem::size_of::<RawFd>() as u32;
            header.msg_controllen = libc::CMSG_SPACE(size) as _;
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            (*message).cmsg_level = libc::SOL_SOCKET;
            (*message).cmsg_type = libc::SCM_RIGHTS;
            (*message).cmsg_len = libc::CMSG_LEN(size) as _;
            libc::CMSG_DATA(message).cast::<RawFd>().write_unaligned(fd.as_raw_fd());
        },
    }
    // SAFETY: as above. The bytes are only read.
    let length = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

fn header(bytes: *mut libc::iovec, control: &mut [u64; CONTROL]) -> libc::msghdr {
    // SAFETY: all zeros is a message header that points to nothing.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = bytes;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = mem::size_of_val(control) as _;
    header
}

/// All descriptors that came.
///
/// # Safety
/// `header` was filled in by a `recvmsg` that succeeded, and this is its only call since.
unsafe fn owned(header: &libc::msghdr) -> Vec<OwnedFd> {
    let mut owned = Vec::new();
    // SAFETY: `CMSG_FIRSTHDR` and `CMSG_NXTHDR` stay within what the kernel wrote; of a message of rights all that
    // follows its header are descriptors, and they are ours.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(current) = message.as_ref() {
            if (current.cmsg_level, current.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let length: usize = current.cmsg_len as _;
                let payload = length.saturating_sub(libc::CMSG_LEN(0) as usize);
                let data = libc::CMSG_DATA(message).cast::<RawFd>();
                for i in 0..payload / mem::size_of::<RawFd>() {
                    owned.push(OwnedFd::from_raw_fd(data.add(i).read_unaligned()));
                }
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    owned
}

/// In units of eight bytes, which aligns it; room for a header and a descriptor on every architecture. What does not
/// fit the kernel closes.
const CONTROL: usize = 4;
