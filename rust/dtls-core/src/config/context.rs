//! What OpenSSL is told: the context that is made from a side's settings.

use std::collections::BTreeMap;

use openssl::bn::BigNumContext;
use openssl::ec::PointConversionForm;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKeyRef, Private};
use openssl::sha::Sha256;
use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVersion,
};
use openssl::x509::{X509KeyUsage, X509Ref};

use crate::config::alpn::{self, Alpn};
use crate::config::key_log::{self, KeyLog};
use crate::config::server_name;
use crate::config::settings::{ClientSettings, ServerAuthentication, ServerSettings};
use crate::credentials::certificate::Identity;
use crate::credentials::verification::{self, ClientVerification};
use crate::credentials::{psk, ticket_keys};
use crate::report::error::{ConfigError, reason};
use crate::ssl::suites::{CipherSuites, Proof};
use crate::ssl::{callbacks, ffi, tickets};
use crate::wire::record;

/// Curves for the key exchange, the fastest first.
const GROUPS: &str = "X25519:P-256:P-384";

/// Strength of keys and signatures that OpenSSL insists on: 2 is 112 bits, so RSA from 2,048 bits
/// and no SHA-1. Set here because a distribution may have built in another one.
const SECURITY_LEVEL: u32 = 2;

/// The context of a server.
pub(super) fn of_server(settings: &ServerSettings) -> Result<SslContext, ConfigError> {
    let required = matches!(settings.verification, ClientVerification::Required(_));
    if required && settings.credentials.psk().is_some() {
        return Err(ConfigError::PskWithRequiredCertificate);
    }
    settings.suites.check_each(&settings.proofs())?;
    let acceptance = acceptance(settings)?;
    let of = |identity| of_server_with(settings, identity, &acceptance);
    let Some(identities) = settings.credentials.identities() else {
        let mut context = of(None)?;
        server_name::select_by_name(&mut context, acceptance, BTreeMap::new())?;
        return Ok(context.build());
    };
    let mut context = of(Some(&identities.default))?;
    let mut named = BTreeMap::new();
    for (name, identity) in &identities.named {
        let name = String::from(name.clone());
        let mut other = of(Some(identity))
            .map_err(|why| ConfigError::NamedIdentity { name: name.clone(), why: Box::new(why) })?;
        // The client is told that its name was known (RFC 6066 section 3).
        other.set_servername_callback(|_, _| Ok(()));
        named.insert(name, other.build());
    }
    server_name::select_by_name(&mut context, acceptance, named)?;
    Ok(context.build())
}

/// The context of a server that shows `identity`. Everything else is the same in all of them: OpenSSL
/// takes some of it from the one that a handshake begins with, and some from the one that it goes on
/// with.
fn of_server_with(
    settings: &ServerSettings,
    identity: Option<&Identity>,
    acceptance: &[u8; 32],
) -> Result<SslContextBuilder, ConfigError> {
    let mut context = new_context(&settings.suites, &settings.proofs(), settings.key_log.as_ref())?;
    if let Some(identity) = identity {
        show(&mut context, identity)?;
    }
    if let Some(keys) = settings.credentials.psk() {
        psk::accept(&mut context, keys)?;
    }
    if let Some(protocols) = &settings.alpn {
        alpn::choose_from(&mut context, protocols);
    }
    verification::demand_of_client(&mut context, &settings.verification)?;
    callbacks::use_cookies(&mut context);
    context.set_session_id_context(acceptance)?;
    if settings.resumption {
        tickets::seal_tickets(&mut context, ticket_keys::SESSION_LIFETIME)?;
    } else {
        context.set_options(SslOptions::NO_TICKET);
    }
    Ok(context)
}

