//! What an `[expect]` block may name: the metrics that a fit measures. Looked at before training, since
//! a slip of the pen would be told after it as a metric that was not measured.

use super::evaluate::ESTIMATE;
use super::fit::Prepared;
use super::generate::{self, SATISFIED};
use jensen_data::nearest;
use jensen_vae::features::{self, Classifier};
use jensen_vae::metric::evaluate;
use jensen_vae::model::Model;
use jensen_vae::recipe::{Expectation, Recipe, RecipeError};
use std::collections::BTreeMap;

/// The metrics of a fit; K and N stand for numbers, LATENT for a name.
const METRICS: [&str; 34] = [
    "test_neg_elbo",
    "test_neg_elbo_binarized",
    "test_neg_elbo_without_latent",
    "test_distortion",
    "test_rate",
    "test_bits_per_dim",
    "test_nll_iwae_K",
    "train_neg_elbo",
    "validation_neg_elbo",
    "mutual_information_N",
    "aggregate_mmd_imq_N",
    "usage_LATENT",
    "perplexity_LATENT",
    "active_units",
    "reconstruction_l1",
    "reconstruction_psnr",
    "reconstruction_ssim_K",
    "reconstruction_ms_ssim_K",
    "fd_classifier_N",
    "fd_reconstruction_classifier_N",
    "kd_classifier_N",
    "kd_error_classifier_N",
    "precision_classifier_N",
    "recall_classifier_N",
    "density_classifier_N",
    "coverage_classifier_N",
    "mig",
    "sap",
    "dci_disentanglement",
    "dci_completeness",
    "dci_informativeness",
    "factor_vae",
    SATISFIED[0],
    SATISFIED[1],
];

/// The metrics that a fit adds to those of its evaluation.
const OF_FIT: [&str; 3] = [
    "train_neg_elbo",
    "validation_neg_elbo",
    "test_neg_elbo_without_latent",
];

/// Refuses names of no metric, metrics that this recipe does not measure, and ranges that are empty.
pub(crate) fn check(recipe: &Recipe) -> Result<(), RecipeError> {
    for (key, range) in &recipe.expect {
        // `mnist/test_neg_elbo` holds on the data `mnist`.
        let metric = key.rsplit('/').next().unwrap_or(key);
        if !is_known(metric) {
            let known: Vec<String> = METRICS.iter().map(|&name| name.to_owned()).collect();
            return Err(RecipeError::UnknownKey {
                place: "expect".to_owned(),
                key: key.clone(),
                nearest: nearest(metric, known.iter()),
                known,
                of_kinds: Box::default(),
            });
        }
        let refuse = |message: String| {
            Err(RecipeError::Value {
                place: format!("expect.{key}"),
                message,
            })
        };
        if range.min > range.max {
            return refuse(format!("min = {} is above max = {}", range.min, range.max));
        }
        if range.min == f64::NEG_INFINITY && range.max == f64::INFINITY {
            return refuse(
                "expected min or max, found neither: it would promise nothing".to_owned(),
            );
        }
        if metric == "validation_neg_elbo" && recipe.data.validation == 0.0 {
            return refuse("nothing is held out for validation: data.validation = 0".to_owned());
        }
    }
    Ok(())
}

/// Refuses metrics that a fit of this model will not measure: those over another number of test examples,
/// or of another likelihood.
pub(super) fn check_measured(
    expected: &BTreeMap<String, Expectation>,
    Prepared {
        recipe,
        parts,
        model,
        ..
    }: &Prepared,
) -> Result<(), RecipeError> {
    let has_classifier = compares_samples(recipe, model) || names_classifier(expected.keys());
    let has_classifier = has_classifier && Classifier::fits(&parts.whole);
    let mut measured = evaluate::names(model, &parts.test, has_classifier);
    if generate::is_measured(recipe, model) {
        measured.extend(SATISFIED.map(str::to_owned));
    }
    for metric in expected.keys() {
        let is_of_fit = OF_FIT.contains(&metric.as_str()) || metric.starts_with(ESTIMATE);
        if is_of_fit || measured.contains(metric) {
            continue;
        }
        let stem = metric.trim_end_matches(|digit: char| digit.is_ascii_digit());
        let other = measured.iter().find(|name| name.starts_with(stem));
        return Err(RecipeError::Value {
            place: format!("expect.{metric}"),
            message: match other {
                Some(other) => format!("on these data this is measured as {other}"),
                None => format!(
                    "this is not measured for such a model and data; measured are {}",
                    measured.join(", ")
                ),
            },
        });
    }
    Ok(())
}

/// Whether a fit of this recipe compares samples with data in the space of a classifier, which takes seconds to train:
/// where the decoder learns to please a judge, or a promise is made of it.
pub(super) fn compares_samples(recipe: &Recipe, model: &Model) -> bool {
    model.wants_classifier()
        || recipe.objective.contains_key("adversary")
        || names_classifier(recipe.expect.keys())
}

