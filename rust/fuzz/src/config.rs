//! What a developer, a file or a certificate authority may hand over.

use std::time::Duration;

use dtls_core::{
    Alpn, Certificates, CipherSuites, ClientVerification, Failure, Identity, Limits, PeerName,
    Pins, Reason, RevocationLists, ServerConfig, Trust, TrustAnchors, Verification,
};
use openssl::base64;

use crate::client::{Client, Rebuild as _};
use crate::input::Input;
use crate::pki::Pki;
use crate::world::World;

/// Certificates, keys, bundles, pins, revocation lists, names, cipher suites, protocols and limits.
/// The first byte says which. What is accepted works: a server that was configured can be talked to,
/// and what is wrong with it can be printed.
pub fn config(input: &[u8]) {
    crate::begin();
    let pki = Pki::get();
    let Some((kind, rest)) = input.split_first() else { return };
    match kind {
        b'c' => certificates(rest),
        // The server's own certificate and key with some bytes changed, so that they may go together.
        b'd' => certificates(&changed(&pki.certificate_der, rest)),
        b'k' => key(rest),
        b'l' => key(&pem("PRIVATE KEY", &changed(&pki.key_der, rest))),
        b'b' => bundle(&String::from_utf8_lossy(rest)),
        b'p' => pins(&String::from_utf8_lossy(rest)),
        b'r' => drop(revocation_lists(rest)),
        // A list of the authority that issued the server's certificate.
        b's' => {
            let list = changed(&pki.list_der, rest);
            let connected = revocation_lists(&pem("X509 CRL", &list));
            assert!(!connected || list == pki.list_der, "a list that was tampered with counts");
        }
        b'n' => name(&String::from_utf8_lossy(rest)),
        b'C' => suites(&String::from_utf8_lossy(rest)),
        b'A' => protocols(&String::from_utf8_lossy(rest)),
        _ => limits(rest),
    }
}

fn certificates(text: &[u8]) {
    let pki = Pki::get();
    let parsed = match Certificates::parse(text) {
        Ok(parsed) => parsed,
        Err(error) => return check_text(&error.to_string()),
    };
    let mut twice = parsed.clone();
    twice.append(parsed.clone());
    assert!(twice.len() <= parsed.len() && twice.starts_like(&parsed), "the same twice");

    // Trusting it may fail, and so may the handshake with a server that shows it; both say why.
    if let Ok(anchors) = TrustAnchors::new(&parsed) {
        serve(&pki.key_pem, &parsed, &Verification::ChainAndName(anchors.clone().into()));
        show(&pki.key_pem, &parsed, anchors);
    }
    serve(&pki.key_pem, &parsed, &Verification::Nothing);
}

fn key(text: &[u8]) {
    let pki = Pki::get();
    let own = Certificates::parse(&pki.chain_pem).expect("certificates");
    serve(text, &own, &Verification::Nothing);
}

/// A server with this key and these certificates, if there is such a thing, and one client.
fn serve(key: &[u8], certificates: &Certificates, verification: &Verification) {
    let server = Identity::new(key, certificates.clone())
        .and_then(|it| ServerConfig::builder().with_identity(it).build());
    let server = match server {
        Ok(server) => server,
        Err(error) => return check_text(&error.to_string()),
    };
    let name = PeerName::parse("localhost").ok();
    let client = Client::new(verification.clone(), name).expect("a usable configuration");
    let mut world = World::new(server, &client);
    world.run();
    if world.are_connected() {
        world.check_that_packets_pass();
    } else {
        let failure = world.client.failure().expect("it has not come to a connection");
        check_text(&failure.to_string());
        let verified = !matches!(verification, Verification::Nothing);
        assert!(verified, "a configuration that was accepted does not work: {failure}");
    }
}

/// A client with this key and these certificates, at a server that wants to see them.
fn show(key: &[u8], certificates: &Certificates, anchors: TrustAnchors) {
    let pki = Pki::get();
    let client = Identity::new(key, certificates.clone())
        .and_then(|own| pki.trusting.rebuild(|it| it.with_identity(own).with_resumption(false)));
    let required = ClientVerification::Required(anchors.into());
    let server = pki.server.to_builder().with_verification(required).build();
    let server = server.expect("anchors that were accepted");
    match client {
        Ok(client) => World::new(server, &client).run(),
        Err(error) => check_text(&error.to_string()),
    }
}

fn bundle(text: &str) {
    match TrustAnchors::from_bundle(text) {
        Ok((anchors, _unreadable)) => {
            let client = Client::new(Verification::Chain(anchors.into()), None);
            client.expect("anchors that were accepted");
        }
        Err(error) => check_text(&error.to_string()),
    }
}

/// A server that has to match one of the pins, one on each line, and a client that must not get in
/// unless it does.
fn pins(text: &str) {
    let pins = match Pins::parse(text.lines()) {
        Ok(pins) => pins,
        Err(error) => return check_text(&error.to_string()),
    };
    let pki = Pki::get();
    let client = Client::new(Verification::Chain(Trust::pinned(pins)), None);
    let mut world = World::new(pki.server.clone(), &client.expect("pins that were accepted"));
    world.run();
    match world.client.failure() {
        Some(failure) => {
            assert!(matches!(failure, Failure::PinMismatch { .. }), "another failure: {failure}");
            check_text(&failure.to_string());
        }
        None => {
            let own = world.client.peer_fingerprint().expect("a fingerprint");
            let digits = own.trim_start_matches("sha256:");
            let text = text.to_lowercase();
            let by_key = text.contains("spki:");
            assert!(by_key || text.replace(':', "").contains(digits), "connected to {own}");
        }
    }
}

