//! Why a connection failed, in words that its developer can act on.

use std::fmt;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::x509::{X509Ref, X509VerifyResult};

use crate::report::error::reason;
use crate::report::named::named;

named! {
    /// What a program can tell failures apart by. New ones are added at the end.
    pub enum Reason {
        /// The server's certificate is for another name.
        HostnameMismatch = "hostname_mismatch",
        /// The peer's certificate, or one that it depends on, has expired.
        CertificateExpired = "certificate_expired",
        /// It is not valid yet, by the clock of this machine.
        CertificateNotYetValid = "certificate_not_yet_valid",
        /// It signed itself and is not among the trusted ones.
        CertificateSelfSigned = "certificate_self_signed",
        /// No trusted certificate stands behind it.
        CertificateUntrusted = "certificate_untrusted",
        /// It was made for something else.
        CertificateWrongPurpose = "certificate_wrong_purpose",
        /// It was taken back.
        CertificateRevoked = "certificate_revoked",
        /// Its key or signature is weaker than 112 bits.
        CertificateTooWeak = "certificate_too_weak",
        /// There is something else wrong with it.
        CertificateInvalid = "certificate_invalid",
        /// A client showed no certificate, and its server requires one.
        ClientCertificateRequired = "client_certificate_required",
        /// The two sides have no cipher suite, curve or signature algorithm in common.
        NoSharedCipher = "no_shared_cipher",
        /// The peer does not speak DTLS 1.2.
        UnsupportedVersion = "unsupported_version",
        /// The handshake took too long.
        Timeout = "timeout",
        /// The peer refused with an alert.
        PeerAlert = "peer_alert",
        /// The server gave the handshake up for a newer one.
        TooManyPending = "too_many_pending",
        /// The peer ended the connection before it was one.
        ClosedEarly = "closed_early",
        /// What was negotiated must not become a connection.
        NotAdmitted = "not_admitted",
        /// The peer broke the protocol.
        Protocol = "protocol",
        /// The UDP socket is gone.
        Transport = "transport",
        /// OpenSSL failed without the peer having a part in it.
        Internal = "internal",
        /// The peer's certificate is not the pinned one.
        PinMismatch = "pin_mismatch",
        /// A client named a pre-shared key that its server does not have.
        PskUnknownIdentity = "psk_unknown_identity",
        /// Revocation lists are set, and none of them can tell about the peer's certificate.
        RevocationUnknown = "revocation_unknown",
        /// The two sides have no application protocol in common.
        NoApplicationProtocol = "no_application_protocol",
        /// As many clients as the server allows are connected from that network.
        TooManyPeers = "too_many_peers",
        /// The peer's certificates have more bytes together than are taken.
        CertificateTooLarge = "certificate_too_large",
        /// As many clients as the server has room for are connected.
        ServerFull = "server_full",
    }
}

