//! What a context is made from, and what a finished handshake is compared with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::alpn::Alpn;
use crate::config::key_log::KeyLog;
use crate::credentials::certificate::Identity;
use crate::credentials::peer_name::DnsName;
use crate::credentials::psk::{Psk, PskKeys};
use crate::credentials::ticket_keys::SharedTicketKeys;
use crate::credentials::verification::{ClientVerification, Verification};
use crate::ssl::suites::{CipherSuites, Proof, Suite};

/// The settings of a server.
pub(crate) struct ServerSettings {
    pub(crate) credentials: Credentials,
    pub(crate) verification: ClientVerification,
    pub(crate) suites: CipherSuites,
    pub(crate) alpn: Option<Alpn>,
    pub(crate) resumption: bool,
    pub(crate) ticket_keys: Option<SharedTicketKeys>,
    pub(crate) key_log: Option<KeyLog>,
}

/// What a server authenticates itself by.
pub(crate) enum Credentials {
    Certificate(Identities),
    Psk(PskKeys),
    /// The client chooses by the suites that it offers.
    Both(Identities, PskKeys),
}

/// The certificates of a server, for one of which its client asks by name (SNI).
pub(crate) struct Identities {
    /// For clients that ask for no name, or for an unknown one.
    pub(crate) default: Identity,
    pub(crate) named: BTreeMap<DnsName, Identity>,
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

    pub(super) fn proofs(&self) -> Vec<Proof> {
        let psk = self.credentials.psk().map(|_| Proof::Psk);
        let identities = self.credentials.identities().into_iter().flat_map(Identities::all);
        psk.into_iter().chain(identities.map(Identity::proof)).collect()
    }
}

/// The settings that count at the end of a handshake. A server may have been set up anew since the
/// handshake began.
pub(crate) struct CurrentSettings(Mutex<Arc<ServerSettings>>);

impl CurrentSettings {
    pub(crate) fn new(settings: &Arc<ServerSettings>) -> Self {
        Self(Mutex::new(Arc::clone(settings)))
    }

    pub(crate) fn get(&self) -> Arc<ServerSettings> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, settings: &Arc<ServerSettings>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(settings);
    }
}

/// The settings of a client.
pub(crate) struct ClientSettings {
    pub(crate) server: ServerAuthentication,
    /// The certificate that the client shows in turn.
    pub(crate) identity: Option<Identity>,
    pub(crate) suites: CipherSuites,
    pub(crate) alpn: Option<Alpn>,
    pub(crate) resumption: bool,
    pub(crate) key_log: Option<KeyLog>,
}

/// What a client authenticates its server by.
#[derive(Clone)]
pub(crate) enum ServerAuthentication {
    /// Its certificate.
    Certificate(Verification),
    /// The key that both have.
    Psk(Psk),
}

impl ClientSettings {
    /// Whether a connection may have this suite.
    pub(crate) fn allow(&self, suite: &Suite) -> bool {
        self.suites.with(self.proofs()).any(|allowed| allowed == suite)
    }

    /// Whether the server's certificate has to be for the name that the client connects to.
    pub(crate) fn verifies_name(&self) -> bool {
        match &self.server {
            ServerAuthentication::Certificate(verification) => verification.verifies_name(),
            ServerAuthentication::Psk(_) => false,
        }
    }

    pub(super) fn proofs(&self) -> &'static [Proof] {
        match self.server {
            ServerAuthentication::Certificate(..) => &[Proof::Ecdsa, Proof::Rsa],
            ServerAuthentication::Psk(_) => &[Proof::Psk],
        }
    }

    /// Sessions by a pre-shared key are not worth resuming.
    pub(super) fn resumes(&self) -> bool {
        self.resumption && matches!(self.server, ServerAuthentication::Certificate(..))
    }
}
