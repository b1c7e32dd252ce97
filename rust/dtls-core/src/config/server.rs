//! The configuration of a server.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use openssl::ssl::SslContext;

use crate::config::alpn::Alpn;
use crate::config::context;
use crate::config::key_log::KeyLog;
use crate::config::limits::Limits;
use crate::config::settings::{Credentials, Identities, ServerSettings};
use crate::credentials::certificate::Identity;
use crate::credentials::peer_name::PeerName;
use crate::credentials::psk::PskKeys;
use crate::credentials::ticket_keys::SharedTicketKeys;
use crate::credentials::verification::ClientVerification;
use crate::report::error::ConfigError;
use crate::ssl::suites::CipherSuites;

/// How many handshakes of a server may be unfinished at a time.
const MAX_PENDING_HANDSHAKES: usize = 256;

/// What a server shows to its clients, and what it demands of them. Made by a [`ServerConfigBuilder`].
#[derive(Clone)]
pub struct ServerConfig {
    pub(crate) context: SslContext,
    pub(crate) settings: Arc<ServerSettings>,
    pub(crate) limits: Limits,
    pub(crate) max_pending_handshakes: usize,
    pub(crate) max_peers_per_prefix: Option<NonZeroUsize>,
    /// In their canonical form.
    pub(crate) exempt_addresses: Arc<[IpAddr]>,
}

impl ServerConfig {
    /// A builder for a server with a certificate, with pre-shared keys or with both. Until one of them is
    /// given, nothing can be built.
    pub fn builder() -> ServerConfigBuilder {
        ServerConfigBuilder {
            identity: None,
            named_identities: Vec::new(),
            psk_keys: None,
            verification: ClientVerification::Nothing,
            suites: CipherSuites::default(),
            alpn: None,
            resumption: true,
            ticket_keys: None,
            key_log: None,
            limits: Limits::default(),
            max_pending_handshakes: MAX_PENDING_HANDSHAKES,
            max_peers_per_prefix: None,
            exempt_addresses: Vec::new(),
        }
    }

    /// A builder that begins with what this configuration was built from.
    pub fn to_builder(&self) -> ServerConfigBuilder {
        let settings = &*self.settings;
        let identities = settings.credentials.identities();
        let named = identities.into_iter().flat_map(|identities| &identities.named);
        ServerConfigBuilder {
            identity: identities.map(|identities| identities.default.clone()),
            named_identities: named
                .map(|(name, identity)| (PeerName::Dns(name.clone()), identity.clone()))
                .collect(),
            psk_keys: settings.credentials.psk().cloned(),
            verification: settings.verification.clone(),
            suites: settings.suites.clone(),
            alpn: settings.alpn.clone(),
            resumption: settings.resumption,
            ticket_keys: settings.ticket_keys.clone(),
            key_log: settings.key_log.clone(),
            limits: self.limits,
            max_pending_handshakes: self.max_pending_handshakes,
            max_peers_per_prefix: self.max_peers_per_prefix,
            exempt_addresses: self.exempt_addresses.to_vec(),
        }
    }

    /// The pre-shared keys of the server, which can be changed at any time, if it takes any.
    pub fn psk_keys(&self) -> Option<&PskKeys> {
        self.settings.credentials.psk()
    }
}

/// Collects what a [`ServerConfig`] is made from, in any order.
#[derive(Clone)]
pub struct ServerConfigBuilder {
    identity: Option<Identity>,
    named_identities: Vec<(PeerName, Identity)>,
    psk_keys: Option<PskKeys>,
    verification: ClientVerification,
    suites: CipherSuites,
    alpn: Option<Alpn>,
    resumption: bool,
    ticket_keys: Option<SharedTicketKeys>,
    key_log: Option<KeyLog>,
    limits: Limits,
    max_pending_handshakes: usize,
    max_peers_per_prefix: Option<NonZeroUsize>,
    exempt_addresses: Vec<IpAddr>,
}

impl ServerConfigBuilder {
    /// The key and the certificates of the server, all of which are sent.
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Adds identities for clients that ask for these hosts (SNI). A client that asks for another
    /// name, or for none, is shown the one from [`ServerConfigBuilder::with_identity`].
    pub fn with_named_identities(
        mut self,
        others: impl IntoIterator<Item = (PeerName, Identity)>,
    ) -> Self {
        self.named_identities.extend(others);
        self
    }

    /// The pre-shared keys of clients. Clients with a key show no certificate. Their sessions are not
    /// resumed: there would be nothing to save.
    pub fn with_psk_keys(mut self, keys: PskKeys) -> Self {
        self.psk_keys = Some(keys);
        self
    }

