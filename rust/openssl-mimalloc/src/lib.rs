//! OpenSSL with memory from mimalloc, for a program or an addon that chooses so.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use libmimalloc_sys as mimalloc;
// It has OpenSSL linked.
use openssl_sys as _;

unsafe extern "C" {
    fn CRYPTO_set_mem_functions(
        malloc: unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void,
        realloc: unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void,
        free: unsafe extern "C" fn(*mut c_void, *const c_char, c_int),
    ) -> c_int;
}

/// Lets OpenSSL have its memory from mimalloc, and tells whether it does: once it has used `malloc` it
/// cannot change any more, so this has to come before everything else.
///
/// Half of what a connection holds are buffers that OpenSSL hardly touches, and each handshake allocates
/// and frees others of about the same size. glibc gives the memory of these to those; mimalloc keeps sizes
/// apart, so what is not touched stays without memory behind it. Without this call, OpenSSL uses `malloc`.
pub fn use_mimalloc() -> bool {
    // SAFETY: the functions have static lifetime and behave as OpenSSL documents.
    unsafe { CRYPTO_set_mem_functions(allocate, reallocate, free) == 1 }
}

unsafe extern "C" fn allocate(bytes: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
    // SAFETY: takes any size.
    unsafe { mimalloc::mi_malloc(bytes) }
}

unsafe extern "C" fn reallocate(
    pointer: *mut c_void,
    bytes: usize,
    file: *const c_char,
    line: c_int,
) -> *mut c_void {
    if bytes == 0 {
        // SAFETY: as the caller promises.
        unsafe { free(pointer, file, line) };
        return ptr::null_mut();
    }
    // SAFETY: OpenSSL gives back what it got here, or null.
    unsafe { mimalloc::mi_realloc(pointer, bytes) }
}

unsafe extern "C" fn free(pointer: *mut c_void, _file: *const c_char, _line: c_int) {
    // SAFETY: OpenSSL gives back what it got here, or null.
    unsafe { mimalloc::mi_free(pointer) }
}
