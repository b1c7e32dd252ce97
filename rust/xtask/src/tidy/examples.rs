//! Rules about the GDScript that the documents show: it stands in a script that the tests inside the
//! engine run, its servers drop peers that are over, and no private key is where an export takes it along.

use std::collections::{BTreeMap, BTreeSet};

use super::{Files, Finding};

/// Where the scripts are that documents show.
const FOLDERS: [&str; 3] =
    ["godot_project/demo/recipes/", "godot_project/demo/tutorial/", "godot_project/tests/docs/"];

/// What the tests inside the engine begin with.
const SUITES: &str = "godot_project/tests/suites/test_";

/// The folder of a project that an export leaves out.
const KEPT_OUT: &str = "res://dtls_certificates/";

const FENCE: &str = "```";

pub(super) fn check(files: &Files) -> Vec<Finding> {
    let run = scripts_that_are_run(files);
    let examples: BTreeMap<&str, &str> = files
        .iter()
        .map(|(path, content)| (path.as_str(), content.as_str()))
        .filter(|(path, _)| path.ends_with(".gd") && FOLDERS.iter().any(|it| path.starts_with(it)))
        .collect();
    let mut findings = Vec::new();
    for (page, text) in files.iter().filter(|(path, _)| is_page(path)) {
        for (line, code) in blocks(text) {
            if !examples.values().any(|script| stands_in(&code, script)) {
                let what = format!("shows GDScript that is in no script of {}", FOLDERS.join(", "));
                findings.push(Finding::new(page, line, what));
            }
            findings.extend(bad_habits(&code, text).map(|what| Finding::new(page, line, what)));
        }
    }
    let code_that_is_run: String = run.values().map(|script| code(script) + "\n").collect();
    for (path, script) in examples {
        if !run.contains_key(path) {
            let what =
                "is run by no test: neither a suite names it nor a script or scene that is run";
            findings.push(Finding::new(path, 1, what));
        }
        for (line, function) in functions(script) {
            if !is_called(function, &code_that_is_run) {
                let what = format!("has a function that nothing calls which is run, {function}");
                findings.push(Finding::new(path, line, what));
            }
        }
    }
    findings
}

/// What readers should not learn from `code`, which stands on `page`.
fn bad_habits(code: &str, page: &str) -> impl Iterator<Item = &'static str> {
    let keeps_all = code.contains(".take_connection(") && !code.contains(".erase(");
    let never_ends = code.contains(".take_connection(") && !page.contains("idle_timeout");
    let gives_key_away = code.lines().any(|line| {
        line.contains("load(\"res://") && line.contains(".key\"") && !line.contains(KEPT_OUT)
    });
    [
        (keeps_all, "takes connections and drops no peer that is over"),
        (
            never_ends,
            "takes connections, and its page does not say how one ends whose player vanished",
        ),
        (gives_key_away, "loads a private key from where an export takes it along"),
    ]
    .into_iter()
    .filter_map(|(is_so, what)| is_so.then_some(what))
}

fn is_page(path: &str) -> bool {
    matches!(path, "README.md" | "addons/dtls/README.md")
        || (path.starts_with("docs/") && path.ends_with(".md"))
}

/// The blocks of GDScript on a page, each with the number of its first line.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String, bool)> = None;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix(FENCE), &mut open) {
            (Some(language), None) => {
                let is_code = ["gdscript", "gd"].contains(&language.trim().to_lowercase().as_str());
                open = Some((index + 2, String::new(), is_code));
            }
            (Some(_), Some(_)) => {
                if let Some((line, code, true)) = open.take() {
                    blocks.push((line, code));
                }
            }
            (None, Some((_, code, _))) => *code += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    blocks
}

/// Whether `code` stands in `script`, line by line. Blank lines do not count, and the indentation that
/// all lines have in common does not: a page may show the inside of a function.
fn stands_in(code: &str, script: &str) -> bool {
    let (code, script) = (lines(code), lines(script));
    let code = without_common_indentation(&code);
    !code.is_empty()
        && script.windows(code.len()).any(|lines| without_common_indentation(lines) == code)
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.trim().is_empty()).collect()
}

fn without_common_indentation<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let indentation = |line: &&str| line.len() - line.trim_start_matches('\t').len();
    let common = lines.iter().map(indentation).min().unwrap_or_default();
    lines.iter().map(|line| &line[common..]).collect()
}

/// The suites, and what they name by its path, and what that names.
fn scripts_that_are_run(files: &Files) -> BTreeMap<&str, &str> {
    let mut run = BTreeMap::new();
    let mut to_look_at: BTreeSet<&str> =
        files.keys().filter(|path| path.starts_with(SUITES)).map(String::as_str).collect();
    while let Some(path) = to_look_at.pop_first() {
        let Some((path, content)) = files.get_key_value(path) else { continue };
        run.insert(path.as_str(), content.as_str());
        let text = code(content);
        for named in text.split("res://").skip(1) {
            let named = named.split(['"', '\'', '`', ' ', ')']).next().unwrap_or_default();
            if let Some((named, _)) = files.get_key_value(&format!("godot_project/{named}"))
                && [".gd", ".tscn"].iter().any(|end| named.ends_with(end))
                && !run.contains_key(named.as_str())
            {
                to_look_at.insert(named);
            }
        }
    }
    run
}

