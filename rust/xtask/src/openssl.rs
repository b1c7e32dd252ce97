//! OpenSSL, out of the source that the crate `openssl-src` carries: one for development, tests and packages.
//!
//! openssl-sys would have an older version of that crate build it. That OpenSSL gets no more fixes; all of
//! it alone would fill what a library may have; and it has folders and the hour in it, so that no two builds
//! are the same. So it is built here, once for each compiler and target, and kept in the target folder.
//! `rust/openssl-src` tells openssl-sys where it is, also when cargo is called by hand.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::thread;

use anyhow::{Result, anyhow, bail, ensure};
use openssl_src::openssl_version;
use time::macros::date;
use time::{Date, UtcDateTime};

use crate::package::hex;
use crate::packages::Environment;
use crate::{cargo, packages, process, stage, workspace};

/// The branch that is linked, and the last day on which the OpenSSL project mends it (its release
/// strategy says when: https://openssl-library.org/policies/releasestrat/).
const BRANCH: &str = "4.0";
const SUPPORTED_UNTIL: Date = date!(2027 - 05 - 14);

/// How it is built, and what is left out: DTLS 1.2 does not have it, or no suite, key or certificate of ours can
/// use it. No file of the machine's decides anything, and nobody is asked on the console. What old keys are
/// encrypted with stays in (`des`, `scrypt`).
const OPTIONS: &str = "no-shared no-module no-dso no-engine no-legacy no-tests no-apps no-docs \
    no-autoload-config no-ui-console \
    no-quic no-http no-ocsp no-cmp no-cms no-ct no-ts no-srp no-srtp no-nextprotoneg no-ssl3 no-ssl3-method \
    no-ssl-trace no-comp no-zlib no-rfc3779 no-async no-thread-pool no-default-thread-pool no-multiblock \
    no-argon2 no-aria no-bf no-blake2 no-camellia no-cast no-dsa no-ec2m no-gost no-idea no-md2 no-md4 no-mdc2 \
    no-ml-dsa no-ml-kem no-ocb no-rc2 no-rc4 no-rc5 no-rmd160 no-seed no-siphash no-siv no-slh-dsa no-sm2 \
    no-sm3 no-sm4 no-whirlpool";

/// As the crate has it compiled, but for the tables by which an exception would pass through: none does,
/// since no callback of ours lets a panic out, and they are large.
const FLAGS: &str = "-O2 -fPIC -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
    -fno-unwind-tables";

/// What compiles it.
#[derive(Default)]
pub(crate) struct Compiler<'a> {
    /// A word for the folder: which of several builds for one target this is.
    pub(crate) name: &'a str,
    /// `CC`, with what it needs to be told of the target.
    pub(crate) cc: String,
    /// `AR` and `RANLIB`, if they are not the machine's.
    pub(crate) tools: Option<[&'a str; 2]>,
    /// What `FLAGS` does not have.
    pub(crate) flags: &'a str,
    /// Where the programs are, if not on PATH.
    pub(crate) path: Option<&'a Environment>,
    /// What else decides about the outcome, such as versions.
    pub(crate) recipe: String,
}

impl<'a> Compiler<'a> {
    /// One that is on PATH, for this machine.
    pub(crate) fn of_this_machine(name: &'a str, cc: &str) -> Self {
        Self { name, cc: cc.to_owned(), ..Self::default() }
    }
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
    println!("{}", support(openssl_version(), UtcDateTime::now().date(), supported)?);
    for_development()?;
    Ok(ExitCode::SUCCESS)
}

/// A sentence about the support of `version` on that day, or an error if it has to be supported and is not.
fn support(version: &str, today: Date, must: bool) -> Result<String> {
    ensure!(
        version.starts_with(&format!("{BRANCH}.")),
        "OpenSSL {version} is not of the branch {BRANCH}, whose end of support stands in openssl.rs"
    );
    let is_supported = today <= SUPPORTED_UNTIL;
    let gets = if is_supported { "gets fixes until" } else { "has had no fixes since" };
    let sentence = format!("OpenSSL {version}, which {gets} {SUPPORTED_UNTIL}");
    ensure!(is_supported || !must, "{sentence}: release nothing with it");
    Ok(sentence)
}

