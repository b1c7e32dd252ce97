//! The OpenSSL side: the BIO, and what rust-openssl does not bind.

pub(crate) mod bio;
pub(crate) mod callbacks;
pub(crate) mod ffi;
pub(crate) mod jitter;
pub(crate) mod negotiation;
pub(crate) mod suites;
#[cfg(windows)]
mod thread_end;
pub(crate) mod tickets;
pub(crate) mod validity;
