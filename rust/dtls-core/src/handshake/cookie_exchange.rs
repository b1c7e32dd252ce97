//! The cookie exchange of a server (RFC 6347 section 4.2.1), which its listener and its sessions share.
//!
//! 1. A ClientHello without a cookie is read here (`wire/hello.rs`) and answered with a HelloVerifyRequest.
//!    Nothing is kept, and OpenSSL sees nothing of it.
//! 2. A ClientHello that brings its cookie back shows that its sender receives what is sent to that
//!    address. An SSL object is made, which reads it and becomes the connection.
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
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use openssl::error::ErrorStack;

use crate::config::{CurrentSettings, ServerConfig};
use crate::credentials::verification;
use crate::handshake::cookie::{Attempt, ProvedCookie, Verdict};
use crate::handshake::networks::{ConnectedPeers, Prefix};
use crate::handshake::pending::{PendingHandshake, PendingHandshakes};
use crate::handshake::secrets::{HandshakeContext, ServerSecrets};
use crate::handshake::session::Session;
use crate::report::error::OpenSslError;
use crate::report::failure::Role;
use crate::report::stats::StatsRegistry;
use crate::ssl::bio::Link;
use crate::ssl::callbacks;
use crate::wire::datagrams::Datagrams;
use crate::wire::hello::ClientHello;

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
}

/// What a server keeps when its configuration changes.
pub(crate) struct ServerState {
    secrets: Arc<ServerSecrets>,
    pub(crate) stats: Arc<StatsRegistry>,
    /// What counts for the clients to come, and at the end of a handshake.
    pub(crate) settings: Arc<CurrentSettings>,
    pub(crate) pending: PendingHandshakes,
    pub(crate) connected: Arc<ConnectedPeers>,
    successors: Mutex<Successors>,
    /// Whether any is waiting. A flood of strangers does not have to lock them to find out.
    has_successors: AtomicBool,
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
    /// A new one, with secrets of its own, for at most `most` clients at a time.
    pub(crate) fn new(
        config: &ServerConfig,
        most: Option<NonZeroUsize>,
        now: Instant,
    ) -> Result<Arc<Self>, ErrorStack> {
        Ok(Arc::new(Self {
            secrets: Arc::new(ServerSecrets::new(now)?),
            stats: Arc::default(),
            settings: Arc::new(CurrentSettings::new(&config.settings)),
            pending: PendingHandshakes::default(),
            connected: Arc::new(ConnectedPeers::at_most(most)),
            successors: Mutex::default(),
            has_successors: AtomicBool::default(),
        }))
    }

    fn successors(&self) -> MutexGuard<'_, Successors> {
        self.successors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cookie exchange for clients that start again; `None` when the listener is gone.
    pub(crate) fn exchange(&self) -> Option<Arc<CookieExchange>> {
        self.successors().exchange.upgrade()
    }

    /// Lets clients that start again use `exchange` from now on.
    pub(crate) fn use_exchange(&self, exchange: &Arc<CookieExchange>) {
        self.successors().exchange = Arc::downgrade(exchange);
    }

    /// Refuses every client from now on.
    pub(crate) fn close(&self) {
        let closed = std::mem::take(&mut *self.successors());
        drop(closed);
    }

    /// Keeps the successor of a session at `peer` that has ended.
    pub(crate) fn hand_over(&self, peer: SocketAddr, successor: Box<Session>) {
        let mut successors = self.successors();
        if successors.exchange.strong_count() > 0 {
            successors.waiting.insert(peer, successor);
            self.has_successors.store(true, Ordering::Release);
        }
    }

    /// Drops successors whose clients have not come back in time, or whose handshakes were displaced.
    fn forget_successors(&self, now: Instant) {
        let mut successors = self.successors();
        successors.waiting.retain(|_, session| session.can_go_on(now));
        self.has_successors.store(!successors.waiting.is_empty(), Ordering::Release);
    }

    /// The successor of the last session at `peer`, if its client was starting again.
    pub(crate) fn take_successor(&self, peer: SocketAddr, now: Instant) -> Option<Box<Session>> {
        if !self.has_successors.load(Ordering::Acquire) {
            return None;
        }
        let mut successors = self.successors();
        let taken = successors.waiting.remove(&peer);
        self.has_successors.store(!successors.waiting.is_empty(), Ordering::Release);
        taken.filter(|session| session.can_go_on(now))
    }
}

impl CookieExchange {
    pub(crate) fn new(config: ServerConfig, server: Arc<ServerState>) -> Self {
        Self { config, server }
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
        let Some(hello) = ClientHello::parse(datagram) else {
            return Ok(HelloOutcome::NotAHello);
        };
        let attempt = Attempt { address: peer, random: hello.random, now, after };
        match self.server.secrets.cookies.check(&attempt, hello.cookie)? {
            Verdict::Proved(cookie) => {
                let link = self.accept(datagram, cookie, after.is_some(), now)?;
                Ok(HelloOutcome::Verified(link))
            }
            Verdict::Unproved(cookie) => {
                let before = outgoing.len();
                outgoing.push(&hello.verify_request(&cookie));
                // There may be no room for it.
                let answered = outgoing.len() > before;
                Ok(if answered { HelloOutcome::CookieSent } else { HelloOutcome::NotAHello })
            }
        }
    }

    /// The SSL object of a client that has proved its address. It has read the ClientHello `datagram`.
    fn accept(
        &self,
        datagram: &[u8],
        cookie: ProvedCookie,
        starts_again: bool,
        now: Instant,
    ) -> Result<Link, ErrorStack> {
        let secrets = Arc::clone(&self.server.secrets);
        secrets.tickets.rotate(now)?;
        let ticket_keys = self.config.settings.ticket_keys.clone();
        let mut link = Link::new(&self.config.context, self.config.limits.mtu())?;
        let ssl = link.ssl_mut();
        verification::begin(ssl, Role::Client, None)?;
        let context = HandshakeContext { cookie, starts_again, secrets, ticket_keys };
        callbacks::set(ssl, Box::new(context))?;
        link.listen(datagram)?;
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
