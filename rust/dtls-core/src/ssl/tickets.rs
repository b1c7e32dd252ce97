//! Session tickets, and what else rust-openssl lacks for resuming sessions.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_long, c_uchar, c_ulong, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use std::{ptr, slice};

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslRef, SslSessionRef};
use openssl_sys as sys;

use crate::ssl::callbacks::{self, HandshakeCallbacks, Renewal, TicketKey};
use crate::ssl::{suites, validity};

/// Bytes of a key's name, and of an initialisation vector of AES.
const BLOCK: usize = 16;

type KeyCallback = unsafe extern "C" fn(
    *mut sys::SSL,
    *mut c_uchar,
    *mut c_uchar,
    *mut sys::EVP_CIPHER_CTX,
    *mut sys::EVP_MAC_CTX,
    c_int,
) -> c_int;
type SealCallback = unsafe extern "C" fn(*mut sys::SSL, *mut c_void) -> c_int;
type OpenCallback = unsafe extern "C" fn(
    *mut sys::SSL,
    *mut sys::SSL_SESSION,
    *const c_uchar,
    usize,
    c_int,
    *mut c_void,
) -> c_int;

unsafe extern "C" {
    fn SSL_CTX_set_tlsext_ticket_key_evp_cb(
        context: *mut sys::SSL_CTX,
        callback: Option<KeyCallback>,
    ) -> c_int;
    fn SSL_CTX_set_session_ticket_cb(
        context: *mut sys::SSL_CTX,
        seal: Option<SealCallback>,
        open: Option<OpenCallback>,
        argument: *mut c_void,
    ) -> c_int;
    fn SSL_SESSION_set1_ticket_appdata(
        session: *mut sys::SSL_SESSION,
        data: *const c_void,
        length: usize,
    ) -> c_int;
    fn SSL_SESSION_get0_ticket_appdata(
        session: *mut sys::SSL_SESSION,
        data: *mut *mut c_void,
        length: *mut usize,
    ) -> c_int;
    fn SSL_SESSION_has_ticket(session: *const sys::SSL_SESSION) -> c_int;
    fn SSL_SESSION_get_ticket_lifetime_hint(session: *const sys::SSL_SESSION) -> c_ulong;
    fn SSL_CTX_set_timeout(context: *mut sys::SSL_CTX, seconds: c_long) -> c_long;
    fn OSSL_PARAM_construct_utf8_string(
        key: *const c_char,
        text: *mut c_char,
        length: usize,
    ) -> sys::OSSL_PARAM;
    fn SSL_set_shutdown(ssl: *mut sys::SSL, mode: c_int);
}

