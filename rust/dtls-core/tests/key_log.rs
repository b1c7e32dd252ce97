//! The key log: one line for each connection, the same at both ends.

mod support;

use std::sync::{Arc, Mutex};

use dtls_core::{KeyLog, Psk, PskKeys, ServerConfig};
use support::link::{Link, Server, ToServer, connect};
use support::pki::Rebuild as _;
use support::raw::{Progress, Raw};
use support::{pki, raw, records};

type Lines = Arc<Mutex<Vec<String>>>;

/// A log, and what is written to it.
fn log() -> (KeyLog, Lines) {
    let lines = Lines::default();
    let log = Arc::clone(&lines);
    let log = KeyLog::new(move |line: &str| log.lock().expect("no panic").push(line.to_owned()));
    (log, lines)
}

fn written(lines: &Lines) -> Vec<String> {
    std::mem::take(&mut lines.lock().expect("no panic"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The random of the first ClientHello, which the second one repeats.
fn client_random(hello: &[u8]) -> String {
    let at = records::HEADER + 12 + 2;
    hex(&hello[at..at + 32])
}

/// Lets `client` connect to `server`, each with a log of its own, and checks what both have written.
fn assert_logged(server: ServerConfig, client: pki::Client) {
    let ((to_server, servers), (to_client, clients)) = (log(), log());
    let client = client.rebuild(|it| it.with_key_log(to_client)).expect("usable");
    let mut server = Server::new(&server.rebuild(|it| it.with_key_log(to_server)).expect("usable"));
    let mut before = Vec::new();
    for _ in 0..2 {
        let mut link = Link::between(connect(&client), server.vacated());
        link.run();
        link.assert_connected();
        link.assert_data_flows();
        let lines = written(&clients);
        assert_eq!(written(&servers), lines, "both ends have the same");
        let [line] = lines.as_slice() else { panic!("not one line: {lines:?}") };
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!(words[..2], ["CLIENT_RANDOM", &client_random(link.sent(ToServer)[0])]);
        assert_eq!(words.len(), 3);
        assert_eq!(words[2].len(), 2 * 48);
        assert!(words[2].bytes().all(|it| it.is_ascii_hexdigit()), "{line}");
        assert_ne!(before, lines);
        before = lines;
        server = link.server;
    }
}

#[test]
fn full_and_resumed_connections_are_logged() {
    assert_logged(pki::localhost(), pki::verifying());
}

#[test]
fn connections_by_a_key_are_logged() {
    let keys = PskKeys::new();
    keys.set("player-17", &[0x17; 16]).expect("a usable key");
    let psk = Psk::new("player-17", &[0x17; 16]).expect("a usable key");
    let client = pki::Client::by_psk(psk, None).expect("usable");
    assert_logged(pki::server_by_psk(keys).expect("usable"), client);
}

#[test]
fn connections_by_name_are_logged() {
    let issued = pki::ROOT.issue(test_pki::Profile::new("eu").dns("eu.example.com"));
    let name = pki::name("eu.example.com");
    let server =
        pki::localhost().rebuild(|it| it.with_named_identities([(name, pki::identity(&issued))]));
    let client = pki::client(&pki::ROOT.cert_pem(), "eu.example.com");
    assert_logged(server.expect("usable"), client);
}

#[test]
fn it_is_the_master_secret() {
    let (log, lines) = log();
    let server = Server::new(&pki::localhost().rebuild(|it| it.with_key_log(log)).expect("usable"));
    let mut link = Link::between(Raw::client(raw::context()), server);
    link.run();
    assert_eq!(link.client.progress, Progress::Connected);
    let mut secret = [0; 48];
    let session = link.client.ssl().session().expect("a session");
    assert_eq!(session.master_key(&mut secret), 48);
    let line = written(&lines).remove(0);
    assert!(line.ends_with(&format!(" {}", hex(&secret))), "{line}");
}

#[test]
fn nothing_is_logged_unless_it_was_asked_for() {
    let (log, lines) = log();
    let with = pki::localhost().rebuild(|it| it.with_key_log(log)).expect("usable");
    let mut link = Link::established(&with, &pki::verifying());
    assert_eq!(written(&lines).len(), 1);
    link.server.listener.set_config(pki::localhost());
    let mut link = Link::between(connect(&pki::verifying()), link.server.vacated());
    link.run();
    link.assert_connected();
    assert_eq!(written(&lines), Vec::<String>::new());
}

#[test]
fn a_log_that_panics_does_not_harm_the_connection() {
    let log = || KeyLog::new(|_| panic!("the disk is full"));
    let server = pki::localhost().rebuild(|it| it.with_key_log(log())).expect("usable");
    let client = pki::verifying().rebuild(|it| it.with_key_log(log())).expect("usable");
    Link::established(&server, &client).assert_data_flows();
}
