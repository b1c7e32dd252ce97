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

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::memcmp;
use zeroize::Zeroizing;

use crate::credentials::rotation::Rotation;
use crate::handshake::hmac::HmacKey;
use crate::wire::hello::COOKIE;

/// Bytes of the time in front, in milliseconds since the server began: enough for 8,900 years.
const TIME: usize = 6;
/// Bytes of the HMAC-SHA256 behind it, which is cut (RFC 2104 section 5).
const MAC: usize = COOKIE - TIME;

/// How long a secret makes cookies. It verifies them for as long again, so a cookie is good for one
/// to two minutes: longer than a handshake may take, shorter than collecting them is worth.
const LIFETIME: Duration = Duration::from_secs(60);

/// The ClientHello that a cookie is for.
pub(crate) struct Attempt<'a> {
    pub(crate) address: SocketAddr,
    /// The random of the ClientHello.
    pub(crate) random: &'a [u8; 32],
    pub(crate) now: Instant,
    /// What its cookie has to be newer than: the beginning of the session at that address, if there is
    /// one.
    pub(crate) after: Option<Instant>,
}

/// What came of the cookie of an attempt.
pub(crate) enum Verdict {
    /// Its client has proved its address.
    Proved(ProvedCookie),
    /// It has to, with this one.
    Unproved([u8; COOKIE]),
}

/// A cookie that was made here for the attempt that has brought it. Nothing but [`CookieSecrets::check`]
/// makes one.
pub(crate) struct ProvedCookie([u8; COOKIE]);

impl ProvedCookie {
    /// Whether `cookie` is this one.
    pub(crate) fn is(&self, cookie: &[u8]) -> bool {
        cookie.len() == COOKIE && memcmp::eq(&self.0, cookie)
    }
}

/// The secrets behind the cookies of one server.
pub(crate) struct CookieSecrets {
    secrets: Mutex<Rotation<HmacKey>>,
    /// What the time in a cookie counts from.
    start: Instant,
}

impl CookieSecrets {
    /// A new random secret.
    pub(crate) fn new(now: Instant) -> Result<Self, ErrorStack> {
        Ok(Self { secrets: Mutex::new(Rotation::new(new_secret()?, LIFETIME, now)), start: now })
    }

    /// Whether `cookie` was made for `attempt`, by the current secret or the one before, and after what
    /// it has to be newer than; or else the one that would be.
    ///
    /// # Errors
    /// When OpenSSL has no random numbers for a secret whose time has come.
    pub(crate) fn check(&self, attempt: &Attempt, cookie: &[u8]) -> Result<Verdict, ErrorStack> {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.rotate(attempt.now, new_secret)?;
        Ok(match self.prove(secrets.known(), attempt, cookie) {
            Some(proved) => Verdict::Proved(proved),
            None => Verdict::Unproved(self.generate(secrets.current(), attempt)),
        })
    }

