//! What OpenSSL asks a server in the middle of a handshake.
//!
//! Callbacks are set on a context, which many connections share. So each SSL object carries the answers
//! for its own connection.

use std::panic::{AssertUnwindSafe, catch_unwind};

use once_cell::sync::OnceCell;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslContextBuilder, SslRef};
use zeroize::Zeroizing;

/// Bytes of a cookie (RFC 6347 section 4.2.1).
pub(crate) const COOKIE_LENGTH: usize = 32;

/// The answers for one connection.
pub(crate) trait HandshakeCallbacks: Send + Sync {
    /// The cookie for the ClientHello that is being looked at.
    fn generate_cookie(&self) -> Option<[u8; COOKIE_LENGTH]>;

    /// Whether that ClientHello has the cookie that was generated for it.
    fn verify_cookie(&self, cookie: &[u8]) -> bool;

    /// The key that seals session tickets.
    fn sealing_key(&self) -> Option<TicketKey>;

    /// The key by this name, which opens a ticket.
    fn opening_key(&self, name: &[u8; 16]) -> Option<(TicketKey, Renewal)>;

    /// When the first of the certificates expires by which the client of `ssl` was verified, in seconds
    /// since 1970; never, if there is none.
    fn client_expiry(&self, ssl: &SslRef) -> i64;
}

/// What one key consists of (RFC 5077 section 4).
#[derive(Clone)]
pub(crate) struct TicketKey {
    pub(crate) name: [u8; 16],
    /// AES-256-CBC.
    pub(crate) cipher: Zeroizing<[u8; 32]>,
    /// HMAC-SHA256.
    pub(crate) mac: Zeroizing<[u8; 32]>,
}

/// Whether a client should get a new ticket in exchange for the one it has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    NotYet,
    Due,
}

type Callbacks = Box<dyn HandshakeCallbacks>;

fn index() -> Result<Index<Ssl, Callbacks>, ErrorStack> {
    static INDEX: OnceCell<Index<Ssl, Callbacks>> = OnceCell::new();
    INDEX.get_or_try_init(Ssl::new_ex_index).copied()
}

/// Sets the answers for `ssl`.
pub(crate) fn set(ssl: &mut SslRef, callbacks: Callbacks) -> Result<(), ErrorStack> {
    let index = index()?;
    match ssl.ex_data_mut(index) {
        Some(present) => *present = callbacks,
        None => ssl.set_ex_data(index, callbacks),
    }
    Ok(())
}

/// The answers for `ssl`.
pub(crate) fn of(ssl: &SslRef) -> Option<&dyn HandshakeCallbacks> {
    Some(&**ssl.ex_data(index().ok()?)?)
}

/// Lets the servers of `context` generate and verify cookies.
pub(crate) fn use_cookies(context: &mut SslContextBuilder) {
    // rust-openssl's trampolines let a panic through to C.
    context.set_cookie_generate_cb(|ssl, buffer| {
        let generate = || {
            let cookie = of(ssl)?.generate_cookie()?;
            buffer.get_mut(..cookie.len())?.copy_from_slice(&cookie);
            Some(cookie.len())
        };
        let generated = catch_unwind(AssertUnwindSafe(generate)).ok().flatten();
        generated.ok_or_else(ErrorStack::get)
    });
    context.set_cookie_verify_cb(|ssl, cookie| {
        let verify = || Some(of(ssl)?.verify_cookie(cookie));
        catch_unwind(AssertUnwindSafe(verify)).ok().flatten().unwrap_or(false)
    });
}