/// A digest of everything by which a server decides about a client, and of what it is itself. OpenSSL
/// compares it before it goes on with an old session.
fn acceptance(settings: &ServerSettings) -> Result<[u8; 32], ErrorStack> {
    let mut digest = Sha256::new();
    digest.update(&settings.verification.digest());
    // No name of a suite is empty, and no protocol.
    for suite in settings.suites.with(&settings.proofs()) {
        digest.update(suite.name.as_bytes());
        digest.update(&[0]);
    }
    digest.update(&[0]);
    digest.update(settings.alpn.as_ref().map_or(&[], Alpn::list));
    digest.update(&[0]);
    if let Some(identities) = settings.credentials.identities() {
        add_chain(&mut digest, &identities.default)?;
        for (name, identity) in &identities.named {
            digest.update(name.as_bytes());
            add_chain(&mut digest, identity)?;
        }
    }
    Ok(digest.finish())
}

/// Adds the certificates of `identity`, between two zeros.
fn add_chain(digest: &mut Sha256, identity: &Identity) -> Result<(), ErrorStack> {
    digest.update(&[0]);
    for certificate in identity.chain() {
        digest.update(&[1]);
        digest.update(&certificate.digest(MessageDigest::sha256())?);
    }
    digest.update(&[0]);
    Ok(())
}

/// The context of a client.
pub(super) fn of_client(settings: &ClientSettings) -> Result<SslContext, ConfigError> {
    settings.suites.check_any(settings.proofs())?;
    let mut context = new_context(&settings.suites, settings.proofs(), settings.key_log.as_ref())?;
    if !settings.resumes() {
        context.set_options(SslOptions::NO_TICKET);
    }
    match &settings.server {
        ServerAuthentication::Certificate(verification) => {
            if let Some(identity) = &settings.identity {
                show(&mut context, identity)?;
            }
            verification::demand_of_server(&mut context, verification)?;
        }
        ServerAuthentication::Psk(psk) => psk::show(&mut context, psk),
    }
    if let Some(protocols) = &settings.alpn {
        alpn::offer(&mut context, protocols)?;
    }
    Ok(context.build())
}

/// Gives `context` a key and the certificates to show.
fn show(context: &mut SslContextBuilder, identity: &Identity) -> Result<(), ConfigError> {
    let refused = |error: ErrorStack| ConfigError::Refused(reason(&error));
    let mut certificates = identity.chain().iter();
    let own = certificates.next().ok_or(ConfigError::NoCertificate)?;
    let mut bytes = 0;
    for certificate in identity.chain() {
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
        ffi::add_chain_certificate(context, intermediate).map_err(refused)?;
    }
    Ok(())
}

/// Whether a side with `key` can shake hands: OpenSSL (3.6, 4.0) uses Ed25519, Ed448 and RSA-PSS keys with
/// TLS 1.2 but not with DTLS 1.2, and an ECDSA key only on a curve that the client offers.
fn can_sign(key: &PKeyRef<Private>) -> bool {
    match key.id() {
        Id::RSA => true,
        Id::EC => key.ec_key().is_ok_and(|key| {
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
fn new_context(
    suites: &CipherSuites,
    proofs: &[Proof],
    key_log: Option<&KeyLog>,
) -> Result<SslContextBuilder, ConfigError> {
    ffi::start();
    let mut context = SslContext::builder(SslMethod::dtls())?;
    context.set_security_level(SECURITY_LEVEL);
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    let names: Vec<_> = suites.with(proofs).map(|suite| suite.name).collect();
    context.set_cipher_list(&names.join(":"))?;
    context.set_groups_list(GROUPS)?;
    // Without NO_QUERY_MTU, OpenSSL asks the BIO for the MTU, and for a smaller one after three timeouts.
    context.set_options(
        SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_COMPRESSION
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    // NO_AUTO_CHAIN: what is sent is what was configured, not what a store happens to hold.
    context.set_mode(SslMode::NO_AUTO_CHAIN | SslMode::RELEASE_BUFFERS);
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    ffi::set_max_certificate_bytes(&mut context, record::MAX_HANDSHAKE_MESSAGE);
    if let Some(log) = key_log {
        key_log::write_to(&mut context, log);
    }
    Ok(context)
}
