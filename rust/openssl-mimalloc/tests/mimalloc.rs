//! A program of its own: where OpenSSL has its memory from has to be decided before it is used.

use std::ffi::c_void;

unsafe extern "C" {
    fn mi_is_in_heap_region(memory: *const c_void) -> bool;
}

#[test]
fn openssl_has_its_memory_from_mimalloc() {
    assert!(openssl_mimalloc::use_mimalloc(), "nothing was allocated yet");
    openssl::init();
    let key = openssl::rsa::Rsa::generate(2048).expect("a key");
    assert!(key.check_key().expect("an answer"));
    // SAFETY: mimalloc can be asked about any address; the memory is freed once.
    let is_its_own = unsafe {
        let memory = openssl_sys::CRYPTO_malloc(100, c"here".as_ptr(), 1);
        let is_its_own = mi_is_in_heap_region(memory);
        openssl_sys::CRYPTO_free(memory, c"here".as_ptr(), 1);
        is_its_own
    };
    assert!(is_its_own);
}
