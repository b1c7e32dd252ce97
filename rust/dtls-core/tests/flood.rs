//! ClientHellos without end: from addresses that nobody can receive at, and from one that has proved
//! itself. What they cost is printed with `--nocapture`; the times mean something in a release build.

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use dtls_core::{Accepted, Datagrams, Dropped, Failure, Listener, Reason, Session, Status};
use support::link::{End, Link, Server, address, connect, listener};
use support::{clock, memory, pki, records, stride};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// How many spoofed addresses there are.
const ADDRESSES: u32 = 100_000;
/// How many unfinished handshakes a server allows by default.
const MAX_PENDING: usize = 256;

/// An address for each number.
fn spoofed(number: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + number), 4242))
}

/// The ClientHello of a new client.
fn hello() -> (Session, Vec<u8>) {
    let mut client = connect(&pki::verifying());
    let mut datagrams = client.take();
    assert_eq!(datagrams.len(), 1);
    (client, datagrams.remove(0))
}

/// A ClientHello with the cookie that belongs to `peer`.
fn hello_with_cookie(listener: &mut Listener, peer: SocketAddr) -> Vec<u8> {
    let (mut client, first) = hello();
    let mut answers = Datagrams::new();
    let accepted = listener.handle_datagram(peer, &first, &mut answers, clock::now());
    assert!(matches!(accepted, Ok(Accepted::CookieSent)));
    answers.iter().for_each(|answer| client.handle(answer));
    client.take().remove(0)
}

/// The session that `hello`, with its cookie, begins.
fn session(listener: &mut Listener, peer: SocketAddr, hello: &[u8]) -> Session {
    match listener.handle_datagram(peer, hello, &mut Datagrams::new(), clock::now()) {
        Ok(Accepted::Session(session)) => *session,
        other => panic!("{other:?}"),
    }
}

/// Each of `hellos` from addresses that it was not made for: all are answered with no more than they
/// are.
fn flood(listener: &mut Listener, hellos: &[Vec<u8>], addresses: std::ops::Range<u32>) {
    let mut answers = Datagrams::new();
    for number in addresses {
        let hello = &hellos[usize::try_from(number).expect("32 bits") % hellos.len()];
        let accepted = listener.handle_datagram(spoofed(number), hello, &mut answers, clock::now());
        assert!(matches!(accepted, Ok(Accepted::CookieSent)), "{number}: {accepted:?}");
        assert_eq!(answers.len(), 1);
        assert!(answers.iter().all(|answer| answer.len() <= hello.len()), "{number}");
        answers.clear();
    }
}

#[test]
fn hellos_from_100_000_spoofed_addresses_leave_nothing_behind() {
    memory::count_openssl();
    let mut server = Server::new(&pki::localhost());
    let without: Vec<Vec<u8>> = (0..64).map(|_| hello().1).collect();
    let foreign: Vec<Vec<u8>> = (0..64)
        .map(|_| hello_with_cookie(&mut server.listener, address("192.0.2.1:4242")))
        .collect();
    let addresses = ADDRESSES / stride() as u32;
    for (what, hellos) in [("no cookie", &without), ("another's cookie", &foreign)] {
        let (before, allocations) = (memory::held(), memory::allocations());
        let started = Instant::now();
        flood(&mut server.listener, hellos, 0..addresses);
        let rate = f64::from(addresses) / started.elapsed().as_secs_f64();
        let grown = memory::held() - before;
        let allocations = memory::allocations() - allocations;
        let size = hellos[0].len();
        println!("{what} ({size} bytes): {rate:.0} ClientHellos/s, {grown} bytes more than before");
        assert_eq!(grown, 0, "{what}: bytes that are kept");
        assert_eq!(allocations, 2, "{what}: allocations, of the one list of answers");
    }
    let mut link = Link::between(connect(&pki::verifying()), server);
    link.run();
    link.assert_connected();
    link.assert_data_flows();
}

#[test]
fn no_part_of_a_hello_earns_more_than_it_has() {
    let mut listener = listener(&pki::localhost());
    let hello = hello().1;
    let message = &hello[records::HEADER..];
    let (header, body) = message.split_at(12);
    let mut answered = 0;
    for length in 1..=body.len() {
        let mut fragment = header.to_vec();
        fragment[9..12].copy_from_slice(&u32::try_from(length).expect("short").to_be_bytes()[1..]);
        fragment.extend_from_slice(&body[..length]);
        let datagram = records::forge(records::HANDSHAKE, 0, 0, &fragment);
        let mut answers = Datagrams::new();
        let accepted = listener.handle_datagram(spoofed(0), &datagram, &mut answers, clock::now());
        assert!(!matches!(accepted, Ok(Accepted::Session(_))), "{length}: {accepted:?}");
        answered += answers.len();
        let bytes: usize = answers.iter().map(<[u8]>::len).sum();
        assert!(bytes <= datagram.len(), "{bytes} for {}", datagram.len());
    }
    assert!(answered > 50, "what has room for a cookie is answered: {answered}");
}

