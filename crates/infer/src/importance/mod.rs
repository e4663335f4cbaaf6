//! Adaptive importance sampling: a mixture of Student-t laws that learns from its own weights.
//!
//! Round t draws from q_t; all draws so far are weighted against the mixture of all proposals so far,
//! w_i = p(z_i) / sum_t a_t q_t(z_i) with a_t the share of round t ([cornuet-2012], eq. 2), and smoothed
//! (PSIS). The next proposal is fitted to the weighted draws by EM for a mixture of Student-t laws
//! ([cappe-2008], Sect. 4; one component more after each round that was not good enough). Weights against the
//! mixture are bounded by those of its best member, so a bad first guess costs draws but no tails.
//!
//! For up to some dozens of coordinates, skewed or with a few modes. One evaluation of the density a draw;
//! draws run in parallel, in a fixed order.

mod mixture;

pub use mixture::heavier;

pub(crate) use mixture::squared_distance;

use crate::InferError;
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::{Approximation, Mixture, Psis, StudentT};
use jensen_rng::Stream;
use jensen_special::logspace::log_sum_exp;
use mixture::fit;
use rayon::prelude::*;

/// Options of adaptive importance sampling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveImportance {
    /// Draws of a round, at least 100; fewer have no tail to look at. Default 1000, our choice.
    pub n_draws: usize,
    /// Rounds, the first with the given proposals included; at least 1. Default 8, our choice.
    pub max_rounds: usize,
    /// It is done when the weights are worth this many independent draws, and; a finite number of at least 0.
    /// Default 1000, our choice: an error of a mean of 0.03 standard deviations.
    pub target_draws: f64,
    /// k-hat and its uncertainty are below this, from 0 to 1, beyond which weights have no mean. Default 0.5, which keeps their variance
    /// finite ([vehtari-2024]).
    pub target_shape: f64,
    /// Most components of a proposal, at least 1. Default 4, our choice.
    pub max_components: usize,
    /// Degrees of freedom of the components, positive and finite. Default 5, our choice: heavier than a Gaussian, with
    /// a variance.
    pub dof: f64,
}

impl Default for AdaptiveImportance {
    fn default() -> Self {
        Self {
            n_draws: 1000,
            max_rounds: 8,
            target_draws: 1000.0,
            target_shape: 0.5,
            max_components: 4,
            dof: 5.0,
        }
    }
}

/// Weighted draws of a target.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Number of coordinates d.
    pub dim: usize,
    /// Positions `[n, d]`.
    pub positions: Vec<f64>,
    /// Log densities `[n]`, nats; minus infinity where refused.
    pub ln_p: Vec<f64>,
    /// Gradients of the log density, `[n, d]`; zero where refused.
    pub grads: Vec<f64>,
    /// Smoothed weights and k-hat.
    pub psis: Psis,
    /// Rounds done.
    pub n_rounds: usize,
    /// Evaluations of the density.
    pub n_gradients: u64,
    /// Draws refused by the density.
    pub n_rejected: usize,
    /// The newest proposal, if one was fitted.
    pub proposal: Option<Mixture<StudentT>>,
}

impl Sample {
    /// Positions, row after row.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> + Clone {
        self.positions.chunks_exact(self.dim)
    }

    /// Normalized weights `[n]`.
    pub fn weights(&self) -> Vec<f64> {
        self.psis.ln_weights.iter().map(|w| w.exp()).collect()
    }
}

