//! The arguments of the documented calls, and the engine's TLS options, made into what `dtls-core` takes.

use dtls_core::{Identity, Role, ServerConfig};
use godot::classes::{CryptoKey, TlsOptions, X509Certificate};
use godot::obj::Gd;

use super::certificate::EngineCertificate;
use super::client::{Client, ClientParts, Trusted, client_config, default_trust};
use super::error::CredentialError;
use super::parts::{self, host_name_of, private_key};
use crate::engine::settings;

/// The configuration of a server that shows `certificate` and `chain`.
pub(crate) fn server(
    key: Option<Gd<CryptoKey>>,
    certificate: Option<Gd<X509Certificate>>,
    chain: Option<Gd<X509Certificate>>,
) -> Result<ServerConfig, CredentialError> {
    let key = private_key(key)?;
    let certificate = certificate.ok_or(CredentialError::Null("certificate"))?;
    let mut certificates = EngineCertificate::new(&certificate, "certificate")?.certificates()?;
    if let Some(chain) = chain {
        certificates.append(EngineCertificate::new(&chain, "chain")?.certificates()?);
    }
    let identity = Identity::new(key.as_bytes(), certificates)?;
    let builder = ServerConfig::builder().with_identity(identity.clone());
    let config = builder.with_limits(settings::limits()?).build()?;
    parts::warn_of(&identity, Role::Server, "");
    Ok(config)
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
) -> Result<Client, CredentialError> {
    let name = host_name_of(host_name)?;
    let trust = match (validate, &name, trusted) {
        (false, _, _) => Trusted::Nothing,
        (true, None, None) => return Err(CredentialError::NoHostNameOrTrust),
        (true, Some(_), None) => default_trust(),
        (true, _, Some(trusted)) => Trusted::certificate(&trusted)?,
    };
    client_config(&ClientParts::new(trust, name.is_some())?, name)
}

/// The configuration of a client by `TLSOptions`, with the meaning that they have for the engine.
pub(crate) fn client_by_options(
    host_name: &str,
    options: Option<Gd<TlsOptions>>,
) -> Result<Client, CredentialError> {
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
        return client_config(&ClientParts::new(trust, false)?, name);
    }
    let replaced = options.get_common_name_override().to_string();
    let name = if replaced.is_empty() { host_name } else { &replaced };
    client_with_name(name, trusted)
}

/// `TLSOptions.client()`: the name is always verified.
fn client_with_name(
    name: &str,
    trusted: Option<Gd<X509Certificate>>,
) -> Result<Client, CredentialError> {
    if name.is_empty() {
        return Err(CredentialError::NoHostName);
    }
    client(true, name, trusted)
}
