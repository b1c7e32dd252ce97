//! The configurations by a `DTLSOptions`. Every error names the property.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use dtls_core::{
    ClientVerification, ConfigError, Identity, Limits, PeerName, PskKeys, Role, ServerConfig,
    SharedTicketKeys, Trust,
};
use godot::builtin::{
    GString, PackedByteArray, PackedStringArray, VarDictionary, Variant, VariantType,
};
use godot::obj::Gd;

use super::certificate::EngineCertificate;
use super::client::{ClientParts, Trusted, default_trust};
use super::error::{CredentialError, of, unusable};
use super::parts::{self, IdentityParts, PskParts, Source};
use crate::engine::settings;
use crate::options::{DtlsOptions, VerifyMode};

type Result<T> = std::result::Result<T, CredentialError>;

/// The configuration of a server by `setup_with_options`.
pub(crate) fn server(options: Option<Gd<DtlsOptions>>) -> Result<ServerConfig> {
    let given = options.ok_or(CredentialError::NoDtlsOptions)?;
    let options = given.bind();
    for (property, is_set) in [
        ("psk_identity", !options.psk_identity.is_empty()),
        ("psk_key", !options.psk_key.is_empty()),
    ] {
        if is_set {
            return Err(unusable(property, "it is for clients; a server has psk_keys"));
        }
    }
    let mut builder = ServerConfig::builder();
    let psk_keys = psk_keys(&options.psk_keys)?;
    let own = identity(&options)?.map(|identity| identity.build()).transpose()?;
    if own.is_none() && psk_keys.is_none() {
        let why = "a server needs a key and a certificate, or psk_keys";
        return Err(unusable("private_key", why));
    }
    if let Some(identity) = &own {
        builder = builder.with_identity(identity.clone());
    }
    if let Some(keys) = psk_keys {
        builder = builder.with_psk_keys(keys);
    }
    builder = builder
        .with_verification(client_verification(&options)?)
        .with_max_pending_handshakes(
            usize::try_from(options.max_pending_handshakes).unwrap_or_default(),
        )
        .with_limits(limits(&options)?)
        .with_max_peers_per_prefix(max_peers_per_prefix(&options)?)
        .with_exempt_addresses(exempt_addresses(&options)?)
        .with_resumption(options.session_resumption);
    if let Some(alpn) = parts::alpn(&strings(&options.alpn_protocols))? {
        builder = builder.with_alpn(alpn);
    }
    if !options.ticket_keys.is_empty() {
        if !options.session_resumption {
            let why = "session_resumption is off, so there is nothing to seal";
            return Err(unusable("ticket_keys", why));
        }
        let keys: Vec<_> = options.ticket_keys.iter_shared().map(|key| key.to_vec()).collect();
        builder = builder.with_ticket_keys(of("ticket_keys", SharedTicketKeys::new(&keys))?);
    }
    let identities = server_identities(&options.server_identities)?;
    builder = builder.with_named_identities(identities.iter().cloned());
    if let Some(suites) = parts::cipher_suites(&options.cipher_suites.to_string())? {
        builder = builder.with_cipher_suites(suites);
    }
    if let Some(log) = parts::key_log(&options.key_log_path.to_string())? {
        builder = builder.with_key_log(log);
    }
    let config = builder.build().map_err(of_property)?;
    // Not borrowed while something is logged: a script that listens to the console may read the options.
    drop(options);
    if let Some(own) = &own {
        parts::warn_of(own, Role::Server, "");
    }
    for (name, identity) in &identities {
        parts::warn_of(identity, Role::Server, &format!(" in server_identities[\"{name}\"]"));
    }
    Ok(config)
}

