//! The plots of the document, which gnuplot draws.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::figures::{FIGURES, Measured, SIDES, Spread};
use crate::process::succeed_quietly;

/// The names of the files, and what stands above.
pub(super) const PLOTS: [(&str, &str); 5] = [
    ("handshakes", "Handshakes per second (more is better)"),
    ("packets", "Sending and receiving a packet, µs (less is better)"),
    ("idle_frames", "An idle frame, µs for each of the server's peers (less is better)"),
    ("busy_frames", "A frame with a packet from each, µs for each of them (less is better)"),
    ("memory", "Memory of a connected pair, KiB (less is better)"),
];

/// Draws one of [`PLOTS`], as SVG.
pub(super) fn draw(measured: &Measured, name: &str, title: &str, to: &Path) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [script, data] = ["script", "data"].map(|file| dir.path().join(file));
    let mut rows = SIDES.map(|(_, title)| format!(" \"{title}\" ? ?")).concat();
    for figure in FIGURES {
        let Some((_, label, divisor)) = figure.plot.filter(|plot| plot.0 == name) else { continue };
        let values = SIDES.map(|(side, _)| match measured.shown(&figure, side, divisor) {
            Some(Spread { median, least, most }) => format!(" {median} {least} {most}"),
            None => " ? ? ?".to_owned(),
        });
        rows += &format!("\n\"{label}\"{}", values.concat());
    }
    fs::write(&script, include_str!("plots.gnuplot"))?;
    fs::write(&data, format!("?{rows}\n"))?;
    let mut gnuplot = Command::new("gnuplot");
    gnuplot.arg("-c").arg(script).arg(title).arg(data).arg(to);
    succeed_quietly(&mut gnuplot, "")?;
    Ok(())
}
