//! Sessions that move between threads, and many threads at once.

mod support;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use dtls_core::{
    Certificates, ClientConfig, Identity, Listener, ServerConfig, Session, Status, TrustAnchors,
};
use support::link::{End, Link, Server, ToClient, ToServer, connect, packets};
use support::pki;

const fn is_send<T: Send>() {}
const fn is_shared<T: Send + Sync>() {}

const _: () = {
    is_send::<Session>();
    is_send::<Listener>();
    is_shared::<ServerConfig>();
    is_shared::<ClientConfig>();
    is_shared::<Certificates>();
    is_shared::<Identity>();
    is_shared::<TrustAnchors>();
};

/// Handles what comes in and sends what goes out until the other end hangs up or `done` is.
fn pump<E: End>(
    end: &mut E,
    incoming: &Receiver<Vec<u8>>,
    outgoing: &Sender<Vec<u8>>,
    mut done: impl FnMut(&mut E) -> bool,
) {
    loop {
        for datagram in end.take() {
            // An end that has what it wanted does not listen any more.
            let _gone = outgoing.send(datagram);
        }
        if done(end) {
            return;
        }
        let Ok(datagram) = incoming.recv() else { return };
        end.handle(&datagram);
    }
}

#[test]
fn client_and_server_in_threads_of_their_own() {
    let (to_server, at_server) = channel();
    let (to_client, at_client) = channel();
    let server = thread::spawn(move || {
        let mut server = Server::new(&pki::localhost());
        let mut received = Vec::new();
        pump(&mut server, &at_server, &to_client, |server| {
            if let Some(session) = &mut server.session {
                for packet in packets(session) {
                    session.send(&packet).expect("connected");
                    received.push(packet);
                }
            }
            for datagram in server.take() {
                let _gone = to_client.send(datagram);
            }
            received.len() == 10
        });
        received
    });
    let client = thread::spawn(move || {
        let mut client = connect(&pki::verifying());
        let mut echoed = Vec::new();
        let mut sent = 0u8;
        pump(&mut client, &at_client, &to_server, |client| {
            echoed.extend(packets(client));
            if client.status() == Status::Connected
                && sent < 10
                && echoed.len() == usize::from(sent)
            {
                client.send(&[sent; 100]).expect("connected");
                sent += 1;
            }
            for datagram in client.take() {
                let _gone = to_server.send(datagram);
            }
            echoed.len() == 10
        });
        echoed
    });
    let expected: Vec<Vec<u8>> = (0..10).map(|number| vec![number; 100]).collect();
    assert_eq!(client.join().expect("no panic"), expected);
    assert_eq!(server.join().expect("no panic"), expected);
}

#[test]
fn a_session_may_go_on_in_another_thread_at_any_point() {
    let mut client = connect(&pki::verifying());
    let mut server = Server::new(&pki::localhost());
    for _ in 0..10 {
        // Each datagram is handled by a new thread.
        client = thread::spawn(move || {
            client.handle_timeout(support::clock::now());
            client
        })
        .join()
        .expect("no panic");
        let datagrams = client.take();
        server = thread::spawn(move || {
            datagrams.iter().for_each(|datagram| server.handle(datagram));
            server
        })
        .join()
        .expect("no panic");
        let datagrams = server.take();
        client = thread::spawn(move || {
            datagrams.iter().for_each(|datagram| client.handle(datagram));
            client
        })
        .join()
        .expect("no panic");
    }
    let mut link = Link::between(client, server);
    link.assert_connected();
    link.assert_data_flows();
    let Link { client, server, .. } = link;
    // And ends in yet another.
    thread::spawn(move || drop((client, server))).join().expect("no panic");
}

#[test]
fn many_threads_share_configurations() {
    let server = pki::localhost();
    let good = pki::verifying();
    let bad = pki::client(&pki::ROOT.cert_pem(), "other.example");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..10 {
                    let mut link = Link::established(&server, &good);
                    link.assert_data_flows();
                    if round % 2 == 0 {
                        link.client.close();
                        link.settle();
                    }
                    let mut refused = Link::new(&server, &bad);
                    refused.run();
                    assert_eq!(refused.client.status(), Status::Failed);
                    assert_eq!(refused.server.session().status(), Status::Failed);
                }
            });
        }
    });
}

#[test]
fn configurations_are_made_and_dropped_everywhere() {
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let mut link = Link::new(&pki::localhost(), &pki::verifying());
                    link.server.listener.set_config(pki::localhost());
                    link.run();
                    link.assert_connected();
                    assert!(link.sent(ToServer).len() >= 3);
                    assert!(link.sent(ToClient).len() >= 3);
                }
            });
        }
    });
}

#[test]
fn a_session_outlives_its_configuration_and_its_listener() {
    let (client, session) = {
        let link = Link::established(&pki::localhost(), &pki::verifying());
        let Link { client, server, .. } = link;
        (client, server.session.expect("a session"))
    };
    let mut link = Link::between(client, session);
    link.client.send(b"alone").expect("connected");
    link.settle();
    assert_eq!(packets(&mut link.server), [b"alone"]);
    link.server.close();
    link.settle();
    assert_eq!(link.client.status(), Status::Closed);
}
