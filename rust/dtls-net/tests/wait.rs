//! Waiting, and being woken. Where it is not woken, a test takes 30 seconds and fails.

mod common;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::{LOCALHOST, LONG, peer, receive, server, wait};
use dtls_net::{BindAddress, Ready};

const READABLE: Ready = Ready { readable: true, writable: false };

#[test]
fn its_thread_is_woken_by_another() {
    let mut server = server(BindAddress::Any);
    let waker = server.waker();
    let (woken, wakes) = mpsc::channel();
    let thread = thread::spawn(move || {
        for _ in 0..1000 {
            let start = Instant::now();
            assert_eq!(server.wait(LONG).expect("a socket"), Ready::default());
            assert!(start.elapsed() < LONG, "it was not woken");
            woken.send(()).expect("the test goes on");
        }
    });
    for _ in 0..1000 {
        waker.wake().expect("a socket");
        wakes.recv().expect("the thread goes on");
    }
    thread.join().expect("no panic");
}

#[test]
fn a_wake_before_the_wait_is_not_lost() {
    let mut server = server(BindAddress::Any);
    let waker = server.waker();
    waker.wake().expect("a socket");
    waker.clone().wake().expect("a socket");
    let start = Instant::now();
    assert_eq!(server.wait(LONG).expect("a socket"), Ready::default());
    assert!(start.elapsed() < LONG, "it was not woken");

    // Two before are one. Windows may end a wait early for nothing.
    let start = Instant::now();
    let short = Duration::from_millis(50);
    assert_eq!(server.wait(short).expect("a socket"), Ready::default());
    assert!(cfg!(windows) || start.elapsed() >= short, "it was woken twice");
}

#[test]
fn a_waker_may_outlive_its_socket() {
    let waker = server(BindAddress::Any).waker();
    waker.wake().expect("nothing is wrong with it");
}

#[test]
fn it_waits_as_long_as_nothing_comes_and_not_while_something_is_there() {
    let mut server = server(BindAddress::One(LOCALHOST));
    let to = server.local_addr();
    let peer = thread::spawn(move || peer(LOCALHOST).send_to(b"hello", to).expect("sent"));
    wait(&mut server);
    for _ in 0..2 {
        assert_eq!(server.wait(LONG).expect("a socket"), READABLE);
    }
    peer.join().expect("no panic");
    assert_eq!(receive(&mut server).0, b"hello");
    assert_eq!(server.receive(&mut [0; 100]).expect("a socket"), None);
    assert_eq!(server.wait(Duration::ZERO).expect("a socket"), Ready::default());
}
