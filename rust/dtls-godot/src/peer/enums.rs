//! The enums of `PacketPeerDTLSOpenSSL`.

use crate::engine::names::PEER;
use crate::gdext_private::class_enum::class_enum;

class_enum! {
    /// What a peer is doing, with the documented values.
    Status of PEER => {
        /// There is no connection, and none has failed: none was begun, also because
        /// [method connect_to_peer] or one like it returned an error; or one of the two sides ended it,
        /// or nothing came from the other side for too long.
        STATUS_DISCONNECTED => Disconnected = 0,
        /// The handshake is under way, or the server's name is looked up for [method connect_to_host].
        /// [method poll] goes on with it.
        STATUS_HANDSHAKING => Handshaking = 1,
        /// Packets can be sent and received.
        STATUS_CONNECTED => Connected = 2,
        /// A connection that was begun has failed; [method get_last_error] says why, and
        /// [method get_failure_reason] for a program. On a peer that
        /// [code]DTLSServerOpenSSL.take_connection()[/code] has just returned it is nothing to worry
        /// about: no connection was begun, mostly because the client has been asked to prove its address,
        /// which is a part of every connection.
        STATUS_ERROR => Error = 3,
        /// The server's certificate is for another name than the one that was asked for. [method
        /// get_last_error] has both.
        STATUS_ERROR_HOSTNAME_MISMATCH => ErrorHostnameMismatch = 4,
    }
}

class_enum! {
    /// Why a connection failed: the core's reasons, under the names that they have there, and behind them
    /// those that are found here.
    Reason of PEER => {
        /// The connection has not failed. [method get_last_error] can still have something to say: why
        /// it could not be begun, or how it ended.
        REASON_NONE => None = 0,
        /// The server's certificate is for another name than the one that was asked for.
        REASON_HOSTNAME_MISMATCH => HostnameMismatch = 1,
        /// The other side's certificate, or one that it depends on, has expired.
        REASON_CERTIFICATE_EXPIRED => CertificateExpired = 2,
        /// The other side's certificate is not valid yet. Often it is the clock of this machine that is
        /// wrong.
        REASON_CERTIFICATE_NOT_YET_VALID => CertificateNotYetValid = 3,
        /// The other side's certificate signed itself and is not among those that are trusted.
        REASON_CERTIFICATE_SELF_SIGNED => CertificateSelfSigned = 4,
        /// Nobody who is trusted has signed the other side's certificate, or an intermediate
        /// certificate is missing.
        REASON_CERTIFICATE_UNTRUSTED => CertificateUntrusted = 5,
        /// The other side's certificate is meant for something else, such as that of a client that a
        /// server shows.
        REASON_CERTIFICATE_WRONG_PURPOSE => CertificateWrongPurpose = 6,
        /// The other side's certificate has been revoked.
        REASON_CERTIFICATE_REVOKED => CertificateRevoked = 7,
        /// A key or a signature of the other side's certificates is weaker than 112 bits, such as an
        /// RSA key of 1,024 bits or SHA-1.
        REASON_CERTIFICATE_TOO_WEAK => CertificateTooWeak = 8,
        /// There is something else wrong with the other side's certificate.
        REASON_CERTIFICATE_INVALID => CertificateInvalid = 9,
        /// The client showed no certificate, and the server requires one.
        REASON_CLIENT_CERTIFICATE_REQUIRED => ClientCertificateRequired = 10,
        /// The two sides have no cipher suite, curve or signature algorithm in common.
        REASON_NO_SHARED_CIPHER => NoSharedCipher = 11,
        /// The other side does not speak DTLS 1.2.
        REASON_UNSUPPORTED_VERSION => UnsupportedVersion = 12,
        /// The handshake took too long: nobody answers, a firewall is in the way, or too much is lost.
        /// Or the server listens on [code]*[/code], has several addresses, and answers from another one
        /// than the client asked. Trying again can help.
        REASON_TIMEOUT => Timeout = 13,
        /// The other side refused. [method get_last_error] says what it gave as its reason.
        REASON_PEER_ALERT => PeerAlert = 14,
        /// Too many clients were connecting to the server at the same time, and this one was the
        /// oldest of the network that had the most.
        REASON_TOO_MANY_PENDING => TooManyPending = 15,
        /// The other side closed the connection during the handshake.
        REASON_CLOSED_EARLY => ClosedEarly = 16,
        /// The handshake ended in something that must not become a connection.
        REASON_NOT_ADMITTED => NotAdmitted = 17,
        /// The other side broke the protocol.
        REASON_PROTOCOL => Protocol = 18,
        /// The UDP socket was closed underneath the connection.
        REASON_TRANSPORT => Transport = 19,
        /// OpenSSL failed without the other side having a part in it.
        REASON_INTERNAL => Internal = 20,
        /// The other side's certificate is not one of those that are pinned.
        REASON_PIN_MISMATCH => PinMismatch = 21,
        /// The client named a pre-shared key that the server does not have.
        REASON_PSK_UNKNOWN_IDENTITY => PskUnknownIdentity = 22,
        /// Revocation lists are set, and there is none that is valid today from the authority that
        /// signed the other side's certificate.
        REASON_REVOCATION_UNKNOWN => RevocationUnknown = 23,
        /// Both sides have application protocols, and none in common.
        REASON_NO_APPLICATION_PROTOCOL => NoApplicationProtocol = 24,
        /// As many clients of one network are connected to the server as
        /// [member DTLSOptions.max_peers_per_prefix] allows. The client itself sees
        /// [constant REASON_PEER_ALERT].
        REASON_TOO_MANY_PEERS => TooManyPeers = 25,
        /// The other side shows more certificates than are taken: 16 KB together.
        REASON_CERTIFICATE_TOO_LARGE => CertificateTooLarge = 26,
        /// As many clients are connected to the server as its [code]max_peers[/code] allows. The client
        /// itself sees [constant REASON_PEER_ALERT].
        REASON_SERVER_FULL => ServerFull = 27,
        /// No address was found for the host name that [method connect_to_host] was given: the name is
        /// wrong, this machine is not online, or its name server does not answer.
        REASON_CANNOT_RESOLVE => CannotResolve = 28,
    }
}

impl Reason {
    /// The constant for a reason of the core's.
    pub(crate) fn of(reason: dtls_core::Reason) -> Self {
        let name = format!("REASON_{}", reason.name().to_uppercase());
        let known = Self::ALL.iter().find(|(constant, _)| *constant == name);
        known.map_or(Self::Internal, |(_, reason)| *reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_core_has_its_constant() {
        for (index, reason) in dtls_core::Reason::ALL.iter().enumerate() {
            let (name, value) = Reason::ALL[index + 1];
            assert_eq!(name, format!("REASON_{}", reason.name().to_uppercase()));
            assert_eq!(Reason::of(*reason), value);
        }
        let own = &Reason::ALL[dtls_core::Reason::ALL.len() + 1..];
        assert_eq!(own, [("REASON_CANNOT_RESOLVE", Reason::CannotResolve)]);
    }

    #[test]
    fn every_reason_is_explained() {
        let page = include_str!("../../../../docs/errors.md");
        for (name, _) in Reason::ALL {
            assert!(page.contains(&format!("\n| `{name}` | ")), "docs/errors.md has no row {name}");
        }
    }
}
