//! The No-U-turn sampler: Hamiltonian trajectories that double until they turn back, with the next
//! position drawn from the trajectory by its weight.
//!
//! [hoffman-2014], Alg. 3 and 6, with the multinomial draw of [betancourt-2017], App. A.3. The sampler is that
//! of the crate `nuts-rs`: its step size by dual averaging, its metric from the variances of draws and of
//! gradients together ([seyboldt-2026]), so a warmup is shorter than with draws alone and asks for no
//! number from the user. A step costs up to 2^depth gradients and a few vector operations for each.
//!
//! Use it as the gold standard, wherever gradients exist and modes are not far apart.
//!
//! A position that the density refuses ends a trajectory: it is counted and kept as a divergence.
//!
//! The sampler sums with the widest vectors that the processor has, so the same seed gives the same bits for
//! any number of threads, but may give others on a processor of another kind.
//!
//! # Stop and resume
//!
//! The state of the sampler inside a chain cannot be taken out of it. A run that was stopped keeps its
//! finished chains; a chain that was under way begins again, from the same stream, so the draws are those
//! of an unbroken run, at the price of the steps done twice.

use super::chains::{Desk, Job, Record};
use super::{ChainOptions, Divergence, Sampled, Transition};
use crate::InferError;
use crate::budget::{Budget, Paid};
use crate::check::{at_least_one, enough_warmup, positive, probability};
use crate::drive::Keep;
use jensen_density::{Evaluator, LogDensity, Reject};
use jensen_rng::Stream;
use jensen_run::Observer;
use nuts_rs::rand::{Rng, SeedableRng, rngs::ChaCha8Rng};
use nuts_rs::{
    Chain, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, EuclideanAdaptOptions, HasDims,
    LogpError, LowRankNutsSettings, Math, NutsSettings, Settings, Storable, Value,
};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;

/// Options of the No-U-turn sampler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nuts {
    /// Steps that find step size and metric, at least 20. Default 1000, as in Stan.
    pub n_warmup: u64,
    /// The acceptance probability that the step size is adapted to, in (0, 1). Default 0.8, as in
    /// Stan. Nearer to 1 where trajectories diverge.
    pub target_accept: f64,
    /// The largest depth of a tree, at least 1: a step takes at most 2^depth - 1 leapfrog steps. Default 10.
    pub max_depth: u64,
    /// The form of the metric.
    pub metric: Metric,
    /// An energy this far above that of the start ends a trajectory as a divergence, nats. Default 1000.
    pub max_energy_error: f64,
}

/// The form of the metric, the inverse of the mass matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// A variance for each coordinate.
    Diagonal,
    /// The same with a few directions of large or small variance: for strong correlations.
    LowRank,
}

impl Default for Nuts {
    fn default() -> Self {
        Self {
            n_warmup: 1000,
            target_accept: 0.8,
            max_depth: 10,
            metric: Metric::Diagonal,
            max_energy_error: 1000.0,
        }
    }
}

impl Nuts {
    fn check(&self) -> Result<(), InferError> {
        enough_warmup(self.n_warmup, "step size")?;
        probability("target_accept", self.target_accept)?;
        at_least_one("max_depth", self.max_depth)?;
        positive("max_energy_error", self.max_energy_error)
    }
}

/// From here on an update of the low-rank metric costs more than the draws between two of them.
const MANY_COORDINATES: usize = 100;

