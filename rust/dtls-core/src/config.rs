//! Configurations: one that exists is valid.

use std::sync::Arc;
use std::time::Duration;

use openssl::bn::BigNumContext;
use openssl::ec::PointConversionForm;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKeyRef, Private};
use openssl::sha::Sha256;
use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVersion,
};
use openssl::x509::{X509KeyUsage, X509Ref};

use crate::certificate::Identity;
use crate::cookie;
use crate::error::{ConfigError, reason};
use crate::ffi;
use crate::peer_name::PeerName;
use crate::record;
use crate::resumption::Kept;
use crate::ticket;
use crate::verification::{self, ClientVerification, Verification};

/// Largest packet of the application, in bytes: one record (RFC 5246 section 6.2.1). DTLS does not
/// split packets.
pub const MAX_PACKET: usize = 16 * 1024;

/// What a connection may take in bytes and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    mtu: u32,
    handshake_timeout: Duration,
    idle_timeout: Option<Duration>,
}

impl Limits {
    /// The datagram sizes that can be chosen, in bytes of UDP payload: from what every IPv4 host has to
    /// take (RFC 1122 section 3.3.3, less the largest header) to a jumbo frame.
    pub const MTU: std::ops::RangeInclusive<u32> = 508..=8972;
    /// How long handshakes can be given. Shorter ones would fail on paths that work.
    pub const HANDSHAKE_TIMEOUT: std::ops::RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(300);

    /// Sets the largest datagram of a handshake, in bytes of UDP payload.
    ///
    /// # Errors
    /// When it is not within [`Limits::MTU`].
    pub fn with_mtu(self, mtu: u32) -> Result<Self, ConfigError> {
        if !Self::MTU.contains(&mtu) {
            return Err(ConfigError::BadMtu(mtu));
        }
        Ok(Self { mtu, ..self })
    }

    /// Sets how long a handshake may take.
    ///
    /// # Errors
    /// When it is not within [`Limits::HANDSHAKE_TIMEOUT`].
    pub fn with_handshake_timeout(self, timeout: Duration) -> Result<Self, ConfigError> {
        if !Self::HANDSHAKE_TIMEOUT.contains(&timeout) {
            return Err(ConfigError::BadHandshakeTimeout(timeout));
        }
        Ok(Self { handshake_timeout: timeout, ..self })
    }

    /// Sets after how long without a packet from the peer a connection is over; `None` for never.
    pub fn with_idle_timeout(self, timeout: Option<Duration>) -> Self {
        Self { idle_timeout: timeout, ..self }
    }

    pub(crate) fn mtu(&self) -> u32 {
        self.mtu
    }

    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }

    pub(crate) fn idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout
    }

    /// Largest packet, in bytes, that fits one datagram, before a cipher suite is agreed upon.
    pub fn max_packet_size(&self) -> usize {
        usize::try_from(self.mtu).unwrap_or(usize::MAX).saturating_sub(OVERHEAD)
    }
}

impl Default for Limits {
    /// 1,200 bytes pass every path that games are played over, IPv6 tunnels included (RFC 9000 section
    /// 14 builds on the same figure). Handshakes have 30 s, connections all the time of the world.
    fn default() -> Self {
        Self { mtu: 1200, handshake_timeout: Duration::from_secs(30), idle_timeout: None }
    }
}

/// Bytes that encryption adds to a packet with AES-GCM: record header, explicit nonce, tag.
const OVERHEAD: usize = record::HEADER + 8 + 16;

/// The cipher suites that may be negotiated: authenticated encryption, forward secrecy and an
/// authenticated server, nothing else. In the order of preference, under OpenSSL's names.
pub(crate) const CIPHER_SUITES: [&str; 6] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

/// Curves for the key exchange, the fastest first.
const GROUPS: &str = "X25519:P-256:P-384";

/// Strength of keys and signatures that OpenSSL insists on: 2 is 112 bits, so RSA from 2,048 bits
/// and no SHA-1. Set here because a distribution may have built in another one.
const SECURITY_LEVEL: u32 = 2;

/// How many handshakes of a server may be unfinished at a time.
const MAX_PENDING_HANDSHAKES: usize = 256;

/// What a server shows to its clients, and what it demands of them.
#[derive(Clone)]
pub struct ServerConfig {
    pub(crate) context: SslContext,
    pub(crate) verification: ClientVerification,
    pub(crate) limits: Limits,
    pub(crate) max_pending_handshakes: usize,
    identity: Identity,
    resumption: bool,
}