    fn prove<'a>(
        &self,
        mut known: impl Iterator<Item = &'a HmacKey>,
        attempt: &Attempt,
        cookie: &[u8],
    ) -> Option<ProvedCookie> {
        let cookie: &[u8; COOKIE] = cookie.try_into().ok()?;
        let (&time, rest) = cookie.split_first_chunk::<TIME>()?;
        if !known.any(|secret| memcmp::eq(&mac(secret, attempt, time), rest)) {
            return None;
        }
        // Both begin with the highest byte, so they compare as the numbers that they are.
        let too_old = |after| time <= to_bytes(self.milliseconds(after));
        (!attempt.after.is_some_and(too_old)).then_some(ProvedCookie(*cookie))
    }

    fn generate(&self, secret: &HmacKey, attempt: &Attempt) -> [u8; COOKIE] {
        // A session may have begun within this very millisecond. Its client would not listen to a second
        // HelloVerifyRequest, so the first has to be good.
        let soonest = attempt.after.map_or(0, |after| self.milliseconds(after) + 1);
        let time = to_bytes(self.milliseconds(attempt.now).max(soonest));
        let mut cookie = [0; COOKIE];
        let (front, behind) = cookie.split_at_mut(TIME);
        front.copy_from_slice(&time);
        behind.copy_from_slice(&mac(secret, attempt, time));
        cookie
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

fn new_secret() -> Result<HmacKey, ErrorStack> {
    let mut secret = Zeroizing::new([0; 32]);
    openssl::rand::rand_priv_bytes(&mut *secret)?;
    Ok(HmacKey::new(&secret))
}

/// HMAC-SHA256 over address, port, random and time. An IPv4 peer of an IPv6 socket is the IPv4 peer that
/// it is.
fn mac(secret: &HmacKey, attempt: &Attempt, time: [u8; TIME]) -> [u8; MAC] {
    let address = match attempt.address.ip().to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    let mut input = [0; 50 + TIME];
    input[..16].copy_from_slice(&address.octets());
    input[16..18].copy_from_slice(&attempt.address.port().to_be_bytes());
    input[18..50].copy_from_slice(attempt.random);
    input[50..].copy_from_slice(&time);
    let [mac @ .., _, _, _, _, _, _] = secret.hmac(&input);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(address: &str, now: Instant) -> Attempt<'static> {
        let address = address.parse().expect("a literal address");
        Attempt { address, random: &[7; 32], now, after: None }
    }

    fn cookie(secrets: &CookieSecrets, attempt: &Attempt) -> [u8; COOKIE] {
        match secrets.check(attempt, b"").expect("random numbers") {
            Verdict::Unproved(cookie) => cookie,
            Verdict::Proved(_) => panic!("without a cookie"),
        }
    }

    fn is_proved(secrets: &CookieSecrets, attempt: &Attempt, cookie: &[u8]) -> bool {
        let verdict = secrets.check(attempt, cookie).expect("random numbers");
        matches!(verdict, Verdict::Proved(proved) if proved.is(cookie))
    }

    #[test]
    fn a_cookie_is_good_for_its_own_address_port_and_random_only() {
        let now = Instant::now();
        let secrets = CookieSecrets::new(now).expect("random numbers");
        let cookie = cookie(&secrets, &attempt("192.0.2.1:1000", now));
        let is_proved =
            |address: &str, cookie: &[u8]| is_proved(&secrets, &attempt(address, now), cookie);
        assert!(is_proved("192.0.2.1:1000", &cookie));
        assert!(!is_proved("192.0.2.1:1001", &cookie));
        assert!(!is_proved("192.0.2.2:1000", &cookie));
        assert!(!is_proved("[2001:db8::1]:1000", &cookie));
        for length in 0..COOKIE {
            assert!(!is_proved("192.0.2.1:1000", &cookie[..length]), "{length} bytes");
        }
        assert!(!is_proved("192.0.2.1:1000", &[cookie.as_slice(), &[0]].concat()));
        let another = Attempt { random: &[8; 32], ..attempt("192.0.2.1:1000", now) };
        assert!(!self::is_proved(&secrets, &another, &cookie));
        for at in 0..COOKIE {
            let mut forged = cookie;
            forged[at] ^= 1;
            assert!(!is_proved("192.0.2.1:1000", &forged), "byte {at}");
        }
    }

    #[test]
    fn a_proved_cookie_is_itself_and_no_other() {
        let now = Instant::now();
        let secrets = CookieSecrets::new(now).expect("random numbers");
        let peer = attempt("192.0.2.1:1000", now);
        let cookie = cookie(&secrets, &peer);
        let Ok(Verdict::Proved(proved)) = secrets.check(&peer, &cookie) else {
            panic!("it was made for this attempt");
        };
        assert!(proved.is(&cookie));
        assert!(!proved.is(b""));
        assert!(!proved.is(&cookie[1..]));
        assert!(!proved.is(&[cookie.as_slice(), &[0]].concat()));
        // The same attempt's, made a millisecond later.
        let later = Attempt { now: now + Duration::from_millis(1), ..peer };
        assert!(!proved.is(&self::cookie(&secrets, &later)));
    }

    #[test]
    fn a_cookie_has_to_be_newer_than_the_session_that_it_would_end() {
        let start = Instant::now();
        let secrets = CookieSecrets::new(start).expect("random numbers");
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let cookie = cookie(&secrets, &attempt("192.0.2.1:1000", at(500)));
        let is_proved = |after| {
            let attempt = Attempt { after, ..attempt("192.0.2.1:1000", at(900)) };
            is_proved(&secrets, &attempt, &cookie)
        };
        assert!(is_proved(None));
        assert!(is_proved(Some(at(499))));
        assert!(!is_proved(Some(at(500))));
        assert!(!is_proved(Some(at(70_000))));
        // One that is made for a client of that session counts for it, however soon.
        let attempt = Attempt { after: Some(at(500)), ..attempt("192.0.2.1:1000", at(500)) };
        let cookie = self::cookie(&secrets, &attempt);
        assert!(self::is_proved(&secrets, &attempt, &cookie));
    }

    #[test]
    fn an_ipv4_peer_is_the_same_through_an_ipv6_socket() {
        let now = Instant::now();
        let secrets = CookieSecrets::new(now).expect("random numbers");
        let cookie = cookie(&secrets, &attempt("192.0.2.1:1000", now));
        assert!(is_proved(&secrets, &attempt("[::ffff:192.0.2.1]:1000", now), &cookie));
    }

    #[test]
    fn the_previous_secret_still_verifies_and_the_one_before_does_not() {
        let start = Instant::now();
        let secrets = CookieSecrets::new(start).expect("random numbers");
        let cookie = cookie(&secrets, &attempt("192.0.2.1:1000", start));
        let is_proved_at = |seconds| {
            let now = start + Duration::from_secs(seconds);
            is_proved(&secrets, &attempt("192.0.2.1:1000", now), &cookie)
        };
        assert!(is_proved_at(59));
        assert!(is_proved_at(61));
        assert!(is_proved_at(120));
        assert!(!is_proved_at(122));
    }

    #[test]
    fn a_server_without_clients_forgets_old_secrets_too() {
        let start = Instant::now();
        let secrets = CookieSecrets::new(start).expect("random numbers");
        let cookie = cookie(&secrets, &attempt("192.0.2.1:1000", start));
        let late = attempt("192.0.2.1:1000", start + 3 * LIFETIME);
        assert!(!is_proved(&secrets, &late, &cookie));
    }

    #[test]
    fn two_servers_do_not_share_cookies() {
        let now = Instant::now();
        let peer = attempt("192.0.2.1:1000", now);
        let one = CookieSecrets::new(now).expect("random numbers");
        let other = CookieSecrets::new(now).expect("random numbers");
        let cookie = cookie(&one, &peer);
        assert!(!is_proved(&other, &peer, &cookie));
    }
}
