//! The cookies of HelloVerifyRequest (RFC 6347 section 4.2.1): proof that a client can receive at
//! the address it sends from, without a byte of memory for clients that cannot.
//!
//! A cookie is for one attempt: it covers the random, which the client has to repeat. Otherwise whoever
//! has overheard a cookie could end the connection that it was for by beginning another.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use openssl::ssl::SslContextBuilder;

use crate::door;
use crate::rotation::Rotation;

/// Bytes of a cookie: one HMAC-SHA256.
pub(crate) const LENGTH: usize = 32;

/// How long a secret makes cookies. It verifies them for as long again, so a cookie is good for one
/// to two minutes: longer than a handshake may take, shorter than collecting them is worth.
const LIFETIME: Duration = Duration::from_secs(60);

/// The secrets behind the cookies of one server.
pub(crate) struct CookieJar(Mutex<Rotation<PKey<Private>>>);

impl CookieJar {
    /// A jar with a new random secret.
    pub(crate) fn new(now: Instant) -> Result<Self, ErrorStack> {
        Ok(Self(Mutex::new(Rotation::new(new_secret()?, LIFETIME, now))))
    }

    /// Takes a new secret if the current one has served its time.
    pub(crate) fn rotate(&self, now: Instant) -> Result<(), ErrorStack> {
        let mut secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.rotate(now, new_secret)
    }

    /// The cookie for `attempt`.
    pub(crate) fn bake(&self, attempt: &Attempt) -> Result<[u8; LENGTH], ErrorStack> {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mac(secrets.current(), attempt)
    }

    /// Whether `cookie` was made for `attempt`, by the current secret or the one before.
    pub(crate) fn verify(&self, attempt: &Attempt, cookie: &[u8]) -> Result<bool, ErrorStack> {
        if cookie.len() != LENGTH {
            return Ok(false);
        }
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets.known() {
            if memcmp::eq(&mac(secret, attempt)?, cookie) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn new_secret() -> Result<PKey<Private>, ErrorStack> {
    let mut secret = [0; LENGTH];
    openssl::rand::rand_priv_bytes(&mut secret)?;
    PKey::hmac(&secret)
}

/// Who wants to come in.
pub(crate) struct Attempt {
    pub(crate) address: SocketAddr,
    /// The random of the ClientHello.
    pub(crate) random: [u8; 32],
}

/// HMAC-SHA256 over address, port and random. An IPv4 peer of an IPv6 socket is the IPv4 peer that it
/// is.
fn mac(secret: &PKey<Private>, attempt: &Attempt) -> Result<[u8; LENGTH], ErrorStack> {
    let address = match attempt.address.ip().to_canonical() {
        std::net::IpAddr::V4(address) => address.to_ipv6_mapped(),
        std::net::IpAddr::V6(address) => address,
    };
    let mut input = [0; 50];
    input[..16].copy_from_slice(&address.octets());
    input[16..18].copy_from_slice(&attempt.address.port().to_be_bytes());
    input[18..].copy_from_slice(&attempt.random);
    let mut cookie = [0; LENGTH];
    Signer::new(MessageDigest::sha256(), secret)?.sign_oneshot(&mut cookie, &input)?;
    Ok(cookie)
}

/// Sets the cookie callbacks on a server's context.
pub(crate) fn bake_and_verify(context: &mut SslContextBuilder) {
    // rust-openssl's trampolines let a panic through to C.
    context.set_cookie_generate_cb(|ssl, buffer| {
        let bake = || {
            let visitor = door::visitor(ssl)?;
            let cookie = visitor.lobby.cookies.bake(&visitor.attempt).ok()?;
            buffer.get_mut(..cookie.len())?.copy_from_slice(&cookie);
            Some(cookie.len())
        };
        let baked = catch_unwind(AssertUnwindSafe(bake)).ok().flatten();
        baked.ok_or_else(ErrorStack::get)
    });
    context.set_cookie_verify_cb(|ssl, cookie| {
        let verify = || {
            let visitor = door::visitor(ssl)?;
            visitor.lobby.cookies.verify(&visitor.attempt, cookie).ok()
        };
        catch_unwind(AssertUnwindSafe(verify)).ok().flatten().unwrap_or(false)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(address: &str) -> Attempt {
        Attempt { address: address.parse().expect("a literal address"), random: [7; 32] }
    }

    #[test]
    fn a_cookie_is_good_for_its_own_address_port_and_random_only() {
        let now = Instant::now();
        let jar = CookieJar::new(now).expect("a jar");
        let cookie = jar.bake(&attempt("192.0.2.1:1000")).expect("a cookie");
        let verify = |address: &str, cookie: &[u8]| {
            jar.verify(&attempt(address), cookie).expect("a verdict")
        };
        assert!(verify("192.0.2.1:1000", &cookie));
        assert!(!verify("192.0.2.1:1001", &cookie));
        assert!(!verify("192.0.2.2:1000", &cookie));
        assert!(!verify("[2001:db8::1]:1000", &cookie));
        assert!(!verify("192.0.2.1:1000", &cookie[..31]));
        assert!(!verify("192.0.2.1:1000", b""));
        let another = Attempt { random: [8; 32], ..attempt("192.0.2.1:1000") };
        assert!(!jar.verify(&another, &cookie).expect("a verdict"));
        let mut forged = cookie;
        forged[0] ^= 1;
        assert!(!verify("192.0.2.1:1000", &forged));
    }

    #[test]
    fn an_ipv4_peer_is_the_same_through_an_ipv6_socket() {
        let jar = CookieJar::new(Instant::now()).expect("a jar");
        let cookie = jar.bake(&attempt("192.0.2.1:1000")).expect("a cookie");
        assert!(jar.verify(&attempt("[::ffff:192.0.2.1]:1000"), &cookie).expect("a verdict"));
    }

    #[test]
    fn the_previous_secret_still_verifies_and_the_one_before_does_not() {
        let start = Instant::now();
        let jar = CookieJar::new(start).expect("a jar");
        let peer = attempt("192.0.2.1:1000");
        let cookie = jar.bake(&peer).expect("a cookie");
        let verify_at = |seconds| {
            jar.rotate(start + Duration::from_secs(seconds)).expect("a rotation");
            jar.verify(&peer, &cookie).expect("a verdict")
        };
        assert!(verify_at(59));
        assert!(verify_at(61));
        assert!(verify_at(120));
        assert!(!verify_at(122));
    }

    #[test]
    fn a_server_without_visitors_forgets_old_secrets_too() {
        let start = Instant::now();
        let jar = CookieJar::new(start).expect("a jar");
        let peer = attempt("192.0.2.1:1000");
        let cookie = jar.bake(&peer).expect("a cookie");
        jar.rotate(start + 3 * LIFETIME).expect("a rotation");
        assert!(!jar.verify(&peer, &cookie).expect("a verdict"));
    }

    #[test]
    fn two_servers_do_not_share_cookies() {
        let now = Instant::now();
        let peer = attempt("192.0.2.1:1000");
        let one = CookieJar::new(now).expect("a jar");
        let other = CookieJar::new(now).expect("a jar");
        let cookie = one.bake(&peer).expect("a cookie");
        assert!(!other.verify(&peer, &cookie).expect("a verdict"));
    }
}
