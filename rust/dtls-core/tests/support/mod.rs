//! What the tests share: a clock that only moves when told to, certificates, revocation lists, a link in
//! memory, a connection over a bad one, an endpoint with its players, a peer that is plain OpenSSL, and what
//! strangers send.
#![allow(dead_code, reason = "every test file is a program of its own and uses a part of this")]

pub(crate) mod child;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod endpoint;
pub(crate) mod flight;
pub(crate) mod journal;
pub(crate) mod link;
pub(crate) mod lists;
pub(crate) mod memory;
pub(crate) mod noise;
pub(crate) mod pki;
pub(crate) mod raw;
pub(crate) mod records;
pub(crate) mod scene;
pub(crate) mod silence;
pub(crate) mod simulation;

/// Of how many cases one is tried. Under memcheck, which sets the seed of the lossy links so that those
/// run once, ten times fewer are enough elsewhere as well.
pub(crate) fn stride() -> usize {
    if std::env::var_os("DTLS_SEED").is_some() { 10 } else { 1 }
}
