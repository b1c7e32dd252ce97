//! Sessions that are resumed, and those that must not be.

mod support;

use std::time::Duration;

use dtls_core::{ClientVerification, Failure, Reason, ServerConfig, Session, Status, Verification};
use support::link::{End, Link, Server, ToClient, ToServer, connect};
use support::pki::Rebuild as _;
use support::raw::{Progress, Raw};
use support::{clock, pki, raw, records};
use test_pki::{Authority, Profile, Usage, Validity};

/// What comes of `client` meeting `server`.
fn meet(server: Server, client: &pki::Client) -> Link<Session, Server> {
    let mut link = Link::between(connect(client), server.vacated());
    link.run();
    link
}

/// A connection of `client` to `server`, and whether it was resumed; each side says the same.
fn visit(server: Server, client: &pki::Client) -> (Server, bool) {
    let mut link = meet(server, client);
    link.assert_connected();
    link.assert_data_flows();
    let resumed = link.client.is_resumed();
    assert_eq!(link.server.session().is_resumed(), resumed, "both know");
    let Link { mut client, mut server, .. } = link;
    client.close();
    client.take().iter().for_each(|datagram| server.handle(datagram));
    (server, resumed)
}

#[test]
fn a_second_connection_is_resumed_and_data_flows() {
    let client = pki::verifying();
    let server = Server::new(&pki::localhost());
    let (server, first) = visit(server, &client);
    let (server, second) = visit(server, &client);
    let (_, third) = visit(server, &client);
    assert_eq!([first, second, third], [false, true, true]);
}

#[test]
fn copies_of_a_configuration_share_the_session_and_others_do_not() {
    let client = pki::verifying();
    let (server, _) = visit(Server::new(&pki::localhost()), &client.clone());
    let (server, copied) = visit(server, &client);
    let (_, made_anew) = visit(server, &pki::verifying());
    assert!(copied);
    assert!(!made_anew);
}

#[test]
fn what_someone_else_has_begun_is_not_resumed() {
    let client = pki::verifying();
    let (server, _) = visit(Server::new(&pki::localhost()), &client);
    let own = pki::identity(&pki::ROOT.issue(Profile::new("player-17").usage(Usage::Client)));
    let as_player = client.clone().rebuild(|it| it.with_identity(own)).expect("a usable identity");
    let (server, resumed) = visit(server, &as_player);
    assert!(!resumed);
    assert!(visit(server, &client).1, "it still has its own");
}

#[test]
fn a_session_that_is_too_old_is_not_even_offered() {
    let client = pki::verifying();
    let fresh = connect(&client).take()[0].len();
    visit(Server::new(&pki::localhost()), &client);
    assert!(connect(&client).take()[0].len() > fresh, "a ticket is shown");
    clock::advance(Duration::from_secs(3601));
    assert_eq!(connect(&client).take()[0].len(), fresh);
}

#[test]
fn a_resumed_handshake_shows_no_certificate_and_is_a_round_trip_shorter() {
    let client = pki::verifying();
    let (server, _) = visit(Server::new(&pki::localhost()), &client);
    let mut link = meet(server, &client);
    link.assert_connected();
    let messages: Vec<u8> = link
        .sent(ToClient)
        .into_iter()
        .flat_map(records::split)
        .filter_map(records::message)
        .collect();
    assert!(!messages.contains(&records::CERTIFICATE), "{messages:?}");
    assert_eq!(link.sent(ToServer).len(), 3, "two ClientHellos and the last flight");
    assert_eq!(link.sent(ToClient).len(), 2, "HelloVerifyRequest and one flight");
}

#[test]
fn either_side_can_do_without() {
    let client =
        pki::verifying().rebuild(|it| it.with_resumption(false)).expect("a usable configuration");
    let (server, _) = visit(Server::new(&pki::localhost()), &client);
    assert!(!visit(server, &client).1);

    let stubborn =
        pki::localhost().rebuild(|it| it.with_resumption(false)).expect("a usable configuration");
    let client = pki::verifying();
    let (server, _) = visit(Server::new(&stubborn), &client);
    assert!(!visit(server, &client).1);
}

