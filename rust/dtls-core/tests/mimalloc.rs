//! OpenSSL with memory of mimalloc's: a program of its own, since that has to be decided first.
#![allow(unsafe_code)]

mod support;

use std::ffi::c_void;

use support::link::Link;
use support::pki;

unsafe extern "C" {
    fn mi_is_in_heap_region(memory: *const c_void) -> bool;
}

#[test]
fn openssl_can_have_its_memory_from_mimalloc() {
    assert!(dtls_core::use_mimalloc(), "nothing was allocated yet");
    let mut link = Link::established(&pki::localhost(), &pki::verifying());
    link.assert_data_flows();
    // SAFETY: mimalloc can be asked about any address; the memory is freed once.
    let is_its_own = unsafe {
        let memory = openssl_sys::CRYPTO_malloc(100, c"here".as_ptr(), 1);
        let is_its_own = mi_is_in_heap_region(memory);
        openssl_sys::CRYPTO_free(memory, c"here".as_ptr(), 1);
        is_its_own
    };
    assert!(is_its_own);
}
