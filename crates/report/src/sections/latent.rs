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
    let chart = BarChart {
        title: "KL of each dimension (nats per example)".into(),
        x_label: "latent dimension".into(),
        bars: (kl.iter().enumerate())
            .map(|(i, &x)| (i.to_string(), x))
            .collect(),
    };
    let active = match evaluation.get("active_units").and_then(Value::as_u64) {
        Some(n) => format!(" {n} of {} dimensions are active.", kl.len()),
        None => String::new(),
    };
    Some(format!(
        "<div class=\"charts\"><figure>{}</figure>\n<div class=\"prose\"><p>A dimension without \
         divergence is unused: its codes are draws from the prior, whatever the example.{active}</p></div></div>\n",
        chart.svg()
    ))
}
