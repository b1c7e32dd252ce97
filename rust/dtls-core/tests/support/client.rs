//! A client as tests connect it. The fuzzers have this file too.

use dtls_core::{
    ClientConfig, ClientConfigBuilder, ConfigError, PeerName, Psk, ServerConfig,
    ServerConfigBuilder, Verification,
};

/// A client's configuration, and the name of the server that it connects to.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) config: ClientConfig,
    pub(crate) server_name: Option<PeerName>,
}

impl Client {
    pub(crate) fn new(
        verification: Verification,
        server_name: Option<PeerName>,
    ) -> Result<Self, ConfigError> {
        let config = ClientConfig::with_verification(verification).build()?;
        Ok(Self { config, server_name })
    }

    pub(crate) fn by_psk(psk: Psk, server_name: Option<PeerName>) -> Result<Self, ConfigError> {
        Ok(Self { config: ClientConfig::with_psk(psk).build()?, server_name })
    }
}

/// A finished configuration with something changed.
pub(crate) trait Rebuild: Sized {
    type Builder;

    fn rebuild(
        &self,
        change: impl FnOnce(Self::Builder) -> Self::Builder,
    ) -> Result<Self, ConfigError>;
}

impl Rebuild for ServerConfig {
    type Builder = ServerConfigBuilder;

    fn rebuild(
        &self,
        change: impl FnOnce(ServerConfigBuilder) -> ServerConfigBuilder,
    ) -> Result<Self, ConfigError> {
        change(self.to_builder()).build()
    }
}

impl Rebuild for Client {
    type Builder = ClientConfigBuilder;

    fn rebuild(
        &self,
        change: impl FnOnce(ClientConfigBuilder) -> ClientConfigBuilder,
    ) -> Result<Self, ConfigError> {
        let config = change(self.config.to_builder()).build()?;
        Ok(Self { config, server_name: self.server_name.clone() })
    }
}
