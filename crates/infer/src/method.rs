//! Every method by its name, one call that runs any of them, and one form of answer with a verdict.
//!
//! [`Method`] is the list, [`fit_with`] the call. Whatever the method, the answer is [`Fitted`]: draws of the model's
//! values, their means and standard deviations, what it cost, and the referee's report: an answer without a judgement
//! does not exist.
//!
//! | sort | answer | judged by |
//! |---|---|---|
//! | ladder, multi-path | weighted draws, resampled | importance weights of two restarts |
//! | approximations | 4000 draws of q, unweighted | importance weights, and how far q is from them |
//! | particles | two clouds from two starts | Stein's identity, drift, agreement, importance weights |
//! | Markov chains | draws after warmup | R-hat, effective draws, divergences |
//!
//! ```
//! use jensen_density::{Layout, LogDensity, Reject, Variable};
//! use jensen_infer::method::{FitOptions, Method, fit_with};
//! use jensen_rng::Stream;
//! use jensen_run::Silent;
//!
//! /// y ~ N(0, 1), x = e^y: the coordinate is ln x.
//! struct LogNormal(Layout);
//!
//! impl LogDensity for LogNormal {
//!     fn layout(&self) -> &Layout {
//!         &self.0
//!     }
//!     fn log_density_and_grad(&self, y: &[f64], grad: &mut [f64], _: &mut [f64]) -> Result<f64, Reject> {
//!         grad[0] = -y[0];
//!         Ok(-0.5 * y[0] * y[0])
//!     }
//!     fn constrain(&self, y: &[f64], x: &mut [f64]) {
//!         x[0] = y[0].exp();
//!     }
//! }
//!
//! let target = LogNormal(Layout::new(vec![Variable::constrained("x", &[], 1, "lower=0")]));
//! let method = Method::from_name("laplace")?;
//! let stream = Stream::from_seed(1);
//! let fitted = fit_with(&target, &method, &FitOptions::default(), &stream, &mut Silent)?;
//! assert!(fitted.is_good(), "{}", fitted.report);
//! // The mean of x is e^(1/2).
//! assert!((fitted.mean[0] - 1.6487).abs() < 0.2);
//! # Ok::<(), jensen_infer::InferError>(())
//! ```

use crate::confirm::{Claim, confirm, report};
use crate::dadvi::{Dadvi, dadvi};
use crate::drive::{Flow, drive};
use crate::family::{CouplingFlow, Family, FullRank, LowRank, MeanField, StudentT};
use crate::importance::heavier;
use crate::ladder::{self, Ladder, Rung};
use crate::laplace::laplace;
use crate::mcmc::{
    AdaptiveMetropolis, ChainOptions, Hmc, Kernel, Metropolis, Nuts, Sampled, Slice, Starts,
    constrain, nuts, sample_chains,
};
use crate::pathfinder::{Pathfinder, pathfinder};
use crate::referee::drift::moments;
use crate::referee::{Check, Report, Sense, Verdict, drift, judge_chains, stein_of};
use crate::svgd::{Svgd, SvgdInfo};
use crate::vi::{self, Advi, AdviPhase, AdviStop, Bam};
use crate::watch::watched;
use crate::{Algorithm, InferError, starts};
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::evidence::{self, Estimate};
use jensen_posterior::{Approximation, Draws, Gaussian, Scale};
use jensen_rng::Stream;
use jensen_run::Observer;

