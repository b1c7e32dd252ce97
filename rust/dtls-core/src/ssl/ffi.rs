//! What rust-openssl does not bind, and the few calls that need a raw pointer: each one behind a
//! safe function.
//!
//! This crate has `unsafe` here, in `bio.rs`, in `negotiation.rs`, in `thread_end.rs` and in `tickets.rs`, and nowhere
//! else.
#![allow(unsafe_code)]

use std::ffi::{CString, c_int, c_long, c_uint, c_void};
use std::net::IpAddr;
use std::ptr;
use std::sync::Once;
use std::time::Duration;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslRef};
use openssl::x509::store::{X509StoreBuilderRef, X509StoreRef};
use openssl::x509::{X509CrlRef, X509Ref};
use openssl_sys as sys;

use crate::report::failure::Role;
use crate::ssl::jitter::Jitter;

/// First retransmission of a flight, in microseconds after it was sent.
///
/// RFC 6347 section 4.2.4.1 suggests one second, doubling to sixty, which suits a bulk protocol
/// more than a player at a loading screen. Over 300 handshakes with 30 % of the datagrams lost each
/// way, that schedule left 34 unfinished after 30 s; this one left none, and the slowest took 17 s.
const FIRST_RETRANSMISSION: c_uint = 400_000;
/// Longest wait between two transmissions of the same flight, in microseconds.
pub(crate) const LONGEST_RETRANSMISSION: c_uint = 2_000_000;
/// Longer than any handshake takes, in microseconds.
const NEVER: c_uint = 3_600_000_000;

/// OpenSSL gives up a handshake when one flight has timed out more often than this
/// (`DTLS1_TMO_ALERT_COUNT` in its `ssl/ssl_local.h`).
pub(crate) const MOST_TIMEOUTS: u32 = 12;

const DTLS_CTRL_GET_TIMEOUT: c_int = 73;
const DTLS_CTRL_HANDLE_TIMEOUT: c_int = 74;
const SSL_CTRL_SET_MAX_CERT_LIST: c_int = 51;
const SSL_CTRL_CHAIN_CERT: c_int = 89;
const SSL_CTRL_SET_VERIFY_CERT_STORE: c_int = 106;

const X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS: c_uint = 0x4;
const X509_CHECK_FLAG_NEVER_CHECK_SUBJECT: c_uint = 0x20;

const OPENSSL_INIT_NO_LOAD_CONFIG: u64 = 0x0000_0080;
const OPENSSL_INIT_NO_ATEXIT: u64 = 0x0008_0000;

/// OpenSSL's `BIO_ADDR`, of which only pointers are passed on.
#[repr(C)]
struct BioAddr {
    _opaque: [u8; 0],
}

/// OpenSSL's `X509_PUBKEY`, likewise.
#[repr(C)]
struct PublicKey {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn DTLSv1_listen(ssl: *mut sys::SSL, client: *mut BioAddr) -> c_int;
    fn DTLS_set_timer_cb(
        ssl: *mut sys::SSL,
        callback: Option<unsafe extern "C" fn(*mut sys::SSL, c_uint) -> c_uint>,
    );
    fn DTLS_get_data_mtu(ssl: *const sys::SSL) -> usize;
    fn ERR_peek_error() -> std::ffi::c_ulong;
    fn SSL_has_pending(ssl: *const sys::SSL) -> c_int;
    fn BIO_ADDR_new() -> *mut BioAddr;
    fn BIO_ADDR_free(address: *mut BioAddr);
    fn X509_STORE_add_crl(store: *mut sys::X509_STORE, list: *mut sys::X509_CRL) -> c_int;
    fn X509_get_X509_PUBKEY(certificate: *const sys::X509) -> *mut PublicKey;
    fn i2d_X509_PUBKEY(key: *const PublicKey, out: *mut *mut u8) -> c_int;
    fn X509_check_purpose(certificate: *mut sys::X509, id: c_int, ca: c_int) -> c_int;
}

/// Starts OpenSSL, once. Every public way into this crate that uses OpenSSL comes through here first, and
/// so should a program that uses OpenSSL beside it.
///
/// The machine's `openssl.cnf` (or `OPENSSL_CONF`) is not read: it can break every handshake or weaken
/// them, and an application has no say in it. No `atexit` handler is set either, since a plugin may have
/// been unloaded by then.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // SAFETY: takes no pointer but the null one, which stands for the default settings.
        unsafe {
            sys::OPENSSL_init_ssl(
                OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT,
                ptr::null(),
            );
        }
        openssl::init();
    });
}

