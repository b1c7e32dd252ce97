//! Who sent a datagram, where to, and where the answer comes from.

mod common;

use std::net::{IpAddr, SocketAddr};

use common::{
    LOCALHOST, LOCALHOST_6, address, is_in_wine, next, peer, receive, receive_batches, server,
};
use dtls_net::{Batch, BindAddress, Progress, Sent, Transmit};

/// Of this machine, as far as the system can answer from it; macOS has one IPv4 address there.
fn loopbacks() -> Vec<IpAddr> {
    let second = IpAddr::from([127, 0, 0, 2]);
    let has_second = !cfg!(target_vendor = "apple") && !is_in_wine();
    [LOCALHOST].into_iter().chain(has_second.then_some(second)).chain([LOCALHOST_6]).collect()
}

#[test]
fn an_answer_comes_from_the_address_that_was_asked() {
    let mut server = server(BindAddress::Any);
    for asked in loopbacks() {
        let asked = SocketAddr::new(asked, server.local_addr().port());
        let peer = peer(if asked.is_ipv4() { LOCALHOST } else { LOCALHOST_6 });
        peer.send_to(b"asked", asked).expect("sent");

        let (bytes, from, local) = receive(&mut server);
        assert_eq!((&*bytes, from, local), (&b"asked"[..], address(&peer), Some(asked.ip())));
        let answer = Transmit { peer: from, local, bytes: b"answer" };
        assert_eq!(server.send(&answer).expect("a socket"), Sent::Sent);
        assert_eq!(next(&peer), (b"answer".to_vec(), asked));
    }
}

#[test]
#[cfg(not(target_vendor = "apple"))]
fn the_system_would_answer_from_another_address() {
    let mut server = server(BindAddress::Any);
    let asked = IpAddr::from([127, 0, 0, 2]);
    let port = server.local_addr().port();
    let peer = peer(LOCALHOST);
    peer.send_to(b"asked", (asked, port)).expect("sent");
    let (_, from, local) = receive(&mut server);
    assert_eq!(local, Some(asked));
    let answer = Transmit { peer: from, local: None, bytes: b"answer" };
    assert_eq!(server.send(&answer).expect("a socket"), Sent::Sent);
    assert_eq!(next(&peer), (b"answer".to_vec(), SocketAddr::new(LOCALHOST, port)));
}

#[test]
fn each_answer_of_a_batch_comes_from_the_address_that_was_asked() {
    let mut server = server(BindAddress::Any);
    let port = server.local_addr().port();
    let asked: Vec<_> = loopbacks()
        .into_iter()
        .map(|asked| (peer(if asked.is_ipv4() { LOCALHOST } else { LOCALHOST_6 }), asked))
        .collect();
    for (peer, asked) in &asked {
        peer.send_to(asked.to_string().as_bytes(), (*asked, port)).expect("sent");
    }

    let mut batch = Batch::new(1, 2048);
    for (peer, asked) in &asked {
        receive_batches(&mut server, &mut batch, 1);
        let datagram = batch.datagrams().next().expect("one");
        assert_eq!(datagram.bytes, asked.to_string().as_bytes());
        assert_eq!((datagram.peer, datagram.local), (address(peer), Some(*asked)));
    }

    let answers: Vec<_> = asked
        .iter()
        .map(|(peer, asked)| Transmit {
            peer: address(peer),
            local: Some(*asked),
            bytes: b"answer",
        })
        .collect();
    let progress = server.send_batch(&answers).expect("a socket");
    assert_eq!(progress, Progress { done: answers.len(), lost: vec![] });
    for (peer, asked) in &asked {
        assert_eq!(next(peer), (b"answer".to_vec(), SocketAddr::new(*asked, port)));
    }
}

#[test]
fn a_server_on_one_address_has_that_one() {
    for localhost in [LOCALHOST, LOCALHOST_6] {
        let mut server = server(BindAddress::One(localhost));
        let peer = peer(localhost);
        peer.send_to(b"asked", server.local_addr()).expect("sent");
        let (_, from, local) = receive(&mut server);
        assert_eq!((from, local), (address(&peer), Some(localhost)));
        server.send(&Transmit { peer: from, local, bytes: b"answer" }).expect("a socket");
        assert_eq!(next(&peer), (b"answer".to_vec(), server.local_addr()));
    }
}