    /// What the server asks of its clients; nothing by default.
    pub fn with_verification(mut self, verification: ClientVerification) -> Self {
        self.verification = verification;
        self
    }

    /// The cipher suites, in the server's order of preference; all that are allowed by default.
    pub fn with_cipher_suites(mut self, suites: CipherSuites) -> Self {
        self.suites = suites;
        self
    }

    /// The application protocols, of which the server chooses one. Clients that offer others are refused.
    /// Those that offer none are not: [`crate::Session::alpn_protocol`] tells.
    pub fn with_alpn(mut self, protocols: Alpn) -> Self {
        self.alpn = Some(protocols);
        self
    }

    /// Whether sessions can be resumed. They can by default.
    pub fn with_resumption(mut self, resumption: bool) -> Self {
        self.resumption = resumption;
        self
    }

    /// The keys that seal tickets, in place of the server's own. Servers with the same keys resume each
    /// other's sessions, if they also have the same certificates, cipher suites and protocols, and demand
    /// the same of their clients.
    pub fn with_ticket_keys(mut self, keys: SharedTicketKeys) -> Self {
        self.ticket_keys = Some(keys);
        self
    }

    /// Where the secrets of the server's connections are written to. For development only.
    pub fn with_key_log(mut self, log: KeyLog) -> Self {
        self.key_log = Some(log);
        self
    }

    /// The limits of each connection.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The limit for handshakes that have begun and are not over. When it is reached, one of them is given
    /// up for the newest: the oldest of the network that has the most. A network is one IPv4 address, or
    /// the /64 of an IPv6 address. 256 by default.
    pub fn with_max_pending_handshakes(mut self, count: usize) -> Self {
        self.max_pending_handshakes = count;
        self
    }

    /// The limit for clients that are connected from one network (one IPv4 address, or the /64 of an IPv6
    /// address). There is none by default: a school is one address.
    pub fn with_max_peers_per_prefix(mut self, count: Option<NonZeroUsize>) -> Self {
        self.max_peers_per_prefix = count;
        self
    }

    /// The addresses at which every client counts as a network of its own, such as those of a load
    /// balancer.
    pub fn with_exempt_addresses(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.exempt_addresses = addresses.into_iter().collect();
        self
    }

    /// Builds the configuration.
    ///
    /// # Errors
    /// - There is neither an identity nor a pre-shared key, or named identities are all there are.
    /// - OpenSSL refuses an identity, for example an RSA key under 2,048 bits.
    /// - There are two identities for one name, or a name is an address, which no client asks for.
    /// - A certificate is required of clients where pre-shared keys are accepted.
    /// - None of the cipher suites is for one of the certificates, or for the pre-shared keys.
    /// - The limit for pending handshakes is 0, which would let no client in.
    pub fn build(self) -> Result<ServerConfig, ConfigError> {
        if self.max_pending_handshakes == 0 {
            return Err(ConfigError::NoPendingHandshakes);
        }
        let settings = ServerSettings {
            credentials: credentials(self.identity, self.named_identities, self.psk_keys)?,
            verification: self.verification,
            suites: self.suites,
            alpn: self.alpn,
            resumption: self.resumption,
            ticket_keys: self.ticket_keys,
            key_log: self.key_log,
        };
        let exempt_addresses = self.exempt_addresses.into_iter().map(|it| it.to_canonical());
        Ok(ServerConfig {
            context: context::of_server(&settings)?,
            settings: Arc::new(settings),
            limits: self.limits,
            max_pending_handshakes: self.max_pending_handshakes,
            max_peers_per_prefix: self.max_peers_per_prefix,
            exempt_addresses: exempt_addresses.collect(),
        })
    }
}

fn credentials(
    identity: Option<Identity>,
    others: Vec<(PeerName, Identity)>,
    psk_keys: Option<PskKeys>,
) -> Result<Credentials, ConfigError> {
    let mut named = BTreeMap::new();
    for (name, identity) in others {
        let PeerName::Dns(name) = name else {
            return Err(ConfigError::IdentityOfAddress(name.to_string()));
        };
        if named.insert(name.clone(), identity).is_some() {
            return Err(ConfigError::IdentityTwice(name.into()));
        }
    }
    match (identity, psk_keys) {
        (None, _) if !named.is_empty() => Err(ConfigError::NoDefaultIdentity),
        (None, None) => Err(ConfigError::NoCredentials),
        (None, Some(keys)) => Ok(Credentials::Psk(keys)),
        (Some(default), None) => Ok(Credentials::Certificate(Identities { default, named })),
        (Some(default), Some(keys)) => Ok(Credentials::Both(Identities { default, named }, keys)),
    }
}
