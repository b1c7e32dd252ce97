//! PEM texts: whatever looks like a block in one is read, or an error names it.

mod support;

use dtls_core::{Certificates, ConfigError, Identity, RevocationLists, TrustAnchors};
use openssl::pkey::PKey;
use openssl::symm::Cipher;
use openssl::x509::X509;
use support::pki;
use test_pki::Validity;

/// What becomes of a block with `label` that someone has damaged.
fn damaged(block: &str, label: &str) -> Vec<String> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    assert!(block.contains(&begin) && block.contains(&end), "{label}");
    vec![
        block.replace("-----", "----"),
        block.replace("-----BEGIN", "----BEGIN"),
        block.replace("-----", "\u{2014}\u{2014}"),
        block.replace(&format!("{begin}\n"), ""),
        block.replace(&end, ""),
        block.replace(&end, "-----END SOMETHING-----"),
        block.replace(&end, "-----END"),
        block[..block.len() / 2].to_owned() + "\n",
        block.replacen('M', "!", 1),
        block.replace(label, &format!("TRUSTED {label}")),
        block.replace(label, "PKCS7"),
    ]
}

#[test]
fn the_line_ends_of_windows_are_as_good() {
    let there = |pem: &str| pem.replace('\n', "\r\n");
    let chain = format!("{}{}", pki::LOCALHOST.cert_pem, pki::ROOT.cert_pem());
    let (ours, theirs) = (pki::certificates(&chain), pki::certificates(&there(&chain)));
    assert_eq!(theirs.to_pem(), ours.to_pem());
    let key = there(&pki::LOCALHOST.key_pem);
    assert!(Identity::new(key.as_bytes(), theirs).is_ok());
    let list = pki::ROOT.revocation_list(&[], Validity::Valid);
    assert!(RevocationLists::parse(there(&list).as_bytes()).is_ok());
}

#[test]
fn whatever_looks_like_a_certificate_is_read_or_named() {
    let [first, last] = [pki::LOCALHOST.cert_pem.clone(), pki::ROOT.cert_pem()];
    let between = pki::ROOT.intermediate("Between").cert_pem();
    assert_eq!(pki::certificates(&format!("{first}{between}{last}")).len(), 3);
    for damaged in damaged(&between, "CERTIFICATE") {
        for text in [format!("{first}{damaged}"), format!("{first}{damaged}{last}")] {
            let refused = Certificates::parse(text.as_bytes()).err();
            let named = matches!(refused, Some(ConfigError::UnreadableCertificate(2, _)));
            assert!(named, "{refused:?}: {text}");
            let (anchors, unreadable) = TrustAnchors::from_bundle(&text).expect("one can be read");
            assert!(unreadable >= 1, "{anchors:?}: {text}");
        }
        let refused = Certificates::parse(format!("{damaged}{last}").as_bytes()).err();
        let named = matches!(refused, Some(ConfigError::UnreadableCertificate(1, _)));
        assert!(named, "{refused:?}: {damaged}");
    }
}

#[test]
fn whatever_looks_like_a_key_is_read_or_named() {
    let (key, certificate) = (&pki::LOCALHOST.key_pem, &pki::LOCALHOST.cert_pem);
    let read = |text: &str| Identity::new(text.as_bytes(), pki::certificates(certificate)).err();
    assert_eq!(read(&format!("{certificate}{key}")), None, "a file may have both");
    let label = ["PRIVATE", "KEY"].join(" ");
    for damaged in damaged(key, &label) {
        for text in [damaged.clone(), format!("{damaged}{certificate}")] {
            let refused = read(&text);
            let Some(ConfigError::UnreadableKey(why)) = &refused else {
                // A key says with its label that it is encrypted, and that alone.
                panic!("{refused:?}: {text}")
            };
            assert!(why.starts_with("no. 1 in it: "), "{why}");
        }
        let refused = read(&format!("{certificate}{damaged}{key}"));
        let Some(ConfigError::UnreadableKey(why)) = &refused else { panic!("{refused:?}") };
        // What has the lines of a key is one until OpenSSL has seen it.
        let named = ["no. 2 in it: ", "no. 3 in it: it is a second private key"];
        assert!(named.iter().any(|start| why.starts_with(start)), "{why}");
    }
    let Some(ConfigError::UnreadableKey(why)) = read(&format!("{key}{key}")) else {
        panic!("which of the two?")
    };
    assert_eq!(why, "no. 2 in it: it is a second private key, and one is used");
}

#[test]
fn what_the_engine_writes_behind_a_certificate_is_white_space() {
    let [leaf, root] = [pki::LOCALHOST.cert_pem.as_str(), &pki::ROOT.cert_pem()];
    let key = &pki::LOCALHOST.key_pem;
    for end in ["\0", "\u{fffd}", "\0\n", "\u{fffd}\u{fffd}\r\n"] {
        let chain = format!("{leaf}{end}{root}{end}");
        assert_eq!(pki::certificates(&chain).len(), 2, "{end:?}");
        let (anchors, unreadable) = TrustAnchors::from_bundle(&chain).expect("both can be read");
        assert_eq!((format!("{anchors:?}"), unreadable), ("TrustAnchors(2)".to_owned(), 0));
        let both = format!("{key}{end}{leaf}{end}");
        Identity::new(both.as_bytes(), pki::certificates(&both)).expect("a key and a certificate");
    }
    let in_one_line = format!("{}{}", leaf.trim_end(), root.trim_end());
    assert_eq!(pki::certificates(&in_one_line).len(), 2);
}

#[test]
fn an_encrypted_key_beside_a_certificate_is_no_encrypted_certificate() {
    let key = PKey::private_key_from_pem(pki::LOCALHOST.key_pem.as_bytes()).expect("a key");
    let ec = key.ec_key().expect("an EC key");
    let encrypted = ec.private_key_to_pem_passphrase(Cipher::aes_256_cbc(), b"secret");
    let encrypted = String::from_utf8(encrypted.expect("PEM")).expect("PEM is text");
    assert!(encrypted.contains("Proc-Type:"));
    let certificate = &pki::LOCALHOST.cert_pem;
    for both in [format!("{encrypted}{certificate}"), format!("{certificate}{encrypted}")] {
        let certificates = pki::certificates(&both);
        assert_eq!(certificates.len(), 1);
        Identity::with_passphrase(both.as_bytes(), b"secret", certificates).expect("a pair");
        let (_, unreadable) = TrustAnchors::from_bundle(&both).expect("one can be read");
        assert_eq!(unreadable, 0);
    }
}

#[test]
fn a_der_file_has_one_certificate() {
    let der = |pem: &str| X509::from_pem(pem.as_bytes()).and_then(|it| it.to_der()).expect("DER");
    let [one, other] = [der(&pki::LOCALHOST.cert_pem), der(&pki::ROOT.cert_pem())];
    assert_eq!(Certificates::parse(&[&one[..], b"\n"].concat()).map(|it| it.len()), Ok(1));
    for behind in [&other[..], b"\0", b"more"] {
        let refused = Certificates::parse(&[&one, behind].concat()).err();
        let named = matches!(refused, Some(ConfigError::UnreadableCertificate(1, _)));
        assert!(named, "{refused:?}");
    }
    // What begins with the same byte as DER is the output of a program.
    let text = format!("0 s:CN=localhost\n{}", pki::LOCALHOST.cert_pem);
    assert_eq!(pki::certificates(&text).len(), 1);
}
