//! `cargo xtask build`: the addon, built and staged into this repository's project.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use crate::{cargo, stage, workspace};

/// All that the workspace has, since cargo decides by it which features other crates have: with the addon alone,
/// most of what a test has built already would be built once more.
pub(crate) const LIBRARIES: [&str; 2] = ["--workspace", "--lib"];
pub(crate) const LIBRARY: &str = "libdtls_godot.so";

pub(crate) fn run(release: bool) -> Result<ExitCode> {
    build_and_stage(release)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the addon and stages it into `godot_project/`.
pub(crate) fn build_and_stage(release: bool) -> Result<()> {
    stage::stage(&workspace::godot_project(), &library(release)?, release)
}

/// Builds the library; returns its path.
pub(crate) fn library(release: bool) -> Result<PathBuf> {
    library_with(release, "")
}

/// Builds the library with features, which have commas in between.
pub(crate) fn library_with(release: bool, features: &str) -> Result<PathBuf> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "the addon can be staged on Linux on x86_64 only, so far"
    );
    let (args, profile) = if release {
        (["--package=dtls-godot", "--release"], "release")
    } else {
        (LIBRARIES, "debug")
    };
    built(&[&args[..], &["--features", features]].concat(), profile, LIBRARY)
}

/// Where `netsim` is, if it has been built.
pub(crate) static NETSIM: OnceLock<PathBuf> = OnceLock::new();

/// Builds the program `netsim`, for the tests inside the engine, unless it has been; returns its path.
pub(crate) fn netsim() -> Result<PathBuf> {
    let build = || built(&["--quiet", "--package", "netsim", "--bins"], "debug", "netsim");
    NETSIM.get().cloned().map_or_else(build, Ok)
}

/// Has cargo build; returns a file that it has built.
pub(crate) fn built(args: &[&str], profile: &str, name: &str) -> Result<PathBuf> {
    let status = cargo::with_openssl()?.arg("build").args(args).status();
    let status = status.context("cargo cannot be run")?;
    let file = workspace::target_dir()?.join(profile).join(name);
    ensure!(status.success() && file.is_file(), "{name} could not be built; cargo says why above");
    Ok(file)
}
