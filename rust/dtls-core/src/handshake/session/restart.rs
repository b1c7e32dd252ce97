//! Clients that start again from the address of a session (RFC 6347 section 4.2.8).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::handshake::cookie_exchange::{CookieExchange, HelloOutcome};
use crate::handshake::networks::PeerPermit;
use crate::report::failure::Failure;
use crate::report::stats::{Count, Dropped};
use crate::ssl::bio::Link;
use crate::wire::record;

use super::{Ending, Handshaking, Origin, Session, State};

impl Session {
    /// Whether `datagram` is a ClientHello, and not the one that this session began with.
    pub(crate) fn is_of_another_attempt(&self, datagram: &[u8]) -> bool {
        let Origin::Server(origin) = &self.origin else {
            return false;
        };
        let random = record::client_random(datagram);
        random.is_some() && random != origin.random
    }

    /// Answers the ClientHello of a client that may have started again, or of a stranger that spoofs its
    /// address.
    pub(super) fn handle_restart(&mut self, datagram: &[u8], now: Instant) {
        if self.successor.is_some() {
            self.with_successor(|successor| successor.handle_records(datagram, now));
            return;
        }
        let Origin::Server(origin) = &mut self.origin else {
            return;
        };
        let Some(exchange) = origin.exchange.server.exchange() else {
            self.io.counters.dropped(Dropped::Unexpected);
            return;
        };
        let (peer, after) = (origin.peer, Some(origin.began));
        match exchange.handle_datagram(peer, datagram, &mut self.io.outgoing, after, now) {
            Ok(HelloOutcome::Verified(link)) if matches!(self.state, State::Connected(_)) => {
                self.successor = Some(Self::succeed(link, exchange, peer, datagram, now));
                self.with_successor(|_| ());
            }
            Ok(HelloOutcome::Verified(link)) => {
                origin.random = record::client_random(datagram);
                origin.began = now;
                self.limits = exchange.config.limits;
                // What the attempt before had to say is of no use to this one.
                self.io.outgoing.clear();
                self.io.counters.add(Count::HandshakesStarted, 1);
                self.advance(|state, io| match state {
                    State::Handshaking(before) => {
                        let mut next = Handshaking::of_server(link, &exchange, peer, datagram, now);
                        next.replace(&before);
                        next.step(None, now, io)
                    }
                    over => over,
                });
                self.handle_rest_of(datagram, now);
            }
            Ok(HelloOutcome::CookieSent) => {
                self.io.counters.add(Count::CookiesSent, 1);
                if let State::Pending(pending) = &self.state {
                    pending.inspect(|handshaking| handshaking.hold_back(now));
                }
            }
            Ok(HelloOutcome::NotAHello) => self.io.counters.dropped(Dropped::Unexpected),
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
        let pending = match &successor.state {
            State::Pending(pending) => Arc::clone(pending),
            _ => {
                self.io.outgoing.append(&mut successor.io.outgoing);
                self.successor = None;
                return;
            }
        };
        if pending.inspect(|handshaking| handshaking.is_admitted()) != Some(true) {
            self.io.outgoing.append(&mut successor.io.outgoing);
            return;
        }
        // Its last flight stays with it: a client that is not answered repeats its own, which comes to the
        // listener.
        let permit = self.give_way();
        pending.inspect(|handshaking| handshaking.inherit(permit));
    }

    /// Ends for an admitted successor, which gets the permit.
    fn give_way(&mut self) -> Option<PeerPermit> {
        let permit = match &mut self.state {
            State::Connected(state) => state.permit.take(),
            _ => None,
        };
        self.advance(|_, _| State::Closed(Ending::Restarted));
        permit
    }

    /// Whether it was begun beside another session of its client and has come to its end, up to
    /// [`Session::take_over`].
    pub(crate) fn is_admitted(&self) -> bool {
        let State::Pending(pending) = &self.state else {
            return false;
        };
        pending.inspect(|handshaking| handshaking.is_admitted()) == Some(true)
    }

    /// Is connected in place of `before`, the session that its client had, which ends. Without one, its client
    /// counts anew. If it was displaced in the meantime, or the server has come to demand something else, it fails,
    /// and `before` goes on.
    pub(crate) fn take_over(&mut self, before: Option<&mut Self>, now: Instant) {
        if let State::Pending(pending) = &self.state {
            // From here on nobody else can displace it.
            match pending.take() {
                Ok(mut handshaking) => {
                    if handshaking.is_still_admitted() {
                        handshaking.inherit(before.and_then(Self::give_way));
                    }
                    handshaking.release();
                    self.state = State::Handshaking(handshaking);
                    self.handle_timeout(now);
                }
                Err(mut alert) => {
                    self.io.outgoing.append(&mut alert);
                    self.state = State::Failed(Failure::TooManyPending);
                }
            }
        } else if let Some(before) = before {
            drop(before.give_way());
        }
    }

    /// When the handshake of a server's session began.
    pub(crate) fn began(&self) -> Option<Instant> {
        match &self.origin {
            Origin::Server(origin) => Some(origin.began),
            Origin::Client(_) => None,
        }
    }

    /// Whether a handshake is left that has not taken too long.
    pub(crate) fn can_go_on(&self, now: Instant) -> bool {
        let State::Pending(pending) = &self.state else {
            return false;
        };
        pending.inspect(|handshaking| now < handshaking.deadline()).unwrap_or(false)
    }

    /// Goes on as a session of its own, since the one that it follows has ended. `datagram` has shown
    /// that the client is still there.
    pub(crate) fn go_on(&mut self, datagram: &[u8], now: Instant) {
        let State::Pending(pending) = &self.state else {
            return;
        };
        let admitted = pending.inspect(|handshaking| {
            handshaking.release();
            handshaking.is_admitted()
        });
        // The client has repeated its last flight, whose answer is there.
        if admitted != Some(true) || self.is_of_another_attempt(datagram) {
            self.handle_datagram(datagram, now);
        }
    }

    /// The session of a client that has another one, which is to end when this one is admitted.
    pub(crate) fn succeed(
        link: Link,
        exchange: Arc<CookieExchange>,
        peer: SocketAddr,
        hello: &[u8],
        now: Instant,
    ) -> Box<Self> {
        let mut handshaking = Handshaking::of_server(link, &exchange, peer, hello, now);
        handshaking.hold();
        Box::new(Self::serve(handshaking, exchange, peer, hello, now))
    }
}
