//! What strangers send to an endpoint: ClientHellos without end, and noise. Nothing of it is kept, and no answer is
//! larger than what it answers.

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use dtls_core::{
    Backlog, Count, Dropped, Endpoint, HandshakeResults, Handshakes, Output, Path, Reason, Session,
    Unconnected,
};
use support::endpoint::{
    MODES, World, fresh, hello, hello_with_cookie, local, other_local, path, peer,
};
use support::link::{address, connect};
use support::pki::Rebuild as _;
use support::{clock, memory, noise, pki, records, stride};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// How many spoofed addresses there are.
const ADDRESSES: u32 = 100_000;

/// An address for each number.
fn spoofed(number: u32) -> Path {
    let peer = SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + number), 4242));
    Path { peer, local: if number.is_multiple_of(2) { local() } else { other_local() } }
}

/// An endpoint whose handshakes are here or there, and which keeps nothing of what it is told.
struct Target {
    endpoint: Endpoint,
    elsewhere: Option<Handshakes>,
    output: Output,
    results: HandshakeResults,
}

impl Target {
    fn new(is_elsewhere: bool) -> Self {
        let backlog = Arc::new(Backlog::new(9));
        let mut endpoint =
            Endpoint::new(pki::localhost(), backlog, clock::now()).expect("OpenSSL works");
        let elsewhere = is_elsewhere.then(|| endpoint.take_handshakes(1).remove(0));
        let (output, results) = (Output::default(), HandshakeResults::default());
        Self { endpoint, elsewhere, output, results }
    }

    /// Lets a datagram arrive and gives every answer to `answered`.
    fn ask(&mut self, path: Path, datagram: &[u8], mut answered: impl FnMut(&Path, &[u8])) {
        let Self { endpoint, elsewhere, output, results } = self;
        endpoint.handle_datagram(path, datagram, clock::now(), output);
        if let Some(handshakes) = elsewhere {
            for (from, datagram) in output.unconnected.iter() {
                assert_eq!(*from, Unconnected { path, connected_since: None });
                handshakes.handle_datagram(*from, datagram, clock::now(), results);
            }
            output.unconnected.clear();
            endpoint.take_results(results, clock::now(), output);
        }
        assert!(output.events.is_empty() && output.packets.is_empty());
        assert!(output.unconnected.is_empty() && output.confirmed.is_empty());
        output.transmits.iter().for_each(|(path, answer)| answered(path, answer));
        output.transmits.clear();
    }
}

/// The ClientHello of a new client at `path`, with its cookie.
fn cookie_of(target: &mut Target, path: Path) -> Vec<u8> {
    let mut client = connect(&fresh());
    let mut answers = Vec::new();
    target.ask(path, &hello(&mut client), |_, answer| answers.push(answer.to_vec()));
    hello_with_cookie(&mut client, &answers)
}

#[test]
fn hellos_from_100_000_spoofed_addresses_leave_nothing_behind() {
    memory::count_openssl();
    for is_elsewhere in [false, true] {
        let mut target = Target::new(is_elsewhere);
        let without: Vec<Vec<u8>> = (0..64).map(|_| hello(&mut connect(&fresh()))).collect();
        let foreign: Vec<Vec<u8>> =
            (0..64).map(|_| cookie_of(&mut target, path(address("192.0.2.1:1")))).collect();
        let addresses = ADDRESSES / stride() as u32;
        let mut flood = |hellos: &[Vec<u8>], numbers: std::ops::Range<u32>| {
            for number in numbers {
                let hello = &hellos[number as usize % hellos.len()];
                let (path, mut answers) = (spoofed(number), 0);
                target.ask(path, hello, |to, answer| {
                    answers += 1;
                    assert_eq!(*to, path);
                    assert!(answer.len() <= hello.len(), "{number}");
                });
                assert_eq!(answers, 1, "{number}");
            }
        };
        for hellos in [&without, &foreign] {
            flood(hellos, 0..100);
            let (held, allocations) = (memory::held(), memory::allocations());
            flood(hellos, 0..addresses);
            assert_eq!(memory::held() - held, 0, "bytes that are kept");
            assert_eq!(memory::allocations() - allocations, 0, "allocations");
        }
        let stats = target.endpoint.stats().get();
        assert_eq!((stats[Count::HandshakesStarted], target.endpoint.connected()), (0, 0));
        assert_eq!(stats[Count::CookiesSent], u64::from(2 * addresses) + 264);
        assert_eq!(target.endpoint.next_timeout(), None);
        assert!(target.elsewhere.is_none_or(|handshakes| handshakes.is_empty()));
    }
}

