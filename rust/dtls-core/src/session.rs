//! One connection.
//!
//! The handshake, from both sides (RFC 6347 section 4.2):
//!
//! 1. Client: ClientHello. Server: HelloVerifyRequest (see `acceptor.rs`). Client: ClientHello again,
//!    with the cookie.
//! 2. Server: ServerHello, Certificate, ServerKeyExchange, ServerHelloDone.
//! 3. Client: verifies the certificate (`verification.rs`); ClientKeyExchange, ChangeCipherSpec,
//!    Finished.
//! 4. Server: ChangeCipherSpec, Finished. Each side that has the other's Finished asks
//!    `admission.rs` whether this may be called connected.
//! 5. Application data, until one side sends close_notify.
//!
//! A server's client may start again from the same address without a goodbye (section 4.2.8): the
//! session answers its ClientHello with a HelloVerifyRequest and goes on, and ends when the cookie has
//! come back. A ClientHello that this very session began with, repeated or replayed, ends nothing.
//!
//! A flight without an answer goes out again when the timer runs out, except the last one: its sender
//! is done, and repeats it when the flight before comes again. So a connected session has to be given
//! every datagram, and OpenSSL sees what belongs to the handshake.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::admission::{self, Expectation};
use crate::bio::{Link, Step};
use crate::config::{ClientConfig, Limits, MAX_PACKET};
use crate::datagrams::Datagrams;
use crate::door::{Door, Knock, Place};
use crate::error::ConfigError;
use crate::failure::Failure;
use crate::peer_name::PeerName;
use crate::{ffi, record, verification};

/// Bytes of received packets that wait for the application, above which a session asks for no more
/// datagrams.
const RECEIVE_QUEUE: usize = 1024 * 1024;

/// What a packet in that queue counts for beside its own bytes.
const PER_PACKET: usize = 64;

/// Datagrams beginning with an encrypted record that a handshake takes in, of the handshake itself and
/// as many others. OpenSSL keeps such a record, in a buffer of 17 KB, until it has the keys, and would
/// keep a hundred. They are counted apart so that packets which overtake a lost Finished do not keep
/// its repetition out.
const MOST_ENCRYPTED: u32 = 16;

/// How long after its last repetition a first flight is replaced by a new one.
const START_OVER: Duration = Duration::from_secs(2);

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
}

/// One DTLS connection, of either side.
pub struct Session {
    state: State,
    io: Io,
    limits: Limits,
    /// Where it came in; a client's session has no such thing.
    entrance: Option<Entrance>,
}

/// How a server's session came about.
struct Entrance {
    door: Arc<Door>,
    peer: SocketAddr,
    /// The random of the ClientHello that it began with.
    random: Option<[u8; 32]>,
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
    received: VecDeque<Vec<u8>>,
    received_bytes: usize,
}

/// The states, in the order of the protocol.
enum State {
    /// Boxed: it needs much that a connection no longer does.
    Handshaking(Box<Handshaking>),
    Connected(Connected),
    Closed(Ending),
    Failed(Failure),
}

struct Handshaking {
    link: Link,
    expectation: Expectation,
    limits: Limits,
    /// A server's session may go on only as long as this has not been taken back.
    place: Option<Arc<Place>>,
    started: Instant,
    deadline: Instant,
    retransmit_at: Option<Instant>,
    retransmissions: u32,
    /// What a client that has heard nothing yet starts over with. OpenSSL repeats a flight twelve
    /// times, which is over long before a server that is starting up may answer.
    again: Option<ClientConfig>,
    /// Whether something encrypted came that is not of the handshake.
    early: bool,
    /// Datagrams that began with an encrypted record of the handshake.
    encrypted_handshake: u32,
    /// Datagrams that began with another encrypted record.
    encrypted_other: u32,
}

struct Connected {
    link: Link,
    /// When the peer's last packet came, or the handshake was over.
    heard: Instant,
    idle_timeout: Option<Duration>,
}

