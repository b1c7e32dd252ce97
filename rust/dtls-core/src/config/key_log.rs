//! The key log, by which tools such as Wireshark decrypt what was recorded.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use openssl::ssl::SslContextBuilder;

/// Where the secrets of connections are written to. Someone who has them can read and forge everything
/// that those connections carry: for development only.
#[derive(Clone)]
pub struct KeyLog(Arc<dyn Fn(&str) + Send + Sync>);

impl KeyLog {
    /// Gives one line for each handshake to `write`, without its end, in the format of NSS:
    /// `CLIENT_RANDOM`, the random of the ClientHello and the master secret, in hexadecimal. It is
    /// called in the middle of a handshake, before anything is encrypted, on whichever thread that is.
    pub fn new(write: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }
}

impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLog")
    }
}

/// Lets the connections of `context` write to `log`.
pub(crate) fn write_to(context: &mut SslContextBuilder, log: &KeyLog) {
    let log = log.clone();
    context.set_keylog_callback(move |_, line| {
        // rust-openssl's trampoline lets a panic through to C.
        let _lost = catch_unwind(AssertUnwindSafe(|| (log.0)(line)));
    });
}
