//! Records that someone made up who can see the real ones; and what DTLS 1.2 cannot tell from real ones.

mod support;

use dtls_core::{Failure, Session, Status};
use support::link::{
    Direction, End, Link, Server, ToClient, ToServer, connect, established, packets, sealed, wide,
};
use support::raw::Raw;
use support::records::{ALERT, APPLICATION_DATA, CERTIFICATE, CHANGE_CIPHER_SPEC, HANDSHAKE};
use support::scene::{RECORDS, Scene};
use support::{clock, pki, raw, records};

#[test]
fn forged_packets_are_dropped() {
    let mut link = established();
    let datagram = sealed(&mut link.client, b"the real one");
    for index in 0..datagram.len() {
        for bit in [0x01, 0x80] {
            let mut forged = datagram.clone();
            forged[index] ^= bit;
            link.server.handle(&forged);
            let session = link.server.session();
            assert_eq!(session.status(), Status::Connected, "byte {index}");
            assert_eq!(session.received(), 0, "byte {index}");
            assert_eq!(session.take(), Vec::<Vec<u8>>::new(), "byte {index}");
        }
    }
    link.server.handle(&datagram);
    assert_eq!(packets(link.server.session()), [b"the real one"]);
}

#[test]
fn forged_records_of_any_length_are_dropped() {
    // OpenSSL takes one that is shorter than nonce and tag for an internal error.
    for suite in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"] {
        for content in [20, 21, 22, 23] {
            for length in (0..40).chain([1000, 16_384, 16_640, 18_432]) {
                let mut context = raw::context();
                context.set_cipher_list(suite).expect("a suite");
                let client = Raw::client(context);
                let mut link = Link::between(client, Server::new(&pki::localhost()));
                link.run();
                let forged = records::forge(content, 1, 500, &vec![7; length]);
                let session = link.server.session();
                session.handle(&forged);
                let shown = format!("{suite}, type {content}, {length} bytes");
                assert_eq!(session.failure(), None, "{shown}");
                assert_eq!(session.status(), Status::Connected, "{shown}");
                assert_eq!(session.take(), Vec::<Vec<u8>>::new(), "{shown}");
                link.client.send(b"real");
                link.settle();
                assert_eq!(packets(link.server.session()), [b"real"], "{shown}");
            }
        }
    }
}

#[test]
fn a_forged_number_does_not_move_the_replay_window() {
    let mut link = established();
    let real = sealed(&mut link.client, b"real");
    for sequence in [1, 50, 1000, 0xffff_ffff_ffff] {
        for content in [20, 21, 22, 23] {
            link.server.handle(&records::forge(content, 1, sequence, &[7; 60]));
        }
    }
    link.server.handle(&real);
    assert_eq!(packets(link.server.session()), [b"real"]);
    link.assert_data_flows();
}

#[test]
fn a_packet_behind_a_forged_record_of_the_same_datagram_is_received() {
    let mut link = established();
    let forged = records::forge(records::APPLICATION_DATA, 1, 999, &[7; 60]);
    let real = sealed(&mut link.client, b"real");
    link.server.handle(&[forged.clone(), real, forged].concat());
    assert_eq!(packets(link.server.session()), [b"real"]);
}

#[test]
fn noise_behind_a_record_at_every_stage_is_dropped() {
    // In the same datagram, where only the first record is what it should be.
    let behind = [
        vec![0xff; 40],
        records::forge(64, 0, 3, &[1; 30]),
        records::forge(records::APPLICATION_DATA, 0, 3, &[1; 30]),
        records::forge(records::HANDSHAKE, 0, 3, &[1; 11]),
        records::forge(records::HANDSHAKE, 1, 3, &[]),
        records::forge(records::APPLICATION_DATA, 1, 900, &[1; 60]),
    ];
    for tail in behind {
        let mut link = wide();
        let shown = format!("{tail:02x?}");
        link.each(move |_, datagram| vec![[datagram.bytes.as_slice(), &tail].concat()]);
        link.run();
        assert_eq!(link.client.failure(), None, "{shown}");
        link.assert_connected();
        link.assert_data_flows();
    }
}

