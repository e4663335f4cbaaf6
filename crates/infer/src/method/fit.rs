//! One fit under way: starts, and the answer of each sort of method with its judgement.

use super::{FitOptions, Fitted};
use crate::budget::Budget;
use crate::drive::{Flow, Keep, drive, spent};
use crate::ladder::{self, Answer, Ladder, Rung};
use crate::mcmc::{ChainOptions, Kernel, Sampled, Starts, constrain, sample_chains};
use crate::pathfinder::{self, Pathfinder, multi_path};
use crate::referee::confirm::{Claim, confirm};
use crate::referee::drift::moments;
use crate::referee::{Check, Moments, Own, Report, judge_own, judge_watched, missed};
use crate::vi::{Advi, AdviPhase, AdviState, AdviStop, Bam};
use crate::watch::watched;
use crate::{Algorithm, InferError, starts};
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::evidence::Estimate;
use jensen_posterior::{Approximation, Draws};
use jensen_rng::Stream;
use jensen_run::Observer;

/// Steps of methods without a stop rule: both settle in some hundreds.
pub(super) const N_SETTLE: u64 = 500;
/// Steps of ADVI, those with which it tries step sizes included.
const N_ADVI: u64 = 20_000;
/// Half-width of the box in which starts are scattered, in standard deviations of a Gaussian found from the given
/// one: twice as wide as what they should agree on.
const SCATTER: f64 = 4.0;
/// Starts tried with each width, and widths: every next one is half as wide.
const N_TRIES: u64 = 10;
const N_WIDTHS: u64 = 6;

/// One fit under way.
pub(super) struct Fit<'a> {
    pub(super) target: &'a dyn LogDensity,
    pub(super) name: &'static str,
    pub(super) options: &'a FitOptions,
    pub(super) stream: &'a Stream,
    /// Where states are kept.
    pub(super) keep: Option<&'a Keep>,
    /// What pays for evaluations of the target; the ladder has one of its own.
    pub(super) budget: &'a Budget,
}

/// Unweighted draws that are an answer.
pub(super) struct Drawn {
    /// Positions, `[n, d]`.
    pub(super) positions: Vec<f64>,
    /// Gradients used to get them.
    pub(super) n_gradients: u64,
    /// What they say of themselves.
    pub(super) own: Own,
}

