//! The sessions that a client offers its servers when it connects to them again (RFC 5077).
//!
//! A configuration keeps one session for each server name, the newest. So a session is only ever offered
//! under the very configuration and name that have accepted it. The address of the server is no part of
//! that: a server that does not have the key of the ticket makes a full handshake, and one that has it is
//! the same server.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use openssl::ssl::{SslRef, SslSession, SslSessionRef};
use zeroize::Zeroizing;

use crate::credentials::peer_name::PeerName;
use crate::credentials::verification;
use crate::ssl::{tickets, validity};

/// Longest time for which a session is kept, whatever the server says.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// How many server names of one configuration have a session. The one that was not used for longest is
/// forgotten first.
const MOST_NAMES: NonZeroUsize = NonZeroUsize::new(32).expect("it is not zero");

/// A server as its client knows it.
pub(crate) struct KnownServer {
    pub(crate) name: Option<PeerName>,
    /// Where the session with it is kept, if it is to be resumed.
    pub(crate) cache: Option<Arc<SessionCache>>,
}

impl KnownServer {
    /// Offers the server its session, if there is one. `ssl` is going to talk to it.
    pub(crate) fn offer(&self, ssl: &mut SslRef, now: Instant) {
        if let Some(cache) = &self.cache {
            cache.offer(ssl, &self.name, now);
        }
    }

    /// Keeps the session of `ssl`, whose handshake with the server is over and was admitted.
    pub(crate) fn keep(&self, ssl: &SslRef, now: Instant) {
        if let Some(cache) = &self.cache {
            cache.keep(ssl, &self.name, now);
        }
    }

    /// Forgets its session: one that ended in a fatal alert must not be resumed (RFC 5246 section 7.2.2), and
    /// one that does not work must not be tried for ever.
    pub(crate) fn forget(&self) {
        if let Some(cache) = &self.cache {
            cache.forget(&self.name);
        }
    }
}

/// The sessions of one client configuration, by server name.
pub(crate) struct SessionCache(Mutex<LruCache<Option<PeerName>, Session>>);

struct Session {
    session: SslSession,
    /// By then the server has forgotten its key.
    until: Instant,
    /// By then one of the server's certificates has expired, in seconds since 1970.
    expiry: i64,
}

impl Default for SessionCache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST_NAMES)))
    }
}

impl SessionCache {
    fn offer(&self, ssl: &mut SslRef, name: &Option<PeerName>, now: Instant) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = sessions.get(name) {
            let valid = now < session.until && validity::is_in_future(session.expiry);
            if !valid || tickets::offer(ssl, &session.session).is_err() {
                sessions.pop(name);
            }
        }
    }

    fn keep(&self, ssl: &SslRef, name: &Option<PeerName>, now: Instant) {
        let Some(session) = ssl.session() else { return };
        let Some(lifetime) = tickets::ticket_lifetime(session) else { return };
        let lifetime = match Duration::from_secs(lifetime) {
            Duration::ZERO => LONGEST,
            lifetime => lifetime.min(LONGEST),
        };
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ssl.session_reused() {
            // It is as old as it was, even with a new ticket. Another connection to this server may have
            // begun a newer one in the meantime.
            let is_same_session =
                |present: &&mut Session| secret(&present.session) == secret(session);
            if let Some(present) = sessions.get_mut(name).filter(is_same_session) {
                present.session = session.to_owned();
            }
            return;
        }
        let expiry = verification::expiry(ssl);
        let session = Session { session: session.to_owned(), until: now + lifetime, expiry };
        sessions.put(name.clone(), session);
    }

    fn forget(&self, name: &Option<PeerName>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop(name);
    }
}

/// What a session is known by: its ticket may be replaced, its master secret (RFC 5246 section 8.1) stays.
fn secret(session: &SslSessionRef) -> Zeroizing<[u8; 48]> {
    let mut secret = Zeroizing::new([0; 48]);
    session.master_key(&mut *secret);
    secret
}
