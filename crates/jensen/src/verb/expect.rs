//! What an `[expect]` block may name: the metrics that a fit measures. Looked at before training, since
//! a slip of the pen would be told after it as a metric that was not measured.

use jensen_vae::metric::aggregate;
use jensen_vae::recipe::{Expectation, Recipe, RecipeError, nearest};
use std::collections::BTreeMap;

/// The metrics of a fit; K and N stand for numbers.
const METRICS: [&str; 12] = [
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
    "active_units",
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
        if metric == "validation_neg_elbo" && recipe.data.validation == 0.0 {
            return refuse("nothing is held out for validation: data.validation = 0".to_owned());
        }
    }
    Ok(())
}

/// Refuses metrics over N examples where the test part makes them over another number.
pub(super) fn check_sizes(
    expected: &BTreeMap<String, Expectation>,
    n_test: usize,
) -> Result<(), RecipeError> {
    let n = n_test.min(aggregate::N_INFORMATION);
    for metric in expected.keys() {
        let of_some = METRICS.iter().filter(|known| known.ends_with('N'));
        let stem = of_some
            .map(|known| stem(known))
            .find(|stem| metric.starts_with(stem));
        if let Some(stem) = stem
            && *metric != format!("{stem}{n}")
        {
            return Err(RecipeError::Value {
                place: format!("expect.{metric}"),
                message: format!("on these data this is measured as {stem}{n}"),
            });
        }
    }
    Ok(())
}

/// A name without the number at its end.
fn stem(known: &str) -> &str {
    known.trim_end_matches(['K', 'N'])
}

fn is_known(metric: &str) -> bool {
    METRICS
        .iter()
        .any(|known| match known.strip_suffix(['K', 'N']) {
            None => *known == metric,
            Some(start) => {
                let number = metric
                    .strip_prefix(start)
                    .and_then(|number| number.parse().ok());
                number.is_some_and(|number: usize| number > 0)
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_over_some_examples_are_those_of_the_data() {
        let check = |metric: &str, n_test| {
            let range = Expectation { min: 0.0, max: 1.0 };
            let expected = BTreeMap::from([(metric.to_owned(), range)]);
            check_sizes(&expected, n_test).map_err(|error| error.to_string())
        };
        assert_eq!(check("mutual_information_360", 360), Ok(()));
        assert_eq!(check("aggregate_mmd_imq_2000", 10_000), Ok(()));
        assert_eq!(check("test_neg_elbo", 360), Ok(()));
        let message = check("aggregate_mmd_imq_350", 360).unwrap_err();
        assert!(
            message.ends_with("measured as aggregate_mmd_imq_360"),
            "{message}"
        );
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