fn names_classifier<'a>(mut metrics: impl Iterator<Item = &'a String>) -> bool {
    let space = format!("_{}_", features::NAME);
    metrics.any(|metric| metric.contains(&space))
}

fn is_known(metric: &str) -> bool {
    METRICS.iter().any(|known| {
        let rest_after = |start: &str| metric.strip_prefix(start).map(str::to_owned);
        if let Some(start) = known.strip_suffix("LATENT") {
            return rest_after(start).is_some_and(|name| !name.is_empty());
        }
        match known.strip_suffix(['K', 'N']) {
            None => *known == metric,
            Some(start) => {
                let number = rest_after(start).and_then(|number| number.parse().ok());
                number.is_some_and(|number: usize| number > 0)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipes::RecipeRequest;
    use crate::verb::fit::{FitRequest, fit};
    use jensen_run::Silent;

    /// A small model of a recipe on the embedded digits, and its test examples.
    fn prepared(overrides: &[&str]) -> Prepared {
        let small = ["encoder.hidden=[8]", "decoder.hidden=[8]"];
        let request = RecipeRequest {
            overrides: small
                .iter()
                .chain(overrides)
                .map(|&s| s.to_owned())
                .collect(),
            ..RecipeRequest::of("vae")
        };
        Prepared::new(request.resolve().unwrap(), &mut Silent).unwrap()
    }

    #[test]
    fn what_will_not_be_measured_is_refused() {
        let bernoulli = prepared(&[]);
        let gaussian = prepared(&["likelihood='gaussian'"]);
        let check = |metric: &str, prepared: &Prepared| {
            let range = Expectation { min: 0.0, max: 1.0 };
            let expected = BTreeMap::from([(metric.to_owned(), range)]);
            check_measured(&expected, prepared).map_err(|error| error.to_string())
        };
        for metric in [
            "mutual_information_360",
            "test_nll_iwae_7",
            "train_neg_elbo",
            "test_bits_per_dim",
        ] {
            assert_eq!(check(metric, &bernoulli), Ok(()));
        }
        let message = check("aggregate_mmd_imq_350", &bernoulli).unwrap_err();
        assert!(
            message.ends_with("measured as aggregate_mmd_imq_360"),
            "{message}"
        );
        for metric in ["test_bits_per_dim", "test_neg_elbo_binarized"] {
            let message = check(metric, &gaussian).unwrap_err();
            assert!(message.contains("not measured for such"), "{message}");
        }
    }

    #[test]
    fn all_that_a_fit_measures_may_be_expected() {
        let dir = tempfile::tempdir().unwrap();
        for likelihood in ["bernoulli", "gaussian", "categorical"] {
            let request = RecipeRequest {
                overrides: vec![
                    "encoder.hidden=[8]".to_owned(),
                    "decoder.hidden=[8]".to_owned(),
                    "train.epochs=1".to_owned(),
                    format!("likelihood='{likelihood}'"),
                ],
                ..RecipeRequest::of("vae")
            };
            let fitted = fit(
                &FitRequest {
                    recipe: request,
                    out: Some(dir.path().join(likelihood)),
                    iwae_samples: Some(2),
                },
                &mut Silent,
            )
            .unwrap();
            let prepared = prepared(&[&format!("likelihood='{likelihood}'")]);
            let mut names = evaluate::names(&prepared.model, &prepared.parts.test, false);
            names.extend(OF_FIT.map(str::to_owned));
            names.push(format!("{ESTIMATE}2"));
            names.sort();
            let measured: Vec<String> = fitted.metrics.into_keys().collect();
            assert_eq!(measured, names);
            assert!(measured.iter().all(|name| is_known(name)));
        }
    }

    #[test]
    fn names_of_no_metric_are_answered_with_the_nearest() {
        let check = |pair: &str| {
            let recipe = Recipe::parse("", "test", &[pair.to_owned()]).unwrap();
            super::check(&recipe).map_err(|error| error.to_string())
        };
        for name in [
            "test_neg_elbo",
            "test_nll_iwae_5000",
            "mutual_information_360",
            "active_units",
        ] {
            assert_eq!(check(&format!("expect.{name}.max=1.0")), Ok(()));
        }
        for (pair, part) in [
            (
                "expect.test_neg_elb.max=1.0",
                "did you mean `test_neg_elbo`?",
            ),
            ("expect.mnist/tst_rate.max=1.0", "did you mean `test_rate`?"),
            (
                "expect.test_nll_iwae.max=1.0",
                "did you mean `test_nll_iwae_K`?",
            ),
            ("expect.test_nll_iwae_0.max=1.0", "unknown key"),
            (
                "expect.test_rate={ min = 2.0, max = 1.0 }",
                "min = 2 is above max = 1",
            ),
        ] {
            let message = check(pair).unwrap_err();
            assert!(message.contains(part), "{pair}: {message}");
        }
        let pairs = ["expect.validation_neg_elbo.max=1.0", "data.validation=0.0"];
        let recipe = Recipe::parse("", "test", &pairs.map(str::to_owned)).unwrap();
        assert!(super::check(&recipe).is_err());
    }
}
