//! Where a server's sessions come from.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::config::ServerConfig;
use crate::datagrams::Datagrams;
use crate::door::{Door, Knock, Lobby};
use crate::error::ConfigError;
use crate::record;
use crate::session::Session;
use crate::stats::{Account, Count, Dropped, Stats};

/// What came of a datagram from an address without a session.
#[derive(Debug)]
pub enum Accepted {
    /// The client proved its address: its handshake has begun. It has failed already when the network of
    /// the client has as many connections as it may have.
    Session(Box<Session>),
    /// It has to prove its address first; a HelloVerifyRequest is among the outgoing datagrams.
    CookieSent,
    /// It was not a ClientHello. There is nothing to send.
    Noise,
}

/// Turns the first datagrams of clients into sessions.
pub struct Acceptor {
    door: Arc<Door>,
    counters: Account,
}

impl Acceptor {
    /// An acceptor with this configuration.
    ///
    /// # Errors
    /// When OpenSSL has no random numbers.
    pub fn new(config: ServerConfig, now: Instant) -> Result<Self, ConfigError> {
        let lobby = Lobby::new(&config, now)?;
        let counters = lobby.ledger.open();
        let door = Arc::new(Door::new(config, lobby));
        door.lobby.use_door(&door);
        Ok(Self { door, counters })
    }

    /// The configuration for the clients to come.
    pub fn config(&self) -> &ServerConfig {
        &self.door.config
    }

    /// Uses `config` for the clients to come. Clients that hold a cookie keep it, and connections that
    /// exist go on as they are. A handshake that is not over goes on, too, but fails in the end if `config`
    /// demands something else of clients, or does not have the client's pre-shared key.
    pub fn set_config(&mut self, config: ServerConfig) {
        self.door.lobby.use_settings(&config.settings);
        self.door = Arc::new(Door::new(config, Arc::clone(&self.door.lobby)));
        self.door.lobby.use_door(&self.door);
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
    ) -> Result<Accepted, ConfigError> {
        // The session gets all of it, so what would never get to a session must not come this way.
        let acceptable = record::acceptable(datagram, record::LEAST_ENCRYPTED);
        self.counters.received(datagram.len());
        if acceptable.len() < datagram.len().max(1) {
            self.counters.dropped(Dropped::Malformed);
        }
        if !acceptable.is_empty()
            && let Some(mut session) = self.door.lobby.take_successor(peer, now)
        {
            session.go_on(acceptable, now);
            return Ok(Accepted::Session(session));
        }
        Ok(match self.door.knock(peer, acceptable, outgoing, None, now)? {
            Knock::Verified(link) => {
                let session = Session::accept(link, Arc::clone(&self.door), peer, acceptable, now);
                Accepted::Session(Box::new(session))
            }
            Knock::CookieSent => {
                self.counters.add(Count::CookiesSent, 1);
                self.counters.sent(outgoing.last_len());
                Accepted::CookieSent
            }
            Knock::Noise => {
                if !acceptable.is_empty() {
                    self.counters.dropped(Dropped::Unexpected);
                }
                Accepted::Noise
            }
        })
    }

    /// What the server has counted: here, and in every session that came from here.
    pub fn stats(&self) -> Stats {
        self.door.lobby.ledger.sum()
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.door.lobby.close();
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}
