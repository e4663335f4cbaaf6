//! The view of a distribution of vectors or matrices as an exponential family, as in
//! `crates/dist/src/univariate/exponential_family.rs`:
//!
//! ln p(x) = eta . t(x) - A(eta) + ln h(x),   grad A = E t,
//! KL(eta || zeta) = A(zeta) - A(eta) - (zeta - eta) . E_eta t ([wainwright-2008], eq. 5.6).
//!
//! Symmetric matrices stand in eta and t with both triangles, so that the inner product is tr(H T); the
//! gradient by one is the symmetric G with dA = sum_ij G_ij dH_ij for symmetric dH, as for partials.

/// ln p(x) = eta . t(x) - A(eta) + ln h(x) with k statistics for the dimension d.
///
/// Parameters that are no part of eta, such as a number of trials, are known in this view: functions of
/// eta take theta for their sake and look at nothing else in it.
pub trait ExponentialFamily {
    /// Indices of the parameters that are known.
    fn known(&self) -> &'static [usize] {
        &[]
    }

    /// Number of statistics k.
    fn n_statistics(&self, d: usize) -> usize;

    /// Natural parameters eta `[k]` of usual parameters.
    fn natural(&self, d: usize, theta: &[&[f64]], eta: &mut [f64]);

    /// Usual parameters of natural ones; known ones stay as they are.
    fn usual(&self, d: usize, eta: &[f64], theta: &mut [&mut [f64]]);

    /// Sufficient statistics t(x) `[k]`.
    fn statistics(&self, d: usize, x: &[f64], theta: &[&[f64]], t: &mut [f64]);

    /// The log-partition A(eta), nats; writes its gradient, the expected statistics E t `[k]`.
    fn log_partition(&self, d: usize, eta: &[f64], theta: &[&[f64]], expected: &mut [f64]) -> f64;

    /// ln h(x), the part without natural parameters.
    fn ln_base(&self, d: usize, x: &[f64], theta: &[&[f64]]) -> f64;

    /// KL(theta || other), nats, where both have the same known parameters. The difference of
    /// log-partitions cancels: the error is of the order of the last place of A.
    fn divergence(&self, d: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        if self.known().iter().any(|&i| theta[i] != other[i]) {
            return None;
        }
        let k = self.n_statistics(d);
        let [mut eta, mut zeta, mut expected, mut unused] = [(); 4].map(|()| vec![0.0; k]);
        self.natural(d, theta, &mut eta);
        self.natural(d, other, &mut zeta);
        let here = self.log_partition(d, &eta, theta, &mut expected);
        let there = self.log_partition(d, &zeta, other, &mut unused);
        let shift: f64 = (zeta.iter().zip(&eta).zip(&expected))
            .map(|((z, e), t)| (z - e) * t)
            .sum();
        Some((there - here - shift).max(0.0))
    }
}