/// Why a connection failed. Always final.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The peer's certificate is for another name.
    #[error(
        "the certificate is for another name: wanted {wanted}, the certificate has {presented}"
    )]
    HostnameMismatch {
        /// The name that was asked for.
        wanted: String,
        /// The names in the certificate.
        presented: String,
    },
    /// The peer's certificate is not acceptable.
    #[error("the certificate (for {subject}) {problem}")]
    Certificate {
        /// What is wrong with it.
        problem: CertificateProblem,
        /// The names in the certificate.
        subject: String,
    },
    /// A client showed no certificate.
    #[error("the client showed no certificate, and one is required")]
    NoClientCertificate,
    /// The handshake took too long.
    #[error(
        "the handshake timed out after {} s, {retransmissions} retransmission{}: no answer came, or \
         too much was lost on the way", after.as_secs(), plural(*retransmissions)
    )]
    TimedOut {
        /// How long it was tried.
        after: Duration,
        /// How often a flight was sent again.
        retransmissions: u64,
    },
    /// The peer refused with an alert.
    #[error("the other side refused: {}", alert_meaning(*.0))]
    PeerAlert(u8),
    /// The two sides have nothing in common.
    #[error("the two sides have no cipher suite, curve or signature algorithm in common")]
    NothingInCommon,
    /// The peer does not speak DTLS 1.2.
    #[error("the other side does not speak DTLS 1.2")]
    UnsupportedVersion,
    /// The server gave this handshake up for a newer one.
    #[error(
        "too many handshakes were unfinished, and this was the oldest from the network with the most"
    )]
    TooManyPending,
    /// The peer ended the connection before it was one.
    #[error("the other side closed the connection during the handshake")]
    ClosedEarly,
    /// The handshake came to an end that must not become a connection.
    #[error("the connection was not accepted: {0}")]
    NotAdmitted(&'static str),
    /// The peer broke the protocol.
    #[error("the other side broke the protocol ({0})")]
    Protocol(String),
    /// OpenSSL failed without the peer having a part in it.
    #[error("OpenSSL failed ({0})")]
    Internal(String),
    /// The socket is gone.
    #[error("the UDP socket was closed underneath the connection")]
    TransportClosed,
    /// The peer's certificate is not the pinned one.
    #[error("the certificate is not one of those that are pinned; its own pin is {presented}")]
    PinMismatch {
        /// The pins that it would match, of both kinds.
        presented: String,
    },
    /// A client named a pre-shared key that this server does not have.
    #[error("there is no pre-shared key with the client's identity, \"{identity}\"")]
    UnknownPskIdentity {
        /// The identity, fit to be shown.
        identity: String,
    },
    /// The client offers application protocols, and none that this server has.
    #[error("the client has no application protocol in common with this side")]
    NoCommonProtocol,
    /// Its network has as many connections as the server allows.
    #[error("{limit} clients of this network are connected already, which is the limit")]
    TooManyPeers {
        /// How many are allowed.
        limit: usize,
    },
    /// The server has as many connections as it may have.
    #[error("the server is full: {limit} clients are connected, which is the limit")]
    ServerFull {
        /// How many are allowed.
        limit: usize,
    },
    /// The handshake took too long, and got as far as where different pre-shared keys would show: what
    /// one side encrypts is noise to the other.
    #[error(
        "the handshake timed out after {} s, at the proof of the pre-shared keys: the keys of the two \
         sides may differ", after.as_secs()
    )]
    PskNotProved {
        /// How long it was tried.
        after: Duration,
    },
    /// The peer shows more certificates than are let through before anyone is authenticated.
    #[error(
        "the other side shows certificates in a message of {bytes} bytes, and 16,384 are the most that is \
         taken; it has to send fewer of them, or one with fewer names"
    )]
    CertificatesTooLarge {
        /// The bytes of that message.
        bytes: usize,
    },
}

/// ERR_LIB_SSL of OpenSSL's include/openssl/err.h.
const SSL_LIBRARY: i32 = 20;

impl Failure {
    /// What kind of failure it is.
    pub fn reason(&self) -> Reason {
        match self {
            Self::HostnameMismatch { .. } => Reason::HostnameMismatch,
            Self::Certificate { problem, .. } => problem.reason(),
            Self::NoClientCertificate => Reason::ClientCertificateRequired,
            Self::TimedOut { .. } => Reason::Timeout,
            Self::PeerAlert(_) => Reason::PeerAlert,
            Self::NothingInCommon => Reason::NoSharedCipher,
            Self::UnsupportedVersion => Reason::UnsupportedVersion,
            Self::TooManyPending => Reason::TooManyPending,
            Self::ClosedEarly => Reason::ClosedEarly,
            Self::NotAdmitted(_) => Reason::NotAdmitted,
            Self::Protocol(_) => Reason::Protocol,
            Self::Internal(_) => Reason::Internal,
            Self::TransportClosed => Reason::Transport,
            Self::PinMismatch { .. } => Reason::PinMismatch,
            Self::UnknownPskIdentity { .. } => Reason::PskUnknownIdentity,
            Self::NoCommonProtocol => Reason::NoApplicationProtocol,
            Self::PskNotProved { .. } => Reason::Timeout,
            Self::TooManyPeers { .. } => Reason::TooManyPeers,
            Self::ServerFull { .. } => Reason::ServerFull,
            Self::CertificatesTooLarge { .. } => Reason::CertificateTooLarge,
        }
    }

