//! What strangers send, before the cookie, during the handshake and once connected, from the peer's
//! own address or from another: nothing of it is answered, kept, or complained of, and neither the
//! connection that it is aimed at nor the one of another client is disturbed.

mod support;

use dtls_core::{Accepted, Status};
use support::link::{Direction, End, Link, Server, ToClient, ToServer, connect, packets};
use support::noise::{self, Kind};
use support::raw::Raw;
use support::scene::{RECORDS, Scene};
use support::{clock, memory, pki, raw, records, stride};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fn scene() -> Scene {
    memory::count_openssl();
    Scene::new()
}

/// The noise that the end in front of `scene` has to bear where it stands.
fn bearable<'a>(scene: &Scene, to: Direction, kinds: &'a [Kind]) -> Vec<&'a Kind> {
    let handshaking = scene.status(to) == Some(Status::Handshaking);
    let bearable = kinds.iter().filter(|kind| !handshaking || kind.spares_handshakes);
    bearable.step_by(stride()).collect()
}

#[test]
fn noise_from_the_peers_address_costs_one_timeout_at_most() {
    let kinds = noise::kinds();
    let mut scene = scene();
    for to in [ToServer, ToClient] {
        for point in 0..=RECORDS {
            scene.start(point);
            for kind in bearable(&scene, to, &kinds) {
                let shown = format!("{} {to:?} after {point} records", kind.name);
                let start = clock::elapsed();
                scene.start(point);
                let before = scene.status(to);
                let answers = scene.spoof(to, &kind.datagram(40));
                assert_eq!(answers, Vec::<Vec<u8>>::new(), "{shown}");
                assert_eq!(scene.status(to), before, "{shown}");
                scene.link.run();
                assert_eq!(scene.link.client.failure(), None, "{shown}");
                scene.link.assert_connected();
                let took = (clock::elapsed() - start).as_millis();
                assert!(took <= 400, "{shown}: {took} ms");
                scene.link.assert_data_flows();
                scene.assert_undisturbed();
            }
        }
    }
}

#[test]
fn noise_from_other_addresses_begins_nothing() {
    let kinds = noise::kinds();
    let mut scene = scene();
    for point in 0..=RECORDS {
        scene.start(point);
        for kind in &kinds {
            let (accepted, answers) = scene.send_from_elsewhere(&kind.datagram(4));
            assert!(matches!(accepted, Accepted::NotAHello), "{}: {accepted:?}", kind.name);
            assert_eq!(answers, Vec::<Vec<u8>>::new(), "{}", kind.name);
        }
        let start = clock::elapsed();
        scene.link.run();
        scene.link.assert_connected();
        assert_eq!(clock::elapsed(), start, "after {point} records");
        scene.link.assert_data_flows();
        scene.assert_undisturbed();
    }
}

#[test]
fn noise_is_not_kept() {
    let kinds = noise::kinds();
    let mut scene = scene();
    // Before the cookie, in each flight that an end waits in, and once connected.
    let points = [(ToServer, [0, 3, 9, RECORDS]), (ToClient, [0, 2, 11, RECORDS])];
    for (to, point) in points.into_iter().flat_map(|(to, points)| points.map(|point| (to, point))) {
        scene.start(point);
        for kind in bearable(&scene, to, &kinds) {
            scene.start(point);
            let before = scene.status(to);
            let mut number = 0..;
            let mut held_after = |times| {
                for number in number.by_ref().take(times) {
                    scene.spoof(to, &kind.datagram(number));
                    scene.send_from_elsewhere(&kind.datagram(number));
                }
                memory::held()
            };
            let held = held_after(100);
            assert_eq!(held_after(900), held, "{} {to:?} after {point} records", kind.name);
            assert_eq!(scene.status(to), before);
        }
    }
    scene.assert_undisturbed();
}

/// `hello` with one of its bytes changed.
fn changed(hello: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..hello.len()).step_by(stride()).flat_map(|at| {
        [0x01, 0x80, 0xff].map(|bits| {
            let mut changed = hello.to_vec();
            changed[at] ^= bits;
            changed
        })
    })
}

#[test]
fn a_hello_without_its_own_cookie_gets_no_more_than_a_cookie() {
    let mut scene = scene();
    scene.start(RECORDS);
    let hellos: Vec<Vec<u8>> =
        scene.link.sent(ToServer)[..2].iter().map(|it| it.to_vec()).collect();
    assert!(!records::cookie(&hellos[1]).is_empty());
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut answered = 0;
        let mut assert_small = |question: &[u8], answers: &[Vec<u8>]| {
            assert!(answers.len() <= 1);
            answered += answers.len();
            for answer in answers {
                assert_eq!(records::message(answer), Some(records::HELLO_VERIFY_REQUEST));
                assert!(answer.len() <= question.len());
            }
        };
        for hello in hellos.iter().flat_map(|hello| changed(hello)) {
            let (accepted, answers) = scene.send_from_elsewhere(&hello);
            assert!(!matches!(accepted, Accepted::Session(_)), "{hello:02x?}");
            assert_small(&hello, &answers);
            let answers = scene.spoof(ToServer, &hello);
            assert_small(&hello, &answers);
            assert_eq!(scene.spoof(ToClient, &hello), Vec::<Vec<u8>>::new());
        }
        assert!(answered > 500 / stride(), "{answered}");
        scene.link.assert_connected();
        scene.link.assert_data_flows();
        scene.link.sent.clear();
        scene.assert_undisturbed();
        held.push(memory::held());
    }
    assert_eq!(held[1], held[2], "{held:?}");
}

