//! What goes with the library: the licences of everything that is linked into it, and a list of it.
//!
//! Crates are found by their manifests, by `cargo about` and `cargo cyclonedx`. Three things have none of
//! their own: OpenSSL and mimalloc, which crates carry as C source, and Rust's standard library.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Target;
use crate::process::succeed_quietly;
use crate::workspace::{self, Files};
use crate::{cargo, packages, stage};

const CARGO_ABOUT: &str = "0.9.3";
const CARGO_CYCLONEDX: &str = "0.5.9";

/// The manifest of what is shipped.
const MANIFEST: &str = "rust/dtls-godot/Cargo.toml";

/// Where all of it is. The engine neither looks into the folder nor exports it with a game.
const FOLDER: &str = "licenses";

pub(super) fn files(targets: impl Iterator<Item = Target>) -> Result<Files> {
    let mut triples: Vec<&str> = targets.flat_map(|target| target.triples).copied().collect();
    triples.sort_unstable();
    triples.dedup();
    let standard_library = Path::new(&cargo::rustc(&["--print", "sysroot"])?)
        .join("share/doc/rust/COPYRIGHT-library.html");
    let contents = [
        (".gdignore", String::new()),
        ("THIRD_PARTY.txt", third_party(&triples)?),
        ("rust-standard-library.html", read(&standard_library)?),
        ("sbom.cdx.json", sbom(&triples)?),
    ];
    Ok(contents.map(|(name, text)| (Path::new(FOLDER).join(name), text.into_bytes())).into())
}

/// What has no manifest, as CycloneDX lists it.
fn components() -> Result<Vec<Value>> {
    let header = mimalloc()?.join("include/mimalloc.h");
    let rust = cargo::rustc(&["--version"])?;
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let rust = rust.split_whitespace().nth(1).context("rustc does not say its version")?;
    let text = include_str!("components.json")
        .replace("{openssl}", openssl_src::openssl_version())
        .replace("{mimalloc}", &mimalloc_version(&read(&header)?).context("mimalloc's version")?)
        .replace("{rust}", rust);
    Ok(serde_json::from_str(&text)?)
}

fn mimalloc() -> Result<std::path::PathBuf> {
    Ok(workspace::package("libmimalloc-sys")?.join("c_src/mimalloc/v2"))
}

/// `#define MI_MALLOC_VERSION 224  // major + 2 digits minor` is 2.2.4; five digits are 2.02.04 likewise.
fn mimalloc_version(header: &str) -> Option<String> {
    let rest = header.lines().find_map(|line| line.strip_prefix("#define MI_MALLOC_VERSION"))?;
    let number: u32 = rest.split_whitespace().next()?.parse().ok()?;
    let digit = if number < 1_000 { 10 } else { 100 };
    Some(format!("{}.{}.{}", number / digit / digit, number / digit % digit, number % digit))
}

fn third_party(triples: &[&str]) -> Result<String> {
    let tool = packages::cargo_program("cargo-about", CARGO_ABOUT, "cli")?;
    // A build fetches what it compiles, and this wants to see what other platforms compile, too.
    succeed_quietly(cargo::command().args(["fetch", "--locked"]), "Fetching the crates")?;
    let out = tempfile::NamedTempFile::new()?;
    let mut command = Command::new(tool);
    cargo::without_run_variables(&mut command);
    command
        .current_dir(workspace::root())
        .args(["generate", "--offline", "--locked", "--fail"])
        .args(["--manifest-path", MANIFEST, "--config", "about.toml"])
        .args(triples.iter().flat_map(|triple| ["--target", triple]))
        .arg("--output-file")
        .arg(out.path())
        .arg("about.hbs");
    succeed_quietly(&mut command, "Collecting the licences")?;
    let mut text = String::from(
        "What is linked into the libraries of this addon, and under which licences. Rust's standard\n\
         library is in rust-standard-library.html, the addon itself in ../LICENSE.\n\n",
    );
    let terms =
        [openssl_src::source::source_dir().join("LICENSE.txt"), mimalloc()?.join("LICENSE")];
    for (source, terms) in components()?.iter().zip(&terms) {
        let [name, version, license, website] =
            ["/name", "/version", "/licenses/0/license/id", "/externalReferences/0/url"]
                .map(|it| source.pointer(it).and_then(Value::as_str).unwrap_or_default());
        let [rule, thin_rule] = ["=", "-"].map(|it| it.repeat(78));
        text +=
            &format!("{rule}\n{license}\n\nUsed by:\n  {name} {version}, {website}\n{thin_rule}\n");
        text += &format!("\n{}\n\n", read(terms)?.trim_end());
    }
    text += &read(out.path())?;
    Ok(text)
}

/// The list of what is linked in, in CycloneDX's form.
fn sbom(triples: &[&str]) -> Result<String> {
    const NAME: &str = "sbom";
    let tool = packages::cargo_program("cargo-cyclonedx", CARGO_CYCLONEDX, "")?;
    // It writes a file beside every manifest of the workspace.
    let copy = tempfile::tempdir()?;
    for (path, bytes) in workspace::read("")? {
        if path.extension().is_some_and(|it| it == "toml" || it == "lock" || it == "rs") {
            stage::write(&copy.path().join(&path), &bytes)?;
        }
    }
    let target = if let [one] = triples { one } else { "all" };
    let mut command = Command::new(tool);
    cargo::without_run_variables(&mut command);
    command
        .current_dir(copy.path())
        .args(["cyclonedx", "--format", "json", "--spec-version", "1.5", "--no-build-deps"])
        .args(["--manifest-path", MANIFEST, "--target", target, "--override-filename", NAME])
        .env("SOURCE_DATE_EPOCH", workspace::commit_time()?.to_string());
    succeed_quietly(&mut command, "Listing what is linked in")?;
    let written = copy.path().join(MANIFEST).with_file_name(format!("{NAME}.json"));
    // Our own crates are named by where they are.
    let place = copy.path().canonicalize()?.display().to_string();
    let text = read(&written)?.replace(&place, "/godot-dtls");

    let mut sbom: Value = serde_json::from_str(&text).context("cargo cyclonedx wrote no JSON")?;
    let listed = sbom["components"].as_array_mut().context("the list has no components")?;
    listed.extend(components()?);
    Ok(serde_json::to_string_pretty(&sbom)? + "\n")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
