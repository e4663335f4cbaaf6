//! The facts for the referee: what a finished run and its data say about its model.

use super::verdict::{Facts, Mean};
use crate::error::{Error, Result};
use crate::session::{Parts, newest_state};
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_run::{Observer, Record, RunFolder, Split, file, read_metrics};
use jensen_vae::metric::baseline::without_latent;
use jensen_vae::metric::{self, Evaluation, Scores};
use jensen_vae::model::Model;
use jensen_vae::objective;
use jensen_vae::recipe::Recipe;
use jensen_vae::schedule::Schedule;

/// Most training examples whose bound the referee compares.
const N_EXAMPLES: usize = 5000;

/// Measures what the referee looks at beside `found`, the evaluation of the test part, and gives the metrics
/// that this makes too.
///
/// # Errors
/// [`Error::Stopped`] on request.
pub(super) fn facts(
    recipe: &Recipe,
    model: &Model,
    params: &Params,
    parts: &Parts,
    run: &RunFolder,
    found: &Evaluation,
    observer: &mut dyn Observer,
) -> Result<(Facts, Vec<(&'static str, f64)>)> {
    let stream = Stream::from_seed(recipe.train.seed).child("judge", 0);
    let advance = &mut |_: Option<usize>| !observer.stop_requested();
    let mut score = |feed: &_, name: &str| {
        let stream = stream.child(name, 0);
        metric::score(model, params, feed, 0, &stream, advance).ok_or(Error::Stopped)
    };
    let train = score(&parts.train.sample(N_EXAMPLES, &stream), "train")?;
    let validation = parts
        .validation
        .as_ref()
        .map(|feed| score(feed, "validation"));
    let validation = validation.transpose()?;
    let stream = stream.child("without_latent", 0);
    let without = without_latent(model, params, &parts.train, &parts.test, &stream, advance)
        .ok_or(Error::Stopped)?;
    let rate_weight = rate_weight(recipe);
    let costs = |scores: &Scores| -> Vec<f64> {
        let parts = scores.reconstruction.iter().zip(&scores.kl);
        parts.map(|(d, r)| d + rate_weight * r).collect()
    };
    let without_latent = Mean::of(&without).value;
    let mut metrics = vec![
        ("train_neg_elbo", train.means()[0]),
        ("test_neg_elbo_without_latent", without_latent),
    ];
    if let Some(scores) = &validation {
        metrics.push(("validation_neg_elbo", scores.means()[0]));
    }
    let test = costs(&found.scores);
    let gains: Vec<f64> = without.iter().zip(&test).map(|(a, b)| a - b).collect();
    let [_, distortion, rate] = train.means();
    let state = newest_state(run)?.map_or(serde_json::Value::Null, |(_, state)| state);
    let patience = recipe.train.patience as u64;
    let stopped_early = patience > 0 && state["epochs_without_gain"].as_u64() >= Some(patience);
    // What cannot be read is not on record, and that is doubt enough.
    let records = read_metrics(run.path(file::METRICS)).unwrap_or_default();
    let facts = Facts {
        active_units: found.active_units,
        n_units: found.n_units,
        is_constant: parts.train.examples().is_constant(),
        train: Mean::of(&costs(&train)),
        validation: validation.map(|scores| Mean::of(&costs(&scores))),
        test: Mean::of(&test),
        scale: distortion.abs() + rate_weight * rate,
        without_latent,
        rate_weight,
        gain: Mean::of(&gains),
        last_fall: if stopped_early {
            Some(0.0)
        } else {
            last_fall(&records, rate_weight)
        },
        n_rollbacks: state["n_rollbacks"].as_u64().unwrap_or(0),
    };
    Ok((facts, metrics))
}

/// What a nat of rate costs at the end of training, in [0, 1]: the largest weight of a latent's rate. Below
/// 1, as in a Wasserstein auto-encoder, the bound is not what was trained.
fn rate_weight(recipe: &Recipe) -> f64 {
    let Some(rates) = recipe.objective.get(objective::RATE) else {
        // The bound includes it.
        return 1.0;
    };
    let weights = rates.values().map(|table| {
        let weight = table.get("weight").cloned();
        let weight: Option<Schedule> = weight.and_then(|weight| weight.try_into().ok());
        weight.map_or(0.0, |weight| weight.at(1.0))
    });
    weights.fold(0.0, f64::max).clamp(0.0, 1.0)
}

/// By how much the mean of -ELBO, or of distortion and weighted rate, fell from the fourth to the last fifth of training, nats: of training
/// examples, or of validation where too few lines are there. Not finite if a value there is not.
fn last_fall(records: &[Record], rate_weight: f64) -> Option<f64> {
    let cost = |record: &Record| match rate_weight {
        1.0 => record.get("elbo").map(|elbo| -elbo),
        weight => Some(weight * record.get("kl")? - record.get("log_likelihood")?),
    };
    let last = records.iter().map(|record| record.step).max()? as f64;
    let mean = |split: Split, from: f64, to: f64, fewest: usize| {
        let is_in = |record: &&Record| {
            let done = record.step as f64 / last;
            record.split == split && done > from && done <= to
        };
        let costs: Vec<f64> = (records.iter().filter(is_in)).filter_map(cost).collect();
        (costs.len() >= fewest).then(|| costs.iter().sum::<f64>() / costs.len() as f64)
    };
    // Validation looks at the same examples each time, but at few.
    [(Split::Train, 2), (Split::Validation, 3)]
        .into_iter()
        .find_map(|(split, fewest)| {
            Some(mean(split, 0.6, 0.8, fewest)? - mean(split, 0.8, 1.0, fewest)?)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(split: Split, n: u64) -> Vec<Record> {
        let record = |i: u64| Record {
            step: 100 * i,
            epoch: i,
            split,
            elapsed_s: 0.0,
            metrics: [
                ("elbo", i as f64),
                ("log_likelihood", 2.0 * i as f64),
                ("kl", i as f64),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
        };
        (1..=n).map(record).collect()
    }

    #[test]
    fn the_last_two_fifths_are_compared() {
        // 7 and 8 of 10 with 9 and 10.
        assert_eq!(last_fall(&records(Split::Train, 10), 1.0), Some(2.0));
        assert_eq!(last_fall(&records(Split::Train, 5), 1.0), None);
        assert_eq!(last_fall(&records(Split::Validation, 10), 1.0), None);
        assert_eq!(last_fall(&records(Split::Validation, 15), 1.0), Some(3.0));
        assert_eq!(last_fall(&[], 1.0), None);
        // Twice as steep, less half a nat of rate a step.
        assert_eq!(last_fall(&records(Split::Train, 10), 0.5), Some(3.0));
    }

    #[test]
    fn a_value_that_is_not_finite_is_not_left_out() {
        let mut records = records(Split::Train, 10);
        records[8].metrics[0].1 = f64::NAN;
        assert!(!last_fall(&records, 1.0).unwrap().is_finite());
    }

    #[test]
    fn the_rate_costs_what_training_asks_for_it() {
        for (pair, expected) in [
            ("objective.rate.z.weight=1", 1.0),
            ("objective.rate.z.weight=4.0", 1.0),
            ("objective.rate.z.weight=0.9", 0.9),
            ("objective.rate.z.weight=0.0", 0.0),
            (
                "objective.rate.z.weight={ kind = 'linear', from = 0.0, to = 1.0, until = 0.5 }",
                1.0,
            ),
            ("bound.kind=importance", 1.0),
        ] {
            let recipe = Recipe::parse("", "test", &[pair.to_owned()]).unwrap();
            assert_eq!(rate_weight(&recipe), expected, "{pair}");
        }
    }
}
