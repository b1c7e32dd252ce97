//! Pre-shared keys: who is let in by one, who is not, and what both sides hear.

mod support;

use dtls_core::{
    ClientVerification, ConfigError, Failure, Psk, PskKeys, Reason, ServerConfig, Session, Status,
};
use openssl::ssl::SslContextBuilder;
use support::link::{Link, Server, ToClient, ToServer, connect};
use support::pki::Rebuild as _;
use support::raw::{Progress, Raw};
use support::{clock, pki, raw, records};

const HANDSHAKE_FAILURE: u8 = 40;
const UNKNOWN_PSK_IDENTITY: u8 = 115;
const NEW_SESSION_TICKET: u8 = 4;

const PLAYER: &str = "player-17";
const KEY: [u8; 32] = [0x17; 32];

fn keys() -> PskKeys {
    let keys = PskKeys::new();
    keys.set(PLAYER, &KEY).expect("a usable key");
    keys
}

fn server() -> ServerConfig {
    pki::server_by_psk(keys()).expect("a usable configuration")
}

/// A server with a certificate too.
fn both() -> ServerConfig {
    pki::localhost().rebuild(|it| it.with_psk_keys(keys())).expect("a usable configuration")
}

fn client_with(identity: &str, key: &[u8]) -> pki::Client {
    let psk = Psk::new(identity, key).expect("a usable key");
    pki::Client::by_psk(psk, None).expect("a usable configuration")
}

fn client() -> pki::Client {
    client_with(PLAYER, &KEY)
}

/// A client of plain OpenSSL that has the key, and offers these suites.
fn raw_client(suites: &str) -> SslContextBuilder {
    let mut context = raw::context();
    context.set_cipher_list(suites).expect("suites");
    context.set_psk_client_callback(|_, _, identity, key| {
        identity[..PLAYER.len()].copy_from_slice(PLAYER.as_bytes());
        key[..KEY.len()].copy_from_slice(&KEY);
        Ok(KEY.len())
    });
    context
}

/// A server of plain OpenSSL that has the key and no other choice.
fn raw_server(suites: &str) -> SslContextBuilder {
    let mut context = raw::context();
    context.set_cipher_list(suites).expect("suites");
    context.set_psk_server_callback(|_, identity, key| {
        assert_eq!(identity, Some(PLAYER.as_bytes()));
        key[..KEY.len()].copy_from_slice(&KEY);
        Ok(KEY.len())
    });
    context
}

#[test]
fn a_client_with_a_key_is_let_in() {
    for server in [server(), both()] {
        let mut link = Link::established(&server, &client());
        link.assert_data_flows();
        let suite = Some("TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256");
        for session in [&link.client, link.server.session.as_ref().expect("connected")] {
            assert_eq!(session.psk_identity().as_deref(), Some(PLAYER));
            assert_eq!(session.cipher_suite(), suite);
            assert_eq!(session.protocol_version(), Some("DTLS 1.2"));
        }
    }
}

#[test]
fn a_client_with_a_key_offers_nothing_else() {
    const RENEGOTIATION_INFO: u16 = 0x00ff;
    let mut link = Link::established(&server(), &client());
    let offered = records::offered_suites(link.sent(ToServer)[0]);
    assert_eq!(offered[..3], [0xccac, 0x00a8, 0x00a9]);
    assert!(offered[3..].iter().all(|it| *it == RENEGOTIATION_INFO), "{offered:x?}");
    link.assert_data_flows();
}

#[test]
fn a_server_with_both_kinds_serves_both_kinds() {
    let mut link = Link::established(&both(), &pki::verifying());
    link.assert_data_flows();
    assert_eq!(link.client.psk_identity(), None);
    assert_eq!(link.server.session().psk_identity(), None);
    let suite = link.client.cipher_suite();
    assert_eq!(suite, Some("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"));
    let offered = records::offered_suites(link.sent(ToServer)[0]);
    assert!(!offered.iter().any(|suite| [0xccac, 0x00a8, 0x00a9].contains(suite)));
}

