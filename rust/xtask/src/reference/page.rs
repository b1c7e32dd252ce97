//! One page for each class, and one that lists them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use roxmltree::{Document, Node};

use super::Pages;
use super::bbcode::markdown;

/// Where the engine's own classes are described.
const ENGINE: &str = "https://docs.godotengine.org/en/stable/classes";
const NOTE: &str =
    "<!-- Written by `cargo xtask reference` from the comments in rust/dtls-godot/src/. -->";
/// Signatures up to here stand on one line.
const WIDTH: usize = 110;

/// The pages of the classes in `texts`, the engine's XML.
pub(super) fn pages(texts: &[String]) -> Result<Pages> {
    let documents =
        texts.iter().map(|text| Document::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let classes = Classes::of(&documents)?;
    let mut pages = Pages::new();
    let mut index = format!("# Class reference\n\n{NOTE}\n\n| class | |\n|---|---|\n");
    for (name, class) in &classes.own {
        let page = Page { name, class: class.node, classes: &classes };
        pages.insert(format!("{name}.md"), page.text().context(name.clone())?);
        let brief = page.markdown(&text_of(class.node, "brief_description"))?;
        writeln!(index, "| [`{name}`]({name}.md) | {} |", in_a_cell(&brief))?;
    }
    index += "\nThe same texts are in the editor's help (F1).\n";
    pages.insert("README.md".to_owned(), classes.complete(&index));
    Ok(pages)
}

/// The classes of the addon.
pub(super) struct Classes<'a> {
    own: BTreeMap<String, Class<'a>>,
    /// Where the engine's are that texts name. Their addresses stand at the end of a page.
    engine: RefCell<BTreeMap<String, String>>,
}

struct Class<'a> {
    node: Node<'a, 'a>,
    /// What can be linked to, each kind by its name, and the heading that it stands under.
    members: BTreeMap<(&'static str, String), String>,
}

impl<'a> Classes<'a> {
    pub(super) fn of(documents: &'a [Document<'a>]) -> Result<Self> {
        let mut classes = BTreeMap::new();
        for document in documents {
            let node = document.root_element();
            let mut members = BTreeMap::new();
            for (list, kind) in [("methods", "method"), ("members", "member")] {
                for member in children(node, list) {
                    let name = attribute(member, "name")?;
                    members.insert((kind, name.to_owned()), name.to_owned());
                }
            }
            for constant in children(node, "constants") {
                let name = attribute(constant, "name")?;
                let heading = format!("enum-{}", attribute(constant, "enum")?.to_lowercase());
                let named = attribute(constant, "enum")?.to_owned();
                members.insert(("enum", named), heading.clone());
                members.insert(("constant", name.to_owned()), heading);
            }
            classes.insert(attribute(node, "name")?.to_owned(), Class { node, members });
        }
        Ok(Self { own: classes, engine: RefCell::default() })
    }

    /// Where a member of one of these classes is described.
    pub(super) fn own(&self, kind: &'static str, class: &str, name: &str) -> Option<String> {
        let heading = self.own.get(class)?.members.get(&(kind, name.to_owned()))?;
        Some(format!("{class}.md#{heading}"))
    }

    /// A link to what a text on the page of `class` names. What these classes do not have is the engine's;
    /// nobody here knows whether that has it.
    pub(super) fn link(&self, kind: &str, name: &str, class: &str) -> Result<String> {
        let (of, member) = name.split_once('.').unwrap_or((class, name));
        let (kind, in_engine) = match kind {
            "method" => ("method", "method"),
            "member" => ("member", "property"),
            "constant" => ("constant", "constant"),
            _ => ("enum", "enum"),
        };
        let target = if let Some(target) = self.own(kind, of, member) {
            target.strip_prefix(&format!("{class}.md")).unwrap_or(&target).to_owned()
        } else if self.own.contains_key(of) {
            // Constants without a class can be the engine's global ones.
            if name.contains('.') || !(kind == "constant" && name.starts_with("ERR_")) {
                bail!("{of} has no {kind} {member}");
            }
            return Ok(self.engine_link(name, &member_link("@GlobalScope", in_engine, member)));
        } else {
            return Ok(self.engine_link(name, &member_link(of, in_engine, member)));
        };
        Ok(format!("[`{name}`]({target})"))
    }

    /// A link to the page of a class or of one of the engine's types.
    pub(super) fn type_link(&self, name: &str) -> String {
        if name == "void" {
            return "nothing".to_owned();
        }
        if let Some(element) = name.strip_suffix("[]") {
            return format!("Array of {}", self.type_link(element));
        }
        if self.own.contains_key(name) {
            return format!("[`{name}`]({name}.md)");
        }
        self.engine_link(name, &format!("class_{}.html", name.to_lowercase()))
    }

    /// A link to the enum `name`, such as `Error` or `DTLSCrypto.Usage`.
    fn enum_link(&self, name: &str) -> Result<String> {
        if name.contains('.') {
            return self.link("enum", name, "");
        }
        let target = format!("class_@globalscope.html#enum-globalscope-{}", name.to_lowercase());
        Ok(self.engine_link(name, &target))
    }

    fn engine_link(&self, name: &str, target: &str) -> String {
        self.engine.borrow_mut().insert(name.to_owned(), format!("{ENGINE}/{target}"));
        format!("[`{name}`]")
    }

    /// A page with the addresses of the engine's classes that it names.
    fn complete(&self, page: &str) -> String {
        let engine = self.engine.borrow();
        let named = engine.iter().filter(|(name, _)| {
            let link = format!("[`{name}`]");
            page.match_indices(&link).any(|(at, _)| !page[at + link.len()..].starts_with('('))
        });
        let addresses = named.map(|(name, address)| format!("[`{name}`]: {address}\n"));
        format!("{}\n\n{}", page.trim_end(), addresses.collect::<String>())
    }
}

