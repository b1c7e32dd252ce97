//! `cargo xtask tidy`: the repository's own rules, as far as a machine can keep them.

use std::fmt;
use std::process::ExitCode;
use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};

use crate::output::Counts;
use crate::workspace;

mod documents;
mod examples;
mod links;
mod manifests;
mod sentences;
mod text;
mod unsafe_code;

/// A place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// The repository's text files: path below the root to content.
type Files = BTreeMap<String, String>;

pub(crate) fn run() -> Result<ExitCode> {
    let counts = check()?;
    println!("{counts}");
    Ok(ExitCode::from(u8::from(counts != Counts::PASS)))
}

/// All rules, as one check.
pub(crate) fn check() -> Result<Counts> {
    let findings = findings(&read()?);
    for finding in &findings {
        println!("{finding}");
    }
    Ok(Counts::check(findings.is_empty()))
}

fn findings(files: &Files) -> Vec<Finding> {
    let mut findings = manifests::check(files);
    findings.extend(documents::check(files));
    findings.extend(examples::check(files));
    findings.extend(links::check(files));
    findings.extend(sentences::check(files));
    for (path, content) in files {
        findings.extend(text::check(path, content));
        findings.extend(unsafe_code::check(path, content));
    }
    findings.sort();
    findings
}

fn read() -> Result<Files> {
    let mut files = Files::new();
    for path in workspace::files()? {
        let bytes = fs::read(workspace::root().join(&path))
            .with_context(|| format!("cannot read {path}"))?;
        // What is not UTF-8 is an image or the like.
        if let Ok(text) = String::from_utf8(bytes) {
            files.insert(path, text);
        }
    }
    Ok(files)
}
