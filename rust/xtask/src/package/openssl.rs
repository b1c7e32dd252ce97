//! OpenSSL for the packages of Linux, out of the source that the crate `openssl-src` carries.
//!
//! The crate can build it too, and does so for everybody who runs `cargo build`. But it builds all of
//! OpenSSL, which alone would fill what a library may have; it puts its own folders and the hour into it,
//! so that no two builds are the same; and it would do it once for each kind of library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};

use super::hex;
use super::target::{GLIBC, ZIG, without_flags, zig};
use crate::process::succeed_quietly;
use crate::{stage, workspace};

/// How it is built, and what is left out: DTLS 1.2 does not have it, or no suite, key or certificate of
/// ours can use it. What old keys are encrypted with stays in (`des`, `scrypt`).
const OPTIONS: [&str; 58] = [
    "no-shared",
    "no-module",
    "no-dso",
    "no-engine",
    "no-legacy",
    "no-tests",
    "no-apps",
    "no-docs",
    // No file of the machine's decides anything, and nobody is asked on the console.
    "no-autoload-config",
    "no-ui-console",
    // Other protocols, and other things to do with certificates.
    "no-quic",
    "no-http",
    "no-ocsp",
    "no-cmp",
    "no-cms",
    "no-ct",
    "no-ts",
    "no-srp",
    "no-srtp",
    "no-nextprotoneg",
    "no-ssl3",
    "no-ssl3-method",
    "no-ssl-trace",
    "no-comp",
    "no-zlib",
    "no-rfc3779",
    "no-async",
    "no-thread-pool",
    "no-default-thread-pool",
    "no-multiblock",
    // Algorithms.
    "no-argon2",
    "no-aria",
    "no-bf",
    "no-blake2",
    "no-camellia",
    "no-cast",
    "no-dsa",
    "no-ec2m",
    "no-gost",
    "no-idea",
    "no-md2",
    "no-md4",
    "no-mdc2",
    "no-ml-dsa",
    "no-ml-kem",
    "no-ocb",
    "no-rc2",
    "no-rc4",
    "no-rc5",
    "no-rmd160",
    "no-seed",
    "no-siphash",
    "no-siv",
    "no-slh-dsa",
    "no-sm2",
    "no-sm3",
    "no-sm4",
    "no-whirlpool",
];

/// As the crate has it compiled, but for the tables by which an exception would pass through: none does,
/// since no callback of ours lets a panic out, and they are large.
const FLAGS: [&str; 7] = [
    "-O2",
    "-fPIC",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    "-fno-sanitize=undefined",
];

/// An OpenSSL that has been built.
pub(super) struct OpenSsl(PathBuf);

impl OpenSsl {
    /// Has openssl-sys link this one, and build none.
    pub(super) fn set(&self, command: &mut Command, triple: &str) {
        let prefix = triple.to_uppercase().replace('-', "_");
        command
            .env("OPENSSL_NO_VENDOR", "1")
            .env(format!("{prefix}_OPENSSL_DIR"), &self.0)
            .env(format!("{prefix}_OPENSSL_STATIC"), "1");
    }
}

/// Builds it, unless this very one has been built already.
pub(super) fn build(triple: &str) -> Result<OpenSsl> {
    let source = workspace::package("openssl-src")?;
    let recipe = format!("{} {ZIG:?} {GLIBC:?} {OPTIONS:?} {FLAGS:?}", source.version);
    // Another recipe is another folder: cargo sees a change of the path and not of what is there.
    let name = format!("{triple}-{}", &hex(recipe.as_bytes())[..8]);
    let dir = workspace::target_dir()?.join("openssl").join(name);
    let built = OpenSsl(dir.join("install/usr/local"));
    let mark = dir.join("complete");
    if mark.exists() {
        return Ok(built);
    }
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    let work = dir.join("source");
    copy(&source.folder.join("openssl"), &work)?;

    let architecture = triple.split('-').next().unwrap_or(triple);
    let run = |program: &str, args: &[String], what: &str| -> Result<()> {
        let mut command = Command::new(program);
        without_flags(&mut command);
        zig()?.lead_path_of(&mut command)?;
        command
            .current_dir(&work)
            .args(args)
            // No path and no hour of this machine's: all of it would be in the library.
            .env("CC", format!("zig cc -target {architecture}-linux-gnu.{}.{}", GLIBC.0, GLIBC.1))
            .env("AR", "zig ar")
            .env("RANLIB", "zig ranlib")
            .env("SOURCE_DATE_EPOCH", "0")
            .env_remove("CROSS_COMPILE")
            .env_remove("MAKEFLAGS");
        succeed_quietly(&mut command, &format!("{what} OpenSSL for {triple}"))?;
        Ok(())
    };
    let mut configure = vec!["./Configure".to_owned(), format!("linux-{architecture}")];
    configure.extend(["--prefix=/usr/local", "--libdir=lib"].map(String::from));
    configure.extend(OPTIONS.map(String::from));
    configure.extend(FLAGS.map(String::from));
    run("perl", &configure, "Configuring")?;
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    run("make", &[format!("-j{jobs}"), "build_libs".to_owned()], "Building")?;
    let destination = format!("DESTDIR={}", dir.join("install").display());
    run("make", &["install_dev".to_owned(), destination], "Installing")?;
    fs::remove_dir_all(&work)?;
    fs::write(&mark, "")?;
    Ok(built)
}

/// A copy that can be built in, and that has its files under short paths: messages have them.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for file in stage::files_below(from)? {
        let copy = to.join(file.strip_prefix(from)?);
        fs::create_dir_all(copy.parent().context("a file is in a directory")?)?;
        fs::copy(&file, &copy).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}