#[test]
fn a_key_is_of_no_use_where_only_certificates_are() {
    let failure = Link::refusal(&pki::localhost(), &client(), HANDSHAKE_FAILURE);
    assert_eq!(failure, Failure::NothingInCommon);
}

#[test]
fn a_client_without_a_key_does_not_get_into_a_server_of_keys_only() {
    let failure = Link::refusal(&server(), &pki::verifying(), HANDSHAKE_FAILURE);
    assert_eq!(failure, Failure::NothingInCommon);
}

#[test]
fn an_unknown_identity_is_refused_at_once() {
    for server in [server(), both()] {
        let stranger = client_with("player-18\n\u{1b}[31m", &KEY);
        let failure = Link::refusal(&server, &stranger, UNKNOWN_PSK_IDENTITY);
        let identity = "player-18\\n\\u{1b}[31m".to_owned();
        assert_eq!(failure, Failure::UnknownPskIdentity { identity });
        assert_eq!(failure.reason(), Reason::PskUnknownIdentity);
    }
}

#[test]
fn a_server_whose_keys_are_all_gone_lets_no_one_in() {
    let server = pki::server_by_psk(PskKeys::new()).expect("a usable configuration");
    let failure = Link::refusal(&server, &client(), UNKNOWN_PSK_IDENTITY);
    assert_eq!(failure.reason(), Reason::PskUnknownIdentity);
}

#[test]
fn an_identity_that_no_one_can_have_is_shown_cut() {
    let mut context = raw_client("PSK");
    context.set_psk_client_callback(|_, _, identity, key| {
        identity[..250].fill(0xff);
        Ok(key.len())
    });
    let mut link = Link::between(Raw::client(context), Server::new(&server()));
    link.run();
    assert_eq!(link.client.alert(), Some(i32::from(UNKNOWN_PSK_IDENTITY)));
    let failure = link.server.session().failure().expect("a reason").to_string();
    assert!(failure.chars().count() < 300, "{failure}");
}

#[test]
fn an_identity_that_is_none_ends_the_handshake() {
    let long = [&300_u16.to_be_bytes()[..], &[b'x'; 300]].concat();
    for body in [&b""[..], b"\0", b"\0\x09player", &long] {
        let forged = body.to_vec();
        let mut link = Link::new(&server(), &client());
        link.each(move |_, datagram| {
            let mut bytes = datagram.bytes.clone();
            const KIND: u8 = records::CLIENT_KEY_EXCHANGE;
            if records::message(&bytes) == Some(KIND) {
                let first = records::split(&bytes)[0];
                let (number, sequence) = (records::number(first), records::message_sequence(first));
                let length = first.len();
                bytes.splice(..length, records::handshake(number, KIND, sequence, &forged));
            }
            vec![bytes]
        });
        link.run();
        let failure = link.server.session().failure().map(Failure::reason);
        assert_eq!(failure, Some(Reason::Protocol), "{body:?}");
        assert_eq!(link.client.status(), Status::Failed);
    }
}

#[test]
fn a_wrong_key_is_never_let_in_and_both_sides_say_what_it_may_be() {
    for server in [server(), both()] {
        let start = clock::elapsed();
        let mut link = Link::new(&server, &client_with(PLAYER, &[0x18; 32]));
        link.run();
        assert_eq!((clock::elapsed() - start).as_secs(), 30);
        let failures = [link.client.failure().cloned(), link.server.session().failure().cloned()];
        for failure in failures {
            let failure = failure.expect("a reason");
            assert!(matches!(failure, Failure::PskNotProved { .. }), "{failure}");
            assert_eq!(failure.reason(), Reason::Timeout);
            assert!(failure.to_string().contains("keys of the two sides may differ"));
        }
    }
}