#[test]
fn a_replayed_cookie_buys_no_more_than_the_limit() {
    memory::count_openssl();
    let peer = address("192.0.2.1:4242");
    let mut listener = listener(&pki::localhost());
    let hello = hello_with_cookie(&mut listener, peer);
    let mut sessions = Vec::with_capacity(MAX_PENDING + 1);
    drop(session(&mut listener, peer, &hello));
    let before = memory::held();
    for _ in 0..2 * MAX_PENDING {
        sessions.push(session(&mut listener, peer, &hello));
        // As an owner does: it sends, looks at the timers, and drops what is over.
        for session in &mut sessions {
            session.transmit(|_| {});
            session.handle_timeout(clock::now());
        }
        for over in sessions.extract_if(.., |session| session.status() != Status::Handshaking) {
            assert_eq!(over.failure(), Some(&Failure::TooManyPending));
        }
    }
    assert_eq!(sessions.len(), MAX_PENDING);
    let each = (memory::held() - before) / i64::try_from(MAX_PENDING).expect("small");
    println!("half-open: {each} bytes each");
    assert!(each <= 96 * 1024, "{each} bytes each");
    drop(sessions);
    let left = memory::held() - before;
    assert!(left <= 16 * 1024, "{left} bytes are kept");
}

#[test]
fn the_limit_holds_whether_the_owner_looks_or_not() {
    let clients = MAX_PENDING + 1_800 / stride();
    memory::count_openssl();
    let mut listener = listener(&pki::localhost());
    let peer = address("192.0.2.1:4242");
    let hello = hello_with_cookie(&mut listener, peer);
    drop(session(&mut listener, peer, &hello));
    let before = memory::held();
    let mut sessions = Vec::with_capacity(clients);
    for _ in 0..clients {
        let mut session = session(&mut listener, peer, &hello);
        session.transmit(|_| {});
        sessions.push(session);
    }
    let each = (memory::held() - before) / i64::try_from(MAX_PENDING).expect("small");
    println!("half-open, with {clients} that nobody looks at: {each} bytes for each that goes on");
    assert!(each <= 112 * 1024, "{each} bytes for each");
    // They count as ended although nobody has looked.
    let ended = u64::try_from(clients - MAX_PENDING).expect("small");
    assert_eq!(listener.stats()[Reason::TooManyPending], ended);
    for (index, session) in sessions.iter_mut().enumerate() {
        let given_up = index < clients - MAX_PENDING;
        assert_eq!(session.next_timeout().is_some_and(|due| due <= clock::now()), given_up);
        session.handle_timeout(clock::now());
        let failure = given_up.then_some(&Failure::TooManyPending);
        assert_eq!(session.failure(), failure, "{index}");
        let told = session.take();
        let alert = told.first().and_then(|datagram| records::alert(datagram));
        assert_eq!(alert, given_up.then_some(90), "{index}: its client is told");
    }
    assert_eq!(listener.stats()[Reason::TooManyPending], ended, "counted once");
}

/// The one byte that is given of a handshake message which promises 16 KB.
fn promise(sequence: u8) -> Vec<u8> {
    let mut fragment = vec![11, 0, 0x40, 0, 0, sequence, 0, 0, 0, 0, 0, 1];
    fragment.push(0);
    records::forge(records::HANDSHAKE, 0, 100 + u64::from(sequence), &fragment)
}

