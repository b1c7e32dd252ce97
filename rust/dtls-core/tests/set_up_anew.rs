//! Servers that are set up anew during a handshake.

mod support;

use std::sync::LazyLock;

use dtls_core::{ClientVerification, Failure, Reason, RevocationLists, Status, Trust};
use support::link::Link;
use support::lists::{clean, revoking};
use support::pki;
use support::pki::Rebuild as _;
use test_pki::{Authority, Issued, Profile, Usage};

static PLAYERS: LazyLock<Authority> = LazyLock::new(|| Authority::root("Players"));

fn player() -> Issued {
    PLAYERS.issue(Profile::new("player-17").usage(Usage::Client))
}

/// Trust in the players' authority, as far as this list goes.
fn trusting(list: &str) -> Trust {
    let lists = RevocationLists::parse(list.as_bytes()).expect("a revocation list");
    pki::trust(&PLAYERS.cert_pem()).with_revocation_lists(lists)
}

#[test]
fn a_player_who_is_revoked_during_the_handshake_is_not_let_in() {
    let own = player();
    let server = |list: String| {
        let trust = trusting(&list);
        pki::localhost()
            .rebuild(|it| it.with_verification(ClientVerification::Required(trust)))
            .expect("usable")
    };
    for delivered in 0.. {
        let mut link = Link::new(&server(clean(&PLAYERS)), &pki::showing(&own));
        for _ in 0..delivered {
            assert!(link.deliver_one());
        }
        if link.server.session.as_ref().is_some_and(|it| it.status() == Status::Connected) {
            assert!(delivered > 4, "there is a client's flight to be looked at");
            break;
        }
        link.server.listener.set_config(server(revoking(&PLAYERS, &own.serial)));
        link.run();
        let failure = link.server.session().failure();
        let refused = failure.map(Failure::reason);
        let expected = [Reason::CertificateRevoked, Reason::NotAdmitted];
        assert!(refused.is_some_and(|it| expected.contains(&it)), "{delivered}: {failure:?}");
    }
}

#[test]
fn a_renewed_certificate_does_not_disturb_a_handshake() {
    let trust = trusting(&clean(&PLAYERS));
    let server = |issued: &Issued| {
        let trust = trust.clone();
        let config = pki::server(issued)
            .rebuild(|it| it.with_verification(ClientVerification::Required(trust)));
        config.expect("usable")
    };
    let mut link = Link::new(&server(&pki::LOCALHOST), &pki::showing(&player()));
    for _ in 0..3 {
        assert!(link.deliver_one());
    }
    link.server.listener.set_config(server(&pki::ROOT.issue(Profile::localhost())));
    link.run();
    link.assert_data_flows();
}
