//! The configuration of a client.

use std::sync::Arc;

use openssl::ssl::SslContext;

use crate::config::alpn::Alpn;
use crate::config::context;
use crate::config::key_log::KeyLog;
use crate::config::limits::Limits;
use crate::config::session_cache::SessionCache;
use crate::config::settings::{ClientSettings, ServerAuthentication};
use crate::credentials::certificate::Identity;
use crate::credentials::psk::Psk;
use crate::credentials::verification::Verification;
use crate::report::error::ConfigError;
use crate::ssl::suites::CipherSuites;

/// What a client demands of its servers, and what it shows when it is asked. Made by a
/// [`ClientConfigBuilder`]. One configuration is for any number of servers: the name of each is given to
/// [`crate::Session::connect`].
#[derive(Clone)]
pub struct ClientConfig {
    pub(crate) context: SslContext,
    pub(crate) settings: Arc<ClientSettings>,
    pub(crate) limits: Limits,
    /// The sessions to resume, which the copies of a configuration share. `None`: it resumes none.
    pub(crate) session_cache: Option<Arc<SessionCache>>,
}

impl ClientConfig {
    /// A builder for a client that verifies its servers' certificates as told.
    pub fn with_verification(verification: Verification) -> ClientConfigBuilder {
        ClientConfigBuilder::new(ServerAuthentication::Certificate(verification))
    }

    /// A builder for a client whose servers have the same key. It talks to no other, and resumes no
    /// session.
    pub fn with_psk(psk: Psk) -> ClientConfigBuilder {
        ClientConfigBuilder::new(ServerAuthentication::Psk(psk))
    }

    /// What a connection by it may take in bytes and time.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// A builder that begins with what this configuration was built from. What that builds has sessions
    /// of its own.
    pub fn to_builder(&self) -> ClientConfigBuilder {
        let settings = &*self.settings;
        ClientConfigBuilder {
            server: settings.server.clone(),
            identity: settings.identity.clone(),
            suites: settings.suites.clone(),
            alpn: settings.alpn.clone(),
            resumption: settings.resumption,
            key_log: settings.key_log.clone(),
            limits: self.limits,
        }
    }
}

/// Collects what a [`ClientConfig`] is made from, in any order.
#[derive(Clone)]
pub struct ClientConfigBuilder {
    server: ServerAuthentication,
    identity: Option<Identity>,
    suites: CipherSuites,
    alpn: Option<Alpn>,
    resumption: bool,
    key_log: Option<KeyLog>,
    limits: Limits,
}

impl ClientConfigBuilder {
    fn new(server: ServerAuthentication) -> Self {
        Self {
            server,
            identity: None,
            suites: CipherSuites::default(),
            alpn: None,
            resumption: true,
            key_log: None,
            limits: Limits::default(),
        }
    }

    /// A certificate of the client's own, all of whose chain is sent to a server that asks for one.
    /// Anyone on the way can read it: DTLS 1.2 does not encrypt certificates.
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The cipher suites, among which the server chooses; all that are allowed by default.
    pub fn with_cipher_suites(mut self, suites: CipherSuites) -> Self {
        self.suites = suites;
        self
    }

    /// The application protocols that the client offers. A server may ignore them:
    /// [`crate::Session::alpn_protocol`] tells.
    pub fn with_alpn(mut self, protocols: Alpn) -> Self {
        self.alpn = Some(protocols);
        self
    }

    /// Whether the client resumes the session of its last connection to the same server name. It does by
    /// default.
    pub fn with_resumption(mut self, resumption: bool) -> Self {
        self.resumption = resumption;
        self
    }

    /// Where the secrets of the client's connections are written to. For development only.
    pub fn with_key_log(mut self, log: KeyLog) -> Self {
        self.key_log = Some(log);
        self
    }

    /// The limits of each connection.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Builds the configuration.
    ///
    /// # Errors
    /// - OpenSSL refuses the identity, for example an RSA key under 2,048 bits.
    /// - There is an identity, and servers are authenticated by a pre-shared key.
    /// - A name is to be verified without trust anchors.
    /// - None of the cipher suites is for a certificate, or for the pre-shared key.
    pub fn build(self) -> Result<ClientConfig, ConfigError> {
        if matches!(self.server, ServerAuthentication::Psk(_)) && self.identity.is_some() {
            return Err(ConfigError::PskWithCertificate);
        }
        let settings = ClientSettings {
            server: self.server,
            identity: self.identity,
            suites: self.suites,
            alpn: self.alpn,
            resumption: self.resumption,
            key_log: self.key_log,
        };
        Ok(ClientConfig {
            context: context::of_client(&settings)?,
            session_cache: settings.resumes().then(Arc::default),
            settings: Arc::new(settings),
            limits: self.limits,
        })
    }
}
