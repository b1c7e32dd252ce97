//! Lost datagrams, in virtual time.

mod support;

use std::time::Duration;

use dtls_core::{Count, Failure, Limits, ServerConfig, Session, Status};
use support::link::{Direction, End, Link, Passing, Server, ToClient, ToServer, connect};
use support::pki::Rebuild as _;
use support::silence::{FIRST_ANSWER, flights, ms, nobody_answers};
use support::{clock, pki, records};
use test_pki::Profile;

/// How long a handshake may take.
const LIMIT: Duration = Duration::from_secs(30);
/// OpenSSL sends no flight more often again.
const MOST: usize = 12;

const USER_CANCELED: u8 = 90;

/// A server whose certificates fill more than one datagram, and its client.
fn wide() -> (ServerConfig, pki::Client) {
    let mut profile = Profile::localhost();
    for number in 0..40 {
        profile = profile.dns(format!("server-{number}.some-long-name.example"));
    }
    let issued = pki::ROOT.intermediate("Between").issue(profile);
    (pki::server(&issued), pki::verifying())
}

/// What has to be waited at most before each of the first retransmissions of a flight.
fn schedule() -> [Duration; MOST] {
    let mut wait = 400_000;
    [(); MOST].map(|()| {
        let this = wait;
        wait = (wait + wait / 2).min(2_000_000);
        Duration::from_micros(this)
    })
}

/// Whether `wait` is what the schedule says, or up to a quarter less.
fn is_about(wait: Duration, scheduled: Duration) -> bool {
    (scheduled * 3 / 4..=scheduled).contains(&wait)
}

/// How long a client waits that was told to wait longer than usual.
const PATIENT: Duration = Duration::from_secs(31);

/// A client that waits so long for anything at all.
fn patient() -> pki::Client {
    let limits = Limits::default().with_handshake_timeout(PATIENT).expect("a possible time");
    pki::verifying().rebuild(|it| it.with_limits(limits)).expect("usable")
}

/// The same with a client that has time.
fn nobody_answers_a_patient_client() -> Link<Session, Server> {
    let mut link = Link::new(&pki::localhost(), &patient());
    link.lose(|_, _| true);
    link
}

#[test]
fn without_loss_every_datagram_is_sent_once() {
    let (server, client) = wide();
    let mut link = Link::established(&server, &client);
    assert_eq!(clock::elapsed(), Duration::ZERO);
    let all = link.sent.iter().map(|(_, _, bytes)| bytes);
    let mut seen = std::collections::HashSet::new();
    assert!(all.clone().all(|bytes| seen.insert(bytes)), "no datagram twice");
    link.assert_data_flows();
}

/// Otherwise the ServerHello could have the number of a HelloVerifyRequest and be dropped as a replay
/// (openssl#32063).
#[test]
fn what_answers_a_hello_has_its_record_number() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    link.lose(|direction, datagram| direction == ToClient && datagram.number == 0);
    link.run();
    link.assert_connected();
    let numbers = |direction, kinds: &[u8]| -> Vec<u64> {
        let sent = link.sent(direction).into_iter();
        sent.filter(|it| records::message(it).is_some_and(|kind| kinds.contains(&kind)))
            .map(records::number)
            .collect()
    };
    assert_eq!(numbers(ToServer, &[records::CLIENT_HELLO]), [0, 1, 2]);
    let answers = [records::HELLO_VERIFY_REQUEST, records::SERVER_HELLO];
    assert_eq!(numbers(ToClient, &answers), [0, 1, 2]);
    assert!(clock::elapsed() <= ms(400), "one timeout: {:?}", clock::elapsed());
}