#[test]
fn a_part_of_the_key_is_not_the_key() {
    for key in [&KEY[..31], &[KEY.as_slice(), &[0x17]].concat()] {
        let mut link = Link::new(&server(), &client_with(PLAYER, key));
        link.run();
        assert_eq!(link.client.status(), Status::Failed);
        assert_eq!(link.server.session().status(), Status::Failed);
    }
}

#[test]
fn a_handshake_that_times_out_before_that_says_nothing_of_keys() {
    let mut link = Link::new(&server(), &client());
    link.lose(|to, datagram| to == ToServer && datagram.number > 1);
    link.run();
    let failure = link.server.session().failure();
    assert!(matches!(failure, Some(Failure::TimedOut { .. })), "{failure:?}");
    for lost in [records::SERVER_HELLO, records::SERVER_HELLO_DONE] {
        let mut link = Link::new(&server(), &client());
        link.each(move |_, datagram| {
            let records = records::split(&datagram.bytes).into_iter().map(<[u8]>::to_vec);
            records.filter(|record| records::message(record) != Some(lost)).collect()
        });
        link.run();
        assert!(matches!(link.client.failure(), Some(Failure::TimedOut { .. })));
    }
}

#[test]
fn keys_come_and_go_while_the_server_runs() {
    let keys = PskKeys::new();
    let config = pki::server_by_psk(keys.clone()).expect("a usable configuration");
    let meet = |server: Server| {
        let mut link = Link::between(connect(&client()), server.vacated());
        link.run();
        link
    };
    let mut link = meet(Server::new(&config));
    assert_eq!(link.client.failure(), Some(&Failure::PeerAlert(UNKNOWN_PSK_IDENTITY)));

    keys.set(PLAYER, &KEY).expect("a usable key");
    link = meet(link.server);
    link.assert_connected();
    keys.remove(PLAYER);
    link.assert_data_flows();

    link = meet(link.server);
    assert_eq!(link.client.failure(), Some(&Failure::PeerAlert(UNKNOWN_PSK_IDENTITY)));
}

/// A handshake for which the server has just looked the client's key up.
fn half_way(config: &ServerConfig) -> Link<Session, Server> {
    let mut link = Link::new(config, &client());
    link.each(|_, datagram| {
        records::split(&datagram.bytes).into_iter().map(<[u8]>::to_vec).collect()
    });
    // ClientHello, HelloVerifyRequest, ClientHello; ServerHello, ServerKeyExchange, ServerHelloDone;
    // ClientKeyExchange, for which the key is looked up.
    for _ in 0..7 {
        assert!(link.deliver_one());
    }
    link
}

#[test]
fn a_key_that_is_taken_away_during_the_handshake_lets_no_one_in() {
    let keys = keys();
    let config = pki::server_by_psk(keys.clone()).expect("a usable configuration");
    let mut link = half_way(&config);
    keys.remove(PLAYER);
    link.run();
    let failure = link.server.session().failure();
    assert!(matches!(failure, Some(Failure::NotAdmitted(_))), "{failure:?}");
}

#[test]
fn a_key_that_is_replaced_during_the_handshake_lets_no_one_in() {
    let keys = keys();
    let config = pki::server_by_psk(keys.clone()).expect("a usable configuration");
    let mut link = half_way(&config);
    keys.set(PLAYER, &[0x18; 32]).expect("a usable key");
    link.run();
    let failure = link.server.session().failure();
    assert!(matches!(failure, Some(Failure::NotAdmitted(_))), "{failure:?}");
}

#[test]
fn a_server_that_is_set_up_without_the_key_during_the_handshake_lets_no_one_in() {
    let without = PskKeys::new();
    without.set("player-18", &KEY).expect("a usable key");
    for config in [pki::server_by_psk(without), Ok(pki::localhost())] {
        let mut link = half_way(&server());
        link.server.listener.set_config(config.expect("a usable configuration"));
        link.run();
        let failure = link.server.session().failure();
        assert!(matches!(failure, Some(Failure::NotAdmitted(_))), "{failure:?}");
    }
}

