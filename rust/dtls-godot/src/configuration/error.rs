//! What is wrong with what was given.

use dtls_core::{ConfigError, OpenSslError};
use godot::global::Error;

use crate::engine::settings::{self, SettingError};

/// Why something that was given cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error("it listens already; call stop() first, or set_options() for other options")]
    AlreadyListening,
    #[error("it does not listen; call listen() first")]
    NotListening,
    #[error("the key is null")]
    NoKey,
    #[error(
        "the key is empty or has only its public half. A server needs the private key; one with a \
         passphrase, an Ed25519 key or a wrong path leave it empty, and so does a .tres that it was \
         saved in without a file of its own"
    )]
    NoPrivateKey,
    #[error("the {0} is null")]
    Null(&'static str),
    #[error(
        "the {0} is empty. A wrong path leaves it so, and a .tres that it was saved in without a file \
         of its own"
    )]
    Empty(&'static str),
    #[error(
        "the {what} {or_empty}has more than 4,096 bytes as PEM text, and the engine gives no more of one \
         back; load it as a resource from a file, as in load(\"res://server.crt\"), or set it as text in \
         DTLSOptions"
    )]
    TooLarge {
        what: &'static str,
        /// What else it can be, if the engine does not tell the two apart.
        or_empty: &'static str,
    },
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
    #[error(
        "the file of the {what}, {path}, has a certificate that is cut off or cannot be read: {why}"
    )]
    Incomplete { what: &'static str, path: String, why: String },
    /// What Godot's own `Crypto.generate_self_signed_certificate` makes of random bytes, one time in some
    /// hundreds (19 of 7,000).
    #[error(
        "no. {0} in it cannot be read as a certificate (its serial number begins with a zero that must \
         not be there; Godot's Crypto makes one certificate in some hundreds like this; generate it again)"
    )]
    BadSerialNumber(usize),
    #[error(transparent)]
    Config(ConfigError),
    #[error(transparent)]
    OpenSsl(#[from] OpenSslError),
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
         project setting {name}",
        name = settings::BUNDLE
    )]
    NoSystemTrust,
    #[error("the project setting {name} names {0}: {1}", name = settings::BUNDLE)]
    BadBundle(String, String),
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("the server has no certificate or key yet; call setup() first")]
    NotSetUp,
    #[error("the options are null; make them with DTLSOptions.new()")]
    NoDtlsOptions,
    #[error("{0}: {1}")]
    Property(String, String),
}

impl CredentialError {
    /// The engine's error code for it.
    pub(crate) fn code(&self) -> Error {
        match self {
            Self::TooLarge { .. } => Error::ERR_CANT_ACQUIRE_RESOURCE,
            Self::AlreadyListening => Error::ERR_ALREADY_IN_USE,
            Self::NoSystemTrust
            | Self::BadBundle(..)
            | Self::Setting(_)
            | Self::NotSetUp
            | Self::NotListening => Error::ERR_UNCONFIGURED,
            Self::Config(ConfigError::OpenSsl(_)) | Self::OpenSsl(_) => Error::ERR_CANT_CREATE,
            _ => Error::ERR_INVALID_PARAMETER,
        }
    }
}

impl From<ConfigError> for CredentialError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::BadSerialNumber(number) => Self::BadSerialNumber(number),
            error => Self::Config(error),
        }
    }
}

/// What is wrong with `property`.
pub(crate) fn unusable(property: &str, why: impl Into<String>) -> CredentialError {
    CredentialError::Property(property.to_owned(), why.into())
}

/// Names the property that `result` is about.
pub(crate) fn of<T, E: ToString>(
    property: &str,
    result: Result<T, E>,
) -> Result<T, CredentialError> {
    result.map_err(|why| unusable(property, why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_the_engine_with_a_bad_serial_number_comes_with_advice() {
        let error = CredentialError::from(ConfigError::BadSerialNumber(2)).to_string();
        assert!(error.starts_with("no. 2 in it") && error.contains("generate it again"), "{error}");
    }
}
