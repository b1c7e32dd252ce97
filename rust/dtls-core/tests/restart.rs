//! Clients that start again, handshakes that are never finished, peers that fall silent.

mod support;

use std::time::Duration;

use dtls_core::{
    Accepted, ClientVerification, ConfigError, Count, Datagrams, Ending, Failure, Limits, Listener,
    Reason, ServerConfig, Session, Status,
};
use support::link::{End, Link, Server, ToServer, address, connect, established, listener};
use support::pki::Rebuild as _;
use support::{clock, pki, records};
use test_pki::{Profile, Usage};

/// The first ClientHello of a new client, which has no cookie.
fn hello(client: &mut Session) -> Vec<u8> {
    let mut datagrams = client.take();
    assert_eq!(datagrams.len(), 1);
    datagrams.remove(0)
}

/// The ClientHello with which `client` answers the HelloVerifyRequest in `datagrams`.
fn hello_with_cookie(client: &mut Session, datagrams: &[Vec<u8>]) -> Vec<u8> {
    assert_eq!(datagrams.len(), 1);
    assert_eq!(records::message(&datagrams[0]), Some(records::HELLO_VERIFY_REQUEST));
    client.handle(&datagrams[0]);
    hello(client)
}

/// Lets a new client start from the address of the session in `link`, up to its cookie.
fn start_again(link: &mut Link<Session, Server>) -> (Session, Vec<u8>) {
    start_again_with(link, &pki::verifying())
}

fn start_again_with(link: &mut Link<Session, Server>, config: &pki::Client) -> (Session, Vec<u8>) {
    let mut client = connect(config);
    let first = hello(&mut client);
    let session = link.server.session();
    session.handle(&first);
    let answer = session.take();
    assert!(answer[0].len() <= first.len(), "no more than was asked");
    let second = hello_with_cookie(&mut client, &answer);
    (client, second)
}

/// A server that lets in only whom these have signed.
fn only_for(players: &test_pki::Authority) -> ServerConfig {
    let required = ClientVerification::Required(pki::trust(&players.cert_pem()));
    pki::localhost().rebuild(|it| it.with_verification(required)).expect("a usable configuration")
}

/// Goes on with `client` until both are connected.
fn goes_through(link: &mut Link<Session, Server>, client: Session) {
    link.client = client;
    link.run();
    link.assert_connected();
    link.assert_data_flows();
}

/// Goes on until the session in `link` has ended for `client`, which starts again with `hello`.
fn restarts(link: &mut Link<Session, Server>, client: Session, hello: &[u8]) {
    link.client = client;
    let session = link.server.session();
    session.handle(hello);
    link.settle();
    let session = link.server.session();
    assert_eq!(session.status(), Status::Closed);
    assert_eq!(session.ending(), Some(Ending::Restarted));
    assert_eq!(session.stats()[Count::Connections], 0);
    assert_eq!(session.take(), Vec::<Vec<u8>>::new());
    assert_eq!(link.client.status(), Status::Handshaking, "it waits for the server");
}

#[test]
fn a_client_that_starts_again_gets_a_cookie_and_then_a_new_connection() {
    let mut link = established();
    let (client, second) = start_again(&mut link);
    link.assert_data_flows();
    let began = clock::now();
    restarts(&mut link, client, &second);
    assert_eq!(Ending::Restarted.to_string(), "the client started again");
    // What it sends again because no one answered goes to the listener.
    link.server.session = None;
    link.run();
    link.assert_connected();
    let took = (clock::now() - began).as_millis();
    assert!(
        (300..=400).contains(&took),
        "one retransmission timeout, up to a quarter shorter: {took} ms"
    );
    link.assert_data_flows();
    let stats = link.server.listener.stats();
    assert_eq!((stats[Count::HandshakesCompleted], stats[Count::Connections]), (2, 1));
}

#[test]
fn the_end_of_a_session_leaves_its_successor_in_peace() {
    // At each step of the new handshake, the old connection is closed by its owner.
    for steps in 0..6 {
        let mut link = established();
        let (client, second) = start_again(&mut link);
        link.client = client;
        link.server.session().handle(&second);
        for _ in 0..steps {
            link.deliver_one();
        }
        link.server.session().close();
        link.server.take();
        link.server.session = None;
        link.run();
        link.assert_connected();
        link.assert_data_flows();
    }
}

