//! Pseudo-BMA+: weights of models by their predictive density, softened by its uncertainty.
//!
//! w_k is the mean over Bayesian bootstrap replicates of softmax_k(n sum_i a_i elpd_ik), a from a flat Dirichlet
//! ([yao-2018], section 3.4). Cost O(B n K). For models that are few and much alike; else `stacking`.

use crate::PosteriorError;
use crate::compare::check;
use jensen_rng::Stream;
use jensen_special::logspace::log_sum_exp;

/// Pseudo-BMA+ weights `[k]`, which sum to one, of models with pointwise elpd `[k][n]`, nats; replicate b draws
/// from the child `bootstrap`, b of the stream.
///
/// # Errors
/// As [`compare`](crate::compare::compare), and no replicate.
pub fn pseudo_bma_plus(
    pointwise: &[&[f64]],
    n_replicates: usize,
    stream: &Stream,
) -> Result<Vec<f64>, PosteriorError> {
    check(pointwise)?;
    if n_replicates == 0 {
        return Err(PosteriorError::Range {
            what: "number of bootstrap replicates",
            expected: "at least 1",
            value: 0.0,
        });
    }
    let n = pointwise[0].len();
    let mut weights = vec![0.0; pointwise.len()];
    for b in 0..n_replicates as u64 {
        let mut stream = stream.child("bootstrap", b);
        // Exponentials over their sum are a draw of the flat Dirichlet.
        let shares: Vec<f64> = (0..n).map(|_| -stream.uniform_open().ln()).collect();
        let per_point = n as f64 / shares.iter().sum::<f64>();
        let total = |model: &&[f64]| {
            let sum: f64 = model.iter().zip(&shares).map(|(e, a)| e * a).sum();
            sum * per_point
        };
        let totals: Vec<f64> = pointwise.iter().map(total).collect();
        let all = log_sum_exp(&totals);
        for (w, t) in weights.iter_mut().zip(&totals) {
            *w += (t - all).exp() / n_replicates as f64;
        }
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For two models and two points a share a is uniform and the weight is the mean of 1/(1 + e^-2(a x + (1 - a) y)).
    #[test]
    fn two_points_have_a_closed_form() {
        let (x, y) = (1.5f64, -0.5);
        let softplus = |t: f64| t.exp().ln_1p();
        let known = (softplus(2.0 * x) - softplus(2.0 * y)) / (2.0 * (x - y));
        let n = 20_000;
        let w = pseudo_bma_plus(&[&[x, y], &[0.0, 0.0]], n, &Stream::from_seed(1)).unwrap();
        // Five standard errors of a mean of numbers in [0, 1].
        let error = (known * (1.0 - known) / n as f64).sqrt();
        assert!(
            (w[0] - known).abs() < 5.0 * error && (w[0] + w[1] - 1.0).abs() < 1e-12,
            "{w:?}"
        );
        assert!(pseudo_bma_plus(&[&[1.0]], 0, &Stream::from_seed(1)).is_err());
    }
}
