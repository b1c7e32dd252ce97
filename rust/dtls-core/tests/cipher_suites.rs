//! Lists of cipher suites: what may be chosen, and what no list and no peer can bring about.

mod support;

use dtls_core::{CipherSuites, ConfigError, Failure, Psk, PskKeys, ServerConfig, Status};
use openssl::hash::MessageDigest;
use support::link::{Link, Server, ToServer, connect};
use support::pki::Rebuild as _;
use support::raw::{Progress, Raw};
use support::{pki, raw, records};

const CHACHA: &str = "ECDHE-ECDSA-CHACHA20-POLY1305";
const HANDSHAKE_FAILURE: u8 = 40;

fn suites(list: &str) -> CipherSuites {
    CipherSuites::parse(list).expect("a usable list")
}

fn server(list: &str) -> ServerConfig {
    pki::localhost()
        .rebuild(|it| it.with_cipher_suites(suites(list)))
        .expect("a usable configuration")
}

fn client(list: &str) -> pki::Client {
    pki::verifying()
        .rebuild(|it| it.with_cipher_suites(suites(list)))
        .expect("a usable configuration")
}

fn psk() -> pki::Client {
    let psk = Psk::new("player-17", &[0x17; 16]).expect("a usable key");
    pki::Client::by_psk(psk, None).expect("a usable configuration")
}

/// What the two agree upon.
fn chosen(server: &ServerConfig, client: &pki::Client) -> &'static str {
    let mut link = Link::established(server, client);
    link.assert_data_flows();
    let chosen = link.client.cipher_suite();
    assert_eq!(link.server.session().cipher_suite(), chosen);
    assert_eq!(link.client.protocol_version(), Some("DTLS 1.2"));
    chosen.expect("it is connected")
}

#[test]
fn either_side_can_choose() {
    let name = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    assert_eq!(chosen(&server(CHACHA), &pki::verifying()), name);
    assert_eq!(chosen(&pki::localhost(), &client(CHACHA)), name);
    let other = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    assert_eq!(chosen(&pki::localhost(), &pki::verifying()), other);
}

#[test]
fn the_server_s_order_decides() {
    let (aes, both) = ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    let [server, client] = [[aes, CHACHA], [CHACHA, aes]].map(|list| list.join(":"));
    assert_eq!(chosen(&self::server(&server), &self::client(&client)), both);
}

#[test]
fn a_client_offers_what_is_allowed_of_its_list() {
    const RENEGOTIATION_INFO: u16 = 0x00ff;
    let offered = |client: &pki::Client| {
        let mut link = Link::new(&pki::localhost(), client);
        link.collect();
        let mut offered = records::offered_suites(link.sent(ToServer)[0]);
        offered.retain(|suite| *suite != RENEGOTIATION_INFO);
        offered
    };
    assert_eq!(offered(&client("ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA:PSK")), [0xc030]);
    let all = [0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8];
    assert_eq!(offered(&pki::verifying()), all);
    let mut everything = offered(&client("ALL"));
    everything.sort_unstable();
    let mut all = all;
    all.sort_unstable();
    assert_eq!(everything, all);
}

#[test]
fn two_sides_without_a_common_suite_do_not_connect() {
    let mut link = Link::new(&server(CHACHA), &client("ECDHE-ECDSA-AES128-GCM-SHA256"));
    link.run();
    assert_eq!(link.server.session().failure(), Some(&Failure::NothingInCommon));
    assert_eq!(link.client.failure(), Some(&Failure::PeerAlert(HANDSHAKE_FAILURE)));
}

