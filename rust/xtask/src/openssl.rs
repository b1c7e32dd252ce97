//! OpenSSL, out of the source that the crate `openssl-src` carries: one for development, tests and packages.
//!
//! openssl-sys would have an older version of that crate build it. That OpenSSL gets no more fixes; all of
//! it alone would fill what a library may have; and it has folders and the hour in it, so that no two builds
//! are the same. So it is built here, once for each compiler and target, and kept in the target folder.
//! `rust/openssl-src` tells openssl-sys where it is, also when cargo is called by hand.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, bail, ensure};
use openssl_src::openssl_version;
use time::{Date, Month, OffsetDateTime};

use crate::package::hex;
use crate::python::Environment;
use crate::{cache, cargo, process, stage, workspace};

/// The branch that is linked, and the last day on which the OpenSSL project mends it (its release
/// strategy says when: https://openssl-library.org/policies/releasestrat/).
const BRANCH: &str = "4.0";
const SUPPORTED_UNTIL: (i32, Month, u8) = (2027, Month::May, 14);

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
const FLAGS: [&str; 6] = [
    "-O2",
    "-fPIC",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
];

/// What compiles it.
pub(crate) struct Compiler<'a> {
    /// A word for the folder: which of several builds for one target this is.
    pub(crate) name: &'a str,
    /// `CC`, with what it needs to be told of the target.
    pub(crate) cc: String,
    /// `AR` and `RANLIB`, if they are not the machine's.
    pub(crate) tools: Option<[&'a str; 2]>,
    /// What `FLAGS` does not have.
    pub(crate) flags: Vec<String>,
    /// Where the programs are, if not on PATH.
    pub(crate) path: Option<&'a Environment>,
    /// What else decides about the outcome, such as versions.
    pub(crate) recipe: String,
}

/// An OpenSSL that has been built.
pub(crate) struct OpenSsl(PathBuf);

impl OpenSsl {
    /// Has openssl-sys link this one, whatever else there is.
    pub(crate) fn set(&self, command: &mut Command, triple: &str) {
        let prefix = triple.to_uppercase().replace('-', "_");
        command
            .env("OPENSSL_NO_VENDOR", "1")
            .env(format!("{prefix}_OPENSSL_DIR"), &self.0)
            .env(format!("{prefix}_OPENSSL_STATIC"), "1");
    }
}

/// `cargo xtask openssl`: builds the one for development, and says which it is. With `supported`, fails
/// once its branch gets no more fixes.
pub(crate) fn run(supported: bool) -> Result<ExitCode> {
    let today = OffsetDateTime::from(SystemTime::now()).date();
    println!("{}", support(openssl_version(), today, supported)?);
    for_development()?;
    Ok(ExitCode::SUCCESS)
}

/// A sentence about the support of `version` on that day, or an error if it has to be supported and is not.
fn support(version: &str, today: Date, must: bool) -> Result<String> {
    let (year, month, day) = SUPPORTED_UNTIL;
    let until = Date::from_calendar_date(year, month, day)?;
    ensure!(
        version.starts_with(&format!("{BRANCH}.")),
        "OpenSSL {version} is not of the branch {BRANCH}, whose end of support stands in openssl.rs"
    );
    if today <= until {
        return Ok(format!("OpenSSL {version}, which gets fixes until {until}"));
    }
    if must {
        bail!("OpenSSL {BRANCH} has had no fixes since {until}: release nothing with it");
    }
    Ok(format!("OpenSSL {version}, which has had no fixes since {until}"))
}

/// Has everything that cargo builds for this machine link an OpenSSL that is built with its compiler.
pub(crate) fn for_development() -> Result<()> {
    let triple = cargo::host()?;
    let cc = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built = build(&triple, &Compiler::of_this_machine("development", &cc))?;
    let pointer = folder()?.join(openssl_src::pointer(&triple));
    let content = format!("{}\n", built.0.display());
    // Cargo looks at the file's time.
    if !fs::read_to_string(&pointer).is_ok_and(|present| present == content) {
        fs::write(&pointer, content)
            .with_context(|| format!("cannot write {}", pointer.display()))?;
    }
    Ok(())
}

fn folder() -> Result<PathBuf> {
    let dir = workspace::target_dir()?.join(openssl_src::FOLDER);
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}

impl Compiler<'_> {
    /// One that is on PATH, for this machine.
    pub(crate) fn of_this_machine<'a>(name: &'a str, cc: &str) -> Compiler<'a> {
        Compiler {
            name,
            cc: cc.to_owned(),
            tools: None,
            flags: Vec::new(),
            path: None,
            recipe: String::new(),
        }
    }
}

