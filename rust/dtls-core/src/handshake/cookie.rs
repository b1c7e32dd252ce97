//! The cookies of HelloVerifyRequest (RFC 6347 section 4.2.1): proof that a client can receive at
//! the address it sends from, without a byte of memory for clients that cannot.
//!
//! A cookie is for one attempt: it covers the random, which the client has to repeat. Otherwise an attacker
//! who has overheard a cookie could end the connection that it was for by beginning another.
//!
//! It also says when it was made, so that a session can tell the cookie of a client that starts again
//! from one that was recorded before the session began. The cookie still has the length of one HMAC-SHA256:
//! 48 bits of time and 208 of HMAC. A longer one would make HelloVerifyRequest larger than the smallest
//! ClientHello.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;

use crate::credentials::rotation::Rotation;
use crate::ssl::callbacks::COOKIE_LENGTH;

/// Bytes of the time in front, in milliseconds since the server began: enough for 8,900 years.
const TIME: usize = 6;
/// Bytes of the HMAC-SHA256 behind it, which is cut (RFC 2104 section 5).
const MAC: usize = COOKIE_LENGTH - TIME;

/// How long a secret makes cookies. It verifies them for as long again, so a cookie is good for one
/// to two minutes: longer than a handshake may take, shorter than collecting them is worth.
const LIFETIME: Duration = Duration::from_secs(60);

/// The secrets behind the cookies of one server.
pub(crate) struct CookieSecrets {
    secrets: Mutex<Rotation<PKey<Private>>>,
    /// What the time in a cookie counts from.
    start: Instant,
}

impl CookieSecrets {
    /// A new random secret.
    pub(crate) fn new(now: Instant) -> Result<Self, ErrorStack> {
        Ok(Self { secrets: Mutex::new(Rotation::new(new_secret()?, LIFETIME, now)), start: now })
    }

    /// Takes a new secret if the current one has served its time.
    pub(crate) fn rotate(&self, now: Instant) -> Result<(), ErrorStack> {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.rotate(now, new_secret)
    }

    /// The cookie for `attempt`.
    pub(crate) fn generate(&self, attempt: &Attempt) -> Result<[u8; COOKIE_LENGTH], ErrorStack> {
        // A session may have begun within this very millisecond. Its client would not listen to a second
        // HelloVerifyRequest, so the first has to be good.
        let soonest = attempt.after.map_or(0, |after| self.milliseconds(after) + 1);
        let time = to_bytes(self.milliseconds(attempt.now).max(soonest));
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cookie = [0; COOKIE_LENGTH];
        let (front, behind) = cookie.split_at_mut(TIME);
        front.copy_from_slice(&time);
        behind.copy_from_slice(&mac(secrets.current(), attempt, time)?);
        Ok(cookie)
    }

    /// Whether `cookie` was made for `attempt`, by the current secret or the one before, and after what
    /// it has to be newer than.
    pub(crate) fn verify(&self, attempt: &Attempt, cookie: &[u8]) -> Result<bool, ErrorStack> {
        let Some((&time, rest)) = cookie.split_first_chunk::<TIME>() else {
            return Ok(false);
        };
        if rest.len() != MAC {
            return Ok(false);
        }
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets.known() {
            if memcmp::eq(&mac(secret, attempt, time)?, rest) {
                // Both begin with the highest byte, so they compare as the numbers that they are.
                let too_old = |after| time <= to_bytes(self.milliseconds(after));
                return Ok(!attempt.after.is_some_and(too_old));
            }
        }
        Ok(false)
    }

    /// Milliseconds since the server began.
    fn milliseconds(&self, at: Instant) -> u64 {
        let elapsed = at.saturating_duration_since(self.start).as_millis();
        u64::try_from(elapsed).unwrap_or_default()
    }
}

fn to_bytes(milliseconds: u64) -> [u8; TIME] {
    let [_, _, time @ ..] = milliseconds.to_be_bytes();
    time
}

fn new_secret() -> Result<PKey<Private>, ErrorStack> {
    let mut secret = [0; 32];
    openssl::rand::rand_priv_bytes(&mut secret)?;
    PKey::hmac(&secret)
}

/// The ClientHello that a cookie is for.
pub(crate) struct Attempt {
    pub(crate) address: SocketAddr,
    /// The random of the ClientHello.
    pub(crate) random: [u8; 32],
    pub(crate) now: Instant,
    /// What its cookie has to be newer than: the beginning of the session at that address, if there is
    /// one.
    pub(crate) after: Option<Instant>,
}

