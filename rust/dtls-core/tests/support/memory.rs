//! How much memory this thread holds and how often it has allocated, Rust's and OpenSSL's together, and how
//! much OpenSSL holds for all threads. Exact: no other thread is in the first, and no allocator's habits in either.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicI64, Ordering};

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Of OpenSSL's memory, what all threads hold, the ended ones included.
static HELD_BY_OPENSSL: AtomicI64 = AtomicI64::new(0);

/// Bytes that this thread has allocated and not given back.
pub(crate) fn held() -> i64 {
    HELD.get()
}

/// How often this thread has allocated.
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// Bytes that OpenSSL has allocated, in whatever thread, and not given back.
pub(crate) fn held_by_openssl() -> i64 {
    HELD_BY_OPENSSL.load(Ordering::Relaxed)
}

fn note(bytes: usize, sign: i64) -> i64 {
    let change = sign * i64::try_from(bytes).unwrap_or(i64::MAX);
    // A thread that is ending counts no more.
    let _ended = HELD.try_with(|held| held.set(held.get() + change));
    if sign > 0 {
        let _ended = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
    }
    change
}

fn note_openssl(bytes: usize, sign: i64) {
    HELD_BY_OPENSSL.fetch_add(note(bytes, sign), Ordering::Relaxed);
}

/// Rust's allocator for a test program that counts.
pub(crate) struct Counting;

// SAFETY: everything is passed on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 1);
        // SAFETY: the caller keeps to the same conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(layout.size(), -1);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

unsafe extern "C" {
    fn CRYPTO_set_mem_functions(
        malloc: unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void,
        realloc: unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void,
        free: unsafe extern "C" fn(*mut c_void, *const c_char, c_int),
    ) -> c_int;
}

/// Bytes in front of each of OpenSSL's allocations, in which its size stands: what `malloc` gives in
/// fact differs from one time to the next.
const HEADER: usize = 16;

unsafe extern "C" fn allocate(bytes: usize, file: *const c_char, line: c_int) -> *mut c_void {
    // SAFETY: null is what `reallocate` takes for nothing.
    unsafe { reallocate(std::ptr::null_mut(), bytes, file, line) }
}

unsafe extern "C" fn reallocate(
    pointer: *mut c_void,
    bytes: usize,
    file: *const c_char,
    line: c_int,
) -> *mut c_void {
    // SAFETY: OpenSSL gives back what this function gave it, or null; the size stands in front of it.
    unsafe {
        if bytes == 0 {
            free(pointer, file, line);
            return std::ptr::null_mut();
        }
        let (start, before) = match pointer.is_null() {
            true => (pointer, 0),
            false => (pointer.byte_sub(HEADER), *pointer.byte_sub(HEADER).cast::<usize>()),
        };
        let moved = libc::realloc(start, bytes + HEADER);
        if moved.is_null() {
            return moved;
        }
        moved.cast::<usize>().write(bytes);
        note_openssl(before, -1);
        note_openssl(bytes, 1);
        moved.byte_add(HEADER)
    }
}

unsafe extern "C" fn free(pointer: *mut c_void, _file: *const c_char, _line: c_int) {
    if pointer.is_null() {
        return;
    }
    // SAFETY: as above.
    unsafe {
        let start = pointer.byte_sub(HEADER);
        note_openssl(*start.cast::<usize>(), -1);
        libc::free(start);
    }
}

/// Counts OpenSSL's memory from here on. Has to come before anything else that uses OpenSSL.
pub(crate) fn count_openssl() {
    static COUNTED: Once = Once::new();
    COUNTED.call_once(|| {
        // SAFETY: the functions have static lifetime and behave as OpenSSL documents.
        let set = unsafe { CRYPTO_set_mem_functions(allocate, reallocate, free) };
        assert_eq!(set, 1, "OpenSSL has allocated before");
    });
}
