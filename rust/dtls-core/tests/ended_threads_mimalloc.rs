//! The same as in `ended_threads.rs` with OpenSSL's memory from mimalloc, which keeps something for each thread
//! as well.
#![allow(unsafe_code)]

mod support;

use std::{ptr, thread};

use support::link::Link;
use support::{pki, stride};

unsafe extern "C" {
    fn mi_process_info(
        elapsed: *mut usize,
        in_program: *mut usize,
        in_system: *mut usize,
        resident: *mut usize,
        most_resident: *mut usize,
        committed: *mut usize,
        most_committed: *mut usize,
        faults: *mut usize,
    );
}

/// Bytes that this process has of the machine's memory: on Windows as the system says, elsewhere as mimalloc
/// does.
fn committed() -> usize {
    let (mut bytes, none) = (0, ptr::null_mut());
    // SAFETY: what is not asked for may be null.
    unsafe { mi_process_info(none, none, none, none, none, &raw mut bytes, none, none) };
    bytes
}

#[test]
fn threads_that_shake_hands_and_end_leave_nothing_behind() {
    assert!(openssl_mimalloc::use_mimalloc(), "OpenSSL has allocated before");
    let (server, client) = (pki::localhost(), pki::verifying());
    let threads = 500 / stride();
    let run = || {
        for _ in 0..threads {
            thread::scope(|scope| {
                let connected = || Link::established(&server, &client).assert_data_flows();
                scope.spawn(connected).join().expect("no panic");
            });
        }
        committed()
    };
    // By then mimalloc has what it reuses.
    let before = run();
    let grown = run().saturating_sub(before) / threads;
    println!("{grown} bytes for each thread");
    // On Windows it would be 379 KB of mimalloc's or 10 KB of OpenSSL's, if they did not hear of it.
    assert!(grown < 1024, "{grown} bytes for each thread");
}
