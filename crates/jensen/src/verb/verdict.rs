//! The referee's word on a trained network, from facts only.
//!
//! A network is good if its codes carry something and it has learned, and that can be told from the
//! numbers there are:
//! - its codes respond to the data (else: posterior collapse), unless the data never vary;
//! - it explains test examples better than the best model without a latent does, as a density: by the
//!   least upper bound of -log p that was measured, whatever training asked for;
//! - it explains held-out examples about as well as those it was trained on, and there are enough of
//!   them to say so;
//! - its training had settled, and did not diverge on its way.
//!
//! What cannot be told makes it doubtful: the word is never better than the evidence.

use jensen_report::plain_number;
use serde::{Deserialize, Serialize};

/// A word and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// `"good"` or `"doubtful"`.
    pub word: String,
    /// The facts, as a sentence.
    pub reason: String,
    /// Whether the codes carry so little that the result should not be used.
    #[serde(default)]
    pub collapsed: bool,
}

/// A mean over examples with what it is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mean {
    /// The mean, nats.
    pub(super) value: f64,
    /// Its standard error, nats; infinite for a single example.
    pub(super) error: f64,
    /// Examples.
    pub(super) n: usize,
}

impl Mean {
    pub(super) fn of(values: &[f64]) -> Self {
        let n = values.len();
        let value = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|x| (x - value).powi(2)).sum();
        let error = match n {
            0 | 1 => f64::INFINITY,
            n => (squares / ((n - 1) * n) as f64).sqrt(),
        };
        Self { value, error, n }
    }
}

/// Two digits after the point, unless a power of ten says more.
fn nats(x: f64) -> String {
    match x.abs() < 1e6 {
        true => format!("{x:.2}"),
        false => plain_number(x),
    }
}

/// What the referee looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Facts {
    /// Latent dimensions that respond to the data.
    pub(super) active_units: usize,
    /// Latent dimensions.
    pub(super) n_units: usize,
    /// Training examples.
    pub(super) n_train: usize,
    /// Whether all of them are the same.
    pub(super) is_constant: bool,
    /// -ELBO of training examples.
    pub(super) train: Mean,
    /// -ELBO of examples held out for validation, if there are any.
    pub(super) validation: Option<Mean>,
    /// -ELBO of test examples.
    pub(super) test: Mean,
    /// |distortion| + rate of training examples, nats: the scale of the bound's parts, which the bound
    /// itself is not where densities make it cross zero.
    pub(super) scale: f64,
    /// -log p of test examples under the best model without a latent.
    pub(super) without_latent: f64,
    /// The least upper bound of -log p of test examples that was measured.
    pub(super) cost: f64,
    /// K of the importance samples in it; it is -ELBO without them.
    pub(super) cost_samples: Option<usize>,
    /// By how much less test examples cost than without a latent, example by example.
    pub(super) gain: Mean,
    /// By how much -ELBO fell from the fourth to the last fifth of training, nats; not finite if it was
    /// not at times, none where too little was recorded to tell.
    pub(super) last_fall: Option<f64>,
    /// How often training was rolled back.
    pub(super) n_rollbacks: u64,
    /// Steps that were skipped for the size of their gradient, and all of them.
    pub(super) skipped: [u64; 2],
    /// Of a table of real numbers, the columns with the least and the largest standard deviation: counted from 1,
    /// with it.
    pub(super) columns: Option<[(usize, f64); 2]>,
}

/// Fewer active dimensions than this share are a collapse where they bring nothing.
const FEWEST_ACTIVE: f64 = 0.1;
/// A larger relative gap between training and held-out bound is overfitting.
const LARGEST_GAP: f64 = 0.1;
/// With fewer held-out examples the standard error is itself a guess.
const FEWEST_HELD_OUT: usize = 10;
/// Standard errors to be sure of a difference: 95 %.
const SURE: f64 = 2.0;
/// A larger fall or rise over the last fifth of training, relative to the scale, means that it has not
/// settled; the built-in networks fall by less than 1 % there after their 4000 steps.
const LARGEST_CHANGE: f64 = 0.03;
/// So does a larger one relative to what the codes bring, unless it is small by itself.
const LARGEST_CHANGE_OF_GAIN: f64 = 0.1;
/// A larger share of skipped steps is more than a few outliers.
const MOST_SKIPPED: f64 = 0.1;
/// A standard deviation further from one by this factor is worth a word where there are other doubts.
const FARTHEST_SCALE: f64 = 30.0;
/// A relative change that is small by itself.
const SMALL_CHANGE: f64 = 0.005;

