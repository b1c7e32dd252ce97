//! Where things are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

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
    let output = cargo::command()
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .output()
        .context("cargo cannot be run")?;
    if !output.status.success() {
        bail!("`cargo metadata` failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("`cargo metadata` printed no JSON")?;
    let dir = metadata["target_directory"]
        .as_str()
        .context("`cargo metadata` names no target directory")?;
    Ok(TARGET.get_or_init(|| PathBuf::from(dir)))
}

/// The repository's files by their paths below its root: what is committed, and what is new and
/// not ignored.
pub(crate) fn files() -> Result<Vec<String>> {
    let output = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!("`git ls-files` failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut files: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .split_terminator('\0')
        // What has been deleted but not committed is still listed.
        .filter(|file| root().join(file).is_file())
        .map(String::from)
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}
