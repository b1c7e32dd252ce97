//! Rules about which files there are, and what has to agree between them.

use toml::{Table, Value};

use super::{Files, Finding};
use crate::engine_api;

const REQUIRED: [&str; 8] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    // The engine has one name for the addon in every project, and looks at no picture of ours.
    "dtls.gdextension.uid",
    "docs/.gdignore",
];

pub(super) fn check(files: &Files) -> Vec<Finding> {
    let mut findings: Vec<Finding> = REQUIRED
        .iter()
        .filter(|path| !files.contains_key(**path))
        .map(|path| Finding::new(path, 1, "is missing"))
        .collect();
    findings.extend(versions(files));
    findings.extend(plugin_version(files));
    findings.extend(engine_versions(files));
    findings.extend(api_version(files));
    findings.extend(core_is_free_of_the_engine(files));
    findings
}

/// The workspace has the version that the change log describes last.
fn versions(files: &Files) -> Option<Finding> {
    let log = files.get("CHANGELOG.md")?;
    let version = parse(files, "Cargo.toml")
        .and_then(|manifest| string(&manifest, &["workspace", "package", "version"]));
    let (line, newest) = log.lines().enumerate().find_map(|(index, line)| {
        let heading = line.strip_prefix("## [")?.split_once(']')?.0;
        (heading != "Unreleased").then_some((index + 1, heading))
    })?;
    match version {
        Some(version) if version == newest => None,
        Some(version) => Some(Finding::new(
            "CHANGELOG.md",
            line,
            format!("describes {newest} last, but Cargo.toml has the version {version}"),
        )),
        None => Some(Finding::new("Cargo.toml", 1, "has no workspace.package.version")),
    }
}

/// The editor shows the version that the workspace has.
fn plugin_version(files: &Files) -> Option<Finding> {
    const PLUGIN: &str = "addons/dtls/plugin.cfg";
    let plugin: Table = files.get(PLUGIN)?.parse().ok()?;
    let workspace = string(&parse(files, "Cargo.toml")?, &["workspace", "package", "version"])?;
    let version = string(&plugin, &["plugin", "version"]).unwrap_or_default();
    (version != workspace).then(|| {
        let what = format!("has the version {version:?}, but Cargo.toml has {workspace}");
        Finding::new(PLUGIN, 1, what)
    })
}

/// The manifest asks for the engine whose API the library is built with.
fn engine_versions(files: &Files) -> Option<Finding> {
    const MANIFEST: &str = "dtls.gdextension";
    const CARGO: &str = "rust/dtls-godot/Cargo.toml";
    let Some(manifest) = files.get(MANIFEST) else {
        return Some(Finding::new(MANIFEST, 1, "is missing"));
    };
    let minimum = manifest.lines().enumerate().find_map(|(index, line)| {
        let value = line.trim().strip_prefix("compatibility_minimum")?;
        let value = value.trim_start().strip_prefix('=')?.trim();
        Some((index + 1, value.trim_matches('"').to_owned()))
    });
    let Some((line, minimum)) = minimum else {
        return Some(Finding::new(MANIFEST, 1, "has no compatibility_minimum"));
    };
    let feature = format!("api-{}", minimum.replace('.', "-"));
    let cargo = parse(files, CARGO)?;
    let features = cargo.get("features").and_then(Value::as_table);
    let has_default = features
        .and_then(|features| features.get("default"))
        .and_then(Value::as_array)
        .is_some_and(|default| default.iter().any(|name| name.as_str() == Some(&feature)));
    (!has_default).then(|| {
        let what =
            format!("asks for Godot {minimum}, but {CARGO} has no default feature {feature}");
        Finding::new(MANIFEST, line, what)
    })
}

/// The library is generated from the API of the engine that the manifest asks for.
fn api_version(files: &Files) -> Option<Finding> {
    let api = files.get(engine_api::FILE)?;
    let api: serde_json::Value = serde_json::from_str(api).unwrap_or_default();
    let number = |name: &str| api["header"][name].as_u64().unwrap_or_default();
    let version = format!("{}.{}", number("version_major"), number("version_minor"));
    let minimum = format!("compatibility_minimum = \"{version}\"");
    let is_same = files.get("dtls.gdextension")?.lines().any(|line| line.trim() == minimum);
    (!is_same).then(|| {
        let what = format!("is of Godot {version}, which dtls.gdextension does not ask for");
        Finding::new(engine_api::FILE, 1, what)
    })
}