#[test]
fn a_session_that_ended_without_close_notify_is_resumed() {
    let client = pki::verifying();
    let mut link = Link::between(connect(&client), Server::new(&pki::localhost()));
    link.run();
    link.assert_connected();
    // Gone, like a game that was killed.
    let Link { client: gone, server, .. } = link;
    drop(gone);
    assert!(visit(server, &client).1);
}

#[test]
fn a_session_that_broke_is_not_resumed() {
    let client = pki::verifying();
    let (server, _) = visit(Server::new(&pki::localhost()), &client);
    let mut broken = connect(&client);
    broken.transport_closed();
    assert_eq!(broken.failure().map(Failure::reason), Some(Reason::Transport));
    assert!(!visit(server, &client).1);
}

/// Whether a client that was at `first` is resumed once the server is `second`.
fn after_setup(first: &ServerConfig, second: &ServerConfig, client: &pki::Client) -> bool {
    let (mut server, _) = visit(Server::new(first), client);
    server.listener.set_config(second.clone());
    visit(server, client).1
}

/// A client with a certificate that `players` has issued.
fn player(players: &Authority) -> pki::Client {
    let issued = players.issue(Profile::new("player-17").usage(Usage::Client));
    pki::verifying()
        .rebuild(|it| it.with_identity(pki::identity(&issued)))
        .expect("a usable identity")
}

fn demanding(verification: ClientVerification) -> ServerConfig {
    pki::localhost()
        .rebuild(|it| it.with_verification(verification))
        .expect("a usable configuration")
}

#[test]
fn the_same_setup_again_resumes_and_a_new_certificate_does_not() {
    let client = pki::verifying();
    assert!(after_setup(&pki::localhost(), &pki::localhost(), &client));
    let renewed = pki::server(&pki::ROOT.issue(Profile::localhost()));
    assert!(!after_setup(&pki::localhost(), &renewed, &pki::verifying()));
}

#[test]
fn a_session_without_a_certificate_does_not_get_past_a_server_that_begins_to_ask() {
    let players = Authority::root("Players");
    let trust = || pki::trust(&players.cert_pem());
    let required = demanding(ClientVerification::Required(trust()));
    let optional = demanding(ClientVerification::Optional(trust()));
    for first in [&pki::localhost(), &optional] {
        let client = pki::verifying();
        let (mut server, _) = visit(Server::new(first), &client);
        server.listener.set_config(required.clone());
        let mut link = meet(server, &client);
        assert_eq!(link.server.session().failure(), Some(&Failure::NoClientCertificate));
        assert_eq!(link.client.status(), Status::Failed);
    }
    let client = player(&players);
    assert!(after_setup(&required, &required, &client));
    assert!(!after_setup(&optional, &required, &player(&players)));
}

#[test]
fn a_session_is_not_resumed_once_its_authority_is_not_trusted() {
    let (players, others) = (Authority::root("Players"), Authority::root("Others"));
    let client = player(&players);
    let trusting = |authority: &Authority| {
        demanding(ClientVerification::Optional(pki::trust(&authority.cert_pem())))
    };
    let (mut server, _) = visit(Server::new(&trusting(&players)), &client);
    server.listener.set_config(trusting(&others));
    let mut link = meet(server, &client);
    let failure = link.server.session().failure().map(Failure::reason);
    assert_eq!(failure, Some(Reason::CertificateUntrusted));
}

#[test]
fn a_client_certificate_that_expires_ends_resumption() {
    let players = Authority::root("Players");
    let required = ClientVerification::Required(pki::trust(&players.cert_pem()));
    let soon = Profile::new("player-17").usage(Usage::Client).validity(Validity::Seconds(600));
    let issued = players.issue(soon);
    let client = pki::verifying()
        .rebuild(|it| it.with_identity(pki::identity(&issued)))
        .expect("a usable identity");
    let (server, _) = visit(Server::new(&demanding(required)), &client);
    let (server, resumed) = visit(server, &client);
    assert!(resumed, "as long as it is valid");
    // The clock stood still while the certificate was made.
    clock::advance(Duration::from_secs(900));
    let mut link = meet(server, &client);
    let failure = link.server.session().failure().map(Failure::reason);
    assert_eq!(failure, Some(Reason::CertificateExpired));
}