/// Samples the target with the No-U-turn sampler; with `keep`, chains that were finished are not run again.
/// It judges nothing: [`judge_chains`](crate::referee::judge_chains) does.
///
/// # Errors
/// As [`sample_chains`](super::sample_chains).
pub fn sample(
    target: &dyn LogDensity,
    nuts: &Nuts,
    options: &ChainOptions,
    stream: &Stream,
    keep: Option<&Keep>,
    observer: &mut dyn Observer,
) -> Result<Sampled, InferError> {
    nuts.check()?;
    let job = Job {
        name: "nuts",
        settings: format!("{nuts:?}"),
        target,
        options,
        n_warmup: nuts.n_warmup,
        stream,
        keep,
    };
    // A chain under way has no state to go on from, so only finished ones are handed in.
    job.run(observer, |chain_idx, _, desk| match nuts.metric {
        Metric::Diagonal => run_chain(
            &job,
            settings(nuts, DiagNutsSettings::default()),
            chain_idx,
            desk,
        ),
        Metric::LowRank => {
            let mut settings = settings(nuts, LowRankNutsSettings::default());
            let every = &mut settings.adapt_options.mass_matrix_update_freq;
            // An update costs O(d^3), so in many coordinates there are fewer of them.
            if target.dim() > MANY_COORDINATES {
                *every = (*every).max(target.dim() as u64);
            }
            run_chain(&job, settings, chain_idx, desk)
        }
    })
}

/// The crate's settings for our options. One chain at a time is asked of it, so that its own numbers of
/// chains and of threads and its seed play no part.
fn settings<A: Copy + Debug + Default + Serialize>(
    nuts: &Nuts,
    mut settings: NutsSettings<EuclideanAdaptOptions<A>>,
) -> NutsSettings<EuclideanAdaptOptions<A>> {
    settings.num_tune = nuts.n_warmup;
    settings.maxdepth = nuts.max_depth;
    settings.max_energy_error = nuts.max_energy_error;
    settings.store_divergences = true;
    settings.adapt_options.step_size_settings.target_accept = nuts.target_accept;
    settings
}

/// One chain from its start to its end, or none if it was stopped or a budget was spent, be it amid a trajectory: a stop
/// does not wait for the end of one, and what comes after it is made of refusals.
fn run_chain<S: Settings>(
    job: &Job<'_>,
    settings: S,
    chain_idx: usize,
    desk: &Desk<'_>,
) -> Result<Option<Record>, InferError> {
    let meter = Budget::new(None);
    let outcome = draw_chain(job, settings, chain_idx, desk, &meter);
    match desk.stop_asked() || meter.has_refused() {
        true => Ok(None),
        false => outcome,
    }
}

/// One chain, or none if it was stopped between two draws.
fn draw_chain<S: Settings>(
    job: &Job<'_>,
    settings: S,
    chain_idx: usize,
    desk: &Desk<'_>,
    meter: &Budget,
) -> Result<Option<Record>, InferError> {
    let stream = job.stream.child("chain", chain_idx as u64);
    let target = Paid {
        target: job.target,
        gate: meter,
    };
    let target = desk.stoppable(&target);
    let evaluator = RefCell::new(Evaluator::new(&target));
    let start = {
        let mut evaluator = evaluator.borrow_mut();
        let start = job.start(chain_idx, &stream, &mut evaluator)?;
        sloping(start, &mut stream.child("slope", 0), &mut evaluator)?
    };
    let seed = stream.child("nuts", 0).next_u64();
    let mut chain = settings
        .new_chain(
            chain_idx as u64,
            CpuMath::new(Density {
                evaluator: &evaluator,
            }),
            &mut ChaCha8Rng::seed_from_u64(seed),
        )
        .map_err(|error| failed(format!("{error:#}")))?;
    chain
        .set_position(&start)
        .map_err(|error| failed(format!("{error:#}")))?;
    let mut record = Record::default();
    record.cost.n_gradients_warmup = evaluator.borrow().n_gradients();
    let mut step_size = None;
    while record.step < job.n_steps() {
        let before = evaluator.borrow().n_gradients();
        let (position, _, mut stats, _) = chain
            .expanded_draw()
            .map_err(|error| failed(format!("{error:#}")))?;
        let mut info = transition(&mut stats, &chain);
        info.n_gradients = evaluator.borrow().n_gradients() - before;
        // The sampler tells the step size of the next trajectory; ours is the one it was at before.
        let next = info.step_size;
        info.step_size = step_size.replace(next).unwrap_or(next);
        record.push(job, chain_idx, &position, info);
        desk.advance();
        if desk.stopping() && record.step < job.n_steps() {
            return Ok(None);
        }
    }
    Ok(Some(record))
}

