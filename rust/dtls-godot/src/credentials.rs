//! The engine's keys, certificates and TLS options, made into what `dtls-core` takes.
//!
//! A client's configuration is kept for its next connection, under everything that it was made from.

use std::num::NonZeroUsize;
use std::sync::{LazyLock, Mutex, PoisonError};

use dtls_core::{
    Certificates, ClientConfig, ConfigError, Identity, Limits, PeerName, Psk, ServerConfig, Trust,
    TrustAnchors, Verification,
};
use godot::builtin::GString;
use godot::classes::{CryptoKey, FileAccess, Os, ProjectSettings, TlsOptions, X509Certificate};
use godot::global::Error;
use godot::obj::{Gd, Singleton};
use lru::LruCache;
use once_cell::sync::OnceCell;

use crate::saved::Saved;
use crate::{configuration, settings};

/// The project setting by which the engine lets a project bring its own roots.
const BUNDLE_SETTING: &str = "network/tls/certificate_bundle_override";

/// Why an engine object cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error("the key is null")]
    NoKey,
    #[error(
        "the key is empty or has only its public half. A server needs the private key; one with a \
         passphrase, an Ed25519 key or a wrong path leave it empty"
    )]
    NoPrivateKey,
    #[error("the {0} is null")]
    Null(&'static str),
    #[error("the {0} is empty")]
    Empty(&'static str),
    #[error("the {0} could not be read from the engine: {1}")]
    Unreadable(&'static str, String),
    #[error(
        "the {what} has {count} certificates, but the engine gives only the first of them back; \
         load it as a resource, as in load(\"res://server.crt\"), or pass the intermediates one \
         object each"
    )]
    ChainLost { what: &'static str, count: usize },
    #[error(
        "the file of the {what}, {path}, has changed since it was loaded; load it anew with \
         ResourceLoader.load(\"{path}\", \"\", ResourceLoader.CACHE_MODE_IGNORE)"
    )]
    Changed { what: &'static str, path: String },
    #[error(
        "the file of the {what}, {path}, has the same certificate several times, which is what the \
         engine makes of a chain when it saves one; use the original file"
    )]
    Copies { what: &'static str, path: String },
    #[error("the file of the {what}, {path}, has a certificate that is cut off or cannot be read")]
    Incomplete { what: &'static str, path: String },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the options are null; make them with TLSOptions.server(key, certificate)")]
    NoOptions,
    #[error("the options are for a client; make them with TLSOptions.server(key, certificate)")]
    NotServerOptions,
    #[error("the options are for a server; make them with TLSOptions.client()")]
    NotClientOptions,
    #[error(
        "a host name is needed to validate the certificate: a valid chain alone proves only that \
         someone has a certificate. Pass the name, or the one certificate to trust"
    )]
    NoHostNameOrTrust,
    #[error("a host name is needed, which the certificate has to be for")]
    NoHostName,
    #[error(
        "the system gives no certificates to trust; pass the certificate to trust, or set the \
         project setting {BUNDLE_SETTING}"
    )]
    NoSystemTrust,
    #[error("the project setting {BUNDLE_SETTING} names {0}: {1}")]
    BadBundle(String, String),
    #[error("the project setting {name} cannot be used: {0}", name = settings::MTU)]
    BadMtu(ConfigError),
    #[error("the server has no certificate or key yet; call setup() first")]
    NotSetUp,
    #[error("the options are null")]
    NoDtlsOptions,
    #[error("{0}: {1}")]
    Property(String, String),
}

impl CredentialError {
    /// The engine's error code for it.
    pub(crate) fn code(&self) -> Error {
        match self {
            Self::Unreadable(..) => Error::ERR_CANT_ACQUIRE_RESOURCE,
            Self::NoSystemTrust | Self::BadBundle(..) | Self::BadMtu(_) | Self::NotSetUp => {
                Error::ERR_UNCONFIGURED
            }
            Self::Config(ConfigError::OpenSsl(_)) => Error::ERR_CANT_CREATE,
            _ => Error::ERR_INVALID_PARAMETER,
        }
    }
}