/// What becomes of a handshake when `forged` arrives `to` one end after so many records, for each number
/// of records: `.` it goes on, and takes one timeout more at most; `x` that end fails at once; `t` it
/// fails later, when the turn of the forged message comes or when the time is over.
fn fates(scene: &mut Scene, to: Direction, forged: &[Vec<u8>]) -> String {
    (0..=RECORDS)
        .map(|point| {
            scene.start(point);
            let start = clock::elapsed();
            for datagram in forged {
                for answer in scene.spoof(to, datagram) {
                    let back = if to == ToServer { ToClient } else { ToServer };
                    scene.link.inject(back, &answer);
                }
            }
            let failed_at_once = scene.status(to) == Some(Status::Failed);
            scene.link.run();
            scene.assert_undisturbed();
            let server = scene.link.server.session.as_ref().map(Session::status);
            match (scene.link.client.status(), server) {
                (Status::Connected, Some(Status::Connected)) => {
                    let took = (clock::elapsed() - start).as_millis();
                    assert!(took <= 400, "{took} ms");
                    scene.link.assert_data_flows();
                    '.'
                }
                (Status::Failed, _) | (_, Some(Status::Failed)) if failed_at_once => 'x',
                (Status::Failed, _) => 't',
                other => panic!("{other:?}"),
            }
        })
        .collect()
}

/// Datagrams that are not authenticated, and what becomes of a handshake whose server or client gets
/// them (see [`fates`]).
struct Forgery {
    name: &'static str,
    datagrams: Vec<Vec<u8>>,
    to_server: &'static str,
    to_client: &'static str,
}

/// What is forged, from the records of an earlier handshake of the same two ends.
fn forgeries(recorded: &[(Direction, Vec<u8>)]) -> Vec<Forgery> {
    let forgery = |name, datagrams: Vec<Vec<u8>>, to_server, to_client| Forgery {
        name,
        datagrams,
        to_server,
        to_client,
    };
    let alerts = |level, alert, count: u64| {
        (40..40 + count).map(|number| records::forge(ALERT, 0, number, &[level, alert])).collect()
    };
    let change_cipher_spec = |number| vec![records::forge(CHANGE_CIPHER_SPEC, 0, number, &[1])];
    let encrypted =
        |count| (0..count).map(|number| records::forge(HANDSHAKE, 1, number, &[7; 40])).collect();
    let message = |kind, sequence| vec![records::handshake(40, kind, sequence, &[3; 33])];
    let of_another = |index: usize| vec![records::renumbered(&recorded[index].1, 40)];
    let certificate = |number, total, offset| {
        records::forge(HANDSHAKE, 0, number, &{
            records::fragment(CERTIFICATE, total, 2, offset, &[1; 50])
        })
    };
    let other_cookie = || {
        let mut request = recorded[1].1.clone();
        *request.last_mut().expect("a cookie") ^= 1;
        vec![request]
    };
    vec![
        forgery("a fatal alert", alerts(2, 40, 1), "...xxxxxx....", "xxxxxxxxxxx.."),
        forgery("close_notify", alerts(1, 0, 1), "...xxxxxx....", "xxxxxxxxxxx.."),
        forgery("no_renegotiation", alerts(1, 100, 1), "...xxxxxx....", "xxxxxxxxxxx.."),
        forgery("four warnings", alerts(1, 90, 4), ".............", "............."),
        forgery("five warnings", alerts(1, 90, 5), "...xxxxxx....", "xxxxxxxxxxx.."),
        forgery("ChangeCipherSpec", change_cipher_spec(40), ".............", "............."),
        forgery(
            "a record number far ahead",
            change_cipher_spec(1000),
            ".............",
            ".............",
        ),
        forgery("15 encrypted messages", encrypted(15), ".............", "............."),
        forgery("16 encrypted messages", encrypted(16), ".............", "............."),
        forgery("another cookie", other_cookie(), ".............", "tt..........."),
        forgery("a bad ServerHello", message(2, 1), ".............", "..xx........."),
        forgery("a bad Certificate", message(11, 2), "...xxxxx.....", "..ttx........"),
        forgery("a bad ServerKeyExchange", message(12, 3), "...tttttx....", "..tttx......."),
        forgery("a bad ServerHelloDone", message(14, 4), ".............", "..ttttx......"),
        forgery("a bad ClientKeyExchange", message(16, 2), "...xxxxx.....", "..ttx........"),
        forgery(
            "Finished of the client in the clear",
            message(20, 3),
            "...tttttx....",
            "..tttx.......",
        ),
        forgery(
            "Finished of the server in the clear",
            message(20, 5),
            ".............",
            "..tttttxxxx..",
        ),
        forgery(
            "ServerHello of another handshake",
            of_another(3),
            ".............",
            "..tt.........",
        ),
        forgery(
            "Certificate of another handshake",
            of_another(4),
            "...xxxxx.....",
            ".............",
        ),
        forgery(
            "ServerKeyExchange of another handshake",
            of_another(5),
            "...tttttx....",
            "..tttx.......",
        ),
        forgery(
            "ServerHelloDone of another handshake",
            of_another(6),
            ".............",
            ".............",
        ),
        forgery(
            "ClientKeyExchange of another handshake",
            of_another(7),
            "...ttttt.....",
            "..ttx........",
        ),
        forgery("a fragment", vec![certificate(40, 500, 0)], ".............", "............."),
        forgery(
            "certificates that are too large",
            vec![certificate(40, 20_000, 0), certificate(41, 20_000, 50)],
            ".............",
            ".............",
        ),
        forgery(
            "fragments that disagree",
            vec![certificate(40, 500, 0), certificate(41, 600, 50)],
            "...xxxxx.....",
            "..xxx........",
        ),
    ]
}

