//! Cargo, run from within `cargo run`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::succeed_quietly;
use crate::{openssl, workspace};

/// A call of cargo at the root of the repository.
pub(crate) fn command() -> Command {
    called("CARGO", "cargo")
}

fn called(variable: &str, name: &str) -> Command {
    let mut command = Command::new(env::var_os(variable).unwrap_or_else(|| name.into()));
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
    let said = succeed_quietly(called("RUSTC", "rustc").args(args), "")?;
    Ok(said.text().to_owned())
}

/// Flags for rustc that give folders other names in the messages within a library, so that it has the same bytes
/// wherever it is built. Those of crates are among them.
pub(crate) fn remapped(folders: &[(&Path, &str)]) -> Result<Vec<String>> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .context("there is neither CARGO_HOME nor a home directory")?;
    // Below `src` is a folder whose name depends on where packages come from.
    let sources = home.join("registry/src");
    let registries = fs::read_dir(&sources)
        .with_context(|| format!("cannot read {}; `cargo fetch` makes it", sources.display()))?;
    let registries = registries.flatten().map(|it| (it.path(), "/crates"));
    let folders = folders.iter().map(|(folder, name)| (folder.to_path_buf(), *name));
    let mut folders: Vec<_> = registries.chain(folders).collect();
    // The last that fits is taken, so the longer ones come later.
    folders.sort();
    let flag = |(folder, name): (PathBuf, &str)| {
        format!("--remap-path-prefix={}={name}", folder.display())
    };
    Ok(folders.into_iter().map(flag).collect())
}

/// Takes out of a command's environment what `cargo run` put into ours. Build scripts that watch
/// such variables would run again, and compile OpenSSL again, whenever cargo is called by us
/// after it was called by hand, or the other way round.
pub(crate) fn without_run_variables(command: &mut Command) {
    remove(command, |name| {
        ["CARGO", "CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"]
            .contains(&name)
            || name.starts_with("CARGO_MANIFEST_")
            || name.starts_with("CARGO_PKG_")
    });
    // Cargo puts its own folders into it.
    command.env_remove("LD_LIBRARY_PATH");
}

/// Takes out of a command's environment what the developer compiles other things with. Where compilers are
/// has to stay.
pub(crate) fn without_compiler_flags(command: &mut Command) {
    remove(command, |name| {
        ["CFLAGS", "CPPFLAGS", "CXXFLAGS", "LDFLAGS"].iter().any(|part| name.contains(part))
            || name.starts_with("CARGO_PROFILE_")
            || name.starts_with("OPENSSL_")
            || name == "RUSTC_WRAPPER"
    });
}

fn remove(command: &mut Command, what: impl Fn(&str) -> bool) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(&what) {
            command.env_remove(&name);
        }
    }
}