#[test]
fn a_connection_goes_on_until_the_client_that_starts_again_is_let_in() {
    let mut link = established();
    let (mut client, second) = start_again(&mut link);
    link.server.session().handle(&second);
    let flight = link.server.take();
    link.assert_data_flows();
    // Without a proof that it has read the answer it ends nothing, however often it is asked for.
    for _ in 0..9 {
        assert!(link.next_timer());
        link.server.take();
        link.assert_data_flows();
    }
    flight.iter().for_each(|datagram| client.handle(datagram));
    let proof = client.take();
    link.assert_data_flows();
    assert!(!proof.is_empty());
    proof.iter().for_each(|datagram| link.server.handle(datagram));
    assert_eq!(link.server.session().ending(), Some(Ending::Restarted));
}

#[test]
fn a_client_that_is_refused_when_it_starts_again_ends_nothing() {
    let players = test_pki::Authority::root("Players");
    let player = players.issue(Profile::new("player-17").usage(Usage::Client));
    let mut link = Link::established(&only_for(&players), &pki::showing(&player));
    let (mut client, second) = start_again(&mut link);
    assert_eq!(client.status(), Status::Handshaking);
    link.server.session().handle(&second);
    // It has heard everything, and has no certificate to show.
    loop {
        let to_client = link.server.take();
        to_client.iter().for_each(|datagram| client.handle(datagram));
        let to_server = client.take();
        if to_server.is_empty() {
            break;
        }
        to_server.iter().for_each(|datagram| link.server.handle(datagram));
    }
    assert!(matches!(client.failure(), Some(Failure::PeerAlert(_))), "{:?}", client.failure());
    assert_eq!(link.server.session().status(), Status::Connected);
    link.assert_data_flows();
    let stats = link.server.listener.stats();
    assert_eq!(stats[Reason::ClientCertificateRequired], 1);
}

#[test]
fn a_successor_that_nobody_asks_for_is_dropped_in_time() {
    let mut link = established();
    let (client, second) = start_again(&mut link);
    restarts(&mut link, client, &second);
    link.server.session = None;
    clock::advance(Duration::from_secs(31));
    link.client.handle_timeout(clock::now());
    link.client.take();
    let mut late = connect(&pki::verifying());
    link.server.handle(&hello(&mut late));
    assert!(link.server.session.is_none(), "the next client begins from the beginning");
}

#[test]
fn a_client_that_starts_again_after_that_is_let_in_too() {
    let mut link = established();
    let (client, second) = start_again(&mut link);
    restarts(&mut link, client, &second);
    link.server.session = None;
    // It crashes once more, before its first handshake is over.
    link.client = connect(&pki::verifying());
    link.run();
    link.assert_connected();
    link.assert_data_flows();
}

#[test]
fn a_client_that_starts_again_does_not_resume_and_is_let_in_though_it_is_silent() {
    let config = pki::verifying();
    let mut link = Link::established(&pki::localhost(), &config);
    link.client = connect(&config);
    link.settle();
    assert_eq!(link.server.session().ending(), Some(Ending::Restarted));
    link.server.session = None;
    link.run();
    link.assert_connected();
    assert!(!link.client.is_resumed());
    // It has a ticket again, and it counts.
    link.start_over(connect(&config));
    link.run();
    link.assert_connected();
    assert!(link.client.is_resumed());
}

#[test]
fn a_client_that_starts_again_meets_what_the_server_demands_by_now() {
    let players = test_pki::Authority::root("Players");
    let player = players.issue(Profile::new("player-17").usage(Usage::Client));
    let mut link = established();
    link.server.listener.set_config(only_for(&players));
    let (client, second) = start_again_with(&mut link, &pki::showing(&player));
    restarts(&mut link, client, &second);
    link.server.session = None;
    link.run();
    link.assert_connected();
    assert_eq!(link.server.session().peer_common_name().as_deref(), Some("player-17"));
}

