//! Rows of marks per scenario, and lines over time.

use crate::svg::{Anchor, FAINT, GRID, INK, Style, Svg};

pub(crate) const WIDTH: f64 = 900.0;
const LEFT: f64 = 236.0;
const RIGHT: f64 = 70.0;
pub(crate) const TOP: f64 = 104.0;
const LANE: f64 = 11.0;
const GAP: f64 = 12.0;
pub(crate) const PLOT_HEIGHT: f64 = 300.0;

/// What a chart says about itself.
#[derive(Clone, Debug)]
pub struct Chart<'a> {
    /// What the reader should see.
    pub title: &'a str,
    /// How to read it.
    pub subtitle: &'a str,
    /// The names and colours of the marks in a row or of the lines.
    pub legend: &'a [(&'a str, &'a str)],
    /// The largest value on the axis.
    pub max: f64,
    /// The labelled values of the axis of values, in order.
    pub ticks: &'a [(f64, &'a str)],
}

/// One thing that is drawn in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// A bar from zero, with its value beside it.
    Bar {
        /// The value that is shown.
        value: f64,
        /// The value as a text.
        label: String,
    },
    /// A dot and a line to a larger value, on a logarithmic axis.
    Range {
        /// The value of the dot.
        from: f64,
        /// The value at the end of the line.
        to: f64,
        /// The values as a text.
        label: String,
    },
}

/// The marks of a scenario, one per entry of the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The name of the scenario.
    pub name: String,
    /// Holds one mark per entry of the legend.
    pub marks: Vec<Mark>,
}

/// A line over time, one value per second.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Holds one value per second.
    pub values: Vec<f64>,
}

/// Draws rows of marks.
#[must_use]
pub fn grouped(chart: &Chart<'_>, rows: &[Row]) -> String {
    let lanes: f64 = rows.iter().map(|row| row.marks.len() as f64).sum();
    let bottom = TOP + lanes * LANE + rows.len() as f64 * GAP;
    let mut svg = Svg::new(WIDTH, bottom + 34.0);
    head(&mut svg, chart);
    let logarithmic = rows
        .iter()
        .flat_map(|row| &row.marks)
        .any(|mark| matches!(mark, Mark::Range { .. }));
    let smallest = chart.ticks.first().map_or(1.0, |(value, _)| *value);
    let x = |value: f64| {
        let share = if logarithmic {
            (log2(value.max(smallest)) - log2(smallest)) / (log2(chart.max) - log2(smallest))
        } else {
            value / chart.max
        };
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    };
    for (value, label) in chart.ticks {
        svg.line(&[(x(*value), TOP - 6.0), (x(*value), bottom)], GRID, 1.0);
        let style = Style::new(11, Anchor::Middle).faint();
        svg.text((x(*value), bottom + 16.0), style, label);
    }
    let mut y = TOP;
    for row in rows {
        let middle = y + row.marks.len() as f64 * LANE / 2.0 + 4.0;
        svg.text(
            (LEFT - 10.0, middle),
            Style::new(12, Anchor::End),
            &row.name,
        );
        for (mark, (_, colour)) in row.marks.iter().zip(chart.legend) {
            let end = match mark {
                Mark::Bar { value, .. } => {
                    let width = (x(*value) - LEFT).max(1.0);
                    svg.rect((LEFT, y + 1.0), (width, LANE - 2.0), colour);
                    LEFT + width
                }
                Mark::Range { from, to, .. } => {
                    let (from, to, lane) = (x(*from), x(*to), y + LANE / 2.0);
                    svg.line(&[(from, lane), (to, lane)], colour, 2.0);
                    svg.line(&[(to, lane - 4.0), (to, lane + 4.0)], colour, 2.0);
                    svg.circle((from, lane), 3.5, colour);
                    // A few slow calls can lift the mean above the 99th percentile.
                    to.max(from)
                }
            };
            let (Mark::Bar { label, .. } | Mark::Range { label, .. }) = mark;
            let style = Style::new(9, Anchor::Start).faint();
            svg.text((end + 6.0, y + LANE - 2.5), style, label);
            y += LANE;
        }
        y += GAP;
    }
    svg.finish(chart.title)
}

