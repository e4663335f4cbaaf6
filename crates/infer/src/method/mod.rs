//! Every method by its name, one call that runs any of them, and one form of answer with a verdict.
//!
//! [`Method`] is the list, [`fit_with`] the call. Whatever the method, the answer is [`Fitted`]: draws of the model's
//! values, their means and standard deviations, what it cost, and the referee's report: an answer without a judgement
//! does not exist.
//!
//! | sort | answer | judged by |
//! |---|---|---|
//! | ladder, multi-path | weighted draws, resampled | importance weights of two restarts, far modes |
//! | approximations | 4000 draws of q, unweighted | importance weights, and how far q is from them |
//! | particles | two clouds from two starts | Stein's identity, drift, agreement, importance weights |
//! | Markov chains | draws after warmup | R-hat, effective draws, divergences, far modes |
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
//! let method = Method::from_name("laplace")?; // Method::default() is the ladder.
//! let stream = Stream::from_seed(1);
//! let fitted = fit_with(&target, &method, &FitOptions::default(), &stream, None, &mut Silent)?;
//! assert!(fitted.is_good(), "{}", fitted.report);
//! // The mean of x is e^(1/2).
//! assert!((fitted.mean[0] - 1.6487).abs() < 0.2);
//! # Ok::<(), jensen_infer::InferError>(())
//! ```

mod catalogue;
mod fit;
mod particles;

pub use catalogue::{FamilyKind, Method};

use crate::InferError;
use crate::budget::{Budget, Paid, Payer};
use crate::check::at_least;
use crate::dadvi::dadvi;
use crate::drive::{Keep, check_start, spent};
use crate::ladder::Ladder;
use crate::laplace::laplace;
use crate::mcmc::nuts;
use crate::pathfinder::pathfinder;
use crate::referee::{Report, Verdict};
use crate::vi;
use crate::watch::watched;
use fit::Fit;
use jensen_density::LogDensity;
use jensen_posterior::evidence::Estimate;
use jensen_posterior::{Approximation, Draws};
use jensen_rng::Stream;
use jensen_run::Observer;

/// What is asked of any method. Numbers that the method has no use for are checked, and otherwise ignored; a start or a
/// number of steps is refused by methods that would ignore it.
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// Draws of an approximation that are the answer, at least 100. Default 4000.
    pub n_draws: usize,
    /// Most steps of an iterative approximation (ADVI with the trials of its step sizes, SGVI, batch and match,
    /// Stein particles), at least 1; other methods refuse it. By default what the method needs: 10,000 for SGVI, twice
    /// as many for ADVI, and 500 for the two that have no stop rule and settle in some hundreds.
    pub max_steps: Option<u64>,
    /// Chains of a sampler, at least 1. Default 4.
    pub n_chains: usize,
    /// Draws of each chain after warmup, at least 4. Default 1000.
    pub n_chain_draws: usize,
    /// Where to begin, `[d]`; by default at random. Of several chains or clouds one begins there and the others are
    /// scattered around, so that they do not agree for having begun together. The ladder and several paths begin
    /// at random in any case, and refuse it.
    pub start: Option<Vec<f64>>,
    /// Most gradients of method and judgement together, at least 1. By default none for methods whose other numbers
    /// bound their work, and those of its own for the ladder, where the smaller bound holds. The ladder then gives
    /// what it has, with a doubt; other methods end with [`InferError::Budget`]. Of a fit that goes on from a checkpoint
    /// the gradients are charged that this one cost.
    pub max_gradients: Option<u64>,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            n_draws: 4000,
            max_steps: None,
            n_chains: 4,
            n_chain_draws: 1000,
            start: None,
            max_gradients: None,
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
    /// Gradients used by the method, those with which it looks for a place to begin included.
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

/// Fewer draws are no answer, and fewer of a chain say nothing of whether it mixed.
const LEAST_DRAWS: u64 = 100;
const LEAST_CHAIN_DRAWS: u64 = 4;
/// Steps of stochastic gradients by default, which mostly end before by their own rule.
const N_STEPS: u64 = 10_000;

/// Fits a density by a method; with `keep` it goes on from the newest checkpoint, to the bits of an unbroken fit.
///
/// Chains and all methods that step keep their states, NUTS and the ladder the chains that are finished. Methods that
/// are done in one go, and the judgement, keep nothing and are done again. A fit goes on only with the options that
/// decide its states: `max_steps` may be larger than it was, and `n_draws` another, but not the number of chains or of
/// their draws.
///
/// # Errors
/// [`InferError`] for options that do not fit or that the method would ignore, a density without coordinates, a start
/// that is not finite or that it refuses, a method that ends without an answer or spends its gradients, a request to stop, or a checkpoint that
/// cannot be read or is of another run.
pub fn fit_with(
    target: &dyn LogDensity,
    method: &Method,
    options: &FitOptions,
    stream: &Stream,
    keep: Option<&Keep>,
    observer: &mut dyn Observer,
) -> Result<Fitted, InferError> {
    options.check(method, target)?;
    if let Method::Ladder(ladder) = method {
        let bounds = [ladder.max_gradients, options.max_gradients];
        let ladder = Ladder {
            max_gradients: bounds.into_iter().flatten().min(),
            ..ladder.clone()
        };
        let fit = Fit {
            target,
            name: method.name(),
            options,
            stream,
            keep,
            budget: &Budget::new(None),
        };
        return fit.climb(&ladder, observer);
    }
    let budget = Budget::new(options.max_gradients);
    let target = Paid {
        target,
        gate: &budget,
    };
    let mut payer = Payer {
        observer,
        budget: &budget,
    };
    let fit = Fit {
        target: &target,
        name: method.name(),
        options,
        stream,
        keep,
        budget: &budget,
    };
    let fitted = run(&fit, method, &mut payer);
    match fitted {
        // Of another run nothing was spent.
        Err(error @ (InferError::OtherRun { .. } | InferError::Beyond { .. })) => Err(error),
        _ if payer.is_broke() => Err(budget.error(method.name())),
        fitted => fitted,
    }
}

