//! The files that the tests inside the engine read.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::Path;

use crate::{Authority, Issued, Key, Profile, Usage, Validity, self_signed};

/// The common name in `hostile.crt`: a colour code, a fake line of a log, and a bell.
pub const HOSTILE_COMMON_NAME: &str = "evil\u{1b}[31m\nERROR: all is lost\r\u{7}";

/// The DNS name in `hostile.crt`, as far as ASCII goes (what a certificate may hold): it reads
/// `localhost` to whoever stops at a NUL.
pub const HOSTILE_DNS_NAME: &str = "localhost\0.evil\u{1b}[2J\n.example";

/// Writes a fresh set of keys (`*.key`) and certificates (`*.crt`, the only extension from which
/// the engine loads one) into `dir`, which is created where it is missing. Each file is replaced
/// in one step.
///
/// | file | what it is |
/// |---|---|
/// | `ca.crt` | the root that the others lead to |
/// | `intermediate.crt` | an authority below it |
/// | `other_ca.crt` | a root that has nothing to do with them |
/// | `bundle.crt` | three roots, the first two unrelated, `ca.crt` last |
/// | `server` | localhost, 127.0.0.1, ::1; issued by the root |
/// | `chained` | the same, issued by the intermediate; leaf and intermediate in one file |
/// | `chained_leaf.crt` | its leaf alone |
/// | `chain_of_three` | the same with one more intermediate: too long for one datagram |
/// | `expired`, `not_yet_valid` | the same names, the wrong time |
/// | `wrong_name` | game.example and *.wild.example, no IP address |
/// | `wrong_ip` | 192.0.2.1 alone, and localhost as the common name |
/// | `client_only` | localhost, but for clients |
/// | `player` | player-17, for clients |
/// | `stranger` | the same, issued by `other_ca.crt` |
/// | `revoked`, `revoked_player` | localhost, player-13: what `ca.crl` takes back |
/// | `ca.crl`, `expired.crl`, `other_ca.crl` | revocation lists of the root, of which one is no longer valid, and of `other_ca.crt` |
/// | `cn_only`, `cn_ip` | no alternative name; the common name is localhost, or 127.0.0.1 |
/// | `self_signed` | localhost, 127.0.0.1, ::1; vouches for itself |
/// | `untrusted` | the same, issued by `other_ca.crt` |
/// | `hostile` | [`HOSTILE_COMMON_NAME`] and [`HOSTILE_DNS_NAME`] |
/// | `ed25519` | localhost, 127.0.0.1, ::1, with an Ed25519 key |
/// | `wildcard` | *.example.test |
pub fn write_all(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;

    let root = Authority::root("godot-dtls test root");
    let intermediate = root.intermediate("godot-dtls test intermediate");
    let other = Authority::root("Unrelated root");
    let third = Authority::root("Another unrelated root");
    let bundle = [&other, &third, &root].map(Authority::cert_pem).concat();

    write(dir, "ca.crt", &root.cert_pem())?;
    write(dir, "intermediate.crt", &intermediate.cert_pem())?;
    write(dir, "other_ca.crt", &other.cert_pem())?;
    write(dir, "bundle.crt", &bundle)?;

    let chained = intermediate.issue(Profile::localhost());
    write(dir, "chained_leaf.crt", &chained.cert_pem)?;
    write_pair(dir, "chained", &chained)?;
    let below = intermediate.intermediate("godot-dtls test intermediate below another");
    write_pair(dir, "chain_of_three", &below.issue(Profile::localhost()))?;
    write_pair(dir, "self_signed", &self_signed(Profile::localhost()))?;
    write_pair(dir, "untrusted", &other.issue(Profile::localhost()))?;
    write_pair(dir, "stranger", &other.issue(player("player-17")))?;

    let revoked = root.issue(Profile::localhost());
    let player = root.issue(player("player-13"));
    write_pair(dir, "revoked", &revoked)?;
    write_pair(dir, "revoked_player", &player)?;
    let serials = [revoked.serial.as_slice(), player.serial.as_slice()];
    write(dir, "ca.crl", &root.revocation_list(&serials, Validity::Valid))?;
    write(dir, "expired.crl", &root.revocation_list(&[], Validity::Expired))?;
    write(dir, "other_ca.crl", &other.revocation_list(&[], Validity::Valid))?;

    for (name, profile) in issued_by_the_root() {
        write_pair(dir, name, &root.issue(profile))?;
    }
    Ok(())
}

fn issued_by_the_root() -> [(&'static str, Profile); 12] {
    let localhost = Profile::localhost;
    [
        ("server", localhost()),
        ("expired", localhost().validity(Validity::Expired)),
        ("not_yet_valid", localhost().validity(Validity::NotYetValid)),
        ("wrong_name", Profile::new("game.example").dns("game.example").dns("*.wild.example")),
        ("wrong_ip", Profile::new("localhost").ip(Ipv4Addr::new(192, 0, 2, 1))),
        ("client_only", Profile::new("localhost").dns("localhost").usage(Usage::Client)),
        ("player", player("player-17")),
        ("cn_only", Profile::new("localhost")),
        ("cn_ip", Profile::new("127.0.0.1")),
        ("hostile", Profile::new(HOSTILE_COMMON_NAME).dns(HOSTILE_DNS_NAME)),
        ("ed25519", localhost().key(Key::Ed25519)),
        ("wildcard", Profile::new("*.example.test").dns("*.example.test")),
    ]
}

fn player(name: &str) -> Profile {
    Profile::new(name).usage(Usage::Client)
}

fn write_pair(dir: &Path, name: &str, issued: &Issued) -> io::Result<()> {
    write(dir, &format!("{name}.key"), &issued.key_pem)?;
    write(dir, &format!("{name}.crt"), &issued.chain_pem())
}

/// Writes beside the file and renames, so that a reader sees the old text or the new one.
fn write(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    // Temporary files are for their owner only. That suits keys, but certificates are public.
    #[cfg(unix)]
    if !name.ends_with(".key") {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.persist(dir.join(name))?;
    Ok(())
}
