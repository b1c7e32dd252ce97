//! The plots of the document.

use std::error::Error;

use plotters::prelude::*;

use super::figures::{FIGURES, Measured, SIDES, Spread};

/// Without a font of this machine: the name goes into the file, and whoever shows it has such a font.
const FONT: &str = "sans-serif";

/// The names of the files, and what stands above.
pub(super) const PLOTS: [(&str, &str); 5] = [
    ("handshakes", "Handshakes per second (more is better)"),
    ("packets", "Sending and receiving a packet, µs (less is better)"),
    ("idle_frames", "An idle frame, µs for each of the server's peers (less is better)"),
    ("busy_frames", "A frame with a packet from each, µs for each of them (less is better)"),
    ("memory", "Memory of a connected pair, KiB (less is better)"),
];

/// Those of [`SIDES`].
const COLOURS: [RGBColor; 4] = [
    RGBColor(71, 140, 191),
    RGBColor(214, 102, 36),
    RGBColor(150, 150, 150),
    RGBColor(240, 190, 150),
];

/// The width of a bar, where 1 is from the middle of a group to that of the next.
const BAR: f64 = 0.2;

/// One of [`PLOTS`], as SVG.
pub(super) fn draw(measured: &Measured, name: &str, title: &str) -> Result<String, Box<dyn Error>> {
    let groups: Vec<_> = FIGURES
        .iter()
        .filter_map(|figure| Some((figure, figure.plot.filter(|plot| plot.0 == name)?)))
        .collect();
    // Where a bar begins, and how high it is.
    let bars = SIDES.map(|(side, _)| -> Vec<(f64, Spread)> {
        let place = SIDES.iter().position(|it| it.0 == side).unwrap_or(0) as f64;
        let heights = groups.iter().zip(0_u8..).map(|((figure, (.., divisor)), group)| {
            let left = f64::from(group) + BAR * (place - 2.0);
            Some((left, measured.shown(figure, side, *divisor)?))
        });
        heights.flatten().collect()
    });
    let highest = bars.iter().flatten().map(|(_, height)| height.most).fold(1e-9, f64::max);

    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (760, 320)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, (FONT, 17))
        .margin(10)
        .x_label_area_size(26)
        .y_label_area_size(64)
        .build_cartesian_2d(-0.5..groups.len() as f64 - 0.5, 0.0..highest * 1.12)?;
    let label = |x: &f64| groups.get(x.round() as usize).map_or("", |(_, (_, label, _))| label);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(groups.len())
        .x_label_formatter(&|x| label(x).to_owned())
        .y_label_formatter(&|y| y.to_string())
        .label_style((FONT, 13))
        .draw()?;
    let sides = bars.iter().zip(SIDES).zip(COLOURS).filter(|((bars, _), _)| !bars.is_empty());
    for ((bars, (_, title)), colour) in sides {
        let bar = |(left, height): &(f64, Spread)| {
            Rectangle::new([(*left, 0.0), (left + BAR * 0.92, height.median)], colour.filled())
        };
        let legend = move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled());
        chart.draw_series(bars.iter().map(bar))?.label(title).legend(legend);
        // From the least to the most of the rounds.
        chart.draw_series(bars.iter().map(|(left, height)| {
            let middle = left + BAR * 0.46;
            PathElement::new([(middle, height.least), (middle, height.most)], BLACK)
        }))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .label_font((FONT, 13))
        .draw()?;
    area.present()?;
    drop((chart, area));
    Ok(svg.trim_end().to_owned() + "\n")
}
