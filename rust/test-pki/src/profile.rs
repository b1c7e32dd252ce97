//! What a certificate is to say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{
    CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SanType,
};
use time::{Duration, OffsetDateTime};

/// When a certificate or a revocation list is valid, as seen from now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validity {
    /// Since yesterday, for a year.
    #[default]
    Valid,
    /// Until yesterday.
    Expired,
    /// From tomorrow.
    NotYetValid,
    /// Since yesterday, for so many seconds from now.
    Seconds(u32),
}

impl Validity {
    pub(crate) fn bounds(self) -> (OffsetDateTime, OffsetDateTime) {
        let now = OffsetDateTime::now_utc();
        let (day, year) = (Duration::days(1), Duration::days(365));
        match self {
            Self::Valid => (now - day, now + year),
            Self::Expired => (now - year, now - day),
            Self::NotYetValid => (now + day, now + year),
            Self::Seconds(seconds) => (now - day, now + Duration::seconds(seconds.into())),
        }
    }
}

/// What a certificate may be used for (RFC 5280, section 4.2.1.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// serverAuth
    #[default]
    Server,
    /// clientAuth
    Client,
    /// No extended key usage at all, so anything.
    Any,
}

/// The key pair that a certificate is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Key {
    /// A new ECDSA key on P-256.
    #[default]
    P256,
    /// A new ECDSA key on P-384.
    P384,
    /// A new Ed25519 key.
    Ed25519,
    /// A private key in PEM (PKCS#8) that somebody else made: RSA keys, which `ring` does not
    /// generate, or one key for two certificates.
    FromPem(String),
}

impl Key {
    pub(crate) fn pair(&self) -> KeyPair {
        match self {
            Self::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            Self::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
            Self::FromPem(pem) => KeyPair::from_pem(pem),
        }
        .expect("ring can make such a key, or the given PEM holds one in PKCS#8")
    }
}

/// For which names an authority may issue (RFC 5280, section 4.2.1.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameLimits {
    /// Of DNS names, this one and those below it.
    Dns(&'static str),
    /// Of addresses, those that begin like this one, of which so many bits count.
    Network(Ipv4Addr, u8),
    /// No address at all.
    NoAddress,
}

impl From<NameLimits> for NameConstraints {
    fn from(limits: NameLimits) -> Self {
        let network = |address: IpAddr, bits| {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, bits))
        };
        let everywhere: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        let (permitted_subtrees, excluded_subtrees) = match limits {
            NameLimits::Dns(name) => (vec![GeneralSubtree::DnsName(name.to_owned())], Vec::new()),
            NameLimits::Network(address, bits) => (vec![network(address.into(), bits)], Vec::new()),
            NameLimits::NoAddress => (Vec::new(), everywhere.map(|at| network(at, 0)).to_vec()),
        };
        Self { permitted_subtrees, excluded_subtrees }
    }
}

/// What an end-entity certificate is to say. Without further calls: no alternative names, valid,
/// for servers, with a new P-256 key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Profile {
    common_name: String,
    dns: Vec<String>,
    ip: Vec<IpAddr>,
    validity: Validity,
    usage: Usage,
    key: Key,
}

impl Profile {
    /// A certificate with this common name and no alternative names.
    pub fn new(common_name: impl Into<String>) -> Self {
        Self {
            common_name: common_name.into(),
            dns: Vec::new(),
            ip: Vec::new(),
            validity: Validity::default(),
            usage: Usage::default(),
            key: Key::default(),
        }
    }

    /// This machine under all its names: `localhost`, `127.0.0.1` and `::1`.
    pub fn localhost() -> Self {
        Self::new("localhost").dns("localhost").ip(Ipv4Addr::LOCALHOST).ip(Ipv6Addr::LOCALHOST)
    }

    /// Adds a DNS name to the alternative names.
    pub fn dns(mut self, name: impl Into<String>) -> Self {
        self.dns.push(name.into());
        self
    }

    /// Adds an IP address to the alternative names.
    pub fn ip(mut self, address: impl Into<IpAddr>) -> Self {
        self.ip.push(address.into());
        self
    }

    /// Sets when it is valid.
    pub fn validity(mut self, validity: Validity) -> Self {
        self.validity = validity;
        self
    }

    /// Sets what it may be used for.
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    /// Sets its key.
    pub fn key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    pub(crate) fn key_pair(&self) -> KeyPair {
        self.key.pair()
    }

    pub(crate) fn params(self) -> CertificateParams {
        let mut params = named(&self.common_name);
        (params.not_before, params.not_after) = self.validity.bounds();
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match self.usage {
            Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Usage::Any => Vec::new(),
        };
        let dns = self.dns.into_iter().map(|name| {
            let name = name.try_into();
            SanType::DnsName(name.expect("a DNS name in a certificate is ASCII"))
        });
        let ip = self.ip.into_iter().map(SanType::IpAddress);
        params.subject_alt_names = dns.chain(ip).collect();
        params
    }
}

/// Parameters with a subject of just this common name, and otherwise rcgen's defaults.
pub(crate) fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
