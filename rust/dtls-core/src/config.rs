//! Configurations: one that exists is valid.

mod context;
mod limits;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use openssl::ssl::SslContext;

use crate::alpn::Alpn;
use crate::certificate::Identity;
use crate::error::ConfigError;
use crate::key_log::KeyLog;
use crate::peer_name::PeerName;
use crate::psk::{Psk, PskKeys};
use crate::resumption::Kept;
use crate::suites::{CipherSuites, Proof, Suite};
use crate::ticket::SharedTicketKeys;
use crate::verification::{ClientVerification, Verification};

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
    pub(crate) max_peers_per_prefix: Option<NonZeroUsize>,
    /// In their canonical form.
    pub(crate) exempt_addresses: Arc<[IpAddr]>,
}

/// What the context of a server is made from.
#[derive(Clone)]
pub(crate) struct ServerSettings {
    pub(crate) credentials: Credentials,
    pub(crate) verification: ClientVerification,
    pub(crate) suites: CipherSuites,
    pub(crate) alpn: Option<Alpn>,
    pub(crate) resumption: bool,
    pub(crate) ticket_keys: Option<SharedTicketKeys>,
    pub(crate) key_log: Option<KeyLog>,
}

/// What a server proves itself by.
#[derive(Clone)]
pub(crate) enum Credentials {
    Certificate(Identities),
    Psk(PskKeys),
    /// The client chooses by the suites that it offers.
    Both(Identities, PskKeys),
}

/// The certificates of a server, for one of which its client asks by name (SNI).
#[derive(Clone)]
pub(crate) struct Identities {
    /// For clients that ask for no name, or for an unknown one.
    pub(crate) default: Identity,
    /// By host name, in lower case.
    pub(crate) named: BTreeMap<String, Identity>,
}

impl Identities {
    /// All of them, the default one first.
    fn all(&self) -> impl Iterator<Item = &Identity> {
        std::iter::once(&self.default).chain(self.named.values())
    }
}

impl Credentials {
    pub(crate) fn identities(&self) -> Option<&Identities> {
        match self {
            Self::Certificate(identities) | Self::Both(identities, _) => Some(identities),
            Self::Psk(_) => None,
        }
    }

    pub(crate) fn psk(&self) -> Option<&PskKeys> {
        match self {
            Self::Psk(keys) | Self::Both(_, keys) => Some(keys),
            Self::Certificate(_) => None,
        }
    }
}

impl ServerSettings {
    /// Whether a connection may have this suite.
    pub(crate) fn allow(&self, suite: &Suite) -> bool {
        self.suites.with(&self.proofs()).any(|allowed| allowed == suite)
    }

    fn proofs(&self) -> Vec<Proof> {
        let psk = self.credentials.psk().map(|_| Proof::Psk);
        let identities = self.credentials.identities().into_iter().flat_map(Identities::all);
        psk.into_iter().chain(identities.map(Identity::proof)).collect()
    }
}

impl ServerConfig {
    /// A server with this key and these certificates, all of which are sent. It asks its clients for
    /// nothing.
    ///
    /// # Errors
    /// When OpenSSL refuses them, for example an RSA key under 2,048 bits.
    pub fn new(identity: &Identity) -> Result<Self, ConfigError> {
        let (default, named) = (identity.clone(), BTreeMap::new());
        Self::of(Credentials::Certificate(Identities { default, named }))
    }

