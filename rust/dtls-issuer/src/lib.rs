//! Keys and certificates made here: self-signed ones of servers, authorities, what those issue and what
//! they revoke.
//!
//! Each certificate is good for one thing. A server's is no authority and no client's, so a client
//! that trusts it trusts that server and no other.

mod subject;

use std::time::{SystemTime, UNIX_EPOCH};

use dtls_core::pem::{self, Kind};
use dtls_core::{Certificates, ConfigError, OpenSslError, PeerName, start_openssl};
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private, Public};
use openssl::rsa::Rsa;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, CrlNumber, ExtendedKeyUsage, KeyUsage,
    SubjectAlternativeName, SubjectKeyIdentifier,
};
use openssl::x509::{
    X509, X509Builder, X509CrlBuilder, X509KeyUsage, X509Name, X509NameBuilder, X509Ref,
    X509RevokedBuilder, X509VerifyResult,
};

pub use subject::Subject;
use subject::{ServerName, SubjectKind};

const DAY: i64 = 24 * 60 * 60;
/// How long before it was made a certificate is valid already, in seconds. Clocks differ.
const GRACE: i64 = DAY;
/// Bits of a serial number (RFC 5280 section 4.1.2.2 allows 159).
const SERIAL_BITS: i32 = 128;
/// Bits of the smallest RSA key that a handshake takes.
const SMALLEST_RSA: u32 = 2048;

/// What keys can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256: small and fast.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA with 2,048 bits.
    Rsa2048,
    /// RSA with 3,072 bits.
    Rsa3072,
    /// RSA with 4,096 bits, which can take seconds to make.
    Rsa4096,
}

impl KeyKind {
    /// All of them, the fastest first.
    pub const ALL: &[Self] = &[Self::P256, Self::P384, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::Rsa2048 => "RSA-2048",
            Self::Rsa3072 => "RSA-3072",
            Self::Rsa4096 => "RSA-4096",
        }
    }
}

/// Why a key, a certificate or a revocation list cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The key cannot be used for DTLS.
    #[error(
        "DTLS has no use for such a key; it has to be RSA with 2,048 bits or more, or ECDSA on P-256 \
         or P-384"
    )]
    UselessKey,
    /// The public key is not one.
    #[error("the public key cannot be read ({0})")]
    UnreadablePublicKey(String),
    /// The validity is out of range.
    #[error("a validity of {0} days is out of range; it can be 1 to 3,650 days")]
    BadDays(i64),
    /// A server without a name.
    #[error(
        "there is no name; a server's certificate has the host names and IP addresses that clients \
         connect to"
    )]
    NoNames,
    /// The name of a client or of an authority is not one.
    #[error(
        "\"{0}\" cannot be a name; it needs 1 to 64 characters, and no line breaks or the like"
    )]
    BadCommonName(String),
    /// The certificate that is to sign may not.
    #[error("the certificate is not one of an authority, or may not sign others")]
    NotAuthority,
    /// The authority's certificate says that it signs no revocation lists.
    #[error("the certificate of the authority does not allow it to sign revocation lists")]
    MayNotRevoke,
    /// The authority would end before what it issues.
    #[error(
        "the certificate of the authority expires in {left} days, which is before the {days} days \
         that are asked for are over"
    )]
    AuthorityEndsFirst {
        /// For how many days the authority's certificate is still valid.
        left: i32,
        /// What was asked for.
        days: i64,
    },
    /// Someone else's certificate is to be revoked.
    #[error("certificate no. {0} of those to revoke was not issued by this authority")]
    NotIssuedHere(usize),
    /// What is wrong with what was given.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// OpenSSL failed.
    #[error(transparent)]
    OpenSsl(#[from] OpenSslError),
}

impl From<ErrorStack> for IssueError {
    fn from(error: ErrorStack) -> Self {
        Self::OpenSsl(error.into())
    }
}

/// For how many days something is valid, from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(i64);

impl Days {
    /// So many days, 1 to 3,650.
    ///
    /// # Errors
    /// When it is out of range.
    pub fn new(days: i64) -> Result<Self, IssueError> {
        if (1..=3650).contains(&days) { Ok(Self(days)) } else { Err(IssueError::BadDays(days)) }
    }

