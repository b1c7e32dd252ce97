//! The engine's editor, opened on projects that are made for it.
//!
//! A plugin of ours sits in these projects (`godot_project/tests/editor/`): it waits until the editor
//! is up, takes the steps that it is told, and ends the editor.
//!
//! `cargo xtask audit` compares what the editor prints with what it prints for a project that has
//! nothing of ours in it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::display::Display;
use crate::engine::Engine;
use crate::output::Counts;
use crate::process::{self, Finished, Run};
use crate::{build, stage, workspace};

/// How long the editor may take from its start to its end.
const LIMIT: Duration = Duration::from_secs(120);

/// The size in pixels of the screen, which the editor fills.
const SCREEN: (u32, u32) = (1595, 870);

/// The one line that the addon may add: gdext says on the standard output that it is there. Like the
/// engine's own first line, `--no-header` takes it away, and nothing else does.
const PREAMBLE: &str = "Initialize godot-rust (API ";

/// What the editor keeps of the scripts' documentation. Where it is missing, it is made by two
/// threads that may both wait for the same one to end, and the editor is aborted:
/// <https://github.com/godotengine/godot/issues/123273>. An empty project has that without an addon.
const SCRIPT_DOCS: &str = ".godot/editor/editor_script_doc_cache.res";

/// How often an empty project is opened at most, until it has that file.
const ATTEMPTS: usize = 4;

const PLUGIN: &str = "addons/probe";
const ENABLE_PLUGIN: &str =
    "\n[editor_plugins]\n\nenabled=PackedStringArray(\"res://addons/probe/plugin.cfg\")\n";

/// A project that exists for as long as this value, with the plugin that ends the editor.
pub(crate) struct Project(TempDir);

impl Project {
    /// Without anything but the settings of `godot_project`.
    fn empty() -> Result<Self> {
        let parent = workspace::target_dir()?.join("editor");
        fs::create_dir_all(&parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
        let project = Self(tempfile::tempdir_in(&parent)?);
        let source = workspace::godot_project();
        let settings = fs::read_to_string(source.join("project.godot"))?;
        let settings: String = settings
            .lines()
            .filter(|line| !line.starts_with("run/main_scene"))
            .map(|line| line.to_owned() + "\n")
            .collect();
        project.write("project.godot", settings + ENABLE_PLUGIN)?;
        for file in ["icon.svg", "icon.svg.import"] {
            project.write(file, fs::read(source.join(file))?)?;
        }
        for file in files_of("godot_project/tests/editor/")? {
            // The demo has these files twice, which two of one id may not be.
            if file.extension().is_some_and(|extension| extension == "uid") {
                continue;
            }
            let path = Path::new(PLUGIN).join(file.file_name().context("it is a file")?);
            project.write(path, fs::read(&file)?)?;
        }
        Ok(project)
    }

    /// As [`Self::empty`], once the editor has been there; and what the editor printed.
    pub(crate) fn opened(engine: &Engine, display: &Display) -> Result<(Self, Finished)> {
        let project = Self::empty()?;
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let finished = project.open(engine, display, &["tour"])?;
            if finished.success() && project.0.path().join(SCRIPT_DOCS).exists() {
                return Ok((project, finished));
            }
            last = finished.text();
            let Some(status) = finished.status else { break };
            eprintln!("The editor {} on an empty project", process::describe(status));
        }
        bail!("the editor cannot be opened on an empty project:\n{}", last.trim_end());
    }

    /// With the files of `godot_project`, in the place of one that was opened before.
    fn demo(opened: &Self) -> Result<Self> {
        let project = Self::empty()?;
        project.write(SCRIPT_DOCS, fs::read(opened.0.path().join(SCRIPT_DOCS))?)?;
        for file in files_of("godot_project/")? {
            let path = file.strip_prefix(workspace::godot_project())?;
            let mut bytes = fs::read(&file)?;
            if path == Path::new("project.godot") {
                bytes.extend_from_slice(ENABLE_PLUGIN.as_bytes());
            }
            project.write(path, bytes)?;
        }
        Ok(project)
    }

    pub(crate) fn add_addon(&self, library: &Path) -> Result<()> {
        stage::unpack(self.0.path(), library, false)?;
        Ok(())
    }

    fn remove_addon(&self) -> Result<()> {
        fs::remove_dir_all(self.0.path().join("addons/dtls")).context("cannot remove the addon")
    }

