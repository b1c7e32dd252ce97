//! Keys and certificates that are made here: what they say, who takes them, and who does not.

mod support;

use std::sync::LazyLock;

use dtls_core::{
    CertificateProblem, Certificates, ClientVerification, ConfigError, Failure, Identity, Reason,
    RevocationLists, Role, ServerConfig, Status, Trust, Verification,
};
use dtls_issuer::{Authority, Days, IssueError, KeyKind, PublicKey, SigningKey, Subject};
use openssl::asn1::{Asn1Time, TimeDiff};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::SslFiletype;
use openssl::stack::Stack;
use openssl::x509::extension::{BasicConstraints, KeyUsage};
use openssl::x509::store::{X509Lookup, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{
    CrlStatus, X509, X509Crl, X509ExtendedKeyUsage, X509Extension, X509KeyUsage, X509StoreContext,
    X509VerifyResult,
};
use support::link::Link;
use support::pki;
use support::pki::Rebuild as _;

/// One key for all tests that do not care which.
static KEY: LazyLock<SigningKey> = LazyLock::new(|| generate(KeyKind::P256));
/// A key of each kind. RSA keys take their time, under valgrind above all.
static KEYS: LazyLock<Vec<SigningKey>> =
    LazyLock::new(|| KeyKind::ALL.iter().map(|kind| generate(*kind)).collect());
/// The private authority of a game.
static GAME: LazyLock<Made> = LazyLock::new(|| Made::authority(generate(KeyKind::P256)));

/// A key and what was issued for it.
struct Made {
    key: SigningKey,
    pem: String,
}

impl Made {
    fn authority(key: SigningKey) -> Self {
        let pem = key.authority("A Game's CA", days(3650)).expect("a certificate");
        Self { key, pem }
    }

    fn self_signed(key: SigningKey, names: &[&str]) -> Self {
        let pem = key.self_signed(&server(names), days(365)).expect("a certificate");
        Self { key, pem }
    }

    fn issuer(&self) -> Authority {
        Authority::new(self.key.clone(), &self.certificates()).expect("it may sign")
    }

    /// A new key, and what this authority says of it.
    fn issue(&self, subject: &Subject) -> Self {
        let key = generate(KeyKind::P256);
        let pem = self.issuer().issue(&public(&key), subject, days(365)).expect("a certificate");
        Self { key, pem }
    }

    fn certificates(&self) -> Certificates {
        pki::certificates(&self.pem)
    }

    fn x509(&self) -> X509 {
        X509::from_pem(self.pem.as_bytes()).expect("a certificate")
    }

    fn identity(&self) -> Identity {
        let key = self.key.to_pem().expect("PEM");
        Identity::new(key.as_bytes(), self.certificates()).expect("a key and its certificate")
    }

    fn server(&self) -> ServerConfig {
        pki::server_with(self.identity()).expect("a usable identity")
    }

    /// A server that lets in whom this authority vouches for.
    fn demanding_server(&self, shown: &Self) -> ServerConfig {
        let required = ClientVerification::Required(pki::anchors(&self.pem).into());
        shown.server().rebuild(|it| it.with_verification(required)).expect("a usable configuration")
    }

    /// A client that trusts this, expects `wanted` and shows `own`.
    fn client(&self, wanted: &str, own: &Self) -> pki::Client {
        pki::client(&self.pem, wanted)
            .rebuild(|it| it.with_identity(own.identity()))
            .expect("a usable identity")
    }
}

fn generate(kind: KeyKind) -> SigningKey {
    SigningKey::generate(kind).expect("OpenSSL works")
}

/// What another machine is given of a key.
fn public(key: &SigningKey) -> PublicKey {
    let key = PKey::private_key_from_pem(key.to_pem().expect("PEM").as_bytes()).expect("a key");
    PublicKey::parse(&key.public_key_to_pem().expect("PEM")).expect("a useful key")
}

fn days(days: i64) -> Days {
    Days::new(days).expect("it is in range")
}

fn server(names: &[&str]) -> Subject {
    Subject::server(names.iter().copied()).expect("names of a server")
}

fn player(name: &str) -> Subject {
    Subject::client(name).expect("a name")
}

/// Why the client refuses what the server shows.
fn refusal(server: &ServerConfig, client: &pki::Client) -> Failure {
    let mut link = Link::new(server, client);
    link.run();
    assert_eq!(link.server.session().status(), Status::Failed, "the server");
    link.client.failure().expect("a reason").clone()
}

/// Why the server refuses what the client shows.
fn refusal_of_client(server: &ServerConfig, client: &pki::Client) -> Failure {
    let mut link = Link::new(server, client);
    link.run();
    assert_ne!(link.client.status(), Status::Connected, "the client");
    link.server.session().failure().expect("a reason").clone()
}

fn problem(failure: Failure) -> CertificateProblem {
    match failure {
        Failure::Certificate { problem, .. } => problem,
        other => panic!("another failure: {other:?}"),
    }
}

fn common_name(certificate: &X509) -> String {
    let mut names = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    let name = names.next().expect("a common name");
    name.data().to_string().expect("it is text")
}

/// The alternative names: those for DNS as they stand there, addresses as bytes.
fn alternatives(certificate: &X509) -> (Vec<String>, Vec<Vec<u8>>) {
    let names = certificate.subject_alt_names().expect("it has some");
    let dns = names.iter().filter_map(|name| name.dnsname().map(str::to_owned)).collect();
    let addresses = names.iter().filter_map(|name| name.ipaddress().map(<[u8]>::to_vec)).collect();
    (dns, addresses)
}

#[test]
fn a_server_of_any_key_is_trusted_by_its_own_certificate() {
    for key in &*KEYS {
        let own = Made::self_signed(key.clone(), &["localhost", "127.0.0.1", "::1"]);
        for name in ["localhost", "127.0.0.1", "::1"] {
            let client = pki::client(&own.pem, name);
            Link::established(&own.server(), &client).assert_data_flows();
        }
        let mismatch = refusal(&own.server(), &pki::client(&own.pem, "game.example"));
        assert!(matches!(mismatch, Failure::HostnameMismatch { .. }), "{mismatch:?}");
    }
}

#[test]
fn an_authority_of_any_key_signs_servers_and_players() {
    for key in &*KEYS {
        let game = Made::authority(key.clone());
        let (own, player) = (game.issue(&server(&["game.example"])), game.issue(&player("Anna")));
        let client = game.client("game.example", &player);
        Link::established(&game.demanding_server(&own), &client).assert_data_flows();
    }
}

#[test]
fn a_player_is_no_server() {
    // Whatever the player is called: the client looks for this name, and finds it in the common name.
    let player = GAME.issue(&player("game.example"));
    let client = pki::client(&GAME.pem, "game.example");
    let problem = problem(refusal(&player.server(), &client));
    assert_eq!(problem, CertificateProblem::WrongPurpose(Role::Server));
    // Nor for whoever does not look at names.
    let chain = Verification::Chain(pki::anchors(&GAME.pem).into());
    let client = pki::Client::new(chain, None).expect("a configuration");
    refusal(&player.server(), &client);
}

#[test]
fn a_server_is_no_player() {
    let own = GAME.issue(&server(&["game.example"]));
    let client = GAME.client("game.example", &own);
    let problem = problem(refusal_of_client(&GAME.demanding_server(&own), &client));
    assert_eq!(problem, CertificateProblem::WrongPurpose(Role::Client));
}

/// A certificate for `name` that the key of `signer` signed, whatever that may do, and what leads to it.
fn signed_by(signer: &Made, name: &str) -> Made {
    let key = generate(KeyKind::P256);
    let mut forged = X509::builder().expect("OpenSSL works");
    let genuine = Made::self_signed(generate(KeyKind::P256), &[name]).x509();
    let pair = PKey::private_key_from_pem(key.to_pem().expect("PEM").as_bytes()).expect("a key");
    let signing = signer.key.to_pem().expect("PEM");
    let signing = PKey::private_key_from_pem(signing.as_bytes()).expect("a key");
    let mut sign = || {
        forged.set_version(2)?;
        forged.set_serial_number(genuine.serial_number())?;
        forged.set_subject_name(genuine.subject_name())?;
        forged.set_issuer_name(signer.x509().subject_name())?;
        forged.set_not_before(genuine.not_before())?;
        forged.set_not_after(genuine.not_after())?;
        forged.set_pubkey(&pair)?;
        forged.sign(&signing, MessageDigest::sha256())
    };
    sign().expect("it can be signed");
    let forged = forged.build().to_pem().expect("PEM");
    Made { key, pem: String::from_utf8(forged).expect("PEM is text") + &signer.pem }
}

#[test]
fn neither_server_nor_player_is_an_authority() {
    let alone = Made::self_signed(generate(KeyKind::P256), &["game.example"]);
    for (made, trusted) in [
        (GAME.issue(&server(&["game.example"])), &GAME.pem),
        (GAME.issue(&player("game.example")), &GAME.pem),
        (Made { key: alone.key.clone(), pem: alone.pem.clone() }, &alone.pem),
    ] {
        let refused = Authority::new(made.key.clone(), &made.certificates()).err();
        assert_eq!(refused, Some(IssueError::NotAuthority));
        let forged = signed_by(&made, "other.example");
        let refused = refusal(&forged.server(), &pki::client(trusted, "other.example"));
        assert!(matches!(refused, Failure::Certificate { .. }), "{refused:?}");
    }
    // There is nothing else wrong with such a certificate: an authority's signature counts.
    let signed = signed_by(&GAME, "other.example");
    let client = pki::Client::new(Verification::Chain(pki::anchors(&GAME.pem).into()), None);
    Link::established(&signed.server(), &client.expect("a configuration")).assert_data_flows();
}

#[test]
fn what_another_authority_issued_is_not_trusted() {
    let other = Made::authority(generate(KeyKind::P256));
    let own = other.issue(&server(&["game.example"]));
    let problem = problem(refusal(&own.server(), &pki::client(&GAME.pem, "game.example")));
    assert_eq!(problem, CertificateProblem::Untrusted);
}

#[test]
fn a_certificate_says_what_it_is_for_and_no_more() {
    let alone = Made::self_signed(generate(KeyKind::P256), &["game.example"]).x509();
    let own = GAME.issue(&server(&["game.example"])).x509();
    let player = GAME.issue(&player("Anna")).x509();
    let authority = GAME.x509();
    for leaf in [&alone, &own, &player] {
        assert_eq!(leaf.key_usage(), Some(X509KeyUsage::DIGITAL_SIGNATURE));
        assert_eq!(leaf.pathlen(), None);
    }
    let may_sign = X509KeyUsage::KEY_CERT_SIGN | X509KeyUsage::CRL_SIGN;
    assert_eq!(authority.key_usage(), Some(may_sign));
    assert_eq!(authority.pathlen(), Some(0), "no authority below it");
    assert_eq!(authority.extended_key_usage(), None);
    for (certificate, usage) in [
        (&alone, X509ExtendedKeyUsage::SSL_SERVER),
        (&own, X509ExtendedKeyUsage::SSL_SERVER),
        (&player, X509ExtendedKeyUsage::SSL_CLIENT),
    ] {
        assert_eq!(certificate.extended_key_usage(), Some(usage));
    }
    let found_by = authority.subject_key_id().expect("it has one").as_slice();
    for issued in [&own, &player] {
        assert_eq!(issued.authority_key_id().map(|id| id.as_slice()), Some(found_by));
        assert!(issued.subject_key_id().is_some());
    }
    // It is nobody's secret what a player is called, but nothing compares it with a host name.
    assert!(player.subject_alt_names().is_none());
    assert_eq!(common_name(&player), "Anna");
    assert_eq!(common_name(&own), "game.example");
    assert_eq!(common_name(&authority), "A Game's CA");
}

#[test]
fn serial_numbers_are_long_positive_and_new() {
    let made: Vec<_> = (0..50).map(|_| GAME.issue(&player("Anna")).x509()).collect();
    let mut numbers: Vec<Vec<u8>> = Vec::new();
    for certificate in &made {
        let number = certificate.serial_number().to_bn().expect("a number");
        assert!(!number.is_negative());
        assert_eq!(number.num_bits(), 128);
        numbers.push(number.to_vec());
    }
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), made.len());
}

