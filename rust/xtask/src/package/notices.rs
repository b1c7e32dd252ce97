//! What goes with the library: the licences of everything that is linked into it, and a list of it.
//!
//! Crates are found by their manifests, by `cargo about` and `cargo cyclonedx`. Three things have none of
//! their own: OpenSSL and mimalloc, which crates carry as C source, and Rust's standard library.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Target;
use crate::process::succeed_quietly;
use crate::stage::Files;
use crate::{cargo, workspace};

const CARGO_ABOUT: &str = "0.9.3";
const CARGO_CYCLONEDX: &str = "0.5.9";

/// The manifest of what is shipped.
const MANIFEST: &str = "rust/dtls-godot/Cargo.toml";

/// Where all of it is. The engine neither looks into the folder nor exports it with a game.
const FOLDER: &str = "licenses";

pub(super) fn files(targets: impl Iterator<Item = Target>) -> Result<Files> {
    let mut triples: Vec<&str> = targets.flat_map(Target::triples).copied().collect();
    triples.sort_unstable();
    triples.dedup();
    let sources = [Source::openssl()?, Source::mimalloc()?];
    let contents = [
        (".gdignore", Vec::new()),
        ("THIRD_PARTY.txt", third_party(&triples, &sources)?.into_bytes()),
        ("rust-standard-library.html", rust_standard_library()?),
        ("sbom.cdx.json", sbom(&triples, &sources)?.into_bytes()),
    ];
    Ok(contents.map(|(name, bytes)| (Path::new(FOLDER).join(name), bytes)).into())
}

/// C source within a crate.
struct Source {
    name: &'static str,
    version: String,
    /// In the terms of SPDX.
    license: &'static str,
    supplier: &'static str,
    website: &'static str,
    text: String,
}

impl Source {
    fn openssl() -> Result<Self> {
        Ok(Self {
            name: "OpenSSL",
            version: openssl_src::openssl_version().to_owned(),
            license: "Apache-2.0",
            supplier: "OpenSSL Project",
            website: "https://openssl-library.org",
            text: read(&openssl_src::source::source_dir().join("LICENSE.txt"))?,
        })
    }

    fn mimalloc() -> Result<Self> {
        let source = workspace::package("libmimalloc-sys")?.join("c_src/mimalloc/v2");
        let header = read(&source.join("include/mimalloc.h"))?;
        Ok(Self {
            name: "mimalloc",
            version: mimalloc_version(&header).context("mimalloc does not say its version")?,
            license: "MIT",
            supplier: "Microsoft",
            website: "https://github.com/microsoft/mimalloc",
            text: read(&source.join("LICENSE"))?,
        })
    }

    fn component(&self) -> Value {
        let name = self.name.to_lowercase();
        let version = &self.version;
        json!({
            "type": "library",
            "bom-ref": format!("{name}@{version}"),
            "supplier": { "name": self.supplier },
            "name": self.name,
            "version": version,
            "scope": "required",
            "licenses": [{ "license": { "id": self.license } }],
            "cpe": format!("cpe:2.3:a:{name}:{name}:{version}:*:*:*:*:*:*:*"),
            "purl": format!("pkg:generic/{name}@{version}"),
            "externalReferences": [{ "type": "website", "url": self.website }],
        })
    }
}

/// `#define MI_MALLOC_VERSION 224  // major + 2 digits minor` is 2.2.4; five digits are 2.02.04 likewise.
fn mimalloc_version(header: &str) -> Option<String> {
    let rest = header.lines().find_map(|line| line.strip_prefix("#define MI_MALLOC_VERSION"))?;
    let number: u32 = rest.split_whitespace().next()?.parse().ok()?;
    let (major, minor, patch) = match number {
        100..1_000 => (number / 100, number / 10 % 10, number % 10),
        _ => (number / 10_000, number / 100 % 100, number % 100),
    };
    Some(format!("{major}.{minor}.{patch}"))
}

fn third_party(triples: &[&str], sources: &[Source]) -> Result<String> {
    let tool = cargo::tool("cargo-about", CARGO_ABOUT, &["cli"])?;
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
    for source in sources {
        let rule = "=".repeat(78);
        let Source { name, version, license, website, text: terms, .. } = source;
        text += &format!("{rule}\n{license}\n\nUsed by:\n  {name} {version}, {website}\n");
        text += &format!("{}\n\n{}\n\n", "-".repeat(78), terms.trim_end());
    }
    text += &fs::read_to_string(out.path()).context("cargo about has written nothing")?;
    Ok(text)
}

fn rust_standard_library() -> Result<Vec<u8>> {
    let file = Path::new(&cargo::rustc(&["--print", "sysroot"])?)
        .join("share/doc/rust/COPYRIGHT-library.html");
    fs::read(&file).with_context(|| format!("Rust came without its licences: {}", file.display()))
}

/// The list of what is linked in, in CycloneDX's form.
fn sbom(triples: &[&str], sources: &[Source]) -> Result<String> {
    const NAME: &str = "sbom";
    let tool = cargo::tool("cargo-cyclonedx", CARGO_CYCLONEDX, &[])?;
    // It writes a file beside every manifest of the workspace.
    let copy = tempfile::tempdir()?;
    for file in workspace::files()? {
        let is_needed = [".toml", ".lock", ".rs"].iter().any(|end| file.ends_with(end));
        if is_needed {
            let to = copy.path().join(&file);
            fs::create_dir_all(to.parent().context("a file is in a directory")?)?;
            fs::copy(workspace::root().join(&file), to)?;
        }
    }
    let target = match triples {
        [one] => one,
        _ => "all",
    };
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
    let components = sbom["components"].as_array_mut().context("the list has no components")?;
    components.extend(sources.iter().map(Source::component));
    components.push(rust_component()?);
    Ok(serde_json::to_string_pretty(&sbom)? + "\n")
}

/// Rust's standard library, which has no manifest that anyone could look into.
fn rust_component() -> Result<Value> {
    let text = cargo::rustc(&["--version"])?;
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let version = text.split_whitespace().nth(1).context("rustc does not say its version")?;
    Ok(json!({
        "type": "library",
        "bom-ref": format!("rust-std@{version}"),
        "name": "Rust standard library",
        "version": version,
        "scope": "required",
        "licenses": [{ "expression": "MIT OR Apache-2.0" }],
        "purl": format!("pkg:generic/rust-std@{version}"),
        "externalReferences": [{ "type": "website", "url": "https://www.rust-lang.org" }],
    }))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_mimalloc_are_read() {
        let version = |line: &str| mimalloc_version(&format!("#pragma once\n{line}\n"));
        assert_eq!(version("#define MI_MALLOC_VERSION 224   // x").as_deref(), Some("2.2.4"));
        assert_eq!(version("#define MI_MALLOC_VERSION 20301").as_deref(), Some("2.3.1"));
        assert_eq!(version("#define OTHER 1"), None);
    }

    #[test]
    fn what_has_no_manifest_is_found() {
        for source in [Source::openssl(), Source::mimalloc()] {
            let source = source.expect("it is in a crate");
            assert!(source.version.starts_with(|c: char| c.is_ascii_digit()), "{}", source.version);
            assert!(source.text.contains("Copyright") || source.text.contains("License"));
        }
    }
}