    /// Opens the editor on it, has the plugin take these steps, and waits until the editor has ended.
    pub(crate) fn open(
        &self,
        engine: &Engine,
        display: &Display,
        steps: &[&str],
    ) -> Result<Finished> {
        let mut command = engine.windowed("editor", display)?;
        command.args(["--editor", "--single-window", "--path"]).arg(self.0.path());
        command.arg("--").args(steps);
        let how = Run { label: Some("Opening the editor"), live: false, limit: Some(LIMIT) };
        process::run(&mut command, how)
    }

    fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<()> {
        let path = self.0.path().join(path);
        let dir = path.parent().context("a file is in a directory")?;
        fs::create_dir_all(dir)?;
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The repository's files below a folder.
fn files_of(folder: &str) -> Result<Vec<PathBuf>> {
    let files = workspace::files()?.into_iter().filter(|file| file.starts_with(folder));
    Ok(files.map(|file| workspace::root().join(file)).collect())
}

/// A screen on which the editor has room.
pub(crate) fn screen() -> Result<Display> {
    Display::open(SCREEN.0, SCREEN.1)
}

/// Whether a project with the addon lives in the editor as one without: with the plugin, without
/// it, and once the addon is gone.
pub(crate) fn check() -> Result<Counts> {
    let library = build::library(&build::Options::default())?;
    let engine = Engine::find()?;
    let display = screen()?;
    let (guest, usual) = Project::opened(&engine, &display)?;
    let usual = Usual::new(&usual);

    let mut counts = Counts::default();
    let look = |what: &str, project: &Project, steps: &[&str]| -> Result<Counts> {
        Ok(usual.compare(what, &project.open(&engine, &display, steps)?))
    };
    let demo = Project::demo(&guest)?;
    demo.add_addon(&library)?;
    counts +=
        look("the demo without the plugin, which is then enabled", &demo, &["enable", "check"])?;
    counts +=
        look("the demo with the plugin, which is then disabled", &demo, &["check", "disable"])?;
    counts += look("the demo without the plugin again", &demo, &["tour"])?;

    guest.add_addon(&library)?;
    counts += look("a project that the addon comes to", &guest, &["enable", "check", "disable"])?;
    guest.remove_addon()?;
    let finished = guest.open(&engine, &display, &["tour"])?;
    let removed = usual.with_removed_extension(&finished);
    counts += removed.compare("a project that the addon has just left", &finished);
    counts += look("that project when it is opened again", &guest, &["tour"])?;
    Ok(counts)
}

/// What the editor prints anyway.
struct Usual(HashSet<String>);

impl Usual {
    fn new(finished: &Finished) -> Self {
        Self(finished.lines.iter().map(|line| without_numbers(&line.text)).collect())
    }

    /// The engine looks for every extension that it has in its list, and says of one that is gone so.
    /// Once: then it is not in the list any more.
    fn with_removed_extension(&self, finished: &Finished) -> Self {
        let mut lines = self.0.clone();
        let mut is_about_it = false;
        for line in self.others(finished) {
            // What comes after it says where in the engine.
            is_about_it = line.contains(stage::EXTENSION) || is_about_it && line.contains(" at: ");
            if is_about_it {
                lines.insert(without_numbers(line));
            }
        }
        Self(lines)
    }

    /// What else it has printed.
    fn others<'a>(&'a self, finished: &'a Finished) -> impl Iterator<Item = &'a str> {
        let lines = finished.lines.iter().map(|line| line.text.as_str());
        lines.filter(|line| !self.0.contains(&without_numbers(line)) && !line.starts_with(PREAMBLE))
    }

    /// Whether the editor came up, printed nothing else, and ended; says what was wrong.
    fn compare(&self, what: &str, finished: &Finished) -> Counts {
        let mut problems: Vec<String> =
            self.others(finished).map(|line| format!("> {line}")).collect();
        match finished.status {
            Some(status) if status.success() => {}
            Some(status) => problems.push(format!("the editor {}", process::describe(status))),
            None => problems.push(format!("the editor took longer than {} s", LIMIT.as_secs())),
        }
        for problem in &problems {
            println!("   {what}: {problem}");
        }
        Counts::check(problems.is_empty())
    }
}

/// A line with its numbers made equal: ids, counts and bytes differ from one run to the next.
fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    for c in line.chars() {
        match c {
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            _ => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_may_differ() {
        assert_eq!(
            without_numbers("ERROR: 12 of 3 leaked"),
            without_numbers("ERROR: 7 of 10 leaked")
        );
        assert_ne!(without_numbers("ERROR: 12 leaked"), without_numbers("ERROR: leaked"));
    }
}
