//! Stochastic-gradient variational inference: any family, both estimators, any objective, any step rule.
//!
//! lambda_{t+1} = lambda_t + J u_t, u_t the step that the rule makes of J^T g_t, g_t an unbiased estimate of
//! the gradient of the objective from M draws, J the local coordinates of the family (`family/mod.rs`). The
//! answer is the averaged iterate. [ranganath-2014], Algorithm 1, and [kucukelbir-2017], Algorithm 1, with natural
//! gradients as in [hoffman-2013], Sect. 2.3, and the amendments of [dhaka-2020], on averaging iterates and on
//! when to stop: averaged iterates and a stop rule that does
//! not look at a noisy bound.
//!
//! **Stop rule.** Let x_c be the averaged iterate at check c; checks lie at steps that grow by a factor of 1.5.
//! The gain L(x_c) - L(x_{c-1}), and the gain ahead L(x_c + 5 (x_c - x_{c-1})) - L(x_c), are estimated from draws
//! with common noise, with their standard errors; the number of draws is doubled while they do not decide, as long
//! as a check costs less than half of the steps since the last. The run ends when |gain| and the gain ahead, two
//! standard errors added, are below the tolerance twice in a row. Why: a difference of bounds, in nats, does not
//! depend on the constant of the log density as a relative change of the bound does; common noise cancels; the
//! standard error is part of the test, so noise alone cannot pass it; and small steps cannot pass it: where the gap
//! to the optimum falls like 1/t, the gain between t and 1.5 t is half of what remains, and a drift that is slower
//! shows ahead. What it cannot see is a direction along which the steps hardly move at all: a mean-field q of a
//! posterior with correlations near one may stop with its mean off along the ridge. That is for the referee.
//!
//! A draw that the density refuses is left out of the estimate and counted. Cost: M gradients a step, and checks
//! at most half as much again, or one batch of `n_check` pairs each.

use super::estimator::{Estimator, Problem, Reparameterization};
use super::step_size::{Adam, Averaging, RobbinsMonro, StepRule, StepState};
use super::{Batch, Objective};
use crate::check::positive;
use crate::dense::norm;
use crate::family::Family;
use crate::optimize::Place;
use crate::{Algorithm, InferError};
use jensen_density::{Evaluator, Factored, Reject};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Formatter};

/// Options.
#[derive(Clone, Copy)]
pub struct Sgvi<'a> {
    /// Where q is sought.
    pub family: &'a dyn Family,
    /// How the gradient is estimated.
    pub estimator: Estimator,
    /// What rises.
    pub objective: Objective,
    /// Draws a step M, a multiple of the objective's group size.
    pub n_draws: usize,
    /// How long steps are.
    pub steps: StepRule,
    /// What stands for the answer.
    pub averaging: Averaging,
    /// Standard deviation of q at the start in every coordinate, above 0. Small, so that the first draws lie
    /// where the density is known to be positive; it grows by half a step's length a step.
    pub start_sd: f64,
    /// The gain, nats, below which more steps do not pay; above 0.
    pub tolerance: f64,
    /// Step of the first check, at least 1.
    pub first_check: u64,
    /// Groups of draws that a check compares at first, at least 2; more where they do not decide.
    pub n_check: usize,
    /// The factors of the density, for Rao-Blackwellization.
    pub factored: Option<&'a dyn Factored>,
}

impl<'a> Sgvi<'a> {
    /// The defaults for a family: sticking the landing, ELBO, polynomial averaging, Robbins-Monro steps where
    /// local coordinates are natural, else Adam.
    pub fn new(family: &'a dyn Family) -> Self {
        let steps = match family.has_natural_coordinates() {
            true => StepRule::RobbinsMonro(RobbinsMonro::default()),
            false => StepRule::Adam(Adam::default()),
        };
        Self {
            family,
            estimator: Estimator::Reparameterization(Reparameterization::StickingTheLanding),
            objective: Objective::Kl,
            n_draws: 10,
            steps,
            averaging: Averaging::Polynomial { eta: 8.0 },
            start_sd: 0.1,
            tolerance: 0.02,
            first_check: 100,
            n_check: 100,
            factored: None,
        }
    }
}