/// Names the property that a server's configuration was refused for, where it is one alone.
fn of_property(error: ConfigError) -> CredentialError {
    let property = match &error {
        ConfigError::PskWithRequiredCertificate => "verify_mode",
        ConfigError::NoPendingHandshakes => "max_pending_handshakes",
        ConfigError::NoCipherSuite(_) => "cipher_suites",
        ConfigError::NoDefaultIdentity
        | ConfigError::IdentityOfAddress(_)
        | ConfigError::IdentityTwice(_) => "server_identities",
        ConfigError::NamedIdentity { name, why } => {
            return unusable(&format!("server_identities[\"{name}\"]"), why.to_string());
        }
        _ => return error.into(),
    };
    unusable(property, error.to_string())
}

/// A server's further identities, by host name.
fn server_identities(given: &VarDictionary) -> Result<Vec<(PeerName, Identity)>> {
    let read = |(name, value): (Variant, Variant)| {
        let property = format!("server_identities[\"{name}\"]");
        let options = value.try_to::<Gd<DtlsOptions>>();
        let options = options.map_err(|_| unusable(&property, "it is not a DTLSOptions"))?;
        let options = options.bind();
        if let Some(set) = more_than_an_identity(&options) {
            let why = format!("only key, certificate and chain can be set in it, but {set} is");
            return Err(unusable(&property, why));
        }
        let Some(identity) = of(&property, identity(&options))? else {
            return Err(unusable(&property, "it has no key and no certificate"));
        };
        let name = of(&property, PeerName::parse(&name.to_string()))?;
        if let PeerName::Ip(address) = name {
            return of(&property, Err(ConfigError::IdentityOfAddress(address.to_string())));
        }
        Ok((name, of(&property, identity.build())?))
    };
    given.iter_shared().map(read).collect()
}

/// The first property that is set in `options` and belongs to no identity.
fn more_than_an_identity(options: &DtlsOptions) -> Option<&'static str> {
    let set = [
        ("server_identities", !options.server_identities.is_empty()),
        ("verify_mode", options.verify_mode != VerifyMode::Default),
        ("trusted_ca", options.trusted_ca.is_some()),
        ("trusted_ca_pem", !options.trusted_ca_pem.is_empty()),
        ("pinned_sha256", !options.pinned_sha256.is_empty()),
        ("crl_pem", !options.crl_pem.is_empty()),
        ("psk_identity", !options.psk_identity.is_empty()),
        ("psk_key", !options.psk_key.is_empty()),
        ("psk_keys", !options.psk_keys.is_empty()),
        ("alpn_protocols", !options.alpn_protocols.is_empty()),
        ("cipher_suites", !options.cipher_suites.is_empty()),
        ("mtu", options.mtu != DtlsOptions::DEFAULT_MTU),
        ("handshake_timeout", options.handshake_timeout != DtlsOptions::DEFAULT_HANDSHAKE_TIMEOUT),
        ("idle_timeout", options.idle_timeout != DtlsOptions::DEFAULT_IDLE_TIMEOUT),
        (
            "max_pending_handshakes",
            options.max_pending_handshakes != DtlsOptions::DEFAULT_MAX_PENDING_HANDSHAKES,
        ),
        (
            "max_peers_per_prefix",
            options.max_peers_per_prefix != DtlsOptions::DEFAULT_MAX_PEERS_PER_PREFIX,
        ),
        ("exempt_addresses", !options.exempt_addresses.is_empty()),
        ("session_resumption", !options.session_resumption),
        ("ticket_keys", !options.ticket_keys.is_empty()),
        ("key_log_path", !options.key_log_path.is_empty()),
    ];
    set.into_iter().find_map(|(property, is_set)| is_set.then_some(property))
}