#[test]
fn any_number_of_records_with_a_wrong_tag_is_dropped() {
    memory::count_openssl();
    let many = 100_000 / stride() as u64;
    let mut forged = records::forge(records::APPLICATION_DATA, 1, 0, &[7; 60]);
    let mut send = |end: &mut dyn End, numbers: std::ops::Range<u64>| {
        for number in numbers {
            // In each of the types that there are.
            forged[0] = 20 + u8::try_from(number % 4).expect("below 4");
            forged[5..11].copy_from_slice(&number.to_be_bytes()[2..]);
            end.handle(&forged);
        }
        assert_eq!(end.take(), Vec::<Vec<u8>>::new());
        memory::held()
    };
    for suite in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"] {
        let mut context = raw::context();
        context.set_cipher_list(suite).expect("a suite");
        let mut link = Link::between(Raw::client(context), Server::new(&pki::localhost()));
        link.run();
        let session = link.server.session();
        let held = send(session, 0..100);
        assert_eq!(send(session, 100..many), held, "{suite}");
        assert_eq!((session.status(), session.received()), (Status::Connected, 0), "{suite}");
        link.client.send(b"real");
        link.settle();
        assert_eq!(packets(link.server.session()), [b"real"], "{suite}");

        let mut context = raw::context_of(&pki::LOCALHOST);
        context.set_cipher_list(suite).expect("a suite");
        let mut link = Link::between(connect(&pki::verifying()), Raw::server(context));
        link.run();
        let held = send(&mut link.client, 0..100);
        assert_eq!(send(&mut link.client, 100..many), held, "{suite}");
        assert_eq!(
            (link.client.status(), link.client.received()),
            (Status::Connected, 0),
            "{suite}"
        );
        link.server.send(b"real");
        link.settle();
        assert_eq!(packets(&mut link.client), [b"real"], "{suite}");
    }
}

/// What was on the wire of a connection, whole datagrams and each record of them, with the plaintext
/// records under new numbers as well.
fn replays(scene: &Scene) -> Vec<Vec<u8>> {
    let mut replays = Vec::new();
    for (_, _, datagram) in &scene.link.sent {
        replays.push(datagram.clone());
        for record in records::split(datagram) {
            replays.push(record.to_vec());
            if records::epoch(record) == 0 {
                replays.push(records::renumbered(record, 1000));
            }
        }
    }
    replays
}

#[test]
fn nothing_that_was_on_the_wire_counts_a_second_time() {
    // A thousand times, to either end: what it has heard before, and what it has said itself. Among it
    // is the client's Finished, which a server answers twelve times when it is not a replay.
    let mut scene = scene();
    scene.start(RECORDS);
    scene.link.assert_data_flows();
    let replays = replays(&scene);
    assert!(replays.len() > 2 * RECORDS, "{}", replays.len());
    for to in [ToServer, ToClient] {
        let mut held = 0;
        for round in 0..1000 / stride() {
            for datagram in &replays {
                assert_eq!(scene.spoof(to, datagram), Vec::<Vec<u8>>::new(), "{datagram:02x?}");
            }
            if round == 1 {
                held = memory::held();
            }
        }
        assert_eq!(memory::held(), held, "{to:?}");
        scene.link.assert_connected();
        scene.link.assert_data_flows();
        scene.assert_undisturbed();
    }
}

#[test]
fn a_replay_does_not_disturb_a_handshake() {
    // Everything that was sent so far, at every point, and its encrypted records for the next client
    // of the same address.
    let mut scene = scene();
    let mut earlier: Vec<Vec<u8>> = Vec::new();
    for point in 0..=RECORDS {
        let start = clock::elapsed();
        scene.start(point);
        for (to, _, datagram) in scene.link.sent.clone() {
            let heard_before = scene.link.sent(to).iter().position(|it| *it == datagram);
            assert!(heard_before.is_some());
            scene.link.inject(to, &datagram);
        }
        for datagram in &earlier {
            for to in [ToServer, ToClient] {
                assert_eq!(scene.spoof(to, datagram), Vec::<Vec<u8>>::new());
            }
        }
        scene.link.run();
        scene.link.assert_connected();
        assert_eq!(clock::elapsed(), start, "after {point} records");
        scene.link.assert_data_flows();
        scene.assert_undisturbed();
        let sealed = scene.recorded().into_iter().map(|(_, record)| record);
        earlier = sealed.filter(|record| records::epoch(record) > 0).collect();
    }
}