    /// Since when, which is a day ago, and until when.
    fn bounds(self) -> Result<(Asn1Time, Asn1Time), ErrorStack> {
        let now = unix_time();
        Ok((Asn1Time::from_unix(now - GRACE)?, Asn1Time::from_unix(now + self.0 * DAY)?))
    }
}

fn unix_time() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}

/// A private key that signs.
#[derive(Debug, Clone)]
pub struct SigningKey(PKey<Private>);

impl SigningKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// When OpenSSL cannot.
    pub fn generate(kind: KeyKind) -> Result<Self, IssueError> {
        start_openssl();
        let on_curve =
            |curve| PKey::from_ec_key(EcKey::generate(EcGroup::from_curve_name(curve)?.as_ref())?);
        let of_bits = |bits| PKey::from_rsa(Rsa::generate(bits)?);
        Ok(Self(match kind {
            KeyKind::P256 => on_curve(Nid::X9_62_PRIME256V1),
            KeyKind::P384 => on_curve(Nid::SECP384R1),
            KeyKind::Rsa2048 => of_bits(2048),
            KeyKind::Rsa3072 => of_bits(3072),
            KeyKind::Rsa4096 => of_bits(4096),
        }?))
    }

    /// Reads a key in PEM.
    ///
    /// # Errors
    /// When it cannot be read, has a passphrase, or is of a kind that DTLS has no use for.
    pub fn parse(pem: &[u8]) -> Result<Self, IssueError> {
        start_openssl();
        // An empty passphrase, since OpenSSL would ask for one on the terminal otherwise.
        let key = pem::private_key(pem)?;
        let key = PKey::private_key_from_pem_passphrase(key.as_bytes(), b"")
            .map_err(|error| ConfigError::UnreadableKey(key.refused(&error).to_string()))?;
        require_useful(&key)?;
        Ok(Self(key))
    }

    /// The key as PEM (PKCS#8, RFC 5958), without a passphrase.
    ///
    /// # Errors
    /// When OpenSSL cannot.
    pub fn to_pem(&self) -> Result<String, IssueError> {
        text(self.0.private_key_to_pem_pkcs8()?)
    }

    /// A certificate in PEM by which this key vouches for itself: for a server whose clients have that
    /// very certificate, or its digest.
    ///
    /// # Errors
    /// When OpenSSL cannot.
    pub fn self_signed(&self, subject: &Subject, days: Days) -> Result<String, IssueError> {
        let certificate = self.sign(subject, days);
        text(certificate?.to_pem()?)
    }

    /// The certificate in PEM of an authority with this key. It issues what servers and clients show,
    /// and no further authorities.
    ///
    /// # Errors
    /// When the name is empty, too long or has control characters.
    pub fn authority(&self, name: &str, days: Days) -> Result<String, IssueError> {
        let certificate = self.sign(&Subject::authority(name)?, days);
        text(certificate?.to_pem()?)
    }

    fn sign(&self, subject: &Subject, days: Days) -> Result<X509, ErrorStack> {
        let mut certificate = begin(subject, &self.0, days)?;
        certificate.set_issuer_name(&*distinguished_name(&subject.common_name)?)?;
        certificate.sign(&self.0, MessageDigest::sha256())?;
        Ok(certificate.build())
    }
}

/// The key that a certificate is for; its private half can be someone else's.
#[derive(Debug, Clone)]
pub struct PublicKey(PKey<Public>);

impl PublicKey {
    /// Reads a public key in PEM (`SubjectPublicKeyInfo`).
    ///
    /// # Errors
    /// When it cannot be read, or is of a kind that DTLS has no use for.
    pub fn parse(pem: &[u8]) -> Result<Self, IssueError> {
        start_openssl();
        let unreadable = |why: &dyn ToString| IssueError::UnreadablePublicKey(why.to_string());
        let blocks = pem::of_kind(pem, Kind::PublicKey).map_err(|why| unreadable(&why))?;
        let [block] = blocks.as_slice() else {
            return Err(unreadable(&format!("there are {} in it", blocks.len())));
        };
        let key = PKey::public_key_from_pem(block.as_bytes())
            .map_err(|error| unreadable(&block.refused(&error)))?;
        require_useful(&key)?;
        Ok(Self(key))
    }
}

