//! Handshake messages out of the order that the state allows, from a peer that numbers them as if it
//! were right: refused when they come, before anything of the handshake could be called finished.

mod support;

use dtls_core::{ClientVerification, Count, Failure, Reason, Status, Trust};
use support::flight::{Message, edited, orders};
use support::link::{Direction, ToClient, ToServer};
use support::pki::Rebuild as _;
use support::records::{
    CERTIFICATE, CHANGE_CIPHER_SPEC, CLIENT_HELLO, CLIENT_KEY_EXCHANGE, FINISHED,
    HELLO_VERIFY_REQUEST, SERVER_HELLO, SERVER_HELLO_DONE, SERVER_KEY_EXCHANGE,
};
use support::scene::Scene;
use support::{clock, pki, records};
use test_pki::{Profile, Usage};

const UNEXPECTED_MESSAGE: u8 = 10;
const CERTIFICATE_VERIFY: u8 = 15;
const NEW_SESSION_TICKET: u8 = 4;
/// A type that no version has.
const UNKNOWN: u8 = 99;

/// The flight of a server behind its HelloVerifyRequest.
const SERVER_FLIGHT: [u8; 4] = [SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE];

/// Messages of another handshake of the same two ends, by their type; and what neither of them sends.
fn messages(scene: &mut Scene) -> Vec<Message> {
    let recorded = scene.recorded();
    let mut messages: Vec<Message> =
        recorded.iter().filter_map(|(_, record)| Message::read(record)).collect();
    for kind in [CERTIFICATE_VERIFY, NEW_SESSION_TICKET, FINISHED, UNKNOWN] {
        messages.push(Message { kind, body: vec![3; 12] });
    }
    messages
}

/// Checks that the end that `edit` lies to refuses the handshake at once, and why.
fn assert_refused(
    scene: &mut Scene,
    to: Direction,
    shown: &str,
    edit: impl FnMut(&mut Vec<Message>) + 'static,
) {
    let first = if to == ToServer { CLIENT_KEY_EXCHANGE } else { SERVER_HELLO };
    let start = clock::elapsed();
    scene.start(0);
    scene.link.weather(edited(to, first, edit));
    scene.link.run();
    let server = scene.link.server.session.as_ref().and_then(|session| session.failure());
    let failures = [scene.link.client.failure(), server];
    let [liar, other] = if to == ToServer { failures } else { [failures[1], failures[0]] };
    assert_eq!(other, Some(&Failure::Protocol("unexpected message".to_owned())), "{shown}");
    assert_eq!(liar, Some(&Failure::PeerAlert(UNEXPECTED_MESSAGE)), "{shown}");
    assert_eq!(clock::elapsed(), start, "{shown}: at once");
    scene.assert_undisturbed();
}

#[test]
fn a_flight_that_is_renumbered_and_not_changed_is_accepted() {
    // Otherwise nothing below would prove anything.
    let mut scene = Scene::new();
    for (to, first) in [(ToServer, CLIENT_KEY_EXCHANGE), (ToClient, SERVER_HELLO)] {
        scene.start(0);
        scene.link.weather(edited(to, first, move |flight| assert_eq!(flight[0].kind, first)));
        scene.link.run();
        scene.link.assert_connected();
    }
}

#[test]
fn a_client_refuses_the_messages_of_a_server_in_any_other_order() {
    let mut scene = Scene::new();
    for order in orders(&SERVER_FLIGHT) {
        if order == SERVER_FLIGHT {
            continue;
        }
        assert_refused(&mut scene, ToClient, &format!("{order:?}"), move |flight| {
            let place = |kind| order.iter().position(|it| *it == kind);
            flight.sort_by_key(|message| place(message.kind));
        });
    }
}

#[test]
fn a_client_refuses_a_server_that_leaves_a_message_out() {
    let mut scene = Scene::new();
    for left_out in [SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE] {
        assert_refused(&mut scene, ToClient, &format!("without {left_out}"), move |flight| {
            flight.retain(|message| message.kind != left_out);
        });
    }
}

