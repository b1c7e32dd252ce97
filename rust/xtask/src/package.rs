//! `cargo xtask package`: what a user downloads, as `target/dist/godot-dtls-<version>.zip`.
//!
//! Each target's two libraries are built into `target/dist/bin/`, or, with `--libraries`, taken from another
//! folder: a release has them from several machines. They are looked at, and put together with the addon's files,
//! the licences of what is linked in, a list of it (SBOM) and everybody's SHA-256. The archive of it has the same
//! bytes whenever it is made of the same commit.

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::engine::Engine;
use crate::workspace::{self, Files};
use crate::{exported_game, stage};

mod inspect;
mod notices;
mod target;

pub(crate) use target::{Kind, Target};

/// Where the files of the archive belong in a project.
const PLACE: &str = "addons/dtls";
/// What is in no other file of the package: the checksum of each.
const SUMS: &str = "SHA256SUMS";

/// What to pack.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// What to build for; may be given several times
    #[arg(long = "target", value_name = "TARGET", value_parser = Target::named)]
    #[arg(default_value = "linux-x86_64")]
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
        None => found(&build(&options.targets)?)?,
    };
    for library in &libraries {
        let bytes = fs::read(&library.path)
            .with_context(|| format!("cannot read {}", library.path.display()))?;
        let needs = inspect::library(library.target, &bytes)
            .with_context(|| format!("{} cannot be shipped", library.name))?;
        println!("{}: {} bytes, needs {}", library.name, bytes.len(), needs.join(", "));
    }
    if !options.only_libraries {
        let archive = pack(&libraries)?;
        println!("{}", archive.display());
        if options.play {
            let counts = exported_game::check(&Engine::find()?, &archive)?;
            println!("{counts}");
            return Ok(counts.exit_code());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds a package; returns the archive.
pub(crate) fn for_targets(targets: &[Target]) -> Result<PathBuf> {
    run(&Options { targets: targets.to_vec(), ..Options::default() })?;
    archive()
}

/// The library in such a package that the editor loads.
pub(crate) fn debug_library() -> Result<PathBuf> {
    Ok(dist()?.join("bin").join(Target::LINUX_X86_64.file(Kind::Debug)))
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

/// Builds the libraries; returns their folder.
fn build(targets: &[Target]) -> Result<PathBuf> {
    let bin = dist()?.join("bin");
    if bin.exists() {
        fs::remove_dir_all(&bin).with_context(|| format!("cannot remove {}", bin.display()))?;
    }
    for target in targets {
        for kind in Kind::ALL {
            stage::write(&bin.join(target.file(kind)), &fs::read(target.build(kind)?)?)?;
        }
    }
    Ok(bin)
}

/// The libraries in a folder, or in folders within it.
fn found(dir: &Path) -> Result<Vec<Library>> {
    let mut libraries: Vec<Library> = Vec::new();
    for path in stage::files_below(dir)? {
        let file = path.file_name().unwrap_or_default();
        let is_it = |target: &Target| Kind::ALL.iter().any(|kind| file == &*target.file(*kind));
        let Some(target) = Target::ALL.into_iter().find(is_it) else { continue };
        let name = file.display().to_string();
        let is_first = libraries.iter().all(|library| library.name != name);
        ensure!(is_first, "{} has several files {name}", dir.display());
        libraries.push(Library { target, name, path });
    }
    ensure!(!libraries.is_empty(), "{} has no library of the addon", dir.display());
    Ok(libraries)
}

fn pack(libraries: &[Library]) -> Result<PathBuf> {
    if !workspace::is_clean()? {
        eprintln!("The package has changes in it that are in no commit.");
    }
    let staged = libraries.iter().map(|library| (library.name.clone(), library.path.clone()));
    let mut files = stage::addon(&staged.collect::<Vec<_>>())?;
    files.extend(notices::files(libraries.iter().map(|library| library.target))?);
    files.insert(SUMS.into(), sums(&files).into_bytes());

    let bytes = zipped(&files)?;
    let path = archive()?;
    stage::write(&path, &bytes)?;
    let name = path.file_name().unwrap_or_default().into();
    let sum = sums(&[(name, bytes)].into());
    stage::write(&path.with_added_extension("sha256"), sum.as_bytes())?;
    print!("{} files: {sum}", files.len());
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
    files.iter().map(|(path, bytes)| format!("{}  {}\n", hex(bytes), path.display())).collect()
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
