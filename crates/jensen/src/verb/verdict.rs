//! The referee's word on a trained network, from facts only.
//!
//! A network is doubtful if its codes carry nothing (posterior collapse), if it explains held-out
//! examples much worse than those it was trained on, or if training diverged on its way.

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

/// What the referee looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Facts {
    /// Latent dimensions that respond to the data.
    pub(super) active_units: usize,
    /// Latent dimensions.
    pub(super) n_units: usize,
    /// -ELBO of training examples, nats.
    pub(super) train_neg_elbo: f64,
    /// -ELBO of examples not trained on, nats.
    pub(super) held_out_neg_elbo: f64,
    /// |distortion| + rate of training examples, nats: the scale of the bound's parts, which the bound
    /// itself is not where densities make it cross zero.
    pub(super) train_scale: f64,
    /// How often training was rolled back.
    pub(super) n_rollbacks: u64,
}

/// Fewer active dimensions than this share are a collapse.
const FEWEST_ACTIVE: f64 = 0.1;
/// A larger relative gap between training and held-out bound is overfitting.
const LARGEST_GAP: f64 = 0.1;

impl Verdict {
    pub(super) fn of(facts: &Facts) -> Self {
        let Facts {
            active_units,
            n_units,
            ..
        } = *facts;
        let collapsed = active_units == 0 || (active_units as f64) < FEWEST_ACTIVE * n_units as f64;
        let gap = (facts.held_out_neg_elbo - facts.train_neg_elbo) / facts.train_scale;
        let mut doubts = Vec::new();
        if collapsed {
            doubts.push(format!(
                "the posterior has collapsed, or training was too short: {active_units} of {n_units} latent \
                 dimensions respond to the data"
            ));
        }
        if gap > LARGEST_GAP {
            doubts.push(format!(
                "it overfits: -ELBO is {:.2} nats on held-out examples and {:.2} on those it was trained on",
                facts.held_out_neg_elbo, facts.train_neg_elbo
            ));
        }
        if facts.n_rollbacks > 0 {
            doubts.push("training diverged once and went on with half the rate".to_owned());
        }
        if doubts.is_empty() {
            return Self {
                word: "good".to_owned(),
                reason: format!(
                    "{active_units} of {n_units} latent dimensions are in use, and -ELBO is {:.2} nats on \
                     held-out examples, {:.2} on those it was trained on",
                    facts.held_out_neg_elbo, facts.train_neg_elbo
                ),
                collapsed,
            };
        }
        Self {
            word: "doubtful".to_owned(),
            reason: doubts.join("; "),
            collapsed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Facts = Facts {
        active_units: 10,
        n_units: 20,
        train_neg_elbo: 20.0,
        held_out_neg_elbo: 21.0,
        train_scale: 20.0,
        n_rollbacks: 0,
    };

    #[test]
    fn each_fact_can_make_a_run_doubtful() {
        assert_eq!(Verdict::of(&FINE).word, "good");
        for (facts, part, collapsed) in [
            (
                Facts {
                    active_units: 1,
                    ..FINE
                },
                "1 of 20",
                true,
            ),
            (
                Facts {
                    active_units: 0,
                    n_units: 5,
                    ..FINE
                },
                "0 of 5",
                true,
            ),
            (
                Facts {
                    held_out_neg_elbo: 23.0,
                    ..FINE
                },
                "overfits",
                false,
            ),
            (
                Facts {
                    n_rollbacks: 1,
                    ..FINE
                },
                "diverged",
                false,
            ),
        ] {
            let verdict = Verdict::of(&facts);
            assert_eq!(verdict.word, "doubtful");
            assert_eq!(verdict.collapsed, collapsed);
            assert!(verdict.reason.contains(part), "{}", verdict.reason);
        }
        // A bound near zero has no scale of its own.
        let near_zero = Facts {
            train_neg_elbo: 0.1,
            held_out_neg_elbo: 0.3,
            ..FINE
        };
        assert_eq!(Verdict::of(&near_zero).word, "good");
    }
}
