//! A rule about errors: `docs/errors.md` has every sentence that the addon says, so that who looks for one
//! finds it.

use super::{Files, Finding};

const PAGE: &str = "docs/errors.md";

/// Where errors are worded.
const SOURCES: [&str; 8] = [
    "rust/dtls-core/src/error.rs",
    "rust/dtls-core/src/failure.rs",
    "rust/dtls-core/src/issue.rs",
    "rust/dtls-core/src/session.rs",
    "rust/dtls-godot/src/peer/connection.rs",
    "rust/dtls-godot/src/crypto.rs",
    "rust/dtls-godot/src/configuration/error.rs",
    "rust/dtls-godot/src/engine/settings.rs",
];

/// What scripts never see: endings that need no explanation, and what they get a code for.
const UNSEEN: [&str; 5] = [
    "this side closed the connection",
    "the other side closed the connection",
    "the connection is not established",
    "a packet may have at most {MAX_PACKET} bytes",
    "too much waits to be sent",
];

pub(super) fn check(files: &Files) -> Vec<Finding> {
    let page = files.get(PAGE).map(|page| on_one_line(page)).unwrap_or_default();
    let mut findings = Vec::new();
    for path in SOURCES {
        let Some(source) = files.get(path) else { continue };
        for (line, sentence) in sentences(source) {
            if !UNSEEN.contains(&sentence.as_str()) && !page.contains(fixed_part(&sentence)) {
                let what = format!("says what {PAGE} does not have: \"{sentence}\"");
                findings.push(Finding::new(path, line, what));
            }
        }
    }
    findings
}

/// The texts in `#[error("...")]`, each with its line.
fn sentences(source: &str) -> Vec<(usize, String)> {
    const BEFORE: &str = "#[error(";
    let mut found = Vec::new();
    for (at, _) in source.match_indices(BEFORE) {
        let Some(text) = source[at + BEFORE.len()..].trim_start().strip_prefix('"') else {
            continue;
        };
        let mut sentence = String::new();
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            match c {
                '"' => break,
                '\\' => match characters.next() {
                    // The text goes on in the next line, behind its indentation.
                    Some('\n') | None => {}
                    Some(c) => sentence.push(c),
                },
                c => sentence.push(c),
            }
        }
        found.push((source[..at].matches('\n').count() + 1, on_one_line(&sentence)));
    }
    found
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

    #[test]
    fn every_sentence_has_to_be_on_the_page() {
        let source = "#[error(\"it is {0}, and\n    \\\n    too long\")]\nA,\n#[error(transparent)]\nB,\n\
                      #[error(\n    \"the \\\"{name}\\\" is none\"\n)]\nC,\n";
        let found = |page: &str| -> Vec<usize> {
            let files = [(PAGE, page), (SOURCES[0], source)];
            let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
            check(&files).into_iter().map(|it| it.line).collect()
        };
        assert_eq!(found("\"it is …, and too long\", \"… is none\""), Vec::<usize>::new());
        assert_eq!(found("\"it is …, and too\nlong\""), [7]);
        assert_eq!(found(""), [1, 7]);
    }

    #[test]
    fn what_differs_is_left_out() {
        assert_eq!(fixed_part("{what} has {count} of them"), "of them");
        assert_eq!(fixed_part("{0}: {1}"), ":");
        assert_eq!(fixed_part("all of it"), "all of it");
    }
}