/// Builds it, unless this very one has been built already.
pub(crate) fn build(triple: &str, compiler: &Compiler<'_>) -> Result<OpenSsl> {
    let Compiler { name, cc, tools, flags, path, recipe } = compiler;
    let version = openssl_version();
    let recipe = format!("{version} {cc} {tools:?} {recipe} {OPTIONS:?} {FLAGS:?} {flags:?}");
    // Another recipe is another folder: cargo sees a change of the path and not of what is there.
    let dir = folder()?.join(format!("{triple}-{name}-{}", &hex(recipe.as_bytes())[..8]));
    let built = OpenSsl(dir.join("install/usr/local"));
    cache::complete(&dir, || {
        let work = dir.join("source");
        copy(&openssl_src::source::source_dir(), &work)?;
        let run = |program: &str, args: &[String], what: &str| -> Result<()> {
            let mut command = Command::new(program);
            cargo::without_compiler_flags(&mut command);
            if let Some(path) = path {
                path.lead_path_of(&mut command)?;
            }
            if let Some([ar, ranlib]) = tools {
                command.env("AR", ar).env("RANLIB", ranlib);
            }
            command
                .current_dir(&work)
                .args(args)
                .env("CC", cc)
                // No path and no hour of this machine's: all of it would be in the library.
                .env("SOURCE_DATE_EPOCH", "0")
                .env_remove("CROSS_COMPILE")
                .env_remove("MAKEFLAGS");
            process::succeed_quietly(&mut command, &format!("{what} OpenSSL for {triple}"))?;
            Ok(())
        };
        let mut configure = vec!["./Configure".to_owned(), system(triple)?];
        configure.extend(["--prefix=/usr/local", "--libdir=lib"].map(String::from));
        configure.extend(OPTIONS.map(String::from));
        configure.extend(FLAGS.map(String::from));
        configure.extend(flags.iter().cloned());
        run("perl", &configure, "Configuring")?;
        let jobs = thread::available_parallelism().map_or(1, usize::from);
        run("make", &[format!("-j{jobs}"), "build_libs".to_owned()], "Building")?;
        let destination = format!("DESTDIR={}", dir.join("install").display());
        run("make", &["install_dev".to_owned(), destination], "Installing")?;
        fs::remove_dir_all(&work)?;
        Ok(())
    })?;
    Ok(built)
}

/// What OpenSSL's own configuration calls a target.
fn system(triple: &str) -> Result<String> {
    let architecture = triple.split('-').next().unwrap_or(triple);
    ensure!(triple.contains("-linux-gnu"), "there is no recipe for OpenSSL on {triple} yet");
    Ok(format!("linux-{architecture}"))
}

/// One that the crate itself builds, with its own choice of what is in it: for the platforms whose
/// compilers run on themselves only.
pub(crate) fn build_as_the_crate_does(triple: &str) -> Result<OpenSsl> {
    let dir = folder()?.join(format!("{triple}-{}", openssl_src::version()));
    cache::complete(&dir, || {
        println!("Building OpenSSL for {triple}");
        openssl_src::source::Build::new()
            .out_dir(&dir)
            .target(triple)
            .host(&cargo::host()?)
            .try_build()
            .map(drop)
            .map_err(|error| anyhow!("OpenSSL cannot be built: {error}"))
    })?;
    Ok(OpenSsl(dir.join("install")))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: Month, day: u8) -> Date {
        Date::from_calendar_date(year, month, day).expect("a day of the calendar")
    }

    #[test]
    fn a_branch_past_its_date_is_not_released() {
        let last = day(2027, Month::May, 14);
        let said = support("4.0.3", last, true).expect("it is supported on its last day");
        assert_eq!(said, "OpenSSL 4.0.3, which gets fixes until 2027-05-14");
        let after = last.next_day().expect("there is one");
        support("4.0.3", after, true).expect_err("it is over");
        let said = support("4.0.3", after, false).expect("that is for a developer to know");
        assert!(said.contains("no fixes since 2027-05-14"), "{said}");
    }

    #[test]
    fn the_date_is_that_of_the_branch_that_is_linked() {
        let today = day(2026, Month::December, 1);
        support(openssl_version(), today, true)
            .expect("the lock file has a version of that branch");
        support("4.1.0", today, true).expect_err("its end is not known here");
    }

    #[test]
    fn security_md_says_the_same() {
        let text = fs::read_to_string(workspace::root().join("SECURITY.md")).expect("a document");
        let (year, month, day) = SUPPORTED_UNTIL;
        let sentence =
            format!("OpenSSL {BRANCH} is linked in, which gets fixes until {day} {month} {year}");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&sentence), "SECURITY.md does not say: {sentence}");
    }
}