impl Debug for Sgvi<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sgvi")
            .field("family", &self.family.name())
            .field("dim", &self.family.dim())
            .field("estimator", &self.estimator)
            .field("objective", &self.objective)
            .field("n_draws", &self.n_draws)
            .field("steps", &self.steps)
            .field("averaging", &self.averaging)
            .field("start_sd", &self.start_sd)
            .field("tolerance", &self.tolerance)
            .field("first_check", &self.first_check)
            .field("n_check", &self.n_check)
            .field(
                "factored",
                &self.factored.map(|factored| factored.n_factors()),
            )
            .finish()
    }
}

/// What a run carries from step to step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SgviState {
    /// lambda, the newest iterate, `[n_params]`.
    pub params: Vec<f64>,
    /// The averaged iterate, `[n_params]`: the answer.
    pub averaged: Vec<f64>,
    /// The memory of the step rule.
    pub steps: StepState,
    /// Running mean of the objective, nats.
    pub baseline: Option<f64>,
    /// The averaged iterate at the last check, `[n_params]`.
    pub checked: Vec<f64>,
    /// Step of the next check.
    pub next_check: u64,
    /// Checks passed in a row.
    pub n_passed: u32,
    /// Draws so far.
    pub n_draws: u64,
    /// Draws refused so far.
    pub n_rejected: u64,
    /// The newest refusal in words.
    pub last_refusal: Option<String>,
    /// Gradients of the log density used so far, that at the start and those of checks included.
    pub n_gradients: u64,
}

impl SgviState {
    /// Whether the stop rule is satisfied.
    pub fn converged(&self) -> bool {
        self.n_passed >= N_PASSES
    }
}

/// What a step measured.
#[derive(Clone, Debug, PartialEq)]
pub struct SgviInfo {
    /// Estimate of the objective at the iterate before the step, nats; NaN if all draws were refused.
    pub bound: f64,
    /// Its standard error, nats; NaN with fewer than two groups of draws.
    pub bound_error: f64,
    /// Norm of the estimated gradient by lambda.
    pub gradient_norm: f64,
    /// Trace of the covariance of that estimate, from the spread of the groups.
    pub gradient_variance: f64,
    /// Length of the step in local coordinates; 0 for a step that was not taken.
    pub step_length: f64,
    /// Gradients of the log density used, those of a check included.
    pub n_gradients: u64,
    /// Draws refused in this step.
    pub n_rejected: usize,
    /// The newest refusal.
    pub reject: Option<Reject>,
    /// The check, where this step had one.
    pub check: Option<Check>,
    /// Whether the stop rule is satisfied.
    pub converged: bool,
}

/// The comparison of two averaged iterates, and of what lies ahead of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Check {
    /// The objective at the newer minus that at the older, nats.
    pub gain: f64,
    /// Its standard error, nats.
    pub error: f64,
    /// The objective further along the line from the older to the newer, minus that at the newer, nats.
    pub gain_ahead: f64,
    /// Its standard error, nats.
    pub error_ahead: f64,
}

/// Checks lie at steps that grow by this factor: the gain is then comparable with what remains.
const CHECK_FACTOR: f64 = 1.5;
/// How much further than the last distance a check looks ahead: enough to see a slow drift, not so far that the
/// noise of the average hides it.
const LOOK_AHEAD: f64 = 5.0;
/// The most that a check may cost, as a share of the steps since the last.
const CHECK_SHARE: f64 = 0.5;
/// Standard errors added to the gain: 2.3 % of misses a check where the gain is at the tolerance.
const CHECK_ERRORS: f64 = 2.0;
/// Checks in a row; one could pass by the chance of a short plateau.
const N_PASSES: u32 = 2;
/// Weight of a step in the running mean of the objective.
const BASELINE_WEIGHT: f64 = 0.1;

