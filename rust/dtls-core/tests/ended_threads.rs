//! What OpenSSL keeps for a thread ends with it. A program of its own: the memory of all threads is counted.

mod support;

use std::thread;

use support::link::Link;
use support::pki::{self, Rebuild};
use support::{memory, stride};

#[test]
fn threads_that_shake_hands_and_end_leave_nothing_behind() {
    memory::count_openssl();
    let server = pki::localhost();
    let client = pki::verifying().rebuild(|it| it.with_resumption(false)).expect("usable");
    let run = |threads: usize| {
        for _ in 0..threads {
            thread::scope(|scope| {
                let connected = || Link::established(&server, &client).assert_data_flows();
                // A scope waits for what threads do, and not until they have ended.
                scope.spawn(connected).join().expect("no panic");
            });
        }
        memory::held_by_openssl()
    };
    // What OpenSSL allocates once is there after a few.
    let before = run(10);
    let after = run(500 / stride());
    assert_eq!(after - before, 0, "bytes of ended threads");
}
