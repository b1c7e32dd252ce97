//! What anyone could send: forged records, noise, and plaintext where none belongs.

mod support;

use dtls_core::Status;
use support::link::{End, Link, Server, ToClient, ToServer, established, packets, sealed, wide};
use support::raw::Raw;
use support::{pki, raw, records};

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
    // OpenSSL 3.6 takes one that is shorter than nonce and tag for an internal error.
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
fn many_forged_packets_do_no_harm() {
    let mut link = established();
    for sequence in 0..2000 {
        let forged = records::forge(records::APPLICATION_DATA, 1, sequence, &[7; 60]);
        link.server.handle(&forged);
        link.client.handle(&forged);
    }
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

/// Datagrams that anyone could make, some of them from `real`, which was on the wire.
fn junk(noise: &mut records::Noise, real: &[u8]) -> Vec<Vec<u8>> {
    let mut junk = vec![
        Vec::new(),
        real[..noise.below(real.len())].to_vec(),
        real[noise.below(real.len())..].to_vec(),
        [real, &[0xff; 40]].concat()[real.len()..].to_vec(),
        records::forge(64, 0, 3, &[1; 30]),
        records::forge(24, 1, 3, &[1; 30]),
    ];
    for _ in 0..4 {
        let length = noise.below(1400);
        junk.push(noise.bytes(length));
        // A header as it should be, and an epoch that may come.
        let content = u8::try_from(20 + noise.below(4)).expect("small");
        let epoch = u16::try_from(1 + noise.below(3)).expect("small");
        let sequence = u64::try_from(noise.below(200)).expect("small");
        let length = noise.below(200);
        junk.push(records::forge(content, epoch, sequence, &noise.bytes(length)));
    }
    junk
}

#[test]
fn noise_at_every_stage_is_dropped() {
    for seed in 0..40 {
        let mut noise = records::Noise::new(seed);
        let mut link = wide();
        link.each(move |_, datagram| {
            let mut arriving = junk(&mut noise, &datagram.bytes);
            let at = noise.below(arriving.len());
            arriving.insert(at, datagram.bytes.clone());
            arriving
        });
        link.run();
        assert_eq!(link.client.failure(), None, "seed {seed}");
        link.assert_connected();
        for _ in 0..5 {
            link.assert_data_flows();
        }
    }
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

#[test]
fn what_is_said_in_the_clear_is_ignored_once_connected() {
    let mut link = established();
    let mut said = Vec::new();
    for (level, alert) in [(1, 0), (2, 0), (2, 40), (2, 20), (1, 90), (2, 90), (1, 100)] {
        for epoch in [0, 2] {
            said.push(records::forge(records::ALERT, epoch, 99, &[level, alert]));
        }
    }
    said.push(records::forge(records::CHANGE_CIPHER_SPEC, 0, 99, &[1]));
    said.push(records::forge(records::APPLICATION_DATA, 0, 99, b"plain"));
    let hello = link.sent(ToServer)[0].to_vec();
    said.push(hello);
    for datagram in said {
        link.inject(ToServer, &datagram);
        link.inject(ToClient, &datagram);
        link.settle();
        link.assert_connected();
    }
    link.assert_data_flows();
}

#[test]
fn malformed_plaintext_does_not_end_a_handshake() {
    let empty_fragment_of_a_server_hello = [2, 0, 0, 70, 0, 0, 0, 0, 0, 0, 0, 0];
    for (content, body) in [
        (records::HANDSHAKE, empty_fragment_of_a_server_hello.as_slice()),
        (records::ALERT, &[2]),
        (records::ALERT, &[1, 0, 0]),
        (records::ALERT, &[7, 0]),
        (records::CHANGE_CIPHER_SPEC, &[2]),
        (records::CHANGE_CIPHER_SPEC, &[1, 1, 1]),
    ] {
        let mut link = Link::new(&pki::localhost(), &pki::verifying());
        let forged = records::forge(content, 0, 7, body);
        link.inject(ToClient, &forged);
        link.deliver_one();
        assert_eq!(link.client.status(), Status::Handshaking, "type {content}, {body:?}");
        link.run();
        link.assert_connected();
    }
}
