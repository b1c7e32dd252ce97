//! How a client's session begins, and begins anew.

use std::sync::Arc;
use std::time::Instant;

use crate::config::ClientConfig;
use crate::config::session_cache::KnownServer;
use crate::credentials::peer_name::PeerName;
use crate::report::error::ConnectError;
use crate::report::stats::RegisteredCounters;

use super::handshaking::Handshaking;
use super::{Origin, Session, State};

impl Session {
    /// A client's session with the server of this name. Its ClientHello is there to be sent. A DNS name is
    /// sent to the server, which may choose its certificate by it (SNI); an address is not.
    ///
    /// # Errors
    /// When the name is to be verified and none is given, and when OpenSSL fails.
    pub fn connect(
        config: &ClientConfig,
        server_name: Option<PeerName>,
        now: Instant,
    ) -> Result<Self, ConnectError> {
        Self::connect_since(config, server_name, now, now)
    }

    /// The same for a client that has been at it since `began`, such as finding the address of its server: that
    /// is a part of the time that the handshake may take. For the first answer it waits as long as any other.
    ///
    /// # Errors
    /// As for [`Session::connect`].
    pub fn connect_since(
        config: &ClientConfig,
        server_name: Option<PeerName>,
        began: Instant,
        now: Instant,
    ) -> Result<Self, ConnectError> {
        let cache = config.session_cache.clone();
        let server = Arc::new(KnownServer { name: server_name, cache });
        let handshaking = Handshaking::of_client(config, Arc::clone(&server), began, now)?;
        let (origin, counters) = (Origin::Client(server), RegisteredCounters::default());
        Ok(Self::start(handshaking, config.limits, origin, counters, now))
    }

    /// Whether it is a client's and has heard nothing from its server yet.
    pub fn is_unanswered(&self) -> bool {
        matches!(&self.state, State::Handshaking(state) if state.is_unanswered())
    }

    /// Begins anew with another ClientHello while it is unanswered, for another address of the server: what
    /// the one before may still answer has to be kept from it. What it has counted, and the time until it
    /// gives up, go on.
    pub fn start_over(&mut self, now: Instant) {
        self.advance(|state, io| match state {
            State::Handshaking(state) => state.start_over(now, io),
            other => other,
        });
    }
}
