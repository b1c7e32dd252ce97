//! Certificates, made once for each test program, and the configurations made from them.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use dtls_core::{
    Certificates, ConfigError, Identity, PeerName, PskKeys, ServerConfig, Trust, TrustAnchors,
    Verification,
};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::x509::{X509, X509Builder, X509Extension, X509NameBuilder};
use test_pki::{Authority, Issued, Profile};

pub(crate) use super::client::{Client, Rebuild};

/// The authority that clients trust unless a test says otherwise.
pub(crate) static ROOT: LazyLock<Authority> = LazyLock::new(|| Authority::root("Test Root"));

/// A certificate of [`ROOT`] for localhost, on P-256.
pub(crate) static LOCALHOST: LazyLock<Issued> = LazyLock::new(|| ROOT.issue(Profile::localhost()));

/// The certificates of a PEM text.
pub(crate) fn certificates(pem: &str) -> Certificates {
    Certificates::parse(pem.as_bytes()).expect("certificates that can be read")
}

/// Key and certificates, intermediates included.
pub(crate) fn identity(issued: &Issued) -> Identity {
    Identity::new(issued.key_pem.as_bytes(), certificates(&issued.chain_pem()))
        .expect("a key and its certificate")
}

/// A server with this identity.
pub(crate) fn server_with(identity: Identity) -> Result<ServerConfig, ConfigError> {
    ServerConfig::builder().with_identity(identity).build()
}

/// A server with these pre-shared keys and no certificate.
pub(crate) fn server_by_psk(keys: PskKeys) -> Result<ServerConfig, ConfigError> {
    ServerConfig::builder().with_psk_keys(keys).build()
}

/// A server with the key and the certificates of `issued`.
pub(crate) fn server(issued: &Issued) -> ServerConfig {
    server_with(identity(issued)).expect("a usable identity")
}

/// A server for localhost.
pub(crate) fn localhost() -> ServerConfig {
    server(&LOCALHOST)
}

/// Trust in the certificates of a PEM text.
pub(crate) fn anchors(pem: &str) -> TrustAnchors {
    TrustAnchors::new(&certificates(pem)).expect("usable trust anchors")
}

/// The same without anything else.
pub(crate) fn trust(pem: &str) -> Trust {
    anchors(pem).into()
}

/// The pin of a certificate in PEM.
pub(crate) fn fingerprint(pem: &str) -> String {
    let der = X509::from_pem(pem.as_bytes()).and_then(|certificate| certificate.to_der());
    let digest = sha256(&der.expect("a certificate"));
    let digits: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", digits.concat())
}

/// A name or an address.
pub(crate) fn name(name: &str) -> PeerName {
    PeerName::parse(name).expect("a host name")
}

/// A client that trusts the certificates of `pem` and expects `wanted`.
pub(crate) fn client(pem: &str, wanted: &str) -> Client {
    let verification = Verification::ChainAndName(trust(pem));
    Client::new(verification, Some(name(wanted))).expect("a usable configuration")
}

/// A client that trusts [`ROOT`] and expects localhost.
pub(crate) fn verifying() -> Client {
    client(&ROOT.cert_pem(), "localhost")
}

/// The same, with this certificate of its own.
pub(crate) fn showing(issued: &Issued) -> Client {
    verifying().rebuild(|it| it.with_identity(identity(issued))).expect("a usable identity")
}

/// A client that verifies nothing.
pub(crate) fn trusting_everyone() -> Client {
    Client::new(Verification::Nothing, None).expect("a usable configuration")
}

/// A self-signed certificate for localhost with any key (in PEM) that OpenSSL can sign with.
pub(crate) fn self_signed_with(key_pem: &str, digest: MessageDigest) -> Issued {
    self_signed_for(key_pem, digest, None)
}

/// The same with an extension, or without any.
pub(crate) fn self_signed_for(
    key_pem: &str,
    digest: MessageDigest,
    extension: Option<X509Extension>,
) -> Issued {
    let key = PKey::private_key_from_pem(key_pem.as_bytes()).expect("a key");
    let make = || {
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "localhost")?;
        let name = name.build();
        let mut certificate = X509Builder::new()?;
        certificate.set_version(2)?;
        certificate.set_serial_number(&*BigNum::from_u32(7)?.to_asn1_integer()?)?;
        certificate.set_subject_name(&name)?;
        certificate.set_issuer_name(&name)?;
        certificate.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        certificate.set_not_after(&*Asn1Time::days_from_now(9)?)?;
        certificate.set_pubkey(&key)?;
        if let Some(extension) = &extension {
            certificate.append_extension2(extension)?;
        }
        certificate.sign(&key, digest)?;
        certificate.build().to_pem()
    };
    let pem: Result<Vec<u8>, ErrorStack> = make();
    let cert_pem = String::from_utf8(pem.expect("a certificate")).expect("PEM is text");
    Issued { cert_pem, key_pem: key_pem.to_owned(), serial: vec![7], intermediates_pem: Vec::new() }
}

/// An EC key on any curve, in PEM.
pub(crate) fn ec_key(curve: Nid) -> String {
    let group = openssl::ec::EcGroup::from_curve_name(curve).expect("a curve");
    let key = openssl::ec::EcKey::generate(&group).expect("an EC key");
    let pem = PKey::from_ec_key(key).and_then(|key| key.private_key_to_pem_pkcs8());
    String::from_utf8(pem.expect("PEM")).expect("PEM is text")
}

/// An RSA key of so many bits, in PEM: always the same one, since it takes seconds to make under valgrind.
pub(crate) fn rsa_key(bits: u32) -> String {
    static KEYS: Mutex<BTreeMap<u32, String>> = Mutex::new(BTreeMap::new());
    let make = || {
        let key = openssl::rsa::Rsa::generate(bits).expect("an RSA key");
        let key = PKey::from_rsa(key).expect("a key");
        let pem = key.private_key_to_pem_pkcs8().expect("PEM");
        String::from_utf8(pem).expect("PEM is text")
    };
    KEYS.lock().expect("no key has failed").entry(bits).or_insert_with(make).clone()
}
