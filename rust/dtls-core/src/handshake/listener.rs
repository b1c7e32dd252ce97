//! The listener of a server, which makes its sessions.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::config::ServerConfig;
use crate::handshake::cookie_exchange::{CookieExchange, HelloOutcome, ServerState};
use crate::handshake::session::Session;
use crate::report::error::OpenSslError;
use crate::report::stats::{Count, Dropped, RegisteredCounters, Stats};
use crate::wire::datagrams::Datagrams;
use crate::wire::record;

/// What came of a datagram from an address without a session.
#[derive(Debug)]
pub enum Accepted {
    /// The client proved its address: its handshake has begun. It has failed already when the network of
    /// the client has as many connections as it may have.
    Session(Box<Session>),
    /// It has to prove its address first; a HelloVerifyRequest is among the outgoing datagrams.
    CookieSent,
    /// It was not a ClientHello. There is nothing to send.
    NotAHello,
}

/// Turns the first datagrams of clients into sessions.
pub struct Listener {
    exchange: Arc<CookieExchange>,
    counters: RegisteredCounters,
}

impl Listener {
    /// A listener with this configuration.
    ///
    /// # Errors
    /// When OpenSSL has no random numbers.
    pub fn new(config: ServerConfig, now: Instant) -> Result<Self, OpenSslError> {
        let server = ServerState::new(&config, None, now)?;
        let counters = server.stats.register();
        let exchange = Arc::new(CookieExchange::new(config, server));
        exchange.server.use_exchange(&exchange);
        Ok(Self { exchange, counters })
    }

    /// The configuration for the clients to come.
    pub fn config(&self) -> &ServerConfig {
        &self.exchange.config
    }

    /// Uses `config` for the clients to come. Clients that hold a cookie keep it, and connections that
    /// exist go on as they are. A handshake that is not over goes on, too, but fails in the end if `config`
    /// demands something else of clients, or does not have the client's pre-shared key.
    pub fn set_config(&mut self, config: ServerConfig) {
        let server = Arc::clone(&self.exchange.server);
        server.settings.replace(&config.settings);
        self.exchange = Arc::new(CookieExchange::new(config, server));
        self.exchange.server.use_exchange(&self.exchange);
    }

    /// Handles a datagram from `peer`, an address that has no session. What has to be sent back is
    /// added to `outgoing`, unless it is a session that comes back: then the session has it.
    ///
    /// # Errors
    /// When OpenSSL fails; the datagram is lost and the next one gets a new try.
    pub fn handle_datagram(
        &mut self,
        peer: SocketAddr,
        datagram: &[u8],
        outgoing: &mut Datagrams,
        now: Instant,
    ) -> Result<Accepted, OpenSslError> {
        // The session gets all of it, so what would never get to a session must not come this way.
        let acceptable = record::acceptable(datagram, record::LEAST_ENCRYPTED);
        self.counters.received(datagram.len());
        if acceptable.len() < datagram.len().max(1) {
            self.counters.dropped(Dropped::Malformed);
        }
        if !acceptable.is_empty()
            && let Some(mut session) = self.exchange.server.take_successor(peer, now)
        {
            session.go_on(acceptable, now);
            return Ok(Accepted::Session(session));
        }
        Ok(match self.exchange.handle_datagram(peer, acceptable, outgoing, None, now)? {
            HelloOutcome::Verified(link) => {
                let session =
                    Session::accept(link, Arc::clone(&self.exchange), peer, acceptable, now);
                Accepted::Session(Box::new(session))
            }
            HelloOutcome::CookieSent => {
                self.counters.add(Count::CookiesSent, 1);
                self.counters.sent(outgoing.last_len());
                Accepted::CookieSent
            }
            HelloOutcome::NotAHello => {
                if !acceptable.is_empty() {
                    self.counters.dropped(Dropped::Unexpected);
                }
                Accepted::NotAHello
            }
        })
    }

    /// What the server has counted: here, and in every session that came from here.
    pub fn stats(&self) -> Stats {
        self.exchange.server.stats.total()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.exchange.server.close();
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}
