//! The pages that gdext makes of the comments on the classes, and gives to the editor for its help. The
//! engine has no way to ask for them, so they are looked at here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::engine::names;
use crate::gdext_private::help;

/// The classes with their members, one a line, which a test in the engine compares with ClassDB.
static API: LazyLock<String> =
    LazyLock::new(|| names::in_text(include_str!("../../../godot_project/tests/golden/api.txt")));

/// What the help shows, as scripts that tests in the engine run.
const EXAMPLES: [&str; 6] = [
    include_str!("../../../godot_project/tests/docs/help_crypto.gd"),
    include_str!("../../../godot_project/tests/docs/help_listener.gd"),
    include_str!("../../../godot_project/tests/docs/help_listener_peers.gd"),
    include_str!("../../../godot_project/tests/docs/help_options.gd"),
    include_str!("../../../godot_project/tests/docs/help_peer.gd"),
    include_str!("../../../godot_project/tests/docs/help_server.gd"),
];

/// The pages by the names of their classes.
fn pages() -> BTreeMap<String, String> {
    let pages = help::pages().map(|xml| {
        let plain =
            [("[codeblock lang=gdscript]", "[codeblock]"), ("&quot;", "\""), ("&apos;", "'")];
        plain.iter().fold(xml, |xml, (from, to)| xml.replace(from, to))
    });
    pages.map(|xml| (between(&xml, "<class name=\"", "\"").to_owned(), xml)).collect()
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let rest = text.split_once(begin).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or("", |(inside, _)| inside)
}

/// `method`, `signal`, `member` or `constant`, and its name.
type Member<'a> = (&'static str, &'a str);

/// What each class has.
fn classes() -> BTreeMap<&'static str, Vec<Member<'static>>> {
    let mut classes: BTreeMap<_, Vec<Member>> = BTreeMap::new();
    let mut members = None;
    for line in API.lines() {
        if let Some(class) = line.strip_prefix("class ") {
            members = class.split([' ', ',']).next().map(|name| classes.entry(name).or_default());
        } else if let (Some(line), Some(members)) = (line.strip_prefix('\t'), &mut members) {
            if let Some(constant) = line.strip_prefix('\t') {
                members.extend(constant.split(' ').next().map(|name| ("constant", name)));
            } else if let Some(member) = line.strip_prefix("var ") {
                members.extend(member.split(':').next().map(|name| ("member", name)));
            } else if let Some(name) = line.strip_prefix("enum ") {
                members.push(("enum", name));
            } else if let Some(signal) = line.strip_prefix("signal ") {
                members.extend(signal.split('(').next().map(|name| ("signal", name)));
            } else if let Some((method, _)) = line.split_once('(') {
                members.push(("method", method.trim_start_matches("static ")));
            }
        }
    }
    classes
}

#[test]
fn everything_is_described() {
    let pages = pages();
    assert!(pages.keys().eq(classes().keys()), "{:?}", pages.keys());
    assert!([names::SERVER, names::PEER].iter().all(|name| pages.contains_key(*name)));
    // In the other build, what the pages say of each other has other names too.
    let says = |name| pages.values().any(|page| page.contains(name));
    assert_eq!(says("DTLSServerOpenSSL"), !cfg!(feature = "documented-names"));
    assert_eq!(says("PacketPeerDTLSOpenSSL"), !cfg!(feature = "documented-names"));
    for (class, members) in classes() {
        let page = &pages[class];
        assert!(!between(page, "<brief_description>", "</brief").is_empty(), "{class}");
        for (kind, name) in members.iter().filter(|(kind, _)| *kind != "enum") {
            // Those of gdext have the one kind of quotes, and ours the other.
            let entry = ['"', '\''].map(|quote| {
                let begin = format!("<{kind} name={quote}{name}{quote}");
                between(page, &begin, &format!("</{kind}>"))
            });
            let entry = entry.concat();
            let text = match *kind {
                "method" | "signal" => between(&entry, "<description>", "</description>"),
                _ => entry.split_once('>').map_or("", |(_, text)| text),
            };
            assert!(!text.trim().is_empty(), "{class}.{name} is not described");
        }
    }
}

#[test]
fn what_is_named_exists() {
    let classes = classes();
    for (class, page) in pages() {
        for tag in page.split('[').skip(1).filter_map(|rest| rest.split_once(']')) {
            let Some((kind, name)) = tag.0.split_once(' ') else { continue };
            if !["method", "member", "constant", "enum", "signal"].contains(&kind) {
                continue;
            }
            // Members of the engine's own classes are not known here, nor are its global constants.
            let (of, member) = name.split_once('.').unwrap_or((&class, name));
            let Some(members) = classes.get(of) else { continue };
            let is_known = members.iter().any(|it| it.0 == kind && it.1 == member);
            assert!(is_known || member.starts_with("ERR_"), "{class}: [{kind} {name}]");
        }
    }
}

/// What the engine's help can show, and what has to be closed. `param` and the like have a name behind them.
const TAGS: [&str; 6] = ["b", "i", "code", "codeblock", "br", "url"];

#[test]
fn what_is_marked_up_can_be_shown() {
    for (class, page) in pages() {
        let mut open = Vec::new();
        for tag in page.split('[').skip(1).filter_map(|rest| rest.split_once(']')) {
            let tag = tag.0;
            // Within code, a bracket is one. A class is named by its name alone.
            let is_code = open.last().is_some_and(|tag: &&str| tag.starts_with("code"));
            let is_class = tag.starts_with(|c: char| c.is_ascii_uppercase());
            if let Some(closed) = tag.strip_prefix('/').filter(|tag| TAGS.contains(tag)) {
                assert_eq!(open.pop(), Some(closed), "{class}: [{tag}]");
            } else if !is_code && !is_class && !tag.contains(' ') && tag != "br" {
                let name = tag.split('=').next().unwrap_or_default();
                assert!(TAGS.contains(&name), "{class}: [{tag}]");
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{class}: {open:?} is not closed");
    }
}

#[test]
fn servers_that_are_shown_drop_peers_that_are_over() {
    for (class, page) in pages() {
        for block in page.split("[codeblock]").skip(1) {
            let block = block.split("[/codeblock]").next().unwrap_or_default();
            assert!(!block.contains(".take_connection(") || block.contains(".erase("), "{class}");
            assert!(!block.contains("load(\"res://server.key"), "{class}");
        }
    }
}

#[test]
fn what_is_shown_is_run() {
    // Line by line, without the indentation that all lines have.
    let lines = |text: &str| -> Vec<String> {
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let indentation = |line: &&str| line.len() - line.trim_start_matches('\t').len();
        let common = lines.iter().map(indentation).min().unwrap_or_default();
        lines.iter().map(|line| line[common..].trim_end().to_owned()).collect()
    };
    for (class, page) in pages() {
        let mut blocks = page.split("[codeblock]").skip(1).peekable();
        assert!(blocks.peek().is_some(), "{class} shows nothing");
        for block in blocks {
            let shown =
                lines(&block.split("[/codeblock]").next().unwrap_or_default().replace("&gt;", ">"));
            let is_run = EXAMPLES.map(names::in_text).iter().any(|script| {
                let script: Vec<&str> =
                    script.lines().filter(|line| !line.trim().is_empty()).collect();
                script.windows(shown.len()).any(|part| lines(&part.join("\n")) == shown)
            });
            assert!(is_run, "{class} shows what is in none of the scripts: {shown:#?}");
        }
    }
}
