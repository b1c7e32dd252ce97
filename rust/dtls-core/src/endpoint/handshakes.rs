//! The addresses that are not connected, or not yet.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::config::ServerConfig;
use crate::handshake::cookie_exchange::{CookieExchange, HelloOutcome, ServerState};
use crate::handshake::session::{Session, Status};
use crate::report::stats::{Count, Dropped, RegisteredCounters};
use crate::wire::datagrams::Datagrams;
use crate::wire::record;

use super::{Bundle, Path, Unconnected};

/// What handshakes have come to.
#[derive(Debug, Default)]
pub struct HandshakeResults {
    /// Datagrams to be sent.
    pub transmits: Bundle<Path>,
    /// Datagrams of clients that were handed over, for the endpoint.
    pub returned: Bundle<Path>,
    /// Clients that are connected, or may be as soon as their connection from before ends.
    pub(super) established: Vec<Established>,
}

impl HandshakeResults {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.transmits.is_empty() && self.returned.is_empty() && self.established.is_empty()
    }

    /// Moves what `others` have come to behind these.
    pub fn append(&mut self, others: &mut Self) {
        self.transmits.append(&mut others.transmits);
        self.returned.append(&mut others.returned);
        self.established.append(&mut others.established);
    }
}

/// A client whose handshake is over.
#[derive(Debug)]
pub(super) struct Established {
    pub(super) session: Box<Session>,
    pub(super) path: Path,
}

/// The cookie exchange and the handshakes of an endpoint, or a part of them.
///
/// How many handshakes there can be at a time is bounded by the configuration, for all parts together.
pub struct Handshakes {
    exchange: Arc<CookieExchange>,
    counters: RegisteredCounters,
    sessions: HashMap<SocketAddr, Pending>,
    /// Clients that were handed over, and that the endpoint has not confirmed yet.
    handed_over: HashSet<SocketAddr>,
    answers: Datagrams,
    /// No session has anything to do before.
    due: Option<Instant>,
    /// How many handshakes of the server were displaced when it was looked for them last.
    displaced: u64,
}

struct Pending {
    session: Box<Session>,
    path: Path,
}

impl Handshakes {
    pub(super) fn new(config: ServerConfig, server: Arc<ServerState>) -> Self {
        let counters = server.stats.register();
        let mut handshakes = Self {
            exchange: Arc::new(CookieExchange::new(config, server)),
            counters,
            sessions: HashMap::new(),
            handed_over: HashSet::new(),
            answers: Datagrams::new(),
            due: None,
            displaced: 0,
        };
        handshakes.use_exchange(Arc::clone(&handshakes.exchange));
        handshakes
    }

    /// Another part of the same endpoint.
    pub(super) fn another(&self) -> Self {
        Self::new(self.exchange.config.clone(), Arc::clone(&self.exchange.server))
    }

    fn use_exchange(&mut self, exchange: Arc<CookieExchange>) {
        exchange.server.use_exchange(&exchange);
        self.exchange = exchange;
    }

    /// Uses `config` for the clients to come; each part has to be told. Connections go on as they are. A handshake
    /// that is not over goes on, too, but fails in the end if `config` demands something else of clients, or does not
    /// have the client's pre-shared key.
    pub fn set_config(&mut self, config: ServerConfig) {
        let server = Arc::clone(&self.exchange.server);
        server.settings.replace(&config.settings);
        self.use_exchange(Arc::new(CookieExchange::new(config, server)));
    }

    /// The endpoint has the client of this address, and all of its datagrams from now on.
    pub fn confirm(&mut self, peer: SocketAddr) {
        self.handed_over.remove(&peer);
    }

    /// How many handshakes are underway.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether no handshake is underway.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Handles a datagram of an address that is not connected.
    pub fn handle_datagram(
        &mut self,
        from: Unconnected,
        datagram: &[u8],
        now: Instant,
        results: &mut HandshakeResults,
    ) {
        self.route(from, datagram, now, results);
        self.notice_displaced(now);
    }

