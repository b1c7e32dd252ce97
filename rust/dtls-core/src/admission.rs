//! The only way into the connected state.
//!
//! OpenSSL refuses most of this already. It is looked at once more, after the handshake and in one
//! place, because each of these has been let in by an option, a cipher string or an empty value
//! somewhere: `ADH-AES256-GCM-SHA384`, for one, has authenticated encryption and forward secrecy and
//! no one at the other end.

use openssl::ssl::{SslRef, SslVersion};
use openssl::x509::X509VerifyResult;

use crate::config::CIPHER_SUITES;
use crate::failure::Failure;
use crate::verification::Verification;

/// What a side was promised about its peer.
pub(crate) enum Expectation {
    /// A server that asks its clients for nothing.
    AnyClient,
    /// A client and what it verifies.
    Server(Verification),
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
    let verification = match expectation {
        Expectation::AnyClient => return Ok(()),
        Expectation::Server(verification) => verification,
    };
    // Every allowed suite has one.
    let Some(certificate) = ssl.peer_certificate() else {
        return Err(Failure::NotAdmitted("the server sent no certificate"));
    };
    let name = match verification {
        Verification::Nothing => return Ok(()),
        Verification::Chain(_) => None,
        Verification::ChainAndName(_, name) => Some(name),
    };
    // OpenSSL's answer is also "OK" when nothing was verified, so the verified chain has to exist.
    let verified = ssl.verified_chain().is_some_and(|chain| !chain.is_empty());
    if ssl.verify_result() != X509VerifyResult::OK || !verified {
        return Err(Failure::NotAdmitted("the server's certificate was not verified"));
    }
    if name.is_some_and(|name| !name.matches(&certificate)) {
        return Err(Failure::NotAdmitted("the server's certificate is for another name"));
    }
    Ok(())
}
