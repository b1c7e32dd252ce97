//! `cargo xtask reference`: the pages of `docs/reference/`, from the same comments as the editor's help.
//!
//! 1. A test of `dtls-godot` writes what gdext has made of the comments, as the engine's XML.
//! 2. The engine's `--doctool` adds what it knows itself: arguments, types, defaults, values.
//! 3. `page.rs` makes Markdown of it, and `bbcode.rs` of the texts.

mod bbcode;
mod page;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::build::{self, build_and_stage};
use crate::engine::Engine;
use crate::output::Counts;
use crate::process::succeed_quietly;
use crate::{cargo, workspace};

const FOLDER: &str = "docs/reference";

/// Pages by the names of their files.
type Pages = BTreeMap<String, String>;

/// Writes them, or with `only_check` looks whether they are right.
pub(crate) fn run(only_check: bool) -> Result<ExitCode> {
    build_and_stage(&build::Options::default())?;
    let engine = Engine::find()?;
    if only_check {
        return Ok(ExitCode::from(u8::from(check(&engine)? != Counts::PASS)));
    }
    let pages = pages(&engine)?;
    let folder = workspace::root().join(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {FOLDER}"))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {FOLDER}"))?;
    for (name, text) in &pages {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("{FOLDER} has {} pages", pages.len());
    Ok(ExitCode::SUCCESS)
}

/// Whether the pages that are there say what the staged library does: one check.
pub(crate) fn check(engine: &Engine) -> Result<Counts> {
    let differences = differences(&present(&workspace::root().join(FOLDER))?, &pages(engine)?);
    for difference in &differences {
        println!("{FOLDER}/{difference}");
    }
    if !differences.is_empty() {
        println!("`cargo xtask reference` writes them anew");
    }
    Ok(Counts::check(differences.is_empty()))
}

fn present(folder: &Path) -> Result<Pages> {
    let mut pages = Pages::new();
    if !folder.exists() {
        return Ok(pages);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().display().to_string();
        pages.insert(name, fs::read_to_string(&path)?);
    }
    Ok(pages)
}

/// Where the pages that are there are not as they should be.
fn differences(present: &Pages, right: &Pages) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in right {
        let Some(old) = present.get(name) else {
            found.push(format!("{name} is missing"));
            continue;
        };
        let line = (1..).zip(old.lines().zip(text.lines())).find(|(_, (old, new))| old != new);
        match line {
            Some((line, (_, new))) => found.push(format!("{name}:{line}: it has to be {new:?}")),
            None if old != text => found.push(format!("{name} has another length")),
            None => {}
        }
    }
    let more = present.keys().filter(|name| !right.contains_key(*name));
    found.extend(more.map(|name| format!("{name} is of no class")));
    found
}

fn pages(engine: &Engine) -> Result<Pages> {
    let folder = tempfile::tempdir().context("there is no temporary folder")?;
    // Where the engine looks for the texts that it is to take over.
    let xml = folder.path().join("doc_classes");
    fs::create_dir(&xml)?;

    let mut help = cargo::with_openssl()?;
    help.args(["test", "--quiet", "--package", "dtls-godot", "--lib", "help::"]);
    succeed_quietly(help.env("DTLS_HELP", &xml), "Reading the comments")?;
    let mut doctool = engine.headless("reference")?;
    doctool.arg("--path").arg(workspace::godot_project());
    doctool.arg("--doctool").arg(folder.path()).arg("--gdextension-docs");
    succeed_quietly(&mut doctool, "Reading the classes")?;

    let mut texts = Vec::new();
    for entry in fs::read_dir(&xml)? {
        texts.push(fs::read_to_string(entry?.path())?);
    }
    if texts.is_empty() {
        bail!("the engine knows no class of the addon");
    }
    page::pages(&texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_differ_are_found() {
        let pages = |pages: &[(&str, &str)]| -> Pages {
            pages.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
        };
        let right = pages(&[("A.md", "one\ntwo\n"), ("B.md", "b\n"), ("C.md", "c\n")]);
        assert_eq!(differences(&right, &right), Vec::<String>::new());
        let present = pages(&[("A.md", "one\n2\n"), ("B.md", "b\nb\n"), ("D.md", "d\n")]);
        let found = differences(&present, &right);
        let expected = [
            "A.md:2: it has to be \"two\"",
            "B.md has another length",
            "C.md is missing",
            "D.md is of no class",
        ];
        assert_eq!(found, expected);
    }
}
