//! Automatic differentiation variational inference as published and as in Stan: for comparison only.
//!
//! [kucukelbir-2017], Algorithm 1: plain reparameterized gradients g of the ELBO, mean-field (ln sd) or
//! full-rank (a lower factor L), steps elementwise
//!
//! rho_k = eta k^-1/2 / (1 + sqrt(s_k)),   s_1 = g_1^2,  s_k = 0.9 s_{k-1} + 0.1 g_k^2
//!
//! eta is the first of 100, 10, 1, 0.1, 0.01 whose successor ends a trial of 50 steps from the start with a
//! lower ELBO, provided that it improves on the start. Every 100 steps the ELBO is estimated from 100 draws; the
//! run ends when the mean or the median of its last changes, |new - old| / |new|, is below 0.01. The last iterate is
//! the answer.
//!
//! The weaknesses are part of the comparison: the relative change depends on the constant and the sign of the
//! log density, the ELBO is noisy, the iterate is not averaged, one draw makes a gradient. [`super::fit`] is the
//! method to use.
//!
//! Differences from the paper, all as in Stan 2.3x: the exponent is -1/2 without an addend; the factor L has a
//! plain diagonal of any sign, with ln |L_ii| in the entropy; a refused draw is drawn again, up to ten times.

use super::batch::row;
use crate::check::{at_least_one, positive};
use crate::family::{Family, MeanField};
use crate::optimize::Place;
use crate::{Algorithm, InferError};
use jensen_density::Evaluator;
use jensen_posterior::{Approximation, Gaussian, Scale};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};
use std::f64::consts::{E, TAU};

/// Options; the defaults are Stan's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Advi {
    /// A lower factor instead of standard deviations.
    pub full_rank: bool,
    /// Draws a gradient, at least 1.
    pub n_draws: usize,
    /// Draws an estimate of the ELBO, at least 1.
    pub n_elbo_draws: usize,
    /// Steps of the trial of each eta, at least 1.
    pub n_trial: u64,
    /// Steps between two estimates of the ELBO, at least 1.
    pub every: u64,
    /// Relative change below which it stops, above 0.
    pub tolerance: f64,
    /// Steps after the trials at most; a tenth of the ELBO estimates among them is the window of the stop rule.
    pub n_steps_max: u64,
}

impl Default for Advi {
    fn default() -> Self {
        Self {
            full_rank: false,
            n_draws: 1,
            n_elbo_draws: 100,
            n_trial: 50,
            every: 100,
            tolerance: 0.01,
            n_steps_max: 10_000,
        }
    }
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdviPhase {
    /// Trying the eta of this index.
    Trial(usize),
    /// Ascending with the chosen eta.
    Ascent,
    /// Done.
    Stopped(AdviStop),
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdviStop {
    /// The mean relative change was below the tolerance.
    MeanConverged,
    /// The median relative change was.
    MedianConverged,
    /// All steps were taken.
    StepLimit,
    /// No eta improved on the start.
    NoStepSize,
    /// The density refused ten times as many draws as a gradient or an ELBO needs.
    Refused,
}

/// What a run carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdviState {
    /// Where it is.
    pub phase: AdviPhase,
    /// Steps in this phase, k.
    pub n_steps: u64,
    /// (mean, ln sd), `[2 d]`, or (mean, rows of L up to the diagonal), `[d + d (d + 1) / 2]`; units of position, and
    /// logarithms of them.
    pub params: Vec<f64>,
    /// Those at the start, as long.
    pub start: Vec<f64>,
    /// s, squared nats per squared unit of each parameter, as long.
    pub history: Vec<f64>,
    /// The eta chosen so far, without a unit; 0 before there is one.
    pub eta: f64,
    /// ELBO at the start, nats.
    pub elbo_start: f64,
    /// ELBO of the best trial, nats; the least number before there is one.
    pub elbo_best: f64,
    /// The newest ELBO of the ascent, nats; 0 before there is one, as in Stan.
    pub elbo: f64,
    /// The last changes of the ELBO relative to the newer one, at most as many as the window holds; the oldest first.
    pub changes: Vec<f64>,
    /// Gradients of the log density used so far, those at the start included.
    pub n_gradients: u64,
}

/// What a step measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdviInfo {
    /// The phase after the step.
    pub phase: AdviPhase,
    /// The ELBO, where this step estimated it, nats.
    pub elbo: Option<f64>,
    /// Gradients of the log density used.
    pub n_gradients: u64,
    /// Draws refused.
    pub n_rejected: u64,
}

