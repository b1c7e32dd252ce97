//! The engine out of Debian's testing suite, unpacked into the cache.
//!
//! An older Debian cannot install that package, but can run it with the libraries it came with.
//! apt fetches it with a state of its own, so that nothing of the machine changes: the machine's
//! configuration stays in force, and its mirror is used. Then:
//!
//! 1. each package is unpacked into one prefix;
//! 2. the engine is made to load the prefix's libraries, by its interpreter and its run path. It
//!    could be started through the prefix's loader instead, but then it takes the loader for
//!    itself, and an exported game does not find its files. That way is left for the case that
//!    the program cannot be patched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::process::{self, Run, Shown, succeed_quietly};
use crate::{cache, debian, engine};

/// Counts up when what is installed changes, so that an older one is not taken for it.
const RECIPE: u32 = 1;
const SUITE: &str = "forky";
const PACKAGES: [&str; 2] = ["godot", "patchelf"];
/// What a window needs besides, to be drawn without a graphics card.
const WINDOW_PACKAGE: &str = "libgl1";
/// What a game becomes a program with. All that they need, the engine has brought along.
const TEMPLATE_PACKAGES: [&str; 2] = ["godot-template-release", "godot-template-debug"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const ARCHITECTURES: [&str; 1] = ["amd64"];
pub(crate) const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// The engine's packages. They are downloaded on the first call.
pub(crate) fn install() -> Result<Prefix> {
    let prefix = cache::dir()?.join(format!("engine-{RECIPE}"));
    let installed = Prefix(prefix.clone());
    let program = installed.program();
    cache::complete(&prefix, || {
        fetch(&prefix).context("Godot cannot be installed from Debian's packages")?;
        let version = engine::version_text(&program).with_context(|| {
            format!(
                "the engine that was unpacked into {} does not run; set GODOT to one that does",
                prefix.display()
            )
        })?;
        eprintln!("Godot {version} is in {}", prefix.display());
        Ok(())
    })?;
    Ok(installed)
}

fn fetch(prefix: &Path) -> Result<()> {
    let work = work_dir(prefix)?;
    let what = "Downloading the Godot engine with its libraries (about 160 MB, once)";
    let archives = PrivateApt::new(work.path(), &ARCHITECTURES)?.download(&PACKAGES, what)?;
    let unpacked = Prefix(work.path().join("prefix"));
    unpack(&archives, &unpacked.0)?;
    unpacked.make_runnable(&Prefix(prefix.to_path_buf()))?;
    fs::rename(&unpacked.0, prefix)
        .with_context(|| format!("cannot move the engine to {}", prefix.display()))
}

/// A temporary directory beside the prefix, on the same file system.
pub(crate) fn work_dir(prefix: &Path) -> Result<TempDir> {
    let parent = prefix.parent().context("the cache has a parent")?;
    tempfile::Builder::new()
        .prefix("download-")
        .tempdir_in(parent)
        .with_context(|| format!("cannot write to {}", parent.display()))
}

/// apt with lists, downloads and a status of its own.
pub(crate) struct PrivateApt {
    dir: PathBuf,
    /// As Debian calls them. A package that is asked for by its name alone is of the first.
    architectures: &'static [&'static str],
}

