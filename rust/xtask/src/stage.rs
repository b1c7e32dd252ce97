//! `cargo xtask stage`: the addon, put into a project's `addons/dtls/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use regex::Regex;
use walkdir::{DirEntry, WalkDir};

use crate::package::{Kind, Target};
use crate::process::succeed_quietly;
use crate::workspace::Files;
use crate::{build, workspace};

const MANIFEST: &str = "dtls.gdextension";
pub(crate) const EXTENSION: &str = "res://addons/dtls/dtls.gdextension";

/// With `features` of dtls-godot, which have commas in between.
pub(crate) fn run(project: &Path, release: bool, features: &str) -> Result<ExitCode> {
    stage(project, &build::library_with(release, features)?, release)?;
    if features.split(',').any(|feature| feature == "documented-names") {
        name_as_documented(&project.join("addons/dtls"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Gives the classes the documented names in all texts of a staged addon, and in the names of its files.
fn name_as_documented(addon: &Path) -> Result<()> {
    let ours = Regex::new("(DTLSServer|PacketPeerDTLS)OpenSSL")?;
    for file in files_below(addon)? {
        // The library is no text.
        if let Ok(text) = fs::read_to_string(&file) {
            let path = file.strip_prefix(addon)?.to_string_lossy();
            fs::remove_file(&file)?;
            let renamed = addon.join(&*ours.replace_all(&path, "$1"));
            write(&renamed, ours.replace_all(&text, "$1").as_bytes())?;
        }
    }
    Ok(())
}

/// Puts the addon with this library into a project, and has the engine load it.
pub(crate) fn stage(project: &Path, library: &Path, release: bool) -> Result<()> {
    unpack(project, library, release)?;
    list_extension(project)?;
    let what = if release { "release build, for debugging too," } else { "debug build" };
    println!("Staged the {what} into {}", project.join("addons/dtls").display());
    Ok(())
}

/// Puts the addon's files into a project, as a user does. The editor loads the library for debugging.
pub(crate) fn unpack(project: &Path, library: &Path, release: bool) -> Result<()> {
    let is_project = project.join("project.godot").is_file();
    ensure!(is_project, "{} is no Godot project: it has no project.godot", project.display());
    let kinds = if release { &Kind::ALL[..] } else { &[Kind::Debug] };
    let libraries: Vec<(String, PathBuf)> = kinds
        .iter()
        .map(|kind| (Target::LINUX_X86_64.file(*kind), library.to_path_buf()))
        .collect();
    copy(&addon(&libraries)?, &project.join("addons/dtls"))
}

/// The addon with these libraries, by paths below `addons/dtls/`: the name of each in `bin/`, and where it is now.
pub(crate) fn addon(libraries: &[(String, PathBuf)]) -> Result<Files> {
    let mut files = workspace::read("addons/dtls/")?;
    for (name, path) in libraries {
        let library = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        files.insert(Path::new("bin").join(name), library);
    }
    let [manifest, uid] = [MANIFEST, "dtls.gdextension.uid"].map(|name| {
        fs::read(workspace::root().join(name)).with_context(|| format!("cannot read {name}"))
    });
    files.insert("dtls.gdextension.uid".into(), uid?);
    let manifest = without_absent_libraries(&String::from_utf8(manifest?)?, &files);
    files.insert(MANIFEST.into(), manifest.into_bytes());
    Ok(files)
}

/// The manifest without the lines of the libraries that are not there. An export for such a platform
/// fails with a sentence of the engine's; with them, it would fail where the game is run.
fn without_absent_libraries(manifest: &str, files: &Files) -> String {
    let is_absent = |line: &str| {
        let library = line.split('"').nth(1).filter(|path| path.starts_with("bin/"));
        library.is_some_and(|path| !files.contains_key(Path::new(path)))
    };
    manifest.split_inclusive('\n').filter(|line| !is_absent(line)).collect()
}

/// Makes `destination` hold exactly these files, and what the editor has put beside them.
fn copy(files: &Files, destination: &Path) -> Result<()> {
    for (relative, content) in files {
        write(&destination.join(relative), content)?;
    }
    for path in files_below(destination)? {
        let relative = path.strip_prefix(destination)?;
        let is_sidecar = relative.extension().is_some_and(|it| it == "import" || it == "uid");
        let of = if is_sidecar { relative.with_extension("") } else { relative.to_path_buf() };
        if !files.contains_key(relative) && !files.contains_key(&of) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Writes a file in one step: a running engine may have the old library mapped, and must keep it whole.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let new = path.with_added_extension(format!("{}.new", std::process::id()));
    fs::create_dir_all(path.parent().context("a file is in a directory")?)?;
    fs::write(&new, bytes)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a program that is a command of the shell's, to which its own arguments are added.
pub(crate) fn write_script(path: &Path, command: &str) -> Result<()> {
    write(path, format!("#!/bin/sh\nexec {command} \"$@\"\n").as_bytes())?;
    succeed_quietly(Command::new("chmod").arg("+x").arg(path), "")?;
    Ok(())
}

/// Enters the addon in the list that the engine reads at start. The editor does so when it scans
/// a project; an engine that has never been opened as an editor would load nothing.
pub(crate) fn list_extension(project: &Path) -> Result<()> {
    let path = project.join(".godot/extension_list.cfg");
    let listed = fs::read_to_string(&path).unwrap_or_default();
    let others = listed.lines().filter(|line| line.trim() != EXTENSION);
    let all = others.chain([EXTENSION]).map(|line| line.to_owned() + "\n").collect::<String>();
    write(&path, all.as_bytes())
}

/// The files in a folder and in those within it.
pub(crate) fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries: Result<Vec<_>, _> = WalkDir::new(dir).sort_by_file_name().into_iter().collect();
    let files = entries?.into_iter().filter(|entry| !entry.file_type().is_dir());
    Ok(files.map(DirEntry::into_path).collect())
}

/// Makes `to` a copy of the repository's project, without the addon and what is `left_out`.
pub(crate) fn copy_project(to: &Path, left_out: &[&str]) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    for (path, bytes) in workspace::read("godot_project/")? {
        if !left_out.iter().any(|left_out| path.starts_with(left_out)) {
            write(&to.join(&path), &bytes)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_the_classes_can_have_the_documented_names() {
        let dir = tempfile::tempdir().expect("there is room");
        copy(&addon(&[]).expect("it is there"), dir.path()).expect("there is room");
        name_as_documented(dir.path()).expect("all can be read");
        let read = |file: &str| fs::read_to_string(dir.path().join(file)).expect("it is there");
        for name in ["DTLSServer", "PacketPeerDTLS"] {
            assert!(read(MANIFEST).contains(&format!("\n{name} = \"icons/{name}.svg\"\n")));
            assert!(read(&format!("icons/{name}.svg")).contains("<svg"));
            let texts = read("README.md") + &read("monitors.gd");
            assert!(texts.contains(name) && !texts.contains(&format!("{name}OpenSSL")));
        }
    }

    #[test]
    fn the_manifest_names_the_libraries_that_are_there() {
        let manifest =
            "[libraries]\n\nlinux = \"bin/a.so\"\nwindows = \"bin/b.dll\"\nx = \"icon\"\n";
        let files = Files::from([("bin/a.so".into(), Vec::new())]);
        let kept = manifest.replace("windows = \"bin/b.dll\"\n", "");
        assert_eq!(without_absent_libraries(manifest, &files), kept);
    }
}