/// The protocol core does not know the engine.
fn core_is_free_of_the_engine(files: &Files) -> Vec<Finding> {
    const CARGO: &str = "rust/dtls-core/Cargo.toml";
    let Some(manifest) = parse(files, CARGO) else {
        return Vec::new();
    };
    let mut tables = vec![&manifest];
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        tables.extend(targets.values().filter_map(Value::as_table));
    }
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    tables
        .into_iter()
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)))
        .filter_map(Value::as_table)
        .flatten()
        .filter(|(name, value)| is_engine(name) || package(value).is_some_and(is_engine))
        .map(|(name, _)| {
            let what = format!("depends on {name}; the core must not know the engine");
            Finding::new(CARGO, 1, what)
        })
        .collect()
}

fn is_engine(name: &str) -> bool {
    name == "godot" || name.starts_with("godot-")
}

/// The name of a dependency that is called something else here.
fn package(dependency: &Value) -> Option<&str> {
    dependency.as_table()?.get("package")?.as_str()
}

fn parse(files: &Files, path: &str) -> Option<Table> {
    files.get(path)?.parse().ok()
}

fn string(table: &Table, path: &[&str]) -> Option<String> {
    let (last, parents) = path.split_last()?;
    let mut table = table;
    for name in parents {
        table = table.get(*name)?.as_table()?;
    }
    Some(table.get(*last)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository in which every rule is kept.
    fn good() -> Files {
        let mut files: Files =
            REQUIRED.iter().map(|path| ((*path).to_owned(), "text\n".to_owned())).collect();
        for (path, text) in [
            ("Cargo.toml", "[workspace.package]\nversion = \"1.2.3\"\n"),
            (
                "CHANGELOG.md",
                "# Changes\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-01\n\n## [1.2.2]\n",
            ),
            ("addons/dtls/plugin.cfg", "[plugin]\nversion=\"1.2.3\"\n"),
            ("dtls.gdextension", "[configuration]\ncompatibility_minimum = \"4.3\"\n"),
            ("rust/dtls-godot/Cargo.toml", "[features]\ndefault = [\"api-4-3\"]\n"),
            ("rust/dtls-core/Cargo.toml", "[dependencies]\nlog = \"1\"\n"),
        ] {
            files.insert(path.to_owned(), text.to_owned());
        }
        files
    }

    fn found_after(path: &str, text: Option<&str>) -> Vec<String> {
        let mut files = good();
        match text {
            Some(text) => files.insert(path.to_owned(), text.to_owned()),
            None => files.remove(path),
        };
        let findings = check(&files);
        findings.into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn nothing_is_found_where_every_rule_is_kept() {
        assert_eq!(check(&good()), []);
    }

    #[test]
    fn a_missing_file_is_found() {
        for path in REQUIRED {
            assert_eq!(found_after(path, None), [path]);
        }
    }

    #[test]
    fn an_undescribed_version_is_found() {
        let newer = "[workspace.package]\nversion = \"1.3.0\"\n";
        let both = ["CHANGELOG.md", "addons/dtls/plugin.cfg"];
        assert_eq!(found_after("Cargo.toml", Some(newer)), both);
        assert_eq!(found_after("Cargo.toml", Some("")), ["Cargo.toml"]);
    }

    #[test]
    fn another_plugin_version_is_found() {
        let plugin = "addons/dtls/plugin.cfg";
        for text in ["[plugin]\nversion=\"1.2.2\"\n", "[plugin]\n"] {
            assert_eq!(found_after(plugin, Some(text)), [plugin]);
        }
    }

    #[test]
    fn the_api_of_another_engine_is_found() {
        let api = |minor: u32| {
            format!("{{\"header\":{{\"version_major\":4,\"version_minor\":{minor}}}}}\n")
        };
        assert!(found_after(engine_api::FILE, Some(&api(3))).is_empty());
        assert_eq!(found_after(engine_api::FILE, Some(&api(4))), [engine_api::FILE]);
        assert_eq!(found_after(engine_api::FILE, Some("{}\n")), [engine_api::FILE]);
    }

    #[test]
    fn another_engine_version_is_found() {
        let other = "compatibility_minimum = \"4.4\"\n";
        let manifest = "dtls.gdextension";
        assert_eq!(found_after(manifest, Some(other)), [manifest]);
        assert_eq!(found_after(manifest, Some("")), [manifest]);
        assert_eq!(found_after(manifest, None), [manifest]);
    }

    #[test]
    fn the_engine_in_the_core_is_found() {
        let path = "rust/dtls-core/Cargo.toml";
        for text in [
            "[dependencies]\ngodot = \"1\"\n",
            "[dev-dependencies]\ngodot-core = \"1\"\n",
            "[dependencies]\nengine = { package = \"godot\", version = \"1\" }\n",
            "[target.'cfg(unix)'.dependencies]\ngodot = { workspace = true }\n",
        ] {
            assert_eq!(found_after(path, Some(text)), [path], "{text}");
        }
    }
}
