//! What the builder functions return.

use test_pki::{Authority, Key, Profile, self_signed};

#[test]
fn a_chain_lists_the_intermediates_nearest_first_without_the_root() {
    let root = Authority::root("Root");
    let upper = root.intermediate("Upper");
    let lower = upper.intermediate("Lower");
    let issued = lower.issue(Profile::localhost());
    assert_eq!(issued.intermediates_pem, [lower.cert_pem(), upper.cert_pem()]);
    assert_eq!(issued.chain_pem(), issued.cert_pem.clone() + &lower.cert_pem() + &upper.cert_pem());
}

#[test]
fn what_a_root_issues_or_signs_itself_has_no_intermediates() {
    let issued = Authority::root("Root").issue(Profile::localhost());
    assert_eq!(issued.chain_pem(), issued.cert_pem);
    let own = self_signed(Profile::localhost());
    assert_eq!(own.chain_pem(), own.cert_pem);
}

#[test]
fn every_kind_of_key_can_be_used() {
    let root = Authority::root("Root");
    for key in [Key::P256, Key::P384, Key::Ed25519] {
        let issued = root.issue(Profile::localhost().key(key));
        assert!(issued.key_pem.contains("PRIVATE KEY"));
    }
}

#[test]
fn one_key_can_have_two_certificates() {
    let root = Authority::root("Root");
    let first = root.issue(Profile::localhost());
    let key = Key::FromPem(first.key_pem.clone());
    let second = root.issue(Profile::localhost().key(key));
    assert_eq!(first.key_pem, second.key_pem);
    assert_ne!(first.cert_pem, second.cert_pem);
}
