//! Who signs certificates, and what comes out.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::profile::{Key, NameLimits, Profile, Validity, named};

/// A certificate authority: a root, or an intermediate below one. Its key never leaves it.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    serial: SerialNumber,
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
        let serial = new_serial();
        let params = authority_params(common_name, &serial);
        let issuer = CertifiedIssuer::self_signed(params, key.pair())
            .expect("a plain CA certificate can be encoded");
        Self { issuer, serial, path: Vec::new() }
    }

    /// A self-signed root that may issue for certain names only.
    #[must_use]
    pub fn root_for(common_name: &str, limits: NameLimits) -> Self {
        let serial = new_serial();
        let mut params = authority_params(common_name, &serial);
        params.name_constraints = Some(limits.into());
        let issuer = CertifiedIssuer::self_signed(params, Key::P256.pair())
            .expect("a plain CA certificate can be encoded");
        Self { issuer, serial, path: Vec::new() }
    }

    /// An authority that this one vouches for.
    #[must_use]
    pub fn intermediate(&self, common_name: &str) -> Self {
        self.below(common_name, None)
    }

    /// The same, which may issue for certain names only.
    #[must_use]
    pub fn intermediate_for(&self, common_name: &str, limits: NameLimits) -> Self {
        self.below(common_name, Some(limits))
    }

    fn below(&self, common_name: &str, limits: Option<NameLimits>) -> Self {
        let serial = new_serial();
        let mut params = authority_params(common_name, &serial);
        params.name_constraints = limits.map(Into::into);
        let issuer = CertifiedIssuer::signed_by(params, Key::P256.pair(), &self.issuer)
            .expect("a plain CA certificate can be encoded");
        let mut path = vec![text(issuer.pem())];
        path.extend_from_slice(&self.path);
        Self { issuer, serial, path }
    }

    /// Issues a certificate.
    #[must_use]
    pub fn issue(&self, profile: Profile) -> Issued {
        let (key, serial) = (profile.key_pair(), new_serial());
        let cert = with_serial(profile.params(), &serial)
            .signed_by(&key, &self.issuer)
            .expect("a test asks for nothing that cannot be encoded");
        Issued {
            cert_pem: text(cert.pem()),
            key_pem: text(key.serialize_pem()),
            serial: serial.to_bytes(),
            intermediates_pem: self.path.clone(),
        }
    }

    /// A list, in PEM, of certificates that this authority takes back, by their serial numbers.
    #[must_use]
    pub fn revocation_list(&self, serials: &[&[u8]], validity: Validity) -> String {
        let (this_update, next_update) = validity.bounds();
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: this_update,
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: new_serial(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).and_then(|list| list.pem());
        text(list.expect("an authority may sign lists, and each ends after it begins"))
    }

    /// The serial number of the authority's own certificate.
    #[must_use]
    pub fn serial(&self) -> Vec<u8> {
        self.serial.to_bytes()
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn cert_pem(&self) -> String {
        text(self.issuer.pem())
    }
}

/// A certificate that vouches for itself. It is no authority, as the certificates of most game
/// servers are not.
#[must_use]
pub fn self_signed(profile: Profile) -> Issued {
    let (key, serial) = (profile.key_pair(), new_serial());
    let cert = with_serial(profile.params(), &serial)
        .self_signed(&key)
        .expect("a test asks for nothing that cannot be encoded");
    Issued {
        cert_pem: text(cert.pem()),
        key_pem: text(key.serialize_pem()),
        serial: serial.to_bytes(),
        intermediates_pem: Vec::new(),
    }
}

/// PEM with the same line ends everywhere, which are OpenSSL's: rcgen writes other ones on Windows.
fn text(pem: String) -> String {
    pem.replace("\r\n", "\n")
}

/// A certificate with its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate alone.
    pub cert_pem: String,
    /// Its private key, as PKCS#8.
    pub key_pem: String,
    /// Its serial number.
    pub serial: Vec<u8>,
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

fn authority_params(common_name: &str, serial: &SerialNumber) -> CertificateParams {
    let mut params = named(common_name);
    let now = OffsetDateTime::now_utc();
    // Valid whenever a leaf is, an expired one included, so that a test sees the leaf's fault.
    params.not_before = now - Duration::days(2 * 365);
    params.not_after = now + Duration::days(2 * 365);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    with_serial(params, serial)
}

fn with_serial(mut params: CertificateParams, serial: &SerialNumber) -> CertificateParams {
    params.serial_number = Some(serial.clone());
    params
}

/// rcgen would take the serial number from the key, and two certificates may share a key.
fn new_serial() -> SerialNumber {
    let nanoseconds = OffsetDateTime::now_utc().unix_timestamp_nanos();
    SerialNumber::from_slice(&nanoseconds.to_be_bytes()[7..])
}