/// The step sizes that are tried, in this order.
const ETAS: [f64; 5] = [100.0, 10.0, 1.0, 0.1, 0.01];
/// Weight of the newest squared gradient in s.
const NEWEST: f64 = 0.1;
/// Draws tried for each draw needed.
const RETRIES: usize = 10;

impl Algorithm for Advi {
    type State = AdviState;
    type Info = AdviInfo;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        stream: &Stream,
    ) -> Result<AdviState, InferError> {
        positive("tolerance", self.tolerance)?;
        at_least_one("n_draws", self.n_draws as u64)?;
        at_least_one("n_elbo_draws", self.n_elbo_draws as u64)?;
        at_least_one("n_trial", self.n_trial)?;
        at_least_one("every", self.every)?;
        let before = evaluator.n_gradients();
        Place::start(evaluator, position)?;
        let d = position.len();
        let mut params = position.to_vec();
        match self.full_rank {
            false => params.resize(2 * d, 0.0),
            true => params
                .extend((0..d).flat_map(|i| (0..=i).map(move |j| f64::from(u8::from(i == j))))),
        }
        let Some(elbo_start) = self.elbo(evaluator, &params, stream) else {
            return Err(InferError::Failed {
                method: "advi",
                reason: "expected draws of the initial approximation that the density accepts, found ten refusals for \
                         every one that was needed; begin where it is positive around `start`, or declare the bounds \
                         of variables, so that it is positive everywhere"
                    .to_owned(),
            });
        };
        Ok(AdviState {
            phase: AdviPhase::Trial(0),
            n_steps: 0,
            history: vec![0.0; params.len()],
            start: params.clone(),
            params,
            eta: 0.0,
            elbo_start,
            elbo_best: f64::MIN,
            elbo: 0.0,
            changes: Vec::new(),
            n_gradients: evaluator.n_gradients() - before,
        })
    }

    fn step(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut AdviState,
        stream: &Stream,
    ) -> AdviInfo {
        let before = (evaluator.n_gradients(), evaluator.n_rejected());
        let elbo = match state.phase {
            AdviPhase::Trial(index) => self.trial(evaluator, state, index, stream),
            AdviPhase::Ascent => self.ascend(evaluator, state, stream),
            AdviPhase::Stopped(_) => None,
        };
        let n_gradients = evaluator.n_gradients() - before.0;
        state.n_gradients += n_gradients;
        AdviInfo {
            phase: state.phase,
            elbo,
            n_gradients,
            n_rejected: evaluator.n_rejected() - before.1,
        }
    }
}

impl AdviState {
    /// The next eta or the ascent after a trial that ended with this ELBO, from the start again.
    fn end_trial(&mut self, index: usize, elbo: f64) {
        let last = index + 1 == ETAS.len();
        self.phase = if elbo < self.elbo_best && self.elbo_best > self.elbo_start {
            AdviPhase::Ascent
        } else if !last {
            (self.elbo_best, self.eta) = (elbo, ETAS[index]);
            AdviPhase::Trial(index + 1)
        } else if elbo > self.elbo_start {
            self.eta = ETAS[index];
            AdviPhase::Ascent
        } else {
            AdviPhase::Stopped(AdviStop::NoStepSize)
        };
        self.params.clone_from(&self.start);
        self.history.fill(0.0);
        self.n_steps = 0;
    }
}

impl Advi {
    /// One step of the trial of an eta; after the last one the next eta or the ascent.
    fn trial(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut AdviState,
        index: usize,
        stream: &Stream,
    ) -> Option<f64> {
        // A trial that diverges is lost by its ELBO.
        let zero = || vec![0.0; state.params.len()];
        let gradient = self
            .gradient(evaluator, &state.params, stream)
            .unwrap_or_else(zero);
        advance(state, ETAS[index], &gradient);
        if state.n_steps < self.n_trial {
            return None;
        }
        let elbo = self
            .elbo(evaluator, &state.params, stream)
            .unwrap_or(f64::MIN);
        state.end_trial(index, elbo);
        Some(elbo)
    }

