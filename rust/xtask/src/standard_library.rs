//! Rust's standard library for a platform that this machine builds for but does not have: rustup's, or else one
//! that is built from its source, a package of Debian's, by the compiler in use.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::succeed_quietly;
use crate::{cargo, engine, packages, process, stage};

/// Where Debian has the source of each recent version.
const SUITE: &str = "trixie-backports";

/// How long rustup may try. What it adds takes some seconds; a machine that may not reach it can be left waiting.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// Lets a command of cargo's compile for `triple`.
pub(crate) fn let_compile(command: &mut Command, triple: &str) -> Result<()> {
    let said = cargo::rustc(&["--version"])?;
    let version = said.split(' ').nth(1).context("rustc tells no version")?;
    let name = format!("rust-{version}-{triple}");
    if is_there(triple) || !packages::is_cached(&name) && is_added(triple) {
        return Ok(());
    }
    let sysroot = packages::cached(&name, |dir| {
        build(dir, triple, version).with_context(|| {
            format!("rustc has no standard library for {triple}; `rustup target add {triple}`")
        })
    })?;
    command.env("RUSTC", sysroot.join("rustc"));
    Ok(())
}

fn is_there(triple: &str) -> bool {
    let folder = cargo::rustc(&["--print", "target-libdir", "--target", triple]);
    folder.is_ok_and(|folder| Path::new(&folder).is_dir())
}

fn is_added(triple: &str) -> bool {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", triple]);
    let label = format!("Adding Rust's target {triple} (once)");
    process::run(&mut rustup, &label, Some(RUSTUP_LIMIT)).is_ok_and(|it| it.success())
        && is_there(triple)
}

/// Builds it, beside that of this machine, and the script `rustc` that compiles with both.
fn build(dir: &Path, triple: &str, version: &str) -> Result<()> {
    let sources = packages::cached(&format!("rust-src-{version}"), |dir| {
        packages::unpack(dir, SUITE, &["amd64"], &[], &[&format!("rust-src={version}*")])
    })?;
    let work = tempfile::tempdir_in(dir)?;
    let library = work.path().join("library");
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(sources.join(format!("usr/src/rustc-{version}/library"))).arg(&library);
    succeed_quietly(&mut copy, "")?;
    // Nobody loads it as a library of its own, for which it would be linked, too.
    let manifest = library.join("std/Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    let linked = r#"crate-type = ["dylib", "rlib"]"#;
    ensure!(text.contains(linked), "Rust {version} has another standard library");
    fs::write(&manifest, text.replace(linked, r#"crate-type = ["rlib"]"#))?;

    let mut command = cargo::command();
    cargo::without_compiler_flags(&mut command);
    // As rustup's.
    let mut flags =
        vec!["-Cembed-bitcode=yes".to_owned(), "-Zforce-unstable-if-unmarked".to_owned()];
    flags.extend(cargo::remapped(&[(&library, "/rust")])?);
    command
        .current_dir(library.join("sysroot"))
        .args(["build", "--locked", "--release", "--target", triple])
        .arg("--target-dir")
        .arg(work.path().join("target"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    succeed_quietly(&mut command, &format!("Building Rust's library for {triple} (once)"))?;

    let [host, sysroot] = [cargo::host()?, cargo::rustc(&["--print", "sysroot"])?];
    let libraries = dir.join("lib/rustlib");
    let of_triple = libraries.join(triple).join("lib");
    fs::create_dir_all(&of_triple)?;
    for file in stage::files_below(&work.path().join("target").join(triple).join("release/deps"))? {
        if file.extension().is_some_and(|it| it == "rlib") {
            fs::copy(&file, of_triple.join(file.file_name().unwrap_or_default()))?;
        }
    }
    engine::link(&Path::new(&sysroot).join("lib/rustlib").join(&host), &libraries.join(&host))?;
    let compiler = format!("'{sysroot}/bin/rustc' --sysroot '{}'", dir.display());
    stage::write_script(&dir.join("rustc"), &compiler)
}