#[test]
fn what_a_half_open_session_can_be_made_to_hold_is_bounded() {
    memory::count_openssl();
    let peer = address("192.0.2.1:4242");
    let mut listener = listener(&pki::localhost());
    let hello = hello_with_cookie(&mut listener, peer);
    drop(session(&mut listener, peer, &hello));
    let encrypted = |content: u8, number: u64| records::forge(content, 1, number, &[0; 40]);
    let kinds: [(&str, Vec<Vec<u8>>); 6] = [
        ("nothing", Vec::new()),
        ("early packets", (0..1000).map(|it| encrypted(records::APPLICATION_DATA, it)).collect()),
        ("early Finished", (1000..2000).map(|it| encrypted(records::HANDSHAKE, it)).collect()),
        (
            "early packets behind the ClientHello once more",
            (0..1000)
                .map(|it| [hello.clone(), encrypted(records::APPLICATION_DATA, it)].concat())
                .collect(),
        ),
        ("promises", (0..=255).map(promise).collect()),
        ("early records of 16 KB", of_a_later_epoch(1, 100, 1)),
    ];
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut measure = |what: &str, datagrams: &[Vec<u8>]| {
        let before = memory::held();
        let mut session = session(&mut listener, peer, &hello);
        datagrams.iter().for_each(|datagram| session.handle(datagram));
        assert_eq!(session.status(), Status::Handshaking, "{what}: {:?}", session.failure());
        session.transmit(|_| {});
        let grown = memory::held() - before;
        drop(session);
        assert_eq!(memory::held(), before, "{what}: nothing once it is over");
        println!("half-open, {what}: {grown} bytes");
        grown
    };
    // The largest first, or the small ones would take their places.
    for (what, datagrams) in kinds.iter().rev() {
        measure(what, datagrams);
        all.extend_from_slice(datagrams);
    }
    let worst = measure("everything", &all);
    assert!(worst <= 600 * 1024, "{worst} bytes");
}

/// So many datagrams of `epoch`, with `parts` records each that have 16 KB together.
fn of_a_later_epoch(epoch: u16, datagrams: u64, parts: u64) -> Vec<Vec<u8>> {
    let body = vec![0; 16 * 1024 / usize::try_from(parts).expect("few")];
    let record = |content, number| records::forge(content, epoch, number, &body);
    let datagram = |it: u64| {
        let content =
            if it.is_multiple_of(2) { records::HANDSHAKE } else { records::APPLICATION_DATA };
        (0..parts).flat_map(|part| record(content, parts * it + part)).collect()
    };
    (0..datagrams).map(datagram).collect()
}

/// CVE-2026-54874: OpenSSL before 4.0.2 buffers records of the next epoch without a bound worth the name.
/// It has one since; this side does not rely on it.
#[test]
fn records_of_a_later_epoch_are_not_kept() {
    const DATAGRAMS: u64 = 500;
    memory::count_openssl();
    let peer = address("192.0.2.1:4242");
    let mut listener = listener(&pki::localhost());
    let hello = hello_with_cookie(&mut listener, peer);
    drop(session(&mut listener, peer, &hello));
    // Of either kind 16 records get through: five datagrams of three, and a part of the sixth.
    for (parts, whole) in [(1, 32), (3, 10)] {
        let flood = of_a_later_epoch(1, DATAGRAMS, parts);
        let mut half_open = session(&mut listener, peer, &hello);
        half_open.transmit(|_| {});
        let before = memory::held();
        flood.iter().for_each(|datagram| half_open.handle(datagram));
        let grown = memory::held() - before;
        println!("before the keys, {DATAGRAMS} datagrams of 16 KB in {parts}: {grown} bytes");
        assert_eq!(half_open.stats()[Dropped::TooEarly], DATAGRAMS - whole, "this side's filter");
        assert!(grown <= 300 * 1024, "{grown} bytes");
        assert_eq!(half_open.status(), Status::Handshaking);
    }

    // A client that has sent its ChangeCipherSpec and not its Finished.
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    (0..3).for_each(|_| assert!(link.deliver_one()));
    for datagram in link.server.take() {
        link.client.handle(&datagram);
    }
    let last_flight = link.client.take().concat();
    let records = records::split(&last_flight);
    let (finished, rest) = records.split_last().expect("a flight");
    rest.iter().for_each(|record| link.server.handle(record));
    let before = memory::held();
    let flood = [2, 3].map(|epoch| of_a_later_epoch(epoch, DATAGRAMS, 1)).concat();
    let flood_bytes = memory::held() - before;
    flood.iter().for_each(|datagram| link.server.handle(datagram));
    let grown = memory::held() - before - flood_bytes;
    println!("with the keys, epochs 2 and 3: {grown} bytes");
    assert_eq!(link.server.session().stats()[Dropped::TooEarly], 2 * DATAGRAMS);
    assert!(grown <= 1024, "{grown} bytes");
    link.server.handle(finished);
    assert_eq!(link.server.session().status(), Status::Connected, "it goes on");
}
