//! Certificates and keys as they come in: PEM text, parsed and checked once.

use std::iter;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey, PKeyRef, Private};
use openssl::sha::sha256;
use openssl::sign::{Signer, Verifier};
use openssl::ssl::SslRef;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::{X509, X509Ref};

use crate::credentials::peer_name::names_of;
use crate::credentials::pem::{self, Block, Kind};
use crate::credentials::pins;
use crate::report::error::{ConfigError, OpenSslError, reason};
use crate::report::failure::{CertificateProblem, Role};
use crate::ssl::suites::Proof;
use crate::ssl::{ffi, validity};

/// One certificate or more, in the order in which they were given.
#[derive(Debug, Clone)]
pub struct Certificates(Vec<X509>);

impl Certificates {
    /// Reads every certificate of a PEM text, or the one of a DER file.
    ///
    /// # Errors
    /// When there is none, and when one of them, or anything that looks like one, cannot be read: a chain
    /// is never shortened silently. Keys and revocation lists may stand among them.
    pub fn parse(text: &[u8]) -> Result<Self, ConfigError> {
        ffi::start();
        let certificates = if is_der(text) {
            vec![from_der(text)?]
        } else {
            let blocks = pem::of_kind(text, Kind::Certificate)?;
            blocks.iter().map(read).collect::<Result<Vec<_>, _>>()?
        };
        if certificates.is_empty() {
            return Err(ConfigError::NoCertificate);
        }
        Ok(Self(certificates))
    }

    /// How many there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the first of both is the same certificate.
    pub fn starts_like(&self, other: &Self) -> bool {
        self.0.first() == other.0.first()
    }

    /// Adds the certificates of `others` that are not among these yet.
    pub fn append(&mut self, others: Self) {
        for certificate in others.0 {
            if !self.0.contains(&certificate) {
                self.0.push(certificate);
            }
        }
    }

    /// The first as PEM text. Empty if OpenSSL has no memory for it.
    pub fn first_pem(&self) -> String {
        self.first().to_pem().ok().and_then(|pem| String::from_utf8(pem).ok()).unwrap_or_default()
    }

    /// All of them as PEM text, in order. Empty if OpenSSL has no memory for it.
    pub fn to_pem(&self) -> String {
        let pem = |it: &X509| it.to_pem().ok().and_then(|pem| String::from_utf8(pem).ok());
        self.0.iter().map(pem).collect::<Option<String>>().unwrap_or_default()
    }

    /// The first in DER.
    ///
    /// # Errors
    /// When OpenSSL has no memory for it.
    pub fn first_der(&self) -> Result<Vec<u8>, OpenSslError> {
        Ok(self.first().to_der()?)
    }

    /// Whether the first says that it is one of an authority (RFC 5280 section 4.2.1.9).
    pub fn is_authority(&self) -> bool {
        ffi::is_authority(self.first())
    }

    /// SHA-256 of the first, in the form of a pin: `sha256:` and 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// When OpenSSL cannot.
    pub fn fingerprint(&self) -> Result<String, OpenSslError> {
        let [certificate, _] = pins::both_of(self.first())?;
        Ok(certificate)
    }

    /// SHA-256 of the public key in the first (RFC 7469 section 2.4), in the form of a pin: `spki:` and
    /// base64. It stays the same when the certificate is renewed for the same key.
    ///
    /// # Errors
    /// When OpenSSL cannot.
    pub fn spki_pin(&self) -> Result<String, OpenSslError> {
        let [_, key] = pins::both_of(self.first())?;
        Ok(key)
    }

    /// The first.
    pub(crate) fn first(&self) -> &X509Ref {
        self.0.first().expect("there is always one")
    }

    /// The certificates, in order.
    pub(crate) fn as_slice(&self) -> &[X509] {
        &self.0
    }
}

/// A private key with its certificate and the intermediates that lead to a trust anchor.
#[derive(Debug, Clone)]
pub struct Identity {
    pub(crate) key: PKey<Private>,
    /// The own certificate first.
    certificates: Certificates,
}

impl Identity {
    /// Joins a private key in PEM with `certificates`: the own one first, then the intermediates in
    /// the order in which they are to be sent.
    ///
    /// # Errors
    /// When the key cannot be read, is encrypted or damaged, or does not belong to the first
    /// certificate.
    pub fn new(key_pem: &[u8], certificates: Certificates) -> Result<Self, ConfigError> {
        Self::with_passphrase(key_pem, b"", certificates)
    }

