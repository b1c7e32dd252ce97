//! One connection.
//!
//! The handshake, from both sides (RFC 6347 section 4.2):
//!
//! 1. Client: ClientHello. Server: HelloVerifyRequest (see `cookie_exchange.rs`). Client: ClientHello again,
//!    with the cookie.
//! 2. Server: ServerHello, Certificate, ServerKeyExchange, ServerHelloDone.
//! 3. Client: verifies the certificate (`verification.rs`); ClientKeyExchange, ChangeCipherSpec,
//!    Finished.
//! 4. Server: ChangeCipherSpec, Finished. Each side that has the other's Finished asks
//!    `admission.rs` whether this may be called connected.
//! 5. Application data, until one side sends close_notify.
//!
//! A server's client may start again from the same address without close_notify (section 4.2.8): the
//! session answers its ClientHello with a HelloVerifyRequest and goes on. When the cookie has come back,
//! a second handshake runs beside the connection, as its successor. The connection ends when that one is
//! admitted, and by nothing less; the successor then waits for the client's next datagram to the
//! listener. A handshake that is not over has nothing to lose: it is replaced when the cookie comes
//! back. A ClientHello from before the session began has a cookie from before, which counts for nothing.
//!
//! A flight without an answer goes out again when the timer runs out, except the last one: its sender
//! is done, and repeats it when the flight before comes again. So a connected session has to be given
//! every datagram, and OpenSSL sees what belongs to the handshake.

mod client;
mod connected;
mod handshaking;
mod negotiated;
mod received;
mod restart;

use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openssl::ssl::SslRef;

use crate::config::session_cache::KnownServer;
use crate::config::{Limits, MAX_PACKET};
use crate::credentials::peer_name;
use crate::credentials::{certificate, pins};
use crate::handshake::cookie_exchange::CookieExchange;
use crate::handshake::pending::PendingHandshake;
use crate::report::failure::Failure;
use crate::report::stats::{Count, Dropped, RegisteredCounters, Stats};
use crate::ssl::bio::{Link, Step};
use crate::ssl::ffi;
use crate::wire::datagrams::Datagrams;
use crate::wire::record;

use connected::Connected;
pub(crate) use handshaking::Handshaking;
use received::Received;

/// Bytes of received packets that wait for the application, above which a session asks for no more
/// datagrams.
const RECEIVE_QUEUE: usize = 1024 * 1024;

/// How a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The handshake is under way.
    Handshaking,
    /// Packets can be sent and received.
    Connected,
    /// One side ended it as it should.
    Closed,
    /// It failed; [`Session::failure`] says why.
    Failed,
}

/// Why a packet was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no connection.
    #[error("the connection is not established")]
    NotConnected,
    /// DTLS does not split packets.
    #[error("a packet may have at most {MAX_PACKET} bytes")]
    TooLarge,
    /// 1 MiB waits to be taken by [`Session::transmit`].
    #[error("too much waits to be sent")]
    QueueFull,
}

/// One DTLS connection, of either side.
pub struct Session {
    state: State,
    io: Io,
    limits: Limits,
    origin: Origin,
    /// The session of a client that has started again, while it is not admitted.
    successor: Option<Box<Session>>,
}

/// How a session came about.
enum Origin {
    /// This side is the client.
    Client(Arc<KnownServer>),
    /// This side is the server.
    Server(ServerOrigin),
}

/// What a server's session began with.
struct ServerOrigin {
    exchange: Arc<CookieExchange>,
    peer: SocketAddr,
    /// The random of its ClientHello.
    random: Option<[u8; 32]>,
    began: Instant,
}

/// How a session ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// This side closed it.
    #[error("this side closed the connection")]
    Closed,
    /// The peer closed it.
    #[error("the other side closed the connection")]
    ClosedByPeer,
    /// Nothing came from the peer for so long.
    #[error("nothing came from the other side for {} s", .0.as_secs_f32())]
    Idle(Duration),
    /// The client has begun a new connection from the same address.
    #[error("the client started again")]
    Restarted,
}

