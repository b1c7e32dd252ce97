//! The Godot engine: which one is in use, and how to run it.
//!
//! In this order: the one that `GODOT` in the environment names; `godot4` or `godot` on PATH, if
//! it is new enough; on Debian, a package that [`crate::engine_package`] unpacks into the cache.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::display::Display;
use crate::engine_package::Prefix;
use crate::process::{self, Shown};
use crate::{cargo, debian, engine_package, workspace};

/// The oldest engine that the addon supports, as `compatibility_minimum` in the manifest.
const OLDEST: Version = Version { major: 4, minor: 3 };

/// Where fontconfig looks for its configuration.
const FONTCONFIG: &str = "/etc/fonts/fonts.conf";

/// `cargo xtask godot`
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let engine = Engine::find()?;
    if args.is_empty() {
        println!("{}", engine.program.display());
        return Ok(ExitCode::SUCCESS);
    }
    let mut command = engine.command();
    command.args(args);
    let status = command.status().with_context(|| format!("cannot run {}", Shown(&command)))?;
    if status.code().is_none() {
        bail!("the engine {}", process::describe(status));
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// An engine that has been found to run.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    program: PathBuf,
    /// What the engine came with, if it is ours.
    package: Option<Prefix>,
}

impl Engine {
    /// The engine in use, installed if that is needed and possible.
    pub(crate) fn find() -> Result<Self> {
        if let Some(program) = env::var_os("GODOT").filter(|value| !value.is_empty()) {
            // A path is meant relative to where we were called; a bare name is looked up on PATH.
            let mut program = PathBuf::from(program);
            if program.components().count() > 1 {
                program = std::path::absolute(&program).context("GODOT is no path")?;
            }
            let version = Version::of(&program).context("the engine in GODOT cannot be used")?;
            if version < OLDEST {
                bail!("GODOT names Godot {version}; the addon needs {OLDEST} or later");
            }
            return Ok(Self { program, package: None });
        }
        let mut too_old = String::new();
        for name in ["godot4", "godot"] {
            if !process::on_path(name) {
                continue;
            }
            match Version::of(Path::new(name)) {
                Ok(version) if version >= OLDEST => {
                    return Ok(Self { program: name.into(), package: None });
                }
                Ok(version) => too_old += &format!(" (`{name}` on PATH is {version})"),
                Err(error) => too_old += &format!(" ({error:#})"),
            }
        }
        if debian::can_run_packages() {
            let package = engine_package::install()?;
            return Ok(Self { program: package.program(), package: Some(package) });
        }
        bail!(
            "there is no Godot {OLDEST} or later on this machine{too_old}. Download the standard \
             build from godotengine.org/download, unpack it, and set the environment variable \
             GODOT to the path of the program"
        );
    }

    /// One that is known to run.
    pub(crate) fn at(program: PathBuf) -> Self {
        Self { program, package: None }
    }

    /// What to run: a path, or a name on PATH.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// A call of the engine in the developer's own environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        cargo::without_run_variables(&mut command);
        // The engine complains on its error output where fontconfig has no configuration.
        if let Some(package) = &self.package
            && !Path::new(FONTCONFIG).exists()
        {
            command.env("FONTCONFIG_PATH", package.fonts());
        }
        command
    }

    /// A call of the engine, headless. What it writes for its user (logs, settings, caches) goes to
    /// `target/engine-home/<name>`, not to the developer's home.
    pub(crate) fn headless(&self, name: &str) -> Result<Command> {
        let mut command = self.in_own_home(name)?;
        command.arg("--headless");
        Ok(command)
    }

    /// A call of the engine with a window on a display of ours, without sound; its home as in
    /// [`Self::headless`].
    pub(crate) fn windowed(&self, name: &str, display: &Display) -> Result<Command> {
        let mut command = self.in_own_home(name)?;
        if let Some(package) = &self.package {
            package.install_window()?;
            command.env("__GLX_VENDOR_LIBRARY_NAME", "mesa");
        }
        command.env("DISPLAY", display.name());
        command.args(["--display-driver", "x11", "--rendering-driver", "opengl3"]);
        command.args(["--audio-driver", "Dummy"]);
        Ok(command)
    }

    /// Where the export templates for this engine are, `godot-template-release` and
    /// `godot-template-debug`, if they are ours. Another engine has its own, or says so.
    pub(crate) fn templates(&self) -> Result<Option<PathBuf>> {
        self.package.as_ref().map(Prefix::install_templates).transpose()
    }

    fn in_own_home(&self, name: &str) -> Result<Command> {
        let home = workspace::target_dir()?.join("engine-home").join(name);
        let mut command = self.command();
        for (variable, folder) in
            [("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config"), ("XDG_CACHE_HOME", "cache")]
        {
            let dir = home.join(folder);
            fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
            command.env(variable, dir);
        }
        Ok(command)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    fn of(program: &Path) -> Result<Self> {
        let text = version_text(program)?;
        Self::parse(&text)
            .with_context(|| format!("`{} --version` printed {text:?}", program.display()))
    }

    /// The last line that begins with a version: drivers may print lines of their own before it.
    fn parse(text: &str) -> Option<Self> {
        text.lines().rev().find_map(|line| {
            let mut numbers = line.trim().split('.').map(str::parse);
            match (numbers.next(), numbers.next()) {
                (Some(Ok(major)), Some(Ok(minor))) => Some(Self { major, minor }),
                _ => None,
            }
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What `--headless --version` prints; an error if the engine does not run.
pub(crate) fn version_text(program: &Path) -> Result<String> {
    let mut command = Command::new(program);
    cargo::without_run_variables(&mut command);
    command.args(["--headless", "--version"]);
    let output = command.output().with_context(|| format!("cannot run {}", Shown(&command)))?;
    if !output.status.success() {
        bail!(
            "{} {}:\n{}",
            Shown(&command),
            process::describe(output.status),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(u32, u32)> {
        Version::parse(text).map(|version| (version.major, version.minor))
    }

    #[test]
    fn versions_are_parsed() {
        assert_eq!(parse("4.6.3.stable.debian"), Some((4, 6)));
        assert_eq!(parse("4.3.stable.official.77dcf97d8"), Some((4, 3)));
        assert_eq!(parse("some driver's line\n4.10.stable\n"), Some((4, 10)));
        assert_eq!(parse("no version"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn versions_compare_by_number() {
        let newer = Version { major: 4, minor: 10 };
        assert!(newer > OLDEST);
        let older = Version { major: 3, minor: 6 };
        assert!(older < OLDEST);
    }
}
