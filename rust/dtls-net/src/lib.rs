//! A DTLS server on one UDP socket ([`Server`]), and that socket ([`Socket`]).
//!
//! - A [`Socket`] listens on IPv4, on IPv6 or on both. It says which local address each datagram was sent to
//!   ([`Datagram::local`]) and sends from that address ([`Transmit::local`]): a client only takes an answer
//!   from where it asked. An IPv4 peer has an IPv4 address, whatever the socket is.
//! - Nothing blocks but [`Socket::wait`], which a [`Waker`] ends from another thread.
//! - A datagram that the network did not take, or that came in parts, is counted ([`Counters`]); an error that
//!   is returned ([`Broken`]) ends the socket.
//!
//! ```
//! use std::time::Duration;
//! use dtls_net::{BindAddress, Socket, Transmit};
//!
//! let mut server = Socket::bind(BindAddress::Any, 0)?;
//! let client = std::net::UdpSocket::bind("127.0.0.1:0")?;
//! client.send_to(b"hello", ("127.0.0.1", server.local_addr().port()))?;
//!
//! let mut buffer = [0; 2048];
//! let datagram = loop {
//!     server.wait(Duration::from_secs(1))?;
//!     if let Some(datagram) = server.receive(&mut buffer)? {
//!         break datagram;
//!     }
//! };
//! server.send(&Transmit { peer: datagram.peer, local: datagram.local, bytes: datagram.bytes })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

mod batch;
mod buffers;
mod error;
mod server;
mod socket;
mod sys;

pub use batch::{Batch, Datagram, Progress, Transmit};
pub use buffers::BufferSizes;
pub use error::{BindError, Broken};
pub use server::{Sender, Server, ServerCounters, ServerOptions, StartError, Stopper, Threads};
pub use socket::{BindAddress, Counters, Ready, Sent, Socket, Waker};
