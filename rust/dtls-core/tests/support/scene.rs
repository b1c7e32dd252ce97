//! A server with one client that strangers interfere with, and a bystander that has to go on
//! undisturbed.

use dtls_core::{Accepted, Datagrams, ServerConfig, Session, Status};

use super::link::{Direction, End, Link, Server, ToClient, ToServer, address, connect, packets};
use super::pki::Rebuild as _;
use super::{clock, journal, pki, records};

/// Records of a handshake without losses: ClientHello, HelloVerifyRequest, ClientHello; ServerHello,
/// Certificate, ServerKeyExchange, ServerHelloDone; ClientKeyExchange, ChangeCipherSpec, Finished;
/// ChangeCipherSpec, Finished.
pub(crate) const RECORDS: usize = 12;

pub(crate) struct Scene {
    pub(crate) link: Link<Session, Server>,
    bystander: Link<Session, Session>,
    client: pki::Client,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(&pki::localhost(), pki::verifying())
    }

    pub(crate) fn with(server: &ServerConfig, client: pki::Client) -> Self {
        journal::open();
        // Every handshake is a full one, without a ticket at its end.
        let client = client.rebuild(|it| it.with_resumption(false)).expect("OpenSSL works");
        let mut host = Server::new(server);
        host.peer = address("192.0.2.7:7");
        let mut other = Link::between(connect(&client), host);
        other.run();
        other.assert_connected();
        let Link { client: bystander, server: mut host, .. } = other;
        let session = host.session.take().expect("it is connected");
        host.peer = address("192.0.2.1:4242");
        let mut scene = Self {
            link: Link::between(connect(&client), host),
            bystander: Link::between(bystander, session),
            client,
        };
        scene.start(0);
        scene
    }

    /// A new client whose handshake has come so far: so many records have arrived.
    pub(crate) fn start(&mut self, records: usize) {
        self.link.start_over(connect(&self.client));
        self.link.each(|_, datagram| {
            records::split(&datagram.bytes).into_iter().map(<[u8]>::to_vec).collect()
        });
        for _ in 0..records {
            assert!(self.link.deliver_one(), "the handshake has no more records");
        }
        self.link.collect();
    }

    /// How the session stands that would hear what goes `to` it; `None` before the cookie.
    pub(crate) fn status(&self, to: Direction) -> Option<Status> {
        match to {
            ToServer => self.link.server.session.as_ref().map(Session::status),
            ToClient => Some(self.link.client.status()),
        }
    }

    /// Lets a datagram arrive as if the other end had sent it; returns what is said in answer.
    pub(crate) fn spoof(&mut self, to: Direction, datagram: &[u8]) -> Vec<Vec<u8>> {
        match to {
            ToServer => {
                self.link.server.handle(datagram);
                self.link.server.take()
            }
            ToClient => {
                self.link.client.handle(datagram);
                self.link.client.take()
            }
        }
    }

    /// Lets a datagram arrive at the server from an address that has no session.
    pub(crate) fn send_from_elsewhere(&mut self, datagram: &[u8]) -> (Accepted, Vec<Vec<u8>>) {
        let (listener, mut answers) = (&mut self.link.server.listener, Datagrams::new());
        let peer = address("203.0.113.66:666");
        let accepted = listener.handle_datagram(peer, datagram, &mut answers, clock::now());
        (accepted.expect("OpenSSL works"), answers.iter().map(<[u8]>::to_vec).collect())
    }

    /// Checks that the bystander's connection carries packets and says nothing else, and that no one
    /// has complained.
    pub(crate) fn assert_undisturbed(&mut self) {
        let bystander = &mut self.bystander;
        bystander.client.send(b"from the other").expect("connected");
        bystander.server.send(b"to the other").expect("connected");
        bystander.settle();
        assert_eq!(packets(&mut bystander.client), [b"to the other"]);
        assert_eq!(packets(&mut bystander.server), [b"from the other"]);
        assert_eq!(bystander.sent.len(), 2, "the bystander says what it was told to say");
        bystander.sent.clear();
        assert_eq!(journal::complaints(), Vec::<String>::new());
    }

    /// Every record of one connection, in the order in which they were sent.
    pub(crate) fn recorded(&mut self) -> Vec<(Direction, Vec<u8>)> {
        self.start(RECORDS);
        self.link.assert_connected();
        self.link.assert_data_flows();
        let sent = self.link.sent.iter();
        sent.flat_map(|(to, _, datagram)| {
            records::split(datagram).into_iter().map(|record| (*to, record.to_vec()))
        })
        .collect()
    }
}