/// A method with its options.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// The ladder: what to take where there is no reason for another.
    Ladder(Ladder),
    /// A Gaussian with the curvature at the mode.
    Laplace,
    /// The best Gaussian along a quasi-Newton path.
    Pathfinder(Pathfinder),
    /// Paths from several starts, pooled, weighted and resampled; twice this many, in two restarts.
    MultiPath {
        /// Paths of a restart, at least 1.
        n_paths: usize,
        /// Draws of a restart, at least 100.
        n_draws: usize,
    },
    /// Mean-field VI with fixed draws, covariances by linear response.
    Dadvi(Dadvi),
    /// ADVI as published, for comparison.
    Advi(Advi),
    /// Stochastic-gradient VI in a family.
    Sgvi(FamilyKind),
    /// Gaussians by matching scores.
    Bam(Bam),
    /// Stein particles.
    Svgd(Svgd),
    /// The No-U-turn sampler.
    Nuts(Nuts),
    /// Hamiltonian Monte Carlo.
    Hmc(Hmc),
    /// Random-walk Metropolis.
    Metropolis(Metropolis),
    /// Adaptive Metropolis.
    AdaptiveMetropolis(AdaptiveMetropolis),
    /// Slice sampling.
    Slice(Slice),
}

/// A variational family without its dimension, which the density has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FamilyKind {
    /// Independent Gaussians.
    MeanField,
    /// Gaussians with any covariance.
    FullRank,
    /// Gaussians with a diagonal and some directions.
    LowRank {
        /// Directions, at most d of them are used.
        rank: usize,
    },
    /// Student-t laws with any scale matrix.
    StudentT {
        /// Degrees of freedom, above 0.
        dof: f64,
    },
    /// Coupling flows.
    Flow {
        /// Layers; two change every coordinate once.
        n_layers: usize,
        /// Hidden units of each layer.
        width: usize,
    },
}

/// A method with its defaults.
type Make = fn() -> Method;

/// Names and defaults, in the order in which they are shown.
const CATALOGUE: [(&str, Make); 19] = [
    ("ladder", || Method::Ladder(Ladder::default())),
    ("laplace", || Method::Laplace),
    ("pathfinder", || Method::Pathfinder(Pathfinder::default())),
    ("multi-path", || Method::MultiPath {
        n_paths: 4,
        n_draws: 1000,
    }),
    ("dadvi", || Method::Dadvi(Dadvi::default())),
    ("advi", || Method::Advi(Advi::default())),
    ("advi-full-rank", || {
        Method::Advi(Advi {
            full_rank: true,
            ..Advi::default()
        })
    }),
    ("sgvi-mean-field", || Method::Sgvi(FamilyKind::MeanField)),
    ("sgvi-full-rank", || Method::Sgvi(FamilyKind::FullRank)),
    ("sgvi-low-rank", || {
        Method::Sgvi(FamilyKind::LowRank { rank: 5 })
    }),
    ("sgvi-student-t", || {
        Method::Sgvi(FamilyKind::StudentT { dof: 5.0 })
    }),
    ("sgvi-flow", || {
        Method::Sgvi(FamilyKind::Flow {
            n_layers: 4,
            width: 16,
        })
    }),
    ("bam", || Method::Bam(Bam::default())),
    ("svgd", || Method::Svgd(Svgd::default())),
    ("nuts", || Method::Nuts(Nuts::default())),
    ("hmc", || Method::Hmc(Hmc::default())),
    ("metropolis", || Method::Metropolis(Metropolis::default())),
    ("adaptive-metropolis", || {
        Method::AdaptiveMetropolis(AdaptiveMetropolis::default())
    }),
    ("slice", || Method::Slice(Slice::default())),
];

