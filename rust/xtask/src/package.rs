//! `cargo xtask package`: what a user downloads, as `target/dist/godot-dtls-<version>.zip`.
//!
//! 1. each target's two libraries are built into `target/dist/bin/`, or, with `--libraries`, taken from
//!    another folder: a release has them from several machines;
//! 2. they are looked at: what they need from a user's machine, what they show, how large they are;
//! 3. the addon's files are put together with them, with the licences of what is linked in, a list of
//!    it (SBOM) and everybody's SHA-256;
//! 4. all of it goes into an archive that has the same bytes whenever it is made of the same commit.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::engine::Engine;
use crate::stage::{self, Files};
use crate::{exported_game, workspace};

mod inspect;
mod notices;
mod target;

pub(crate) use target::{Kind, Target};

/// Where the files of the archive belong in a project.
const PLACE: &str = "addons/dtls";
/// What is in no other file of the package: the checksum of each.
const SUMS: &str = "SHA256SUMS";

/// What to pack.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// What to build for; may be given several times
    #[arg(long = "target", value_name = "TARGET", default_value = "linux-x86_64")]
    targets: Vec<Target>,
    /// Build the libraries into target/dist/bin/ and stop there
    #[arg(long)]
    only_libraries: bool,
    /// Build nothing, and pack every library that is in this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["targets", "only_libraries"])]
    libraries: Option<PathBuf>,
    /// Export a game with the package, and play it
    #[arg(long, conflicts_with = "only_libraries")]
    play: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let libraries = match &options.libraries {
        Some(dir) => found(dir)?,
        None => built(&options.targets)?,
    };
    for library in &libraries {
        let bytes = fs::read(&library.path)
            .with_context(|| format!("cannot read {}", library.path.display()))?;
        let summary = inspect::library(library.target, &bytes)
            .with_context(|| format!("{} cannot be shipped", library.name))?;
        println!("{}: {} bytes, {summary}", library.name, bytes.len());
    }
    if !options.only_libraries {
        let archive = pack(&libraries)?;
        println!("{}", archive.display());
        if options.play {
            let counts = exported_game::check(&Engine::find()?, &archive)?;
            println!("{counts}");
            return Ok(ExitCode::from(u8::from(counts.failed > 0)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds a package; returns the archive.
pub(crate) fn for_targets(targets: &[Target]) -> Result<PathBuf> {
    run(&Options {
        targets: targets.to_vec(),
        only_libraries: false,
        libraries: None,
        play: false,
    })?;
    archive()
}

/// The library in such a package that the editor loads.
pub(crate) fn debug_library() -> Result<PathBuf> {
    Ok(dist()?.join("bin").join(Target::LinuxX86_64.file(Kind::Debug)))
}

/// Puts what is in the archive into a project.
pub(crate) fn unpack(archive: &Path, project: &Path) -> Result<()> {
    let file = File::open(archive).with_context(|| format!("cannot open {}", archive.display()))?;
    ZipArchive::new(file)?.extract(project).context("the package cannot be unpacked")
}

/// A library, built and named.
struct Library {
    target: Target,
    name: String,
    path: PathBuf,
}

fn built(targets: &[Target]) -> Result<Vec<Library>> {
    let bin = dist()?.join("bin");
    fs::create_dir_all(&bin).with_context(|| format!("cannot create {}", bin.display()))?;
    let mut libraries = Vec::new();
    for target in targets {
        for kind in Kind::ALL {
            let name = target.file(kind);
            let path = bin.join(&name);
            let library = target.build(kind)?;
            fs::copy(&library, &path)
                .with_context(|| format!("cannot copy {}", library.display()))?;
            libraries.push(Library { target: *target, name, path });
        }
    }
    Ok(libraries)
}

/// The libraries in a folder, or in folders within it.
fn found(dir: &Path) -> Result<Vec<Library>> {
    let files = stage::files_below(dir)?;
    let mut libraries = Vec::new();
    for target in Target::value_variants() {
        for kind in Kind::ALL {
            let name = target.file(kind);
            let mut same = files.iter().filter(|path| path.ends_with(&name));
            let Some(path) = same.next() else { continue };
            if same.next().is_some() {
                bail!("{} has several files {name}", dir.display());
            }
            libraries.push(Library { target: *target, name, path: path.clone() });
        }
    }
    if libraries.is_empty() {
        bail!("{} has no library of the addon", dir.display());
    }
    Ok(libraries)
}

fn pack(libraries: &[Library]) -> Result<PathBuf> {
    if !workspace::is_clean()? {
        eprintln!("The package has changes in it that are in no commit.");
    }
    let staged: Vec<(String, PathBuf)> =
        libraries.iter().map(|library| (library.name.clone(), library.path.clone())).collect();
    let mut files = stage::addon(&staged)?;
    files.extend(notices::files(libraries.iter().map(|library| library.target))?);
    let sums = sums(&files);
    files.insert(SUMS.into(), sums.into_bytes());

    let bytes = zipped(&files)?;
    let path = archive()?;
    fs::create_dir_all(dist()?)?;
    fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    let name = path.file_name().unwrap_or_default().display();
    let sum = format!("{}  {name}\n", hex(&bytes));
    fs::write(path.with_added_extension("sha256"), &sum)?;
    println!("{} files, {} bytes, SHA-256 {}", files.len(), bytes.len(), hex(&bytes));
    Ok(path)
}

fn dist() -> Result<PathBuf> {
    Ok(workspace::target_dir()?.join("dist"))
}

fn archive() -> Result<PathBuf> {
    let version = env!("CARGO_PKG_VERSION");
    Ok(dist()?.join(format!("godot-dtls-{version}.zip")))
}

/// In the form that `sha256sum --check` reads.
fn sums(files: &Files) -> String {
    let mut text = String::new();
    for (path, bytes) in files {
        // A string takes whatever is written to it.
        let _ = writeln!(text, "{}  {}", hex(bytes), path.display());
    }
    text
}

/// SHA-256 of `bytes`, in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files as an archive: in the order of their names, and all of one time, so that nothing but
/// their content decides about its bytes.
fn zipped(files: &Files) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for (path, bytes) in files {
        let name = Path::new(PLACE).join(path);
        // The format has the separator of no system but its own.
        let name: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
        archive.start_file(name.join("/"), options)?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_depends_on_nothing_but_the_files() {
        let files: Files = [("a.txt", "one"), ("bin/b.so", "two")]
            .map(|(path, text)| (path.into(), text.into()))
            .into();
        let first = zipped(&files).expect("it can be packed");
        assert_eq!(first, zipped(&files).expect("it can be packed"));
        let mut archive = zip::ZipArchive::new(Cursor::new(&first)).expect("it is an archive");
        let names: Result<Vec<_>, _> = archive.file_names().collect();
        let names = names.expect("they can be read");
        assert_eq!(names, ["addons/dtls/a.txt", "addons/dtls/bin/b.so"]);
        let file = archive.by_index(0).expect("it has one");
        assert_eq!(file.last_modified(), Some(DateTime::default()));
    }

    #[test]
    fn sums_are_those_of_sha256sum() {
        let files: Files = [(PathBuf::from("a"), b"abc".to_vec())].into();
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sums(&files), format!("{of_abc}  a\n"));
    }
}