#[test]
fn a_server_that_is_set_up_with_the_same_key_during_the_handshake_lets_its_client_in() {
    let mut link = half_way(&server());
    link.server.listener.set_config(both());
    link.run();
    link.assert_data_flows();
}

#[test]
fn a_required_certificate_and_keys_do_not_go_together() {
    let required = || ClientVerification::Required(pki::anchors(&pki::ROOT.cert_pem()).into());
    let refused = Some(ConfigError::PskWithRequiredCertificate);
    assert_eq!(both().rebuild(|it| it.with_verification(required())).err(), refused);
    assert_eq!(server().rebuild(|it| it.with_verification(required())).err(), refused);
    let asking = pki::localhost().rebuild(|it| it.with_verification(required())).expect("usable");
    assert_eq!(asking.rebuild(|it| it.with_psk_keys(keys())).err(), refused);
}

#[test]
fn where_a_certificate_is_optional_a_key_is_enough() {
    let optional = ClientVerification::Optional(pki::anchors(&pki::ROOT.cert_pem()).into());
    let server =
        both().rebuild(|it| it.with_verification(optional)).expect("a usable configuration");
    Link::established(&server, &client()).assert_data_flows();
}

#[test]
fn a_client_has_a_key_or_a_certificate() {
    let refused = client().rebuild(|it| it.with_identity(pki::identity(&pki::LOCALHOST))).err();
    assert_eq!(refused, Some(ConfigError::PskWithCertificate));
}

#[test]
fn a_session_by_a_key_is_not_resumed() {
    let client = client().rebuild(|it| it.with_resumption(true)).expect("a usable configuration");
    let mut server = Server::new(&both());
    for _ in 0..2 {
        let mut link = Link::between(connect(&client), server.vacated());
        link.run();
        link.assert_connected();
        assert!(!link.client.is_resumed());
        server = link.server;
    }
    // A server that would like to.
    let context = raw_server("PSK-AES128-GCM-SHA256").build();
    for _ in 0..2 {
        let mut link = Link::between(connect(&client), Raw::server_of(&context));
        link.run();
        assert_eq!(link.client.failure(), None);
        assert!(!link.client.is_resumed());
    }
}

#[test]
fn no_ticket_is_issued_for_a_key() {
    let suite = "ECDHE-PSK-CHACHA20-POLY1305";
    let mut link = Link::between(Raw::client(raw_client(suite)), Server::new(&both()));
    link.run();
    assert_eq!(link.client.progress, Progress::Connected);
    let records: Vec<_> = link.sent(ToClient).into_iter().flat_map(records::split).collect();
    let ticket = records.iter().find(|it| records::message(it) == Some(NEW_SESSION_TICKET));
    // Lifetime and length.
    assert_eq!(ticket.expect("a message")[records::HEADER + 12..], [0; 6], "it is empty");
    let session = link.client.ssl().session().expect("a session").to_owned();
    link.client.shutdown();
    let again = Raw::client_with(raw_client(suite), &session);
    let mut link = Link::between(again, link.server.vacated());
    link.run();
    assert_eq!(link.client.progress, Progress::Connected);
    assert!(!link.server.session().is_resumed());
}

#[test]
fn plain_openssl_and_we_understand_each_other_with_every_suite() {
    for (suite, name) in [
        ("ECDHE-PSK-CHACHA20-POLY1305", "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256"),
        ("PSK-AES128-GCM-SHA256", "TLS_PSK_WITH_AES_128_GCM_SHA256"),
        ("PSK-AES256-GCM-SHA384", "TLS_PSK_WITH_AES_256_GCM_SHA384"),
    ] {
        let mut link = Link::between(Raw::client(raw_client(suite)), Server::new(&server()));
        link.run();
        assert_eq!(link.client.progress, Progress::Connected);
        assert_eq!(link.server.session().cipher_suite(), Some(name));
        assert_eq!(link.server.session().psk_identity().as_deref(), Some(PLAYER));

        let mut link = Link::between(connect(&client()), Raw::server(raw_server(suite)));
        link.run();
        assert_eq!(link.client.failure(), None);
        assert_eq!(link.client.cipher_suite(), Some(name));
        link.client.send(b"over any of them").expect("connected");
        link.settle();
        assert_eq!(link.server.received, [b"over any of them"]);
    }
}

