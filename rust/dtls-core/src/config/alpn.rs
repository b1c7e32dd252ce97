//! Application protocols (ALPN, RFC 7301): what the packets of a connection are to mean, such as one
//! version of a game's protocol.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::ssl::{AlpnError, SslContextBuilder};

use crate::report::error::ConfigError;
use crate::report::text::printable;

/// Longest list, in bytes with one more for each protocol: a ClientHello has to fit one message.
const LONGEST_LIST: usize = 4096;

/// Application protocols, in the order of preference.
#[derive(Debug, Clone)]
pub struct Alpn(
    /// As they are sent: each behind its length.
    Arc<[u8]>,
);

impl Alpn {
    /// These protocols, the best first. A server takes the first of its own that the client has too.
    ///
    /// # Errors
    /// When there is none, when one of them does not have 1 to 255 bytes, and when they have more than
    /// 4,096 bytes together, counting one more for each.
    pub fn new<'a>(protocols: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let mut list = Vec::new();
        for protocol in protocols {
            match u8::try_from(protocol.len()) {
                Ok(length @ 1..) => list.push(length),
                _ => return Err(ConfigError::BadProtocol(printable(protocol))),
            }
            list.extend(protocol.as_bytes());
        }
        match list.len() {
            0 => Err(ConfigError::NoProtocol),
            1..=LONGEST_LIST => Ok(Self(list.into())),
            _ => Err(ConfigError::TooManyProtocols),
        }
    }

    /// As they are sent.
    pub(crate) fn list(&self) -> &[u8] {
        &self.0
    }

    /// The first of these that is among those `offered`.
    fn choose<'a>(&self, offered: &'a [u8]) -> Option<&'a [u8]> {
        split(&self.0).find_map(|own| split(offered).find(|protocol| *protocol == own))
    }
}

fn split(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = list.split_first()?;
        let (protocol, rest) = rest.split_at_checked(usize::from(*length))?;
        list = rest;
        Some(protocol)
    })
}

/// Lets a server of `context` choose among `protocols`. A client that offers others is refused, one
/// that offers none is not.
pub(crate) fn choose_from(context: &mut SslContextBuilder, protocols: &Alpn) {
    let protocols = protocols.clone();
    context.set_alpn_select_callback(move |_, offered| {
        // rust-openssl's trampoline lets a panic through to C.
        let chosen = catch_unwind(AssertUnwindSafe(|| protocols.choose(offered)));
        chosen.ok().flatten().ok_or(AlpnError::ALERT_FATAL)
    });
}

/// Lets a client of `context` offer `protocols`.
pub(crate) fn offer(context: &mut SslContextBuilder, protocols: &Alpn) -> Result<(), ErrorStack> {
    context.set_alpn_protos(protocols.list())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_have_limits() {
        let long = "x".repeat(255);
        assert!(Alpn::new(["game/1", &long]).is_ok());
        let none = Alpn::new([]);
        assert!(matches!(none, Err(ConfigError::NoProtocol)), "{none:?}");
        for bad in ["", &"x".repeat(256)] {
            let refused = Alpn::new(["game/1", bad]);
            assert!(matches!(refused, Err(ConfigError::BadProtocol(_))), "{refused:?}");
        }
        assert!(Alpn::new([long.as_str(); 16]).is_ok());
        let refused = Alpn::new([long.as_str(); 17]);
        assert!(matches!(refused, Err(ConfigError::TooManyProtocols)), "{refused:?}");
    }

    #[test]
    fn the_own_order_decides() {
        let own = Alpn::new(["game/2", "game/1"]).expect("usable");
        assert_eq!(own.choose(b"\x06game/1\x06game/2"), Some(&b"game/2"[..]));
        assert_eq!(own.choose(b"\x06game/1\x06game/3"), Some(&b"game/1"[..]));
        for other in [&b"\x06game/3"[..], b"\x05game/", b"\x07game/12", b"", b"\x09game/1", b"\x00"]
        {
            assert_eq!(own.choose(other), None, "{other:?}");
        }
    }
}
