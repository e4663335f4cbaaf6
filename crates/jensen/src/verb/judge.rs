//! The facts for the referee: what a finished run and its data say about its model.

use super::verdict::{Facts, Mean};
use crate::error::{Error, Result};
use crate::session::{Parts, newest_state};
use jensen_data::{Examples, Layout};
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_run::{Observer, Record, RunFolder, Split, file, read_metrics};
use jensen_vae::likelihood::Support;
use jensen_vae::metric::baseline::without_latent;
use jensen_vae::metric::{self, Evaluation, Scores};
use jensen_vae::model::Model;
use jensen_vae::recipe::Recipe;

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
    iwae_samples: usize,
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
    let without_latent = Mean::of(&without).value;
    let mut metrics = vec![
        ("train_neg_elbo", train.means()[0]),
        ("test_neg_elbo_without_latent", without_latent),
    ];
    if let Some(scores) = &validation {
        metrics.push(("validation_neg_elbo", scores.means()[0]));
    }
    let Scores { neg_elbo, nll, .. } = &found.scores;
    // Of two upper bounds of -log p the lower one: where the weight of the rate is not 1, or the bound is
    // another one, a density can be better than its -ELBO by far.
    let costs = nll.as_ref().unwrap_or(neg_elbo);
    let gains: Vec<f64> = without.iter().zip(costs).map(|(a, b)| a - b).collect();
    let [_, distortion, rate] = train.means();
    // The model stands by itself: a checkpoint that cannot be read costs what it says of training.
    let state = newest_state(run).ok().flatten();
    let state = state.map_or(serde_json::Value::Null, |(_, state)| state);
    let patience = recipe.train.patience as u64;
    let stopped_early = patience > 0 && state["epochs_without_gain"].as_u64() >= Some(patience);
    // What cannot be read is not on record, and that is doubt enough.
    let records = read_metrics(run.path(file::METRICS)).unwrap_or_default();
    let last_fall = match last_fall(&records) {
        // It has been seen not to improve any more.
        Some(fall) if stopped_early && fall.is_finite() => Some(0.0),
        None if stopped_early => Some(0.0),
        other => other,
    };
    let facts = Facts {
        active_units: found.active_units,
        n_units: found.n_units,
        n_train: parts.train.len(),
        is_constant: parts.train.examples().is_constant(),
        train: Mean::of(&train.neg_elbo),
        validation: validation.map(|scores| Mean::of(&scores.neg_elbo)),
        test: Mean::of(neg_elbo),
        scale: distortion.abs() + rate,
        without_latent,
        cost: Mean::of(costs).value,
        cost_samples: nll.as_ref().map(|_| iwae_samples),
        gain: Mean::of(&gains),
        last_fall,
        n_rollbacks: state["n_rollbacks"].as_u64().unwrap_or(0),
        skipped: skipped(&records),
        columns: match model.likelihood().support() {
            Support::Real => spreads(parts.train.examples()),
            _ => None,
        },
    };
    Ok((facts, metrics))
}

/// Steps that were skipped, and all steps, as of the last record of both.
fn skipped(records: &[Record]) -> [u64; 2] {
    let counted = records
        .iter()
        .rev()
        .find_map(|record| Some((record.get("skipped_steps")?, record.step)));
    counted.map_or([0, 1], |(skipped, steps)| [skipped as u64, steps])
}

/// Of a table, the columns with the least and the largest standard deviation, counted from 1, with it; columns
/// without spread do not count.
fn spreads(examples: &Examples) -> Option<[(usize, f64); 2]> {
    let Layout::Vector { len } = examples.layout else {
        return None;
    };
    let (n, mean) = (examples.len(), examples.mean());
    let mut squares = vec![0f64; len];
    let mut row = vec![0f32; len];
    for index in 0..n {
        examples.gather(&[index], &mut row);
        for ((square, x), mean) in squares.iter_mut().zip(&row).zip(&mean) {
            *square += f64::from(x - mean).powi(2);
        }
    }
    let sds = squares
        .into_iter()
        .map(|square| (square / n as f64).sqrt())
        .enumerate();
    let spread = sds
        .filter(|(_, sd)| *sd > 0.0)
        .map(|(column, sd)| (column + 1, sd));
    let by_sd = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
    let spread: Vec<(usize, f64)> = spread.collect();
    Some([
        spread.iter().copied().min_by(by_sd)?,
        spread.iter().copied().max_by(by_sd)?,
    ])
}

/// By how much the mean of -ELBO fell from the fourth to the last fifth of training, nats: of training
/// examples, or of validation where too few lines are there. Not finite if a value there is not. Where a prior was
/// trained at last, it is the fall of its loss.
fn last_fall(records: &[Record]) -> Option<f64> {
    let of_prior = |record: &Record| record.split == Split::Train && record.get("elbo").is_none();
    if let Some(start) = records.iter().find(|record| of_prior(record)) {
        let gain = |record: &&Record| -record.get("loss").unwrap_or(f64::NAN);
        let of_prior = records.iter().filter(|record| of_prior(record));
        let as_elbo = of_prior.map(|record| Record {
            step: record.step - start.step,
            metrics: vec![("elbo".to_owned(), gain(&record))],
            ..record.clone()
        });
        return last_fall(&as_elbo.collect::<Vec<_>>());
    }
    let last = records.iter().map(|record| record.step).max()? as f64;
    let mean = |split: Split, from: f64, to: f64, fewest: usize| {
        let is_in = |record: &&Record| {
            let done = record.step as f64 / last;
            record.split == split && done > from && done <= to
        };
        let elbo: Vec<f64> = (records.iter().filter(is_in))
            .filter_map(|record| record.get("elbo"))
            .collect();
        (elbo.len() >= fewest).then(|| elbo.iter().sum::<f64>() / elbo.len() as f64)
    };
    // Validation looks at the same examples each time, but at few.
    [(Split::Train, 2), (Split::Validation, 3)]
        .into_iter()
        .find_map(|(split, fewest)| {
            Some(mean(split, 0.8, 1.0, fewest)? - mean(split, 0.6, 0.8, fewest)?)
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
            metrics: vec![("elbo".to_owned(), i as f64)],
        };
        (1..=n).map(record).collect()
    }

    #[test]
    fn the_last_two_fifths_are_compared() {
        // 7 and 8 of 10 with 9 and 10.
        assert_eq!(last_fall(&records(Split::Train, 10)), Some(2.0));
        assert_eq!(last_fall(&records(Split::Train, 5)), None);
        assert_eq!(last_fall(&records(Split::Validation, 10)), None);
        assert_eq!(last_fall(&records(Split::Validation, 15)), Some(3.0));
        assert_eq!(last_fall(&[]), None);
        // A loss from 10 to 1 behind the bound.
        let mut both = records(Split::Train, 10);
        let first = both[0].clone();
        both.extend((0..=10).map(|i| Record {
            step: 1000 + 100 * i,
            metrics: vec![("loss".to_owned(), 11.0 - i as f64)],
            ..first.clone()
        }));
        assert_eq!(last_fall(&both), Some(2.0));
    }

    #[test]
    fn a_value_that_is_not_finite_is_not_left_out() {
        let mut records = records(Split::Train, 10);
        records[8].metrics[0].1 = f64::NAN;
        assert!(!last_fall(&records).unwrap().is_finite());
    }
}