    /// Whether OpenSSL has given a flight up, which it does when its clock is set forward by hours.
    pub(crate) fn is_timeout(stack: &ErrorStack) -> bool {
        const READ_TIMEOUT_EXPIRED: i32 = 312;
        stack.errors().iter().any(|error| {
            error.library_code() == SSL_LIBRARY && error.reason_code() == READ_TIMEOUT_EXPIRED
        })
    }

    /// What OpenSSL's error queue says.
    pub(crate) fn from_openssl(stack: &ErrorStack) -> Self {
        // Alerts are the reason codes from 1,000 on; the others from include/openssl/sslerr.h.
        const FIRST_ALERT: i32 = 1000;
        const NO_SUITABLE_SIGNATURE_ALGORITHM: i32 = 118;
        const NO_SHARED_CIPHER: i32 = 193;
        const PEER_DID_NOT_RETURN_A_CERTIFICATE: i32 = 199;
        const NO_APPLICATION_PROTOCOL: i32 = 235;
        const UNSUPPORTED_PROTOCOL: i32 = 258;
        const WRONG_SSL_VERSION: i32 = 266;
        const WRONG_VERSION_NUMBER: i32 = 267;
        const VERSION_TOO_LOW: i32 = 396;
        const NO_SHARED_GROUPS: i32 = 410;

        // Reason codes mean something else in each of OpenSSL's libraries.
        for error in stack.errors().iter().filter(|error| error.library_code() == SSL_LIBRARY) {
            let code = error.reason_code();
            match code {
                NO_SUITABLE_SIGNATURE_ALGORITHM | NO_SHARED_CIPHER | NO_SHARED_GROUPS => {
                    return Self::NothingInCommon;
                }
                PEER_DID_NOT_RETURN_A_CERTIFICATE => return Self::NoClientCertificate,
                NO_APPLICATION_PROTOCOL => return Self::NoCommonProtocol,
                UNSUPPORTED_PROTOCOL | WRONG_SSL_VERSION | WRONG_VERSION_NUMBER
                | VERSION_TOO_LOW => return Self::UnsupportedVersion,
                FIRST_ALERT.. => {
                    if let Ok(alert) = u8::try_from(code - FIRST_ALERT) {
                        return Self::PeerAlert(alert);
                    }
                }
                _ => {}
            }
        }
        if stack.errors().is_empty() {
            // Fragments that disagree about the length of their message, for one.
            Self::Protocol("OpenSSL does not say how".to_owned())
        } else if stack.errors().iter().any(|error| error.library_code() == SSL_LIBRARY) {
            Self::Protocol(reason(stack))
        } else {
            Self::Internal(reason(stack))
        }
    }
}

/// The part that one side has in a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It begins the handshake.
    Client,
    /// It answers.
    Server,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// Its time is over.
    #[error("has expired, on {0}")]
    Expired(String),
    /// Its time has not come.
    #[error("is not valid before {0}, going by the clock of this machine")]
    NotYetValid(String),
    /// It signed itself and is not among the trusted ones.
    #[error("is self-signed and is not trusted")]
    SelfSigned,
    /// No trusted certificate stands behind it.
    #[error("is not signed by anyone who is trusted, or an intermediate certificate is missing")]
    Untrusted,
    /// It was made for something else.
    #[error("is not meant for a {0} (its extended key usage says what it is for)")]
    WrongPurpose(Role),
    /// It was taken back.
    #[error("has been revoked")]
    Revoked,
    /// Its key or signature is weaker than 112 bits.
    #[error("is too weak ({0})")]
    TooWeak(String),
    /// Anything else that OpenSSL found.
    #[error("cannot be verified ({0})")]
    Other(String),
    /// No list is in the name of its issuer.
    #[error("may have been revoked: there is no revocation list of its issuer")]
    RevocationListMissing,
    /// The list is out of date.
    #[error(
        "may have been revoked: the revocation list of its issuer was to be replaced by {0}; get the \
         newest one"
    )]
    RevocationListExpired(String),
    /// The list's time has not come.
    #[error(
        "may have been revoked: the revocation list of its issuer is not valid before {0}, going by \
         the clock of this machine"
    )]
    RevocationListNotYetValid(String),
    /// The list is not genuine.
    #[error(
        "may have been revoked: the revocation list in the name of its issuer is not signed by it"
    )]
    RevocationListForged,
    /// The list is not for this certificate, or has something in it that is not understood.
    #[error("may have been revoked: the revocation list of its issuer cannot be used ({0})")]
    RevocationListUnusable(String),
    /// It has no issuer that is known.
    #[error(
        "may have been revoked: it is trusted itself, so there is no issuer whose revocation list \
         could be verified; trust its issuer, or pin it"
    )]
    RevocationListUnverifiable,
}