#[test]
fn a_client_refuses_messages_that_come_again_or_have_no_place() {
    let mut scene = Scene::new();
    let messages = messages(&mut scene);
    for place in 0..=SERVER_FLIGHT.len() {
        for message in &messages {
            let expected = SERVER_FLIGHT.get(place) == Some(&message.kind);
            if expected || message.kind == HELLO_VERIFY_REQUEST {
                continue;
            }
            let (kind, message) = (message.kind, message.clone());
            let shown = format!("{kind} at place {place}");
            assert_refused(&mut scene, ToClient, &shown, move |flight| {
                flight.insert(place, message.clone());
            });
        }
    }
    for kind in SERVER_FLIGHT {
        assert_refused(&mut scene, ToClient, &format!("{kind} twice"), move |flight| {
            let place =
                flight.iter().position(|message| message.kind == kind).expect("it is there");
            flight.insert(place, flight[place].clone());
        });
    }
}

#[test]
fn a_client_takes_no_hello_verify_request_after_server_hello() {
    // OpenSSL would answer the one behind ServerHello with a ClientHello, and go on from there.
    let mut scene = Scene::new();
    let request = messages(&mut scene).into_iter().find(|it| it.kind == HELLO_VERIFY_REQUEST);
    let request = request.expect("it was recorded");
    let places = (1..=SERVER_FLIGHT.len()).flat_map(|place| [(place, false), (place, true)]);
    for (place, in_one_datagram) in places {
        let (start, request) = (clock::elapsed(), request.clone());
        scene.start(0);
        let mut with_request = edited(ToClient, SERVER_HELLO, move |flight| {
            flight.insert(place, request.clone());
        });
        scene.link.weather(move |direction, datagrams| {
            let arriving = with_request(direction, datagrams);
            if in_one_datagram { vec![arriving.concat()] } else { arriving }
        });
        scene.link.run();
        let what = match place {
            1 => "a HelloVerifyRequest after ServerHello",
            _ => "unexpected message",
        };
        let failure = Failure::Protocol(what.to_owned());
        assert_eq!(scene.link.client.failure(), Some(&failure), "at place {place}");
        assert_eq!(scene.status(ToServer), Some(Status::Failed), "the server is told");
        assert_eq!(clock::elapsed(), start, "at once");
        scene.assert_undisturbed();
    }
}

#[test]
fn a_server_refuses_messages_that_come_again_or_have_no_place() {
    // Certificate, CertificateVerify and an early Finished among them: no one asked for a certificate.
    let mut scene = Scene::new();
    let messages = messages(&mut scene);
    for place in 0..=1 {
        for message in &messages {
            // A ClientHello of another attempt goes to the cookie exchange, see `restart.rs`.
            let expected = place == 0 && message.kind == CLIENT_KEY_EXCHANGE;
            if expected || message.kind == CLIENT_HELLO {
                continue;
            }
            let (kind, message) = (message.kind, message.clone());
            let shown = format!("{kind} at place {place}");
            assert_refused(&mut scene, ToServer, &shown, move |flight| {
                flight.insert(place, message.clone());
            });
        }
    }
}

#[test]
fn a_server_refuses_the_client_hello_that_it_began_with_in_another_place() {
    let mut scene = Scene::new();
    for (records, sequence) in [(3, 2), (7, 2), (8, 3)] {
        scene.start(records);
        let hello = Message::read(scene.link.sent(ToServer)[1]).expect("it is in the clear");
        assert_eq!(hello.kind, CLIENT_HELLO);
        scene.spoof(ToServer, &records::handshake(40, CLIENT_HELLO, sequence, &hello.body));
        let failure = scene.link.server.session().failure();
        assert_eq!(failure, Some(&Failure::Protocol("unexpected message".to_owned())));
        scene.assert_undisturbed();
    }
}

