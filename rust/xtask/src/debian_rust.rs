//! Debian's Rust compiler with a standard library for Linux on arm64, for a machine whose own Rust has
//! none and where rustup cannot fetch one.
//!
//! [`crate::engine_package`] fetches it into the cache: the compiler, which runs here, with the
//! standard library for build scripts and macros, which run here too; and the standard library for
//! arm64. Cargo and the linker stay the machine's own, so the compiler is fetched without the C
//! compiler that its package asks for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::engine_package::{LIBRARIES, PrivateApt, unpack, work_dir, write_script};
use crate::{cache, cargo, debian, process};

/// Counts up when what is fetched changes, so that an older one is not taken for it.
const RECIPE: u32 = 1;
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];
/// Brings the compiler's libraries along.
const LIBRARY: &str = "libstd-rust-dev";
const COMPILER: [&str; 2] = ["rustc", "libstd-rust-dev:arm64"];

const TRIPLE: &str = "aarch64-unknown-linux-gnu";

/// Lets a command of cargo's compile for arm64: with the machine's own compiler if that can, or else
/// with Debian's, which is downloaded on the first call.
pub(crate) fn let_compile_for_arm64(command: &mut Command) -> Result<()> {
    let own = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    if has_standard_library(Path::new(&own)) {
        return Ok(());
    }
    if !debian::can_run_packages() {
        bail!("please run `rustup target add {TRIPLE}`, then this again");
    }
    command.env("RUSTC", install()?);
    Ok(())
}

fn has_standard_library(rustc: &Path) -> bool {
    let mut command = Command::new(rustc);
    cargo::without_run_variables(&mut command);
    command.args(["--print", "target-libdir", "--target", TRIPLE]);
    let output = command.output().ok().filter(|output| output.status.success());
    output.is_some_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// Returns the compiler.
fn install() -> Result<PathBuf> {
    let prefix = cache::dir()?.join(format!("rust-arm64-{RECIPE}"));
    let rustc = prefix.join("rustc");
    cache::complete(&prefix, || {
        fetch(&prefix).context("a compiler for arm64 cannot be had from Debian's packages")?;
        if !has_standard_library(&rustc) {
            bail!("the compiler that was unpacked into {} does not run", prefix.display());
        }
        let mut version = Command::new(&rustc);
        let version = process::succeed_quietly(version.arg("--version"), "Asking the compiler")?;
        eprintln!("{} is in {}", version.stdout().trim_end(), prefix.display());
        Ok(())
    })?;
    Ok(rustc)
}

fn fetch(prefix: &Path) -> Result<()> {
    let work = work_dir(prefix)?;
    let apt = PrivateApt::new(work.path(), &ARCHITECTURES)?;
    let what = "Downloading Debian's Rust compiler for arm64 (about 140 MB, once)";
    apt.download(&[LIBRARY], what)?;
    let archives = apt.download_alone(&COMPILER, what)?;
    let unpacked = work.path().join("prefix");
    unpack(&archives, &unpacked)?;
    // Its libraries have run paths of their own, so patching the program would not be enough.
    let libraries = prefix.join(LIBRARIES).display().to_string();
    let program = prefix.join("usr/bin/rustc").display().to_string();
    let command =
        format!("'{libraries}/ld-linux-x86-64.so.2' --library-path '{libraries}' '{program}'");
    write_script(&unpacked.join("rustc"), &command)?;
    fs::rename(&unpacked, prefix)
        .with_context(|| format!("cannot move the compiler to {}", prefix.display()))
}
