//! Rules about documents: the tests that they name exist, and what they say of benchmarks was measured.

use super::{Files, Finding};

/// In front of the suite of a test inside the engine.
const ENGINE: &str = "engine:";

pub(super) fn check(files: &Files) -> Vec<Finding> {
    let mut findings = check_figures(files);
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

/// Where figures are measured, and where some of them are said again.
const FIGURES: (&str, &str) = ("docs/benchmarks.md", "docs/performance.md");

/// The figures that are not those of the last `cargo xtask bench`.
fn check_figures(files: &Files) -> Vec<Finding> {
    let (measured, said) = FIGURES;
    let (Some(measured), Some(page)) = (files.get(measured), files.get(said)) else {
        return Vec::new();
    };
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    // Name, unit, the engine's, ours.
    let measured: Vec<Vec<String>> =
        measured.lines().map(cells).filter(|it| it.len() > 6).collect();
    let mut findings = Vec::new();
    let lines = page.lines().enumerate().skip_while(|(_, line)| !line.starts_with("| figure |"));
    for (index, line) in lines.skip(2).take_while(|(_, line)| line.starts_with('|')) {
        let said = cells(line);
        let is_right = measured.iter().any(|figure| {
            figure[1] == said[1] && format!("{} {}", figure[4], figure[2]) == said[2]
        });
        if !is_right {
            let what = format!("says of \"{}\" what {} does not", said[1], FIGURES.0);
            findings.push(Finding::new(FIGURES.1, index + 1, what));
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

    #[test]
    fn figures_that_are_said_again_have_to_be_those_that_were_measured() {
        let measured = "| figure | unit | engine's | ours | udp | core | ratio |\n\
                        | packet | µs | 2.44 | 2.39 | - | - | 1 |\n";
        let page = "| other |\n|---|\n| x |\n\n| figure | ours | |\n|---|---|---|\n\
                    | packet | 2.39 µs | |\n| packet | 2.44 µs | |\n| parcel | 2.39 µs | |\n\ntext\n";
        let files = [("docs/benchmarks.md", measured), ("docs/performance.md", page)];
        let files: Files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let found: Vec<_> = check(&files).into_iter().map(|it| it.line).collect();
        assert_eq!(found, [8, 9]);
    }
}