impl ServerConfig {
    /// A server with this key and these certificates, all of which are sent. It asks its clients for
    /// nothing.
    ///
    /// # Errors
    /// When OpenSSL refuses them, for example an RSA key under 2,048 bits.
    pub fn new(identity: &Identity) -> Result<Self, ConfigError> {
        let verification = ClientVerification::Nothing;
        Ok(Self {
            context: server_context(identity, &verification, true)?,
            verification,
            limits: Limits::default(),
            max_pending_handshakes: MAX_PENDING_HANDSHAKES,
            identity: identity.clone(),
            resumption: true,
        })
    }

    /// The same server, asking its clients for a certificate.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_verification(self, verification: ClientVerification) -> Result<Self, ConfigError> {
        let context = server_context(&self.identity, &verification, self.resumption)?;
        Ok(Self { context, verification, ..self })
    }

    /// The same server, which lets sessions be resumed, or does not. It does by default.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_resumption(self, resumption: bool) -> Result<Self, ConfigError> {
        let context = server_context(&self.identity, &self.verification, resumption)?;
        Ok(Self { context, resumption, ..self })
    }

    /// The same server with other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same server with another limit for handshakes that have begun and are not over. When it is
    /// reached, the oldest of them is given up for the newest.
    ///
    /// # Errors
    /// When it is 0, which would let no one in.
    pub fn with_max_pending_handshakes(self, count: usize) -> Result<Self, ConfigError> {
        if count == 0 {
            return Err(ConfigError::NoPendingHandshakes);
        }
        Ok(Self { max_pending_handshakes: count, ..self })
    }
}

/// What a client demands of its server, and what it shows when it is asked.
#[derive(Clone)]
pub struct ClientConfig {
    pub(crate) context: SslContext,
    pub(crate) verification: Verification,
    pub(crate) server_name: Option<PeerName>,
    pub(crate) limits: Limits,
    /// The session to resume, which the copies of a configuration share. `None`: it never does.
    pub(crate) kept: Option<Arc<Kept>>,
    identity: Option<Identity>,
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
        let context = client_context(&verification, None, true)?;
        let (limits, kept) = (Limits::default(), Some(Arc::default()));
        Ok(Self { context, verification, server_name, limits, kept, identity: None })
    }

    /// The same client with a certificate of its own, all of whose chain is sent to a server that asks
    /// for one. Anyone on the way can read it: DTLS 1.2 does not encrypt certificates.
    ///
    /// # Errors
    /// When OpenSSL refuses it, for example an RSA key under 2,048 bits.
    pub fn with_identity(self, identity: &Identity) -> Result<Self, ConfigError> {
        let context = client_context(&self.verification, Some(identity), self.kept.is_some())?;
        // What another identity has begun is not for this one to go on with.
        let kept = self.kept.map(|_| Arc::default());
        Ok(Self { context, kept, identity: Some(identity.clone()), ..self })
    }

    /// The same client, which resumes the session of its last connection, or does not. It does by
    /// default, and its copies share that session.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn with_resumption(self, resumption: bool) -> Result<Self, ConfigError> {
        let context = client_context(&self.verification, self.identity.as_ref(), resumption)?;
        Ok(Self { context, kept: resumption.then(Arc::default), ..self })
    }

    /// The same client with other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

fn server_context(
    identity: &Identity,
    verification: &ClientVerification,
    resumption: bool,
) -> Result<SslContext, ConfigError> {
    let mut context = new_context()?;
    show(&mut context, identity)?;
    verification::demand_of_client(&mut context, verification)?;
    cookie::bake_and_verify(&mut context);
    context.set_session_id_context(&acceptance(identity, verification)?)?;
    if resumption {
        let lifetime = u32::try_from(ticket::SESSION_LIFETIME.as_secs()).unwrap_or(0);
        ffi::tickets::seal_tickets(&mut context, lifetime)?;
    } else {
        context.set_options(SslOptions::NO_TICKET);
    }
    Ok(context.build())
}

/// A digest of everything by which a server decides about a client, and of what it is itself. OpenSSL
/// compares it before it goes on with an old session.
fn acceptance(
    identity: &Identity,
    verification: &ClientVerification,
) -> Result<[u8; 32], ErrorStack> {
    let mut digest = Sha256::new();
    match verification {
        ClientVerification::Nothing => digest.update(&[0; 33]),
        ClientVerification::Optional(anchors) => {
            digest.update(&[1]);
            digest.update(anchors.digest());
        }
        ClientVerification::Required(anchors) => {
            digest.update(&[2]);
            digest.update(anchors.digest());
        }
    }
    for certificate in identity.certificates.as_slice() {
        digest.update(&certificate.digest(MessageDigest::sha256())?);
    }
    Ok(digest.finish())
}

