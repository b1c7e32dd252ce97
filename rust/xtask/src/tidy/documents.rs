//! Rules about documents: the tests that they name exist.

use super::{Files, Finding};

/// In front of the suite of a test inside the engine.
const ENGINE: &str = "engine:";

pub(super) fn check(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, content) in files.iter().filter(|(path, _)| path.starts_with("docs/")) {
        for (index, line) in content.lines().enumerate() {
            for name in quoted(line).filter_map(TestName::parse) {
                if !name.exists(files) {
                    let what = format!("names a test that does not exist, {}", name.whole);
                    findings.push(Finding::new(path, index + 1, what));
                }
            }
        }
    }
    findings
}

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// `file::test`, or `engine:suite::test`.
struct TestName<'a> {
    whole: &'a str,
    path: String,
    /// How the test begins in that file.
    head: String,
}

impl<'a> TestName<'a> {
    fn parse(whole: &'a str) -> Option<Self> {
        let (file, test) = whole.split_once("::")?;
        let is_name = |text: &str| text.bytes().all(|it| it == b'_' || it.is_ascii_alphanumeric());
        if !is_name(test) {
            return None;
        }
        let (path, keyword) = match file.strip_prefix(ENGINE) {
            Some(suite) => (format!("godot_project/tests/suites/test_{suite}.gd"), "func"),
            None => (format!("rust/dtls-core/tests/{file}.rs"), "fn"),
        };
        Some(Self { whole, path, head: format!("{keyword} {test}(") })
    }

    fn exists(&self, files: &Files) -> bool {
        files.get(&self.path).is_some_and(|content| content.contains(&self.head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_are_named_have_to_exist() {
        let files: Files = [
            ("rust/dtls-core/tests/edge.rs", "#[test]\nfn it_works() {}\n"),
            ("godot_project/tests/suites/test_edge.gd", "func test_it() -> void:\n"),
            ("docs/a.md", "`edge::it_works`, `engine:edge::test_it` and `let x = 1`\n"),
            ("docs/b.md", "`edge::it_work`\n`engine:other::test_it`\n"),
        ]
        .map(|(path, content)| (path.to_owned(), content.to_owned()))
        .into();
        let found: Vec<(String, usize)> =
            check(&files).into_iter().map(|it| (it.path, it.line)).collect();
        assert_eq!(found, [("docs/b.md".to_owned(), 1), ("docs/b.md".to_owned(), 2)]);
    }
}
