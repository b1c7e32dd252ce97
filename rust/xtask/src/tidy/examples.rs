//! Rules about the GDScript that the documents show: it stands in a script that the tests inside the
//! engine run, its servers drop peers that are over, and no private key is where an export takes it along.

use std::collections::BTreeMap;

use regex::Regex;

use super::{Files, Finding};

/// Where the scripts are that documents show.
const FOLDERS: [&str; 3] =
    ["godot_project/demo/recipes/", "godot_project/demo/tutorial/", "godot_project/tests/docs/"];

pub(super) fn check(files: &Files) -> Vec<Finding> {
    let run = scripts_that_are_run(files);
    let code_that_is_run: String = run.values().map(|script| script.as_str()).collect();
    let examples = files.iter().filter(|(path, _)| {
        path.ends_with(".gd") && FOLDERS.iter().any(|folder| path.starts_with(folder))
    });
    let is_page = |path: &str| {
        ["README.md", "addons/dtls/README.md"].contains(&path)
            || (path.starts_with("docs/") && path.ends_with(".md"))
    };
    let mut findings = Vec::new();
    for (page, text) in files.iter().filter(|(path, _)| is_page(path)) {
        for (line, code) in blocks(text) {
            if !examples.clone().any(|(_, script)| stands_in(code, script)) {
                let what = format!("shows GDScript that is in no script of {}", FOLDERS.join(", "));
                findings.push((page.clone(), line, what));
            }
            findings
                .extend(bad_habits(code, text).map(|what| (page.clone(), line, what.to_owned())));
        }
    }
    for (path, script) in examples {
        if !run.contains_key(path.as_str()) {
            let what = "is named by no suite, and by no script or scene that is run";
            findings.push((path.clone(), 1, what.to_owned()));
        }
        for (line, function) in functions(script) {
            if !is_called(function, &code_that_is_run) {
                let what = format!("has a function that nothing calls which is run, {function}");
                findings.push((path.clone(), line, what));
            }
        }
    }
    findings
}

/// What readers should not learn from `code`, which stands on `page`.
fn bad_habits(code: &str, page: &str) -> impl Iterator<Item = &'static str> {
    let is_server = code.contains(".take_connection(");
    let gives_key_away = code.lines().any(|line| {
        // An export leaves that folder out.
        let is_kept_out = line.contains("res://dtls_certificates/");
        line.contains("load(\"res://") && line.contains(".key\"") && !is_kept_out
    });
    let habits = [
        (is_server && !code.contains(".erase("), "drops no peer that is over"),
        (
            is_server && !page.contains("idle_timeout"),
            "does not say how a vanished player's peer ends",
        ),
        (gives_key_away, "loads a private key from where an export takes it along"),
    ];
    habits.into_iter().filter_map(|(is_so, what)| is_so.then_some(what))
}

/// The blocks of GDScript on a page, each with the number of its first line.
fn blocks(page: &str) -> Vec<(usize, &str)> {
    let block = Regex::new(r"(?ms)^```([^\n]*)\n(.*?)^```").expect("it is one");
    let code = block.captures_iter(page);
    let code = code.filter(|it| ["gd", "gdscript"].contains(&&*it[1].trim().to_lowercase()));
    let code = code.filter_map(|block| block.get(2));
    code.map(|code| (page[..code.start()].matches('\n').count() + 1, code.as_str())).collect()
}

/// Whether `code` stands in `script`, line by line. Blank lines do not count, and the indentation that
/// all lines have in common does not: a page may show the inside of a function.
fn stands_in(code: &str, script: &str) -> bool {
    let lines = |text| str::lines(text).filter(|line| !line.trim().is_empty()).collect::<Vec<_>>();
    let (code, script) = (lines(code), lines(script));
    let code = without_common_indentation(&code);
    !code.is_empty()
        && script.windows(code.len()).any(|lines| without_common_indentation(lines) == code)
}

fn without_common_indentation<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let indentation = |line: &&str| line.len() - line.trim_start_matches('\t').len();
    let common = lines.iter().map(indentation).min().unwrap_or_default();
    lines.iter().map(|line| &line[common..]).collect()
}