impl Verdict {
    pub(super) fn of(facts: &Facts) -> Self {
        let Facts {
            active_units,
            n_units,
            train,
            test,
            ..
        } = *facts;
        // Few dimensions that bring something are all that such data need.
        let are_few = (active_units as f64) < FEWEST_ACTIVE * n_units as f64;
        let is_collapse = active_units == 0 || (are_few && !facts.is_better());
        let collapsed = is_collapse && !facts.is_constant;
        let mut doubts = Vec::new();
        if facts.is_constant {
            let what = match facts.n_train {
                1 => "there is one training example",
                _ => "the training examples are all the same to single precision",
            };
            doubts.push(format!(
                "{what}, so there is nothing to encode and nothing to judge"
            ));
        } else {
            if collapsed {
                doubts.push(format!(
                    "the posterior has collapsed, or training was too short: {active_units} of {n_units} \
                     latent units respond to the data"
                ));
            }
            doubts.extend(facts.doubt_of_gain());
            doubts.extend(facts.doubt_of_training());
        }
        doubts.extend(facts.doubt_of_gap());
        doubts.extend(facts.doubt_of_steps());
        if !doubts.is_empty() {
            doubts.extend(facts.doubt_of_scale());
        }
        if facts.n_rollbacks > 0 {
            doubts.push("training diverged once and went on with half the rate".to_owned());
        }
        let (word, reason) = match doubts.is_empty() {
            true => (
                "good",
                format!(
                    "{active_units} of {n_units} latent units are in use; {}; -ELBO is {} nats \
                     on them and {} on those it was trained on",
                    facts.costs(),
                    nats(test.value),
                    nats(train.value)
                ),
            ),
            false => ("doubtful", doubts.join("; ")),
        };
        Self {
            word: word.to_owned(),
            reason,
            collapsed,
        }
    }
}

impl Facts {
    /// Whether the model explains test examples better than one without a latent, for sure.
    fn is_better(&self) -> bool {
        self.gain.n >= FEWEST_HELD_OUT && self.gain.value > SURE * self.gain.error
    }

    /// Codes that carry something make examples cheaper.
    fn doubt_of_gain(&self) -> Option<String> {
        if self.gain.n < FEWEST_HELD_OUT {
            return Some(format!(
                "{} test examples are too few to tell whether it is better than a model without a latent",
                self.gain.n
            ));
        }
        if self.is_better() {
            return None;
        }
        let costs = self.costs();
        let is_worse = self.gain.value < -SURE * self.gain.error;
        Some(match is_worse {
            true => format!("it is no better than a model without a latent: {costs}"),
            false => format!(
                "it may be no better than a model without a latent: {costs}, with a standard error of \
                 {} on the difference",
                nats(self.gain.error)
            ),
        })
    }

    /// What test examples cost with and without a latent.
    fn costs(&self) -> String {
        format!(
            "test examples cost {} nats ({}), and {} under the best model without a latent",
            nats(self.cost),
            match self.cost_samples {
                None => "-ELBO".to_owned(),
                Some(1) => "-log p by 1 sample".to_owned(),
                Some(k) => format!("-log p by {k} samples"),
            },
            nats(self.without_latent)
        )
    }

    fn doubt_of_training(&self) -> Option<String> {
        match self.last_fall {
            None => Some(
                "training was too short, or too little of it is on record, to tell whether it had settled"
                    .to_owned(),
            ),
            Some(fall) if !fall.is_finite() => {
                Some("-ELBO was not finite at times near the end of training".to_owned())
            }
            Some(fall) if self.is_steep(fall) && fall > 0.0 => Some(format!(
                "training had not settled: -ELBO still fell by {} nats over its last fifth; more \
                 epochs would help",
                nats(fall)
            )),
            Some(fall) if self.is_steep(fall) => Some(format!(
                "training had not settled: -ELBO rose by {} nats over its last fifth; a smaller \
                 learning rate would help, unless the objective asks for it",
                nats(-fall)
            )),
            Some(_) => None,
        }
    }

    /// Steps that teach nothing.
    fn doubt_of_steps(&self) -> Option<String> {
        let [skipped, steps] = self.skipped;
        (skipped as f64 > MOST_SKIPPED * steps as f64).then(|| {
            format!("{skipped} of {steps} steps were skipped for the size of their gradient; raise train.skip")
        })
    }

    /// Why a table may be hard to learn.
    fn doubt_of_scale(&self) -> Option<String> {
        let columns = self.columns?;
        let is_far = |(_, sd): &(usize, f64)| !(1.0 / FARTHEST_SCALE..FARTHEST_SCALE).contains(sd);
        let mut told: Vec<String> = (columns.iter().filter(|column| is_far(column)))
            .map(|(column, sd)| format!("{} (column {column})", plain_number(*sd)))
            .collect();
        told.dedup();
        (!told.is_empty()).then(|| {
            format!(
                "networks learn values of about one best, and these have standard deviations of {}: scale the \
                 columns before",
                told.join(" and ")
            )
        })
    }

