//! Where things are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};
use tempfile::TempDir;

use crate::process::succeed_quietly;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("rust/xtask is two levels below the root")
}

/// The Godot project with demo, tests and benches.
pub(crate) fn godot_project() -> PathBuf {
    root().join("godot_project")
}

/// Cargo's target directory, wherever the environment or a configuration file puts it.
pub(crate) fn target_dir() -> Result<&'static Path> {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    if METADATA.get().is_none() {
        // Another thread sets the same.
        let _ = METADATA.set(metadata("--no-deps")?);
    }
    Ok(METADATA.get().context("it has just been set")?.target_directory.as_std_path())
}

/// A folder below the target directory, for as long as this value.
pub(crate) fn temporary(name: &str) -> Result<TempDir> {
    let all = target_dir()?.join(name);
    fs::create_dir_all(&all).with_context(|| format!("cannot create {}", all.display()))?;
    Ok(tempfile::tempdir_in(&all)?)
}

/// Where the source of a package is that is in use, by its name.
pub(crate) fn package(name: &str) -> Result<PathBuf> {
    let metadata = metadata("--locked")?;
    let package = metadata.packages.iter().find(|package| package.name == name);
    let manifest = package.with_context(|| format!("no package {name} is in use"))?;
    Ok(manifest.manifest_path.parent().context("a manifest is in a folder")?.into())
}

fn metadata(option: &str) -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    Ok(command.current_dir(root()).other_options([option.to_owned()]).exec()?)
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

pub(crate) fn git(args: &[&str]) -> Result<String> {
    let finished = succeed_quietly(Command::new("git").current_dir(root()).args(args), "")?;
    Ok(finished.text().to_owned())
}

/// Files with their paths, below some folder.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The repository's files by their paths below its root: what is committed, and what is new and
/// not ignored.
pub(crate) fn files() -> Result<Vec<String>> {
    let output = git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    let files = output.split_terminator('\0').map(String::from);
    // What has been deleted but not committed is still listed.
    Ok(files.filter(|file| root().join(file).is_file()).collect())
}

/// Those whose paths begin with `start`, by the rest of their paths.
pub(crate) fn read(start: &str) -> Result<Files> {
    let files = files()?;
    let rests = files.iter().filter_map(|file| file.strip_prefix(start));
    let read = |rest: &str| Ok((rest.into(), fs::read(root().join(format!("{start}{rest}")))?));
    rests.map(read).collect()
}
