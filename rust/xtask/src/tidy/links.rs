//! A rule about documents: their links to each other lead somewhere.

use super::{Files, Finding};

/// Files that are no text, of which nothing is known here.
const PICTURES: [&str; 1] = [".png"];

pub(super) fn check(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (page, text) in files.iter().filter(|(path, _)| path.ends_with(".md")) {
        for (line, link) in links(text) {
            if !leads_somewhere(files, page, link) {
                findings.push(Finding::new(page, line, format!("has a link to nothing, {link}")));
            }
        }
    }
    findings
}

/// The lines of a page that are not code, each with its number.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((index + 1, line))
    })
}

/// What the links on a page lead to within the repository.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(text).flat_map(|(number, line)| {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        targets.map(move |(target, _)| (number, target)).filter(|(_, link)| !link.contains("://"))
    })
}

fn leads_somewhere(files: &Files, page: &str, link: &str) -> bool {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { page.to_owned() } else { resolved(page, path) };
    if PICTURES.iter().any(|end| target.ends_with(end)) {
        return true;
    }
    match files.get(&target) {
        Some(text) if target.ends_with(".md") => {
            heading.is_empty() || headings(text).any(|it| it == heading)
        }
        Some(_) => heading.is_empty(),
        None => {
            let folder = target.trim_end_matches('/').to_owned() + "/";
            heading.is_empty() && files.keys().any(|path| path.starts_with(&folder))
        }
    }
}

/// The path below the root that `path` means on `page`.
fn resolved(page: &str, path: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// What links to the headings of a page are called.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let titles = prose(text).map(|(_, line)| line).filter(|line| line.starts_with('#'));
    titles.map(|title| {
        let title = title.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_to_lead_somewhere() {
        let page = "# A page\n\n[x](#a-page) [x](b.md#it-s-set_up), [x](../src/) [x](i/a.png)\n\
                    ```\n# Not this\n[x](nowhere.md)\n```\n[x](https://nowhere)\n";
        let broken = "[x](#a-pag) [x](b.md#b)\n[x](../b.md) [x](c/) [x](#not-this)\n";
        let files: Files = [
            ("docs/a.md", page),
            ("docs/b.md", "## It-s `set_up`!\n"),
            ("docs/c.md", broken),
            ("src/a.rs", ""),
        ]
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into();
        let found: Vec<_> = check(&files).into_iter().map(|it| (it.path, it.line)).collect();
        let at = |line| ("docs/c.md".to_owned(), line);
        assert_eq!(found, [at(1), at(1), at(2), at(2), at(2)]);
    }
}