/// The suites, and what they name by its path, and what that names: each without its comments.
fn scripts_that_are_run(files: &Files) -> BTreeMap<&str, String> {
    const SUITES: &str = "godot_project/tests/suites/test_";
    let mut run = BTreeMap::new();
    let mut to_look_at: Vec<&str> =
        files.keys().map(String::as_str).filter(|path| path.starts_with(SUITES)).collect();
    while let Some(path) = to_look_at.pop() {
        let Some((path, content)) = files.get_key_value(path) else { continue };
        if run.contains_key(path.as_str()) {
            continue;
        }
        let code = without_comments(content);
        for named in code.split("res://").skip(1) {
            let named = named.split(['"', '\'', '`', ' ', ')']).next().unwrap_or_default();
            let named = files.get_key_value(&format!("godot_project/{named}"));
            to_look_at.extend(
                named
                    .map(|(path, _)| path.as_str())
                    .filter(|path| [".gd", ".tscn"].iter().any(|end| path.ends_with(end))),
            );
        }
        run.insert(path.as_str(), code);
    }
    run
}

/// gdformat has two spaces in front of a comment behind code.
fn without_comments(script: &str) -> String {
    let lines = script.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.map(|line| line.split("  #").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// The functions of a script that are there to be called, each with its line. Those with an underscore
/// in front are for the engine to call.
fn functions(script: &str) -> Vec<(usize, &str)> {
    let function = Regex::new(r"(?m)^\s*(?:static )?func ([a-zA-Z]\w*)\(").expect("it is one");
    let names = function.captures_iter(script).filter_map(|function| function.get(1));
    names.map(|it| (script[..it.start()].matches('\n').count() + 1, it.as_str())).collect()
}

fn is_called(function: &str, code: &str) -> bool {
    let call = Regex::new(&format!(r"(func )?\b{function}[(.,)]")).expect("it is one");
    call.captures_iter(code).any(|call| call.get(1).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    const SUITE: (&str, &str) = (
        "godot_project/tests/suites/test_docs.gd",
        "const One := preload(\"res://tests/docs/one.gd\")\nfunc test_it():\n\tOne.new().it()\n",
    );
    const ONE: &str = "godot_project/tests/docs/one.gd";

    #[test]
    fn what_a_page_shows_has_to_be_in_a_script() {
        let page = "\n```sh\nls\n```\n```gdscript\nvar a := 1\n\nvar b := 1\n```\n\n```gdscript\nvar a := 2\n```\n";
        let one = (ONE, "func it():\n\tvar a := 1\n\tvar b := 1\n\tvar c := 1\n");
        let elsewhere = ("godot_project/demo/other.gd", "var a := 2\n");
        for path in ["README.md", "addons/dtls/README.md", "docs/recipes/a.md"] {
            let at = [(path.to_owned(), 12)];
            assert_eq!(found(check, &[SUITE, (path, page), one, elsewhere]), at);
        }
        assert_eq!(found(check, &[SUITE, ("rust/a.md", page), one]), []);
        let script = "if a:\n\tif b:\n\t\tc()\n";
        assert!(stands_in("if b:\n\tc()\n", script));
        assert!(!stands_in("if b:\nc()\n", script));
    }

    #[test]
    fn what_stands_there_has_to_be_run() {
        let not_run = ("godot_project/demo/tutorial/two.gd", "extends Node\n");
        let at = [(not_run.0.to_owned(), 1)];
        for comment in
            ["# run(\"res://demo/tutorial/two.gd\")", "pass  # res://demo/tutorial/two.gd"]
        {
            assert_eq!(found(check, &[(SUITE.0, comment), not_run]), at);
        }
        let by_its_scene = [
            (SUITE.0, "run(\"#\", \"res://demo/tutorial/two.tscn\")\n"),
            ("godot_project/demo/tutorial/two.tscn", "path=\"res://demo/tutorial/two.gd\" id=1\n"),
            not_run,
        ];
        assert_eq!(found(check, &by_its_scene), []);
        let script = "func it():\n\tpass\nstatic func left():\n\tpass\nfunc _ready():\n\tpass\n";
        assert_eq!(found(check, &[SUITE, (ONE, script)]), [(ONE.to_owned(), 3)]);
    }

    #[test]
    fn bad_habits_are_found() {
        let habits = |code: &str, page: &str| bad_habits(code, page).count();
        let takes = "var peer := dtls.take_connection(udp)\n";
        assert_eq!(habits(takes, ""), 2);
        assert_eq!(habits(&format!("{takes}peers.erase(peer)\n"), "idle_timeout"), 0);
        assert_eq!(habits("dtls.setup(load(\"res://server.key\"), c)\n", ""), 1);
        for good in ["res://dtls_certificates/server.key", "user://server.key", "res://server.crt"]
        {
            assert_eq!(habits(&format!("load(\"{good}\")\n"), ""), 0);
        }
    }
}