#[test]
fn it_is_valid_since_yesterday_for_so_many_days() {
    for length in [1_u16, 365, 3650] {
        let pem = KEY.self_signed(&server(&["localhost"]), days(length.into())).expect("PEM");
        let certificate = X509::from_pem(pem.as_bytes()).expect("a certificate");
        let now = Asn1Time::days_from_now(0).expect("a time");
        let (past, future) =
            (certificate.not_before().diff(&now), now.diff(certificate.not_after()));
        let days = |diff: Result<TimeDiff, _>| {
            let diff = diff.expect("times can be compared");
            f64::from(diff.days) + f64::from(diff.secs) / 86_400.0
        };
        let (past, future) = (days(past), days(future));
        assert!((past - 1.0).abs() < 0.01, "{past}");
        assert!((future - f64::from(length)).abs() < 0.01, "{future}");
    }
    for out_of_range in [i64::MIN, -1, 0, 3651, i64::MAX] {
        assert_eq!(Days::new(out_of_range), Err(IssueError::BadDays(out_of_range)));
    }
}

#[test]
fn names_and_addresses_stand_where_they_belong() {
    let names = ["Game.Example.", "*.play.example", "192.0.2.1", "[2001:db8::1]"];
    let own = Made::self_signed(generate(KeyKind::P256), &names);
    let (dns, addresses) = alternatives(&own.x509());
    assert_eq!(dns, ["game.example", "*.play.example"]);
    let v6: std::net::Ipv6Addr = "2001:db8::1".parse().expect("an address");
    assert_eq!(addresses, [vec![192, 0, 2, 1], v6.octets().to_vec()]);
    for name in ["game.example", "eu.play.example", "192.0.2.1", "2001:db8::1"] {
        Link::established(&own.server(), &pki::client(&own.pem, name)).assert_data_flows();
    }
    for name in ["play.example", "a.eu.play.example", "other.example", "192.0.2.2"] {
        let refused = refusal(&own.server(), &pki::client(&own.pem, name));
        assert!(matches!(refused, Failure::HostnameMismatch { .. }), "{name}: {refused:?}");
    }
}

