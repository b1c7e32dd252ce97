//! Revocation lists: what they refuse, and what is refused for want of one.

mod support;

use std::sync::LazyLock;
use std::time::Duration;

use dtls_core::{
    CertificateProblem, ClientVerification, ConfigError, Failure, Pins, Reason, RevocationLists,
    ServerConfig, Session, Status, Trust, Verification,
};
use support::link::{Link, Server, connect};
use support::lists::{Odd, Oddity, clean, forged, revoking};
use support::pki::Rebuild as _;
use support::{clock, pki};
use test_pki::{Authority, Issued, Profile, Usage, Validity, self_signed};

const CERTIFICATE_REVOKED: u8 = 44;
const CERTIFICATE_UNKNOWN: u8 = 46;

/// An authority of the root, which issues what most tests look at.
static BETWEEN: LazyLock<Authority> = LazyLock::new(|| pki::ROOT.intermediate("Between"));
static LOCALHOST: LazyLock<Issued> = LazyLock::new(|| BETWEEN.issue(Profile::localhost()));

fn parsed(lists: &[String]) -> RevocationLists {
    RevocationLists::parse(lists.concat().as_bytes()).expect("revocation lists")
}

/// Trust in the certificates of `pem`, as far as these lists go.
fn trust(pem: &str, lists: &[String]) -> Trust {
    pki::trust(pem).with_revocation_lists(parsed(lists))
}

fn client(trust: Trust) -> pki::Client {
    pki::Client::new(Verification::Chain(trust), None).expect("a usable configuration")
}

/// A client that trusts the root as far as these lists go, and expects localhost.
fn looking_at(lists: &[String]) -> pki::Client {
    let (name, trust) = (pki::name("localhost"), trust(&pki::ROOT.cert_pem(), lists));
    pki::Client::new(Verification::ChainAndName(trust), Some(name)).expect("a usable configuration")
}

fn assert_accepted(issued: &Issued, client: &pki::Client) {
    Link::established(&pki::server(issued), client).assert_data_flows();
}

/// Why `client` refuses a server with `issued`: what is wrong with which certificate.
fn refusal(issued: &Issued, client: &pki::Client) -> (CertificateProblem, String) {
    let mut link = Link::new(&pki::server(issued), client);
    link.run();
    let failure = link.client.failure().expect("it is refused");
    let alert = match failure.reason() {
        Reason::CertificateRevoked => CERTIFICATE_REVOKED,
        Reason::RevocationUnknown => CERTIFICATE_UNKNOWN,
        other => panic!("another reason: {other:?}"),
    };
    assert_eq!(link.server.session().failure(), Some(&Failure::PeerAlert(alert)), "the alert");
    assert_eq!(clock::elapsed().as_millis(), 0, "both know at once");
    match failure {
        Failure::Certificate { problem, subject } => (problem.clone(), subject.clone()),
        other => panic!("another failure: {other:?}"),
    }
}

/// The same, when it is the server's own certificate.
fn problem(issued: &Issued, client: &pki::Client) -> CertificateProblem {
    let (problem, subject) = refusal(issued, client);
    assert!(subject.starts_with("localhost"), "{subject}");
    problem
}

fn assert_expired(problem: &CertificateProblem) {
    let CertificateProblem::RevocationListExpired(date) = problem else { panic!("{problem:?}") };
    assert!(date.ends_with("GMT"), "{date}");
}

fn assert_not_yet_valid(problem: &CertificateProblem) {
    let CertificateProblem::RevocationListNotYetValid(date) = problem else {
        panic!("{problem:?}")
    };
    assert!(date.ends_with("GMT"), "{date}");
}

fn assert_unusable(problem: &CertificateProblem) {
    let is_it = matches!(problem, CertificateProblem::RevocationListUnusable(_));
    assert!(is_it, "{problem:?}");
}

#[test]
fn a_certificate_that_was_not_taken_back_is_accepted() {
    let issued = pki::ROOT.issue(Profile::localhost());
    let other = pki::ROOT.issue(Profile::localhost());
    for list in [clean(&pki::ROOT), revoking(&pki::ROOT, &other.serial)] {
        assert_accepted(&issued, &looking_at(&[list]));
    }
}