#[test]
fn any_one_datagram_may_be_lost() {
    let (server, client) = wide();
    let lossless = Link::established(&server, &client);
    let sent = [ToServer, ToClient].map(|direction| lossless.sent(direction).len());
    assert!(sent[0] >= 3, "ClientHello twice, and the client's last flight: {sent:?}");
    assert!(sent[1] >= 4, "HelloVerifyRequest, a long flight, a short one: {sent:?}");
    for (direction, count) in [(ToServer, sent[0]), (ToClient, sent[1])] {
        for lost in 0..count {
            let start = clock::elapsed();
            let mut link = Link::new(&server, &client);
            link.lose(move |to, datagram| to == direction && datagram.number == lost);
            link.run();
            link.assert_connected();
            let took = clock::elapsed() - start;
            assert!(is_about(took, ms(400)), "datagram {lost} {direction:?} lost: {took:?}");
            link.assert_data_flows();
        }
    }
}

#[test]
fn any_two_datagrams_may_be_lost() {
    let (server, client) = wide();
    let lossless = Link::established(&server, &client);
    let all: Vec<(Direction, usize)> = [ToServer, ToClient]
        .into_iter()
        .flat_map(|to| (0..lossless.sent(to).len() + 2).map(move |number| (to, number)))
        .collect();
    for (index, first) in all.iter().copied().enumerate() {
        for second in all[index + 1..].iter().copied() {
            let start = clock::elapsed();
            let mut link = Link::new(&server, &client);
            link.lose(move |to, datagram| [first, second].contains(&(to, datagram.number)));
            link.run();
            link.assert_connected();
            let took = clock::elapsed() - start;
            assert!(took <= ms(400 + 600), "{first:?} and {second:?} lost: {took:?}");
            link.lose(|_, _| false);
            link.assert_data_flows();
        }
    }
}

#[test]
fn a_flight_goes_out_again_after_400_ms_and_then_ever_later() {
    let mut link = nobody_answers_a_patient_client();
    link.run();
    let times = flights(&link);
    let waits: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.len() >= MOST, "{waits:?}");
    for (wait, scheduled) in waits.iter().zip(schedule()) {
        assert!(is_about(*wait, scheduled), "{waits:?}");
    }
    assert!(waits.iter().all(|wait| *wait <= ms(2000)), "{waits:?}");
}

#[test]
fn a_client_that_no_one_answers_gives_up_after_10_s() {
    let mut link = nobody_answers();
    while clock::elapsed() < FIRST_ANSWER - ms(1) {
        link.settle();
        assert_eq!(link.client.status(), Status::Handshaking, "after {:?}", clock::elapsed());
        let due = link.client.next_timeout().expect("it waits for something");
        let left = (FIRST_ANSWER - ms(1)).saturating_sub(clock::elapsed());
        clock::advance(due.saturating_duration_since(clock::now()).min(left));
        link.client.handle_timeout(clock::now());
    }
    link.settle();
    assert_eq!(link.client.status(), Status::Handshaking, "one millisecond left");
    clock::advance(ms(1));
    link.client.handle_timeout(clock::now());
    let retransmissions = u64::try_from(flights(&link).len() - 1).expect("few");
    let timed_out = Failure::TimedOut { after: FIRST_ANSWER, retransmissions };
    assert_eq!(link.client.failure(), Some(&timed_out));
    assert_eq!(link.client.next_timeout(), None);
    assert!(retransmissions >= 7);
    link.settle();
    let last = link.sent(ToServer).pop().and_then(records::alert);
    assert_eq!(last, Some(USER_CANCELED), "a server that hears it need not wait");
}

/// When the client of `link` gives up.
fn given_up_after(link: &mut Link<Session, Server>) -> Duration {
    let start = clock::elapsed();
    while link.client.status() == Status::Handshaking {
        link.settle();
        let due = link.client.next_timeout().expect("it waits for something");
        clock::advance(due.saturating_duration_since(clock::now()));
        link.client.handle_timeout(clock::now());
    }
    clock::elapsed() - start
}

#[test]
fn a_client_that_was_answered_once_has_30_s() {
    // The HelloVerifyRequest, and nothing more.
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    link.lose(|to, datagram| to == ToClient && datagram.number > 0);
    assert_eq!(given_up_after(&mut link), LIMIT);
}

