//! The Godot engine: which one is in use, and how to run it. In this order: the one that `GODOT` in the environment names; `godot4` or `godot` on PATH, if it is new
//! enough; on Debian, a package that is unpacked into the cache.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::display::Display;
use crate::process::succeed_quietly;
use crate::{cargo, packages, workspace};

/// The oldest engine that the addon supports, as `compatibility_minimum` in the manifest.
const OLDEST: (u32, u32) = (4, 3);

/// The suite of Debian's that has it.
pub(crate) const SUITE: &str = "forky";

/// The engine, and what a game becomes a program with.
pub(crate) const PROGRAMS: [&str; 3] = ["godot", "godot-template-release", "godot-template-debug"];
/// Where Debian has the libraries of programs for this machine.
pub(crate) const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
pub(crate) const LOADER: &str = "ld-linux-x86-64.so.2";

/// Where fontconfig looks for its configuration.
const FONTCONFIG: &str = "/etc/fonts/fonts.conf";

/// `cargo xtask godot`
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let engine = Engine::find()?;
    if args.is_empty() {
        println!("{}", engine.program.display());
        return Ok(ExitCode::SUCCESS);
    }
    let status = engine.command().args(args).status().context("the engine cannot be run")?;
    let code = status.code().with_context(|| format!("the engine ended with {status}"))?;
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// An engine that has been found to run.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    program: PathBuf,
    /// Where its packages are unpacked, if they are.
    prefix: Option<PathBuf>,
    /// What it calls a file of this machine's.
    paths: fn(&Path) -> String,
}

impl Engine {
    /// The engine in use, installed if that is needed and possible.
    pub(crate) fn find() -> Result<Self> {
        let named = env::var_os("GODOT").filter(|value| !value.is_empty());
        let is_named = named.is_some();
        let names = named.map_or_else(|| vec!["godot4".into(), "godot".into()], |name| vec![name]);
        for program in names.iter().filter_map(|name| which::which(name).ok()) {
            match version(&program) {
                Ok(version) if version >= OLDEST => return Ok(Self::new(program)),
                Ok((major, minor)) => eprintln!("{} is {major}.{minor}", program.display()),
                Err(error) => eprintln!("{error:#}"),
            }
        }
        ensure!(
            !is_named && packages::can_unpack(),
            "there is no Godot 4.3 or later {}. Download the standard build from godotengine.org/download, \
             unpack it, and set the environment variable GODOT to the path of the program",
            if is_named { "where GODOT says" } else { "on this machine" },
        );
        let prefix = unpacked()?;
        Ok(Self { prefix: Some(prefix.clone()), ..Self::new(prefix.join("usr/bin/godot")) })
    }

    fn new(program: PathBuf) -> Self {
        Self { program, prefix: None, paths: |path| path.display().to_string() }
    }

    /// One for another system, by the script that runs it, and what it calls files of this one.
    pub(crate) fn elsewhere(program: PathBuf, paths: fn(&Path) -> String) -> Self {
        Self { paths, ..Self::new(program) }
    }

    /// The same engine by another program.
    pub(crate) fn at(&self, program: PathBuf) -> Self {
        Self { program, ..self.clone() }
    }

    pub(crate) fn path(&self, path: &Path) -> String {
        (self.paths)(path)
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// A call of the engine in the developer's own environment.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        cargo::without_run_variables(&mut command);
        // The engine complains on its error output where fontconfig has no configuration.
        if let Some(prefix) = &self.prefix
            && !Path::new(FONTCONFIG).exists()
        {
            command.env("FONTCONFIG_PATH", prefix.join("etc/fonts"));
        }
        command
    }

    pub(crate) fn headless(&self, name: &str) -> Result<Command> {
        let mut command = self.in_own_home(name)?;
        command.arg("--headless");
        Ok(command)
    }

    /// With a window on a display of ours, without sound.
    pub(crate) fn windowed(&self, name: &str, display: &Display) -> Result<Command> {
        let mut command = self.in_own_home(name)?;
        if self.prefix.is_some() {
            command.env("__GLX_VENDOR_LIBRARY_NAME", "mesa");
        }
        command.env("DISPLAY", display.name());
        command.args(["--display-driver", "x11", "--rendering-driver", "opengl3"]);
        command.args(["--audio-driver", "Dummy"]);
        Ok(command)
    }

