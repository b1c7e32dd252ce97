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

use crate::error::{ConfigError, reason};
use crate::ffi;
use crate::suites::Proof;

/// One certificate or more, in the order in which they were given.
#[derive(Debug, Clone)]
pub struct Certificates(Vec<X509>);

impl Certificates {
    /// Reads every certificate of a PEM text, or the one of a DER file.
    ///
    /// # Errors
    /// When there is none, and when one of them cannot be read: a chain is never shortened silently.
    pub fn parse(text: &[u8]) -> Result<Self, ConfigError> {
        ffi::start();
        if text.is_empty() {
            return Err(ConfigError::NoCertificate);
        }
        if is_encrypted(text) {
            return Err(ConfigError::UnreadableCertificate("it is encrypted".to_owned()));
        }
        let is_der = text.first() == Some(&0x30);
        let parsed = if is_der {
            X509::from_der(text).map(|certificate| vec![certificate])
        } else {
            X509::stack_from_pem(text)
        };
        match parsed {
            Ok(certificates) if certificates.is_empty() => Err(ConfigError::NoCertificate),
            Ok(certificates) => Ok(Self(certificates)),
            Err(error) => Err(unreadable(&error)),
        }
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

    /// Whether all of them are the same certificate.
    pub fn are_copies(&self) -> bool {
        self.0.windows(2).all(|pair| pair.first() == pair.last())
    }

    /// Adds the certificates of `others` that are not among these yet.
    pub fn append(&mut self, others: Self) {
        for certificate in others.0 {
            if !self.0.contains(&certificate) {
                self.0.push(certificate);
            }
        }
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
        let mut asked = false;
        // Without this, OpenSSL would ask on the terminal.
        let key = PKey::private_key_from_pem_callback(key_pem, |room| {
            asked = true;
            let room = room.get_mut(..passphrase.len()).ok_or_else(ErrorStack::get)?;
            room.copy_from_slice(passphrase);
            Ok(passphrase.len())
        });
        let key = key.map_err(|error| match (asked, passphrase) {
            (false, _) => ConfigError::UnreadableKey(reason(&error)),
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
    /// When nothing in it can be read: trusting no one is not what anyone asked for.
    pub fn from_bundle(pem: &str) -> Result<(Self, usize), ConfigError> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        ffi::start();
        let mut readable = Vec::new();
        let mut unreadable = 0;
        for block in pem.split(BEGIN).skip(1) {
            let block = format!("{BEGIN}{block}");
            let certificate =
                (!is_encrypted(block.as_bytes())).then(|| X509::from_pem(block.as_bytes()));
            match certificate {
                Some(Ok(certificate)) => readable.push(certificate),
                _ => unreadable += 1,
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
        let anchors = fill().map_err(|error| unreadable(&error))?;
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

/// Why a certificate cannot be read. A serial number that begins with a needless zero is what Godot's own
/// `Crypto.generate_self_signed_certificate` makes of random bytes, one time in some hundreds (19 of 7,000).
fn unreadable(error: &ErrorStack) -> ConfigError {
    const BAD_SERIAL_NUMBER: &str = "its serial number begins with a zero that must not be there; \
        Godot's Crypto makes one certificate in some hundreds like this; generate it again";
    match reason(error) {
        why if why == "illegal padding" => {
            ConfigError::UnreadableCertificate(BAD_SERIAL_NUMBER.to_owned())
        }
        why => ConfigError::UnreadableCertificate(why),
    }
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

/// Whether `pem` says that it is encrypted, as anything in PEM may (RFC 1421): OpenSSL would ask for
/// the passphrase on the terminal, and wait.
pub(crate) fn is_encrypted(pem: &[u8]) -> bool {
    const HEADER: &[u8] = b"Proc-Type:";
    pem.windows(HEADER.len()).any(|window| window == HEADER)
}
