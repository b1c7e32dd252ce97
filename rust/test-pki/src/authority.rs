//! Who signs certificates, and what comes out.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose,
    SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::profile::{Key, Profile, named};

/// A certificate authority: a root, or an intermediate below one. Its key never leaves it.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The certificates between a leaf and the root, the issuer of the leaf first. Empty for a
    /// root, which peers have already.
    path: Vec<String>,
}

impl Authority {
    /// A self-signed root with a new P-256 key.
    #[must_use]
    pub fn root(common_name: &str) -> Self {
        Self::root_with_key(common_name, &Key::P256)
    }

    /// A self-signed root with such a key.
    #[must_use]
    pub fn root_with_key(common_name: &str, key: &Key) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority_params(common_name), key.pair())
            .expect("a plain CA certificate can be encoded");
        Self { issuer, path: Vec::new() }
    }

    /// An authority that this one vouches for.
    #[must_use]
    pub fn intermediate(&self, common_name: &str) -> Self {
        let params = authority_params(common_name);
        let issuer = CertifiedIssuer::signed_by(params, Key::P256.pair(), &self.issuer)
            .expect("a plain CA certificate can be encoded");
        let mut path = vec![issuer.pem()];
        path.extend_from_slice(&self.path);
        Self { issuer, path }
    }

    /// Issues a certificate.
    #[must_use]
    pub fn issue(&self, profile: Profile) -> Issued {
        let key = profile.key_pair();
        let cert = with_new_serial(profile.params())
            .signed_by(&key, &self.issuer)
            .expect("a test asks for nothing that cannot be encoded");
        Issued {
            cert_pem: cert.pem(),
            key_pem: key.serialize_pem(),
            intermediates_pem: self.path.clone(),
        }
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn cert_pem(&self) -> String {
        self.issuer.pem()
    }
}

/// A certificate that vouches for itself. It is no authority, as the certificates of most game
/// servers are not.
#[must_use]
pub fn self_signed(profile: Profile) -> Issued {
    let key = profile.key_pair();
    let cert = with_new_serial(profile.params())
        .self_signed(&key)
        .expect("a test asks for nothing that cannot be encoded");
    Issued { cert_pem: cert.pem(), key_pem: key.serialize_pem(), intermediates_pem: Vec::new() }
}

/// A certificate with its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate alone.
    pub cert_pem: String,
    /// Its private key, as PKCS#8.
    pub key_pem: String,
    /// The certificates between it and the root (which is left out), nearest first.
    pub intermediates_pem: Vec<String>,
}

impl Issued {
    /// The certificate and its intermediates in one text: what a server sends.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.cert_pem.clone() + &self.intermediates_pem.concat()
    }
}

fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = named(common_name);
    let now = OffsetDateTime::now_utc();
    // Valid whenever a leaf is, an expired one included, so that a test sees the leaf's fault.
    params.not_before = now - Duration::days(2 * 365);
    params.not_after = now + Duration::days(2 * 365);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    with_new_serial(params)
}

/// rcgen takes the serial number from the key, and two certificates may share a key.
fn with_new_serial(mut params: CertificateParams) -> CertificateParams {
    let nanoseconds = OffsetDateTime::now_utc().unix_timestamp_nanos();
    params.serial_number = Some(SerialNumber::from_slice(&nanoseconds.to_be_bytes()[7..]));
    params
}
