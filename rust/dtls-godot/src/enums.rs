//! The enums of the classes.

use crate::crypto::DtlsCrypto;
use crate::gdext_private::class_enum;
use crate::options::DtlsOptions;
use crate::peer::PacketPeerDtls;

class_enum! {
    /// What a peer is doing, with the documented values.
    Status of PacketPeerDtls {
        /// There is no connection, and none has failed: none was begun, also because
        /// [method connect_to_peer] or one like it returned an error; or one of the two sides ended it,
        /// or nothing came from the other side for too long.
        STATUS_DISCONNECTED => Disconnected = 0,
        /// The handshake is under way. [method poll] goes on with it.
        STATUS_HANDSHAKING => Handshaking = 1,
        /// Packets can be sent and received.
        STATUS_CONNECTED => Connected = 2,
        /// A connection that was begun has failed; [method get_last_error] says why, and
        /// [method get_error_code] for a program. On a peer that
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
    /// Why a connection failed: the core's reasons, under the names that they have there.
    Reason of PacketPeerDtls {
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

class_enum! {
    /// How the other side's certificate is treated.
    VerifyMode of DtlsOptions {
        /// [constant VERIFY_REQUIRED] for a client, unless it has a pre-shared key; [constant
        /// VERIFY_NONE] for a server.
        VERIFY_DEFAULT => Default = 0,
        /// A client takes whatever certificate a server has: anyone on the way can read and change
        /// everything, unless [member pinned_sha256] is set. A server asks its clients for none.
        VERIFY_NONE => None = 1,
        /// A server asks its clients for a certificate. They need not have one, but one that they show
        /// has to be good.
        VERIFY_OPTIONAL => Optional = 2,
        /// A client verifies the server's certificate. A server lets no client in without a good
        /// certificate.
        VERIFY_REQUIRED => Required = 3,
    }
}

class_enum! {
    /// What a certificate is good for.
    Usage of DtlsCrypto {
        /// A server may show the certificate, and no client.
        USAGE_SERVER => Server = 0,
        /// A client may show the certificate, and no server.
        USAGE_CLIENT => Client = 1,
    }
}

class_enum! {
    /// What keys can be made: the core's kinds, in its order.
    KeyKind of DtlsCrypto {
        /// An ECDSA key on P-256, which is small and fast.
        KEY_P256 => P256 = 0,
        /// An ECDSA key on P-384.
        KEY_P384 => P384 = 1,
        /// An RSA key of 2,048 bits. RSA keys are for peers that take no others, and can take some seconds
        /// to make.
        KEY_RSA_2048 => Rsa2048 = 2,
        /// An RSA key of 3,072 bits.
        KEY_RSA_3072 => Rsa3072 = 3,
        /// An RSA key of 4,096 bits.
        KEY_RSA_4096 => Rsa4096 = 4,
    }
}

impl From<KeyKind> for dtls_core::KeyKind {
    fn from(kind: KeyKind) -> Self {
        match kind {
            KeyKind::P256 => Self::P256,
            KeyKind::P384 => Self::P384,
            KeyKind::Rsa2048 => Self::Rsa2048,
            KeyKind::Rsa3072 => Self::Rsa3072,
            KeyKind::Rsa4096 => Self::Rsa4096,
        }
    }
}

impl godot::register::property::SimpleVar for VerifyMode {}
impl godot::register::property::Export for VerifyMode {}

/// Registers all of them.
pub(crate) fn register() {
    Status::register();
    Reason::register();
    VerifyMode::register();
    Usage::register();
    KeyKind::register();
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
        assert_eq!(Reason::ALL.len(), dtls_core::Reason::ALL.len() + 1);
    }

    #[test]
    fn every_kind_of_key_of_the_core_has_its_constant() {
        let kinds: Vec<dtls_core::KeyKind> =
            KeyKind::ALL.iter().map(|(_, kind)| (*kind).into()).collect();
        assert_eq!(kinds, dtls_core::KeyKind::ALL);
        for (name, kind) in KeyKind::ALL {
            let of_core = dtls_core::KeyKind::from(*kind).name().replace("P-", "P");
            assert_eq!(*name, format!("KEY_{}", of_core.replace('-', "_")));
        }
    }

    #[test]
    fn the_inspector_shows_what_a_constant_means() {
        use godot::meta::GodotConvert as _;
        let godot::meta::shape::GodotShape::Enum { enumerators, .. } = VerifyMode::godot_shape()
        else {
            panic!("it is an enum");
        };
        let names: Vec<_> = enumerators.iter().map(|shown| shown.name.to_string()).collect();
        assert_eq!(names, ["Default", "None", "Optional", "Required"]);
    }

    #[test]
    fn every_reason_is_explained() {
        let page = include_str!("../../../docs/errors.md");
        for (name, _) in Reason::ALL {
            assert!(page.contains(&format!("\n| `{name}` | ")), "docs/errors.md has no row {name}");
        }
    }
}