/// What a server asks of its clients.
fn client_verification(options: &DtlsOptions) -> Result<ClientVerification> {
    let given = given(options)?;
    let make: fn(Trust) -> ClientVerification = match options.verify_mode {
        VerifyMode::Default | VerifyMode::None => {
            let why = "a server asks for no certificate unless verify_mode is VERIFY_OPTIONAL or \
                       VERIFY_REQUIRED, so it would not be looked at";
            return match given.first_set() {
                Some(property) => Err(unusable(property, why)),
                None => Ok(ClientVerification::Nothing),
            };
        }
        VerifyMode::Optional => ClientVerification::Optional,
        VerifyMode::Required => ClientVerification::Required,
    };
    if given.trusted.is_empty() && given.pins.is_empty() {
        let why = "a server that verifies its clients needs trusted_ca or pinned_sha256";
        return Err(unusable("verify_mode", why));
    }
    let anchors = parts::anchors_of(&given.trusted)?;
    let trust = parts::trust(anchors, &given.pins, &given.crl)?;
    Ok(trust.map_or(ClientVerification::Nothing, make))
}

/// The parts of a client's configuration by `connect_with_options`, and the name of its server.
pub(crate) fn client(
    host_name: &str,
    options: Option<Gd<DtlsOptions>>,
) -> Result<(ClientParts, Option<PeerName>)> {
    let options = options.ok_or(CredentialError::NoDtlsOptions)?;
    let options = options.bind();
    for (property, is_set) in [
        ("psk_keys", !options.psk_keys.is_empty()),
        ("server_identities", !options.server_identities.is_empty()),
        ("ticket_keys", !options.ticket_keys.is_empty()),
        (
            "max_pending_handshakes",
            options.max_pending_handshakes != DtlsOptions::DEFAULT_MAX_PENDING_HANDSHAKES,
        ),
        (
            "max_peers_per_prefix",
            options.max_peers_per_prefix != DtlsOptions::DEFAULT_MAX_PEERS_PER_PREFIX,
        ),
        ("exempt_addresses", !options.exempt_addresses.is_empty()),
    ] {
        if is_set {
            return Err(unusable(property, "it is for servers"));
        }
    }
    if options.verify_mode == VerifyMode::Optional {
        let why = "VERIFY_OPTIONAL is for servers, whose clients need not have a certificate";
        return Err(unusable("verify_mode", why));
    }
    let name = parts::host_name_of(host_name)?;
    let given = given(&options)?;
    let identity = identity(&options)?;
    let psk = psk(&options)?;
    if psk.is_some() {
        if options.verify_mode == VerifyMode::Required {
            let why = "with a pre-shared key there is no certificate to verify; leave it at \
                       VERIFY_DEFAULT, or leave psk_identity and psk_key empty";
            return Err(unusable("verify_mode", why));
        }
        let unused = given.first_set().or(identity.is_some().then_some("certificate"));
        if let Some(property) = unused {
            let why =
                "with a pre-shared key there are no certificates, so it would not be looked at";
            return Err(unusable(property, why));
        }
    }
    let trusted = match options.verify_mode {
        _ if psk.is_some() => Trusted::Nothing,
        VerifyMode::None => {
            let unused = match (given.trusted.is_empty(), given.pins.is_empty()) {
                (false, _) => given.first_set(),
                (true, true) if !given.crl.is_empty() => Some("crl_pem"),
                (true, _) => None,
            };
            if let Some(property) = unused {
                return Err(unusable(property, "with VERIFY_NONE it would not be looked at"));
            }
            Trusted::Nothing
        }
        _ if !given.trusted.is_empty() => Trusted::Given(given.trusted),
        _ if name.is_some() => default_trust(),
        _ if !given.pins.is_empty() => Trusted::Nothing,
        _ => {
            let why = "without a host name, a client needs trusted_ca or pinned_sha256: a valid chain \
                       alone proves only that someone has a certificate";
            return Err(unusable("verify_mode", why));
        }
    };
    let parts = ClientParts {
        trusted,
        verify_name: name.is_some(),
        limits: limits(&options)?,
        identity,
        pins: given.pins,
        crl: given.crl,
        psk,
        alpn: strings(&options.alpn_protocols),
        suites: options.cipher_suites.to_string(),
        resumption: options.session_resumption,
        key_log: options.key_log_path.to_string(),
    };
    Ok((parts, name))
}

