//! What carries the datagrams of a session.

use std::time::Instant;

use dtls_core::Session;
use godot::classes::PacketPeerUdp;
use godot::global::Error;
use godot::obj::Gd;

use super::native::Native;
use crate::engine::udp::{self, Claim, Flow};

/// What carries the datagrams of a session, which ends when it cannot any more.
pub(crate) enum Transport {
    Engine(EngineSocket),
    Native(Box<Native>),
}

/// A PacketPeerUDP of the game's.
pub(crate) struct EngineSocket {
    udp: Gd<PacketPeerUdp>,
    /// As long as this peer uses the socket, no other one may.
    _claim: Claim,
}

impl Transport {
    /// Gives the session the datagrams that wait.
    pub(crate) fn receive(&mut self, session: &mut Session) {
        match self {
            Self::Engine(socket) => socket.receive(session),
            Self::Native(native) => native.receive(session, Instant::now()),
        }
    }

    /// Sends what the session has to send; the last error of the socket, if it had one.
    pub(crate) fn send(&mut self, session: &mut Session) -> Error {
        match self {
            Self::Engine(socket) => socket.send(session),
            Self::Native(native) => native.send(session, Instant::now()),
        }
    }
}

impl EngineSocket {
    pub(crate) fn new(udp: Gd<PacketPeerUdp>, claim: Claim) -> Self {
        Self { udp, _claim: claim }
    }

    fn receive(&mut self, session: &mut Session) {
        let mut now = None;
        let answered = !session.is_full()
            && udp::receive(&mut self.udp, |datagram| {
                session.handle_datagram(datagram, *now.get_or_insert_with(Instant::now));
                if session.is_full() { Flow::Enough } else { Flow::More }
            });
        // A socket that has answered is open.
        if !answered && !self.udp.is_socket_connected() {
            session.transport_closed();
        }
    }

    fn send(&mut self, session: &mut Session) -> Error {
        if !self.udp.is_socket_connected() {
            // The engine would open a new socket, on another port, to send from.
            session.transmit(|_| {});
            session.transport_closed();
            return Error::ERR_UNCONFIGURED;
        }
        let mut result = Error::OK;
        session.transmit(|datagram| {
            let sent = udp::send(&mut self.udp, datagram);
            if sent != Error::OK {
                result = sent;
            }
        });
        result
    }
}