/// A script without its comments.
fn code(script: &str) -> String {
    let without_comment = |line: &str| {
        let mut quote = None;
        let comment = line.char_indices().find(|(_, c)| match (*c, quote) {
            ('#', None) => true,
            ('"' | '\'', None) => {
                quote = Some(*c);
                false
            }
            (c, Some(open)) if c == open => {
                quote = None;
                false
            }
            _ => false,
        });
        line[..comment.map_or(line.len(), |(at, _)| at)].to_owned() + "\n"
    };
    script.lines().map(without_comment).collect()
}

/// The functions of a script that are there to be called, each with its line. Those with an underscore
/// in front are for the engine to call.
fn functions(script: &str) -> impl Iterator<Item = (usize, &str)> {
    script.lines().enumerate().filter_map(|(index, line)| {
        let line = line.trim_start();
        let (name, _) =
            line.trim_start_matches("static ").strip_prefix("func ")?.split_once('(')?;
        (!name.starts_with('_')).then_some((index + 1, name))
    })
}

fn is_called(function: &str, code: &str) -> bool {
    code.match_indices(function).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + function.len()..]);
        let begins = !before.ends_with(|c: char| c == '_' || c.is_alphanumeric());
        begins && !before.ends_with("func ") && after.starts_with(['(', '.', ',', ')'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<(String, usize)> {
        let files = files.iter().map(|(path, content)| ((*path).into(), (*content).into()));
        check(&files.collect()).into_iter().map(|it| (it.path, it.line)).collect()
    }

    const SUITE: (&str, &str) = (
        "godot_project/tests/suites/test_docs.gd",
        "const One := preload(\"res://tests/docs/one.gd\")\nfunc test_it():\n\tOne.new().it()\n",
    );

    #[test]
    fn what_a_page_shows_has_to_be_in_a_script() {
        let page = "\n```sh\nls\n```\n```gdscript\nvar a := 1\n\nvar b := 1\n```\n\n```gdscript\nvar a := 2\n```\n";
        let script = "func it():\n\tvar a := 1\n\tvar b := 1\n\tvar c := 1\n";
        let one = ("godot_project/tests/docs/one.gd", script);
        let elsewhere = ("godot_project/demo/other.gd", "var a := 2\n");
        for path in ["README.md", "addons/dtls/README.md", "docs/reference/a.md"] {
            let line = (path.to_owned(), 12);
            assert_eq!(found(&[SUITE, (path, page), one, elsewhere]), [line]);
        }
        assert_eq!(found(&[SUITE, ("rust/a.md", page), one]), []);
    }

    #[test]
    fn indentation_counts_as_far_as_lines_differ_in_it() {
        let script = "if a:\n\tif b:\n\t\tc()\n";
        assert!(stands_in("if b:\n\tc()\n", script));
        assert!(!stands_in("if b:\nc()\n", script));
        assert!(!stands_in("if b:\n\tc\n", script));
        assert!(!stands_in("\n", script));
    }

    #[test]
    fn what_stands_there_has_to_be_run() {
        let not_run = ("godot_project/demo/tutorial/two.gd", "extends Node\n");
        let line = (not_run.0.to_owned(), 1);
        for commented in
            ["# run(\"res://demo/tutorial/two.gd\")", "pass # res://demo/tutorial/two.gd"]
        {
            assert_eq!(found(&[(SUITE.0, commented), not_run]), std::slice::from_ref(&line));
        }
        let by_its_scene = [
            (SUITE.0, "run(\"#\", \"res://demo/tutorial/two.tscn\")\n"),
            ("godot_project/demo/tutorial/two.tscn", "path=\"res://demo/tutorial/two.gd\" id=1\n"),
            not_run,
        ];
        assert_eq!(found(&by_its_scene), []);
    }

    #[test]
    fn bad_habits_are_found() {
        let all = |code: &str, page: &str| bad_habits(code, page).collect::<Vec<_>>();
        let takes = "var peer := dtls.take_connection(udp)\n";
        let drops = format!("{takes}peers.erase(peer)\n");
        assert_eq!(all(takes, "").len(), 2);
        assert_eq!(all(takes, "idle_timeout").len(), 1);
        assert_eq!(all(&drops, "").len(), 1);
        assert_eq!(all(&drops, "idle_timeout"), <[&str; 0]>::default());
        assert_eq!(all("dtls.setup(load(\"res://server.key\"), c)\n", "").len(), 1);
        for good in ["res://dtls_certificates/server.key", "user://server.key", "res://server.crt"]
        {
            assert_eq!(all(&format!("load(\"{good}\")\n"), ""), <[&str; 0]>::default());
        }
    }

    #[test]
    fn its_functions_have_to_be_called() {
        let script = "func it():\n\tpass\nstatic func left():\n\tpass\nfunc _ready():\n\tpass\n";
        let line = ("godot_project/tests/docs/one.gd".to_owned(), 3);
        assert_eq!(found(&[SUITE, ("godot_project/tests/docs/one.gd", script)]), [line]);
    }
}
