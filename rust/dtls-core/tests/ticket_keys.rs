//! Ticket keys that servers share: each resumes the sessions of the others, and nobody else's.

mod support;

use std::time::Duration;

use dtls_core::{ClientVerification, Failure, Reason, ServerConfig, Session, SharedTicketKeys};
use support::link::{End, Link, Server, ToClient, connect};
use support::pki::Rebuild as _;
use support::{clock, pki, records};
use test_pki::{Authority, Profile, Usage};

const NEW_SESSION_TICKET: u8 = 4;

fn keys(seeds: &[u64]) -> SharedTicketKeys {
    let keys: Vec<_> = seeds.iter().map(|seed| records::Noise::new(*seed).bytes(80)).collect();
    SharedTicketKeys::new(&keys).expect("usable keys")
}

/// A server process of its own.
fn server(config: &ServerConfig, seeds: &[u64]) -> Server {
    Server::new(&config.clone().rebuild(|it| it.with_ticket_keys(keys(seeds))).expect("usable"))
}

fn localhost(seeds: &[u64]) -> Server {
    server(&pki::localhost(), seeds)
}

/// What comes of `client` meeting `server`, and whether it was given a ticket.
fn meet(server: Server, client: &pki::Client) -> (Link<Session, Server>, bool) {
    let mut link = Link::between(connect(client), server.vacated());
    link.run();
    let records: Vec<_> = link.sent(ToClient).into_iter().flat_map(records::split).collect();
    let ticket = records.iter().any(|it| records::message(it) == Some(NEW_SESSION_TICKET));
    (link, ticket)
}

/// The same when it has to work; whether it was resumed comes first.
fn visit(server: Server, client: &pki::Client) -> (bool, bool, Server) {
    let (mut link, ticket) = meet(server, client);
    link.assert_connected();
    link.assert_data_flows();
    let resumed = link.client.is_resumed();
    let Link { mut client, mut server, .. } = link;
    client.close();
    client.take().iter().for_each(|datagram| server.handle(datagram));
    (resumed, ticket, server)
}

#[test]
fn servers_with_the_same_keys_resume_each_other_s_sessions() {
    let client = pki::verifying();
    let (mut one, mut other) = (localhost(&[1]), localhost(&[1]));
    let mut resumed = Vec::new();
    for _ in 0..2 {
        let (first, _, server) = visit(one, &client);
        one = server;
        let (second, _, server) = visit(other, &client);
        other = server;
        resumed.extend([first, second]);
    }
    assert_eq!(resumed, [false, true, true, true]);
}

#[test]
fn a_session_of_a_later_key_is_resumed_and_gets_a_new_ticket() {
    let client = pki::verifying();
    visit(localhost(&[1]), &client);
    // The next key, which seals from now on.
    let (resumed, ticket, server) = visit(localhost(&[2, 1]), &client);
    assert!(resumed && ticket);
    let (resumed, ticket, _) = visit(server, &client);
    assert!(resumed && !ticket, "it is of the first key now");
    // The old one is gone.
    let (resumed, _, _) = visit(localhost(&[2]), &client);
    assert!(resumed);
}

#[test]
fn keys_that_a_server_does_not_have_open_nothing() {
    let client = pki::verifying();
    visit(localhost(&[1]), &client);
    let (resumed, ticket, _) = visit(localhost(&[2, 3]), &client);
    assert!(!resumed && ticket, "a full handshake, and a ticket of the own key");
    let (resumed, _, _) = visit(Server::new(&pki::localhost()), &client);
    assert!(!resumed, "keys of its own");
    let (resumed, _, _) = visit(localhost(&[2]), &client);
    assert!(!resumed, "what a server's own key has sealed");
}

