//! A handshake, of either side.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::session_cache::KnownServer;
use crate::config::{ClientConfig, Limits};
use crate::credentials::peer_name::PeerName;
use crate::credentials::{psk, verification};
use crate::handshake::admission::{self, Expectation};
use crate::handshake::cookie_exchange::CookieExchange;
use crate::handshake::networks::{ConnectedPeers, PeerPermit, Prefix};
use crate::report::error::ConnectError;
use crate::report::failure::{Failure, Role};
use crate::report::stats::{Count, Dropped};
use crate::ssl::bio::{Link, Step};
use crate::ssl::suites;
use crate::wire::datagrams::Datagrams;
use crate::wire::record;

use super::connected::Connected;
use super::{Ending, Io, State};

/// Encrypted records that a handshake takes in before it has the keys, of the handshake itself and as
/// many others. OpenSSL keeps them until then (4.0 no more than 16; versions before 4.0.2 a hundred, in
/// 17 KB each). They are counted apart so that packets which overtake a lost Finished do not keep its
/// repetition out.
const MOST_ENCRYPTED: u32 = 16;

/// How long a flight is held back for a client that may have started again: a round trip and some.
const HOLD_BACK: Duration = Duration::from_secs(1);

/// How long after its last repetition a first flight is replaced by a new one.
const START_OVER: Duration = Duration::from_secs(2);

pub(crate) struct Handshaking {
    link: Link,
    expectation: Expectation,
    limits: Limits,
    /// Where a server counts its client once it is connected.
    admission: Option<Admission>,
    progress: Progress,
    started: Instant,
    /// When its time began to count, which a client's may do before.
    began: Instant,
    deadline: Instant,
    retransmit_at: Option<Instant>,
    /// What a client that has heard nothing yet starts over with. OpenSSL repeats a flight twelve
    /// times, which is over long before a server that is starting up may answer.
    again: Option<ClientConfig>,
    /// The number that the next plaintext record is given before OpenSSL sees it. Its own is worth
    /// nothing: anyone could send one with a large number, and all that come from the peer would be
    /// too old.
    next_plain: u64,
    /// Whether the peer's first message is there. Until then the later ones are of another attempt: a
    /// client that begins again may hear what the server still says about the one before.
    begun: bool,
    /// Whether the flight has been held back for a client that may have started again.
    held_back: bool,
    /// Whether something encrypted came that is not of the handshake.
    early: bool,
    /// The first sight of certificates that are too large.
    oversized: Option<Oversized>,
    /// Encrypted records of the handshake that came before the keys.
    encrypted_handshake: u32,
    /// Other encrypted records that did.
    encrypted_other: u32,
}

/// How far a handshake may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// To the end.
    Free,
    /// Up to the end: its client has another session, which ends first.
    Held,
    /// It was held and has come to its end. Its last flight has not been sent.
    Admitted,
    /// It was held, has come to its end, and may be connected now.
    Released,
}

/// What a server asks before a client is connected.
struct Admission {
    connected: Arc<ConnectedPeers>,
    prefix: Prefix,
    limit: Option<NonZeroUsize>,
    /// What a client that starts again has already.
    permit: Option<PeerPermit>,
}

impl Admission {
    fn permit(self) -> Result<PeerPermit, Failure> {
        let Self { connected, prefix, limit, permit } = self;
        Ok(match permit {
            Some(permit) => permit,
            None => connected.permit(prefix, limit)?,
        })
    }
}

/// A message with more certificates than are let through, which anyone can have sent.
#[derive(Clone, Copy)]
struct Oversized {
    bytes: usize,
    /// How often a flight had been repeated when it was seen first.
    retransmissions: u64,
}

/// A client's SSL object.
fn client_link(
    config: &ClientConfig,
    server: &KnownServer,
    now: Instant,
) -> Result<Link, ConnectError> {
    if config.settings.verifies_name() && server.name.is_none() {
        return Err(ConnectError::NoServerName);
    }
    let mut link = Link::new(&config.context, config.limits.mtu())?;
    let ssl = link.ssl_mut();
    ssl.set_connect_state();
    if let Some(PeerName::Dns(name)) = &server.name {
        ssl.set_hostname(name)?;
    }
    let verified = server.name.as_ref().filter(|_| config.settings.verifies_name());
    verification::begin(ssl, Role::Server, verified)?;
    server.offer(ssl, now);
    // The client begins: copies cannot be aimed at a spoofed address.
    link.allow_copies(true);
    Ok(link)
}

