//! Datagrams from addresses without a session.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use dtls_core::{Accepted, Datagrams, Listener, Session};

use crate::input::Input;
use crate::pki::Pki;
use crate::{chance, clock, records, world};

/// Where the cookie of a HelloVerifyRequest begins: behind the headers, the version and its length.
const COOKIE: usize = records::HEADER + 12 + 2 + 1;

/// A row of datagrams for the listener of a server. No client gets a session without the cookie of its
/// address and attempt, and no answer is larger than what it answers.
pub fn listener(input: &[u8]) {
    let hellos = &*HELLOS;
    crate::begin();
    let mut server = new_listener();
    let mut input = Input::new(input);
    let mut cookies: Vec<(usize, Vec<u8>, Vec<u8>)> = Vec::new();
    while !input.is_empty() {
        let step = input.byte();
        let index = usize::from(step & 3);
        let datagram = match step >> 2 & 3 {
            0 => input.block().to_vec(),
            // What a client sends, with a part of it replaced: at first, and with the cookie.
            kind @ (1 | 2) => {
                let (first, second) = &hellos[index];
                let hello = if kind == 1 { first } else { second };
                let (at, removed) = (input.number(), usize::from(input.byte()));
                let added = input.block();
                records::splice(hello, 0, at, removed, added).unwrap_or_else(|| hello.clone())
            }
            _ => {
                clock::advance(Duration::from_secs(u64::from(input.byte())));
                continue;
            }
        };

        let mut answers = Datagrams::new();
        let peer = addresses()[index];
        let accepted = server.handle_datagram(peer, &datagram, &mut answers, clock::now());
        let answered: usize = answers.iter().map(<[u8]>::len).sum();
        assert!(answered <= datagram.len(), "{answered} bytes for {}", datagram.len());
        match accepted.expect("a stranger does not break the listener") {
            Accepted::NotAHello => assert_eq!(answers.len(), 0, "an answer to no ClientHello"),
            Accepted::CookieSent => {
                assert_eq!(answers.len(), 1, "answers to a ClientHello");
                let cookie = answers.iter().find_map(|answer| answer.get(COOKIE..));
                let cookie = cookie.expect("a HelloVerifyRequest").to_vec();
                cookies.push((index, random(&datagram).to_vec(), cookie));
            }
            Accepted::Session(_) => {
                let (_, second) = &hellos[index];
                let given = [(index, random(second).to_vec(), cookie(second).to_vec())];
                let proved = cookies.iter().chain(&given).any(|(of, attempt, cookie)| {
                    same_host(*of, index)
                        && attempt == random(&datagram)
                        && contains(&datagram, cookie)
                });
                assert!(proved, "a session without a cookie of {peer} for it");
            }
        }
    }
}

/// The last two are the same host, which the server's socket may see as either.
fn addresses() -> [SocketAddr; 4] {
    [
        ([192, 0, 2, 1], 4242).into(),
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 4242).into(),
        ([192, 0, 2, 2], 4242).into(),
        ([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0202], 4242).into(),
    ]
}

fn same_host(one: usize, other: usize) -> bool {
    one == other || one.min(other) == 2
}

/// The first and the second ClientHello of a client at each of the addresses.
static HELLOS: LazyLock<[(Vec<u8>, Vec<u8>); 4]> = LazyLock::new(|| {
    addresses().map(|peer| {
        crate::begin();
        let mut server = new_listener();
        let mut client = world::connect(&Pki::get().client);
        let first = only_datagram(&mut client);
        let mut answers = Datagrams::new();
        server.handle_datagram(peer, &first, &mut answers, clock::now()).expect("OpenSSL works");
        answers.iter().for_each(|answer| client.handle_datagram(answer, clock::now()));
        (first, only_datagram(&mut client))
    })
});

fn only_datagram(session: &mut Session) -> Vec<u8> {
    let mut sent = Vec::new();
    session.transmit(|datagram| sent.push(datagram.to_vec()));
    assert_eq!(sent.len(), 1, "datagrams of a ClientHello");
    sent.remove(0)
}

/// The same in every run, down to the secret of its cookies.
fn new_listener() -> Listener {
    chance::begin(1);
    Listener::new(Pki::get().server.clone(), clock::now()).expect("OpenSSL works")
}

/// The random of a ClientHello, behind the headers and the version.
fn random(hello: &[u8]) -> &[u8] {
    hello.get(records::HEADER + 12 + 2..).and_then(|rest| rest.get(..32)).unwrap_or_default()
}

/// The cookie of a whole ClientHello.
fn cookie(hello: &[u8]) -> &[u8] {
    // Headers, version, random.
    let session_id = records::HEADER + 12 + 2 + 32;
    let length = session_id + 1 + usize::from(hello[session_id]);
    &hello[length + 1..length + 1 + usize::from(hello[length])]
}

fn contains(datagram: &[u8], part: &[u8]) -> bool {
    datagram.windows(part.len()).any(|window| window == part)
}
