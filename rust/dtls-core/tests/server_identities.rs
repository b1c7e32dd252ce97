//! Host names that clients ask for (SNI), and what they get.

mod support;

use std::sync::LazyLock;

use dtls_core::{
    Alpn, ClientVerification, ConfigError, Failure, Psk, PskKeys, Reason, ServerConfig,
    Verification,
};
use openssl::hash::MessageDigest;
use openssl::x509::X509;
use support::link::{Link, Server, connect};
use support::pki::Rebuild as _;
use support::raw::{Progress, Raw};
use support::{pki, raw};
use test_pki::{Authority, Issued, Key, Profile, Usage};

static EU: LazyLock<Issued> = LazyLock::new(|| issue("eu.example.com"));
static US: LazyLock<Issued> = LazyLock::new(|| {
    let profile = Profile::new("us").dns("us.example.com").key(Key::P384);
    pki::ROOT.intermediate("Between").issue(profile)
});

fn issue(name: &str) -> Issued {
    pki::ROOT.issue(Profile::new("server").dns(name))
}

/// A server for localhost that is also one for two other names.
fn server() -> ServerConfig {
    with(with(pki::localhost(), "eu.example.com", &EU), "US.example.com", &US)
}

fn with(server: ServerConfig, name: &str, issued: &Issued) -> ServerConfig {
    server
        .rebuild(|it| it.with_named_identities([(pki::name(name), pki::identity(issued))]))
        .expect("usable")
}

/// A client that trusts the root and expects `name`.
fn expecting(name: &str) -> pki::Client {
    pki::client(&pki::ROOT.cert_pem(), name)
}

