//! Clients that start again from the address of a session (RFC 6347 section 4.2.8).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::bio::Link;
use crate::door::{Door, Knock};
use crate::record;
use crate::stats::{Count, Dropped};

use super::{Ending, Handshaking, Origin, Session, State};

impl Session {
    /// Whether `datagram` is a ClientHello, and not the one that this session began with.
    pub(super) fn is_of_another_attempt(&self, datagram: &[u8]) -> bool {
        let Origin::Server(entrance) = &self.origin else {
            return false;
        };
        let random = record::client_random(datagram);
        random.is_some() && random != entrance.random
    }

    /// Answers the ClientHello of a client that may have started again, or of a stranger who says so.
    pub(super) fn handle_restart(&mut self, datagram: &[u8], now: Instant) {
        if self.successor.is_some() {
            self.with_successor(|successor| successor.handle_records(datagram, now));
            return;
        }
        let Origin::Server(entrance) = &mut self.origin else {
            return;
        };
        let Some(door) = entrance.door.lobby.door() else {
            self.io.counters.dropped(Dropped::Unexpected);
            return;
        };
        let (peer, after) = (entrance.peer, Some(entrance.began));
        match door.knock(peer, datagram, &mut self.io.outgoing, after, now) {
            Ok(Knock::Verified(link)) if matches!(self.state, State::Connected(_)) => {
                self.successor = Some(Self::succeed(link, door, peer, datagram, now));
                self.with_successor(|_| ());
            }
            Ok(Knock::Verified(link)) => {
                entrance.random = record::client_random(datagram);
                entrance.began = now;
                self.limits = door.config.limits;
                // What the attempt before had to say is of no use to this one.
                self.io.outgoing.clear();
                self.io.counters.add(Count::HandshakesStarted, 1);
                self.advance(|state, io| match state {
                    State::Handshaking(before) => {
                        let mut next = Handshaking::of_server(link, &door, peer, datagram, now);
                        next.replace(&before);
                        next.step(None, now, io)
                    }
                    over => over,
                });
                self.handle_rest_of(datagram, now);
            }
            Ok(Knock::CookieSent) => {
                self.io.counters.add(Count::CookiesSent, 1);
                if let State::Pending(place) = &self.state {
                    place.look(|handshaking| handshaking.hold_back(now));
                }
            }
            Ok(Knock::Noise) => self.io.counters.dropped(Dropped::Unexpected),
            Err(error) => log::warn!("a ClientHello of {peer} was lost: {error}"),
        }
    }

    /// Does something with the successor, if there is one. When it has been admitted, this session
    /// ends.
    pub(super) fn with_successor(&mut self, action: impl FnOnce(&mut Self)) {
        let Some(successor) = &mut self.successor else {
            return;
        };
        action(successor);
        let place = match &successor.state {
            State::Pending(place) => Arc::clone(place),
            _ => {
                self.io.outgoing.append(&mut successor.io.outgoing);
                self.successor = None;
                return;
            }
        };
        if place.look(|handshaking| handshaking.is_admitted()) != Some(true) {
            self.io.outgoing.append(&mut successor.io.outgoing);
            return;
        }
        // Its last flight stays with it: a client that is not answered will come again, and find the
        // acceptor.
        let permit = match &mut self.state {
            State::Connected(state) => state.permit.take(),
            _ => None,
        };
        place.look(|handshaking| handshaking.inherit(permit));
        self.advance(|_, _| State::Closed(Ending::Restarted));
    }

    /// Whether a handshake is left that has not taken too long.
    pub(crate) fn can_go_on(&self, now: Instant) -> bool {
        let State::Pending(place) = &self.state else {
            return false;
        };
        place.look(|handshaking| now < handshaking.deadline()).unwrap_or(false)
    }

    /// Goes on as a session of its own, since the one that it follows has ended. `datagram` has shown
    /// that there is somebody at its address.
    pub(crate) fn go_on(&mut self, datagram: &[u8], now: Instant) {
        let State::Pending(place) = &self.state else {
            return;
        };
        let admitted = place.look(|handshaking| {
            handshaking.release();
            handshaking.is_admitted()
        });
        // The client has repeated its last flight, whose answer is there.
        if admitted != Some(true) || self.is_of_another_attempt(datagram) {
            self.handle_datagram(datagram, now);
        }
    }

    /// The session of a client that has another one, which is to end when this one is admitted.
    fn succeed(
        link: Link,
        door: Arc<Door>,
        peer: SocketAddr,
        hello: &[u8],
        now: Instant,
    ) -> Box<Self> {
        let mut handshaking = Handshaking::of_server(link, &door, peer, hello, now);
        handshaking.hold();
        Box::new(Self::serve(handshaking, door, peer, hello, now))
    }
}