#[test]
fn a_time_that_was_chosen_counts_where_it_is_shorter_or_longer_than_usual() {
    for (chosen, silent) in [(1, 1), (9, 9), (11, 10), (30, 10), (31, 31), (300, 300)] {
        let limits = Limits::default().with_handshake_timeout(Duration::from_secs(chosen));
        let client = pki::verifying()
            .rebuild(|it| it.with_limits(limits.expect("a possible time")))
            .expect("usable");
        let mut link = Link::new(&pki::localhost(), &client);
        link.lose(|_, _| true);
        assert_eq!(given_up_after(&mut link), Duration::from_secs(silent), "of {chosen} s");
    }
}

#[test]
fn a_client_goes_on_asking_for_as_long_as_it_waits() {
    for (begin, limit) in [
        (nobody_answers as fn() -> Link<Session, Server>, FIRST_ANSWER),
        (nobody_answers_a_patient_client, PATIENT),
    ] {
        let start = clock::elapsed();
        let mut link = begin();
        link.run();
        let last = flights(&link).pop().expect("a ClientHello") - start;
        assert!(last > limit - ms(2500), "the last ClientHello went out after {last:?}");
    }
}

#[test]
fn a_server_whose_client_is_gone_gives_up_after_30_s() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    link.lose(|to, datagram| to == ToServer && datagram.number > 1);
    link.settle();
    let start = clock::elapsed();
    while link.server.session().status() == Status::Handshaking {
        let due = link.server.next_timeout().expect("it waits for something");
        clock::advance(due.saturating_duration_since(clock::now()));
        link.server.handle_timeout();
    }
    let Some(Failure::TimedOut { after, retransmissions }) = link.server.session().failure() else {
        panic!("{:?}", link.server.session().failure());
    };
    assert_eq!((*after, clock::elapsed() - start), (LIMIT, LIMIT));
    assert!(*retransmissions >= 12, "{retransmissions}");
}

#[test]
fn an_answer_counts_until_the_time_is_over() {
    // Late answers to the ClientHello with the cookie, before and after OpenSSL's last
    // retransmission (19.25 s) and the timeout behind it (21.25 s).
    for seconds in [1, 5, 19, 20, 22, 25, 29] {
        let mut link = Link::new(&pki::localhost(), &pki::verifying());
        link.lose(|to, datagram| to == ToServer && datagram.number > 1);
        link.deliver_one();
        link.deliver_one();
        link.deliver_one();
        link.collect();
        let flight: Vec<Vec<u8>> = link.sent(ToClient)[1..].iter().map(|it| it.to_vec()).collect();
        assert!(!flight.is_empty());
        let start = clock::elapsed();
        while clock::elapsed() - start < Duration::from_secs(seconds) {
            let due = link.client.next_timeout().expect("it waits for something");
            let late = start + Duration::from_secs(seconds) - clock::elapsed();
            clock::advance(due.saturating_duration_since(clock::now()).min(late));
            link.client.handle_timeout(clock::now());
        }
        for datagram in flight {
            link.client.handle(&datagram);
        }
        assert_eq!(link.client.failure(), None, "answered after {seconds} s");
        assert_eq!(link.client.status(), Status::Handshaking);
        let answer = link.client.take();
        let finished = answer.last().and_then(|it| records::split(it).last().copied());
        assert_eq!(finished.map(records::epoch), Some(1), "Finished, after {seconds} s");
    }
}

#[test]
fn a_server_that_starts_late_is_still_reached() {
    for seconds in [1, 7, 20, 27] {
        let start = clock::elapsed();
        let client = if seconds < 10 { pki::verifying() } else { patient() };
        let mut link = Link::new(&pki::localhost(), &client);
        link.lose(move |_, _| clock::elapsed() - start < Duration::from_secs(seconds));
        link.run();
        assert_eq!(link.client.failure(), None, "the server was started after {seconds} s");
        link.assert_connected();
    }
}