#[test]
fn a_handshake_believes_what_is_said_in_the_clear_and_a_connection_does_not() {
    // RFC 6347 authenticates nothing before Finished: who can send from the peer's address can make a
    // handshake fail, and no more than that. The other client hears nothing of it, a connection is not
    // ended, and none comes of it that both ends do not agree on.
    let mut scene = Scene::new();
    let recorded = scene.recorded();
    for Forgery { name, datagrams, to_server, to_client } in forgeries(&recorded) {
        assert_eq!(fates(&mut scene, ToServer, &datagrams), to_server, "{name}, to the server");
        assert_eq!(fates(&mut scene, ToClient, &datagrams), to_client, "{name}, to the client");
    }
}

#[test]
fn early_forgeries_cost_a_flight_that_comes_in_one_datagram_one_timeout() {
    for content in [HANDSHAKE, APPLICATION_DATA] {
        let mut link = Link::new(&pki::localhost(), &pki::verifying());
        while link.server.session.is_none() {
            assert!(link.deliver_one());
        }
        for number in 0..40 {
            link.server.handle(&records::forge(content, 1, number, &[7; 40]));
        }
        let start = clock::elapsed();
        link.run();
        link.assert_connected();
        assert!((clock::elapsed() - start).as_millis() <= 400);
        link.assert_data_flows();
    }
}

#[test]
fn fragments_that_disagree_are_not_called_a_fault_of_ours() {
    // OpenSSL fails then without a word.
    let mut client = connect(&pki::verifying());
    for length in [90, 100] {
        let mut fragment = vec![records::SERVER_HELLO, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, 50];
        fragment.extend([0; 50]);
        client.handle(&records::forge(records::HANDSHAKE, 0, u64::from(length), &fragment));
    }
    assert!(matches!(client.failure(), Some(Failure::Protocol(_))), "{:?}", client.failure());
}