#[test]
fn the_hellos_of_an_earlier_connection_end_nothing() {
    let mut link = established();
    let earlier: Vec<Vec<u8>> = link.sent(ToServer).into_iter().map(<[u8]>::to_vec).collect();
    link.server.session().close();
    clock::advance(Duration::from_millis(700));
    link.start_over(connect(&pki::verifying()));
    link.run();
    link.assert_connected();
    clock::advance(Duration::from_secs(1));
    for _ in 0..3 {
        for datagram in &earlier {
            let session = link.server.session();
            session.handle(datagram);
            assert_eq!(session.status(), Status::Connected);
            for answer in session.take() {
                assert!(answer.len() <= datagram.len());
                assert_eq!(records::message(&answer), Some(records::HELLO_VERIFY_REQUEST));
            }
        }
    }
    let stats = link.server.listener.stats();
    assert_eq!(stats[Count::HandshakesStarted], 2, "nothing was begun");
    link.assert_data_flows();
}

#[test]
fn the_hellos_of_an_earlier_connection_do_not_disturb_a_handshake() {
    let mut link = established();
    let earlier: Vec<Vec<u8>> = link.sent(ToServer).into_iter().map(<[u8]>::to_vec).collect();
    link.server.session().close();
    clock::advance(Duration::from_millis(700));
    link.start_over(connect(&pki::verifying()));
    while link.server.session.is_none() {
        assert!(link.deliver_one());
    }
    let hellos = earlier.iter().filter(|it| records::message(it) == Some(records::CLIENT_HELLO));
    for hello in hellos {
        link.server.handle(hello);
    }
    assert_eq!(link.server.session().stats()[Count::HandshakesStarted], 1);
    link.run();
    link.assert_connected();
    link.assert_data_flows();
}

#[test]
fn a_client_that_starts_again_during_the_handshake_gets_through_at_once() {
    let mut link = broken_off();
    let (client, second) = start_again(&mut link);
    assert_eq!(link.server.session().status(), Status::Handshaking);
    let began = clock::now();
    link.client = client;
    link.server.session().handle(&second);
    link.settle();
    link.assert_connected();
    assert_eq!(clock::now(), began, "in the same session, without waiting for anything");
    assert_eq!(link.server.session().stats()[Count::HandshakesStarted], 2);
    link.assert_data_flows();
}

/// A server with a handshake whose client has broken off.
fn broken_off() -> Link<Session, Server> {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    while link.server.session.is_none() {
        assert!(link.deliver_one());
    }
    link.server.session().take();
    link
}

/// Lets the time come at which the server repeats its flight; returns that, if it does.
fn repeated(link: &mut Link<Session, Server>, after: u64) -> Vec<Vec<u8>> {
    clock::advance(Duration::from_millis(after));
    link.server.handle_timeout();
    link.server.take()
}

#[test]
fn what_the_server_still_says_about_the_attempt_before_is_not_an_answer() {
    let mut link = broken_off();
    // On its way before the new ClientHello has arrived.
    let old_flight = repeated(&mut link, 400);
    assert!(!old_flight.is_empty());
    let mut client = connect(&pki::verifying());
    let first = hello(&mut client);
    for datagram in old_flight.iter().flat_map(|it| records::split(it)) {
        client.handle(datagram);
    }
    assert_eq!(client.take(), Vec::<Vec<u8>>::new());
    link.server.handle(&first);
    let answer = link.server.take();
    let second = hello_with_cookie(&mut client, &answer);
    link.server.handle(&second);
    goes_through(&mut link, client);
}

#[test]
fn a_flight_is_held_back_once_while_its_client_may_start_again() {
    let mut link = broken_off();
    let (client, second) = start_again(&mut link);
    assert_eq!(repeated(&mut link, 999), Vec::<Vec<u8>>::new());
    link.server.handle(&second);
    goes_through(&mut link, client);

    // A stranger who says hello all the time keeps nobody waiting for longer than that.
    let mut link = broken_off();
    for _ in 0..10 {
        link.server.handle(&hello(&mut connect(&pki::verifying())));
        link.server.take();
        assert_eq!(repeated(&mut link, 99), Vec::<Vec<u8>>::new());
    }
    link.server.handle(&hello(&mut connect(&pki::verifying())));
    link.server.take();
    assert!(!repeated(&mut link, 10).is_empty());
}

