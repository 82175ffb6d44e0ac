//! The chart of the document.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "the sums are pixels of a small picture"
)]

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::figures::ratio;
use crate::guests::Guest;
use crate::measure::Measurements;

/// Draws the instructions in multiples of skip-only, as SVG.
///
/// Multiples and not counts: the requests differ by a factor of a thousand, and on a logarithmic
/// axis the guests would look alike.
pub(crate) fn draw(measured: &Measurements) -> Result<String> {
    let mut svg = String::new();
    draw_on(&mut svg, measured).map_err(|error| anyhow!("the chart cannot be drawn: {error}"))?;
    Ok(svg)
}

fn draw_on(svg: &mut String, measured: &Measurements) -> Result<(), Box<dyn std::error::Error>> {
    let requests = measured.requests();
    let multiple = |request: &str, guest: Guest| -> Result<f64> {
        let floor = measured.row(request, Guest::SkipOnly)?;
        Ok(ratio(
            measured.row(request, guest)?.instructions,
            floor.instructions,
        ))
    };
    let mut highest = 0_f64;
    for request in &requests {
        for (guest, _) in BARS {
            highest = highest.max(multiple(request, guest)?);
        }
    }
    let groups = u32::try_from(requests.len())?;

    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(20)
        .caption(
            "Instructions per request, in multiples of skip-only",
            (FONT, 22),
        )
        .x_label_area_size(50)
        .y_label_area_size(45)
        .build_cartesian_2d(0.0..f64::from(groups), 0.0..highest * HEADROOM)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .y_label_formatter(&|multiple| format!("{multiple:.0} ×"))
        .y_labels(8)
        .y_max_light_lines(0)
        .label_style((FONT, 14))
        .bold_line_style(GRID)
        .axis_style(TEXT)
        .draw()?;

    let centered = |size: i32, vertical| {
        (FONT, size)
            .into_font()
            .color(&TEXT)
            .pos(Pos::new(HPos::Center, vertical))
    };
    for ((guest, color), left) in BARS.into_iter().zip([GAP, 0.5]) {
        let mut bars = Vec::new();
        let mut figures = Vec::new();
        for (group, request) in (0..groups).map(f64::from).zip(&requests) {
            let multiple = multiple(request, guest)?;
            let right = left + 0.5 - GAP;
            let corners = [(group + left, 0.0), (group + right, multiple)];
            bars.push(Rectangle::new(corners, color.filled()));
            figures.push(Text::new(
                format!("{multiple:.2}"),
                (
                    group + f64::midpoint(left, right),
                    multiple + highest * 0.01,
                ),
                centered(14, VPos::Bottom),
            ));
        }
        chart
            .draw_series(bars)?
            .label(guest.name())
            .legend(move |(x, y)| Rectangle::new([(x, y - 6), (x + 12, y + 6)], color.filled()));
        chart.draw_series(figures)?;
    }
    chart
        .draw_series(LineSeries::new(
            [(0.0, 1.0), (f64::from(groups), 1.0)],
            FLOOR.stroke_width(2),
        ))?
        .label(Guest::SkipOnly.name())
        .legend(|(x, y)| PathElement::new([(x, y), (x + 12, y)], FLOOR.stroke_width(2)));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .border_style(GRID)
        .label_font((FONT, 15))
        .draw()?;

    // The axis knows numbers only, so the requests' names are written below it by hand.
    for (group, request) in (0..groups).map(f64::from).zip(&requests) {
        let (x, y) = chart.backend_coord(&(group + 0.5, 0.0));
        let (first, rest) = request.split_once(", ").unwrap_or((request, ""));
        for (line, offset) in wrapped(rest).into_iter().zip([26, 42]) {
            area.draw(&Text::new(line, (x, y + offset), centered(13, VPos::Top)))?;
        }
        area.draw(&Text::new(
            first.to_owned(),
            (x, y + 8),
            centered(14, VPos::Top),
        ))?;
    }
    area.present()?;
    Ok(())
}

/// `text` in lines of at most `LINE` characters where its words allow it.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len().saturating_add(word.len()) < LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

const SIZE: (u32, u32) = (1000, 480);
const FONT: &str = "sans-serif";
/// The characters that fit below a group of bars.
const LINE: usize = 16;
/// How far the axis goes beyond the highest bar: the legend stands there.
const HEADROOM: f64 = 1.35;
/// The part of a group that stays empty on either side.
const GAP: f64 = 0.12;

const BARS: [(Guest, RGBColor); 2] = [
    (Guest::Policy, RGBColor(0x1f, 0x77, 0xb4)),
    (Guest::SdkStyle, RGBColor(0xe6, 0x9f, 0x00)),
];
const FLOOR: RGBColor = RGBColor(0x44, 0x44, 0x44);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
const TEXT: RGBColor = RGBColor(0x33, 0x33, 0x33);
