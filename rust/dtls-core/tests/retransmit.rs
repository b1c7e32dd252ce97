//! Lost datagrams, in virtual time.

mod support;

use std::time::Duration;

use dtls_core::{ClientConfig, Failure, ServerConfig, Session, Status};
use support::link::{Direction, End, Link, Server, ToClient, ToServer, connect};
use support::{clock, pki, records};
use test_pki::Profile;

/// How long a handshake may take.
const LIMIT: Duration = Duration::from_secs(30);
/// OpenSSL sends no flight more often again.
const MOST: usize = 12;

const USER_CANCELED: u8 = 90;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A server whose certificates fill more than one datagram, and its client.
fn wide() -> (ServerConfig, ClientConfig) {
    let mut profile = Profile::localhost();
    for number in 0..40 {
        profile = profile.dns(format!("server-{number}.some-long-name.example"));
    }
    let issued = pki::ROOT.intermediate("Between").issue(profile);
    (pki::server(&issued), pki::verifying())
}

/// What has to be waited before each of the first retransmissions of a flight.
fn schedule() -> [Duration; MOST] {
    let mut wait = 400_000;
    [(); MOST].map(|()| {
        let this = wait;
        wait = (wait + wait / 2).min(2_000_000);
        Duration::from_micros(this)
    })
}

/// When handshake messages went out, alerts left aside.
fn flights(link: &Link<Session, Server>) -> Vec<Duration> {
    let flights = link.sent.iter().filter(|it| records::content(&it.2) == records::HANDSHAKE);
    let mut times: Vec<Duration> = flights.map(|(_, at, _)| *at).collect();
    // From the third timeout on, each goes out in two copies.
    times.dedup();
    times
}

/// A link whose server does not answer, since nothing reaches it.
fn nobody_answers() -> Link<Session, Server> {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
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
            assert_eq!(took, ms(400), "datagram {lost} {direction:?} lost");
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
    let mut link = nobody_answers();
    link.run();
    let times = flights(&link);
    let waits: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.len() >= MOST, "{waits:?}");
    assert_eq!(waits[..MOST], schedule());
    assert!(waits.iter().all(|wait| *wait <= ms(2000)), "{waits:?}");
}

#[test]
fn a_client_that_no_one_answers_gives_up_after_30_s() {
    let mut link = nobody_answers();
    while clock::elapsed() < LIMIT - ms(1) {
        link.settle();
        assert_eq!(link.client.status(), Status::Handshaking, "after {:?}", clock::elapsed());
        let due = link.client.next_timeout().expect("it waits for something");
        let left = (LIMIT - ms(1)).saturating_sub(clock::elapsed());
        clock::advance(due.saturating_duration_since(clock::now()).min(left));
        link.client.handle_timeout(clock::now());
    }
    link.settle();
    assert_eq!(link.client.status(), Status::Handshaking, "one millisecond left");
    clock::advance(ms(1));
    link.client.handle_timeout(clock::now());
    let retransmissions = u64::try_from(flights(&link).len() - 1).expect("few");
    let timed_out = Failure::TimedOut { after: LIMIT, retransmissions };
    assert_eq!(link.client.failure(), Some(&timed_out));
    assert_eq!(link.client.next_timeout(), None);
    assert!(retransmissions >= 12);
    link.settle();
    let last = link.sent(ToServer).pop().and_then(records::alert);
    assert_eq!(last, Some(USER_CANCELED), "a server that hears it need not wait");
}

#[test]
fn a_client_goes_on_asking_for_as_long_as_it_waits() {
    let mut link = nobody_answers();
    link.run();
    let last = flights(&link).pop().expect("a ClientHello");
    assert!(last > LIMIT - ms(2500), "the last ClientHello went out after {last:?}");
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
    for seconds in [1, 10, 20, 27] {
        let start = clock::elapsed();
        let mut link = Link::new(&pki::localhost(), &pki::verifying());
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
    link.lose(|to, datagram| to == ToClient && datagram.number > 0 && clock::elapsed() < ms(1900));
    link.run();
    link.assert_connected();
    let sizes = |from: Duration, until: Duration| {
        let sent = link.sent.iter().filter(move |it| it.0 == ToClient && it.1 >= from);
        sent.filter(move |it| it.1 < until).map(|it| it.2.len()).max().expect("something")
    };
    assert!(sizes(ms(0), ms(1)) > 1000);
    assert!(sizes(ms(400), ms(401)) > 1000, "the first timeout");
    assert!(sizes(ms(1000), ms(1001)) > 1000, "the second timeout");
    assert!(sizes(ms(1900), LIMIT) <= 548, "the third timeout");
    assert!(sizes(ms(1900), LIMIT) > 400, "no smaller than it has to be");
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
    clock::advance(ms(380));
    client.handle_timeout(clock::now());
    assert_eq!(client.take().len(), 0);
    clock::advance(ms(20));
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
        assert_eq!(clock::elapsed() - start, LIMIT);
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
        assert_eq!(clock::elapsed() - start, LIMIT);

        let mut link = Link::new(&pki::localhost(), &pki::verifying());
        link.lose(|_, datagram| datagram.number == 0);
        link.settle();
        clock::set_wall_clock(by);
        link.run();
        link.assert_connected();
    }
}
