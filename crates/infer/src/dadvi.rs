//! Deterministic ADVI: mean-field VI with draws fixed once, a second-order optimizer, and covariances by
//! linear response ([giordano-2024], Alg. 1 and eq. 12; [giordano-2018] for the linear response).
//!
//! With noise e_1..e_M drawn once, L(m, w) = (1/M) sum_k ln p(m + exp(w) e_k) + sum_i w_i + d/2 ln 2 pi e is a
//! deterministic function of (m, w): it is maximized to the end, so there is no step size and no question of
//! convergence. Means come from m; mean-field standard deviations are too small, and the block of means in
//! the inverse of -Hessian of L gives the full covariance to first order. Cost: M gradients for each gradient
//! of L. For up to some hundred coordinates; the linear response is dense, O((2 d)^3). The Hessian of L is exact where
//! the density has Hessian products of its own, and by central differences of gradients elsewhere.

use crate::budget::{Budget, Paid};
use crate::check::at_least_one;
use crate::optimize::trust_region::TrustRegion;
use crate::optimize::{Place, Stop, maximize};
use crate::{InferError, dense};
use faer::Mat;
use jensen_density::{Evaluator, Layout, LogDensity, Reject, Variable};
use jensen_posterior::{Gaussian, Scale};
use jensen_rng::Stream;
use std::f64::consts::{E, TAU};

/// Options of deterministic ADVI.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dadvi {
    /// Draws M, at least 2. Default 30, that of the paper.
    pub n_draws: usize,
    /// Most steps of the trust-region method, at least 1. Default 500, our choice; it mostly ends before by itself.
    pub max_steps: u64,
}

impl Default for Dadvi {
    fn default() -> Self {
        Self {
            n_draws: 30,
            max_steps: 500,
        }
    }
}

/// What deterministic ADVI found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The mean-field optimum.
    pub mean_field: Gaussian,
    /// The same means with the covariance by linear response; `None` where the Hessian is not negative definite.
    pub linear_response: Option<Gaussian>,
    /// The bound with the fixed draws, nats; biased upward, because the draws were fitted.
    pub elbo_fixed: f64,
    /// Why the optimizer ended.
    pub stop: Stop,
    /// Gradients of the target used; a product with its own Hessian counts as one.
    pub n_gradients: u64,
}

/// Maximizes the bound with fixed draws from means `[d]` and standard deviations `[d]`. It judges nothing:
/// [`judge_approximation`](crate::referee::judge_approximation) does.
///
/// # Errors
/// [`InferError`] for options or a start that do not fit.
pub fn dadvi(
    target: &dyn LogDensity,
    mean: &[f64],
    sd: &[f64],
    options: &Dadvi,
    stream: &Stream,
) -> Result<Found, InferError> {
    if options.n_draws < 2 {
        return Err(InferError::Option {
            option: "n_draws",
            expected: "at least 2 draws".to_owned(),
            found: options.n_draws.to_string(),
        });
    }
    at_least_one("max_steps", options.max_steps)?;
    // A product of the bound costs one of the target and a gradient, or gradients alone, and a draw that is refused
    // ends it early: so evaluations of the target itself are counted.
    let meter = Budget::new(None);
    let target = &Paid {
        target,
        gate: &meter,
    };
    Place::start(&mut Evaluator::new(target), mean)?;
    let d = target.dim();
    if sd.len() != d || sd.iter().any(|s| !(*s > 0.0 && s.is_finite())) {
        return Err(InferError::Option {
            option: "sd",
            expected: format!("{d} finite numbers above 0"),
            found: format!("{sd:?}"),
        });
    }
    let objective = FixedDraws::new(target, options.n_draws, stream);
    let start: Vec<f64> = mean
        .iter()
        .copied()
        .chain(sd.iter().map(|s| s.ln()))
        .collect();
    let optimum = maximize(
        &TrustRegion::default(),
        &objective,
        &start,
        options.max_steps,
    )?;
    let (mean, ln_sd) = optimum.place.position.split_at(d);
    let mut evaluator = Evaluator::new(&objective);
    let covariance = dense::hessian(&mut evaluator, &optimum.place.position)
        .ok()
        .and_then(|hessian| dense::inverse(&(hessian * -1.0)));
    let linear_response = covariance
        .and_then(|inverse| dense::cholesky(&Mat::from_fn(d, d, |i, j| inverse[(i, j)])))
        .map(|lower| Gaussian {
            mean: mean.to_vec(),
            scale: Scale::Lower(lower),
        });
    Ok(Found {
        mean_field: Gaussian {
            mean: mean.to_vec(),
            scale: Scale::Diagonal(ln_sd.iter().map(|w| w.exp()).collect()),
        },
        linear_response,
        elbo_fixed: optimum.place.log_density + 0.5 * d as f64 * (TAU * E).ln(),
        stop: optimum.stop,
        n_gradients: meter.used(),
    })
}