/// What the certificates of the other side are verified by.
struct Given {
    trusted: Vec<Source>,
    pins: Vec<String>,
    crl: String,
    /// Whether the first of `trusted` is `trusted_ca`.
    has_resource: bool,
}

impl Given {
    /// The first property that is set.
    fn first_set(&self) -> Option<&'static str> {
        if self.has_resource {
            Some("trusted_ca")
        } else if !self.trusted.is_empty() {
            Some("trusted_ca_pem")
        } else if !self.pins.is_empty() {
            Some("pinned_sha256")
        } else {
            (!self.crl.is_empty()).then_some("crl_pem")
        }
    }
}

fn given(options: &DtlsOptions) -> Result<Given> {
    let mut trusted = Vec::new();
    if let Some(certificate) = &options.trusted_ca {
        trusted.push(Source::Resource(EngineCertificate::new(certificate, "trusted_ca")?));
    }
    let has_resource = !trusted.is_empty();
    let text = pem("trusted_ca_pem", &options.trusted_ca_pem)?;
    if !text.is_empty() {
        trusted.push(Source::Pem("trusted_ca_pem", text));
    }
    let (pins, crl) = (strings(&options.pinned_sha256), pem("crl_pem", &options.crl_pem)?);
    Ok(Given { trusted, pins, crl, has_resource })
}

/// The PEM text in `property`. To enter where it is instead is a mistake that is easily made.
fn pem(property: &str, text: &GString) -> Result<String> {
    let text = text.to_string();
    let is_path = text.starts_with('/') || text.contains("://");
    if is_path && !text.contains("-----BEGIN") {
        let why = "it is a path, and has to be the text of that file, as \
                   FileAccess.get_file_as_string(path) gives it";
        return Err(unusable(property, why));
    }
    Ok(text)
}

/// Key and certificates, if there are any.
fn identity(options: &DtlsOptions) -> Result<Option<IdentityParts>> {
    let both = |one: &str, other| unusable(other, format!("{one} is set as well; one is enough"));
    let key_pem = pem("private_key_pem", &options.private_key_pem)?;
    let (key, key_property) = match &options.private_key {
        Some(_) if !key_pem.is_empty() => return Err(both("private_key", "private_key_pem")),
        Some(key) => {
            let key = of("private_key", parts::private_key(Some(key.clone())))?;
            (Some(key), "private_key")
        }
        None => ((!key_pem.is_empty()).then_some(key_pem), "private_key_pem"),
    };
    let passphrase = options.private_key_passphrase.to_string();
    if !passphrase.is_empty() && key_property != "private_key_pem" {
        let why = "the engine has decrypted private_key already; leave it empty";
        return Err(unusable("private_key_passphrase", why));
    }
    let mut certificates = Vec::new();
    match &options.certificate {
        Some(_) if !options.certificate_pem.is_empty() => {
            return Err(both("certificate", "certificate_pem"));
        }
        Some(certificate) => {
            certificates
                .push(Source::Resource(EngineCertificate::new(certificate, "certificate")?));
        }
        None if !options.certificate_pem.is_empty() => {
            let text = pem("certificate_pem", &options.certificate_pem)?;
            certificates.push(Source::Pem("certificate_pem", text));
        }
        None => {}
    }
    match (&key, certificates.is_empty()) {
        (None, true) => {
            let alone = [
                ("chain", options.chain.is_some()),
                ("private_key_passphrase", !passphrase.is_empty()),
            ];
            return match alone.into_iter().find(|(_, is_set)| *is_set) {
                Some((property, _)) => {
                    Err(unusable(property, "there is no key and no certificate that it belongs to"))
                }
                None => Ok(None),
            };
        }
        (None, false) => return Err(unusable("private_key", "the certificate needs its key")),
        (Some(_), true) => return Err(unusable("certificate", "the key needs its certificate")),
        (Some(_), false) => {}
    }
    if let Some(chain) = &options.chain {
        certificates.push(Source::Resource(EngineCertificate::new(chain, "chain")?));
    }
    let key = key.unwrap_or_default();
    Ok(Some(IdentityParts { key, key_property, passphrase, certificates }))
}