    fn is_steep(&self, fall: f64) -> bool {
        let is_of_gain = fall.abs() > LARGEST_CHANGE_OF_GAIN * self.gain.value;
        let share = fall.abs() / self.scale;
        share > LARGEST_CHANGE || (share > SMALL_CHANGE && is_of_gain)
    }

    fn doubt_of_gap(&self) -> Option<String> {
        let parts = [("validation", self.validation), ("test", Some(self.test))];
        let enough = |part: &Mean| part.n >= FEWEST_HELD_OUT;
        let parts: Vec<(&str, Mean)> = (parts.into_iter())
            .filter_map(|(name, part)| Some((name, part.filter(enough)?)))
            .collect();
        let gap = |part: &Mean| (part.value - self.train.value) / self.scale;
        let error = |part: &Mean| part.error.hypot(self.train.error);
        let lowest = |part: &Mean| gap(part) - SURE * error(part) / self.scale;
        let is_by = |measure: &dyn Fn(&Mean) -> f64| {
            let worst = (parts.iter()).max_by(|a, b| measure(&a.1).total_cmp(&measure(&b.1)));
            worst.filter(|(_, part)| measure(part) > LARGEST_GAP)
        };
        if let Some((name, part)) = is_by(&lowest) {
            return Some(format!(
                "it overfits, or {name} examples are of another kind: -ELBO is {} nats on them and {} \
                 on those it was trained on",
                nats(part.value),
                nats(self.train.value)
            ));
        }
        if let Some((name, part)) = is_by(&gap) {
            return Some(format!(
                "it may overfit: -ELBO is {} nats on {name} examples and {} on those it was trained \
                 on, with a standard error of {} on the difference",
                nats(part.value),
                nats(self.train.value),
                nats(error(part))
            ));
        }
        let is_other = |part: &Mean| gap(part) + SURE * error(part) / self.scale < -LARGEST_GAP;
        if let Some((name, part)) = parts.iter().find(|(_, part)| is_other(part)) {
            return Some(format!(
                "{name} examples are of another kind than those it was trained on: -ELBO is {} nats on \
                 them and {} on those",
                nats(part.value),
                nats(self.train.value)
            ));
        }
        let is_sure = |part: &Mean| gap(part) + SURE * error(part) / self.scale <= LARGEST_GAP;
        (!parts.iter().any(|(_, part)| is_sure(part))).then(|| {
            format!(
                "{} test examples are too few to tell whether it overfits: -ELBO is {} nats on them and \
                 {} on those it was trained on",
                self.test.n,
                nats(self.test.value),
                nats(self.train.value)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(value: f64, error: f64, n: usize) -> Mean {
        Mean { value, error, n }
    }

    /// A held-out part that settles the gap does not stand in for test examples.
    #[test]
    fn a_few_test_examples_are_never_enough() {
        let verdict = Verdict::of(&Facts {
            validation: Some(mean(20.5, 0.1, 500)),
            test: mean(21.0, 2.0, 5),
            gain: mean(-2.0, 1.0, 5),
            ..fine()
        });
        assert_eq!(verdict.word, "doubtful");
        assert!(
            verdict.reason.contains("5 test examples"),
            "{}",
            verdict.reason
        );
    }

    fn fine() -> Facts {
        Facts {
            active_units: 10,
            n_units: 20,
            n_train: 1000,
            is_constant: false,
            train: mean(20.0, 0.1, 1000),
            validation: Some(mean(20.5, 1.0, 29)),
            test: mean(21.0, 0.3, 300),
            scale: 20.0,
            without_latent: 27.0,
            cost: 21.0,
            cost_samples: None,
            gain: mean(6.0, 0.3, 300),
            last_fall: Some(0.05),
            n_rollbacks: 0,
            skipped: [0, 1000],
            columns: Some([(2, 1.5), (3, 1.6)]),
        }
    }

    #[track_caller]
    fn doubtful(change: impl FnOnce(&mut Facts), part: &str) -> Verdict {
        let mut facts = fine();
        change(&mut facts);
        let verdict = Verdict::of(&facts);
        assert_eq!(verdict.word, "doubtful", "{part}");
        assert!(verdict.reason.contains(part), "{}", verdict.reason);
        verdict
    }

    #[test]
    fn each_fact_can_make_a_run_doubtful() {
        let good = Verdict::of(&fine());
        assert_eq!(good.word, "good", "{}", good.reason);
        assert!(good.reason.contains("10 of 20") && good.reason.contains("27.00"));
        let few = |f: &mut Facts| (f.active_units, f.gain) = (1, mean(0.1, 0.3, 300));
        assert!(doubtful(few, "1 of 20").collapsed);
        let enough = Facts {
            active_units: 1,
            ..fine()
        };
        assert_eq!(Verdict::of(&enough).word, "good");
        assert!(doubtful(|f| (f.active_units, f.n_units) = (0, 5), "0 of 5").collapsed);
        for verdict in [
            doubtful(
                |f| f.test.value = 23.0,
                "it overfits, or test examples are of another kind: -ELBO is 23.00",
            ),
            doubtful(
                |f| f.validation = Some(mean(24.0, 0.5, 29)),
                "it overfits, or validation examples are of another kind: -ELBO is 24.00",
            ),
            doubtful(
                |f| f.validation = Some(mean(24.0, 1.0, 29)),
                "may overfit: -ELBO is 24.00 nats on validation",
            ),
            doubtful(
                |f| f.test = mean(15.0, 0.3, 300),
                "test examples are of another kind than those",
            ),
            doubtful(|f| f.gain.value = 0.5, "no better than a model without"),
            doubtful(
                |f| (f.without_latent, f.gain) = (19.0, mean(-2.0, 0.1, 300)),
                "test examples cost 21.00 nats (-ELBO), and 19.00 under the best",
            ),
            doubtful(
                |f| (f.cost_samples, f.gain) = (Some(100), mean(-2.0, 0.1, 300)),
                "(-log p by 100 samples)",
            ),
            doubtful(|f| f.last_fall = Some(0.7), "fell by 0.70 nats"),
            doubtful(|f| f.last_fall = Some(-0.7), "rose by 0.70 nats"),
            doubtful(|f| f.last_fall = Some(f64::NAN), "not finite"),
            doubtful(
                |f| (f.last_fall, f.gain) = (Some(0.4), mean(1.5, 0.1, 300)),
                "fell by 0.40 nats",
            ),
            doubtful(
                |f| (f.without_latent, f.gain) = (21.4, mean(0.4, 0.3, 300)),
                "may be no better than a model without a latent: test examples cost 21.00",
            ),
            doubtful(|f| f.last_fall = None, "too short"),
            doubtful(|f| f.n_rollbacks = 1, "diverged"),
            doubtful(
                |f| f.skipped = [900, 1000],
                "900 of 1000 steps were skipped",
            ),
            doubtful(
                |f| (f.columns, f.last_fall) = (Some([(2, 1.0), (3, 4.0e5)]), None),
                "standard deviations of 400000 (column 3): scale",
            ),
        ] {
            assert!(!verdict.collapsed);
        }
        // A bound near zero has no scale of its own.
        let near_zero = Facts {
            train: mean(0.1, 0.1, 1000),
            validation: None,
            test: mean(0.3, 0.3, 300),
            ..fine()
        };
        assert_eq!(Verdict::of(&near_zero).word, "good");
    }

    #[test]
    fn too_little_evidence_is_never_good() {
        // Two examples, whatever they cost.
        for value in [21.0, 890.0] {
            let few = |f: &mut Facts| {
                f.validation = None;
                f.test = mean(value, 0.0, 2);
                f.gain = mean(6.0, 0.0, 2);
            };
            doubtful(few, "2 test examples are too few");
        }
        // Enough of them, but too different to know their mean.
        doubtful(
            |f| {
                f.validation = None;
                f.test = mean(21.0, 1.5, 12);
            },
            "12 test examples are too few",
        );
        // The other part can tell.
        let mut facts = fine();
        facts.test.error = 2.0;
        facts.validation = Some(mean(20.5, 0.3, 500));
        assert_eq!(Verdict::of(&facts).word, "good");
    }

    #[test]
    fn what_never_varies_cannot_collapse() {
        let constant = doubtful(
            |f| (f.is_constant, f.active_units) = (true, 0),
            "nothing to encode",
        );
        assert!(!constant.collapsed && !constant.reason.contains("collapsed"));
        assert!(constant.reason.contains("all the same to single precision"));
        let one = doubtful(
            |f| (f.n_train, f.is_constant, f.active_units) = (1, true, 0),
            "there is one training example, so there is nothing to encode",
        );
        assert!(!one.reason.contains("all the same"));
    }

    #[test]
    fn means_know_what_they_are_worth() {
        assert_eq!(Mean::of(&[1.0, 3.0]), mean(2.0, 1.0, 2));
        assert_eq!(Mean::of(&[5.0]).error, f64::INFINITY);
    }
}
