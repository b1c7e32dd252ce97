//! How a client's connection begins, or why it cannot.

use std::time::Instant;

use dtls_core::{PeerName, Session};
use dtls_net::{BindAddress, BindError, Socket};
use godot::classes::PacketPeerUdp;
use godot::global::Error;
use godot::obj::Gd;

use super::resolving::{Prepared, ResolveError, Resolving};
use super::transport::{EngineSocket, Transport};
use crate::configuration::client::Client;
use crate::configuration::error::CredentialError;
use crate::engine::resolve::Lookup;
use crate::engine::udp::Claim;

/// What a client begins with.
pub(crate) enum Begun {
    Handshake(Transport, Box<Session>),
    Lookup(Box<Resolving>),
}

/// Why a client's connection could not be begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the peer is connected or connecting already; call disconnect_from_peer() first")]
    InUse,
    #[error(
        "another peer uses this UDP peer; call disconnect_from_peer() on that one first, or give each \
         connection a UDP peer of its own"
    )]
    SocketInUse,
    #[error("the UDP peer is null")]
    NoSocket,
    #[error(
        "the UDP peer is not connected; call connect_to_host() on it first, with an IP address"
    )]
    SocketNotConnected,
    #[error("the address is empty; it has to be the host name or the IP address of the server")]
    NoAddress,
    #[error("{0} cannot be the port of a server; it can be 1 to 65,535")]
    BadPort(i64),
    #[error(
        "the engine looks up {most} host names already, and can have no more; try again later, or call \
         IP.erase_resolve_item() for those that the game has looked up itself",
        most = Lookup::MOST
    )]
    TooManyLookups,
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    #[error(transparent)]
    Address(#[from] ResolveError),
    #[error(transparent)]
    Session(#[from] dtls_core::ConnectError),
}

impl ConnectError {
    pub(crate) fn code(&self) -> Error {
        match self {
            Self::InUse | Self::SocketInUse => Error::ERR_ALREADY_IN_USE,
            Self::NoSocket | Self::SocketNotConnected | Self::NoAddress | Self::BadPort(_) => {
                Error::ERR_INVALID_PARAMETER
            }
            Self::TooManyLookups => Error::ERR_BUSY,
            Self::Credentials(error) => error.code(),
            Self::Bind(_) | Self::Address(_) | Self::Session(_) => Error::ERR_CANT_CREATE,
        }
    }
}

/// Over a PacketPeerUDP of the game's.
pub(crate) fn over(
    packet_peer: Option<Gd<PacketPeerUdp>>,
    client: impl FnOnce() -> Result<Client, CredentialError>,
) -> Result<Begun, ConnectError> {
    let udp = packet_peer.ok_or(ConnectError::NoSocket)?;
    if !udp.is_socket_connected() {
        return Err(ConnectError::SocketNotConnected);
    }
    let claim = Claim::of(&udp).ok_or(ConnectError::SocketInUse)?;
    let Client { config, server_name } = client()?;
    let session = Session::connect(&config, server_name, Instant::now())?;
    let transport = Transport::Engine(EngineSocket::new(udp, claim));
    Ok(Begun::Handshake(transport, Box::new(session)))
}

/// Over a socket of the client's own.
pub(crate) fn to_host(
    address: String,
    port: i64,
    client: impl FnOnce(&str) -> Result<Client, CredentialError>,
) -> Result<Begun, ConnectError> {
    if address.is_empty() {
        return Err(ConnectError::NoAddress);
    }
    let bad_port = || ConnectError::BadPort(port);
    let port = u16::try_from(port).ok().filter(|port| *port > 0).ok_or_else(bad_port)?;
    let client = client(&address)?;
    let literal = match client.server_name {
        Some(PeerName::Ip(address)) => Some(address),
        _ => None,
    };
    let socket = Socket::bind(BindAddress::Any, 0)?;
    let began = Instant::now();
    let prepared = Prepared { client, socket, name: address, port, began };
    if let Some(literal) = literal {
        let (native, session) = prepared.begin(&[literal], began)?;
        return Ok(Begun::Handshake(Transport::Native(Box::new(native)), Box::new(session)));
    }
    let lookup = Lookup::begin(&prepared.name).ok_or(ConnectError::TooManyLookups)?;
    Ok(Begun::Lookup(Box::new(Resolving { lookup, prepared })))
}