    /// The same with a key that is encrypted by `passphrase`. One that is not encrypted is taken too.
    ///
    /// # Errors
    /// As in [`Identity::new`], and when the passphrase is another one.
    pub fn with_passphrase(
        key_pem: &[u8],
        passphrase: &[u8],
        certificates: Certificates,
    ) -> Result<Self, ConfigError> {
        ffi::start();
        if key_pem.is_empty() {
            return Err(ConfigError::NoKey);
        }
        let block = pem::private_key(key_pem)?;
        let mut asked = false;
        // Without this, OpenSSL would ask on the terminal.
        let key = PKey::private_key_from_pem_callback(block.as_bytes(), |room| {
            asked = true;
            let room = room.get_mut(..passphrase.len()).ok_or_else(ErrorStack::get)?;
            room.copy_from_slice(passphrase);
            Ok(passphrase.len())
        });
        let key = key.map_err(|error| match (asked, passphrase) {
            (false, _) => ConfigError::UnreadableKey(block.refused(&error).to_string()),
            (true, []) => ConfigError::EncryptedKey,
            (true, _) => ConfigError::WrongPassphrase,
        })?;
        let belongs = |certificate: &X509| {
            certificate.public_key().is_ok_and(|certified| certified.public_eq(&key))
        };
        match certificates.0.iter().position(belongs) {
            Some(0) if !can_sign(&key) => {
                Err(ConfigError::UnreadableKey("its parts contradict each other".to_owned()))
            }
            Some(0) => Ok(Self { key, certificates }),
            Some(index) => Err(ConfigError::WrongOrder(index + 1)),
            None => Err(ConfigError::KeyMismatch),
        }
    }

    /// What a peer that verifies it will have against it, if a side with this `role` shows it, as far as it
    /// can be seen from here: each is the end of a sentence that begins with the certificate.
    pub fn problems(&self, role: Role) -> Vec<String> {
        let mut problems = Vec::new();
        for (index, certificate) in self.chain().iter().enumerate() {
            let purpose = (index == 0 && !ffi::is_meant_for(certificate, role))
                .then_some(CertificateProblem::WrongPurpose(role));
            for problem in validity::untimely(certificate).into_iter().chain(purpose) {
                let names = names_of(certificate);
                problems.push(match index {
                    0 => format!("(for {names}) {problem}"),
                    _ => format!(
                        "comes with another (no. {}, for {names}) that {problem}",
                        index + 1
                    ),
                });
            }
        }
        problems
    }

    /// The own certificate, then the intermediates.
    pub(crate) fn chain(&self) -> &[X509] {
        self.certificates.as_slice()
    }

    /// What a cipher suite calls a signature with its key.
    pub(crate) fn proof(&self) -> Proof {
        if self.key.id() == Id::EC { Proof::Ecdsa } else { Proof::Rsa }
    }
}

/// The certificates that a chain may lead to, or be.
#[derive(Clone)]
pub struct TrustAnchors(Arc<Anchors>);

struct Anchors {
    store: X509Store,
    /// SHA-256 of what each of them is.
    digest: [u8; 32],
}

impl TrustAnchors {
    /// Trusts exactly `certificates`: authorities, intermediates or single servers.
    ///
    /// # Errors
    /// When OpenSSL cannot take one of them.
    pub fn new(certificates: &Certificates) -> Result<Self, ConfigError> {
        Self::build(&certificates.0)
    }

    /// Trusts what can be read of a bundle that someone else maintains, such as the system's. Tells
    /// beside it how many certificates could not be.
    ///
    /// # Errors
    /// When nothing in it can be read: the result would trust no peer at all.
    pub fn from_bundle(pem: &str) -> Result<(Self, usize), ConfigError> {
        ffi::start();
        let mut readable = Vec::new();
        let mut unreadable = 0;
        for block in pem::blocks(pem.as_bytes()) {
            match block.map(|block| (block.kind(), read(&block))) {
                Ok((Kind::Certificate, Ok(certificate))) => readable.push(certificate),
                Ok((Kind::Certificate | Kind::Unknown, _)) | Err(_) => unreadable += 1,
                Ok(_) => {}
            }
        }
        if readable.is_empty() {
            return Err(ConfigError::NoTrustAnchor);
        }
        Ok((Self::build(&readable)?, unreadable))
    }

