//! What rust-openssl lacks for what a handshake is about: names, suites, the master secret.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_uchar, c_uint};
use std::{ptr, slice};

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslCipher, SslCipherRef, SslContext, SslMethod, SslRef};
use openssl::stack::StackRef;
use openssl_sys as sys;

unsafe extern "C" {
    fn SSL_set_session_id_context(
        ssl: *mut sys::SSL,
        context: *const c_uchar,
        length: c_uint,
    ) -> c_int;
    fn SSL_CTX_get_ciphers(context: *const sys::SSL_CTX) -> *mut sys::stack_st_SSL_CIPHER;
}

/// The names of the suites that OpenSSL makes of `list`, which has no NUL in it.
pub(crate) fn cipher_names(list: &str) -> Result<Vec<&'static str>, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::dtls())?;
    context.set_cipher_list(list)?;
    // SAFETY: the context is live; its list stays as it is while it is read.
    let suites = unsafe {
        let suites = SSL_CTX_get_ciphers(context.as_ptr());
        if suites.is_null() {
            return Ok(Vec::new());
        }
        StackRef::<SslCipher>::from_ptr(suites)
    };
    Ok(suites.iter().map(SslCipherRef::name).collect())
}

/// The body of the extension server_name in the ClientHello that `ssl` is looking at. Only in a
/// ClientHello callback is there one.
pub(crate) fn requested_name(ssl: &SslRef) -> Option<Vec<u8>> {
    const SERVER_NAME: c_uint = 0;
    let (mut data, mut length) = (ptr::null(), 0);
    // SAFETY: `ssl` is live; what is written is readable for the length that is written beside it, as
    // long as the ClientHello is being looked at.
    unsafe {
        let ssl = ssl.as_ptr();
        let found =
            sys::SSL_client_hello_get0_ext(ssl, SERVER_NAME, &raw mut data, &raw mut length);
        let is_there = found == 1 && !data.is_null();
        is_there.then(|| slice::from_raw_parts(data, length).to_vec())
    }
}

/// Says what a session that `ssl` begins, or goes on with, was accepted under.
pub(crate) fn set_session_id_context(
    ssl: &mut SslRef,
    context: &[u8; 32],
) -> Result<(), ErrorStack> {
    // SAFETY: `ssl` is live and borrowed exclusively, and OpenSSL copies what is readable for that
    // length, which is the longest that it takes.
    let set = unsafe { SSL_set_session_id_context(ssl.as_ptr(), context.as_ptr(), 32) };
    if set == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Whether the master secret of `ssl` is bound to its whole handshake (RFC 7627).
pub(crate) fn has_extended_master_secret(ssl: &SslRef) -> bool {
    // SAFETY: `ssl` is live; the control takes no argument and changes nothing.
    unsafe { sys::SSL_get_extms_support(ssl.as_ptr()) == 1 }
}