/// The name of a key is in every ticket.
#[test]
fn the_name_of_a_key_is_not_the_key() {
    let client = pki::verifying();
    let mut key = records::Noise::new(1).bytes(80);
    visit(localhost(&[1]), &client);
    for at in [16, 47, 48, 79] {
        key[at] ^= 1;
        let keys = SharedTicketKeys::new(&[&key]).expect("usable keys");
        let other = pki::localhost().rebuild(|it| it.with_ticket_keys(keys)).expect("usable");
        let client = pki::verifying();
        visit(localhost(&[1]), &client);
        assert!(!visit(Server::new(&other), &client).0, "byte {at}");
        key[at] ^= 1;
    }
}

#[test]
fn the_keys_alone_are_not_enough() {
    // Another certificate.
    let client = pki::verifying();
    visit(localhost(&[1]), &client);
    let renewed = pki::server(&pki::ROOT.issue(Profile::localhost()));
    assert!(!visit(server(&renewed, &[1]), &client).0);

    // Another demand.
    let players = Authority::root("Players");
    let required = ClientVerification::Required(pki::anchors(&players.cert_pem()).into());
    let demanding = pki::localhost().rebuild(|it| it.with_verification(required)).expect("usable");
    let client = pki::verifying();
    visit(localhost(&[1]), &client);
    let (mut link, _) = meet(server(&demanding, &[1]), &client);
    assert_eq!(link.server.session().failure(), Some(&Failure::NoClientCertificate));
}

#[test]
fn a_client_with_a_certificate_is_resumed_by_the_other_server() {
    let players = Authority::root("Players");
    let issued = players.issue(Profile::new("player-17").usage(Usage::Client));
    let client =
        pki::verifying().rebuild(|it| it.with_identity(pki::identity(&issued))).expect("usable");
    let required = ClientVerification::Required(pki::anchors(&players.cert_pem()).into());
    let demanding = pki::localhost().rebuild(|it| it.with_verification(required)).expect("usable");
    visit(server(&demanding, &[1]), &client);
    assert!(visit(server(&demanding, &[1]), &client).0);
    // Who has not shown one is not.
    let (mut link, _) = meet(server(&demanding, &[1]), &pki::verifying());
    let failure = link.server.session().failure().map(Failure::reason);
    assert_eq!(failure, Some(Reason::ClientCertificateRequired));
}

#[test]
fn they_do_not_change_by_themselves_and_sessions_grow_old_all_the_same() {
    let client = pki::verifying();
    let server = localhost(&[1]);
    clock::advance(Duration::from_secs(5 * 3600));
    let (_, _, server) = visit(server, &client);
    clock::advance(Duration::from_secs(50 * 60));
    let (resumed, ticket, server) = visit(server, &client);
    assert!(resumed && !ticket);
    clock::advance(Duration::from_secs(10 * 60 + 1));
    assert!(!visit(server, &client).0);
}

#[test]
fn new_keys_can_be_given_to_a_server_that_runs() {
    let client = pki::verifying();
    let (_, _, mut server) = visit(localhost(&[1]), &client);
    let rotated =
        pki::localhost().rebuild(|it| it.with_ticket_keys(keys(&[2, 1]))).expect("usable");
    server.listener.set_config(rotated);
    let (resumed, ticket, _) = visit(server, &client);
    assert!(resumed && ticket);
}

#[test]
fn what_the_same_server_has_sealed_with_keys_of_its_own_is_not_opened() {
    let client = pki::verifying();
    let (_, _, mut server) = visit(Server::new(&pki::localhost()), &client);
    server.listener.set_config(
        pki::localhost().rebuild(|it| it.with_ticket_keys(keys(&[1]))).expect("usable"),
    );
    let (resumed, _, mut server) = visit(server, &client);
    assert!(!resumed);
    // And the other way round.
    server.listener.set_config(pki::localhost());
    assert!(!visit(server, &client).0);
}

#[test]
fn without_resumption_there_are_no_tickets() {
    let without = pki::localhost().rebuild(|it| it.with_resumption(false)).expect("usable");
    let client = pki::verifying();
    let (_, ticket, server) = visit(server(&without, &[1]), &client);
    assert!(!ticket);
    assert!(!visit(server, &client).0);
}
