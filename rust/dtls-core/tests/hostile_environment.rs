//! The machine's OpenSSL configuration has no say. Each case runs in a process of its own, since
//! OpenSSL reads its configuration once.
//!
//! Two things keep it out: the OpenSSL that is linked reads none by itself, and `ffi::start` forbids that it
//! is read. Only the second is this crate's, so both processes ask OpenSSL to read it. To the plain one that
//! does harm; to ours, it must not.
#![allow(unsafe_code)]

mod support;

use std::io::Write;
use std::ptr;

use openssl::ssl::{SslContext, SslMethod};
use support::link::Link;
use support::raw::{Progress, Raw};
use support::{child, link, pki, raw};

/// Weaker than anyone would have it.
const WEAK: &str = "
openssl_conf = start
[start]
ssl_conf = tls
[tls]
system_default = everyone
[everyone]
MinProtocol = DTLSv1
MaxProtocol = DTLSv1.2
CipherString = AES128-SHA:@SECLEVEL=0
Options = UnsafeLegacyRenegotiation,-ServerPreference
VerifyMode = Request
";

/// No group, no signature: no handshake.
const NOTHING_IN_COMMON: &str = "
openssl_conf = start
[start]
ssl_conf = tls
[tls]
system_default = everyone
[everyone]
MinProtocol = DTLSv1.2
MaxProtocol = DTLSv1
Groups = ffdhe8192
SignatureAlgorithms = RSA+SHA1
";

/// Takes every algorithm away.
const NO_ALGORITHMS: &str = "
openssl_conf = start
[start]
providers = providers
[providers]
null = activated
[activated]
activate = 1
";

/// Asks for algorithms that no one has.
const FIPS_ONLY: &str = "
openssl_conf = start
[start]
alg_section = algorithms
[algorithms]
default_properties = fips=yes
";

/// Cannot be read. Plain OpenSSL goes on as if it were not there.
const BROKEN: &str = "
config_diagnostics = 1
openssl_conf = start
[start
";

const TEST: &str = "openssl_conf_has_no_say";

#[test]
fn openssl_conf_has_no_say() {
    match child::task().as_deref() {
        None => {}
        Some("ours") => return ours(),
        Some("plain") => return plain(),
        Some(other) => panic!("{other}"),
    }
    let undisturbed = child::said(&child::run(TEST, "plain", &[]));
    assert!(undisturbed.contains("suite ECDHE-"), "plain OpenSSL works: {undisturbed}");
    for (case, text, harms) in [
        ("weak", WEAK, true),
        ("nothing in common", NOTHING_IN_COMMON, true),
        ("no algorithms", NO_ALGORITHMS, true),
        ("FIPS only", FIPS_ONLY, true),
        ("broken", BROKEN, false),
    ] {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("a small file can be written");
        let path = file.path().to_str().expect("a plain path");
        let variables = [("OPENSSL_CONF", path)];

        // The configuration does what this test is about...
        let plain = child::run(TEST, "plain", &variables);
        let said = child::said(&plain);
        assert_eq!(!said.contains("suite ECDHE-"), harms, "{case}, plain OpenSSL: {said}");

        // ...and nothing to us.
        let ours = child::run(TEST, "ours", &variables);
        let said = child::said(&ours);
        assert!(ours.status.success(), "{case}: {said}");
        assert!(said.contains("suite ECDHE-ECDSA-AES128-GCM-SHA256"), "{case}: {said}");
    }
}

/// Asks OpenSSL to read the machine's configuration.
fn load_configuration() {
    const OPENSSL_INIT_LOAD_CONFIG: u64 = 0x40;
    // SAFETY: the null pointer stands for the default settings.
    unsafe { openssl_sys::OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, ptr::null()) };
}

/// A handshake and its suite, as this crate does it.
fn ours() {
    // The certificates that the tests use come from ring, so this crate is the first to OpenSSL.
    drop(pki::localhost());
    load_configuration();
    let server = pki::localhost();
    let mut link = Link::established(&server, &pki::verifying());
    link.assert_data_flows();
    // Which suite, only the other side can say.
    let client = Raw::client(raw::context());
    let mut link = Link::between(client, link::Server::new(&server));
    link.run();
    assert_eq!(link.client.progress, Progress::Connected);
    println!("suite {}", link.client.suite());
    // What the configuration would let in stays out.
    let mut context = raw::context();
    context.set_cipher_list("AES128-SHA:ECDHE-ECDSA-AES128-SHA").expect("suites");
    let mut link = Link::between(Raw::client(context), link::Server::new(&server));
    link.run();
    assert_eq!(link.client.alert(), Some(40));
}

/// A handshake of rust-openssl with nothing but its defaults.
fn plain() {
    use openssl::pkey::PKey;
    use openssl::x509::X509;

    load_configuration();
    let context = || SslContext::builder(SslMethod::dtls());
    let rsa = test_pki::Key::FromPem(pki::rsa_key(2048));
    let issued = pki::ROOT.issue(test_pki::Profile::localhost().key(rsa));
    let mut server = context().expect("a context");
    let certificate = X509::from_pem(issued.cert_pem.as_bytes()).expect("a certificate");
    let key = PKey::private_key_from_pem(issued.key_pem.as_bytes()).expect("a key");
    server.set_certificate(&certificate).expect("a certificate");
    server.set_private_key(&key).expect("a key");
    let client = Raw::client(context().expect("a context"));
    let mut link = Link::between(client, Raw::server(server));
    link.run();
    assert_eq!(link.client.progress, Progress::Connected);
    println!("suite {}", link.client.suite());
}