/// A key with a certificate that may sign others.
#[derive(Debug, Clone)]
pub struct Authority {
    key: SigningKey,
    certificate: X509,
}

impl Authority {
    /// Joins a key with the first of `certificates`.
    ///
    /// # Errors
    /// When they do not belong together, and when the certificate is no authority's.
    pub fn new(key: SigningKey, certificates: &Certificates) -> Result<Self, IssueError> {
        let certificate = first(certificates)?;
        if !certificate.public_key()?.public_eq(&key.0) {
            return Err(ConfigError::KeyMismatch.into());
        }
        if !certificates.is_authority() || !may(&certificate, X509KeyUsage::KEY_CERT_SIGN) {
            return Err(IssueError::NotAuthority);
        }
        Ok(Self { key, certificate })
    }

    /// A certificate in PEM that lets `subject` show that it has `key`.
    ///
    /// # Errors
    /// When the authority's own certificate expires more than a day before this one would.
    pub fn issue(
        &self,
        key: &PublicKey,
        subject: &Subject,
        days: Days,
    ) -> Result<String, IssueError> {
        self.require_life(days)?;
        let sign = || {
            let mut certificate = begin(subject, &key.0, days)?;
            certificate.set_issuer_name(self.certificate.subject_name())?;
            let context = certificate.x509v3_context(Some(&self.certificate), None);
            let authority = self.key_identifier().build(&context)?;
            certificate.append_extension2(&authority)?;
            certificate.sign(&self.key.0, MessageDigest::sha256())?;
            certificate.build().to_pem()
        };
        text(sign()?)
    }

    /// A revocation list in PEM with the first of each of `revoked`, which can be none. It replaces the
    /// lists before it, so it has to name all that are to be refused. Once it has expired, every
    /// peer is refused.
    ///
    /// # Errors
    /// When one of them was not issued by this authority, when it may not sign lists, and when its own
    /// certificate expires more than a day before the list would.
    pub fn revoke(&self, revoked: &[Certificates], days: Days) -> Result<String, IssueError> {
        if !may(&self.certificate, X509KeyUsage::CRL_SIGN) {
            return Err(IssueError::MayNotRevoke);
        }
        self.require_life(days)?;
        let revoked = revoked.iter().map(first).collect::<Result<Vec<_>, _>>()?;
        for (index, certificate) in revoked.iter().enumerate() {
            let named = self.certificate.issued(certificate) == X509VerifyResult::OK;
            if !named || !certificate.verify(&self.key.0).unwrap_or(false) {
                let _why = ErrorStack::get();
                return Err(IssueError::NotIssuedHere(index + 1));
            }
        }
        let sign = || {
            let mut list = X509CrlBuilder::new()?;
            list.set_issuer_name(self.certificate.subject_name())?;
            let (since, until) = days.bounds()?;
            list.set_last_update(&since)?;
            list.set_next_update(&until)?;
            for certificate in &revoked {
                let mut entry = X509RevokedBuilder::new()?;
                entry.set_serial_number(certificate.serial_number())?;
                entry.set_revocation_date(&*Asn1Time::days_from_now(0)?)?;
                list.add_revoked(entry.build())?;
            }
            let no_subject = X509Builder::new()?;
            let context = no_subject.x509v3_context(Some(&self.certificate), None);
            list.append_extension(self.key_identifier().build(&context)?)?;
            // Later lists have higher numbers (RFC 5280 section 5.2.3).
            let number = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let number = BigNum::from_slice(&number.as_micros().to_be_bytes())?;
            list.append_extension(CrlNumber::new(number)?.build()?)?;
            list.sort()?;
            list.sign(&self.key.0, MessageDigest::sha256())?;
            list.build()?.to_pem()
        };
        text(sign()?)
    }

    /// By which the authority's certificate is found: its key's digest, or its name and number where an
    /// authority that was made elsewhere does not say that.
    fn key_identifier(&self) -> AuthorityKeyIdentifier {
        let mut identifier = AuthorityKeyIdentifier::new();
        match self.certificate.subject_key_id() {
            Some(_) => identifier.keyid(true),
            None => identifier.issuer(true),
        };
        identifier
    }

