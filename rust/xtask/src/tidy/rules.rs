//! Rules about what must not be in a file, and about versions that have to agree.

use super::{Files, Finding};
use crate::engine_api;

/// Lines that a Rust file may have.
const LONGEST: usize = 600;

pub(super) fn check(files: &Files) -> Vec<Finding> {
    let mut findings = versions(files);
    for (path, text) in files {
        if path.ends_with(".rs") && text.lines().count() > LONGEST {
            let what = format!("has more than {LONGEST} lines; split it");
            findings.push((path.clone(), LONGEST, what));
        }
        for (index, line) in text.lines().enumerate() {
            let what = what_is_wrong(path, line);
            findings.extend(what.map(|what| (path.clone(), index + 1, what.to_owned())));
        }
    }
    findings
}

fn what_is_wrong(path: &str, line: &str) -> Option<&'static str> {
    if line.contains("-----BEGIN ") && line.contains(concat!("PRIVATE", " KEY-----")) {
        return Some("holds a private key; keys are generated, never committed");
    }
    // The headless engine runs the demo and the tests without an import pass.
    if path.ends_with(".gd") && line.starts_with("class_name ") {
        return Some("class_name is known only after an import pass of the editor; use preload");
    }
    let comment = line.trim_start().strip_prefix("///")?;
    let item = ["- ", "* ", "+ "].iter().any(|mark| comment.trim_start().starts_with(mark));
    (path.starts_with("rust/dtls-godot/src/") && (item || !comment.is_ascii())).then_some(
        "would empty its page of the editor's help, which is shown with nothing but ASCII in it; the \
         items of a list get other characters",
    )
}

/// The editor shows the workspace's version, and the change log describes it last; the manifest asks for the engine
/// that the library is built for.
fn versions(files: &Files) -> Vec<Finding> {
    let version = env!("CARGO_PKG_VERSION");
    let api = files.get(engine_api::FILE).and_then(|api| serde_json::from_str(api).ok());
    let api: serde_json::Value = api.unwrap_or_default();
    let [major, minor] =
        ["version_major", "version_minor"].map(|it| api["header"][it].as_u64().unwrap_or_default());
    // The first line of a file that begins so has to be this one.
    let expected = [
        ("addons/dtls/plugin.cfg", "version=", format!("version=\"{version}\"")),
        (
            "dtls.gdextension",
            "compatibility_m",
            format!("compatibility_minimum = \"{major}.{minor}\""),
        ),
        ("rust/dtls-godot/Cargo.toml", "default =", format!("default = [\"api-{major}-{minor}\"]")),
        ("CHANGELOG.md", "## [", format!("## [{version}]")),
    ];
    let mut findings = Vec::new();
    for (path, begin, wanted) in expected {
        let lines = files.get(path).map_or("", String::as_str).lines().enumerate();
        let mut lines = lines.filter(|(_, line)| !line.contains("[Unreleased]"));
        let (index, line) = lines.find(|(_, line)| line.starts_with(begin)).unwrap_or_default();
        if !line.starts_with(&wanted) {
            findings.push((path.to_owned(), index + 1, format!("should say {wanted}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    #[test]
    fn versions_that_differ_are_found() {
        let version = env!("CARGO_PKG_VERSION");
        let good = [
            ("CHANGELOG.md", &*format!("# Changes\n## [Unreleased]\n## [{version}] - a day\n")),
            ("addons/dtls/plugin.cfg", &*format!("[plugin]\nversion=\"{version}\"\n")),
            ("dtls.gdextension", "[configuration]\ncompatibility_minimum = \"4.3\"\n"),
            ("rust/dtls-godot/Cargo.toml", "[features]\ndefault = [\"api-4-3\"]\n"),
            (engine_api::FILE, r#"{"header":{"version_major":4,"version_minor":3}}"#),
        ];
        assert_eq!(found(check, &good), []);
        for index in 0..4 {
            let mut files = good;
            files[index].1 =
                "## [0.0.9]\nversion=0.0.9\ncompatibility_minimum = \"4.4\"\ndefault = []\n";
            assert_eq!(found(check, &files).len(), 1);
        }
    }

    #[test]
    fn what_must_not_be_in_a_file_is_found() {
        let is_wrong = |path: &str, line: &str| what_is_wrong(path, line).is_some();
        assert!(is_wrong("key.txt", concat!("-----BEGIN EC ", "PRIVATE", " KEY-----")));
        assert!(!is_wrong("key.txt", "-----BEGIN CERTIFICATE-----"));
        assert!(is_wrong("godot_project/a.gd", "class_name Suite"));
        assert!(is_wrong("rust/dtls-godot/src/peer.rs", "    /// - one"));
        assert!(is_wrong("rust/dtls-godot/src/peer.rs", "/// Zwölf"));
        assert!(!is_wrong("rust/dtls-core/src/bio.rs", "/// - one"));
    }
}