impl Fit<'_> {
    /// Where a method begins that begins once, and the gradients used to find that out.
    pub(super) fn start(&self, observer: &mut dyn Observer) -> Result<(Vec<f64>, u64), InferError> {
        match &self.options.start {
            Some(start) => Ok((start.clone(), 0)),
            None => watched(self.target, observer, |target| {
                let mut evaluator = Evaluator::new(target);
                let start = starts::accepted(&mut evaluator, &self.stream.child("start", 0))?;
                Ok((start, evaluator.n_gradients()))
            })?,
        }
    }

    /// Where n restarts begin, and the gradients used to find that out: at random, or the first at the given place
    /// and the others scattered around it.
    pub(super) fn starts(
        &self,
        n: usize,
        observer: &mut dyn Observer,
    ) -> Result<(Vec<Vec<f64>>, u64), InferError> {
        watched(self.target, observer, |target| {
            let mut evaluator = Evaluator::new(target);
            let Some(given) = &self.options.start else {
                let random = |i| {
                    let stream = self.stream.child("start", i);
                    starts::accepted(&mut evaluator, &stream)
                };
                let starts = (0..n as u64).map(random).collect::<Result<_, _>>()?;
                return Ok((starts, evaluator.n_gradients()));
            };
            let stream = self.stream.child("scatter", 0);
            let (path, used) = pathfinder::counted(target, given, &Pathfinder::default(), &stream);
            let sd = match path {
                Ok(path) => path.sd,
                Err(InferError::Failed { .. }) => vec![1.0; given.len()],
                Err(error) => return Err(error),
            };
            let scattered = |i: u64| {
                if i == 0 {
                    return given.clone();
                }
                let propose = |draws: &mut Stream, attempt: u64| -> Vec<f64> {
                    let width = SCATTER * 0.5f64.powi((attempt / N_TRIES) as i32);
                    (given.iter().zip(&sd))
                        .map(|(x, s)| x + width * s * (2.0 * draws.uniform() - 1.0))
                        .collect()
                };
                let stream = self.stream.child("scatter", i);
                let n_tries = N_TRIES * N_WIDTHS;
                // Where nothing around is allowed the given place has to do.
                starts::first_accepted(&mut evaluator, &stream, n_tries, propose)
                    .unwrap_or_else(|_| given.clone())
            };
            let starts = (0..n as u64).map(scattered).collect();
            Ok((starts, used + evaluator.n_gradients()))
        })?
    }

    /// What is asked of chains, and the gradients used to find their starts.
    pub(super) fn chains(
        &self,
        observer: &mut dyn Observer,
    ) -> Result<(ChainOptions, u64), InferError> {
        let n_chains = self.options.n_chains;
        let (starts, used) = match &self.options.start {
            None => (ChainOptions::default().starts, 0),
            Some(_) => {
                let (positions, used) = self.starts(n_chains, observer)?;
                (Starts::At(positions), used)
            }
        };
        let chains = ChainOptions {
            n_chains,
            n_draws: self.options.n_chain_draws,
            starts,
        };
        Ok((chains, used))
    }

    /// The last state of an algorithm, run for a restart and kept at its place.
    pub(super) fn iterate<A: Algorithm>(
        &self,
        algorithm: &A,
        restart: u64,
        start: &[f64],
        n_steps: u64,
        keep: Option<&Keep>,
        observer: &mut dyn Observer,
        mut each: impl FnMut(&A::State, A::Info) -> Flow,
    ) -> Result<A::State, InferError> {
        self.budget.charge(spent(keep)?);
        let stream = self.stream.child("method", restart);
        let each = |_, state: &A::State, info| each(state, info);
        let driven = drive(
            algorithm,
            self.target,
            start,
            n_steps,
            &stream,
            keep,
            observer,
            each,
        )?;
        match driven.stopped {
            true => Err(InferError::Stopped),
            false => Ok(driven.state),
        }
    }

    pub(super) fn climb(
        &self,
        ladder: &Ladder,
        observer: &mut dyn Observer,
    ) -> Result<Fitted, InferError> {
        let stream = self.stream.child("method", 0);
        let answer = ladder::fit(self.target, ladder, &stream, self.keep, observer)?;
        let n_gradients = answer.n_gradients();
        Ok(self.answered(answer, n_gradients, 0))
    }

    /// Two restarts of several paths each, pooled.
    pub(super) fn multi_path(
        &self,
        n_paths: usize,
        n_draws: usize,
        observer: &mut dyn Observer,
    ) -> Result<Fitted, InferError> {
        let work = self.stream.child("method", 0);
        let judge = self.stream.child("judge", 0);
        watched(self.target, observer, |target| {
            let restart = |index| {
                let stream = work.child("restart", index);
                multi_path(target, n_paths, n_draws, &Pathfinder::default(), &stream)
            };
            let (a, b) = (restart(0)?, restart(1)?);
            let samples = [&a.sample, &b.sample];
            let (mut answer, used) = Answer::of_samples(target, Rung::Paths, samples, &judge);
            let resampled = [a.resampled, b.resampled].concat();
            let draws = Draws::new(coordinates(target), 2, n_draws, resampled);
            let of_values = Moments {
                mean: &answer.mean,
                sd: &answer.sd,
            };
            let (far, used_far) = missed(target, &draws, &of_values, &judge.child("far", 0));
            answer.report = Report::of([answer.report.checks, far].concat());
            Ok(self.answered(answer, a.n_gradients + b.n_gradients, used + used_far))
        })?
    }

    fn answered(&self, answer: Answer, n_gradients: u64, n_gradients_judged: u64) -> Fitted {
        let estimate = |(value, se)| Estimate { value, se };
        Fitted {
            method: self.name,
            draws: answer.draws,
            mean: answer.mean,
            sd: answer.sd,
            approximation: None,
            elbo: None,
            log_evidence: answer.log_evidence.map(estimate),
            n_gradients,
            n_gradients_judged,
            report: answer.report,
        }
    }

    pub(super) fn kernel<K: Kernel>(
        &self,
        kernel: &K,
        observer: &mut dyn Observer,
    ) -> Result<Fitted, InferError> {
        let stream = self.stream.child("method", 0);
        let (chains, used) = self.chains(observer)?;
        self.budget.charge(spent(self.keep)?);
        let sampled = sample_chains(kernel, self.target, &chains, &stream, self.keep, observer)?;
        self.sampled(&sampled, used, observer)
    }

    /// The answer of chains, whose starts took some gradients.
    pub(super) fn sampled(
        &self,
        sampled: &Sampled,
        n_gradients: u64,
        observer: &mut dyn Observer,
    ) -> Result<Fitted, InferError> {
        let judge = self.stream.child("judge", 0);
        let (report, n_gradients_judged) =
            judge_watched(self.target, sampled, self.name, &judge, observer)?;
        let draws = sampled.constrained(self.target);
        let (mean, sd) = moments(draws.rows(), draws.dim(), draws.rows().len() as f64);
        Ok(Fitted {
            method: self.name,
            draws,
            mean,
            sd,
            approximation: None,
            elbo: None,
            log_evidence: None,
            n_gradients: n_gradients + sampled.n_gradients(),
            n_gradients_judged,
            report,
        })
    }

    pub(super) fn advi(
        &self,
        advi: &Advi,
        observer: &mut dyn Observer,
    ) -> Result<Fitted, InferError> {
        let (start, used) = self.start(observer)?;
        let n_steps = self.options.max_steps.unwrap_or(N_ADVI);
        let until_stopped = |state: &AdviState, _| match state.phase {
            AdviPhase::Stopped(_) => Flow::Done,
            _ => Flow::Continue,
        };
        let state = self.iterate(advi, 0, &start, n_steps, self.keep, observer, until_stopped)?;
        let reason = match state.phase {
            AdviPhase::Stopped(AdviStop::NoStepSize) => Some(
                "expected a step size from 100 down to 0.01 that raises the bound above that of the start, found none; \
                 begin nearer to the mass with `start`, check the gradient, or take `sgvi-mean-field`, which finds its \
                 own steps",
            ),
            AdviPhase::Stopped(AdviStop::Refused) => Some(
                "expected draws that the density accepts, found ten refusals for every one that was needed; begin where \
                 it is positive with `start`, or declare the bounds of variables, so that it is positive everywhere",
            ),
            _ => None,
        };
        if let Some(reason) = reason {
            return Err(InferError::Failed {
                method: self.name,
                reason: reason.to_owned(),
            });
        }
        let n_gradients = used + state.n_gradients;
        self.approximated(advi.approximation(&state.params), n_gradients, observer)
    }

    pub(super) fn bam(&self, bam: &Bam, observer: &mut dyn Observer) -> Result<Fitted, InferError> {
        let (start, used) = self.start(observer)?;
        let n_steps = self.options.max_steps.unwrap_or(N_SETTLE);
        let go_on = |_: &_, _| Flow::Continue;
        let state = self.iterate(bam, 0, &start, n_steps, self.keep, observer, go_on)?;
        let n_gradients = used + state.n_gradients_start + n_steps * bam.n_draws as u64;
        self.approximated(Box::new(state.gaussian()), n_gradients, observer)
    }

    /// The answer of an approximation: its own draws, judged by themselves and confirmed by weights.
    pub(super) fn approximated(
        &self,
        q: Box<dyn Approximation>,
        n_gradients: u64,
        observer: &mut dyn Observer,
    ) -> Result<Fitted, InferError> {
        let mut positions = vec![0.0; self.options.n_draws * q.dim()];
        for (i, position) in positions.chunks_exact_mut(q.dim()).enumerate() {
            q.sample(&mut self.stream.child("draw", i as u64), position);
        }
        let judge = self.stream.child("judge", 0).child("own", 0);
        let own = watched(self.target, observer, |target| {
            judge_own(target, q.as_ref(), &judge)
        })?;
        let drawn = Drawn {
            positions,
            n_gradients,
            own,
        };
        let fitted = self.confirmed(drawn, Some(q.as_ref()), observer)?;
        Ok(Fitted {
            approximation: Some(q),
            ..fitted
        })
    }

    /// The answer of unweighted draws, with what they say of themselves and what weights of a proposal like them say.
    pub(super) fn confirmed(
        &self,
        drawn: Drawn,
        proposal: Option<&dyn Approximation>,
        observer: &mut dyn Observer,
    ) -> Result<Fitted, InferError> {
        let (draws, mean, sd) = self.values(drawn.positions);
        let moments = Moments {
            mean: &mean,
            sd: &sd,
        };
        let claim = Claim { moments, proposal };
        let judge = self.stream.child("judge", 0);
        let confirmed = watched(self.target, observer, |target| {
            confirm(target, &claim, &judge)
        })?;
        let own = drawn.own;
        let checks: Vec<Check> = own.checks.into_iter().chain(confirmed.checks).collect();
        Ok(Fitted {
            method: self.name,
            draws,
            mean,
            sd,
            approximation: None,
            elbo: own.elbo,
            log_evidence: confirmed.log_evidence,
            n_gradients: drawn.n_gradients,
            n_gradients_judged: own.n_gradients + confirmed.n_gradients,
            report: Report::of(checks),
        })
    }

    /// Positions `[n, d]` as draws of the values, with their moments.
    pub(super) fn values(&self, positions: Vec<f64>) -> (Draws, Vec<f64>, Vec<f64>) {
        let d = self.target.dim();
        let n = positions.len() / d;
        let positions = Draws::new(coordinates(self.target), 1, n, positions);
        let draws = constrain(self.target, &positions);
        let (mean, sd) = moments(draws.rows(), draws.dim(), n as f64);
        (draws, mean, sd)
    }
}

