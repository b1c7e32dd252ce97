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
//! A flight without an answer goes out again when the timer runs out, except the last one: its sender
//! is done, and repeats it when the flight before comes again. So a connected session has to be given
//! every datagram, and OpenSSL sees what belongs to the handshake.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use crate::admission::{self, Expectation};
use crate::bio::{Link, Step};
use crate::config::{ClientConfig, HANDSHAKE_TIMEOUT, MAX_PACKET, MTU, max_packet_size};
use crate::datagrams::Datagrams;
use crate::error::ConfigError;
use crate::failure::Failure;
use crate::peer_name::PeerName;
use crate::{ffi, record, verification};

/// Bytes of received packets that wait for the application, above which a session asks for no more
/// datagrams.
const RECEIVE_QUEUE: usize = 1024 * 1024;

/// What a packet in that queue counts for beside its own bytes.
const PER_PACKET: usize = 64;

/// Datagrams beginning with an encrypted record that a handshake takes in. OpenSSL keeps such a
/// record, in a buffer of 17 KB, until it has the keys, and would keep a hundred. What belongs to the
/// handshake mostly follows a plaintext record in its datagram; packets that overtake it are few.
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
    Handshaking(Handshaking),
    Connected(Connected),
    Closed,
    Failed(Failure),
}

struct Handshaking {
    link: Link,
    expectation: Expectation,
    started: Instant,
    retransmit_at: Option<Instant>,
    retransmissions: u32,
    /// What a client that has heard nothing yet starts over with. OpenSSL repeats a flight twelve
    /// times, which is over long before a server that is starting up may answer.
    again: Option<ClientConfig>,
    /// Whether something encrypted came that is not of the handshake.
    early: bool,
    /// Datagrams that began with an encrypted record.
    encrypted: u32,
}

struct Connected {
    link: Link,
}

impl Session {
    /// A client's session. Its ClientHello is there to be sent.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn connect(config: &ClientConfig, now: Instant) -> Result<Self, ConfigError> {
        let link = client_link(config)?;
        let expectation = Expectation::Server(config.verification.clone());
        Ok(Self::start(link, expectation, Some(config.clone()), now))
    }

    /// The session of a client whose ClientHello `link` has verified.
    pub(crate) fn accept(link: Link, now: Instant) -> Self {
        Self::start(link, Expectation::AnyClient, None, now)
    }

    fn start(
        link: Link,
        expectation: Expectation,
        again: Option<ClientConfig>,
        now: Instant,
    ) -> Self {
        let handshaking = Handshaking {
            link,
            expectation,
            started: now,
            retransmit_at: None,
            retransmissions: 0,
            again,
            early: false,
            encrypted: 0,
        };
        let mut session = Self { state: State::Closed, io: Io::default() };
        session.state = handshaking.step(None, now, &mut session.io);
        session
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        match &self.state {
            State::Handshaking(_) => Status::Handshaking,
            State::Connected(_) => Status::Connected,
            State::Closed => Status::Closed,
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

    /// Handles one datagram from the peer. What is not DTLS is dropped.
    pub fn handle_datagram(&mut self, datagram: &[u8], now: Instant) {
        let least_encrypted = match &self.state {
            State::Handshaking(state) => state.link.least_encrypted(),
            State::Connected(state) => state.link.least_encrypted(),
            State::Closed | State::Failed(_) => return,
        };
        let datagram = record::acceptable(datagram, least_encrypted);
        if datagram.is_empty() {
            return;
        }
        self.advance(|state, io| match state {
            State::Handshaking(state) => state.step(Some(datagram), now, io),
            State::Connected(state) => state.read(Some(datagram), false, io),
            over => over,
        });
    }

    /// Does what is due at `now`: sends a flight again, or gives the handshake up.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_timeout().is_some_and(|due| due <= now) {
            self.advance(|state, io| match state {
                State::Handshaking(state) => state.handle_timeout(now, io),
                other => other,
            });
        }
    }

    /// When [`Session::handle_timeout`] has something to do; `None` for never.
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Handshaking(state) => {
                let deadline = state.deadline();
                Some(state.retransmit_at.map_or(deadline, |at| at.min(deadline)))
            }
            _ => None,
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
        if negotiated == 0 { max_packet_size() } else { negotiated }
    }

    /// Ends the connection, or forgets why it failed. The peer is told, if there was one.
    pub fn close(&mut self) {
        self.advance(|state, io| match state {
            State::Handshaking(mut state) => {
                state.link.cancel(&mut io.outgoing);
                State::Closed
            }
            State::Connected(mut state) => {
                state.link.shutdown(&mut io.outgoing);
                State::Closed
            }
            State::Closed | State::Failed(_) => State::Closed,
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
        let state = mem::replace(&mut self.state, State::Closed);
        self.state = transition(state, &mut self.io);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("status", &self.status()).finish_non_exhaustive()
    }
}

fn client_link(config: &ClientConfig) -> Result<Link, openssl::error::ErrorStack> {
    let mut link = Link::new(&config.context, MTU)?;
    let ssl = link.ssl_mut();
    ssl.set_connect_state();
    if let Some(PeerName::Dns(name)) = &config.server_name {
        ssl.set_hostname(name)?;
    }
    verification::begin(ssl, &config.verification)?;
    Ok(link)
}

impl Handshaking {
    fn deadline(&self) -> Instant {
        self.started + HANDSHAKE_TIMEOUT
    }

    /// Goes on with the datagram that arrived, or starts.
    fn step(mut self, datagram: Option<&[u8]>, now: Instant, io: &mut Io) -> State {
        if let Some(datagram) = datagram {
            if record::starts_encrypted(datagram) {
                self.encrypted += 1;
                if self.encrypted > MOST_ENCRYPTED {
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

    fn wait(mut self, now: Instant) -> State {
        self.retransmit_at = self.link.time_to_retransmission().map(|left| now + left);
        if self.again.is_some() && self.link.is_exhausted() {
            self.retransmit_at = Some(now + START_OVER);
        }
        State::Handshaking(self)
    }

    fn handle_timeout(mut self, now: Instant, io: &mut Io) -> State {
        if now >= self.deadline() {
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
    fn finish(mut self, now: Instant, io: &mut Io) -> State {
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
                let connected = Connected { link: self.link };
                if self.early || connected.link.has_pending() {
                    connected.read(None, true, io)
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
    /// Decrypts every record of `datagram`, or those that are left.
    ///
    /// SSL_read is called while a record waits and no more often: one that ends in "try again" makes
    /// OpenSSL allocate the buffers (33 KB) that SSL_MODE_RELEASE_BUFFERS has just released.
    fn read(mut self, datagram: Option<&[u8]>, to_the_end: bool, io: &mut Io) -> State {
        let mut datagram = datagram;
        PLAINTEXT.with_borrow_mut(|plaintext| {
            loop {
                match self.link.read(&mut datagram, &mut io.outgoing, plaintext) {
                    Step::Done(length) => {
                        if let Some(packet) = plaintext.get(..length) {
                            io.received.push_back(packet.to_vec());
                            io.received_bytes += length + PER_PACKET;
                        }
                    }
                    Step::Waiting => return State::Connected(self),
                    Step::Closed => {
                        self.link.shutdown(&mut io.outgoing);
                        return State::Closed;
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