    /// A server without a certificate, for clients that have one of these keys. Their sessions are not
    /// resumed: there would be nothing to save.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_psk_only(keys: PskKeys) -> Result<Self, ConfigError> {
        Self::of(Credentials::Psk(keys))
    }

    fn of(credentials: Credentials) -> Result<Self, ConfigError> {
        let settings = ServerSettings {
            credentials,
            verification: ClientVerification::Nothing,
            suites: CipherSuites::default(),
            alpn: None,
            resumption: true,
            ticket_keys: None,
            key_log: None,
        };
        Ok(Self {
            context: context::of_server(&settings)?,
            settings: Arc::new(settings),
            limits: Limits::default(),
            max_pending_handshakes: MAX_PENDING_HANDSHAKES,
            max_peers_per_prefix: None,
            exempt_addresses: Arc::default(),
        })
    }

    /// The same server, which also talks to clients that have one of these keys. Those show no
    /// certificate.
    ///
    /// # Errors
    /// When a certificate is required of clients.
    pub fn with_psk(self, keys: PskKeys) -> Result<Self, ConfigError> {
        self.with(|settings| {
            settings.credentials = match settings.credentials.identities() {
                Some(identities) => Credentials::Both(identities.clone(), keys),
                None => Credentials::Psk(keys),
            };
        })
    }

    /// The same server, which shows other identities to clients that ask for these hosts (SNI). Whoever
    /// asks for another name, or for none, is shown the one from [`ServerConfig::new`].
    ///
    /// # Errors
    /// When OpenSSL refuses an identity, when there is one for that name, when a name is an address, which
    /// no client asks for, and when the server has no certificate otherwise.
    pub fn with_server_identities(
        self,
        others: impl IntoIterator<Item = (PeerName, Identity)>,
    ) -> Result<Self, ConfigError> {
        let Some(identities) = self.settings.credentials.identities() else {
            return Err(ConfigError::NoDefaultIdentity);
        };
        let mut identities = identities.clone();
        for (name, identity) in others {
            let PeerName::Dns(name) = name else {
                return Err(ConfigError::IdentityOfAddress(name.to_string()));
            };
            if identities.named.insert(name.clone().into(), identity).is_some() {
                return Err(ConfigError::IdentityTwice(name.into()));
            }
        }
        self.with(|settings| {
            settings.credentials = match settings.credentials.psk() {
                Some(keys) => Credentials::Both(identities, keys.clone()),
                None => Credentials::Certificate(identities),
            };
        })
    }

    /// Its pre-shared keys, which can be changed at any time, if it takes any.
    pub fn psk_keys(&self) -> Option<&PskKeys> {
        self.settings.credentials.psk()
    }

    /// The same server, asking its clients for a certificate.
    ///
    /// # Errors
    /// When one is required and there are pre-shared keys too: clients with a key show none.
    pub fn with_verification(self, verification: ClientVerification) -> Result<Self, ConfigError> {
        self.with(|settings| settings.verification = verification)
    }

    /// The same server, with other cipher suites, in its order of preference.
    ///
    /// # Errors
    /// When none of them is for its certificate, or none for its pre-shared keys.
    pub fn with_cipher_suites(self, suites: CipherSuites) -> Result<Self, ConfigError> {
        self.with(|settings| settings.suites = suites)
    }

    /// The same server, which chooses one of these application protocols. Clients that offer others are
    /// refused. Those that offer none are not: [`crate::Session::alpn_protocol`] tells.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_alpn(self, protocols: Alpn) -> Result<Self, ConfigError> {
        self.with(|settings| settings.alpn = Some(protocols))
    }

    /// The same server, which lets sessions be resumed, or does not. It does by default.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_resumption(self, resumption: bool) -> Result<Self, ConfigError> {
        self.with(|settings| settings.resumption = resumption)
    }

    /// The same server, whose tickets are sealed with these keys in place of its own. Servers with the
    /// same keys resume each other's sessions, if they also have the same certificates, cipher suites
    /// and protocols, and demand the same of their clients.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_ticket_keys(self, keys: SharedTicketKeys) -> Result<Self, ConfigError> {
        self.with(|settings| settings.ticket_keys = Some(keys))
    }

    /// The same server, which gives the secrets of its connections away. For development only.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_key_log(self, log: KeyLog) -> Result<Self, ConfigError> {
        self.with(|settings| settings.key_log = Some(log))
    }

    /// The same server with other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same server with another limit for handshakes that have begun and are not over. When it is
    /// reached, one of them is given up for the newest: the oldest of the network that has the most. A
    /// network is one IPv4 address, or the /64 of an IPv6 address.
    ///
    /// # Errors
    /// When it is 0, which would let no one in.
    pub fn with_max_pending_handshakes(self, count: usize) -> Result<Self, ConfigError> {
        if count == 0 {
            return Err(ConfigError::NoPendingHandshakes);
        }
        Ok(Self { max_pending_handshakes: count, ..self })
    }

    /// The same server with a limit for the clients that are connected from one network (one IPv4
    /// address, or the /64 of an IPv6 address), or without one. There is none by default: a school is
    /// one address.
    pub fn with_max_peers_per_prefix(self, count: Option<NonZeroUsize>) -> Self {
        Self { max_peers_per_prefix: count, ..self }
    }

    /// The same server, which counts every client at one of these addresses for itself, such as those
    /// that come through a load balancer.
    pub fn with_exempt_addresses(self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let exempt_addresses = addresses.into_iter().map(|it| it.to_canonical()).collect();
        Self { exempt_addresses, ..self }
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
    pub(crate) server: KnownBy,
    pub(crate) suites: CipherSuites,
    pub(crate) alpn: Option<Alpn>,
    pub(crate) resumption: bool,
    pub(crate) key_log: Option<KeyLog>,
}

