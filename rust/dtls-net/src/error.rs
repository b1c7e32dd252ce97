//! What goes wrong with a socket: for good, or for one datagram.

use std::io;
use std::net::IpAddr;

#[cfg(unix)]
use libc as codes;
#[cfg(windows)]
use windows_sys::Win32::Networking::WinSock as codes;

/// Why a socket could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket has the port, at this address or at all of them.
    #[error(
        "UDP port {0} is in use: another program, or another server of this one, has it; stop that one, or \
         listen on another port"
    )]
    PortInUse(u16),
    /// No interface has the address.
    #[error(
        "this machine has no network address {0}; listen on one that it has, or on \"*\" for all of them"
    )]
    NoSuchAddress(IpAddr),
    /// The system does not let this program have the port.
    #[error(
        "the system does not let this program have UDP port {0}; listen on another port, above 1023"
    )]
    Forbidden(u16),
    /// Anything else, in the system's words.
    #[error("the system gave no UDP socket: {0}")]
    System(#[source] io::Error),
}

impl BindError {
    pub(crate) fn new(error: io::Error, address: IpAddr, port: u16) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse if port != 0 => Self::PortInUse(port),
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress(address),
            io::ErrorKind::PermissionDenied if port != 0 => Self::Forbidden(port),
            _ => Self::System(error),
        }
    }
}

/// The socket is of no use any more, and neither waits, sends nor receives.
#[derive(Debug, thiserror::Error)]
#[error("the UDP socket is broken, so the server has to be stopped and started again: {0}")]
pub struct Broken(#[source] pub io::Error);

/// What an error of sending or receiving means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing waits to be received, or the send buffer is full.
    WouldBlock,
    /// A signal came in between.
    Interrupted,
    /// It is about one datagram, or about the network at this moment.
    Lost,
    /// It is about the socket.
    Broken,
}

/// Sorts every error of sending or receiving.
pub(crate) fn sort(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::WouldBlock => Trouble::WouldBlock,
        io::ErrorKind::Interrupted => Trouble::Interrupted,
        _ if error.raw_os_error().is_some_and(|code| LOST.contains(&code)) => Trouble::Lost,
        _ => Trouble::Broken,
    }
}

/// Whether a socket for IPv6 failed because the system has no IPv6.
pub(crate) fn is_without_ipv6(error: &io::Error) -> bool {
    #[cfg(unix)]
    const NONE: [i32; 2] = [codes::EAFNOSUPPORT, codes::EADDRNOTAVAIL];
    #[cfg(windows)]
    const NONE: [i32; 2] = [codes::WSAEAFNOSUPPORT, codes::WSAEADDRNOTAVAIL];
    error.raw_os_error().is_some_and(|code| NONE.contains(&code))
}

/// The addresses of a datagram are part of the call, so what is wrong with them (port 0, a broadcast address, a
/// local address that an interface has lost, an interface that is gone, the wrong family) is wrong with one datagram.
#[cfg(unix)]
const LOST: &[i32] = &[
    codes::EACCES,
    codes::EADDRNOTAVAIL,
    codes::EAFNOSUPPORT,
    codes::ECONNREFUSED,
    codes::ECONNRESET,
    codes::EHOSTDOWN,
    codes::EHOSTUNREACH,
    codes::EINVAL,
    codes::EMSGSIZE,
    codes::ENETDOWN,
    codes::ENETRESET,
    codes::ENETUNREACH,
    codes::ENOBUFS,
    codes::ENODEV,
    codes::ENOMEM,
    codes::ENOPROTOOPT,
    codes::ENXIO,
    codes::EOPNOTSUPP,
    codes::EPERM,
    codes::EPROTO,
    codes::ETIMEDOUT,
];
#[cfg(windows)]
const LOST: &[i32] = &[
    codes::WSAEACCES,
    codes::WSAEADDRNOTAVAIL,
    codes::WSAEAFNOSUPPORT,
    codes::WSAECONNABORTED,
    codes::WSAECONNREFUSED,
    codes::WSAECONNRESET,
    codes::WSAEFAULT,
    codes::WSAEHOSTDOWN,
    codes::WSAEHOSTUNREACH,
    codes::WSAEINVAL,
    codes::WSAEMSGSIZE,
    codes::WSAENETDOWN,
    codes::WSAENETRESET,
    codes::WSAENETUNREACH,
    codes::WSAENOBUFS,
    codes::WSAEOPNOTSUPP,
    codes::WSAETIMEDOUT,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_about_now_one_datagram_or_the_socket() {
        #[cfg(unix)]
        let errors = [
            (codes::EAGAIN, Trouble::WouldBlock),
            (codes::EINTR, Trouble::Interrupted),
            (codes::ENETUNREACH, Trouble::Lost),
            (codes::ECONNREFUSED, Trouble::Lost),
            (codes::EHOSTUNREACH, Trouble::Lost),
            (codes::ENETDOWN, Trouble::Lost),
            (codes::ENOBUFS, Trouble::Lost),
            (codes::EPERM, Trouble::Lost),
            (codes::EMSGSIZE, Trouble::Lost),
            (codes::ENOTSOCK, Trouble::Broken),
            (codes::EBADF, Trouble::Broken),
        ];
        #[cfg(windows)]
        let errors = [
            (codes::WSAEWOULDBLOCK, Trouble::WouldBlock),
            (codes::WSAECONNRESET, Trouble::Lost),
            (codes::WSAENETRESET, Trouble::Lost),
            (codes::WSAEMSGSIZE, Trouble::Lost),
            (codes::WSAENOTSOCK, Trouble::Broken),
        ];
        for (code, trouble) in errors {
            assert_eq!(sort(&io::Error::from_raw_os_error(code)), trouble, "{code}");
        }
    }
}
