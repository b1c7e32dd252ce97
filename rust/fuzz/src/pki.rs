//! The certificates and configurations of every run. They are made when the program starts and are the
//! same each time, since [`chance`] is.

use std::sync::LazyLock;

use dtls_core::{
    Certificates, ClientConfig, ClientConfigBuilder, ClientVerification, Identity, PeerName, Psk,
    PskKeys, ServerConfig, TrustAnchors, Verification,
};
use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
use openssl::x509::{
    X509, X509Builder, X509Crl, X509CrlBuilder, X509Extension, X509NameBuilder, X509RevokedBuilder,
};

use crate::chance;
use crate::client::Client;

const PSK: [u8; 16] = [7; 16];

/// What the server of every run has, and its clients trust.
pub(crate) struct Pki {
    pub(crate) key_pem: Vec<u8>,
    pub(crate) key_der: Vec<u8>,
    pub(crate) certificate_der: Vec<u8>,
    /// The server's certificate and the intermediate that issued it.
    pub(crate) chain_pem: Vec<u8>,
    /// A revocation list of that intermediate, which takes back another certificate.
    pub(crate) list_der: Vec<u8>,
    pub(crate) server: ServerConfig,
    /// The same, letting in only who has a certificate.
    pub(crate) asking: ServerConfig,
    /// Verifies the chain and the name.
    pub(crate) client: Client,
    /// The same with a certificate of its own.
    pub(crate) identified: Client,
    /// Takes whatever answers.
    pub(crate) trusting: Client,
    /// The server, which has a key for one client too.
    pub(crate) keyed: ServerConfig,
    /// That client.
    pub(crate) with_key: Client,
}

impl Pki {
    /// The one of this program.
    pub(crate) fn get() -> &'static Self {
        static PKI: LazyLock<Pki> = LazyLock::new(|| {
            chance::begin(0);
            make().expect("OpenSSL makes keys and certificates")
        });
        &PKI
    }
}

fn make() -> Result<Pki, ErrorStack> {
    let root_key = new_key()?;
    let root = issue("Root", &root_key, None, true)?;
    let between_key = new_key()?;
    let between = issue("Between", &between_key, Some((&root, &root_key)), true)?;
    let key = new_key()?;
    let own = issue("localhost", &key, Some((&between, &between_key)), false)?;
    let player_key = new_key()?;
    let player = issue("player", &player_key, Some((&root, &root_key)), false)?;

    let key_pem = key.private_key_to_pem_pkcs8()?;
    let chain_pem = [own.to_pem()?, between.to_pem()?].concat();
    let anchors = certificates(&root.to_pem()?);
    let anchors = TrustAnchors::new(&anchors).expect("a root can be trusted");
    let identity = Identity::new(&key_pem, certificates(&chain_pem)).expect("a pair");
    let server = ServerConfig::builder().with_identity(identity);
    let required = ClientVerification::Required(anchors.clone().into());
    let asking = server.clone().with_verification(required).build();
    let verifying = ClientConfig::with_verification(Verification::ChainAndName(anchors.into()));
    let name = PeerName::parse("localhost").expect("a name");
    let client = |config: ClientConfigBuilder, server_name: Option<&PeerName>| Client {
        config: config.build().expect("a usable configuration"),
        server_name: server_name.cloned(),
    };
    let player = certificates(&player.to_pem()?);
    let player = Identity::new(&player_key.private_key_to_pem_pkcs8()?, player).expect("a pair");
    let identified = verifying.clone().with_identity(player);
    let keys = PskKeys::new();
    keys.set("player", &PSK).expect("a usable key");
    let keyed = server.clone().with_psk_keys(keys).build();
    let psk = Psk::new("player", &PSK).expect("a usable key");
    Ok(Pki {
        key_der: key.private_key_to_pkcs8()?,
        key_pem,
        certificate_der: own.to_der()?,
        chain_pem,
        list_der: revocation_list(&between, &between_key)?.to_der()?,
        server: server.build().expect("a usable identity"),
        asking: asking.expect("a usable configuration"),
        client: client(verifying, Some(&name)),
        identified: client(identified, Some(&name)),
        trusting: client(ClientConfig::with_verification(Verification::Nothing), None),
        keyed: keyed.expect("a usable configuration"),
        with_key: client(ClientConfig::with_psk(psk), None),
    })
}

fn certificates(pem: &[u8]) -> Certificates {
    Certificates::parse(pem).expect("certificates that were just made")
}

fn new_key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

fn revocation_list(authority: &X509, key: &PKey<Private>) -> Result<X509Crl, ErrorStack> {
    let extension = |oid: &str, der: &[u8]| {
        let value = Asn1OctetString::new_from_bytes(der)?;
        X509Extension::new_from_der(&*Asn1Object::from_str(oid)?, false, &value)
    };
    let mut entry = X509RevokedBuilder::new()?;
    entry.set_serial_number(&*BigNum::from_u32(8)?.to_asn1_integer()?)?;
    entry.set_revocation_date(&*Asn1Time::days_from_now(0)?)?;
    let mut list = X509CrlBuilder::new()?;
    list.set_issuer_name(authority.subject_name())?;
    list.set_last_update(&*Asn1Time::days_from_now(0)?)?;
    list.set_next_update(&*Asn1Time::days_from_now(9)?)?;
    list.add_revoked(entry.build())?;
    // Key identifier and number, which every list has.
    list.append_extension(extension("2.5.29.35", &[0x30, 3, 0x80, 1, 7])?)?;
    list.append_extension(extension("2.5.29.20", &[2, 1, 1])?)?;
    list.sign(key, MessageDigest::sha256())?;
    list.build()
}

/// A certificate for `key`, issued by an authority or by itself.
fn issue(
    name: &str,
    key: &PKey<Private>,
    authority: Option<(&X509, &PKey<Private>)>,
    is_authority: bool,
) -> Result<X509, ErrorStack> {
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
    let subject = subject.build();

    let mut certificate = X509Builder::new()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(&*BigNum::from_u32(7)?.to_asn1_integer()?)?;
    certificate.set_subject_name(&subject)?;
    certificate
        .set_issuer_name(authority.map_or(&*subject, |(issuer, _)| issuer.subject_name()))?;
    // Not from now on: it is to be the same certificate tomorrow.
    certificate.set_not_before(&*Asn1Time::from_str("20200101000000Z")?)?;
    certificate.set_not_after(&*Asn1Time::from_str("21000101000000Z")?)?;
    certificate.set_pubkey(key)?;
    if is_authority {
        certificate.append_extension(BasicConstraints::new().critical().ca().build()?)?;
    } else {
        certificate
            .append_extension(ExtendedKeyUsage::new().server_auth().client_auth().build()?)?;
        let mut names = SubjectAlternativeName::new();
        names.dns("localhost").ip("127.0.0.1");
        let context = certificate.x509v3_context(None, None);
        let names = names.build(&context)?;
        certificate.append_extension(names)?;
    }
    certificate.sign(authority.map_or(key, |(_, key)| key), MessageDigest::sha256())?;
    Ok(certificate.build())
}
