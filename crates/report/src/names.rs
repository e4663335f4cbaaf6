//! What the metrics are called in full, their units, and what they say; the order to show them in.

/// A metric for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metric {
    /// Full name, with the part of the data.
    pub(crate) label: String,
    /// Unit; empty for a plain number.
    pub(crate) unit: &'static str,
    /// One sentence; empty for a metric that is not known here.
    pub(crate) meaning: &'static str,
    /// Place in the order to show, the most important first.
    pub(crate) rank: usize,
    /// Samples or examples that it was computed with, where the name says so.
    pub(crate) count: Option<u64>,
}

/// Describes a metric by its name in `metrics.jsonl` or `evaluation.json`.
///
/// Parts of the data stand before the name (`test_`), numbers of samples or examples behind (`_5000`).
pub(crate) fn describe(name: &str) -> Metric {
    let (part, base) = PARTS
        .iter()
        .find_map(|(prefix, part)| Some((*part, name.strip_prefix(prefix)?)))
        .unwrap_or(("", name));
    let (base, count) = match base.rsplit_once('_') {
        Some((front, digits)) => match digits.parse::<u64>() {
            Ok(count) => (front, Some(count)),
            Err(_) => (base, None),
        },
        None => (base, None),
    };
    let place = |base: &str| KNOWN.iter().position(|known| known.0 == base);
    // A term of one latent has its name behind, `kl.z`, and so has a metric, `usage_z`.
    let mut parts = [base.split_once('.'), base.split_once('_')]
        .into_iter()
        .flatten();
    let (base, of) = match parts.find(|(term, _)| place(base).is_none() && place(term).is_some()) {
        Some((term, latent)) => (term, Some(latent)),
        None => (base, None),
    };
    let found = place(base);
    let (mut label, unit, meaning) = match found {
        Some(rank) => {
            let (_, label, unit, meaning) = KNOWN[rank];
            (label.to_owned(), unit, meaning)
        }
        None => (base.replace(['_', '/'], " "), "", ""),
    };
    if let Some(latent) = of {
        label = format!("{label} of {latent}");
    }
    if let Some(count) = count {
        let what = if OF_SAMPLES.contains(&base) {
            "sample"
        } else {
            "example"
        };
        let plural = if count == 1 { "" } else { "s" };
        label = format!("{label}, {count} {what}{plural}");
    }
    if !part.is_empty() {
        label = format!("{label}, {part}");
    }
    Metric {
        label,
        unit,
        meaning,
        rank: found.unwrap_or(KNOWN.len()),
        count,
    }
}

const PARTS: [(&str, &str); 4] = [
    ("test_", "test"),
    ("validation_", "validation"),
    ("val_", "validation"),
    ("train_", "train"),
];

/// What is estimated with samples for each example; other counts are of examples.
const OF_SAMPLES: [&str; 2] = ["nll_iwae", "iwae"];

const NATS: &str = "nats per example";

