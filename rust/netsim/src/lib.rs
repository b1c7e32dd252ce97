//! A link between a client and a server that treats datagrams badly, by a seed.
//!
//! - [`Conditions`] say how bad one direction is: loss, bursts of it, duplicates, reordering, delay,
//!   jitter, and the largest datagram that gets through.
//! - A [`Link`] knows the [`Fate`] of every datagram. It keeps no state: a fate is a function of the
//!   seed, the direction and the number of the datagram in that direction, so what happens to one
//!   datagram is the same whatever was sent, or lost, before it.
//! - A [`Wire`] carries datagrams over a link: they go in at one time and come out at another.
//!
//! Nothing here reads a clock, opens a socket or knows a protocol.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use netsim::{Conditions, Direction, Link, Wire};
//!
//! let delay = Duration::from_millis(40);
//! let mut wire = Wire::new(Link::new(7, Conditions { delay, ..Conditions::PERFECT }));
//! let start = Instant::now();
//! wire.send(Direction::ToServer, b"hello", start);
//! assert_eq!(wire.next_arrival(), Some(start + delay));
//! assert_eq!(wire.receive(start), None);
//! assert_eq!(wire.receive(start + delay).expect("it is there").bytes, b"hello");
//! ```

mod conditions;
mod dice;
mod link;
mod wire;

pub use conditions::{Burst, Conditions};
pub use link::{Fate, Link};
pub use wire::{Arrival, Wire};

/// Which way a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client.
    ToServer,
    /// From the server.
    ToClient,
}

impl Direction {
    /// Both, the client's first.
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];
}