#[test]
fn strangers_who_say_hello_from_the_peer_s_address_end_nothing() {
    let mut link = established();
    for _ in 0..200 {
        let stranger = hello(&mut connect(&pki::verifying()));
        let session = link.server.session();
        session.handle(&stranger);
        let answer = session.take();
        assert_eq!(answer.len(), 1);
        assert!(answer[0].len() <= stranger.len());
        // A cookie that someone else got, or made up.
        let mut guessed = stranger;
        let other = &mut Server::new(&pki::localhost());
        other.handle(&guessed);
        let mut client = connect(&pki::verifying());
        hello(&mut client);
        guessed = hello_with_cookie(&mut client, &other.take());
        let session = link.server.session();
        session.handle(&guessed);
        assert_eq!(session.status(), Status::Connected);
        session.take();
    }
    link.assert_data_flows();
}

#[test]
fn a_cookie_that_was_overheard_ends_nothing() {
    let mut link = established();
    let hello = link.sent(ToServer)[1].to_vec();
    assert!(!records::cookie(&hello).is_empty());
    // The cookie of this very connection, in the name of another attempt.
    let random = records::HEADER + 12 + 2;
    for at in random..random + 32 {
        let mut other = hello.clone();
        other[at] ^= 1;
        let session = link.server.session();
        session.handle(&other);
        assert_eq!(session.status(), Status::Connected);
        let answer = session.take();
        assert_eq!(records::message(&answer[0]), Some(records::HELLO_VERIFY_REQUEST));
        assert!(answer.len() == 1 && answer[0].len() <= other.len());
    }
    link.assert_data_flows();
}

#[test]
fn the_hellos_that_a_session_began_with_end_nothing_when_they_come_again() {
    let mut link = established();
    let hellos: Vec<Vec<u8>> = link
        .sent(ToServer)
        .into_iter()
        .filter(|datagram| records::message(datagram) == Some(records::CLIENT_HELLO))
        .map(<[u8]>::to_vec)
        .collect();
    assert_eq!(hellos.len(), 2);
    for hello in hellos.iter().chain(&hellos) {
        let session = link.server.session();
        session.handle(hello);
        assert_eq!(session.take(), Vec::<Vec<u8>>::new());
        assert_eq!(session.status(), Status::Connected);
    }
    link.assert_data_flows();
}

#[test]
fn a_client_has_no_door() {
    let mut link = established();
    let stranger = hello(&mut connect(&pki::verifying()));
    link.client.handle(&stranger);
    assert_eq!(link.client.take(), Vec::<Vec<u8>>::new());
    link.assert_data_flows();
}