/// What OpenSSL has beside the allowed suites: without encryption, without authenticated encryption,
/// with other key exchanges, and without a key at all.
const OTHER_SUITES: &str = "PSK:kDHEPSK:kRSAPSK:aNULL:eNULL:COMPLEMENTOFALL:\
    !ECDHE-PSK-CHACHA20-POLY1305:!PSK-AES128-GCM-SHA256:!PSK-AES256-GCM-SHA384:!ECDSA:!aRSA";

#[test]
fn a_server_refuses_every_other_suite() {
    for server in [server(), both()] {
        let mut link = Link::between(Raw::client(raw_client(OTHER_SUITES)), Server::new(&server));
        link.run();
        assert_eq!(link.server.session().failure(), Some(&Failure::NothingInCommon));
        assert_eq!(link.client.alert(), Some(i32::from(HANDSHAKE_FAILURE)));
    }
}

#[test]
fn a_client_refuses_every_other_suite() {
    let mut link = Link::between(connect(&client()), Raw::server(raw_server(OTHER_SUITES)));
    link.run();
    assert_eq!(link.client.failure(), Some(&Failure::PeerAlert(HANDSHAKE_FAILURE)));
    // A server that takes one that was not offered.
    let server = Raw::server(raw_server("PSK-AES128-GCM-SHA256"));
    let mut link = Link::between(connect(&client()), server);
    link.each(|direction, datagram| {
        let mut bytes = datagram.bytes.clone();
        if direction == ToClient && records::message(&bytes) == Some(records::SERVER_HELLO) {
            let session_id = records::HEADER + 12 + 2 + 32;
            let suite = session_id + 1 + usize::from(bytes[session_id]);
            assert_eq!(bytes[suite..suite + 2], [0x00, 0xa8]);
            // TLS_PSK_WITH_AES_128_CBC_SHA.
            bytes[suite + 1] = 0x8c;
        }
        vec![bytes]
    });
    link.run();
    assert_eq!(link.client.failure().map(Failure::reason), Some(Reason::Protocol));
}

#[test]
fn the_server_s_order_decides_and_forward_secrecy_comes_first() {
    let everything = "PSK-AES256-GCM-SHA384:PSK-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:\
        ECDHE-PSK-CHACHA20-POLY1305";
    let mut link = Link::between(Raw::client(raw_client(everything)), Server::new(&both()));
    link.run();
    assert_eq!(link.client.suite(), "ECDHE-PSK-CHACHA20-POLY1305");
    let without = everything.replace(":ECDHE-PSK-CHACHA20-POLY1305", "");
    let mut link = Link::between(Raw::client(raw_client(&without)), Server::new(&both()));
    link.run();
    assert_eq!(link.client.suite(), "ECDHE-ECDSA-AES128-GCM-SHA256");
    let mut link = Link::between(Raw::client(raw_client(&without)), Server::new(&server()));
    link.run();
    assert_eq!(link.client.suite(), "PSK-AES128-GCM-SHA256");
}

/// Lost datagrams cost time and nothing else, as with certificates.
#[test]
fn each_datagram_of_the_handshake_can_be_lost() {
    for direction in [ToServer, ToClient] {
        for lost in 0..3 {
            let mut link = Link::new(&server(), &client());
            link.lose(move |to, datagram| to == direction && datagram.number == lost);
            link.run();
            link.assert_connected();
            link.assert_data_flows();
        }
    }
}
