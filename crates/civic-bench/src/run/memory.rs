//! Work in memory.

use civic_plot::Scale;

use super::row::row;
use crate::measure::{Comparison, Effort, Side, Summary};
use crate::report::{Plot, Report, Table};
use crate::work::{Group, LAYERS, OURS};

pub(super) fn run(group: &Group, effort: Effort, report: &mut Report) {
    let mut rows = Vec::new();
    let mut layers = Vec::new();
    for piece in (group.pieces)() {
        let (name, adds) = (piece.name, piece.adds);
        let others: Vec<&'static str> = piece.sides.iter().skip(1).map(Side::name).collect();
        let measured = Comparison::measure(effort, piece.sides);
        let ours = measured.of(OURS);
        for other in others {
            let aim = piece.aims.iter().find(|aim| aim.beside == other);
            let both = (ours, measured.of(other));
            rows.push(row(
                piece.name,
                other,
                both,
                "ns",
                aim.map(|aim| aim.at_most),
            ));
        }
        if let Some(adds) = adds {
            let both = ours.iter().zip(measured.of(adds.beside));
            let added: Vec<f64> = both.map(|(ours, beside)| ours - beside).collect();
            let most = vec![adds.at_most; added.len()];
            let what = format!("what is added: {name}");
            rows.push(row(&what, adds.words, (&added, &most), "ns", Some(1.0)));
        }
        if LAYERS.contains(&piece.name) {
            layers.push((layers.len() as f64, Summary::of(ours).median / 1e3));
        }
    }
    report.tables.push(Table {
        name: group.name,
        title: group.title,
        measure: "Processor time of the thread.",
        rows,
    });
    if !layers.is_empty() {
        report.plots.push(Plot {
            table: group.name,
            path: "performance/route.svg",
            title: "What each layer adds to a route",
            subtitle: "processor time per request in µs, in memory; each place has all layers to its left",
            across: "layers around the handler",
            places: (0..).map(f64::from).zip(LAYERS.map(str::to_owned)).collect(),
            scale: Scale::Linear,
            sides: vec![("civic".to_owned(), layers)],
        });
    }
}
