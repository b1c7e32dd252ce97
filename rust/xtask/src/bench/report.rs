//! How the result is shown: JSON, the tables on the terminal, and those of the document.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::figures::{Bound, FIGURES, Figure, Measured, Side, TARGETS, TOLERANCE, Target, Verdict};
use super::machine::Description;
use super::statistics::Spread;

const NOTHING: &str = "–";
const NOT_AVAILABLE: &str = "not available";

/// A table, its head first.
type Table = Vec<Vec<String>>;

/// A run that is over.
pub(super) struct Report {
    pub(super) machine: Description,
    pub(super) measured: Measured,
}

impl Report {
    /// Whether every target is reached.
    pub(super) fn is_pass(&self) -> bool {
        TARGETS.iter().all(|target| self.verdict(target).is_pass())
    }

    fn verdict(&self, target: &Target) -> Verdict {
        Verdict::of(target, self.measured.ratio(target).as_ref())
    }

    /// Everything, for other programs.
    pub(super) fn json(&self) -> Value {
        let machine: Map<String, Value> =
            self.machine.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let figures: Map<String, Value> =
            FIGURES.iter().map(|figure| (figure.id.to_owned(), self.figure_json(figure))).collect();
        let targets: Vec<Value> = TARGETS
            .iter()
            .map(|target| {
                json!({
                    "title": target.title,
                    "ratio": self.measured.ratio(target).as_ref().map(spread_json),
                    "target": bound(target.bound),
                    "aim": target.aim,
                    "verdict": self.verdict(target).word(),
                })
            })
            .collect();
        json!({
            "machine": machine, "figures": figures, "tolerance": TOLERANCE, "targets": targets,
        })
    }

    fn figure_json(&self, figure: &Figure) -> Value {
        let sides: Map<String, Value> = Side::ALL
            .into_iter()
            .filter_map(|side| {
                let spread = self.measured.shown(figure, side)?;
                Some((side.id().to_owned(), spread_json(&spread)))
            })
            .collect();
        json!({
            "title": figure.title,
            "unit": figure.unit.title(),
            "sides": sides,
            "advantage": self.measured.advantage(figure).as_ref().map(spread_json),
        })
    }

    /// What the developer sees.
    pub(super) fn terminal(&self) -> String {
        format!("{}\n{}", plain(&self.figures()), plain(&self.targets()))
    }

    /// Puts the tables in between the document's markers.
    pub(super) fn update(&self, document: &str) -> Result<String> {
        let mut machine =
            vec![vec!["what".to_owned(), "on which the figures were taken".to_owned()]];
        machine.extend(
            self.machine.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]),
        );
        let document = replace(document, "machine", &markdown(&machine))?;
        let document = replace(&document, "figures", &markdown(&self.figures()))?;
        replace(&document, "targets", &markdown(&self.targets()))
    }

    fn figures(&self) -> Table {
        let mut table = vec![vec!["figure".to_owned(), "unit".to_owned()]];
        let mut head: Vec<String> = Side::ALL.iter().map(|side| side.title().to_owned()).collect();
        table[0].append(&mut head);
        table[0].push("ours against the engine's".to_owned());
        for figure in &FIGURES {
            let mut row = vec![figure.title.to_owned(), figure.unit.title().to_owned()];
            for side in Side::ALL {
                row.push(match self.measured.shown(figure, side) {
                    Some(spread) => number(spread.median),
                    None if side == Side::Ours && figure.id != "idle_poll" => NOT_AVAILABLE.into(),
                    None => NOTHING.into(),
                });
            }
            let advantage = self.measured.advantage(figure);
            row.push(advantage.as_ref().map_or_else(|| NOTHING.into(), times));
            table.push(row);
        }
        table
    }

    fn targets(&self) -> Table {
        let head = ["ratio", "measured", "target", "aim", ""];
        let mut table = vec![head.map(str::to_owned).to_vec()];
        for target in &TARGETS {
            let ratio = self.measured.ratio(target);
            table.push(vec![
                target.title.to_owned(),
                ratio.as_ref().map_or_else(|| NOT_AVAILABLE.into(), times),
                bound(target.bound),
                target.aim.to_string(),
                self.verdict(target).word().to_owned(),
            ]);
        }
        table
    }
}

fn spread_json(spread: &Spread) -> Value {
    json!({
        "median": spread.median, "least": spread.least, "most": spread.most,
        "rounds": spread.rounds,
    })
}

fn bound(bound: Bound) -> String {
    match bound {
        Bound::AtLeast(bound) => format!("at least {bound}"),
        Bound::AtMost(bound) => format!("at most {bound}"),
    }
}

/// `5.12 × (5.03 to 5.20)`
fn times(spread: &Spread) -> String {
    let Spread { median, least, most, .. } = spread;
    format!("{median:.2} × ({least:.2} to {most:.2})")
}

/// With three digits or more, and without more than matter.
fn number(value: f64) -> String {
    let decimals = match value {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    if value < 10_000.0 {
        return text;
    }
    // A comma before every third digit from the end.
    let digits = text.len();
    let mut grouped = String::new();
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && (digits - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn plain(table: &Table) -> String {
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = table.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in table {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn markdown(table: &Table) -> String {
    let mut text = String::new();
    for (index, row) in table.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text
}

/// Puts `body` between the markers of `section`.
fn replace(document: &str, section: &str, body: &str) -> Result<String> {
    let begin = format!("<!-- measured: {section} -->\n");
    let end = "<!-- end -->";
    let missing = || format!("the document has no section between {} and {end}", begin.trim_end());
    let (before, rest) = document.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(end).with_context(missing)?;
    Ok(format!("{before}{begin}\n{body}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut measured = Measured::default();
        for target in &TARGETS {
            for factor in [1.0, 1.1, 0.9] {
                measured.add(target.figure, Side::Ours, 10.0);
                measured.add(target.against.0, target.against.1, 200.0 * factor);
            }
        }
        Report { machine: vec![("cores", "2".to_owned())], measured }
    }

    #[test]
    fn every_target_counts() {
        assert!(report().is_pass());
        let mut report = report();
        report.measured = Measured::default();
        assert!(!report.is_pass());
        assert!(report.terminal().contains(NOT_AVAILABLE));
    }

    #[test]
    fn the_document_gets_the_tables() {
        let document = "# Title\n<!-- measured: machine -->\nold\n<!-- end -->\ntext\n\
            <!-- measured: figures -->\n<!-- end -->\n<!-- measured: targets -->\n<!-- end -->\nend\n";
        let updated = report().update(document).expect("it has the markers");
        assert!(updated.starts_with("# Title\n") && updated.ends_with("end\n"));
        assert!(updated.contains("| cores | 2 |") && !updated.contains("old"));
        assert!(updated.contains("| full handshake, P-256 | 20.00 × (18.00 to 22.00) |"));
        assert_eq!(report().update(&updated).expect("it still has them"), updated);
        assert!(report().update("# Title\n").is_err());
    }

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let shown = [0.234, 9.876, 12.345, 375.4, 1_234.5, 123_456.7].map(number);
        assert_eq!(shown, ["0.23", "9.88", "12.3", "375", "1234", "123,457"]);
    }

    #[test]
    fn the_json_has_every_round() {
        let json = report().json();
        let ours = &json["figures"]["one_way_1200"]["sides"]["ours"];
        assert_eq!(ours["rounds"].as_array().map(Vec::len), Some(6));
        assert_eq!(json["targets"][0]["verdict"], "aim reached");
    }
}