#[test]
fn a_certificate_that_was_taken_back_is_refused() {
    let issued = pki::ROOT.issue(Profile::localhost());
    let client = looking_at(&[revoking(&pki::ROOT, &issued.serial)]);
    let (problem, subject) = refusal(&issued, &client);
    assert_eq!(problem, CertificateProblem::Revoked);
    assert_eq!(subject, "localhost, 127.0.0.1, ::1");
    assert_accepted(&issued, &pki::verifying());
}

#[test]
fn the_issuer_has_to_have_a_list() {
    let issued = pki::ROOT.issue(Profile::localhost());
    let client = looking_at(&[clean(&BETWEEN), clean(&Authority::root("Nobody"))]);
    let missing = problem(&issued, &client);
    assert_eq!(missing, CertificateProblem::RevocationListMissing);
    let sentence = "may have been revoked: there is no revocation list of its issuer";
    assert_eq!(missing.to_string(), sentence);
}

#[test]
fn the_list_of_the_root_is_not_that_of_the_issuer() {
    let missing = problem(&LOCALHOST, &looking_at(&[clean(&pki::ROOT)]));
    assert_eq!(missing, CertificateProblem::RevocationListMissing);
    assert_accepted(&LOCALHOST, &looking_at(&[clean(&BETWEEN)]));
    assert_accepted(&LOCALHOST, &looking_at(&[clean(&BETWEEN), clean(&pki::ROOT)]));
}

#[test]
fn a_list_that_is_out_of_date_is_none() {
    let old = BETWEEN.revocation_list(&[], Validity::Expired);
    assert_expired(&problem(&LOCALHOST, &looking_at(std::slice::from_ref(&old))));
    let early = BETWEEN.revocation_list(&[], Validity::NotYetValid);
    assert_not_yet_valid(&problem(&LOCALHOST, &looking_at(std::slice::from_ref(&early))));
    assert_accepted(&LOCALHOST, &looking_at(&[old, clean(&BETWEEN), early]));
}

#[test]
fn of_several_lists_the_newest_counts() {
    let odd = Odd::new();
    let issued = odd.authority.issue(Profile::localhost());
    let trusting = |lists: &[String]| client(trust(&odd.authority.cert_pem(), lists));
    // Of yesterday, of today and of tomorrow.
    let first = clean(&odd.authority);
    let second = odd.revoking(Oddity::None, Some(&issued));
    let third = odd.authority.revocation_list(&[], Validity::NotYetValid);
    assert_accepted(&issued, &trusting(&[first.clone(), third.clone()]));
    for lists in [[first.clone(), second.clone()], [second.clone(), first], [second, third]] {
        assert_eq!(problem(&issued, &trusting(&lists)), CertificateProblem::Revoked);
    }
}

#[test]
fn a_forged_list_is_none() {
    let issued = pki::ROOT.issue(Profile::localhost());
    for list in [clean(&pki::ROOT), revoking(&pki::ROOT, &issued.serial)] {
        let forged = problem(&issued, &looking_at(&[forged(&list)]));
        assert_eq!(forged, CertificateProblem::RevocationListForged);
    }
}

#[test]
fn a_list_of_an_unknown_authority_does_not_count() {
    // It has the same name, and another key.
    let impostor = Authority::root("Test Root");
    let issued = pki::ROOT.issue(Profile::localhost());
    for list in [clean(&impostor), revoking(&impostor, &issued.serial)] {
        assert_unusable(&problem(&issued, &looking_at(std::slice::from_ref(&list))));
        assert_accepted(&issued, &looking_at(&[list, clean(&pki::ROOT)]));
    }
}

