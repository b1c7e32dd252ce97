//! What arrives whole, what is lost, and that neither stops anything.

mod common;

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use common::{LOCALHOST, LOCALHOST_6, address, next, peer, receive, receive_batches, server};
use dtls_net::{Batch, BindAddress, Counters, Progress, Sent, Transmit};

#[test]
fn a_datagram_larger_than_the_buffer_is_dropped_and_counted() {
    let mut server = server(BindAddress::Any);
    let to = SocketAddr::new(LOCALHOST, server.local_addr().port());
    let peer = peer(LOCALHOST);
    for bytes in [&[1; 2049][..], &[2; 2048]] {
        peer.send_to(bytes, to).expect("sent");
    }
    assert_eq!(receive(&mut server).0, [2; 2048]);
    assert_eq!(server.counters(), Counters { truncated: 1, ..Counters::default() });

    for bytes in [&[3; 100][..], &[4; 101], &[], &[5; 1]] {
        peer.send_to(bytes, to).expect("sent");
    }
    let whole = receive_batches(&mut server, &mut Batch::new(64, 100), 4);
    assert_eq!(whole, [vec![3; 100], vec![], vec![5]]);
    assert_eq!(server.counters(), Counters { truncated: 2, ..Counters::default() });
}

#[test]
fn more_than_a_batch_arrives_in_order() {
    let mut server = server(BindAddress::One(LOCALHOST));
    let peer = peer(LOCALHOST);
    let sent: Vec<_> = (0..200_u8).map(|number| vec![number; 1 + usize::from(number)]).collect();
    for bytes in &sent {
        peer.send_to(bytes, server.local_addr()).expect("sent");
    }
    assert_eq!(receive_batches(&mut server, &mut Batch::new(64, 200), 200), sent);

    let to = address(&peer);
    let transmits: Vec<_> =
        sent.iter().map(|bytes| Transmit { peer: to, local: None, bytes }).collect();
    let progress = server.send_batch(&transmits).expect("a socket");
    assert_eq!(progress, Progress { done: 200, lost: vec![] });
    for bytes in &sent {
        assert_eq!(next(&peer).0, *bytes);
    }
}

#[test]
fn a_peer_that_is_gone_does_not_disturb_the_others() {
    let mut server = server(BindAddress::Any);
    let port = server.local_addr().port();
    for localhost in [LOCALHOST, LOCALHOST_6] {
        // Nobody has this port, so each datagram is answered with ICMP.
        let gone = SocketAddr::new(localhost, 9);
        let transmit = Transmit { peer: gone, local: Some(localhost), bytes: b"anyone?" };
        for _ in 0..10 {
            assert_eq!(server.send(&transmit).expect("a socket"), Sent::Sent);
        }
        let progress = server.send_batch(&[transmit; 10]).expect("a socket");
        assert_eq!(progress, Progress { done: 10, lost: vec![] });

        let peer = peer(localhost);
        peer.send_to(b"hello", (localhost, port)).expect("sent");
        assert_eq!(receive(&mut server).0, b"hello");
    }
    assert_eq!(server.counters(), Counters::default());
}

#[test]
fn what_could_not_be_sent_is_told_from_what_was() {
    let mut server = server(BindAddress::Any);
    let peer = peer(LOCALHOST);
    let good = |bytes| Transmit { peer: address(&peer), local: None, bytes };
    let to_all = SocketAddr::from(([255, 255, 255, 255], 9));
    let too_large = vec![0; 65_508];
    let mut transmits = vec![
        good(b"first"),
        Transmit { peer: to_all, ..good(b"needs an option") },
        good(b"third"),
        good(&too_large),
        Transmit { peer: to_all, ..good(b"needs an option") },
        good(b"last"),
    ];
    let mut lost = vec![1, 3, 4];
    // Windows takes what is for port 0, and drops it.
    if cfg!(unix) {
        transmits.push(Transmit { peer: SocketAddr::new(LOCALHOST, 0), ..good(b"to port 0") });
        // No address of this machine (RFC 5737).
        transmits.push(Transmit { local: Some([203, 0, 113, 1].into()), ..good(b"from nowhere") });
        // By an interface that is not there.
        let peer = SocketAddrV6::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1), 9, 0, 4_000_000);
        let local = Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2).into());
        transmits.push(Transmit { peer: peer.into(), local, bytes: b"to nowhere" });
        lost.extend([6, 7, 8]);
    }
    let progress = server.send_batch(&transmits).expect("a socket");
    assert_eq!(progress, Progress { done: transmits.len(), lost: lost.clone() });
    for sent in [&b"first"[..], b"third", b"last"] {
        assert_eq!(next(&peer).0, sent);
    }

    assert_eq!(server.send(&transmits[1]).expect("a socket"), Sent::Lost);
    let send_errors = lost.len() as u64 + 1;
    assert_eq!(server.counters(), Counters { send_errors, ..Counters::default() });
}

#[test]
fn a_server_for_one_family_cannot_send_to_the_other() {
    for (of, other) in [(LOCALHOST, LOCALHOST_6), (LOCALHOST_6, LOCALHOST)] {
        let mut server = server(BindAddress::One(of));
        let peer = peer(other);
        let transmit = Transmit { peer: address(&peer), local: None, bytes: b"hello" };
        assert_eq!(server.send(&transmit).expect("a socket"), Sent::Lost);
    }
}
