//! Datagrams and the records in them, before OpenSSL sees them.

pub(crate) mod datagrams;
pub(crate) mod hello;
pub(crate) mod record;
pub(crate) mod replay;