/// What a session gives to its owner.
#[derive(Default)]
struct Io {
    outgoing: Datagrams,
    received: Received,
    /// Whether the queue has been full since the last datagram, so that others may wait outside.
    left_waiting: bool,
    counters: RegisteredCounters,
}

/// The states, in the order of the protocol.
enum State {
    /// Boxed: it needs much that a connection no longer does. A server's is here only while something is
    /// done with it.
    Handshaking(Box<Handshaking>),
    /// A server's handshake, which may be displaced by another one at any time.
    Pending(Arc<PendingHandshake>),
    Connected(Connected),
    Closed(Ending),
    Failed(Failure),
}

impl Session {
    /// The session of the client at `peer`, whose ClientHello `hello` has the right cookie and was read
    /// through `link`.
    pub(crate) fn accept(
        link: Link,
        exchange: Arc<CookieExchange>,
        peer: SocketAddr,
        hello: &[u8],
        now: Instant,
    ) -> Self {
        let limit = exchange.config.max_peers_per_prefix;
        if let Err(too_many) = exchange.server.connected.have_room(exchange.prefix(peer), limit) {
            let mut io = Io { counters: exchange.server.stats.register(), ..Io::default() };
            io.counters.add(Count::HandshakesStarted, 1);
            if let Some(alert) = record::plaintext_denial(hello) {
                io.outgoing.push(&alert);
            }
            let state = io.fail(too_many.into());
            let limits = exchange.config.limits;
            let origin = Origin::Server(ServerOrigin { exchange, peer, random: None, began: now });
            return Self { state, io, limits, origin, successor: None };
        }
        let handshaking = Handshaking::of_server(link, &exchange, peer, hello, now);
        Self::serve(handshaking, exchange, peer, hello, now)
    }

    fn serve(
        handshaking: Box<Handshaking>,
        exchange: Arc<CookieExchange>,
        peer: SocketAddr,
        hello: &[u8],
        now: Instant,
    ) -> Self {
        let (limits, counters) = (exchange.config.limits, exchange.server.stats.register());
        let pending = exchange.register(peer, now);
        let random = record::client_random(hello);
        let origin = Origin::Server(ServerOrigin { exchange, peer, random, began: now });
        let mut session = Self::start(handshaking, limits, origin, counters, now);
        session.store(pending);
        session.handle_rest_of(hello, now);
        session
    }

    fn start(
        handshaking: Box<Handshaking>,
        limits: Limits,
        origin: Origin,
        counters: RegisteredCounters,
        now: Instant,
    ) -> Self {
        counters.add(Count::HandshakesStarted, 1);
        let mut io = Io { counters, ..Io::default() };
        let state = handshaking.step(None, now, &mut io);
        Self { state, io, limits, origin, successor: None }
    }

    /// Goes on with what stands behind the first record of the ClientHello's datagram: it may come in
    /// several fragments, and OpenSSL has read the first.
    fn handle_rest_of(&mut self, hello: &[u8], now: Instant) {
        let rest = record::behind_first(hello);
        if !rest.is_empty() {
            self.advance(|state, io| match state {
                State::Handshaking(state) => state.go_on(rest, now, io),
                over => over,
            });
        }
    }