/// Has everything that cargo builds for this machine link an OpenSSL that is built with its compiler.
pub(crate) fn for_development() -> Result<()> {
    let triple = cargo::host()?;
    let cc = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built = build(&triple, &Compiler::of_this_machine("development", &cc))?;
    let pointer = folder()?.join(openssl_src::pointer(&triple));
    let content = format!("{}\n", built.0.display());
    // Cargo looks at the file's time, which stays if it is right.
    stage::write(&pointer, content.as_bytes())
}

fn folder() -> Result<PathBuf> {
    Ok(workspace::target_dir()?.join(openssl_src::FOLDER))
}

/// Builds it, unless this very one has been built already.
pub(crate) fn build(triple: &str, compiler: &Compiler<'_>) -> Result<OpenSsl> {
    let Compiler { name, cc, tools, flags, path, recipe } = compiler;
    let version = openssl_version();
    let recipe = format!("{version} {cc} {tools:?} {recipe} {OPTIONS} {FLAGS} {flags}");
    // Another recipe is another folder: cargo sees a change of the path and not of what is there.
    let dir = folder()?.join(format!("{triple}-{name}-{}", &hex(recipe.as_bytes())[..8]));
    let built = OpenSsl(dir.join("install/usr/local"));
    packages::complete(&dir, || {
        // A copy that can be built in, and that has its files under short paths: messages have them.
        let (source, work) = (openssl_src::source::source_dir(), dir.join("source"));
        let mut copy = Command::new("cp");
        process::succeed_quietly(copy.arg("-r").arg(source).arg(&work), "")?;
        let run = |program: &str, args: &str, what: &str| -> Result<()> {
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
                .args(args.split_whitespace())
                .env("CC", cc)
                // No path and no hour of this machine's: all of it would be in the library.
                .env("SOURCE_DATE_EPOCH", "0")
                .env_remove("CROSS_COMPILE")
                .env_remove("MAKEFLAGS");
            process::succeed_quietly(&mut command, &format!("{what} OpenSSL for {triple}"))?;
            Ok(())
        };
        let platform = platform(triple)?;
        let configure = format!(
            "./Configure {platform} --prefix=/usr/local --libdir=lib {OPTIONS} {FLAGS} {flags}"
        );
        run("perl", &configure, "Configuring")?;
        let jobs = thread::available_parallelism().map_or(1, usize::from);
        run("make", &format!("-j{jobs} build_libs"), "Building")?;
        run("make", "install_dev DESTDIR=../install", "Installing")?;
        fs::remove_dir_all(&work)?;
        Ok(())
    })?;
    Ok(built)
}

/// What OpenSSL calls a platform.
fn platform(triple: &str) -> Result<&'static str> {
    Ok(match triple {
        "x86_64-unknown-linux-gnu" | "x86_64-linux-android" => "linux-x86_64",
        "aarch64-unknown-linux-gnu" | "aarch64-linux-android" => "linux-aarch64",
        "x86_64-pc-windows-gnullvm" => "mingw64",
        "aarch64-pc-windows-gnullvm" => "mingwarm64",
        "x86_64-apple-darwin" => "darwin64-x86_64-cc",
        "aarch64-apple-darwin" => "darwin64-arm64-cc",
        _ => bail!("there is no recipe for OpenSSL on {triple} yet"),
    })
}

/// One that the crate itself builds, with its own choice of what is in it: for the platforms whose
/// compilers run on themselves only.
pub(crate) fn build_as_the_crate_does(triple: &str) -> Result<OpenSsl> {
    let dir = folder()?.join(format!("{triple}-{}", openssl_src::version()));
    packages::complete(&dir, || {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_past_its_date_is_not_released() {
        let after = SUPPORTED_UNTIL.next_day().expect("there is one");
        let is_good = |version, day, must| support(version, day, must).is_ok();
        assert!(is_good(openssl_version(), SUPPORTED_UNTIL, true));
        assert!(
            !is_good(openssl_version(), after, true) && is_good(openssl_version(), after, false)
        );
        assert!(!is_good("4.1.0", SUPPORTED_UNTIL, true), "its end is not known here");
    }

    #[test]
    fn security_md_says_the_same() {
        let text = fs::read_to_string(workspace::root().join("SECURITY.md")).expect("a document");
        let (year, month, day) = SUPPORTED_UNTIL.to_calendar_date();
        let sentence =
            format!("OpenSSL {BRANCH} is linked in, which gets fixes until {day} {month} {year}");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&sentence), "SECURITY.md does not say: {sentence}");
    }
}