#[test]
fn what_is_no_name_of_a_server_is_refused() {
    assert_eq!(Subject::server([]), Err(IssueError::NoNames));
    let injected = "a.example,IP:192.0.2.9\nDNS:b.example";
    for name in
        ["", "a b", "*", "*.", "*.com", "*.192.0.2.1", "a.*.example", "*.*.example", injected]
    {
        let refused = Subject::server(["game.example", name]);
        assert!(
            matches!(refused, Err(IssueError::Config(ConfigError::BadHostName { .. }))),
            "{name:?}: {refused:?}"
        );
    }
}

#[test]
fn a_name_too_long_for_the_subject_still_counts() {
    let long = format!("{}.example", "a".repeat(60));
    let own = Made::self_signed(generate(KeyKind::P256), &[&long]);
    assert_eq!(common_name(&own.x509()), "DTLS server");
    Link::established(&own.server(), &pki::client(&own.pem, &long)).assert_data_flows();
    let own = Made::self_signed(generate(KeyKind::P256), &[&long, "short.example"]);
    assert_eq!(common_name(&own.x509()), "short.example");
}

#[test]
fn a_player_can_be_called_anything() {
    let long = "Ä".repeat(64);
    for name in ["Anna", "Äöü ß 漢字 🎮", "CN=admin, O=x", "/CN=admin", " ", &long] {
        assert_eq!(common_name(&GAME.issue(&player(name)).x509()), name);
    }
    for name in ["", &format!("{long}x"), "a\nb", "a\0b", "\u{85}"] {
        let refused = Subject::client(name);
        assert!(matches!(refused, Err(IssueError::BadCommonName(_))), "{name:?}: {refused:?}");
    }
}

