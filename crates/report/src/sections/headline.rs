//! The numbers that count: those of the verb `evaluate`, else the last ones of the training.

use super::SectionInfo;
use crate::contents::Contents;
use crate::names::{Metric, describe};
use crate::text::{count, escape, number};
use jensen_run::{Split, shell_word};
use serde_json::Value;
use std::cmp::Reverse;
use std::fmt::Write;

pub(super) const INFO: SectionInfo = SectionInfo {
    id: "results",
    title: "Results",
    about: "The metrics of evaluation.json; before an evaluation, the last of metrics.jsonl.",
};

pub(super) fn render(contents: &Contents) -> Option<String> {
    let (mut metrics, source) = evaluated(contents).or_else(|| last_measured(contents))?;
    // The names of a row decide where it stands, of several estimates the tightest first; equals keep the
    // order of the file.
    metrics.sort_by_key(|(name, _)| {
        let Metric { rank, count, .. } = describe(name);
        (rank, Reverse(count))
    });
    let mut out = String::from("<div class=\"tiles\">");
    for (name, x) in large(&metrics) {
        let metric = describe(name);
        let (label, unit, x) = (escape(&metric.label), metric.unit, number(x));
        let long = if x.chars().count() > N_LARGE {
            " long"
        } else {
            ""
        };
        write!(
            out,
            "<div class=\"tile\"><div class=\"label\">{label}</div>\
             <div class=\"value{long}\">{x}</div><div class=\"unit\">{unit}</div></div>"
        )
        .expect("internal error: writing to a text");
    }
    out += "</div>\n<div class=\"wide\"><table><thead><tr><th>Metric</th><th class=\"num\">Value</th>\
            <th>Unit</th><th>Meaning</th></tr></thead><tbody>\n";
    for (name, x) in &metrics {
        let metric = describe(name);
        let label = escape(&metric.label);
        let (name, x, unit, meaning) = (escape(name), number(*x), metric.unit, metric.meaning);
        writeln!(
            out,
            "<tr><td>{label} <code>{name}</code></td><td class=\"num\">{x}</td>\
             <td>{unit}</td><td class=\"soft\">{meaning}</td></tr>"
        )
        .expect("internal error: writing to a text");
    }
    out += "</tbody></table></div>\n";
    Some(out + &format!("<p class=\"soft\">{source}</p>\n"))
}

/// As many metrics are shown large.
const N_TILES: usize = 4;
/// Signs of a number that fit into a tile in large letters.
const N_LARGE: usize = 8;

type Metrics = Vec<(String, f64)>;

/// The first metrics, of each one that was estimated several times the first alone.
fn large(metrics: &[(String, f64)]) -> impl Iterator<Item = (&str, f64)> {
    let bare = |i: usize| metrics[i].0.trim_end_matches(|c: char| c.is_ascii_digit());
    (0..metrics.len())
        .filter(move |&i| (0..i).all(|earlier| bare(earlier) != bare(i)))
        .map(|i| (metrics[i].0.as_str(), metrics[i].1))
        .take(N_TILES)
}

/// The numbers of `evaluation.json`: those under `metrics`, then those beside it.
fn evaluated(contents: &Contents) -> Option<(Metrics, String)> {
    let evaluation = contents.evaluation.as_ref()?.as_object()?;
    let under = evaluation.get("metrics").and_then(Value::as_object);
    let mut metrics = Metrics::new();
    for (name, value) in under.into_iter().flatten().chain(evaluation) {
        if let Some(x) = value.as_f64()
            && metrics.iter().all(|(other, _)| other != name)
        {
            metrics.push((name.clone(), x));
        }
    }
    let source = "Measured by <code>jensen evaluate</code>; log quantities are in nats.".into();
    (!metrics.is_empty()).then_some((metrics, source))
}

fn last_measured(contents: &Contents) -> Option<(Metrics, String)> {
    let last = |split| {
        contents
            .records
            .iter()
            .rfind(|record| record.split == split)
    };
    let found = [Split::Test, Split::Validation, Split::Train]
        .into_iter()
        .find_map(last);
    let record = found.filter(|record| !record.metrics.is_empty())?;
    let part = match record.split {
        Split::Test => "test part",
        Split::Validation => "validation part",
        Split::Train => "training part",
    };
    let source = format!(
        "The last values of the {part}, after step {}. \
         <code>jensen evaluate {}</code> measures the test part in full.",
        count(record.step),
        escape(&shell_word(&contents.name))
    );
    Some((record.metrics.clone(), source))
}