    /// One step of the ascent, with the stop rule where the ELBO is due.
    fn ascend(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut AdviState,
        stream: &Stream,
    ) -> Option<f64> {
        let Some(gradient) = self.gradient(evaluator, &state.params, stream) else {
            state.phase = AdviPhase::Stopped(AdviStop::Refused);
            return None;
        };
        advance(state, state.eta, &gradient);
        let mut elbo = None;
        if state.n_steps.is_multiple_of(self.every) {
            elbo = self.elbo(evaluator, &state.params, stream);
            let Some(elbo) = elbo else {
                state.phase = AdviPhase::Stopped(AdviStop::Refused);
                return None;
            };
            self.note(state, elbo);
        }
        if state.phase == AdviPhase::Ascent && state.n_steps >= self.n_steps_max {
            state.phase = AdviPhase::Stopped(AdviStop::StepLimit);
        }
        elbo
    }

    /// Takes an ELBO of the ascent into the window of the stop rule, which may end the run.
    fn note(&self, state: &mut AdviState, elbo: f64) {
        let window = (self.n_steps_max / 10 / self.every).max(2) as usize;
        // Relative to the new one, as in Stan: the first change is one. The largest number stands for infinity,
        // which a checkpoint cannot hold.
        let change = ((elbo - state.elbo) / elbo).abs().min(f64::MAX);
        state.elbo = elbo;
        state.changes.push(change);
        let surplus = state.changes.len().saturating_sub(window);
        state.changes.drain(..surplus);
        let n = state.changes.len();
        let mean = state.changes.iter().map(|c| c / n as f64).sum::<f64>();
        let mut sorted = state.changes.clone();
        sorted.sort_by(f64::total_cmp);
        if mean < self.tolerance {
            state.phase = AdviPhase::Stopped(AdviStop::MeanConverged);
        } else if sorted[n / 2] < self.tolerance {
            state.phase = AdviPhase::Stopped(AdviStop::MedianConverged);
        }
    }

    /// The Gaussian with these parameters, as [`AdviState::params`] holds them: `[2 d]`, or `[d + d (d + 1) / 2]` with a
    /// lower factor.
    pub fn approximation(&self, params: &[f64]) -> Box<dyn Approximation> {
        if !self.full_rank {
            return MeanField {
                dim: params.len() / 2,
            }
            .member(params);
        }
        let d = self.dim(params);
        // A column of L may change its sign: the covariance does not.
        let rows = (0..d * d)
            .map(|k| (k / d, k % d))
            .map(|(i, j)| match j <= i {
                true => params[below(d, i) + j] * params[below(d, j) + j].signum(),
                false => 0.0,
            })
            .collect();
        Box::new(Gaussian {
            mean: params[..d].to_vec(),
            scale: Scale::Lower(rows),
        })
    }

    fn dim(&self, params: &[f64]) -> usize {
        match self.full_rank {
            false => params.len() / 2,
            // d + d (d + 1) / 2 numbers.
            true => ((2.25 + 2.0 * params.len() as f64).sqrt() - 1.5).round() as usize,
        }
    }

    fn transform(&self, params: &[f64], noise: &[f64], z: &mut [f64]) {
        let d = noise.len();
        if !self.full_rank {
            return MeanField { dim: d }.transform(params, noise, z);
        }
        for i in 0..d {
            let along: f64 = (row(&params[below(d, i)..], 0, i + 1).iter())
                .zip(noise)
                .map(|(l, e)| l * e)
                .sum();
            z[i] = params[i] + along;
        }
    }

    /// ln |det| of the scale; adds its derivative to `by_params`.
    fn ln_det(&self, params: &[f64], by_params: &mut [f64]) -> f64 {
        let d = self.dim(params);
        let diagonal = |i: usize| below(d, i) + i;
        match self.full_rank {
            false => {
                by_params[d..].iter_mut().for_each(|g| *g += 1.0);
                params[d..].iter().sum()
            }
            true => {
                for i in 0..d {
                    by_params[diagonal(i)] += 1.0 / params[diagonal(i)];
                }
                (0..d).map(|i| params[diagonal(i)].abs().ln()).sum()
            }
        }
    }