/// The configuration of a server that shows `certificate` and `chain`.
pub(crate) fn server(
    key: Option<Gd<CryptoKey>>,
    certificate: Option<Gd<X509Certificate>>,
    chain: Option<Gd<X509Certificate>>,
) -> Result<ServerConfig, CredentialError> {
    let key = private_key(key)?;
    let certificate = certificate.ok_or(CredentialError::Null("certificate"))?;
    let mut certificates = Saved::new(&certificate, "certificate")?.certificates()?;
    if let Some(chain) = chain {
        certificates.append(Saved::new(&chain, "chain")?.certificates()?);
    }
    let identity = Identity::new(key.as_bytes(), certificates)?;
    Ok(ServerConfig::new(&identity)?.with_limits(limits()?))
}

/// The configuration of a server by `TLSOptions.server()`.
pub(crate) fn server_by_options(
    options: Option<Gd<TlsOptions>>,
) -> Result<ServerConfig, CredentialError> {
    let options = options.ok_or(CredentialError::NoOptions)?;
    if !options.is_server() {
        return Err(CredentialError::NotServerOptions);
    }
    server(options.get_private_key(), options.get_own_certificate(), None)
}

/// The configuration of a client by the arguments of `connect_to_peer`.
pub(crate) fn client(
    validate: bool,
    host_name: &str,
    trusted: Option<Gd<X509Certificate>>,
) -> Result<ClientConfig, CredentialError> {
    let name = host_name_of(host_name)?;
    let trust = match (validate, &name, trusted) {
        (false, _, _) => Trusted::Nothing,
        (true, None, None) => return Err(CredentialError::NoHostNameOrTrust),
        (true, Some(_), None) => default_trust(),
        (true, _, Some(trusted)) => Trusted::certificate(&trusted)?,
    };
    client_config(ClientParts::new(trust, name, true)?)
}

/// The configuration of a client by `TLSOptions`, with the meaning that they have for the engine.
pub(crate) fn client_by_options(
    host_name: &str,
    options: Option<Gd<TlsOptions>>,
) -> Result<ClientConfig, CredentialError> {
    let Some(options) = options else {
        return client_with_name(host_name, None);
    };
    if options.is_server() {
        return Err(CredentialError::NotClientOptions);
    }
    let trusted = options.get_trusted_ca_chain();
    if options.is_unsafe_client() {
        let name = host_name_of(host_name)?;
        let trust = match trusted {
            Some(trusted) => Trusted::certificate(&trusted)?,
            None => Trusted::Nothing,
        };
        return client_config(ClientParts::new(trust, name, false)?);
    }
    let replaced = options.get_common_name_override().to_string();
    let name = if replaced.is_empty() { host_name } else { &replaced };
    client_with_name(name, trusted)
}

/// `TLSOptions.client()`: the name is always verified.
fn client_with_name(
    name: &str,
    trusted: Option<Gd<X509Certificate>>,
) -> Result<ClientConfig, CredentialError> {
    if name.is_empty() {
        return Err(CredentialError::NoHostName);
    }
    client(true, name, trusted)
}

pub(crate) fn limits() -> Result<Limits, CredentialError> {
    settings::limits().map_err(CredentialError::BadMtu)
}

pub(crate) fn host_name_of(name: &str) -> Result<Option<PeerName>, CredentialError> {
    Ok(if name.is_empty() { None } else { Some(PeerName::parse(name)?) })
}

pub(crate) fn private_key(key: Option<Gd<CryptoKey>>) -> Result<String, CredentialError> {
    let mut key = key.ok_or(CredentialError::NoKey)?;
    // True for an empty key too; asking one for its text prints an error of the engine's.
    if key.is_public_only() {
        return Err(CredentialError::NoPrivateKey);
    }
    Ok(key.save_to_string().to_string())
}

/// What a certificate to trust is called in errors.
const TRUSTED: &str = "certificate to trust";

/// Certificates as they are given.
#[derive(PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// An engine object.
    Resource(Saved),
    /// PEM text, and the property that it is from.
    Pem(&'static str, String),
}

impl Source {
    pub(crate) fn pem(property: &'static str, text: &GString) -> Self {
        Self::Pem(property, text.to_string())
    }

    fn certificates(&self) -> Result<Certificates, CredentialError> {
        match self {
            Self::Resource(saved) => saved.certificates(),
            Self::Pem(property, text) => {
                configuration::of(property, Certificates::parse(text.as_bytes()))
            }
        }
    }
}

