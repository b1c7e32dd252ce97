//! The engine's editor, opened on projects that are made for it. A plugin in them (`godot_project/tests/editor/`)
//! takes the steps that it is told, and ends the editor. `cargo xtask audit` compares what the editor prints
//! with what it prints for a project that has nothing of ours in it.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::display::Display;
use crate::engine::Engine;
use crate::output::Counts;
use crate::process::{self, Finished};
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

const PLUGIN: &str = "addons/probe/";
const ENABLE_PLUGIN: &str =
    "\n[editor_plugins]\n\nenabled=PackedStringArray(\"res://addons/probe/plugin.cfg\")\n";

/// A project that exists for as long as this value, with the plugin that ends the editor.
pub(crate) struct Project(TempDir);

impl Project {
    /// With `settings` in its project.godot, and with the repository's files below `folder` at `place`.
    fn new(settings: &str, folder: &str, place: &str) -> Result<Self> {
        let project = Self(workspace::temporary("editor")?);
        project.copy("godot_project/tests/editor/", PLUGIN)?;
        project.copy(folder, place)?;
        project.write("project.godot", (settings.to_owned() + ENABLE_PLUGIN).as_bytes())?;
        Ok(project)
    }

    /// Without anything but the settings of `godot_project`, once the editor has been there; and what the
    /// editor printed.
    pub(crate) fn opened(engine: &Engine, display: &Display) -> Result<(Self, Finished)> {
        let settings = settings()?;
        let settings = settings.lines().filter(|line| !line.starts_with("run/main_scene"));
        let settings = settings.collect::<Vec<_>>().join("\n");
        let project = Self::new(&settings, "godot_project/icon.svg", "icon.svg")?;
        for _ in 0..ATTEMPTS {
            let finished = project.open(engine, display, &["tour"])?;
            if finished.success() && project.0.path().join(SCRIPT_DOCS).exists() {
                return Ok((project, finished));
            }
            eprintln!("The editor ended badly on an empty project:\n{}", finished.text());
        }
        bail!("the editor cannot be opened on an empty project");
    }

    /// With the files of `godot_project`, in the place of one that was opened before.
    fn demo(opened: &Self) -> Result<Self> {
        let project = Self::new(&settings()?, "godot_project/", "")?;
        project.write(SCRIPT_DOCS, &fs::read(opened.0.path().join(SCRIPT_DOCS))?)?;
        Ok(project)
    }

    pub(crate) fn add_addon(&self, library: &Path) -> Result<()> {
        stage::unpack(self.0.path(), library, false)
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
        process::run(&mut command, "Opening the editor", Some(LIMIT))
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        stage::write(&self.0.path().join(path), bytes)
    }

    /// Copies those of the repository's files whose paths begin with `start`.
    fn copy(&self, start: &str, to: &str) -> Result<()> {
        for (rest, bytes) in workspace::read(start)? {
            // The demo has the ids of the plugin's files too, which two of one id may not be.
            if to != PLUGIN || rest.extension().is_none_or(|it| it != "uid") {
                self.write(&format!("{to}{}", rest.display()), &bytes)?;
            }
        }
        Ok(())
    }
}

fn settings() -> Result<String> {
    Ok(fs::read_to_string(workspace::godot_project().join("project.godot"))?)
}

/// A screen on which the editor has room.
pub(crate) fn screen() -> Result<Display> {
    Display::open(SCREEN.0, SCREEN.1)
}

/// Whether a project with the addon lives in the editor as one without: with the plugin, without
/// it, and once the addon is gone.
pub(crate) fn check() -> Result<Counts> {
    let library = build::library(false)?;
    let engine = Engine::find()?;
    let display = screen()?;
    let (guest, usual) = Project::opened(&engine, &display)?;
    let usual = usual.text().lines().map(without_numbers).collect();

    let mut counts = Counts::default();
    let mut look = |what: &str, project: &Project, steps: &[&str]| -> Result<()> {
        counts += compare(&usual, what, &project.open(&engine, &display, steps)?);
        Ok(())
    };
    let demo = Project::demo(&guest)?;
    demo.add_addon(&library)?;
    look("the demo, where the plugin is enabled", &demo, &["enable", "check"])?;
    look("the demo, where it is disabled", &demo, &["check", "disable"])?;
    look("the demo without the plugin again", &demo, &["tour"])?;

    guest.add_addon(&library)?;
    look("a project that the addon comes to", &guest, &["enable", "check", "disable"])?;
    fs::remove_dir_all(guest.0.path().join("addons/dtls")).context("cannot remove the addon")?;
    look(JUST_LEFT, &guest, &["tour"])?;
    look("that project when it is opened again", &guest, &["tour"])?;
    Ok(counts)
}

const JUST_LEFT: &str = "a project that the addon has just left";

/// Whether the editor came up, printed nothing but what it prints anyway, and ended; says what was wrong.
fn compare(usual: &HashSet<String>, what: &str, finished: &Finished) -> Counts {
    // The engine looks for every extension that it has in its list, and says of one that is gone so, and where
    // in the engine. Once: then it is not in the list any more.
    let mut is_about_it = false;
    let is_new = |line: &&str| {
        is_about_it = line.contains(stage::EXTENSION) || is_about_it && line.contains(" at: ");
        let is_expected = is_about_it && what == JUST_LEFT || line.starts_with(PREAMBLE);
        !is_expected && !usual.contains(&without_numbers(line))
    };
    let mut problems: Vec<&str> = finished.text().lines().filter(is_new).collect();
    match finished.status {
        Some(status) if status.success() => {}
        Some(_) => problems.push("the editor ended badly"),
        None => problems.push("the editor took too long"),
    }
    problems.iter().for_each(|problem| println!("   {what}: {problem}"));
    Counts::check(problems.is_empty())
}

/// A line with its numbers made equal: ids, counts and bytes differ from one run to the next.
fn without_numbers(line: &str) -> String {
    let mut text = line.replace(|c: char| c.is_ascii_digit(), "#");
    while text.contains("##") {
        text = text.replace("##", "#");
    }
    text
}
