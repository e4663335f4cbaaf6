//! Metrics by name with their units; bits per dimension beside nats for images.

use super::table::Table;
use crate::console::dim;
use jensen::report::plain_number as number;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Beginnings of names in the order to show.
const ORDER: [&str; 14] = [
    "code_length",
    "test_neg_elbo",
    "test_distortion",
    "test_rate",
    "test_nll",
    "test_",
    "validation_",
    "train_",
    "neg_elbo",
    "reconstruction",
    "kl",
    "active_units",
    "mutual_information",
    "aggregate_mmd",
];

/// One line a metric.
pub(super) fn text(metrics: &BTreeMap<String, f64>) -> String {
    let rank = |name: &str| {
        let place = ORDER.iter().position(|start| name.starts_with(start));
        place.unwrap_or(ORDER.len())
    };
    let mut names: Vec<&String> = metrics.keys().collect();
    // Of several estimates the tightest first.
    let count = |name: &str| name.rsplit('_').next().and_then(|n| n.parse::<u64>().ok());
    names.sort_by_key(|name| (rank(name), Reverse(count(name))));
    // The two forms of one number tell how many values an example has.
    let bits_per_nat = match (
        metrics.get("test_bits_per_dim"),
        metrics.get("test_neg_elbo"),
    ) {
        (Some(bits), Some(nats)) if *nats != 0.0 => Some(bits / nats),
        _ => None,
    };
    let mut table = Table::default();
    for name in names
        .into_iter()
        .filter(|name| *name != "test_bits_per_dim")
    {
        let value = metrics[name];
        let unit = unit(name);
        let is_code_length = name.contains("neg_elbo") || name.contains("nll");
        let bits = match bits_per_nat {
            Some(factor) if is_code_length && !name.contains("binarized") => {
                format!("{:.3} bits/dim", value * factor)
            }
            _ => String::new(),
        };
        table.row(&[&dim(name), &format!("{:>9}", number(value)), unit, &bits]);
    }
    table.text()
}

fn unit(name: &str) -> &'static str {
    match name {
        "active_units" | "excess" | "mse" => "",
        name if [
            "aggregate_mmd",
            "usage_",
            "perplexity_",
            "satisfied",
            "captions_",
        ]
        .iter()
        .any(|start| name.starts_with(start)) =>
        {
            ""
        }
        name if name.ends_with("_per_dim") => "bits",
        _ => "nats",
    }
}

/// The KL of each dimension as a line of small bars, the largest first. A KL that does not split is
/// one number for its latent, so there may be fewer numbers than the `n_units` dimensions.
pub(super) fn kl_text(kl_per_dim: &[f64], n_units: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mut sorted = kl_per_dim.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let Some(&largest) = sorted.first().filter(|kl| **kl > 0.0) else {
        return String::new();
    };
    let nats = number(largest);
    if sorted.len() == 1 && n_units > 1 {
        let what = dim("KL of the latent as a whole");
        return format!("{what}  {nats} nats, {n_units} dimensions\n");
    }
    let what = match sorted.len() == n_units {
        true => "KL per dimension",
        false => "KL per dimension or latent",
    };
    let bar = |kl: &f64| BARS[((kl / largest).max(0.0) * 7.0).round() as usize];
    let bars: String = sorted.iter().map(bar).collect();
    let what = dim(what);
    format!("{what}  {bars}  {nats} nats at most, {n_units} dimensions\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nats_have_bits_beside_them() {
        let metrics = [
            ("active_units", 12.0),
            ("test_bits_per_dim", 0.5),
            ("test_neg_elbo", 22.18),
            ("train_neg_elbo", 20.0),
            ("test_rate", 7.0),
            ("test_nll_iwae_9", 21.75),
            ("test_nll_iwae_100", 21.5),
            ("train_loss", 3e12),
        ];
        let metrics = metrics.map(|(name, x)| (name.to_owned(), x)).into();
        let text = text(&metrics);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("test_neg_elbo") && lines[0].ends_with("0.500 bits/dim"));
        assert!(lines[1].starts_with("test_rate") && lines[1].ends_with("nats"));
        assert!(
            lines[2].starts_with("test_nll_iwae_100") && lines[3].starts_with("test_nll_iwae_9")
        );
        assert!(lines[4].starts_with("train_loss") && lines[4].contains(" 3.00e12  "));
        assert!(lines[5].ends_with("0.451 bits/dim"));
        assert!(lines[6].ends_with("12"));
    }

    #[test]
    fn a_line_of_bars() {
        let split = kl_text(&[0.0, 2.0, 1.0], 3);
        assert!(
            split.contains("KL per dimension  █▅▁  2 nats at most, 3 dim"),
            "{split}"
        );
        assert_eq!(kl_text(&[], 0), "");
        assert_eq!(kl_text(&[0.0], 1), "");
    }

    #[test]
    fn a_kl_that_does_not_split_has_no_bars() {
        let whole = kl_text(&[12.5], 20);
        assert_eq!(
            whole,
            "KL of the latent as a whole  12.50 nats, 20 dimensions\n"
        );
        let mixed = kl_text(&[2.0, 1.0, 0.0], 12);
        assert!(
            mixed.contains("or latent  █▅▁  2 nats at most, 12 dim"),
            "{mixed}"
        );
    }
}
