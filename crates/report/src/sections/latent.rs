//! How much information each latent dimension carries.

use super::SectionInfo;
use crate::chart::BarChart;
use crate::contents::Contents;
use serde_json::Value;

pub(super) const INFO: SectionInfo = SectionInfo {
    id: "latent",
    title: "Latent space",
    about: "The divergence from the prior of each latent dimension, from evaluation.json.",
};

pub(super) fn render(contents: &Contents) -> Option<String> {
    let evaluation = contents.evaluation.as_ref()?;
    let kl: Vec<f64> = (evaluation.get("kl_per_dim")?.as_array()?.iter())
        .map(|x| x.as_f64().unwrap_or(f64::NAN))
        .collect();
    if kl.is_empty() {
        return None;
    }
    // A KL that does not split is one number for its latent, so the numbers may be fewer than the dimensions.
    let n_units = (evaluation
        .pointer("/settings/n_units")
        .and_then(Value::as_u64))
    .map_or(kl.len(), |n| n as usize);
    let (of, x_label, reading) = match kl.len() {
        n if n == n_units => (
            "each dimension",
            "latent dimension",
            "A dimension without divergence is unused: its codes are draws from the prior, \
             whatever the example.",
        ),
        1 => (
            "the latent as a whole",
            "latent",
            "The divergence from this prior does not split into dimensions.",
        ),
        _ => (
            "dimensions and of latents as a whole",
            "latent dimension, or latent",
            "The divergence from some of the priors does not split into dimensions.",
        ),
    };
    let chart = BarChart {
        title: format!("KL of {of} (nats per example)"),
        x_label: x_label.into(),
        bars: (kl.iter().enumerate())
            .map(|(i, &x)| (i.to_string(), x))
            .collect(),
        ..BarChart::default()
    };
    let active = match evaluation.get("active_units").and_then(Value::as_u64) {
        Some(n) => format!(" {n} of {n_units} dimensions are active."),
        None => String::new(),
    };
    Some(format!(
        "<div class=\"charts\"><figure>{}</figure>\n<div class=\"prose\"><p>{reading}{active}</p></div></div>\n",
        chart.svg()
    ))
}