/// Reads the ClientHello that the BIO of `ssl` has to give, if its cookie is accepted. Nothing else that is
/// public tells OpenSSL that the cookie exchange is over.
pub(crate) fn listen(ssl: &mut SslRef) -> Result<(), ErrorStack> {
    // SAFETY: takes nothing; a null result is handled.
    let address = unsafe { BIO_ADDR_new() };
    if address.is_null() {
        return Err(ErrorStack::get());
    }
    // SAFETY: `ssl` is borrowed exclusively for the call, `address` is a live BIO_ADDR, and it is
    // freed once.
    let result = unsafe {
        let result = DTLSv1_listen(ssl.as_ptr(), address);
        BIO_ADDR_free(address);
        result
    };
    if result == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Empties the error queue of this thread, in which an earlier use of OpenSSL may have left something.
/// OpenSSL's own call goes through the whole queue, which is a tenth of what a small packet takes.
fn clear_errors() {
    // SAFETY: neither call has arguments.
    unsafe {
        if ERR_peek_error() != 0 {
            sys::ERR_clear_error();
        }
    }
}

/// Continues the handshake. The result is what `SSL_get_error` says of it.
pub(crate) fn do_handshake(ssl: &mut SslRef) -> Result<(), c_int> {
    // SAFETY: `ssl` is a live SSL object with its BIO set, borrowed exclusively for both calls.
    unsafe {
        clear_errors();
        match sys::SSL_do_handshake(ssl.as_ptr()) {
            1 => Ok(()),
            result => Err(sys::SSL_get_error(ssl.as_ptr(), result)),
        }
    }
}

/// Decrypts the next application record into `buffer` and tells how many bytes it has.
pub(crate) fn read(ssl: &mut SslRef, buffer: &mut [u8]) -> Result<usize, c_int> {
    let mut length = 0;
    // SAFETY: `ssl` is live and borrowed exclusively; `buffer` is writable for the length given, and
    // `length` outlives the call.
    unsafe {
        clear_errors();
        let to = buffer.as_mut_ptr().cast::<c_void>();
        match sys::SSL_read_ex(ssl.as_ptr(), to, buffer.len(), &raw mut length) {
            1 => Ok(length),
            result => Err(sys::SSL_get_error(ssl.as_ptr(), result)),
        }
    }
}

/// Whether something that was read from the BIO has not been looked at yet.
pub(crate) fn has_pending(ssl: &SslRef) -> bool {
    // SAFETY: `ssl` is live; the call reads it only.
    unsafe { SSL_has_pending(ssl.as_ptr()) == 1 }
}

/// Encrypts `payload` into one record.
pub(crate) fn write(ssl: &mut SslRef, payload: &[u8]) -> Result<(), c_int> {
    let mut written = 0;
    // SAFETY: `ssl` is live and borrowed exclusively; `payload` is readable for the length given, and
    // `written` outlives the call.
    unsafe {
        clear_errors();
        let from = payload.as_ptr().cast::<c_void>();
        match sys::SSL_write_ex(ssl.as_ptr(), from, payload.len(), &raw mut written) {
            1 => Ok(()),
            result => Err(sys::SSL_get_error(ssl.as_ptr(), result)),
        }
    }
}

/// Writes close_notify, once.
pub(crate) fn shutdown(ssl: &mut SslRef) {
    // SAFETY: `ssl` is live and borrowed exclusively. What it returns does not matter: either the
    // alert went to the BIO or there is no one to tell.
    unsafe {
        clear_errors();
        sys::SSL_shutdown(ssl.as_ptr());
        clear_errors();
    }
}

/// What tells OpenSSL how long a flight waits for its answer.
pub(crate) type TimerCallback = unsafe extern "C" fn(*mut sys::SSL, c_uint) -> c_uint;

/// Lets `callback` say how long each flight waits for its answer.
pub(crate) fn set_timer_callback(ssl: &mut SslRef, callback: TimerCallback) {
    // SAFETY: `ssl` is live; the callback has static lifetime.
    unsafe { DTLS_set_timer_cb(ssl.as_ptr(), Some(callback)) }
}

/// The wait, in microseconds, before a flight that has timed out so often goes out once more: 400 ms,
/// then half as much again each time, up to 2 s. `jitter` takes up to a quarter off, so that clients
/// which begin in the same moment do not go on in step.
pub(crate) fn wait_after(timeouts: u32, jitter: &mut Jitter) -> c_uint {
    if timeouts >= MOST_TIMEOUTS {
        // OpenSSL looks at its timer whenever it reads, and fails at the next timeout.
        return NEVER;
    }
    let longer = |wait: c_uint, _| (wait + wait / 2).min(LONGEST_RETRANSMISSION);
    let longest = (0..timeouts).fold(FIRST_RETRANSMISSION, longer);
    let wait = jitter.shorten(Duration::from_micros(longest.into()));
    c_uint::try_from(wait.as_micros()).unwrap_or(longest)
}

/// Time until the flight that was sent last has to go out again; `None` when no answer is awaited.
pub(crate) fn time_to_retransmission(ssl: &mut SslRef) -> Option<Duration> {
    let mut left = libc::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: `ssl` is live and borrowed exclusively; the control writes one `timeval`.
    let set = unsafe {
        let to = (&raw mut left).cast::<c_void>();
        sys::SSL_ctrl(ssl.as_ptr(), DTLS_CTRL_GET_TIMEOUT, 0, to)
    };
    (set == 1).then(|| {
        let seconds = u64::try_from(left.tv_sec).unwrap_or(0);
        let micros = u64::try_from(left.tv_usec).unwrap_or(0);
        Duration::from_secs(seconds) + Duration::from_micros(micros)
    })
}

/// What the retransmission timer did.
pub(crate) enum Timer {
    /// The time had not come yet.
    Waiting,
    /// The flight was written again.
    Retransmitted,
    /// OpenSSL gave the handshake up.
    Exhausted,
}

/// Writes the last flight again if its time has come.
pub(crate) fn handle_timeout(ssl: &mut SslRef) -> Timer {
    // SAFETY: `ssl` is live and borrowed exclusively; this control takes no argument.
    let result = unsafe {
        clear_errors();
        sys::SSL_ctrl(ssl.as_ptr(), DTLS_CTRL_HANDLE_TIMEOUT, 0, ptr::null_mut())
    };
    match result {
        0 => Timer::Waiting,
        1.. => Timer::Retransmitted,
        _ => Timer::Exhausted,
    }
}

/// The largest payload, in bytes, that fits one datagram of the MTU that was set. 0 before the
/// handshake is over.
pub(crate) fn data_mtu(ssl: &SslRef) -> usize {
    // SAFETY: `ssl` is live; the call reads it only.
    unsafe { DTLS_get_data_mtu(ssl.as_ptr()) }
}

/// Limits the certificates that a peer may send, in bytes, and with that the memory that handshake
/// fragments can hold before anyone is authenticated.
pub(crate) fn set_max_certificate_bytes(context: &mut SslContextBuilder, bytes: usize) {
    let bytes = c_long::try_from(bytes).unwrap_or(c_long::MAX);
    // SAFETY: the context is live and borrowed exclusively; this control takes no pointer.
    unsafe {
        sys::SSL_CTX_ctrl(context.as_ptr(), SSL_CTRL_SET_MAX_CERT_LIST, bytes, ptr::null_mut());
    }
}

/// Lets `context` send `certificate` behind its own. The binding's call for that takes one that is too
/// weak, over which every handshake would fail.
pub(crate) fn add_chain_certificate(
    context: &mut SslContextBuilder,
    certificate: &X509Ref,
) -> Result<(), ErrorStack> {
    // SAFETY: both are live; with 1 as its number the control takes a reference of its own.
    let added = unsafe {
        let certificate = certificate.as_ptr().cast::<c_void>();
        sys::SSL_CTX_ctrl(context.as_ptr(), SSL_CTRL_CHAIN_CERT, 1, certificate)
    };
    if added == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Lets `context` verify peers against `store`, which it shares with every other context that was
/// given the same one.
pub(crate) fn set_verify_store(context: &mut SslContextBuilder, store: &X509StoreRef) {
    // SAFETY: both are live; with 1 as its number the control takes a reference of its own.
    unsafe {
        let store = store.as_ptr().cast::<c_void>();
        sys::SSL_CTX_ctrl(context.as_ptr(), SSL_CTRL_SET_VERIFY_CERT_STORE, 1, store);
    }
}

/// Adds a revocation list to `store`. Nothing asks for it as long as the flags do not say so.
pub(crate) fn add_revocation_list(
    store: &mut X509StoreBuilderRef,
    list: &X509CrlRef,
) -> Result<(), ErrorStack> {
    // SAFETY: both are live; the store takes a reference of its own.
    let added = unsafe { X509_STORE_add_crl(store.as_ptr(), list.as_ptr()) };
    if added == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Whether `list` has only what came after another list (RFC 5280 section 5.2.4).
pub(crate) fn is_delta(list: &X509CrlRef) -> bool {
    // SAFETY: the list is live; the call reads it only.
    unsafe { sys::X509_CRL_get_ext_by_NID(list.as_ptr(), sys::NID_delta_crl, -1) >= 0 }
}

/// Whether `certificate` is for the DNS name `name`: by its subject alternative names, or by its common
/// name if `by_common_name` says so.
pub(crate) fn matches_dns_name(certificate: &X509Ref, name: &str, by_common_name: bool) -> bool {
    let Ok(name) = CString::new(name) else {
        return false;
    };
    let mut flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    if !by_common_name {
        flags |= X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
    }
    let length = name.as_bytes().len();
    // SAFETY: the certificate is live, `name` is readable for `length` bytes, and the matched name is
    // not asked for.
    unsafe {
        sys::X509_check_host(certificate.as_ptr(), name.as_ptr(), length, flags, ptr::null_mut())
            == 1
    }
}

/// Whether the subject alternative names of `certificate` hold `address`.
pub(crate) fn matches_ip(certificate: &X509Ref, address: IpAddr) -> bool {
    let (bytes, length) = match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            (bytes, 4)
        }
        IpAddr::V6(address) => (address.octets(), 16),
    };
    // SAFETY: the certificate is live and `bytes` holds at least `length` bytes.
    unsafe { sys::X509_check_ip(certificate.as_ptr(), bytes.as_ptr(), length, 0) == 1 }
}

/// Whether `certificate` has the extension subjectAltName, whatever is in it.
pub(crate) fn has_alternative_names(certificate: &X509Ref) -> bool {
    has_extension(certificate, sys::NID_subject_alt_name)
}

/// Whether `certificate` limits the names for which those below it may be (RFC 5280 section 4.2.1.10).
pub(crate) fn has_name_constraints(certificate: &X509Ref) -> bool {
    has_extension(certificate, sys::NID_name_constraints)
}

fn has_extension(certificate: &X509Ref, nid: c_int) -> bool {
    // SAFETY: the certificate is live; the call reads it only.
    unsafe { sys::X509_get_ext_by_NID(certificate.as_ptr(), nid, -1) >= 0 }
}

/// Whether `certificate` says that it is one of an authority (basicConstraints, RFC 5280 section 4.2.1.9).
pub(crate) fn is_authority(certificate: &X509Ref) -> bool {
    // SAFETY: the certificate is live; what the call caches in it is under OpenSSL's lock.
    unsafe { sys::X509_get_extension_flags(certificate.as_ptr()) & sys::EXFLAG_CA != 0 }
}

/// Whether a side with this `role` may show `certificate` (RFC 5280 sections 4.2.1.3 and 4.2.1.12).
pub(crate) fn is_meant_for(certificate: &X509Ref, role: Role) -> bool {
    // Numbers of include/openssl/x509v3.h.
    let purpose = match role {
        Role::Client => 1,
        Role::Server => 2,
    };
    // SAFETY: the certificate is live; what the call caches in it is under OpenSSL's lock.
    unsafe { X509_check_purpose(certificate.as_ptr(), purpose, 0) == 1 }
}

/// The public key of `certificate` as it stands in there (SubjectPublicKeyInfo, in DER). Once parsed,
/// OpenSSL may write the same key in another way.
pub(crate) fn public_key_info(certificate: &X509Ref) -> Result<Vec<u8>, ErrorStack> {
    // SAFETY: the key belongs to the certificate, which is live. Without a place to write to, the call
    // tells the length; then it writes that many bytes and moves the pointer behind them.
    unsafe {
        let key = X509_get_X509_PUBKEY(certificate.as_ptr());
        let length = i2d_X509_PUBKEY(key, ptr::null_mut());
        let Ok(length @ 1..) = usize::try_from(length) else {
            return Err(ErrorStack::get());
        };
        let mut der = vec![0; length];
        i2d_X509_PUBKEY(key, &mut der.as_mut_ptr());
        Ok(der)
    }
}

/// The verification result with OpenSSL's number `code` (`X509_V_ERR_…`).
pub(crate) fn verify_result(code: c_int) -> openssl::x509::X509VerifyResult {
    // SAFETY: any number is one; unknown ones are described as such.
    unsafe { openssl::x509::X509VerifyResult::from_raw(code) }
}