#[test]
fn datagrams_that_arrive_with_the_timer_do_not_end_it_early() {
    // OpenSSL looks at its timer whenever it reads, and gives up at its 13th timeout.
    let mut link = nobody_answers();
    let stray = records::forge(records::HANDSHAKE, 7, 7, &[1; 40]);
    loop {
        link.settle();
        let Some(due) = link.client.next_timeout() else { break };
        assert!(clock::elapsed() <= LIMIT, "it has to end");
        clock::advance(due.saturating_duration_since(clock::now()));
        link.client.handle(&stray);
        link.settle();
        link.client.handle_timeout(clock::now());
    }
    let retransmissions = u64::try_from(flights(&link).len() - 1).expect("few");
    let timed_out = Failure::TimedOut { after: LIMIT, retransmissions };
    assert_eq!(link.client.failure(), Some(&timed_out));
}

#[test]
fn stray_datagrams_late_in_a_handshake_do_not_end_it() {
    let mut link = nobody_answers();
    let stray = records::forge(records::HANDSHAKE, 7, 7, &[1; 40]);
    while clock::elapsed() < LIMIT - ms(1) {
        link.settle();
        let due = link.client.next_timeout().expect("it waits for something");
        let wait = due.saturating_duration_since(clock::now()).min(ms(500));
        clock::advance(wait.min(LIMIT - ms(1) - clock::elapsed()));
        link.client.handle_timeout(clock::now());
        link.client.handle(&stray);
        assert_eq!(link.client.failure(), None, "after {:?}", clock::elapsed());
    }
}

#[test]
fn after_two_timeouts_datagrams_get_smaller() {
    let (server, client) = wide();
    let mut link = Link::new(&server, &client);
    // The server's long flight gets through at the fourth try.
    link.lose(third_timeout_comes());
    link.run();
    link.assert_connected();
    let largest = largest_of_each_time(&link);
    let [first, again, and_again, small, ..] = largest.as_slice() else {
        panic!("there are four tries: {largest:?}");
    };
    assert!([first, again, and_again].iter().all(|largest| **largest > 1000), "{largest:?}");
    assert!((400..=548).contains(small), "the third timeout: {largest:?}");
}

/// Loses the first three tries of the server's flight.
fn third_timeout_comes() -> impl FnMut(Direction, &Passing) -> bool {
    let mut tries = Vec::new();
    move |to, datagram| {
        if to == ToServer || datagram.number == 0 {
            return false;
        }
        tries.push(clock::elapsed());
        tries.dedup();
        tries.len() <= 3
    }
}

/// The bytes of the largest datagram that the server sent, for each time at which it sent any.
fn largest_of_each_time(link: &Link<Session, Server>) -> Vec<usize> {
    let sent: Vec<_> = link.sent.iter().filter(|it| it.0 == ToClient).collect();
    let times = sent.chunk_by(|one, next| one.1 == next.1);
    times.map(|sent| sent.iter().map(|it| it.2.len()).max().expect("one")).collect()
}

#[test]
fn a_path_of_576_bytes_is_survived() {
    let (server, client) = wide();
    let mut link = Link::new(&server, &client);
    link.lose(|_, datagram| datagram.bytes.len() > 548);
    link.run();
    link.assert_connected();
    assert!(clock::elapsed() < ms(3000), "{:?}", clock::elapsed());
    link.assert_data_flows();
    let largest = link.server.session().max_packet_size();
    assert_eq!(largest, 548 - 37, "what fits is known from then on");
}

#[test]
fn the_last_flight_goes_out_again_whenever_the_client_asks() {
    // As often as the client asks, which is what OpenSSL counts at the server too.
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    let mut lost = 0;
    link.lose(move |to, datagram| {
        let records = records::split(&datagram.bytes);
        let last = to == ToClient
            && records.iter().any(|it| records::content(it) == records::CHANGE_CIPHER_SPEC);
        lost += usize::from(last);
        last && lost < MOST
    });
    link.run();
    link.assert_connected();
    link.assert_data_flows();
}

