//! Where things are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cargo;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // Set by `cargo run`; the path at build time serves a binary that is started directly.
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        package.ancestors().nth(2).expect("rust/xtask is two levels below the root").to_path_buf()
    })
}

/// The Godot project with demo, tests and benches.
pub(crate) fn godot_project() -> PathBuf {
    root().join("godot_project")
}

/// Cargo's target directory, wherever the environment or a configuration file puts it.
pub(crate) fn target_dir() -> Result<&'static Path> {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    if let Some(dir) = TARGET.get() {
        return Ok(dir);
    }
    let metadata = metadata(&["--no-deps", "--offline"])?;
    let dir = metadata["target_directory"]
        .as_str()
        .context("`cargo metadata` names no target directory")?;
    Ok(TARGET.get_or_init(|| PathBuf::from(dir)))
}

/// Where the source of a package is that is in use, by its name.
pub(crate) fn package(name: &str) -> Result<PathBuf> {
    static METADATA: OnceLock<Value> = OnceLock::new();
    let metadata = match METADATA.get() {
        Some(metadata) => metadata,
        None => {
            let read = metadata(&["--locked"])?;
            METADATA.get_or_init(|| read)
        }
    };
    let found = metadata["packages"]
        .as_array()
        .and_then(|packages| packages.iter().find(|package| package["name"] == name))
        .with_context(|| format!("no package {name} is in use"))?;
    let text = |key: &str| found[key].as_str().with_context(|| format!("{name} has no {key}"));
    let manifest = Path::new(text("manifest_path")?);
    let folder = manifest.parent().context("a manifest is in a folder")?.to_path_buf();
    Ok(folder)
}

fn metadata(options: &[&str]) -> Result<Value> {
    let output = cargo::command()
        .args(["metadata", "--format-version=1"])
        .args(options)
        .output()
        .context("cargo cannot be run")?;
    if !output.status.success() {
        bail!("`cargo metadata` failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("`cargo metadata` printed no JSON")
}

/// When the commit was made that is checked out, in seconds since 1970.
pub(crate) fn commit_time() -> Result<i64> {
    let text = git(&["log", "-1", "--format=%ct"])?;
    text.trim().parse().context("git told no time of the commit")
}

/// Whether every file is as it is in that commit.
pub(crate) fn is_clean() -> Result<bool> {
    Ok(git(&["status", "--porcelain"])?.is_empty())
}

fn git(args: &[&str]) -> Result<String> {
    let output =
        Command::new("git").current_dir(root()).args(args).output().context("cannot run git")?;
    if !output.status.success() {
        bail!("`git {}` failed:\n{}", args[0], String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The repository's files by their paths below its root: what is committed, and what is new and
/// not ignored.
pub(crate) fn files() -> Result<Vec<String>> {
    let output = git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    let mut files: Vec<String> = output
        .split_terminator('\0')
        // What has been deleted but not committed is still listed.
        .filter(|file| root().join(file).is_file())
        .map(String::from)
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}
