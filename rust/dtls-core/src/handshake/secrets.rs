//! The secrets of a server, and what they say about one handshake.

use std::sync::Arc;
use std::time::Instant;

use openssl::error::ErrorStack;
use openssl::ssl::SslRef;

use crate::credentials::ticket_keys::{SharedTicketKeys, TicketKeys};
use crate::credentials::verification;
use crate::handshake::cookie::{CookieSecrets, ProvedCookie};
use crate::ssl::callbacks::{HandshakeCallbacks, Renewal, TicketKey};

/// The secrets that a server has made for itself.
pub(crate) struct ServerSecrets {
    pub(crate) cookies: CookieSecrets,
    pub(crate) tickets: TicketKeys,
}

impl ServerSecrets {
    /// New random secrets.
    pub(crate) fn new(now: Instant) -> Result<Self, ErrorStack> {
        Ok(Self { cookies: CookieSecrets::new(now)?, tickets: TicketKeys::new(now)? })
    }
}

/// One handshake of a server, as OpenSSL's callbacks see it.
pub(crate) struct HandshakeContext {
    /// The cookie of its ClientHello.
    pub(crate) cookie: ProvedCookie,
    /// Whether its client has another session.
    pub(crate) starts_again: bool,
    pub(crate) secrets: Arc<ServerSecrets>,
    /// Those of the configuration, in place of the server's own.
    pub(crate) ticket_keys: Option<SharedTicketKeys>,
}

impl HandshakeCallbacks for HandshakeContext {
    fn is_proved(&self, cookie: &[u8]) -> bool {
        self.cookie.is(cookie)
    }

    fn sealing_key(&self) -> Option<TicketKey> {
        match &self.ticket_keys {
            Some(shared) => shared.sealing(),
            None => Some(self.secrets.tickets.sealing()),
        }
    }

    fn opening_key(&self, name: &[u8; 16]) -> Option<(TicketKey, Renewal)> {
        if self.starts_again {
            // A client that resumes is done before the server is, and may be silent from then on. One
            // whose other session ends before this one is admitted has to send its last flight again.
            return None;
        }
        match &self.ticket_keys {
            Some(shared) => shared.opening(name),
            None => self.secrets.tickets.opening(name),
        }
    }

    fn client_expiry(&self, ssl: &SslRef) -> i64 {
        verification::expiry(ssl)
    }
}