/// All of them, in order.
fn certificates_of(sources: &[Source]) -> Result<Option<Certificates>, CredentialError> {
    let mut all: Option<Certificates> = None;
    for source in sources {
        let more = source.certificates()?;
        match &mut all {
            Some(all) => all.append(more),
            None => all = Some(more),
        }
    }
    Ok(all)
}

/// The trust anchors among `sources`, if there are any.
pub(crate) fn anchors_of(sources: &[Source]) -> Result<Option<TrustAnchors>, CredentialError> {
    let Some(certificates) = certificates_of(sources)? else { return Ok(None) };
    Ok(Some(TrustAnchors::new(&certificates)?))
}

/// What makes a certificate of the other side a good one, if anything has to.
pub(crate) fn trust(
    anchors: Option<TrustAnchors>,
    pins: &[String],
    crl: &str,
) -> Result<Option<Trust>, CredentialError> {
    let trust = match (anchors, configuration::pins(pins)?) {
        (None, None) => return Ok(None),
        (None, Some(pins)) => Trust::pinned(pins),
        (Some(anchors), None) => Trust::from(anchors),
        (Some(anchors), Some(pins)) => Trust::from(anchors).with_pins(pins),
    };
    Ok(Some(match configuration::revocation_lists(crl)? {
        Some(lists) => trust.with_revocation_lists(lists),
        None => trust,
    }))
}

/// Whom a client trusts.
#[derive(PartialEq, Eq, Hash)]
pub(crate) enum Trusted {
    /// Everyone, or whom a pin names.
    Nothing,
    /// These certificates, and what is behind them.
    Given(Vec<Source>),
    /// What the project has in this file, by its path.
    Bundle(String, Vec<u8>),
    /// What the system trusts.
    System,
}

impl Trusted {
    fn certificate(certificate: &Gd<X509Certificate>) -> Result<Self, CredentialError> {
        Ok(Self::Given(vec![Source::Resource(Saved::new(certificate, TRUSTED)?)]))
    }
}

/// What an identity is made from.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct IdentityParts {
    /// PEM.
    pub(crate) key: String,
    /// The property that it is from.
    pub(crate) key_property: &'static str,
    pub(crate) passphrase: String,
    /// The own certificate first.
    pub(crate) certificates: Vec<Source>,
}

impl IdentityParts {
    pub(crate) fn build(&self) -> Result<Identity, CredentialError> {
        let certificates = certificates_of(&self.certificates)?;
        let certificates = certificates.ok_or(CredentialError::Null("certificate"))?;
        let (key, passphrase) = (self.key.as_bytes(), self.passphrase.as_bytes());
        let identity = if passphrase.is_empty() {
            Identity::new(key, certificates)
        } else {
            Identity::with_passphrase(key, passphrase, certificates)
        };
        configuration::of(self.key_property, identity)
    }
}

/// A client's pre-shared key.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct PskParts {
    pub(crate) identity: String,
    pub(crate) key: Vec<u8>,
}

/// All that makes one client's configuration differ from another.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct ClientParts {
    pub(crate) trusted: Trusted,
    pub(crate) name: Option<PeerName>,
    pub(crate) verify_name: bool,
    pub(crate) limits: Limits,
    pub(crate) identity: Option<IdentityParts>,
    pub(crate) pins: Vec<String>,
    pub(crate) crl: String,
    pub(crate) psk: Option<PskParts>,
    pub(crate) alpn: Vec<String>,
    pub(crate) suites: String,
    pub(crate) resumption: bool,
    pub(crate) key_log: String,
}

impl ClientParts {
    /// What the documented calls can say.
    fn new(
        trusted: Trusted,
        name: Option<PeerName>,
        verify_name: bool,
    ) -> Result<Self, CredentialError> {
        Ok(Self {
            trusted,
            name,
            verify_name,
            limits: limits()?,
            identity: None,
            pins: Vec::new(),
            crl: String::new(),
            psk: None,
            alpn: Vec::new(),
            suites: String::new(),
            resumption: true,
            key_log: String::new(),
        })
    }