fn failed(reason: String) -> InferError {
    InferError::Failed {
        method: "nuts",
        reason,
    }
}

/// What the sampler tells about its newest transition.
fn transition<M: Math, C: Chain<M>>(stats: &mut C::Stats, chain: &C) -> Transition {
    let dims = (&*chain.math()).into();
    let mut info = Transition::default();
    let (mut kinetic, mut diverging) = (0.0, false);
    let mut divergence = Divergence::default();
    for (name, value) in stats.get_all(&dims) {
        match (name, value) {
            ("logp", Some(Value::ScalarF64(x))) => info.log_density = x,
            ("kinetic_energy", Some(Value::ScalarF64(x))) => kinetic = x,
            ("mean_tree_accept", Some(Value::ScalarF64(x))) => info.accept_prob = x,
            ("step_size", Some(Value::ScalarF64(x))) => info.step_size = x,
            ("depth", Some(Value::ScalarU64(n))) => info.depth = n,
            ("n_steps", Some(Value::ScalarU64(n))) => info.n_leapfrog = n,
            ("diverging", Some(Value::ScalarBool(yes))) => diverging = yes,
            ("divergence_start", Some(Value::F64(x))) => divergence.position = x,
            ("divergence_energy_error", Some(Value::ScalarF64(x))) => {
                divergence.energy_error = Some(x).filter(|x| x.is_finite());
            }
            ("divergence_message", Some(Value::ScalarString(text))) => {
                divergence.refused = Some(text);
            }
            _ => {}
        }
    }
    // The sampler's own energy holds the log-determinant of its metric; only differences mean anything.
    info.energy = kinetic - info.log_density;
    if diverging {
        if divergence.energy_error.is_some() {
            divergence.refused = None;
        }
        info.divergence = Some(divergence);
    }
    info
}

/// The start itself, or a position near it where no component of the gradient is zero: the first metric is
/// made from the gradient, and a start at a mode or on an axis of symmetry has none.
fn sloping(
    start: Vec<f64>,
    stream: &mut Stream,
    evaluator: &mut Evaluator<'_>,
) -> Result<Vec<f64>, InferError> {
    /// The first move, relative to the size of the coordinate; each attempt moves ten times as far.
    const FIRST_MOVE: f64 = 1e-6;
    const ATTEMPTS: i32 = 7;
    let mut position = start.clone();
    let mut grad = vec![0.0; start.len()];
    let mut flat = None;
    for attempt in 0..ATTEMPTS {
        if evaluator.log_density_and_grad(&position, &mut grad).is_ok() {
            flat = grad.iter().position(|g| *g == 0.0);
            if flat.is_none() {
                return Ok(position);
            }
        }
        let size = FIRST_MOVE * 10f64.powi(attempt);
        for ((moved, x), g) in position.iter_mut().zip(&start).zip(&grad) {
            if *g == 0.0 {
                *moved = x + size * (1.0 + x.abs()) * stream.normal();
            }
        }
    }
    let coordinate = flat.map(|index| evaluator.target().layout().coordinate(index));
    Err(failed(format!(
        "the density does not change with {} around the starting position, so that no step size can be found there",
        coordinate.unwrap_or_default()
    )))
}

/// A density as the sampler wants to see it.
struct Density<'e, 'a> {
    evaluator: &'e RefCell<Evaluator<'a>>,
}

/// A rejection: the sampler treats it as a divergence and goes on.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Refused(#[from] Reject);

impl LogpError for Refused {
    fn is_recoverable(&self) -> bool {
        true
    }
}

impl HasDims for Density<'_, '_> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_owned(), self.dim() as u64)])
    }
}

impl CpuLogpFunc for Density<'_, '_> {
    type LogpError = Refused;
    type FlowParameters = ();
    type ExpandedVector = ();

    fn dim(&self) -> usize {
        self.evaluator.borrow().dim()
    }

