//! `cargo xtask tidy`: the repository's rules that no compiler and no lint knows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::output::Counts;
use crate::{packages, test, workspace};

mod documents;
mod examples;
mod rules;

/// rumdl's about links of the documents: to headings, and to files.
const LINK_RULES: &str = "MD051,MD057";

/// A place where a rule is broken: file, line, and what is wrong.
type Finding = (String, usize, String);

/// The repository's text files: path below the root to content.
type Files = BTreeMap<String, String>;

pub(crate) fn run() -> Result<ExitCode> {
    let counts = check()?;
    println!("{counts}");
    Ok(counts.exit_code())
}

/// White space, links, and the project's own rules.
pub(crate) fn check() -> Result<Counts> {
    let nothing = workspace::git(&["hash-object", "-t", "tree", "/dev/null"])?;
    let mut git = Command::new("git");
    git.current_dir(workspace::root()).args([
        "-c",
        "core.whitespace=",
        "diff",
        "--check",
        &nothing,
    ]);
    let mut counts = test::check(&mut git)?;
    let links = ["check", "--quiet", "--no-cache", "--isolated", "--enable", LINK_RULES, "."];
    counts += test::checker(&packages::checker("rumdl")?, &links)?;

    let files = read()?;
    let mut findings =
        [documents::check(&files), examples::check(&files), rules::check(&files)].concat();
    findings.sort();
    for (path, line, what) in &findings {
        println!("{path}:{line}: {what}");
    }
    counts += Counts::check(findings.is_empty());
    Ok(counts)
}

fn read() -> Result<Files> {
    // What is not UTF-8 is an image or the like.
    let text = |(path, bytes): (PathBuf, Vec<u8>)| {
        Some((path.to_str()?.to_owned(), String::from_utf8(bytes).ok()?))
    };
    Ok(workspace::read("")?.into_iter().filter_map(text).collect())
}

/// Where `check` finds something in these files.
#[cfg(test)]
fn found(check: impl Fn(&Files) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<(String, usize)> {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    check(&files.collect()).into_iter().map(|(path, line, _)| (path, line)).collect()
}