impl Session {
    /// A client's session. Its ClientHello is there to be sent.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn connect(config: &ClientConfig, now: Instant) -> Result<Self, ConfigError> {
        let link = client_link(config)?;
        let expectation = Expectation::Server(config.verification.clone());
        let mut handshaking = Handshaking::new(link, expectation, config.limits, now);
        handshaking.again = Some(config.clone());
        Ok(Self::start(handshaking, None, now))
    }

    /// The session of the client at `peer` whose ClientHello, `hello`, `link` has verified.
    pub(crate) fn accept(
        link: Link,
        door: Arc<Door>,
        peer: SocketAddr,
        hello: &[u8],
        now: Instant,
    ) -> Self {
        let limits = door.config.limits;
        let mut handshaking = Handshaking::new(link, Expectation::AnyClient, limits, now);
        handshaking.place = Some(door.enter());
        let random = record::client_random(hello);
        Self::start(handshaking, Some(Entrance { door, peer, random }), now)
    }

    fn start(handshaking: Box<Handshaking>, entrance: Option<Entrance>, now: Instant) -> Self {
        let mut io = Io::default();
        let limits = handshaking.limits;
        let state = handshaking.step(None, now, &mut io);
        Self { state, io, limits, entrance }
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        match &self.state {
            State::Handshaking(_) => Status::Handshaking,
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

    /// Handles one datagram from the peer. What is not DTLS is dropped.
    pub fn handle_datagram(&mut self, datagram: &[u8], now: Instant) {
        let least_encrypted = match &self.state {
            State::Handshaking(state) => state.link.least_encrypted(),
            State::Connected(state) => state.link.least_encrypted(),
            State::Closed(_) | State::Failed(_) => return,
        };
        let datagram = record::acceptable(datagram, least_encrypted);
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
    }

    /// Whether `datagram` is a ClientHello, and not the one that this session began with.
    fn is_of_another_attempt(&self, datagram: &[u8]) -> bool {
        self.entrance.as_ref().is_some_and(|entrance| {
            let random = record::client_random(datagram);
            random.is_some() && random != entrance.random
        })
    }

    /// Answers the ClientHello of a client that may have started again, or of a stranger who says so.
    fn handle_restart(&mut self, datagram: &[u8], now: Instant) {
        let Some(Entrance { door, peer, .. }) = &self.entrance else {
            return;
        };
        match door.knock(*peer, datagram, &mut self.io.outgoing, now) {
            // It has the cookie from that address. Its next repetition finds the door by itself.
            Ok(Knock::Verified(_)) => self.state = State::Closed(Ending::Restarted),
            Ok(Knock::CookieSent | Knock::Noise) => {}
            Err(error) => log::warn!("a ClientHello of {peer} was lost: {error}"),
        }
    }

    /// Does what is due at `now`: sends a flight again, or gives up a handshake or a silent peer.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_timeout().is_some_and(|due| due <= now) {
            self.advance(|state, io| match state {
                State::Handshaking(state) => state.handle_timeout(now, io),
                State::Connected(state) => state.handle_timeout(io),
                over => over,
            });
        }
    }

    /// When [`Session::handle_timeout`] has something to do; `None` for never.
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Handshaking(state) if state.has_lost_its_place() => Some(state.started),
            State::Handshaking(state) => {
                Some(state.retransmit_at.map_or(state.deadline, |at| at.min(state.deadline)))
            }
            State::Connected(state) => Some(state.heard + state.idle_timeout?),
            State::Closed(_) | State::Failed(_) => None,
        }
    }

    /// Gives every datagram that has to be sent to `send`, oldest first.
    pub fn transmit(&mut self, mut send: impl FnMut(&[u8])) {
        self.io.outgoing.iter().for_each(&mut send);
        self.io.outgoing.clear();
    }

    /// Encrypts one packet of the application, of at most [`MAX_PACKET`] bytes. An empty one is not
    /// sent: DTLS has no way to tell it from none.
    ///
    /// # Errors
    /// When there is no connection, or the packet is too large.
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
        match state.link.write(payload, &mut self.io.outgoing) {
            Step::Done(()) => Ok(()),
            Step::Waiting | Step::Closed => Err(SendError::NotConnected),
            Step::Broken(stack) => {
                self.state = State::Failed(Failure::from_openssl(&stack));
                Err(SendError::NotConnected)
            }
        }
    }

    /// The oldest packet that was received and not taken yet. Packets that arrived before the end of
    /// a connection stay here.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let packet = self.io.received.pop_front()?;
        self.io.received_bytes -= packet.len() + PER_PACKET;
        Some(packet)
    }

    /// How many packets [`Session::receive`] has.
    pub fn received(&self) -> usize {
        self.io.received.len()
    }

    /// Whether so much waits for the application that datagrams should be left where they are.
    pub fn is_full(&self) -> bool {
        self.io.received_bytes >= RECEIVE_QUEUE
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
            State::Handshaking(mut state) => {
                state.link.cancel(&mut io.outgoing);
                State::Closed(Ending::Closed)
            }
            State::Connected(mut state) => {
                state.link.shutdown(&mut io.outgoing);
                State::Closed(Ending::Closed)
            }
            State::Closed(_) | State::Failed(_) => State::Closed(Ending::Closed),
        });
    }

    /// Ends the session because its socket is gone.
    pub fn transport_closed(&mut self) {
        self.advance(|state, _| match state {
            State::Handshaking(_) | State::Connected(_) => State::Failed(Failure::TransportClosed),
            over => over,
        });
    }

    /// Replaces the state by what `transition` makes of it.
    fn advance(&mut self, transition: impl FnOnce(State, &mut Io) -> State) {
        // What stands here while it runs is seen by no one.
        let state = mem::replace(&mut self.state, State::Closed(Ending::Closed));
        self.state = transition(state, &mut self.io);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("status", &self.status()).finish_non_exhaustive()
    }
}

