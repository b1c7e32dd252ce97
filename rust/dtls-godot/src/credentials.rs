//! The engine's keys, certificates and TLS options, made into what `dtls-core` takes.
//!
//! A client's configuration is kept for its next connection, under everything that it was made from.

use std::num::NonZeroUsize;
use std::sync::{LazyLock, Mutex, PoisonError};

use dtls_core::{
    Certificates, ClientConfig, ConfigError, Identity, Limits, PeerName, ServerConfig,
    TrustAnchors, Verification,
};
use godot::classes::{CryptoKey, FileAccess, Os, ProjectSettings, TlsOptions, X509Certificate};
use godot::global::Error;
use godot::obj::{Gd, Singleton};
use lru::LruCache;
use once_cell::sync::OnceCell;

use crate::saved::Saved;
use crate::settings;

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
}

impl CredentialError {
    /// The engine's error code for it.
    pub(crate) fn code(&self) -> Error {
        match self {
            Self::Unreadable(..) => Error::ERR_CANT_ACQUIRE_RESOURCE,
            Self::NoSystemTrust | Self::BadBundle(..) | Self::BadMtu(_) => Error::ERR_UNCONFIGURED,
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
        (false, _, _) => Trust::Nothing,
        (true, None, None) => return Err(CredentialError::NoHostNameOrTrust),
        (true, Some(_), None) => default_trust(),
        (true, _, Some(trusted)) => Trust::Certificate(Saved::new(&trusted, TRUSTED)?),
    };
    client_config(ClientKey { trust, name, verify_name: true, limits: limits()? })
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
            Some(trusted) => Trust::Certificate(Saved::new(&trusted, TRUSTED)?),
            None => Trust::Nothing,
        };
        return client_config(ClientKey { trust, name, verify_name: false, limits: limits()? });
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

fn limits() -> Result<Limits, CredentialError> {
    settings::limits().map_err(CredentialError::BadMtu)
}

fn host_name_of(name: &str) -> Result<Option<PeerName>, CredentialError> {
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

/// Whom a client trusts.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Trust {
    /// Everyone.
    Nothing,
    /// This certificate, and what is behind it.
    Certificate(Saved),
    /// What the project has in this file, by its path.
    Bundle(String, Vec<u8>),
    /// What the system trusts.
    System,
}

/// All that makes one client's configuration differ from another.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ClientKey {
    trust: Trust,
    name: Option<PeerName>,
    verify_name: bool,
    limits: Limits,
}

/// How many configurations of clients are kept.
const MOST_CONFIGS: NonZeroUsize = NonZeroUsize::new(32).expect("it is not zero");

/// The configuration for `key`: the one that was made for it before, if it still is there. So its
/// certificates are read once, and its next connection can resume the session of the last.
fn client_config(key: ClientKey) -> Result<ClientConfig, CredentialError> {
    static CONFIGS: LazyLock<Mutex<LruCache<ClientKey, ClientConfig>>> =
        LazyLock::new(|| Mutex::new(LruCache::new(MOST_CONFIGS)));

    // Not held while one is made: the engine may print something then, and whoever listens to that may
    // come here again.
    let configs = || CONFIGS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = configs().get(&key) {
        return Ok(config.clone());
    }
    let anchors = match &key.trust {
        Trust::Nothing => None,
        Trust::Certificate(saved) => Some(TrustAnchors::new(&saved.certificates()?)?),
        Trust::Bundle(path, text) => Some(bundle(path, text)?),
        Trust::System => Some(system_anchors()?),
    };
    let verification = match (anchors, key.name.clone().filter(|_| key.verify_name)) {
        (None, _) => Verification::Nothing,
        (Some(anchors), None) => Verification::Chain(anchors.into()),
        (Some(anchors), Some(name)) => Verification::ChainAndName(anchors.into(), name),
    };
    let config = ClientConfig::new(verification, key.name.clone())?.with_limits(key.limits);
    configs().put(key, config.clone());
    Ok(config)
}

/// Whom a client trusts that was not told: the project's bundle, or else the system.
fn default_trust() -> Trust {
    let setting = ProjectSettings::singleton().get_setting(BUNDLE_SETTING);
    let path = setting.try_to::<godot::builtin::GString>().unwrap_or_default();
    if path.is_empty() {
        return Trust::System;
    }
    Trust::Bundle(path.to_string(), FileAccess::get_file_as_bytes(&path).to_vec())
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