    /// One may have been displaced for another, also for one of another part, and is told at once.
    fn notice_displaced(&mut self, now: Instant) {
        let displaced = self.exchange.server.pending.displaced();
        if self.displaced != displaced {
            self.displaced = displaced;
            self.due = Some(now);
        }
    }

    fn route(
        &mut self,
        from: Unconnected,
        datagram: &[u8],
        now: Instant,
        results: &mut HandshakeResults,
    ) {
        let Unconnected { path, connected_since } = from;
        if self.handed_over.contains(&path.peer) {
            results.returned.push(path, datagram);
            return;
        }
        if let Some(pending) = self.sessions.get_mut(&path.peer) {
            pending.path.local = path.local;
            if connected_since.is_some() && !record::is_client_hello(datagram) {
                // Its connection has it, too, and counts it.
                pending.session.handle_copy(datagram, now);
            } else {
                pending.session.handle_datagram(datagram, now);
            }
            self.settle(path.peer, results);
            return;
        }
        let acceptable = record::acceptable(datagram, record::LEAST_ENCRYPTED);
        if connected_since.is_some() && !record::is_client_hello(acceptable) {
            // Its connection has it, too, and counts it.
            return;
        }
        self.counters.received(datagram.len());
        if acceptable.len() < datagram.len().max(1) {
            self.counters.dropped(Dropped::Malformed);
        }
        let answers = &mut self.answers;
        let outcome =
            self.exchange.handle_datagram(path.peer, acceptable, answers, connected_since, now);
        match outcome {
            Ok(HelloOutcome::Verified(link)) => {
                let exchange = Arc::clone(&self.exchange);
                let session = match connected_since {
                    Some(_) => Session::succeed(link, exchange, path.peer, acceptable, now),
                    None => Box::new(Session::accept(link, exchange, path.peer, acceptable, now)),
                };
                self.sessions.insert(path.peer, Pending { session, path });
                self.settle(path.peer, results);
            }
            Ok(HelloOutcome::CookieSent) => {
                self.counters.add(Count::CookiesSent, 1);
                for answer in self.answers.iter() {
                    self.counters.sent(answer.len());
                    results.transmits.push(path, answer);
                }
                self.answers.clear();
            }
            Ok(HelloOutcome::NotAHello) => {
                if !acceptable.is_empty() {
                    self.counters.dropped(Dropped::Unexpected);
                }
            }
            Err(error) => log::warn!("a ClientHello of {} was lost: {error}", path.peer),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant, results: &mut HandshakeResults) {
        self.notice_displaced(now);
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = None;
        let all: Vec<SocketAddr> = self.sessions.keys().copied().collect();
        for peer in all {
            if let Some(pending) = self.sessions.get_mut(&peer) {
                pending.session.handle_timeout(now);
                self.settle(peer, results);
            }
        }
    }

    /// When [`Handshakes::handle_timeout`] may have something to do; `None` for never.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Takes what the session of `peer` has come to.
    fn settle(&mut self, peer: SocketAddr, results: &mut HandshakeResults) {
        let Some(Pending { session, path }) = self.sessions.get_mut(&peer) else {
            return;
        };
        // What is sent before a client is admitted in place of another session stays with it until then.
        let is_admitted = session.is_admitted();
        if !is_admitted {
            session.transmit(|datagram| results.transmits.push(*path, datagram));
        }
        match session.status() {
            Status::Handshaking if !is_admitted => {
                self.due = self.due.into_iter().chain(session.next_timeout()).min();
            }
            Status::Handshaking | Status::Connected => {
                if let Some(Pending { session, path }) = self.sessions.remove(&peer) {
                    self.handed_over.insert(peer);
                    results.established.push(Established { session, path });
                }
            }
            Status::Closed | Status::Failed => {
                if let Some(failure) = session.failure() {
                    log::info!("the handshake of {peer} failed: {failure}");
                }
                self.sessions.remove(&peer);
            }
        }
    }
}

impl std::fmt::Debug for Handshakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handshakes").field("len", &self.len()).finish_non_exhaustive()
    }
}
