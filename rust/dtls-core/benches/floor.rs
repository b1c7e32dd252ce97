//! What a connection costs without an engine and without a network: two sessions that hand their
//! datagrams to one another. No binding of this crate can be faster, so this is the floor that
//! `cargo xtask bench` holds the classes in the engine against.
//!
//! The same operations as there, but for what only an engine has: its configurations are made once,
//! before the measurement.
#![allow(missing_docs)] // What criterion's macros define.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dtls_core::{
    Accepted, Certificates, ClientConfig, Datagrams, Identity, Listener, PeerName, ServerConfig,
    Session, Status, TrustAnchors, Verification,
};
use test_pki::{Authority, Key, Profile};

const CLIENT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 4242));

/// How often the two ends may answer one another before a handshake is hopeless.
const MOST_TURNS: usize = 20;

/// A server that shows `certificate.crt`, and a client that verifies it, chain and name.
struct Ends {
    server: ServerConfig,
    client: ClientConfig,
    name: PeerName,
}

impl Ends {
    /// Root and server have a key of their own each.
    fn new(mut key: impl FnMut() -> Key) -> Self {
        let root = Authority::root_with_key("Bench root", &key());
        let issued = root.issue(Profile::localhost().key(key()));
        let certificates = |pem: &str| Certificates::parse(pem.as_bytes()).expect("certificates");
        let identity = Identity::new(issued.key_pem.as_bytes(), certificates(&issued.cert_pem))
            .expect("a key and its certificate");
        let server =
            ServerConfig::builder().with_identity(identity).build().expect("a usable identity");
        let anchors = TrustAnchors::new(&certificates(&root.cert_pem())).expect("usable anchors");
        let name = PeerName::parse("localhost").expect("a host name");
        let verification = Verification::ChainAndName(anchors.into());
        Self {
            server,
            client: ClientConfig::with_verification(verification)
                .build()
                .expect("a usable configuration"),
            name,
        }
    }

    fn p256() -> Self {
        Self::new(|| Key::P256)
    }

    fn rsa2048() -> Self {
        Self::new(|| {
            let key = openssl::rsa::Rsa::generate(2048).and_then(openssl::pkey::PKey::from_rsa);
            let pem = key.and_then(|key| key.private_key_to_pem_pkcs8()).expect("an RSA key");
            Key::FromPem(String::from_utf8(pem).expect("PEM is text"))
        })
    }

    /// One connection, the exchange of the cookie included.
    fn connect(&self) -> Pair {
        let now = Instant::now();
        // A new server each time, whose client has a session of another: the handshake is a full one.
        let mut listener = Listener::new(self.server.clone(), now).expect("OpenSSL works");
        let mut client =
            Session::connect(&self.client, Some(self.name.clone()), now).expect("OpenSSL works");
        let mut answers = Datagrams::new();
        let mut server = None;
        let mut hello = |client: &mut Session, answers: &mut Datagrams| {
            client.transmit(|hello| {
                let accepted = listener.handle_datagram(CLIENT, hello, answers, now);
                if let Accepted::Session(session) = accepted.expect("OpenSSL works") {
                    server = Some(*session);
                }
            });
        };
        hello(&mut client, &mut answers);
        for cookie in answers.iter() {
            client.handle_datagram(cookie, now);
        }
        hello(&mut client, &mut Datagrams::new());
        let mut pair = Pair { client, server: server.expect("the cookie was the right one") };
        for _ in 0..MOST_TURNS {
            if pair.is_connected() {
                return pair;
            }
            pair.server.transmit(|datagram| pair.client.handle_datagram(datagram, now));
            pair.client.transmit(|datagram| pair.server.handle_datagram(datagram, now));
        }
        panic!("the handshake does not come to its end: {:?} {:?}", pair.client, pair.server);
    }
}

struct Pair {
    client: Session,
    server: Session,
}

impl Pair {
    fn is_connected(&self) -> bool {
        [&self.client, &self.server].map(Session::status) == [Status::Connected; 2]
    }

    /// Sends one packet and receives it.
    fn exchange(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let now = Instant::now();
        self.client.send(payload).expect("connected");
        self.client.transmit(|datagram| self.server.handle_datagram(datagram, now));
        self.server.receive()
    }
}

fn handshakes(criterion: &mut Criterion) {
    // As in the engine.
    assert!(openssl_mimalloc::use_mimalloc(), "OpenSSL has allocated before");
    let mut group = criterion.benchmark_group("handshake");
    group.throughput(Throughput::Elements(1));
    for (name, ends) in [("p256", Ends::p256()), ("rsa2048", Ends::rsa2048())] {
        // Its end is not a part of it; neither is it in the engine.
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let mut taken = Duration::ZERO;
                for _ in 0..count {
                    let started = Instant::now();
                    let pair = black_box(ends.connect());
                    taken += started.elapsed();
                    drop(pair);
                }
                taken
            });
        });
    }
    group.finish();
}

fn packets(criterion: &mut Criterion) {
    let mut pair = Ends::p256().connect();
    let mut group = criterion.benchmark_group("packet");
    for size in [64_usize, 400, 1200] {
        let payload = vec![0x5a; size];
        let received = pair.exchange(&payload);
        assert_eq!(received.as_deref(), Some(payload.as_slice()));
        group.throughput(Throughput::Elements(1));
        group.bench_with_input(BenchmarkId::from_parameter(size), &payload, |bencher, payload| {
            bencher.iter(|| pair.exchange(payload));
        });
    }
    group.finish();
}

fn idle_poll(criterion: &mut Criterion) {
    let mut pair = Ends::p256().connect();
    criterion.bench_function("idle_poll", |bencher| {
        bencher.iter(|| {
            pair.server.handle_timeout(Instant::now());
            pair.server.transmit(|datagram| {
                black_box(datagram);
            });
        });
    });
}

criterion_group!(benches, handshakes, packets, idle_poll);
criterion_main!(benches);
