//! Random numbers that are the same in every run, for OpenSSL: a datagram that broke something breaks
//! it again, and what stands in the corpus means the same tomorrow. OpenSSL's own fuzzers do it so.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{c_double, c_int, c_uchar, c_void};
use std::sync::Once;

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// Begins the row of numbers anew, in this thread.
pub(crate) fn begin(seed: u64) {
    static REPLACED: Once = Once::new();
    REPLACED.call_once(|| {
        // Starts OpenSSL the way the core does, without the machine's configuration.
        let _nothing = dtls_core::Certificates::parse(b"");
        // SAFETY: the method is a static, and its functions have the signatures of `rand_meth_st`.
        let set = unsafe { RAND_set_rand_method(&METHOD) };
        assert_eq!(set, 1, "OpenSSL takes other random numbers");
    });
    STATE.set(seed);
}

/// One step of SplitMix64.
fn next() -> u64 {
    // OpenSSL asks once more when a thread ends, after this is gone.
    let state = STATE.try_with(Cell::get).unwrap_or_default().wrapping_add(0x9e37_79b9_7f4a_7c15);
    let _gone = STATE.try_with(|it| it.set(state));
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// `struct rand_meth_st` of OpenSSL's include/openssl/rand.h.
#[repr(C)]
struct Method {
    seed: Option<unsafe extern "C" fn(*const c_void, c_int) -> c_int>,
    bytes: Option<unsafe extern "C" fn(*mut c_uchar, c_int) -> c_int>,
    cleanup: Option<unsafe extern "C" fn()>,
    add: Option<unsafe extern "C" fn(*const c_void, c_int, c_double) -> c_int>,
    pseudorand: Option<unsafe extern "C" fn(*mut c_uchar, c_int) -> c_int>,
    status: Option<unsafe extern "C" fn() -> c_int>,
}

static METHOD: Method = Method {
    seed: None,
    bytes: Some(bytes),
    cleanup: None,
    add: None,
    pseudorand: Some(bytes),
    status: Some(status),
};

unsafe extern "C" {
    // Deprecated in OpenSSL 3, whose other way is a provider of one's own.
    fn RAND_set_rand_method(method: *const Method) -> c_int;
}

unsafe extern "C" fn bytes(buffer: *mut c_uchar, length: c_int) -> c_int {
    for index in 0..usize::try_from(length).unwrap_or(0) {
        let [byte, ..] = next().to_le_bytes();
        // SAFETY: OpenSSL's buffer has room for `length` bytes.
        unsafe { buffer.add(index).write(byte) };
    }
    1
}

unsafe extern "C" fn status() -> c_int {
    1
}
