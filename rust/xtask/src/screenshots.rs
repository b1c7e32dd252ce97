//! `cargo xtask screenshots`: the pictures in `docs/images`, taken of the demo and of the editor.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use png::{Decoder, Transformations};

use crate::build;
use crate::display::Display;
use crate::editor::{self, Project};
use crate::engine::Engine;
use crate::process::{self, Finished, Run, Shown};
use crate::{stage, workspace};

/// How long the demo may take for its pictures.
const LIMIT: Duration = Duration::from_secs(90);

/// The scene that takes the pictures of the demo, with `--out DIR`.
const CHAT: &str = "res://tests/screenshots/chat.tscn";

/// The pictures of the demo, with their sizes in pixels.
const OF_CHAT: [(&str, u32, u32); 3] =
    [("chat-client", 1152, 648), ("chat-server", 1152, 648), ("chat-wrong-host", 1152, 648)];

/// The pictures of the editor.
const OF_EDITOR: [(&str, u32, u32); 9] = [
    ("class-tree", 797, 459),
    ("generate-certificate", 638, 406),
    ("help-DTLSCrypto", 800, 670),
    ("help-DTLSOptions", 800, 670),
    ("help-DTLSServerOpenSSL", 800, 670),
    ("help-PacketPeerDTLSOpenSSL", 800, 670),
    ("help-pinned_sha256", 800, 670),
    ("help-reasons", 800, 670),
    ("inspector", 450, 820),
];

pub(crate) fn run() -> Result<ExitCode> {
    let library = build::library(&build::Options::default())?;
    stage::stage(&workspace::godot_project(), &library, false)?;
    let engine = Engine::find()?;
    let display = editor::screen()?;
    let work = tempfile::tempdir_in(workspace::target_dir()?)?;

    take_of_chat(&engine, &display, work.path())?;
    take_of_editor(&engine, &display, &library, work.path())?;

    let pictures = OF_CHAT.iter().chain(&OF_EDITOR);
    for (name, width, height) in pictures.clone() {
        check(&work.path().join(format!("{name}.png")), *width, *height)?;
    }
    // Only now: either all are new, or none.
    let images = workspace::root().join("docs/images");
    for (name, ..) in pictures.clone() {
        let file = format!("{name}.png");
        fs::copy(work.path().join(&file), images.join(&file))
            .with_context(|| format!("cannot write {file} to {}", images.display()))?;
    }
    println!("{} pictures are in {}", pictures.count(), images.display());
    Ok(ExitCode::SUCCESS)
}

fn take_of_chat(engine: &Engine, display: &Display, dir: &Path) -> Result<()> {
    let mut command = engine.windowed("screenshots", display)?;
    command.args(["--resolution", "1152x648", "--path"]).arg(workspace::godot_project());
    command.arg(CHAT).args(["--", "--out"]).arg(dir);
    let how = Run { label: Some("Taking pictures of the demo"), live: false, limit: Some(LIMIT) };
    let finished = process::run(&mut command, how)?;
    succeeded(&finished).with_context(|| Shown(&command).to_string())
}

/// In a project that has nothing but the addon, so that the pictures show nothing else.
fn take_of_editor(engine: &Engine, display: &Display, library: &Path, dir: &Path) -> Result<()> {
    let (project, _) = Project::opened(engine, display)?;
    project.add_addon(library)?;
    let dir = dir.to_str().context("the target directory's path is no text")?;
    let finished = project.open(engine, display, &["enable", &format!("pictures={dir}")])?;
    succeeded(&finished).context("taking pictures of the editor")
}

fn succeeded(finished: &Finished) -> Result<()> {
    match finished.status {
        Some(status) if status.success() => Ok(()),
        Some(status) => {
            bail!("the engine {}:\n{}", process::describe(status), finished.text().trim_end())
        }
        None => bail!("the engine took too long:\n{}", finished.text().trim_end()),
    }
}

/// Whether there is a picture with something on it.
fn check(path: &Path, width: u32, height: u32) -> Result<()> {
    let look = || -> Result<()> {
        let mut decoder = Decoder::new(BufReader::new(File::open(path)?));
        decoder.set_transformations(Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let size = reader.output_buffer_size().context("it is too large")?;
        let mut pixels = vec![0; size];
        let info = reader.next_frame(&mut pixels)?;
        if (info.width, info.height) != (width, height) {
            bail!("it is {} x {}, not {width} x {height}", info.width, info.height);
        }
        let samples = info.color_type.samples();
        let colors: HashSet<&[u8]> = pixels.chunks_exact(samples).collect();
        if colors.len() < 2 {
            bail!("it is blank");
        }
        Ok(())
    };
    look().with_context(|| format!("the picture {} is not what it should be", path.display()))
}

#[cfg(test)]
mod tests {
    use png::{BitDepth, ColorType, Encoder};

    use super::*;

    fn draw(path: &Path, pixels: &[u8]) {
        let mut encoder = Encoder::new(File::create(path).expect("it can be written"), 2, 1);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        let mut writer = encoder.write_header().expect("it can be written");
        writer.write_image_data(pixels).expect("these are two pixels");
    }

    #[test]
    fn a_picture_has_its_size_and_more_than_one_colour() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("x.png");
        check(&path, 2, 1).expect_err("there is none");
        draw(&path, &[1, 2, 3, 1, 2, 4]);
        check(&path, 2, 1).expect("it is good");
        check(&path, 1, 2).expect_err("its size is another");
        draw(&path, &[1, 2, 3, 1, 2, 3]);
        let error = check(&path, 2, 1).expect_err("it is blank");
        assert!(format!("{error:#}").contains("blank"), "{error:#}");
    }
}