#[test]
fn an_authority_that_was_taken_back_takes_its_certificates_with_it() {
    let root = revoking(&pki::ROOT, &BETWEEN.serial());
    let client = looking_at(&[clean(&BETWEEN), root]);
    let revoked = (CertificateProblem::Revoked, "Between".to_owned());
    assert_eq!(refusal(&LOCALHOST, &client), revoked);

    let below = BETWEEN.intermediate("Below");
    let deeper = below.issue(Profile::localhost());
    let lists = |list| looking_at(&[clean(&below), clean(&BETWEEN), list]);
    assert_accepted(&deeper, &looking_at(&[clean(&below)]));
    assert_accepted(&deeper, &lists(clean(&pki::ROOT)));
    assert_eq!(refusal(&deeper, &lists(revoking(&pki::ROOT, &BETWEEN.serial()))), revoked);
    let client = looking_at(&[clean(&below), revoking(&BETWEEN, &below.serial())]);
    assert_eq!(refusal(&deeper, &client), (CertificateProblem::Revoked, "Below".to_owned()));
}

#[test]
fn a_list_about_an_authority_has_to_be_good_if_there_is_one() {
    let refusal = |list: String| {
        let (problem, subject) = refusal(&LOCALHOST, &looking_at(&[clean(&BETWEEN), list]));
        assert_eq!(subject, "Between");
        problem
    };
    assert_expired(&refusal(pki::ROOT.revocation_list(&[], Validity::Expired)));
    assert_not_yet_valid(&refusal(pki::ROOT.revocation_list(&[], Validity::NotYetValid)));
    assert_eq!(refusal(forged(&clean(&pki::ROOT))), CertificateProblem::RevocationListForged);
    assert_unusable(&refusal(clean(&Authority::root("Test Root"))));
}

#[test]
fn the_anchor_s_own_list_counts_where_an_intermediate_is_the_anchor() {
    let trusting = |lists: &[String]| client(trust(&BETWEEN.cert_pem(), lists));
    assert_accepted(&LOCALHOST, &trusting(&[clean(&BETWEEN)]));
    let revoked = problem(&LOCALHOST, &trusting(&[revoking(&BETWEEN, &LOCALHOST.serial)]));
    assert_eq!(revoked, CertificateProblem::Revoked);
    let forged = problem(&LOCALHOST, &trusting(&[forged(&clean(&BETWEEN))]));
    assert_eq!(forged, CertificateProblem::RevocationListForged);
    let missing = problem(&LOCALHOST, &trusting(&[clean(&pki::ROOT)]));
    assert_eq!(missing, CertificateProblem::RevocationListMissing);
}

#[test]
fn an_anchor_needs_no_list_and_an_entry_takes_it_back() {
    let trusting = |list| client(trust(&BETWEEN.cert_pem(), &[clean(&BETWEEN), list]));
    for validity in [Validity::Valid, Validity::Expired] {
        assert_accepted(&LOCALHOST, &trusting(pki::ROOT.revocation_list(&[], validity)));
        let list = pki::ROOT.revocation_list(&[&BETWEEN.serial()], validity);
        for list in [forged(&list), list] {
            let revoked = (CertificateProblem::Revoked, "Between".to_owned());
            assert_eq!(refusal(&LOCALHOST, &trusting(list)), revoked);
        }
    }
}

#[test]
fn a_certificate_that_is_trusted_itself_has_no_issuer_to_ask() {
    let mut alone = LOCALHOST.clone();
    alone.intermediates_pem.clear();
    for issued in [alone.clone(), self_signed(Profile::localhost())] {
        let trusting = |lists: &[String]| client(trust(&issued.cert_pem, lists));
        for list in [clean(&BETWEEN), clean(&Authority::root("localhost"))] {
            let unverifiable = problem(&issued, &trusting(&[list]));
            assert_eq!(unverifiable, CertificateProblem::RevocationListUnverifiable);
        }
        assert_accepted(&issued, &client(pki::trust(&issued.cert_pem)));
    }
    let revoking = revoking(&BETWEEN, &alone.serial);
    let revoked = problem(&alone, &client(trust(&alone.cert_pem, &[revoking])));
    assert_eq!(revoked, CertificateProblem::Revoked);
}

