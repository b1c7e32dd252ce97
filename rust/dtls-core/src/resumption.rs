//! The session that a client kept, and offers its server the next time (RFC 5077).
//!
//! One configuration keeps one session, the newest. So a session is only ever offered under the very
//! configuration that has accepted it: the same trust, name, and certificate of its own. The address
//! of the server is no part of that: a server that does not have the key of the ticket makes a full
//! handshake, and one that has it is the same server.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openssl::ssl::{SslRef, SslSession, SslSessionRef};
use zeroize::Zeroizing;

use crate::{ffi, verification};

/// Longest time for which a session is kept, whatever the server says.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// Where a client's configuration keeps its session.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Option<Session>>);

struct Session {
    session: SslSession,
    /// By then the server has forgotten its key.
    until: Instant,
    /// By then one of the server's certificates has expired, in seconds since 1970.
    expiry: i64,
}

impl Kept {
    /// Offers what is kept to the server that `ssl` is going to talk to.
    pub(crate) fn offer(&self, ssl: &mut SslRef, now: Instant) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = kept.as_ref() {
            let valid = now < session.until && verification::is_in_future(session.expiry);
            if !valid || ffi::tickets::offer(ssl, &session.session).is_err() {
                *kept = None;
            }
        }
    }

    /// Keeps the session of `ssl`, whose handshake is over and was admitted.
    pub(crate) fn keep(&self, ssl: &SslRef, now: Instant) {
        let Some(session) = ssl.session() else { return };
        let Some(lifetime) = ffi::tickets::ticket_lifetime(session) else { return };
        let lifetime = match Duration::from_secs(lifetime) {
            Duration::ZERO => LONGEST,
            lifetime => lifetime.min(LONGEST),
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ssl.session_reused() {
            // It is as old as it was, even with a new ticket. Another connection of this configuration
            // may have begun a newer one in the meantime.
            let is_it = |kept: &&mut Session| secret(&kept.session) == secret(session);
            if let Some(kept) = kept.as_mut().filter(is_it) {
                kept.session = session.to_owned();
            }
            return;
        }
        let expiry = verification::expiry(ssl);
        *kept = Some(Session { session: session.to_owned(), until: now + lifetime, expiry });
    }

    /// Forgets it: a session that ended in a fatal alert must not be resumed (RFC 5246 section 7.2.2),
    /// and one that does not work must not be tried for ever.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What a session is known by: its ticket may be replaced, its master secret (RFC 5246 section 8.1) stays.
fn secret(session: &SslSessionRef) -> Zeroizing<[u8; 48]> {
    let mut secret = Zeroizing::new([0; 48]);
    session.master_key(&mut *secret);
    secret
}
