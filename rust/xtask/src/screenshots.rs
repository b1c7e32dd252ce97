//! `cargo xtask screenshots`: the pictures in `docs/images`, taken of the demo and of the editor.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::display::Display;
use crate::editor::{self, Project};
use crate::engine::Engine;
use crate::process::{self, Finished};
use crate::{stage, workspace};

/// How long the demo may take for its pictures.
const LIMIT: Duration = Duration::from_secs(90);

/// The scene that takes the pictures of the demo, with `--out DIR`.
const CHAT: &str = "res://tests/screenshots/chat.tscn";

/// Not a screenshot.
const ICON: &str = "icon.png";

pub(crate) fn run() -> Result<ExitCode> {
    let library = build::library(false)?;
    stage::stage(&workspace::godot_project(), &library, false)?;
    let engine = Engine::find()?;
    let display = editor::screen()?;
    let work = tempfile::tempdir_in(workspace::target_dir()?)?;
    take_of_chat(&engine, &display, work.path()).context("taking pictures of the demo")?;
    take_of_editor(&engine, &display, &library, work.path())
        .context("taking pictures of the editor")?;

    let images = workspace::root().join("docs/images");
    let (taken, mut present) = (names(work.path())?, names(&images)?);
    present.remove(&OsString::from(ICON));
    ensure!(taken.is_superset(&present), "of {present:?} only {taken:?} were taken");
    // Only now: either all are new, or none.
    for name in &taken {
        fs::copy(work.path().join(name), images.join(name))?;
    }
    println!("{} pictures are in {}", taken.len(), images.display());
    Ok(ExitCode::SUCCESS)
}

fn names(dir: &Path) -> Result<BTreeSet<OsString>> {
    let files = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name()));
    files.collect()
}

fn take_of_chat(engine: &Engine, display: &Display, dir: &Path) -> Result<()> {
    let mut command = engine.windowed("screenshots", display)?;
    command.args(["--resolution", "1152x648", "--path"]).arg(workspace::godot_project());
    command.arg(CHAT).args(["--", "--out"]).arg(dir);
    succeeded(&process::run(&mut command, "Taking pictures of the demo", Some(LIMIT))?)
}

/// In a project that has nothing but the addon, so that the pictures show nothing else.
fn take_of_editor(engine: &Engine, display: &Display, library: &Path, dir: &Path) -> Result<()> {
    let (project, _) = Project::opened(engine, display)?;
    project.add_addon(library)?;
    let dir = dir.to_str().context("the target directory's path is no text")?;
    succeeded(&project.open(engine, display, &["enable", &format!("pictures={dir}")])?)
}

fn succeeded(finished: &Finished) -> Result<()> {
    ensure!(finished.success(), "the engine failed, or took too long:\n{}", finished.text());
    Ok(())
}