    fn build(certificates: &[X509]) -> Result<Self, ConfigError> {
        let fill = || {
            let mut store = X509StoreBuilder::new()?;
            let mut digests = Vec::with_capacity(certificates.len());
            for certificate in certificates {
                store.add_cert(certificate.clone())?;
                digests.push(certificate.digest(MessageDigest::sha256())?.to_vec());
            }
            // The order does not matter to a store.
            digests.sort_unstable();
            let digest = sha256(&digests.concat());
            Ok::<_, ErrorStack>(Anchors { store: store.build(), digest })
        };
        let anchors = fill()?;
        Ok(Self(Arc::new(anchors)))
    }

    pub(crate) fn store(&self) -> &X509Store {
        &self.0.store
    }

    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }
}

impl std::fmt::Debug for TrustAnchors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TrustAnchors({})", self.0.store.all_certificates().len())
    }
}

/// The certificate in a block that says it has one.
fn read(block: &Block) -> Result<X509, ConfigError> {
    if block.is_encrypted() {
        return Err(block.unreadable("it is encrypted").into());
    }
    X509::from_pem(block.as_bytes()).map_err(|error| why_unreadable(block.number, &error))
}

/// Why the certificate no. `number` cannot be read.
fn why_unreadable(number: usize, error: &ErrorStack) -> ConfigError {
    match reason(error) {
        why if why == "illegal padding" => ConfigError::BadSerialNumber(number),
        why => ConfigError::UnreadableCertificate(number, why),
    }
}

/// A byte of DER that begins a sequence, as a certificate is one.
const SEQUENCE: u8 = 0x30;

/// Whether `file` is no text: a sequence, and no character behind it. A certificate is longer than 127
/// bytes, so the next byte counts those of its length.
fn is_der(file: &[u8]) -> bool {
    file.first() == Some(&SEQUENCE) && file.get(1).is_none_or(|length| *length >= 0x80)
}

/// The one certificate of a DER file. OpenSSL takes no notice of what is behind it.
fn from_der(file: &[u8]) -> Result<X509, ConfigError> {
    let unreadable = |why| ConfigError::UnreadableCertificate(1, why);
    let certificate = X509::from_der(file).map_err(|error| why_unreadable(1, &error))?;
    let behind = der_length(file).and_then(|length| file.get(length..));
    if behind.is_none_or(|behind| !behind.trim_ascii().is_empty()) {
        return Err(unreadable(
            "something follows it; a file with more than one has to be PEM".into(),
        ));
    }
    Ok(certificate)
}

/// The bytes that the first element of `der` has, with its tag and its length.
fn der_length(der: &[u8]) -> Option<usize> {
    let (_, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let count = usize::from(first.checked_sub(0x80)?);
    let length = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    length.checked_add(2 + count)
}

/// The certificates of the peer of `ssl` in PEM, its own first, as far as they are known.
pub(crate) fn of_peer(ssl: &SslRef) -> Vec<String> {
    let Some(own) = ssl.peer_certificate() else {
        return Vec::new();
    };
    let sent = ssl.peer_cert_chain().into_iter().flatten();
    // A client's chain begins with the server's own certificate, a server's does not.
    let others = sent.filter(|sent| **sent != *own);
    let pem = |certificate: &X509Ref| String::from_utf8(certificate.to_pem().ok()?).ok();
    iter::once(&*own).chain(others).filter_map(pem).collect()
}

/// Whether what `key` signs is verified by its own public half. A file has both, and OpenSSL takes the
/// public one as it stands there.
fn can_sign(key: &PKeyRef<Private>) -> bool {
    const TEXT: &[u8] = b"signed and verified";
    // Keys of other kinds are not signed with here, or not like this.
    if !matches!(key.id(), Id::RSA | Id::EC) {
        return true;
    }
    let digest = MessageDigest::sha256();
    let signature = Signer::new(digest, key).and_then(|mut it| it.sign_oneshot_to_vec(TEXT));
    let verify = |signature: Vec<u8>| Verifier::new(digest, key)?.verify_oneshot(&signature, TEXT);
    let verified = signature.and_then(verify).unwrap_or(false);
    let _why = ErrorStack::get();
    verified
}
