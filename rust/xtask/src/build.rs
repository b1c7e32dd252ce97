//! `cargo xtask build`: the addon, built and staged into this repository's project.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{cargo, stage, workspace};

/// What to build.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Build with optimisation
    #[arg(long)]
    pub(crate) release: bool,
    /// Features of dtls-godot
    #[arg(long, value_delimiter = ',', value_name = "FEATURES")]
    pub(crate) features: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    build_and_stage(options)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the addon and stages it into `godot_project/`.
pub(crate) fn build_and_stage(options: &Options) -> Result<()> {
    let library = library(options)?;
    stage::stage(&workspace::godot_project(), &library, options.release)
}

/// Builds the library; returns its path.
pub(crate) fn library(options: &Options) -> Result<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("the addon can be staged on Linux on x86_64 only, so far");
    }
    let mut command = cargo::with_openssl()?;
    command.args(["build", "--package", "dtls-godot"]);
    if options.release {
        command.arg("--release");
    }
    if !options.features.is_empty() {
        command.arg("--features").arg(options.features.join(","));
    }
    let status = command.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the addon could not be built; cargo says why above");
    }
    built(if options.release { "release" } else { "debug" }, "libdtls_godot.so")
}

/// Builds the program `netsim`, for the tests inside the engine; returns its path.
pub(crate) fn netsim() -> Result<PathBuf> {
    let mut command = cargo::with_openssl()?;
    let status = command.args(["build", "--quiet", "--package", "netsim", "--bins"]).status();
    if !status.context("cannot run cargo")?.success() {
        bail!("netsim could not be built; cargo says why above");
    }
    built("debug", "netsim")
}

/// The path of a file that cargo has built.
fn built(profile: &str, name: &str) -> Result<PathBuf> {
    let file = workspace::target_dir()?.join(profile).join(name);
    if !file.is_file() {
        bail!("cargo has built no {}", file.display());
    }
    Ok(file)
}