    /// Puts the handshake into `pending`, where another one can displace it.
    fn store(&mut self, pending: Arc<PendingHandshake>) {
        let state = mem::replace(&mut self.state, State::Closed(Ending::Closed));
        self.state = state.stored_in(pending, &self.io);
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        match &self.state {
            State::Handshaking(_) | State::Pending(_) => Status::Handshaking,
            State::Connected(_) => Status::Connected,
            State::Closed(_) => Status::Closed,
            State::Failed(_) => Status::Failed,
        }
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.state {
            State::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// How it ended, if it did and did not fail.
    pub fn ending(&self) -> Option<Ending> {
        match self.state {
            State::Closed(ending) => Some(ending),
            _ => None,
        }
    }

    /// Handles one datagram from the peer. What is not DTLS is dropped, and so are its packets while
    /// [`Session::is_full`].
    pub fn handle_datagram(&mut self, datagram: &[u8], now: Instant) {
        let Some(least_encrypted) = self.least_encrypted() else {
            return;
        };
        self.io.counters.received(datagram.len());
        let acceptable = record::acceptable(datagram, least_encrypted);
        if acceptable.len() < datagram.len().max(1) {
            self.io.counters.dropped(Dropped::Malformed);
        }
        self.handle_accepted(datagram, acceptable, now);
    }

    /// Handles a datagram that another session of the same client has, too, and has counted.
    pub(crate) fn handle_copy(&mut self, datagram: &[u8], now: Instant) {
        if let Some(least_encrypted) = self.least_encrypted() {
            self.handle_accepted(datagram, record::acceptable(datagram, least_encrypted), now);
        }
    }

    /// Handles the part of a datagram that is acceptable.
    fn handle_accepted(&mut self, datagram: &[u8], acceptable: &[u8], now: Instant) {
        self.io.left_waiting = self.io.is_full();
        if acceptable.len() < datagram.len() {
            self.notice_oversized_certificates(
                datagram.get(acceptable.len()..).unwrap_or_default(),
            );
        }
        self.handle_records(acceptable, now);
    }

    /// Shortest body of an encrypted record, in bytes; `None` when it is over.
    fn least_encrypted(&self) -> Option<usize> {
        match &self.state {
            State::Handshaking(state) => Some(state.least_encrypted()),
            State::Pending(pending) => {
                let known = pending.inspect(|handshaking| handshaking.least_encrypted());
                Some(known.unwrap_or(record::LEAST_ENCRYPTED))
            }
            State::Connected(state) => Some(state.least_encrypted),
            State::Closed(_) | State::Failed(_) => None,
        }
    }

    /// Handles a datagram of which nothing is left but acceptable records.
    fn handle_records(&mut self, datagram: &[u8], now: Instant) {
        if datagram.is_empty() {
            return;
        }
        if self.is_of_another_attempt(datagram) {
            self.handle_restart(datagram, now);
            return;
        }
        self.advance(|state, io| match state {
            State::Handshaking(state) => state.step(Some(datagram), now, io),
            State::Connected(state) => state.read(Some(datagram), false, now, io),
            over => over,
        });
        // Only one of the two can make something of it, and that is not known before.
        self.with_successor(|successor| {
            if let Some(least) = successor.least_encrypted() {
                successor.handle_records(record::acceptable(datagram, least), now);
            }
        });
    }

    /// Notes that the peer of a handshake has more certificates than are let through.
    fn notice_oversized_certificates(&mut self, dropped: &[u8]) {
        if let State::Handshaking(_) | State::Pending(_) = &self.state
            && let Some(bytes) = record::oversized_certificates(dropped)
        {
            self.advance(|state, io| match state {
                State::Handshaking(state) => state.refuse_oversized_certificates(bytes, io),
                other => other,
            });
        }
    }

    /// Does what is due at `now`: sends a flight again, or gives up a handshake or a silent peer.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.own_timeout().is_some_and(|due| due <= now) {
            self.advance(|state, io| match state {
                State::Handshaking(state) => state.handle_timeout(now, io),
                State::Connected(state) => state.handle_timeout(now, io),
                over => over,
            });
        }
        self.with_successor(|successor| successor.handle_timeout(now));
    }

    /// When [`Session::handle_timeout`] has something to do; `None` for never.
    pub fn next_timeout(&self) -> Option<Instant> {
        let successor = self.successor.as_ref().and_then(|successor| successor.own_timeout());
        self.own_timeout().into_iter().chain(successor).min()
    }

