//! The plots of the page.

use civic_plot::{Axis, Chart, Curve, Scale, curves};

/// The colours of the curves, in order. Those who cannot tell red from green can tell them.
const COLOURS: [&str; 6] = [
    "#1f5fbf", "#e07b00", "#5a5a5a", "#b0306a", "#2a8f6a", "#8a6d00",
];

/// A plot in the making.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// The name of the table that it belongs to.
    pub table: &'static str,
    /// The path, from the folder of the documents.
    pub path: &'static str,
    /// What the reader should see.
    pub title: &'static str,
    /// How to read it.
    pub subtitle: &'static str,
    /// What goes from left to right.
    pub across: &'static str,
    /// The places on that axis, with their labels.
    pub places: Vec<(f64, String)>,
    /// How the axis from left to right is scaled.
    pub scale: Scale,
    /// What each side has, by name.
    pub sides: Vec<(String, Vec<(f64, f64)>)>,
}

impl Plot {
    /// Draws it.
    ///
    /// # Panics
    ///
    /// If it has no points.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let values = self.sides.iter().flat_map(|(_, points)| points);
        let most = values.map(|(_, value)| *value).fold(0.0, f64::max);
        let step = nice_step(most / 4.0);
        let steps = (most / step).ceil().max(1.0);
        let labels: Vec<(f64, String)> = (0..=steps as u32)
            .map(|number| {
                let value = f64::from(number) * step;
                (value, trimmed(value))
            })
            .collect();
        let legend: Vec<(&str, &str)> = self
            .sides
            .iter()
            .zip(COLOURS)
            .map(|((name, _), colour)| (name.as_str(), colour))
            .collect();
        let chart = Chart {
            title: self.title,
            subtitle: self.subtitle,
            legend: &legend,
            max: steps * step,
            ticks: &borrowed(&labels),
        };
        let axis = Axis {
            label: self.across,
            ticks: &borrowed(&self.places),
            scale: self.scale,
        };
        let drawn: Vec<Curve> = self
            .sides
            .iter()
            .map(|(_, points)| Curve {
                points: points.clone(),
            })
            .collect();
        curves(&chart, &axis, Scale::Linear, &drawn)
    }
}

fn borrowed(labels: &[(f64, String)]) -> Vec<(f64, &str)> {
    labels
        .iter()
        .map(|(value, label)| (*value, label.as_str()))
        .collect()
}

/// Returns 1, 2 or 5 times a power of ten that is not below the value.
fn nice_step(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= value)
        .unwrap_or(power * 10.0)
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_numbers_that_cover_the_values() {
        for (value, step) in [(0.24, 0.5), (1.0, 1.0), (17.0, 20.0), (51.0, 100.0)] {
            assert!((nice_step(value) - step).abs() < 1e-9, "{value}");
        }
        assert_eq!(trimmed(2.50), "2.5");
        assert_eq!(trimmed(200.0), "200");
    }
}
