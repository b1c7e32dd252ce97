//! The cookie exchange of a server (RFC 6347 section 4.2.1), which its listener and its sessions share.
//!
//! 1. A ClientHello without a cookie is answered with a HelloVerifyRequest. Nothing is kept: the one
//!    SSL object that listens is cleared and listens again.
//! 2. A ClientHello that brings its cookie back shows that its sender receives what is sent to that
//!    address. The SSL object that listened becomes its connection; the next one is made when the
//!    next datagram comes.
//! 3. The handshake of that client is pending (`pending.rs`) until it is over. When too many are, one is
//!    displaced.
//!
//! Anything else is dropped, unanswered.
//!
//! A client that starts again while it has a session comes to the cookie exchange through that session.
//! The new session waits with the server as the successor of the old one. So this file knows sessions,
//! and `session.rs` and what is below it know this file: the one circle of this crate.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use openssl::error::ErrorStack;
use openssl::ssl::SslRef;

use crate::config::{CurrentSettings, ServerConfig};
use crate::credentials::verification;
use crate::handshake::cookie::Attempt;
use crate::handshake::networks::{ConnectedPeers, Prefix};
use crate::handshake::pending::{PendingHandshake, PendingHandshakes};
use crate::handshake::secrets::{HandshakeContext, ServerSecrets};
use crate::handshake::session::Session;
use crate::report::error::OpenSslError;
use crate::report::failure::Role;
use crate::report::stats::StatsRegistry;
use crate::ssl::bio::Link;
use crate::ssl::callbacks;
use crate::ssl::ffi::Listen;
use crate::wire::datagrams::Datagrams;
use crate::wire::record;

/// What came of a datagram from an address that has to be proved.
pub(crate) enum HelloOutcome {
    /// The ClientHello of a client that has proved its address.
    Verified(Link),
    /// The client has to prove its address first; a HelloVerifyRequest is among the outgoing datagrams.
    CookieSent,
    /// It was not a ClientHello. There is nothing to send.
    NotAHello,
}

/// The cookie exchange under one configuration.
pub(crate) struct CookieExchange {
    pub(crate) config: ServerConfig,
    pub(crate) server: Arc<ServerState>,
    listening: Mutex<Option<Link>>,
}

/// What a server keeps when its configuration changes.
pub(crate) struct ServerState {
    secrets: Arc<ServerSecrets>,
    pub(crate) stats: Arc<StatsRegistry>,
    /// What counts for the clients to come, and at the end of a handshake.
    pub(crate) settings: Arc<CurrentSettings>,
    pending: PendingHandshakes,
    pub(crate) connected: Arc<ConnectedPeers>,
    successors: Mutex<Successors>,
}

/// Sessions whose clients have started again while they had another one, by their address. The other one
/// has ended, and these go on with the next datagram that comes to the listener from there. The handshake
/// of each is pending, which bounds how many there are.
#[derive(Default)]
struct Successors {
    /// The cookie exchange of the present configuration, as long as there is a listener.
    exchange: Weak<CookieExchange>,
    waiting: HashMap<SocketAddr, Box<Session>>,
}

impl ServerState {
    /// A new one, with secrets of its own.
    pub(crate) fn new(config: &ServerConfig, now: Instant) -> Result<Arc<Self>, ErrorStack> {
        Ok(Arc::new(Self {
            secrets: Arc::new(ServerSecrets::new(now)?),
            stats: Arc::default(),
            settings: Arc::new(CurrentSettings::new(&config.settings)),
            pending: PendingHandshakes::default(),
            connected: Arc::default(),
            successors: Mutex::default(),
        }))
    }

    /// The cookie exchange for clients that start again; `None` when the listener is gone.
    pub(crate) fn exchange(&self) -> Option<Arc<CookieExchange>> {
        self.successors.lock().unwrap_or_else(PoisonError::into_inner).exchange.upgrade()
    }

    /// Lets clients that start again use `exchange` from now on.
    pub(crate) fn use_exchange(&self, exchange: &Arc<CookieExchange>) {
        let mut successors = self.successors.lock().unwrap_or_else(PoisonError::into_inner);
        successors.exchange = Arc::downgrade(exchange);
    }

    /// Refuses every client from now on.
    pub(crate) fn close(&self) {
        let successors = &self.successors;
        let closed =
            std::mem::take(&mut *successors.lock().unwrap_or_else(PoisonError::into_inner));
        drop(closed);
    }

    /// Keeps the successor of a session at `peer` that has ended.
    pub(crate) fn hand_over(&self, peer: SocketAddr, successor: Box<Session>) {
        let mut successors = self.successors.lock().unwrap_or_else(PoisonError::into_inner);
        if successors.exchange.strong_count() > 0 {
            successors.waiting.insert(peer, successor);
        }
    }

    /// Drops successors whose clients have not come back in time, or whose handshakes were displaced.
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

impl CookieExchange {
    pub(crate) fn new(config: ServerConfig, server: Arc<ServerState>) -> Self {
        Self { config, server, listening: Mutex::default() }
    }

    /// Handles a datagram from `peer`. An answer is added to `outgoing`. Only a cookie that was made later
    /// than `after` counts.
    ///
    /// # Errors
    /// When OpenSSL fails; the datagram is lost and the next one gets a new try.
    pub(crate) fn handle_datagram(
        &self,
        peer: SocketAddr,
        datagram: &[u8],
        outgoing: &mut Datagrams,
        after: Option<Instant>,
        now: Instant,
    ) -> Result<HelloOutcome, OpenSslError> {
        let Some(random) = record::client_random(datagram) else {
            return Ok(HelloOutcome::NotAHello);
        };
        self.server.secrets.rotate(now)?;
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let mut link = match listening.take() {
            Some(link) => link,
            None => self.listen()?,
        };
        self.set_context(link.ssl_mut(), Attempt { address: peer, random, now, after })?;
        let before = outgoing.len();
        match link.listen(datagram, outgoing) {
            Listen::Verified => {
                link.answer_as(datagram);
                Ok(HelloOutcome::Verified(link))
            }
            Listen::Unverified => {
                let _why = ErrorStack::get();
                *listening = Some(link);
                let answered = outgoing.len() > before;
                Ok(if answered { HelloOutcome::CookieSent } else { HelloOutcome::NotAHello })
            }
            Listen::Broken => Err(ErrorStack::get().into()),
        }
    }

    /// Tells the callbacks of `ssl` which ClientHello they are asked about.
    fn set_context(&self, ssl: &mut SslRef, attempt: Attempt) -> Result<(), ErrorStack> {
        let secrets = Arc::clone(&self.server.secrets);
        let ticket_keys = self.config.settings.ticket_keys.clone();
        callbacks::set(ssl, Box::new(HandshakeContext { attempt, secrets, ticket_keys }))
    }

    /// An SSL object for the next client.
    fn listen(&self) -> Result<Link, ErrorStack> {
        let mut link = Link::new(&self.config.context, self.config.limits.mtu())?;
        verification::begin(link.ssl_mut(), Role::Client, None)?;
        Ok(link)
    }

    /// The network that `peer` counts for.
    pub(crate) fn prefix(&self, peer: SocketAddr) -> Prefix {
        Prefix::of(peer, &self.config.exempt_addresses)
    }

    /// Registers one more pending handshake, for which another one may be displaced.
    pub(crate) fn register(&self, peer: SocketAddr, now: Instant) -> Arc<PendingHandshake> {
        self.server.forget_successors(now);
        let limit = self.config.max_pending_handshakes;
        self.server.pending.register(self.prefix(peer), limit, now)
    }
}