#[test]
fn a_server_certificate_that_expires_ends_resumption() {
    let issued = pki::ROOT.issue(Profile::localhost().validity(Validity::Seconds(600)));
    let client = pki::verifying();
    let (server, _) = visit(Server::new(&pki::server(&issued)), &client);
    let (server, resumed) = visit(server, &client);
    assert!(resumed, "as long as it is valid");
    // The clock stood still while the certificate was made.
    clock::advance(Duration::from_secs(900));
    let link = meet(server, &client);
    assert_eq!(link.client.failure().map(Failure::reason), Some(Reason::CertificateExpired));
}

#[test]
fn another_server_makes_a_full_handshake() {
    let client = pki::verifying();
    let (_, _) = visit(Server::new(&pki::localhost()), &client);
    let (other, resumed) = visit(Server::new(&pki::localhost()), &client);
    assert!(!resumed);
    assert!(visit(other, &client).1, "its session is the newest now");
}

#[test]
fn sessions_grow_old() {
    let client = pki::verifying();
    let (server, _) = visit(Server::new(&pki::localhost()), &client);
    clock::advance(Duration::from_secs(50 * 60));
    let (server, renewed) = visit(server, &client);
    assert!(renewed);
    // Ten more minutes: an hour after the full handshake, whatever was resumed in between.
    clock::advance(Duration::from_secs(10 * 60 + 1));
    assert!(!visit(server, &client).1);
}

#[test]
fn a_ticket_of_the_previous_key_is_exchanged() {
    let client = pki::verifying();
    let server = Server::new(&pki::localhost());
    // So that the key is changed while the session is still good.
    clock::advance(Duration::from_secs(30 * 60));
    let (server, _) = visit(server, &client);
    clock::advance(Duration::from_secs(31 * 60));
    let link = meet(server, &client);
    assert!(link.client.is_resumed());
    let tickets = |link: &Link<Session, Server>| {
        let all = link.sent(ToClient).into_iter().flat_map(records::split);
        all.filter(|record| records::message(record) == Some(NEW_SESSION_TICKET)).count()
    };
    assert_eq!(tickets(&link), 1);
    let server = link.server;
    let link = meet(server, &client);
    assert!(link.client.is_resumed());
    assert_eq!(tickets(&link), 0, "the new one is good for a while");
}

const NEW_SESSION_TICKET: u8 = 4;

#[test]
fn a_ticket_that_was_tampered_with_is_worth_nothing() {
    let client = pki::verifying();
    let (server, _) = visit(Server::new(&pki::localhost()), &client);
    let mut link = Link::between(connect(&client), server.vacated());
    link.each(|direction, datagram| {
        let mut bytes = datagram.bytes.clone();
        if direction == ToServer && records::message(&bytes) == Some(records::CLIENT_HELLO) {
            // Somewhere in the ticket, which is most of it.
            let middle = bytes.len() - 100;
            bytes[middle] ^= 1;
        }
        vec![bytes]
    });
    link.run();
    // The change shows in the Finished messages at the latest.
    assert_ne!(link.client.status(), Status::Connected);
    assert!(!link.client.is_resumed());
}

/// A resumed session is never less than what the client demands: name and chain were verified when it
/// began, under the same configuration.
#[test]
fn a_client_that_verifies_does_not_resume_what_one_that_does_not_has_begun() {
    let lax = pki::trusting_everyone();
    let untrusted = pki::server(&Authority::root("Nobody").issue(Profile::localhost()));
    let (server, _) = visit(Server::new(&untrusted), &lax);
    let link = meet(server, &pki::verifying());
    assert_eq!(link.client.failure().map(Failure::reason), Some(Reason::CertificateUntrusted));
}

/// A client of one configuration with another server.
fn to(client: &pki::Client, name: &str) -> pki::Client {
    pki::Client { server_name: Some(pki::name(name)), ..client.clone() }
}

