//! What OpenSSL keeps for a thread ends with it.
//!
//! POSIX tells OpenSSL by itself. Windows tells a DLL and nobody else, so OpenSSL frees nothing once it is
//! linked into something (10 KB for each thread that shook hands). This is what OpenSSL's own `DllMain`
//! would do. The loader calls it in each thread that ends, whoever began it and whatever it did, and forgets
//! it with the addon that it belongs to. It does not call it in threads that the end of the process stops.
#![allow(unsafe_code)]

use std::ffi::c_void;

const DLL_THREAD_DETACH: u32 = 3;

unsafe extern "C" {
    fn OPENSSL_thread_stop();
}

type TlsCallback = unsafe extern "system" fn(*mut c_void, u32, *mut c_void);

// SAFETY: the loader goes through the functions in the sections `.CRT$XL…`, in the order of their names. Rust
// drops thread-locals in `.CRT$XLB`, which may use OpenSSL; a C library ends at `.CRT$XLC` at the earliest.
#[used]
#[unsafe(link_section = ".CRT$XLBZ")]
static CALLBACK: TlsCallback = callback;

unsafe extern "system" fn callback(_module: *mut c_void, reason: u32, _reserved: *mut c_void) {
    if reason == DLL_THREAD_DETACH {
        // SAFETY: may be called in any thread, at any time, as often as one likes.
        unsafe { OPENSSL_thread_stop() }
    }
}
