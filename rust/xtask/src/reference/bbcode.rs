//! The engine's BBCode, made into Markdown.

use anyhow::{Context, Result, bail};

use super::page::Classes;

/// Columns of a line of text.
const WIDTH: usize = 115;

/// `text` of a comment on `class`, as Markdown. What is not known is an error, so that no page shows it
/// as it stands.
pub(super) fn markdown(text: &str, class: &str, classes: &Classes) -> Result<String> {
    let mut written = String::new();
    let mut rest = text.trim();
    while let Some((before, tag_and_more)) = rest.split_once('[') {
        written += &escaped(before);
        let (tag, after) = tag_and_more.split_once(']').context("a tag does not end")?;
        rest = after;
        let (kind, name) = tag.split_once(' ').unwrap_or((tag, ""));
        match kind {
            "br" => written.push('\n'),
            "b" | "/b" => written += "**",
            "i" | "/i" => written.push('*'),
            "code" => written += &code(until("[/code]", &mut rest)?, classes),
            "codeblock" => {
                let block = until("[/codeblock]", &mut rest)?;
                written += &format!("```gdscript\n{}\n```", block.trim_matches('\n'));
            }
            "param" => written += &format!("`{name}`"),
            "method" | "member" | "constant" | "enum" => {
                written += &classes.link(kind, name, class)?;
            }
            _ if name.is_empty() && tag.starts_with(|c: char| c.is_uppercase() || c == '@') => {
                written += &classes.type_link(tag);
            }
            _ => bail!("[{tag}] is not known"),
        }
    }
    written += &escaped(rest);
    Ok(wrapped(&written))
}

/// What comes before `end`, which is skipped.
fn until<'a>(end: &str, rest: &mut &'a str) -> Result<&'a str> {
    let (inside, after) = rest.split_once(end).with_context(|| format!("{end} is missing"))?;
    *rest = after;
    Ok(inside)
}

/// Code, with a link if it is a method of one of the classes.
fn code(text: &str, classes: &Classes) -> String {
    let shown = format!("`{text}`");
    let method = text.strip_suffix("()").and_then(|text| text.split_once('.'));
    match method.and_then(|(class, name)| classes.own("method", class, name)) {
        Some(target) => format!("[{shown}]({target})"),
        None => shown,
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if "*`<|\\".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Breaks paragraphs into lines, and leaves blocks of code alone.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        if is_code || is_fence {
            lines.push(line.to_owned());
            continue;
        }
        let mut current = String::new();
        for word in line.split_whitespace() {
            if !current.is_empty() && current.len() + 1 + word.len() > WIDTH {
                lines.push(std::mem::take(&mut current));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current += word;
        }
        lines.push(current);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(text: &str) -> Result<String> {
        let xml = "<class name='Mine' inherits='RefCounted'><methods><method name='poll'/></methods>\
                   <members><member name='mtu'/></members>\
                   <constants><constant name='OFF' value='0' enum='Mode'/></constants></class>";
        markdown(text, "Mine", &Classes::of(&[roxmltree::Document::parse(xml)?])?)
    }

    #[test]
    fn texts_are_converted() {
        for (text, expected) in [
            ("one[br][br][b]Note:[/b] two", "one\n\n**Note:** two"),
            ("[code]a[0] * b[/code] 2 * 3", "`a[0] * b` 2 \\* 3"),
            ("[param a] of [method poll]", "`a` of [`poll`](#poll)"),
            ("[code]Mine.poll()[/code]", "[`Mine.poll()`](Mine.md#poll)"),
            ("[member mtu], [constant OFF]", "[`mtu`](#mtu), [`OFF`](#enum-mode)"),
            (
                "[codeblock lang=gdscript]var a := []\n\tb[/codeblock]",
                "```gdscript\nvar a := []\n\tb\n```",
            ),
            ("[member Resource.resource_path]", "[`Resource.resource_path`]"),
            ("[constant ERR_BUSY], [Object]", "[`ERR_BUSY`], [`Object`]"),
        ] {
            assert_eq!(converted(text).expect("it can be converted"), expected);
        }
    }

    #[test]
    fn what_leads_nowhere_is_an_error() {
        for text in
            ["[method pool]", "[member Mine.mtv]", "[what]", "[code]a", "[constant Mine.ON]"]
        {
            assert!(converted(text).is_err(), "{text}");
        }
    }

    #[test]
    fn long_lines_are_broken() {
        let text = wrapped(&"word ".repeat(60));
        assert!(text.lines().all(|line| line.len() <= WIDTH));
        assert_eq!(text.split_whitespace().count(), 60);
        let code = format!("```\n{}\n```", "a ".repeat(100).trim_end());
        assert_eq!(wrapped(&code), code);
    }
}