/// A client that asks for `name` and verifies nothing.
fn asking(name: &str) -> pki::Client {
    pki::Client::new(Verification::Nothing, Some(pki::name(name))).expect("usable")
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
            let mut link = Link::between(connect(&client), server.vacated());
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

#[test]
fn each_name_has_its_certificate_and_chain() {
    for name in ["localhost", "eu.example.com", "us.example.com", "EU.Example.com."] {
        Link::established(&server(), &expecting(name)).assert_data_flows();
    }
    let mut link = Link::new(&server(), &expecting("asia.example.com"));
    link.run();
    let failure = link.client.failure().map(Failure::reason);
    assert_eq!(failure, Some(Reason::HostnameMismatch));
}

/// The certificate that a server shows to someone who asks for `name`.
fn shown(server: &ServerConfig, name: Option<&str>) -> X509 {
    let client = match name {
        Some(name) => Raw::client_for(raw::context(), name, None),
        None => Raw::client(raw::context()),
    };
    let mut link = Link::between(client, Server::new(server));
    link.run();
    assert_eq!(link.client.progress, Progress::Connected);
    link.client.ssl().peer_certificate().expect("a certificate")
}

#[test]
fn whoever_asks_for_something_else_gets_the_default_one() {
    let certificate = |issued: &Issued| X509::from_pem(issued.cert_pem.as_bytes()).expect("one");
    let [own, eu] = [&*pki::LOCALHOST, &*EU].map(certificate);
    assert!(shown(&server(), Some("eu.example.com")) == eu);
    assert!(shown(&server(), Some("Eu.Example.Com")) == eu);
    for other in [
        None,
        Some("localhost"),
        Some("example.com"),
        Some("eu.example.com.evil.example"),
        Some("a.eu.example.com"),
        Some("192.0.2.1"),
        Some("*.example.com"),
    ] {
        assert!(shown(&server(), other) == own, "{other:?}");
    }
}

/// Only the certificate of the name is shown, also to clients that cannot use its key: the other one
/// would be for another name.
#[test]
fn the_keys_of_two_names_do_not_mix() {
    let rsa = pki::self_signed_with(&pki::rsa_key(2048), MessageDigest::sha256());
    let server = with(pki::server(&rsa), "eu.example.com", &EU);
    for (name, suites, connects) in [
        ("eu.example.com", "ECDHE+aRSA+AESGCM", false),
        ("eu.example.com", "ECDHE+ECDSA+AESGCM", true),
        ("localhost", "ECDHE+aRSA+AESGCM", true),
        ("localhost", "ECDHE+ECDSA+AESGCM", false),
    ] {
        let mut context = raw::context();
        context.set_cipher_list(suites).expect("suites");
        let mut link = Link::between(Raw::client_for(context, name, None), Server::new(&server));
        link.run();
        assert_eq!(link.client.progress == Progress::Connected, connects, "{name}, {suites}");
    }
}

#[test]
fn clients_are_demanded_the_same_whatever_they_ask_for() {
    let players = Authority::root("Players");
    let required = || ClientVerification::Required(pki::anchors(&players.cert_pem()).into());
    let player = players.issue(Profile::new("player-17").usage(Usage::Client));
    let stranger = pki::ROOT.issue(Profile::new("player-17").usage(Usage::Client));
    let demanding = [
        server().rebuild(|it| it.with_verification(required())),
        pki::localhost().rebuild(|it| it.with_verification(required())).and_then(|server| {
            server.rebuild(|it| {
                it.with_named_identities([(pki::name("eu.example.com"), pki::identity(&EU))])
            })
        }),
    ];
    for server in demanding.map(|server| server.expect("a usable configuration")) {
        for name in ["localhost", "eu.example.com"] {
            let with = |issued| {
                expecting(name)
                    .rebuild(|it| it.with_identity(pki::identity(issued)))
                    .expect("usable")
            };
            Link::established(&server, &with(&player)).assert_data_flows();
            for (client, reason) in [
                (expecting(name), Reason::ClientCertificateRequired),
                (with(&stranger), Reason::CertificateUntrusted),
            ] {
                let mut link = Link::new(&server, &client);
                link.run();
                let failure = link.server.session().failure().map(Failure::reason);
                assert_eq!(failure, Some(reason), "{name}");
            }
        }
    }
}

#[test]
fn keys_and_protocols_are_the_same_whatever_is_asked_for() {
    let keys = PskKeys::new();
    keys.set("player-17", &[0x17; 16]).expect("a usable key");
    let protocols = || Alpn::new(["game/2"]).expect("a protocol");
    let server = server()
        .rebuild(|it| it.with_psk_keys(keys))
        .and_then(|it| it.rebuild(|it| it.with_alpn(protocols())))
        .expect("usable");
    for name in ["localhost", "eu.example.com", "us.example.com"] {
        let psk = Psk::new("player-17", &[0x17; 16]).expect("a usable key");
        let by_key = pki::Client::by_psk(psk, Some(pki::name(name))).expect("usable");
        let by_certificate =
            expecting(name).rebuild(|it| it.with_alpn(protocols())).expect("usable");
        let mut link = Link::established(&server, &by_key);
        assert_eq!(link.server.session().psk_identity().as_deref(), Some("player-17"));
        assert_eq!(link.server.session().server_name().as_deref(), Some(name));
        let link = Link::established(&server, &by_certificate);
        assert_eq!(link.client.alpn_protocol().as_deref(), Some("game/2"));
    }
}

#[test]
fn each_name_resumes_its_own_session() {
    let mut server = Server::new(&server());
    let clients = ["localhost", "eu.example.com", "us.example.com"].map(expecting);
    for resumed in [false, true] {
        for client in &clients {
            let mut link = Link::between(connect(client), server.vacated());
            link.run();
            link.assert_connected();
            assert_eq!(link.client.is_resumed(), resumed);
            server = link.server;
        }
    }
}

#[test]
fn a_new_certificate_for_a_name_ends_its_sessions() {
    let client = expecting("eu.example.com");
    let mut link = Link::established(&server(), &client);
    let renewed = with(pki::localhost(), "eu.example.com", &issue("eu.example.com"));
    link.server.listener.set_config(with(renewed, "us.example.com", &US));
    let mut link = Link::between(connect(&client), link.server.vacated());
    link.run();
    link.assert_connected();
    assert!(!link.client.is_resumed());
}

#[test]
fn a_session_of_a_name_is_not_one_of_a_server_without_it() {
    let client = expecting("eu.example.com");
    let mut link = Link::established(&server(), &client);
    link.server.listener.set_config(pki::localhost());
    let mut link = Link::between(connect(&client), link.server.vacated());
    link.run();
    let failure = link.client.failure().map(Failure::reason);
    assert_eq!(failure, Some(Reason::HostnameMismatch));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let identity = pki::identity(&EU);
    let add = |server: ServerConfig, name| {
        server.rebuild(|it| it.with_named_identities([(pki::name(name), identity.clone())])).err()
    };
    for address in ["192.0.2.1", "::1"] {
        let refused = Some(ConfigError::IdentityOfAddress(address.to_owned()));
        assert_eq!(add(server(), address), refused);
    }
    let refused = Some(ConfigError::IdentityTwice("eu.example.com".to_owned()));
    assert_eq!(add(server(), "EU.example.com"), refused);
    let psk_only = pki::server_by_psk(PskKeys::new()).expect("usable");
    assert_eq!(add(psk_only, "eu.example.com"), Some(ConfigError::NoDefaultIdentity));
    // A key that is too weak for the default identity is too weak for a name.
    let weak = pki::self_signed_with(&pki::rsa_key(1024), MessageDigest::sha256());
    let weak = pki::localhost().rebuild(|it| {
        it.with_named_identities([(pki::name("eu.example.com"), pki::identity(&weak))])
    });
    let Err(ConfigError::NamedIdentity { name, why }) = weak else {
        panic!("a weak key was accepted");
    };
    assert_eq!(name, "eu.example.com");
    assert!(matches!(*why, ConfigError::Refused(_)), "{why}");
}
