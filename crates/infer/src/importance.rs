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

use crate::{InferError, dense};
use faer::Mat;
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::{Approximation, Gaussian, Mixture, Psis, Scale, StudentT};
use jensen_rng::Stream;
use jensen_special::logspace::log_sum_exp;
use rayon::prelude::*;

/// Options of adaptive importance sampling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveImportance {
    /// Draws of a round, at least 100.
    pub n_draws: usize,
    /// Rounds, the first with the given proposals included; at least 1.
    pub max_rounds: usize,
    /// It is done when the weights are worth this many independent draws, and
    pub target_draws: f64,
    /// k-hat is below this; 0.5 keeps the variance of weights finite ([vehtari-2024]).
    pub target_shape: f64,
    /// Most components of a proposal.
    pub max_components: usize,
    /// Degrees of freedom of the components.
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

/// EM steps for each proposal: the fit need not be exact, the weights correct it.
const EM_STEPS: usize = 15;
/// A component needs this many effective draws a coordinate.
const DRAWS_PER_COORDINATE: f64 = 4.0;
/// Weights are flattened until they are worth this many draws a coordinate before a proposal is fitted.
const FLATTEN_TO: f64 = 8.0;
/// Covariances of fitted components are widened by this factor: too narrow is worse than too wide.
const WIDEN: f64 = 1.1;

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
        let good =
            psis.k_hat < options.target_shape && psis.effective_draws() >= options.target_draws;
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
        if round > 1 && psis.k_hat >= options.target_shape {
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

/// Fits a proposal to weighted draws by EM; `None` where the draws do not carry a covariance.
fn fit(
    d: usize,
    positions: &[f64],
    ln_weights: &[f64],
    n_components: usize,
    dof: f64,
    stream: &Stream,
) -> Option<Mixture<StudentT>> {
    let weights = flattened(ln_weights, FLATTEN_TO * d as f64);
    let effective = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
    let affordable = (effective / (DRAWS_PER_COORDINATE * d as f64)).floor() as usize;
    let n_components = n_components.min(affordable.max(1));
    let rows: Vec<&[f64]> = positions.chunks_exact(d).collect();
    // Draws without weight teach nothing.
    let kept: Vec<usize> = (0..rows.len()).filter(|&i| weights[i] > 0.0).collect();
    let whole = component(&rows, &kept, |i| weights[i], |i| weights[i], d, dof)?;
    if n_components == 1 {
        return em(&rows, &kept, &weights, vec![whole], vec![1.0], dof);
    }
    // Centers are drawn by weight and kept apart (k-means++ in the metric of the whole).
    let mut draws = stream.child("centers", 0);
    let mut centers = vec![pick(&kept, |i| weights[i], &mut draws)];
    while centers.len() < n_components {
        let gap = |i: usize| {
            let nearest = (centers.iter())
                .map(|&c| {
                    let mut gap: Vec<f64> =
                        rows[i].iter().zip(rows[c]).map(|(a, b)| a - b).collect();
                    whole.scale.solve(&mut gap);
                    gap.iter().map(|g| g * g).sum::<f64>()
                })
                .fold(f64::INFINITY, f64::min);
            weights[i] * nearest
        };
        let next = pick(&kept, gap, &mut draws);
        centers.push(next);
    }
    let start: Vec<StudentT> = (centers.iter())
        .map(|&c| student_t(rows[c].to_vec(), whole.scale.clone(), dof))
        .collect();
    let shares = vec![1.0 / n_components as f64; n_components];
    em(&rows, &kept, &weights, start, shares, dof)
}

/// A mixture after some steps of EM for Student-t laws ([peel-2000], eq. 14 to 17).
fn em(
    rows: &[&[f64]],
    kept: &[usize],
    weights: &[f64],
    mut components: Vec<StudentT>,
    mut shares: Vec<f64>,
    dof: f64,
) -> Option<Mixture<StudentT>> {
    let d = rows[0].len();
    let nu = dof;
    for _ in 0..EM_STEPS {
        // Responsibility and the weight of distance of each kept draw for each component.
        let soft: Vec<Vec<(f64, f64)>> = kept
            .par_iter()
            .map(|&i| {
                let ln: Vec<f64> = (shares.iter().zip(&components))
                    .map(|(share, q)| share.ln() + q.ln_density(rows[i]))
                    .collect();
                let total = log_sum_exp(&ln);
                (ln.iter().zip(&components))
                    .map(|(ln, q)| {
                        let near = (nu + d as f64) / (nu + squared_distance(q, rows[i]));
                        ((ln - total).exp(), near)
                    })
                    .collect()
            })
            .collect();
        let mut next = Vec::new();
        let mut next_shares = Vec::new();
        for k in 0..components.len() {
            let mass: Vec<f64> = (kept.iter().zip(&soft))
                .map(|(&i, soft)| weights[i] * soft[k].0)
                .collect();
            let pull: Vec<f64> = mass
                .iter()
                .zip(&soft)
                .map(|(m, soft)| m * soft[k].1)
                .collect();
            let share: f64 = mass.iter().sum();
            let order: Vec<usize> = (0..kept.len()).collect();
            let kept_rows: Vec<&[f64]> = kept.iter().map(|&i| rows[i]).collect();
            // A component that dies leaves its share to the others.
            if let Some(q) = component(&kept_rows, &order, |i| pull[i], |i| mass[i], d, dof) {
                next.push(q);
                next_shares.push(share);
            }
        }
        if next.is_empty() {
            return None;
        }
        let total: f64 = next_shares.iter().sum();
        shares = next_shares.iter().map(|s| s / total).collect();
        components = next;
    }
    for q in &mut components {
        q.scale = match &q.scale {
            Scale::Lower(rows) => Scale::Lower(rows.iter().map(|x| x * WIDEN.sqrt()).collect()),
            Scale::Diagonal(sd) => Scale::Diagonal(sd.iter().map(|x| x * WIDEN.sqrt()).collect()),
        };
    }
    Mixture::new(&shares, components).ok()
}

/// A component with location sum(pull z) / sum(pull) and scale matrix sum(pull c c^T) / sum(mass).
fn component(
    rows: &[&[f64]],
    kept: &[usize],
    pull: impl Fn(usize) -> f64,
    mass: impl Fn(usize) -> f64,
    d: usize,
    dof: f64,
) -> Option<StudentT> {
    let total_pull: f64 = kept.iter().map(|&i| pull(i)).sum();
    let total_mass: f64 = kept.iter().map(|&i| mass(i)).sum();
    let mut location = vec![0.0; d];
    for &i in kept {
        for (m, z) in location.iter_mut().zip(rows[i]) {
            *m += pull(i) / total_pull * z;
        }
    }
    let mut scatter = Mat::<f64>::zeros(d, d);
    for &i in kept {
        let w = pull(i) / total_mass;
        for a in 0..d {
            let c = w * (rows[i][a] - location[a]);
            for b in 0..=a {
                scatter[(a, b)] += c * (rows[i][b] - location[b]);
            }
        }
    }
    // Scaled to correlations first, so that the units of coordinates do not decide.
    let sd: Vec<f64> = (0..d).map(|a| scatter[(a, a)].sqrt()).collect();
    if sd.iter().any(|s| !(*s > 0.0 && s.is_finite())) {
        return None;
    }
    let correlation = Mat::from_fn(d, d, |a, b| {
        let (i, j) = (a.max(b), a.min(b));
        scatter[(i, j)] / (sd[i] * sd[j])
    });
    let mut lower = dense::cholesky(&correlation)?;
    for (a, row) in lower.chunks_exact_mut(d).enumerate() {
        row.iter_mut().for_each(|x| *x *= sd[a]);
    }
    // A correlation matrix that is singular to rounding would make a needle.
    let thin = (0..d).any(|a| lower[a * d + a] < 1e-7 * sd[a]);
    (!thin).then(|| student_t(location, Scale::Lower(lower), dof))
}

/// An index drawn in proportion to its weight.
fn pick(kept: &[usize], weight: impl Fn(usize) -> f64, draws: &mut Stream) -> usize {
    let total: f64 = kept.iter().map(|&i| weight(i)).sum();
    let mut left = draws.uniform() * total;
    for &i in kept {
        left -= weight(i);
        if left < 0.0 {
            return i;
        }
    }
    kept[kept.len() - 1]
}

/// Weights raised to the largest power in (0, 1] at which they are worth at least this many draws, as far as
/// there are so many; they sum to one.
fn flattened(ln_weights: &[f64], effective: f64) -> Vec<f64> {
    let at = |power: f64| -> Vec<f64> {
        let raised: Vec<f64> = ln_weights.iter().map(|w| power * w).collect();
        let total = log_sum_exp(&raised);
        raised.iter().map(|w| (w - total).exp()).collect()
    };
    let mut power = 1.0;
    loop {
        let weights = at(power);
        let worth = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
        if worth >= effective || power < 1e-3 {
            return weights;
        }
        power *= 0.7;
    }
}

/// A Gaussian as a first proposal with heavier tails: the same location and scale.
pub fn heavier(gaussian: &Gaussian, dof: f64) -> StudentT {
    student_t(gaussian.mean.clone(), gaussian.scale.clone(), dof)
}

fn student_t(location: Vec<f64>, scale: Scale, dof: f64) -> StudentT {
    StudentT::new(location, scale, dof).expect("internal error: degrees of freedom were checked")
}

/// |S^-1 (z - m)|^2.
pub(crate) fn squared_distance(q: &StudentT, position: &[f64]) -> f64 {
    let mut e: Vec<f64> = position
        .iter()
        .zip(&q.location)
        .map(|(z, m)| z - m)
        .collect();
    q.scale.solve(&mut e);
    e.iter().map(|e| e * e).sum()
}
