//! Host names that clients ask for (SNI), and what they get.

mod support;

use dtls_core::{ClientConfig, Verification};
use support::link::{Link, Server};
use support::raw::{Progress, Raw};
use support::{pki, raw};

/// A client that asks for `name` and verifies nothing.
fn asking(name: &str) -> ClientConfig {
    ClientConfig::new(Verification::Nothing, Some(pki::name(name))).expect("usable")
}

#[test]
fn both_ends_know_which_name_was_asked_for() {
    for (name, expected) in [
        ("localhost", Some("localhost")),
        ("Game.Example.COM.", Some("game.example.com")),
        ("192.0.2.1", None),
        ("::1", None),
    ] {
        let client = asking(name);
        let mut server = Server::new(&pki::localhost());
        for resumed in [false, true] {
            let mut link = Link::between(support::link::connect(&client), server.vacated());
            link.run();
            link.assert_connected();
            assert_eq!(link.client.is_resumed(), resumed);
            assert_eq!(link.client.server_name().as_deref(), expected);
            assert_eq!(link.server.session().server_name().as_deref(), expected);
            server = link.server;
        }
    }
    let mut link = Link::established(&pki::localhost(), &pki::trusting_everyone());
    assert_eq!(link.client.server_name(), None);
    assert_eq!(link.server.session().server_name(), None);
}

#[test]
fn what_is_no_host_name_asks_for_nothing() {
    for name in ["192.0.2.1", "*.example.com", "a b", "x\u{1b}[31m", "ünïcode.example"] {
        let client = Raw::client_for(raw::context(), name, None);
        let mut link = Link::between(client, Server::new(&pki::localhost()));
        link.run();
        assert_eq!(link.client.progress, Progress::Connected);
        assert_eq!(link.server.session().server_name(), None, "{name}");
    }
}

/// RFC 6066 section 3.
#[test]
fn a_session_is_not_resumed_under_another_name() {
    let client = Raw::client_for(raw::context(), "a.example.com", None);
    let mut link = Link::between(client, Server::new(&pki::localhost()));
    link.run();
    assert_eq!(link.client.progress, Progress::Connected);
    let session = link.client.ssl().session().expect("a session").to_owned();
    link.client.shutdown();
    let mut server = link.server;
    for (name, resumed) in [
        ("b.example.com", false),
        ("a.example.co", false),
        ("a.example.com", true),
        ("A.example.com", true),
    ] {
        let client = Raw::client_for(raw::context(), name, Some(&session));
        let mut link = Link::between(client, server.vacated());
        link.run();
        assert_eq!(link.client.progress, Progress::Connected, "{name}");
        assert_eq!(link.server.session().is_resumed(), resumed, "{name}");
        assert_eq!(link.server.session().server_name(), Some(name.to_lowercase()));
        link.client.shutdown();
        server = link.server;
    }
}