impl Method {
    /// The names of all methods.
    pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
        CATALOGUE.iter().map(|(name, _)| *name)
    }

    /// The method of a name, with its defaults.
    ///
    /// # Errors
    /// [`InferError::UnknownMethod`] with the nearest name.
    pub fn from_name(name: &str) -> Result<Self, InferError> {
        if let Some((_, make)) = CATALOGUE.iter().find(|(known, _)| *known == name) {
            return Ok(make());
        }
        let likeness = |known: &&str| strsim::jaro_winkler(&name.to_lowercase(), known);
        let nearest = Self::names()
            .filter(|known| likeness(known) >= SIMILAR)
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        Err(InferError::UnknownMethod {
            name: name.to_owned(),
            nearest,
            known: Self::names().collect(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ladder(_) => "ladder",
            Self::Laplace => "laplace",
            Self::Pathfinder(_) => "pathfinder",
            Self::MultiPath { .. } => "multi-path",
            Self::Dadvi(_) => "dadvi",
            Self::Advi(advi) if advi.full_rank => "advi-full-rank",
            Self::Advi(_) => "advi",
            Self::Sgvi(FamilyKind::MeanField) => "sgvi-mean-field",
            Self::Sgvi(FamilyKind::FullRank) => "sgvi-full-rank",
            Self::Sgvi(FamilyKind::LowRank { .. }) => "sgvi-low-rank",
            Self::Sgvi(FamilyKind::StudentT { .. }) => "sgvi-student-t",
            Self::Sgvi(FamilyKind::Flow { .. }) => "sgvi-flow",
            Self::Bam(_) => "bam",
            Self::Svgd(_) => "svgd",
            Self::Nuts(_) => "nuts",
            Self::Hmc(_) => "hmc",
            Self::Metropolis(_) => "metropolis",
            Self::AdaptiveMetropolis(_) => "adaptive-metropolis",
            Self::Slice(_) => "slice",
        }
    }
}

/// Similarity from which a name is offered as a correction, Jaro-Winkler in [0, 1].
const SIMILAR: f64 = 0.75;

/// What is asked of any method.
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// Draws of an approximation that are the answer, at least 100. Default 4000.
    pub n_draws: usize,
    /// Most steps of an iterative approximation. Default 10,000.
    pub max_steps: u64,
    /// Chains of a sampler, at least 1. Default 4.
    pub n_chains: usize,
    /// Draws of each chain after warmup, at least 4. Default 1000.
    pub n_chain_draws: usize,
    /// Where to begin, `[d]`; by default at random. The ladder and several paths begin at random in any case.
    pub start: Option<Vec<f64>>,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            n_draws: 4000,
            max_steps: 10_000,
            n_chains: 4,
            n_chain_draws: 1000,
            start: None,
        }
    }
}

/// The answer of any method.
pub struct Fitted {
    /// Name of the method.
    pub method: &'static str,
    /// Draws of the model's values, `[c, s, n_values]`, equally weighted.
    pub draws: Draws,
    /// Their means, `[n_values]`; of weighted draws before they were resampled.
    pub mean: Vec<f64>,
    /// Their standard deviations, `[n_values]`.
    pub sd: Vec<f64>,
    /// The approximation, where there is one.
    pub approximation: Option<Box<dyn Approximation>>,
    /// The ELBO of the approximation, nats, from draws of its own.
    pub elbo: Option<Estimate>,
    /// The log evidence, nats, where weights give one; it contains the free constant of the density.
    pub log_evidence: Option<Estimate>,
    /// Gradients used by the method.
    pub n_gradients: u64,
    /// Gradients used by its judgement, that of the ladder being among those of its rungs.
    pub n_gradients_judged: u64,
    /// The referee's judgement.
    pub report: Report,
}

impl Fitted {
    /// Whether the referee called it good.
    pub fn is_good(&self) -> bool {
        self.report.verdict == Verdict::Good
    }
}

/// Draws by which the ELBO is estimated: a standard error of 0.03 nats where ln w has a spread of one nat.
const N_ELBO_DRAWS: usize = 1000;
/// Steps of batch and match and of Stein particles, which have no stop rule: both settle in some hundreds.
const N_SETTLE: u64 = 500;
/// Stein's identity and drift of particles, in the referee's units and with its limits.
const STEIN: f64 = 0.2;
const DRIFT: f64 = 0.2;
/// Means of two clouds may differ by this many standard deviations.
const AGREEMENT: f64 = 0.2;
const FAR: f64 = 1.0;