/// The bound with fixed draws as a density over (m, w), without its constant.
pub struct FixedDraws<'a> {
    target: &'a dyn LogDensity,
    layout: Layout,
    /// `[M, d]`.
    noise: Vec<f64>,
}

impl<'a> FixedDraws<'a> {
    /// Draws the noise once.
    pub fn new(target: &'a dyn LogDensity, n_draws: usize, stream: &Stream) -> Self {
        let d = target.dim();
        let mut stream = stream.child("fixed", 0);
        Self {
            target,
            layout: Layout::new(vec![
                Variable::new("mean", &[d]),
                Variable::new("ln_sd", &[d]),
            ]),
            noise: (0..n_draws * d).map(|_| stream.normal()).collect(),
        }
    }

    fn n_draws(&self) -> f64 {
        (self.noise.len() / self.target.dim()) as f64
    }
}

impl LogDensity for FixedDraws<'_> {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn scratch_len(&self) -> usize {
        self.target.scratch_len() + 4 * self.target.dim()
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        scratch: &mut [f64],
    ) -> Result<f64, Reject> {
        let d = self.target.dim();
        let (mean, ln_sd) = position.split_at(d);
        let (own, scratch) = scratch.split_at_mut(4 * d);
        let (z, rest) = own.split_at_mut(d);
        let (g, _) = rest.split_at_mut(d);
        let (by_mean, by_ln_sd) = grad.split_at_mut(d);
        by_mean.fill(0.0);
        by_ln_sd.fill(1.0);
        let share = 1.0 / self.n_draws();
        let mut value = ln_sd.iter().sum::<f64>();
        for e in self.noise.chunks_exact(d) {
            for i in 0..d {
                z[i] = mean[i] + ln_sd[i].exp() * e[i];
            }
            value += share * self.target.log_density_and_grad(z, g, scratch)?;
            for i in 0..d {
                by_mean[i] += share * g[i];
                by_ln_sd[i] += share * g[i] * ln_sd[i].exp() * e[i];
            }
        }
        Ok(value)
    }

    /// With dz_k = u + v exp(w) e_k: means get the mean of H dz_k, scales that of
    /// (H dz_k + g_k v) exp(w) e_k.
    fn hessian_vector_product(
        &self,
        position: &[f64],
        vector: &[f64],
        product: &mut [f64],
        scratch: &mut [f64],
    ) -> Option<Result<(), Reject>> {
        let d = self.target.dim();
        let (mean, ln_sd) = position.split_at(d);
        let (u, v) = vector.split_at(d);
        let (own, scratch) = scratch.split_at_mut(4 * d);
        let (z, rest) = own.split_at_mut(d);
        let (g, rest) = rest.split_at_mut(d);
        let (dz, h) = rest.split_at_mut(d);
        let (by_mean, by_ln_sd) = product.split_at_mut(d);
        by_mean.fill(0.0);
        by_ln_sd.fill(0.0);
        let share = 1.0 / self.n_draws();
        for e in self.noise.chunks_exact(d) {
            for i in 0..d {
                let spread = ln_sd[i].exp() * e[i];
                z[i] = mean[i] + spread;
                dz[i] = u[i] + v[i] * spread;
            }
            if let Err(reject) = self.target.hessian_vector_product(z, dz, h, scratch)? {
                return Some(Err(reject));
            }
            if let Err(reject) = self.target.log_density_and_grad(z, g, scratch) {
                return Some(Err(reject));
            }
            for i in 0..d {
                let spread = ln_sd[i].exp() * e[i];
                by_mean[i] += share * h[i];
                by_ln_sd[i] += share * (h[i] + g[i] * v[i]) * spread;
            }
        }
        Some(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::{Correlated, Target};
    use jensen_testkit::integrate_line;
    use jensen_testkit::targets::Counted;

    /// Linear response of a Gaussian is exact but for where the ascent ends: the curvature of the log scales, which
    /// the inverse mixes in, changes by the gradient left.
    const EXACT: f64 = 1e-3;

    #[test]
    fn means_are_exact_and_linear_response_mends_the_covariance() {
        let target = Correlated::new(0.9);
        let stream = Stream::from_seed(5);
        let options = Dadvi {
            n_draws: 4000,
            ..Dadvi::default()
        };
        let found = dadvi(&target, &[0.0; 2], &[0.5; 2], &options, &stream).unwrap();
        assert_eq!(found.stop, Stop::Converged);
        // With draws of mean e the optimum has m = mu - sd e, and sd is (P_ii)^(-1/2) up to their second
        // moments, of which P weighs the correlation like the variance: a few parts of 1/sqrt(4000).
        let mean_field = found.mean_field.scale.variances();
        let best_member = 1.0 - 0.81;
        for i in 0..2 {
            assert!((found.mean_field.mean[i] - 1.0).abs() < 0.05, "{found:?}");
            assert!(
                (mean_field[i] / best_member).ln().abs() < 0.1,
                "{mean_field:?}"
            );
        }
        // Linear response is exact for Gaussians: variance 1 and covariance 0.9.
        let q = found.linear_response.unwrap();
        let Scale::Lower(s) = &q.scale else { panic!() };
        let (var, cov) = (s[0] * s[0], s[0] * s[2]);
        assert!(
            (var - 1.0).abs() < EXACT && (cov - 0.9).abs() < EXACT,
            "{var} {cov}"
        );
    }

    /// x = ln y with y ~ gamma(2, 1). In closed form the best member has the variance 1/2 and -Hessian [[2, 1], [1, 5/2]]
    /// in (m, ln s), so that linear response says 5/8, of a truth of pi^2/6 - 1 = 0.645.
    #[test]
    fn linear_response_mends_most_of_the_variance_of_a_skewed_target() {
        /// Draws leave about a hundredth of a variance.
        const NOISE: f64 = 0.03;
        let target = Target::new(1, |x: &[f64], grad: &mut [f64]| {
            grad[0] = 2.0 - x[0].exp();
            2.0 * x[0] - x[0].exp()
        });
        let moment = |power: i32| {
            let integrand = |x: f64| x.powi(power) * (2.0 * x - x.exp()).exp();
            integrate_line(integrand, 0.4, 1.0)
        };
        let truth = moment(2) / moment(0) - (moment(1) / moment(0)).powi(2);
        let options = Dadvi {
            n_draws: 20_000,
            ..Dadvi::default()
        };
        let found = dadvi(&target, &[0.0], &[1.0], &options, &Stream::from_seed(3)).unwrap();
        let mean_field = found.mean_field.scale.variances()[0];
        let response = found.linear_response.unwrap().scale.variances()[0];
        assert!((mean_field / 0.5 - 1.0).abs() < NOISE, "{mean_field}");
        assert!((response / 0.625 - 1.0).abs() < NOISE, "{response}");
        assert!((response / truth - 1.0).abs() < 0.06, "{response} {truth}");
        assert!((mean_field / truth - 1.0).abs() > 0.2, "{mean_field}");
    }

    #[test]
    fn what_it_says_of_its_cost_is_what_the_density_was_asked_for() {
        for has_products in [false, true] {
            let correlated = Correlated::new(0.9);
            let target = Counted::new(&correlated, has_products);
            let stream = Stream::from_seed(5);
            let found = dadvi(&target, &[0.0; 2], &[0.5; 2], &Dadvi::default(), &stream);
            assert_eq!(found.unwrap().n_gradients, target.n(), "{has_products}");
        }
    }

    #[test]
    fn the_own_hessian_product_agrees_with_differences() {
        let target = Correlated::new(0.5);
        let stream = Stream::from_seed(6);
        let objective = FixedDraws::new(&target, 4, &stream);
        let (at, u) = ([0.3, -0.2, -0.5, 0.1], [1.0, -0.4, 0.7, 0.2]);
        let mut own = [0.0; 4];
        let mut scratch = vec![0.0; objective.scratch_len()];
        objective
            .hessian_vector_product(&at, &u, &mut own, &mut scratch)
            .unwrap()
            .unwrap();
        let mut along = |t: f64| {
            let moved: Vec<f64> = at.iter().zip(&u).map(|(x, u)| x + t * u).collect();
            let mut grad = [0.0; 4];
            objective
                .log_density_and_grad(&moved, &mut grad, &mut scratch)
                .unwrap();
            grad
        };
        let (above, below) = (along(1e-5), along(-1e-5));
        for i in 0..4 {
            let difference = (above[i] - below[i]) / 2e-5;
            assert!((own[i] - difference).abs() < 1e-7, "{own:?}");
        }
    }
}
