//! Cargo, run from within `cargo run`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::{on_path, succeed_quietly};
use crate::{cache, openssl, workspace};

/// A call of cargo at the root of the repository.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace::root());
    without_run_variables(&mut command);
    command
}

/// A call of cargo that builds what links OpenSSL, which is built before if it is not there yet.
pub(crate) fn with_openssl() -> Result<Command> {
    openssl::for_development()?;
    Ok(command())
}

/// The platform that this machine builds for.
pub(crate) fn host() -> Result<String> {
    rustc(&["--print", "host-tuple"])
}

/// What the compiler says of itself.
pub(crate) fn rustc(args: &[&str]) -> Result<String> {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    without_run_variables(&mut command);
    let output = command.current_dir(workspace::root()).args(args).output();
    let output = output.context("rustc cannot be run")?;
    ensure!(output.status.success(), "rustc does not answer to {args:?}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A program that cargo installs: the one on PATH, or else one in the cache, built on the first call.
pub(crate) fn tool(name: &str, version: &str, features: &[&str]) -> Result<PathBuf> {
    if on_path(name) {
        return Ok(name.into());
    }
    let dir = cache::dir()?.join(format!("{name}-{version}"));
    cache::complete(&dir, || {
        let label = format!("Building {name} {version} (some minutes, once)");
        let mut command = command();
        command
            .args(["install", "--locked", name, "--version", version])
            .args(["--features", &features.join(",")])
            .arg("--root")
            .arg(&dir)
            // Not into our target directory, and not with our settings.
            .current_dir(dir.parent().context("the cache has a parent")?)
            .env_remove("CARGO_TARGET_DIR");
        succeed_quietly(&mut command, &label)?;
        Ok(())
    })?;
    Ok(dir.join("bin").join(name))
}

/// Takes out of a command's environment what `cargo run` put into ours. Build scripts that watch
/// such variables would run again, and compile OpenSSL again, whenever cargo is called by us
/// after it was called by hand, or the other way round.
pub(crate) fn without_run_variables(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if is_run_variable(name) {
            command.env_remove(name);
        }
    }
    let Some(paths) = env::var_os("LD_LIBRARY_PATH") else {
        return;
    };
    // Cargo appends what was there before to its own directories, all of which are either below
    // the directory of the running binary or in the toolchain.
    let own: Vec<PathBuf> = [
        env::current_exe().ok().and_then(|path| path.parent().map(PathBuf::from)),
        env::var_os("RUSTUP_HOME").map(PathBuf::from),
        env::home_dir().map(|home| home.join(".rustup")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let kept: Vec<PathBuf> = env::split_paths(&paths)
        .filter(|path| !own.iter().any(|own| path.starts_with(own)))
        .collect();
    match env::join_paths(&kept) {
        Ok(joined) if !kept.is_empty() => command.env("LD_LIBRARY_PATH", joined),
        _ => command.env_remove("LD_LIBRARY_PATH"),
    };
}

fn is_run_variable(name: &str) -> bool {
    name == "CARGO"
        || name == "CARGO_BIN_NAME"
        || name == "CARGO_CRATE_NAME"
        || name == "CARGO_PRIMARY_PACKAGE"
        || name == "OUT_DIR"
        || name.starts_with("CARGO_MANIFEST_")
        || name.starts_with("CARGO_PKG_")
}

/// Takes out of a command's environment what the developer compiles other things with.
pub(crate) fn without_compiler_flags(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(decides_how_it_is_compiled) {
            command.env_remove(&name);
        }
    }
}

/// Whether a variable of the developer's environment would change what is built. Those that say where a
/// compiler is have to stay.
fn decides_how_it_is_compiled(name: &str) -> bool {
    const PARTS: [&str; 4] = ["CFLAGS", "CPPFLAGS", "CXXFLAGS", "LDFLAGS"];
    PARTS.iter().any(|part| name.contains(part))
        || name.starts_with("CARGO_PROFILE_")
        || name.starts_with("OPENSSL_")
        || name == "RUSTC_WRAPPER"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_developer_stay() {
        for name in ["CARGO_TARGET_DIR", "CARGO_HOME", "CARGO_TERM_COLOR", "PATH"] {
            assert!(!is_run_variable(name), "{name}");
        }
    }

    #[test]
    fn what_cargo_run_adds_goes() {
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_VERSION", "CARGO_BIN_NAME"] {
            assert!(is_run_variable(name), "{name}");
        }
    }

    #[test]
    fn flags_of_the_developer_go_and_compilers_stay() {
        for name in ["CFLAGS", "TARGET_CFLAGS", "CFLAGS_x86_64_unknown_linux_gnu", "RUSTC_WRAPPER"]
        {
            assert!(decides_how_it_is_compiled(name), "{name}");
        }
        for name in ["PATH", "CARGO_HOME", "ANDROID_NDK_HOME", "CC_aarch64_linux_android"] {
            assert!(!decides_how_it_is_compiled(name), "{name}");
        }
    }
}
