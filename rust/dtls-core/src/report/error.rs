//! Why a configuration is refused, and what OpenSSL says where nothing given to it can be the cause.

use openssl::error::ErrorStack;

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No private key was given.
    #[error("the private key is empty")]
    NoKey,
    /// The private key is not one.
    #[error("the private key cannot be read ({0}); it has to be PEM")]
    UnreadableKey(String),
    /// No certificate was given.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// A certificate is not one, by its number in the text, from 1 on; or something beside it looks like a
    /// block of PEM and is none.
    #[error("no. {0} in it cannot be read as a certificate ({1})")]
    UnreadableCertificate(usize, String),
    /// The serial number of a certificate, by the certificate's number in the text, is not one: a needless
    /// zero stands in front.
    #[error(
        "no. {0} in it cannot be read as a certificate (its serial number begins with a zero that must \
         not be there)"
    )]
    BadSerialNumber(usize),
    /// The own certificate is not the first.
    #[error(
        "the private key belongs to certificate no. {0} of those given; its own has to come first, \
         then the intermediates"
    )]
    WrongOrder(usize),
    /// Key and certificate are not a pair.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// OpenSSL refuses to use them.
    #[error("OpenSSL refuses the private key or the certificate ({0})")]
    Refused(String),
    /// The certificates do not fit the message that carries them.
    #[error(
        "the certificates have {0} bytes together, and peers take 16,381 at most; leave out those \
         that clients have, such as the root"
    )]
    ChainTooLong(usize),
    /// The datagram size is out of range.
    #[error("an MTU of {0} bytes is out of range; it can be 508 to 8,972 bytes of UDP payload")]
    BadMtu(u32),
    /// The handshake timeout is out of range.
    #[error("a handshake timeout of {} s is out of range; it can be 1 to 300 s", .0.as_secs_f32())]
    BadHandshakeTimeout(std::time::Duration),
    /// The idle timeout is too short.
    #[error("an idle timeout of {} s is too short; it can be 0.1 s or more", .0.as_secs_f32())]
    BadIdleTimeout(std::time::Duration),
    /// A server that would let no client in.
    #[error("a limit of less than one pending handshake would let no client in")]
    NoPendingHandshakes,
    /// There is nothing to trust.
    #[error("there is no certificate to trust in it")]
    NoTrustAnchor,
    /// The host name is not one.
    #[error("\"{name}\" is not a host name: {why}")]
    BadHostName {
        /// The name, fit to be shown.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The identity of a pre-shared key is not usable.
    #[error("\"{identity}\" cannot be the identity of a pre-shared key: {why}")]
    BadPskIdentity {
        /// The identity, fit to be shown.
        identity: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A pre-shared key is too short or too long.
    #[error(
        "a pre-shared key of {0} bytes is out of range; it can have 16 to 512, and has to be random"
    )]
    BadPskLength(usize),
    /// Clients with a pre-shared key show no certificate.
    #[error(
        "a certificate cannot be required of clients where pre-shared keys are accepted: a client \
         with a key shows none"
    )]
    PskWithRequiredCertificate,
    /// A client has a pre-shared key and a certificate.
    #[error("a client with a pre-shared key shows no certificate; leave out one of the two")]
    PskWithCertificate,
    /// A list of cipher suites is not usable.
    #[error("the cipher suites \"{list}\" cannot be used: {why}")]
    BadCipherSuites {
        /// The list, fit to be shown.
        list: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// None of the cipher suites is for what a side has, or for what it knows its peer by.
    #[error("none of the cipher suites that were given is for {0}")]
    NoCipherSuite(String),
    /// An application protocol is too short or too long.
    #[error("an application protocol has 1 to 255 bytes, and \"{0}\" does not")]
    BadProtocol(String),
    /// There is no application protocol in a list of them.
    #[error("there is no application protocol in it")]
    NoProtocol,
    /// The application protocols do not fit the message that carries them.
    #[error("the application protocols have more than 4,096 bytes together")]
    TooManyProtocols,
    /// No client asks for an address.
    #[error(
        "{0} is an address, and a client asks for host names only; the server's own certificate is \
         what it is shown"
    )]
    IdentityOfAddress(String),
    /// The identity for a host name cannot be used.
    #[error("for {name}: {why}")]
    NamedIdentity {
        /// The host name.
        name: String,
        /// What is wrong with the identity.
        why: Box<ConfigError>,
    },
    /// There are two certificates for one host name.
    #[error("there is a certificate for {0} already")]
    IdentityTwice(String),
    /// There is nothing by which a server could authenticate itself.
    #[error("a server needs a key with its certificate, or pre-shared keys")]
    NoCredentials,
    /// There are certificates for host names, and none for everyone else.
    #[error("a server without a certificate of its own has none for single host names either")]
    NoDefaultIdentity,
    /// There are no ticket keys, or too many.
    #[error("there are {0} ticket keys; it can be 1 to 16")]
    TicketKeyCount(usize),
    /// A ticket key is too short or too long.
    #[error("a ticket key has 80 bytes, and one of those given has {0}")]
    TicketKeyLength(usize),
    /// A ticket key is nothing but zeros, for example.
    #[error("a ticket key has to be random, and one of those given has a secret of equal bytes")]
    TicketKeyNotRandom,
    /// Two ticket keys cannot be told apart.
    #[error("two of the ticket keys begin with the same 16 bytes, by which they are told apart")]
    TicketKeyTwice,
    /// The private key is encrypted.
    #[error("the private key is encrypted, and no passphrase was given")]
    EncryptedKey,
    /// The passphrase is another one.
    #[error("the passphrase does not open the private key, or the key is damaged")]
    WrongPassphrase,
    /// OpenSSL failed where nothing given to it can be the cause.
    #[error(transparent)]
    OpenSsl(#[from] OpenSslError),
    /// There is nothing to compare with.
    #[error("there is no pin in it")]
    NoPin,
    /// A pin is not one.
    #[error("\"{pin}\" is not a pin: {why}")]
    BadPin {
        /// The pin, fit to be shown.
        pin: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no revocation list.
    #[error("there is no revocation list (BEGIN X509 CRL) in it")]
    NoRevocationList,
    /// A revocation list is not one.
    #[error("no. {0} in it cannot be read as a revocation list (BEGIN X509 CRL): {1}")]
    UnreadableRevocationList(usize, String),
    /// A name is to be verified, and there are no trust anchors for that.
    #[error(
        "a host name can only be verified together with trusted certificates; with a pin alone it \
         would not be looked at"
    )]
    NameWithoutAnchors,
}

impl From<ErrorStack> for ConfigError {
    fn from(error: ErrorStack) -> Self {
        Self::OpenSsl(error.into())
    }
}

/// OpenSSL failed where nothing given to it can be the cause: it has no memory, or no random numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("OpenSSL failed ({0})")]
pub struct OpenSslError(pub(crate) String);

impl From<ErrorStack> for OpenSslError {
    fn from(error: ErrorStack) -> Self {
        Self(reason(&error))
    }
}

/// What OpenSSL says was wrong: its first word, which is the closest to the cause.
pub(crate) fn reason(error: &ErrorStack) -> String {
    let first = error.errors().iter().find_map(|error| error.reason());
    first.unwrap_or("it does not say why").to_owned()
}

/// Why a client's session could not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A name is to be verified, and none was given.
    #[error("the client verifies the name of its server, and was not told any")]
    NoServerName,
    /// OpenSSL failed.
    #[error(transparent)]
    OpenSsl(#[from] OpenSslError),
}

impl From<ErrorStack> for ConnectError {
    fn from(error: ErrorStack) -> Self {
        Self::OpenSsl(error.into())
    }
}