    /// The gradient of the ELBO from accepted draws; `None` if too many are refused.
    fn gradient(
        &self,
        evaluator: &mut Evaluator<'_>,
        params: &[f64],
        stream: &Stream,
    ) -> Option<Vec<f64>> {
        let d = self.dim(params);
        let mut gradient = vec![0.0; params.len()];
        let (mut e, mut z, mut by_z) = (vec![0.0; d], vec![0.0; d], vec![0.0; d]);
        let mut n_accepted = 0;
        for draw in 0..RETRIES * self.n_draws {
            let mut noise = stream.child("draw", draw as u64);
            e.fill_with(|| noise.normal());
            self.transform(params, &e, &mut z);
            if evaluator.log_density_and_grad(&z, &mut by_z).is_err() {
                continue;
            }
            match self.full_rank {
                false => MeanField { dim: d }.pullback(params, &e, &by_z, &mut gradient),
                true => {
                    for i in 0..d {
                        gradient[i] += by_z[i];
                        for j in 0..=i {
                            gradient[below(d, i) + j] += by_z[i] * e[j];
                        }
                    }
                }
            }
            n_accepted += 1;
            if n_accepted == self.n_draws {
                gradient.iter_mut().for_each(|g| *g /= self.n_draws as f64);
                self.ln_det(params, &mut gradient);
                return Some(gradient);
            }
        }
        None
    }

