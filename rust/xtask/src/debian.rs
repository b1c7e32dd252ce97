//! The machine's own package manager, where that is Debian's apt.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Result, bail};

use crate::process::{on_path, succeed_quietly};

/// Whether this is Debian itself: what derives from it has other archives.
pub(crate) fn is_debian() -> bool {
    os_release().get("ID").is_some_and(|id| id == "debian") && on_path("apt-get")
}

/// Whether programs out of Debian's packages for x86_64 can be fetched, and run.
pub(crate) fn can_run_packages() -> bool {
    is_debian() && cfg!(all(target_os = "linux", target_arch = "x86_64"))
}

/// The machine's release by its code name, where it says so.
pub(crate) fn codename() -> Option<String> {
    os_release().remove("VERSION_CODENAME")
}

fn os_release() -> HashMap<String, String> {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

/// Installs packages for the whole machine, or says what the developer has to install.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if !is_debian() {
        bail!("please install what Debian calls {names}, then run this again");
    }
    if !is_root() {
        bail!("please run `apt-get install {names}` as root, then run this again");
    }
    static UPDATED: Mutex<bool> = Mutex::new(false);
    let mut updated = UPDATED.lock().expect("nothing panics while it holds this");
    if !*updated {
        succeed_quietly(apt_get().arg("update"), "Updating the package lists")?;
        *updated = true;
    }
    let install = ["install", "-y", "--no-install-recommends"];
    succeed_quietly(apt_get().args(install).args(packages), &format!("Installing {names}"))?;
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

pub(crate) fn is_root() -> bool {
    // The owner of a process's directory in /proc is its effective user.
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0)
    }
    #[cfg(not(unix))]
    false
}

/// The archives that the machine's apt uses and that may be Debian's main one, likeliest first.
/// Only a signature tells for sure.
pub(crate) fn archives() -> Result<Vec<String>> {
    let mut sources = Vec::new();
    let parts = Path::new("/etc/apt/sources.list.d");
    let mut files = vec![Path::new("/etc/apt/sources.list").to_path_buf()];
    if let Ok(entries) = fs::read_dir(parts) {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => sources.extend(text.lines().filter_map(one_line_source)),
            Some("sources") => sources.extend(deb822_sources(&text)),
            _ => {}
        }
    }
    let archives = rank(sources, codename().as_deref());
    if archives.is_empty() {
        bail!("apt's sources name no archive with a component `main`");
    }
    Ok(archives)
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    uri: String,
    suites: Vec<String>,
    components: Vec<String>,
}

/// `deb [options] URI suite component…`
fn one_line_source(line: &str) -> Option<Source> {
    let rest = line.trim().strip_prefix("deb ")?.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let mut words = rest.split('#').next()?.split_whitespace().map(String::from);
    Some(Source { uri: words.next()?, suites: vec![words.next()?], components: words.collect() })
}

/// Stanzas of `Field: values`, a value going on in lines that begin with a space.
fn deb822_sources(text: &str) -> Vec<Source> {
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.starts_with('#')).map(str::trim_end).collect();
    lines.split(|line| line.is_empty()).flat_map(stanza_sources).collect()
}

fn stanza_sources(lines: &[&str]) -> Vec<Source> {
    let mut fields: HashMap<String, Vec<String>> = HashMap::new();
    let mut current = String::new();
    for line in lines {
        let mut values = *line;
        if !line.starts_with([' ', '\t'])
            && let Some((name, rest)) = line.split_once(':')
        {
            current = name.to_ascii_lowercase();
            values = rest;
        }
        let words = values.split_whitespace().map(String::from);
        fields.entry(current.clone()).or_default().extend(words);
    }
    let mut field = |name: &str| fields.remove(name).unwrap_or_default();
    if !field("types").iter().any(|kind| kind == "deb") || field("enabled") == ["no"] {
        return Vec::new();
    }
    let (suites, components) = (field("suites"), field("components"));
    let source = |uri| Source { uri, suites: suites.clone(), components: components.clone() };
    field("uris").into_iter().map(source).collect()
}

fn rank(sources: Vec<Source>, codename: Option<&str>) -> Vec<String> {
    const ROLLING: [&str; 5] = ["stable", "testing", "unstable", "sid", "oldstable"];
    let mut ranked: Vec<(u8, String)> = sources
        .into_iter()
        .filter(|source| source.components.iter().any(|component| component == "main"))
        .filter_map(|source| {
            let of_release = source
                .suites
                .iter()
                .any(|suite| Some(suite.as_str()) == codename || ROLLING.contains(&suite.as_str()));
            let path_is_usual = source.uri.trim_end_matches('/').ends_with("/debian");
            let rank = match (of_release, path_is_usual) {
                (true, true) => 0,
                (true, false) => 1,
                (false, _) => return None,
            };
            Some((rank, source.uri))
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut archives: Vec<String> = Vec::new();
    for (_, uri) in ranked {
        if !archives.contains(&uri) {
            archives.push(uri);
        }
    }
    archives
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_sources_are_read() {
        let line =
            "deb [arch=amd64 signed-by=/x.gpg] https://mirror.example/debian trixie main # x";
        let source = one_line_source(line).expect("it is one");
        assert_eq!(source.uri, "https://mirror.example/debian");
        assert_eq!(source.suites, ["trixie"]);
        assert_eq!(source.components, ["main"]);
        assert_eq!(one_line_source("# deb http://mirror.example x main"), None);
        assert_eq!(one_line_source("deb-src http://mirror.example x main"), None);
    }

    #[test]
    fn deb822_sources_are_read() {
        let text = "Types: deb\n# a comment\nURIs: http://mirror.example/debian\n\
                    Suites: bookworm\n bookworm-updates\nComponents: main\n\n\
                    Types: deb\nEnabled: no\nURIs: http://off.example/\nSuites: x\nComponents: main\n\n\
                    Types: deb-src\nURIs: http://src.example/\nSuites: x\nComponents: main\n";
        let sources = deb822_sources(text);
        assert_eq!(sources.len(), 1);
        assert_eq!(sources[0].uri, "http://mirror.example/debian");
        assert_eq!(sources[0].suites, ["bookworm", "bookworm-updates"]);
    }

    #[test]
    fn the_usual_path_comes_first_and_security_is_left_out() {
        let source = |uri: &str, suite: &str| Source {
            uri: uri.to_owned(),
            suites: vec![suite.to_owned()],
            components: vec!["main".to_owned()],
        };
        let sources = vec![
            source("http://other.example/deb/", "stable"),
            source("http://mirror.example/debian-security", "bookworm-security"),
            source("http://mirror.example/debian", "bookworm"),
            source("http://mirror.example/debian", "bookworm"),
        ];
        assert_eq!(
            rank(sources, Some("bookworm")),
            ["http://mirror.example/debian", "http://other.example/deb/"]
        );
    }
}
