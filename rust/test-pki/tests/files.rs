//! The files on disk: all there, readable as PEM, and safe to write twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rcgen::KeyPair;

const ALONE: [&str; 8] = [
    "bundle.crt",
    "ca.crl",
    "ca.crt",
    "chained_leaf.crt",
    "expired.crl",
    "intermediate.crt",
    "other_ca.crl",
    "other_ca.crt",
];

const PAIRS: [&str; 19] = [
    "chain_of_three",
    "chained",
    "client_only",
    "cn_ip",
    "cn_only",
    "ed25519",
    "expired",
    "hostile",
    "not_yet_valid",
    "player",
    "revoked",
    "revoked_player",
    "self_signed",
    "server",
    "stranger",
    "untrusted",
    "wildcard",
    "wrong_ip",
    "wrong_name",
];

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn certificates_in(text: &str) -> usize {
    text.matches("-----BEGIN CERTIFICATE-----\n").count()
}

#[test]
fn exactly_the_promised_files_are_written() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    test_pki::write_all(dir.path()).expect("the files can be written");

    let expected: BTreeSet<String> = PAIRS
        .iter()
        .flat_map(|name| [format!("{name}.crt"), format!("{name}.key")])
        .chain(ALONE.map(String::from))
        .collect();
    let found: BTreeSet<String> = fs::read_dir(dir.path())
        .expect("the directory is there")
        .map(|entry| entry.expect("it can be listed").file_name())
        .map(|name| name.into_string().expect("names are ASCII"))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn keys_and_certificates_can_be_read_back() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    test_pki::write_all(dir.path()).expect("the files can be written");

    for name in PAIRS {
        KeyPair::from_pem(&read(dir.path(), &format!("{name}.key")))
            .unwrap_or_else(|error| panic!("{name}.key: {error}"));
        let expected = match name {
            "chain_of_three" => 3,
            "chained" => 2,
            _ => 1,
        };
        let text = read(dir.path(), &format!("{name}.crt"));
        assert_eq!(certificates_in(&text), expected, "{name}.crt");
    }
    let bundle = read(dir.path(), "bundle.crt");
    assert_eq!(certificates_in(&bundle), 3);
    assert!(bundle.ends_with(&read(dir.path(), "ca.crt")));
    assert!(bundle.starts_with(&read(dir.path(), "other_ca.crt")));
    let chained = read(dir.path(), "chained.crt");
    assert!(chained.starts_with(&read(dir.path(), "chained_leaf.crt")));
    assert!(chained.ends_with(&read(dir.path(), "intermediate.crt")));
}

#[test]
fn writing_again_replaces_everything() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    test_pki::write_all(dir.path()).expect("the files can be written");
    let before = read(dir.path(), "ca.crt");
    test_pki::write_all(dir.path()).expect("the files can be written again");
    assert_ne!(read(dir.path(), "ca.crt"), before);
}

/// On Windows one of two that rename to the same name at a time fails.
#[cfg(unix)]
#[test]
fn two_writers_leave_whole_files() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| test_pki::write_all(dir.path()).expect("the files can be written"));
        }
    });
    for name in PAIRS {
        assert!(certificates_in(&read(dir.path(), &format!("{name}.crt"))) > 0);
    }
    assert_eq!(
        fs::read_dir(dir.path()).expect("it is there").count(),
        ALONE.len() + 2 * PAIRS.len(),
        "no temporary file stays behind"
    );
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a temporary directory");
    test_pki::write_all(dir.path()).expect("the files can be written");
    let mode = |name: &str| {
        let metadata = fs::metadata(dir.path().join(name)).expect("it is there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("server.key"), 0o600);
    assert_eq!(mode("server.crt"), 0o644);
}
