//! DTLS 1.2 over OpenSSL, without I/O.
//!
//! The owner of the socket hands datagrams in and takes datagrams out; nothing here opens a socket or
//! knows a game engine. Time is an argument, with two exceptions that are OpenSSL's: its timer reads
//! `gettimeofday` (`GetSystemTime` on Windows), and the validity of certificates is compared with `time`.
//!
//! - A server has one [`Listener`]. It answers a first ClientHello with a cookie and keeps nothing;
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
//! Keys and certificates come from elsewhere; the crate `dtls-issuer` makes some.

mod config;
mod credentials;
mod endpoint;
mod handshake;
mod report;
mod ssl;
mod wire;

pub use config::alpn::Alpn;
pub use config::key_log::KeyLog;
pub use config::{
    ClientConfig, ClientConfigBuilder, Limits, MAX_PACKET, ServerConfig, ServerConfigBuilder,
};
pub use credentials::certificate::{Certificates, Identity, TrustAnchors};
pub use credentials::keyed::keyed_digest;
pub use credentials::peer_name::{DnsName, PeerName};
pub use credentials::pem;
pub use credentials::pins::Pins;
pub use credentials::psk::{Psk, PskKeys};
pub use credentials::revocation::RevocationLists;
pub use credentials::ticket_keys::SharedTicketKeys;
pub use credentials::trust::Trust;
pub use credentials::verification::{ClientVerification, Verification};
pub use endpoint::{
    Backlog, Bundle, Client, Ended, Endpoint, EndpointStats, Event, HandshakeResults, Handshakes,
    Output, Path, SharedSession, Unconnected,
};
pub use handshake::listener::{Accepted, Listener};
pub use handshake::session::{Ending, SendError, Session, Status};
pub use report::error::{ConfigError, ConnectError, OpenSslError};
pub use report::failure::{CertificateProblem, Failure, Reason, Role};
pub use report::stats::{Count, Dropped, Stats};
pub use report::text::printable;
pub use ssl::ffi::start as start_openssl;
pub use ssl::jitter::seed_retransmissions;
pub use ssl::suites::CipherSuites;
pub use wire::datagrams::Datagrams;
