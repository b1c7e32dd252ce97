//! Keying material that both ends of a connection can derive (RFC 5705).

mod support;

use dtls_core::{Psk, PskKeys, Session};
use openssl::ssl::SslOptions;
use support::link::{Link, Server, ToServer, connect};
use support::raw::{Progress, Raw};
use support::{pki, raw};

const LABEL: &str = "EXPORTER-some-game";

fn exported(link: &Link<Session, Server>, label: &str, context: Option<&[u8]>) -> Vec<u8> {
    let server = link.server.session.as_ref().expect("connected");
    let [ours, theirs] =
        [&link.client, server].map(|it| it.export_keying_material(label, 32, context));
    assert_eq!(ours, theirs, "both ends have the same");
    ours.expect("it is allowed")
}

#[test]
fn both_ends_have_the_same_and_every_label_and_context_another() {
    let link = Link::established(&pki::localhost(), &pki::verifying());
    let mut material = vec![
        exported(&link, LABEL, None),
        exported(&link, LABEL, Some(b"")),
        exported(&link, LABEL, Some(b"channel 1")),
        exported(&link, LABEL, Some(b"channel 2")),
        exported(&link, "EXPORTER-other-game", None),
    ];
    let other = Link::established(&pki::localhost(), &pki::verifying());
    material.push(exported(&other, LABEL, None));
    let count = material.len();
    material.sort();
    material.dedup();
    assert_eq!(material.len(), count);
}

#[test]
fn a_longer_one_begins_like_a_shorter_one() {
    let link = Link::established(&pki::localhost(), &pki::verifying());
    let export = |length| link.client.export_keying_material(LABEL, length, None);
    let longest = export(8160).expect("it is allowed");
    assert_eq!(longest.len(), 8160);
    assert_eq!(longest[..32], export(32).expect("it is allowed"));
    assert_eq!(export(8161), None);
    assert_eq!(export(usize::MAX), None);
    assert_eq!(export(0), None);
}

#[test]
fn the_labels_of_tls_are_refused() {
    let link = Link::established(&pki::localhost(), &pki::verifying());
    for label in [
        "",
        "client finished",
        "server finished",
        "master secret",
        "extended master secret",
        "key expansion",
    ] {
        assert_eq!(link.client.export_keying_material(label, 32, None), None, "{label}");
        let server = link.server.session.as_ref().expect("connected");
        assert_eq!(server.export_keying_material(label, 32, Some(b"x")), None, "{label}");
    }
    assert!(link.client.export_keying_material(LABEL, 32, Some(&[0; 65_535])).is_some());
    assert_eq!(link.client.export_keying_material(LABEL, 32, Some(&[0; 65_536])), None);
}

#[test]
fn what_was_refused_does_not_harm_the_connection() {
    let mut link = Link::established(&pki::localhost(), &pki::verifying());
    assert_eq!(link.client.export_keying_material("master secret", 32, None), None);
    link.assert_data_flows();
}

#[test]
fn there_is_none_before_and_after_a_connection() {
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    assert_eq!(link.client.export_keying_material(LABEL, 32, None), None);
    assert_eq!(link.client.cipher_suite(), None);
    assert_eq!(link.client.protocol_version(), None);
    assert_eq!(link.client.server_name(), None);
    link.run();
    link.assert_connected();
    exported(&link, LABEL, None);
    link.client.close();
    assert_eq!(link.client.export_keying_material(LABEL, 32, None), None);
    // Half a handshake: the client is ready for the last flight, which does not come.
    let mut link = Link::new(&pki::localhost(), &pki::verifying());
    link.lose(|to, datagram| to != ToServer && datagram.number > 1);
    link.settle();
    assert_eq!(link.client.export_keying_material(LABEL, 32, None), None);
}

#[test]
fn a_resumed_connection_has_its_own() {
    let client = pki::verifying();
    let first = Link::established(&pki::localhost(), &client);
    let material = exported(&first, LABEL, None);
    let mut link = Link::between(connect(&client), first.server.vacated());
    link.run();
    assert!(link.client.is_resumed());
    assert_ne!(exported(&link, LABEL, None), material);
}

#[test]
fn plain_openssl_has_the_same() {
    let mut link = Link::between(Raw::client(raw::context()), Server::new(&pki::localhost()));
    link.run();
    assert_eq!(link.client.progress, Progress::Connected);
    let mut theirs = [0; 40];
    let exported = link.client.ssl().export_keying_material(&mut theirs, LABEL, Some(b"context"));
    exported.expect("OpenSSL exports");
    let ours = link.server.session().export_keying_material(LABEL, 40, Some(b"context"));
    assert_eq!(ours.as_deref(), Some(&theirs[..]));
}

#[test]
fn connections_by_a_key_have_their_own() {
    let keys = PskKeys::new();
    keys.set("player-17", &[0x17; 16]).expect("a usable key");
    let server = pki::server_by_psk(keys).expect("a usable configuration");
    let psk = Psk::new("player-17", &[0x17; 16]).expect("a usable key");
    let client = pki::Client::by_psk(psk, None).expect("a usable configuration");
    let material = || exported(&Link::established(&server, &client), LABEL, None);
    assert_ne!(material(), material());
}

/// Without the extended master secret, someone in the middle can give two connections the same
/// material (RFC 7627 sections 1 and 5.4).
#[test]
fn nothing_is_exported_where_the_peer_is_too_old_for_it() {
    const NO_EXTENDED_MASTER_SECRET: u64 = 1;
    let mut context = raw::context();
    context.set_options(SslOptions::from_bits_retain(NO_EXTENDED_MASTER_SECRET));
    let mut link = Link::between(Raw::client(context), Server::new(&pki::localhost()));
    link.run();
    assert_eq!(link.client.progress, Progress::Connected);
    assert_eq!(link.server.session().export_keying_material(LABEL, 32, None), None);
}
