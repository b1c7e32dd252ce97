//! Datagrams as they come and go, one or many.

use std::net::{IpAddr, SocketAddr};

use crate::sys::Arrival;

/// A datagram that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it. IPv4 peers have IPv4 addresses, also on a socket for both.
    pub peer: SocketAddr,
    /// The address of this machine that it was sent to, from which an answer has to leave. `None` if the system did
    /// not say.
    pub local: Option<IpAddr>,
    /// The whole of it; 0 bytes are possible.
    pub bytes: &'a [u8],
}

/// A datagram to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// Who gets it.
    pub peer: SocketAddr,
    /// The address of this machine that it leaves from, of the same family as the peer's. `None`: as the system
    /// chooses.
    pub local: Option<IpAddr>,
    /// At most 65,507; what is larger is lost.
    pub bytes: &'a [u8],
}

/// How far [`Socket::send_batch`](crate::Socket::send_batch) came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// How many were sent or lost. Those from this index on would have blocked and were not sent.
    pub done: usize,
    /// The indices of those that were lost, in order. All of the others before `done` were sent.
    pub lost: Vec<usize>,
}

/// Room for what one [`Socket::receive_batch`](crate::Socket::receive_batch) receives.
#[derive(Debug)]
pub struct Batch {
    pub(crate) storage: Vec<u8>,
    /// Of one datagram.
    pub(crate) size: usize,
    /// The first is in the first `size` bytes, and so on.
    pub(crate) arrivals: Vec<Arrival>,
}

impl Batch {
    /// The most datagrams that one batch holds.
    pub const MOST: usize = 64;

    /// Room for that many datagrams, from 1 to [`Batch::MOST`], each of at most so many bytes, at least 1. What is out
    /// of range is taken as the nearest that is not.
    pub fn new(datagrams: usize, bytes: usize) -> Self {
        let (datagrams, size) = (datagrams.clamp(1, Self::MOST), bytes.max(1));
        Self { storage: vec![0; datagrams * size], size, arrivals: Vec::with_capacity(datagrams) }
    }

    /// What the last call received, in the order in which it came, without what was truncated.
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let slots = self.arrivals.iter().zip(self.storage.chunks_exact(self.size));
        slots
            .filter(|(arrival, _)| !arrival.truncated)
            .map(|(arrival, slot)| arrival.datagram(slot))
    }
}

impl Arrival {
    pub(crate) fn datagram<'a>(&self, slot: &'a [u8]) -> Datagram<'a> {
        Datagram { peer: self.peer, local: self.local, bytes: &slot[..self.length] }
    }
}
