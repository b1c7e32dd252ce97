//! A server's front door (RFC 6347 section 4.2.1), which its acceptor and its sessions share.
//!
//! 1. A ClientHello without a cookie is answered with a HelloVerifyRequest. Nothing is kept: the one
//!    SSL object that listens is cleared and listens again.
//! 2. A ClientHello that brings its cookie back shows that its sender receives what is sent to that
//!    address. The SSL object that listened becomes its connection; the next one is made when the
//!    next datagram comes.
//! 3. Whoever has come in holds a place (`pending.rs`) until the handshake is over. When there are no
//!    more places, one is taken back.
//!
//! A client that starts again while it has a session finds the door through that session. What comes
//! of it is handed over to the acceptor, as the [`Successors`] of sessions that have ended.
//!
//! Anything else is dropped, unanswered.

use std::collections::HashMap;
use std::net::SocketAddr;
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
use crate::pending::{Peers, Pending, Place, Prefix};
use crate::session::Session;
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
    pub(crate) pending: Pending,
    /// The clients that are connected.
    pub(crate) peers: Arc<Peers>,
    successors: Mutex<Successors>,
}

/// Sessions whose clients have started again while they had another one, by their address. That one
/// has ended, and these go on with the next datagram which comes to the acceptor from there. Each holds
/// a place, which bounds how many there are.
#[derive(Default)]
struct Successors {
    /// The door of the present configuration, as long as there is an acceptor behind it.
    door: Weak<Door>,
    waiting: HashMap<SocketAddr, Box<Session>>,
}

impl Lobby {
    /// A new one, with secrets of its own.
    pub(crate) fn new(config: &ServerConfig, now: Instant) -> Result<Arc<Self>, ErrorStack> {
        Ok(Arc::new(Self {
            settings: Mutex::new(Arc::clone(&config.settings)),
            cookies: CookieJar::new(now)?,
            tickets: TicketKeys::new(now)?,
            ledger: Arc::default(),
            pending: Pending::default(),
            peers: Arc::default(),
            successors: Mutex::default(),
        }))
    }

    pub(crate) fn settings(&self) -> Arc<ServerSettings> {
        Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets other settings count from now on.
    pub(crate) fn use_settings(&self, settings: &Arc<ServerSettings>) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(settings);
    }

    /// The door that clients who start again come in through; `None` when the acceptor is gone.
    pub(crate) fn door(&self) -> Option<Arc<Door>> {
        self.successors.lock().unwrap_or_else(PoisonError::into_inner).door.upgrade()
    }

    /// Lets clients who start again come in through `door` from now on.
    pub(crate) fn use_door(&self, door: &Arc<Door>) {
        let mut successors = self.successors.lock().unwrap_or_else(PoisonError::into_inner);
        successors.door = Arc::downgrade(door);
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        let successors = &self.successors;
        let closed =
            std::mem::take(&mut *successors.lock().unwrap_or_else(PoisonError::into_inner));
        drop(closed);
    }

    /// Keeps the successor of a session at `peer` that has ended.
    pub(crate) fn hand_over(&self, peer: SocketAddr, successor: Box<Session>) {
        let mut successors = self.successors.lock().unwrap_or_else(PoisonError::into_inner);
        if successors.door.strong_count() > 0 {
            successors.waiting.insert(peer, successor);
        }
    }

    /// Drops successors whose clients have not come back in time, or whose places were taken.
    fn forget_successors(&self, now: Instant) {
        let mut successors = self.successors.lock().unwrap_or_else(PoisonError::into_inner);
        successors.waiting.retain(|_, session| session.can_go_on(now));
    }

    /// The successor of the last session at `peer`, if its client was starting again.
    pub(crate) fn take_successor(&self, peer: SocketAddr, now: Instant) -> Option<Box<Session>> {
        let mut successors = self.successors.lock().unwrap_or_else(PoisonError::into_inner);
        successors.waiting.remove(&peer).filter(|session| session.can_go_on(now))
    }
}

impl Door {
    pub(crate) fn new(config: ServerConfig, lobby: Arc<Lobby>) -> Self {
        Self { config, lobby, listener: Mutex::default() }
    }

    /// Handles a datagram from `peer`. An answer is added to `outgoing`. Only a cookie that was made later
    /// than `after` counts.
    ///
    /// # Errors
    /// When OpenSSL fails; the datagram is lost and the next one gets a new try.
    pub(crate) fn knock(
        &self,
        peer: SocketAddr,
        datagram: &[u8],
        outgoing: &mut Datagrams,
        after: Option<Instant>,
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
        self.greet(link.ssl_mut(), Attempt { address: peer, random, now, after })?;
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

    /// The network that `peer` counts for.
    pub(crate) fn prefix(&self, peer: SocketAddr) -> Prefix {
        Prefix::of(peer, &self.config.exempt_addresses)
    }

    /// A place for one more handshake, if need be that of another one.
    pub(crate) fn enter(&self, peer: SocketAddr, now: Instant) -> Arc<Place> {
        self.lobby.forget_successors(now);
        self.lobby.pending.enter(self.prefix(peer), self.config.max_pending_handshakes, now)
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
