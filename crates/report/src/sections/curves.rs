//! How the metrics went while training: a chart a metric, a line for each part of the data.

use super::SectionInfo;
use crate::chart::{LineChart, Series};
use crate::contents::Contents;
use crate::names::describe;
use jensen_run::Split;

pub(super) const INFO: SectionInfo = SectionInfo {
    id: "curves",
    title: "Training",
    about: "The metrics of metrics.jsonl over the steps, for training and validation.",
};

pub(super) fn render(contents: &Contents) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in contents.records.iter().flat_map(|record| &record.metrics) {
        if !names.contains(&&**name) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| describe(name).rank);
    let charts: Vec<String> = (names.into_iter().filter_map(|name| draw(contents, name))).collect();
    let (first, others) = charts.split_at(charts.len().min(N_OPEN));
    if first.is_empty() {
        return None;
    }
    let mut out = figures(first);
    if !others.is_empty() {
        out += "<details><summary>Other metrics</summary>\n";
        out += &figures(others);
        out += "</details>\n";
    }
    Some(out)
}

/// As many charts are shown at once; the others unfold.
const N_OPEN: usize = 4;

fn figures(charts: &[String]) -> String {
    let figures = charts.iter().map(|svg| format!("<figure>{svg}</figure>\n"));
    format!(
        "<div class=\"charts\">\n{}</div>\n",
        figures.collect::<String>()
    )
}

/// The chart of a metric; none where no line would have two points.
fn draw(contents: &Contents, name: &str) -> Option<String> {
    let series =
        [(Split::Train, "train"), (Split::Validation, "validation")].map(|(split, label)| {
            let records = contents
                .records
                .iter()
                .filter(|record| record.split == split);
            Series::line(
                label,
                records.filter_map(|r| Some((r.step as f64, r.get(name)?))),
            )
        });
    let drawn = series.iter().any(|series| series.points.len() > 1);
    let metric = describe(name);
    let title = match metric.unit {
        "" => metric.label,
        unit => format!("{} ({unit})", metric.label),
    };
    let chart = LineChart {
        title,
        x_label: "steps".into(),
        series: series
            .into_iter()
            .filter(|series| !series.points.is_empty())
            .collect(),
        focus: true,
        last_values: true,
        ..LineChart::default()
    };
    drawn.then(|| chart.svg())
}