#[test]
fn a_certificate_that_is_trusted_itself_is_looked_up_where_its_issuer_is_known() {
    let trusting = |lists: &[String]| client(trust(&LOCALHOST.cert_pem, lists));
    let both = LOCALHOST.cert_pem.clone() + &BETWEEN.cert_pem();
    let trusting_both = |lists: &[String]| client(trust(&both, lists));
    let revoking = [revoking(&BETWEEN, &LOCALHOST.serial)];
    for client in [trusting(&[clean(&BETWEEN)]), trusting_both(&[clean(&BETWEEN)])] {
        assert_accepted(&LOCALHOST, &client);
    }
    for client in [trusting(&revoking), trusting_both(&revoking)] {
        assert_eq!(problem(&LOCALHOST, &client), CertificateProblem::Revoked);
    }
    for client in [trusting(&[clean(&pki::ROOT)]), trusting_both(&[clean(&pki::ROOT)])] {
        let missing = problem(&LOCALHOST, &client);
        assert_eq!(missing, CertificateProblem::RevocationListMissing);
    }
}

#[test]
fn lists_of_other_kinds_are_refused() {
    let odd = Odd::new();
    let issued = odd.authority.issue(Profile::localhost());
    let anchor = odd.authority.cert_pem();
    assert_accepted(&issued, &client(trust(&anchor, &[odd.list(Oddity::None)])));
    for oddity in [Oddity::Indirect, Oddity::SomeReasons, Oddity::AuthoritiesOnly, Oddity::Critical]
    {
        let client = client(trust(&anchor, &[odd.list(oddity)]));
        assert_unusable(&problem(&issued, &client));
    }
}

#[test]
fn lists_of_other_kinds_about_an_authority_are_refused() {
    let odd = Odd::new();
    let below = odd.authority.intermediate("Below");
    let issued = below.issue(Profile::localhost());
    let anchor = odd.authority.cert_pem();
    for oddity in [Oddity::None, Oddity::AuthoritiesOnly] {
        let lists = [clean(&below), odd.list(oddity)];
        assert_accepted(&issued, &client(trust(&anchor, &lists)));
    }
    for oddity in [Oddity::Indirect, Oddity::SomeReasons, Oddity::Critical] {
        let client = client(trust(&anchor, &[clean(&below), odd.list(oddity)]));
        let (problem, subject) = refusal(&issued, &client);
        assert_eq!(subject, "Below", "{oddity:?}");
        assert_unusable(&problem);
    }
}

