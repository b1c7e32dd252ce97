//! A server's front door (RFC 6347 section 4.2.1), which its acceptor and its sessions share.
//!
//! 1. A ClientHello without a cookie is answered with a HelloVerifyRequest. Nothing is kept: the one
//!    SSL object that listens is cleared and listens again.
//! 2. A ClientHello that brings its cookie back shows that its sender receives what is sent to that
//!    address. The SSL object that listened becomes its connection; the next one is made when the
//!    next datagram comes.
//! 3. Whoever has come in holds a [`Place`] until the handshake is over. When there are no more
//!    places, the oldest is taken back.
//!
//! Anything else is dropped, unanswered.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use openssl::error::ErrorStack;

use crate::bio::Link;
use crate::config::ServerConfig;
use crate::cookie::{self, CookieJar};
use crate::datagrams::Datagrams;
use crate::error::ConfigError;
use crate::ffi::Listen;
use crate::record;

/// What came of a datagram at the door.
pub(crate) enum Knock {
    /// A client that has proved its address.
    Verified(Link),
    /// It has to prove its address first; a HelloVerifyRequest is among the outgoing datagrams.
    CookieSent,
    /// It was not a ClientHello. There is nothing to send.
    Noise,
}

/// The door of one configuration. The cookies outlive it.
pub(crate) struct Door {
    pub(crate) config: ServerConfig,
    pub(crate) cookies: Arc<CookieJar>,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    listener: Option<Link>,
    /// Unfinished handshakes, the oldest first; also some that have been finished since.
    pending: VecDeque<Weak<Place>>,
}

/// The right to go on with a handshake.
#[derive(Debug, Default)]
pub(crate) struct Place {
    taken_back: AtomicBool,
}

impl Place {
    /// Whether someone newer has got it.
    pub(crate) fn is_taken_back(&self) -> bool {
        self.taken_back.load(Ordering::Relaxed)
    }
}

impl Door {
    pub(crate) fn new(config: ServerConfig, cookies: Arc<CookieJar>) -> Self {
        Self { config, cookies, inside: Mutex::default() }
    }

    /// Handles a datagram from `peer`. An answer is added to `outgoing`.
    ///
    /// # Errors
    /// When OpenSSL fails; the datagram is lost and the next one gets a new try.
    pub(crate) fn knock(
        &self,
        peer: SocketAddr,
        datagram: &[u8],
        outgoing: &mut Datagrams,
        now: Instant,
    ) -> Result<Knock, ConfigError> {
        if !record::is_client_hello(datagram) {
            return Ok(Knock::Noise);
        }
        self.cookies.rotate(now)?;
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let mut link = match inside.listener.take() {
            Some(link) => link,
            None => Link::new(&self.config.context, self.config.limits.mtu())?,
        };
        cookie::greet(link.ssl_mut(), peer, &self.cookies)?;
        let before = outgoing.len();
        match link.listen(datagram, outgoing) {
            Listen::Verified => {
                link.answer_as(datagram);
                Ok(Knock::Verified(link))
            }
            Listen::Unverified => {
                let _why = ErrorStack::get();
                inside.listener = Some(link);
                let answered = outgoing.len() > before;
                Ok(if answered { Knock::CookieSent } else { Knock::Noise })
            }
            Listen::Broken => Err(ErrorStack::get().into()),
        }
    }

    /// A place for one more handshake, if need be that of the oldest unfinished one.
    pub(crate) fn enter(&self) -> Arc<Place> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.pending.retain(|place| place.strong_count() > 0);
        while inside.pending.len() >= self.config.max_pending_handshakes {
            let Some(oldest) = inside.pending.pop_front() else {
                break;
            };
            if let Some(oldest) = oldest.upgrade() {
                oldest.taken_back.store(true, Ordering::Relaxed);
            }
        }
        let place = Arc::new(Place::default());
        inside.pending.push_back(Arc::downgrade(&place));
        place
    }
}