/// Draws lines over time, from the start on, one value per second.
#[must_use]
pub fn lines(chart: &Chart<'_>, series: &[Series]) -> String {
    let bottom = TOP + PLOT_HEIGHT;
    let left = 70.0;
    let right = WIDTH - 24.0;
    let mut svg = Svg::new(WIDTH, bottom + 56.0);
    head(&mut svg, chart);
    let seconds = series
        .iter()
        .map(|line| line.values.len())
        .max()
        .unwrap_or(1)
        .max(2);
    let x = |second: f64| left + second / (seconds - 1) as f64 * (right - left);
    let y = |value: f64| bottom - (value / chart.max).clamp(0.0, 1.0) * PLOT_HEIGHT;
    for (value, label) in chart.ticks {
        svg.line(&[(left, y(*value)), (right, y(*value))], GRID, 1.0);
        let style = Style::new(11, Anchor::End).faint();
        svg.text((left - 8.0, y(*value) + 4.0), style, label);
    }
    for second in (0..seconds).step_by(5) {
        let at = x(second as f64);
        svg.line(&[(at, bottom), (at, bottom + 5.0)], FAINT, 1.0);
        let style = Style::new(11, Anchor::Middle).faint();
        svg.text((at, bottom + 19.0), style, &second.to_string());
    }
    let style = Style::new(11, Anchor::Middle).faint();
    svg.text(
        ((left + right) / 2.0, bottom + 40.0),
        style,
        "seconds since the start",
    );
    for (line, (_, colour)) in series.iter().zip(chart.legend) {
        let points: Vec<_> = line
            .values
            .iter()
            .enumerate()
            .map(|(second, value)| (x(second as f64), y(*value)))
            .collect();
        svg.line(&points, colour, 2.5);
    }
    svg.finish(chart.title)
}

/// The title, how to read the chart, and the legend.
pub(crate) fn head(svg: &mut Svg, chart: &Chart<'_>) {
    svg.text(
        (20.0, 30.0),
        Style::new(18, Anchor::Start).bold(),
        chart.title,
    );
    svg.text(
        (20.0, 52.0),
        Style::new(12, Anchor::Start).faint(),
        chart.subtitle,
    );
    let mut x = 20.0;
    for (name, colour) in chart.legend {
        svg.rect((x, 68.0), (12.0, 12.0), colour);
        svg.text(
            (x + 18.0, 78.5),
            Style {
                colour: INK,
                ..Style::new(12, Anchor::Start)
            },
            name,
        );
        // The widths of letters are the reader's font's business: this is wide enough for any.
        x += 42.0 + name.chars().count() as f64 * 7.2;
    }
}

/// The logarithm to base two, without the platform's `log2`, whose last bits may differ: linear
/// between powers of two, which at this scale cannot be told from a logarithm by eye.
pub(crate) fn log2(value: f64) -> f64 {
    let mut exponent = 0.0;
    let mut mantissa = value;
    while mantissa >= 2.0 {
        mantissa /= 2.0;
        exponent += 1.0;
    }
    while mantissa < 1.0 && mantissa > 0.0 {
        mantissa *= 2.0;
        exponent -= 1.0;
    }
    exponent + mantissa - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart<'a>() -> Chart<'a> {
        Chart {
            title: "a < b & c",
            subtitle: "",
            legend: &[("one", "#000001"), ("two", "#000002")],
            max: 100.0,
            ticks: &[(0.0, "0"), (100.0, "100")],
        }
    }

    #[test]
    fn what_a_text_means_to_markup_is_escaped() {
        let svg = grouped(&chart(), &[]);
        assert!(svg.contains("<title>a &lt; b &amp; c</title>"), "{svg}");
    }

    #[test]
    fn a_bar_is_as_long_as_its_value() {
        let bar = |value| Mark::Bar {
            value,
            label: String::new(),
        };
        let row = Row {
            name: "row".into(),
            marks: vec![bar(50.0), bar(100.0)],
        };
        let svg = grouped(&chart(), &[row]);
        assert!(
            svg.contains(r##"width="297.0" height="9.0" fill="#000001""##),
            "{svg}"
        );
        assert!(
            svg.contains(r##"width="594.0" height="9.0" fill="#000002""##),
            "{svg}"
        );
    }

    #[test]
    fn the_logarithm_is_exact_at_powers_of_two_and_grows() {
        for exponent in -10..20 {
            let value = 2_f64.powi(exponent);
            assert!((log2(value) - f64::from(exponent)).abs() < f64::EPSILON);
        }
        let mut last = log2(0.001);
        for step in 1..10_000 {
            let next = log2(0.001 + f64::from(step) * 0.01);
            assert!(next > last);
            last = next;
        }
    }
}