/// Fits a density by a method.
///
/// # Errors
/// [`InferError`] for options that do not fit, a density without coordinates, a start that it refuses, a method that
/// ends without an answer, or a request to stop.
pub fn fit_with(
    target: &dyn LogDensity,
    method: &Method,
    options: &FitOptions,
    stream: &Stream,
    observer: &mut dyn Observer,
) -> Result<Fitted, InferError> {
    options.check()?;
    let work = stream.child("method", 0);
    let fit = Fit {
        target,
        name: method.name(),
        options,
        stream,
    };
    match method {
        Method::Ladder(ladder) => fit.climb(ladder, observer),
        Method::MultiPath { n_paths, n_draws } => {
            let first_rung = Ladder {
                top: Rung::Paths,
                n_paths: *n_paths,
                n_draws: *n_draws,
                ..Ladder::default()
            };
            fit.climb(&first_rung, observer)
        }
        Method::Nuts(sampler) => {
            let chains = fit.chains();
            let sampled = nuts::sample(target, sampler, &chains, &work, None, observer)?;
            fit.sampled(sampled)
        }
        Method::Hmc(kernel) => fit.kernel(kernel, observer),
        Method::Metropolis(kernel) => fit.kernel(kernel, observer),
        Method::AdaptiveMetropolis(kernel) => fit.kernel(kernel, observer),
        Method::Slice(kernel) => fit.kernel(kernel, observer),
        Method::Svgd(svgd) => fit.particles(svgd, observer),
        Method::Laplace => {
            let start = fit.start(0)?;
            let (gaussian, info) = watched(target, observer, |target| laplace(target, &start))??;
            fit.approximated(Box::new(gaussian), info.n_gradients, observer)
        }
        Method::Pathfinder(path) => {
            let start = fit.start(0)?;
            let climb = |target: &dyn LogDensity| pathfinder(target, &start, path, &work);
            let found = watched(target, observer, climb)??;
            fit.approximated(Box::new(found.gaussian), found.n_gradients, observer)
        }
        Method::Dadvi(dadvi_options) => {
            let start = fit.start(0)?;
            let sd = vec![1.0; start.len()];
            let solve = |target: &dyn LogDensity| dadvi(target, &start, &sd, dadvi_options, &work);
            let found = watched(target, observer, solve)??;
            let gaussian = found.linear_response.unwrap_or(found.mean_field);
            fit.approximated(Box::new(gaussian), found.n_gradients, observer)
        }
        Method::Advi(advi) => fit.advi(advi, observer),
        Method::Bam(bam) => fit.bam(bam, observer),
        Method::Sgvi(kind) => {
            let family = kind.family(target.dim())?;
            let (start, steps) = (fit.start(0)?, options.max_steps);
            let found = vi::fit(target, family.as_ref(), &start, steps, &work, observer)?;
            fit.approximated(found.approximation, found.n_gradients, observer)
        }
    }
}

impl FitOptions {
    fn check(&self) -> Result<(), InferError> {
        // Chains and steps are checked where they are used.
        match self.n_draws < 100 {
            false => Ok(()),
            true => Err(InferError::Option {
                option: "n_draws",
                expected: "at least 100 draws".to_owned(),
                found: self.n_draws.to_string(),
            }),
        }
    }
}

impl FamilyKind {
    /// The family on R^d.
    fn family(self, dim: usize) -> Result<Box<dyn Family>, InferError> {
        let refuse = |option, expected: &str, found: String| {
            Err(InferError::Option {
                option,
                expected: expected.to_owned(),
                found,
            })
        };
        Ok(match self {
            Self::MeanField => Box::new(MeanField { dim }),
            Self::FullRank => Box::new(FullRank { dim }),
            Self::LowRank { rank: 0 } => return refuse("rank", "at least 1", "0".to_owned()),
            Self::LowRank { rank } => Box::new(LowRank {
                dim,
                rank: rank.min(dim),
            }),
            Self::StudentT { dof } if !(dof > 0.0 && dof.is_finite()) => {
                return refuse("dof", "a positive number", dof.to_string());
            }
            Self::StudentT { dof } => Box::new(StudentT::full(dim, dof)),
            Self::Flow { n_layers, width } if n_layers == 0 || width == 0 => {
                let found = format!("{n_layers} layers of {width} units");
                return refuse("flow", "at least one layer and one unit", found);
            }
            Self::Flow { n_layers, width } => Box::new(CouplingFlow {
                dim,
                n_layers,
                width,
            }),
        })
    }
}

