//! The only way into the connected state.
//!
//! OpenSSL refuses most of this already. It is looked at once more, after the handshake and in one
//! place, because each of these has been let in by an option, a cipher string or an empty value
//! somewhere: `ADH-AES256-GCM-SHA384`, for one, has authenticated encryption and forward secrecy and
//! no one at the other end.

use std::sync::Arc;

use openssl::ssl::{SslRef, SslVersion};
use openssl::x509::X509VerifyResult;

use crate::config::session_cache::KnownServer;
use crate::config::{ClientSettings, CurrentSettings, ServerAuthentication, ServerSettings};
use crate::credentials::peer_name::{CommonName, PeerName};
use crate::credentials::psk::Psk;
use crate::credentials::verification::{ClientVerification, Verification};
use crate::report::failure::Failure;
use crate::ssl::suites::{self, Proof, Suite};

/// What a side was promised about its peer.
pub(crate) enum Expectation {
    /// A server, about its client: the settings that the handshake began with, and those that count now.
    Client(Arc<ServerSettings>, Arc<CurrentSettings>),
    /// A client, about this server.
    Server(Arc<ClientSettings>, Arc<KnownServer>),
}

/// Whether what was negotiated may be called connected.
pub(crate) fn admit(ssl: &SslRef, expectation: &Expectation) -> Result<(), Failure> {
    if !ssl.is_init_finished() {
        return Err(Failure::NotAdmitted("the handshake is not over"));
    }
    if ssl.version2() != Some(SslVersion::DTLS1_2) {
        return Err(Failure::UnsupportedVersion);
    }
    let Some(suite) = suites::negotiated(ssl).filter(|suite| expectation.allows(suite)) else {
        return Err(Failure::NotAdmitted("its cipher suite is not one of the allowed ones"));
    };
    let by_psk = suite.proof == Proof::Psk;
    match expectation {
        Expectation::Client(_, current) if by_psk => admit_client_by_psk(ssl, &current.get()),
        Expectation::Client(settings, current) => {
            let verification = &settings.verification;
            // A list may have been added because of this very client.
            if verification.digest() != current.get().verification.digest() {
                let why = "the server has come to demand something else of its clients";
                return Err(Failure::NotAdmitted(why));
            }
            admit_client(ssl, verification)
        }
        Expectation::Server(settings, server) => match &settings.server {
            ServerAuthentication::Psk(psk) => admit_server_by_psk(ssl, psk),
            ServerAuthentication::Certificate(verification) => {
                admit_server(ssl, verification, server.name.as_ref())
            }
        },
    }
}

impl Expectation {
    /// Whether that suite was asked for. One of a pre-shared key never is by a side that has none.
    fn allows(&self, suite: &Suite) -> bool {
        match self {
            Self::Client(settings, _) => settings.allow(suite),
            Self::Server(settings, _) => settings.allow(suite),
        }
    }
}

/// The Finished messages have shown that both sides have the same key.
fn admit_client_by_psk(ssl: &SslRef, settings: &ServerSettings) -> Result<(), Failure> {
    if matches!(settings.verification, ClientVerification::Required(_)) {
        return Err(Failure::NoClientCertificate);
    }
    // Such a session is not resumed, and the key may have been taken away since it was asked for.
    let keys = settings.credentials.psk().filter(|_| !ssl.session_reused());
    let known = keys.is_some_and(|keys| keys.know(ssl));
    known.then_some(()).ok_or(Failure::NotAdmitted("the client's pre-shared key was taken away"))
}

fn admit_server_by_psk(ssl: &SslRef, psk: &Psk) -> Result<(), Failure> {
    let identity = ssl.psk_identity().filter(|_| !ssl.session_reused());
    let own = identity == Some(psk.identity().as_bytes());
    own.then_some(()).ok_or(Failure::NotAdmitted("it is not by the pre-shared key of this side"))
}

fn admit_client(ssl: &SslRef, verification: &ClientVerification) -> Result<(), Failure> {
    match (verification, ssl.peer_certificate()) {
        (ClientVerification::Nothing, _) | (ClientVerification::Optional(_), None) => Ok(()),
        (ClientVerification::Required(_), None) => Err(Failure::NoClientCertificate),
        (
            ClientVerification::Optional(trust) | ClientVerification::Required(trust),
            Some(certificate),
        ) => {
            if !is_verified(ssl) {
                return Err(Failure::NotAdmitted("the client's certificate was not verified"));
            }
            trust.objection(&certificate).map_or(Ok(()), Err)
        }
    }
}

fn admit_server(
    ssl: &SslRef,
    verification: &Verification,
    name: Option<&PeerName>,
) -> Result<(), Failure> {
    // A server without a pre-shared key shows a certificate with every suite.
    let Some(certificate) = ssl.peer_certificate() else {
        return Err(Failure::NotAdmitted("the server sent no certificate"));
    };
    let (trust, verifies_name) = match verification {
        Verification::Nothing => return Ok(()),
        Verification::Chain(trust) => (trust, false),
        Verification::ChainAndName(trust) => (trust, true),
    };
    if !is_verified(ssl) {
        return Err(Failure::NotAdmitted("the server's certificate was not verified"));
    }
    // A session that goes on was accepted under this very name, by the chain that it had then.
    let common_name = match ssl.verified_chain() {
        Some(chain) => CommonName::in_chain(chain),
        None if ssl.session_reused() => CommonName::MayCount,
        None => CommonName::NeverCounts,
    };
    let matches_certificate = |name: &PeerName| name.matches(&certificate, common_name);
    if verifies_name && !name.is_some_and(matches_certificate) {
        return Err(Failure::NotAdmitted("the server's certificate is for another name"));
    }
    trust.objection(&certificate).map_or(Ok(()), Err)
}

/// Whether `verification.rs` has let the peer's certificate pass. OpenSSL's answer is also "OK" when
/// nothing was verified, so the chain that was looked at has to exist; a session that goes on has it from
/// its beginning, and is one of this very configuration and server name. Where a pin stands for the chain, OpenSSL still
/// looks at what was sent, and its answer is "OK" because the pin was found.
fn is_verified(ssl: &SslRef) -> bool {
    let chain = ssl.verified_chain().is_some_and(|chain| !chain.is_empty());
    ssl.verify_result() == X509VerifyResult::OK && (chain || ssl.session_reused())
}