    fn logp(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64, Refused> {
        let mut evaluator = self.evaluator.borrow_mut();
        Ok(evaluator.log_density_and_grad(position, gradient)?)
    }

    fn expand_vector<R: Rng + ?Sized>(&mut self, _: &mut R, _: &[f64]) -> Result<(), CpuMathError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Starts;
    use super::super::laws::{self, check_recovery, estimate};
    use super::*;
    use crate::targets::Target;
    use jensen_density::{Layout, Variable};
    use jensen_run::{Checkpoints, RunFolder, Silent};
    use std::sync::atomic::{AtomicU64, Ordering};

    fn run(
        target: &dyn LogDensity,
        nuts: &Nuts,
        options: &ChainOptions,
    ) -> Result<Sampled, InferError> {
        sample(
            target,
            nuts,
            options,
            &Stream::from_seed(11),
            None,
            &mut Silent,
        )
    }

    fn short(n_chains: usize) -> (Nuts, ChainOptions) {
        let nuts = Nuts {
            n_warmup: 100,
            ..Nuts::default()
        };
        let options = ChainOptions {
            n_chains,
            n_draws: 50,
            ..ChainOptions::default()
        };
        (nuts, options)
    }

    #[test]
    fn moments_of_known_targets() {
        for known in [laws::gaussian(), laws::funnel(), laws::student()] {
            for metric in [Metric::Diagonal, Metric::LowRank] {
                let nuts = Nuts {
                    metric,
                    target_accept: 0.9,
                    ..Nuts::default()
                };
                let sampled = run(&*known.target, &nuts, &ChainOptions::default()).unwrap();
                check_recovery("nuts", &known, &sampled);
                assert!(sampled.n_gradients() > 8000);
                let accept = estimate(&sampled.sampler, 1, |a| a).0;
                assert!((0.8..1.0).contains(&accept), "{}: {accept}", known.name);
            }
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let known = laws::funnel();
        let (nuts, options) = short(3);
        let on = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(n_threads)
                .build()
                .unwrap();
            pool.install(|| run(&*known.target, &nuts, &options))
                .unwrap()
        };
        let one = on(1);
        assert_eq!(one, on(2));
        assert_eq!(one, on(3));
    }

    /// The first chain is over when the stop comes, the second is under way.
    #[test]
    fn a_resumed_run_has_the_bits_of_an_unbroken_one() {
        let evaluations = AtomicU64::new(0);
        let target = Target::new(2, |x: &[f64], grad: &mut [f64]| {
            evaluations.fetch_add(1, Ordering::Relaxed);
            // So slow that a stop comes between draws.
            std::thread::sleep(std::time::Duration::from_micros(50));
            grad[0] = -x[0];
            grad[1] = -x[1] / 4.0;
            -0.5 * (x[0] * x[0] + x[1] * x[1] / 4.0)
        });
        let (nuts, options) = short(2);
        let unbroken = run(&target, &nuts, &options).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let run_folder = RunFolder::create(folder.path().join("run")).unwrap();
        let keep = Keep {
            checkpoints: Checkpoints::of(&run_folder),
            every: 1,
        };
        let one_thread = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let with = |seed, observer: &mut (dyn Observer + Send)| {
            let stream = Stream::from_seed(seed);
            one_thread.install(|| sample(&target, &nuts, &options, &stream, Some(&keep), observer))
        };
        evaluations.store(0, Ordering::Relaxed);
        let cost = unbroken.chains[0].n_gradients_warmup + unbroken.chains[0].n_gradients;
        let mut stopper = laws::StopAfter {
            evaluations: &evaluations,
            limit: cost + 20,
        };
        assert!(matches!(with(11, &mut stopper), Err(InferError::Stopped)));
        assert!(matches!(
            with(12, &mut Silent),
            Err(InferError::OtherRun { what: "stream", .. })
        ));
        evaluations.store(0, Ordering::Relaxed);
        assert_eq!(with(11, &mut Silent).unwrap(), unbroken);
        // The first chain was not run again.
        assert!(evaluations.load(Ordering::Relaxed) < unbroken.n_gradients() - cost + 10);
        assert_eq!(with(11, &mut Silent).unwrap(), unbroken);
    }

    #[test]
    fn requests_that_do_not_fit_are_refused_with_their_place() {
        let known = laws::gaussian();
        let (nuts, options) = short(2);
        let refused =
            |nuts: Nuts, options: ChainOptions| run(&*known.target, &nuts, &options).unwrap_err();
        for (first, nuts, options) in [
            (
                "n_warmup",
                Nuts {
                    n_warmup: 0,
                    ..nuts
                },
                options.clone(),
            ),
            (
                "n_chains",
                nuts,
                ChainOptions {
                    n_chains: 0,
                    ..options.clone()
                },
            ),
            (
                "n_draws",
                nuts,
                ChainOptions {
                    n_draws: 0,
                    ..options.clone()
                },
            ),
            (
                "target_accept",
                Nuts {
                    target_accept: 1.0,
                    ..nuts
                },
                options.clone(),
            ),
            (
                "max_depth",
                Nuts {
                    max_depth: 0,
                    ..nuts
                },
                options.clone(),
            ),
            (
                "max_energy_error",
                Nuts {
                    max_energy_error: f64::NAN,
                    ..nuts
                },
                options.clone(),
            ),
            (
                "n_chains",
                nuts,
                ChainOptions {
                    starts: Starts::At(vec![vec![0.0; 2]]),
                    ..options.clone()
                },
            ),
            (
                "radius",
                nuts,
                ChainOptions {
                    starts: Starts::Uniform { radius: 0.0 },
                    ..options.clone()
                },
            ),
        ] {
            match refused(nuts, options) {
                InferError::Option { option, .. } => assert_eq!(option, first),
                InferError::Contradiction { first: found, .. } => assert_eq!(found, first),
                other => panic!("{first}: {other}"),
            }
        }
        let at = |start: Vec<f64>| ChainOptions {
            starts: Starts::At(vec![vec![0.0; 2], start]),
            ..options.clone()
        };
        match refused(nuts, at(vec![0.0, f64::NAN])) {
            InferError::Start { coordinate, value } => {
                assert_eq!(coordinate, "x[2]");
                assert!(value.is_nan());
            }
            other => panic!("{other}"),
        }
        assert!(matches!(
            refused(nuts, at(vec![0.0])),
            InferError::Length {
                expected: 2,
                found: 1
            }
        ));
        let nowhere = Target::new(1, |_: &[f64], _: &mut [f64]| f64::NEG_INFINITY);
        match run(&nowhere, &nuts, &options).unwrap_err() {
            InferError::RefusedEverywhere { tried, .. } => assert_eq!(tried, 100),
            other => panic!("{other}"),
        }
        let empty = Target::new(0, |_: &[f64], _: &mut [f64]| 0.0);
        assert!(matches!(
            run(&empty, &nuts, &options),
            Err(InferError::Empty)
        ));
        let flat = Target::new(2, |x: &[f64], grad: &mut [f64]| {
            grad.copy_from_slice(&[-x[0], 0.0]);
            -0.5 * x[0] * x[0]
        });
        let error = run(&flat, &nuts, &options).unwrap_err();
        assert!(
            error.to_string().contains("does not change with x[2]"),
            "{error}"
        );
    }

    /// All chains start at the mode, where the gradient vanishes; the density refuses |x| > 1.
    #[test]
    fn a_wall_is_a_divergence_and_a_mode_is_a_start() {
        let walled = Target::new(1, |x: &[f64], grad: &mut [f64]| {
            grad[0] = -x[0];
            match x[0].abs() > 1.0 {
                true => f64::NEG_INFINITY,
                false => -0.5 * x[0] * x[0],
            }
        });
        let (nuts, mut options) = short(2);
        options.starts = Starts::At(vec![vec![0.0]; 2]);
        let sampled = run(&walled, &nuts, &options).unwrap();
        assert!(!sampled.divergences.is_empty());
        let flags = sampled.sampler.column(5).iter().sum::<f64>();
        assert_eq!(flags, sampled.divergences.len() as f64);
        for diverged in &sampled.divergences {
            assert!(diverged.divergence.position[0].abs() <= 1.0);
            assert_eq!(
                diverged.divergence.refused.as_deref(),
                Some("here: outside the support")
            );
        }
        assert!(sampled.draws.column(0).iter().all(|x| x.abs() <= 1.0));
    }

    /// The eight schools, noncentered: y_j ~ N(mu + tau eta_j, sigma_j), eta ~ N(0, 1), mu ~ N(0, 5),
    /// tau ~ Cauchy+(0, 5); coordinates eta, mu, ln tau.
    struct EightSchools(Layout);

    const EFFECT: [f64; 8] = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0];
    const ERROR: [f64; 8] = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0];

    impl LogDensity for EightSchools {
        fn layout(&self) -> &Layout {
            &self.0
        }

        fn log_density_and_grad(
            &self,
            position: &[f64],
            grad: &mut [f64],
            _: &mut [f64],
        ) -> Result<f64, Reject> {
            let (mu, ln_tau) = (position[8], position[9]);
            let tau = ln_tau.exp();
            let ratio = tau * tau / 25.0;
            let mut value = -0.5 * mu * mu / 25.0 - ratio.ln_1p() + ln_tau;
            grad[8] = -mu / 25.0;
            grad[9] = 1.0 - 2.0 * ratio / (1.0 + ratio);
            for j in 0..8 {
                let eta = position[j];
                let e = (EFFECT[j] - mu - tau * eta) / ERROR[j];
                value -= 0.5 * (e * e + eta * eta);
                grad[j] = e / ERROR[j] * tau - eta;
                grad[8] += e / ERROR[j];
                grad[9] += e / ERROR[j] * tau * eta;
            }
            Ok(value)
        }

        fn constrain(&self, position: &[f64], values: &mut [f64]) {
            let (mu, tau) = (position[8], position[9].exp());
            for j in 0..8 {
                values[j] = mu + tau * position[j];
            }
            values[8] = mu;
            values[9] = tau;
        }
    }

    /// Standard error, in units of an effect, with which 10,000 draws have to tell means of standard deviations up to
    /// 5.6: those of 800 independent ones.
    const RESOLUTION: f64 = 0.2;
    /// One in a thousand of 10,000 draws.
    const MOST_DIVERGENT: usize = 10;

    /// Reference means and their standard errors from posteriordb, 10,000 draws by Stan:
    /// theta[1..8], mu, tau.
    const REFERENCE: [(f64, f64); 10] = [
        (6.150_502, 0.0557),
        (4.939_581, 0.0462),
        (3.905_906, 0.0542),
        (4.796_017, 0.0475),
        (3.614_436, 0.0461),
        (4.051_148, 0.0485),
        (6.317_170, 0.0499),
        (4.883_997, 0.0543),
        (4.410_518, 0.0330),
        (3.602_060, 0.0319),
    ];

    #[test]
    fn eight_schools_has_the_reference_means() {
        let target = EightSchools(Layout::new(vec![
            Variable::constrained("theta", &[8], 8, "offset=mu, multiplier=tau"),
            Variable::real("mu"),
            Variable::constrained("tau", &[], 1, "lower=0"),
        ]));
        let options = ChainOptions {
            n_draws: 2500,
            ..ChainOptions::default()
        };
        for metric in [Metric::Diagonal, Metric::LowRank] {
            let nuts = Nuts {
                metric,
                target_accept: 0.95,
                ..Nuts::default()
            };
            let sampled = run(&target, &nuts, &options).unwrap();
            let values = sampled.constrained(&target);
            assert_eq!(values.names()[9], "tau");
            for (i, (expected, error)) in REFERENCE.into_iter().enumerate() {
                let (mean, own) = estimate(&values, i, |x| x);
                let allowed = 5.0 * error.hypot(own);
                assert!(
                    own < RESOLUTION,
                    "{metric:?} {}: resolution {own}",
                    values.names()[i]
                );
                assert!(
                    (mean - expected).abs() < allowed,
                    "{metric:?} {}: {mean}, expected {expected} +- {allowed}",
                    values.names()[i]
                );
            }
            assert!(
                sampled.divergences.len() < MOST_DIVERGENT,
                "{}",
                sampled.divergences.len()
            );
        }
    }
}