impl PrivateApt {
    pub(crate) fn new(dir: &Path, architectures: &'static [&'static str]) -> Result<Self> {
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(dir.join(folder))?;
        }
        // Nothing counts as installed, so everything that is needed is fetched.
        fs::write(dir.join("status"), "")?;
        let apt = Self { dir: dir.to_path_buf(), architectures };
        apt.update()?;
        Ok(apt)
    }

    /// Fetches packages with all that they depend on; returns the files.
    pub(crate) fn download(&self, packages: &[&str], what: &str) -> Result<Vec<PathBuf>> {
        let mut command = self.apt_get();
        command.args(["-y", "--download-only", "--no-install-recommends", "install"]);
        succeed_quietly(command.args(packages), what)?;
        self.fetched()
    }

    /// Fetches packages and nothing else; returns the files.
    pub(crate) fn download_alone(&self, packages: &[&str], what: &str) -> Result<Vec<PathBuf>> {
        let mut command = self.apt_get();
        // It writes into its working directory.
        command.current_dir(self.archives()).arg("download").args(packages);
        succeed_quietly(&mut command, what)?;
        self.fetched()
    }

    fn archives(&self) -> PathBuf {
        self.dir.join("cache/archives")
    }

    fn fetched(&self) -> Result<Vec<PathBuf>> {
        let archives = self.archives();
        let mut files: Vec<PathBuf> = fs::read_dir(&archives)?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .collect();
        files.sort();
        if files.is_empty() {
            bail!("apt has downloaded nothing into {}", archives.display());
        }
        Ok(files)
    }

    /// Loads the lists of the suite from the first of the machine's archives that has it, signed
    /// by Debian.
    fn update(&self) -> Result<()> {
        let architectures = self.architectures.join(",");
        let mut errors = String::new();
        for uri in debian::archives()? {
            let signed_by = if Path::new(KEYRING).exists() {
                format!(" signed-by={KEYRING}")
            } else {
                String::new()
            };
            let source = format!("deb [arch={architectures}{signed_by}] {uri} {SUITE} main\n");
            fs::write(self.dir.join("sources.list"), source)?;
            let mut command = self.apt_get();
            command.args(["--error-on=any", "update"]);
            let what = format!("Reading the package lists of Debian {SUITE}");
            match succeed_quietly(&mut command, &what) {
                Ok(_) => return Ok(()),
                Err(error) => errors += &format!("\n{error:#}"),
            }
        }
        bail!("no archive in this machine's apt sources has Debian {SUITE}:{errors}");
    }

    fn apt_get(&self) -> Command {
        let mut command = Command::new("apt-get");
        let path = |name: &str| self.dir.join(name).display().to_string();
        for (option, value) in [
            ("APT::Architecture", self.architectures[0].to_owned()),
            ("APT::Architectures", self.architectures.join(",")),
            ("Dir::State::lists", path("lists")),
            ("Dir::State::status", path("status")),
            ("Dir::State::extended_states", path("extended_states")),
            ("Dir::Cache", path("cache")),
            ("Dir::Etc::sourcelist", path("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            ("Dir::Etc::preferences", "/dev/null".to_owned()),
            ("Dir::Etc::preferencesparts", "/dev/null".to_owned()),
            ("APT::Default-Release", String::new()),
            // apt would fetch as a user who may not write to our folder.
            ("APT::Sandbox::User", "root".to_owned()),
            ("Acquire::Languages", "none".to_owned()),
        ] {
            command.arg("-o").arg(format!("{option}={value}"));
        }
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command.env("LC_ALL", "C.UTF-8");
        command
    }
}

pub(crate) fn unpack(archives: &[PathBuf], prefix: &Path) -> Result<()> {
    fs::create_dir_all(prefix)?;
    // The order matters once: where `lib` is a link into `usr`, that package has to be first.
    // Current packages put nothing into `lib`.
    let script = r#"for deb; do dpkg-deb -x "$deb" "$PREFIX" || exit 1; done"#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "unpack"]).args(archives).env("PREFIX", prefix);
    succeed_quietly(&mut command, "Unpacking the packages")?;
    Ok(())
}

/// Where packages have been unpacked.
#[derive(Clone, Debug)]
pub(crate) struct Prefix(PathBuf);

impl Prefix {
    fn libraries(&self) -> PathBuf {
        self.0.join(LIBRARIES)
    }

    fn loader(&self) -> PathBuf {
        self.libraries().join("ld-linux-x86-64.so.2")
    }

    fn library_path(&self) -> String {
        let libraries = self.libraries().display().to_string();
        format!("{libraries}:{libraries}/pulseaudio")
    }

    /// The engine.
    pub(crate) fn program(&self) -> PathBuf {
        self.0.join("usr/bin/godot")
    }

    /// The folder with fontconfig's configuration.
    pub(crate) fn fonts(&self) -> PathBuf {
        self.0.join("etc/fonts")
    }

    /// Lets the engine in here open a window. The packages are downloaded on the first call.
    ///
    /// They go over those of the engine, whose run path finds them there; a search path in the
    /// environment would reach the machine's own programs that the engine starts. They bring their
    /// dependencies along: Mesa's libraries only work with others of the same version.
    pub(crate) fn install_window(&self) -> Result<()> {
        let mark = self.0.join("window");
        cache::complete(&mark, || {
            let work = work_dir(&self.0)?;
            let what = "Downloading what a window of the engine needs (about 60 MB, once)";
            let apt = PrivateApt::new(work.path(), &ARCHITECTURES)?;
            let archives = apt.download(&[WINDOW_PACKAGE], what)?;
            unpack(&archives, &self.0)?;
            self.link_libraries()?;
            fs::create_dir(&mark).with_context(|| format!("cannot create {}", mark.display()))
        })
        .context("what a window needs cannot be installed from Debian's packages")
    }

    /// LLVM's library, which draws the window, has a run path of its own: `$ORIGIN/../lib`. The
    /// engine's does not count for what that library needs.
    fn link_libraries(&self) -> Result<()> {
        #[cfg(unix)]
        {
            let link = self.0.join("usr/lib/lib");
            if !link.exists() {
                std::os::unix::fs::symlink(self.libraries(), &link)
                    .with_context(|| format!("cannot create {}", link.display()))?;
            }
        }
        Ok(())
    }

    /// The folder of the export templates `godot-template-release` and `godot-template-debug`. They are
    /// downloaded on the first call.
    ///
    /// Like the engine, they and the games made with them run with the libraries in here.
    pub(crate) fn install_templates(&self) -> Result<PathBuf> {
        let templates = self.0.join("templates");
        cache::complete(&templates, || {
            let work = work_dir(&self.0)?;
            let what = "Downloading the export templates (about 40 MB, once)";
            let archives = PrivateApt::new(work.path(), &ARCHITECTURES)?
                .download_alone(&TEMPLATE_PACKAGES, what)?;
            unpack(&archives, &templates)?;
            for package in TEMPLATE_PACKAGES {
                self.patch(self, &templates.join("usr/bin").join(package))?;
            }
            Ok(())
        })
        .context("the export templates cannot be installed from Debian's packages")?;
        Ok(templates.join("usr/bin"))
    }

    /// Lets the engine in here run with the libraries in here, once all of it is at `home`.
    fn make_runnable(&self, home: &Prefix) -> Result<()> {
        if !self.program().is_file() || !self.loader().is_file() {
            bail!("the packages hold no engine, or no loader, where they used to");
        }
        if let Err(error) = self.patch(home, &self.program()) {
            eprintln!("The engine runs under its loader, since it cannot be patched: {error:#}");
            self.write_wrapper(home)?;
        }
        Ok(())
    }

    /// Has a program load its libraries from `home`, which is where all of this will be.
    fn patch(&self, home: &Prefix, program: &Path) -> Result<()> {
        let mut command = Command::new(self.loader());
        command
            .arg("--library-path")
            .arg(self.library_path())
            .arg(self.0.join("usr/bin/patchelf"))
            .arg("--set-interpreter")
            .arg(home.loader())
            .args(["--force-rpath", "--set-rpath", &home.library_path()]);
        // It is in a folder of its own, and what needs it does not look there.
        if let Some(name) = self.pulse_common() {
            command.args(["--add-needed", &name]);
        }
        command.arg(program);
        let how = Run { label: None, live: false, limit: Some(Duration::from_secs(60)) };
        let finished = process::run(&mut command, how)?;
        if !finished.success() {
            bail!("{} failed:\n{}", Shown(&command), finished.text());
        }
        Ok(())
    }

    fn pulse_common(&self) -> Option<String> {
        let entries = fs::read_dir(self.libraries().join("pulseaudio")).ok()?;
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .find(|name| name.starts_with("libpulsecommon-") && name.ends_with(".so"))
    }

    fn write_wrapper(&self, home: &Prefix) -> Result<()> {
        let program = self.program();
        fs::rename(&program, program.with_added_extension("bin"))?;
        let command = format!(
            "'{}' --library-path '{}' '{}'",
            home.loader().display(),
            home.library_path(),
            home.program().with_added_extension("bin").display(),
        );
        write_script(&program, &command)
    }
}

/// Writes a script that starts a program out of packages with what it needs.
pub(crate) fn write_script(path: &Path, command: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\nexec {command} \"$@\"\n"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
