//! Listener, cookies, sessions, and what decides that a session is connected.

pub(crate) mod admission;
pub(crate) mod cookie;
pub(crate) mod cookie_exchange;
mod hmac;
pub(crate) mod listener;
pub(crate) mod networks;
pub(crate) mod pending;
pub(crate) mod secrets;
pub(crate) mod session;
