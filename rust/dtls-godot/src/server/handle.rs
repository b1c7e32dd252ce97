//! A server that several threads can call.

use std::time::Instant;

use dtls_core::{Accepted, Datagrams, Listener, ServerConfig, Stats};
use godot::classes::PacketPeerUdp;
use godot::global::Error;
use godot::obj::Gd;
use parking_lot::Mutex;

use crate::configuration::error::CredentialError;
use crate::engine::logging::Holder;
use crate::engine::names::SERVER;
use crate::engine::udp::{self, Claim, Flow};
use crate::peer::PacketPeerDtls;

/// A server, and its lock. The engine is not called while it is locked: it may print something, and a script
/// that listens to the console may call the server.
#[derive(Default)]
pub(crate) struct ServerHandle(Mutex<Server>);

#[derive(Default)]
pub(super) struct Server {
    pub(super) listener: Option<Listener>,
    /// Why the last `setup` failed.
    last_error: String,
    /// What is wrong with the calls of `take_connection`.
    misuse: &'static str,
}

impl ServerHandle {
    pub(super) fn with<R>(&self, action: impl FnOnce(&mut Server) -> R) -> R {
        let _holder = Holder::new();
        let mut server = self.0.lock();
        action(&mut server)
    }

    pub(crate) fn last_error(&self) -> String {
        self.with(
            |Server { misuse, last_error, .. }| {
                if misuse.is_empty() { last_error.clone() } else { (*misuse).to_owned() }
            },
        )
    }

    pub(crate) fn stats(&self) -> Stats {
        self.with(|server| server.listener.as_ref().map(Listener::stats).unwrap_or_default())
    }

    /// The peer for the client behind `udp_peer`; one without a connection if there is none.
    pub(super) fn take_connection(
        &self,
        udp_peer: Option<Gd<PacketPeerUdp>>,
    ) -> Gd<PacketPeerDtls> {
        self.take(udp_peer).unwrap_or_else(|why| {
            // How often it is called is up to the clients that send datagrams, so a mistake is printed once.
            let known = self.with(|server| std::mem::replace(&mut server.misuse, why));
            if known != why {
                log::error!("{SERVER}.take_connection: {why}.");
            }
            PacketPeerDtls::refused(why)
        })
    }

    /// The peer for a client, or what the caller did wrong.
    fn take(
        &self,
        udp_peer: Option<Gd<PacketPeerUdp>>,
    ) -> Result<Gd<PacketPeerDtls>, &'static str> {
        const NOT_SET_UP: &str = "the server has no certificate yet; call setup() first";
        if self.with(|server| server.listener.is_none()) {
            return Err(NOT_SET_UP);
        }
        let mut udp = udp_peer.ok_or("the UDP peer is null")?;
        if !udp.is_socket_connected() {
            return Err(
                "the UDP peer is not connected; it has to come from UDPServer.take_connection()",
            );
        }
        let claim = Claim::of(&udp).ok_or(
            "another peer uses this UDP peer; take it again only when the connection of that one is over",
        )?;
        self.with(|server| server.misuse = "");
        let now = Instant::now();
        let mut outgoing = Datagrams::new();
        let mut session = None;
        let mut why = "no datagram is waiting";
        let asked = udp.clone();
        udp::receive(&mut udp, |datagram| {
            let Some(address) = udp::address(&asked) else {
                return Flow::More;
            };
            let accepted = self.with(|server| {
                let listener = server.listener.as_mut()?;
                Some(listener.handle_datagram(address, datagram, &mut outgoing, now))
            });
            let Some(accepted) = accepted else { return Flow::Enough };
            match accepted {
                Ok(Accepted::Session(accepted)) => {
                    session = Some(accepted);
                    return Flow::Enough;
                }
                Ok(Accepted::CookieSent) => {
                    log::debug!("{address} was sent a cookie");
                    why = "the client was asked to prove its address and will come again; \
                           this is a part of every connection";
                }
                Ok(Accepted::NotAHello) => {
                    log::debug!("{address} sent something other than a ClientHello");
                    why = "what arrived was not the beginning of a connection";
                }
                Err(error) => {
                    log::warn!("a ClientHello of {address} was lost: {error}");
                    why = "OpenSSL failed";
                }
            }
            Flow::More
        });
        for datagram in outgoing.iter() {
            udp::send(&mut udp, datagram);
        }
        Ok(match session {
            Some(session) => PacketPeerDtls::accepted(udp, claim, *session),
            None => PacketPeerDtls::refused(why),
        })
    }

    /// Keeps and prints the error, if there is one.
    pub(super) fn settle(&self, method: &str, result: Result<(), CredentialError>) -> Error {
        let last_error = result.as_ref().map_or_else(ToString::to_string, |()| String::new());
        self.with(|server| {
            server.misuse = "";
            server.last_error = last_error;
        });
        match result {
            Ok(()) => Error::OK,
            Err(error) => {
                log::error!("{SERVER}.{method}: {error}.");
                error.code()
            }
        }
    }
}

impl Server {
    pub(super) fn use_config(&mut self, config: ServerConfig) -> Result<(), CredentialError> {
        match &mut self.listener {
            Some(listener) => listener.set_config(config),
            None => self.listener = Some(Listener::new(config, Instant::now())?),
        }
        Ok(())
    }
}