#[test]
fn noise_from_unknown_addresses_is_not_answered_and_not_kept() {
    memory::count_openssl();
    let kinds = noise::kinds();
    for is_elsewhere in [false, true] {
        let mut target = Target::new(is_elsewhere);
        for kind in kinds.iter().step_by(stride()) {
            let mut number = 0..;
            let mut held_after = |times| {
                for number in number.by_ref().take(times) {
                    let datagram = kind.datagram(number);
                    let path = spoofed(number as u32);
                    target.ask(path, &datagram, |_, _| panic!("{} is answered", kind.name));
                }
                memory::held()
            };
            // The buffers that are used again have room for the largest.
            let held = held_after(200);
            assert_eq!(held_after(300), held, "{}", kind.name);
        }
        let stats = target.endpoint.stats().get();
        assert_eq!(stats[Count::DatagramsSent], 0);
        let dropped = stats[Dropped::Malformed] + stats[Dropped::Unexpected];
        assert!(dropped >= stats[Count::DatagramsReceived], "each is counted");
        assert_eq!(target.endpoint.next_timeout(), None);
    }
}

#[test]
fn noise_from_the_addresses_of_players_disturbs_none_of_them() {
    memory::count_openssl();
    let kinds = noise::kinds();
    for mode in MODES {
        let mut world = World::connected(mode, &pki::localhost(), 2, 2);
        // Also while one may be starting again.
        for starts_again in [false, true] {
            for kind in kinds.iter().step_by(stride()) {
                if starts_again {
                    world.arrive(path(peer(0)), &hello(&mut connect(&fresh())));
                }
                world.settle();
                world.sent.clear();
                for number in 0..3 {
                    world.arrive(path(peer(0)), &kind.datagram(1000 + number));
                }
                world.settle();
                assert!(world.sent.is_empty(), "{} is answered", kind.name);
                world.assert_packets_pass();
            }
        }
        assert_eq!(world.happened.len(), 2);
    }
}

/// A client that has begun, and forgets it.
fn begin(world: &mut World, number: usize) -> Session {
    world.begun(peer(number)).0
}

#[test]
fn handshakes_that_are_never_finished_leave_nothing_behind() {
    memory::count_openssl();
    let (most, limit) = (300 / stride(), 256 / stride());
    let config = pki::localhost().rebuild(|it| it.with_max_pending_handshakes(limit));
    let config = config.expect("usable");
    for mode in MODES {
        let mut world = World::connected(mode, &config, 2, 1);
        let round = |world: &mut World| {
            (1..=most).for_each(|number| drop(begin(world, number)));
            // As many in the name of the player, whose connection stands.
            (0..most).for_each(|_| drop(begin(world, 0)));
            world.run_for(std::time::Duration::from_secs(60));
            world.assert_packets_pass();
            world.sent = Vec::new();
            world.received = Vec::new();
            assert_eq!(world.handshakes_elsewhere(), 0);
            memory::held()
        };
        let before = round(&mut world);
        let after = round(&mut world);
        let grown = after - before;
        assert!(grown <= 16 * 1024, "{mode:?}: {grown} bytes are kept");
        let stats = world.now_stats();
        assert!(stats[Reason::TooManyPending] >= 2 * (most - limit) as u64);
        assert_eq!((stats[Count::HandshakesCompleted], world.happened.len()), (1, 1));
    }
}

#[test]
fn no_part_of_a_hello_earns_more_than_it_has() {
    for is_elsewhere in [false, true] {
        let mut target = Target::new(is_elsewhere);
        let hello = hello(&mut connect(&fresh()));
        let (header, body) = hello[records::HEADER..].split_at(12);
        let mut answered = 0;
        for length in 1..=body.len() {
            let mut fragment = header.to_vec();
            fragment[9..12]
                .copy_from_slice(&u32::try_from(length).expect("short").to_be_bytes()[1..]);
            fragment.extend_from_slice(&body[..length]);
            let datagram = records::forge(records::HANDSHAKE, 0, 0, &fragment);
            let mut bytes = 0;
            target.ask(path(peer(0)), &datagram, |_, answer| bytes += answer.len());
            assert!(bytes <= datagram.len(), "{bytes} for {}", datagram.len());
            answered += usize::from(bytes > 0);
        }
        assert!(answered > 50, "what has room for a cookie is answered: {answered}");
    }
}
