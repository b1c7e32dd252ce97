//! DTLS 1.2 over OpenSSL, without I/O.
//!
//! Whoever owns the socket hands datagrams in and takes datagrams out; nothing here opens a socket or
//! knows a game engine. Time is an argument, with two exceptions that are OpenSSL's: its timer reads
//! `gettimeofday`, and the validity of certificates is compared with `time`.
//!
//! - A server has one [`Acceptor`]. It answers a first ClientHello with a cookie and keeps nothing;
//!   a ClientHello that brings the cookie back becomes a [`Session`].
//! - A client starts with [`Session::connect`].
//! - From there both are the same: [`Session::handle_datagram`] for what arrived,
//!   [`Session::handle_timeout`] when [`Session::next_timeout`] has passed, [`Session::transmit`]
//!   for what has to be sent, and [`Session::send`] / [`Session::receive`] for the packets of the
//!   application.
//!
//! Configurations ([`ServerConfig`], [`ClientConfig`]) are checked when they are made: one that
//! exists is valid.
//!
//! Keys and certificates come from elsewhere, or are made with [`SigningKey`] and [`Authority`].

mod acceptor;
mod admission;
mod alpn;
mod bio;
mod certificate;
mod config;
mod cookie;
mod datagrams;
mod door;
mod error;
mod failure;
mod ffi;
mod issue;
mod jitter;
mod key_log;
mod keyed;
mod named;
mod peer_name;
mod pem;
mod pending;
mod pins;
mod psk;
mod record;
mod replay;
mod resumption;
mod revocation;
mod rotation;
mod server_name;
mod session;
mod stats;
mod suites;
mod text;
mod ticket;
mod trust;
mod verification;

pub use acceptor::{Accepted, Acceptor};
pub use alpn::Alpn;
pub use certificate::{Certificates, Identity, TrustAnchors};
pub use config::{ClientConfig, Limits, MAX_PACKET, ServerConfig};
pub use datagrams::Datagrams;
pub use error::ConfigError;
pub use failure::{CertificateProblem, Failure, Reason, Role};
pub use ffi::use_mimalloc;
pub use issue::{
    Authority, Days, IssueError, KeyKind, PublicKey, SigningKey, Subject, fingerprint, spki_pin,
};
pub use jitter::seed_retransmissions;
pub use key_log::KeyLog;
pub use keyed::keyed_digest;
pub use peer_name::{DnsName, PeerName};
pub use pins::Pins;
pub use psk::{Psk, PskKeys};
pub use revocation::RevocationLists;
pub use session::{Ending, SendError, Session, Status};
pub use stats::{Count, Dropped, Stats};
pub use suites::CipherSuites;
pub use ticket::SharedTicketKeys;
pub use trust::Trust;
pub use verification::{ClientVerification, Verification};