    fn build(&self) -> Result<ClientConfig, CredentialError> {
        let mut config = if let Some(PskParts { identity, key }) = &self.psk {
            let psk = Psk::new(identity, key);
            let property = match &psk {
                Err(ConfigError::BadPskIdentity { .. }) => "psk_identity",
                _ => "psk_key",
            };
            let psk = configuration::of(property, psk)?;
            ClientConfig::with_psk(psk, self.name.clone())?
        } else {
            ClientConfig::new(self.verification()?, self.name.clone())?
        };
        if let Some(identity) = &self.identity {
            let identity_property = identity.key_property;
            config =
                configuration::of(identity_property, config.with_identity(&identity.build()?))?;
        }
        if let Some(alpn) = configuration::alpn(&self.alpn)? {
            config = config.with_alpn(alpn)?;
        }
        if let Some(suites) = configuration::cipher_suites(&self.suites)? {
            config = configuration::of("cipher_suites", config.with_cipher_suites(suites))?;
        }
        if let Some(log) = configuration::key_log(&self.key_log)? {
            config = config.with_key_log(log)?;
        }
        if !self.resumption {
            config = config.with_resumption(false)?;
        }
        Ok(config.with_limits(self.limits))
    }

    fn verification(&self) -> Result<Verification, CredentialError> {
        let anchors = match &self.trusted {
            Trusted::Nothing => None,
            Trusted::Given(sources) => anchors_of(sources)?,
            Trusted::Bundle(path, text) => Some(bundle(path, text)?),
            Trusted::System => Some(system_anchors()?),
        };
        let verifies_name = self.verify_name && anchors.is_some();
        let trust = trust(anchors, &self.pins, &self.crl)?;
        Ok(match (trust, self.name.clone().filter(|_| verifies_name)) {
            (None, _) => Verification::Nothing,
            (Some(trust), None) => Verification::Chain(trust),
            (Some(trust), Some(name)) => Verification::ChainAndName(trust, name),
        })
    }
}

/// How many configurations of clients are kept.
const MOST_CONFIGS: NonZeroUsize = NonZeroUsize::new(32).expect("it is not zero");

/// The configuration for `parts`: the one that was made for them before, if it still is there. So its
/// certificates are read once, and its next connection can resume the session of the last.
pub(crate) fn client_config(parts: ClientParts) -> Result<ClientConfig, CredentialError> {
    static CONFIGS: LazyLock<Mutex<LruCache<ClientParts, ClientConfig>>> =
        LazyLock::new(|| Mutex::new(LruCache::new(MOST_CONFIGS)));

    // Not held while one is made: the engine may print something then, and whoever listens to that may
    // come here again.
    let configs = || CONFIGS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = configs().get(&parts) {
        return Ok(config.clone());
    }
    let config = parts.build()?;
    configs().put(parts, config.clone());
    Ok(config)
}

/// Whom a client trusts that was not told: the project's bundle, or else the system.
pub(crate) fn default_trust() -> Trusted {
    let setting = ProjectSettings::singleton().get_setting(BUNDLE_SETTING);
    let path = setting.try_to::<GString>().unwrap_or_default();
    if path.is_empty() {
        return Trusted::System;
    }
    Trusted::Bundle(path.to_string(), FileAccess::get_file_as_bytes(&path).to_vec())
}

fn bundle(path: &str, text: &[u8]) -> Result<TrustAnchors, CredentialError> {
    let anchors = Certificates::parse(text).and_then(|all| TrustAnchors::new(&all));
    anchors.map_err(|why| CredentialError::BadBundle(path.to_owned(), why.to_string()))
}

fn system_anchors() -> Result<TrustAnchors, CredentialError> {
    static SYSTEM: OnceCell<TrustAnchors> = OnceCell::new();

    let anchors = SYSTEM.get_or_try_init(|| {
        let bundle = Os::singleton().get_system_ca_certificates().to_string();
        let (anchors, unreadable) =
            TrustAnchors::from_bundle(&bundle).map_err(|_| CredentialError::NoSystemTrust)?;
        if unreadable > 0 {
            log::info!("{unreadable} of the system's certificates could not be read");
        }
        Ok::<_, CredentialError>(anchors)
    })?;
    Ok(anchors.clone())
}
