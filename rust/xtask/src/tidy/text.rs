//! Rules about text: what must not be in it, how long it may be, how it ends.

use super::Finding;

/// Lines that a Rust file may have.
const LONGEST: usize = 600;

/// Hosts of package registries, in two pieces so that this file may hold them. A developer's
/// machine decides where packages come from.
const REGISTRIES: [(&str, &str); 13] = [
    ("crates", ".io"),
    ("docs", ".rs"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("npmjs", ".com"),
    ("npmjs", ".org"),
    ("deb.debian", ".org"),
    ("snapshot.debian", ".org"),
    ("ftp.debian", ".org"),
    ("archive.ubuntu", ".com"),
    ("proxy.golang", ".org"),
    ("rubygems", ".org"),
    ("artifact", "ory/"),
];

/// Directories of one machine.
const MACHINE_PATHS: [&str; 4] = ["root", "home", "work", "Users"];

pub(super) fn check(path: &str, content: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in content.lines().enumerate() {
        let mut found = |what: String| findings.push(Finding::new(path, index + 1, what));
        if !may_name_registries(path) {
            for (name, domain) in REGISTRIES {
                if line.contains(&format!("{name}{domain}")) {
                    found(format!("names the package registry {name}{domain}"));
                }
            }
        }
        if let Some(directory) = machine_path(path, line) {
            found(format!("holds the path of one machine: /{directory}/"));
        }
        if holds_private_key(line) {
            found("holds a private key; keys are generated, never committed".to_owned());
        }
        if declares_global_class(path, line) {
            found(
                "class_name is known only after an import pass of the editor; use preload"
                    .to_owned(),
            );
        }
        if breaks_the_help(path, line) {
            let what = "would empty its page of the editor's help, which is shown with nothing but \
                        ASCII in it; the items of a list get other characters";
            found(what.to_owned());
        }
        if has_tidy_whitespace(path) && line.ends_with([' ', '\t', '\r']) {
            found("ends with white space".to_owned());
        }
    }
    if has_tidy_whitespace(path)
        && !content.is_empty()
        && (!content.ends_with('\n') || content.ends_with("\n\n"))
    {
        let what = "ends without a newline, or with more than one";
        findings.push(Finding::new(path, content.lines().count(), what));
    }
    let lines = content.lines().count();
    if is_rust(path) && lines > LONGEST {
        let what = format!("has {lines} lines; {LONGEST} is the most, split it");
        findings.push(Finding::new(path, lines, what));
    }
    findings
}

fn is_rust(path: &str) -> bool {
    path.starts_with("rust/") && path.ends_with(".rs")
}

fn may_name_registries(path: &str) -> bool {
    matches!(path, "deny.toml") || path.ends_with("Cargo.lock")
}

fn has_tidy_whitespace(path: &str) -> bool {
    [".md", ".rs", ".gd", ".toml"].iter().any(|extension| path.ends_with(extension))
}

fn machine_path(path: &str, line: &str) -> Option<&'static str> {
    MACHINE_PATHS.into_iter().find(|directory| {
        // In the engine, nodes have paths below its root too.
        if *directory == "root"
            && [".gd", ".tscn", "extension_api.json"].iter().any(|end| path.ends_with(end))
        {
            return false;
        }
        let needle = format!("/{directory}/");
        line.match_indices(&needle).any(|(at, _)| {
            // `a/work/b`, `$X/home/y` and `https://work/` are no absolute paths.
            let before = line[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || "/._-~}*<>)".contains(c))
        })
    })
}

fn holds_private_key(line: &str) -> bool {
    line.contains("-----BEGIN ") && line.contains(concat!("PRIVATE", " KEY-----"))
}

/// The headless engine runs the demo and the tests without an import pass.
fn declares_global_class(path: &str, line: &str) -> bool {
    path.starts_with("godot_project/") && path.ends_with(".gd") && line.starts_with("class_name ")
}

/// Whether a line of the addon's documentation cannot be shown by the editor.
fn breaks_the_help(path: &str, line: &str) -> bool {
    let Some(text) = line.trim_start().strip_prefix("///") else {
        return false;
    };
    let item = ["- ", "* ", "+ "].iter().any(|mark| text.trim_start().starts_with(mark));
    path.starts_with("rust/dtls-godot/src/") && (item || !text.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, content: &str) -> Vec<String> {
        let findings = check(path, content);
        findings.into_iter().map(|finding| finding.what).collect()
    }

    fn is_clean(path: &str, content: &str) -> bool {
        check(path, content).is_empty()
    }

    #[test]
    fn registries_are_named_only_where_they_have_to_be() {
        let text = format!("see {}{}/x\n", "crates", ".io");
        assert_eq!(whats("README.md", &text).len(), 1);
        assert!(is_clean("deny.toml", &text));
        assert!(is_clean("rust/fuzz/Cargo.lock", &text));
        assert!(is_clean("README.md", "see the crates there\n"));
    }

    #[test]
    fn documentation_that_the_editor_cannot_show_is_found() {
        let path = "rust/dtls-godot/src/peer.rs";
        assert_eq!(whats(path, "    /// - one\n    /// Zwölf\n").len(), 2);
        assert!(is_clean(path, "    /// One - two.\n    // - not shown: ü\n"));
        assert!(is_clean("rust/dtls-core/src/bio.rs", "/// - one\n"));
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        let path = |dir: &str| format!("cd /{dir}/x\n");
        assert_eq!(whats("a.md", &path("home")).len(), 1);
        assert_eq!(whats("a.sh", &path("root")).len(), 1);
        assert!(is_clean("a.gd", &path("root")));
        assert!(is_clean("a.md", &format!("see target/{}/x\n", "home")));
        assert!(is_clean("a.md", &path("usr")));
    }

    #[test]
    fn private_keys_are_found() {
        let text = format!("-----BEGIN EC {}\n", concat!("PRIVATE", " KEY-----"));
        assert_eq!(whats("key.txt", &text).len(), 1);
        assert!(is_clean("key.txt", "-----BEGIN CERTIFICATE-----\n"));
        assert!(is_clean("key.txt", concat!("a PRIVATE", " KEY\n")));
    }

    #[test]
    fn white_space_at_the_end_is_found() {
        assert_eq!(whats("a.rs", "x \ny\n"), ["ends with white space"]);
        assert_eq!(whats("a.toml", "x").len(), 1);
        assert_eq!(whats("a.md", "x\n\n").len(), 1);
        assert!(is_clean("a.md", "x\n"));
        assert!(is_clean("a.md", ""));
        assert!(is_clean("a.svg", "x "));
    }

    #[test]
    fn global_classes_are_found() {
        let text = "class_name Suite\nextends RefCounted\n";
        assert_eq!(whats("godot_project/tests/suite.gd", text).len(), 1);
        let inner = "extends RefCounted\n# class_name Suite\n";
        assert!(is_clean("godot_project/tests/suite.gd", inner));
    }

    #[test]
    fn long_files_are_found() {
        let long = "x\n".repeat(LONGEST + 1);
        assert_eq!(whats("rust/a/src/b.rs", &long).len(), 1);
        assert!(is_clean("rust/a/src/b.rs", &"x\n".repeat(LONGEST)));
        assert!(is_clean("docs/long.md", &long));
    }
}