#[test]
fn a_session_is_resumed_under_the_name_it_was_verified_for_and_no_other() {
    let client = pki::verifying();
    let (server, _) = visit(Server::new(&pki::localhost()), &client);
    let (server, resumed) = visit(server, &to(&client, "127.0.0.1"));
    assert!(!resumed, "it was verified for another name");
    let (server, resumed) = visit(server, &client);
    assert!(resumed);
    let (server, resumed) = visit(server, &to(&client, "127.0.0.1"));
    assert!(resumed);
    let mismatch = meet(server, &to(&client, "elsewhere.example"));
    assert_eq!(mismatch.client.failure().map(Failure::reason), Some(Reason::HostnameMismatch));
}

#[test]
fn one_configuration_keeps_the_sessions_of_32_names() {
    let verification = Verification::Chain(pki::trust(&pki::ROOT.cert_pem()));
    let client = pki::Client::new(verification, None).expect("a usable configuration");
    let mut server = Some(Server::new(&pki::localhost()));
    let mut resumes = |name: &str| {
        let (present, resumed) = visit(server.take().expect("a server"), &to(&client, name));
        server = Some(present);
        resumed
    };
    let names: Vec<_> = (0..33).map(|number| format!("host-{number}.example")).collect();
    for name in &names {
        assert!(!resumes(name));
    }
    assert!(resumes(&names[32]) && resumes(&names[1]));
    assert!(!resumes(&names[0]), "the one that was not used for longest is forgotten");
}

#[test]
fn plain_openssl_resumes_with_us_and_we_with_it() {
    let server = Server::new(&pki::localhost());
    let mut link = Link::between(Raw::client(raw::context()), server);
    link.run();
    assert!(!link.server.session().is_resumed());
    let session = link.client.ssl().session().expect("a session").to_owned();
    link.client.shutdown();
    let again = Raw::client_with(raw::context(), &session);
    let mut link = Link::between(again, link.server.vacated());
    link.run();
    assert!(link.server.session().is_resumed());
    assert_eq!(link.client.progress, Progress::Connected);

    let context = raw::context_of(&pki::LOCALHOST).build();
    let ours = pki::verifying();
    for resumed in [false, true] {
        let mut link = Link::between(connect(&ours), Raw::server_of(&context));
        link.run();
        assert_eq!(link.client.failure(), None);
        assert_eq!(link.client.status(), Status::Connected);
        assert_eq!(link.client.is_resumed(), resumed);
    }
}

/// The ticket of a client with a certificate has that certificate in it, and the ClientHello that
/// carries it does not fit one datagram.
#[test]
fn a_ticket_may_be_larger_than_a_datagram() {
    let players = Authority::root("Players");
    let mut profile = Profile::new("player-17").usage(Usage::Client);
    for number in 0..60 {
        profile = profile.dns(format!("player-17-{number}.some-long-name.example"));
    }
    let client = pki::verifying()
        .rebuild(|it| it.with_identity(pki::identity(&players.issue(profile))))
        .expect("a usable identity");
    let required = ClientVerification::Required(pki::trust(&players.cert_pem()));
    let (server, _) = visit(Server::new(&demanding(required)), &client);
    let (server, resumed) = visit(server, &client);
    assert!(resumed);
    assert!(visit(server, &client).1);
}

#[test]
fn a_resumed_session_does_not_take_the_time_of_a_newer_one() {
    const HOUR: Duration = Duration::from_secs(3600);
    let client = pki::verifying();
    let (server, _) = visit(Server::new(&pki::localhost()), &client);
    clock::advance(HOUR - Duration::from_secs(1));
    // While this goes on with the first session, the same client begins one with another server.
    let mut resuming = Link::between(connect(&client), server.vacated());
    let (another, _) = visit(Server::new(&pki::localhost()), &client);
    resuming.run();
    assert!(resuming.client.is_resumed());

    clock::advance(Duration::from_secs(2));
    let (_, newest) = visit(another, &client);
    assert!(newest, "the newest is kept, and the first would be too old");
}