/// Runs a method whose options were checked.
fn run(fit: &Fit<'_>, method: &Method, observer: &mut dyn Observer) -> Result<Fitted, InferError> {
    let Fit {
        target,
        options,
        keep,
        ..
    } = *fit;
    let work = fit.stream.child("method", 0);
    match method {
        Method::Ladder(ladder) => fit.climb(ladder, observer),
        Method::MultiPath { n_paths, n_draws } => fit.multi_path(*n_paths, *n_draws, observer),
        Method::Nuts(sampler) => {
            let (chains, used) = fit.chains(observer)?;
            fit.budget.charge(spent(keep)?);
            let sampled = nuts::sample(target, sampler, &chains, &work, keep, observer)?;
            fit.sampled(&sampled, used, observer)
        }
        Method::Hmc(kernel) => fit.kernel(kernel, observer),
        Method::Metropolis(kernel) => fit.kernel(kernel, observer),
        Method::AdaptiveMetropolis(kernel) => fit.kernel(kernel, observer),
        Method::Slice(kernel) => fit.kernel(kernel, observer),
        Method::Svgd(svgd) => fit.particles(svgd, observer),
        Method::Laplace => {
            let (start, used) = fit.start(observer)?;
            let (gaussian, info) = watched(target, observer, |target| laplace(target, &start))??;
            fit.approximated(Box::new(gaussian), used + info.n_gradients, observer)
        }
        Method::Pathfinder(path) => {
            let (start, used) = fit.start(observer)?;
            let climb = |target: &dyn LogDensity| pathfinder(target, &start, path, &work);
            let found = watched(target, observer, climb)??;
            let n_gradients = used + found.n_gradients;
            fit.approximated(Box::new(found.gaussian), n_gradients, observer)
        }
        Method::Dadvi(dadvi_options) => {
            let (start, used) = fit.start(observer)?;
            let sd = vec![1.0; start.len()];
            let solve = |target: &dyn LogDensity| dadvi(target, &start, &sd, dadvi_options, &work);
            let found = watched(target, observer, solve)??;
            let gaussian = found.linear_response.unwrap_or(found.mean_field);
            fit.approximated(Box::new(gaussian), used + found.n_gradients, observer)
        }
        Method::Advi(advi) => fit.advi(advi, observer),
        Method::Bam(bam) => fit.bam(bam, observer),
        Method::Sgvi(kind) => {
            let family = kind.family(target.dim())?;
            let (start, used) = fit.start(observer)?;
            let (steps, family) = (options.max_steps.unwrap_or(N_STEPS), family.as_ref());
            fit.budget.charge(spent(keep)?);
            let found = vi::fit_kept(target, family, &start, steps, &work, keep, observer)?;
            let n_gradients = used + found.n_gradients;
            fit.approximated(found.approximation, n_gradients, observer)
        }
    }
}

impl FitOptions {
    /// Refuses a number that does not fit any method, a start that is none of the target, and what the method would
    /// ignore.
    fn check(&self, method: &Method, target: &dyn LogDensity) -> Result<(), InferError> {
        at_least("n_draws", LEAST_DRAWS, self.n_draws as u64)?;
        at_least("n_chains", 1, self.n_chains as u64)?;
        at_least(
            "n_chain_draws",
            LEAST_CHAIN_DRAWS,
            self.n_chain_draws as u64,
        )?;
        if let Some(max_steps) = self.max_steps {
            at_least("max_steps", 1, max_steps)?;
        }
        if let Some(max_gradients) = self.max_gradients {
            at_least("max_gradients", 1, max_gradients)?;
        }
        if let Some(start) = &self.start {
            check_start(target, start)?;
        }
        let ignored = |second, reason: &str| {
            Err(InferError::Contradiction {
                first: method.name(),
                second,
                reason: reason.to_owned(),
            })
        };
        if self.start.is_some() && !method.takes_start() {
            return ignored(
                "start",
                "expected no start, since this method begins at several random places of its own, found one; leave it \
                 out, or take a method that begins where it is told, as `nuts` or `pathfinder`",
            );
        }
        if self.max_steps.is_some() && !method.takes_steps() {
            return ignored(
                "max_steps",
                "only ADVI, SGVI, batch and match and Stein particles take it",
            );
        }
        Ok(())
    }
}