impl Algorithm for Sgvi<'_> {
    type State = SgviState;
    type Info = SgviInfo;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        _stream: &Stream,
    ) -> Result<SgviState, InferError> {
        self.check_options(evaluator.dim())?;
        let before = evaluator.n_gradients();
        let place = Place::start(evaluator, position)?;
        (self.estimator).check_factors(self.factored, evaluator.target(), &place)?;
        let params = (self.family).start(position, &vec![self.start_sd; position.len()]);
        Ok(SgviState {
            averaged: params.clone(),
            checked: params.clone(),
            steps: StepState::new(params.len()),
            params,
            baseline: None,
            next_check: self.first_check,
            n_passed: 0,
            n_draws: 0,
            n_rejected: 0,
            last_refusal: None,
            n_gradients: evaluator.n_gradients() - before,
        })
    }

    fn step(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut SgviState,
        stream: &Stream,
    ) -> SgviInfo {
        let gradients_before = evaluator.n_gradients();
        let batch = Batch::draw(self.family, &state.params, evaluator, stream, self.n_draws);
        state.n_draws += self.n_draws as u64;
        let values: Vec<f64> = (batch.ln_w.chunks_exact(self.objective.n_samples()))
            .map(|group| self.objective.value(group))
            .collect();
        let (bound, bound_error) = mean_and_error(&values);
        let problem = Problem {
            family: self.family,
            params: &state.params,
            objective: self.objective,
            factored: self.factored,
            baseline: state.baseline,
        };
        let gradients = self.estimator.try_gradients(problem, &batch);
        let (mut n_rejected, mut reject) = (batch.n_rejected, batch.reject);
        let gradients = gradients.unwrap_or_else(|refused| {
            // Factors that refuse what their density accepts spoil the whole step.
            (n_rejected, reject) = (self.n_draws, Some(refused));
            Vec::new()
        });
        state.n_rejected += n_rejected as u64;
        let (mut gradient, gradient_variance) = mean_of_rows(&gradients, state.params.len());
        let gradient_norm = norm(&gradient);
        let step_length = match gradients.is_empty() || !gradient_norm.is_finite() {
            true => None,
            false => self.advance(state, &mut gradient),
        };
        if bound.is_finite() {
            let before = state.baseline.unwrap_or(bound);
            state.baseline = Some(before + BASELINE_WEIGHT * (bound - before));
        }
        let t = state.steps.n_steps;
        if step_length.is_some() {
            self.averaging.update(t, &state.params, &mut state.averaged);
        }
        let check = (t >= state.next_check).then(|| self.compare(evaluator, state, stream));
        let n_gradients = evaluator.n_gradients() - gradients_before;
        state.n_gradients += n_gradients;
        if let Some(refused) = &reject {
            state.last_refusal = Some(refused.to_string());
        }
        SgviInfo {
            bound,
            bound_error,
            gradient_norm,
            gradient_variance,
            step_length: step_length.unwrap_or(0.0),
            n_gradients,
            n_rejected,
            reject,
            check,
            converged: state.converged(),
        }
    }
}

