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

/// The answers for one connection.
pub(crate) trait HandshakeCallbacks: Send + Sync {
    /// Whether `cookie` is the one with which the client has proved its address.
    fn is_proved(&self, cookie: &[u8]) -> bool;

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

/// Lets the servers of `context` read the ClientHello of a client that has proved its address. Without a
/// callback that makes cookies, OpenSSL fails at any other.
pub(crate) fn use_cookies(context: &mut SslContextBuilder) {
    // rust-openssl's trampoline lets a panic through to C.
    context.set_cookie_verify_cb(|ssl, cookie| {
        let verify = || Some(of(ssl)?.is_proved(cookie));
        catch_unwind(AssertUnwindSafe(verify)).ok().flatten().unwrap_or(false)
    });
}

#[cfg(test)]
mod tests {
    use openssl::ssl::{SslContext, SslMethod};

    use super::*;
    use crate::ssl::bio::Link;
    use crate::wire::hello::tests::hello;

    /// What it says about every cookie.
    struct Says(fn(&[u8]) -> bool);

    impl HandshakeCallbacks for Says {
        fn is_proved(&self, cookie: &[u8]) -> bool {
            self.0(cookie)
        }

        fn sealing_key(&self) -> Option<TicketKey> {
            None
        }

        fn opening_key(&self, _name: &[u8; 16]) -> Option<(TicketKey, Renewal)> {
            None
        }

        fn client_expiry(&self, _ssl: &SslRef) -> i64 {
            0
        }
    }

    #[test]
    fn a_cookie_that_nobody_vouches_for_is_refused() {
        crate::ssl::ffi::start();
        let mut context = SslContext::builder(SslMethod::dtls()).expect("OpenSSL works");
        use_cookies(&mut context);
        let context = context.build();
        let is_read = |says: Option<fn(&[u8]) -> bool>, cookie: &[u8]| {
            let mut link = Link::new(&context, 1200).expect("OpenSSL works");
            if let Some(says) = says {
                set(link.ssl_mut(), Box::new(Says(says))).expect("OpenSSL works");
            }
            link.listen(&hello(cookie)).is_ok()
        };
        assert!(is_read(Some(|cookie| cookie == b"cookie"), b"cookie"));
        assert!(!is_read(Some(|cookie| cookie == b"cookie"), b"another"));
        assert!(!is_read(Some(|_| true), b""), "OpenSSL does not ask about none");
        assert!(!is_read(None, b"cookie"), "there is nobody to ask");
        assert!(!is_read(Some(|_| panic!("on purpose")), b"cookie"), "nor one who answers");
    }
}
