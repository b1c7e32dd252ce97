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

use once_cell::sync::OnceCell;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslRef};

use crate::bio::Link;
use crate::config::{ServerConfig, ServerSettings};
use crate::cookie::{Attempt, CookieJar};
use crate::datagrams::Datagrams;
use crate::error::ConfigError;
use crate::failure::Role;
use crate::ffi::Listen;
use crate::stats::Ledger;
use crate::ticket::{SharedTicketKeys, TicketKeys};
use crate::{record, verification};

/// What came of a datagram at the door.
pub(crate) enum Knock {
    /// A client that has proved its address.
    Verified(Link),
    /// It has to prove its address first; a HelloVerifyRequest is among the outgoing datagrams.
    CookieSent,
    /// It was not a ClientHello. There is nothing to send.
    Noise,
}

/// The door of one configuration.
pub(crate) struct Door {
    pub(crate) config: ServerConfig,
    pub(crate) lobby: Arc<Lobby>,
    listener: Mutex<Option<Link>>,
}

/// What is behind the door and stays when the configuration changes.
pub(crate) struct Lobby {
    pub(crate) cookies: CookieJar,
    pub(crate) tickets: TicketKeys,
    /// What the server has counted.
    pub(crate) ledger: Arc<Ledger>,
    /// What counts for the clients to come, and at the end of a handshake.
    settings: Mutex<Arc<ServerSettings>>,
    /// Unfinished handshakes, the oldest first; also some that have been finished since.
    pending: Mutex<VecDeque<Weak<Place>>>,
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

impl Lobby {
    /// A new one, with secrets of its own.
    pub(crate) fn new(config: &ServerConfig, now: Instant) -> Result<Arc<Self>, ErrorStack> {
        Ok(Arc::new(Self {
            settings: Mutex::new(Arc::clone(&config.settings)),
            cookies: CookieJar::new(now)?,
            tickets: TicketKeys::new(now)?,
            ledger: Arc::default(),
            pending: Mutex::default(),
        }))
    }

    pub(crate) fn settings(&self) -> Arc<ServerSettings> {
        Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets other settings count from now on.
    pub(crate) fn use_settings(&self, settings: &Arc<ServerSettings>) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(settings);
    }
}

impl Door {
    pub(crate) fn new(config: ServerConfig, lobby: Arc<Lobby>) -> Self {
        Self { config, lobby, listener: Mutex::default() }
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
        let Some(random) = record::client_random(datagram) else {
            return Ok(Knock::Noise);
        };
        self.lobby.cookies.rotate(now)?;
        self.lobby.tickets.rotate(now)?;
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        let mut link = match listener.take() {
            Some(link) => link,
            None => self.new_listener()?,
        };
        self.greet(link.ssl_mut(), Attempt { address: peer, random })?;
        let before = outgoing.len();
        match link.listen(datagram, outgoing) {
            Listen::Verified => {
                link.answer_as(datagram);
                Ok(Knock::Verified(link))
            }
            Listen::Unverified => {
                let _why = ErrorStack::get();
                *listener = Some(link);
                let answered = outgoing.len() > before;
                Ok(if answered { Knock::CookieSent } else { Knock::Noise })
            }
            Listen::Broken => Err(ErrorStack::get().into()),
        }
    }

    /// Tells the callbacks of `ssl` who is there.
    fn greet(&self, ssl: &mut SslRef, attempt: Attempt) -> Result<(), ErrorStack> {
        let index = index()?;
        match ssl.ex_data_mut(index) {
            Some(visitor) => visitor.attempt = attempt,
            None => {
                let ticket_keys = self.config.settings.ticket_keys.clone();
                let lobby = Arc::clone(&self.lobby);
                ssl.set_ex_data(index, Visitor { attempt, lobby, ticket_keys });
            }
        }
        Ok(())
    }

    fn new_listener(&self) -> Result<Link, ErrorStack> {
        let mut link = Link::new(&self.config.context, self.config.limits.mtu())?;
        verification::begin(link.ssl_mut(), Role::Client, None)?;
        Ok(link)
    }

    /// A place for one more handshake, if need be that of the oldest unfinished one.
    pub(crate) fn enter(&self) -> Arc<Place> {
        let mut pending = self.lobby.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|place| place.strong_count() > 0);
        while pending.len() >= self.config.max_pending_handshakes {
            let Some(oldest) = pending.pop_front() else {
                break;
            };
            if let Some(oldest) = oldest.upgrade() {
                oldest.taken_back.store(true, Ordering::Relaxed);
            }
        }
        let place = Arc::new(Place::default());
        pending.push_back(Arc::downgrade(&place));
        place
    }
}

/// Who is at the door, as the callbacks of an SSL object see it.
pub(crate) struct Visitor {
    pub(crate) attempt: Attempt,
    pub(crate) lobby: Arc<Lobby>,
    /// Those of the configuration, in place of the lobby's own.
    pub(crate) ticket_keys: Option<SharedTicketKeys>,
}

fn index() -> Result<Index<Ssl, Visitor>, ErrorStack> {
    static INDEX: OnceCell<Index<Ssl, Visitor>> = OnceCell::new();
    INDEX.get_or_try_init(Ssl::new_ex_index).copied()
}

/// Whom `ssl` was told about.
pub(crate) fn visitor(ssl: &SslRef) -> Option<&Visitor> {
    ssl.ex_data(index().ok()?)
}