#[test]
fn a_list_without_a_suite_for_what_a_side_has_is_refused() {
    let refused = |result: Result<(), ConfigError>, what: &str| {
        assert_eq!(result, Err(ConfigError::NoCipherSuite(what.to_owned())));
    };
    let (ecdsa, rsa, keys) = ("ECDHE+ECDSA", "ECDHE+aRSA", "ECDHE-PSK-CHACHA20-POLY1305");
    let by_rsa = pki::server(&pki::self_signed_with(&pki::rsa_key(2048), MessageDigest::sha256()));
    let with = |config: ServerConfig, list| {
        config.rebuild(|it| it.with_cipher_suites(suites(list))).map(drop)
    };
    let needed = ["a certificate with an ECDSA key", "a certificate with an RSA key"];
    refused(with(pki::localhost(), rsa), needed[0]);
    refused(with(by_rsa.clone(), ecdsa), needed[1]);
    refused(with(by_rsa.clone(), keys), needed[1]);
    assert_eq!(with(by_rsa, rsa), Ok(()));
    assert_eq!(with(pki::localhost(), ecdsa), Ok(()));

    let psk_only = pki::server_by_psk(PskKeys::new()).expect("usable");
    refused(with(psk_only.clone(), ecdsa), "pre-shared keys");
    assert_eq!(with(psk_only, keys), Ok(()));
    // One that has both needs suites for both.
    let both = || pki::localhost().rebuild(|it| it.with_psk_keys(PskKeys::new())).expect("usable");
    refused(with(both(), ecdsa), "pre-shared keys");
    refused(with(both(), keys), needed[0]);
    assert_eq!(with(both(), "ECDHE:PSK"), Ok(()));
    refused(
        server(ecdsa).rebuild(|it| it.with_psk_keys(PskKeys::new())).map(drop),
        "pre-shared keys",
    );

    let with = |config: pki::Client, list| {
        config.rebuild(|it| it.with_cipher_suites(suites(list))).map(drop)
    };
    refused(with(pki::verifying(), keys), &needed.join(" or "));
    assert_eq!(with(pki::verifying(), rsa), Ok(()));
    refused(with(psk(), rsa), "pre-shared keys");
    assert_eq!(with(psk(), keys), Ok(()));
}

/// Everything that is not allowed, without authentication and encryption first.
const WEAK: &str = "aNULL:eNULL:ALL:COMPLEMENTOFALL:!ECDHE+AESGCM:!CHACHA20:@SECLEVEL=0";

#[test]
fn no_list_lets_a_server_take_a_weak_suite() {
    for list in ["ALL", "DEFAULT", "HIGH:MEDIUM:LOW"] {
        let mut context = raw::context();
        context.set_cipher_list(WEAK).expect("suites");
        let mut link = Link::between(Raw::client(context), Server::new(&server(list)));
        link.run();
        assert_eq!(link.server.session().failure(), Some(&Failure::NothingInCommon), "{list}");
        // The same client with one good suite at the end.
        let mut context = raw::context();
        context
            .set_cipher_list(&format!("{}:{CHACHA}", WEAK.replace("!CHACHA20:", "")))
            .expect("suites");
        let mut link = Link::between(Raw::client(context), Server::new(&server(list)));
        link.run();
        assert_eq!(link.client.progress, Progress::Connected);
        assert_eq!(link.client.suite(), CHACHA);
    }
}

#[test]
fn no_list_lets_a_client_take_a_weak_suite() {
    for list in ["ALL", "DEFAULT", "HIGH:MEDIUM:LOW"] {
        let mut context = raw::context_of(&pki::LOCALHOST);
        context.set_cipher_list(WEAK).expect("suites");
        let mut link = Link::between(connect(&client(list)), Raw::server(context));
        link.run();
        assert_eq!(link.client.failure(), Some(&Failure::PeerAlert(HANDSHAKE_FAILURE)));
    }
}

#[test]
fn a_session_is_not_resumed_under_another_list() {
    let client = pki::verifying();
    let mut link = Link::established(&pki::localhost(), &client);
    link.server.listener.set_config(server(CHACHA));
    let mut link = Link::between(connect(&client), link.server.vacated());
    link.run();
    link.assert_connected();
    assert!(!link.client.is_resumed());
    assert!(link.client.cipher_suite().is_some_and(|suite| suite.contains("CHACHA20")));
    let narrowed = client.rebuild(|it| it.with_cipher_suites(suites(CHACHA))).expect("usable");
    let mut link = Link::between(connect(&narrowed), link.server.vacated());
    link.run();
    assert_eq!(link.client.status(), Status::Connected);
    assert!(!link.client.is_resumed());
}
