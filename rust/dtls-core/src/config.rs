//! Configurations: one that exists is valid.

mod context;
mod limits;

use std::sync::Arc;

use openssl::ssl::SslContext;

use crate::certificate::Identity;
use crate::error::ConfigError;
use crate::peer_name::PeerName;
use crate::resumption::Kept;
use crate::verification::{ClientVerification, Verification};

pub(crate) use context::CIPHER_SUITES;
pub use limits::{Limits, MAX_PACKET};

/// How many handshakes of a server may be unfinished at a time.
const MAX_PENDING_HANDSHAKES: usize = 256;

/// What a server shows to its clients, and what it demands of them.
#[derive(Clone)]
pub struct ServerConfig {
    pub(crate) context: SslContext,
    pub(crate) settings: Arc<ServerSettings>,
    pub(crate) limits: Limits,
    pub(crate) max_pending_handshakes: usize,
}

/// What the context of a server is made from.
#[derive(Clone)]
pub(crate) struct ServerSettings {
    pub(crate) identity: Identity,
    pub(crate) verification: ClientVerification,
    pub(crate) resumption: bool,
}

impl ServerConfig {
    /// A server with this key and these certificates, all of which are sent. It asks its clients for
    /// nothing.
    ///
    /// # Errors
    /// When OpenSSL refuses them, for example an RSA key under 2,048 bits.
    pub fn new(identity: &Identity) -> Result<Self, ConfigError> {
        let (identity, verification) = (identity.clone(), ClientVerification::Nothing);
        let settings = ServerSettings { identity, verification, resumption: true };
        Ok(Self {
            context: context::of_server(&settings)?,
            settings: Arc::new(settings),
            limits: Limits::default(),
            max_pending_handshakes: MAX_PENDING_HANDSHAKES,
        })
    }

    /// The same server, asking its clients for a certificate.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_verification(self, verification: ClientVerification) -> Result<Self, ConfigError> {
        self.with(|settings| settings.verification = verification)
    }

    /// The same server, which lets sessions be resumed, or does not. It does by default.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_resumption(self, resumption: bool) -> Result<Self, ConfigError> {
        self.with(|settings| settings.resumption = resumption)
    }

    /// The same server with other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same server with another limit for handshakes that have begun and are not over. When it is
    /// reached, the oldest of them is given up for the newest.
    ///
    /// # Errors
    /// When it is 0, which would let no one in.
    pub fn with_max_pending_handshakes(self, count: usize) -> Result<Self, ConfigError> {
        if count == 0 {
            return Err(ConfigError::NoPendingHandshakes);
        }
        Ok(Self { max_pending_handshakes: count, ..self })
    }

    fn with(mut self, change: impl FnOnce(&mut ServerSettings)) -> Result<Self, ConfigError> {
        change(Arc::make_mut(&mut self.settings));
        self.context = context::of_server(&self.settings)?;
        Ok(self)
    }
}

/// What a client demands of its server, and what it shows when it is asked.
#[derive(Clone)]
pub struct ClientConfig {
    pub(crate) context: SslContext,
    pub(crate) settings: Arc<ClientSettings>,
    pub(crate) server_name: Option<PeerName>,
    pub(crate) limits: Limits,
    /// The session to resume, which the copies of a configuration share. `None`: it never does.
    pub(crate) kept: Option<Arc<Kept>>,
}

/// What the context of a client is made from.
#[derive(Clone)]
pub(crate) struct ClientSettings {
    pub(crate) identity: Option<Identity>,
    pub(crate) verification: Verification,
    pub(crate) resumption: bool,
}

impl ClientConfig {
    /// A client that verifies its server as told. A DNS name as `server_name` is sent to the server,
    /// which may choose its certificate by it (SNI); an address is not.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn new(
        verification: Verification,
        server_name: Option<PeerName>,
    ) -> Result<Self, ConfigError> {
        let settings = ClientSettings { identity: None, verification, resumption: true };
        Ok(Self {
            context: context::of_client(&settings)?,
            settings: Arc::new(settings),
            server_name,
            limits: Limits::default(),
            kept: Some(Arc::default()),
        })
    }

    /// The same client with a certificate of its own, all of whose chain is sent to a server that asks
    /// for one. Anyone on the way can read it: DTLS 1.2 does not encrypt certificates.
    ///
    /// # Errors
    /// When OpenSSL refuses it, for example an RSA key under 2,048 bits.
    pub fn with_identity(self, identity: &Identity) -> Result<Self, ConfigError> {
        self.with(|settings| settings.identity = Some(identity.clone()))
    }

    /// The same client, which resumes the session of its last connection, or does not. It does by
    /// default, and its copies share that session.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_resumption(self, resumption: bool) -> Result<Self, ConfigError> {
        self.with(|settings| settings.resumption = resumption)
    }

    /// The same client with other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    fn with(mut self, change: impl FnOnce(&mut ClientSettings)) -> Result<Self, ConfigError> {
        change(Arc::make_mut(&mut self.settings));
        self.context = context::of_client(&self.settings)?;
        // What other settings have begun is not for these to go on with.
        self.kept = self.settings.resumption.then(Arc::default);
        Ok(self)
    }
}
