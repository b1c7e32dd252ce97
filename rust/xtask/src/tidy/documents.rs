//! Rules about documents: the tests that they name exist, and `docs/errors.md` has every sentence that the
//! addon says.

use regex::Regex;

use super::{Files, Finding};

pub(super) fn check(files: &Files) -> Vec<Finding> {
    [tests(files), errors(files)].concat()
}

/// Tests are named as `file::test`, or `engine:suite::test`, between backticks.
fn tests(files: &Files) -> Vec<Finding> {
    let named = Regex::new(r"`(engine:)?(\w+)::(\w+)`").expect("it is one");
    let mut findings = Vec::new();
    for (page, content) in files.iter().filter(|(path, _)| path.starts_with("docs/")) {
        for (index, line) in content.lines().enumerate() {
            for name in named.captures_iter(line) {
                let (path, head) = match name.get(1) {
                    Some(_) => (format!("godot_project/tests/suites/test_{}.gd", &name[2]), "func"),
                    None => (format!("rust/dtls-core/tests/{}.rs", &name[2]), "fn"),
                };
                let head = format!("{head} {}(", &name[3]);
                if !files.get(&path).is_some_and(|content| content.contains(&head)) {
                    let what = format!("names a test that does not exist, {}", &name[0]);
                    findings.push((page.clone(), index + 1, what));
                }
            }
        }
    }
    findings
}

const ERRORS: &str = "docs/errors.md";

/// What scripts never see: endings that need no explanation, and what they get a code for.
/// The last two are worded by the binding, or kept from happening by it.
const UNSEEN: [&str; 7] = [
    "this side closed the connection",
    "the other side closed the connection",
    "the connection is not established",
    "a packet may have at most {MAX_PACKET} bytes",
    "too much waits to be sent",
    "no. {0} in it cannot be read as a certificate (its serial number begins with a zero that must not be there)",
    "the client verifies the name of its server, and was not told any",
];

fn errors(files: &Files) -> Vec<Finding> {
    let page = files.get(ERRORS).map(|page| on_one_line(page)).unwrap_or_default();
    let source = Regex::new(r"^rust/dtls-(core|godot|issuer)/src/").expect("it is one");
    // A backslash stands in front of a quotation mark, or of the end of a line.
    let said = Regex::new(r#"#\[error\(\s*"((?s:[^"\\]|\\.)*)""#).expect("it is one");
    let mut findings = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| source.is_match(path)) {
        for sentence in said.captures_iter(text) {
            let whole = sentence.get(0).map_or(0..0, |it| it.range());
            let it = text[whole.clone()].split_once('"').map_or("", |(_, it)| it);
            let it = on_one_line(&it[..it.len() - 1].replace("\\\n", "").replace("\\\"", "\""));
            if !UNSEEN.contains(&it.as_str()) && !page.contains(fixed_part(&it)) {
                let line = text[..whole.start].matches('\n').count() + 1;
                let what = format!("says what {ERRORS} does not have: \"{it}\"");
                findings.push((path.clone(), line, what));
            }
        }
    }
    findings
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The longest part of a sentence that is the same in every case.
fn fixed_part(sentence: &str) -> &str {
    let parts = sentence.split(['{', '"']).map(|part| part.split_once('}').map_or(part, |it| it.1));
    parts.max_by_key(|part| part.len()).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    #[test]
    fn tests_that_are_named_have_to_exist() {
        let files = [
            ("rust/dtls-core/tests/edge.rs", "#[test]\nfn it_works() {}\n"),
            ("godot_project/tests/suites/test_edge.gd", "func test_it() -> void:\n"),
            ("docs/a.md", "`edge::it_works`, `engine:edge::test_it` and `let x = 1`\n"),
            ("docs/b.md", "`edge::it_work`\n`engine:other::test_it`\n"),
        ];
        assert_eq!(found(check, &files), [("docs/b.md".into(), 1), ("docs/b.md".into(), 2)]);
    }

    #[test]
    fn every_sentence_has_to_be_on_the_page() {
        let source = "#[error(\"it is {0}, and\n    \\\n    too long\")]\nA,\n#[error(transparent)]\nB,\n\
                      #[error(\n    \"the \\\"{name}\\\" is none\"\n)]\nC,\n";
        let path = "rust/dtls-core/src/error.rs";
        let lines = |page: &str| found(check, &[(ERRORS, page), (path, source)]);
        assert_eq!(lines("\"it is …, and too long\", \"… is none\""), []);
        assert_eq!(lines("\"it is …, and too\nlong\""), [(path.into(), 7)]);
    }
}