/// Whether a client connects that looks its server up in these lists. It must not unless the issuer has
/// signed one.
fn revocation_lists(text: &[u8]) -> bool {
    let lists = match RevocationLists::parse(text) {
        Ok(lists) => lists,
        Err(error) => {
            check_text(&error.to_string());
            return false;
        }
    };
    let pki = Pki::get();
    let anchors = TrustAnchors::new(&Certificates::parse(&pki.chain_pem).expect("certificates"));
    let trust = Trust::from(anchors.expect("usable trust anchors")).with_revocation_lists(lists);
    let client = Client::new(Verification::Chain(trust), None);
    let mut world = World::new(pki.server.clone(), &client.expect("lists that were accepted"));
    world.run();
    if let Some(failure) = world.client.failure() {
        let expected = [Reason::RevocationUnknown, Reason::CertificateRevoked];
        assert!(expected.contains(&failure.reason()), "another failure: {failure}");
        check_text(&failure.to_string());
    }
    world.are_connected()
}

fn name(text: &str) {
    match PeerName::parse(text) {
        Ok(name) => {
            assert_eq!(PeerName::parse(&name.to_string()), Ok(name.clone()), "read again");
            let pki = Pki::get();
            let root = Certificates::parse(&pki.chain_pem).expect("certificates");
            let anchors = TrustAnchors::new(&root).expect("usable trust anchors");
            let verification = Verification::ChainAndName(anchors.into());
            let client = Client::new(verification, Some(name.clone()));
            let mut world = World::new(pki.server.clone(), &client.expect("a name was accepted"));
            world.run();
            let expected = ["localhost", "127.0.0.1"].contains(&name.to_string().as_str());
            assert_eq!(world.are_connected(), expected, "connected as {name}");
        }
        Err(error) => check_text(&error.to_string()),
    }
}

/// A server and a client with the same cipher suites, if there are such.
fn suites(list: &str) {
    let suites = match CipherSuites::parse(list) {
        Ok(suites) => suites,
        Err(error) => return check_text(&error.to_string()),
    };
    let pki = Pki::get();
    let server = pki.server.to_builder().with_cipher_suites(suites.clone()).build();
    let client = pki.client.rebuild(|it| it.with_cipher_suites(suites).with_resumption(false));
    match (server, client) {
        (Ok(server), Ok(client)) => {
            let mut world = World::new(server, &client);
            world.run();
            assert!(world.are_connected(), "{list}");
            let suite = world.client.cipher_suite().expect("it is connected");
            assert!(suite.starts_with("TLS_ECDHE_ECDSA_WITH_"), "{suite} of {list}");
            assert!(suite.contains("_GCM_") || suite.contains("_POLY1305_"), "{suite} of {list}");
        }
        (Err(error), _) | (_, Err(error)) => check_text(&error.to_string()),
    }
}

/// Protocols of a server, one a line, and a client that has the last of them.
fn protocols(text: &str) {
    let last = text.lines().last().unwrap_or_default();
    match (Alpn::new(text.lines()), Alpn::new([last])) {
        (Ok(all), Ok(last_alone)) => {
            let pki = Pki::get();
            let server = pki.server.to_builder().with_alpn(all).build().expect("OpenSSL works");
            let client = pki.client.rebuild(|it| it.with_alpn(last_alone)).expect("OpenSSL works");
            let mut world = World::new(server, &client);
            world.run();
            assert_eq!(world.client.alpn_protocol().as_deref(), Some(last));
        }
        (Err(error), _) | (_, Err(error)) => check_text(&error.to_string()),
    }
}

fn limits(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let number = |input: &mut Input<'_>| u32::try_from(input.number()).expect("16 bits");
    let mtu = number(&mut input) << 16 | number(&mut input);
    // Small ones too: most of the range is far out of the limits.
    let mtu = if mtu >> 31 == 0 { mtu & 0xffff } else { mtu };
    let timeout = Duration::new(u64::from(number(&mut input)), number(&mut input) << 13);
    let idle = Duration::from_millis(u64::from(number(&mut input)));
    let pending = input.number();

    let limits = Limits::default()
        .with_mtu(mtu)
        .and_then(|limits| limits.with_handshake_timeout(timeout))
        .and_then(|limits| limits.with_idle_timeout((!idle.is_zero()).then_some(idle)));
    let pki = Pki::get();
    let server = pki.server.to_builder().with_max_pending_handshakes(pending);
    match (limits, server.clone().build()) {
        (Ok(limits), Ok(_)) => {
            let server = server.with_limits(limits).build().expect("limits that can be set");
            let client = pki.client.rebuild(|it| it.with_resumption(false).with_limits(limits));
            let mut world = World::new(server, &client.expect("limits that can be set"));
            world.run();
            assert!(world.are_connected(), "limits that were accepted do not work: {limits:?}");
            world.check_that_packets_pass();
            assert!(world.client.max_packet_size() < usize::try_from(mtu).expect("32 bits"));
        }
        (Err(error), _) | (_, Err(error)) => check_text(&error.to_string()),
    }
}

/// `original` with bytes replaced: where, in two bytes, and by what.
fn changed(original: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut changed = original.to_vec();
    let mut changes = Input::new(changes);
    while !changes.is_empty() {
        let (at, with) = (changes.number() % original.len(), changes.byte());
        changed[at] = with;
    }
    changed
}

fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    let body = base64::encode_block(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n").into_bytes()
}

fn check_text(text: &str) {
    assert!(!text.contains(char::is_control), "an unprintable text: {text:?}");
}
