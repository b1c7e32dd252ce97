//! How the result is shown: the tables of the terminal and of the document, and its plots.

use std::fs;

use anyhow::{Context, Result};
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use serde_json::{Map, Value};

use super::figures::{Bound, FIGURES, Figure, Measured, OURS, SIDES, Spread, TARGETS, Target};
use super::plots;
use crate::workspace;

const DOCUMENT: &str = "docs/benchmarks.md";
/// Where some of the figures are said again.
const PAGE: &str = "docs/performance.md";
const NOTHING: &str = "–";

pub(super) fn figures(measured: &Measured) -> Table {
    let sides = SIDES.map(|(_, title)| title);
    let head = [&["figure", "unit"], &sides[..], &["ours against the engine's"]].concat();
    let rows = FIGURES.iter().map(|figure| {
        let medians = SIDES.map(|(side, _)| measured.shown(figure, side, 1.0));
        let medians = medians.map(|it| it.map_or(NOTHING.to_owned(), |it| number(it.median)));
        let (title, unit) = (figure.title.to_owned(), figure.unit.to_owned());
        [vec![title, unit], medians.to_vec(), vec![times(measured.advantage(figure))]].concat()
    });
    table(&head, rows)
}

pub(super) fn targets(measured: &Measured) -> Table {
    let rows = TARGETS.iter().map(|target| {
        let ratio = measured.ratio(target);
        let Target(title, _, _, bound, aim) = target;
        let bound = match bound {
            Bound::AtLeast(bound) => format!("at least {bound}"),
            Bound::AtMost(bound) => format!("at most {bound}"),
        };
        let verdict = target.verdict(ratio).to_owned();
        vec![(*title).to_owned(), times(ratio), bound, aim.to_string(), verdict]
    });
    table(&["ratio", "measured", "target", "aim", ""], rows)
}

/// Its tables and its plots.
pub(super) fn update_document(machine: &Map<String, Value>, measured: &Measured) -> Result<()> {
    let root = workspace::root();
    let document = updated(&fs::read_to_string(root.join(DOCUMENT))?, machine, measured)?;
    for (name, title) in plots::PLOTS {
        plots::draw(measured, name, title, &root.join(format!("docs/benchmarks/{name}.svg")))?;
    }
    fs::write(root.join(DOCUMENT), document)?;
    let page = fs::read_to_string(root.join(PAGE))?;
    fs::write(
        root.join(PAGE),
        FIGURES.iter().fold(page, |page, it| said_again(page, it, measured)),
    )?;
    println!("{DOCUMENT}, its plots and {PAGE} are up to date.");
    Ok(())
}

/// Puts a figure into the row of its own on the page for developers, if there is one.
fn said_again(page: String, figure: &Figure, measured: &Measured) -> String {
    let begin = format!("\n| {} | ", figure.title);
    match (page.split_once(&begin), measured.shown(figure, OURS, 1.0)) {
        (Some((before, row)), Some(Spread { median, .. })) => {
            let rest = row.find(" |").map_or(row, |end| &row[end..]);
            format!("{before}{begin}{} {}{rest}", number(median), figure.unit)
        }
        _ => page,
    }
}

/// Puts the tables in between the document's markers.
fn updated(text: &str, machine: &Map<String, Value>, measured: &Measured) -> Result<String> {
    let value = |it: &Value| it.as_str().unwrap_or("unknown").to_owned();
    let rows = machine.iter().map(|(name, it)| vec![name.clone(), value(it)]);
    let machine = table(&["what", "on which the figures were taken"], rows);
    let tables =
        [("machine", machine), ("figures", figures(measured)), ("targets", targets(measured))];
    tables.into_iter().try_fold(text.to_owned(), |text, (section, table)| {
        let begin = format!("<!-- measured: {section} -->\n");
        let (before, rest) = text.split_once(&begin).with_context(|| begin.clone())?;
        let (_, after) = rest.split_once("<!-- end -->").context("a section does not end")?;
        Ok(format!("{before}{begin}\n{table}\n\n<!-- end -->{after}"))
    })
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(head).add_rows(rows);
    table
}

/// `5.12 × (5.03 to 5.20)`
fn times(spread: Option<Spread>) -> String {
    spread.map_or(NOTHING.to_owned(), |Spread { median, least, most }| {
        format!("{median:.2} × ({least:.2} to {most:.2})")
    })
}

/// With three digits or more, and without more than matter.
fn number(value: f64) -> String {
    let decimals = (2.0 - value.log10().floor()).clamp(0.0, 2.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_gets_the_tables() {
        let mut measured = Measured::default();
        let samples = r#"{"handshake_p256": {"engine": [4000], "ours": [800]}}"#;
        measured.add(serde_json::from_str(samples).expect("samples")).expect("complete");
        let document = "# Title\n<!-- measured: machine -->\nold\n<!-- end -->\ntext\n\
            <!-- measured: figures -->\n<!-- end -->\n<!-- measured: targets -->\n<!-- end -->\nend\n";
        let text = updated(document, &Map::new(), &measured).expect("it has the markers");
        assert!(text.starts_with("# Title\n") && text.ends_with("end\n") && !text.contains("old"));
        assert!(text.contains("| 1250 ") && text.contains("| 5.00 × (5.00 to 5.00) "), "{text}");
        assert_eq!(updated(&text, &Map::new(), &measured).expect("it still has them"), text);
        let page = said_again(
            "\n| full handshake, P-256 | 1 s | x |\n".to_owned(),
            &FIGURES[0],
            &measured,
        );
        assert_eq!(page, "\n| full handshake, P-256 | 1250 per second | x |\n");
    }
}