    /// The folder of the export templates `godot-template-release` and `godot-template-debug`, if they are
    /// ours. Another engine has its own, or says so.
    pub(crate) fn templates(&self) -> Option<PathBuf> {
        self.prefix.as_ref().map(|prefix| prefix.join("usr/bin"))
    }

    /// What the engine writes for its user (logs, settings, caches) goes to `target/engine-home/<name>`, not to the
    /// developer's home.
    fn in_own_home(&self, name: &str) -> Result<Command> {
        let home = workspace::target_dir()?.join("engine-home").join(name);
        let mut command = self.command();
        for folder in ["DATA", "CONFIG", "CACHE"] {
            let dir = home.join(folder.to_lowercase());
            fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
            command.env(format!("XDG_{folder}_HOME"), dir);
        }
        Ok(command)
    }
}

/// Debian's engine with its libraries, its export templates and what a window is drawn with, without a graphics
/// card. It is made to load these libraries by its interpreter and its run path. It could be started through
/// its loader instead, but then it takes the loader for itself, and an exported game does not find its files.
fn unpacked() -> Result<PathBuf> {
    packages::cached("engine-2", |prefix| {
        packages::unpack(
            prefix,
            SUITE,
            &["amd64"],
            &[&PROGRAMS[..], &["libgl1", "patchelf"]].concat(),
            &[],
        )?;
        let libraries = prefix.join(LIBRARIES);
        // The library that draws has a run path of its own, `$ORIGIN/../lib`, and looks nowhere else.
        link(&libraries, &prefix.join("usr/lib/lib"))?;
        let path = format!("{0}:{0}/pulseaudio", libraries.display());
        let mut patchelf = through_loader(&libraries, &prefix.join("usr/bin/patchelf"));
        patchelf.arg("--set-interpreter").arg(libraries.join(LOADER));
        patchelf.args(["--force-rpath", "--set-rpath", &path]);
        // It is in a folder of its own, and what needs it does not look there.
        let pulse = fs::read_dir(libraries.join("pulseaudio")).ok().into_iter().flatten().flatten();
        let pulse = pulse.map(|entry| entry.file_name().display().to_string());
        if let Some(common) = pulse.into_iter().find(|name| name.starts_with("libpulsecommon-")) {
            patchelf.args(["--add-needed", &common]);
        }
        patchelf.args(PROGRAMS.map(|program| prefix.join("usr/bin").join(program)));
        succeed_quietly(&mut patchelf, "Setting up the engine")?;
        let (major, minor) = version(&prefix.join("usr/bin/godot"))?;
        eprintln!("Godot {major}.{minor} is in {}", prefix.display());
        Ok(())
    })
    .context("Godot cannot be installed from Debian's packages; set GODOT to one that runs")
}

/// A call of a program out of packages that is not patched.
pub(crate) fn through_loader(libraries: &Path, program: &Path) -> Command {
    let mut command = Command::new(libraries.join(LOADER));
    command.arg("--library-path").arg(libraries).arg(program);
    command
}

pub(crate) fn link(to: &Path, at: &Path) -> Result<()> {
    #[cfg(unix)]
    std::os::unix::fs::symlink(to, at)
        .with_context(|| format!("cannot create {}", at.display()))?;
    #[cfg(not(unix))]
    anyhow::bail!("please make {} a link to {}", at.display(), to.display());
    Ok(())
}

/// The version of an engine that runs: the last line that begins with one, since drivers may print lines of
/// their own before it.
pub(crate) fn version(program: &Path) -> Result<(u32, u32)> {
    let mut command = Command::new(program);
    cargo::without_run_variables(&mut command);
    command.args(["--headless", "--version"]);
    let text = succeed_quietly(&mut command, "")?.text().to_owned();
    let version = text.lines().rev().find_map(|line| {
        let mut numbers = line.trim().split('.').map(|number| number.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    });
    version.with_context(|| format!("{} has the version {text:?}", program.display()))
}