/// One fit under way.
struct Fit<'a> {
    target: &'a dyn LogDensity,
    name: &'static str,
    options: &'a FitOptions,
    stream: &'a Stream,
}

impl Fit<'_> {
    /// The start of a restart.
    fn start(&self, index: u64) -> Result<Vec<f64>, InferError> {
        match &self.options.start {
            Some(start) => Ok(start.clone()),
            None => starts::random(self.target, &self.stream.child("start", index)),
        }
    }

    fn chains(&self) -> ChainOptions {
        let n_chains = self.options.n_chains;
        ChainOptions {
            n_chains,
            n_draws: self.options.n_chain_draws,
            starts: match &self.options.start {
                Some(start) => Starts::At(vec![start.clone(); n_chains]),
                None => ChainOptions::default().starts,
            },
        }
    }

    /// The last state of an algorithm, run for a restart.
    fn iterate<A: Algorithm>(
        &self,
        algorithm: &A,
        restart: u64,
        start: &[f64],
        n_steps: u64,
        observer: &mut dyn Observer,
        mut each: impl FnMut(&A::State, A::Info) -> Flow,
    ) -> Result<A::State, InferError> {
        let stream = self.stream.child("method", restart);
        let each = |_, state: &A::State, info| each(state, info);
        let driven = drive(
            algorithm,
            self.target,
            start,
            n_steps,
            &stream,
            None,
            observer,
            each,
        )?;
        match driven.stopped {
            true => Err(InferError::Stopped),
            false => Ok(driven.state),
        }
    }

    fn climb(&self, ladder: &Ladder, observer: &mut dyn Observer) -> Result<Fitted, InferError> {
        let answer = ladder::fit(
            self.target,
            ladder,
            &self.stream.child("method", 0),
            None,
            observer,
        )?;
        Ok(Fitted {
            method: self.name,
            n_gradients: answer.n_gradients(),
            n_gradients_judged: 0,
            draws: answer.draws,
            mean: answer.mean,
            sd: answer.sd,
            approximation: None,
            elbo: None,
            log_evidence: answer
                .log_evidence
                .map(|(value, se)| Estimate { value, se }),
            report: answer.report,
        })
    }

    fn kernel<K: Kernel>(
        &self,
        kernel: &K,
        observer: &mut dyn Observer,
    ) -> Result<Fitted, InferError> {
        let (chains, stream) = (self.chains(), self.stream.child("method", 0));
        let sampled = sample_chains(kernel, self.target, &chains, &stream, None, observer)?;
        self.sampled(sampled)
    }

    /// The answer of chains.
    fn sampled(&self, sampled: Sampled) -> Result<Fitted, InferError> {
        let report = judge_chains(self.target, &sampled).map_err(|error| InferError::Failed {
            method: self.name,
            reason: error.to_string(),
        })?;
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
            n_gradients: sampled.n_gradients(),
            n_gradients_judged: 0,
            report,
        })
    }

    fn advi(&self, advi: &Advi, observer: &mut dyn Observer) -> Result<Fitted, InferError> {
        let (mut n_gradients, mut stop) = (0, None);
        let start = self.start(0)?;
        // The trials of step sizes come on top.
        let n_steps = self.options.max_steps.saturating_mul(2);
        let state = self.iterate(advi, 0, &start, n_steps, observer, |state, info| {
            n_gradients += info.n_gradients;
            match state.phase {
                AdviPhase::Stopped(why) => {
                    stop = Some(why);
                    Flow::Done
                }
                _ => Flow::Continue,
            }
        })?;
        if matches!(stop, Some(AdviStop::NoStepSize | AdviStop::Refused)) {
            return Err(InferError::Failed {
                method: self.name,
                reason: format!("it ended without an answer: {stop:?}"),
            });
        }
        // The start is one gradient and an estimate of the ELBO.
        let n_gradients = n_gradients + 1 + advi.n_elbo_draws as u64;
        self.approximated(advi.approximation(&state.params), n_gradients, observer)
    }

    fn bam(&self, bam: &Bam, observer: &mut dyn Observer) -> Result<Fitted, InferError> {
        let start = self.start(0)?;
        let n_steps = self.options.max_steps.min(N_SETTLE);
        let go_on = |_: &_, _| Flow::Continue;
        let state = self.iterate(bam, 0, &start, n_steps, observer, go_on)?;
        let n_gradients = 1 + n_steps * bam.n_draws as u64;
        self.approximated(Box::new(state.gaussian()), n_gradients, observer)
    }

    /// The answer of an approximation: its own draws, confirmed by weights.
    fn approximated(
        &self,
        q: Box<dyn Approximation>,
        n_gradients: u64,
        observer: &mut dyn Observer,
    ) -> Result<Fitted, InferError> {
        let d = q.dim();
        let draw = |label: &str, i: usize, position: &mut [f64]| {
            q.sample(&mut self.stream.child(label, i as u64), position)
        };
        let mut positions = vec![0.0; self.options.n_draws * d];
        for (i, position) in positions.chunks_exact_mut(d).enumerate() {
            draw("draw", i, position);
        }
        let mut evaluator = Evaluator::new(self.target);
        let mut position = vec![0.0; d];
        let ln_w: Vec<f64> = (0..N_ELBO_DRAWS)
            .map(|i| {
                let ln_q = draw("elbo", i, &mut position);
                evaluator.log_density(&position) - ln_q
            })
            .collect();
        let elbo = evidence::elbo(&ln_w)
            .ok()
            .filter(|elbo| elbo.value.is_finite());
        let (draws, mean, sd) = self.values(positions);
        let claim = Claim {
            mean: &mean,
            sd: &sd,
            proposal: Some(q.as_ref()),
        };
        let judge = self.stream.child("judge", 0);
        let confirmed = watched(self.target, observer, |target| {
            confirm(target, &claim, &judge)
        })?;
        Ok(Fitted {
            method: self.name,
            draws,
            mean,
            sd,
            approximation: Some(q),
            elbo,
            log_evidence: confirmed.log_evidence,
            n_gradients,
            n_gradients_judged: confirmed.n_gradients + evaluator.n_gradients(),
            report: report(Vec::new(), &confirmed),
        })
    }

    /// The answer of two clouds of particles, each from its own start.
    fn particles(&self, svgd: &Svgd, observer: &mut dyn Observer) -> Result<Fitted, InferError> {
        let d = self.target.dim();
        let n_steps = self.options.max_steps.min(N_SETTLE);
        let mut positions = Vec::new();
        let mut n_gradients = 0;
        let mut clouds = Vec::new();
        for cloud in 0..2 {
            let start = self.start(cloud)?;
            let count = |_: &_, info: SvgdInfo| {
                n_gradients += info.n_gradients;
                Flow::Continue
            };
            let state = self.iterate(svgd, cloud, &start, n_steps, observer, count)?;
            n_gradients += state.n_gradients_start;
            let (_, mean, sd) = self.values(state.particles.clone());
            clouds.push((mean, sd));
            positions.extend(state.particles);
        }
        let (draws, mean, sd) = self.values(positions.clone());
        let rows: Vec<&[f64]> = positions.chunks_exact(d).collect();
        let judge = self.stream.child("judge", 0);
        let (moved, n_drift) = drift(self.target, &rows, &judge.child("drift", 0));
        let (grads, n_stein) = gradients(self.target, &positions);
        let equal = vec![1.0 / rows.len() as f64; rows.len()];
        let errors = stein_of(d, &positions, &grads, &equal);
        let most = Sense::AtMost;
        let layout = self.target.layout();
        let coordinates: Vec<String> = (0..d).map(|i| layout.coordinate(i)).collect();
        let gaps: Vec<f64> = (0..mean.len())
            .map(|j| {
                let gap = (clouds[0].0[j] - clouds[1].0[j]).abs();
                let sd = (0.5 * (clouds[0].1[j].powi(2) + clouds[1].1[j].powi(2))).sqrt();
                if gap == 0.0 { 0.0 } else { gap / sd }
            })
            .collect();
        let own = vec![
            Check::each("particles_stein", &errors, &coordinates, most, STEIN, FAR),
            Check::each("particles_drift", &moved, draws.names(), most, DRIFT, FAR),
            Check::each(
                "particles_agreement",
                &gaps,
                draws.names(),
                most,
                AGREEMENT,
                FAR,
            ),
        ];
        let gaussian = with_moments(&positions, d);
        let proposal = gaussian.map(|gaussian| heavier(&gaussian, PARTICLE_DOF));
        let claim = Claim {
            mean: &mean,
            sd: &sd,
            proposal: proposal.as_ref().map(|q| q as &dyn Approximation),
        };
        let confirmed = watched(self.target, observer, |target| {
            confirm(target, &claim, &judge)
        })?;
        Ok(Fitted {
            method: self.name,
            draws,
            mean,
            sd,
            approximation: None,
            elbo: None,
            log_evidence: confirmed.log_evidence,
            n_gradients,
            n_gradients_judged: confirmed.n_gradients + n_drift + n_stein,
            report: report(own, &confirmed),
        })
    }

    /// Positions `[n, d]` as draws of the values, with their moments.
    fn values(&self, positions: Vec<f64>) -> (Draws, Vec<f64>, Vec<f64>) {
        let d = self.target.dim();
        let layout = self.target.layout();
        let names = (0..d).map(|i| layout.coordinate(i)).collect();
        let n = positions.len() / d;
        let draws = constrain(self.target, &Draws::new(names, 1, n, positions));
        let (mean, sd) = moments(draws.rows(), draws.dim(), n as f64);
        (draws, mean, sd)
    }
}

