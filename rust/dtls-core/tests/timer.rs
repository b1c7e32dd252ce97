//! The timer: a clock that is set, waits that are spread, and what goes out twice. In virtual time.

mod support;

use dtls_core::Failure;
use support::link::{End, Link, ToServer, connect};
use support::silence::{FIRST_ANSWER, flights, ms, nobody_answers};
use support::{clock, pki};

#[test]
fn a_clock_that_is_set_back_neither_hangs_nor_prolongs() {
    for by in [-1, -3600, -86_400] {
        // Without loss it is not even noticed.
        let mut link = Link::new(&pki::localhost(), &pki::verifying());
        for _ in 0..10 {
            link.deliver_one();
            clock::set_wall_clock(by);
        }
        link.run();
        link.assert_connected();

        let mut link = nobody_answers();
        link.settle();
        let start = clock::elapsed();
        clock::advance(ms(100));
        clock::set_wall_clock(by);
        link.run();
        assert!(matches!(link.client.failure(), Some(Failure::TimedOut { .. })));
        assert_eq!(clock::elapsed() - start, FIRST_ANSWER);
    }
}

#[test]
fn a_clock_that_is_set_forward_costs_no_more_than_a_retransmission() {
    for by in [1, 3600, 86_400] {
        let mut link = nobody_answers();
        link.settle();
        let start = clock::elapsed();
        clock::set_wall_clock(by);
        link.run();
        assert!(matches!(link.client.failure(), Some(Failure::TimedOut { .. })));
        assert_eq!(clock::elapsed() - start, FIRST_ANSWER);

        let mut link = Link::new(&pki::localhost(), &pki::verifying());
        link.lose(|_, datagram| datagram.number == 0);
        link.settle();
        clock::set_wall_clock(by);
        link.run();
        link.assert_connected();
    }
}

#[test]
fn a_thousand_clients_do_not_stay_in_step() {
    // All begin in the same moment; when does each say something?
    let mut said = std::collections::BTreeMap::<u128, usize>::new();
    for _ in 0..1000 {
        let start = clock::elapsed();
        let mut client = connect(&pki::verifying());
        while clock::elapsed() - start < ms(4000) {
            let at = (clock::elapsed() - start).as_millis();
            // A copy is not a client of its own.
            *said.entry(at / 16).or_default() += usize::from(!client.take().is_empty());
            let due = client.next_timeout().expect("it waits for something");
            clock::advance(due.saturating_duration_since(clock::now()));
            client.handle_timeout(clock::now());
        }
    }
    // In frames of 16 ms: all at the beginning, and then never more than a fifth of them again.
    assert_eq!(said.remove(&0), Some(1000));
    let most = said.values().max().copied().unwrap_or_default();
    assert!((1..=250).contains(&most), "{said:?}");
    let late = said.iter().filter(|(frame, _)| **frame > 1000 / 16).map(|(_, clients)| clients);
    let most_late = late.max().copied().unwrap_or_default();
    assert!((1..=100).contains(&most_late), "they drift apart: {said:?}");
}

#[test]
fn the_same_seed_gives_the_same_times() {
    let times = |seed| {
        clock::seed(seed);
        let start = clock::elapsed();
        let mut link = nobody_answers();
        link.run();
        flights(&link).into_iter().map(|at| at - start).collect::<Vec<_>>()
    };
    let first = times(7);
    assert_eq!(times(7), first);
    assert_ne!(times(8), first);
}

/// What a server sends in 30 s to a client of which it hears nothing after its ClientHellos.
fn bytes_for(hellos: usize) -> (usize, usize) {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    (0..3).for_each(|_| assert!(link.deliver_one()));
    let hello = link.sent(ToServer)[1].to_vec();
    (1..hellos).for_each(|_| link.server.handle(&hello));
    let mut sent = 0;
    loop {
        sent += link.server.take().iter().map(Vec::len).sum::<usize>();
        let Some(due) = link.server.next_timeout() else { break };
        clock::advance(due.saturating_duration_since(clock::now()));
        link.server.handle_timeout();
    }
    (sent, hellos * hello.len())
}

#[test]
fn a_client_that_was_heard_once_is_sent_no_second_copies() {
    let (once, hello) = bytes_for(1);
    let (twice, _) = bytes_for(2);
    println!(
        "one hello with a cookie: {:.0} times its bytes; with copies: {:.0} times, for two hellos",
        once as f64 / hello as f64,
        twice as f64 / hello as f64
    );
    assert!(once * 3 < twice * 2, "{once} bytes, with copies {twice}");
    assert!(once < 50 * hello, "{once} bytes for {hello}");
}