#[test]
fn no_timer_runs_once_it_is_over() {
    let mut link = Link::established(&pki::localhost(), &pki::verifying());
    assert_eq!(link.client.next_timeout(), None);
    assert_eq!(link.server.session().next_timeout(), None);
    clock::advance(Duration::from_secs(3600));
    link.client.handle_timeout(clock::now());
    link.server.handle_timeout();
    assert_eq!(link.client.take(), Vec::<Vec<u8>>::new());
    assert_eq!(link.server.take(), Vec::<Vec<u8>>::new());
    link.assert_data_flows();

    link.client.close();
    assert_eq!(link.client.next_timeout(), None);
    let mut halfway = connect(&pki::verifying());
    assert!(halfway.next_timeout().is_some());
    halfway.transport_closed();
    assert_eq!(halfway.next_timeout(), None);
}

#[test]
fn a_timer_that_has_not_run_out_does_nothing() {
    let mut client = connect(&pki::verifying());
    assert_eq!(client.take().len(), 1);
    client.handle_timeout(clock::now());
    clock::advance(ms(280));
    client.handle_timeout(clock::now());
    assert_eq!(client.take().len(), 0);
    clock::advance(ms(120));
    client.handle_timeout(clock::now());
    assert_eq!(client.take().len(), 1);
    client.handle_timeout(clock::now());
    assert_eq!(client.take().len(), 0, "once is enough");
}

#[test]
fn a_long_silence_of_the_caller_costs_one_retransmission() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    link.lose(|to, datagram| to == ToServer && datagram.number == 0);
    link.settle();
    clock::advance(Duration::from_secs(9));
    link.client.handle_timeout(clock::now());
    link.run();
    link.assert_connected();
    assert!(clock::elapsed() <= Duration::from_millis(9400), "{:?}", clock::elapsed());
    assert_eq!(link.sent(ToServer).len(), 4, "ClientHello, again, with cookie, last flight");
}

/// How often one side has said a handshake message that it had said before, which is the first of a
/// flight.
fn repetitions(link: &Link<Session, Server>, direction: Direction) -> u64 {
    let first = [records::CLIENT_HELLO, records::SERVER_HELLO, records::CLIENT_KEY_EXCHANGE];
    let mut seen = std::collections::HashSet::new();
    let datagrams = link.sent(direction);
    let records = datagrams.iter().flat_map(|datagram| records::split(datagram));
    let messages = records.filter_map(|it| Some((records::message(it)?, it)));
    let flights = messages.filter(|(message, _)| first.contains(message));
    let again = flights
        .filter(|(message, record)| !seen.insert((*message, records::message_sequence(record))));
    let again = again.count();
    // The server's last flight begins with ChangeCipherSpec, and goes out again in two copies.
    let records = datagrams.iter().flat_map(|datagram| records::split(datagram));
    let last = records.filter(|it| records::content(it) == records::CHANGE_CIPHER_SPEC).count();
    let last = if direction == ToClient { last.saturating_sub(1) / 2 } else { 0 };
    u64::try_from(again + last).expect("few")
}

/// Time goes on while OpenSSL runs, also while the machine lets the process wait: whenever it looks at
/// its clock, its timer may have run out.
#[test]
fn time_may_pass_at_any_moment_of_any_call() {
    let client = pki::verifying().rebuild(|it| it.with_resumption(false)).expect("OpenSSL works");
    let mut jumps = 0;
    let mut again = [0, 0];
    for step in 0.. {
        for read in 0.. {
            let mut link = Link::new(&pki::localhost(), &client);
            let arrived = (0..step).filter(|_| link.deliver_one()).count();
            if arrived < step {
                assert!(step >= 5, "the handshake has as many datagrams: {step}");
                assert!(jumps > 10, "OpenSSL looked at the clock {jumps} times");
                assert!(again.iter().all(|flights| *flights > 0), "{again:?}");
                return;
            }
            clock::jump(read, ms(500));
            link.deliver_one();
            if clock::cancel_jump() {
                break;
            }
            jumps += 1;
            link.run();
            link.assert_connected();
            let stats = [link.client.stats(), link.server.session().stats()];
            for (index, direction) in [ToServer, ToClient].into_iter().enumerate() {
                let counted = stats[index][Count::Retransmissions];
                let repeated = repetitions(&link, direction);
                assert_eq!(counted, repeated, "datagram {step}, look {read}, {direction:?}");
                again[index] += repeated;
            }
            link.assert_data_flows();
        }
    }
}

