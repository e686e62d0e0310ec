//! Curves through measured points, over an axis that may be logarithmic.

use crate::chart::{Chart, PLOT_HEIGHT, TOP, WIDTH, head, log2};
use crate::svg::{Anchor, GRID, Style, Svg};

const LEFT: f64 = 76.0;
const RIGHT: f64 = WIDTH - 150.0;

/// How the values of an axis are placed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scale {
    /// Equal differences are equally far apart, and the axis begins at zero.
    Linear,
    /// Equal factors are equally far apart.
    Logarithmic,
}

/// The axis from left to right.
#[derive(Clone, Debug)]
pub struct Axis<'a> {
    /// What the values are, with their unit.
    pub label: &'a str,
    /// The labelled values, in order. The first and the last are the ends of the axis.
    pub ticks: &'a [(f64, &'a str)],
    /// How the values are placed.
    pub scale: Scale,
}

/// The points of one curve, from left to right.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The places of the points.
    pub points: Vec<(f64, f64)>,
}

/// Draws one curve per entry of the legend. The name of each stands at its end as well.
///
/// The chart's `ticks` label the axis of values, whose scale is `values`.
#[must_use]
pub fn curves(chart: &Chart<'_>, axis: &Axis<'_>, values: Scale, curves: &[Curve]) -> String {
    let bottom = TOP + PLOT_HEIGHT;
    let mut svg = Svg::new(WIDTH, bottom + 56.0);
    head(&mut svg, chart);
    let across = ends(axis.scale, axis.ticks, None);
    let up = ends(values, chart.ticks, Some(chart.max));
    let x = |value: f64| LEFT + share(axis.scale, across, value) * (RIGHT - LEFT);
    let y = |value: f64| bottom - share(values, up, value) * PLOT_HEIGHT;
    for (value, label) in chart.ticks {
        svg.line(&[(LEFT, y(*value)), (RIGHT, y(*value))], GRID, 1.0);
        let style = Style::new(11, Anchor::End).faint();
        svg.text((LEFT - 8.0, y(*value) + 4.0), style, label);
    }
    for (value, label) in axis.ticks {
        svg.line(&[(x(*value), TOP), (x(*value), bottom)], GRID, 1.0);
        let style = Style::new(11, Anchor::Middle).faint();
        svg.text((x(*value), bottom + 19.0), style, label);
    }
    let style = Style::new(11, Anchor::Middle).faint();
    svg.text(
        (f64::midpoint(LEFT, RIGHT), bottom + 42.0),
        style,
        axis.label,
    );
    for (curve, (_, colour)) in curves.iter().zip(chart.legend) {
        let points: Vec<_> = curve
            .points
            .iter()
            .map(|(at, value)| (x(*at), y(*value)))
            .collect();
        svg.line(&points, colour, 2.5);
        for point in &points {
            svg.circle(*point, 3.5, colour);
        }
    }
    name_ends(&mut svg, chart, curves, y);
    svg.finish(chart.title)
}

/// Writes the name of each curve at its end, each below the one above it.
fn name_ends(svg: &mut Svg, chart: &Chart<'_>, curves: &[Curve], y: impl Fn(f64) -> f64) {
    let mut ends: Vec<(f64, &str)> = curves
        .iter()
        .zip(chart.legend)
        .filter_map(|(curve, (name, _))| {
            let (_, value) = curve.points.last()?;
            Some((y(*value), *name))
        })
        .collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut lowest = f64::NEG_INFINITY;
    for (at, name) in ends {
        let at = at.max(lowest + 13.0);
        lowest = at;
        svg.text(
            (RIGHT + 10.0, at + 4.0),
            Style::new(11, Anchor::Start),
            name,
        );
    }
}

/// The values at the ends of an axis.
fn ends(scale: Scale, ticks: &[(f64, &str)], max: Option<f64>) -> (f64, f64) {
    let first = ticks.first().map_or(1.0, |(value, _)| *value);
    let last = ticks.last().map_or(1.0, |(value, _)| *value);
    let least = match scale {
        Scale::Linear => 0.0,
        Scale::Logarithmic => first,
    };
    (least, max.unwrap_or(last))
}

/// How far along the axis a value is, from 0 to 1.
fn share(scale: Scale, (least, most): (f64, f64), value: f64) -> f64 {
    let share = match scale {
        Scale::Linear => (value - least) / (most - least),
        Scale::Logarithmic => (log2(value.max(least)) - log2(least)) / (log2(most) - log2(least)),
    };
    share.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENS: &[(f64, &str)] = &[(1.0, "1"), (1024.0, "1024")];

    #[test]
    fn the_axis_ends_at_its_ticks() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let ends = ends(scale, TENS, None);
            assert!((share(scale, ends, 1024.0) - 1.0).abs() < f64::EPSILON);
        }
        let middle = share(Scale::Logarithmic, (1.0, 1024.0), 32.0);
        assert!((middle - 0.5).abs() < f64::EPSILON);
        assert!(share(Scale::Linear, (0.0, 1024.0), 0.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_curve_has_its_colour_its_points_and_its_name() {
        let chart = Chart {
            title: "cost",
            subtitle: "less is better",
            legend: &[("ours", "#000001"), ("theirs", "#000002")],
            max: 10.0,
            ticks: &[(0.0, "0"), (10.0, "10")],
        };
        let axis = Axis {
            label: "calls at a time",
            ticks: TENS,
            scale: Scale::Logarithmic,
        };
        let curve = |value| Curve {
            points: vec![(1.0, value), (1024.0, value)],
        };
        let svg = curves(&chart, &axis, Scale::Linear, &[curve(5.0), curve(10.0)]);
        assert!(svg.contains("points=\"76.0,254.0 750.0,254.0\" fill=\"none\" stroke=\"#000001\""));
        assert!(svg.contains("points=\"76.0,104.0 750.0,104.0\" fill=\"none\" stroke=\"#000002\""));
        assert_eq!(svg.matches(">ours</text>").count(), 2);
        assert!(svg.contains("calls at a time"));
    }
}