/// Samples the target from first proposals, all with equal share.
///
/// # Errors
/// [`InferError`] for options that do not fit, or if the density refuses all draws.
pub fn adaptive_importance(
    target: &dyn LogDensity,
    first: &[&dyn Approximation],
    options: &AdaptiveImportance,
    stream: &Stream,
) -> Result<Sample, InferError> {
    options.check()?;
    let d = target.dim();
    if d == 0 {
        return Err(InferError::Empty);
    }
    if first.is_empty() {
        return Err(InferError::Option {
            option: "first",
            expected: "at least one proposal to begin with".to_owned(),
            found: "none".to_owned(),
        });
    }
    if let Some(q) = first.iter().find(|q| q.dim() != d) {
        return Err(InferError::Length {
            expected: d,
            found: q.dim(),
        });
    }
    // Every proposal used so far with the number of its draws.
    let mut used: Vec<(LnDensity<'_>, f64)> = Vec::new();
    let mut drawn = Drawn::default();
    let mut n_components = 1;
    let mut proposal: Option<Mixture<StudentT>> = None;
    let mut round = 0;
    loop {
        let round_stream = stream.child("round", round as u64);
        match &proposal {
            None => {
                let n_each = options.n_draws.div_ceil(first.len());
                for (index, q) in first.iter().enumerate() {
                    let stream = round_stream.child("first", index as u64);
                    drawn.extend(target, *q, n_each, &stream);
                    used.push((Box::new(move |z| q.ln_density(z)), n_each as f64));
                }
            }
            Some(q) => {
                drawn.extend(target, q, options.n_draws, &round_stream);
                let q = q.clone();
                used.push((Box::new(move |z| q.ln_density(z)), options.n_draws as f64));
            }
        }
        round += 1;
        let ln_weights = drawn.ln_weights(d, &used);
        let psis = Psis::smooth(&ln_weights).map_err(|error| InferError::Failed {
            method: "adaptive importance sampling",
            reason: match drawn.n_rejected == drawn.ln_p.len() {
                true => format!("the density refused all {} draws", drawn.n_rejected),
                false => error.to_string(),
            },
        })?;
        let shape = psis.k_hat + psis.k_hat_sd;
        let good = shape < options.target_shape && psis.effective_draws() >= options.target_draws;
        if good || round == options.max_rounds {
            return Ok(Sample {
                dim: d,
                n_gradients: drawn.ln_p.len() as u64,
                positions: drawn.positions,
                ln_p: drawn.ln_p,
                grads: drawn.grads,
                psis,
                n_rounds: round,
                n_rejected: drawn.n_rejected,
                proposal,
            });
        }
        if round > 1 && shape >= options.target_shape {
            n_components = (n_components + 1).min(options.max_components);
        }
        let next = fit(
            d,
            &drawn.positions,
            &psis.ln_weights,
            n_components,
            options.dof,
            &round_stream,
        );
        if next.is_some() {
            proposal = next;
        }
    }
}

/// Draws of all proposals in equal shares, weighted once against their mixture; at least 100 in all.
///
/// # Errors
/// As [`adaptive_importance`].
pub fn pool(
    target: &dyn LogDensity,
    proposals: &[&dyn Approximation],
    n_draws: usize,
    stream: &Stream,
) -> Result<Sample, InferError> {
    let options = AdaptiveImportance {
        n_draws,
        max_rounds: 1,
        ..AdaptiveImportance::default()
    };
    adaptive_importance(target, proposals, &options, stream)
}

impl AdaptiveImportance {
    fn check(&self) -> Result<(), InferError> {
        let refuse = |option, expected: &str, found: String| {
            Err(InferError::Option {
                option,
                expected: expected.to_owned(),
                found,
            })
        };
        if self.n_draws < 100 {
            return refuse(
                "n_draws",
                "at least 100 draws a round",
                self.n_draws.to_string(),
            );
        }
        if self.max_rounds == 0 {
            return refuse("max_rounds", "at least 1", "0".to_owned());
        }
        if self.max_components == 0 {
            return refuse("max_components", "at least 1", "0".to_owned());
        }
        if !(self.target_draws >= 0.0 && self.target_draws.is_finite()) {
            let expected = "a finite number of at least 0";
            return refuse("target_draws", expected, self.target_draws.to_string());
        }
        if !(0.0..=1.0).contains(&self.target_shape) {
            let expected = "a number from 0 to 1";
            return refuse("target_shape", expected, self.target_shape.to_string());
        }
        if !(self.dof > 0.0 && self.dof.is_finite()) {
            return refuse("dof", "a positive number", self.dof.to_string());
        }
        Ok(())
    }
}

/// ln q of a proposal as a function of position.
type LnDensity<'a> = Box<dyn Fn(&[f64]) -> f64 + Sync + 'a>;

/// Everything drawn so far.
#[derive(Default)]
struct Drawn {
    positions: Vec<f64>,
    ln_p: Vec<f64>,
    grads: Vec<f64>,
    n_rejected: usize,
}

impl Drawn {
    /// Draws n times from q; draw i from the child `draw`, i.
    fn extend(
        &mut self,
        target: &dyn LogDensity,
        q: &dyn Approximation,
        n: usize,
        stream: &Stream,
    ) {
        let d = target.dim();
        let drawn: Vec<(Vec<f64>, f64, Vec<f64>)> = (0..n as u64)
            .into_par_iter()
            .map_init(
                || Evaluator::new(target),
                |evaluator, i| {
                    let mut position = vec![0.0; d];
                    let mut grad = vec![0.0; d];
                    q.sample(&mut stream.child("draw", i), &mut position);
                    let ln_p = evaluator.log_density_and_grad(&position, &mut grad);
                    let ln_p = ln_p.unwrap_or_else(|_| {
                        grad.fill(0.0);
                        f64::NEG_INFINITY
                    });
                    (position, ln_p, grad)
                },
            )
            .collect();
        for (position, ln_p, grad) in drawn {
            self.positions.extend(position);
            self.grads.extend(grad);
            self.n_rejected += usize::from(ln_p == f64::NEG_INFINITY);
            self.ln_p.push(ln_p);
        }
    }

    /// ln p - ln of the mixture of all proposals, `[n]`.
    fn ln_weights(&self, d: usize, used: &[(LnDensity<'_>, f64)]) -> Vec<f64> {
        let total: f64 = used.iter().map(|(_, n)| n).sum();
        let rows: Vec<(&[f64], f64)> = (self.positions.chunks_exact(d))
            .zip(self.ln_p.iter().copied())
            .collect();
        rows.into_par_iter()
            .map(|(position, ln_p)| {
                if ln_p == f64::NEG_INFINITY {
                    return ln_p;
                }
                let terms: Vec<f64> = (used.iter())
                    .map(|(ln_q, n)| ln_q(position) + (n / total).ln())
                    .collect();
                ln_p - log_sum_exp(&terms)
            })
            .collect()
    }
}