/// OpenSSL takes a timer with 15 ms left as one that has run out, and the clock goes on between two
/// looks.
#[test]
fn an_answer_shortly_before_the_timer_is_taken() {
    let client = pki::verifying().rebuild(|it| it.with_resumption(false)).expect("OpenSSL works");
    let mut again = 0;
    for left in (14_800..15_800).step_by(20).map(Duration::from_micros) {
        let mut link = Link::new(&pki::localhost(), &client);
        // Until the server's flight is on its way.
        (0..3).for_each(|_| assert!(link.deliver_one()));
        link.collect();
        let due = link.client.next_timeout().expect("it waits for an answer");
        clock::advance(due.saturating_duration_since(clock::now()) - left);
        clock::creep(Duration::from_micros(30));
        link.settle();
        clock::creep(Duration::ZERO);
        link.run();
        link.assert_connected();
        let repeated = repetitions(&link, ToServer);
        assert_eq!(link.client.stats()[Count::Retransmissions], repeated, "{left:?} before");
        again += repeated;
    }
    assert!(again > 0, "the timer has run out within a call");
}

#[test]
fn a_timeout_within_a_call_makes_datagrams_smaller_and_copies_them() {
    let (server, client) = wide();
    let mut link = Link::new(&server, &client);
    link.lose(third_timeout_comes());
    (0..3).for_each(|_| assert!(link.deliver_one()));
    link.settle();
    let hello = link.sent(ToServer)[1].to_vec();
    // Each time when the client's ClientHello comes once more, as OpenSSL looks for a datagram.
    for timeout in 1..=3u64 {
        clock::jump(0, ms(2100));
        link.server.handle(&hello);
        assert!(!clock::cancel_jump(), "OpenSSL looked at the clock");
        assert_eq!(link.server.session().stats()[Count::Retransmissions], timeout);
        link.collect();
    }
    let largest = largest_of_each_time(&link);
    assert_eq!(largest.len(), 4, "{largest:?}");
    assert!(largest[2] > 1000 && largest[3] <= 548, "{largest:?}");
    let sent: Vec<_> = link.sent.iter().filter(|it| it.0 == ToClient).collect();
    let hellos = sent.iter().filter(|it| records::message(&it.2) == Some(records::SERVER_HELLO));
    let at: Vec<Duration> = hellos.map(|it| it.1).collect();
    let copies = at.iter().filter(|time| **time == at[at.len() - 1]).count();
    assert_eq!((at.len(), copies), (5, 2), "the third time in two copies");
    link.run();
    link.assert_connected();
}

#[test]
fn timeouts_within_calls_do_not_end_a_handshake_early() {
    let mut link = nobody_answers_a_patient_client();
    let stray = records::forge(records::HANDSHAKE, 7, 7, &[1; 40]);
    link.settle();
    let start = clock::elapsed();
    // OpenSSL would fail at the 13th.
    for _ in 0..15 {
        clock::jump(0, ms(2000));
        link.client.handle(&stray);
        let jumped = !clock::cancel_jump();
        assert!(jumped, "OpenSSL looked at the clock");
        assert_eq!(link.client.failure(), None, "after {:?}", clock::elapsed() - start);
        link.settle();
    }
    let counted = link.client.stats()[Count::Retransmissions];
    assert_eq!(counted, u64::try_from(MOST).expect("few"));
    link.run();
    let timed_out =
        matches!(link.client.failure(), Some(Failure::TimedOut { after, .. }) if *after == PATIENT);
    assert!(timed_out, "{:?}", link.client.failure());
}
