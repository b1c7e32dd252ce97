//! The secrets of a server, and what they say about one handshake.

use std::sync::Arc;
use std::time::Instant;

use openssl::error::ErrorStack;
use openssl::ssl::SslRef;

use crate::credentials::ticket_keys::{SharedTicketKeys, TicketKeys};
use crate::credentials::verification;
use crate::handshake::cookie::{Attempt, CookieSecrets};
use crate::ssl::callbacks::{COOKIE_LENGTH, HandshakeCallbacks, Renewal, TicketKey};

/// The secrets that a server has made for itself.
pub(crate) struct ServerSecrets {
    cookies: CookieSecrets,
    tickets: TicketKeys,
}

impl ServerSecrets {
    /// New random secrets.
    pub(crate) fn new(now: Instant) -> Result<Self, ErrorStack> {
        Ok(Self { cookies: CookieSecrets::new(now)?, tickets: TicketKeys::new(now)? })
    }

    /// Replaces the secrets that have served their time.
    pub(crate) fn rotate(&self, now: Instant) -> Result<(), ErrorStack> {
        self.cookies.rotate(now)?;
        self.tickets.rotate(now)
    }
}

/// One handshake of a server, as OpenSSL's callbacks see it.
pub(crate) struct HandshakeContext {
    pub(crate) attempt: Attempt,
    pub(crate) secrets: Arc<ServerSecrets>,
    /// Those of the configuration, in place of the server's own.
    pub(crate) ticket_keys: Option<SharedTicketKeys>,
}

impl HandshakeCallbacks for HandshakeContext {
    fn generate_cookie(&self) -> Option<[u8; COOKIE_LENGTH]> {
        self.secrets.cookies.generate(&self.attempt).ok()
    }

    fn verify_cookie(&self, cookie: &[u8]) -> bool {
        self.secrets.cookies.verify(&self.attempt, cookie).unwrap_or(false)
    }

    fn sealing_key(&self) -> Option<TicketKey> {
        match &self.ticket_keys {
            Some(shared) => shared.sealing(),
            None => Some(self.secrets.tickets.sealing()),
        }
    }

    fn opening_key(&self, name: &[u8; 16]) -> Option<(TicketKey, Renewal)> {
        if self.attempt.after.is_some() {
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