fn member_link(class: &str, kind: &str, member: &str) -> String {
    let file = class.to_lowercase();
    let anchor = format!("class-{}-{kind}-{member}", file.trim_start_matches('@'));
    format!("class_{file}.html#{}", anchor.to_lowercase().replace('_', "-"))
}

struct Page<'a> {
    name: &'a str,
    class: Node<'a, 'a>,
    classes: &'a Classes<'a>,
}

impl Page<'_> {
    fn text(&self) -> Result<String> {
        let inherits = attribute(self.class, "inherits")?;
        let mut text = format!("# {}\n\n{NOTE}\n\n", self.name);
        writeln!(text, "Inherits {}.\n", self.classes.type_link(inherits))?;
        for part in ["brief_description", "description"] {
            writeln!(text, "{}\n", self.markdown(&text_of(self.class, part))?)?;
        }
        text += &self.tables()?;
        text += &self.enums()?;
        text += &self.members()?;
        Ok(self.classes.complete(&text))
    }

    fn markdown(&self, text: &str) -> Result<String> {
        markdown(text, self.name, self.classes)
    }

    fn tables(&self) -> Result<String> {
        let mut text = String::new();
        if children(self.class, "members").next().is_some() {
            text += "## Properties\n\n| property | type | default |\n|---|---|---|\n";
        }
        for member in children(self.class, "members") {
            let name = attribute(member, "name")?;
            let default = member.attribute("default").unwrap_or_default();
            writeln!(text, "| [`{name}`](#{name}) | {} | `{default}` |", self.type_of(member)?)?;
        }
        if children(self.class, "methods").next().is_some() {
            text += "\n## Methods\n\n| method | returns | |\n|---|---|---|\n";
        }
        for method in children(self.class, "methods") {
            let name = attribute(method, "name")?;
            let returned = self.type_of(child(method, "return")?)?;
            let what = self.markdown(&text_of(method, "description"))?;
            let first = in_a_cell(what.split("\n\n").next().unwrap_or_default());
            let first = first.split_inclusive(". ").next().unwrap_or_default().trim_end();
            writeln!(text, "| [`{name}`](#{name}) | {returned} | {first} |")?;
        }
        Ok(text.trim_start().to_owned())
    }

    fn enums(&self) -> Result<String> {
        let mut text = String::new();
        let mut last = "";
        for constant in children(self.class, "constants") {
            let (name, value) = (attribute(constant, "name")?, attribute(constant, "value")?);
            let of = attribute(constant, "enum")?;
            if of != last {
                write!(text, "\n## enum {of}\n\n| constant | value | |\n|---|---|---|\n")?;
                last = of;
            }
            let what = self.markdown(constant.text().unwrap_or_default())?;
            writeln!(text, "| `{name}` | {value} | {} |", in_a_cell(&what))?;
        }
        Ok(text)
    }

    fn members(&self) -> Result<String> {
        let mut text = String::new();
        for (list, heading) in
            [("members", "Properties in detail"), ("methods", "Methods in detail")]
        {
            for (index, member) in children(self.class, list).enumerate() {
                let name = attribute(member, "name")?;
                if index == 0 {
                    let line = if text.is_empty() { "\n" } else { "" };
                    write!(text, "{line}## {heading}\n\n")?;
                }
                let (signature, what) = if list == "members" {
                    let default = member.attribute("default").unwrap_or_default();
                    let signature = format!("var {name}: {} = {default}", type_name(member)?);
                    (signature, member.text().unwrap_or_default().to_owned())
                } else {
                    (signature(method_parts(member)?), text_of(member, "description"))
                };
                let what = self.markdown(&what)?;
                if what.is_empty() {
                    bail!("{name} has no text");
                }
                write!(text, "### {name}\n\n```text\n{signature}\n```\n\n{what}\n\n")?;
            }
        }
        Ok(text)
    }

    fn type_of(&self, node: Node<'_, '_>) -> Result<String> {
        match node.attribute("enum") {
            Some(name) => self.classes.enum_link(name),
            None => Ok(self.classes.type_link(attribute(node, "type")?)),
        }
    }
}

