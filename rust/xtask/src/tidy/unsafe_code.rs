//! Rules about `unsafe`: where it may be, and what has to be said about it.

use super::Finding;

/// The only files of the protocol core that may hold it.
const ALLOWED_IN_CORE: [&str; 4] = [
    "rust/dtls-core/src/bio.rs",
    "rust/dtls-core/src/ffi.rs",
    "rust/dtls-core/src/ffi/negotiation.rs",
    "rust/dtls-core/src/ffi/tickets.rs",
];

pub(super) fn check(path: &str, content: &str) -> Vec<Finding> {
    if !path.starts_with("rust/") || !path.ends_with(".rs") {
        return Vec::new();
    }
    let lines: Vec<&str> = content.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let code = code(line);
        if !words(&code).any(|word| word == "unsafe") {
            continue;
        }
        let mut found = |what: &str| findings.push(Finding::new(path, index + 1, what));
        if path.starts_with("rust/dtls-core/src/") && !ALLOWED_IN_CORE.contains(&path) {
            found("unsafe code in the core belongs into bio.rs or ffi");
        }
        match kind(&code) {
            Some(Kind::Block) if !is_explained(&lines, index, "SAFETY:") => {
                found(
                    "an unsafe block or impl needs a comment `SAFETY: …` that says why it is sound",
                );
            }
            // Functions of a C library say in their own documentation what they ask for, and an
            // implementation of a trait's function inherits it.
            Some(Kind::Function)
                if code.trim_start().starts_with("pub")
                    && !is_explained(&lines, index, "# Safety") =>
            {
                found(
                    "an unsafe function needs a section `# Safety` that says what callers owe it",
                );
            }
            _ => {}
        }
    }
    findings
}

enum Kind {
    /// `unsafe { … }`, `unsafe impl …`
    Block,
    /// `unsafe fn`, with a body of its own
    Function,
}

/// What the first `unsafe` in a line begins; `None` for what needs no comment (a type such as
/// `unsafe extern "C" fn(…)`, a lint's name).
fn kind(code: &str) -> Option<Kind> {
    let at = code.find("unsafe")?;
    let rest = code[at + "unsafe".len()..].trim_start();
    if rest.starts_with('{') || rest.starts_with("impl") || rest.is_empty() {
        return Some(Kind::Block);
    }
    let rest = match rest.strip_prefix("extern") {
        Some(abi) => abi.trim_start_matches([' ', '"', 'C']),
        None => rest,
    };
    rest.starts_with("fn ").then_some(Kind::Function)
}

/// Whether the comments and attributes right above a line, the statement that it is part of, or
/// the line itself, hold the given word.
fn is_explained(lines: &[&str], index: usize, word: &str) -> bool {
    if lines[index].contains(word) {
        return true;
    }
    let mut in_comment = false;
    for line in lines[..index].iter().rev() {
        let line = line.trim();
        if line.starts_with("//") {
            if line.contains(word) {
                return true;
            }
            in_comment = true;
            continue;
        }
        // Above a comment without the word, or at the end of another statement: too far.
        let is_attribute = line.starts_with("#[");
        if line.is_empty() || (in_comment || line.ends_with([';', '{', '}', ','])) && !is_attribute
        {
            return false;
        }
    }
    false
}

/// A line without its comment and without what is in quotes.
fn code(line: &str) -> String {
    let mut code = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => {
                chars.next();
            }
            '"' => {
                quoted = !quoted;
                code.push(c);
            }
            '/' if !quoted && chars.peek() == Some(&'/') => break,
            _ if quoted => {}
            _ => code.push(c),
        }
    }
    code
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELSEWHERE: &str = "rust/dtls-godot/src/peer.rs";
    const NOWHERE: [usize; 0] = [];

    fn lines_found(path: &str, content: &str) -> Vec<usize> {
        check(path, content).iter().map(|f| f.line).collect()
    }

    #[test]
    fn the_core_has_it_in_two_files_only() {
        let code = "// SAFETY: it is checked above.\nunsafe { call() }\n";
        assert_eq!(lines_found("rust/dtls-core/src/session.rs", code), [2]);
        assert_eq!(lines_found("rust/dtls-core/src/bio.rs", code), NOWHERE);
        assert_eq!(lines_found("rust/dtls-core/tests/edge.rs", code), NOWHERE);
    }

    #[test]
    fn blocks_and_impls_say_why() {
        assert_eq!(lines_found(ELSEWHERE, "let x = unsafe { y() };\n"), [1]);
        assert_eq!(lines_found(ELSEWHERE, "unsafe impl Send for X {}\n"), [1]);
        let explained = "// SAFETY: a reason,\n// in two lines.\nlet x =\n    unsafe { y() };\n";
        assert_eq!(lines_found(ELSEWHERE, explained), NOWHERE);
        let too_far = "// SAFETY: of another.\nlet x = 1;\nlet y = unsafe { z() };\n";
        assert_eq!(lines_found(ELSEWHERE, too_far), [3]);
    }

    #[test]
    fn functions_say_what_they_ask_for() {
        assert_eq!(lines_found(ELSEWHERE, "pub unsafe fn x() {\n"), [1]);
        let explained =
            "/// Reads.\n///\n/// # Safety\n///\n/// Be careful.\n#[inline]\npub unsafe fn x() {\n";
        assert_eq!(lines_found(ELSEWHERE, explained), NOWHERE);
    }

    #[test]
    fn text_and_types_are_left_alone() {
        for code in [
            "// unsafe { }\n",
            "let x = \"unsafe { }\";\n",
            "#![deny(unsafe_code)]\n",
            "type Callback = unsafe extern \"C\" fn(i32) -> i32;\n",
        ] {
            assert_eq!(lines_found(ELSEWHERE, code), NOWHERE, "{code}");
        }
    }
}