/// What a client knows its server by.
#[derive(Clone)]
pub(crate) enum KnownBy {
    /// Its certificate; and what the client shows in turn.
    Certificate(Verification, Option<Identity>),
    /// The key that both have.
    Psk(Psk),
}

impl ClientSettings {
    /// Whether a connection may have this suite.
    pub(crate) fn allow(&self, suite: &Suite) -> bool {
        self.suites.with(self.proofs()).any(|allowed| allowed == suite)
    }

    /// The name that the server's certificate has to be for, if any.
    pub(crate) fn name(&self) -> Option<&PeerName> {
        match &self.server {
            KnownBy::Certificate(verification, _) => verification.name(),
            KnownBy::Psk(_) => None,
        }
    }

    fn proofs(&self) -> &'static [Proof] {
        match self.server {
            KnownBy::Certificate(..) => &[Proof::Ecdsa, Proof::Rsa],
            KnownBy::Psk(_) => &[Proof::Psk],
        }
    }

    /// Sessions by a pre-shared key are not worth resuming.
    fn keeps_session(&self) -> bool {
        self.resumption && matches!(self.server, KnownBy::Certificate(..))
    }
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
        Self::of(KnownBy::Certificate(verification, None), server_name)
    }

    /// A client whose server has the same key. It talks to no other, and resumes no session. A DNS
    /// name as `server_name` is sent to the server (SNI).
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_psk(psk: Psk, server_name: Option<PeerName>) -> Result<Self, ConfigError> {
        Self::of(KnownBy::Psk(psk), server_name)
    }

    fn of(server: KnownBy, server_name: Option<PeerName>) -> Result<Self, ConfigError> {
        let settings = ClientSettings {
            server,
            suites: CipherSuites::default(),
            alpn: None,
            resumption: true,
            key_log: None,
        };
        Ok(Self {
            context: context::of_client(&settings)?,
            kept: settings.keeps_session().then(Arc::default),
            settings: Arc::new(settings),
            server_name,
            limits: Limits::default(),
        })
    }

    /// The same client with a certificate of its own, all of whose chain is sent to a server that asks
    /// for one. Anyone on the way can read it: DTLS 1.2 does not encrypt certificates.
    ///
    /// # Errors
    /// When OpenSSL refuses it, for example an RSA key under 2,048 bits, and when the client has a
    /// pre-shared key.
    pub fn with_identity(self, identity: &Identity) -> Result<Self, ConfigError> {
        let KnownBy::Certificate(verification, _) = &self.settings.server else {
            return Err(ConfigError::PskWithCertificate);
        };
        let server = KnownBy::Certificate(verification.clone(), Some(identity.clone()));
        self.with(|settings| settings.server = server)
    }

    /// The same client, with other cipher suites. The server chooses among them.
    ///
    /// # Errors
    /// When none of them is for a certificate, or for its pre-shared key.
    pub fn with_cipher_suites(self, suites: CipherSuites) -> Result<Self, ConfigError> {
        self.with(|settings| settings.suites = suites)
    }

    /// The same client, which offers these application protocols. A server may have no regard for
    /// them: [`crate::Session::alpn_protocol`] tells.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_alpn(self, protocols: Alpn) -> Result<Self, ConfigError> {
        self.with(|settings| settings.alpn = Some(protocols))
    }

    /// The same client, which resumes the session of its last connection, or does not. It does by
    /// default, and its copies share that session.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_resumption(self, resumption: bool) -> Result<Self, ConfigError> {
        self.with(|settings| settings.resumption = resumption)
    }

    /// The same client, which gives the secrets of its connections away. For development only.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_key_log(self, log: KeyLog) -> Result<Self, ConfigError> {
        self.with(|settings| settings.key_log = Some(log))
    }

    /// The same client with other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    fn with(mut self, change: impl FnOnce(&mut ClientSettings)) -> Result<Self, ConfigError> {
        change(Arc::make_mut(&mut self.settings));
        self.context = context::of_client(&self.settings)?;
        // What other settings have begun is not for these to go on with.
        self.kept = self.settings.keeps_session().then(Arc::default);
        Ok(self)
    }
}
