//! Programs out of Python packages, each set in a virtual environment of its own in the cache.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::succeed_quietly;
use crate::{cache, debian};

/// Where such programs are.
pub(crate) struct Environment(PathBuf);

impl Environment {
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Lets a command find these programs before any others.
    pub(crate) fn lead_path_of(&self, command: &mut Command) -> Result<()> {
        let others = env::var_os("PATH").unwrap_or_default();
        let paths = [self.0.clone()].into_iter().chain(env::split_paths(&others));
        command.env("PATH", env::join_paths(paths).context("PATH cannot be put together")?);
        Ok(())
    }
}

/// The environment with these packages, installed on the first call. Packages are given with their
/// versions, as `name==1.2`.
pub(crate) fn environment(name: &str, packages: &[&str]) -> Result<Environment> {
    let versions: Vec<&str> =
        packages.iter().filter_map(|package| Some(package.split_once("==")?.1)).collect();
    let dir = cache::dir()?.join(format!("{name}-{}", versions.join("-")));
    cache::complete(&dir, || install(&dir, packages))?;
    Ok(Environment(dir.join(if cfg!(windows) { "Scripts" } else { "bin" })))
}

fn install(dir: &Path, packages: &[&str]) -> Result<()> {
    let names = packages.join(", ");
    let has_venv = || {
        let mut command = Command::new("python3");
        let import = command.args(["-c", "import ensurepip, venv"]).output();
        import.is_ok_and(|output| output.status.success())
    };
    if !has_venv() {
        debian::install(&["python3-venv"])
            .with_context(|| format!("{names} need Python with its module venv"))?;
    }
    let label = format!("Installing {names} (once)");
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(dir);
    succeed_quietly(&mut venv, &label)?;
    let mut pip = Command::new(dir.join("bin/pip"));
    pip.args(["install", "--quiet"]).args(packages);
    succeed_quietly(&mut pip, &label)?;
    Ok(())
}