/// Name, label, unit, meaning; in the order to show.
const KNOWN: [(&str, &str, &str, &str); 35] = [
    (
        "neg_elbo",
        "Negative ELBO",
        NATS,
        "Upper bound on the negative log-likelihood; lower is better.",
    ),
    (
        "elbo",
        "ELBO",
        NATS,
        "Lower bound on the log-likelihood; higher is better.",
    ),
    (
        "nll_iwae",
        "Negative log-likelihood",
        NATS,
        "Importance-weighted estimate; tighter with more samples.",
    ),
    (
        "iwae",
        "Importance-weighted bound",
        NATS,
        "Lower bound, tighter than the ELBO.",
    ),
    (
        "neg_elbo_without_latent",
        "Negative log-likelihood without a latent",
        NATS,
        "What the best model reaches that gives every example the same distribution; codes that carry something do better.",
    ),
    (
        "bits_per_dim",
        "Bits per dimension",
        "bits",
        "The negative ELBO in bits for one value of an example; a code length if the likelihood is discrete.",
    ),
    (
        "log_likelihood",
        "Log-likelihood",
        NATS,
        "How well latent codes explain their example; higher is better.",
    ),
    (
        "reconstruction",
        "Reconstruction",
        NATS,
        "Negative log-likelihood of an example given its code.",
    ),
    (
        "distortion",
        "Distortion",
        NATS,
        "Negative log-likelihood of an example given its code.",
    ),
    (
        "kl",
        "KL",
        NATS,
        "Divergence of the codes from the prior: the information a code carries.",
    ),
    (
        "rate",
        "Rate",
        NATS,
        "Divergence of the codes from the prior: the information a code carries.",
    ),
    (
        "mutual_information",
        "Mutual information",
        "nats",
        "Between example and code; at most the logarithm of the number of examples.",
    ),
    (
        "aggregate_mmd_imq",
        "Discrepancy of all codes from the prior",
        "",
        "Maximum mean discrepancy, without a unit: zero where all codes together are distributed as the prior says.",
    ),
    (
        "marginal_kl",
        "Marginal KL",
        "nats",
        "Divergence of all codes together from the prior.",
    ),
    (
        "active_units",
        "Active units",
        "",
        "Latent dimensions that carry information.",
    ),
    (
        "usage",
        "Usage of the codes",
        "",
        "Share of the codes that occur; 1 where none is dead.",
    ),
    (
        "perplexity",
        "Perplexity of the codes",
        "",
        "How many codes that occur alike often have the same entropy.",
    ),
    (
        "commitment",
        "Quantization error",
        "",
        "Squared distance of vectors from the codes that replace them, summed over the places of an example.",
    ),
    (
        "captions_satisfied",
        "Captions satisfied",
        "",
        "Share of sentences of which a picture shows what they say, judged by a program.",
    ),
    (
        "captions_satisfied_unseen",
        "Captions satisfied, unseen pairs",
        "",
        "The same for sentences with a color and a shape that never stood together in training.",
    ),
    (
        "fit",
        "Loss of the prior",
        "",
        "What the prior makes small when the rest is done.",
    ),
    ("loss", "Loss", NATS, "What is minimized, with all weights."),
    (
        "total_correlation",
        "Total correlation",
        NATS,
        "Dependence between the latent dimensions.",
    ),
    (
        "tc",
        "Total correlation",
        NATS,
        "Dependence between the latent dimensions.",
    ),
    (
        "mmd",
        "MMD",
        "",
        "Maximum mean discrepancy of the codes from the prior.",
    ),
    (
        "mse",
        "Squared error",
        "",
        "Mean over the values of an example.",
    ),
    (
        "neg_elbo_binarized",
        "Negative ELBO, binarized",
        NATS,
        "With pixels drawn as zeros and ones.",
    ),
    ("beta", "Weight of the KL", "", "Schedule of the objective."),
    (
        "kl_weight",
        "Weight of the KL",
        "",
        "Schedule of the objective.",
    ),
    ("learning_rate", "Learning rate", "", "Of the optimizer."),
    (
        "grad_norm",
        "Gradient norm",
        "nats per unit",
        "Before clipping.",
    ),
    (
        "skipped",
        "Skipped steps",
        "",
        "Steps whose gradient was not finite or too large.",
    ),
    ("per_second", "Speed", "examples per second", ""),
    ("samples_per_second", "Speed", "examples per second", ""),
    ("examples_per_second", "Speed", "examples per second", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for (name, label, unit) in [
            ("elbo", "ELBO", NATS),
            ("test_neg_elbo", "Negative ELBO, test", NATS),
            (
                "test_nll_iwae_5000",
                "Negative log-likelihood, 5000 samples, test",
                NATS,
            ),
            (
                "test_nll_iwae_1",
                "Negative log-likelihood, 1 sample, test",
                NATS,
            ),
            (
                "mutual_information_360",
                "Mutual information, 360 examples",
                "nats",
            ),
            ("val_kl", "KL, validation", NATS),
            ("kl.z", "KL of z", NATS),
            ("commitment.z", "Quantization error of z", ""),
            ("usage_z", "Usage of the codes of z", ""),
            ("weight.kl.z", "weight.kl.z", ""),
            ("codebook_usage", "codebook usage", ""),
            ("kl/group", "kl group", ""),
        ] {
            let metric = describe(name);
            assert_eq!((&*metric.label, metric.unit), (label, unit), "{name}");
        }
        assert!(describe("elbo").rank < describe("kl").rank);
        assert!(describe("kl").rank < describe("codebook_usage").rank);
    }
}
