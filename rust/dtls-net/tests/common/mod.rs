//! Real sockets on the loopback. Every wait is long enough for a machine that is busy with something else.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use dtls_net::{Batch, BindAddress, Socket};

pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const LOCALHOST_6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Wine receives local addresses, but does not send from them: its `WSASendMsg` looks at no control message.
pub(crate) fn is_in_wine() -> bool {
    cfg!(windows) && std::env::var_os("WINELOADER").is_some()
}

/// A server on every address of the machine, or on one.
pub(crate) fn server(address: BindAddress) -> Socket {
    Socket::bind(address, 0).expect("a free port")
}

/// A peer at that address.
pub(crate) fn peer(address: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).expect("a loopback with IPv4 and IPv6");
    socket.set_read_timeout(Some(LONG)).expect("a time limit");
    socket
}

/// Where a peer is.
pub(crate) fn address(peer: &UdpSocket) -> SocketAddr {
    peer.local_addr().expect("it is bound")
}

/// The next datagram that a peer gets, and where it came from.
pub(crate) fn next(peer: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (length, from) = peer.recv_from(&mut buffer).expect("a datagram");
    (buffer[..length].to_vec(), from)
}

/// Waits until a server can receive. One wait may end early for nothing.
pub(crate) fn wait(server: &mut Socket) {
    let start = Instant::now();
    while !server.wait(LONG).expect("a socket").readable {
        assert!(start.elapsed() < LONG, "nothing came");
    }
}

/// The next datagram that a server gets: its bytes, who sent it, and where to.
pub(crate) fn receive(server: &mut Socket) -> (Vec<u8>, SocketAddr, Option<IpAddr>) {
    let mut buffer = [0; 2048];
    loop {
        wait(server);
        if let Some(datagram) = server.receive(&mut buffer).expect("a socket") {
            return (datagram.bytes.to_vec(), datagram.peer, datagram.local);
        }
    }
}

/// Receives into batches until so many datagrams were taken from the socket, and returns those that are whole.
pub(crate) fn receive_batches(
    server: &mut Socket,
    batch: &mut Batch,
    count: usize,
) -> Vec<Vec<u8>> {
    let (mut taken, mut whole) = (0, Vec::new());
    while taken < count {
        wait(server);
        taken += server.receive_batch(batch).expect("a socket");
        whole.extend(batch.datagrams().map(|datagram| datagram.bytes.to_vec()));
    }
    assert_eq!(taken, count);
    whole
}