/// What both ends come to when the records of `way` that are `lost` never arrive.
fn without(scene: &mut Scene, way: Direction, lost: fn(&[u8]) -> bool) -> [Option<Status>; 2] {
    scene.start(0);
    scene.link.each(move |direction, datagram| {
        let records = records::split(&datagram.bytes).into_iter();
        let arriving = records.filter(|record| direction != way || !lost(record));
        arriving.map(<[u8]>::to_vec).collect()
    });
    scene.link.run();
    scene.assert_undisturbed();
    [scene.status(ToClient), scene.status(ToServer)]
}

#[test]
fn finished_does_not_count_without_change_cipher_spec() {
    let mut scene = Scene::new();
    let is_it = |record: &[u8]| records::content(record) == CHANGE_CIPHER_SPEC;
    let failed = Some(Status::Failed);
    assert_eq!(without(&mut scene, ToServer, is_it), [failed, failed]);
    // The server has heard everything.
    assert_eq!(without(&mut scene, ToClient, is_it), [failed, Some(Status::Connected)]);
}

#[test]
fn finished_does_not_count_without_client_key_exchange() {
    let mut scene = Scene::new();
    let is_it = |record: &[u8]| records::message(record) == Some(CLIENT_KEY_EXCHANGE);
    let failed = Some(Status::Failed);
    assert_eq!(without(&mut scene, ToServer, is_it), [failed, failed]);
}

/// The flight of a client that was asked for a certificate.
const CLIENT_FLIGHT: [u8; 3] = [CERTIFICATE, CLIENT_KEY_EXCHANGE, CERTIFICATE_VERIFY];

/// A server that asks for certificates, and a client that has one.
fn mutual(verification: fn(Trust) -> ClientVerification) -> Scene {
    let player = pki::ROOT.issue(Profile::new("player-17").usage(Usage::Client));
    let client = pki::verifying().rebuild(|it| it.with_identity(pki::identity(&player)));
    let trust = pki::trust(&pki::ROOT.cert_pem());
    let server = pki::localhost().rebuild(|it| it.with_verification(verification(trust)));
    Scene::with(&server.expect("usable"), client.expect("a usable identity"))
}

#[test]
fn a_server_refuses_the_messages_of_a_client_with_a_certificate_in_any_other_order() {
    for verification in [ClientVerification::Required, ClientVerification::Optional] {
        let mut scene = mutual(verification);
        scene.start(0);
        scene.link.weather(edited(ToServer, CERTIFICATE, |flight| {
            assert_eq!(flight.iter().map(|it| it.kind).collect::<Vec<_>>(), CLIENT_FLIGHT);
        }));
        scene.link.run();
        scene.link.assert_connected();

        let mut flights: Vec<Vec<u8>> = orders(&CLIENT_FLIGHT);
        flights.extend(
            CLIENT_FLIGHT
                .map(|kind| CLIENT_FLIGHT.into_iter().filter(|other| *other != kind).collect()),
        );
        for (place, kind) in CLIENT_FLIGHT.into_iter().enumerate() {
            let mut twice = CLIENT_FLIGHT.to_vec();
            twice.insert(place, kind);
            flights.push(twice);
        }
        for kinds in flights.into_iter().filter(|kinds| *kinds != CLIENT_FLIGHT) {
            scene.start(0);
            let wanted = kinds.clone();
            scene.link.weather(edited(ToServer, CERTIFICATE, move |flight| {
                let find = |kind: &u8| flight.iter().find(|message| message.kind == *kind).cloned();
                *flight = wanted.iter().filter_map(find).collect();
            }));
            scene.link.run();
            let server = scene.link.server.session();
            let reason = server.failure().map(Failure::reason);
            // A ChangeCipherSpec before its turn is dropped: the proof may still come.
            let without_proof = kinds == [CERTIFICATE, CLIENT_KEY_EXCHANGE];
            let expected = if without_proof { Reason::Timeout } else { Reason::Protocol };
            assert_eq!(reason, Some(expected), "{kinds:?}: {:?}", server.failure());
            assert_eq!(server.stats()[Count::HandshakesCompleted], 0, "{kinds:?}");
            assert_ne!(scene.link.client.status(), Status::Connected, "{kinds:?}");
            scene.assert_undisturbed();
        }
    }
}