/// Degrees of freedom of the law around particles from which weights are taken: heavier than any Gaussian.
const PARTICLE_DOF: f64 = 5.0;

/// The gradients at positions `[n, d]`, zero where the density refuses, and their number.
fn gradients(target: &dyn LogDensity, positions: &[f64]) -> (Vec<f64>, u64) {
    let d = target.dim();
    let mut evaluator = Evaluator::new(target);
    let mut grads = vec![0.0; positions.len()];
    for (position, grad) in positions.chunks_exact(d).zip(grads.chunks_exact_mut(d)) {
        if evaluator.log_density_and_grad(position, grad).is_err() {
            grad.fill(0.0);
        }
    }
    (grads, evaluator.n_gradients())
}

/// The Gaussian with the moments of positions `[n, d]`; `None` where they do not carry a covariance.
fn with_moments(positions: &[f64], d: usize) -> Option<Gaussian> {
    let n = (positions.len() / d) as f64;
    let (mean, _) = moments(positions.chunks_exact(d), d, n);
    let mut covariance = vec![0.0; d * d];
    for row in positions.chunks_exact(d) {
        for i in 0..d {
            for j in 0..d {
                covariance[i * d + j] += (row[i] - mean[i]) * (row[j] - mean[j]) / (n - 1.0);
            }
        }
    }
    let scale = Scale::from_covariance(&covariance, d).ok()?;
    Some(Gaussian { mean, scale })
}