    /// The ELBO from the draws that are accepted; `None` if none is.
    fn elbo(&self, evaluator: &mut Evaluator<'_>, params: &[f64], stream: &Stream) -> Option<f64> {
        let d = self.dim(params);
        let (mut e, mut z, mut by_z) = (vec![0.0; d], vec![0.0; d], vec![0.0; d]);
        let mut values = Vec::with_capacity(self.n_elbo_draws);
        for draw in 0..self.n_elbo_draws {
            let mut noise = stream.child("elbo", draw as u64);
            e.fill_with(|| noise.normal());
            self.transform(params, &e, &mut z);
            values.extend(evaluator.log_density_and_grad(&z, &mut by_z));
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let ln_det = self.ln_det(params, &mut vec![0.0; params.len()]);
        let elbo = mean + 0.5 * d as f64 * (TAU * E).ln() + ln_det;
        elbo.is_finite().then_some(elbo)
    }
}

/// Where row i of L begins among the parameters of d coordinates.
fn below(d: usize, i: usize) -> usize {
    d + i * (i + 1) / 2
}

/// One step with this eta.
fn advance(state: &mut AdviState, eta: f64, gradient: &[f64]) {
    state.n_steps += 1;
    let rho = eta / (state.n_steps as f64).sqrt();
    for ((x, s), g) in state
        .params
        .iter_mut()
        .zip(&mut state.history)
        .zip(gradient)
    {
        *s = match state.n_steps {
            1 => g * g,
            _ => (1.0 - NEWEST) * *s + NEWEST * g * g,
        };
        *x += rho * g / (1.0 + s.sqrt());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(n: usize) -> AdviState {
        AdviState {
            phase: AdviPhase::Trial(0),
            n_steps: 0,
            params: vec![0.0; n],
            start: vec![0.0; n],
            history: vec![0.0; n],
            eta: 0.0,
            elbo_start: -10.0,
            elbo_best: f64::MIN,
            elbo: 0.0,
            changes: Vec::new(),
            n_gradients: 0,
        }
    }

    /// Gradients (3, -1) and (1, 2) by hand: s = (9, 1), then 0.9 s + 0.1 (1, 4) = (8.2, 1.3), and steps of
    /// 3 / (1 + 3), -1 / (1 + 1), then 2^-1/2 (1 / (1 + 8.2^1/2), 2 / (1 + 1.3^1/2)).
    #[test]
    fn two_steps_by_hand() {
        let mut state = state(2);
        advance(&mut state, 1.0, &[3.0, -1.0]);
        assert_eq!((&state.params[..], state.n_steps), (&[0.75, -0.5][..], 1));
        advance(&mut state, 1.0, &[1.0, 2.0]);
        let by_hand = [0.933_019_290_547_932_1, 0.160_793_290_955_382_75];
        for (found, by_hand) in state.params.iter().zip(by_hand) {
            assert!((found - by_hand).abs() < 1e-14, "{:?}", state.params);
        }
        // Steps are in proportion to eta.
        let mut other = self::state(2);
        advance(&mut other, 10.0, &[3.0, -1.0]);
        assert_eq!(other.params, [7.5, -5.0]);
    }

    /// The eta and the phase after trials that end with these ELBOs, from -10.
    fn selected(elbos: &[f64]) -> (f64, AdviPhase) {
        let mut state = state(1);
        for (index, elbo) in elbos.iter().enumerate() {
            assert_eq!(state.phase, AdviPhase::Trial(index), "{elbos:?}");
            (state.params[0], state.history[0], state.n_steps) = (5.0, 2.0, 50);
            state.end_trial(index, *elbo);
            // Each trial, and the ascent, begins at the start.
            let at_start = (state.params[0], state.history[0], state.n_steps);
            assert_eq!(at_start, (0.0, 0.0, 0), "{elbos:?}");
        }
        (state.eta, state.phase)
    }

    #[test]
    fn the_eta_before_the_first_fall_is_taken_if_it_improved_on_the_start() {
        let (ascent, none) = (AdviPhase::Ascent, AdviStop::NoStepSize);
        assert_eq!(selected(&[f64::MIN, -50.0, -5.0, -7.0]), (1.0, ascent));
        assert_eq!(selected(&[-3.0, -4.0]), (100.0, ascent));
        // A fall above which nothing improved on the start decides nothing.
        assert_eq!(selected(&[-20.0, -30.0, -9.0, -9.5]), (1.0, ascent));
        // The last one needs no fall.
        assert_eq!(
            selected(&[-50.0, -40.0, -30.0, -20.0, -5.0]),
            (0.01, ascent)
        );
        let (_, phase) = selected(&[-50.0, -40.0, -30.0, -20.0, -11.0]);
        assert_eq!(phase, AdviPhase::Stopped(none));
    }

    /// How many ELBOs of an ascent it takes to stop, and why.
    fn stopped(advi: &Advi, elbos: impl IntoIterator<Item = f64>) -> Option<(usize, AdviStop)> {
        let mut state = state(1);
        state.phase = AdviPhase::Ascent;
        for (i, elbo) in elbos.into_iter().enumerate() {
            advi.note(&mut state, elbo);
            if let AdviPhase::Stopped(stop) = state.phase {
                return Some((i + 1, stop));
            }
        }
        None
    }

    /// Stan's window: a tenth of the estimates, 10, with relative changes |new - old| / |new| of which the first is one.
    #[test]
    fn the_window_of_the_stop_rule_by_hand() {
        let advi = Advi::default();
        // Equal ELBOs have changes 1, 0, 0: the median is the middle one of three.
        let settled = Some((3, AdviStop::MedianConverged));
        assert_eq!(stopped(&advi, [-100.0; 20]), settled);
        // Changes of 0.009 and 0.02 in turn: half of the window, the one above the middle, is 0.02, and the mean
        // is 0.0145; nothing ends.
        let by = |changes: &[f64]| -> Vec<f64> {
            let mut elbo = -100.0;
            let next = |change: &f64| {
                elbo /= 1.0 + change;
                elbo
            };
            std::iter::once(-100.0)
                .chain(changes.iter().map(next))
                .collect()
        };
        let in_turn: Vec<f64> = [0.009, 0.02].into_iter().cycle().take(40).collect();
        assert_eq!(stopped(&advi, by(&in_turn)), None);
        // Nine of ten changes are 0.0102, so that the median is above, and the mean, 0.0099 or 0.0101, decides, but only
        // once the first change, which is one, has left: with the eleventh.
        let ten = |small: f64| -> Vec<f64> {
            let mut ten = vec![0.0102; 10];
            ten[0] = small;
            ten
        };
        assert_eq!(
            stopped(&advi, by(&ten(0.0072))),
            Some((11, AdviStop::MeanConverged))
        );
        assert_eq!(stopped(&advi, by(&ten(0.0092))), None);
        // A short run has a window of two.
        let short = Advi {
            n_steps_max: 500,
            ..advi
        };
        let fast = by(&[0.05, 0.004, 0.0099]);
        assert_eq!(stopped(&short, fast), Some((4, AdviStop::MeanConverged)));
    }
}