impl Handshaking {
    /// That of a client with `server`, which has not sent anything yet. Its time counts from `began` on.
    pub(super) fn of_client(
        config: &ClientConfig,
        server: Arc<KnownServer>,
        began: Instant,
        now: Instant,
    ) -> Result<Box<Self>, ConnectError> {
        let link = client_link(config, &server, now)?;
        let expectation = Expectation::Server(Arc::clone(&config.settings), server);
        let mut handshaking = Self::new(link, expectation, config.limits, now);
        handshaking.began = began;
        let first_answer = now + config.limits.first_answer_timeout();
        handshaking.deadline = handshaking.latest().min(first_answer);
        handshaking.again = Some(config.clone());
        Ok(handshaking)
    }

    /// That of a server with the client at `peer`, whose ClientHello `hello` was read through `link`.
    pub(super) fn of_server(
        link: Link,
        exchange: &CookieExchange,
        peer: SocketAddr,
        hello: &[u8],
        now: Instant,
    ) -> Box<Self> {
        let settings = Arc::clone(&exchange.config.settings);
        let expectation = Expectation::Client(settings, Arc::clone(&exchange.server.settings));
        let mut handshaking = Self::new(link, expectation, exchange.config.limits, now);
        handshaking.admission = Some(Admission {
            connected: Arc::clone(&exchange.server.connected),
            prefix: exchange.prefix(peer),
            limit: exchange.config.max_peers_per_prefix,
            permit: None,
        });
        handshaking.next_plain = record::first_sequence(hello).unwrap_or(0) + 1;
        handshaking.begun = true;
        handshaking
    }

    fn new(link: Link, expectation: Expectation, limits: Limits, now: Instant) -> Box<Self> {
        Box::new(Self {
            link,
            expectation,
            limits,
            admission: None,
            progress: Progress::Free,
            deadline: now + limits.handshake_timeout(),
            started: now,
            began: now,
            retransmit_at: None,
            again: None,
            next_plain: 0,
            begun: false,
            held_back: false,
            early: false,
            oversized: None,
            encrypted_handshake: 0,
            encrypted_other: 0,
        })
    }

    /// Lets it come to its end and no further.
    pub(super) fn hold(&mut self) {
        self.progress = Progress::Held;
    }

    /// Replaces the attempt before, and is held where that was held.
    pub(super) fn replace(&mut self, before: &Self) {
        if matches!(before.progress, Progress::Held | Progress::Admitted) {
            self.progress = Progress::Held;
        }
    }

    /// Lets it go on after all.
    pub(super) fn release(&mut self) {
        self.progress = match self.progress {
            Progress::Free | Progress::Held => Progress::Free,
            Progress::Admitted | Progress::Released => Progress::Released,
        };
    }

    /// Whether it was held and has come to its end.
    pub(super) fn is_admitted(&self) -> bool {
        matches!(self.progress, Progress::Admitted | Progress::Released)
    }

    /// Whether one that has come to its end would be let in now.
    pub(super) fn is_still_admitted(&self) -> bool {
        admission::admit(self.link.ssl(), &self.expectation).is_ok()
    }

    /// Takes over the permit of the session that its client had before.
    pub(super) fn inherit(&mut self, permit: Option<PeerPermit>) {
        if let Some(admission) = &mut self.admission {
            admission.permit = permit;
        }
    }

    /// When a handshake whose peer was heard has taken too long.
    fn latest(&self) -> Instant {
        self.began + self.limits.handshake_timeout()
    }