/// The names of the coordinates, `[d]`.
pub(super) fn coordinates(target: &dyn LogDensity) -> Vec<String> {
    let layout = target.layout();
    (0..target.dim()).map(|i| layout.coordinate(i)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Quadratic;
    use jensen_run::Silent;

    #[test]
    fn restarts_are_scattered_around_a_given_start_by_the_scale_of_the_target() {
        let target = Quadratic::new(&[1e-3, 1e3], &[2.0, 0.0]);
        let given = vec![2.001, 500.0];
        let options = FitOptions {
            start: Some(given.clone()),
            ..FitOptions::default()
        };
        let fit = Fit {
            target: &target,
            name: "nuts",
            options: &options,
            stream: &Stream::from_seed(1),
            keep: None,
            budget: &Budget::new(None),
        };
        let (chains, n_gradients) = fit.chains(&mut Silent).unwrap();
        let Starts::At(starts) = chains.starts else {
            panic!("{:?}", chains.starts);
        };
        assert_eq!((starts.len(), &starts[0]), (4, &given));
        assert!(n_gradients > 3);
        for (i, start) in starts.iter().enumerate() {
            for (j, other) in starts.iter().enumerate().filter(|(j, _)| *j < i) {
                let gap = |k: usize| (start[k] - other[k]).abs() / target.sd[k];
                assert!(gap(0).max(gap(1)) > 0.5, "{i} and {j}");
                assert!(gap(0).max(gap(1)) < 2.1 * SCATTER, "{i} and {j}");
            }
        }
    }
}