fn client_link(config: &ClientConfig) -> Result<Link, openssl::error::ErrorStack> {
    let mut link = Link::new(&config.context, config.limits.mtu())?;
    let ssl = link.ssl_mut();
    ssl.set_connect_state();
    if let Some(PeerName::Dns(name)) = &config.server_name {
        ssl.set_hostname(name)?;
    }
    verification::begin(ssl, &config.verification)?;
    Ok(link)
}

impl Handshaking {
    fn new(link: Link, expectation: Expectation, limits: Limits, now: Instant) -> Box<Self> {
        Box::new(Self {
            link,
            expectation,
            limits,
            place: None,
            deadline: now + limits.handshake_timeout(),
            started: now,
            retransmit_at: None,
            retransmissions: 0,
            again: None,
            early: false,
            encrypted_handshake: 0,
            encrypted_other: 0,
        })
    }

    fn has_lost_its_place(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.is_taken_back())
    }

    /// Goes on with the datagram that arrived, or starts.
    fn step(mut self: Box<Self>, datagram: Option<&[u8]>, now: Instant, io: &mut Io) -> State {
        if let Some(datagram) = datagram {
            if let Some(of_handshake) = record::starts_encrypted(datagram) {
                let count = if of_handshake {
                    &mut self.encrypted_handshake
                } else {
                    &mut self.encrypted_other
                };
                *count += 1;
                if *count > MOST_ENCRYPTED {
                    return State::Handshaking(self);
                }
            }
            self.again = None;
            self.early |= record::has_encrypted_data(datagram);
            // OpenSSL looks at its timer whenever it reads: here it is counted.
            match self.link.retransmit(&mut io.outgoing) {
                Step::Done(again) => self.retransmissions += u32::from(again),
                Step::Broken(stack) => return State::Failed(Failure::from_openssl(&stack)),
                Step::Waiting | Step::Closed => {}
            }
        }
        match self.link.handshake(datagram, &mut io.outgoing) {
            Step::Done(()) => self.finish(now, io),
            Step::Waiting => self.wait(now),
            Step::Closed => State::Failed(Failure::ClosedEarly),
            Step::Broken(stack) => {
                let refused = verification::refusal(self.link.ssl()).cloned();
                State::Failed(refused.unwrap_or_else(|| Failure::from_openssl(&stack)))
            }
        }
    }

    fn wait(mut self: Box<Self>, now: Instant) -> State {
        self.retransmit_at = self.link.time_to_retransmission().map(|left| now + left);
        if self.again.is_some() && self.link.is_exhausted() {
            self.retransmit_at = Some(now + START_OVER);
        }
        State::Handshaking(self)
    }

    fn handle_timeout(mut self: Box<Self>, now: Instant, io: &mut Io) -> State {
        if self.has_lost_its_place() {
            self.link.cancel(&mut io.outgoing);
            return State::Failed(Failure::TooManyPending);
        }
        if now >= self.deadline {
            let after = now.saturating_duration_since(self.started);
            let retransmissions = self.retransmissions;
            self.link.cancel(&mut io.outgoing);
            return State::Failed(Failure::TimedOut { after, retransmissions });
        }
        if self.link.is_exhausted()
            && let Some(config) = self.again.take()
        {
            match client_link(&config) {
                Ok(link) => self.link = link,
                Err(stack) => return State::Failed(Failure::from_openssl(&stack)),
            }
            self.retransmissions += 1;
            let mut state = self.step(None, now, io);
            if let State::Handshaking(state) = &mut state {
                state.again = Some(config);
            }
            return state;
        }
        match self.link.retransmit(&mut io.outgoing) {
            Step::Done(again) => {
                self.retransmissions += u32::from(again);
                self.wait(now)
            }
            Step::Waiting => self.wait(now),
            Step::Closed => State::Failed(Failure::ClosedEarly),
            Step::Broken(stack) => State::Failed(Failure::from_openssl(&stack)),
        }
    }

    /// Both Finished messages are there.
    fn finish(mut self: Box<Self>, now: Instant, io: &mut Io) -> State {
        match admission::admit(self.link.ssl(), &self.expectation) {
            Ok(()) => {
                let took: Duration = now.saturating_duration_since(self.started);
                log::debug!(
                    "handshake complete after {} ms, {} retransmissions, {}",
                    took.as_millis(),
                    self.retransmissions,
                    self.link.ssl().current_cipher().map_or("no cipher", |cipher| cipher.name()),
                );
                // Application data may have come in the same datagram, or before the Finished.
                let idle_timeout = self.limits.idle_timeout();
                let connected = Connected { link: self.link, heard: now, idle_timeout };
                if self.early || connected.link.has_pending() {
                    connected.read(None, true, now, io)
                } else {
                    State::Connected(connected)
                }
            }
            Err(failure) => {
                // OpenSSL has no call for another alert at this point.
                self.link.shutdown(&mut io.outgoing);
                State::Failed(failure)
            }
        }
    }
}

