//! What the tests share: a clock that only moves when told to, certificates, a link in memory, a
//! connection over a bad one, and a peer that is plain OpenSSL.
#![allow(dead_code, reason = "every test file is a program of its own and uses a part of this")]

pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod link;
pub(crate) mod pki;
pub(crate) mod raw;
pub(crate) mod records;
pub(crate) mod simulation;