    fn require_life(&self, Days(days): Days) -> Result<(), IssueError> {
        let left = Asn1Time::from_unix(unix_time())?.diff(self.certificate.not_after())?;
        // A day that has begun counts: both may have been made for as many days.
        if i64::from(left.days) + 1 < days || left.secs < 0 {
            return Err(IssueError::AuthorityEndsFirst { left: left.days.max(0), days });
        }
        Ok(())
    }
}

/// The first of `certificates`.
fn first(certificates: &Certificates) -> Result<X509, IssueError> {
    Ok(X509::from_der(&certificates.first_der()?)?)
}

/// A certificate with everything but an issuer and a signature.
fn begin<T: HasPublic>(
    subject: &Subject,
    key: &PKeyRef<T>,
    days: Days,
) -> Result<X509Builder, ErrorStack> {
    let mut certificate = X509Builder::new()?;
    // Version 3.
    certificate.set_version(2)?;
    certificate.set_serial_number(&*serial_number()?)?;
    certificate.set_subject_name(&*distinguished_name(&subject.common_name)?)?;
    certificate.set_pubkey(key)?;
    let (since, until) = days.bounds()?;
    certificate.set_not_before(&since)?;
    certificate.set_not_after(&until)?;

    let (mut constraints, mut usage) = (BasicConstraints::new(), KeyUsage::new());
    match &subject.kind {
        // Without others below it, so that what it issues is what there is.
        SubjectKind::Authority => {
            constraints.ca().pathlen(0);
            usage.key_cert_sign().crl_sign();
        }
        SubjectKind::Server(names) => {
            usage.digital_signature();
            certificate.append_extension2(&*ExtendedKeyUsage::new().server_auth().build()?)?;
            let context = certificate.x509v3_context(None, None);
            let alternatives = alternative_names(names).build(&context)?;
            certificate.append_extension2(&alternatives)?;
        }
        SubjectKind::Client => {
            usage.digital_signature();
            certificate.append_extension2(&*ExtendedKeyUsage::new().client_auth().build()?)?;
        }
    }
    certificate.append_extension2(&*constraints.critical().build()?)?;
    certificate.append_extension2(&*usage.critical().build()?)?;
    let context = certificate.x509v3_context(None, None);
    let identifier = SubjectKeyIdentifier::new().build(&context)?;
    certificate.append_extension2(&identifier)?;
    Ok(certificate)
}

fn alternative_names(names: &[ServerName]) -> SubjectAlternativeName {
    let mut alternatives = SubjectAlternativeName::new();
    for name in names {
        match name {
            ServerName::One(PeerName::Ip(address)) => alternatives.ip(&address.to_string()),
            name => alternatives.dns(&name.to_string()),
        };
    }
    alternatives
}

/// Whether a certificate allows its key to be used for something.
fn may(certificate: &X509Ref, what: X509KeyUsage) -> bool {
    certificate.key_usage().is_none_or(|usage| usage.contains(what))
}

/// Random and positive.
fn serial_number() -> Result<Asn1Integer, ErrorStack> {
    let mut number = BigNum::new()?;
    number.rand(SERIAL_BITS, MsbOption::ONE, false)?;
    number.to_asn1_integer()
}

fn distinguished_name(common_name: &str) -> Result<X509Name, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    Ok(name.build())
}

fn require_useful<T: HasPublic>(key: &PKeyRef<T>) -> Result<(), IssueError> {
    let curve = || key.ec_key().ok()?.group().curve_name();
    let useful = match key.id() {
        Id::RSA => key.bits() >= SMALLEST_RSA,
        Id::EC => matches!(curve(), Some(Nid::X9_62_PRIME256V1 | Nid::SECP384R1)),
        _ => false,
    };
    if useful { Ok(()) } else { Err(IssueError::UselessKey) }
}

fn text(pem: Vec<u8>) -> Result<String, IssueError> {
    // PEM is ASCII.
    Ok(String::from_utf8_lossy(&pem).into_owned())
}
