//! Mixtures of Student-t laws from weighted draws, by EM with flattened weights.

use crate::dense;
use faer::Mat;
use jensen_posterior::{Approximation, Gaussian, Mixture, Scale, StudentT};
use jensen_rng::Stream;
use jensen_special::logspace::log_sum_exp;
use rayon::prelude::*;

/// EM steps for each proposal: the fit need not be exact, the weights correct it.
const EM_STEPS: usize = 15;
/// A component needs this many effective draws a coordinate.
const DRAWS_PER_COORDINATE: f64 = 4.0;
/// Weights are flattened until they are worth this many draws a coordinate before a proposal is fitted.
const FLATTEN_TO: f64 = 8.0;
/// Covariances of fitted components are widened by this factor: too narrow is worse than too wide.
const WIDEN: f64 = 1.1;

/// Fits a proposal to weighted draws by EM; `None` where the draws do not carry a covariance.
pub(super) fn fit(
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