impl Sgvi<'_> {
    /// Takes the step and returns its length in local coordinates; a step to parameters that are not finite is
    /// not taken.
    fn advance(&self, state: &mut SgviState, gradient: &mut [f64]) -> Option<f64> {
        let finite = |x: &[f64]| x.iter().all(|x| x.is_finite());
        self.family.gradient_to_local(&state.params, gradient);
        // Before the rule remembers it.
        if !finite(gradient) {
            return None;
        }
        self.steps.advance(&mut state.steps, gradient);
        let length = norm(gradient);
        self.family.step_from_local(&state.params, gradient);
        if !finite(gradient) {
            return None;
        }
        for (x, g) in state.params.iter_mut().zip(gradient) {
            *x += *g;
        }
        Some(length)
    }

    /// Compares the averaged iterate with that of the last check and sets the next.
    fn compare(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut SgviState,
        stream: &Stream,
    ) -> Check {
        let stream = stream.child("check", 0);
        let n_steps = state.next_check as f64 * (1.0 - 1.0 / CHECK_FACTOR);
        let n_most = (n_steps * self.n_draws as f64 * CHECK_SHARE / 3.0) as usize;
        let ahead: Vec<f64> = (state.averaged.iter().zip(&state.checked))
            .map(|(new, old)| new + LOOK_AHEAD * (new - old))
            .collect();
        let mut n_pairs = self.n_check;
        let (mut gains, mut gains_ahead) = (Vec::new(), Vec::new());
        let (mut n_tried, mut passed) = (0, false);
        let (mut gain, mut error) = (f64::NAN, f64::NAN);
        let (mut gain_ahead, mut error_ahead) = (f64::NAN, f64::NAN);
        while n_tried < n_pairs {
            for group in n_tried..n_pairs {
                let mut value =
                    |params: &[f64]| self.value_of_group(evaluator, params, &stream, group);
                let Some(new) = value(&state.averaged) else {
                    continue;
                };
                gains.extend(value(&state.checked).map(|old| new - old));
                gains_ahead.extend(value(&ahead).map(|ahead| ahead - new));
            }
            n_tried = n_pairs;
            (gain, error) = mean_and_error(&gains);
            (gain_ahead, error_ahead) = mean_and_error(&gains_ahead);
            // NaN, from too few pairs that the density accepts, does not pass. Where the density refuses what lies
            // ahead, there is nothing to be had there.
            let ahead_passed = 2 * gains_ahead.len() <= n_tried
                || gain_ahead + CHECK_ERRORS * error_ahead < self.tolerance;
            passed = 2 * gains.len() > n_tried
                && gain.abs() + CHECK_ERRORS * error < self.tolerance
                && ahead_passed;
            let near = |gain: f64, error: f64| (gain - self.tolerance).abs() < CHECK_ERRORS * error;
            let undecided = near(gain.abs(), error) || near(gain_ahead, error_ahead);
            if undecided && 2 * n_pairs * self.objective.n_samples() <= n_most {
                n_pairs *= 2;
            }
        }
        state.n_passed = if passed { state.n_passed + 1 } else { 0 };
        state.checked.copy_from_slice(&state.averaged);
        state.next_check = (state.next_check as f64 * CHECK_FACTOR).ceil() as u64;
        Check {
            gain,
            error,
            gain_ahead,
            error_ahead,
        }
    }

    /// The objective of one group of draws with the noise of this index; `None` if one of them is refused.
    fn value_of_group(
        &self,
        evaluator: &mut Evaluator<'_>,
        params: &[f64],
        stream: &Stream,
        group: usize,
    ) -> Option<f64> {
        let k = self.objective.n_samples();
        let of_group = stream.child("group", group as u64);
        let batch = Batch::draw(self.family, params, evaluator, &of_group, k);
        (batch.len() == k).then(|| self.objective.value(&batch.ln_w))
    }

    fn check_options(&self, dim: usize) -> Result<(), InferError> {
        let k = self.objective.n_samples();
        if self.family.dim() != dim {
            return Err(InferError::FamilyDim {
                family: self.family.name(),
                expected: dim,
                found: self.family.dim(),
            });
        }
        positive("start_sd", self.start_sd)?;
        positive("tolerance", self.tolerance)?;
        self.objective.check()?;
        self.steps.check()?;
        let at_least = |option, least: usize, found: usize| match found >= least {
            true => Ok(()),
            false => Err(InferError::Option {
                option,
                expected: format!("at least {least}"),
                found: found.to_string(),
            }),
        };
        at_least("n_draws", 1, self.n_draws)?;
        at_least("n_check", 2, self.n_check)?;
        at_least("first_check", 1, self.first_check as usize)?;
        if let Averaging::Polynomial { eta } = self.averaging
            && !(eta.is_finite() && eta >= 0.0)
        {
            return Err(InferError::Option {
                option: "averaging.eta",
                expected: "a finite number, at least 0".to_owned(),
                found: eta.to_string(),
            });
        }
        if !self.n_draws.is_multiple_of(k) {
            return Err(InferError::Contradiction {
                first: "n_draws",
                second: "objective.n_samples",
                reason: format!("{} draws do not make full groups of {k}", self.n_draws),
            });
        }
        (self.estimator).check(self.family, self.objective, self.factored, self.n_draws)
    }
}

/// Mean and its standard error; NaN where there are too few numbers.
pub(crate) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

/// The mean of rows of `len` numbers and the trace of its covariance.
pub(crate) fn mean_of_rows(rows: &[f64], len: usize) -> (Vec<f64>, f64) {
    let n = (rows.len() / len) as f64;
    let mut mean = vec![0.0; len];
    for row in rows.chunks_exact(len) {
        for (m, x) in mean.iter_mut().zip(row) {
            *m += x / n;
        }
    }
    let squares: f64 = (rows.chunks_exact(len))
        .map(|row| {
            row.iter()
                .zip(&mean)
                .map(|(x, m)| (x - m).powi(2))
                .sum::<f64>()
        })
        .sum();
    (mean, squares / (n - 1.0) / n)
}