/// `static func name`, its arguments, and ` -> Type`.
type Parts = (String, Vec<String>, String);

fn method_parts(method: Node<'_, '_>) -> Result<Parts> {
    let qualifiers = method.attribute("qualifiers").unwrap_or_default();
    let is_static = if qualifiers.split(' ').any(|it| it == "static") { "static " } else { "" };
    let mut arguments = Vec::new();
    for argument in method.children().filter(|node| node.has_tag_name("param")) {
        let default = argument.attribute("default").map_or(String::new(), |it| format!(" = {it}"));
        let name = attribute(argument, "name")?;
        arguments.push(format!("{name}: {}{default}", type_name(argument)?));
    }
    let returned = type_name(child(method, "return")?)?;
    let name = attribute(method, "name")?;
    Ok((format!("{is_static}func {name}"), arguments, format!(" -> {returned}")))
}

fn signature((head, arguments, returned): Parts) -> String {
    let line = format!("{head}({}){returned}", arguments.join(", "));
    if line.len() <= WIDTH {
        return line;
    }
    format!("{head}(\n    {}\n){returned}", arguments.join(",\n    "))
}

/// The type of an argument, a property or a result as GDScript has it.
fn type_name(node: Node<'_, '_>) -> Result<String> {
    let name = match node.attribute("enum") {
        Some(name) => name,
        None => attribute(node, "type")?,
    };
    Ok(name.strip_suffix("[]").map_or_else(|| name.to_owned(), |it| format!("Array[{it}]")))
}

/// A text that has to stand on one line.
fn in_a_cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn children<'a>(node: Node<'a, 'a>, list: &str) -> impl Iterator<Item = Node<'a, 'a>> {
    let list = node.children().find(|child| child.has_tag_name(list));
    list.into_iter().flat_map(|list| list.children().filter(Node::is_element))
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Result<Node<'a, 'a>> {
    let found = node.children().find(|child| child.has_tag_name(name));
    found.with_context(|| format!("there is no <{name}>"))
}

fn text_of(node: Node<'_, '_>, name: &str) -> String {
    let found = node.children().find(|child| child.has_tag_name(name));
    found.and_then(|child| child.text().map(str::to_owned)).unwrap_or_default()
}

fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str> {
    let tag = node.tag_name().name();
    node.attribute(name).with_context(|| format!("<{tag}> has no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_a_page() {
        let xml = "<class name='Mine' inherits='RefCounted'>\
            <brief_description>Does [b]it[/b].</brief_description><description>Well.</description>\
            <methods><method name='make' qualifiers='static'><return type='int' enum='Error'/>\
            <param index='0' name='of' type='String[]' default='[]'/>\
            <description>Makes it. Or not.</description></method></methods>\
            <members><member name='mtu' type='int' default='0'>Bytes.</member></members>\
            <constants><constant name='OFF' value='0' enum='Mode'>None.</constant></constants></class>";
        let pages = pages(&[xml.to_owned()]).expect("it can be written");
        let expected = "\
# Mine

<!-- Written by `cargo xtask reference` from the comments in rust/dtls-godot/src/. -->

Inherits [`RefCounted`].

Does **it**.

Well.

## Properties

| property | type | default |
|---|---|---|
| [`mtu`](#mtu) | [`int`] | `0` |

## Methods

| method | returns | |
|---|---|---|
| [`make`](#make) | [`Error`] | Makes it. |

## enum Mode

| constant | value | |
|---|---|---|
| `OFF` | 0 | None. |

## Properties in detail

### mtu

```text
var mtu: int = 0
```

Bytes.

## Methods in detail

### make

```text
static func make(of: Array[String] = []) -> Error
```

Makes it. Or not.

[`Error`]: https://docs.godotengine.org/en/stable/classes/class_@globalscope.html#enum-globalscope-error
[`RefCounted`]: https://docs.godotengine.org/en/stable/classes/class_refcounted.html
[`int`]: https://docs.godotengine.org/en/stable/classes/class_int.html
";
        assert_eq!(pages["Mine.md"], expected);
        assert!(pages["README.md"].contains("| [`Mine`](Mine.md) | Does **it**. |"));
    }

    #[test]
    fn what_has_no_text_is_an_error() {
        let xml = "<class name='Mine' inherits='Object'><members>\
            <member name='mtu' type='int' default='0'></member></members></class>";
        assert!(pages(&[xml.to_owned()]).is_err());
    }
}
