//! Certificates, keys and names: what a side has, and what it trusts.

pub(crate) mod certificate;
pub(crate) mod keyed;
pub(crate) mod peer_name;
pub mod pem;
pub(crate) mod pins;
pub(crate) mod psk;
pub(crate) mod revocation;
pub(crate) mod rotation;
pub(crate) mod ticket_keys;
pub(crate) mod trust;
pub(crate) mod verification;
