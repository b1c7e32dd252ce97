//! The plots of the document.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use plotters::prelude::*;

use super::figures::{FIGURES, Measured, Side, Unit};
use super::statistics::Spread;

const SIZE: (u32, u32) = (760, 320);
/// Without a font of this machine: the name goes into the file, and whoever shows it has such a font.
const FONT: &str = "sans-serif";

/// One plot: groups of bars.
struct Plot {
    file: &'static str,
    title: &'static str,
    sides: &'static [Side],
    /// The figure, what stands under its bars, and what its numbers are divided by.
    groups: &'static [(&'static str, &'static str, f64)],
}

static PLOTS: [Plot; 5] = [
    Plot {
        file: "handshakes.svg",
        title: "Handshakes per second (more is better)",
        sides: &[Side::Engine, Side::Ours, Side::Floor],
        groups: &[
            ("handshake_p256", "full, P-256", 1.0),
            ("handshake_rsa2048", "full, RSA-2048", 1.0),
            ("handshake_resumed", "resumed", 1.0),
        ],
    },
    Plot {
        file: "packets.svg",
        title: "Sending and receiving a packet, µs (less is better)",
        sides: &[Side::Engine, Side::Ours, Side::Raw],
        groups: &[
            ("one_way_64", "64 B", 1.0),
            ("one_way_400", "400 B", 1.0),
            ("one_way_1200", "1,200 B", 1.0),
        ],
    },
    Plot {
        file: "idle_frames.svg",
        title: "An idle frame, µs for each of the server's peers (less is better)",
        sides: &[Side::Engine, Side::Ours, Side::Raw],
        groups: &[
            ("frame_idle_10", "10 peers", 10.0),
            ("frame_idle_100", "100 peers", 100.0),
            ("frame_idle_1000", "1,000 peers", 1000.0),
        ],
    },
    Plot {
        file: "busy_frames.svg",
        title: "A frame with a packet from each, µs for each of the server's peers (less is better)",
        sides: &[Side::Engine, Side::Ours, Side::Raw],
        groups: &[
            ("frame_busy_10", "10 peers", 10.0),
            ("frame_busy_100", "100 peers", 100.0),
            ("frame_busy_1000", "1,000 peers", 1000.0),
        ],
    },
    Plot {
        file: "memory.svg",
        title: "Memory of a connected pair, KiB (less is better)",
        sides: &[Side::Engine, Side::Ours, Side::Raw],
        groups: &[("memory", "1,000 pairs", 1.0)],
    },
];

/// A bar: which group, which place in it, whose, and how high.
struct Bar {
    left: f64,
    right: f64,
    side: Side,
    height: Spread,
}

/// Draws all of them into `dir`.
pub(super) fn draw(measured: &Measured, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    for plot in &PLOTS {
        let mut svg = String::new();
        plot.draw(measured, SVGBackend::with_string(&mut svg, SIZE).into_drawing_area())
            .map_err(|error| anyhow::anyhow!("cannot draw {}: {error}", plot.file))?;
        if !svg.ends_with('\n') {
            svg.push('\n');
        }
        let path = dir.join(plot.file);
        fs::write(&path, svg).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

impl Plot {
    fn bars(&self, measured: &Measured) -> Vec<Bar> {
        let width = 0.8 / self.sides.len() as f64;
        let mut bars = Vec::new();
        for (group, (id, _, divisor)) in self.groups.iter().enumerate() {
            let Some(figure) = FIGURES.iter().find(|figure| figure.id == *id) else {
                continue;
            };
            for (place, side) in self.sides.iter().enumerate() {
                let rounds = measured.rounds(id, *side).iter();
                let unit = figure.unit;
                let scaled = rounds.map(|value| scale(unit, *value, *divisor)).collect();
                if let Some(height) = Spread::of(scaled) {
                    let left = group as f64 - 0.4 + place as f64 * width;
                    bars.push(Bar { left, right: left + width * 0.92, side: *side, height });
                }
            }
        }
        bars
    }

    fn draw<Backend: DrawingBackend>(
        &self,
        measured: &Measured,
        area: DrawingArea<Backend, plotters::coord::Shift>,
    ) -> Result<(), DrawingAreaErrorKind<Backend::ErrorType>> {
        let bars = self.bars(measured);
        let highest = bars.iter().map(|bar| bar.height.most).fold(0.0, f64::max).max(1e-9);
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, (FONT, 17))
            .margin(10)
            .x_label_area_size(26)
            .y_label_area_size(64)
            .build_cartesian_2d(-0.5..self.groups.len() as f64 - 0.5, 0.0..highest * 1.12)?;
        let label = |x: &f64| {
            let group = self.groups.get(x.round().max(0.0) as usize);
            group.map_or_else(String::new, |(_, label, _)| (*label).to_owned())
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .x_labels(self.groups.len())
            .x_label_formatter(&label)
            .y_labels(6)
            .y_label_formatter(&|y| y.to_string())
            .label_style((FONT, 13))
            .draw()?;
        for side in self.sides {
            let own = bars.iter().filter(|bar| bar.side == *side);
            let fill = colour(*side).filled();
            chart
                .draw_series(own.map(|bar| {
                    Rectangle::new([(bar.left, 0.0), (bar.right, bar.height.median)], fill)
                }))?
                .label(side.title())
                .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], fill));
        }
        // From the least to the most of the rounds.
        chart.draw_series(bars.iter().map(|bar| {
            let middle = f64::midpoint(bar.left, bar.right);
            PathElement::new([(middle, bar.height.least), (middle, bar.height.most)], BLACK)
        }))?;
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .label_font((FONT, 13))
            .draw()?;
        area.present()
    }
}

fn scale(unit: Unit, measured: f64, divisor: f64) -> f64 {
    unit.shown(measured) / divisor
}

fn colour(side: Side) -> RGBColor {
    match side {
        Side::Engine => RGBColor(71, 140, 191),
        Side::Ours => RGBColor(214, 102, 36),
        Side::Raw => RGBColor(150, 150, 150),
        Side::Floor => RGBColor(240, 190, 150),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plot_is_of_figures() {
        for plot in &PLOTS {
            for (id, _, _) in plot.groups {
                assert!(FIGURES.iter().any(|figure| figure.id == *id), "{id}");
            }
        }
    }

    #[test]
    fn plots_are_drawn_with_what_there_is() {
        let mut measured = Measured::default();
        measured.add("handshake_p256", Side::Engine, 2700.0);
        measured.add("handshake_p256", Side::Ours, 500.0);
        let dir = tempfile::tempdir().expect("a temporary directory");
        draw(&measured, dir.path()).expect("they can be drawn");
        for plot in &PLOTS {
            let svg = fs::read_to_string(dir.path().join(plot.file)).expect("it is there");
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), "{}", plot.file);
        }
        let handshakes =
            fs::read_to_string(dir.path().join("handshakes.svg")).expect("it is there");
        for text in [PLOTS[0].title, "RSA-2048", Side::Ours.title()] {
            assert!(handshakes.contains(text), "{text}");
        }
    }

    #[test]
    fn frames_are_shown_for_each_peer() {
        let mut measured = Measured::default();
        measured.add("frame_idle_100", Side::Ours, 50.0);
        let frames =
            PLOTS.iter().find(|plot| plot.file == "idle_frames.svg").expect("there is one");
        let heights: Vec<f64> =
            frames.bars(&measured).iter().map(|bar| bar.height.median).collect();
        assert_eq!(heights, [0.5]);
    }
}