#[test]
fn keys_that_dtls_has_no_use_for_are_refused() {
    let ed25519 = PKey::generate_ed25519().and_then(|key| key.private_key_to_pem_pkcs8());
    let ed25519 = String::from_utf8(ed25519.expect("PEM")).expect("PEM is text");
    for pem in
        [pki::rsa_key(1024), pki::ec_key(Nid::SECP521R1), pki::ec_key(Nid::SECP256K1), ed25519]
    {
        assert_eq!(SigningKey::parse(pem.as_bytes()).err(), Some(IssueError::UselessKey));
        let key = PKey::private_key_from_pem(pem.as_bytes()).expect("a key");
        let public = key.public_key_to_pem().expect("PEM");
        assert_eq!(PublicKey::parse(&public).err(), Some(IssueError::UselessKey));
    }
    let refused = SigningKey::parse(b"hello").err();
    assert!(matches!(refused, Some(IssueError::Config(ConfigError::UnreadableKey(_)))));
    let refused = PublicKey::parse(b"hello").err();
    assert!(matches!(refused, Some(IssueError::UnreadablePublicKey(_))), "{refused:?}");
    // A private key is not what another machine should have been given.
    let refused = PublicKey::parse(KEY.to_pem().expect("PEM").as_bytes()).err();
    assert!(matches!(refused, Some(IssueError::UnreadablePublicKey(_))), "{refused:?}");
}