/// A client's pre-shared key, if it has one.
fn psk(options: &DtlsOptions) -> Result<Option<PskParts>> {
    let (identity, key) = (options.psk_identity.to_string(), options.psk_key.to_vec());
    match (identity.is_empty(), key.is_empty()) {
        (true, true) => Ok(None),
        (true, false) => Err(unusable("psk_identity", "psk_key needs a name")),
        (false, true) => Err(unusable("psk_key", "psk_identity needs a key")),
        (false, false) => Ok(Some(PskParts { identity, key })),
    }
}

/// A server's pre-shared keys, if it has any.
fn psk_keys(given: &VarDictionary) -> Result<Option<PskKeys>> {
    if given.is_empty() {
        return Ok(None);
    }
    let keys = PskKeys::new();
    for (identity, key) in given.iter_shared() {
        // The error does not repeat the name: someone who mixed the two up has put the key there.
        let why = "one of its names is not a String";
        let identity = identity.try_to_relaxed::<GString>();
        let identity = identity.map_err(|_| unusable("psk_keys", why))?;
        let property = format!("psk_keys[\"{identity}\"]");
        // A conversion would make an empty array of a String.
        if key.get_type() != VariantType::PACKED_BYTE_ARRAY {
            return Err(unusable(&property, "its key is not a PackedByteArray"));
        }
        let key = of(&property, key.try_to::<PackedByteArray>())?;
        of(&property, keys.set(&identity.to_string(), key.as_slice()))?;
    }
    Ok(Some(keys))
}

fn limits(options: &DtlsOptions) -> Result<Limits> {
    let mut limits = settings::limits()?;
    if options.mtu != DtlsOptions::DEFAULT_MTU {
        let mtu = u32::try_from(options.mtu).ok().and_then(|mtu| limits.with_mtu(mtu).ok());
        limits = mtu.ok_or_else(|| {
            let why = "is out of range; it can be 508 to 8,972, or 0 for the project setting's";
            unusable("mtu", format!("{} {why}", options.mtu))
        })?;
    }
    let seconds = |property, value: f64| {
        let duration = Duration::try_from_secs_f64(value);
        of(property, duration.map_err(|_| format!("{value} s is not a time")))
    };
    let handshake_timeout = seconds("handshake_timeout", options.handshake_timeout)?;
    let idle_timeout = seconds("idle_timeout", options.idle_timeout)?;
    limits = of("handshake_timeout", limits.with_handshake_timeout(handshake_timeout))?;
    if !idle_timeout.is_zero() {
        limits = of("idle_timeout", limits.with_idle_timeout(Some(idle_timeout)))?;
    }
    Ok(limits)
}

/// How many clients of one network a server may have; `None` for any number.
fn max_peers_per_prefix(options: &DtlsOptions) -> Result<Option<NonZeroUsize>> {
    let count = options.max_peers_per_prefix;
    let why = || format!("{count} is less than none; 0 is for no limit");
    let count = usize::try_from(count).map_err(|_| unusable("max_peers_per_prefix", why()))?;
    Ok(NonZeroUsize::new(count))
}

fn exempt_addresses(options: &DtlsOptions) -> Result<Vec<IpAddr>> {
    let read = |text: String| {
        let why = || format!("\"{text}\" is not an IP address, such as 192.0.2.1 or 2001:db8::1");
        text.parse().map_err(|_| unusable("exempt_addresses", why()))
    };
    strings(&options.exempt_addresses).into_iter().map(read).collect()
}

fn strings(given: &PackedStringArray) -> Vec<String> {
    given.as_slice().iter().map(GString::to_string).collect()
}
