//! Where a server's sessions come from.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::config::ServerConfig;
use crate::cookie::CookieJar;
use crate::datagrams::Datagrams;
use crate::door::{Door, Knock};
use crate::error::ConfigError;
use crate::record;
use crate::session::Session;

/// What came of a datagram from an address without a session.
#[derive(Debug)]
pub enum Accepted {
    /// The client proved its address: its handshake has begun.
    Session(Box<Session>),
    /// It has to prove its address first; a HelloVerifyRequest is among the outgoing datagrams.
    CookieSent,
    /// It was not a ClientHello. There is nothing to send.
    Noise,
}

/// Turns the first datagrams of clients into sessions.
pub struct Acceptor {
    door: Arc<Door>,
}

impl Acceptor {
    /// An acceptor with this configuration.
    ///
    /// # Errors
    /// When OpenSSL has no random numbers.
    pub fn new(config: ServerConfig, now: Instant) -> Result<Self, ConfigError> {
        let cookies = Arc::new(CookieJar::new(now)?);
        Ok(Self { door: Arc::new(Door::new(config, cookies)) })
    }

    /// Uses `config` for the clients to come. Clients that hold a cookie keep it, and sessions that
    /// exist go on as they are.
    pub fn set_config(&mut self, config: ServerConfig) {
        self.door = Arc::new(Door::new(config, Arc::clone(&self.door.cookies)));
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
        let datagram = record::acceptable(datagram, record::LEAST_ENCRYPTED);
        Ok(match self.door.knock(peer, datagram, outgoing, now)? {
            Knock::Verified(link) => {
                let session = Session::accept(link, Arc::clone(&self.door), peer, datagram, now);
                Accepted::Session(Box::new(session))
            }
            Knock::CookieSent => Accepted::CookieSent,
            Knock::Noise => Accepted::Noise,
        })
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}