    fn own_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Handshaking(state) => Some(state.next_timeout()),
            State::Pending(pending) => Some(pending.next_timeout()),
            // The peer is not idle while its datagrams may be waiting outside.
            State::Connected(_) if self.io.is_full() => None,
            State::Connected(state) => state.next_timeout(),
            State::Closed(_) | State::Failed(_) => None,
        }
    }

    /// Whether there is something to send.
    pub fn has_outgoing(&self) -> bool {
        !self.io.outgoing.is_empty()
    }

    /// Gives every datagram that has to be sent to `send`, oldest first.
    pub fn transmit(&mut self, mut send: impl FnMut(&[u8])) {
        for datagram in self.io.outgoing.iter() {
            self.io.counters.sent(datagram.len());
            send(datagram);
        }
        self.io.outgoing.clear();
        self.io.note_refused();
    }

    /// Encrypts one packet of the application, of at most [`MAX_PACKET`] bytes. An empty one is not
    /// sent: DTLS has no way to tell it from none.
    ///
    /// # Errors
    /// When there is no connection, the packet is too large, or 1 MiB waits to be sent.
    pub fn send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let State::Connected(state) = &mut self.state else {
            return Err(SendError::NotConnected);
        };
        if payload.len() > MAX_PACKET {
            return Err(SendError::TooLarge);
        }
        if payload.is_empty() {
            return Ok(());
        }
        if self.io.outgoing.is_full() {
            self.io.counters.dropped(Dropped::SendQueueFull);
            return Err(SendError::QueueFull);
        }
        match state.link.write(payload, &mut self.io.outgoing) {
            Step::Done(()) => {
                self.io.counters.add(Count::PacketsSent, 1);
                Ok(())
            }
            Step::Waiting | Step::Closed => Err(SendError::NotConnected),
            Step::Broken(stack) => {
                self.advance(|_, _| State::Failed(Failure::from_openssl(&stack)));
                Err(SendError::NotConnected)
            }
        }
    }

    /// The oldest packet that was received and not taken yet. Packets that arrived before the end of
    /// a connection stay here.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        self.receive_with(<[u8]>::to_vec)
    }

    /// Gives the oldest packet that was received and not taken yet to `take`.
    pub fn receive_with<R>(&mut self, take: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.io.received.pop(take)
    }

    /// How many packets [`Session::receive`] has.
    pub fn received(&self) -> usize {
        self.io.received.len()
    }

    /// Whether so much waits for the application that datagrams should be left where they are.
    pub fn is_full(&self) -> bool {
        self.io.is_full()
    }

    /// Whether it goes on with the session of an earlier connection, so that certificates were not
    /// shown again. `false` before it is connected.
    pub fn is_resumed(&self) -> bool {
        matches!(&self.state, State::Connected(state) if state.link.ssl().session_reused())
    }

    /// The certificates of the peer, each in PEM, its own first. The others are those that it sent; a
    /// resumed session may know its own only. Empty without a certificate or a connection.
    pub fn peer_certificates_pem(&self) -> Vec<String> {
        self.connection().map_or_else(Vec::new, certificate::of_peer)
    }

    /// SHA-256 of the peer's own certificate, in the form of a pin: `sha256:` and 64 hexadecimal digits.
    /// `None` without a certificate or a connection.
    pub fn peer_fingerprint(&self) -> Option<String> {
        pins::fingerprint(&*self.connection()?.peer_certificate()?)
    }

    /// The common name in the peer's certificate. What is not printable is escaped, and what is longer
    /// than 200 characters is cut.
    pub fn peer_common_name(&self) -> Option<String> {
        peer_name::common_name(&*self.connection()?.peer_certificate()?)
    }

    fn connection(&self) -> Option<&SslRef> {
        match &self.state {
            State::Connected(state) => Some(state.link.ssl()),
            _ => None,
        }
    }

    /// What the session has counted.
    pub fn stats(&self) -> Stats {
        self.io.counters.snapshot()
    }

    /// How many packets have come from the peer.
    pub(crate) fn packets_received(&self) -> u64 {
        self.io.counters.get(Count::PacketsReceived)
    }

    /// A packet was received and could not be kept.
    pub(crate) fn note_dropped(&self, why: Dropped) {
        self.io.counters.dropped(why);
    }

    /// How long a handshake of this session may take.
    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.limits.handshake_timeout()
    }

    /// The largest packet, in bytes, that fits one datagram.
    pub fn max_packet_size(&self) -> usize {
        let negotiated = match &self.state {
            State::Connected(state) => ffi::data_mtu(state.link.ssl()),
            _ => 0,
        };
        if negotiated == 0 { self.limits.max_packet_size() } else { negotiated }
    }

    /// Ends the connection, or forgets why it failed. The peer is told, if there was one.
    pub fn close(&mut self) {
        self.advance(|state, io| match state {
            State::Handshaking(state) => state.close(io),
            State::Connected(state) => state.close(io),
            _ => State::Closed(Ending::Closed),
        });
    }

    /// Ends the session because its socket is gone.
    pub fn transport_closed(&mut self) {
        self.advance(|state, io| match state {
            State::Handshaking(_) => io.fail(Failure::TransportClosed),
            State::Connected(_) => State::Failed(Failure::TransportClosed),
            over => over,
        });
    }

    /// Replaces the state by what `transition` makes of it.
    fn advance(&mut self, transition: impl FnOnce(State, &mut Io) -> State) {
        // The state that stands here while `transition` runs is not seen by any caller.
        let state = mem::replace(&mut self.state, State::Closed(Ending::Closed));
        self.state = match state {
            State::Pending(pending) => {
                let state = match pending.take() {
                    Ok(handshaking) => State::Handshaking(handshaking),
                    Err(mut alert) => {
                        self.io.outgoing.append(&mut alert);
                        State::Failed(Failure::TooManyPending)
                    }
                };
                transition(state, &mut self.io).stored_in(pending, &self.io)
            }
            state => transition(state, &mut self.io),
        };
        self.io.note_refused();
        self.io.counters.connected(matches!(self.state, State::Connected(_)));
        if let (State::Failed(_), Origin::Client(server)) = (&self.state, &self.origin) {
            server.forget();
        }
        if let (
            State::Failed(_) | State::Closed(_),
            Origin::Server(ServerOrigin { exchange, peer, .. }),
        ) = (&self.state, &self.origin)
            && let Some(successor) = self.successor.take()
        {
            exchange.server.hand_over(*peer, successor);
        }
    }
}

impl State {
    /// The same, where a handshake is stored in `pending`.
    fn stored_in(self, pending: Arc<PendingHandshake>, io: &Io) -> Self {
        match self {
            Self::Handshaking(handshaking) => {
                pending.put(handshaking, io.counters.counters());
                Self::Pending(pending)
            }
            state => state,
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Io {
    fn is_full(&self) -> bool {
        self.received.bytes() >= RECEIVE_QUEUE
    }

    fn push_received(&mut self, packet: &[u8]) {
        self.counters.add(Count::PacketsReceived, 1);
        self.received.push(packet);
        self.left_waiting |= self.is_full();
    }

    /// Counts the datagrams that found the send queue full.
    fn note_refused(&mut self) {
        for _ in 0..self.outgoing.take_refused() {
            self.counters.dropped(Dropped::SendQueueFull);
        }
    }

    /// A handshake has failed.
    fn fail(&mut self, failure: Failure) -> State {
        self.counters.failed(failure.reason());
        State::Failed(failure)
    }

    fn note_retransmissions(&mut self, flights: u64) {
        self.counters.add(Count::Retransmissions, flights);
    }
}
