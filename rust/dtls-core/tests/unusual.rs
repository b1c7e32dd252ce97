//! What few programs send and every one may: empty packets, several fragments of a message in one datagram.

mod support;

use dtls_core::{Dropped, Stats};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::ssl::SslRef;
use openssl::symm::{Cipher, encrypt_aead};
use support::link::{End, Link, Server, ToClient, packets};
use support::pki::Rebuild as _;
use support::raw::Raw;
use support::{clock, pki, raw, records};

/// `P_SHA256` of RFC 5246 section 5.
fn expanded(secret: &[u8], seed: &[u8], length: usize) -> Vec<u8> {
    let key = PKey::hmac(secret).expect("a key");
    let hmac = |data: &[u8]| {
        let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("OpenSSL works");
        signer.sign_oneshot_to_vec(data).expect("OpenSSL works")
    };
    let (mut out, mut a) = (Vec::new(), seed.to_vec());
    while out.len() < length {
        a = hmac(&a);
        out.extend(hmac(&[a.as_slice(), seed].concat()));
    }
    out.truncate(length);
    out
}

/// The record with `packet` in it that the client `ssl` would send under this number.
fn sealed_by(ssl: &SslRef, number: u64, packet: &[u8]) -> Vec<u8> {
    let chacha = ssl.current_cipher().expect("a suite").name().contains("CHACHA20");
    let mut master = [0; 48];
    ssl.session().expect("a session").master_key(&mut master);
    let (mut client, mut server) = ([0; 32], [0; 32]);
    ssl.client_random(&mut client);
    ssl.server_random(&mut server);
    let seed = [b"key expansion".as_slice(), &server, &client].concat();
    // The client's key, the server's, the client's IV (RFC 5246 section 6.3).
    let (key_length, iv_length) = if chacha { (32, 12) } else { (16, 4) };
    let keys = expanded(&master, &seed, 2 * key_length + iv_length);
    let (key, iv) = (&keys[..key_length], &keys[2 * key_length..]);
    let mut row = number.to_be_bytes();
    row[1] = 1;
    let (cipher, nonce, explicit) = if chacha {
        let padded = [[0; 4].as_slice(), &row].concat();
        let nonce = iv.iter().zip(padded).map(|(iv, row)| iv ^ row).collect();
        (Cipher::chacha20_poly1305(), nonce, Vec::new())
    } else {
        (Cipher::aes_128_gcm(), [iv, &row].concat(), row.to_vec())
    };
    let length = u16::try_from(packet.len()).expect("short").to_be_bytes();
    let about = [&row, [records::APPLICATION_DATA, 0xfe, 0xfd].as_slice(), &length].concat();
    let mut tag = [0; 16];
    let body = encrypt_aead(cipher, key, Some(&nonce), &about, packet, &mut tag);
    let body = [explicit, body.expect("OpenSSL works"), tag.to_vec()].concat();
    records::forge(records::APPLICATION_DATA, 1, number, &body)
}

#[test]
fn an_empty_packet_is_no_fault_and_does_not_take_the_next_along() {
    let faults = |stats: Stats| Dropped::ALL.iter().map(|why| stats[*why]).sum::<u64>();
    for suite in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"] {
        let mut context = raw::context();
        context.set_cipher_list(suite).expect("a suite");
        let mut link = Link::between(Raw::client(context), Server::new(&pki::localhost()));
        link.run();
        assert_eq!(link.client.suite(), suite);
        let ssl = link.client.ssl();
        let [empty, another, packet] = [(1000, "".as_bytes()), (1001, b""), (1002, b"behind")]
            .map(|(number, packet)| sealed_by(ssl, number, packet));
        let session = link.server.session();
        session.handle_datagram(&[empty, packet].concat(), clock::now());
        assert_eq!(packets(session), [b"behind"], "{suite}");
        session.handle_datagram(&another, clock::now());
        assert_eq!(packets(session), Vec::<Vec<u8>>::new(), "{suite}");
        assert_eq!(faults(session.stats()), 0, "{suite}");
        assert_eq!(session.take(), Vec::<Vec<u8>>::new(), "{suite}");
        // One byte less is no record of this suite, and a wrong tag is nobody's.
        let short =
            records::forge(records::APPLICATION_DATA, 1, 1003, &another[records::HEADER + 1..]);
        session.handle_datagram(&short, clock::now());
        assert_eq!(session.stats()[Dropped::Malformed], 1, "{suite}");
        let mut forged = sealed_by(link.client.ssl(), 1004, b"");
        *forged.last_mut().expect("a tag") ^= 1;
        let behind = sealed_by(link.client.ssl(), 1005, b"goes on");
        link.server.handle(&[forged, behind].concat());
        assert_eq!(packets(link.server.session()), [b"goes on"], "{suite}");
    }
}

/// `hello`, a ClientHello in one record, in two records behind each other that are cut at `at` bytes of
/// its message.
fn in_two_fragments(hello: &[u8], at: usize) -> Vec<u8> {
    let message = &hello[records::HEADER + 12..];
    let total = u32::try_from(message.len()).expect("short");
    let (number, sequence) = (records::number(hello), records::message_sequence(hello));
    let (first, second) = message.split_at(at);
    let cut = u32::try_from(at).expect("short");
    [(number, 0, first), (number + 1, cut, second)]
        .map(|(number, offset, bytes)| {
            let fragment = records::fragment(records::CLIENT_HELLO, total, sequence, offset, bytes);
            records::forge(records::HANDSHAKE, 0, number, &fragment)
        })
        .concat()
}

#[test]
fn both_fragments_of_a_client_hello_may_come_in_one_datagram() {
    let client = pki::verifying().rebuild(|it| it.with_resumption(false)).expect("OpenSSL works");
    // Wherever it is cut behind its cookie.
    for behind in (0..120).step_by(17) {
        let start = clock::elapsed();
        let mut link = Link::new(&pki::localhost(), &client);
        link.each(move |to, datagram| {
            let bytes = &datagram.bytes;
            if to == ToClient || records::message(bytes) != Some(records::CLIENT_HELLO) {
                return vec![bytes.clone()];
            }
            let cookie = records::cookie(bytes).end - (records::HEADER + 12);
            let last = bytes.len() - (records::HEADER + 12) - 1;
            vec![in_two_fragments(bytes, (cookie + behind).min(last))]
        });
        link.run();
        link.assert_connected();
        assert_eq!(clock::elapsed(), start, "{behind} bytes behind the cookie");
        link.assert_data_flows();
    }
}
