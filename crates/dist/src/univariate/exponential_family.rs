//! The view of a distribution as an exponential family.
//!
//! ln p(x) = eta . t(x) - A(eta) + ln h(x),   grad A = E t,
//! KL(eta || zeta) = A(zeta) - A(eta) - (zeta - eta) . E_eta t,
//! the divergence that belongs to the convex function A ([wainwright-2008], eq. 5.6).

/// ln p(x) = eta . t(x) - A(eta) + ln h(x), minimal unless its file says otherwise, with k statistics.
///
/// Parameters that are no part of eta, such as a number of trials, are known in this view: functions of
/// x or eta find them at their places in `theta`, of which they read nothing else.
pub trait ExponentialFamily {
    /// Indices in theta of the parameters that are known.
    fn known(&self) -> &'static [usize] {
        &[]
    }

    /// Number of statistics k for p numbers in theta.
    fn n_statistics(&self, p: usize) -> usize;

    /// Natural parameters eta `[k]` of usual parameters.
    fn natural(&self, theta: &[f64], eta: &mut [f64]);

    /// Usual parameters of natural ones; known entries of theta stay as they are.
    fn usual(&self, eta: &[f64], theta: &mut [f64]);

    /// Sufficient statistics t(x) `[k]`.
    fn statistics(&self, x: f64, theta: &[f64], t: &mut [f64]);

    /// The log-partition A(eta), nats; writes its gradient, the expected statistics E t `[k]`.
    fn log_partition(&self, eta: &[f64], theta: &[f64], expected: &mut [f64]) -> f64;

    /// ln h(x), the part without natural parameters.
    fn ln_base(&self, x: f64, theta: &[f64]) -> f64;

    /// KL(theta || other), nats, where both have the same known parameters. The difference of
    /// log-partitions cancels: the error is of the order of the last place of A.
    fn divergence(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        if theta.len() != other.len() || self.known().iter().any(|&i| theta[i] != other[i]) {
            return None;
        }
        let k = self.n_statistics(theta.len());
        let mut memory = vec![0.0; 4 * k];
        let (eta, rest) = memory.split_at_mut(k);
        let (zeta, rest) = rest.split_at_mut(k);
        let (expected, unused) = rest.split_at_mut(k);
        self.natural(theta, eta);
        self.natural(other, zeta);
        let here = self.log_partition(eta, theta, expected);
        let there = self.log_partition(zeta, other, unused);
        let shift: f64 = (zeta.iter().zip(eta.iter()))
            .zip(expected.iter())
            .map(|((z, e), t)| (z - e) * t)
            .sum();
        Some((there - here - shift).max(0.0))
    }
}
