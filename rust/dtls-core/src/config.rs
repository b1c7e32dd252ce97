//! Configurations: one that exists is valid.

pub(crate) mod alpn;
mod client;
mod context;
pub(crate) mod key_log;
mod limits;
mod server;
pub(crate) mod server_name;
pub(crate) mod session_cache;
mod settings;

pub use client::{ClientConfig, ClientConfigBuilder};
pub use limits::{Limits, MAX_PACKET};
pub use server::{ServerConfig, ServerConfigBuilder};
pub(crate) use settings::{ClientSettings, CurrentSettings, ServerAuthentication, ServerSettings};
