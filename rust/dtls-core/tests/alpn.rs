//! Application protocols: which one is chosen, and who is refused.

mod support;

use dtls_core::{Alpn, Failure, Reason, ServerConfig, Session};
use openssl::ssl::AlpnError;
use support::link::{Link, Server, connect};
use support::pki::Rebuild as _;
use support::raw::{Progress, Raw};
use support::{clock, pki, raw};

const NO_APPLICATION_PROTOCOL: u8 = 120;

fn alpn(protocols: &[&str]) -> Alpn {
    Alpn::new(protocols.iter().copied()).expect("usable protocols")
}

fn server(protocols: &[&str]) -> ServerConfig {
    pki::localhost().rebuild(|it| it.with_alpn(alpn(protocols))).expect("a usable configuration")
}

fn client(protocols: &[&str]) -> pki::Client {
    pki::verifying().rebuild(|it| it.with_alpn(alpn(protocols))).expect("a usable configuration")
}

/// What both say was chosen.
fn chosen(link: &Link<Session, Server>) -> Option<String> {
    let server = link.server.session.as_ref().expect("connected").alpn_protocol();
    assert_eq!(link.client.alpn_protocol(), server, "both ends say the same");
    server
}

#[test]
fn the_server_s_order_decides() {
    let link =
        Link::established(&server(&["game/2", "game/1"]), &client(&["chat", "game/1", "game/2"]));
    assert_eq!(chosen(&link).as_deref(), Some("game/2"));
    let link = Link::established(&server(&["game/2", "game/1"]), &client(&["game/1"]));
    assert_eq!(chosen(&link).as_deref(), Some("game/1"));
}

#[test]
fn nothing_in_common_is_refused_at_once() {
    let mut link = Link::new(&server(&["game/2"]), &client(&["game/1", "game/22", "game/"]));
    link.run();
    assert_eq!(clock::elapsed().as_millis(), 0);
    let refused = Failure::PeerAlert(NO_APPLICATION_PROTOCOL);
    assert_eq!(link.client.failure(), Some(&refused));
    let failure = link.server.session().failure().expect("a reason").clone();
    assert_eq!(failure, Failure::NoCommonProtocol);
    assert_eq!(failure.reason(), Reason::NoApplicationProtocol);
    assert_eq!(link.server.listener.stats()[Reason::NoApplicationProtocol], 1);
}

#[test]
fn a_side_without_protocols_does_not_mind() {
    for (server, client) in [
        (server(&["game/2"]), pki::verifying()),
        (pki::localhost(), client(&["game/2"])),
        (pki::localhost(), pki::verifying()),
    ] {
        let mut link = Link::established(&server, &client);
        link.assert_data_flows();
        assert_eq!(chosen(&link), None);
    }
}

#[test]
fn a_resumed_connection_has_its_protocol_too() {
    let (server, client) = (server(&["game/2", "game/1"]), client(&["game/1"]));
    let link = Link::established(&server, &client);
    let mut link = Link::between(connect(&client), link.server.vacated());
    link.run();
    link.assert_connected();
    assert!(link.client.is_resumed());
    assert_eq!(chosen(&link).as_deref(), Some("game/1"));
}

#[test]
fn a_session_is_not_resumed_with_other_protocols() {
    let client = client(&["game/1", "game/2"]);
    let mut link = Link::established(&server(&["game/1"]), &client);
    link.server.listener.set_config(server(&["game/2"]));
    let mut link = Link::between(connect(&client), link.server.vacated());
    link.run();
    link.assert_connected();
    assert!(!link.client.is_resumed());
    assert_eq!(chosen(&link).as_deref(), Some("game/2"));
}

#[test]
fn plain_openssl_and_we_understand_each_other() {
    let mut context = raw::context();
    context.set_alpn_protos(b"\x04chat\x06game/2").expect("a list");
    let mut link = Link::between(Raw::client(context), Server::new(&server(&["game/2"])));
    link.run();
    assert_eq!(link.client.progress, Progress::Connected);
    assert_eq!(link.client.ssl().selected_alpn_protocol(), Some(&b"game/2"[..]));

    let mut context = raw::context_of(&pki::LOCALHOST);
    context.set_alpn_select_callback(|_, offered| {
        openssl::ssl::select_next_proto(b"\x06game/2", offered).ok_or(AlpnError::NOACK)
    });
    let mut link = Link::between(connect(&client(&["game/1", "game/2"])), Raw::server(context));
    link.run();
    assert_eq!(link.client.alpn_protocol().as_deref(), Some("game/2"));
}

#[test]
fn a_client_refuses_what_it_has_not_offered() {
    for other in [&b"game/3"[..], b"game/", b"\x06game/1"] {
        let mut context = raw::context_of(&pki::LOCALHOST);
        context.set_alpn_select_callback(move |_, _| Ok(other));
        let mut link = Link::between(connect(&client(&["game/1"])), Raw::server(context));
        link.run();
        let failure = link.client.failure().map(Failure::reason);
        assert_eq!(failure, Some(Reason::Protocol), "{other:?}");
    }
}
