//! Session tickets (RFC 5077): what a server needs to resume a session, kept by its clients.
//!
//! The server keeps the keys and nothing else. Which of its configurations a ticket is for is said by
//! the session id context in it, which OpenSSL compares (`config.rs`).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::ssl::SslRef;

use crate::door;
use crate::rotation::Rotation;

/// How long a key seals tickets. It opens them for as long again.
const LIFETIME: Duration = Duration::from_secs(3600);

/// How long a session can be resumed, counted from its full handshake.
pub(crate) const SESSION_LIFETIME: Duration = Duration::from_secs(3600);

/// What one key consists of (RFC 5077 section 4).
#[derive(Clone)]
pub(crate) struct TicketKey {
    pub(crate) name: [u8; 16],
    /// AES-256-CBC.
    pub(crate) cipher: [u8; 32],
    /// HMAC-SHA256.
    pub(crate) mac: [u8; 32],
}

impl TicketKey {
    fn random() -> Result<Self, ErrorStack> {
        let mut key = Self { name: [0; 16], cipher: [0; 32], mac: [0; 32] };
        openssl::rand::rand_bytes(&mut key.name)?;
        openssl::rand::rand_priv_bytes(&mut key.cipher)?;
        openssl::rand::rand_priv_bytes(&mut key.mac)?;
        Ok(key)
    }
}

/// The ticket keys of one server.
pub(crate) struct TicketKeys(Mutex<Rotation<TicketKey>>);

impl TicketKeys {
    pub(crate) fn new(now: Instant) -> Result<Self, ErrorStack> {
        Ok(Self(Mutex::new(Rotation::new(TicketKey::random()?, LIFETIME, now))))
    }

    /// Takes a new key if the current one has served its time.
    pub(crate) fn rotate(&self, now: Instant) -> Result<(), ErrorStack> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.rotate(now, TicketKey::random)
    }

    fn sealing(&self) -> TicketKey {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).current().clone()
    }

    fn opening(&self, name: &[u8; 16]) -> Option<(TicketKey, Renewal)> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (age, key) = keys.known().enumerate().find(|(_, key)| key.name == *name)?;
        Some((key.clone(), if age == 0 { Renewal::NotYet } else { Renewal::Due }))
    }
}

/// Whether a client should get a new ticket in exchange for the one it has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    NotYet,
    Due,
}

/// The key that seals the tickets of the server that `ssl` belongs to.
pub(crate) fn sealing_key(ssl: &SslRef) -> Option<TicketKey> {
    Some(door::visitor(ssl)?.lobby.tickets.sealing())
}

/// The key of that server by this name.
pub(crate) fn opening_key(ssl: &SslRef, name: &[u8; 16]) -> Option<(TicketKey, Renewal)> {
    door::visitor(ssl)?.lobby.tickets.opening(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_seals_for_an_hour_and_opens_for_one_more() {
        let start = Instant::now();
        let keys = TicketKeys::new(start).expect("random numbers");
        let first = keys.sealing();
        let at = |minutes: u64| {
            keys.rotate(start + Duration::from_secs(minutes * 60)).expect("random numbers");
            (keys.sealing().name == first.name, keys.opening(&first.name).map(|it| it.1))
        };
        assert_eq!(at(59), (true, Some(Renewal::NotYet)));
        assert_eq!(at(61), (false, Some(Renewal::Due)));
        assert_eq!(at(120), (false, Some(Renewal::Due)));
        assert_eq!(at(122), (false, None));
    }

    #[test]
    fn a_server_that_was_idle_forgets_its_key() {
        let start = Instant::now();
        let keys = TicketKeys::new(start).expect("random numbers");
        let first = keys.sealing();
        keys.rotate(start + 3 * LIFETIME).expect("random numbers");
        assert_eq!(keys.opening(&first.name).map(|it| it.1), None);
        assert_ne!(keys.sealing().cipher, first.cipher);
    }
}