fn client_context(
    verification: &Verification,
    identity: Option<&Identity>,
    resumption: bool,
) -> Result<SslContext, ConfigError> {
    let mut context = new_context()?;
    if !resumption {
        context.set_options(SslOptions::NO_TICKET);
    }
    if let Some(identity) = identity {
        show(&mut context, identity)?;
    }
    verification::demand_of_server(&mut context, verification)?;
    Ok(context.build())
}

/// Gives `context` a key and the certificates to show.
fn show(context: &mut SslContextBuilder, identity: &Identity) -> Result<(), ConfigError> {
    let refused = |error: ErrorStack| ConfigError::Refused(reason(&error));
    let mut certificates = identity.certificates.as_slice().iter();
    let own = certificates.next().ok_or(ConfigError::NoCertificate)?;
    let mut bytes = 0;
    for certificate in identity.certificates.as_slice() {
        bytes += certificate.to_der().map_err(refused)?.len() + 3;
    }
    if bytes > record::MAX_HANDSHAKE_MESSAGE - 3 {
        return Err(ConfigError::ChainTooLong(bytes));
    }
    if !can_sign(&identity.key) {
        let reason = "DTLS 1.2 needs an RSA key, or an ECDSA key on P-256 or P-384";
        return Err(ConfigError::Refused(reason.to_owned()));
    }
    if !may_sign(own, &identity.key) {
        let reason = "its key usage is not digitalSignature, or one of its extensions is broken";
        return Err(ConfigError::Refused(reason.to_owned()));
    }
    if !is_uncompressed(own).map_err(refused)? {
        let reason = "its public key is not in the uncompressed form, and peers take no other";
        return Err(ConfigError::Refused(reason.to_owned()));
    }
    context.set_certificate(own).map_err(refused)?;
    context.set_private_key(&identity.key).map_err(refused)?;
    context.check_private_key().map_err(|_| ConfigError::KeyMismatch)?;
    for intermediate in certificates {
        context.add_extra_chain_cert(intermediate.clone()).map_err(refused)?;
    }
    Ok(())
}

/// Whether a side with `key` can shake hands: OpenSSL 3.6 uses Ed25519, Ed448 and RSA-PSS keys with
/// TLS 1.2 but not with DTLS 1.2, and an ECDSA key only on a curve that the client offers.
fn can_sign(key: &openssl::pkey::PKey<openssl::pkey::Private>) -> bool {
    use openssl::nid::Nid;
    match key.id() {
        openssl::pkey::Id::RSA => true,
        openssl::pkey::Id::EC => key.ec_key().is_ok_and(|key| {
            let curve = key.group().curve_name();
            matches!(curve, Some(Nid::X9_62_PRIME256V1 | Nid::SECP384R1))
        }),
        _ => false,
    }
}

/// Whether a handshake may be signed with `key` by what `certificate` says (RFC 5246 section 7.4.2).
/// OpenSSL keeps to that with ECDSA keys, and has nothing to offer then. To it a certificate with an
/// extension that it cannot read is for no purpose at all.
fn may_sign(certificate: &X509Ref, key: &PKeyRef<Private>) -> bool {
    let usage = certificate.key_usage();
    key.id() != Id::EC || usage.is_none_or(|usage| usage.contains(X509KeyUsage::DIGITAL_SIGNATURE))
}

/// Whether the public key of an ECDSA certificate is in the one form that is left (RFC 8422 section
/// 5.1.1), and the only one that OpenSSL's clients say they take.
fn is_uncompressed(certificate: &X509Ref) -> Result<bool, ErrorStack> {
    let key = certificate.public_key()?;
    if key.id() != Id::EC {
        return Ok(true);
    }
    let (form, ec) = (PointConversionForm::UNCOMPRESSED, key.ec_key()?);
    let point = ec.public_key().to_bytes(ec.group(), form, &mut *BigNumContext::new()?)?;
    Ok(key.public_key_to_der()?.ends_with(&point))
}

/// What both sides have in common.
fn new_context() -> Result<SslContextBuilder, ConfigError> {
    ffi::start();
    let mut context = SslContext::builder(SslMethod::dtls())?;
    context.set_security_level(SECURITY_LEVEL);
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_cipher_list(&CIPHER_SUITES.join(":"))?;
    context.set_groups_list(GROUPS)?;
    // NO_QUERY_MTU: SSL_clear, which DTLSv1_listen calls, forgets the MTU without it.
    context.set_options(
        SslOptions::NO_QUERY_MTU
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_COMPRESSION
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    // NO_AUTO_CHAIN: what is sent is what was configured, not what a store happens to hold.
    context.set_mode(SslMode::NO_AUTO_CHAIN | SslMode::RELEASE_BUFFERS);
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    let limit = i64::try_from(record::MAX_HANDSHAKE_MESSAGE).unwrap_or(i64::MAX);
    ffi::set_max_certificate_bytes(&mut context, limit);
    Ok(context)
}
