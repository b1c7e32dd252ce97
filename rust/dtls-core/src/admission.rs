//! The only way into the connected state.
//!
//! OpenSSL refuses most of this already. It is looked at once more, after the handshake and in one
//! place, because each of these has been let in by an option, a cipher string or an empty value
//! somewhere: `ADH-AES256-GCM-SHA384`, for one, has authenticated encryption and forward secrecy and
//! no one at the other end.

use std::sync::Arc;

use openssl::ssl::{SslRef, SslVersion};
use openssl::x509::X509VerifyResult;

use crate::config::{CIPHER_SUITES, ClientSettings, ServerSettings};
use crate::failure::Failure;
use crate::verification::{ClientVerification, Verification};

/// What a side was promised about its peer.
pub(crate) enum Expectation {
    /// A server, about its client.
    Client(Arc<ServerSettings>),
    /// A client, about its server.
    Server(Arc<ClientSettings>),
}

/// Whether what was negotiated may be called connected.
pub(crate) fn admit(ssl: &SslRef, expectation: &Expectation) -> Result<(), Failure> {
    if !ssl.is_init_finished() {
        return Err(Failure::NotAdmitted("the handshake is not over"));
    }
    if ssl.version2() != Some(SslVersion::DTLS1_2) {
        return Err(Failure::UnsupportedVersion);
    }
    let suite = ssl.current_cipher().map(|cipher| cipher.name());
    if !suite.is_some_and(|suite| CIPHER_SUITES.contains(&suite)) {
        return Err(Failure::NotAdmitted("its cipher suite is not one of the allowed ones"));
    }
    match expectation {
        Expectation::Client(settings) => admit_client(ssl, &settings.verification),
        Expectation::Server(settings) => admit_server(ssl, &settings.verification),
    }
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

fn admit_server(ssl: &SslRef, verification: &Verification) -> Result<(), Failure> {
    // Every allowed suite has one.
    let Some(certificate) = ssl.peer_certificate() else {
        return Err(Failure::NotAdmitted("the server sent no certificate"));
    };
    let (trust, name) = match verification {
        Verification::Nothing => return Ok(()),
        Verification::Chain(trust) => (trust, None),
        Verification::ChainAndName(trust, name) => (trust, Some(name)),
    };
    if !is_verified(ssl) {
        return Err(Failure::NotAdmitted("the server's certificate was not verified"));
    }
    if name.is_some_and(|name| !name.matches(&certificate)) {
        return Err(Failure::NotAdmitted("the server's certificate is for another name"));
    }
    trust.objection(&certificate).map_or(Ok(()), Err)
}

/// Whether `verification.rs` has let the peer's certificate pass. OpenSSL's answer is also "OK" when
/// nothing was verified, so the chain that was looked at has to exist; a session that goes on has it from
/// its beginning, and is one of this very configuration. Where a pin stands for the chain, OpenSSL still
/// looks at what was sent, and its answer is "OK" because the pin was found.
fn is_verified(ssl: &SslRef) -> bool {
    let chain = ssl.verified_chain().is_some_and(|chain| !chain.is_empty());
    ssl.verify_result() == X509VerifyResult::OK && (chain || ssl.session_reused())
}