/// The session of a client at port `port` that never answers after its cookie.
fn half_open(listener: &mut Listener, port: u16) -> Session {
    let peer = address(&format!("192.0.2.1:{port}"));
    let mut client = connect(&pki::verifying());
    let mut outgoing = Datagrams::new();
    let first = hello(&mut client);
    let accepted = listener.handle_datagram(peer, &first, &mut outgoing, clock::now());
    assert!(matches!(accepted, Ok(Accepted::CookieSent)));
    let answer: Vec<Vec<u8>> = outgoing.iter().map(<[u8]>::to_vec).collect();
    let second = hello_with_cookie(&mut client, &answer);
    match listener.handle_datagram(peer, &second, &mut outgoing, clock::now()) {
        Ok(Accepted::Session(session)) => *session,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_oldest_of_too_many_unfinished_handshakes_is_given_up() {
    let config = pki::localhost().rebuild(|it| it.with_max_pending_handshakes(3)).expect("a limit");
    let mut listener = listener(&config);
    let mut sessions: Vec<Session> = (1..=5).map(|port| half_open(&mut listener, port)).collect();
    for session in &mut sessions {
        session.take();
        session.handle_timeout(clock::now());
    }
    let failures: Vec<Option<&Failure>> = sessions.iter().map(Session::failure).collect();
    let too_many = Some(&Failure::TooManyPending);
    assert_eq!(failures, [too_many, too_many, None, None, None]);
    let told = sessions[0].take();
    assert_eq!(records::alert(&told[0]), Some(90), "its client is told");
}

#[test]
fn a_new_configuration_does_not_make_room_for_more() {
    let config = pki::localhost().rebuild(|it| it.with_max_pending_handshakes(3)).expect("a limit");
    let mut listener = listener(&config);
    let mut sessions: Vec<Session> = (1..=3).map(|port| half_open(&mut listener, port)).collect();
    listener.set_config(config);
    sessions.push(half_open(&mut listener, 4));
    sessions.iter_mut().for_each(|session| session.handle_timeout(clock::now()));
    let given_up = sessions.iter().filter(|session| session.failure().is_some()).count();
    assert_eq!((given_up, sessions[0].failure()), (1, Some(&Failure::TooManyPending)));
}

#[test]
fn by_default_there_is_room_for_256() {
    let mut listener = listener(&pki::localhost());
    let mut sessions: Vec<Session> = (1..=257).map(|port| half_open(&mut listener, port)).collect();
    sessions.iter_mut().for_each(|session| session.handle_timeout(clock::now()));
    let given_up: Vec<usize> = sessions
        .iter()
        .enumerate()
        .filter(|(_, session)| session.failure().is_some())
        .map(|(index, _)| index)
        .collect();
    assert_eq!(given_up, [0]);
}

#[test]
fn connections_and_sessions_that_are_gone_take_no_place() {
    let config = pki::localhost().rebuild(|it| it.with_max_pending_handshakes(1)).expect("a limit");
    let mut link = Link::established(&config, &pki::verifying());
    drop(half_open(&mut link.server.listener, 1));
    let mut failed = half_open(&mut link.server.listener, 2);
    clock::advance(Duration::from_secs(31));
    failed.handle_timeout(clock::now());
    assert!(matches!(failed.failure(), Some(Failure::TimedOut { .. })));
    let mut last = half_open(&mut link.server.listener, 3);
    last.handle_timeout(clock::now());
    assert_eq!(last.status(), Status::Handshaking);
    link.server.session().handle_timeout(clock::now());
    link.assert_data_flows();
}

#[test]
fn a_server_that_lets_no_one_in_is_refused() {
    let refused = pki::localhost().rebuild(|it| it.with_max_pending_handshakes(0)).err();
    assert_eq!(refused, Some(ConfigError::NoPendingHandshakes));
}

#[test]
fn limits_out_of_range_are_refused() {
    let limits = Limits::default();
    for mtu in [0, 507, 8973, u32::MAX] {
        assert_eq!(limits.with_mtu(mtu), Err(ConfigError::BadMtu(mtu)));
    }
    for seconds in [0, 301] {
        let timeout = Duration::from_secs(seconds);
        let refused = limits.with_handshake_timeout(timeout);
        assert_eq!(refused, Err(ConfigError::BadHandshakeTimeout(timeout)));
    }
}

#[test]
fn datagrams_and_patience_are_as_configured() {
    for mtu in [508, 800, 1400] {
        let limits = Limits::default().with_mtu(mtu).expect("within range");
        let limits = limits.with_handshake_timeout(Duration::from_secs(3)).expect("within range");
        let between = pki::ROOT.intermediate("Between").issue(test_pki::Profile::localhost());
        let config = pki::server(&between).rebuild(|it| it.with_limits(limits)).expect("usable");
        let link = Link::established(
            &config,
            &pki::verifying().rebuild(|it| it.with_limits(limits)).expect("usable"),
        );
        let longest = link.sent.iter().map(|(_, _, datagram)| datagram.len()).max();
        assert!(longest.is_some_and(|longest| longest <= usize::try_from(mtu).expect("small")));
        assert_eq!(link.client.max_packet_size(), limits.max_packet_size());

        let mut alone =
            connect(&pki::verifying().rebuild(|it| it.with_limits(limits)).expect("usable"));
        clock::advance(Duration::from_millis(2999));
        alone.handle_timeout(clock::now());
        assert_eq!(alone.status(), Status::Handshaking);
        clock::advance(Duration::from_millis(1));
        alone.handle_timeout(clock::now());
        assert!(matches!(alone.failure(), Some(Failure::TimedOut { .. })));
    }
}
