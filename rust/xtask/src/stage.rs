//! `cargo xtask stage`: the addon, put into a project's `addons/dtls/`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::package::{Kind, Target};
use crate::{build, workspace};

const MANIFEST: &str = "dtls.gdextension";
pub(crate) const EXTENSION: &str = "res://addons/dtls/dtls.gdextension";

/// What the editor puts beside a file. It stays as long as that file does.
const SIDECARS: [&str; 2] = ["import", "uid"];

pub(crate) fn run(project: &Path, release: bool) -> Result<ExitCode> {
    require_project(project)?;
    let options = build::Options { release, ..build::Options::default() };
    stage(project, &build::library(&options)?, release)?;
    Ok(ExitCode::SUCCESS)
}

fn require_project(project: &Path) -> Result<()> {
    if !project.join("project.godot").is_file() {
        bail!("{} is no Godot project: it has no project.godot", project.display());
    }
    Ok(())
}

/// Puts the addon with this library into a project, and has the engine load it.
pub(crate) fn stage(project: &Path, library: &Path, release: bool) -> Result<()> {
    let destination = unpack(project, library, release)?;
    list_extension(project)?;
    if release {
        println!(
            "Staged the release build into {}, as the debug library too: that is the one that the \
             editor loads",
            destination.display()
        );
    } else {
        println!("Staged the debug build into {}", destination.display());
    }
    Ok(())
}

/// Puts the addon's files into a project, as a user does; returns where they are.
pub(crate) fn unpack(project: &Path, library: &Path, release: bool) -> Result<PathBuf> {
    require_project(project)?;
    let destination = project.join("addons/dtls");
    let kinds = if release { &Kind::ALL[..] } else { &[Kind::Debug] };
    let libraries: Vec<(String, PathBuf)> =
        kinds.iter().map(|kind| (Target::LinuxX86_64.file(*kind), library.to_path_buf())).collect();
    copy(&addon(&libraries)?, &destination)?;
    Ok(destination)
}

/// The addon's files: path below `addons/dtls/` to content.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The addon with these libraries: the name of each in `bin/`, and where it is now.
pub(crate) fn addon(libraries: &[(String, PathBuf)]) -> Result<Files> {
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let mut files = Files::new();
    // What git ignores is no part of it.
    for file in workspace::files()? {
        if let Some(relative) = file.strip_prefix("addons/dtls/") {
            files.insert(relative.into(), read(&workspace::root().join(&file))?);
        }
    }
    for (name, path) in libraries {
        files.insert(Path::new("bin").join(name), read(path)?);
    }
    let manifest = fs::read_to_string(workspace::root().join(MANIFEST))
        .with_context(|| format!("cannot read {MANIFEST}"))?;
    let manifest = without_absent_libraries(&manifest, &files);
    files.insert(MANIFEST.into(), manifest.into_bytes());
    let uid = format!("{MANIFEST}.uid");
    files.insert(uid.clone().into(), read(&workspace::root().join(uid))?);
    Ok(files)
}

/// The manifest without the lines of the libraries that are not there. An export for such a platform
/// fails with a sentence of the engine's; with them, it would fail where the game is run.
fn without_absent_libraries(manifest: &str, files: &Files) -> String {
    let mut section = "";
    let mut text = String::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let is_absent = section == "[libraries]"
            && line.split_once('=').is_some_and(|(_, path)| {
                !files.contains_key(Path::new(path.trim().trim_matches('"')))
            });
        if !is_absent {
            text += line;
            text.push('\n');
        }
    }
    text
}

/// Makes `destination` hold exactly these files, and what the editor has put beside them.
fn copy(files: &Files, destination: &Path) -> Result<()> {
    for (relative, content) in files {
        replace(content, &destination.join(relative))?;
    }
    for path in files_below(destination)? {
        let relative = path.strip_prefix(destination)?;
        let is_sidecar = relative
            .extension()
            .is_some_and(|extension| SIDECARS.iter().any(|sidecar| extension == *sidecar))
            && files.contains_key(&relative.with_extension(""));
        if !is_sidecar && !files.contains_key(relative) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Replaces a file in one step: a running engine may have the old library mapped, and must keep
/// it whole.
fn replace(content: &[u8], destination: &Path) -> Result<()> {
    if fs::read(destination).is_ok_and(|present| present == content) {
        return Ok(());
    }
    write(destination, content).with_context(|| format!("cannot write {}", destination.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().context("a file is in a directory")?;
    fs::create_dir_all(dir)?;
    let mut builder = tempfile::Builder::new();
    // As any file that is made: readable for all, as far as the user's mask lets it.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// Enters the addon in the list that the engine reads at start. The editor does so when it scans
/// a project; an engine that has never been opened as an editor would load nothing.
pub(crate) fn list_extension(project: &Path) -> Result<()> {
    let path = project.join(".godot/extension_list.cfg");
    let mut text = fs::read_to_string(&path).unwrap_or_default();
    if text.lines().any(|line| line.trim() == EXTENSION) {
        return Ok(());
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text += EXTENSION;
    text.push('\n');
    write(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// The files in a folder and in those within it.
pub(crate) fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries =
        fs::read_dir(dir).with_context(|| format!("cannot read the folder {}", dir.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_goes_and_what_the_editor_made_stays() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let destination = dir.path().join("addons/dtls");
        let put = |name: &str, text: &str| {
            write(&destination.join(name), text.as_bytes()).expect("it can be written");
        };
        put("icons/icon.svg", "old");
        put("icons/icon.svg.import", "from the editor");
        put("icons/gone.svg", "stale");
        put("icons/gone.svg.import", "stale");

        let files = Files::from([("icons/icon.svg".into(), b"new".to_vec())]);
        copy(&files, &destination).expect("it can be staged");

        let mut names: Vec<String> = files_below(&destination)
            .expect("it is there")
            .iter()
            .map(|path| path.file_name().unwrap_or_default().display().to_string())
            .collect();
        names.sort();
        assert_eq!(names, ["icon.svg", "icon.svg.import"]);
        let text = fs::read_to_string(destination.join("icons/icon.svg")).expect("it is there");
        assert_eq!(text, "new");
    }

    #[test]
    fn the_extension_is_listed_once_beside_others() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let list = dir.path().join(".godot/extension_list.cfg");
        write(&list, b"res://other.gdextension").expect("it can be written");
        for _ in 0..2 {
            list_extension(dir.path()).expect("it can be listed");
        }
        let text = fs::read_to_string(list).expect("it is there");
        assert_eq!(text, format!("res://other.gdextension\n{EXTENSION}\n"));
    }

    #[test]
    fn a_folder_without_a_project_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let error = require_project(dir.path()).expect_err("it holds no project");
        assert!(error.to_string().contains("project.godot"), "{error}");
    }

    #[test]
    fn the_manifest_names_the_libraries_that_are_there() {
        let manifest = "[configuration]\na = \"bin/c.so\"\n\n[libraries]\n\nlinux = \"bin/a.so\"\n\
                        windows = \"bin/b.dll\"\n";
        let files = Files::from([("bin/a.so".into(), Vec::new())]);
        let kept = manifest.replace("windows = \"bin/b.dll\"\n", "");
        assert_eq!(without_absent_libraries(manifest, &files), kept);
    }
}