/// Lets a server of `context` seal its sessions into tickets, good for so long, in whole seconds.
pub(crate) fn seal_tickets(
    context: &mut SslContextBuilder,
    lifetime: Duration,
) -> Result<(), ErrorStack> {
    let seconds = c_long::try_from(lifetime.as_secs()).unwrap_or(c_long::MAX);
    // SAFETY: the context is live; the callbacks have static lifetime and take no argument.
    let set = unsafe {
        SSL_CTX_set_timeout(context.as_ptr(), seconds);
        let keys = SSL_CTX_set_tlsext_ticket_key_evp_cb(context.as_ptr(), Some(key));
        let data = SSL_CTX_set_session_ticket_cb(
            context.as_ptr(),
            Some(seal),
            Some(open),
            ptr::null_mut(),
        );
        keys == 1 && data == 1
    };
    if set { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Gives OpenSSL the key for a ticket that it seals or opens. 0: there is none. 1: there it is.
/// 2: there it is, and the client should get a new ticket. Less: it failed.
unsafe extern "C" fn key(
    ssl: *mut sys::SSL,
    name: *mut c_uchar,
    iv: *mut c_uchar,
    cipher: *mut sys::EVP_CIPHER_CTX,
    mac: *mut sys::EVP_MAC_CTX,
    seals: c_int,
) -> c_int {
    let answer = AssertUnwindSafe(|| {
        // SAFETY: OpenSSL calls this with a live SSL object, and with room for the name of a key and
        // for an initialisation vector; when it opens a ticket both have been filled in.
        let (ssl, name, iv) = unsafe {
            let name = slice::from_raw_parts_mut(name, BLOCK);
            (SslRef::from_ptr(ssl), name, slice::from_raw_parts_mut(iv, BLOCK))
        };
        if seals == 1 {
            // A session by a pre-shared key must not outlive the key. OpenSSL sends an empty ticket.
            if suites::is_psk(ssl) {
                return 0;
            }
            let Some(key) = callbacks::of(ssl).and_then(HandshakeCallbacks::sealing_key) else {
                return 0;
            };
            name.copy_from_slice(&key.name);
            if openssl::rand::rand_bytes(iv).is_err() {
                return -1;
            }
            // SAFETY: both contexts are live, as OpenSSL promises.
            return if unsafe { start(&key, iv, cipher, mac, true) } { 1 } else { -1 };
        }
        let Ok(name) = <&[u8; BLOCK]>::try_from(&*name) else { return 0 };
        let opening = callbacks::of(ssl).and_then(|callbacks| callbacks.opening_key(name));
        let Some((key, renewal)) = opening else { return 0 };
        // SAFETY: as above.
        match (unsafe { start(&key, iv, cipher, mac, false) }, renewal) {
            (false, _) => -1,
            (true, Renewal::NotYet) => 1,
            (true, Renewal::Due) => 2,
        }
    });
    catch_unwind(answer).unwrap_or(0)
}

/// Sets the two contexts up for `key`.
///
/// # Safety
/// `cipher` and `mac` are live.
unsafe fn start(
    key: &TicketKey,
    iv: &[u8],
    cipher: *mut sys::EVP_CIPHER_CTX,
    mac: *mut sys::EVP_MAC_CTX,
    seals: bool,
) -> bool {
    const KEY: &CStr = c"key";
    const DIGEST: &CStr = c"digest";
    const SHA256: &CStr = c"SHA256";
    let initialise = if seals { sys::EVP_EncryptInit_ex } else { sys::EVP_DecryptInit_ex };
    // SAFETY: the contexts are live as the caller promises. Key, vector and parameters are readable
    // for the lengths that belong to them, and the parameters are copied during the call.
    unsafe {
        let ready = initialise(
            cipher,
            sys::EVP_aes_256_cbc(),
            ptr::null_mut(),
            key.cipher.as_ptr(),
            iv.as_ptr(),
        );
        let parameters = [
            sys::OSSL_PARAM_construct_octet_string(
                KEY.as_ptr(),
                key.mac.as_ptr().cast_mut().cast(),
                key.mac.len(),
            ),
            OSSL_PARAM_construct_utf8_string(DIGEST.as_ptr(), SHA256.as_ptr().cast_mut(), 0),
            sys::OSSL_PARAM_construct_end(),
        ];
        ready == 1 && sys::EVP_MAC_CTX_set_params(mac, parameters.as_ptr()) == 1
    }
}

/// Writes into a session that is about to be sealed until when the client's certificates are valid.
unsafe extern "C" fn seal(ssl: *mut sys::SSL, _argument: *mut c_void) -> c_int {
    let sealed = AssertUnwindSafe(|| {
        // SAFETY: OpenSSL calls this with a live SSL object.
        let ssl = unsafe { SslRef::from_ptr(ssl) };
        if ssl.session_reused() {
            // It is there already, and no certificate was looked at this time.
            return 1;
        }
        let (Some(session), Some(callbacks)) = (ssl.session(), callbacks::of(ssl)) else {
            return 0;
        };
        let expiry = callbacks.client_expiry(ssl).to_be_bytes();
        // SAFETY: the session is live, and OpenSSL copies what is readable for that length.
        unsafe {
            let data = expiry.as_ptr().cast::<c_void>();
            SSL_SESSION_set1_ticket_appdata(session.as_ptr(), data, expiry.len())
        }
    });
    catch_unwind(sealed).unwrap_or(0)
}

/// Decides about a ticket that a client has shown and OpenSSL has opened, or has not.
unsafe extern "C" fn open(
    _ssl: *mut sys::SSL,
    session: *mut sys::SSL_SESSION,
    _name: *const c_uchar,
    _name_length: usize,
    status: c_int,
    _argument: *mut c_void,
) -> c_int {
    // SSL_TICKET_STATUS and SSL_TICKET_RETURN of include/openssl/ssl.h.
    const SUCCESS: c_int = 5;
    const SUCCESS_RENEW: c_int = 6;
    const IGNORE_RENEW: c_int = 2;
    const USE: c_int = 3;
    const USE_RENEW: c_int = 4;
    let decision = AssertUnwindSafe(|| {
        // SAFETY: with these two, OpenSSL gives a live session.
        let valid = || unsafe { expiry_in(session) }.is_some_and(validity::is_in_future);
        match status {
            SUCCESS if valid() => USE,
            SUCCESS_RENEW if valid() => USE_RENEW,
            _ => {
                // OpenSSL leaves its complaint about the ticket in the queue, and would take it for one
                // about the handshake that it goes on with.
                let _why = ErrorStack::get();
                IGNORE_RENEW
            }
        }
    });
    catch_unwind(decision).unwrap_or(IGNORE_RENEW)
}

/// What [`seal`] has written.
///
/// # Safety
/// `session` is live.
unsafe fn expiry_in(session: *mut sys::SSL_SESSION) -> Option<i64> {
    let (mut data, mut length) = (ptr::null_mut(), 0);
    // SAFETY: the session is live as the caller promises; what is written is readable for the length
    // that is written beside it, as long as the session lives.
    unsafe {
        let found = SSL_SESSION_get0_ticket_appdata(session, &raw mut data, &raw mut length) == 1;
        if !found || data.is_null() {
            return None;
        }
        let bytes = slice::from_raw_parts(data.cast::<u8>(), length);
        bytes.try_into().ok().map(i64::from_be_bytes)
    }
}

/// Seconds that the server says its ticket in `session` is good for, 0 if it does not say. `None`
/// without a ticket.
#[allow(clippy::useless_conversion, reason = "an unsigned long has 32 bits on Windows")]
pub(crate) fn ticket_lifetime(session: &SslSessionRef) -> Option<u64> {
    // SAFETY: the session is live; both calls read it only.
    unsafe {
        let has_ticket = SSL_SESSION_has_ticket(session.as_ptr()) == 1;
        has_ticket.then(|| SSL_SESSION_get_ticket_lifetime_hint(session.as_ptr()).into())
    }
}

/// Lets the client `ssl` ask its server to go on with `session`, which has to be of the same context.
pub(crate) fn offer(ssl: &mut SslRef, session: &SslSessionRef) -> Result<(), ErrorStack> {
    // SAFETY: both are live, and the SSL object is one of a client before its handshake. OpenSSL counts
    // the reference and refuses a session of another method.
    unsafe { ssl.set_session(session) }
}

/// Lets `ssl` be freed without its session becoming useless: OpenSSL wants to see close_notify before,
/// as SSL 3 did.
pub(crate) fn keep_session(ssl: &mut SslRef) {
    const SENT_AND_RECEIVED: c_int = 3;
    // SAFETY: `ssl` is live and borrowed exclusively; the call sets flags.
    unsafe { SSL_set_shutdown(ssl.as_ptr(), SENT_AND_RECEIVED) }
}
