//! The engine's keys, certificates and TLS options, made into what `dtls-core` takes.
//!
//! The engine gives a chain back wrong: `X509Certificate.save()` and `save_to_string()` write the
//! first certificate once for every certificate of the chain (`cert.raw` inside the loop over `crt`
//! in `modules/mbedtls/crypto_mbedtls.cpp`). So a chain is read again from the file that the resource
//! was loaded from, and where there is no such file the call fails instead of sending half a chain.

use dtls_core::{
    Certificates, ClientConfig, ConfigError, Identity, Limits, PeerName, ServerConfig,
    TrustAnchors, Verification,
};
use godot::classes::{CryptoKey, FileAccess, Os, ProjectSettings, TlsOptions, X509Certificate};
use godot::global::Error;
use godot::obj::{Gd, Singleton};
use once_cell::sync::OnceCell;

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
    let mut certificates = read(&certificate, "certificate")?;
    if let Some(chain) = chain {
        certificates.append(read(&chain, "chain")?);
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
    let verification = match (validate, name.clone(), trusted) {
        (false, _, _) => Verification::Nothing,
        (true, None, None) => return Err(CredentialError::NoHostNameOrTrust),
        (true, None, Some(trusted)) => Verification::Chain(anchors(&trusted)?),
        (true, Some(name), Some(trusted)) => Verification::ChainAndName(anchors(&trusted)?, name),
        (true, Some(name), None) => Verification::ChainAndName(default_anchors()?, name),
    };
    Ok(ClientConfig::new(verification, name)?.with_limits(limits()?))
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
        let verification = match trusted {
            Some(trusted) => Verification::Chain(anchors(&trusted)?),
            None => Verification::Nothing,
        };
        return Ok(ClientConfig::new(verification, name)?.with_limits(limits()?));
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

fn private_key(key: Option<Gd<CryptoKey>>) -> Result<String, CredentialError> {
    let mut key = key.ok_or(CredentialError::NoKey)?;
    // True for an empty key too; asking one for its text prints an error of the engine's.
    if key.is_public_only() {
        return Err(CredentialError::NoPrivateKey);
    }
    Ok(key.save_to_string().to_string())
}

fn anchors(certificate: &Gd<X509Certificate>) -> Result<TrustAnchors, CredentialError> {
    Ok(TrustAnchors::new(&read(certificate, "certificate to trust")?)?)
}

/// Every certificate of an engine object, or an error.
fn read(
    certificate: &Gd<X509Certificate>,
    what: &'static str,
) -> Result<Certificates, CredentialError> {
    let text = saved(certificate, what)?;
    if is_empty(&text) {
        return Err(CredentialError::Empty(what));
    }
    let given = Certificates::parse(&text)?;
    let count = given.len();
    if !given.are_copies() {
        return Ok(given);
    }
    let path = certificate.get_path();
    if path.is_empty() {
        return if count == 1 {
            Ok(given)
        } else {
            Err(CredentialError::ChainLost { what, count })
        };
    }
    // The engine leaves out what it cannot read, such as Ed25519 certificates and a block that was cut
    // off, so the file can have more than the object.
    let file = FileAccess::get_file_as_bytes(&path).to_vec();
    match Certificates::parse(&file) {
        Ok(all) if !all.starts_like(&given) && count == 1 => Ok(given),
        Ok(all) if !all.starts_like(&given) => {
            Err(CredentialError::Changed { what, path: path.to_string() })
        }
        Ok(all) if all.len() > 1 && all.are_copies() => {
            Err(CredentialError::Copies { what, path: path.to_string() })
        }
        Ok(all) if all.len() >= count && !is_cut_off(&file) => Ok(all),
        // Not a file of certificates: a .tres, or a file that is gone.
        Err(ConfigError::NoCertificate) if count == 1 => Ok(given),
        _ => Err(CredentialError::Incomplete { what, path: path.to_string() }),
    }
}

/// Whether a certificate in `pem` begins and does not end.
fn is_cut_off(pem: &[u8]) -> bool {
    let count = |line: &[u8]| pem.windows(line.len()).filter(|window| *window == line).count();
    count(b"-----BEGIN CERTIFICATE-----") != count(b"-----END CERTIFICATE-----")
}

/// The PEM text of an engine object, by way of a scratch file: `save_to_string()` leaves a NUL in the
/// text, over which the engine prints an error.
fn saved(
    certificate: &Gd<X509Certificate>,
    what: &'static str,
) -> Result<Vec<u8>, CredentialError> {
    let unreadable = |why: String| CredentialError::Unreadable(what, why);
    let scratch = tempfile::tempdir().map_err(|error| unreadable(error.to_string()))?;
    let path = scratch.path().join("certificate.crt");
    let text = path
        .to_str()
        .ok_or_else(|| unreadable("the path of the temporary folder is not UTF-8".to_owned()))?;
    match certificate.clone().save(text) {
        Error::OK => std::fs::read(&path).map_err(|error| unreadable(error.to_string())),
        error => Err(unreadable(format!("{error:?}"))),
    }
}

/// Whether there is nothing between the lines that begin and end a certificate, which is what the
/// engine writes for an X509Certificate that was never loaded.
fn is_empty(pem: &[u8]) -> bool {
    let mut lines = pem.split(|byte| *byte == b'\n');
    lines.all(|line| line.trim_ascii().is_empty() || line.starts_with(b"-----"))
}

/// Whom a client trusts that was not told: the project's bundle, or else the system.
fn default_anchors() -> Result<TrustAnchors, CredentialError> {
    static SYSTEM: OnceCell<TrustAnchors> = OnceCell::new();

    let setting = ProjectSettings::singleton().get_setting(BUNDLE_SETTING);
    let path = setting.try_to::<godot::builtin::GString>().unwrap_or_default();
    if !path.is_empty() {
        let file = FileAccess::get_file_as_bytes(&path).to_vec();
        let bundle = Certificates::parse(&file).and_then(|all| TrustAnchors::new(&all));
        return bundle.map_err(|why| CredentialError::BadBundle(path.to_string(), why.to_string()));
    }
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