thread_local! {
    /// Where records are decrypted to before their length is known.
    static PLAINTEXT: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_PACKET].into_boxed_slice());
}

impl Connected {
    /// The peer was silent for too long.
    fn handle_timeout(mut self, io: &mut Io) -> State {
        self.link.shutdown(&mut io.outgoing);
        State::Closed(Ending::Idle(self.idle_timeout.unwrap_or_default()))
    }

    /// Decrypts every record of `datagram`, or those that are left.
    ///
    /// SSL_read is called while a record waits and no more often: one that ends in "try again" makes
    /// OpenSSL allocate the buffers (33 KB) that SSL_MODE_RELEASE_BUFFERS has just released.
    fn read(
        mut self,
        datagram: Option<&[u8]>,
        to_the_end: bool,
        now: Instant,
        io: &mut Io,
    ) -> State {
        let mut datagram = datagram;
        PLAINTEXT.with_borrow_mut(|plaintext| {
            loop {
                match self.link.read(&mut datagram, &mut io.outgoing, plaintext) {
                    Step::Done(length) => {
                        if let Some(packet) = plaintext.get(..length) {
                            io.received.push_back(packet.to_vec());
                            io.received_bytes += length + PER_PACKET;
                            self.heard = now;
                        }
                    }
                    Step::Waiting => return State::Connected(self),
                    Step::Closed => {
                        self.link.shutdown(&mut io.outgoing);
                        return State::Closed(Ending::ClosedByPeer);
                    }
                    Step::Broken(stack) => return State::Failed(Failure::from_openssl(&stack)),
                }
                // OpenSSL gives what it has kept from before first.
                if !to_the_end && datagram.is_none() && !self.link.has_pending() {
                    return State::Connected(self);
                }
            }
        })
    }
}