/// HMAC-SHA256 over address, port, random and time. An IPv4 peer of an IPv6 socket is the IPv4 peer that
/// it is.
fn mac(
    secret: &PKey<Private>,
    attempt: &Attempt,
    time: [u8; TIME],
) -> Result<[u8; MAC], ErrorStack> {
    let address = match attempt.address.ip().to_canonical() {
        std::net::IpAddr::V4(address) => address.to_ipv6_mapped(),
        std::net::IpAddr::V6(address) => address,
    };
    let mut input = [0; 50 + TIME];
    input[..16].copy_from_slice(&address.octets());
    input[16..18].copy_from_slice(&attempt.address.port().to_be_bytes());
    input[18..50].copy_from_slice(&attempt.random);
    input[50..].copy_from_slice(&time);
    let mut whole = [0; 32];
    Signer::new(MessageDigest::sha256(), secret)?.sign_oneshot(&mut whole, &input)?;
    let mut cut = [0; MAC];
    cut.copy_from_slice(&whole[..MAC]);
    Ok(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(address: &str) -> Attempt {
        let address = address.parse().expect("a literal address");
        Attempt { address, random: [7; 32], now: Instant::now(), after: None }
    }

    #[test]
    fn a_cookie_is_good_for_its_own_address_port_and_random_only() {
        let now = Instant::now();
        let secrets = CookieSecrets::new(now).expect("random numbers");
        let cookie = secrets.generate(&attempt("192.0.2.1:1000")).expect("a cookie");
        let verify = |address: &str, cookie: &[u8]| {
            secrets.verify(&attempt(address), cookie).expect("a verdict")
        };
        assert!(verify("192.0.2.1:1000", &cookie));
        assert!(!verify("192.0.2.1:1001", &cookie));
        assert!(!verify("192.0.2.2:1000", &cookie));
        assert!(!verify("[2001:db8::1]:1000", &cookie));
        assert!(!verify("192.0.2.1:1000", &cookie[..31]));
        assert!(!verify("192.0.2.1:1000", b""));
        let another = Attempt { random: [8; 32], ..attempt("192.0.2.1:1000") };
        assert!(!secrets.verify(&another, &cookie).expect("a verdict"));
        for at in 0..COOKIE_LENGTH {
            let mut forged = cookie;
            forged[at] ^= 1;
            assert!(!verify("192.0.2.1:1000", &forged), "byte {at}");
        }
    }

    #[test]
    fn a_cookie_has_to_be_newer_than_the_session_that_it_would_end() {
        let start = Instant::now();
        let secrets = CookieSecrets::new(start).expect("random numbers");
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let cookie = secrets.generate(&Attempt { now: at(500), ..attempt("192.0.2.1:1000") });
        let cookie = cookie.expect("a cookie");
        let verify = |after| {
            let attempt = Attempt { now: at(900), after, ..attempt("192.0.2.1:1000") };
            secrets.verify(&attempt, &cookie).expect("a verdict")
        };
        assert!(verify(None));
        assert!(verify(Some(at(499))));
        assert!(!verify(Some(at(500))));
        assert!(!verify(Some(at(70_000))));
        // One that is made for a client of that session counts for it, however soon.
        let attempt = Attempt { now: at(500), after: Some(at(500)), ..attempt("192.0.2.1:1000") };
        let cookie = secrets.generate(&attempt).expect("a cookie");
        assert!(secrets.verify(&attempt, &cookie).expect("a verdict"));
    }

    #[test]
    fn an_ipv4_peer_is_the_same_through_an_ipv6_socket() {
        let secrets = CookieSecrets::new(Instant::now()).expect("random numbers");
        let cookie = secrets.generate(&attempt("192.0.2.1:1000")).expect("a cookie");
        assert!(secrets.verify(&attempt("[::ffff:192.0.2.1]:1000"), &cookie).expect("a verdict"));
    }

    #[test]
    fn the_previous_secret_still_verifies_and_the_one_before_does_not() {
        let start = Instant::now();
        let secrets = CookieSecrets::new(start).expect("random numbers");
        let peer = attempt("192.0.2.1:1000");
        let cookie = secrets.generate(&peer).expect("a cookie");
        let verify_at = |seconds| {
            secrets.rotate(start + Duration::from_secs(seconds)).expect("a rotation");
            secrets.verify(&peer, &cookie).expect("a verdict")
        };
        assert!(verify_at(59));
        assert!(verify_at(61));
        assert!(verify_at(120));
        assert!(!verify_at(122));
    }

    #[test]
    fn a_server_without_clients_forgets_old_secrets_too() {
        let start = Instant::now();
        let secrets = CookieSecrets::new(start).expect("random numbers");
        let peer = attempt("192.0.2.1:1000");
        let cookie = secrets.generate(&peer).expect("a cookie");
        secrets.rotate(start + 3 * LIFETIME).expect("a rotation");
        assert!(!secrets.verify(&peer, &cookie).expect("a verdict"));
    }

    #[test]
    fn two_servers_do_not_share_cookies() {
        let now = Instant::now();
        let peer = attempt("192.0.2.1:1000");
        let one = CookieSecrets::new(now).expect("random numbers");
        let other = CookieSecrets::new(now).expect("random numbers");
        let cookie = one.generate(&peer).expect("a cookie");
        assert!(!other.verify(&peer, &cookie).expect("a verdict"));
    }
}