    /// When the handshake has taken too long.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn next_timeout(&self) -> Instant {
        match self.progress {
            Progress::Free | Progress::Held => {}
            Progress::Admitted => return self.deadline,
            Progress::Released => return self.started,
        }
        self.retransmit_at.map_or(self.deadline, |at| at.min(self.deadline))
    }

    /// Does not repeat its flight for a while, once: its client may have started again, and would take
    /// it for an answer.
    pub(super) fn hold_back(&mut self, now: Instant) {
        if !self.held_back {
            self.held_back = true;
            let later = now + HOLD_BACK;
            self.retransmit_at = self.retransmit_at.map(|at| at.max(later));
        }
    }

    pub(super) fn least_encrypted(&self) -> usize {
        self.link.least_encrypted()
    }

    /// Gives it up.
    pub(super) fn close(self, io: &mut Io) -> State {
        self.cancel(&mut io.outgoing);
        State::Closed(Ending::Closed)
    }

    /// Gives it up when certificates that are too large, of so many bytes, have come once more: after a
    /// repetition of a flight, to which the peer has answered with the same. Once is no reason. A stranger
    /// may have forged it, and then the real ones come.
    pub(super) fn refuse_oversized_certificates(
        mut self: Box<Self>,
        bytes: usize,
        io: &mut Io,
    ) -> State {
        if !self.awaits_certificates() {
            return State::Handshaking(self);
        }
        let retransmissions = io.counters.get(Count::Retransmissions);
        let first = *self.oversized.get_or_insert(Oversized { bytes, retransmissions });
        if first.retransmissions == retransmissions {
            return State::Handshaking(self);
        }
        self.link.cancel(&mut io.outgoing);
        io.fail(Failure::CertificatesTooLarge { bytes })
    }

    /// Whether the peer is to show certificates, and has not.
    fn awaits_certificates(&self) -> bool {
        let expected = match &self.expectation {
            Expectation::Client(settings, _) => settings.verification.asks(),
            Expectation::Server(..) => true,
        };
        expected && self.link.ssl().peer_certificate().is_none()
    }

    /// Tells the peer that it is given up.
    pub(crate) fn cancel(mut self, outgoing: &mut Datagrams) {
        if self.is_admitted() {
            // Behind its last flight, with which the peer is connected.
            self.link.shutdown(outgoing);
        } else {
            self.link.cancel(outgoing);
        }
    }

    /// Goes on with the datagram that arrived, or starts.
    pub(super) fn step(
        mut self: Box<Self>,
        datagram: Option<&[u8]>,
        now: Instant,
        io: &mut Io,
    ) -> State {
        match self.progress {
            Progress::Free | Progress::Held => {}
            Progress::Admitted => return State::Handshaking(self),
            Progress::Released => {
                return match self.finish(now, io) {
                    State::Connected(state) => state.read(datagram, false, now, io),
                    over => over,
                };
            }
        }
        let mut own = None;
        if let Some(datagram) = datagram {
            let wanted = self.wanted(datagram, io);
            if wanted.is_empty() {
                return State::Handshaking(self);
            }
            self.begun = true;
            self.again = None;
            self.deadline = self.latest();
            // Before, all that is known is that someone has shown a cookie. An attacker who has overheard
            // it must not have the address flooded that it is for.
            self.link.allow_copies(true);
            self.early |= record::has_encrypted_data(wanted);
            let numbered = own.insert(wanted.to_vec());
            record::number_from(numbered, &mut self.next_plain);
        }
        let written = (io.outgoing.len(), self.link.last_written(), self.link.newest_hello());
        let step = self.link.handshake(own.as_deref(), &mut io.outgoing);
        io.note_retransmissions(self.link.take_retransmissions());
        // OpenSSL takes a HelloVerifyRequest behind the ServerHello too, and begins anew. Its own
        // ClientHello once more is no new beginning: it looks at its timer whenever it reads.
        let (datagrams, last, hello) = written;
        if self.link.newest_hello() > hello && self.link.has_server_random() {
            // A server that heard the rest would be connected to a client that is gone.
            io.outgoing.truncate(datagrams);
            self.link.take_back(last);
            self.link.cancel(&mut io.outgoing);
            let what = "a HelloVerifyRequest after ServerHello";
            return io.fail(Failure::Protocol(what.to_owned()));
        }
        match step {
            Step::Done(()) => self.finish(now, io),
            Step::Waiting => self.wait(now),
            Step::Closed => io.fail(Failure::ClosedEarly),
            Step::Broken(stack) if Failure::is_timeout(&stack) => io.fail(self.timeout(now, io)),
            Step::Broken(stack) => {
                let ssl = self.link.ssl();
                let refused = verification::refusal(ssl).cloned();
                let refused = refused.or_else(|| psk::refusal(ssl, &stack));
                io.fail(refused.unwrap_or_else(|| Failure::from_openssl(&stack)))
            }
        }
    }

    /// The part of `datagram` that this handshake has a use for.
    fn wanted<'a>(&mut self, datagram: &'a [u8], io: &Io) -> &'a [u8] {
        if !self.begun && record::first_message_number(datagram).is_some_and(|number| number > 0) {
            io.counters.dropped(Dropped::Unexpected);
            return &[];
        }
        let has_keys = self.link.has_keys();
        let (handshake, other) = (&mut self.encrypted_handshake, &mut self.encrypted_other);
        let wanted = record::take_while(datagram, |record| match record.number.epoch() {
            0 => true,
            // There is no epoch behind the first keys. OpenSSL would keep it for later.
            epoch if has_keys => epoch == 1,
            _ => {
                let count = if record.is_handshake() { &mut *handshake } else { &mut *other };
                *count = count.saturating_add(1);
                *count <= MOST_ENCRYPTED
            }
        });
        if wanted.len() < datagram.len() {
            io.counters.dropped(Dropped::TooEarly);
        }
        wanted
    }

    /// Goes on with what stood behind the ClientHello in its datagram, such as the rest of it.
    pub(super) fn go_on(self: Box<Self>, rest: &[u8], now: Instant, io: &mut Io) -> State {
        let mut state = self.step(Some(rest), now, io);
        if let State::Handshaking(state) = &mut state {
            // It is one datagram, so its client has been heard once.
            state.link.allow_copies(false);
        }
        state
    }

    fn wait(mut self: Box<Self>, now: Instant) -> State {
        self.retransmit_at = self.link.time_to_retransmission().map(|left| now + left);
        if self.again.is_some() && self.link.is_exhausted() {
            self.retransmit_at = Some(now + self.link.spread(START_OVER));
        }
        State::Handshaking(self)
    }

    pub(super) fn handle_timeout(mut self: Box<Self>, now: Instant, io: &mut Io) -> State {
        if self.progress == Progress::Released {
            return self.finish(now, io);
        }
        if now >= self.deadline {
            self.link.cancel(&mut io.outgoing);
            return io.fail(self.timeout(now, io));
        }
        if self.link.is_exhausted() && self.is_unanswered() {
            return self.start_over(now, io);
        }
        let step = self.link.retransmit(&mut io.outgoing);
        io.note_retransmissions(self.link.take_retransmissions());
        match step {
            Step::Done(()) | Step::Waiting => self.wait(now),
            Step::Closed => io.fail(Failure::ClosedEarly),
            Step::Broken(stack) if Failure::is_timeout(&stack) => io.fail(self.timeout(now, io)),
            Step::Broken(stack) => io.fail(Failure::from_openssl(&stack)),
        }
    }

    /// Whether it is a client's that has heard nothing yet.
    pub(super) fn is_unanswered(&self) -> bool {
        self.again.is_some()
    }

    /// Begins anew if it is a client's that has heard nothing yet.
    pub(super) fn start_over(mut self: Box<Self>, now: Instant, io: &mut Io) -> State {
        let Expectation::Server(_, server) = &self.expectation else {
            return State::Handshaking(self);
        };
        let Some(config) = self.again.take() else {
            return State::Handshaking(self);
        };
        match client_link(&config, server, now) {
            Ok(link) => self.link = link,
            Err(error) => return io.fail(Failure::Internal(error.to_string())),
        }
        io.note_retransmissions(1);
        let mut state = self.step(None, now, io);
        if let State::Handshaking(state) = &mut state {
            state.again = Some(config);
        }
        state
    }

    /// What it is called when the time is over.
    fn timeout(&self, now: Instant, io: &Io) -> Failure {
        let after = now.saturating_duration_since(self.began);
        let oversized = self.oversized.filter(|_| self.awaits_certificates());
        if let Some(Oversized { bytes, .. }) = oversized {
            Failure::CertificatesTooLarge { bytes }
        } else if suites::is_psk(self.link.ssl()) {
            Failure::PskNotProved { after }
        } else {
            let retransmissions = io.counters.get(Count::Retransmissions);
            Failure::TimedOut { after, retransmissions }
        }
    }

    /// Both Finished messages are there.
    fn finish(mut self: Box<Self>, now: Instant, io: &mut Io) -> State {
        let admitted = admission::admit(self.link.ssl(), &self.expectation);
        if admitted.is_ok() && self.progress == Progress::Held {
            self.progress = Progress::Admitted;
            return State::Handshaking(self);
        }
        let permit = |admission: Admission| admission.permit();
        match admitted.and_then(|()| self.admission.take().map(permit).transpose()) {
            Ok(permit) => {
                let took = now.saturating_duration_since(self.started).as_millis();
                io.counters.add(Count::HandshakesCompleted, 1);
                io.counters.add(Count::HandshakeMsec, u64::try_from(took).unwrap_or_default());
                log::debug!(
                    "handshake complete after {took} ms, retransmissions: {}, {}",
                    io.counters.get(Count::Retransmissions),
                    self.link.ssl().current_cipher().map_or("no cipher", |cipher| cipher.name()),
                );
                if let Expectation::Server(_, server) = &self.expectation {
                    server.keep(self.link.ssl(), now);
                }
                // Application data may have come in the same datagram, or before the Finished.
                let pending = self.early || self.link.has_pending();
                let mut connected = Connected::new(self.link, self.limits.idle_timeout(), now);
                connected.permit = permit;
                if pending {
                    connected.read(None, true, now, io)
                } else {
                    State::Connected(connected)
                }
            }
            Err(failure) => {
                // OpenSSL has no call for another alert at this point.
                self.link.shutdown(&mut io.outgoing);
                io.fail(failure)
            }
        }
    }
}