#[test]
fn what_is_no_list_is_refused() {
    let list = clean(&pki::ROOT);
    let parse = |text: &str| RevocationLists::parse(text.as_bytes()).map(|_| ());
    assert_eq!(parse(&list), Ok(()));
    assert_eq!(parse(&format!("Certificate Revocation List:\n{list}\nthe end")), Ok(()));
    for nothing in ["", "-----BEGIN", "a text"] {
        assert_eq!(parse(nothing), Err(ConfigError::NoRevocationList), "{nothing:?}");
    }
    let endless = Odd::new().list(Oddity::Endless);
    let delta = Odd::new().list(Oddity::Delta);
    let broken = list.replacen('M', "!", 1);
    let encrypted = list.replacen("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1);
    let cut = list[..list.len() / 2].to_owned();
    let certificate = pki::ROOT.cert_pem();
    let four_dashes = list.replace("-----", "----");
    for other in [four_dashes, endless, delta, broken, encrypted, cut, certificate] {
        let refused = parse(&(list.clone() + &other));
        let Err(ConfigError::UnreadableRevocationList(2, _)) = refused else {
            panic!("{refused:?}: {other}");
        };
        assert!(parse(&other).is_err());
    }
}

#[test]
fn a_list_whose_first_line_is_damaged_is_not_left_out() {
    let lists = format!("{}{}", clean(&BETWEEN), clean(&pki::ROOT));
    assert!(RevocationLists::parse(lists.as_bytes()).is_ok());
    for (first_line, damaged) in [
        ("-----BEGIN X509 CRL-----", "----BEGIN X509 CRL-----"),
        ("-----BEGIN X509 CRL-----\n", ""),
    ] {
        let (before, after) = lists.rsplit_once(first_line).expect("two lists");
        let refused = RevocationLists::parse(format!("{before}{damaged}{after}").as_bytes());
        assert!(matches!(refused, Err(ConfigError::UnreadableRevocationList(2, _))), "{refused:?}");
    }
}

#[test]
fn lists_are_those_of_one_configuration() {
    let issued = pki::ROOT.issue(Profile::localhost());
    let anchors = pki::anchors(&pki::ROOT.cert_pem());
    let with =
        |list: String| client(Trust::from(anchors.clone()).with_revocation_lists(parsed(&[list])));
    let first = with(revoking(&pki::ROOT, &issued.serial));
    let second = with(clean(&Authority::root("Nobody")));
    let third = client(anchors.clone().into());
    assert_eq!(problem(&issued, &first), CertificateProblem::Revoked);
    assert_eq!(problem(&issued, &second), CertificateProblem::RevocationListMissing);
    assert_accepted(&issued, &third);
}

#[test]
fn lists_do_not_excuse_anything_else() {
    let lists = [clean(&pki::ROOT)];
    let reason = |issued: &Issued| {
        let mut link = Link::new(&pki::server(issued), &looking_at(&lists));
        link.run();
        link.client.failure().map(Failure::reason)
    };
    let expired = pki::ROOT.issue(Profile::localhost().validity(Validity::Expired));
    assert_eq!(reason(&expired), Some(Reason::CertificateExpired));
    let elsewhere = pki::ROOT.issue(Profile::new("x").dns("game.example"));
    assert_eq!(reason(&elsewhere), Some(Reason::HostnameMismatch));
    let untrusted = Authority::root("Nobody").issue(Profile::localhost());
    assert_eq!(reason(&untrusted), Some(Reason::CertificateUntrusted));
    let lonely = self_signed(Profile::localhost());
    assert_eq!(reason(&lonely), Some(Reason::CertificateSelfSigned));
}

fn pin(issued: &Issued) -> Pins {
    Pins::parse([pki::fingerprint(&issued.cert_pem).as_str()]).expect("a pin")
}

#[test]
fn an_entry_refuses_a_pinned_certificate() {
    let lonely = self_signed(Profile::localhost());
    // Nobody knows who that is, and it has the name of the issuer.
    let namesake = Authority::root("localhost");
    let pinned = |issued: &Issued, list: String| {
        client(Trust::pinned(pin(issued)).with_revocation_lists(parsed(&[list])))
    };
    for validity in [Validity::Valid, Validity::Expired, Validity::NotYetValid] {
        let list = namesake.revocation_list(&[&lonely.serial], validity);
        for list in [forged(&list), list] {
            let revoked = problem(&lonely, &pinned(&lonely, list));
            assert_eq!(revoked, CertificateProblem::Revoked);
        }
        let list = BETWEEN.revocation_list(&[&LOCALHOST.serial], validity);
        let revoked = problem(&LOCALHOST, &pinned(&LOCALHOST, list));
        assert_eq!(revoked, CertificateProblem::Revoked);

        // Neither needs a list.
        assert_accepted(&lonely, &pinned(&lonely, namesake.revocation_list(&[], validity)));
        let other = BETWEEN.revocation_list(&[&lonely.serial], validity);
        assert_accepted(&lonely, &pinned(&lonely, other));
    }
}

#[test]
fn a_pinned_certificate_with_a_chain_needs_a_list_like_any_other() {
    let pinned =
        |lists: &[String]| client(trust(&pki::ROOT.cert_pem(), lists).with_pins(pin(&LOCALHOST)));
    assert_accepted(&LOCALHOST, &pinned(&[clean(&BETWEEN)]));
    let revoked = problem(&LOCALHOST, &pinned(&[revoking(&BETWEEN, &LOCALHOST.serial)]));
    assert_eq!(revoked, CertificateProblem::Revoked);
    let missing = problem(&LOCALHOST, &pinned(&[clean(&pki::ROOT)]));
    assert_eq!(missing, CertificateProblem::RevocationListMissing);
}

/// The authority of the players.
static PLAYERS: LazyLock<Authority> = LazyLock::new(|| Authority::root("Players"));

fn player() -> Issued {
    PLAYERS.issue(Profile::new("player-17").usage(Usage::Client))
}

fn demanding(verification: ClientVerification) -> ServerConfig {
    pki::localhost()
        .rebuild(|it| it.with_verification(verification))
        .expect("a usable configuration")
}

/// Why a server that demands a certificate, or would like one, refuses the client with `own`.
fn problem_of_client(own: &Issued, trust: &Trust, alert: u8) -> CertificateProblem {
    let problems = [ClientVerification::Required, ClientVerification::Optional].map(|demand| {
        let mut link = Link::new(&demanding(demand(trust.clone())), &pki::showing(own));
        link.run();
        assert_eq!(link.client.failure(), Some(&Failure::PeerAlert(alert)), "the alert");
        match link.server.session().failure() {
            Some(Failure::Certificate { problem, .. }) => problem.clone(),
            other => panic!("another failure: {other:?}"),
        }
    });
    assert_eq!(problems[0], problems[1]);
    problems[0].clone()
}

#[test]
fn a_server_looks_its_clients_up() {
    let own = player();
    let trusting = |list| trust(&PLAYERS.cert_pem(), &[list]);
    for demand in [ClientVerification::Required, ClientVerification::Optional] {
        let server = demanding(demand(trusting(clean(&PLAYERS))));
        Link::established(&server, &pki::showing(&own)).assert_data_flows();
    }
    let revoking = trusting(revoking(&PLAYERS, &own.serial));
    let revoked = problem_of_client(&own, &revoking, CERTIFICATE_REVOKED);
    assert_eq!(revoked, CertificateProblem::Revoked);
    let unknown = |list| problem_of_client(&own, &trusting(list), CERTIFICATE_UNKNOWN);
    assert_eq!(unknown(clean(&pki::ROOT)), CertificateProblem::RevocationListMissing);
    assert_expired(&unknown(PLAYERS.revocation_list(&[], Validity::Expired)));
    assert_not_yet_valid(&unknown(PLAYERS.revocation_list(&[], Validity::NotYetValid)));
    assert_eq!(unknown(forged(&clean(&PLAYERS))), CertificateProblem::RevocationListForged);
    assert_unusable(&unknown(clean(&Authority::root("Players"))));

    let mut bystander = Link::established(
        &demanding(ClientVerification::Optional(trusting(clean(&pki::ROOT)))),
        &pki::verifying(),
    );
    bystander.assert_data_flows();
}

#[test]
fn a_server_looks_the_authorities_of_its_clients_up() {
    let guild = PLAYERS.intermediate("Guild");
    let own = guild.issue(Profile::new("player-17").usage(Usage::Client));
    let trusting = |list| trust(&PLAYERS.cert_pem(), &[clean(&guild), list]);
    let server = demanding(ClientVerification::Required(trusting(clean(&PLAYERS))));
    Link::established(&server, &pki::showing(&own)).assert_data_flows();
    let revoking = trusting(revoking(&PLAYERS, &guild.serial()));
    let revoked = problem_of_client(&own, &revoking, CERTIFICATE_REVOKED);
    assert_eq!(revoked, CertificateProblem::Revoked);
}

#[test]
fn an_entry_refuses_a_pinned_client() {
    let own = self_signed(Profile::new("player-17"));
    let pinned = |list| Trust::pinned(pin(&own)).with_revocation_lists(parsed(&[list]));
    let namesake = Authority::root("player-17");
    let server = demanding(ClientVerification::Required(pinned(clean(&namesake))));
    Link::established(&server, &pki::showing(&own)).assert_data_flows();
    let revoking = pinned(revoking(&namesake, &own.serial));
    let revoked = problem_of_client(&own, &revoking, CERTIFICATE_REVOKED);
    assert_eq!(revoked, CertificateProblem::Revoked);
}

/// What comes of `client` meeting `server` again.
fn meet(server: Server, client: &pki::Client) -> Link<Session, Server> {
    let mut link = Link::between(connect(client), server.vacated());
    link.run();
    link
}

/// A connection, and another one that goes on with its session.
fn resumed(server: &ServerConfig, client: &pki::Client) -> Server {
    let link = Link::established(server, client);
    let mut link = meet(link.server, client);
    link.assert_connected();
    assert!(link.client.is_resumed());
    link.server
}

/// What a client says that resumed while these lists were good, when one of them no longer is.
fn after_the_end(lists: &[String]) -> CertificateProblem {
    let client = looking_at(lists);
    let server = resumed(&pki::server(&LOCALHOST), &client);
    // The clock stood still while the certificates were made.
    clock::advance(Duration::from_secs(900));
    let link = meet(server, &client);
    match link.client.failure() {
        Some(Failure::Certificate { problem, .. }) => problem.clone(),
        other => panic!("another failure: {other:?}"),
    }
}

#[test]
fn a_client_does_not_resume_beyond_the_end_of_a_list() {
    let soon = BETWEEN.revocation_list(&[], Validity::Seconds(600));
    assert_expired(&after_the_end(&[soon, clean(&pki::ROOT)]));
}

#[test]
fn a_client_does_not_resume_beyond_the_end_of_a_list_about_an_authority() {
    let soon = pki::ROOT.revocation_list(&[], Validity::Seconds(600));
    assert_expired(&after_the_end(&[clean(&BETWEEN), soon]));
}

#[test]
fn a_server_does_not_resume_beyond_the_end_of_a_list() {
    let soon = PLAYERS.revocation_list(&[], Validity::Seconds(600));
    let server = demanding(ClientVerification::Required(trust(&PLAYERS.cert_pem(), &[soon])));
    let client = pki::showing(&player());
    let server = resumed(&server, &client);
    // The clock stood still while the certificates were made.
    clock::advance(Duration::from_secs(900));
    let mut link = meet(server, &client);
    let Some(Failure::Certificate { problem, .. }) = link.server.session().failure() else {
        panic!("{:?}", link.server.session().failure());
    };
    assert_expired(problem);
    assert_ne!(link.client.status(), Status::Connected);
}

#[test]
fn an_old_list_beside_the_new_one_does_not_keep_sessions_from_being_resumed() {
    let lists = [BETWEEN.revocation_list(&[], Validity::Expired), clean(&BETWEEN)];
    resumed(&pki::server(&LOCALHOST), &looking_at(&lists));
    let list = BETWEEN.revocation_list(&[], Validity::Expired);
    let pinned = Trust::pinned(pin(&LOCALHOST)).with_revocation_lists(parsed(&[list]));
    resumed(&pki::server(&LOCALHOST), &client(pinned));
}

#[test]
fn a_server_with_other_lists_does_not_resume() {
    let (own, other) = (player(), player());
    let client = pki::showing(&own);
    let pinned = Trust::pinned(pin(&own));
    for trust in [pki::trust(&PLAYERS.cert_pem()), pinned] {
        let demanding = |list: &String| {
            let lists = parsed(std::slice::from_ref(list));
            demanding(ClientVerification::Required(trust.clone().with_revocation_lists(lists)))
        };
        let before = clean(&PLAYERS);
        let mut server = resumed(&demanding(&before), &client);
        server.listener.set_config(demanding(&before));
        let link = meet(server, &client);
        assert!(link.client.is_resumed(), "the same list");

        let mut server = link.server;
        server.listener.set_config(demanding(&revoking(&PLAYERS, &other.serial)));
        let mut link = meet(server, &client);
        link.assert_connected();
        assert!(!link.client.is_resumed(), "it is looked up anew");

        let mut server = link.server;
        server.listener.set_config(demanding(&revoking(&PLAYERS, &own.serial)));
        let mut link = meet(server, &client);
        let reason = link.server.session().failure().map(Failure::reason);
        assert_eq!(reason, Some(Reason::CertificateRevoked));
        assert_ne!(link.client.status(), Status::Connected);
    }
}

#[test]
fn a_server_that_begins_to_look_up_does_not_resume() {
    let own = player();
    let client = pki::showing(&own);
    let trust = pki::trust(&PLAYERS.cert_pem());
    let mut server = resumed(&demanding(ClientVerification::Required(trust.clone())), &client);
    let lists = parsed(&[revoking(&PLAYERS, &own.serial)]);
    let looking_up = ClientVerification::Required(trust.with_revocation_lists(lists));
    server.listener.set_config(demanding(looking_up));
    let mut link = meet(server, &client);
    let reason = link.server.session().failure().map(Failure::reason);
    assert_eq!(reason, Some(Reason::CertificateRevoked));
}