#[test]
fn an_authority_needs_its_own_key() {
    let refused = Authority::new(KEY.clone(), &GAME.certificates()).err();
    assert_eq!(refused, Some(IssueError::Config(ConfigError::KeyMismatch)));
}

#[test]
fn nothing_outlives_its_authority() {
    let key = generate(KeyKind::P256);
    let short = Made { pem: key.authority("Short", days(30)).expect("PEM"), key };
    let issuer = short.issuer();
    // Made for as long, if a moment later.
    issuer.issue(&public(&KEY), &player("Anna"), days(30)).expect("it ends with the authority");
    issuer.revoke(&[], days(30)).expect("it ends with the authority");
    for refused in
        [issuer.issue(&public(&KEY), &player("Anna"), days(32)), issuer.revoke(&[], days(32))]
    {
        let refused = refused.err();
        assert!(
            matches!(refused, Some(IssueError::AuthorityEndsFirst { left: 29..=30, days: 32 })),
            "{refused:?}"
        );
    }
}

/// What OpenSSL says to `shown` with the revocation list `list` of [`GAME`].
fn verdict(shown: &Made, list: &str) -> X509VerifyResult {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), list).expect("it can be written");
    let verify = || {
        let mut store = X509StoreBuilder::new()?;
        store.add_cert(GAME.x509())?;
        store.set_flags(X509VerifyFlags::CRL_CHECK)?;
        let path = file.path().to_str().expect("a path in UTF-8");
        store.add_lookup(X509Lookup::file())?.load_crl_file(path, SslFiletype::PEM)?;
        let (store, none) = (store.build(), Stack::new()?);
        let mut context = X509StoreContext::new()?;
        context.init(&store, &shown.x509(), &none, |context| {
            context.verify_cert()?;
            Ok(context.error())
        })
    };
    let verdict: Result<_, ErrorStack> = verify();
    verdict.expect("it can be asked")
}

/// `X509_V_ERR_CERT_REVOKED`.
const REVOKED: i32 = 23;

#[test]
fn who_is_revoked_is_on_the_list() {
    let [anna, bert, carl] = ["Anna", "Bert", "Carl"].map(|name| GAME.issue(&player(name)));
    let none = GAME.issuer().revoke(&[], days(30)).expect("a list");
    let two = [anna.certificates(), carl.certificates()];
    let two = GAME.issuer().revoke(&two, days(30)).expect("a list");
    for made in [&anna, &bert, &carl] {
        assert_eq!(verdict(made, &none), X509VerifyResult::OK);
    }
    assert_eq!(verdict(&anna, &two).as_raw(), REVOKED);
    assert_eq!(verdict(&bert, &two), X509VerifyResult::OK);
    assert_eq!(verdict(&carl, &two).as_raw(), REVOKED);

    let list = X509Crl::from_pem(two.as_bytes()).expect("a list");
    assert!(matches!(list.get_by_cert(&anna.x509()), CrlStatus::Revoked(_)));
    let key = GAME.x509().public_key().expect("a key");
    assert!(list.verify(&key).expect("it can be asked"));
}

#[test]
fn a_server_keeps_out_whom_its_authority_has_revoked() {
    let host = GAME.issue(&server(&["localhost"]));
    let [anna, bert] = ["Anna", "Bert"].map(|name| GAME.issue(&player(name)));
    let list = GAME.issuer().revoke(&[anna.certificates()], days(30)).expect("a list");
    let lists = RevocationLists::parse(list.as_bytes()).expect("a list");
    let trust = Trust::from(pki::anchors(&GAME.pem)).with_revocation_lists(lists);
    let server =
        host.server().rebuild(|it| it.with_verification(ClientVerification::Required(trust)));
    let server = server.expect("a usable configuration");
    Link::established(&server, &GAME.client("localhost", &bert)).assert_data_flows();
    let mut link = Link::new(&server, &GAME.client("localhost", &anna));
    link.run();
    let reason = link.server.session().failure().map(Failure::reason);
    assert_eq!(reason, Some(Reason::CertificateRevoked));
}

