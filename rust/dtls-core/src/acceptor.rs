//! A server's front door (RFC 6347 section 4.2.1).
//!
//! 1. A ClientHello without a cookie is answered with a HelloVerifyRequest. Nothing is kept: the one
//!    SSL object that listens is cleared and listens again.
//! 2. A ClientHello that brings its cookie back shows that its sender receives what is sent to that
//!    address. The SSL object that listened becomes its [`Session`]; the next one is made when the
//!    next datagram comes.
//!
//! Anything else is dropped, unanswered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use openssl::error::ErrorStack;

use crate::bio::Link;
use crate::config::{MTU, ServerConfig};
use crate::cookie::{self, CookieJar};
use crate::datagrams::Datagrams;
use crate::error::ConfigError;
use crate::ffi::Listen;
use crate::record;
use crate::session::Session;

/// What came of a datagram from an address without a session.
#[derive(Debug)]
pub enum Accepted {
    /// The client proved its address: its handshake has begun.
    Session(Box<Session>),
    /// It has to prove its address first; a HelloVerifyRequest is among the outgoing datagrams.
    CookieSent,
    /// It was not a ClientHello. There is nothing to send.
    Noise,
}

/// Turns the first datagrams of clients into sessions.
pub struct Acceptor {
    config: ServerConfig,
    cookies: Arc<CookieJar>,
    listener: Option<Link>,
}

impl Acceptor {
    /// A front door with this configuration.
    ///
    /// # Errors
    /// When OpenSSL has no random numbers.
    pub fn new(config: ServerConfig, now: Instant) -> Result<Self, ConfigError> {
        let cookies = Arc::new(CookieJar::new(now)?);
        Ok(Self { config, cookies, listener: None })
    }

    /// Uses `config` for the clients to come. Clients that hold a cookie keep it, and sessions that
    /// exist go on as they are.
    pub fn set_config(&mut self, config: ServerConfig) {
        self.config = config;
        self.listener = None;
    }

    /// Handles a datagram from `peer`, an address that has no session. What has to be sent back is
    /// added to `outgoing`, unless it is a session that comes back: then the session has it.
    ///
    /// # Errors
    /// When OpenSSL fails; the datagram is lost and the next one gets a new try.
    pub fn handle_datagram(
        &mut self,
        peer: SocketAddr,
        datagram: &[u8],
        outgoing: &mut Datagrams,
        now: Instant,
    ) -> Result<Accepted, ConfigError> {
        // The session gets all of it, so what would never get to a session must not come this way.
        let datagram = record::acceptable(datagram, record::LEAST_ENCRYPTED);
        if !record::is_client_hello(datagram) {
            return Ok(Accepted::Noise);
        }
        self.cookies.rotate(now)?;
        let mut link = match self.listener.take() {
            Some(link) => link,
            None => Link::new(&self.config.context, MTU)?,
        };
        cookie::greet(link.ssl_mut(), peer, &self.cookies)?;
        let before = outgoing.len();
        match link.listen(datagram, outgoing) {
            Listen::Verified => {
                link.answer_as(datagram);
                let session = Session::accept(link, now);
                Ok(Accepted::Session(Box::new(session)))
            }
            Listen::Unverified => {
                let _why = ErrorStack::get();
                self.listener = Some(link);
                let answered = outgoing.len() > before;
                Ok(if answered { Accepted::CookieSent } else { Accepted::Noise })
            }
            Listen::Broken => Err(ErrorStack::get().into()),
        }
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}