impl CertificateProblem {
    /// Names OpenSSL's verdict on `certificate`, in a chain that a peer of this role has shown.
    pub(crate) fn new(result: X509VerifyResult, certificate: Option<&X509Ref>, role: Role) -> Self {
        let text = || result.error_string().to_owned();
        let date = |of: fn(&X509Ref) -> String| certificate.map_or_else(String::new, of);
        // Numbers of include/openssl/x509_vfy.h.
        match result.as_raw() {
            9 => Self::NotYetValid(date(|certificate| certificate.not_before().to_string())),
            10 => Self::Expired(date(|certificate| certificate.not_after().to_string())),
            18 => Self::SelfSigned,
            2 | 19 | 20 | 21 => Self::Untrusted,
            23 => Self::Revoked,
            26 => Self::WrongPurpose(role),
            66..=68 => Self::TooWeak(text()),
            _ => Self::Other(text()),
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Expired(_) => Reason::CertificateExpired,
            Self::NotYetValid(_) => Reason::CertificateNotYetValid,
            Self::SelfSigned => Reason::CertificateSelfSigned,
            Self::Untrusted => Reason::CertificateUntrusted,
            Self::WrongPurpose(_) => Reason::CertificateWrongPurpose,
            Self::Revoked => Reason::CertificateRevoked,
            Self::TooWeak(_) => Reason::CertificateTooWeak,
            Self::Other(_) => Reason::CertificateInvalid,
            Self::RevocationListMissing
            | Self::RevocationListExpired(_)
            | Self::RevocationListNotYetValid(_)
            | Self::RevocationListForged
            | Self::RevocationListUnusable(_)
            | Self::RevocationListUnverifiable => Reason::RevocationUnknown,
        }
    }
}

/// What a noun ends in that `count` stands in front of.
fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// What an alert means to the side that receives it (RFC 5246 section 7.2.2).
fn alert_meaning(alert: u8) -> String {
    let meaning = match alert {
        20 | 51 => "it could not decrypt or verify a message",
        40 => {
            "it has no cipher suite, curve or signature algorithm in common with this side, or it \
             wants a certificate from this side"
        }
        42 | 43 | 46 => "it does not accept this side's certificate",
        44 => "this side's certificate has been revoked",
        45 => "this side's certificate has expired, or its clock is wrong",
        48 => "it does not trust who signed this side's certificate",
        47 | 50 => "it could not make sense of a message",
        49 => "it denies access",
        70 => "it does not speak DTLS 1.2",
        71 => "it finds the connection not secure enough",
        80 => "it has an internal error",
        90 => "it gave up",
        112 => "it has no certificate for this host name",
        115 => "it does not know this pre-shared key identity",
        116 => "it wants a certificate from this side",
        120 => "it has no application protocol in common with this side",
        _ => return format!("alert {alert}"),
    };
    format!("{meaning} (alert {alert})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_sentences() {
        for (retransmissions, counted) in
            [(0, "0 retransmissions"), (1, "1 retransmission"), (6, "6 retransmissions")]
        {
            let failure = Failure::TimedOut { after: Duration::from_secs(30), retransmissions };
            let text = format!("the handshake timed out after 30 s, {counted}: no answer came");
            assert!(failure.to_string().starts_with(&text), "{failure}");
        }
        let failure = Failure::PeerAlert(48);
        let text = "the other side refused: it does not trust who signed this side's certificate \
                    (alert 48)";
        assert_eq!(failure.to_string(), text);
        assert_eq!(Failure::PeerAlert(200).to_string(), "the other side refused: alert 200");
    }
}