#[test]
fn only_one_s_own_certificates_can_be_revoked() {
    let own = GAME.issue(&player("Anna")).certificates();
    // An authority of the same name.
    let foreign = Made::authority(generate(KeyKind::P256)).issue(&player("Anna")).certificates();
    let alone = Made::self_signed(generate(KeyKind::P256), &["game.example"]).certificates();
    for other in [foreign, alone] {
        let refused = GAME.issuer().revoke(&[own.clone(), other], days(30)).err();
        assert_eq!(refused, Some(IssueError::NotIssuedHere(2)));
    }
    // Of two that have nothing but the same name, the signature tells them apart.
    let [one, other] = [made_elsewhere(None), made_elsewhere(None)];
    let theirs = [other.issue(&player("Anna")).certificates()];
    let refused = one.issuer().revoke(&theirs, days(30)).err();
    assert_eq!(refused, Some(IssueError::NotIssuedHere(1)));
}

/// An authority as other programs make them: without key identifiers, and with this key usage if any.
fn made_elsewhere(usage: Option<X509Extension>) -> Made {
    let key = generate(KeyKind::P256);
    let pem = key.to_pem().expect("PEM");
    let pair = PKey::private_key_from_pem(pem.as_bytes()).expect("a key");
    let template = GAME.x509();
    let sign = || {
        let mut certificate = X509::builder()?;
        certificate.set_version(2)?;
        certificate.set_serial_number(template.serial_number())?;
        certificate.set_subject_name(template.subject_name())?;
        certificate.set_issuer_name(template.subject_name())?;
        certificate.set_not_before(template.not_before())?;
        certificate.set_not_after(template.not_after())?;
        certificate.set_pubkey(&pair)?;
        certificate.append_extension2(&*BasicConstraints::new().ca().build()?)?;
        if let Some(usage) = &usage {
            certificate.append_extension2(usage)?;
        }
        certificate.sign(&pair, MessageDigest::sha256())?;
        certificate.build().to_pem()
    };
    let pem: Result<_, ErrorStack> = sign();
    Made { key, pem: String::from_utf8(pem.expect("it can be made")).expect("PEM is text") }
}

#[test]
fn an_authority_that_was_made_elsewhere_issues_and_revokes() {
    let made = made_elsewhere(None);
    let own = made.issue(&server(&["game.example"]));
    Link::established(&own.server(), &pki::client(&made.pem, "game.example")).assert_data_flows();
    let list = made.issuer().revoke(&[own.certificates()], days(30)).expect("a list");
    let list = X509Crl::from_pem(list.as_bytes()).expect("a list");
    assert!(matches!(list.get_by_cert(&own.x509()), CrlStatus::Revoked(_)));
}

#[test]
fn an_authority_does_what_its_certificate_allows() {
    let signs = KeyUsage::new().key_cert_sign().build().expect("an extension");
    let made = made_elsewhere(Some(signs));
    made.issue(&player("Anna"));
    assert_eq!(made.issuer().revoke(&[], days(30)).err(), Some(IssueError::MayNotRevoke));
    let revokes = KeyUsage::new().crl_sign().build().expect("an extension");
    let made = made_elsewhere(Some(revokes));
    let refused = Authority::new(made.key.clone(), &made.certificates()).err();
    assert_eq!(refused, Some(IssueError::NotAuthority));
    // Nothing in it says that it may not sign, and nothing that it is an authority.
    let key = pki::ec_key(Nid::X9_62_PRIME256V1);
    let plain = pki::self_signed_for(&key, MessageDigest::sha256(), None);
    let key = SigningKey::parse(key.as_bytes()).expect("a useful key");
    let refused = Authority::new(key, &pki::certificates(&plain.cert_pem)).err();
    assert_eq!(refused, Some(IssueError::NotAuthority));
}

#[test]
fn fingerprints_are_those_of_openssl() {
    let first = KEY.self_signed(&server(&["game.example"]), days(9)).expect("PEM");
    let renewed = KEY.self_signed(&server(&["game.example"]), days(9)).expect("PEM");
    let certificate = X509::from_pem(first.as_bytes()).expect("a certificate");
    let digest = openssl::sha::sha256(&certificate.to_der().expect("DER"));
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let [first, renewed] = [first, renewed].map(|pem| pki::certificates(&pem));
    assert_eq!(first.fingerprint(), Ok(format!("sha256:{digits}")));
    assert_ne!(first.fingerprint(), renewed.fingerprint());
    // The pin of a key survives its certificate.
    let pin = first.spki_pin().expect("a pin");
    assert_eq!(pin, renewed.spki_pin().expect("a pin"));
    assert_eq!(pin.len(), "spki:".len() + 44);
}
